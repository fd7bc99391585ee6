/* The planner's abstraction: a chain of stages, cut into segments, each with a choice of how it is
 * run. */
#ifndef SNUG_PLAN_CHAIN_H
#define SNUG_PLAN_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/** One tile of one loop: bytes alive in a turn beside what is kept, and seconds of all its turns.
 */
typedef struct snug_chain_tile {
    int64_t bytes;
    double seconds;
    int32_t tile; /* For the caller. */
} snug_chain_tile;

/** Sorts by ascending seconds and drops tiles that are not smaller than a faster one; returns the
 * count. */
int32_t snug_chain_prune_tiles(snug_chain_tile *tiles, int32_t count);

/** One way to run the segment of stages i..j. */
typedef struct snug_chain_option {
    int64_t kept;      /* Bytes that stay from its forward loop to its backward loop, without the
                          boundary before it. */
    bool input_needed; /* Its backward loop reads the boundary before it. */
    bool output_kept;  /* `kept` includes the boundary behind it. */
    bool fused; /* Forward and backward in one loop: the last segment. `backward` is not read. */
    int64_t
        backward_bytes;    /* Gradients alive in the backward (or fused) loop, whatever the tile. */
    int32_t forward_count; /* Tiles, pruned; 0: the option cannot be. */
    int32_t backward_count;
    const snug_chain_tile *forward;
    const snug_chain_tile *backward; /* NULL: there is no backward loop. */
} snug_chain_option;

/** The options of all segments: those of stages i..j are options[first[k]] .. options[first[k +
 * 1]). */
typedef struct snug_chain {
    int32_t stage_count;
    const snug_chain_option *options;
    const int32_t *first;    /* [i * stage_count + j], and one entry more. */
    const int64_t *boundary; /* [stage_count + 1] Bytes of the tensors between stages. */
    int64_t fixed_bytes;     /* Alive all the time. */
} snug_chain;

/** What is chosen of one segment. */
typedef struct snug_chain_segment {
    int32_t stage_first, stage_last;
    int32_t option;                      /* Index into `options`. */
    int32_t forward_tile, backward_tile; /* `tile` of the tiles; backward -1: no such loop. */
} snug_chain_segment;

typedef struct snug_chain_answer {
    bool possible;
    double seconds;
    int64_t peak_bytes;
    int32_t segment_count;
    snug_chain_segment *segments; /* [stage_count] Given by the caller. */
} snug_chain_answer;

/** What to look for. */
typedef enum snug_chain_goal {
    SNUG_CHAIN_FASTEST, /* Least seconds with a peak within the budget. */
    SNUG_CHAIN_SMALLEST /* Least peak. */
} snug_chain_goal;

/**
 * Solves the chain.
 *
 * Model: with m bytes kept by the segments before, x and y the boundaries before and behind (x does
 * not count when the segment before kept it),
 *
 *     forward:  fixed + m + x + kept + (output_kept ? 0 : y) + bytes(tile)
 *     backward: fixed + m + (input_needed ? x : 0) + kept + backward_bytes + bytes(tile)
 *     fused:    fixed + m + x + backward_bytes + bytes(tile)
 *     after it: m + kept + (input_needed ? x : 0)
 *
 * Dynamic programming over (stage, does m include the boundary) with the front of (m, cost) in each
 * state; exact while a front has at most `front_max` entries, thinned evenly beyond.
 *
 * @param chain      The problem.
 * @param budget     Bytes; FASTEST only.
 * @param at_most    Seconds; plans known to be slower are given up early. INFINITY: none.
 * @param front_max  >= 2.
 * @param scratch    Rewound.
 * @param[out] out   `segments` must point at room for stage_count entries.
 * @threads Reentrant.
 */
SNUG_MUST_CHECK snug_status snug_chain_solve(const snug_chain *chain, snug_chain_goal goal,
                                             int64_t budget, double at_most, int32_t front_max,
                                             snug_arena *scratch, snug_chain_answer *out,
                                             snug_error *err);

#endif
