/* A plan: when each node runs, in what tiles of samples, and where every buffer lies. */
#ifndef SNUG_PLAN_PLAN_H
#define SNUG_PLAN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/category.h"
#include "graph/graph.h"

/** Where a parameter or a state lives between the calls that use it. Other homes than memory have
 * their place in plans and certificates; no planner chooses them yet and no executor has them. */
typedef enum snug_home {
    SNUG_HOME_MEMORY, /* In the arena, always. */
    SNUG_HOME_FILE,   /* In a file; its buffer holds what has been fetched. */
    SNUG_HOME_COUNT
} snug_home;

/** A region of the arena. Calls refer to buffers by index. */
typedef struct snug_plan_buffer {
    snug_tensor_id tensor; /* -1: scratch of a call. */
    snug_category category;
    bool persistent;     /* Parameters and states: live through the run, at one offset for all. */
    bool whole;          /* Batched: holds all samples of a micro-batch; else those of one tile. */
    bool global;         /* Batched: holds all samples of the global batch (loss partials). */
    int64_t samples;     /* Batched: samples it has room for; shared: 0. */
    int64_t bytes;       /* Padded to SNUG_ALIGN. */
    int32_t first, last; /* Calls (indices) between which its bytes are its own, loops included. */
    int32_t zero_loop;   /* Zeroed before this loop of the first micro-batch; -1: never. */
    int64_t offset;      /* In the arena. */
    snug_home home;      /* MEMORY but for persistent buffers. */
    int64_t moved_bytes; /* What a step moves between home and arena; MEMORY: 0. */
} snug_plan_buffer;

/** One node run once per tile. Buffer indices; -1 where the node has no such tensor. */
typedef struct snug_plan_call {
    snug_node_id node;
    int32_t inputs[SNUG_NODE_INPUTS_MAX];
    int32_t outputs[SNUG_NODE_OUTPUTS_MAX]; /* -1 also for outputs that nobody reads. */
    int32_t scratch;                        /* -1: none. */
} snug_plan_call;

/** What a loop over tiles is for. */
typedef enum snug_loop_kind {
    SNUG_LOOP_FORWARD,
    SNUG_LOOP_FUSED,    /* Forward and backward of the last segment, tile by tile. */
    SNUG_LOOP_BACKWARD, /* What is not kept is run again first. */
    SNUG_LOOP_UPDATE    /* Once a step, no samples: what the loops before it have completed. */
} snug_loop_kind;

/** Forward, backward and update loops of every stage, and the last update loop. */
enum { SNUG_PLAN_LOOPS_MAX = 3 * SNUG_STAGES_MAX + 2 };

/** `for (s = 0; s < micro-batch; s += tile)` over consecutive calls. tile 0: once, no samples. */
typedef struct snug_plan_loop {
    int32_t first_call, call_count;
    int64_t tile;
    int32_t stage_first, stage_last; /* For people: which stages this loop works on; -1: update. */
    snug_loop_kind kind;
} snug_plan_loop;

/** What the forward pass leaves behind for the backward pass of a segment. */
typedef enum snug_keep_mode {
    SNUG_KEEP_ALL,    /* Everything that backward reads. */
    SNUG_KEEP_COSTLY, /* The same, but what a CHEAP node makes is made again. */
    SNUG_KEEP_NONE,   /* Only what crosses into later segments; all else is made again. */
    SNUG_KEEP_FUSED   /* The last segment: forward and backward of a tile in one turn. */
} snug_keep_mode;

/** Consecutive stages that share their loops. */
typedef struct snug_plan_segment {
    int32_t stage_first, stage_last;
    snug_keep_mode mode;
    bool keep_sources;     /* Inputs that backward reads are kept; else they are read again. */
    int32_t variant;       /* For every node of the segment that has so many; else its last. */
    int64_t forward_tile;  /* Also the tile of a fused loop. */
    int64_t backward_tile; /* 0 where there is no backward loop. */
} snug_plan_segment;

typedef enum snug_plan_mode {
    SNUG_PLAN_TRAIN,
    SNUG_PLAN_EVAL,    /* Forward with the loss and the sinks. */
    SNUG_PLAN_PREDICT, /* Forward up to the sinks: no targets are read. */
    SNUG_PLAN_MEASURE, /* The first of two passes of a training step: of the updates only those that
                          measure gradients (snug_graph_measures). */
    SNUG_PLAN_APPLY,   /* The second: all the other updates; they read what the first measured. */
    SNUG_PLAN_MODES
} snug_plan_mode;

/** Forward, backward and updates, in one pass or as one of two. */
static inline bool snug_plan_trains(snug_plan_mode mode)
{
    return mode != SNUG_PLAN_EVAL && mode != SNUG_PLAN_PREDICT;
}

/** Whether an update node runs in a program of that mode. */
bool snug_plan_updates(snug_plan_mode mode, const snug_graph *graph, const snug_node *node);

/**
 * A program over the arena:
 *
 *     for each micro-batch of `micro_batch` samples of the global batch: the loops, in order
 *     then once: the update loops (tile 0)
 *
 * With one micro-batch there are update loops among the others too: an update runs as soon as its
 * gradient is complete and nothing reads its parameter any more, so that gradients die early.
 *
 * Persistent buffers come first, parameters before states, each in order of its tensors, so that
 * programs of graphs with the same parameters share an arena and what is in it.
 */
typedef struct snug_program {
    snug_plan_mode mode;
    snug_plan_buffer *buffers;
    int64_t buffer_count;
    snug_plan_call *calls;
    int64_t call_count;
    snug_plan_loop *loops;
    int64_t loop_count;
    int64_t update_first_loop; /* Loops from here on run once, after all micro-batches. */
    snug_plan_segment *segments;
    int64_t segment_count;
    int32_t *variants; /* Per node of the graph. */
    int64_t node_count;
    int64_t batch; /* Most samples of a global batch. */
    int64_t micro_batch;
    int32_t threads;          /* Most threads: scratch was sized for them. */
    int64_t canary_bytes;     /* Untouched bytes after every buffer; 0 but in poison runs. */
    int64_t persistent_bytes; /* Where the transient buffers begin. */
    int64_t arena_bytes;      /* Highest end of a buffer. */
    int64_t live_bytes_max;   /* The lower bound: most bytes live at once. */
    double seconds;           /* Predicted by the cost model. */
} snug_program;

/** Speed of one op where it differs from the rest. */
typedef struct snug_cost_rate {
    char op[32];
    double flops_per_second;
    double bytes_per_second;
    double call_seconds;
} snug_cost_rate;

/** What was measured: a call of this kind (plan/costs.h) on so many samples. */
typedef struct snug_cost_point {
    uint64_t kind;
    int64_t samples; /* >= 1. */
    double seconds;
} snug_cost_point;

/**
 * Seconds of a call: as its points say; of a kind without points, call_seconds +
 * flops / flops_per_second + bytes / bytes_per_second, by the op's own rate or that of all.
 */
typedef struct snug_cost_model {
    double flops_per_second;
    double bytes_per_second;
    double read_bytes_per_second; /* Sources: loader to arena. */
    double call_seconds;          /* Start of a call, threads included. */
    const snug_cost_rate *rates;  /* Borrowed. */
    int64_t rate_count;
    const snug_cost_point *points; /* Borrowed; by kind, then samples. */
    int64_t point_count;
} snug_cost_model;

/** Figures of an ordinary AVX2 core, times `threads`; for when nothing was measured. */
snug_cost_model snug_cost_model_default(int32_t threads);

/**
 * What searches of one graph, batch and cost model find whatever the budget is: kept by the caller,
 * it spares them when another budget is asked for. Programs are the same with it and without.
 */
typedef struct snug_plan_memo {
    /* Where it is kept; another than those of the request. May be NULL for `smallest`, which keeps
     * nothing. */
    snug_arena *arena;
    struct snug_plan_front *fronts[SNUG_PLAN_MODES]; /* NULL: not searched so far. */
    bool share; /* While all programs of a step are planned: what was measured for one stays in the
                   request's scratch, for the others. */
    const struct snug_segments *segments; /* That; else NULL. */
} snug_plan_memo;

typedef struct snug_plan_request {
    snug_graph *graph; /* Variants are changed during the call and restored before it returns. */
    snug_plan_mode mode;
    int64_t batch;                /* Samples of a global batch, >= 1. */
    int32_t threads;              /* 1 .. SNUG_THREADS_MAX. */
    int64_t budget_bytes;         /* Of the arena; 0: no limit. */
    int64_t persistent_bytes_min; /* Of the training program, when this one shares its arena: its
                                     parameters and states are left alone. 0: nothing to share. */
    /* Only the least bytes are asked for, not the fastest within some: a small part of the search.
     * What it finds can be larger by a little than the smallest plan of a whole search. */
    bool smallest;
    /* Of a plan that fits nobody asks how small it could be: minimum_arena_bytes may then be larger
     * than it is for others. Programs are the same. */
    bool brief;
    bool curveless; /* Nobody asks for the curve: facts have no points. All else is the same. */
    bool straight;  /* Everything kept, no tiles, no search: what a plain program would do. */
    bool poison;    /* Room for canaries; the executor then poisons what dies. */
    const snug_cost_model *costs; /* NULL: the defaults. */
    snug_arena *scratch;  /* Temporary memory, rewound at the end. NULL: `arena`, and it stays. */
    snug_plan_memo *memo; /* NULL: nothing is known, and nothing is kept; else with scratch. */
} snug_plan_request;

/** One point of the curve memory -> time: the fastest plan found for that many bytes. */
typedef struct snug_plan_point {
    int64_t arena_bytes;
    double seconds;      /* Of all passes. */
    int64_t micro_batch; /* Of the pass that updates. */
    int32_t passes;      /* 1 or 2. */
} snug_plan_point;

enum { SNUG_PLAN_POINTS_MAX = 256 };

/** What the search found beside the plan itself. */
typedef struct snug_plan_facts {
    int64_t minimum_arena_bytes;   /* Of the smallest plan; smaller budgets are refused. */
    int64_t bound_arena_bytes;     /* The smallest plan cannot be below it. */
    int64_t unlimited_arena_bytes; /* Of the fastest plan. */
    double unlimited_seconds;
    double pass_seconds; /* No program computes forward and backward in less. */
    double seconds;      /* Of the program chosen; 0: none fits. */
    int32_t stage_count;
    int32_t point_count;
    snug_plan_point points[SNUG_PLAN_POINTS_MAX]; /* Ascending bytes, descending seconds. */
} snug_plan_facts;

/**
 * Finds the fastest program whose arena fits the budget.
 *
 * The same request gives the same program; a larger budget never gives a slower one.
 *
 * @param request       What to plan; borrowed for the call.
 * @param arena         Where the program is put.
 * @param[out] out      The program; untouched on failure. NULL: only facts are wanted.
 * @param[out] facts    May be NULL; filled also when SNUG_CODE_BUDGET is returned.
 * @return SNUG_CODE_BUDGET: nothing fits; the message names the smallest arena that does and the
 *         three largest consumers at its peak. SNUG_CODE_UNSUPPORTED: a graph of a form that cannot
 *         be planned. SNUG_CODE_LIMIT, SNUG_CODE_MEMORY from the arenas.
 * @threads Not safe on one graph.
 */
SNUG_MUST_CHECK snug_status snug_plan_make(const snug_plan_request *request, snug_arena *arena,
                                           snug_program *out, snug_plan_facts *facts,
                                           snug_error *err);

#endif
