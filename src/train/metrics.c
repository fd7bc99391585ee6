/* Running sums of errors and targets. */
#include "train/metrics.h"

#include <math.h>
#include <string.h>

snug_status snug_metrics_init(snug_metrics *metrics, int64_t target_count, snug_arena *arena,
                              snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, 4 * target_count, sizeof(double), &memory, err));
    double *sums = memory;
    *metrics = (snug_metrics){.target_count = target_count,
                              .square_error = sums,
                              .absolute_error = sums + target_count,
                              .sum = sums + 2 * target_count,
                              .square = sums + 3 * target_count};
    return SNUG_OK;
}

void snug_metrics_reset(snug_metrics *metrics)
{
    memset(metrics->square_error, 0, 4 * (size_t)metrics->target_count * sizeof(double));
    metrics->samples = 0;
    metrics->rows = 0.0;
}

static void add_row(snug_metrics *metrics, const snug_metrics_sample *sample, int64_t row)
{
    const int64_t count = metrics->target_count;
    const float *prediction = sample->prediction + row * count;
    const float *target = sample->target + row * count;
    for (int64_t k = 0; k < count; k++) {
        const double scale = sample->std == NULL ? 1.0 : (double)sample->std[k];
        const double mean = sample->mean == NULL ? 0.0 : (double)sample->mean[k];
        const double truth = (double)target[k] * scale + mean;
        const double error = ((double)prediction[k] - (double)target[k]) * scale;
        metrics->square_error[k] += error * error;
        metrics->absolute_error[k] += fabs(error);
        metrics->sum[k] += truth;
        metrics->square[k] += truth * truth;
    }
}

void snug_metrics_add(snug_metrics *metrics, const snug_metrics_sample *sample)
{
    for (int64_t row = 0; row < sample->rows; row++) {
        if (sample->mask == NULL || sample->mask[row] != 0) {
            add_row(metrics, sample, row);
            metrics->rows += 1.0;
        }
    }
    metrics->samples++;
}

snug_metrics_result snug_metrics_finish(const snug_metrics *metrics, double *out_mse,
                                        double *out_mae, double *out_r2)
{
    snug_metrics_result result = {0};
    const double rows = metrics->rows;
    for (int64_t k = 0; k < metrics->target_count; k++) {
        const double mse = metrics->square_error[k] / rows;
        const double mae = metrics->absolute_error[k] / rows;
        const double total = metrics->square[k] - metrics->sum[k] * metrics->sum[k] / rows;
        const double r2 = total > 1e-12 * metrics->square[k]
                              ? 1.0 - metrics->square_error[k] / total
                              : (rows > 0.0 ? 0.0 : NAN);
        result.mse += mse;
        result.mae += mae;
        result.r2 += r2;
        if (out_mse != NULL) {
            out_mse[k] = mse;
            out_mae[k] = mae;
            out_r2[k] = r2;
        }
    }
    const double count = (double)metrics->target_count;
    result.mse /= count;
    result.mae /= count;
    result.r2 /= count;
    return result;
}
