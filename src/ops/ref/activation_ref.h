/* The definition of activations and their gradients in double. */
#ifndef SNUG_OPS_REF_ACTIVATION_REF_H
#define SNUG_OPS_REF_ACTIVATION_REF_H

#include <stdbool.h>
#include <stdint.h>

/** As snug_gelu(). */
void snug_ref_gelu(int64_t count, bool approximate, const double *x, double *y);
/** As snug_gelu_backward(). */
void snug_ref_gelu_backward(int64_t count, bool approximate, const double *x, const double *dy,
                            double *dx);
/** As snug_tanh(). */
void snug_ref_tanh(int64_t count, const double *x, double *y);
/** As snug_tanh_backward(). */
void snug_ref_tanh_backward(int64_t count, const double *y, const double *dy, double *dx);

#endif
