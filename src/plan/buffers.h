/* When each buffer of a program is alive, which buffers share storage, and where everything lies.
 */
#ifndef SNUG_PLAN_BUFFERS_H
#define SNUG_PLAN_BUFFERS_H

#include "plan/offsets.h"
#include "plan/problem.h"

/** Sets first, last and zero_loop of all buffers from the calls. */
SNUG_MUST_CHECK snug_status snug_buffers_lifetimes(const snug_plan_problem *problem,
                                                   snug_program *program, snug_error *err);

/**
 * Merges what may share storage, chooses offsets, sets arena_bytes and live_bytes_max.
 *
 * @pre snug_buffers_lifetimes was called.
 */
SNUG_MUST_CHECK snug_status snug_buffers_layout(const snug_plan_problem *problem,
                                                snug_packing_effort effort, snug_arena *scratch,
                                                snug_program *program, snug_error *err);

#endif
