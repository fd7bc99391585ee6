/* Regression losses in plain C over doubles: the definition of right. */
#ifndef SNUG_OPS_REF_LOSS_REF_H
#define SNUG_OPS_REF_LOSS_REF_H

#include "ops/cpu/loss.h"

/** As snug_loss_forward(); isa is not read. */
void snug_ref_loss_forward(const snug_loss *loss, const double *prediction, const double *target,
                           const uint8_t *mask, double *sample_loss);

/** As snug_loss_backward(). */
void snug_ref_loss_backward(const snug_loss *loss, const double *prediction, const double *target,
                            const uint8_t *mask, double *d_prediction);

#endif
