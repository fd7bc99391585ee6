/* Regression metrics as running sums: constant memory, the same numbers whatever the tiles. */
#ifndef SNUG_TRAIN_METRICS_H
#define SNUG_TRAIN_METRICS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/** Sums over the rows that count, per target, in double, added in the order of the samples. */
typedef struct snug_metrics {
    int64_t target_count; /* K */
    int64_t samples;
    double rows;          /* Rows that count. */
    double *square_error; /* [K] each. */
    double *absolute_error;
    double *sum;
    double *square;
} snug_metrics;

/** One sample's prediction and truth, and how to undo the normalisation of its targets. */
typedef struct snug_metrics_sample {
    int64_t rows;
    const float *prediction;   /* [rows, K] */
    const float *target;       /* [rows, K] */
    const unsigned char *mask; /* [rows], 1 where the row counts; NULL: all do. */
    const float *mean, *std;   /* [K]; NULL: not normalised. */
} snug_metrics_sample;

/** What the sums say; R2 is 1 - SSE / SST, and 0 where a target does not vary. */
typedef struct snug_metrics_result {
    double mse, mae, r2; /* r2: mean over the targets. */
} snug_metrics_result;

/** Takes the arrays from `arena` and sets all sums to 0. */
SNUG_MUST_CHECK snug_status snug_metrics_init(snug_metrics *metrics, int64_t target_count,
                                              snug_arena *arena, snug_error *err);
void snug_metrics_reset(snug_metrics *metrics);
/** Adds one sample. */
void snug_metrics_add(snug_metrics *metrics, const snug_metrics_sample *sample);
/** Metrics over all targets; per target into the arrays [K], which may be NULL. NaN without rows.
 */
snug_metrics_result snug_metrics_finish(const snug_metrics *metrics, double *out_mse,
                                        double *out_mae, double *out_r2);

#endif
