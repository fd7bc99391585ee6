/* Layer normalisation over the last axis; backward recomputes from the input, mean and 1/std. */
#ifndef SNUG_OPS_CPU_LAYER_NORM_H
#define SNUG_OPS_CPU_LAYER_NORM_H

#include <stdint.h>

#include "base/parallel.h"
#include "ops/kernel_isa.h"

enum { SNUG_LAYER_NORM_BLOCK = 256 }; /* Rows of a sample that dgamma and dbeta sum alone. */

/** What both directions share. Bits of a row depend on that row alone, not on isa or threads. */
typedef struct snug_layer_norm {
    snug_kernel_isa isa;
    int64_t samples; /* N >= 0. */
    int64_t rows;    /* T >= 1, of one sample. */
    int64_t cols;    /* C >= 1. */
    double epsilon;  /* Added to the variance; > 0. */
} snug_layer_norm;

/**
 * y = (x - mean) * rstd * gamma + beta, per row; variance without Bessel's correction.
 *
 * Sums of a row go over sixteen lanes (element c to lane c mod 16), then the fixed tree.
 *
 * @param[in]  x      [N, T, C] f32.
 * @param[in]  gamma  [C] f32.
 * @param[in]  beta   [C] f32.
 * @param[out] y      [N, T, C] f32; may be x, which backward then has not.
 * @param[out] mean   [N, T] f32, for backward.
 * @param[out] rstd   [N, T] f32, 1 / sqrt(variance + epsilon), for backward.
 * @mem     Allocates nothing.
 * @threads Reentrant; divides rows.
 * @source  Ba, Kiros, Hinton (2016), arXiv:1607.06450, eq. 3-4; variance as in torch.nn.LayerNorm.
 */
void snug_layer_norm_forward(const snug_layer_norm *norm, const float *x, const float *gamma,
                             const float *beta, float *y, float *mean, float *rstd,
                             const snug_parallel *parallel);

/**
 * The gradients. dgamma and dbeta are added to: sample by sample, in blocks of
 * SNUG_LAYER_NORM_BLOCK rows, each summed from zero in row order.
 *
 * @param[in]     x, gamma, mean, rstd  As in forward.
 * @param[in]     dy      [N, T, C] f32.
 * @param[out]    dx      [N, T, C] f32, or NULL; may be dy.
 * @param[in,out] dgamma  [C] f32, with dbeta, or both NULL.
 * @param[in,out] dbeta   [C] f32.
 * @mem     Allocates nothing.
 * @threads Reentrant; divides rows for dx and columns for dgamma and dbeta.
 */
void snug_layer_norm_backward(const snug_layer_norm *norm, const float *x, const float *gamma,
                              const float *mean, const float *rstd, const float *dy, float *dx,
                              float *dgamma, float *dbeta, const snug_parallel *parallel);

#endif
