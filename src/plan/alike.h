/* Which segments are alike: the same ops over tensors of the same size, wherever in the chain. */
#ifndef SNUG_PLAN_ALIKE_H
#define SNUG_PLAN_ALIKE_H

#include "plan/problem.h"

/** What stages and the cuts between them look like, seen from where they stand. */
typedef struct snug_alike {
    int32_t stage_count;
    uint64_t *stage; /* [stage] Its nodes and what they read and write. */
    uint64_t *link;  /* [stage] How the next one's nodes follow in the graph. */
    uint64_t *cut;   /* [stage + 1] The tensor between two stages. */
    uint64_t *over;  /* [(stage + 2) ^ 2] Gradients that pass over stages; see snug_alike_key. */
} snug_alike;

/**
 * Looks at all stages of a problem.
 *
 * @param lowest_reader  [tensor] The lowest stage that reads it; borrowed for the call.
 * @param boundary       [stage + 1] The one tensor between two stages, or -1; borrowed likewise.
 * @param arena          Where the arrays are put.
 */
SNUG_MUST_CHECK snug_status snug_alike_init(snug_alike *alike, const snug_plan_problem *problem,
                                            const int32_t *lowest_reader,
                                            const snug_tensor_id *boundary, snug_arena *arena,
                                            snug_error *err);

/**
 * Segments i..j of equal keys and equal lengths take the same bytes and seconds in every way to run
 * them, but for the gradients of parameters, which depend on the rest of the graph too.
 *
 * @param inner  The hash of stages i..j: snug_alike_grow() over them, from 0.
 */
uint64_t snug_alike_key(const snug_alike *alike, int32_t i, int32_t j, uint64_t inner);

/** The hash of stages i..j from that of i..j - 1. */
uint64_t snug_alike_grow(const snug_alike *alike, uint64_t inner, int32_t i, int32_t j);

#endif
