/* The definition of cross-entropy and its gradient in double. */
#ifndef SNUG_OPS_REF_CROSS_ENTROPY_REF_H
#define SNUG_OPS_REF_CROSS_ENTROPY_REF_H

#include "ops/cpu/cross_entropy.h"

/** As snug_cross_entropy_forward(). */
void snug_ref_cross_entropy_forward(const snug_cross_entropy *loss, const double *logits,
                                    const int32_t *labels, double *sample_loss);
/** As snug_cross_entropy_backward(). */
void snug_ref_cross_entropy_backward(const snug_cross_entropy *loss, const double *logits,
                                     const int32_t *labels, double *d_logits);

#endif
