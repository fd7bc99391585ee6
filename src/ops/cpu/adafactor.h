/* Adafactor: second moments as one number a row and one a column. */
#ifndef SNUG_OPS_CPU_ADAFACTOR_H
#define SNUG_OPS_CPU_ADAFACTOR_H

#include <stdint.h>

#include "ops/cpu/optimizer.h"

/** Added to every squared gradient, so that no moment is zero. */
#define SNUG_ADAFACTOR_EPSILON 1e-30
/** The update's root mean square is brought down to this. */
#define SNUG_ADAFACTOR_CLIP 1.0
/** The moments' decay in step t is 1 - t^-0.8. */
#define SNUG_ADAFACTOR_DECAY (-0.8)

/** Scratch of snug_adafactor_factored(). */
int64_t snug_adafactor_factored_scratch_bytes(int64_t rows, int64_t cols);
/** Scratch of snug_adafactor_plain(). */
int64_t snug_adafactor_plain_scratch_bytes(int64_t count);

/**
 * One step of Adafactor without first moment, with the learning rate as it is given.
 *
 *     row = b row + (1 - b) mean over columns of (g^2 + 1e-30), column likewise, b = 1 - step^-0.8
 *     u = g / sqrt(row column / mean row);  w *= 1 - lr decay;  w -= lr u / max(1, rms u)
 *
 * Of `optimizer` it reads isa, step, learning_rate, weight_decay, grad_scale.
 *
 * @param         rows    R >= 1.
 * @param         cols    C >= 1.
 * @param[in,out] w       [R, C] f32.
 * @param[in]     g       [R, C] f32.
 * @param[in,out] row     [R] f32, zeros before the first step.
 * @param[in,out] column  [C] f32, zeros before the first step.
 * @param         scratch snug_adafactor_factored_scratch_bytes(), aligned to SNUG_ALIGN.
 * @mem     Allocates nothing. Reads g four times, w once.
 * @threads Reentrant with scratch of its own; divides rows or columns. Sums are in double in a
 *          fixed order: bits depend neither on threads nor on isa.
 * @source  Shazeer and Stern (2018), arXiv:1804.04235, algorithms 4 and 5, in the form of
 *          transformers.Adafactor(scale_parameter=False, relative_step=False).
 */
void snug_adafactor_factored(const snug_optimizer *optimizer, int64_t rows, int64_t cols, float *w,
                             const float *g, float *row, float *column, void *scratch,
                             const snug_parallel *parallel);

/**
 * The same for a parameter without rows: v = b v + (1 - b)(g^2 + 1e-30) and u = g / sqrt(v).
 *
 * @param[in,out] v  [count] f32, zeros before the first step.
 */
void snug_adafactor_plain(const snug_optimizer *optimizer, int64_t count, float *w, const float *g,
                          float *v, void *scratch, const snug_parallel *parallel);

#endif
