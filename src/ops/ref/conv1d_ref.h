/* 1-D convolution and bias gradients as they are defined, in doubles. */
#ifndef SNUG_OPS_REF_CONV1D_REF_H
#define SNUG_OPS_REF_CONV1D_REF_H

#include <stdbool.h>
#include <stdint.h>

#include "ops/cpu/conv1d.h"

/* Shapes, layouts and meaning are those of ops/cpu/conv1d.h; conv->isa is not read. Each function
   allocates nothing and is reentrant. */

/** bias may be NULL. */
void snug_ref_conv1d_forward(const snug_conv1d *conv, int64_t samples, const double *x,
                             const double *w, const double *bias, bool relu, double *y);
void snug_ref_conv1d_input_gradient(const snug_conv1d *conv, int64_t samples, const double *dy,
                                    const double *w, double *dx);
/** Added to dw. */
void snug_ref_conv1d_weight_gradient(const snug_conv1d *conv, int64_t samples, const double *x,
                                     const double *dy, double *dw);
/** Added to db. */
void snug_ref_bias_gradient(int64_t samples, int64_t rows, int64_t cols, const double *dy,
                            double *db);

#endif
