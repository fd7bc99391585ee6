/* A training step in one pass or, where updates wait for a measure of all gradients, in two. */
#ifndef SNUG_PLAN_PASSES_H
#define SNUG_PLAN_PASSES_H

#include "plan/plan.h"

/** How many passes a step may take. */
typedef enum snug_passes {
    SNUG_PASSES_AUTO, /* Whichever fits; of two that fit the faster. */
    SNUG_PASSES_ONE,
    SNUG_PASSES_TWO
} snug_passes;

/**
 * The programs of a step. With two passes both run on the same batch, `measure` first: it makes all
 * gradients and measures each as soon as it is complete, `train` makes them again and updates with
 * each as soon as it is complete. So no two gradients need be there at once, for twice the time.
 */
typedef struct snug_step_plan {
    int32_t passes;       /* 1 or 2. */
    snug_program measure; /* All zeros with one pass. */
    snug_program train;   /* SNUG_PLAN_TRAIN, or SNUG_PLAN_APPLY. */
} snug_step_plan;

/** Whether some update reads what another measures of all gradients: the graph clips. */
bool snug_plan_can_measure(const snug_graph *graph);

/** Predicted seconds of a step. */
static inline double snug_step_plan_seconds(const snug_step_plan *plan)
{
    return plan->measure.seconds + plan->train.seconds;
}

/** The program that sets the size of the arena. */
static inline const snug_program *snug_step_plan_largest(const snug_step_plan *plan)
{
    return plan->measure.arena_bytes > plan->train.arena_bytes ? &plan->measure : &plan->train;
}

/**
 * Finds the fastest step that fits the budget: its arena, and with two passes `second_bytes` more.
 *
 * As snug_plan_make(), whose promises it keeps: the same request gives the same programs, a larger
 * budget never slower ones. Bits do not depend on the passes. A graph that does not clip takes one.
 *
 * @param request     `mode` is not read. When it is brief, two passes are not even looked at where
 * one is as fast as without a budget.
 * @param passes      AUTO leaves the choice to the planner.
 * @param second_bytes  What a second program takes beside the arena, >= 0. Facts count it as part
 * of the arena.
 * @param arena       Where the programs are put.
 * @param[out] out    Untouched on failure.
 * @param[out] facts  The front of the plans with one pass and with two; filled also when
 *                    SNUG_CODE_BUDGET is returned.
 */
SNUG_MUST_CHECK snug_status snug_plan_make_step(const snug_plan_request *request,
                                                snug_passes passes, int64_t second_bytes,
                                                snug_arena *arena, snug_step_plan *out,
                                                snug_plan_facts *facts, snug_error *err);

#endif
