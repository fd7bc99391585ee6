/* Philox4x32-10 on sixteen counters at once in AVX-512. */
#include "ops/cpu/dropout_rng.h"

#include <immintrin.h>

#include "base/attr.h"

enum { ROUNDS = 10, PAIR = 2, HALVES = 2, WORDS = 4 };

/* Eight counters: each word in the low half of a 64-bit lane; the high halves are never looked at.
 */
typedef struct eight {
    __m512i word[WORDS];
} eight;

static SNUG_ALWAYS_INLINE void turn(eight *x, __m512i k0, __m512i k1)
{
    const __m512i a = _mm512_mul_epu32(x->word[0], _mm512_set1_epi64(0xd2511f53));
    const __m512i b = _mm512_mul_epu32(x->word[2], _mm512_set1_epi64(0xcd9e8d57));
    /* 0x96 is the exclusive or of three. */
    x->word[0] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(b, 32), x->word[1], k0, 0x96);
    x->word[2] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(a, 32), x->word[3], k1, 0x96);
    x->word[1] = b;
    x->word[3] = a;
}

/* Counters of lanes 0, 2, ... (half 0) or 1, 3, ... of a group. */
static SNUG_ALWAYS_INLINE eight counters(int64_t position, int64_t group, const int half)
{
    const uint64_t first = (uint64_t)group * SNUG_DROPOUT_LANES;
    const __m512i lane = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const uint64_t low = (first & 0xffffffffu) + (uint64_t)half;
    /* The low four bits of `first` are zero: nothing carries. */
    return (eight){{_mm512_add_epi64(_mm512_set1_epi64((int64_t)low), lane),
                    _mm512_set1_epi64((int64_t)(first >> 32)),
                    _mm512_set1_epi64((int64_t)((uint64_t)position & 0xffffffffu)),
                    _mm512_set1_epi64((int64_t)((uint64_t)position >> 32))}};
}

/* Chains side by side hide the latency of the products. */
static SNUG_ALWAYS_INLINE void draw(snug_philox_key key, int64_t position, int64_t group,
                                    int64_t stride, const int groups, uint32_t *words)
{
    const __mmask16 odd = 0xaaaa;
    eight x[PAIR][HALVES];
#pragma GCC unroll 2
    for (int g = 0; g < groups; g++) {
#pragma GCC unroll 2
        for (int h = 0; h < HALVES; h++) {
            x[g][h] = counters(position, group + g * stride, h);
        }
    }
    uint32_t k0 = key.word[0];
    uint32_t k1 = key.word[1];
    for (int round = 0; round < ROUNDS; round++) {
        const __m512i wide0 = _mm512_set1_epi64((int64_t)k0);
        const __m512i wide1 = _mm512_set1_epi64((int64_t)k1);
#pragma GCC unroll 2
        for (int g = 0; g < groups; g++) {
#pragma GCC unroll 2
            for (int h = 0; h < HALVES; h++) {
                turn(&x[g][h], wide0, wide1);
            }
        }
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
#pragma GCC unroll 2
    for (int g = 0; g < groups; g++) {
#pragma GCC unroll 4
        for (int w = 0; w < WORDS; w++) {
            const __m512i high = _mm512_slli_epi64(x[g][1].word[w], 32);
            _mm512_storeu_si512(words + g * SNUG_DROPOUT_WORDS + w * SNUG_DROPOUT_LANES,
                                _mm512_mask_blend_epi32(odd, x[g][0].word[w], high));
        }
    }
}

void snug_dropout_draw_avx512(snug_philox_key key, int64_t position, int64_t first_group,
                              int64_t group_stride, int64_t groups, uint32_t *words)
{
    int64_t n = 0;
    for (; n + PAIR <= groups; n += PAIR) {
        draw(key, position, first_group + n * group_stride, group_stride, PAIR,
             words + n * SNUG_DROPOUT_WORDS);
    }
    if (n < groups) {
        draw(key, position, first_group + n * group_stride, group_stride, 1,
             words + n * SNUG_DROPOUT_WORDS);
    }
}
