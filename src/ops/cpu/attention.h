/* Attention in blocks: softmax(scale Q K' + bias) V and its gradients, never an L x L tensor. */
#ifndef SNUG_OPS_CPU_ATTENTION_H
#define SNUG_OPS_CPU_ATTENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parallel.h"
#include "ops/cpu/dropout_rng.h"
#include "ops/kernel_isa.h"

/** What both directions share. */
typedef struct snug_attention {
    snug_kernel_isa isa;
    int64_t length;       /* L >= 1: query rows. */
    int64_t length_k;     /* Lk >= 1: key rows. */
    int64_t heads;        /* >= 1. */
    int64_t head_dim;     /* D >= 1; H = heads * D. */
    int64_t row_stride;   /* Of q, k, v and their gradients: H, or 3 H of one array. */
    float scale;          /* > 0. */
    bool causal;          /* Query i sees keys j <= i; L equals Lk. */
    bool cross;           /* Queries are another sequence: lengths are those of the keys alone. */
    float dropout;        /* Probability in [0, 1); 0: no random numbers are made. */
    snug_dropout_key key; /* position: that of the call's first sample. */
} snug_attention;

/** What both directions read; q, k and v point at sample 0, row 0, head 0. */
typedef struct snug_attention_inputs {
    const float *q;         /* [N, L, row_stride] f32, the first H columns. */
    const float *k;         /* [N, Lk, row_stride] f32. */
    const float *v;         /* [N, Lk, row_stride] f32. */
    const int32_t *lengths; /* [N] valid keys, cut to 0..Lk; or NULL: all. */
    const float *bias; /* [heads, L + Lk - 1]: (h, j - i + L - 1) joins score (i, j); or NULL. */
} snug_attention_inputs;

/** Where gradients go; each may be NULL. Laid out as the inputs. */
typedef struct snug_attention_gradients {
    float *dq, *dk, *dv;
    float *dbias; /* Added to: each sample is summed from zero, then joins, in sample order. */
} snug_attention_gradients;

/**
 * The number of a probability in the sequence of dropout_rng.h: a function of head, query and key
 * alone, so that a sample has the same mask whatever its padding. Sixteen queries are consecutive.
 */
static inline int64_t snug_attention_element(int64_t head, int64_t i, int64_t j)
{
    const int64_t group = (((head << 16) | (i >> 4)) << 17) | (j >> 3);
    return (group << 7) | ((j & 7) << 4) | (i & 15);
}

/** Bytes of scratch, whatever the number of samples: O(Lk D) a thread. */
int64_t snug_attention_forward_scratch_bytes(const snug_attention *attention, int32_t threads);
int64_t snug_attention_backward_scratch_bytes(const snug_attention *attention, int32_t threads);

/**
 * y = dropout(softmax(scale q k' + bias)) v for every sample and head.
 *
 * Keys from a sample's length on are not seen. Without `cross` query rows from the length on are
 * padding: y and lse are 0 there; so they are where no key is seen. Scores are made in blocks of 64
 * keys x 64 queries; a row's maximum, sum and output are carried from block to block (online
 * softmax). A kept probability is multiplied by snug_dropout_scale(). Bits of a row depend on that
 * sample and head alone, not on isa, threads, the number of samples, or padding.
 *
 * @param      samples  N >= 0.
 * @param[out] y        [N, L, H] f32; may be q when row_stride is H.
 * @param[out] lse      [N, heads, L] f32: log of the sum of exponentials; or NULL.
 * @param      scratch  Aligned to SNUG_ALIGN.
 * @mem     Allocates nothing.
 * @threads Reentrant with scratch of its own; divides (sample, head).
 * @source  Dao, Fu, Ermon, Rudra, Re (2022), arXiv:2205.14135; Milakov, Gimelshein (2018),
 *          arXiv:1805.02867.
 */
void snug_attention_forward(const snug_attention *attention, int64_t samples,
                            const snug_attention_inputs *inputs, float *y, float *lse,
                            const snug_parallel *parallel, void *scratch);

/**
 * The gradients, with probabilities made again from q, k and lse. Rows that saw nothing or were not
 * seen have gradient 0. Sums over queries and keys are chains in ascending order.
 *
 * @param[in] y, lse, dy  [N, L, H], [N, heads, L], [N, L, H] f32; dy is no output.
 * @mem     Allocates nothing.
 * @threads Reentrant with scratch of its own; divides (sample, head), or heads when dbias is
 * wanted.
 */
void snug_attention_backward(const snug_attention *attention, int64_t samples,
                             const snug_attention_inputs *inputs, const float *y, const float *lse,
                             const float *dy, const snug_attention_gradients *gradients,
                             const snug_parallel *parallel, void *scratch);

#endif
