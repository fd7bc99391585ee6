/* Embeddings: rows of up to three tables added up, and the gradients of the tables. */
#ifndef SNUG_OPS_CPU_EMBED_H
#define SNUG_OPS_CPU_EMBED_H

#include <stdint.h>

#include "base/parallel.h"
#include "ops/kernel_isa.h"

enum { SNUG_EMBED_BLOCK = 256 }; /* Rows of a sample whose type gradients are summed alone. */

typedef struct snug_embed {
    snug_kernel_isa isa;
    int64_t samples;         /* N >= 0. */
    int64_t length;          /* L >= 1, of one sample. */
    int64_t width;           /* H >= 1. */
    int64_t words;           /* V: rows of the word table. */
    int64_t types;           /* T: rows of the type table; 0 without one. */
    int64_t position_offset; /* >= 0; the position table has at least L + offset rows. */
    int64_t padding_index;   /* Row of the word table without a gradient; -1: none. */
} snug_embed;

/** Tables, or their gradients. */
typedef struct snug_embed_tables {
    float *words;     /* [V, H]; backward: NULL when not wanted. */
    float *positions; /* [>= L + offset, H], or NULL. */
    float *types;     /* [T, H], or NULL. */
} snug_embed_tables;

/**
 * y[n,i] = (words[ids[n,i]] + positions[i + offset]) + types[kinds[n,i]]; the chain in that order.
 *
 * @param[in]  tables Only read.
 * @param[in]  ids    [N, L] i32 in [0, V): the loader's promise, asserted here.
 * @param[in]  kinds  [N, L] i32 in [0, T), or NULL: all 0.
 * @param[out] y      [N, L, H] f32.
 * @mem     Allocates nothing.
 * @threads Reentrant; divides rows. Bits depend neither on threads nor on isa.
 * @source  Devlin et al. (2019), arXiv:1810.04805, section 3.
 */
void snug_embed_forward(const snug_embed *embed, const snug_embed_tables *tables,
                        const int32_t *ids, const int32_t *kinds, float *y,
                        const snug_parallel *parallel);

/** Scratch of snug_embed_backward(). */
int64_t snug_embed_scratch_bytes(int64_t types, int64_t width);

/**
 * Adds dy to the rows that it came from. Rows of words and positions take dy row by row in the
 * order of the samples; rows of types, which many positions share, the sum of each block of
 * SNUG_EMBED_BLOCK rows of a sample. Words and positions that nothing was read from are not
 * touched.
 *
 * @param[in]     dy        [N, L, H] f32.
 * @param[in,out] gradients Members that are NULL are left out.
 * @param         scratch   snug_embed_scratch_bytes(), aligned to SNUG_ALIGN.
 * @threads Reentrant with scratch of its own; divides columns. Bits depend neither on threads nor
 *          on isa.
 */
void snug_embed_backward(const snug_embed *embed, const float *dy, const int32_t *ids,
                         const int32_t *kinds, const snug_embed_tables *gradients, void *scratch,
                         const snug_parallel *parallel);

/**
 * Keeps dy [N, L, H] for the gradient of the words, which snug_gradient_rows_init() takes: rows
 * [N, L, H], and words [N, L] with -1 for the padding word. Either may be NULL: not wanted.
 */
void snug_embed_rows(const snug_embed *embed, const float *dy, const int32_t *ids, float *rows,
                     int32_t *words, const snug_parallel *parallel);

/** Row `row` of [N, L, H] as [N, H]. */
void snug_take_row(int64_t samples, int64_t length, int64_t width, int64_t row, const float *x,
                   float *y);

/** The gradient: zeros [N, L, H] with dy [N, H] in row `row`. */
void snug_take_row_backward(int64_t samples, int64_t length, int64_t width, int64_t row,
                            const float *dy, float *dx);

#endif
