/* The chain of a graph: every segment of stages measured under every way to run it. */
#ifndef SNUG_PLAN_SEGMENTS_H
#define SNUG_PLAN_SEGMENTS_H

#include "plan/chain.h"
#include "plan/emit.h"

/** One loop of a segment, measured once for all tiles and micro-batches. */
typedef struct snug_segment_loop {
    int64_t *bytes;  /* [tile] Alive in a turn, scratch included. */
    double *seconds; /* [tile] Of one turn. */
    int64_t group;   /* Tiles must be multiples of it, or the micro-batch. */
    bool tied;       /* Only the whole batch in one turn. */
} snug_segment_loop;

/** One way to run stages i..j, per sample. */
typedef struct snug_segment_option {
    snug_keep_mode mode;
    bool keep_sources;
    int32_t variant;
    int64_t kept_each; /* Bytes a sample. */
    bool input_needed, output_kept;
    int64_t gradient_each; /* Activation gradients between loops, bytes a sample. */
    int64_t gradients;     /* Parameter gradients alive, bytes. */
    snug_segment_loop forward, backward;
    bool has_backward;
} snug_segment_option;

typedef struct snug_segments {
    const snug_plan_problem *problem;
    snug_segment_option *options;
    int32_t option_count, option_capacity;
    int32_t *first; /* [stages * stages + 1] */
    int64_t
        *boundary_each; /* [stages + 1] Bytes a sample of the tensor between stages; 0: several. */
    int64_t persistent_bytes;
    int64_t gradients_bytes; /* Of all parameters. */
    int64_t held_bytes;      /* Of those that are all there when the backward pass ends. */
    int64_t loss_bytes;
} snug_segments;

/**
 * Measures all segments.
 *
 * @param share  Segments of the same form are measured once (plan/alike.h); the result is the same.
 * @param arena  Where the arrays are put.
 */
SNUG_MUST_CHECK snug_status snug_segments_measure(snug_emitter *emitter, bool share,
                                                  snug_arena *arena, snug_segments *out,
                                                  snug_error *err);

/**
 * The segments of another training mode of the same graph: only how long gradients live differs.
 *
 * @param like  What was measured; loops are shared with it.
 */
SNUG_MUST_CHECK snug_status snug_segments_adapt(const snug_segments *like, snug_emitter *emitter,
                                                snug_arena *arena, snug_segments *out,
                                                snug_error *err);

/** The chain for one micro-batch; arrays in `arena`. */
SNUG_MUST_CHECK snug_status snug_segments_chain(const snug_segments *segments, int64_t micro,
                                                snug_arena *arena, snug_chain *out,
                                                snug_error *err);

/** What the planner makes of an answer. */
void snug_segments_choice(const snug_segments *segments, int64_t micro,
                          const snug_chain_answer *answer, snug_plan_choice *out);

#endif
