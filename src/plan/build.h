/* From a choice to a finished program: emission, lifetimes, offsets. */
#ifndef SNUG_PLAN_BUILD_H
#define SNUG_PLAN_BUILD_H

#include "plan/emit.h"
#include "plan/offsets.h"

/** Program of one choice, with offsets; arrays in `arena`, temporary memory from `scratch`. */
SNUG_MUST_CHECK snug_status snug_plan_build(snug_emitter *emitter, const snug_plan_choice *choice,
                                            snug_packing_effort effort, snug_arena *arena,
                                            snug_arena *scratch, snug_program *out,
                                            snug_error *err);

/** The same program with offsets that were found before: those of `bytes` and `bound`. */
SNUG_MUST_CHECK snug_status snug_plan_rebuild(snug_emitter *emitter, const snug_plan_choice *choice,
                                              const int64_t *offsets, int64_t bytes, int64_t bound,
                                              snug_arena *arena, snug_program *out,
                                              snug_error *err);

/** Everything kept, no tiles: one segment a stage, the last one fused, variant 0. */
void snug_plan_straight(const snug_plan_problem *problem, snug_plan_choice *out);

/** Whether tiles and micro-batch of a choice suit the groups of the ops that run in each loop. */
bool snug_plan_choice_valid(const snug_plan_problem *problem, const snug_plan_choice *choice);

#endif
