/*
 * The conversions on AVX-512, in whole numbers. The processor's own conversion (AVX512_BF16) takes
 * subnormal numbers for zero, so its bits are others.
 */
#include <immintrin.h>

#include "ops/cpu/bf16.h"

enum { LANES = 16 };

static inline __mmask16 lanes_of(int64_t count)
{
    return count >= LANES ? (__mmask16)0xffff : (__mmask16)((1U << count) - 1U);
}

static void widen(int64_t rows, int64_t cols, const uint16_t *x, int64_t x_stride, float *y,
                  int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r++) {
        const uint16_t *from = x + r * x_stride;
        float *to = y + r * y_stride;
        for (int64_t c = 0; c < cols; c += LANES) {
            const __mmask16 lanes = lanes_of(cols - c);
            const __m256i half = _mm256_maskz_loadu_epi16(lanes, from + c);
            const __m512i bits = _mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
            _mm512_mask_storeu_epi32(to + c, lanes, bits);
        }
    }
}

static void narrow(int64_t rows, int64_t cols, const float *x, int64_t x_stride, uint16_t *y,
                   int64_t y_stride)
{
    const __m512i one = _mm512_set1_epi32(1);
    const __m512i below_half = _mm512_set1_epi32(0x7fff);
    const __m512i quiet = _mm512_set1_epi32(0x400000);
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * x_stride;
        uint16_t *to = y + r * y_stride;
        for (int64_t c = 0; c < cols; c += LANES) {
            const __mmask16 lanes = lanes_of(cols - c);
            const __m512i bits = _mm512_maskz_loadu_epi32(lanes, from + c);
            const __m512i magnitude = _mm512_and_epi32(bits, _mm512_set1_epi32(0x7fffffff));
            const __mmask16 is_nan =
                _mm512_cmpgt_epi32_mask(magnitude, _mm512_set1_epi32(0x7f800000));
            const __m512i odd = _mm512_and_epi32(_mm512_srli_epi32(bits, 16), one);
            __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(odd, below_half));
            sum = _mm512_mask_or_epi32(sum, is_nan, bits, quiet);
            const __m256i half = _mm512_cvtepi32_epi16(_mm512_srli_epi32(sum, 16));
            _mm256_mask_storeu_epi16(to + c, lanes, half);
        }
    }
}

const snug_bf16_kernels snug_bf16_kernels_avx512 = {.widen = widen, .narrow = narrow};
