/* Layer normalisation in plain C over doubles: the definition of right. */
#ifndef SNUG_OPS_REF_LAYER_NORM_REF_H
#define SNUG_OPS_REF_LAYER_NORM_REF_H

#include <stdint.h>

/** y = (x - mean) / sqrt(var + epsilon) * gamma + beta over [rows, cols]; as
 * snug_layer_norm_forward(), but mean and rstd may be NULL. */
void snug_ref_layer_norm_forward(int64_t rows, int64_t cols, double epsilon, const double *x,
                                 const double *gamma, const double *beta, double *y, double *mean,
                                 double *rstd);

/** dx written (or NULL), dgamma and dbeta added to (each may be NULL). */
void snug_ref_layer_norm_backward(int64_t rows, int64_t cols, const double *x, const double *gamma,
                                  const double *mean, const double *rstd, const double *dy,
                                  double *dx, double *dgamma, double *dbeta);

#endif
