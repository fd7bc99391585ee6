/* What a planner needs to know of a graph, in tables: roles, stages, bytes, costs by variant and
 * tile. */
#ifndef SNUG_PLAN_PROBLEM_H
#define SNUG_PLAN_PROBLEM_H

#include "base/checked.h"
#include "plan/plan.h"

enum { SNUG_PLAN_TILES_MAX = 64, SNUG_PLAN_MICROS_MAX = 32, SNUG_PLAN_VARIANTS_MAX = 16 };

/** Where a tensor lives. */
typedef enum snug_place {
    SNUG_PLACE_UNUSED,     /* No active node touches it. */
    SNUG_PLACE_PERSISTENT, /* Parameters, states. */
    SNUG_PLACE_GRADIENT,   /* Of a parameter: zeroed, added to, read by updates; or batched, its
                              rows: one buffer for the global batch. */
    SNUG_PLACE_GLOBAL,     /* Loss partials: one buffer for the global batch. */
    SNUG_PLACE_FORWARD,    /* Batched, made by a forward node or a source. */
    SNUG_PLACE_BACKWARD,   /* Batched, made by a backward node; never made twice. */
    SNUG_PLACE_SHARED      /* Made by an update node for other update nodes. */
} snug_place;

typedef struct snug_plan_problem {
    snug_graph *graph;
    snug_plan_mode mode;
    int64_t batch;
    int32_t threads;
    int64_t canary_bytes;
    int64_t persistent_bytes_min;
    int32_t node_count, tensor_count;
    int32_t variant_count; /* Most variants of any node; lower counts repeat their last. */
    int32_t tile_count;
    int64_t tiles[SNUG_PLAN_TILES_MAX]; /* Ascending, every tile and micro-batch considered. */
    int32_t micro_count;
    int64_t micros[SNUG_PLAN_MICROS_MAX]; /* Descending; the first is the batch. */
    bool *active;                         /* [node] It runs in some loop. */
    int32_t *stage; /* [node] Forward, backward and sources; -1: update or inactive. */
    int32_t stage_count;
    uint8_t *place;         /* [tensor] snug_place. */
    uint8_t *home;          /* [tensor] snug_home of PERSISTENT ones: memory, all of them so far. */
    snug_node_id *producer; /* [tensor] The active node that makes it, or -1. */
    int32_t *last_stage;    /* [tensor] FORWARD: highest stage of a forward reader; -1: none. */
    int64_t *bytes;         /* [variant][tensor] Of a sample, or of the whole; not padded. */
    double *seconds;        /* [variant][node][tile] Of one call. */
    int64_t *scratch;       /* [variant][node][tile] Of one call. */
    int8_t *inplace;        /* [node][output] Input whose storage it may take; -1: none. */
    int32_t *variants_of;   /* [node] Variants of its owner, >= 1. */
    int64_t *group;         /* [node] Tiles must be multiples of it, or the micro-batch. */
    bool *tied;             /* [node] It adds to a gradient that another node adds to as well. */
    bool any_tied;
    bool *updated; /* [tensor] GRADIENT: an update reads it. */
    /* [node] Updates: the backward pass of this stage is the last that they wait for. */
    int32_t *release_stage;
} snug_plan_problem;

/** Builds the tables in `arena`; SNUG_CODE_UNSUPPORTED for graphs that break the rules. */
SNUG_MUST_CHECK snug_status snug_plan_problem_init(snug_plan_problem *problem,
                                                   const snug_plan_request *request,
                                                   snug_arena *arena, snug_error *err);

/** Cuts the active forward nodes into stages at the narrowest places; fills stage and stage_count.
 */
SNUG_MUST_CHECK snug_status snug_plan_stages(snug_plan_problem *problem, snug_arena *arena,
                                             snug_error *err);

static inline int64_t snug_problem_bytes(const snug_plan_problem *p, int32_t variant,
                                         snug_tensor_id tensor)
{
    return p->bytes[(int64_t)variant * p->tensor_count + tensor];
}

static inline int64_t snug_problem_at(const snug_plan_problem *p, int32_t variant,
                                      snug_node_id node, int32_t tile)
{
    return ((int64_t)variant * p->node_count + node) * p->tile_count + tile;
}

/** Index of a tile in `tiles`; the tile must be there. */
int32_t snug_problem_tile(const snug_plan_problem *problem, int64_t tile);

/** Whether the samples of the whole global batch lie in one buffer. */
static inline bool snug_problem_global(const snug_plan_problem *p, snug_tensor_id tensor)
{
    return p->place[tensor] == SNUG_PLACE_GLOBAL ||
           (p->place[tensor] == SNUG_PLACE_GRADIENT && p->graph->tensors[tensor].batched);
}

/** Bytes of the buffer of a GRADIENT. */
static inline int64_t snug_problem_gradient_bytes(const snug_plan_problem *p, snug_tensor_id tensor)
{
    const int64_t samples = snug_problem_global(p, tensor) ? p->batch : 1;
    return snug_align_up(snug_problem_bytes(p, 0, tensor) * samples, SNUG_ALIGN);
}

/** Whether a node adds to one of its outputs. */
static inline bool snug_problem_accumulates(const snug_node *node, int32_t output)
{
    return ((node->op->accumulates >> output) & 1U) != 0;
}

/** Sorts `count` indices by ascending key, ties by index. */
void snug_plan_sort(const int64_t *keys, int32_t *indices, int64_t count);

#endif
