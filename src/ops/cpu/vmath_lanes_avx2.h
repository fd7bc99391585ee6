/* Sixteen f32 lanes in two AVX2 registers; only files named *_avx2.c may include it. */
#ifndef SNUG_OPS_CPU_VMATH_LANES_AVX2_H
#define SNUG_OPS_CPU_VMATH_LANES_AVX2_H

#ifdef __AVX2__

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

enum { LANES = 16 };

typedef struct lanes {
    __m256 a, b;
} lanes;

typedef struct lanes_f64 {
    __m256d v[4];
} lanes_f64;

static inline lanes lanes_set(float x)
{
    return (lanes){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

static inline lanes lanes_load(const float *p)
{
    return (lanes){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

/** Asks for the cache line at `address`, which need not be mapped. */
static inline void lanes_prefetch(uintptr_t address)
{
    _mm_prefetch((const void *)address, _MM_HINT_T1);
}

/** All ones in the lanes below `count` (any whole number), zeros above. */
static inline __m256i lanes_half_mask(int64_t count)
{
    const int64_t inside = count < 0 ? 0 : count > 8 ? 8 : count;
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)inside), index);
}

/** The first `count` lanes from p, zeros above; reads nothing past p[count - 1]. */
static inline lanes lanes_load_part(const float *p, int64_t count)
{
    return (lanes){_mm256_maskload_ps(p, lanes_half_mask(count)),
                   count > 8 ? _mm256_maskload_ps(p + 8, lanes_half_mask(count - 8))
                             : _mm256_setzero_ps()};
}

static inline void lanes_store(float *p, lanes x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}

static inline void lanes_store_part(float *p, int64_t count, lanes x)
{
    _mm256_maskstore_ps(p, lanes_half_mask(count), x.a);
    if (count > 8) {
        _mm256_maskstore_ps(p + 8, lanes_half_mask(count - 8), x.b);
    }
}

static inline lanes lanes_add(lanes x, lanes y)
{
    return (lanes){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}

static inline lanes lanes_sub(lanes x, lanes y)
{
    return (lanes){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}

static inline lanes lanes_mul(lanes x, lanes y)
{
    return (lanes){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}

static inline lanes lanes_div(lanes x, lanes y)
{
    return (lanes){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}

static inline lanes lanes_sqrt(lanes x)
{
    return (lanes){_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)};
}

/** x * y + z, rounded once. */
static inline lanes lanes_fma(lanes x, lanes y, lanes z)
{
    return (lanes){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

/** x > y ? x : y, so a NaN in y passes. */
static inline lanes lanes_max(lanes x, lanes y)
{
    return (lanes){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}

/** x < y ? x : y, so a NaN in y passes. */
static inline lanes lanes_min(lanes x, lanes y)
{
    return (lanes){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}

/** x < y ? yes : no; no where x or y is NaN. */
static inline lanes lanes_if_less(lanes x, lanes y, lanes yes, lanes no)
{
    return (lanes){_mm256_blendv_ps(no.a, yes.a, _mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ)),
                   _mm256_blendv_ps(no.b, yes.b, _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ))};
}

static inline lanes lanes_abs(lanes x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (lanes){_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}

/** |x| with the sign bit of y. */
static inline lanes lanes_copy_sign(lanes x, lanes y)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const lanes size = lanes_abs(x);
    return (lanes){_mm256_or_ps(size.a, _mm256_and_ps(sign, y.a)),
                   _mm256_or_ps(size.b, _mm256_and_ps(sign, y.b))};
}

/** To the nearest whole number, ties to even. */
static inline lanes lanes_round(lanes x)
{
    return (lanes){_mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                   _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

/** 2^x for whole x in [-126, 127]: see the scalar twin. */
static inline lanes lanes_pow2(lanes x)
{
    const lanes sum = lanes_add(x, lanes_set(12583039.0f));
    return (lanes){_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(sum.a), 23)),
                   _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(sum.b), 23))};
}

/** The low or high sixteen bits of sixteen words. */
static inline lanes lanes_from_halves(const uint32_t *words, bool high)
{
    const __m256i mask = _mm256_set1_epi32(0xffff);
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)words);
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(words + 8));
    a = high ? _mm256_srli_epi32(a, 16) : _mm256_and_si256(a, mask);
    b = high ? _mm256_srli_epi32(b, 16) : _mm256_and_si256(b, mask);
    return (lanes){_mm256_cvtepi32_ps(a), _mm256_cvtepi32_ps(b)};
}

/** table[codes[i]] for sixteen codes. */
static inline lanes lanes_look_up(const float *table, const uint8_t *codes)
{
    const __m128i all = _mm_loadu_si128((const __m128i *)(const void *)codes);
    return (lanes){_mm256_i32gather_ps(table, _mm256_cvtepu8_epi32(all), 4),
                   _mm256_i32gather_ps(table, _mm256_cvtepu8_epi32(_mm_srli_si128(all, 8)), 4)};
}

/** Whole numbers in [0, 255] as sixteen bytes. */
static inline void lanes_store_bytes(uint8_t *p, lanes x)
{
    const __m256i a = _mm256_cvttps_epi32(x.a);
    const __m256i b = _mm256_cvttps_epi32(x.b);
    const __m128i low = _mm_packus_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    const __m128i high =
        _mm_packus_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
    _mm_storeu_si128((__m128i *)(void *)p, _mm_packus_epi16(low, high));
}

/** The sum of the lanes in the fixed tree: halves are added until one lane is left. */
static inline float lanes_sum(lanes x)
{
    const __m256 eight = _mm256_add_ps(x.a, x.b);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline lanes_f64 lanes_f64_zero(void)
{
    const __m256d zero = _mm256_setzero_pd();
    return (lanes_f64){{zero, zero, zero, zero}};
}

/** The lanes in double. */
static inline lanes_f64 lanes_f64_from(lanes x)
{
    return (lanes_f64){{_mm256_cvtps_pd(_mm256_castps256_ps128(x.a)),
                        _mm256_cvtps_pd(_mm256_extractf128_ps(x.a, 1)),
                        _mm256_cvtps_pd(_mm256_castps256_ps128(x.b)),
                        _mm256_cvtps_pd(_mm256_extractf128_ps(x.b, 1))}};
}

/** sum + x, lane by lane in double. */
static inline lanes_f64 lanes_f64_add(lanes_f64 sum, lanes x)
{
    const lanes_f64 wide = lanes_f64_from(x);
    for (int i = 0; i < 4; i++) {
        sum.v[i] = _mm256_add_pd(sum.v[i], wide.v[i]);
    }
    return sum;
}

/** sum + x * x, lane by lane in double, where the square of a float is exact. */
static inline lanes_f64 lanes_f64_add_square(lanes_f64 sum, lanes x)
{
    const lanes_f64 wide = lanes_f64_from(x);
    for (int i = 0; i < 4; i++) {
        sum.v[i] = _mm256_fmadd_pd(wide.v[i], wide.v[i], sum.v[i]);
    }
    return sum;
}

static inline void lanes_f64_store(double *p, lanes_f64 x)
{
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_pd(p + (ptrdiff_t)4 * i, x.v[i]);
    }
}

#endif

#endif
