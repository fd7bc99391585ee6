/* Linear interpolation along time with the ends aligned, forward and gathered backward. */
#ifndef SNUG_OPS_CPU_INTERPOLATE_H
#define SNUG_OPS_CPU_INTERPOLATE_H

#include <stdint.h>

#include "base/parallel.h"
#include "ops/kernel_isa.h"

typedef struct snug_interpolate_shape {
    int64_t samples;  /* N >= 0. */
    int64_t rows_in;  /* T >= 1. */
    int64_t rows_out; /* T' >= 1. */
    int64_t cols;     /* C >= 1. */
} snug_interpolate_shape;

/** Where an output row lies between two input rows, in f32 as PyTorch computes it. */
typedef struct snug_interpolate_weights {
    int64_t low; /* Input row below; the row above is min(low + 1, T - 1). */
    float above; /* Weight of the row above; the row below has 1 - above. */
} snug_interpolate_weights;

/** The weights of output row `row`. */
snug_interpolate_weights snug_interpolate_weights_of(const snug_interpolate_shape *shape,
                                                     int64_t row);

/**
 * y[n,r] = (1 - above) x[n,low] + above x[n,high].
 *
 * @param[in]  x  [N, T, C] f32.
 * @param[out] y  [N, T', C] f32.
 * @mem     Allocates nothing.
 * @threads Reentrant; divides output rows. Bits depend neither on threads nor on isa.
 * @source  torch.nn.functional.interpolate(mode="linear", align_corners=True).
 */
void snug_interpolate_forward(snug_kernel_isa isa, const snug_interpolate_shape *shape,
                              const float *x, float *y, const snug_parallel *parallel);

/**
 * dx[n,t] = the chain, from 0, of weight * dy over the output rows that read row t, ascending.
 *
 * @param[in]  dy  [N, T', C] f32.
 * @param[out] dx  [N, T, C] f32, written.
 * @threads As forward, divides input rows.
 */
void snug_interpolate_backward(snug_kernel_isa isa, const snug_interpolate_shape *shape,
                               const float *dy, float *dx, const snug_parallel *parallel);

#endif
