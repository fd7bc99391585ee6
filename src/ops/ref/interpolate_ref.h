/* Linear interpolation along time in plain C over doubles: the definition of right. */
#ifndef SNUG_OPS_REF_INTERPOLATE_REF_H
#define SNUG_OPS_REF_INTERPOLATE_REF_H

#include "ops/cpu/interpolate.h"

/** As snug_interpolate_forward(), with weights exact to double: place = row (T - 1) / (T' - 1). */
void snug_ref_interpolate_forward(const snug_interpolate_shape *shape, const double *x, double *y);

/** The transpose: dx is written. */
void snug_ref_interpolate_backward(const snug_interpolate_shape *shape, const double *dy,
                                   double *dx);

#endif
