/* Our own exp, sigmoid, tanh and normal distribution over arrays: the same bits in body and tail
 * and on every machine. */
#ifndef SNUG_OPS_CPU_VMATH_H
#define SNUG_OPS_CPU_VMATH_H

#include <stdint.h>

#include "ops/kernel_isa.h"

/**
 * y[i] = e^x[i]; +infinity above 88.73, 0 below -104, NaN for NaN.
 *
 * @param      count  >= 0.
 * @param[in]  x      [count] f32.
 * @param[out] y      [count] f32; may be x.
 * @mem     Allocates nothing.
 * @threads Reentrant.
 * @source  Cody and Waite (1980), chapter 6; polynomial by Chebyshev interpolation. Within 1.2 ulp.
 */
void snug_vmath_exp(snug_kernel_isa isa, int64_t count, const float *x, float *y);

/** y[i] = 1 / (1 + e^-x[i]), within 2.5 ulp, 0 and 1 at the ends; otherwise as snug_vmath_exp(). */
void snug_vmath_sigmoid(snug_kernel_isa isa, int64_t count, const float *x, float *y);

/** y[i] = tanh x[i], within 2 ulp, -1 and 1 at the ends; otherwise as snug_vmath_exp(). */
void snug_vmath_tanh(snug_kernel_isa isa, int64_t count, const float *x, float *y);

/**
 * y[i] = (1 + erf(x[i] / sqrt(2))) / 2, the normal distribution function, within 8 ulp in both
 * tails, 0 and 1 at the ends; otherwise as snug_vmath_exp().
 */
void snug_vmath_normal(snug_kernel_isa isa, int64_t count, const float *x, float *y);

#endif
