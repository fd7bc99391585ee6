/* Attention's lane kernels for AVX2 with FMA. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"
#include "ops/cpu/attention_kernel.h"
#include "ops/cpu/vmath_lanes_avx2.h"

#include "ops/cpu/vmath_functions.inc"

static inline __m256 keep_half(const uint32_t *word, bool high, __m256i limit, __m256 keep_scale)
{
    __m256i number = _mm256_loadu_si256((const __m256i *)(const void *)word);
    if (!high) {
        number = _mm256_slli_epi32(number, 16);
    }
    const __m256i kept = _mm256_cmpeq_epi32(_mm256_max_epu32(number, limit), limit);
    return _mm256_and_ps(_mm256_castsi256_ps(kept), keep_scale);
}

/* keep_scale where the low or high half of the word is below the threshold, else 0: `limit` is the
   largest word whose high half is. */
static inline lanes keep_lanes(const uint32_t *word, bool high, uint32_t limit, float keep_scale)
{
    const __m256i most = _mm256_set1_epi32((int32_t)limit);
    const __m256 scale = _mm256_set1_ps(keep_scale);
    return (lanes){keep_half(word, high, most, scale),
                   keep_half(word + LANES / 2, high, most, scale)};
}

static const snug_dropout_draw draw_groups = snug_dropout_draw_avx2;

#include "ops/cpu/attention_kernels.inc"

const snug_attention_kernels snug_attention_kernels_avx2 = {
    .softmax = softmax_block,
    .finish = finish_queries,
    .gradient = gradient_block,
    .prefetch = prefetch_rows,
    .multiply = multiply_array,
    .multiply_rows = multiply_rows,
    .dot_rows = dot_rows,
};
