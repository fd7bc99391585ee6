/* From a choice to a program: which nodes each loop runs, in what order, through which buffers. */
#ifndef SNUG_PLAN_EMIT_H
#define SNUG_PLAN_EMIT_H

#include "plan/problem.h"

/** What a planner decides; everything else of a program follows from it. */
typedef struct snug_plan_choice {
    int64_t micro_batch;
    int32_t segment_count;
    snug_plan_segment segments[SNUG_STAGES_MAX];
} snug_plan_choice;

/** Per tensor: whether a value outlives the loop that makes it. */
enum { SNUG_HOLD_NO = 0, SNUG_HOLD_THROUGH = 1 };

/** A loop while it is being worked out. */
typedef struct snug_emit_loop {
    snug_loop_kind kind;
    int32_t stage_first, stage_last;
    int64_t tile;
    int32_t variant;
    int32_t first; /* Its nodes in the list, in order of execution. */
    int32_t count;
} snug_emit_loop;

/** Working memory of emission, for one graph; see snug_emit_init. */
typedef struct snug_emitter {
    const snug_plan_problem *problem;
    uint8_t *hold;              /* [tensor] SNUG_HOLD_*: set before emission. */
    bool *whole;                /* [tensor] Some loop reads what another wrote. */
    bool *run;                  /* [node] Runs in the loop at hand. */
    bool *done;                 /* [node] Already in the list of the loop at hand. */
    int32_t *stack;             /* [node * inputs] Of the search for what a node needs. */
    int32_t *picked;            /* [node] */
    int32_t *lowest, *highest;  /* [phase][stage] Between these are its nodes; forward first. */
    int32_t run_first, run_end; /* Outside of these `run` and `done` are all false. */
    int32_t *read_last, *write_last; /* [tensor] The last loop that does. */
    int32_t *nodes;                  /* Lists of all loops. */
    int32_t node_count, node_capacity;
} snug_emitter;

SNUG_MUST_CHECK snug_status snug_emit_init(snug_emitter *emitter, const snug_plan_problem *problem,
                                           snug_arena *arena, snug_error *err);

/** Whether `node` is at home in the loop: neither a source read again nor a node run again. */
bool snug_emit_native(const snug_emitter *emitter, const snug_emit_loop *loop, int32_t node);

/** Whether the loop reads tensor `t` from a buffer that another loop (or none) wrote. */
bool snug_emit_reads_whole(const snug_emitter *emitter, const snug_emit_loop *loop,
                           snug_tensor_id t);

/** Sets `hold` for the tensors of one segment. */
void snug_emit_hold_segment(snug_emitter *emitter, const snug_plan_segment *segment);

/**
 * Works out one loop, later loops first: which nodes it runs, in what order, and which tensors it
 * wants from earlier loops (`whole`). Appends its nodes to the list.
 */
SNUG_MUST_CHECK snug_status snug_emit_loop_nodes(snug_emitter *emitter, snug_emit_loop *loop,
                                                 snug_error *err);

/**
 * Makes the whole program: calls, loops and buffers with their lifetimes; offsets are not set.
 * Arrays come from `arena`.
 */
SNUG_MUST_CHECK snug_status snug_emit_program(snug_emitter *emitter, const snug_plan_choice *choice,
                                              snug_arena *arena, snug_program *out,
                                              snug_error *err);

#endif
