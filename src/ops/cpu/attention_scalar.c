/* Attention's lane kernels in plain C. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"
#include "ops/cpu/attention_kernel.h"
#include "ops/cpu/vmath_lanes_scalar.h"

#include "ops/cpu/vmath_functions.inc"

/* keep_scale where the low or high half of the word is below the threshold, else 0: `limit` is the
   largest word whose high half is. */
static inline lanes keep_lanes(const uint32_t *word, bool high, uint32_t limit, float keep_scale)
{
    lanes keep;
    for (int i = 0; i < LANES; i++) {
        const uint32_t number = high ? word[i] : word[i] << 16;
        keep.v[i] = number <= limit ? keep_scale : 0.0f;
    }
    return keep;
}

static const snug_dropout_draw draw_groups = snug_dropout_draw_scalar;

#include "ops/cpu/attention_kernels.inc"

const snug_attention_kernels snug_attention_kernels_scalar = {
    .softmax = softmax_block,
    .finish = finish_queries,
    .gradient = gradient_block,
    .prefetch = prefetch_rows,
    .multiply = multiply_array,
    .multiply_rows = multiply_rows,
    .dot_rows = dot_rows,
};
