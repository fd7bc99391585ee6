/* The gradient of a word table as the rows that came in, and its dense form a piece at a time. */
#ifndef SNUG_OPS_CPU_GRADIENT_ROWS_H
#define SNUG_OPS_CPU_GRADIENT_ROWS_H

#include <stdint.h>

#include "base/parallel.h"
#include "ops/cpu/vmath_kernels.h"

enum { SNUG_GRADIENT_PIECE = 16384 }; /* Most elements of a piece: it stays in the near caches. */

/** Rows by their words. The dense gradient has `words` rows; it is never there as a whole. */
typedef struct snug_gradient_rows {
    const snug_lane_kernels *kernels;
    int64_t words, width;
    const float *rows; /* [count, width] */
    int32_t *starts;   /* [words + 1] Where the rows of a word begin in `order`. */
    int32_t *order;    /* [count] Rows by word, those of a word as they came. */
    float *pieces;     /* [threads, SNUG_GRADIENT_PIECE] */
} snug_gradient_rows;

/** Scratch of snug_gradient_rows_init() for so many rows at most. */
int64_t snug_gradient_rows_scratch_bytes(int64_t words, int64_t count, int32_t threads);

/**
 * Sorts `count` rows by their words.
 *
 * @param[in] ids     [count] i32 in [0, words), or -1 for rows that are left out.
 * @param[in] rows    [count, width] f32; borrowed.
 * @param     scratch snug_gradient_rows_scratch_bytes(), aligned to SNUG_ALIGN; lives with `out`.
 * @threads Reentrant.
 */
void snug_gradient_rows_init(snug_kernel_isa isa, int64_t words, int64_t width, int64_t count,
                             const int32_t *ids, const float *rows, int32_t threads, void *scratch,
                             snug_gradient_rows *out);

/**
 * Elements [at, at + count) of the dense gradient, count <= SNUG_GRADIENT_PIECE, in memory of this
 * thread. A word's rows are added to zero in the order in which they came: the bits are those of
 * snug_embed_backward().
 */
const float *snug_gradient_rows_piece(const snug_gradient_rows *rows, int64_t at, int64_t count,
                                      int32_t thread);

/** The dense gradient, [words, width]. @threads Divides elements; bits depend on neither. */
void snug_gradient_rows_fill(const snug_gradient_rows *rows, float *out,
                             const snug_parallel *parallel);

#endif
