/* The conversions on AVX2, in whole numbers: the flags for subnormal numbers do not matter. */
#include <immintrin.h>

#include "ops/cpu/bf16.h"
#include "tensor/half.h"

enum { LANES = 8 };

static void widen(int64_t rows, int64_t cols, const uint16_t *x, int64_t x_stride, float *y,
                  int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r++) {
        const uint16_t *from = x + r * x_stride;
        float *to = y + r * y_stride;
        int64_t c = 0;
        for (; c + LANES <= cols; c += LANES) {
            const __m128i half = _mm_loadu_si128((const __m128i *)(const void *)(from + c));
            const __m256i bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16);
            _mm256_storeu_ps(to + c, _mm256_castsi256_ps(bits));
        }
        for (; c < cols; c++) {
            to[c] = snug_bf16_to_f32(from[c]);
        }
    }
}

/* The rounded numbers in the lower halves of eight lanes. */
static inline __m256i round_lanes(__m256i bits)
{
    const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
    const __m256i is_nan = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7f800000));
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    return _mm256_srli_epi32(_mm256_blendv_epi8(sum, quiet, is_nan), 16);
}

static void narrow(int64_t rows, int64_t cols, const float *x, int64_t x_stride, uint16_t *y,
                   int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * x_stride;
        uint16_t *to = y + r * y_stride;
        int64_t c = 0;
        for (; c + 2 * LANES <= cols; c += 2 * LANES) {
            const __m256i low = round_lanes(_mm256_castps_si256(_mm256_loadu_ps(from + c)));
            const __m256i high =
                round_lanes(_mm256_castps_si256(_mm256_loadu_ps(from + c + LANES)));
            /* Packing works within halves of 128 bits: the middle quarters change places. */
            const __m256i mixed = _mm256_packus_epi32(low, high);
            _mm256_storeu_si256((__m256i *)(void *)(to + c), _mm256_permute4x64_epi64(mixed, 0xd8));
        }
        for (; c < cols; c++) {
            to[c] = snug_bf16_from_f32(from[c]);
        }
    }
}

const snug_bf16_kernels snug_bf16_kernels_avx2 = {.widen = widen, .narrow = narrow};
