/* The recurrent decoder: a loop in time over LSTM layers and a head whose output may feed back. */
#ifndef SNUG_OPS_CPU_LSTM_H
#define SNUG_OPS_CPU_LSTM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parallel.h"
#include "ops/kernel_isa.h"

enum {
    SNUG_LSTM_LAYERS_MAX = 8,
    SNUG_LSTM_GROUP = 64,      /* Samples that are summed together. */
    SNUG_LSTM_BLOCK_STEPS = 16 /* Steps that are summed together. */
};

/** How the head's output o_t makes the state, which is the output y_t. */
typedef enum snug_lstm_mode {
    SNUG_LSTM_PLAIN,    /* y = o, nothing feeds back. */
    SNUG_LSTM_POSITION, /* y = o. */
    SNUG_LSTM_VELOCITY, /* y = y_{t-1} + o. */
    /* Two outputs per target: y = o[:K] before switch_step, y_{t-1} + o[K:] from then on. */
    SNUG_LSTM_POSITION_THEN_VELOCITY
} snug_lstm_mode;

/** What forward keeps for backward; the results are the same bits. */
typedef enum snug_lstm_variant {
    SNUG_LSTM_KEEP_GATES,  /* Gates, c and h of every step: nothing is computed twice. */
    SNUG_LSTM_KEEP_HIDDEN, /* h of every step, c once per segment; gates again, block by block. */
    SNUG_LSTM_CHECKPOINT   /* h and c once per segment; the segment's steps run again. */
} snug_lstm_variant;

typedef struct snug_lstm_options {
    snug_kernel_isa isa;
    snug_lstm_mode mode;
    snug_lstm_variant variant;
    int64_t segment_blocks; /* Blocks of 16 steps in a segment, >= 1; not read by KEEP_GATES. */
    int64_t steps;          /* S >= 1. */
    int64_t features;       /* F >= 1. */
    int64_t targets;        /* K >= 1. */
    int64_t hidden;         /* H >= 1. */
    int32_t layers;         /* 1..SNUG_LSTM_LAYERS_MAX. */
    int64_t switch_step;    /* First velocity step of POSITION_THEN_VELOCITY. */
    float slope;            /* Of the leaky ReLU before the head. */
    float scale;            /* Of the head's output. */
} snug_lstm_options;

/** Parameters, borrowed; gate order i, f, g, o as in PyTorch; in_0 = F (+ K with feedback). */
typedef struct snug_lstm_weights {
    const float *w_ih[SNUG_LSTM_LAYERS_MAX]; /* [4H, in_l]. */
    const float *w_hh[SNUG_LSTM_LAYERS_MAX]; /* [4H, H]. */
    const float *b_ih[SNUG_LSTM_LAYERS_MAX]; /* [4H]. */
    const float *b_hh[SNUG_LSTM_LAYERS_MAX]; /* [4H]. */
    const float *head_w;                     /* [O, H], O = 2K or K. */
    const float *head_b;                     /* [O]. */
} snug_lstm_weights;

/** Gradients that are added to; the shapes of the weights; NULL is not wanted. */
typedef struct snug_lstm_gradients {
    float *w_ih[SNUG_LSTM_LAYERS_MAX];
    float *w_hh[SNUG_LSTM_LAYERS_MAX];
    float *b_ih[SNUG_LSTM_LAYERS_MAX];
    float *b_hh[SNUG_LSTM_LAYERS_MAX];
    float *head_w;
    float *head_b;
} snug_lstm_gradients;

/** Depth of layer `layer`'s input: F (+ K with feedback), or H. */
int64_t snug_lstm_input_depth(const snug_lstm_options *options, int32_t layer);

/** O, the outputs of the head. */
int64_t snug_lstm_outputs(const snug_lstm_options *options);

/** Bytes that forward keeps for backward, for `samples` samples of one call. */
int64_t snug_lstm_cache_bytes(const snug_lstm_options *options, int64_t samples);

/** Scratch of snug_lstm_forward(); `keep`: with a cache. Never less for more samples. */
int64_t snug_lstm_forward_scratch_bytes(const snug_lstm_options *options, int64_t samples,
                                        bool keep, int32_t threads);

/** Scratch of snug_lstm_backward(); never less for more samples. */
int64_t snug_lstm_backward_scratch_bytes(const snug_lstm_options *options, int64_t samples,
                                         int32_t threads);

/**
 * Runs the decoder.
 *
 *     a_t = W_ih [x_t, y_{t-1}] + W_hh h_{t-1} + (b_ih + b_hh)      (x_t alone when PLAIN)
 *     i, f, o = sigmoid(a), g = tanh(a);  c_t = f c_{t-1} + i g;  h_t = o tanh(c_t)
 *     o_t = scale (W leaky(h_t of the top layer) + b);  y_t by `mode`, y_{-1} = s0 or 0
 *
 * A pre-activation is one chain of fused multiply-adds over x, then y_{t-1}, then h_{t-1}, k
 * ascending, from 0, then the sum of the biases is added. Bits depend on the sample's own values
 * alone: not on samples beside it, variant, threads or instruction set.
 *
 * @param      samples  N >= 0. A call that keeps for backward starts at a multiple of
 *                      SNUG_LSTM_GROUP of the global batch.
 * @param[in]  x        [N, S, F] f32.
 * @param[in]  s0       [N, K] f32, or NULL for zeros; not read when PLAIN.
 * @param[out] y        [N, S, K] f32; backward reads it.
 * @param[out] cache    snug_lstm_cache_bytes(), aligned to SNUG_ALIGN, or NULL when no backward
 * follows.
 * @param      scratch  snug_lstm_forward_scratch_bytes(), aligned to SNUG_ALIGN.
 * @mem     Allocates nothing.
 * @threads Reentrant with buffers of its own; `parallel` divides units, never sums.
 * @source  Hochreiter and Schmidhuber (1997) with forget gates, as torch.nn.LSTMCell.
 */
void snug_lstm_forward(const snug_lstm_options *options, const snug_lstm_weights *weights,
                       int64_t samples, const float *x, const float *s0, float *y, void *cache,
                       void *scratch, const snug_parallel *parallel);

/**
 * The gradient of snug_lstm_forward().
 *
 * The canonical sum of a weight's gradient: groups of SNUG_LSTM_GROUP consecutive samples of the
 * global batch ascending (a call covers whole groups except the batch's last); in a group, blocks
 * of SNUG_LSTM_BLOCK_STEPS steps (block b holds steps 16b to 16b + 15) in descending order; in a
 * block, rows by step then sample, both ascending, cut every SNUG_GEMM_SUM_BLOCK rows: each cut is
 * one chain from 0 and is then added to the total. So the bits depend neither on the variant, nor
 * on how many groups a call has, nor on threads.
 *
 * @param[in]     x, s0, y   As in forward; y as forward wrote it.
 * @param[in]     dy         [N, S, K] f32.
 * @param[in,out] cache      As forward wrote it; its content is lost.
 * @param[out]    dx         [N, S, F] f32, or NULL.
 * @param[out]    ds0        [N, K] f32, or NULL.
 * @param[in,out] gradients  Added to.
 * @param         scratch    snug_lstm_backward_scratch_bytes(), aligned to SNUG_ALIGN.
 * @mem     Allocates nothing.
 * @threads As forward.
 */
void snug_lstm_backward(const snug_lstm_options *options, const snug_lstm_weights *weights,
                        int64_t samples, const float *x, const float *s0, const float *y,
                        const float *dy, void *cache, float *dx, float *ds0,
                        const snug_lstm_gradients *gradients, void *scratch,
                        const snug_parallel *parallel);

#endif
