/* What the weight gradient of the TDS convolution asks of an instruction set. */
#ifndef SNUG_OPS_CPU_TDS_CONV_KERNEL_H
#define SNUG_OPS_CPU_TDS_CONV_KERNEL_H

#include <stdint.h>

#include "ops/kernel_isa.h"

enum { SNUG_TDS_LANES = 16 }; /* Input channels side by side. */

/**
 * Some outputs over one block of steps: for output channels r < rows and taps j < taps,
 *
 *     sums[r, j] += sum over t < steps, l < width, both ascending, of dy[t, r, l] * x[t + j, l]
 *
 * where x and the sums are vectors of SNUG_TDS_LANES input channels. The inner sum is a chain of
 * fused multiply-adds from +0.
 */
typedef struct snug_tds_products {
    int64_t rows;    /* 1 to the kernels' rows_max. */
    int64_t taps;    /* 1 to the kernels' taps_max. */
    int64_t steps;   /* >= 1. */
    int64_t width;   /* >= 1. */
    const float *dy; /* Element (t, r, l) at t * dy_step + r * width + l. */
    int64_t dy_step;
    const float *x; /* Vector (t, l) at t * x_step + l * x_stride: steps are turned. */
    int64_t x_step;
    int64_t x_stride;
    float *sums; /* Vector (r, j) at r * row_stride + j * x_stride. */
    int64_t row_stride;
} snug_tds_products;

typedef struct snug_tds_kernels {
    int32_t rows_max;
    int32_t taps_max;
    void (*add_products)(const snug_tds_products *products);
    /** NULL, or turns 16 rows of 16, `stride` apart: to[c * to_stride + r] = from[r * stride + c].
     */
    void (*turn)(const float *from, int64_t stride, float *to, int64_t to_stride);
} snug_tds_kernels;

extern const snug_tds_kernels snug_tds_kernels_scalar;
extern const snug_tds_kernels snug_tds_kernels_avx2;
extern const snug_tds_kernels snug_tds_kernels_avx512;

#endif
