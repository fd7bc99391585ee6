#include "monitor/pressure.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"

static const double SETTLE_S = 2;
static const double HOLD_S = 10;
/* A margin below this part of the budget is a warning: 1/20. */
enum { WARNING_SHARE = 20 };

const char *snug_pressure_action_name(snug_pressure_action action)
{
    static const char *const names[] = {"none", "warn", "drop_caches", "shrink", "stop"};
    return names[action];
}

void snug_pressure_init(snug_pressure *pressure, const snug_pressure_options *options)
{
    *pressure = (snug_pressure){.options = *options, .better_since_t = -1, .acted_t = -1};
    if (pressure->options.settle_s <= 0) {
        pressure->options.settle_s = SETTLE_S;
    }
    if (pressure->options.hold_s <= 0) {
        pressure->options.hold_s = HOLD_S;
    }
}

/* The level of this step alone, and why: for the log and for people. */
static snug_level look(const snug_pressure_facts *facts, snug_text *reason, snug_text *words)
{
    char headroom[SNUG_SIZE_TEXT_BYTES];
    char needed[SNUG_SIZE_TEXT_BYTES];
    const int64_t margin = facts->headroom_bytes - facts->needed_bytes;
    const snug_level own = margin < 0                                     ? SNUG_LEVEL_DANGER
                           : margin < facts->budget_bytes / WARNING_SHARE ? SNUG_LEVEL_WARNING
                                                                          : SNUG_LEVEL_OK;
    if (own >= facts->level && own != SNUG_LEVEL_OK) {
        snug_text_add(reason, "%s free, the plan still takes %s",
                      snug_size_text(facts->headroom_bytes, headroom),
                      snug_size_text(facts->needed_bytes, needed));
        snug_text_say(words, "%s free, the plan still takes %s", headroom, needed);
        return own;
    }
    if (facts->level != SNUG_LEVEL_OK && facts->level_reason != NULL) {
        snug_text_add(reason, "%s", facts->level_reason);
        snug_text_add(words, "%s", facts->level_reason);
    }
    return facts->level;
}

/* Worse at once, better after a while. True when the level is another one. */
static bool follow(snug_pressure *pressure, snug_level now, double t)
{
    if (now > pressure->level) {
        pressure->level = now;
        pressure->better_since_t = -1;
        return true;
    }
    if (now == pressure->level) {
        pressure->better_since_t = -1;
        return false;
    }
    if (pressure->better_since_t < 0) {
        pressure->better_since_t = t;
    }
    if (t - pressure->better_since_t < pressure->options.hold_s) {
        return false;
    }
    pressure->level = now;
    pressure->better_since_t = -1;
    return true;
}

/* What the level asks for, whatever was done before. */
static snug_pressure_action wanted(const snug_pressure *pressure, snug_level now,
                                   const snug_pressure_facts *facts)
{
    const snug_pressure_options *options = &pressure->options;
    /* While a level is only held, nothing more is done for it. */
    if (now < SNUG_LEVEL_WARNING || options->policy == SNUG_PRESSURE_POLICY_WARN) {
        return SNUG_PRESSURE_NONE;
    }
    if (facts->caches_left && (now == SNUG_LEVEL_WARNING || !facts->can_shrink)) {
        return SNUG_PRESSURE_DROP_CACHES;
    }
    if (options->policy == SNUG_PRESSURE_POLICY_SHRINK && facts->can_shrink) {
        return SNUG_PRESSURE_SHRINK;
    }
    if (now == SNUG_LEVEL_DANGER && (pressure->short_of_own || options->strict ||
                                     options->policy == SNUG_PRESSURE_POLICY_STOP)) {
        return SNUG_PRESSURE_STOP;
    }
    return SNUG_PRESSURE_NONE;
}

snug_pressure_action snug_pressure_step(snug_pressure *pressure, const snug_pressure_facts *facts)
{
    char data[SNUG_LEVELS_REASON_BYTES];
    char translated[SNUG_LEVELS_REASON_BYTES];
    snug_text reason;
    snug_text words;
    snug_text_init(&reason, data, sizeof data);
    snug_text_init(&words, translated, sizeof translated);
    const snug_level now = look(facts, &reason, &words);
    pressure->short_of_own = facts->headroom_bytes < facts->needed_bytes;
    if (follow(pressure, now, facts->t)) {
        pressure->told = false;
    }
    const bool settled =
        pressure->acted_t < 0 || facts->t - pressure->acted_t >= pressure->options.settle_s;
    snug_pressure_action action = settled ? wanted(pressure, now, facts) : SNUG_PRESSURE_NONE;
    if (action == SNUG_PRESSURE_NONE && now != SNUG_LEVEL_OK && !pressure->told) {
        action = SNUG_PRESSURE_WARN;
    }
    if (action == SNUG_PRESSURE_NONE) {
        return action;
    }
    pressure->told = true;
    if (action != SNUG_PRESSURE_WARN) {
        pressure->acted_t = facts->t;
    }
    memcpy(pressure->reason, data, sizeof data);
    memcpy(pressure->words, translated, sizeof translated);
    return action;
}
