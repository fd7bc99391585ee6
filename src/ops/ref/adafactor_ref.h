/* The definition of Adafactor in double. */
#ifndef SNUG_OPS_REF_ADAFACTOR_REF_H
#define SNUG_OPS_REF_ADAFACTOR_REF_H

#include "ops/cpu/optimizer.h"

/** As snug_adafactor_factored(). */
void snug_ref_adafactor_factored(const snug_optimizer *optimizer, int64_t rows, int64_t cols,
                                 double *w, const double *g, double *row, double *column);
/** As snug_adafactor_plain(). */
void snug_ref_adafactor_plain(const snug_optimizer *optimizer, int64_t count, double *w,
                              const double *g, double *v);

#endif
