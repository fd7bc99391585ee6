/* The definition of AdamW with 8-bit moments, in double. */
#ifndef SNUG_OPS_REF_OPTIMIZER8_REF_H
#define SNUG_OPS_REF_OPTIMIZER8_REF_H

#include <stdbool.h>

#include "ops/cpu/optimizer.h"

/** The value of a code in units of its block's scale: see snug_dynamic_map. */
double snug_ref_dynamic_value(bool is_signed, int code);

/** As snug_optimizer_adamw8(); scales are double. */
void snug_ref_optimizer_adamw8(const snug_optimizer *optimizer, int64_t count, double *w,
                               const double *g, uint8_t *m, double *m_scales, uint8_t *v,
                               double *v_scales);

#endif
