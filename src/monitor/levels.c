#include "monitor/levels.h"

#include <math.h>
#include <string.h>

#include "base/attr.h"
#include "base/checked.h"
#include "base/text.h"
#include "base/translate.h"

enum { BASIS_NONE = -1, BASIS_GIVEN, BASIS_GROUP, BASIS_MACHINE, BASIS_COUNT };
static const double CALM_S = 10;
static const double WINDOW_S = 60;
/* Below this the growth of "the last minute" is that of a start. */
static const double WINDOW_LEAST_S = 20;
static const double GROWTH_NOW_S = 3;
static const char *const basis_words[BASIS_COUNT] = {"the given limit", "the control group's limit",
                                                     "the machine's memory"};

const char *snug_level_name(snug_level level)
{
    static const char *const names[SNUG_LEVEL_COUNT] = {"ok", "notice", "warning", "danger"};
    return names[level];
}

void snug_levels_init(snug_levels *levels, const snug_levels_options *options)
{
    static const double memory[3] = {70, 80, 90};
    static const double gpu[3] = {80, 90, 95};
    memset(levels, 0, sizeof *levels);
    levels->options = *options;
    if (options->memory_percent[0] == 0) {
        memcpy(levels->options.memory_percent, memory, sizeof memory);
    }
    if (options->gpu_percent[0] == 0) {
        memcpy(levels->options.gpu_percent, gpu, sizeof gpu);
    }
    levels->basis = BASIS_NONE;
    levels->lower_since_t = -1;
}

/* Use and limit of one basis; false when it does not apply. */
static bool read_basis(const snug_levels *levels, const snug_reading *sample, int32_t basis,
                       double *out_used, double *out_limit)
{
    const double machine = snug_reading_get(sample, SNUG_FIELD_USED, 0);
    switch (basis) {
    case BASIS_GIVEN:
        /* The share is nearer to the truth than the sum of what may be shared. */
        *out_used = snug_reading_get(sample, SNUG_FIELD_PSS,
                                     snug_reading_get(sample, SNUG_FIELD_RSS, machine));
        *out_limit = (double)levels->options.limit_bytes;
        return levels->options.limit_bytes > 0;
    case BASIS_GROUP:
        *out_used = snug_reading_get(sample, SNUG_FIELD_CGROUP, 0) -
                    snug_reading_get(sample, SNUG_FIELD_CGROUP_CACHE, 0);
        *out_limit = snug_reading_get(sample, SNUG_FIELD_CGROUP_LIMIT, 0);
        return snug_reading_has(sample, SNUG_FIELD_CGROUP) && *out_limit > 0;
    default:
        *out_used = machine;
        *out_limit = (double)levels->options.machine_bytes;
        return machine > 0 && *out_limit > 0;
    }
}

static int64_t ring_at(const snug_levels *levels, int64_t back)
{
    return (levels->ring_count - 1 - back) % SNUG_LEVELS_RING;
}

/* Samples of the ring that are no older than `window_s`, the newest included. */
static int64_t ring_span(const snug_levels *levels, double window_s)
{
    const int64_t held = snug_min_i64(levels->ring_count, SNUG_LEVELS_RING);
    int64_t span = 0;
    while (span < held &&
           levels->ring[ring_at(levels, 0)].t - levels->ring[ring_at(levels, span)].t <= window_s) {
        span++;
    }
    return span;
}

/* Bytes per second over the window; 0 when it shrinks or is shorter than `least_s`. */
static double growth(const snug_levels *levels, double window_s, double least_s)
{
    const int64_t span = ring_span(levels, window_s);
    if (span < 2) {
        return 0;
    }
    const int64_t first = ring_at(levels, span - 1);
    const int64_t last = ring_at(levels, 0);
    const double seconds = levels->ring[last].t - levels->ring[first].t;
    if (seconds <= 0 || seconds < least_s) {
        return 0;
    }
    return fmax(0, (levels->ring[last].used - levels->ring[first].used) / seconds);
}

static double largest_step(const snug_levels *levels)
{
    const int64_t span = ring_span(levels, WINDOW_S);
    double largest = 0;
    for (int64_t i = 0; i + 1 < span; i++) {
        largest = fmax(largest, levels->ring[ring_at(levels, i)].used -
                                    levels->ring[ring_at(levels, i + 1)].used);
    }
    return largest;
}

double snug_levels_seconds_left(const snug_levels *levels)
{
    const double rate = growth(levels, GROWTH_NOW_S, 0);
    return levels->limit > 0 && rate > 0 ? (levels->limit - levels->used) / rate : INFINITY;
}

/* Raises *level, and says why in *reason, when `found` is above it. */
static void raise_level(snug_level *level, snug_level_reason *reason, snug_level found,
                        snug_level_reason why)
{
    if (found > *level) {
        *level = found;
        *reason = why;
    }
}

static snug_level level_of(double percent, const double bounds[3])
{
    return percent > bounds[2]   ? SNUG_LEVEL_DANGER
           : percent > bounds[1] ? SNUG_LEVEL_WARNING
           : percent > bounds[0] ? SNUG_LEVEL_NOTICE
                                 : SNUG_LEVEL_OK;
}

static void judge_percent(const snug_levels *levels, const snug_reading *sample, snug_level *level,
                          snug_level_reason *reason)
{
    const double gpu = snug_reading_get(sample, SNUG_FIELD_GPU_PERCENT, 0);
    for (int32_t basis = 0; basis < BASIS_COUNT; basis++) {
        double used = 0;
        double limit = 0;
        if (!read_basis(levels, sample, basis, &used, &limit)) {
            continue;
        }
        const double percent = 100 * used / limit;
        raise_level(level, reason, level_of(percent, levels->options.memory_percent),
                    (snug_level_reason){.cause = SNUG_LEVEL_CAUSE_PERCENT,
                                        .basis = basis,
                                        .percent = percent,
                                        .bytes = (int64_t)limit});
    }
    raise_level(level, reason, level_of(gpu, levels->options.gpu_percent),
                (snug_level_reason){.cause = SNUG_LEVEL_CAUSE_GPU, .percent = gpu});
}

static void judge_headroom(const snug_levels *levels, const snug_reading *sample, snug_level *level,
                           snug_level_reason *reason)
{
    const double some = snug_reading_get(sample, SNUG_FIELD_PSI_SOME, 0);
    const double full = snug_reading_get(sample, SNUG_FIELD_PSI_FULL, 0);
    if (levels->limit > 0) {
        const double headroom = levels->limit - levels->used;
        const double now = growth(levels, GROWTH_NOW_S, 0);
        const double minute = growth(levels, WINDOW_S, WINDOW_LEAST_S);
        const bool nearly_full = headroom < 0.05 * levels->limit;
        snug_level_reason why = {.basis = levels->basis, .bytes = (int64_t)fmax(headroom, 0)};
        if (headroom < now) {
            why.cause = SNUG_LEVEL_CAUSE_SECOND;
            raise_level(level, reason, SNUG_LEVEL_DANGER, why);
        }
        if (nearly_full || headroom < 2 * largest_step(levels)) {
            why.cause = nearly_full ? SNUG_LEVEL_CAUSE_LEFT : SNUG_LEVEL_CAUSE_STEP;
            raise_level(level, reason, SNUG_LEVEL_WARNING, why);
        }
        if (levels->used + WINDOW_S * minute > 0.8 * levels->limit && minute > 0) {
            why.cause = SNUG_LEVEL_CAUSE_MINUTE;
            raise_level(level, reason, SNUG_LEVEL_NOTICE, why);
        }
    }
    if (full > 20) {
        raise_level(level, reason, SNUG_LEVEL_DANGER,
                    (snug_level_reason){.cause = SNUG_LEVEL_CAUSE_ALL, .percent = full});
    }
    if (some > 10) {
        raise_level(level, reason, SNUG_LEVEL_WARNING,
                    (snug_level_reason){.cause = SNUG_LEVEL_CAUSE_SOME, .percent = some});
    }
}

const char *snug_level_reason_text(const snug_level_reason *reason, bool translated,
                                   char out[SNUG_LEVELS_REASON_BYTES])
{
    char size[SNUG_SIZE_TEXT_BYTES];
    snug_text text;
    void (*const add)(snug_text *, const char *, ...) SNUG_PRINTF(2, 3) =
        translated ? snug_text_say : snug_text_add;
    const char *of =
        translated ? snug_translated(basis_words[reason->basis]) : basis_words[reason->basis];
    (void)snug_size_text(reason->bytes, size);
    snug_text_init(&text, out, SNUG_LEVELS_REASON_BYTES);
    switch (reason->cause) {
    case SNUG_LEVEL_CAUSE_NONE:
        break;
    case SNUG_LEVEL_CAUSE_PERCENT:
        add(&text, "%.0f %% of %s (%s) in use", reason->percent, of, size);
        break;
    case SNUG_LEVEL_CAUSE_GPU:
        add(&text, "%.0f %% of a GPU's memory in use", reason->percent);
        break;
    case SNUG_LEVEL_CAUSE_SECOND:
        add(&text, "%s left of %s, less than a second at the growth now", size, of);
        break;
    case SNUG_LEVEL_CAUSE_LEFT:
        add(&text, "%s left of %s", size, of);
        break;
    case SNUG_LEVEL_CAUSE_STEP:
        add(&text, "%s left of %s, less than twice the largest step", size, of);
        break;
    case SNUG_LEVEL_CAUSE_MINUTE:
        add(&text, "at this growth 80 %% of %s are reached within a minute", of);
        break;
    case SNUG_LEVEL_CAUSE_ALL:
        add(&text, "all tasks waited for memory %.0f %% of the last 10 s", reason->percent);
        break;
    case SNUG_LEVEL_CAUSE_SOME:
        add(&text, "tasks waited for memory %.0f %% of the last 10 s", reason->percent);
        break;
    }
    return out;
}

/* The limit with the least room, and its use now, go into the ring; another limit empties it. */
static void choose_basis(snug_levels *levels, const snug_reading *sample)
{
    int32_t best = BASIS_NONE;
    double least = INFINITY;
    for (int32_t basis = 0; basis < BASIS_COUNT; basis++) {
        double used = 0;
        double limit = 0;
        if (read_basis(levels, sample, basis, &used, &limit) && limit - used < least) {
            least = limit - used;
            best = basis;
            levels->used = used;
            levels->limit = limit;
        }
    }
    if (best != levels->basis) {
        levels->ring_count = 0;
        levels->basis = best;
    }
    if (best == BASIS_NONE) {
        levels->limit = 0;
        return;
    }
    levels->ring_count++;
    levels->ring[ring_at(levels, 0)].t = sample->t;
    levels->ring[ring_at(levels, 0)].used = levels->used;
}

bool snug_levels_update(snug_levels *levels, const snug_reading *sample)
{
    snug_level level = SNUG_LEVEL_OK;
    snug_level_reason reason = {0};
    choose_basis(levels, sample);
    if (levels->options.by_headroom) {
        judge_headroom(levels, sample, &level, &reason);
    }
    if (levels->options.by_percent) {
        judge_percent(levels, sample, &level, &reason);
    }
    if (level == levels->level) {
        levels->lower_since_t = -1;
        return false;
    }
    if (level < levels->level) {
        if (levels->lower_since_t < 0) {
            levels->lower_since_t = sample->t;
        }
        if (sample->t - levels->lower_since_t < CALM_S) {
            return false;
        }
    }
    levels->lower_since_t = -1;
    levels->level = level;
    levels->entered[level]++;
    levels->reason = reason;
    if (level > levels->highest) {
        levels->highest = level;
        levels->highest_t = sample->t;
        levels->highest_reason = reason;
    }
    return true;
}
