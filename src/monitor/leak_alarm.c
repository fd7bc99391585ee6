#include "monitor/leak_alarm.h"

#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/sort.h"

static const double MIB = 1048576.0;
static const double FIRST_LOOK_S = 900;
static const double LOOK_RATIO = 1.4142135623730951;
static const double STRETCH_S = 10;
/* The first part of a watch is that of a start. */
static const double START_SHARE = 0.1;
/*
 * Growth below this share of the level is nobody's worry; in less than half an hour it must be
 * more, by the square of what lacks, for a start looks like a line then.
 */
static const double GROWTH_SHARE = 0.03;
static const double FULL_SECONDS = 1800;
/* Twice what one look at the end asks for: there are many looks. */
static const double MARGIN_MIN = 6;
enum { PARTS = 32, LOOKS_IN_A_ROW = 2 };

/* Neighbours become one, and from now on a stretch is twice as long. */
static void join(snug_leak_alarm *alarm)
{
    for (int64_t i = 0; i < alarm->count / 2; i++) {
        const snug_leak_stretch *a = &alarm->stretches[2 * i];
        const snug_leak_stretch *b = &alarm->stretches[2 * i + 1];
        alarm->stretches[i] = (snug_leak_stretch){a->t_first, b->t_last, fmin(a->low, b->low)};
    }
    alarm->count /= 2;
    alarm->stretch_s *= 2;
}

static void add_to_stretch(snug_leak_alarm *alarm, double t, double bytes)
{
    if (alarm->count > 0) {
        snug_leak_stretch *last = &alarm->stretches[alarm->count - 1];
        if (t - last->t_first < alarm->stretch_s) {
            last->t_last = t;
            last->low = fmin(last->low, bytes);
            return;
        }
    }
    if (alarm->count == SNUG_LEAK_STRETCHES) {
        join(alarm);
    }
    alarm->stretches[alarm->count++] = (snug_leak_stretch){t, t, bytes};
}

/* The lows of up to PARTS equal pieces behind the start; the last stretch is not over yet. */
static int64_t find_floors(const snug_leak_alarm *alarm, double t[PARTS], double y[PARTS])
{
    const double begin = alarm->stretches[0].t_first;
    const double end = alarm->stretches[alarm->count - 1].t_first;
    const double start = begin + START_SHARE * (end - begin);
    int64_t count = 0;
    int64_t part_before = -1;
    for (int64_t i = 0; i + 1 < alarm->count; i++) {
        const snug_leak_stretch *stretch = &alarm->stretches[i];
        if (stretch->t_first < start) {
            continue;
        }
        const int64_t part =
            snug_min_i64((int64_t)((stretch->t_first - start) / (end - start) * PARTS), PARTS - 1);
        if (part != part_before) {
            t[count] = stretch->t_first;
            y[count++] = stretch->low;
            part_before = part;
        }
        t[count - 1] = 0.5 * (t[count - 1] + stretch->t_last);
        y[count - 1] = fmin(y[count - 1], stretch->low);
    }
    return count;
}

/* Whether the floors so far grow for good. */
static bool look(const snug_leak_alarm *alarm, snug_trend *out)
{
    double t[PARTS];
    double y[PARTS];
    double sorted[PARTS];
    const int64_t count = find_floors(alarm, t, y);
    if (count < SNUG_TREND_POINTS_MIN) {
        return false;
    }
    memcpy(sorted, y, (size_t)count * sizeof *sorted);
    snug_sort_f64(sorted, count);
    const double level = fmax(snug_quantile(sorted, count, 0.5), 16 * MIB);
    const double begin = alarm->stretches[0].t_first;
    const double seconds = alarm->stretches[alarm->count - 1].t_last - begin;
    const double lack = fmax(1, FULL_SECONDS / fmax(seconds, 1));
    const double growth = level * GROWTH_SHARE * lack * lack;
    const snug_trend_options options = {.origin = begin,
                                        .resolution = fmax(MIB / 4, 2e-4 * level),
                                        .growth_min = growth,
                                        .growth_seen = growth,
                                        .margin_min = MARGIN_MIN};
    snug_trend_find(t, y, count, &options, out);
    return out->shape >= SNUG_TREND_LINE && !out->undecided && out->rate_low > 0;
}

bool snug_leak_alarm_add(snug_leak_alarm *alarm, double t, double bytes)
{
    snug_trend trend = {0};
    if (alarm->count == 0) {
        alarm->stretch_s = STRETCH_S;
        alarm->look_t = t + FIRST_LOOK_S;
    }
    add_to_stretch(alarm, t, bytes);
    if (alarm->raised || t < alarm->look_t) {
        return false;
    }
    const double begin = alarm->stretches[0].t_first;
    alarm->look_t = begin + LOOK_RATIO * (t - begin);
    alarm->looks++;
    if (!look(alarm, &trend)) {
        alarm->seen = 0;
        return false;
    }
    if (alarm->seen == 0 || trend.rate < 0.5 * alarm->rate_first) {
        alarm->seen = 0;
        alarm->rate_first = trend.rate;
    }
    if (++alarm->seen < LOOKS_IN_A_ROW) {
        return false;
    }
    alarm->raised = true;
    alarm->raised_t = t;
    alarm->rate = trend.rate;
    alarm->rate_low = trend.rate_low;
    alarm->rate_high = trend.rate_high;
    return true;
}
