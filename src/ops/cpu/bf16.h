/* Arrays between f32 and bf16: what is stored in two bytes is computed with in four. */
#ifndef SNUG_OPS_CPU_BF16_H
#define SNUG_OPS_CPU_BF16_H

#include <stdint.h>

#include "base/parallel.h"
#include "ops/kernel_isa.h"

/** `rows` x `cols` elements, both >= 0; strides in elements from row to row. x and y are apart. */
typedef struct snug_bf16_kernels {
    /** y = x, exactly. */
    void (*widen)(int64_t rows, int64_t cols, const uint16_t *x, int64_t x_stride, float *y,
                  int64_t y_stride);
    /** y = x rounded to the nearest, ties to even; NaN stays NaN: snug_bf16_from_f32(). */
    void (*narrow)(int64_t rows, int64_t cols, const float *x, int64_t x_stride, uint16_t *y,
                   int64_t y_stride);
} snug_bf16_kernels;

extern const snug_bf16_kernels snug_bf16_kernels_scalar;
extern const snug_bf16_kernels snug_bf16_kernels_avx2;
extern const snug_bf16_kernels snug_bf16_kernels_avx512;

/** The table of an instruction set; all give the same bits, subnormal numbers included. */
const snug_bf16_kernels *snug_bf16_kernels_of(snug_kernel_isa isa);

/**
 * Whole arrays of `count` >= 0 elements.
 * @mem     Allocates nothing.
 * @threads Reentrant; divides elements.
 */
void snug_bf16_widen(snug_kernel_isa isa, int64_t count, const uint16_t *x, float *y,
                     const snug_parallel *parallel);
void snug_bf16_narrow(snug_kernel_isa isa, int64_t count, const float *x, uint16_t *y,
                      const snug_parallel *parallel);

#endif
