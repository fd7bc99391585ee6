/* Channels-last 1-D convolution and linear layers: products over overlapping windows, no im2col. */
#ifndef SNUG_OPS_CPU_CONV1D_H
#define SNUG_OPS_CPU_CONV1D_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parallel.h"
#include "ops/kernel_isa.h"

/**
 * A convolution without padding: x [N, T, C] -> y [N, T_out, D], T_out = (T - taps) / stride + 1,
 * weights [taps, C, D], all f32 but where half_in and half_out say bf16, row-major and contiguous.
 * taps 1, stride 1 is a linear layer.
 *
 *     y[n,t,d] = bias[d] + sum over (j, c), ascending, of w[j,c,d] * x[n, t * stride + j, c]
 *
 * Weights of PyTorch's Conv1d lie as [D, C, taps], those of Linear as [D, C]: both are permuted
 * when a file is loaded.
 */
typedef struct snug_conv1d {
    snug_kernel_isa isa;
    int64_t steps;    /* T >= taps. */
    int64_t channels; /* C >= 1. */
    int64_t filters;  /* D >= 1. */
    int64_t taps;     /* >= 1. */
    int64_t stride;   /* >= 1. */
    bool half_in;     /* x is bf16; the kernels widen it. */
    bool half_out;    /* y is bf16; the forward pass rounds to it. */
} snug_conv1d;

/** T_out. */
int64_t snug_conv1d_steps_out(const snug_conv1d *conv);

/** Bytes of the weights packed for the forward pass; a multiple of SNUG_ALIGN. */
int64_t snug_conv1d_forward_packed_bytes(const snug_conv1d *conv);
/** Packs w for snug_conv1d_forward(); `packed` is aligned to SNUG_ALIGN. */
void snug_conv1d_forward_pack(const snug_conv1d *conv, const float *w, float *packed,
                              const snug_parallel *parallel);

/**
 * Bytes of scratch of snug_conv1d_forward(); `has_packed` when packed weights will be given. Never
 * more for fewer samples or threads.
 */
int64_t snug_conv1d_forward_scratch_bytes(const snug_conv1d *conv, int64_t samples, int32_t threads,
                                          bool has_packed);

/**
 * Forward.
 *
 * @param      samples   N >= 0.
 * @param[in]  x         [N, T, C].
 * @param[in]  w         [taps, C, D]; may be NULL when `packed` is given.
 * @param[in]  packed    The output of snug_conv1d_forward_pack(), or NULL.
 * @param[in]  bias      [D] or NULL; added after the sum.
 * @param      relu      max(0, .) at the end; NaN stays NaN.
 * @param[out] y         [N, T_out, D]; overlaps no input.
 * @param      scratch   snug_conv1d_forward_scratch_bytes() bytes, aligned to SNUG_ALIGN.
 * @mem     Allocates nothing.
 * @threads Reentrant with scratch of its own. Bits depend on each sample alone.
 */
void snug_conv1d_forward(const snug_conv1d *conv, int64_t samples, const void *x, const float *w,
                         const float *packed, const float *bias, bool relu, void *y,
                         const snug_parallel *parallel, void *scratch);

/** Bytes of the weights packed for the input gradient; a multiple of SNUG_ALIGN. */
int64_t snug_conv1d_input_gradient_packed_bytes(const snug_conv1d *conv);
/** Packs w for snug_conv1d_input_gradient(); `packed` is aligned to SNUG_ALIGN. */
void snug_conv1d_input_gradient_pack(const snug_conv1d *conv, const float *w, float *packed,
                                     const snug_parallel *parallel);

/** Bytes of scratch of snug_conv1d_input_gradient(). Never more for fewer samples or threads. */
int64_t snug_conv1d_input_gradient_scratch_bytes(const snug_conv1d *conv, int64_t samples,
                                                 int32_t threads, bool has_packed);

/**
 * Gradient of the input, written (not added).
 *
 *     dx[n,s,c] = sum over t ascending, d ascending, of dy[n,t,d] * w[s - t * stride, c, d]
 *
 * One chain for each element; steps that no window covers are 0. Runs as `stride` products, one for
 * each s modulo stride, over dy with zeros beyond its ends.
 *
 * @param      samples  N >= 0.
 * @param[in]  dy       [N, T_out, D].
 * @param[in]  w        [taps, C, D]; may be NULL when `packed` is given.
 * @param[in]  packed   The output of snug_conv1d_input_gradient_pack(), or NULL.
 * @param[out] dx       [N, T, C]; overlaps no input.
 * @param      scratch  snug_conv1d_input_gradient_scratch_bytes() bytes, aligned to SNUG_ALIGN.
 * @mem     Allocates nothing.
 * @threads Reentrant with scratch of its own. Bits depend on each sample alone.
 */
void snug_conv1d_input_gradient(const snug_conv1d *conv, int64_t samples, const float *dy,
                                const float *w, const float *packed, float *dx,
                                const snug_parallel *parallel, void *scratch);

/** Bytes of scratch of snug_conv1d_weight_gradient(). Never more for fewer samples or threads. */
int64_t snug_conv1d_weight_gradient_scratch_bytes(const snug_conv1d *conv, int64_t samples,
                                                  int32_t threads);

/**
 * Gradient of the weights, added to dw.
 *
 *     dw[j,c,d] += sum over n, t of x[n, t * stride + j, c] * dy[n,t,d]
 *
 * The canonical sum (SNUG_GEMM_SUM): blocks of 256 steps of one sample, each added to dw alone, in
 * order. So n samples in one call and in several are the same bits.
 *
 * @param         samples  N >= 0.
 * @param[in]     x        [N, T, C].
 * @param[in]     dy       [N, T_out, D].
 * @param[in,out] dw       [taps, C, D]; overlaps no input.
 * @param         scratch  snug_conv1d_weight_gradient_scratch_bytes() bytes, aligned to SNUG_ALIGN.
 * @mem     Allocates nothing.
 * @threads Reentrant with scratch of its own.
 */
void snug_conv1d_weight_gradient(const snug_conv1d *conv, int64_t samples, const void *x,
                                 const float *dy, float *dw, const snug_parallel *parallel,
                                 void *scratch);

/**
 * Gradient of a bias, added to db: column sums of dy, in blocks of 256 rows of one sample, each
 * started at 0 and added to db in order.
 *
 * @param         samples  N >= 0.
 * @param         rows     Rows of a sample, >= 0.
 * @param         cols     D >= 1.
 * @param[in]     dy       [N, rows, D].
 * @param[in,out] db       [D].
 * @mem     Allocates nothing.
 * @threads Reentrant.
 */
void snug_bias_gradient(snug_kernel_isa isa, int64_t samples, int64_t rows, int64_t cols,
                        const float *dy, float *db, const snug_parallel *parallel);

#endif
