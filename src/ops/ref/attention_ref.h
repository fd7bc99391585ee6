/* Reference attention over doubles: one score at a time, straight from the formula. */
#ifndef SNUG_OPS_REF_ATTENTION_REF_H
#define SNUG_OPS_REF_ATTENTION_REF_H

#include <stdint.h>

#include "ops/cpu/attention.h"

/** snug_attention_inputs in double. */
typedef struct snug_ref_attention_inputs {
    const double *q, *k, *v;
    const int32_t *lengths;
    const double *bias;
} snug_ref_attention_inputs;

/** snug_attention_gradients in double. */
typedef struct snug_ref_attention_gradients {
    double *dq, *dk, *dv, *dbias;
} snug_ref_attention_gradients;

/** As snug_attention_forward() and snug_attention_backward(); lse may be NULL in forward. */
void snug_ref_attention_forward(const snug_attention *attention, int64_t samples,
                                const snug_ref_attention_inputs *inputs, double *y, double *lse);
void snug_ref_attention_backward(const snug_attention *attention, int64_t samples,
                                 const snug_ref_attention_inputs *inputs, const double *y,
                                 const double *lse, const double *dy,
                                 const snug_ref_attention_gradients *gradients);

#endif
