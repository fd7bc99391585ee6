/* Register tiles of 6 x 16 in AVX2 + FMA. */
#include "ops/cpu/gemm_kernel.h"

#include <immintrin.h>
#include <stddef.h>

#include "base/attr.h"

/* 12 accumulators, two vectors of B and a broadcast of A of the 16 registers. */
enum {
    ROWS_MAX = 6,
    COLS_MAX = 16,
    LANES = 8,
    B_AHEAD = 16,
    PANELS_ALONG = 16,
    STRETCH = 16 /* k between two prefetches. */
};

typedef struct accumulators {
    __m256 sum[ROWS_MAX][2];
} accumulators;

/* Where the second vector of a row lies, and which lanes of both there are. */
typedef struct halves {
    int64_t b_high;
    int64_t c_high;
    __m256i low;
    __m256i high;
    bool masked;
} halves;

/*
 * What multiply_rows() is made for; a constant where it is called. FULL has all columns in one
 * range, KEEP also copies B, PAIR has two whole vectors that lie apart, HALF one vector, ANY is
 * everything else.
 */
typedef enum form { FULL, KEEP, PAIR, HALF, ANY } form;

static SNUG_ALWAYS_INLINE __m256i column_mask(int64_t cols)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const int32_t count = cols >= LANES ? LANES : cols <= 0 ? 0 : (int32_t)cols;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane);
}

static SNUG_ALWAYS_INLINE halves halves_of(const snug_gemm_tile *tile, const form f)
{
    const __m256i low = column_mask(tile->cols);
    if (f == PAIR || (f == ANY && tile->pair)) {
        return (halves){tile->b_high, tile->c_high, low, low, f == ANY};
    }
    return (halves){LANES, LANES, low, column_mask(tile->cols - LANES), f == HALF || f == ANY};
}

static SNUG_ALWAYS_INLINE __m256 load(const float *from, __m256i mask, const bool masked)
{
    return masked ? _mm256_maskload_ps(from, mask) : _mm256_loadu_ps(from);
}

static SNUG_ALWAYS_INLINE void store(float *to, __m256i mask, const bool masked, __m256 value)
{
    if (masked) {
        _mm256_maskstore_ps(to, mask, value);
    } else {
        _mm256_storeu_ps(to, value);
    }
}

#include "ops/cpu/gemm_ahead.inc"

static SNUG_ALWAYS_INLINE void start(accumulators *acc, const snug_gemm_tile *tile, const int rows,
                                     const int vectors, const halves *h)
{
    const float *c = tile->c;
    if (tile->start == SNUG_GEMM_FROM_C) {
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            acc->sum[i][0] = load(c, h->low, h->masked);
            if (vectors == 2) {
                acc->sum[i][1] = load(c + h->c_high, h->high, h->masked);
            }
            c += tile->c_row_stride;
        }
        return;
    }
    const bool from_rows = tile->start == SNUG_GEMM_FROM_ROWS;
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        acc->sum[i][0] = from_rows ? _mm256_set1_ps(tile->row_start[i]) : _mm256_setzero_ps();
        _mm_prefetch((const char *)c, _MM_HINT_T0);
        if (vectors == 2) {
            acc->sum[i][1] = acc->sum[i][0];
            _mm_prefetch((const char *)(c + h->c_high + LANES - 1), _MM_HINT_T0);
        }
        c += tile->c_row_stride;
    }
}

static SNUG_ALWAYS_INLINE void add_c(accumulators *acc, const snug_gemm_tile *tile, const int rows,
                                     const int vectors, const halves *h)
{
    const float *c = tile->c;
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        acc->sum[i][0] = _mm256_add_ps(load(c, h->low, h->masked), acc->sum[i][0]);
        if (vectors == 2) {
            acc->sum[i][1] = _mm256_add_ps(load(c + h->c_high, h->high, h->masked), acc->sum[i][1]);
        }
        c += tile->c_row_stride;
    }
}

static SNUG_ALWAYS_INLINE void add_bias(accumulators *acc, const snug_gemm_tile *tile,
                                        const int rows, const int vectors, const halves *h)
{
    const __m256 bias0 = load(tile->bias, h->low, h->masked);
    const __m256 bias1 =
        vectors == 2 ? load(tile->bias + LANES, h->high, h->masked) : _mm256_setzero_ps();
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        acc->sum[i][0] = _mm256_add_ps(acc->sum[i][0], bias0);
        if (vectors == 2) {
            acc->sum[i][1] = _mm256_add_ps(acc->sum[i][1], bias1);
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
        const __m256 zero = _mm256_setzero_ps();
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            /* max(0, x) with x second: x itself comes back where it is NaN. */
            acc->sum[i][0] = _mm256_max_ps(zero, acc->sum[i][0]);
            if (vectors == 2) {
                acc->sum[i][1] = _mm256_max_ps(zero, acc->sum[i][1]);
            }
        }
    }
    float *c = tile->c;
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        store(c, h->low, h->masked, acc->sum[i][0]);
        if (vectors == 2) {
            store(c + h->c_high, h->high, h->masked, acc->sum[i][1]);
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
            const __m256 b0 = load(b, h.low, masked);
            const __m256 b1 =
                vectors == 2 ? load(b + h.b_high, h.high, masked) : _mm256_setzero_ps();
            if (f == KEEP) {
                _mm256_store_ps(keep, b0);
                _mm256_store_ps(keep + LANES, b1);
                keep += COLS_MAX;
                _mm_prefetch((const char *)(b + B_AHEAD * b_stride), _MM_HINT_T0);
            }
#pragma GCC unroll 6
            for (int i = 0; i < rows; i++) {
                const __m256 ai = _mm256_broadcast_ss(a + i);
                acc.sum[i][0] = _mm256_fmadd_ps(ai, b0, acc.sum[i][0]);
                if (vectors == 2) {
                    acc.sum[i][1] = _mm256_fmadd_ps(ai, b1, acc.sum[i][1]);
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
    default:
        multiply_rows(tile, 6, f);
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

/* Stores the first `count` lanes. Masked stores are slow on some machines, 6 is the usual count. */
static SNUG_ALWAYS_INLINE void store_lanes(float *to, int64_t count, __m256i mask, __m256 value)
{
    if (count >= LANES) {
        _mm256_storeu_ps(to, value);
    } else if (count == 6) {
        _mm_storeu_ps(to, _mm256_castps256_ps128(value));
        _mm_storel_pi((__m64 *)(void *)(to + 4), _mm256_extractf128_ps(value, 1));
    } else {
        _mm256_maskstore_ps(to, mask, value);
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
                    const __m256i mask = column_mask(count - lane);
                    store_lanes(to + lane, count - lane, mask,
                                _mm256_maskload_ps(from + first + lane, mask));
                }
            }
        }
    }
}

/* Rows of 8 become columns. */
static SNUG_ALWAYS_INLINE void transpose8(__m256 r[LANES])
{
    __m256 t[LANES];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        const __m256 *s = t + 4 * i;
        r[4 * i] = _mm256_shuffle_ps(s[0], s[2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(s[0], s[2], 0xee);
        r[4 * i + 2] = _mm256_shuffle_ps(s[1], s[3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(s[1], s[3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
#pragma GCC unroll 8
    for (int i = 0; i < LANES; i++) {
        r[i] = t[i];
    }
}

static void pack_across(const float *source, int64_t stride, int64_t lanes, int64_t depth,
                        int64_t width, float *out)
{
    for (int64_t first = 0; first < lanes; first += LANES) {
        const int64_t count = lanes - first < LANES ? lanes - first : LANES;
        const __m256i store_mask = column_mask(count);
        const float *from = source + first * stride;
        for (int64_t k = 0; k < depth; k += LANES) {
            const int64_t steps = depth - k < LANES ? depth - k : LANES;
            const __m256i load_mask = column_mask(steps);
            __m256 block[LANES];
#pragma GCC unroll 8
            for (int i = 0; i < LANES; i++) {
                block[i] = i < count ? _mm256_maskload_ps(from + i * stride + k, load_mask)
                                     : _mm256_setzero_ps();
            }
            transpose8(block);
            float *to = out + k * width + first;
#pragma GCC unroll 8
            for (int i = 0; i < LANES; i++) {
                if (i < steps) {
                    store_lanes(to + i * width, count, store_mask, block[i]);
                }
            }
        }
    }
}

const snug_gemm_kernels *snug_gemm_kernels_avx2(void)
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
