/* What attention asks of an instruction set between its products: softmax over a block, and rows.
 */
#ifndef SNUG_OPS_CPU_ATTENTION_KERNEL_H
#define SNUG_OPS_CPU_ATTENTION_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "ops/cpu/dropout_rng.h"
#include "ops/kernel_isa.h"

enum { SNUG_ATTENTION_BLOCK = 64 }; /* Queries and keys of a block; 16 divides it. */

/**
 * One block of scores, transposed: row j is a key, its BLOCK lanes are queries. Query lanes are
 * worked on sixteen at a time; those past `queries` hold finite numbers that nobody reads.
 */
typedef struct snug_attention_block {
    int64_t keys;      /* 1 to BLOCK. */
    int64_t queries;   /* 1 to BLOCK. */
    float *scores;     /* [keys, BLOCK]: scores in, probabilities (dropped ones 0) out. */
    const float *bias; /* NULL, or element (j, i) at bias[i - j]. */
    bool causal;       /* Key j is seen by query i when j - i <= diagonal. */
    int64_t diagonal;
    bool first;       /* Forward: no block came before. */
    float *maximum;   /* Forward: [BLOCK], of the row so far. */
    float *sum;       /* Forward: [BLOCK], of exponentials so far. */
    float *rescale;   /* Forward: [BLOCK] out, what the output so far is multiplied by. */
    const float *lse; /* Backward: [BLOCK]. */
    const float *dot; /* Backward: [BLOCK], rows of dy times y. */
    float *d_scores;  /* Backward: [keys, BLOCK]: dy v' in, scale times the scores' gradient out. */
    float *d_bias;    /* Backward: NULL, or as bias: added to. */
    float scale;      /* Backward. */
    uint32_t threshold; /* 0: no dropout. */
    float keep_scale;
    snug_philox_key philox;
    int64_t position;
    int64_t first_group;  /* Of query 0 and key 0. */
    int64_t group_stride; /* From sixteen queries to the next sixteen. */
} snug_attention_block;

typedef struct snug_attention_kernels {
    /** Forward: maximum, sum and rescale move on, scores become exponentials. */
    void (*softmax)(const snug_attention_block *block);
    /** maximum becomes the log-sum-exp, sum becomes 1 / sum, over whole sixteens of queries. */
    void (*finish)(int64_t queries, float *maximum, float *sum);
    /** Backward: probabilities into scores, the scores' gradient into d_scores. */
    void (*gradient)(const snug_attention_block *block);
    /** Asks for the cache lines of `rows` rows of `cols` floats. */
    void (*prefetch)(const float *first, int64_t stride, int64_t rows, int64_t cols);
    /** x[i] *= factor. */
    void (*multiply)(int64_t count, float factor, float *x);
    /** y[r, c] = x[r, c] * factor[r]. */
    void (*multiply_rows)(int64_t rows, int64_t cols, const float *factor, const float *x,
                          int64_t x_stride, float *y, int64_t y_stride);
    /** out[r] = sum over c of a[r, c] * b[r, c]: sixteen lanes, then the fixed tree. */
    void (*dot_rows)(int64_t rows, int64_t cols, const float *a, const float *b, int64_t stride,
                     float *out);
} snug_attention_kernels;

extern const snug_attention_kernels snug_attention_kernels_scalar;
extern const snug_attention_kernels snug_attention_kernels_avx2;
extern const snug_attention_kernels snug_attention_kernels_avx512;

/** The table of an instruction set. */
const snug_attention_kernels *snug_attention_kernels_of(snug_kernel_isa isa);

#endif
