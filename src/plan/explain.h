/* A plan for people: where the bytes are at the peak, how each stage is run, and a picture of the
 * arena. */
#ifndef SNUG_PLAN_EXPLAIN_H
#define SNUG_PLAN_EXPLAIN_H

#include "base/text.h"
#include "plan/plan.h"

enum {
    SNUG_PLAN_CONSUMERS_MAX = 3,
    SNUG_PLAN_PICTURE_WIDTH = 1200,
    SNUG_PLAN_PICTURE_HEIGHT = 700
};

/** One large consumer at the peak. */
typedef struct snug_plan_consumer {
    snug_tensor_id tensor; /* -1: scratch of `node`. */
    snug_node_id node;
    int64_t bytes;
} snug_plan_consumer;

/** The instant at which most bytes are live. */
typedef struct snug_plan_peak {
    int32_t call;      /* Index; -1 for an empty program. */
    snug_node_id node; /* What runs then. */
    int64_t live_bytes;
    int64_t category_bytes[SNUG_CATEGORY_COUNT]; /* Add up to the program's arena_bytes: what is
                                                    live then; gaps count as workspace. */
    int32_t consumer_count;
    snug_plan_consumer consumers[SNUG_PLAN_CONSUMERS_MAX]; /* Largest first; parameters and states
                                                              not among them. */
} snug_plan_peak;

/** "memory", "file". */
const char *snug_home_name(snug_home home);

/** Bytes of parameters and states by where they live. */
void snug_plan_tiers(const snug_program *program, int64_t out[SNUG_HOME_COUNT]);

/** Finds the peak. @threads Reentrant. */
void snug_plan_find_peak(const snug_program *program, snug_plan_peak *out);

/** "activation 'encoder.0' 12.0 MiB, ..." for messages. */
void snug_plan_name_consumers(const snug_plan_peak *peak, const snug_graph *graph, snug_text *out);

/** Where the peak is and its largest consumers, then one line a segment: stages, mode, tiles. */
void snug_plan_explain(const snug_program *program, const snug_graph *graph, snug_text *out);

/**
 * The arena over time as SVG: time (calls, loops marked) to the right, addresses upwards, one
 * rectangle a buffer, coloured by category, named where there is room. `out` needs about 300 bytes
 * a buffer.
 */
void snug_plan_picture(const snug_program *program, const snug_graph *graph, snug_text *out);

#endif
