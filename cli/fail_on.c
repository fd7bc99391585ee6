#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_MAX = 32 };

typedef struct condition {
    int64_t metric;
    bool above; /* > or <. */
    double bound;
} condition;

/* What is so or not so, without a number. */
static bool is_fact(const char *text)
{
    return strcmp(text, "leak") == 0 || strcmp(text, "exceed") == 0;
}

/* "mae>0.2" or "peak<600MiB": a metric, a sign, a number or a size. */
static bool parse(const char *text, const cli_metric *metrics, int64_t count, condition *out)
{
    const size_t length = strcspn(text, "<>");
    const char *value = text + length + 1;
    for (int64_t i = 0; i < count && is_fact(text); i++) {
        if (strcmp(metrics[i].name, text) == 0) {
            *out = (condition){.metric = i, .above = true, .bound = 0};
            return true;
        }
    }
    if (length == 0 || text[length] == '\0' || *value == '\0') {
        cli_error("--fail-on '%s' is no condition; write it like 'mae>0.2'", text);
        return false;
    }
    char name[64];
    const char *names[METRICS_MAX];
    (void)snprintf(name, sizeof name, "%.*s", (int)length, text);
    out->metric = -1;
    for (int64_t i = 0; i < count && i < METRICS_MAX; i++) {
        names[i] = metrics[i].name;
        if (strcmp(metrics[i].name, name) == 0) {
            out->metric = i;
        }
    }
    if (out->metric < 0) {
        const char *near = snug_name_nearest(name, names, count);
        char list[512] = "";
        for (int64_t i = 0; i < count; i++) {
            (void)snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s",
                           i == 0 ? "" : ", ", names[i]);
        }
        cli_error("--fail-on knows no '%s'; %s%s", name,
                  near != NULL ? T_("did you mean ") : T_("it knows "), near != NULL ? near : list);
        return false;
    }
    out->above = text[length] == '>';
    char *end = NULL;
    out->bound = strtod(value, &end);
    if (*end != '\0' || end == value) {
        int64_t bytes = 0;
        snug_error err = {0};
        if (snug_size_read(value, &bytes, &err) != SNUG_OK) {
            cli_error("--fail-on '%s': '%s' is neither a number nor a size", text, value);
            return false;
        }
        out->bound = (double)bytes;
    }
    return true;
}

bool cli_fail_on_check(const cli_line *line, const cli_metric *metrics, int64_t count)
{
    for (int64_t i = 0; i < line->fail_on_count; i++) {
        condition ignored;
        if (!parse(line->fail_on[i], metrics, count, &ignored)) {
            return false;
        }
    }
    return true;
}

bool cli_fail_on_holds(const cli_line *line, const cli_metric *metrics, int64_t count)
{
    bool any = false;
    for (int64_t i = 0; i < line->fail_on_count; i++) {
        condition found;
        if (!parse(line->fail_on[i], metrics, count, &found)) {
            return true;
        }
        const double value = metrics[found.metric].value;
        /* A NaN is neither above nor below, and never what anyone wants. */
        if (isnan(value) || (found.above ? value > found.bound : value < found.bound)) {
            cli_error("condition %s holds: %s is %.9g", line->fail_on[i],
                      metrics[found.metric].name, value);
            any = true;
        }
    }
    return any;
}
