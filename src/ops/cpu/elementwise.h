/* Element-wise kernels: sums, scaling, copies, the gradient of ReLU, and the cropped skip. */
#ifndef SNUG_OPS_CPU_ELEMENTWISE_H
#define SNUG_OPS_CPU_ELEMENTWISE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parallel.h"
#include "ops/kernel_isa.h"

/*
 * All functions here: arrays of `count` f32; bits of an element depend on that element alone, not
 * on isa, threads or the cut into calls. They allocate nothing and are reentrant. An output may be
 * an input of the same shape.
 */

/** dx = y <= 0 ? 0 : dy, from ReLU's output y: dy passes where y is NaN. */
void snug_relu_backward(snug_kernel_isa isa, int64_t count, const float *y, const float *dy,
                        float *dx, const snug_parallel *parallel);

/** y = x[0] + x[1] + ..., added in this order. `terms` >= 2; y may be x[0], but no other. */
void snug_sum(snug_kernel_isa isa, int64_t count, int32_t terms, const float *const *x, float *y,
              const snug_parallel *parallel);

/** Shapes of the skip that uses the last rows of a longer sequence. */
typedef struct snug_crop_shape {
    int64_t samples; /* N >= 0. */
    int64_t rows;    /* T >= 1, of the result. */
    int64_t rows_in; /* T' >= T, of the longer input. */
    int64_t cols;    /* C >= 1. */
} snug_crop_shape;

/**
 * y[n,t] = a[n,t] + b[n, t + T' - T].
 *
 * @param[in]  a  [N, T, C] f32.
 * @param[in]  b  [N, T', C] f32.
 * @param[out] y  [N, T, C] f32; may be a.
 * @source  The skip of a time-depth-separable block without padding.
 */
void snug_add_crop(snug_kernel_isa isa, const snug_crop_shape *shape, const float *a,
                   const float *b, float *y, const snug_parallel *parallel);

/**
 * The gradient of b: zeros in the first T' - T rows, dy below. (The gradient of a is dy.)
 *
 * @param[in]     dy   [N, T, C] f32.
 * @param[in,out] db   [N, T', C] f32: written, or added to with `accumulate`.
 */
void snug_add_crop_backward(snug_kernel_isa isa, const snug_crop_shape *shape, bool accumulate,
                            const float *dy, float *db, const snug_parallel *parallel);

#endif
