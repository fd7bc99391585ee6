/* Activations of transformers with their gradients, and dropout, over arrays. */
#ifndef SNUG_OPS_CPU_ACTIVATION_H
#define SNUG_OPS_CPU_ACTIVATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parallel.h"
#include "ops/cpu/dropout_rng.h"
#include "ops/kernel_isa.h"

/*
 * All functions here: arrays of `count` f32; bits of an element depend on that element alone, not
 * on isa, threads or the cut into calls. They allocate nothing and are reentrant. An output may be
 * an input of the same shape.
 */

/**
 * y = x Phi(x), Phi the normal distribution function; `approximate`: x (1 + tanh(sqrt(2 / pi)
 * (x + 0.044715 x^3))) / 2. Both within 8 ulp of the formula, the left tail included.
 * @source  Hendrycks and Gimpel (2016), arXiv:1606.08415, as torch.nn.functional.gelu.
 */
void snug_gelu(snug_kernel_isa isa, int64_t count, bool approximate, const float *x, float *y,
               const snug_parallel *parallel);

/** dx = dy * gelu'(x). */
void snug_gelu_backward(snug_kernel_isa isa, int64_t count, bool approximate, const float *x,
                        const float *dy, float *dx, const snug_parallel *parallel);

/** y = tanh x. */
void snug_tanh(snug_kernel_isa isa, int64_t count, const float *x, float *y,
               const snug_parallel *parallel);

/** dx = dy * (1 - y^2), from tanh's output y. */
void snug_tanh_backward(snug_kernel_isa isa, int64_t count, const float *y, const float *dy,
                        float *dx, const snug_parallel *parallel);

/** Dropout of some samples in a row. */
typedef struct snug_dropout {
    snug_kernel_isa isa;
    int64_t samples;      /* N >= 0. */
    int64_t elements;     /* E >= 1, of one sample. */
    float rate;           /* In [0, 1). */
    snug_dropout_key key; /* Of the first sample. */
    bool half_in;         /* x is bf16. */
    bool half_out;        /* y is bf16: rounded. */
} snug_dropout;

/**
 * y[n,e] = 0 or x[n,e] / (1 - rate), by the number of element e of sample key.position + n; the
 * rate is rounded as snug_dropout_threshold() says. The gradient is the same function of dy.
 *
 * @param[in]  x  [N, E] f32, or bf16 with half_in.
 * @param[out] y  [N, E] f32, or bf16 with half_out; may be x, when both are of one type. A NaN
 *                stays one, also where a zero is drawn.
 * @source  Srivastava et al. (2014), inverted as in torch.nn.Dropout.
 */
void snug_dropout_apply(const snug_dropout *dropout, const void *x, void *y,
                        const snug_parallel *parallel);

#endif
