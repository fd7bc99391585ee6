#include "monitor/history.h"

#include <math.h>

#include "base/checked.h"

enum { LOWEST_EXPONENT = -10 };

const snug_log_field snug_curve_fields[SNUG_CURVE_COUNT] = {
    [SNUG_CURVE_RSS] = SNUG_FIELD_RSS,       [SNUG_CURVE_PSS] = SNUG_FIELD_PSS,
    [SNUG_CURVE_CGROUP] = SNUG_FIELD_CGROUP, [SNUG_CURVE_LIMIT] = SNUG_FIELD_CGROUP_LIMIT,
    [SNUG_CURVE_USED] = SNUG_FIELD_USED,     [SNUG_CURVE_GPU] = SNUG_FIELD_GPU_USED,
};

static int64_t bucket_of(double value)
{
    int exponent = 0;
    if (!(value > 0)) {
        return 0;
    }
    /* 0.5 <= fraction < 1. */
    const double fraction = frexp(value, &exponent);
    const int64_t part = (int64_t)((fraction - 0.5) * 2 * SNUG_HISTORY_PARTS);
    const int64_t bucket = (int64_t)(exponent - LOWEST_EXPONENT) * SNUG_HISTORY_PARTS + part;
    return snug_max_i64(0, snug_min_i64(bucket, SNUG_HISTORY_BUCKETS - 1));
}

/* The middle of a bucket. */
static double bucket_value(int64_t bucket)
{
    const double fraction =
        0.5 + ((double)(bucket % SNUG_HISTORY_PARTS) + 0.5) / (2 * SNUG_HISTORY_PARTS);
    return ldexp(fraction, (int)(bucket / SNUG_HISTORY_PARTS) + LOWEST_EXPONENT);
}

static void add_figure(snug_field_figures *figures, double t, double value)
{
    if (figures->count == 0) {
        figures->first = value;
        figures->low = value;
        figures->high = value;
        figures->high_t = t;
    }
    if (value > figures->high) {
        figures->high = value;
        figures->high_t = t;
    }
    figures->low = value < figures->low ? value : figures->low;
    figures->last = value;
    figures->sum += value;
    figures->count++;
    figures->buckets[bucket_of(value)]++;
}

/* Joins neighbours, so that from now on twice as many samples share a point. */
static void thin_out(snug_history *history)
{
    for (int64_t i = 0; i < history->point_count / 2; i++) {
        const snug_history_point *a = &history->points[2 * i];
        const snug_history_point *b = &history->points[2 * i + 1];
        snug_history_point joined = {.t = b->t};
        for (int curve = 0; curve < SNUG_CURVE_COUNT; curve++) {
            joined.values[curve] = fmax(a->values[curve], b->values[curve]);
        }
        history->points[i] = joined;
    }
    history->point_count /= 2;
    history->stride *= 2;
    history->in_last = history->stride;
}

void snug_history_add(snug_history *history, const snug_reading *sample)
{
    snug_history_point point = {.t = sample->t};
    for (int field = 0; field < SNUG_FIELD_COUNT; field++) {
        if (snug_reading_has(sample, (snug_log_field)field)) {
            add_figure(&history->figures[field], sample->t, sample->values[field]);
        }
    }
    for (int curve = 0; curve < SNUG_CURVE_COUNT; curve++) {
        point.values[curve] = snug_reading_get(sample, snug_curve_fields[curve], NAN);
    }
    history->stride = snug_max_i64(history->stride, 1);
    if (history->point_count > 0 && history->in_last < history->stride) {
        snug_history_point *last = &history->points[history->point_count - 1];
        last->t = point.t;
        for (int curve = 0; curve < SNUG_CURVE_COUNT; curve++) {
            last->values[curve] = fmax(last->values[curve], point.values[curve]);
        }
        history->in_last++;
        return;
    }
    if (history->point_count == SNUG_HISTORY_POINTS_MAX) {
        thin_out(history);
    }
    history->points[history->point_count++] = point;
    history->in_last = 1;
}

void snug_history_view_choose(const snug_history *history, bool machine, double limit,
                              snug_history_view *out)
{
    /*
     * A curve this much higher than the main one is left out; a limit, this much. A control group
     * without a limit is nobody's worry: it must not press the main curve flat.
     */
    static const double CURVE_RATIO = 20;
    static const double FREE_GROUP_RATIO = 3;
    static const double LIMIT_RATIO = 5;
    const snug_field_figures *figures = history->figures;
    const double main_high = figures[machine ? SNUG_FIELD_USED : SNUG_FIELD_RSS].high;
    snug_history_view view = {.top = fmax(main_high, 1 << 20), .limit = limit, .t_last = 10};
    view.shown[machine ? SNUG_CURVE_USED : SNUG_CURVE_RSS] = true;
    for (int curve = 0; curve < SNUG_CURVE_COUNT; curve++) {
        const snug_field_figures *figure = &figures[snug_curve_fields[curve]];
        const bool extra = curve == SNUG_CURVE_CGROUP || curve == SNUG_CURVE_GPU;
        const bool free_group =
            curve == SNUG_CURVE_CGROUP && figures[SNUG_FIELD_CGROUP_LIMIT].count == 0;
        const double ratio = free_group ? FREE_GROUP_RATIO : CURVE_RATIO;
        view.shown[curve] = view.shown[curve] || (curve == SNUG_CURVE_PSS && figure->count > 0) ||
                            (extra && figure->high > 0 && figure->high < ratio * view.top);
    }
    for (int curve = 0; curve < SNUG_CURVE_COUNT; curve++) {
        if (view.shown[curve]) {
            view.top = fmax(view.top, figures[snug_curve_fields[curve]].high);
        }
    }
    if (view.limit == 0) {
        view.limit = figures[SNUG_FIELD_CGROUP_LIMIT].last;
    }
    view.shown[SNUG_CURVE_LIMIT] = view.limit > 0 && view.limit < LIMIT_RATIO * view.top;
    if (view.shown[SNUG_CURVE_LIMIT]) {
        view.top = fmax(view.top, view.limit);
    }
    if (history->point_count > 0) {
        view.t_first = history->points[0].t;
        view.t_last = fmax(history->points[history->point_count - 1].t, view.t_first + 10);
    }
    *out = view;
}

double snug_figures_quantile(const snug_field_figures *figures, double share)
{
    const double wanted = share * (double)figures->count;
    double seen = 0;
    if (figures->count == 0) {
        return 0;
    }
    for (int64_t i = 0; i < SNUG_HISTORY_BUCKETS; i++) {
        seen += figures->buckets[i];
        if (figures->buckets[i] > 0 && seen >= wanted) {
            return fmin(fmax(bucket_value(i), figures->low), figures->high);
        }
    }
    return figures->high;
}

double snug_figures_mean(const snug_field_figures *figures)
{
    return figures->count > 0 ? figures->sum / (double)figures->count : 0;
}
