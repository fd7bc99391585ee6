/* The TDS convolution as it is defined, in doubles. */
#ifndef SNUG_OPS_REF_TDS_CONV_REF_H
#define SNUG_OPS_REF_TDS_CONV_REF_H

#include <stdbool.h>
#include <stdint.h>

#include "ops/cpu/tds_conv.h"

/* Shapes, layouts and meaning are those of ops/cpu/tds_conv.h; conv->isa is not read. Each function
   allocates nothing and is reentrant. */

/** bias may be NULL. */
void snug_ref_tds_conv_forward(const snug_tds_conv *conv, int64_t samples, const double *x,
                               const double *w, const double *bias, bool relu, double *y);
void snug_ref_tds_conv_input_gradient(const snug_tds_conv *conv, int64_t samples, const double *dy,
                                      const double *w, double *dx);
/** Added to dw and db; each may be NULL. */
void snug_ref_tds_conv_weight_gradient(const snug_tds_conv *conv, int64_t samples, const double *x,
                                       const double *dy, double *dw, double *db);

#endif
