/* Optimizer updates in one pass over a tensor, and the squared norm of a gradient. */
#ifndef SNUG_OPS_CPU_OPTIMIZER_H
#define SNUG_OPS_CPU_OPTIMIZER_H

#include <stdint.h>

#include "base/parallel.h"
#include "ops/cpu/gradient_rows.h"
#include "ops/kernel_isa.h"

enum { SNUG_NORM_CHUNK = 4096 }; /* Elements whose squares are summed alone. */

/** Numbers of an update; corrections are computed in double, then rounded to f32 once. */
typedef struct snug_optimizer {
    snug_kernel_isa isa;
    int64_t step; /* 1 for the first update. */
    double learning_rate;
    double weight_decay;
    double beta1;      /* Adam, AdamW. */
    double beta2;      /* Adam, AdamW. */
    double epsilon;    /* Adam, AdamW. */
    double momentum;   /* SGD. */
    double grad_scale; /* Every gradient is multiplied by it first (clipping); 1 without. */
    /* The gradient of Adam, AdamW, AdamW8 and SGD when it comes as rows: g is not read then. Every
     * element is updated all the same, so the bits are those of the dense one. */
    const snug_gradient_rows *rows;
} snug_optimizer;

/**
 * AdamW: decay of the weight itself, apart from the gradient.
 *
 *     w *= 1 - lr * decay;  m += (1 - b1)(g - m);  v = b2 v + (1 - b2) g^2
 *     w -= lr / (1 - b1^step) * m / (sqrt(v) / sqrt(1 - b2^step) + eps)
 *
 * @param         count  >= 0.
 * @param[in,out] w      [count] f32.
 * @param[in]     g      [count] f32.
 * @param[in,out] m      [count] f32, zeros before the first step.
 * @param[in,out] v      [count] f32, zeros before the first step.
 * @mem     Allocates nothing. Reads 16 bytes and writes 12 per element.
 * @threads Reentrant; divides elements. Bits depend neither on threads nor on isa.
 * @source  Loshchilov and Hutter (2019), arXiv:1711.05101, in the form of torch.optim.AdamW.
 */
void snug_optimizer_adamw(const snug_optimizer *optimizer, int64_t count, float *w, const float *g,
                          float *m, float *v, const snug_parallel *parallel);

/** Adam as torch.optim.Adam: g += decay * w, then as AdamW without its decay. */
void snug_optimizer_adam(const snug_optimizer *optimizer, int64_t count, float *w, const float *g,
                         float *m, float *v, const snug_parallel *parallel);

/**
 * SGD as torch.optim.SGD without dampening: g += decay * w; buffer = momentum * buffer + g;
 * w -= lr * buffer. `buffer` starts as zeros; NULL: no momentum.
 */
void snug_optimizer_sgd(const snug_optimizer *optimizer, int64_t count, float *w, const float *g,
                        float *buffer, const snug_parallel *parallel);

/** Scratch of snug_optimizer_square_norm(). */
int64_t snug_optimizer_norm_scratch_bytes(int64_t count);

/**
 * The sum of g^2: chunks of SNUG_NORM_CHUNK elements from the start of the tensor, each in sixteen
 * lanes of double and the fixed tree; chunk sums are added in order.
 */
double snug_optimizer_square_norm(snug_kernel_isa isa, int64_t count, const float *g, void *scratch,
                                  const snug_parallel *parallel);

/** The same of the dense gradient that the rows stand for, without ever making it. */
double snug_optimizer_square_norm_rows(const snug_gradient_rows *rows, void *scratch,
                                       const snug_parallel *parallel);

/** The sum of `count` sums, from the first to the last: whoever made them, and when. */
double snug_optimizer_norm_total(int64_t count, const double *sums);

/** The factor that brings a gradient with this norm to at most max_norm, as clip_grad_norm_. */
double snug_optimizer_clip_scale(double square_norm, double max_norm);

#endif
