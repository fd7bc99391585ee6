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

#endif
