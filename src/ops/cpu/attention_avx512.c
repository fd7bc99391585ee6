/* Attention's lane kernels for AVX-512. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"
#include "ops/cpu/attention_kernel.h"
#include "ops/cpu/vmath_lanes_avx512.h"

#include "ops/cpu/vmath_functions.inc"

/* keep_scale where the low or high half of the word is below the threshold, else 0: `limit` is the
   largest word whose high half is. */
static inline lanes keep_lanes(const uint32_t *word, bool high, uint32_t limit, float keep_scale)
{
    __m512i number = _mm512_loadu_si512(word);
    if (!high) {
        number = _mm512_slli_epi32(number, 16);
    }
    const __mmask16 kept = _mm512_cmple_epu32_mask(number, _mm512_set1_epi32((int32_t)limit));
    return _mm512_maskz_mov_ps(kept, _mm512_set1_ps(keep_scale));
}

static const snug_dropout_draw draw_groups = snug_dropout_draw_avx512;

#include "ops/cpu/attention_kernels.inc"

const snug_attention_kernels snug_attention_kernels_avx512 = {
    .softmax = softmax_block,
    .finish = finish_queries,
    .gradient = gradient_block,
    .prefetch = prefetch_rows,
    .multiply = multiply_array,
    .multiply_rows = multiply_rows,
    .dot_rows = dot_rows,
};
