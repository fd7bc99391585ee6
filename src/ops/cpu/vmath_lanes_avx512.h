/* Sixteen f32 lanes in one AVX-512 register; only files named *_avx512.c may include it. */
#ifndef SNUG_OPS_CPU_VMATH_LANES_AVX512_H
#define SNUG_OPS_CPU_VMATH_LANES_AVX512_H

#ifdef __AVX512F__

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

enum { LANES = 16 };

typedef __m512 lanes;

typedef struct lanes_f64 {
    __m512d a, b;
} lanes_f64;

static inline lanes lanes_set(float x)
{
    return _mm512_set1_ps(x);
}

static inline lanes lanes_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline __mmask16 lanes_mask(int64_t count)
{
    return (__mmask16)((1U << (unsigned)count) - 1U);
}

/** Asks for the cache line at `address`, which need not be mapped. */
static inline void lanes_prefetch(uintptr_t address)
{
    _mm_prefetch((const void *)address, _MM_HINT_T1);
}

/** The first `count` lanes from p, zeros above; reads nothing past p[count - 1]. */
static inline lanes lanes_load_part(const float *p, int64_t count)
{
    return _mm512_maskz_loadu_ps(lanes_mask(count), p);
}

static inline void lanes_store(float *p, lanes x)
{
    _mm512_storeu_ps(p, x);
}

static inline void lanes_store_part(float *p, int64_t count, lanes x)
{
    _mm512_mask_storeu_ps(p, lanes_mask(count), x);
}

static inline lanes lanes_add(lanes x, lanes y)
{
    return _mm512_add_ps(x, y);
}

static inline lanes lanes_sub(lanes x, lanes y)
{
    return _mm512_sub_ps(x, y);
}

static inline lanes lanes_mul(lanes x, lanes y)
{
    return _mm512_mul_ps(x, y);
}

static inline lanes lanes_div(lanes x, lanes y)
{
    return _mm512_div_ps(x, y);
}

static inline lanes lanes_sqrt(lanes x)
{
    return _mm512_sqrt_ps(x);
}

/** x * y + z, rounded once. */
static inline lanes lanes_fma(lanes x, lanes y, lanes z)
{
    return _mm512_fmadd_ps(x, y, z);
}

/** x > y ? x : y, so a NaN in y passes. */
static inline lanes lanes_max(lanes x, lanes y)
{
    return _mm512_max_ps(x, y);
}

/** x < y ? x : y, so a NaN in y passes. */
static inline lanes lanes_min(lanes x, lanes y)
{
    return _mm512_min_ps(x, y);
}

/** x < y ? yes : no; no where x or y is NaN. */
static inline lanes lanes_if_less(lanes x, lanes y, lanes yes, lanes no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), no, yes);
}

static inline lanes lanes_abs(lanes x)
{
    return _mm512_abs_ps(x);
}

/** |x| with the sign bit of y. */
static inline lanes lanes_copy_sign(lanes x, lanes y)
{
    return _mm512_or_ps(_mm512_abs_ps(x), _mm512_and_ps(_mm512_set1_ps(-0.0f), y));
}

/** To the nearest whole number, ties to even. */
static inline lanes lanes_round(lanes x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/** 2^x for whole x in [-126, 127]: see the scalar twin. */
static inline lanes lanes_pow2(lanes x)
{
    const __m512 sum = _mm512_add_ps(x, _mm512_set1_ps(12583039.0f));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(sum), 23));
}

/** The low or high sixteen bits of sixteen words. */
static inline lanes lanes_from_halves(const uint32_t *words, bool high)
{
    const __m512i all = _mm512_loadu_si512(words);
    return _mm512_cvtepi32_ps(high ? _mm512_srli_epi32(all, 16)
                                   : _mm512_and_si512(all, _mm512_set1_epi32(0xffff)));
}

/** table[codes[i]] for sixteen codes. */
static inline lanes lanes_look_up(const float *table, const uint8_t *codes)
{
    const __m128i all = _mm_loadu_si128((const __m128i *)(const void *)codes);
    return _mm512_i32gather_ps(_mm512_cvtepu8_epi32(all), table, 4);
}

/** Whole numbers in [0, 255] as sixteen bytes. */
static inline void lanes_store_bytes(uint8_t *p, lanes x)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(x)));
}

/** The sum of the lanes in the fixed tree: halves are added until one lane is left. */
static inline float lanes_sum(lanes x)
{
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline lanes_f64 lanes_f64_zero(void)
{
    return (lanes_f64){_mm512_setzero_pd(), _mm512_setzero_pd()};
}

/** sum + x, lane by lane in double. */
static inline lanes_f64 lanes_f64_add(lanes_f64 sum, lanes x)
{
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    return (lanes_f64){_mm512_add_pd(sum.a, low), _mm512_add_pd(sum.b, high)};
}

/** sum + x * x, lane by lane in double, where the square of a float is exact. */
static inline lanes_f64 lanes_f64_add_square(lanes_f64 sum, lanes x)
{
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    return (lanes_f64){_mm512_fmadd_pd(low, low, sum.a), _mm512_fmadd_pd(high, high, sum.b)};
}

static inline void lanes_f64_store(double *p, lanes_f64 x)
{
    _mm512_storeu_pd(p, x.a);
    _mm512_storeu_pd(p + 8, x.b);
}

#endif

#endif
