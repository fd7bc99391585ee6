/* Element-wise kernels in plain C over doubles: the definition of right. */
#ifndef SNUG_OPS_REF_ELEMENTWISE_REF_H
#define SNUG_OPS_REF_ELEMENTWISE_REF_H

#include <stdbool.h>
#include <stdint.h>

#include "ops/cpu/elementwise.h"

/** dx = y <= 0 ? 0 : dy. */
void snug_ref_relu_backward(int64_t count, const double *y, const double *dy, double *dx);

/** y = a + b. */
void snug_ref_add(int64_t count, const double *a, const double *b, double *y);

/** y[n,t] = a[n,t] + b[n, t + T' - T]. */
void snug_ref_add_crop(const snug_crop_shape *shape, const double *a, const double *b, double *y);

/** db: zeros above, dy below; added to with `accumulate`. */
void snug_ref_add_crop_backward(const snug_crop_shape *shape, bool accumulate, const double *dy,
                                double *db);

#endif
