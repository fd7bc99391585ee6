/* Checks a program by interpreting it: shares no code with what made it. */
#ifndef SNUG_PLAN_VERIFY_H
#define SNUG_PLAN_VERIFY_H

#include "plan/passes.h"

/**
 * Runs the program on the bookkeeping of an arena instead of the arena, for a full batch and for
 * the smallest one, and checks that
 *
 *   - only parameters and states live elsewhere than in the arena, and then bytes are moved;
 *   - every index, tile, micro-batch and offset is in range, tiles and micro-batches are multiples
 *     of the ops' sample groups (or whole), buffers are large enough for what they hold;
 *   - whatever a node reads was written for exactly these samples, and nothing else was written
 * over it;
 *   - no operand of a call overlaps another, but where the op allows it;
 *   - every gradient contribution is there once for every sample, in ascending order, one node
 *     after the other where several add to one gradient, from zero;
 *   - every update runs once, after all contributions, and nothing reads a parameter after it;
 *   - parameters and states are never written by anything else; the loss of every sample is there
 *     at the end; in evaluation every sink sees every sample once.
 *
 * @param program  Of any origin, a certificate included.
 * @param graph    The graph it was made for.
 * @param scratch  Temporary memory, rewound.
 * @return SNUG_CODE_DATA with what is wrong, and where; SNUG_CODE_LIMIT: a step of too many calls.
 * @threads Not safe on one graph (variants are set and restored).
 */
SNUG_MUST_CHECK snug_status snug_plan_verify(const snug_program *program, snug_graph *graph,
                                             snug_arena *scratch, snug_error *err);

/**
 * Verifies the programs of a step: of two passes also that they belong together. What the first
 * measures, and every parameter and state, lies at one place in both.
 */
SNUG_MUST_CHECK snug_status snug_plan_verify_step(const snug_step_plan *step, snug_graph *graph,
                                                  snug_arena *scratch, snug_error *err);

#endif
