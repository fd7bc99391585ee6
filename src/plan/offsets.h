/* Offsets: rectangles of (time, bytes) packed into as little height as possible. */
#ifndef SNUG_PLAN_OFFSETS_H
#define SNUG_PLAN_OFFSETS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/** Bytes wanted over the closed interval [first, last] of positions. */
typedef struct snug_extent {
    int64_t bytes; /* A multiple of SNUG_ALIGN. */
    int32_t first, last;
    int64_t offset; /* The answer. */
} snug_extent;

/** How hard to try. */
typedef enum snug_packing_effort {
    SNUG_PACKING_NONE,    /* The bound alone; offsets are not set. */
    SNUG_PACKING_QUICK,   /* Greedy packings until one is within 0.5 % of the bound. */
    SNUG_PACKING_THOROUGH /* And a bounded local search when none is, then a bounded exact one. */
} snug_packing_effort;

/** The most bytes live at one position: no packing is lower. */
SNUG_MUST_CHECK snug_status snug_offsets_bound(const snug_extent *extents, int64_t count,
                                               snug_arena *scratch, int64_t *out_bytes,
                                               snug_error *err);

/**
 * Chooses offsets so that extents that share a position do not share bytes. The same extents give
 * the same offsets, on every machine.
 *
 * @param[in,out] extents   `offset` is set.
 * @param         scratch   Temporary memory, rewound.
 * @param[out]    out_bytes Highest end.
 * @threads Reentrant.
 */
SNUG_MUST_CHECK snug_status snug_offsets_pack(snug_extent *extents, int64_t count,
                                              snug_packing_effort effort, snug_arena *scratch,
                                              int64_t *out_bytes, snug_error *err);

#endif
