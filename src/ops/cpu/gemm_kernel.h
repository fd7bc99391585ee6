/* What the matrix product asks of an instruction set: one register tile, and two ways to pack. */
#ifndef SNUG_OPS_CPU_GEMM_KERNEL_H
#define SNUG_OPS_CPU_GEMM_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "ops/kernel_isa.h"

typedef enum snug_gemm_start {
    SNUG_GEMM_FROM_ZERO, /* The chains start at +0 and are stored. */
    SNUG_GEMM_FROM_C,    /* The chains start at C and are stored. */
    SNUG_GEMM_FROM_ROWS, /* The chains of row i start at row_start[i] and are stored. */
    SNUG_GEMM_ADD_TO_C   /* The chains start at +0 and are added to C. */
} snug_gemm_start;

/**
 * One register tile of C over one block of k. Nothing outside [rows, cols] is read or written.
 * With `pair` the tile is two column ranges of `cols` <= cols_max / 2 columns that lie apart: the
 * second one is found b_high after b and c_high after c; bias and b_keep are NULL.
 */
typedef struct snug_gemm_tile {
    int64_t rows;   /* 1 to the kernel's rows_max. */
    int64_t cols;   /* 1 to the kernel's cols_max. */
    int64_t depth;  /* >= 0. */
    const float *a; /* Element (i, k) at i + k * a_col_stride. */
    int64_t a_col_stride;
    const float *b; /* Element (k, j) at k * b_row_stride + j. */
    int64_t b_row_stride;
    float *b_keep; /* NULL, or where B is copied in panel form [depth, cols_max] on the way; only
                      with cols == cols_max. */
    float *c;
    int64_t c_row_stride;
    const float *c_next; /* NULL, or the C of the tile after this one: it is prefetched. */
    const float *b_next; /* NULL, or b_next_rows rows, b_next_stride apart, of the B of the
                            tiles to come: they are prefetched. */
    int64_t b_next_stride;
    int64_t b_next_rows;
    const float *row_start; /* [rows], with SNUG_GEMM_FROM_ROWS. */
    const float *bias;      /* NULL or [cols]: added at the end. */
    snug_gemm_start start;
    bool relu;
    bool pair;
    int64_t b_high;
    int64_t c_high;
} snug_gemm_tile;

typedef struct snug_gemm_kernels {
    int32_t rows_max;
    int32_t cols_max; /* Also the width of a panel of packed B. */
    void (*multiply)(const snug_gemm_tile *tile);
    /**
     * Panels of `width` lanes one after another, [depth, width] each: lane l, k comes from
     * source[k * stride + l]. The last panel may have fewer lanes.
     */
    void (*pack_along)(const float *source, int64_t stride, int64_t lanes, int64_t depth,
                       int64_t width, float *out);
    /** out[k * width + l] = source[l * stride + k] for lanes l <= width: a transposing copy. */
    void (*pack_across)(const float *source, int64_t stride, int64_t lanes, int64_t depth,
                        int64_t width, float *out);
} snug_gemm_kernels;

const snug_gemm_kernels *snug_gemm_kernels_scalar(void);
const snug_gemm_kernels *snug_gemm_kernels_avx2(void);
const snug_gemm_kernels *snug_gemm_kernels_avx512(void);

/** The kernels of an instruction set. */
const snug_gemm_kernels *snug_gemm_kernels_of(snug_kernel_isa isa);

#endif
