/* The TDS convolution as it is defined: sums in double, rounded once. */
#ifndef SNUG_OPS_REF_TDS_CONV_REF_H
#define SNUG_OPS_REF_TDS_CONV_REF_H

#include <stdbool.h>
#include <stdint.h>

#include "ops/cpu/tds_conv.h"

/* Shapes, layouts and meaning are those of ops/cpu/tds_conv.h; conv->isa is not read. Each function
   allocates nothing and is reentrant. */

void snug_ref_tds_conv_forward(const snug_tds_conv *conv, int64_t samples, const float *x,
                               const float *w, const float *bias, bool relu, float *y);
void snug_ref_tds_conv_input_gradient(const snug_tds_conv *conv, int64_t samples, const float *dy,
                                      const float *w, float *dx);
/** Added to dw and db; db may be NULL. */
void snug_ref_tds_conv_weight_gradient(const snug_tds_conv *conv, int64_t samples, const float *x,
                                       const float *dy, float *dw, float *db);

#endif
