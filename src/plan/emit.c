#include "plan/emit.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"

/* Notes where the nodes of each stage are, so that loops need not look at those of all others. */
static void find_nodes(snug_emitter *e)
{
    const snug_plan_problem *p = e->problem;
    for (int32_t k = 0; k < 2 * p->stage_count; k++) {
        e->lowest[k] = p->node_count;
        e->highest[k] = -1;
    }
    for (int32_t n = 0; n < p->node_count; n++) {
        if (!p->active[n] || p->stage[n] < 0) {
            continue;
        }
        const bool forward = p->graph->nodes[n].phase == SNUG_PHASE_FORWARD;
        const int32_t k = p->stage[n] + (forward ? 0 : p->stage_count);
        e->lowest[k] = n < e->lowest[k] ? n : e->lowest[k];
        e->highest[k] = n;
    }
}

/* The nodes of some stages lie in [first, end), and others with them. */
static void nodes_between(const snug_emitter *e, snug_loop_kind kind, int32_t stage_first,
                          int32_t stage_last, int32_t *first, int32_t *end)
{
    const int32_t stages = e->problem->stage_count;
    *first = e->problem->node_count;
    *end = 0;
    for (int32_t s = stage_first; s <= stage_last; s++) {
        for (int32_t phase = 0; phase < 2; phase++) {
            const int32_t k = phase * stages + s;
            if (kind != SNUG_LOOP_FUSED && (kind == SNUG_LOOP_FORWARD) != (phase == 0)) {
                continue;
            }
            *first = e->lowest[k] < *first ? e->lowest[k] : *first;
            *end = e->highest[k] >= *end ? e->highest[k] + 1 : *end;
        }
    }
}

snug_status snug_emit_init(snug_emitter *emitter, const snug_plan_problem *problem,
                           snug_arena *arena, snug_error *err)
{
    void *memory = NULL;
    const int64_t nodes = problem->node_count;
    *emitter = (snug_emitter){.problem = problem};
    SNUG_TRY(snug_arena_array(arena, problem->tensor_count, 1, &memory, err));
    emitter->hold = memory;
    SNUG_TRY(snug_arena_array(arena, problem->tensor_count, (int64_t)sizeof(bool), &memory, err));
    emitter->whole = memory;
    SNUG_TRY(snug_arena_array(arena, nodes, (int64_t)sizeof(bool), &memory, err));
    emitter->run = memory;
    SNUG_TRY(snug_arena_array(arena, nodes, (int64_t)sizeof(bool), &memory, err));
    emitter->done = memory;
    SNUG_TRY(snug_arena_array(arena, nodes * (SNUG_NODE_INPUTS_MAX + 1), (int64_t)sizeof(int32_t),
                              &memory, err));
    emitter->stack = memory;
    SNUG_TRY(snug_arena_array(arena, nodes, (int64_t)sizeof(int32_t), &memory, err));
    emitter->picked = memory;
    SNUG_TRY(snug_arena_array(arena, 2 * (int64_t)problem->tensor_count, (int64_t)sizeof(int32_t),
                              &memory, err));
    emitter->read_last = memory;
    emitter->write_last = emitter->read_last + problem->tensor_count;
    /* A forward node can run again in every backward loop; a few times its count is plenty. */
    emitter->node_capacity = (int32_t)(16 * nodes + 1024);
    SNUG_TRY(
        snug_arena_array(arena, emitter->node_capacity, (int64_t)sizeof(int32_t), &memory, err));
    emitter->nodes = memory;
    SNUG_TRY(snug_arena_array(arena, 4 * (int64_t)problem->stage_count, (int64_t)sizeof(int32_t),
                              &memory, err));
    emitter->lowest = memory;
    emitter->highest = emitter->lowest + 2 * (int64_t)problem->stage_count;
    find_nodes(emitter);
    return SNUG_OK;
}

bool snug_emit_native(const snug_emitter *emitter, const snug_emit_loop *loop, int32_t node)
{
    const snug_plan_problem *p = emitter->problem;
    const snug_phase phase = p->graph->nodes[node].phase;
    if (!p->active[node]) {
        return false;
    }
    if (loop->kind == SNUG_LOOP_UPDATE || phase == SNUG_PHASE_UPDATE) {
        return loop->kind == SNUG_LOOP_UPDATE && phase == SNUG_PHASE_UPDATE;
    }
    if (p->stage[node] < loop->stage_first || p->stage[node] > loop->stage_last) {
        return false;
    }
    return loop->kind == SNUG_LOOP_FUSED ||
           (loop->kind == SNUG_LOOP_FORWARD) == (phase == SNUG_PHASE_FORWARD);
}

bool snug_emit_reads_whole(const snug_emitter *emitter, const snug_emit_loop *loop,
                           snug_tensor_id t)
{
    const snug_plan_problem *p = emitter->problem;
    if (p->place[t] != SNUG_PLACE_FORWARD && p->place[t] != SNUG_PLACE_BACKWARD &&
        p->place[t] != SNUG_PLACE_GLOBAL) {
        return false;
    }
    if (snug_emit_native(emitter, loop, p->producer[t])) {
        return false;
    }
    return p->place[t] != SNUG_PLACE_FORWARD || emitter->hold[t] == SNUG_HOLD_THROUGH;
}

void snug_emit_hold_segment(snug_emitter *emitter, const snug_plan_segment *segment)
{
    const snug_plan_problem *p = emitter->problem;
    int32_t first = 0;
    int32_t end = 0;
    nodes_between(emitter, SNUG_LOOP_FORWARD, segment->stage_first, segment->stage_last, &first,
                  &end);
    for (int32_t n = first; n < end; n++) {
        const snug_node *node = &p->graph->nodes[n];
        if (!p->active[n] || node->phase != SNUG_PHASE_FORWARD ||
            p->stage[n] < segment->stage_first || p->stage[n] > segment->stage_last) {
            continue;
        }
        const bool source = (node->op->flags & SNUG_OP_SOURCE) != 0;
        const bool cheap = (node->op->flags & SNUG_OP_CHEAP) != 0;
        for (int32_t o = 0; o < node->output_count; o++) {
            const snug_tensor_id t = node->outputs[o];
            if (t < 0 || p->place[t] != SNUG_PLACE_FORWARD) {
                continue;
            }
            bool hold = p->last_stage[t] > segment->stage_last;
            if (source) {
                hold = segment->keep_sources;
            } else if (segment->mode == SNUG_KEEP_ALL) {
                hold = true;
            } else if (segment->mode == SNUG_KEEP_COSTLY) {
                hold = hold || !cheap;
            }
            emitter->hold[t] = hold ? SNUG_HOLD_THROUGH : SNUG_HOLD_NO;
        }
    }
}

/* Whether a node at home in the loop must run whatever else the loop does. */
static bool is_wanted(const snug_emitter *e, int32_t n)
{
    const snug_plan_problem *p = e->problem;
    const snug_node *node = &p->graph->nodes[n];
    if (node->phase != SNUG_PHASE_FORWARD || (node->op->flags & SNUG_OP_SINK) != 0) {
        return true;
    }
    for (int32_t o = 0; o < node->output_count; o++) {
        const snug_tensor_id t = node->outputs[o];
        if (t >= 0 && (e->whole[t] || p->place[t] == SNUG_PLACE_GLOBAL ||
                       p->place[t] == SNUG_PLACE_PERSISTENT)) {
            return true;
        }
    }
    return false;
}

/* Marks what the loop runs, from the last node to the first, and what it wants from others. */
static void mark_demand(snug_emitter *e, const snug_emit_loop *loop)
{
    const snug_plan_problem *p = e->problem;
    int32_t first = 0;
    int32_t end = 0;
    int32_t pending = 0; /* Marked, and still to come. */
    const size_t touched = (size_t)(e->run_end - e->run_first);
    memset(&e->run[e->run_first], 0, touched * sizeof *e->run);
    memset(&e->done[e->run_first], 0, touched * sizeof *e->done);
    nodes_between(e, loop->kind, loop->stage_first, loop->stage_last, &first, &end);
    e->run_end = end;
    e->run_first = end;
    for (int32_t n = end - 1; n >= first || (n >= 0 && pending > 0); n--) {
        const snug_node *node = &p->graph->nodes[n];
        e->run_first = n;
        if (e->run[n]) {
            pending--;
        } else {
            e->run[n] = snug_emit_native(e, loop, n) && is_wanted(e, n);
        }
        for (int32_t i = 0; i < node->input_count && e->run[n]; i++) {
            const snug_tensor_id t = node->inputs[i];
            if (t < 0 || p->producer[t] < 0) {
                continue;
            }
            if (snug_emit_reads_whole(e, loop, t)) {
                e->whole[t] = true;
            } else if (!e->run[p->producer[t]]) {
                SNUG_ASSERT(p->producer[t] < n);
                e->run[p->producer[t]] = true;
                pending++;
            }
        }
    }
}

static snug_status append(snug_emitter *e, snug_emit_loop *loop, int32_t node, snug_error *err)
{
    if (e->node_count >= e->node_capacity) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a program has more than %d calls",
                         e->node_capacity);
    }
    e->nodes[e->node_count++] = node;
    e->done[node] = true;
    loop->count++;
    return SNUG_OK;
}

/* Appends `root` after everything of this loop that it needs, in graph order. */
static snug_status append_with_needs(snug_emitter *e, snug_emit_loop *loop, int32_t root,
                                     snug_error *err)
{
    const snug_plan_problem *p = e->problem;
    int32_t depth = 0;
    int32_t picked = 0;
    e->stack[depth++] = root;
    e->done[root] = true;
    while (depth > 0) {
        const int32_t n = e->stack[--depth];
        const snug_node *node = &p->graph->nodes[n];
        int32_t at = picked++;
        while (at > 0 && e->picked[at - 1] > n) {
            e->picked[at] = e->picked[at - 1];
            at--;
        }
        e->picked[at] = n;
        for (int32_t i = 0; i < node->input_count; i++) {
            const snug_tensor_id t = node->inputs[i];
            if (t < 0 || p->producer[t] < 0 || snug_emit_reads_whole(e, loop, t) ||
                e->done[p->producer[t]]) {
                continue;
            }
            e->done[p->producer[t]] = true;
            e->stack[depth++] = p->producer[t];
        }
    }
    for (int32_t i = 0; i < picked; i++) {
        SNUG_TRY(append(e, loop, e->picked[i], err));
    }
    return SNUG_OK;
}

snug_status snug_emit_loop_nodes(snug_emitter *emitter, snug_emit_loop *loop, snug_error *err)
{
    const snug_plan_problem *p = emitter->problem;
    mark_demand(emitter, loop);
    loop->first = emitter->node_count;
    loop->count = 0;
    /* What belongs here goes in graph order; sources and what runs again wait until needed. */
    for (int32_t n = emitter->run_first; n < emitter->run_end; n++) {
        const bool source = (p->graph->nodes[n].op->flags & SNUG_OP_SOURCE) != 0;
        if (emitter->run[n] && !emitter->done[n] && !source && snug_emit_native(emitter, loop, n)) {
            SNUG_TRY(append_with_needs(emitter, loop, n, err));
        }
    }
    for (int32_t n = emitter->run_first; n < emitter->run_end; n++) {
        if (emitter->run[n] && !emitter->done[n]) {
            SNUG_TRY(append_with_needs(emitter, loop, n, err));
        }
    }
    return SNUG_OK;
}

static int32_t list_loops(const snug_plan_problem *p, const snug_plan_choice *choice,
                          snug_emit_loop *loops)
{
    int32_t count = 0;
    const int32_t last = choice->segment_count - 1;
    const bool train = snug_plan_trains(p->mode);
    for (int32_t s = 0; s <= last; s++) {
        const snug_plan_segment *segment = &choice->segments[s];
        loops[count++] = (snug_emit_loop){
            .kind = segment->mode == SNUG_KEEP_FUSED && train ? SNUG_LOOP_FUSED : SNUG_LOOP_FORWARD,
            .stage_first = segment->stage_first,
            .stage_last = segment->stage_last,
            .tile = segment->forward_tile,
            .variant = segment->variant};
    }
    for (int32_t s = last; s >= 0 && train; s--) {
        const snug_plan_segment *segment = &choice->segments[s];
        if (segment->mode != SNUG_KEEP_FUSED) {
            loops[count++] = (snug_emit_loop){.kind = SNUG_LOOP_BACKWARD,
                                              .stage_first = segment->stage_first,
                                              .stage_last = segment->stage_last,
                                              .tile = segment->backward_tile,
                                              .variant = segment->variant};
        }
    }
    return count;
}

/* Notes that loop `at` touches the operands of a node; loops come in order. */
static void note_touch(snug_emitter *e, const snug_node *node, int32_t at)
{
    for (int32_t i = 0; i < node->input_count; i++) {
        if (node->inputs[i] >= 0 && at > e->read_last[node->inputs[i]]) {
            e->read_last[node->inputs[i]] = at;
        }
    }
    for (int32_t o = 0; o < node->output_count; o++) {
        if (node->outputs[o] >= 0 && at > e->write_last[node->outputs[o]]) {
            e->write_last[node->outputs[o]] = at;
        }
    }
}

/* The loop behind which an update may run: what it reads is complete, what it writes unread. */
static int32_t loop_before(const snug_emitter *e, const snug_node *node)
{
    int32_t last = 0;
    for (int32_t i = 0; i < node->input_count; i++) {
        const snug_tensor_id t = node->inputs[i];
        last = t >= 0 && e->write_last[t] > last ? e->write_last[t] : last;
    }
    for (int32_t o = 0; o < node->output_count; o++) {
        const snug_tensor_id t = node->outputs[o];
        last = t >= 0 && e->write_last[t] > last ? e->write_last[t] : last;
        last = t >= 0 && e->read_last[t] > last ? e->read_last[t] : last;
    }
    return last;
}

/* Finds the loop of each update; the last one where gradients add up over micro-batches. */
static void place_updates(snug_emitter *e, const snug_plan_choice *choice,
                          const snug_emit_loop *loops, int32_t count, int32_t *slot)
{
    const snug_plan_problem *p = e->problem;
    memset(e->read_last, 0, (size_t)p->tensor_count * sizeof *e->read_last);
    memset(e->write_last, 0, (size_t)p->tensor_count * sizeof *e->write_last);
    for (int32_t l = 0; l < count; l++) {
        for (int32_t k = 0; k < loops[l].count; k++) {
            note_touch(e, &p->graph->nodes[e->nodes[loops[l].first + k]], l);
        }
    }
    for (int32_t n = 0; n < p->node_count; n++) {
        const snug_node *node = &p->graph->nodes[n];
        slot[n] = -1;
        if (p->active[n] && node->phase == SNUG_PHASE_UPDATE) {
            slot[n] = choice->micro_batch < p->batch ? count - 1 : loop_before(e, node);
            note_touch(e, node, slot[n]);
        }
    }
}

/* Puts loops of updates behind the loops that complete what they need; one is last always. */
static snug_status add_updates(snug_emitter *e, const snug_plan_choice *choice,
                               snug_emit_loop *loops, int32_t *loop_count, snug_error *err)
{
    const snug_plan_problem *p = e->problem;
    snug_emit_loop merged[SNUG_PLAN_LOOPS_MAX];
    const int32_t count = *loop_count;
    int32_t *slot = e->picked; /* [node] Borrowed: no loop is being worked out. */
    int32_t total = 0;
    place_updates(e, choice, loops, count, slot);
    for (int32_t l = 0; l < count; l++) {
        snug_emit_loop updates = {
            .kind = SNUG_LOOP_UPDATE, .stage_first = -1, .stage_last = -1, .first = e->node_count};
        merged[total++] = loops[l];
        for (int32_t n = 0; n < p->node_count; n++) {
            if (slot[n] == l) {
                SNUG_TRY(append(e, &updates, n, err));
            }
        }
        if (updates.count > 0 || l == count - 1) {
            merged[total++] = updates;
        }
    }
    memcpy(loops, merged, (size_t)total * sizeof *loops);
    *loop_count = total;
    return SNUG_OK;
}

/* Buffers are found through these while calls are written. */
typedef struct assembly {
    snug_emitter *e;
    const snug_plan_choice *choice;
    snug_program *program;
    int64_t buffer_capacity;
    int32_t *fixed;      /* [tensor] Its one buffer of the program, or -1. */
    int32_t *local;      /* [tensor] Its buffer in the loop at hand. */
    int32_t *local_loop; /* [tensor] The loop for which `local` holds. */
    int32_t *read_loop;  /* [tensor] The loop in which some call reads it from the same turn. */
} assembly;

static snug_category category_of(const snug_plan_problem *p, snug_tensor_id t)
{
    const snug_tensor *tensor = &p->graph->tensors[t];
    switch (tensor->kind) {
    case SNUG_TENSOR_PARAMETER:
        return SNUG_CATEGORY_WEIGHTS;
    case SNUG_TENSOR_GRADIENT:
        return SNUG_CATEGORY_GRADIENTS;
    case SNUG_TENSOR_STATE:
        return SNUG_CATEGORY_OPTIMIZER;
    case SNUG_TENSOR_INPUT:
        return SNUG_CATEGORY_DATA;
    case SNUG_TENSOR_ACTIVATION:
        break;
    }
    return SNUG_CATEGORY_ACTIVATIONS;
}

static snug_status add_buffer(assembly *a, const snug_plan_buffer *model, int64_t bytes_each,
                              int32_t *out, snug_error *err)
{
    int64_t bytes = bytes_each;
    if (a->program->buffer_count >= a->buffer_capacity ||
        (model->samples > 0 && !snug_mul_i64(bytes_each, model->samples, &bytes)) ||
        bytes > INT64_MAX / 4) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a plan has too many or too large buffers");
    }
    *out = (int32_t)a->program->buffer_count++;
    snug_plan_buffer *buffer = &a->program->buffers[*out];
    *buffer = *model;
    buffer->bytes = snug_align_up(bytes > 0 ? bytes : 1, SNUG_ALIGN);
    buffer->first = INT32_MAX;
    buffer->last = -1;
    buffer->zero_loop = -1;
    return SNUG_OK;
}

/* The buffer of tensor `t` as a call of loop `index` sees it; made when first asked for. */
static snug_status buffer_of(assembly *a, const snug_emit_loop *loop, int32_t index,
                             snug_tensor_id t, bool writes, bool main_output, int32_t *out,
                             snug_error *err)
{
    const snug_plan_problem *p = a->e->problem;
    const bool batched = p->graph->tensors[t].batched;
    const int32_t owner = p->producer[t] >= 0 ? p->producer[t] : 0;
    const int64_t each = snug_problem_bytes(p, a->program->variants[owner], t);
    const bool home = p->producer[t] >= 0 && snug_emit_native(a->e, loop, p->producer[t]);
    const bool whole = snug_emit_reads_whole(a->e, loop, t) || (home && a->e->whole[t]);
    snug_plan_buffer model = {.tensor = t, .category = category_of(p, t)};
    if (batched && !whole && !snug_problem_global(p, t)) {
        if (writes && !main_output && a->read_loop[t] != index) {
            *out = -1;
            return SNUG_OK;
        }
        if (a->local_loop[t] != index) {
            model.samples = loop->tile;
            SNUG_TRY(add_buffer(a, &model, each, &a->local[t], err));
            a->local_loop[t] = index;
        }
        *out = a->local[t];
        return SNUG_OK;
    }
    /* Runs again for another output; this one is still there. Kernels always write their first
     * output: then the same bits are written once more. */
    if (writes && whole && !home && !main_output) {
        *out = -1;
        return SNUG_OK;
    }
    if (a->fixed[t] < 0) {
        model.global = snug_problem_global(p, t);
        model.whole = batched && !model.global;
        model.persistent = p->place[t] == SNUG_PLACE_PERSISTENT;
        model.samples = !batched ? 0 : model.global ? p->batch : a->choice->micro_batch;
        SNUG_TRY(add_buffer(a, &model, each, &a->fixed[t], err));
    }
    *out = a->fixed[t];
    return SNUG_OK;
}

static snug_status write_call(assembly *a, const snug_emit_loop *loop, int32_t index, int32_t n,
                              snug_error *err)
{
    const snug_plan_problem *p = a->e->problem;
    const snug_node *node = &p->graph->nodes[n];
    snug_plan_call *call = &a->program->calls[a->program->call_count];
    const bool native = snug_emit_native(a->e, loop, n);
    *call = (snug_plan_call){.node = n, .scratch = -1};
    for (int32_t i = 0; i < SNUG_NODE_INPUTS_MAX; i++) {
        call->inputs[i] = -1;
        if (i < node->input_count && node->inputs[i] >= 0) {
            SNUG_TRY(
                buffer_of(a, loop, index, node->inputs[i], false, false, &call->inputs[i], err));
        }
    }
    for (int32_t o = 0; o < SNUG_NODE_OUTPUTS_MAX; o++) {
        call->outputs[o] = -1;
        /* What runs again makes activations only. */
        if (o < node->output_count && node->outputs[o] >= 0 &&
            (native || p->place[node->outputs[o]] == SNUG_PLACE_FORWARD)) {
            SNUG_TRY(
                buffer_of(a, loop, index, node->outputs[o], true, o == 0, &call->outputs[o], err));
        }
    }
    const int32_t tile = snug_problem_tile(p, loop->tile);
    const int64_t scratch = p->scratch[snug_problem_at(p, a->program->variants[n], n, tile)];
    if (scratch > 0) {
        const snug_plan_buffer model = {.tensor = -1, .category = SNUG_CATEGORY_WORKSPACE};
        SNUG_TRY(add_buffer(a, &model, scratch, &call->scratch, err));
    }
    a->program->call_count++;
    return SNUG_OK;
}

static snug_status write_loop(assembly *a, const snug_emit_loop *loop, int32_t index,
                              snug_error *err)
{
    const snug_plan_problem *p = a->e->problem;
    const int64_t micro = a->choice->micro_batch;
    snug_program *program = a->program;
    program->loops[index] = (snug_plan_loop){.first_call = (int32_t)program->call_count,
                                             .call_count = loop->count,
                                             .tile = loop->tile,
                                             .stage_first = loop->stage_first,
                                             .stage_last = loop->stage_last,
                                             .kind = loop->kind};
    for (int32_t k = 0; k < loop->count; k++) {
        const snug_node *node = &p->graph->nodes[a->e->nodes[loop->first + k]];
        for (int32_t i = 0; i < node->input_count; i++) {
            if (node->inputs[i] >= 0) {
                a->read_loop[node->inputs[i]] = index;
            }
        }
    }
    const int32_t tile = snug_problem_tile(p, loop->tile);
    /* Updates run once a step, samples once a tile of every micro-batch. */
    const double turns =
        loop->tile == 0 ? 1.0
                        : ((double)micro / (double)loop->tile) * ((double)p->batch / (double)micro);
    for (int32_t k = 0; k < loop->count; k++) {
        const int32_t n = a->e->nodes[loop->first + k];
        SNUG_TRY(write_call(a, loop, index, n, err));
        program->seconds += turns * p->seconds[snug_problem_at(p, program->variants[n], n, tile)];
    }
    return SNUG_OK;
}

/* Variants of all nodes, as their segments choose. */
static void set_variants(const snug_plan_problem *p, const snug_plan_choice *choice,
                         int32_t *variants)
{
    int32_t variant_of[SNUG_STAGES_MAX];
    for (int32_t s = 0; s < choice->segment_count; s++) {
        const snug_plan_segment *segment = &choice->segments[s];
        for (int32_t k = segment->stage_first; k <= segment->stage_last; k++) {
            variant_of[k] = segment->variant;
        }
    }
    for (int32_t n = 0; n < p->node_count; n++) {
        const int32_t owner = p->graph->nodes[n].forward >= 0 ? p->graph->nodes[n].forward : n;
        if (p->active[n] && p->stage[owner] >= 0) {
            const int32_t variant = variant_of[p->stage[owner]];
            variants[n] = variant < p->variants_of[n] ? variant : p->variants_of[n] - 1;
        }
    }
}

static snug_status allocate(assembly *a, const snug_emit_loop *loops, int32_t loop_count,
                            snug_arena *arena, snug_error *err)
{
    const snug_plan_problem *p = a->e->problem;
    snug_program *program = a->program;
    void *memory = NULL;
    int64_t calls = 0;
    for (int32_t l = 0; l < loop_count; l++) {
        calls += loops[l].count;
    }
    /* Tensors of all loops are fewer than operands; a counting pass is not worth its code. */
    int64_t operands = p->tensor_count;
    for (int32_t l = 0; l < loop_count; l++) {
        for (int32_t k = 0; k < loops[l].count; k++) {
            operands += p->graph->nodes[a->e->nodes[loops[l].first + k]].output_count + 1;
        }
    }
    a->buffer_capacity = snug_min_i64(operands, SNUG_PLAN_BUFFERS_MAX);
    SNUG_TRY(snug_arena_array(arena, calls, (int64_t)sizeof(snug_plan_call), &memory, err));
    program->calls = memory;
    SNUG_TRY(snug_arena_array(arena, loop_count, (int64_t)sizeof(snug_plan_loop), &memory, err));
    program->loops = memory;
    SNUG_TRY(snug_arena_array(arena, a->buffer_capacity, (int64_t)sizeof(snug_plan_buffer), &memory,
                              err));
    program->buffers = memory;
    SNUG_TRY(snug_arena_array(arena, 4 * (int64_t)p->tensor_count, (int64_t)sizeof(int32_t),
                              &memory, err));
    a->fixed = memory;
    a->local = a->fixed + p->tensor_count;
    a->local_loop = a->local + p->tensor_count;
    a->read_loop = a->local_loop + p->tensor_count;
    for (int64_t i = 0; i < 4 * (int64_t)p->tensor_count; i++) {
        a->fixed[i] = -1;
    }
    return SNUG_OK;
}

/* Parameters first, then states, in order of their tensors: every program agrees on them. */
static snug_status add_persistent(assembly *a, snug_error *err)
{
    const snug_plan_problem *p = a->e->problem;
    int64_t offset = 0;
    for (int32_t pass = 0; pass < 2; pass++) {
        for (int32_t t = 0; t < p->tensor_count; t++) {
            const bool parameter = p->graph->tensors[t].kind == SNUG_TENSOR_PARAMETER;
            if (p->place[t] != SNUG_PLACE_PERSISTENT || parameter != (pass == 0)) {
                continue;
            }
            const int64_t bytes = snug_problem_bytes(p, 0, t);
            const snug_home home = (snug_home)p->home[t];
            /* What lives elsewhere comes once a step and goes back once. */
            const snug_plan_buffer model = {.tensor = t,
                                            .category = category_of(p, t),
                                            .persistent = true,
                                            .home = home,
                                            .moved_bytes =
                                                home == SNUG_HOME_MEMORY ? 0 : 2 * bytes};
            SNUG_TRY(add_buffer(a, &model, bytes, &a->fixed[t], err));
            a->program->buffers[a->fixed[t]].offset = offset;
            offset += a->program->buffers[a->fixed[t]].bytes + p->canary_bytes;
        }
    }
    a->program->persistent_bytes = snug_max_i64(offset, p->persistent_bytes_min);
    return SNUG_OK;
}

static snug_status copy_choice(const snug_plan_problem *p, const snug_plan_choice *choice,
                               snug_arena *arena, snug_program *program, snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, choice->segment_count, (int64_t)sizeof(snug_plan_segment),
                              &memory, err));
    program->segments = memory;
    program->segment_count = choice->segment_count;
    memcpy(program->segments, choice->segments,
           (size_t)choice->segment_count * sizeof(snug_plan_segment));
    SNUG_TRY(snug_arena_array(arena, p->node_count, (int64_t)sizeof(int32_t), &memory, err));
    program->variants = memory;
    program->node_count = p->node_count;
    set_variants(p, choice, program->variants);
    return SNUG_OK;
}

snug_status snug_emit_program(snug_emitter *emitter, const snug_plan_choice *choice,
                              snug_arena *arena, snug_program *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_plan_problem *p = emitter->problem;
    const snug_mark start = snug_arena_mark(arena);
    snug_emit_loop loops[SNUG_PLAN_LOOPS_MAX];
    snug_program program = {.mode = p->mode,
                            .batch = p->batch,
                            .micro_batch = choice->micro_batch,
                            .threads = p->threads,
                            .canary_bytes = p->canary_bytes};
    assembly a = {.e = emitter, .choice = choice, .program = &program};
    SNUG_ASSERT(choice->segment_count >= 1 && choice->segment_count <= SNUG_STAGES_MAX);
    int32_t loop_count = list_loops(p, choice, loops);
    emitter->node_count = 0;
    memset(emitter->whole, 0, (size_t)p->tensor_count * sizeof *emitter->whole);
    for (int32_t s = 0; s < choice->segment_count; s++) {
        snug_emit_hold_segment(emitter, &choice->segments[s]);
    }
    for (int32_t l = loop_count - 1; l >= 0; l--) {
        SNUG_TRY_DONE(snug_emit_loop_nodes(emitter, &loops[l], err));
    }
    if (snug_plan_trains(p->mode)) {
        SNUG_TRY_DONE(add_updates(emitter, choice, loops, &loop_count, err));
    }
    SNUG_TRY_DONE(copy_choice(p, choice, arena, &program, err));
    SNUG_TRY_DONE(allocate(&a, loops, loop_count, arena, err));
    SNUG_TRY_DONE(add_persistent(&a, err));
    program.loop_count = loop_count;
    program.update_first_loop = snug_plan_trains(p->mode) ? loop_count - 1 : loop_count;
    for (int32_t l = 0; l < loop_count; l++) {
        SNUG_TRY_DONE(write_loop(&a, &loops[l], l, err));
    }
    *out = program;

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}
