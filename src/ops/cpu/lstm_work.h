/* How the decoder's scratch and cache are laid out, and the step that both directions share. */
#ifndef SNUG_OPS_CPU_LSTM_WORK_H
#define SNUG_OPS_CPU_LSTM_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parallel.h"
#include "ops/cpu/lstm.h"
#include "ops/cpu/vmath_kernels.h"

/** Hands out floats of one block in pieces aligned to SNUG_ALIGN; with base NULL it only counts. */
typedef struct snug_lstm_carver {
    unsigned char *base;
    int64_t used_bytes;
} snug_lstm_carver;

float *snug_lstm_carve(snug_lstm_carver *carver, int64_t floats);

/** One layer's history over a stretch of steps; slot 0 of c and h is before the first step. */
typedef struct snug_lstm_history {
    float *gates; /* [steps, n, 4H]. */
    float *c;     /* [steps + 1, n, H]. */
    float *h;     /* [steps + 1, n, H]. */
} snug_lstm_history;

/** The parts of a group's cache; pieces the variant does not keep are NULL. */
typedef struct snug_lstm_cache {
    snug_lstm_history layers[SNUG_LSTM_LAYERS_MAX]; /* Over all steps. */
    float *c_marks[SNUG_LSTM_LAYERS_MAX]; /* [segments - 1, n, H]: before segments 1, 2, ... */
    float *h_marks[SNUG_LSTM_LAYERS_MAX];
} snug_lstm_cache;

/** Weights in the order that the step kernels read them. */
typedef struct snug_lstm_packed {
    float *forward[SNUG_LSTM_LAYERS_MAX];  /* [unit blocks, 4, in + H, width]. */
    float *backward[SNUG_LSTM_LAYERS_MAX]; /* [panels, 4H, width]: x, state, h or input, h. */
    float *head;                           /* [panels of O, H, width]. */
    float *head_back;                      /* [unit blocks, O, width]. */
    float *bias[SNUG_LSTM_LAYERS_MAX];     /* [4H]: b_ih + b_hh. */
    float *zeros;                          /* max(F, K, H) zeros. */
} snug_lstm_packed;

/** One call, with everything that does not change between groups. */
typedef struct snug_lstm_call {
    const snug_lstm_options *options;
    const snug_lstm_weights *weights;
    const snug_lane_kernels *kernels;
    const snug_parallel *parallel;
    const float *x;  /* Of the group's first sample, like all below. */
    const float *s0; /* NULL: zeros. */
    const float *y;  /* States of the steps before; forward's own output. */
    int64_t rows;    /* Samples of this group. */
    snug_lstm_packed packed;
} snug_lstm_call;

static inline bool snug_lstm_feeds_back(const snug_lstm_options *options)
{
    return options->mode != SNUG_LSTM_PLAIN;
}

/** Whether step t adds to the state before it. */
static inline bool snug_lstm_adds(const snug_lstm_options *options, int64_t step)
{
    return options->mode == SNUG_LSTM_VELOCITY ||
           (options->mode == SNUG_LSTM_POSITION_THEN_VELOCITY && step >= options->switch_step);
}

/** Where the outputs that step t uses start in o. */
static inline int64_t snug_lstm_output_offset(const snug_lstm_options *options, int64_t step)
{
    const bool second =
        options->mode == SNUG_LSTM_POSITION_THEN_VELOCITY && step >= options->switch_step;
    return second ? options->targets : 0;
}

/** Steps of a segment: all of them with KEEP_GATES. */
int64_t snug_lstm_segment_steps(const snug_lstm_options *options);
int64_t snug_lstm_segments(const snug_lstm_options *options);

/** Lays a group's cache out over `carver`. */
void snug_lstm_cache_carve(const snug_lstm_options *options, int64_t rows, snug_lstm_carver *carver,
                           snug_lstm_cache *out_cache);

/** Panels of layer `layer` in packed.backward. */
int64_t snug_lstm_backward_panels(const snug_lstm_options *options,
                                  const snug_lane_kernels *kernels, int32_t layer);

/** Lays out the packed weights of the directions wanted. */
void snug_lstm_packed_carve(const snug_lstm_options *options, bool forward, bool backward,
                            snug_lstm_carver *carver, snug_lstm_packed *out_packed);

/** Fills the packed weights that were laid out. */
void snug_lstm_pack(const snug_lstm_call *call);

/** The operands of layer `layer` at `step`: x, state and h before, or input and h before. */
int32_t snug_lstm_operands(const snug_lstm_call *call, int32_t layer, int64_t step,
                           const float *input, const float *h_prev, snug_lstm_operand operands[3]);

/** Pre-activations, gates, c and h of one layer; rows of any number of steps, one step for c. */
typedef struct snug_lstm_layer_step {
    const snug_lstm_call *call;
    int32_t layer;
    int32_t operand_count;
    snug_lstm_operand operands[3];
    float *gates;
    const float *c_prev;
    float *c;
    float *h;
    float *leaky;
    int64_t steps; /* > 1: operands, gates and c hold [steps * rows]; c_prev is a slot before c. */
} snug_lstm_layer_step;

/** Divides the layer's units over the threads and runs the step. */
void snug_lstm_run_layer(const snug_lstm_layer_step *step);

#endif
