/* Regression losses with a mask over time. */
#ifndef SNUG_OPS_CPU_LOSS_H
#define SNUG_OPS_CPU_LOSS_H

#include <stdint.h>

#include "base/parallel.h"
#include "ops/kernel_isa.h"

enum { SNUG_LOSS_BLOCK = 256 }; /* Rows of a sample that are summed alone. */

/** loss = (square_weight * sum of e^2 + absolute_weight * sum of |e|) / normaliser. */
typedef struct snug_loss {
    snug_kernel_isa isa;
    int64_t samples; /* N >= 0. */
    int64_t rows;    /* T >= 1. */
    int64_t cols;    /* K >= 1. */
    double square_weight;
    double absolute_weight;
    double normaliser; /* > 0: valid elements (rows under the mask x K) of the global batch. */
} snug_loss;

/** Scratch of snug_loss_forward(). */
int64_t snug_loss_scratch_bytes(const snug_loss *loss);

/**
 * The share of each sample in the loss of the global batch, whose loss is their sum in order.
 *
 * Errors are rounded to f32, then summed in double: sixteen lanes per block of SNUG_LOSS_BLOCK
 * rows, the fixed tree, blocks in order.
 *
 * @param[in]  prediction  [N, T, K] f32.
 * @param[in]  target      [N, T, K] f32; rows under mask 0 are not read and may be NaN.
 * @param[in]  mask        [N, T] u8: 0 leaves the row out; NULL: all rows count.
 * @param[out] sample_loss [N] f64.
 * @param      scratch     snug_loss_scratch_bytes(), aligned to SNUG_ALIGN.
 * @mem     Allocates nothing.
 * @threads Reentrant with scratch of its own; divides blocks.
 */
void snug_loss_forward(const snug_loss *loss, const float *prediction, const float *target,
                       const uint8_t *mask, double *sample_loss, void *scratch,
                       const snug_parallel *parallel);

/** d_prediction [N, T, K] f32: the gradient of the global loss; 0 in masked rows; may not alias. */
void snug_loss_backward(const snug_loss *loss, const float *prediction, const float *target,
                        const uint8_t *mask, float *d_prediction, const snug_parallel *parallel);

#endif
