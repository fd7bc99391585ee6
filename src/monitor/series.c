#include "monitor/series.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/sort.h"

enum { PARTS = 40, CURVE_MAX = 768, EPOCHS_MIN = 12 };

/* The start of a run is unlike the rest: the first tenth is not looked at. */
static const double START_SHARE = 0.1;
static const double FLOOR_SHARE = 0.1;
/* Memory below this share of the usual, at the very end, is the program giving it back. */
static const double END_SHARE = 0.15, END_LEVEL = 0.9;
/* A period must be seen this clearly in the autocorrelation. */
static const double PERIOD_CORRELATION = 0.5;
static const double PERIODS_MIN = 4;
static const double RIPPLE_SHARE = 0.2;

snug_log_field snug_quantity_field(snug_quantity quantity)
{
    static const snug_log_field fields[] = {
        SNUG_FIELD_RSS,    SNUG_FIELD_PSS,          SNUG_FIELD_USS,  SNUG_FIELD_ANON,
        SNUG_FIELD_FILE,   SNUG_FIELD_SHMEM,        SNUG_FIELD_SWAP, SNUG_FIELD_LIVE,
        SNUG_FIELD_CGROUP, SNUG_FIELD_CGROUP_CACHE, SNUG_FIELD_USED, SNUG_FIELD_GPU_USED};
    _Static_assert(SNUG_COUNT(fields) == SNUG_QUANTITY_COUNT, "a field for each");
    SNUG_ASSERT(quantity >= 0 && quantity < SNUG_QUANTITY_COUNT);
    return fields[quantity];
}

const char *snug_quantity_name(snug_quantity quantity)
{
    return snug_log_fields[snug_quantity_field(quantity)].key;
}

static void join_cells(snug_series_cell *into, const snug_series_cell *from)
{
    if (from->count == 0) {
        return;
    }
    if (into->count == 0) {
        *into = *from;
        return;
    }
    into->low = fmin(into->low, from->low);
    into->high = fmax(into->high, from->high);
    into->sum += from->sum;
    into->count += from->count;
}

static void halve_bins(snug_series *series)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < series->bin_count; i += 2) {
        snug_series_bin joined = series->bins[i];
        if (i + 1 < series->bin_count) {
            const snug_series_bin *other = &series->bins[i + 1];
            joined.t_last = other->t_last;
            joined.count += other->count;
            for (int q = 0; q < SNUG_QUANTITY_COUNT; q++) {
                join_cells(&joined.cells[q], &other->cells[q]);
            }
        }
        series->bins[kept++] = joined;
    }
    series->bin_count = kept;
    series->stride *= 2;
}

void snug_series_add(snug_series *series, const snug_sample *sample)
{
    if (series->stride == 0) {
        series->stride = 1;
    }
    snug_series_bin *bin = series->bin_count > 0 ? &series->bins[series->bin_count - 1] : NULL;
    if (bin == NULL || bin->count >= series->stride) {
        if (series->bin_count == SNUG_SERIES_BINS_MAX) {
            halve_bins(series);
        }
        bin = &series->bins[series->bin_count++];
        *bin = (snug_series_bin){.t_first = sample->t};
    }
    bin->t_last = sample->t;
    bin->count++;
    series->sample_count++;
    for (int q = 0; q < SNUG_QUANTITY_COUNT; q++) {
        const double value = sample->values[q];
        if (isnan(value)) {
            continue;
        }
        snug_series_cell *cell = &bin->cells[q];
        cell->low = cell->count == 0 || value < cell->low ? value : cell->low;
        cell->high = cell->count == 0 || value > cell->high ? value : cell->high;
        cell->sum += value;
        cell->count++;
        series->peaks[q] =
            series->known[q] == 0 || value > series->peaks[q] ? value : series->peaks[q];
        series->known[q]++;
    }
}

void snug_series_mark(snug_series *series, double t)
{
    if (series->mark_stride == 0) {
        series->mark_stride = 1;
    }
    if (++series->marks_seen % series->mark_stride != 0 ||
        (series->mark_count > 0 && t <= series->marks[series->mark_count - 1])) {
        return;
    }
    if (series->mark_count == SNUG_SERIES_MARKS_MAX) {
        for (int64_t i = 0; i < SNUG_SERIES_MARKS_MAX / 2; i++) {
            series->marks[i] = series->marks[2 * i + 1];
        }
        series->mark_count /= 2;
        series->mark_stride *= 2;
    }
    series->marks[series->mark_count++] = t;
}

double snug_series_seconds(const snug_series *series)
{
    return series->bin_count == 0
               ? 0
               : series->bins[series->bin_count - 1].t_last - series->bins[0].t_first;
}

static double bin_middle(const snug_series_bin *bin)
{
    return 0.5 * (bin->t_first + bin->t_last);
}

/*
 * The mean curve over CURVE_MAX equal parts of [from, to], gaps filled with what came before.
 * *out_range is how far values spread within a part, on average.
 */
static int64_t resample(const snug_series *series, snug_quantity quantity, double from, double to,
                        double out[CURVE_MAX], double *out_range)
{
    snug_series_cell parts_of[CURVE_MAX] = {0};
    double range = 0;
    int64_t filled = 0;
    int64_t bins = 0;
    for (int64_t i = 0; i < series->bin_count; i++) {
        bins += series->bins[i].t_first >= from && series->bins[i].cells[quantity].count > 0;
    }
    const int64_t parts = bins < CURVE_MAX ? bins : CURVE_MAX;
    for (int64_t i = 0; i < series->bin_count && parts > 0; i++) {
        const snug_series_cell *cell = &series->bins[i].cells[quantity];
        const double share = (bin_middle(&series->bins[i]) - from) / (to - from);
        if (series->bins[i].t_first < from || cell->count == 0) {
            continue;
        }
        const int64_t part = (int64_t)fmin(share * (double)parts, (double)(parts - 1));
        join_cells(&parts_of[part], cell);
    }
    for (int64_t i = 0; i < parts; i++) {
        const snug_series_cell *part = &parts_of[i];
        out[i] = part->count > 0 ? part->sum / (double)part->count : i > 0 ? out[i - 1] : NAN;
        range += part->count > 0 ? part->high - part->low : 0;
        filled += part->count > 0;
    }
    *out_range = filled > 0 ? range / (double)filled : 0;
    /* A gap at the start takes the first value there is. */
    for (int64_t i = parts - 2; i >= 0; i--) {
        out[i] = isnan(out[i]) ? out[i + 1] : out[i];
    }
    return parts;
}

static void take_line_away(double *y, int64_t count)
{
    double mean = 0;
    double products = 0;
    double squares = 0;
    for (int64_t i = 0; i < count; i++) {
        mean += y[i] / (double)count;
    }
    for (int64_t i = 0; i < count; i++) {
        const double x = (double)i - 0.5 * (double)(count - 1);
        products += x * (y[i] - mean);
        squares += x * x;
    }
    for (int64_t i = 0; i < count; i++) {
        y[i] -= mean + products / squares * ((double)i - 0.5 * (double)(count - 1));
    }
}

/*
 * How long the curve takes to repeat itself; 0 when it does not, at least PERIODS_MIN times. A
 * ripple that is small beside the range within its points is what a shorter period leaves when it
 * is seen too seldom.
 */
static double find_period(const double *curve, int64_t count, double range, double seconds)
{
    double correlations[CURVE_MAX / 2];
    double y[CURVE_MAX];
    double squares = 0;
    const int64_t lags = count / 2;
    memcpy(y, curve, (size_t)count * sizeof *y);
    if (count < 16) {
        return 0;
    }
    take_line_away(y, count);
    for (int64_t i = 0; i < count; i++) {
        squares += y[i] * y[i];
    }
    if (!(squares > 0) || sqrt(squares / (double)count) < RIPPLE_SHARE * range) {
        return 0;
    }
    for (int64_t lag = 0; lag < lags; lag++) {
        double sum = 0;
        for (int64_t i = lag; i < count; i++) {
            sum += y[i] * y[i - lag];
        }
        correlations[lag] = sum / squares * (double)count / (double)(count - lag);
    }
    int64_t lag = 1;
    while (lag < lags && correlations[lag] > 0) {
        lag++;
    }
    int64_t best = 0;
    for (; lag < (int64_t)((double)count / PERIODS_MIN); lag++) {
        best = best == 0 || correlations[lag] > correlations[best] ? lag : best;
    }
    if (best == 0 || correlations[best] < PERIOD_CORRELATION ||
        (2 * best < lags && correlations[2 * best] < 0.6 * PERIOD_CORRELATION)) {
        return 0;
    }
    return (double)best / (double)count * seconds;
}

/* The tenth percentile of the lows between two times; NaN when there are none. */
static double floor_between(const snug_series *series, snug_quantity quantity, double from,
                            double to, int64_t *first)
{
    double lows[SNUG_SERIES_BINS_MAX / 8];
    int64_t count = 0;
    int64_t i = *first;
    while (i < series->bin_count && bin_middle(&series->bins[i]) < from) {
        i++;
    }
    *first = i;
    int64_t within = 0;
    for (int64_t k = i; k < series->bin_count && bin_middle(&series->bins[k]) < to; k++) {
        within += series->bins[k].cells[quantity].count > 0;
    }
    /* Room for some; of many, equally spread ones are as good. */
    const int64_t every = 1 + (within - 1) / SNUG_COUNT(lows);
    for (int64_t seen = 0; i < series->bin_count && bin_middle(&series->bins[i]) < to; i++) {
        const snug_series_cell *cell = &series->bins[i].cells[quantity];
        if (cell->count > 0 && seen++ % every == 0) {
            lows[count++] = cell->low;
        }
    }
    if (count == 0) {
        return NAN;
    }
    snug_sort_f64(lows, count);
    return snug_quantile(lows, count, FLOOR_SHARE);
}

static void add_floor(snug_floors *out, const snug_series *series, snug_quantity quantity,
                      double from, double to, int64_t *first)
{
    const double low = floor_between(series, quantity, from, to, first);
    if (!isnan(low)) {
        out->t[out->count] = 0.5 * (from + to);
        out->y[out->count++] = low;
    }
}

static void floors_of_epochs(const snug_series *series, snug_quantity quantity, double start,
                             int64_t skipped, snug_floors *out)
{
    const int64_t epochs = series->mark_count - skipped;
    const int64_t group = 1 + (epochs - 1) / SNUG_TREND_POINTS_MAX;
    double from = skipped > 0 ? series->marks[skipped - 1] : start;
    int64_t first = 0;
    out->epochs = true;
    out->window_s = (series->marks[series->mark_count - 1] - from) * (double)group / (double)epochs;
    for (int64_t i = skipped + group - 1; i < series->mark_count; i += group) {
        add_floor(out, series, quantity, from, series->marks[i], &first);
        from = series->marks[i];
    }
}

/* When the program began to end: memory falls for good within the last part of the run. */
static double run_end(const snug_series *series)
{
    double means[CURVE_MAX];
    const snug_series_bin *last = &series->bins[series->bin_count - 1];
    double range = 0;
    snug_quantity quantity = SNUG_QUANTITY_RSS;
    while (quantity + 1 < SNUG_QUANTITY_COUNT && series->known[quantity] == 0) {
        quantity++;
    }
    const double begin = series->bins[0].t_first;
    const int64_t count = resample(series, quantity, begin, last->t_last, means, &range);
    const double earliest = last->t_last - END_SHARE * (last->t_last - begin);
    if (count == 0) {
        return last->t_last;
    }
    /* What grew all the time stood higher at the end than it usually did. */
    double lately[CURVE_MAX];
    const int64_t first = (int64_t)((1 - 2 * END_SHARE) * (double)count);
    const int64_t after = (int64_t)((1 - END_SHARE) * (double)count);
    memcpy(lately, means + first, (size_t)(after - first) * sizeof *lately);
    snug_sort_f64(lately, after - first);
    snug_sort_f64(means, count);
    const double usual = snug_quantile(means, count, 0.5);
    const double level =
        after > first ? fmax(usual, snug_quantile(lately, after - first, 0.5)) : usual;
    const double low = END_LEVEL * level;
    int64_t at = series->bin_count - 1;
    while (at > 0 && series->bins[at].t_first >= earliest &&
           (series->bins[at].cells[quantity].count == 0 ||
            series->bins[at].cells[quantity].low < low)) {
        at--;
    }
    return series->bins[at].t_last;
}

void snug_series_floors(const snug_series *series, snug_quantity quantity, snug_floors *out)
{
    double curve[CURVE_MAX];
    *out = (snug_floors){0};
    if (series->bin_count < 2 || !(snug_series_seconds(series) > 0)) {
        return;
    }
    const double begin = series->bins[0].t_first;
    const double end = run_end(series);
    const double start = begin + START_SHARE * (end - begin);
    int64_t skipped = 0;
    while (skipped < series->mark_count && series->marks[skipped] <= start) {
        skipped++;
    }
    if (series->mark_count - skipped >= EPOCHS_MIN) {
        floors_of_epochs(series, quantity, start, skipped, out);
        return;
    }
    double range = 0;
    const int64_t count = resample(series, quantity, start, end, curve, &range);
    if (count == 0) {
        return;
    }
    const int64_t parts = count < PARTS ? count : PARTS;
    const double part = (end - start) / (double)parts;
    out->period_s = find_period(curve, count, range, end - start);
    /* A stretch is at least one period, so that every floor saw the low point. */
    const double window = fmax(part, 1.1 * out->period_s);
    int64_t first = 0;
    out->window_s = window;
    for (int64_t i = 0; i < parts; i++) {
        const double from =
            start + (end - start - window) * (double)i / fmax((double)(parts - 1), 1);
        /* The last one with its right edge. */
        const double to = i + 1 < parts ? from + window : end + 1e-6 * (1 + fabs(end));
        add_floor(out, series, quantity, from, to, &first);
    }
}
