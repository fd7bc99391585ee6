#include "plan/build.h"

#include "base/assert.h"
#include "plan/buffers.h"

snug_status snug_plan_build(snug_emitter *emitter, const snug_plan_choice *choice,
                            snug_packing_effort effort, snug_arena *arena, snug_arena *scratch,
                            snug_program *out, snug_error *err)
{
    snug_program program = {0};
    SNUG_TRY(snug_emit_program(emitter, choice, arena, &program, err));
    SNUG_TRY(snug_buffers_lifetimes(emitter->problem, &program, err));
    SNUG_TRY(snug_buffers_layout(emitter->problem, effort, scratch, &program, err));
    *out = program;
    return SNUG_OK;
}

snug_status snug_plan_rebuild(snug_emitter *emitter, const snug_plan_choice *choice,
                              const int64_t *offsets, int64_t bytes, int64_t bound,
                              snug_arena *arena, snug_program *out, snug_error *err)
{
    snug_program program = {0};
    SNUG_TRY(snug_emit_program(emitter, choice, arena, &program, err));
    SNUG_TRY(snug_buffers_lifetimes(emitter->problem, &program, err));
    for (int64_t b = 0; b < program.buffer_count; b++) {
        program.buffers[b].offset = offsets[b];
    }
    program.arena_bytes = bytes;
    program.live_bytes_max = bound;
    *out = program;
    return SNUG_OK;
}

void snug_plan_straight(const snug_plan_problem *problem, snug_plan_choice *out)
{
    *out = (snug_plan_choice){.micro_batch = problem->batch, .segment_count = problem->stage_count};
    for (int32_t s = 0; s < problem->stage_count; s++) {
        const bool last = s == problem->stage_count - 1;
        out->segments[s] = (snug_plan_segment){.stage_first = s,
                                               .stage_last = s,
                                               .mode = last ? SNUG_KEEP_FUSED : SNUG_KEEP_ALL,
                                               .keep_sources = true,
                                               .forward_tile = problem->batch,
                                               .backward_tile = last ? 0 : problem->batch};
    }
}

bool snug_plan_choice_valid(const snug_plan_problem *problem, const snug_plan_choice *choice)
{
    const int64_t micro = choice->micro_batch;
    for (int32_t n = 0; n < problem->node_count; n++) {
        const int64_t group = problem->group[n];
        if (!problem->active[n] || problem->stage[n] < 0) {
            continue;
        }
        if (micro != problem->batch && (micro % group != 0 || problem->any_tied)) {
            return false;
        }
        for (int32_t s = 0; s < choice->segment_count; s++) {
            const snug_plan_segment *segment = &choice->segments[s];
            if (problem->stage[n] < segment->stage_first ||
                problem->stage[n] > segment->stage_last) {
                continue;
            }
            const bool backward = problem->graph->nodes[n].phase == SNUG_PHASE_BACKWARD;
            const bool apart = segment->mode != SNUG_KEEP_FUSED && snug_plan_trains(problem->mode);
            const int64_t forward_tile = segment->forward_tile;
            const int64_t backward_tile = apart ? segment->backward_tile : forward_tile;
            if ((!backward && forward_tile % group != 0 && forward_tile != micro) ||
                (apart && backward_tile % group != 0 && backward_tile != micro) ||
                (backward && backward_tile % group != 0 && backward_tile != micro) ||
                (problem->tied[n] && backward_tile != micro)) {
                return false;
            }
        }
    }
    return true;
}
