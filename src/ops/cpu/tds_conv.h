/* The convolution in time of a time-depth-separable block: channels mix, width lanes do not. */
#ifndef SNUG_OPS_CPU_TDS_CONV_H
#define SNUG_OPS_CPU_TDS_CONV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parallel.h"
#include "ops/kernel_isa.h"

/**
 * x [N, T, ch, W] -> y [N, T_out, ch, W], T_out = T - taps + 1, weights [ch_out, ch_in, taps] with
 * ch_out = ch_in = ch, all f32, row-major and contiguous. It is torch's Conv2d(ch, ch, (1, taps))
 * on [N, ch, W, T].
 */
typedef struct snug_tds_conv {
    snug_kernel_isa isa;
    int64_t steps;    /* T >= taps. */
    int64_t channels; /* ch >= 1. */
    int64_t width;    /* W >= 1. */
    int64_t taps;     /* >= 1. */
} snug_tds_conv;

/** T_out. */
int64_t snug_tds_conv_steps_out(const snug_tds_conv *conv);

/** Bytes of scratch of snug_tds_conv_forward() and of snug_tds_conv_input_gradient(). */
int64_t snug_tds_conv_scratch_bytes(const snug_tds_conv *conv);

/**
 * Forward.
 *
 *     y[n,t,o,l] = bias[o] + sum over (j, i), ascending, of w[o,i,j] * x[n, t + j, i, l]
 *
 * One chain of fused multiply-adds that starts at the bias.
 *
 * @param      samples  N >= 0.
 * @param[in]  x        [N, T, ch, W].
 * @param[in]  w        [ch, ch, taps].
 * @param[in]  bias     [ch], or NULL for zeros.
 * @param      relu     max(0, .) at the end; NaN stays NaN.
 * @param[out] y        [N, T_out, ch, W]; overlaps no input.
 * @param      scratch  snug_tds_conv_scratch_bytes() bytes, aligned to SNUG_ALIGN.
 * @mem     Allocates nothing.
 * @threads Reentrant with scratch of its own. Bits depend on each sample alone.
 * @source  Hannun, Lee, Xu, Collobert (2019), arXiv:1904.02619, section 3.
 */
void snug_tds_conv_forward(const snug_tds_conv *conv, int64_t samples, const float *x,
                           const float *w, const float *bias, bool relu, float *y,
                           const snug_parallel *parallel, void *scratch);

/**
 * Gradient of the input, written (not added).
 *
 *     dx[n,s,i,l] = sum over t ascending, o ascending, of w[o, i, s - t] * dy[n,t,o,l]
 *
 * @param[in]  dy       [N, T_out, ch, W].
 * @param[out] dx       [N, T, ch, W]; overlaps no input.
 * @param      scratch  snug_tds_conv_scratch_bytes() bytes, aligned to SNUG_ALIGN.
 * @mem     Allocates nothing.
 * @threads Reentrant with scratch of its own. Bits depend on each sample alone.
 */
void snug_tds_conv_input_gradient(const snug_tds_conv *conv, int64_t samples, const float *dy,
                                  const float *w, float *dx, const snug_parallel *parallel,
                                  void *scratch);

/** Bytes of scratch of snug_tds_conv_weight_gradient(). Never more for fewer samples or threads. */
int64_t snug_tds_conv_weight_gradient_scratch_bytes(const snug_tds_conv *conv, int64_t samples,
                                                    int32_t threads);

/**
 * Gradients of weights and bias, added.
 *
 *     dw[o,i,j] += sum over n, t, l of dy[n,t,o,l] * x[n, t + j, i, l]
 *     db[o]     += sum over n, t, l of dy[n,t,o,l]
 *
 * Canonical sums: the steps of a sample are cut into blocks of ceil(256 / W). For dw the sum of a
 * block (t, then l ascending) starts at 0 and is added to the total, blocks and samples in order.
 * For db each (o, l) is summed like that over t within a sample, from 0; then those sums are added
 * over l ascending, from 0, and the result to the total.
 *
 * @param         samples  N >= 0.
 * @param[in]     x        [N, T, ch, W].
 * @param[in]     dy       [N, T_out, ch, W].
 * @param[in,out] dw       [ch, ch, taps].
 * @param[in,out] db       [ch], or NULL when it is not wanted.
 * @param         scratch  snug_tds_conv_weight_gradient_scratch_bytes() bytes, aligned to
 *                         SNUG_ALIGN.
 * @mem     Allocates nothing.
 * @threads Reentrant with scratch of its own.
 */
void snug_tds_conv_weight_gradient(const snug_tds_conv *conv, int64_t samples, const float *x,
                                   const float *dy, float *dw, float *db,
                                   const snug_parallel *parallel, void *scratch);

#endif
