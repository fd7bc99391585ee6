#include "plan/buffers.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/hash.h"

/* How much larger a dying buffer may be than the one that takes its storage over; 0: never. */
enum { RATIOS = 4 };
static const int64_t take_over_ratios[RATIOS] = {0, 1, 2, 64};

static bool many_turns(const snug_program *program, const snug_plan_loop *loop)
{
    return loop->tile > 0 && loop->tile < program->micro_batch;
}

static void touch(snug_plan_buffer *buffer, int32_t first, int32_t last)
{
    buffer->first = first < buffer->first ? first : buffer->first;
    buffer->last = last > buffer->last ? last : buffer->last;
}

/* One operand of one call. What a loop shares between its turns lives through all of them. */
static void touch_operand(snug_program *program, const snug_plan_loop *loop, int32_t call,
                          int32_t index)
{
    if (index < 0) {
        return;
    }
    snug_plan_buffer *buffer = &program->buffers[index];
    const bool inside_turn =
        buffer->tensor < 0 || (buffer->samples > 0 && !buffer->whole && !buffer->global);
    if (inside_turn || !many_turns(program, loop)) {
        touch(buffer, call, call);
    } else {
        touch(buffer, loop->first_call, loop->first_call + loop->call_count - 1);
    }
}

/* What is added to is zeroed before the loop of its first addition, and lives from there. */
static void touch_accumulated(const snug_plan_problem *p, snug_program *program, int32_t loop,
                              int32_t call)
{
    const snug_plan_call *c = &program->calls[call];
    const snug_node *node = &p->graph->nodes[c->node];
    for (int32_t o = 0; o < node->output_count; o++) {
        if (c->outputs[o] < 0 || !snug_problem_accumulates(node, o)) {
            continue;
        }
        snug_plan_buffer *buffer = &program->buffers[c->outputs[o]];
        if (buffer->zero_loop < 0) {
            buffer->zero_loop = loop;
        }
        touch(buffer, program->loops[loop].first_call, call);
    }
}

snug_status snug_buffers_lifetimes(const snug_plan_problem *problem, snug_program *program,
                                   snug_error *err)
{
    const int32_t end = (int32_t)program->call_count - 1;
    const bool many_micros = program->micro_batch < program->batch;
    for (int32_t l = 0; l < program->loop_count; l++) {
        const snug_plan_loop *loop = &program->loops[l];
        for (int32_t c = loop->first_call; c < loop->first_call + loop->call_count; c++) {
            for (int32_t i = 0; i < SNUG_NODE_INPUTS_MAX; i++) {
                touch_operand(program, loop, c, program->calls[c].inputs[i]);
            }
            for (int32_t o = 0; o < SNUG_NODE_OUTPUTS_MAX; o++) {
                touch_operand(program, loop, c, program->calls[c].outputs[o]);
            }
            touch_operand(program, loop, c, program->calls[c].scratch);
            touch_accumulated(problem, program, l, c);
        }
    }
    for (int64_t b = 0; b < program->buffer_count; b++) {
        snug_plan_buffer *buffer = &program->buffers[b];
        const bool gradient = buffer->category == SNUG_CATEGORY_GRADIENTS;
        if (buffer->persistent) {
            touch(buffer, 0, end);
        } else if (buffer->last < 0) {
            return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "a planned buffer has no use");
        }
        if ((buffer->global || gradient) && many_micros) {
            touch(buffer, 0, buffer->last);
        }
        /* Who reads the loss, and gradients that no update reads, is outside the program. */
        if ((buffer->global || gradient) && !problem->updated[buffer->tensor]) {
            touch(buffer, buffer->first, end);
        }
    }
    return SNUG_OK;
}

/* Storage: a set of buffers, one after the other in time, at one offset. */
typedef struct layout {
    const snug_plan_problem *problem;
    snug_program *program;
    int32_t *storage; /* [buffer] The buffer that stands for its storage. */
    int64_t *bytes;   /* [buffer] Of the storage it stands for. */
    int32_t *first, *last;
    int32_t *raw_first, *raw_last; /* [buffer] Calls of the first and last access, loops ignored. */
    int32_t *raw_first_loop, *raw_last_loop;
    int32_t *wholes; /* The whole buffers. */
    int32_t whole_count;
    bool *taken; /* [buffer] Another buffer took its storage over. */
    bool *given; /* [buffer] It took storage over. */
    snug_extent *extents;
    int32_t *extent_of; /* [buffer] */
    int64_t *best_offset;
} layout;

static snug_status layout_init(layout *w, const snug_plan_problem *problem, snug_program *program,
                               snug_arena *arena, snug_error *err)
{
    const int64_t n = program->buffer_count;
    void *memory = NULL;
    *w = (layout){.problem = problem, .program = program};
    SNUG_TRY(snug_arena_array(arena, 9 * n, (int64_t)sizeof(int32_t), &memory, err));
    w->storage = memory;
    w->first = w->storage + n;
    w->last = w->first + n;
    w->raw_first = w->last + n;
    w->raw_last = w->raw_first + n;
    w->raw_first_loop = w->raw_last + n;
    w->raw_last_loop = w->raw_first_loop + n;
    w->extent_of = w->raw_last_loop + n;
    w->wholes = w->extent_of + n;
    for (int32_t b = 0; b < n; b++) {
        if (program->buffers[b].whole) {
            w->wholes[w->whole_count++] = b;
        }
    }
    SNUG_TRY(snug_arena_array(arena, 2 * n, (int64_t)sizeof(int64_t), &memory, err));
    w->bytes = memory;
    w->best_offset = w->bytes + n;
    SNUG_TRY(snug_arena_array(arena, 2 * n, (int64_t)sizeof(bool), &memory, err));
    w->taken = memory;
    w->given = w->taken + n;
    SNUG_TRY(snug_arena_array(arena, n, (int64_t)sizeof(snug_extent), &memory, err));
    w->extents = memory;
    return SNUG_OK;
}

static void note_access(layout *w, int32_t loop, int32_t call, int32_t buffer)
{
    if (buffer < 0) {
        return;
    }
    if (w->raw_first[buffer] < 0) {
        w->raw_first[buffer] = call;
        w->raw_first_loop[buffer] = loop;
    }
    w->raw_last[buffer] = call;
    w->raw_last_loop[buffer] = loop;
}

static void note_accesses(layout *w)
{
    const snug_program *program = w->program;
    for (int64_t b = 0; b < program->buffer_count; b++) {
        w->raw_first[b] = -1;
        w->raw_last[b] = -1;
    }
    for (int32_t l = 0; l < program->loop_count; l++) {
        const snug_plan_loop *loop = &program->loops[l];
        for (int32_t c = loop->first_call; c < loop->first_call + loop->call_count; c++) {
            for (int32_t i = 0; i < SNUG_NODE_INPUTS_MAX; i++) {
                note_access(w, l, c, program->calls[c].inputs[i]);
            }
            for (int32_t o = 0; o < SNUG_NODE_OUTPUTS_MAX; o++) {
                note_access(w, l, c, program->calls[c].outputs[o]);
            }
            note_access(w, l, c, program->calls[c].scratch);
        }
    }
}

static bool is_movable(const snug_plan_buffer *b)
{
    return b->samples > 0 && !b->persistent && !b->global;
}

/* Bytes of a sample: the stride of a whole buffer. */
static int64_t stride_of(const layout *w, const snug_plan_buffer *b)
{
    const snug_node_id producer = w->problem->producer[b->tensor];
    return snug_problem_bytes(w->problem, w->program->variants[producer], b->tensor);
}

/* Whether `later` may lie where `earlier` lay; its calls are known to come after. */
static bool may_take(const layout *w, int32_t earlier, int32_t later, int64_t ratio)
{
    const snug_plan_buffer *a = &w->program->buffers[earlier];
    const snug_plan_buffer *b = &w->program->buffers[later];
    if (!is_movable(a) || !is_movable(b) || w->taken[earlier] || w->given[later] ||
        a->whole != b->whole || a->samples != b->samples) {
        return false;
    }
    /* Tile by tile, a whole buffer must not run ahead into samples not yet read. */
    const int64_t stride_a = stride_of(w, a);
    const int64_t stride_b = stride_of(w, b);
    return stride_b <= stride_a && stride_a <= stride_b * ratio && b->bytes <= a->bytes &&
           w->bytes[w->storage[earlier]] <= b->bytes * ratio;
}

static void take(layout *w, int32_t earlier, int32_t later)
{
    const int32_t root = w->storage[earlier];
    w->taken[earlier] = true;
    w->given[later] = true;
    w->storage[later] = root;
    w->first[root] = w->first[later] < w->first[root] ? w->first[later] : w->first[root];
    w->last[root] = w->last[later] > w->last[root] ? w->last[later] : w->last[root];
}

/* Outputs over inputs that die in the same call, where the op allows it. */
static void merge_inplace(layout *w, int32_t call, int64_t ratio)
{
    const snug_plan_call *c = &w->program->calls[call];
    const snug_node *node = &w->problem->graph->nodes[c->node];
    for (int32_t o = 0; o < node->output_count; o++) {
        const int32_t slot = w->problem->inplace[c->node * SNUG_NODE_OUTPUTS_MAX + o];
        const int32_t later = c->outputs[o];
        const int32_t earlier = slot >= 0 ? c->inputs[slot] : -1;
        if (later < 0 || earlier < 0 || earlier == later || w->raw_last[earlier] != call ||
            w->raw_first[later] != call) {
            continue;
        }
        int32_t uses = 0;
        for (int32_t i = 0; i < node->input_count; i++) {
            uses += c->inputs[i] == earlier ? 1 : 0;
        }
        if (uses == 1 && may_take(w, earlier, later, ratio)) {
            take(w, earlier, later);
        }
    }
}

/* A whole buffer that a loop fills, over one that the loop empties: tile by tile. */
static void merge_tilewise(layout *w, int32_t loop, int64_t ratio)
{
    const snug_program *program = w->program;
    for (int32_t k = 0; k < w->whole_count; k++) {
        const int32_t b = w->wholes[k];
        int32_t best = -1;
        if (w->given[b] || w->raw_first_loop[b] != loop) {
            continue;
        }
        for (int32_t i = 0; i < w->whole_count; i++) {
            const int32_t a = w->wholes[i];
            if (a != b && w->raw_last_loop[a] == loop && w->raw_last[a] < w->raw_first[b] &&
                may_take(w, a, b, ratio) &&
                (best < 0 || program->buffers[a].bytes < program->buffers[best].bytes)) {
                best = a;
            }
        }
        if (best >= 0) {
            take(w, best, b);
        }
    }
}

/* Merges under one ratio and lists the storages. */
static int64_t list_storages(layout *w, int64_t ratio)
{
    const snug_program *program = w->program;
    int64_t count = 0;
    for (int32_t b = 0; b < program->buffer_count; b++) {
        w->storage[b] = b;
        w->bytes[b] = program->buffers[b].bytes;
        w->first[b] = program->buffers[b].first;
        w->last[b] = program->buffers[b].last;
        w->taken[b] = false;
        w->given[b] = false;
    }
    for (int32_t l = 0; l < program->loop_count && ratio > 0; l++) {
        const snug_plan_loop *loop = &program->loops[l];
        for (int32_t c = loop->first_call; c < loop->first_call + loop->call_count; c++) {
            merge_inplace(w, c, ratio);
        }
        if (many_turns(program, loop)) {
            merge_tilewise(w, l, ratio);
        }
    }
    for (int32_t b = 0; b < program->buffer_count; b++) {
        if (!program->buffers[b].persistent && w->storage[b] == b) {
            w->extent_of[b] = (int32_t)count;
            w->extents[count++] = (snug_extent){.bytes = w->bytes[b] + program->canary_bytes,
                                                .first = w->first[b],
                                                .last = w->last[b]};
        }
    }
    return count;
}

/* Takes over the offsets of the storages as they lie now. */
static void keep_offsets(layout *w)
{
    const snug_program *program = w->program;
    for (int64_t b = 0; b < program->buffer_count; b++) {
        w->best_offset[b] =
            program->buffers[b].persistent
                ? program->buffers[b].offset
                : program->persistent_bytes + w->extents[w->extent_of[w->storage[b]]].offset;
    }
}

/* Names a list of extents: equal lists are packed alike. */
static uint64_t hash_extents(const layout *w, int64_t count)
{
    uint64_t hash = (uint64_t)count;
    for (int64_t i = 0; i < count; i++) {
        const snug_extent *e = &w->extents[i];
        hash = snug_hash64_mix(hash, (uint64_t)e->bytes);
        hash = snug_hash64_mix(hash, (uint64_t)e->first << 32 | (uint64_t)e->last);
    }
    return hash;
}

/* Packs under the ratios whose bound could still win, the most promising first. */
static snug_status pack(layout *w, const int64_t *bounds, snug_packing_effort effort,
                        snug_arena *scratch, int64_t *out_bytes, snug_error *err)
{
    bool tried[RATIOS] = {false};
    uint64_t packed[RATIOS];
    int64_t best_bytes = INT64_MAX;
    const int32_t turns = effort == SNUG_PACKING_QUICK ? 2 : RATIOS;
    for (int32_t turn = 0; turn < turns; turn++) {
        int32_t next = -1;
        int64_t bytes = 0;
        for (int32_t r = 0; r < RATIOS; r++) {
            next = !tried[r] && (next < 0 || bounds[r] < bounds[next]) ? r : next;
        }
        tried[next] = true;
        if (bounds[next] >= best_bytes) {
            break;
        }
        const int64_t count = list_storages(w, take_over_ratios[next]);
        packed[turn] = hash_extents(w, count);
        bool again = false;
        for (int32_t k = 0; k < turn; k++) {
            again = again || packed[k] == packed[turn];
        }
        if (again) {
            continue;
        }
        SNUG_TRY(snug_offsets_pack(w->extents, count, effort, scratch, &bytes, err));
        if (bytes < best_bytes) {
            best_bytes = bytes;
            keep_offsets(w);
        }
    }
    *out_bytes = best_bytes;
    return SNUG_OK;
}

snug_status snug_buffers_layout(const snug_plan_problem *problem, snug_packing_effort effort,
                                snug_arena *scratch, snug_program *program, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(scratch);
    layout w;
    int64_t bounds[RATIOS];
    int64_t bytes = INT64_MAX;
    int64_t bound = INT64_MAX;
    SNUG_TRY_DONE(layout_init(&w, problem, program, scratch, err));
    note_accesses(&w);
    for (int32_t r = 0; r < RATIOS; r++) {
        const int64_t count = list_storages(&w, take_over_ratios[r]);
        SNUG_TRY_DONE(snug_offsets_bound(w.extents, count, scratch, &bounds[r], err));
        bound = snug_min_i64(bound, bounds[r]);
    }
    if (effort == SNUG_PACKING_NONE) {
        bytes = bound;
    } else {
        SNUG_TRY_DONE(pack(&w, bounds, effort, scratch, &bytes, err));
        for (int64_t b = 0; b < program->buffer_count; b++) {
            program->buffers[b].offset = w.best_offset[b];
        }
    }
    program->arena_bytes = program->persistent_bytes + bytes;
    program->live_bytes_max = program->persistent_bytes + bound;

done:
    snug_arena_rewind(scratch, start);
    return status;
}
