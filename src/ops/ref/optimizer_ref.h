/* Optimizer updates in plain C over doubles: the definition of right. */
#ifndef SNUG_OPS_REF_OPTIMIZER_REF_H
#define SNUG_OPS_REF_OPTIMIZER_REF_H

#include "ops/cpu/optimizer.h"

/** As snug_optimizer_adamw(); isa is not read. */
void snug_ref_optimizer_adamw(const snug_optimizer *optimizer, int64_t count, double *w,
                              const double *g, double *m, double *v);

/** As snug_optimizer_adam(). */
void snug_ref_optimizer_adam(const snug_optimizer *optimizer, int64_t count, double *w,
                             const double *g, double *m, double *v);

/** As snug_optimizer_sgd(). */
void snug_ref_optimizer_sgd(const snug_optimizer *optimizer, int64_t count, double *w,
                            const double *g, double *buffer);

/** The sum of g^2. */
double snug_ref_optimizer_square_norm(int64_t count, const double *g);

/** The sum of `count` sums, from the first to the last. */
double snug_ref_optimizer_norm_total(int64_t count, const double *sums);

/** min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; a NaN norm stays one. */
double snug_ref_optimizer_clip_scale(double square_norm, double max_norm);

#endif
