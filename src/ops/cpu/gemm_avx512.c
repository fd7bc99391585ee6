/* Register tiles of 14 x 32 in AVX-512. */
#include "ops/cpu/gemm_kernel.h"

#include <immintrin.h>

#include "base/attr.h"

/* 28 accumulators, two vectors of B and a broadcast of A fill the 32 registers. */
enum { ROWS_MAX = 14, COLS_MAX = 32, LANES = 16, B_AHEAD = 16, PANELS_ALONG = 8 };

typedef struct accumulators {
    __m512 sum[ROWS_MAX][2];
} accumulators;

/* Where the second vector of a row lies, and which lanes of both there are. */
typedef struct halves {
    int64_t b_high;
    int64_t c_high;
    __mmask16 low;
    __mmask16 high;
} halves;

/*
 * What multiply_rows() is made for; a constant where it is called. FULL has all columns in one
 * range, KEEP also copies B, ANY is everything else.
 */
typedef enum form { FULL, KEEP, ANY } form;

static SNUG_ALWAYS_INLINE __mmask16 column_mask(int64_t cols)
{
    return cols >= LANES ? (__mmask16)0xffff : cols <= 0 ? (__mmask16)0
                                                         : (__mmask16)((1U << cols) - 1U);
}

static SNUG_ALWAYS_INLINE halves halves_of(const snug_gemm_tile *tile, const form f)
{
    if (f != ANY) {
        return (halves){LANES, LANES, (__mmask16)0xffff, (__mmask16)0xffff};
    }
    const __mmask16 low = column_mask(tile->cols);
    if (tile->pair) {
        return (halves){tile->b_high, tile->c_high, low, low};
    }
    return (halves){LANES, LANES, low, column_mask(tile->cols - LANES)};
}

static SNUG_ALWAYS_INLINE void start(accumulators *acc, const snug_gemm_tile *tile,
                                     const int rows, const halves *h)
{
    const float *c = tile->c;
    if (tile->start == SNUG_GEMM_FROM_C) {
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            acc->sum[i][0] = _mm512_maskz_loadu_ps(h->low, c);
            acc->sum[i][1] = _mm512_maskz_loadu_ps(h->high, c + h->c_high);
            c += tile->c_row_stride;
        }
        return;
    }
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        acc->sum[i][0] = _mm512_setzero_ps();
        acc->sum[i][1] = _mm512_setzero_ps();
        _mm_prefetch((const char *)c, _MM_HINT_T0);
        _mm_prefetch((const char *)(c + LANES), _MM_HINT_T0);
        _mm_prefetch((const char *)(c + h->c_high + LANES - 1), _MM_HINT_T0);
        c += tile->c_row_stride;
    }
}

/* C may lie far away, and its chains wait for it: it is asked for one tile ahead. */
static SNUG_ALWAYS_INLINE void prefetch_next(const snug_gemm_tile *tile, const int rows)
{
    const float *c = tile->c_next;
#pragma GCC unroll 14
    for (int i = 0; c != NULL && i < rows; i++) {
        _mm_prefetch((const char *)c, _MM_HINT_T0);
        _mm_prefetch((const char *)(c + LANES), _MM_HINT_T0);
        c += tile->c_row_stride;
    }
}

static SNUG_ALWAYS_INLINE void add_c(accumulators *acc, const snug_gemm_tile *tile, const int rows,
                                     const halves *h)
{
    const float *c = tile->c;
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        acc->sum[i][0] = _mm512_add_ps(_mm512_maskz_loadu_ps(h->low, c), acc->sum[i][0]);
        acc->sum[i][1] =
            _mm512_add_ps(_mm512_maskz_loadu_ps(h->high, c + h->c_high), acc->sum[i][1]);
        c += tile->c_row_stride;
    }
}

static SNUG_ALWAYS_INLINE void add_bias(accumulators *acc, const snug_gemm_tile *tile,
                                        const int rows, const halves *h)
{
    const __m512 bias0 = _mm512_maskz_loadu_ps(h->low, tile->bias);
    const __m512 bias1 = _mm512_maskz_loadu_ps(h->high, tile->bias + LANES);
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        acc->sum[i][0] = _mm512_add_ps(acc->sum[i][0], bias0);
        acc->sum[i][1] = _mm512_add_ps(acc->sum[i][1], bias1);
    }
}

static SNUG_ALWAYS_INLINE void finish(accumulators *acc, const snug_gemm_tile *tile,
                                      const int rows, const halves *h)
{
    if (tile->start == SNUG_GEMM_ADD_TO_C) {
        add_c(acc, tile, rows, h);
    }
    if (tile->bias != NULL) {
        add_bias(acc, tile, rows, h);
    }
    if (tile->relu) {
        const __m512 zero = _mm512_setzero_ps();
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            /* max(0, x) with x second: x itself comes back where it is NaN. */
            acc->sum[i][0] = _mm512_max_ps(zero, acc->sum[i][0]);
            acc->sum[i][1] = _mm512_max_ps(zero, acc->sum[i][1]);
        }
    }
    float *c = tile->c;
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        _mm512_mask_storeu_ps(c, h->low, acc->sum[i][0]);
        _mm512_mask_storeu_ps(c + h->c_high, h->high, acc->sum[i][1]);
        c += tile->c_row_stride;
    }
}

/* The body of every tile: `rows` and the flags are constants where it is called. */
static SNUG_ALWAYS_INLINE void multiply_rows(const snug_gemm_tile *tile, const int rows,
                                             const form f)
{
    const halves h = halves_of(tile, f);
    const int64_t depth = tile->depth;
    const int64_t a_stride = tile->a_col_stride;
    const int64_t b_stride = tile->b_row_stride;
    const float *a = tile->a;
    const float *b = tile->b;
    float *keep = tile->b_keep;
    accumulators acc;

    start(&acc, tile, rows, &h);
    prefetch_next(tile, rows);
    for (int64_t k = 0; k < depth; k++) {
        const __m512 b0 = f != ANY ? _mm512_loadu_ps(b) : _mm512_maskz_loadu_ps(h.low, b);
        const __m512 b1 = f != ANY ? _mm512_loadu_ps(b + LANES)
                                   : _mm512_maskz_loadu_ps(h.high, b + h.b_high);
        if (f == KEEP) {
            _mm512_store_ps(keep, b0);
            _mm512_store_ps(keep + LANES, b1);
            keep += COLS_MAX;
            _mm_prefetch((const char *)(b + B_AHEAD * b_stride), _MM_HINT_T0);
            _mm_prefetch((const char *)(b + B_AHEAD * b_stride + LANES), _MM_HINT_T0);
        }
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            const __m512 ai = _mm512_set1_ps(a[i]);
            acc.sum[i][0] = _mm512_fmadd_ps(ai, b0, acc.sum[i][0]);
            acc.sum[i][1] = _mm512_fmadd_ps(ai, b1, acc.sum[i][1]);
        }
        a += a_stride;
        b += b_stride;
    }
    finish(&acc, tile, rows, &h);
}

static SNUG_ALWAYS_INLINE void multiply_form(const snug_gemm_tile *tile, const form f)
{
    switch (tile->rows) {
    case 1: multiply_rows(tile, 1, f); break;
    case 2: multiply_rows(tile, 2, f); break;
    case 3: multiply_rows(tile, 3, f); break;
    case 4: multiply_rows(tile, 4, f); break;
    case 5: multiply_rows(tile, 5, f); break;
    case 6: multiply_rows(tile, 6, f); break;
    case 7: multiply_rows(tile, 7, f); break;
    case 8: multiply_rows(tile, 8, f); break;
    case 9: multiply_rows(tile, 9, f); break;
    case 10: multiply_rows(tile, 10, f); break;
    case 11: multiply_rows(tile, 11, f); break;
    case 12: multiply_rows(tile, 12, f); break;
    case 13: multiply_rows(tile, 13, f); break;
    default: multiply_rows(tile, 14, f); break;
    }
}

static void multiply_full(const snug_gemm_tile *tile)
{
    multiply_form(tile, FULL);
}

static void multiply_keep(const snug_gemm_tile *tile)
{
    multiply_form(tile, KEEP);
}

static void multiply_any(const snug_gemm_tile *tile)
{
    multiply_form(tile, ANY);
}

static void multiply(const snug_gemm_tile *tile)
{
    if (tile->pair || tile->cols < COLS_MAX) {
        multiply_any(tile);
    } else if (tile->b_keep != NULL) {
        multiply_keep(tile);
    } else {
        multiply_full(tile);
    }
}

/* A few panels at a time: long reads, and not more streams of writes than L1 has room for. */
static void pack_along(const float *source, int64_t stride, int64_t lanes, int64_t depth,
                       int64_t width, float *out)
{
    for (int64_t group = 0; group < lanes; group += PANELS_ALONG * width) {
        const int64_t end =
            group + PANELS_ALONG * width < lanes ? group + PANELS_ALONG * width : lanes;
        for (int64_t k = 0; k < depth; k++) {
            const float *from = source + k * stride;
            for (int64_t first = group; first < end; first += width) {
                float *to = out + first * depth + k * width;
                const int64_t count = end - first < width ? end - first : width;
                for (int64_t lane = 0; lane < count; lane += LANES) {
                    const __mmask16 mask = column_mask(count - lane);
                    _mm512_mask_storeu_ps(to + lane, mask,
                                          _mm512_maskz_loadu_ps(mask, from + first + lane));
                }
            }
        }
    }
}

/* Rows of 16 become columns, in four rounds of exchanges of 1, 2, 4 and 8 lanes. */
static SNUG_ALWAYS_INLINE void transpose16(__m512 r[LANES])
{
    __m512 t[LANES];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const __m512 *s = t + 4 * i;
        r[4 * i] = _mm512_shuffle_ps(s[0], s[2], 0x44);
        r[4 * i + 1] = _mm512_shuffle_ps(s[0], s[2], 0xee);
        r[4 * i + 2] = _mm512_shuffle_ps(s[1], s[3], 0x44);
        r[4 * i + 3] = _mm512_shuffle_ps(s[1], s[3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

static void pack_across(const float *source, int64_t stride, int64_t lanes, int64_t depth,
                        int64_t width, float *out)
{
    for (int64_t first = 0; first < lanes; first += LANES) {
        const int64_t count = lanes - first < LANES ? lanes - first : LANES;
        const __mmask16 store_mask = column_mask(count);
        const float *from = source + first * stride;
        for (int64_t k = 0; k < depth; k += LANES) {
            const int64_t steps = depth - k < LANES ? depth - k : LANES;
            const __mmask16 load_mask = column_mask(steps);
            __m512 block[LANES];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++) {
                block[i] = i < count ? _mm512_maskz_loadu_ps(load_mask, from + i * stride + k)
                                     : _mm512_setzero_ps();
            }
            transpose16(block);
            float *to = out + k * width + first;
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++) {
                if (i < steps) {
                    _mm512_mask_storeu_ps(to + i * width, store_mask, block[i]);
                }
            }
        }
    }
}

const snug_gemm_kernels *snug_gemm_kernels_avx512(void)
{
    static const snug_gemm_kernels kernels = {
        .rows_max = ROWS_MAX,
        .cols_max = COLS_MAX,
        .multiply = multiply,
        .pack_along = pack_along,
        .pack_across = pack_across,
    };
    return &kernels;
}
