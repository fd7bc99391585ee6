#include "mem/budget.h"

#include <string.h>

#include "base/checked.h"
#include "base/text.h"

enum { AUTO_PERCENT = 60, AUTO_PERCENT_MIN = 25 };

#define AUTO_KEEP_BYTES (INT64_C(1) << 30)

static int64_t percent_of(int64_t bytes, double percent)
{
    return (int64_t)((double)bytes * (percent / 100));
}

static void choose_auto(const snug_probe *probe, snug_budget *budget, snug_text *origin)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    const int64_t headroom = probe->headroom_bytes;
    const int64_t share = percent_of(headroom, AUTO_PERCENT);
    const int64_t keeping = headroom - AUTO_KEEP_BYTES;
    const int64_t least = percent_of(headroom, AUTO_PERCENT_MIN);
    budget->bytes = snug_max_i64(least, snug_min_i64(share, keeping));
    (void)snug_size_text(budget->bytes, size);
    if (share <= keeping) {
        snug_text_say(origin, "%s = %d %% of what is free now", size, AUTO_PERCENT);
    } else if (keeping >= least) {
        snug_text_say(origin, "%s = what is free now, keeping 1 GiB", size);
    } else {
        snug_text_say(origin, "%s = %d %% of what is free now, which is little", size,
                      AUTO_PERCENT_MIN);
    }
}

/* "60%", "12.5%"; false when it is not a percentage in (0, 100]. */
static bool parse_percent(const char *text, double *out)
{
    double value = 0;
    double unit = 1;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value <= 1000; at++) {
        value = value * 10 + (*at - '0');
    }
    if (at == text) {
        return false;
    }
    if (*at == '.') {
        for (at++; *at >= '0' && *at <= '9' && unit > 1e-6; at++) {
            unit /= 10;
            value += unit * (*at - '0');
        }
    }
    if (strcmp(at, "%") != 0 && strcmp(at, " %") != 0) {
        return false;
    }
    *out = value;
    return value > 0 && value <= 100;
}

snug_status snug_budget_choose(const char *text, const snug_probe *probe, snug_budget *out,
                               snug_error *err)
{
    snug_text origin;
    snug_budget budget = {.headroom_bytes = probe->headroom_bytes};
    char size[SNUG_SIZE_TEXT_BYTES];
    double percent = 0;
    snug_text_init(&origin, budget.origin, sizeof budget.origin);
    if (text == NULL || text[0] == '\0' || strcmp(text, "auto") == 0) {
        choose_auto(probe, &budget, &origin);
        snug_text_add(&origin, " (%s)", probe->sentence);
    } else if (strchr(text, '%') != NULL) {
        if (!parse_percent(text, &percent)) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE,
                             "'%s' is not a budget; a percentage is above 0%% and up to 100%%",
                             text);
        }
        budget.bytes = percent_of(probe->headroom_bytes, percent);
        snug_text_say(&origin, "%s = %g %% of what is free now (%s)",
                      snug_size_text(budget.bytes, size), percent, probe->sentence);
    } else {
        SNUG_TRY(snug_size_parse(text, &budget.bytes, err));
        if (budget.bytes == 0) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE, "a budget of '%s' holds nothing", text);
        }
        snug_text_say(&origin, "%s as asked (%s)", snug_size_text(budget.bytes, size),
                      probe->sentence);
    }
    *out = budget;
    return SNUG_OK;
}
