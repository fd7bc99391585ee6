/* The weight gradient of the TDS convolution for AVX-512. */
#include <math.h>
#include <stddef.h>

#include "base/attr.h"
#include "ops/cpu/tds_conv_kernel.h"
#include "ops/cpu/vmath_lanes_avx512.h"

#include "ops/cpu/vmath_functions.inc"

/* 24 accumulators, three vectors of x and one of dy of the 32 registers. */
enum { ROWS_MAX = 8, TAPS_MAX = 3 };
#define WIDE_TILES 1

#include "ops/cpu/tds_conv_kernels.inc"

/*
 * The quarters of four rows that lie four apart are loaded into one vector, so that only exchanges
 * within quarters are left.
 */
static void turn(const float *from, int64_t stride, float *to, int64_t to_stride)
{
#pragma GCC unroll 4
    for (int quarter = 0; quarter < LANES; quarter += 4) {
        __m512 r[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            const float *row = from + i * stride + quarter;
            r[i] = _mm512_castps128_ps512(_mm_loadu_ps(row));
            r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(row + 4 * stride), 1);
            r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(row + 8 * stride), 2);
            r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(row + 12 * stride), 3);
        }
        const __m512 t0 = _mm512_unpacklo_ps(r[0], r[1]);
        const __m512 t1 = _mm512_unpackhi_ps(r[0], r[1]);
        const __m512 t2 = _mm512_unpacklo_ps(r[2], r[3]);
        const __m512 t3 = _mm512_unpackhi_ps(r[2], r[3]);
        float *out = to + quarter * to_stride;
        lanes_store(out, _mm512_shuffle_ps(t0, t2, 0x44));
        lanes_store(out + to_stride, _mm512_shuffle_ps(t0, t2, 0xee));
        lanes_store(out + 2 * to_stride, _mm512_shuffle_ps(t1, t3, 0x44));
        lanes_store(out + 3 * to_stride, _mm512_shuffle_ps(t1, t3, 0xee));
    }
}

const snug_tds_kernels snug_tds_kernels_avx512 = {
    .rows_max = ROWS_MAX,
    .taps_max = TAPS_MAX,
    .add_products = add_products,
    .turn = turn,
};
