/* Register tiles of 14 x 32 in AVX-512. */
#include "ops/cpu/gemm_kernel.h"

#include <immintrin.h>

#include "base/attr.h"

/* 28 accumulators, two vectors of B and a broadcast of A fill the 32 registers. */
enum {
    ROWS_MAX = 14,
    COLS_MAX = 32,
    LANES = 16,
    B_AHEAD = 16,
    ROWS_ALONG = 8, /* k that are copied together. */
    STRETCH = 16    /* k between two prefetches. */
};

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
 * range, KEEP also copies B, PAIR has two whole vectors that lie apart, HALF one vector, ANY is
 * everything else.
 */
typedef enum form { FULL, KEEP, PAIR, HALF, ANY } form;

static SNUG_ALWAYS_INLINE __mmask16 column_mask(int64_t cols)
{
    return cols >= LANES ? (__mmask16)0xffff
           : cols <= 0   ? (__mmask16)0
                         : (__mmask16)((1U << cols) - 1U);
}

static SNUG_ALWAYS_INLINE halves halves_of(const snug_gemm_tile *tile, const form f)
{
    if (f == FULL || f == KEEP) {
        return (halves){LANES, LANES, (__mmask16)0xffff, (__mmask16)0xffff};
    }
    if (f == PAIR) {
        return (halves){tile->b_high, tile->c_high, (__mmask16)0xffff, (__mmask16)0xffff};
    }
    const __mmask16 low = column_mask(tile->cols);
    if (tile->pair) {
        return (halves){tile->b_high, tile->c_high, low, low};
    }
    return (halves){LANES, LANES, low, column_mask(tile->cols - LANES)};
}

#include "ops/cpu/gemm_ahead.inc"

static SNUG_ALWAYS_INLINE void start(accumulators *acc, const snug_gemm_tile *tile, const int rows,
                                     const int vectors, const halves *h)
{
    const float *c = tile->c;
    if (tile->start == SNUG_GEMM_FROM_C) {
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            acc->sum[i][0] = _mm512_maskz_loadu_ps(h->low, c);
            if (vectors == 2) {
                acc->sum[i][1] = _mm512_maskz_loadu_ps(h->high, c + h->c_high);
            }
            c += tile->c_row_stride;
        }
        return;
    }
    const bool from_rows = tile->start == SNUG_GEMM_FROM_ROWS;
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        acc->sum[i][0] = from_rows ? _mm512_set1_ps(tile->row_start[i]) : _mm512_setzero_ps();
        _mm_prefetch((const char *)c, _MM_HINT_T0);
        if (vectors == 2) {
            acc->sum[i][1] = acc->sum[i][0];
            _mm_prefetch((const char *)(c + LANES), _MM_HINT_T0);
            _mm_prefetch((const char *)(c + h->c_high + LANES - 1), _MM_HINT_T0);
        }
        c += tile->c_row_stride;
    }
}

static SNUG_ALWAYS_INLINE void add_c(accumulators *acc, const snug_gemm_tile *tile, const int rows,
                                     const int vectors, const halves *h)
{
    const float *c = tile->c;
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        acc->sum[i][0] = _mm512_add_ps(_mm512_maskz_loadu_ps(h->low, c), acc->sum[i][0]);
        if (vectors == 2) {
            acc->sum[i][1] =
                _mm512_add_ps(_mm512_maskz_loadu_ps(h->high, c + h->c_high), acc->sum[i][1]);
        }
        c += tile->c_row_stride;
    }
}

static SNUG_ALWAYS_INLINE void add_bias(accumulators *acc, const snug_gemm_tile *tile,
                                        const int rows, const int vectors, const halves *h)
{
    const __m512 bias0 = _mm512_maskz_loadu_ps(h->low, tile->bias);
    const __m512 bias1 =
        vectors == 2 ? _mm512_maskz_loadu_ps(h->high, tile->bias + LANES) : _mm512_setzero_ps();
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        acc->sum[i][0] = _mm512_add_ps(acc->sum[i][0], bias0);
        if (vectors == 2) {
            acc->sum[i][1] = _mm512_add_ps(acc->sum[i][1], bias1);
        }
    }
}

static SNUG_ALWAYS_INLINE void finish(accumulators *acc, const snug_gemm_tile *tile, const int rows,
                                      const int vectors, const halves *h)
{
    if (tile->start == SNUG_GEMM_ADD_TO_C) {
        add_c(acc, tile, rows, vectors, h);
    }
    if (tile->bias != NULL) {
        add_bias(acc, tile, rows, vectors, h);
    }
    if (tile->relu) {
        const __m512 zero = _mm512_setzero_ps();
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            /* max(0, x) with x second: x itself comes back where it is NaN. */
            acc->sum[i][0] = _mm512_max_ps(zero, acc->sum[i][0]);
            if (vectors == 2) {
                acc->sum[i][1] = _mm512_max_ps(zero, acc->sum[i][1]);
            }
        }
    }
    float *c = tile->c;
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
        _mm512_mask_storeu_ps(c, h->low, acc->sum[i][0]);
        if (vectors == 2) {
            _mm512_mask_storeu_ps(c + h->c_high, h->high, acc->sum[i][1]);
        }
        c += tile->c_row_stride;
    }
}

/* The body of every tile: `rows` and the form are constants where it is called. */
static SNUG_ALWAYS_INLINE void multiply_rows(const snug_gemm_tile *tile, const int rows,
                                             const form f)
{
    const int vectors = f == HALF ? 1 : 2;
    const bool masked = f == HALF || f == ANY;
    const halves h = halves_of(tile, f);
    const int64_t depth = tile->depth;
    const int64_t a_stride = tile->a_col_stride;
    const int64_t b_stride = tile->b_row_stride;
    const float *a = tile->a;
    const float *b = tile->b;
    float *keep = tile->b_keep;
    ahead next = ahead_of(tile, rows);
    accumulators acc;

    start(&acc, tile, rows, vectors, &h);
    for (int64_t k = 0; k < depth;) {
        const int64_t end = k + STRETCH < depth ? k + STRETCH : depth;
        prefetch_next(&next);
        for (; k < end; k++) {
            const __m512 b0 = masked ? _mm512_maskz_loadu_ps(h.low, b) : _mm512_loadu_ps(b);
            const __m512 b1 = vectors == 1 ? _mm512_setzero_ps()
                              : masked     ? _mm512_maskz_loadu_ps(h.high, b + h.b_high)
                                           : _mm512_loadu_ps(b + h.b_high);
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
                if (vectors == 2) {
                    acc.sum[i][1] = _mm512_fmadd_ps(ai, b1, acc.sum[i][1]);
                }
            }
            a += a_stride;
            b += b_stride;
        }
    }
    finish(&acc, tile, rows, vectors, &h);
}

static SNUG_ALWAYS_INLINE void multiply_form(const snug_gemm_tile *tile, const form f)
{
    switch (tile->rows) {
    case 1:
        multiply_rows(tile, 1, f);
        break;
    case 2:
        multiply_rows(tile, 2, f);
        break;
    case 3:
        multiply_rows(tile, 3, f);
        break;
    case 4:
        multiply_rows(tile, 4, f);
        break;
    case 5:
        multiply_rows(tile, 5, f);
        break;
    case 6:
        multiply_rows(tile, 6, f);
        break;
    case 7:
        multiply_rows(tile, 7, f);
        break;
    case 8:
        multiply_rows(tile, 8, f);
        break;
    case 9:
        multiply_rows(tile, 9, f);
        break;
    case 10:
        multiply_rows(tile, 10, f);
        break;
    case 11:
        multiply_rows(tile, 11, f);
        break;
    case 12:
        multiply_rows(tile, 12, f);
        break;
    case 13:
        multiply_rows(tile, 13, f);
        break;
    default:
        multiply_rows(tile, 14, f);
        break;
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

static void multiply_pair(const snug_gemm_tile *tile)
{
    multiply_form(tile, PAIR);
}

static void multiply_half(const snug_gemm_tile *tile)
{
    multiply_form(tile, HALF);
}

static void multiply_any(const snug_gemm_tile *tile)
{
    multiply_form(tile, ANY);
}

static void multiply(const snug_gemm_tile *tile)
{
    if (!tile->pair && tile->cols <= LANES) {
        multiply_half(tile);
    } else if (tile->pair && tile->cols == LANES) {
        multiply_pair(tile);
    } else if (tile->pair || tile->cols < COLS_MAX) {
        multiply_any(tile);
    } else if (tile->b_keep != NULL) {
        multiply_keep(tile);
    } else {
        multiply_full(tile);
    }
}

/* Up to 8 k of one panel of any width. */
static SNUG_ALWAYS_INLINE void copy_rows(const float *from, int64_t stride, int64_t lanes,
                                         int64_t depth, int64_t width, float *to)
{
    for (int64_t lane = 0; lane < lanes; lane += LANES) {
        const __mmask16 mask = column_mask(lanes - lane);
        for (int64_t k = 0; k < depth; k++) {
            _mm512_mask_storeu_ps(to + k * width + lane, mask,
                                  _mm512_maskz_loadu_ps(mask, from + k * stride + lane));
        }
    }
}

/*
 * 8 k of a panel of 14 lanes are 7 whole vectors: vector i has the lanes from 2 i on of row i, then
 * the first ones of row i + 1, which an index finds from 16 on.
 */
static SNUG_ALWAYS_INLINE void join_rows(const float *from, int64_t stride, float *to)
{
#define AT(lane) ((lane) + ((lane) < ROWS_MAX ? 0 : LANES - ROWS_MAX))
#define FOUR(lane) AT(lane), AT((lane) + 1), AT((lane) + 2), AT((lane) + 3)
#define INDEX(i)                                                                                   \
    {                                                                                              \
        FOUR(2 * (i)), FOUR(2 * (i) + 4), FOUR(2 * (i) + 8), FOUR(2 * (i) + 12)                    \
    }
    static const _Alignas(64) int32_t indices[ROWS_ALONG - 1][LANES] = {
        INDEX(0), INDEX(1), INDEX(2), INDEX(3), INDEX(4), INDEX(5), INDEX(6)};
    const __mmask16 mask = column_mask(ROWS_MAX);
    __m512 row = _mm512_maskz_loadu_ps(mask, from);
#pragma GCC unroll 7
    for (int i = 0; i < ROWS_ALONG - 1; i++) {
        const __m512 after = _mm512_maskz_loadu_ps(mask, from + (i + 1) * stride);
        _mm512_storeu_ps(to + i * LANES,
                         _mm512_permutex2var_ps(row, _mm512_load_si512(indices[i]), after));
        row = after;
    }
#undef AT
#undef FOUR
#undef INDEX
}

/* A few k of all panels at a time, so that both what is read and what is written is in L1. */
static void pack_along(const float *source, int64_t stride, int64_t lanes, int64_t depth,
                       int64_t width, float *out)
{
    for (int64_t k = 0; k < depth; k += ROWS_ALONG) {
        const int64_t count = depth - k < ROWS_ALONG ? depth - k : ROWS_ALONG;
        const float *from = source + k * stride;
        for (int64_t first = 0; first < lanes; first += width) {
            float *to = out + first * depth + k * width;
            if (width == ROWS_MAX && count == ROWS_ALONG && lanes - first >= width) {
                join_rows(from + first, stride, to);
            } else {
                copy_rows(from + first, stride, lanes - first < width ? lanes - first : width,
                          count, width, to);
            }
        }
    }
}

/*
 * 16 columns of up to 16 rows, written as rows. The quarters of four rows that lie four apart are
 * loaded into one vector, so that only exchanges within quarters are left.
 */
static SNUG_ALWAYS_INLINE void turn16(const float *from, int64_t stride, int64_t count,
                                      int64_t width, float *to)
{
    const __mmask16 mask = column_mask(count);
    const float *row[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
        row[i] = from + (i < count ? i : 0) * stride;
    }
#pragma GCC unroll 4
    for (int quarter = 0; quarter < LANES; quarter += 4) {
        __m512 r[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            r[i] = _mm512_castps128_ps512(_mm_loadu_ps(row[i] + quarter));
            r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(row[i + 4] + quarter), 1);
            r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(row[i + 8] + quarter), 2);
            r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps(row[i + 12] + quarter), 3);
        }
        const __m512 t0 = _mm512_unpacklo_ps(r[0], r[1]);
        const __m512 t1 = _mm512_unpackhi_ps(r[0], r[1]);
        const __m512 t2 = _mm512_unpacklo_ps(r[2], r[3]);
        const __m512 t3 = _mm512_unpackhi_ps(r[2], r[3]);
        float *out = to + quarter * width;
        _mm512_mask_storeu_ps(out, mask, _mm512_shuffle_ps(t0, t2, 0x44));
        _mm512_mask_storeu_ps(out + width, mask, _mm512_shuffle_ps(t0, t2, 0xee));
        _mm512_mask_storeu_ps(out + 2 * width, mask, _mm512_shuffle_ps(t1, t3, 0x44));
        _mm512_mask_storeu_ps(out + 3 * width, mask, _mm512_shuffle_ps(t1, t3, 0xee));
    }
}

static void pack_across(const float *source, int64_t stride, int64_t lanes, int64_t depth,
                        int64_t width, float *out)
{
    const int64_t whole = depth - depth % LANES;
    for (int64_t first = 0; first < lanes; first += LANES) {
        const int64_t count = lanes - first < LANES ? lanes - first : LANES;
        const float *from = source + first * stride;
        float *to = out + first;
        for (int64_t k = 0; k < whole; k += LANES) {
            turn16(from + k, stride, count, width, to + k * width);
        }
        for (int64_t k = whole; k < depth; k++) {
            for (int64_t lane = 0; lane < count; lane++) {
                to[k * width + lane] = from[lane * stride + k];
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
