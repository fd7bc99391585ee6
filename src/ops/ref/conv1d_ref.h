/* 1-D convolution, bias and relu gradients as they are defined: sums in double, rounded once. */
#ifndef SNUG_OPS_REF_CONV1D_REF_H
#define SNUG_OPS_REF_CONV1D_REF_H

#include <stdbool.h>
#include <stdint.h>

#include "ops/cpu/conv1d.h"

/* Shapes, layouts and meaning are those of ops/cpu/conv1d.h; conv->isa is not read. Each function
   allocates nothing and is reentrant. */

void snug_ref_conv1d_forward(const snug_conv1d *conv, int64_t samples, const float *x,
                             const float *w, const float *bias, bool relu, float *y);
void snug_ref_conv1d_input_gradient(const snug_conv1d *conv, int64_t samples, const float *dy,
                                    const float *w, float *dx);
/** Added to dw. */
void snug_ref_conv1d_weight_gradient(const snug_conv1d *conv, int64_t samples, const float *x,
                                     const float *dy, float *dw);
/** Added to db. */
void snug_ref_bias_gradient(int64_t samples, int64_t rows, int64_t cols, const float *dy,
                            float *db);
void snug_ref_relu_gradient(int64_t count, const float *y, float *dy);

#endif
