/* Two logs side by side: what changed, and whether it is more than chance. */
#include <math.h>

#include "base/philox.h"
#include "base/sort.h"
#include "monitor/verdict.h"

enum { ROUNDS = 400, BLOCKS = 12 };

static const double START_SHARE = 0.1;
static const uint64_t SEED = 20240601;

/* Means of the bins after the start; returns their number. */
static int64_t take_means(const snug_series *series, snug_quantity quantity, double *out)
{
    int64_t count = 0;
    if (series->bin_count == 0) {
        return 0;
    }
    const double start = series->bins[0].t_first + START_SHARE * snug_series_seconds(series);
    for (int64_t i = 0; i < series->bin_count; i++) {
        const snug_series_cell *cell = &series->bins[i].cells[quantity];
        if (cell->count > 0 && series->bins[i].t_first >= start) {
            out[count++] = cell->sum / (double)cell->count;
        }
    }
    return count;
}

static double mean_of(const double *values, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += values[i];
    }
    return sum / (double)count;
}

/* The mean of as many values drawn in blocks, so that what hangs together stays together. */
static double drawn_mean(const double *values, int64_t count, uint64_t round)
{
    const int64_t block = count / BLOCKS > 0 ? count / BLOCKS : 1;
    const int64_t blocks = count / block;
    const snug_philox_key key = snug_philox_stream(SEED, round);
    double sum = 0;
    for (int64_t b = 0; b < blocks; b++) {
        const snug_philox_block bits = snug_philox(key, (snug_philox_block){{(uint32_t)b}});
        const int64_t from =
            (int64_t)snug_philox_below(bits.word[0], bits.word[1], (uint64_t)(count - block + 1));
        sum += mean_of(values + from, block);
    }
    return sum / (double)blocks;
}

void snug_verdict_compare_level(const snug_series *before, const snug_series *after,
                                snug_quantity quantity, double *scratch, snug_difference *out)
{
    double draws[ROUNDS];
    double *first = scratch;
    double *second = scratch + SNUG_SERIES_BINS_MAX;
    const int64_t first_count = take_means(before, quantity, first);
    const int64_t second_count = take_means(after, quantity, second);
    *out = (snug_difference){.before = NAN, .after = NAN, .low = NAN, .high = NAN};
    if (first_count == 0 || second_count == 0) {
        return;
    }
    out->before = mean_of(first, first_count);
    out->after = mean_of(second, second_count);
    if (first_count < BLOCKS || second_count < BLOCKS) {
        return;
    }
    for (int64_t i = 0; i < ROUNDS; i++) {
        draws[i] = drawn_mean(second, second_count, 2 * (uint64_t)i + 1) -
                   drawn_mean(first, first_count, 2 * (uint64_t)i);
    }
    snug_sort_f64(draws, ROUNDS);
    out->low = snug_quantile(draws, ROUNDS, 0.025);
    out->high = snug_quantile(draws, ROUNDS, 0.975);
    out->sure = out->low > 0 || out->high < 0;
}

void snug_verdict_compare_rate(const snug_trend *before, const snug_trend *after,
                               snug_difference *out)
{
    *out = (snug_difference){.before = before->rate, .after = after->rate, .low = NAN, .high = NAN};
    const double first = 0.5 * (before->rate_high - before->rate_low);
    const double second = 0.5 * (after->rate_high - after->rate_low);
    if (!isfinite(first) || !isfinite(second)) {
        return;
    }
    /* The intervals are of 99 %: 2.576 deviations; the difference gets 1.96. */
    const double half = sqrt(first * first + second * second) * 1.96 / 2.576;
    const double difference = after->rate - before->rate;
    out->low = difference - half;
    out->high = difference + half;
    out->sure = out->low > 0 || out->high < 0;
}
