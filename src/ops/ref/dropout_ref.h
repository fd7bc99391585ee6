/* The reference of the dropout numbers: one element at a time, straight from base/philox. */
#ifndef SNUG_OPS_REF_DROPOUT_REF_H
#define SNUG_OPS_REF_DROPOUT_REF_H

#include <stdint.h>

#include "ops/cpu/dropout_rng.h"

/** keep_scale or 0 for `element`: the definition of snug_dropout_keep(). */
double snug_ref_dropout_keep(const snug_dropout_key *key, int64_t element, uint32_t threshold16,
                             double keep_scale);

#endif
