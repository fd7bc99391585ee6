/* Philox4x32-10 on sixteen counters, eight to a register, in AVX2. */
#include "ops/cpu/dropout_rng.h"

#include <immintrin.h>

#include "base/attr.h"

enum { ROUNDS = 10, PARTS = 4, WORDS = 4, LANES = 8 };

/* Four counters: each word in the low half of a 64-bit lane; the high halves are never looked at.
 */
typedef struct four {
    __m256i word[WORDS];
} four;

static SNUG_ALWAYS_INLINE void turn(four *x, __m256i k0, __m256i k1)
{
    const __m256i a = _mm256_mul_epu32(x->word[0], _mm256_set1_epi64x(0xd2511f53));
    const __m256i b = _mm256_mul_epu32(x->word[2], _mm256_set1_epi64x(0xcd9e8d57));
    x->word[0] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(b, 32), x->word[1]), k0);
    x->word[2] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(a, 32), x->word[3]), k1);
    x->word[1] = b;
    x->word[3] = a;
}

/* Counters first, first + 2, first + 4, first + 6. */
static SNUG_ALWAYS_INLINE four counters(int64_t position, uint64_t first)
{
    const int64_t low = (int64_t)(first & 0xffffffffu);
    return (four){{_mm256_add_epi64(_mm256_set1_epi64x(low), _mm256_setr_epi64x(0, 2, 4, 6)),
                   _mm256_set1_epi64x((int64_t)(first >> 32)),
                   _mm256_set1_epi64x((int64_t)((uint64_t)position & 0xffffffffu)),
                   _mm256_set1_epi64x((int64_t)((uint64_t)position >> 32))}};
}

/* One group: even and odd lanes of its two halves, four chains that hide the products' latency. */
static void draw(snug_philox_key key, int64_t position, int64_t group, uint32_t *words)
{
    enum { ODD = 0xaa };
    const uint64_t first = (uint64_t)group * SNUG_DROPOUT_LANES;
    four x[PARTS];
#pragma GCC unroll 4
    for (int p = 0; p < PARTS; p++) {
        /* The low four bits of `first` are zero: nothing carries. */
        x[p] = counters(position, first + (uint64_t)(p / 2 * LANES + p % 2));
    }
    uint32_t k0 = key.word[0];
    uint32_t k1 = key.word[1];
    for (int round = 0; round < ROUNDS; round++) {
        const __m256i wide0 = _mm256_set1_epi64x((int64_t)k0);
        const __m256i wide1 = _mm256_set1_epi64x((int64_t)k1);
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; p++) {
            turn(&x[p], wide0, wide1);
        }
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
#pragma GCC unroll 4
    for (int w = 0; w < WORDS; w++) {
#pragma GCC unroll 2
        for (int h = 0; h < PARTS / 2; h++) {
            const __m256i high = _mm256_slli_epi64(x[2 * h + 1].word[w], 32);
            _mm256_storeu_si256((__m256i *)(void *)(words + w * SNUG_DROPOUT_LANES + h * LANES),
                                _mm256_blend_epi32(x[2 * h].word[w], high, ODD));
        }
    }
}

void snug_dropout_draw_avx2(snug_philox_key key, int64_t position, int64_t first_group,
                            int64_t group_stride, int64_t groups, uint32_t *words)
{
    for (int64_t n = 0; n < groups; n++) {
        draw(key, position, first_group + n * group_stride, words + n * SNUG_DROPOUT_WORDS);
    }
}
