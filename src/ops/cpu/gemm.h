/* Dense matrix products in f32, operands stored in bf16 included: the bits depend on the operands,
 * never on how work is cut. */
#ifndef SNUG_OPS_CPU_GEMM_H
#define SNUG_OPS_CPU_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parallel.h"
#include "ops/kernel_isa.h"

enum { SNUG_GEMM_SUM_BLOCK = 256 }; /* Rows of a sum that are added alone before they join it. */

/**
 * A matrix of any strides: element (i, j) is data[first + i * row_stride + j * col_stride].
 * With limit > 0 an element whose linear index lies outside [0, limit) is 0 and is not read:
 * that is how zero padding at the ends of a sequence is said. Rows may overlap (row_stride less
 * than the number of columns makes a channels-last 1-D convolution a plain product). Strides may be
 * 0 or negative. Fastest with one of the strides 1.
 */
typedef struct snug_gemm_view {
    const float *data; /* Borrowed. */
    int64_t first;
    int64_t row_stride;
    int64_t col_stride;
    int64_t limit; /* 0: every index is inside. */
} snug_gemm_view;

typedef enum snug_gemm_mode {
    /** C = A B: each element is one chain of fused multiply-adds over k ascending, from +0. */
    SNUG_GEMM_SET,
    /** C = C + A B: the same chain, started at the element's value in C. */
    SNUG_GEMM_CHAIN,
    /**
     * C = C + A B, the canonical long sum: k is cut into blocks of SNUG_GEMM_SUM_BLOCK from the
     * start of each batch item; the chain of a block starts at +0 and its end is added to C, blocks
     * and batch items in ascending order.
     */
    SNUG_GEMM_SUM
} snug_gemm_mode;

/**
 * One product, or a batch of them. All zeros with isa, rows, cols, depth, batch, views and c set
 * is a plain C = A B. Item g of the batch reads a.data + g * a_batch_stride (limits count from
 * there) and b.data + g * b_batch_stride, and writes c + g * c_batch_stride; with `reduce` all
 * items go into the one C, in ascending order (SET and CHAIN: one chain through all items). An
 * empty batch writes nothing.
 */
typedef struct snug_gemm_call {
    snug_kernel_isa isa;
    snug_gemm_mode mode;
    bool reduce;
    bool b_packed;  /* b.data is the output of snug_gemm_pack_b() for this isa, depth and cols; the
                       other fields of b are not read, b_batch_stride is 0. */
    bool relu;      /* Not with SUM. NaN stays NaN. */
    bool a_is_bf16; /* A is a_bf16, placed as `a` says (limit 0), whose data is not read. */
    bool c_is_bf16; /* C is c_bf16: the ends of the chains, rounded. Only with SET; c is not used.
                     */
    int64_t rows;   /* M >= 0, of A and C. */
    int64_t cols;   /* N >= 0, of B and C. */
    int64_t depth;  /* K >= 0, columns of A and rows of B, of one batch item. */
    int64_t batch;  /* >= 0. */
    snug_gemm_view a;       /* [rows, depth]. */
    snug_gemm_view b;       /* [depth, cols]. */
    int64_t a_batch_stride; /* Elements; 0 shares one A. */
    int64_t b_batch_stride; /* Elements; 0 shares one B. */
    float *c;               /* [rows, cols], column stride 1; overlaps neither A nor B. */
    int64_t c_row_stride;   /* Elements, >= cols where rows > 1. */
    int64_t c_batch_stride; /* Elements; not read with `reduce`. */
    const float *bias;      /* [cols] or NULL: added after the chain, before relu. Not with SUM. */
    const uint16_t *a_bf16;
    uint16_t *c_bf16;
} snug_gemm_call;

/**
 * Bytes of scratch that the call needs on up to `threads` threads. Looks at isa, shapes, strides,
 * modes and flags, never at pointers, so a plan can ask before memory exists. A call of the same
 * form with fewer rows or a smaller batch, or on fewer threads, never needs more.
 */
int64_t snug_gemm_scratch_bytes(const snug_gemm_call *call, int32_t threads);

/**
 * Runs the product.
 *
 * The bits of an element of C are those of the chain that `mode` names, which depends on the
 * element's row of A and column of B alone: not on other rows, on how rows, columns or a batch are
 * divided into calls, on b_packed, on threads, nor on the instruction set (NaN payloads excepted).
 *
 * @param call      What to compute; borrowed for the call.
 * @param parallel  How to divide it; outputs are divided, sums never.
 * @param scratch   snug_gemm_scratch_bytes(call, parallel->threads) bytes, aligned to SNUG_ALIGN;
 *                  may be NULL when that is 0.
 * @mem     Allocates nothing.
 * @threads Reentrant with scratch of its own.
 */
void snug_gemm(const snug_gemm_call *call, const snug_parallel *parallel, void *scratch);

/** Bytes of the packed copy of a [depth, cols] right operand; a multiple of SNUG_ALIGN. */
int64_t snug_gemm_pack_b_bytes(snug_kernel_isa isa, int64_t depth, int64_t cols);

/**
 * Packs a right operand for repeated use in calls with b_packed.
 *
 * @param      b       View of [depth, cols].
 * @param[out] packed  snug_gemm_pack_b_bytes(isa, depth, cols) bytes, aligned to SNUG_ALIGN.
 * @mem     Allocates nothing.
 * @threads Reentrant; divides the columns over `parallel`.
 */
void snug_gemm_pack_b(snug_kernel_isa isa, int64_t depth, int64_t cols, const snug_gemm_view *b,
                      float *packed, const snug_parallel *parallel);

#endif
