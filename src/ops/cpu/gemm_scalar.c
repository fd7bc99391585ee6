/* Register tiles in plain C: the same chains of fused multiply-adds, one element at a time. */
#include "ops/cpu/gemm_kernel.h"

#include <math.h>
#include <stddef.h>

enum { ROWS_MAX = 4, COLS_MAX = 16 };

/* One range of adjacent columns. */
static void multiply_range(const snug_gemm_tile *tile, const float *tile_b, float *tile_c)
{
    for (int64_t i = 0; i < tile->rows; i++) {
        float *c = tile_c + i * tile->c_row_stride;
        float sum[COLS_MAX] = {0.0f};
        for (int64_t j = 0; j < tile->cols; j++) {
            sum[j] = tile->start == SNUG_GEMM_FROM_C      ? c[j]
                     : tile->start == SNUG_GEMM_FROM_ROWS ? tile->row_start[i]
                                                          : 0.0f;
        }
        for (int64_t k = 0; k < tile->depth; k++) {
            const float a = tile->a[i + k * tile->a_col_stride];
            const float *b = tile_b + k * tile->b_row_stride;
            for (int64_t j = 0; j < tile->cols; j++) {
                sum[j] = fmaf(a, b[j], sum[j]);
            }
        }
        for (int64_t j = 0; j < tile->cols; j++) {
            float value = tile->start == SNUG_GEMM_ADD_TO_C ? c[j] + sum[j] : sum[j];
            value = tile->bias == NULL ? value : value + tile->bias[j];
            c[j] = tile->relu && 0.0f > value ? 0.0f : value;
        }
    }
}

static void multiply(const snug_gemm_tile *tile)
{
    multiply_range(tile, tile->b, tile->c);
    if (tile->pair) {
        multiply_range(tile, tile->b + tile->b_high, tile->c + tile->c_high);
    }
    for (int64_t k = 0; tile->b_keep != NULL && k < tile->depth; k++) {
        for (int64_t j = 0; j < COLS_MAX; j++) {
            tile->b_keep[k * COLS_MAX + j] = tile->b[k * tile->b_row_stride + j];
        }
    }
}

static void pack_along(const float *source, int64_t stride, int64_t lanes, int64_t depth,
                       int64_t width, float *out)
{
    for (int64_t lane = 0; lane < lanes; lane++) {
        float *panel = out + lane / width * width * depth;
        for (int64_t k = 0; k < depth; k++) {
            panel[k * width + lane % width] = source[k * stride + lane];
        }
    }
}

static void pack_across(const float *source, int64_t stride, int64_t lanes, int64_t depth,
                        int64_t width, float *out)
{
    for (int64_t lane = 0; lane < lanes; lane++) {
        for (int64_t k = 0; k < depth; k++) {
            out[k * width + lane] = source[lane * stride + k];
        }
    }
}

const snug_gemm_kernels *snug_gemm_kernels_scalar(void)
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
