#include "plan/segments.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "plan/alike.h"

/* Working memory of the measuring, per tensor. */
typedef struct measure {
    snug_emitter *e;
    const snug_plan_problem *p;
    snug_segments *out;
    snug_arena *arena;
    snug_tensor_id *boundary; /* [stage + 1] The only tensor between stages, or -1. */
    int32_t *forward_stage;   /* [tensor] Of its producer; -1. */
    int32_t *lowest_reader;   /* [tensor] BACKWARD: lowest stage that reads it. */
    int32_t *gradient_stage;  /* [tensor] GRADIENT: highest stage that adds to it. */
    int32_t *gradient_end; /* [tensor] GRADIENT: it dies behind the backward pass of this stage. */
    bool *held;            /* [tensor] Wanted by the backward loop at hand. */
    int32_t *last_use;     /* [tensor] Position in the loop at hand. */
    int32_t *first_write;  /* [tensor] */
    int64_t *alive;        /* [position] Bytes a sample at it. */
    snug_alike alike;
    uint64_t *keys;    /* [stage * stages + stage] Of the segments so far. */
    int64_t gradients; /* Alive in the backward loop of the segment at hand. */
} measure;

static int64_t each(const measure *m, int32_t variant, snug_tensor_id t)
{
    const int32_t owner = m->p->producer[t];
    const int32_t count = m->p->variants_of[owner];
    return snug_problem_bytes(m->p, variant < count ? variant : count - 1, t);
}

static int32_t clamp_variant(const measure *m, int32_t variant, int32_t node)
{
    const int32_t count = m->p->variants_of[node];
    return variant < count ? variant : count - 1;
}

static snug_status measure_init(measure *m, snug_emitter *e, snug_segments *out, snug_arena *arena,
                                snug_error *err)
{
    void *memory = NULL;
    const snug_plan_problem *p = e->problem;
    const int64_t tensors = p->tensor_count;
    *m = (measure){.e = e, .p = p, .out = out, .arena = arena};
    SNUG_TRY(snug_arena_array(arena, 6 * tensors + p->stage_count + 1, (int64_t)sizeof(int32_t),
                              &memory, err));
    m->forward_stage = memory;
    m->lowest_reader = m->forward_stage + tensors;
    m->gradient_stage = m->lowest_reader + tensors;
    m->last_use = m->gradient_stage + tensors;
    m->first_write = m->last_use + tensors;
    m->gradient_end = m->first_write + tensors;
    m->boundary = m->gradient_end + tensors;
    SNUG_TRY(snug_arena_array(arena, tensors, (int64_t)sizeof(bool), &memory, err));
    m->held = memory;
    SNUG_TRY(snug_arena_array(arena, p->node_count, (int64_t)sizeof(int64_t), &memory, err));
    m->alive = memory;
    for (int32_t t = 0; t < p->tensor_count; t++) {
        m->forward_stage[t] = p->producer[t] >= 0 ? p->stage[p->producer[t]] : -1;
        m->lowest_reader[t] = INT32_MAX;
        m->gradient_stage[t] = -1;
        m->gradient_end[t] = p->updated[t] ? p->stage_count - 1 : -1;
    }
    for (int32_t n = 0; n < p->node_count; n++) {
        const snug_node *node = &p->graph->nodes[n];
        for (int32_t i = 0; i < node->input_count && p->active[n] && p->stage[n] >= 0; i++) {
            const snug_tensor_id t = node->inputs[i];
            if (t >= 0 && p->stage[n] < m->lowest_reader[t]) {
                m->lowest_reader[t] = p->stage[n];
            }
        }
        const bool update = p->active[n] && node->phase == SNUG_PHASE_UPDATE;
        for (int32_t i = 0; i < node->input_count && update; i++) {
            const snug_tensor_id t = node->inputs[i];
            if (t >= 0 && p->release_stage[n] < m->gradient_end[t]) {
                m->gradient_end[t] = p->release_stage[n];
            }
        }
        for (int32_t o = 0; o < node->output_count && p->active[n]; o++) {
            const snug_tensor_id t = node->outputs[o];
            if (t >= 0 && p->place[t] == SNUG_PLACE_GRADIENT &&
                p->stage[n] > m->gradient_stage[t]) {
                m->gradient_stage[t] = p->stage[n];
            }
        }
    }
    return SNUG_OK;
}

static bool is_source_tensor(const measure *m, snug_tensor_id t)
{
    return (m->p->graph->nodes[m->p->producer[t]].op->flags & SNUG_OP_SOURCE) != 0;
}

/* The one forward tensor that crosses each cut; sources are read again or kept by themselves. */
static void find_boundaries(measure *m)
{
    const snug_plan_problem *p = m->p;
    for (int32_t cut = 0; cut <= p->stage_count; cut++) {
        int32_t count = 0;
        m->boundary[cut] = -1;
        for (int32_t t = 0; t < p->tensor_count; t++) {
            if (p->place[t] == SNUG_PLACE_FORWARD && m->forward_stage[t] < cut &&
                p->last_stage[t] >= cut && !is_source_tensor(m, t)) {
                m->boundary[cut] = t;
                count++;
            }
        }
        m->boundary[cut] = count == 1 ? m->boundary[cut] : -1;
        m->out->boundary_each[cut] = count == 1 ? each(m, 0, m->boundary[cut]) : 0;
    }
}

/* Bytes that live through the whole program. */
static void add_fixed(measure *m)
{
    const snug_plan_problem *p = m->p;
    for (int32_t t = 0; t < p->tensor_count; t++) {
        const int64_t bytes = snug_align_up(snug_problem_bytes(p, 0, t), SNUG_ALIGN);
        if (p->place[t] == SNUG_PLACE_PERSISTENT) {
            m->out->persistent_bytes += bytes;
        } else if (p->place[t] == SNUG_PLACE_GRADIENT) {
            const int64_t gradient = snug_problem_gradient_bytes(p, t);
            m->out->gradients_bytes += gradient;
            m->out->held_bytes +=
                m->gradient_stage[t] >= 0 && m->gradient_end[t] <= 0 ? gradient : 0;
        } else if (p->place[t] == SNUG_PLACE_GLOBAL) {
            m->out->loss_bytes += bytes * p->batch;
        }
    }
    m->out->persistent_bytes = snug_max_i64(m->out->persistent_bytes, p->persistent_bytes_min);
}

/* Whether tensor `t` lives in a buffer of one tile in this loop. */
static bool is_local(const measure *m, const snug_emit_loop *loop, snug_tensor_id t)
{
    const uint8_t place = m->p->place[t];
    if ((place != SNUG_PLACE_FORWARD && place != SNUG_PLACE_BACKWARD) ||
        snug_emit_reads_whole(m->e, loop, t)) {
        return false;
    }
    return !(m->e->whole[t] && snug_emit_native(m->e, loop, m->p->producer[t]));
}

static void note_positions(measure *m, const snug_emit_loop *loop)
{
    for (int32_t c = 0; c < loop->count; c++) {
        const snug_node *node = &m->p->graph->nodes[m->e->nodes[loop->first + c]];
        for (int32_t i = 0; i < node->input_count; i++) {
            if (node->inputs[i] >= 0) {
                m->last_use[node->inputs[i]] = c;
            }
        }
        for (int32_t o = 0; o < node->output_count; o++) {
            if (node->outputs[o] >= 0) {
                m->last_use[node->outputs[o]] = -1;
                m->first_write[node->outputs[o]] = c;
            }
        }
    }
}

/* Bytes a sample at every position; outputs over dying inputs are counted once. */
static void sweep(measure *m, const snug_emit_loop *loop, int32_t variant)
{
    int64_t live = 0;
    for (int32_t c = 0; c < loop->count; c++) {
        const int32_t n = m->e->nodes[loop->first + c];
        const snug_node *node = &m->p->graph->nodes[n];
        int64_t shared = 0;
        int64_t brief = 0;
        for (int32_t o = 0; o < node->output_count; o++) {
            const snug_tensor_id t = node->outputs[o];
            if (t < 0 || !is_local(m, loop, t)) {
                continue;
            }
            const int64_t bytes = each(m, variant, t);
            const int32_t slot = m->p->inplace[n * SNUG_NODE_OUTPUTS_MAX + o];
            const snug_tensor_id in = slot >= 0 ? node->inputs[slot] : -1;
            if (m->last_use[t] < 0) {
                brief += o == 0 ? bytes : 0; /* Nobody reads it here. */
                continue;
            }
            live += bytes;
            if (in >= 0 && is_local(m, loop, in) && m->last_use[in] == c &&
                each(m, variant, in) >= bytes) {
                shared += bytes;
            }
        }
        m->alive[c] = live - shared + brief;
        for (int32_t i = 0; i < node->input_count; i++) {
            const snug_tensor_id t = node->inputs[i];
            bool again = false;
            for (int32_t k = 0; k < i; k++) {
                again = again || node->inputs[k] == t;
            }
            if (t >= 0 && !again && is_local(m, loop, t) && m->last_use[t] == c) {
                live -= each(m, variant, t);
            }
        }
    }
}

static snug_status measure_loop(measure *m, const snug_emit_loop *loop, int32_t variant,
                                snug_segment_loop *out, snug_error *err)
{
    const snug_plan_problem *p = m->p;
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(m->arena, p->tile_count, (int64_t)sizeof(int64_t), &memory, err));
    *out = (snug_segment_loop){.bytes = memory, .group = 1};
    SNUG_TRY(snug_arena_array(m->arena, p->tile_count, (int64_t)sizeof(double), &memory, err));
    out->seconds = memory;
    note_positions(m, loop);
    sweep(m, loop, variant);
    for (int32_t c = 0; c < loop->count; c++) {
        const int32_t n = m->e->nodes[loop->first + c];
        const int64_t group = p->group[n];
        out->group = group > 1 && out->group % group != 0
                         ? (group % out->group == 0 ? group : out->group * group)
                         : out->group;
        out->tied = out->tied || p->tied[n];
        for (int32_t k = 0; k < p->tile_count; k++) {
            const int64_t at = snug_problem_at(p, clamp_variant(m, variant, n), n, k);
            const int64_t bytes =
                m->alive[c] * p->tiles[k] + snug_align_up(p->scratch[at], SNUG_ALIGN);
            out->bytes[k] = snug_max_i64(out->bytes[k], bytes);
            out->seconds[k] += p->seconds[at];
        }
    }
    return SNUG_OK;
}

/* Activation gradients that enter or leave the backward loop of stages i..j. */
static int64_t gradients_between(const measure *m, int32_t i, int32_t j, int32_t variant)
{
    const snug_plan_problem *p = m->p;
    int64_t total = 0;
    int64_t largest_dead = 0; /* Whole, read here, dead before the first output is written. */
    int64_t leaving = 0;
    int32_t first_leaving = INT32_MAX;
    for (int32_t t = 0; t < p->tensor_count; t++) {
        if (p->place[t] == SNUG_PLACE_BACKWARD && m->forward_stage[t] >= i &&
            m->forward_stage[t] <= j && m->lowest_reader[t] < i) {
            leaving = snug_max_i64(leaving, each(m, variant, t));
            first_leaving = m->first_write[t] < first_leaving ? m->first_write[t] : first_leaving;
        }
    }
    for (int32_t t = 0; t < p->tensor_count; t++) {
        if (p->place[t] != SNUG_PLACE_BACKWARD) {
            if (p->place[t] == SNUG_PLACE_FORWARD && m->held[t] && m->forward_stage[t] >= i &&
                m->last_use[t] < first_leaving) {
                largest_dead = snug_max_i64(largest_dead, each(m, variant, t));
            }
            continue;
        }
        const bool enters = m->forward_stage[t] > j && m->lowest_reader[t] <= j;
        const bool leaves = m->forward_stage[t] >= i && m->lowest_reader[t] < i;
        if (enters || leaves) {
            total += each(m, variant, t);
        }
        if (enters && m->lowest_reader[t] >= i && m->last_use[t] < first_leaving) {
            largest_dead = snug_max_i64(largest_dead, each(m, variant, t));
        }
    }
    /* What leaves may lie over what died, tile by tile. */
    return leaving > 0 && largest_dead >= leaving ? total - leaving : total;
}

/* Of one micro-batch: with more, all gradients live all the time. */
static int64_t gradients_alive(const measure *m, int32_t i, int32_t j)
{
    int64_t total = 0;
    for (int32_t t = 0; t < m->p->tensor_count; t++) {
        if (m->p->place[t] == SNUG_PLACE_GRADIENT && m->gradient_stage[t] >= i &&
            m->gradient_end[t] <= j) {
            total += snug_problem_gradient_bytes(m->p, t);
        }
    }
    return total;
}

/* What the forward loop leaves: wanted by backward, or by later segments beside the boundary. */
static void measure_kept(measure *m, int32_t i, int32_t j, snug_segment_option *o)
{
    const snug_plan_problem *p = m->p;
    const snug_tensor_id before = m->boundary[i];
    const snug_tensor_id behind = m->boundary[j + 1];
    for (int32_t t = 0; t < p->tensor_count; t++) {
        if (p->place[t] != SNUG_PLACE_FORWARD || m->forward_stage[t] < i ||
            m->forward_stage[t] > j) {
            continue;
        }
        const bool crosses = p->last_stage[t] > j && !is_source_tensor(m, t);
        if (m->held[t] || (crosses && t != behind)) {
            o->kept_each += each(m, o->variant, t);
            o->output_kept = o->output_kept || t == behind;
        }
    }
    o->input_needed = before >= 0 && (m->held[before] || p->last_stage[before] > j);
}

/* One option of one segment, from scratch. */
static snug_status measure_option(measure *m, int32_t i, int32_t j, snug_segment_option *o,
                                  bool *reads_again, snug_error *err)
{
    const snug_plan_problem *p = m->p;
    const bool train = snug_plan_trains(p->mode);
    const bool fused = o->mode == SNUG_KEEP_FUSED && train;
    const snug_plan_segment segment = {.stage_first = i,
                                       .stage_last = j,
                                       .mode = o->mode,
                                       .keep_sources = o->keep_sources,
                                       .variant = o->variant};
    memset(m->e->whole, 0, (size_t)p->tensor_count * sizeof *m->e->whole);
    memset(m->held, 0, (size_t)p->tensor_count * sizeof *m->held);
    memset(m->e->hold, SNUG_HOLD_THROUGH, (size_t)p->tensor_count);
    for (int32_t t = 0; t < p->tensor_count; t++) {
        if (p->place[t] == SNUG_PLACE_FORWARD && is_source_tensor(m, t)) {
            m->e->hold[t] = SNUG_HOLD_NO; /* Of other segments: assume it is read again. */
        }
        if (p->place[t] == SNUG_PLACE_BACKWARD && m->lowest_reader[t] < i) {
            m->e->whole[t] = true; /* Later loops read it. */
        }
    }
    snug_emit_hold_segment(m->e, &segment);
    m->e->node_count = 0;
    *reads_again = false;
    if (train && !fused) {
        snug_emit_loop loop = {.kind = SNUG_LOOP_BACKWARD, .stage_first = i, .stage_last = j};
        SNUG_TRY(snug_emit_loop_nodes(m->e, &loop, err));
        for (int32_t c = 0; c < loop.count; c++) {
            const int32_t n = m->e->nodes[loop.first + c];
            *reads_again = *reads_again || ((p->graph->nodes[n].op->flags & SNUG_OP_SOURCE) != 0 &&
                                            p->stage[n] >= i && p->stage[n] <= j);
        }
        for (int32_t t = 0; t < p->tensor_count; t++) {
            m->held[t] = m->e->whole[t] && p->place[t] == SNUG_PLACE_FORWARD;
        }
        o->has_backward = true;
        SNUG_TRY(measure_loop(m, &loop, o->variant, &o->backward, err));
        o->gradient_each = gradients_between(m, i, j, o->variant);
    }
    for (int32_t t = 0; t < p->tensor_count; t++) {
        if (p->place[t] == SNUG_PLACE_FORWARD && p->last_stage[t] > j && !is_source_tensor(m, t)) {
            m->e->whole[t] = true;
        }
    }
    snug_emit_loop loop = {
        .kind = fused ? SNUG_LOOP_FUSED : SNUG_LOOP_FORWARD, .stage_first = i, .stage_last = j};
    SNUG_TRY(snug_emit_loop_nodes(m->e, &loop, err));
    SNUG_TRY(measure_loop(m, &loop, o->variant, &o->forward, err));
    if (fused) {
        o->gradient_each = gradients_between(m, i, j, o->variant);
    } else {
        measure_kept(m, i, j, o);
    }
    o->gradients = m->gradients;
    return SNUG_OK;
}

static bool loop_no_better(const snug_plan_problem *p, const snug_segment_loop *a,
                           const snug_segment_loop *b)
{
    bool no_better = a->group >= b->group && (a->tied || !b->tied);
    for (int32_t k = 0; k < p->tile_count && no_better; k++) {
        no_better = a->bytes[k] >= b->bytes[k] && a->seconds[k] >= b->seconds[k];
    }
    return no_better;
}

/* Option `a` is never better than `b`. */
static bool no_better(const snug_plan_problem *p, const snug_segment_option *a,
                      const snug_segment_option *b)
{
    return a->kept_each >= b->kept_each && a->gradient_each >= b->gradient_each &&
           a->gradients >= b->gradients && (a->input_needed || !b->input_needed) &&
           a->output_kept == b->output_kept && a->has_backward == b->has_backward &&
           loop_no_better(p, &a->forward, &b->forward) &&
           (!a->has_backward || loop_no_better(p, &a->backward, &b->backward));
}

static snug_status add_option(measure *m, int32_t i, int32_t j, snug_keep_mode mode,
                              bool keep_sources, int32_t variant, bool *reads_again,
                              snug_error *err)
{
    snug_segments *out = m->out;
    const snug_mark start = snug_arena_mark(m->arena);
    snug_segment_option option = {.mode = mode, .keep_sources = keep_sources, .variant = variant};
    SNUG_TRY(measure_option(m, i, j, &option, reads_again, err));
    const int64_t k = (int64_t)i * m->p->stage_count + j;
    for (int32_t o = out->first[k]; o < out->option_count; o++) {
        if (no_better(m->p, &option, &out->options[o])) {
            snug_arena_rewind(m->arena, start);
            return SNUG_OK;
        }
    }
    if (out->option_count >= out->option_capacity) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a plan has too many segments to choose from");
    }
    out->options[out->option_count++] = option;
    return SNUG_OK;
}

static int32_t variants_between(const snug_plan_problem *p, int32_t i, int32_t j)
{
    int32_t count = 1;
    for (int32_t n = 0; n < p->node_count; n++) {
        if (p->active[n] && p->stage[n] >= i && p->stage[n] <= j && p->variants_of[n] > count) {
            count = p->variants_of[n];
        }
    }
    return count;
}

/* Options of an earlier segment of the same form; false: there is none. What loops take is shared.
 */
static bool copy_alike(measure *m, int32_t i, int32_t j)
{
    snug_segments *out = m->out;
    const int32_t n = m->p->stage_count;
    const uint64_t key = m->keys[i * n + j];
    for (int32_t s = 0; s < i; s++) {
        const int32_t k = s * n + s + j - i;
        if (m->keys[k] != key) {
            continue;
        }
        for (int32_t o = out->first[k]; o < out->first[k + 1]; o++) {
            out->options[out->option_count] = out->options[o];
            out->options[out->option_count++].gradients = m->gradients;
        }
        return true;
    }
    return false;
}

static snug_status measure_segment(measure *m, int32_t i, int32_t j, bool share, snug_error *err)
{
    const snug_plan_problem *p = m->p;
    m->gradients = gradients_alive(m, i, j);
    if (share && copy_alike(m, i, j)) {
        return SNUG_OK;
    }
    const bool train = snug_plan_trains(p->mode);
    const bool fused = train && j == p->stage_count - 1;
    const int32_t variants = variants_between(p, i, j);
    bool reads_again = false;
    for (int32_t v = 0; v < variants; v++) {
        if (fused || !train) {
            SNUG_TRY(add_option(m, i, j, fused ? SNUG_KEEP_FUSED : SNUG_KEEP_NONE, false, v,
                                &reads_again, err));
            continue;
        }
        for (int32_t mode = SNUG_KEEP_ALL; mode <= SNUG_KEEP_NONE; mode++) {
            SNUG_TRY(add_option(m, i, j, (snug_keep_mode)mode, false, v, &reads_again, err));
            if (reads_again) {
                SNUG_TRY(add_option(m, i, j, (snug_keep_mode)mode, true, v, &reads_again, err));
            }
        }
    }
    return SNUG_OK;
}

snug_status snug_segments_measure(snug_emitter *emitter, bool share, snug_arena *arena,
                                  snug_segments *out, snug_error *err)
{
    const snug_plan_problem *p = emitter->problem;
    const int64_t n = p->stage_count;
    measure m;
    void *memory = NULL;
    *out = (snug_segments){.problem = p};
    SNUG_TRY(snug_arena_array(arena, n * n + 1, (int64_t)sizeof(int32_t), &memory, err));
    out->first = memory;
    SNUG_TRY(snug_arena_array(arena, n + 1, (int64_t)sizeof(int64_t), &memory, err));
    out->boundary_each = memory;
    for (int32_t i = 0; i < n; i++) {
        for (int32_t j = i; j < n; j++) {
            out->option_capacity += 6 * variants_between(p, i, j);
        }
    }
    SNUG_TRY(snug_arena_array(arena, out->option_capacity, (int64_t)sizeof(snug_segment_option),
                              &memory, err));
    out->options = memory;
    SNUG_TRY(measure_init(&m, emitter, out, arena, err));
    find_boundaries(&m);
    add_fixed(&m);
    SNUG_TRY(snug_alike_init(&m.alike, p, m.lowest_reader, m.boundary, arena, err));
    SNUG_TRY(snug_arena_array(arena, n * n, (int64_t)sizeof(uint64_t), &memory, err));
    m.keys = memory;
    for (int32_t i = 0; i < n; i++) {
        uint64_t inner = 0;
        for (int32_t j = 0; j < n; j++) {
            out->first[i * n + j] = out->option_count;
            if (j >= i) {
                inner = snug_alike_grow(&m.alike, inner, i, j);
                m.keys[i * n + j] = snug_alike_key(&m.alike, i, j, inner);
                SNUG_TRY(measure_segment(&m, i, j, share, err));
            }
        }
    }
    out->first[n * n] = out->option_count;
    return SNUG_OK;
}

snug_status snug_segments_adapt(const snug_segments *like, snug_emitter *emitter, snug_arena *arena,
                                snug_segments *out, snug_error *err)
{
    const int32_t n = emitter->problem->stage_count;
    measure m;
    void *memory = NULL;
    SNUG_ASSERT(n == like->problem->stage_count &&
                emitter->problem->tile_count == like->problem->tile_count);
    SNUG_TRY(snug_arena_array(arena, like->option_count, (int64_t)sizeof(snug_segment_option),
                              &memory, err));
    *out = (snug_segments){.problem = emitter->problem,
                           .options = memory,
                           .option_count = like->option_count,
                           .option_capacity = like->option_count,
                           .first = like->first,
                           .boundary_each = like->boundary_each};
    memcpy(out->options, like->options, (size_t)like->option_count * sizeof *out->options);
    SNUG_TRY(measure_init(&m, emitter, out, arena, err));
    add_fixed(&m);
    for (int32_t i = 0; i < n; i++) {
        for (int32_t j = i; j < n; j++) {
            const int64_t gradients = gradients_alive(&m, i, j);
            for (int32_t o = out->first[i * n + j]; o < out->first[i * n + j + 1]; o++) {
                out->options[o].gradients = gradients;
            }
        }
    }
    return SNUG_OK;
}

/* Tiles that a loop may have; returns their number. */
static int32_t fill_tiles(const snug_segments *s, const snug_segment_loop *loop, int64_t micro,
                          snug_chain_tile *out)
{
    const snug_plan_problem *p = s->problem;
    int32_t count = 0;
    for (int32_t k = 0; k < p->tile_count; k++) {
        const int64_t tile = p->tiles[k];
        const bool fits = tile == micro || (tile < micro && tile % loop->group == 0);
        const bool whole = tile == micro && micro == p->batch;
        if (fits && (whole || !loop->tied)) {
            out[count++] =
                (snug_chain_tile){.bytes = loop->bytes[k],
                                  .tile = k,
                                  .seconds = loop->seconds[k] * (double)p->batch / (double)tile};
        }
    }
    return snug_chain_prune_tiles(out, count);
}

snug_status snug_segments_chain(const snug_segments *segments, int64_t micro, snug_arena *arena,
                                snug_chain *out, snug_error *err)
{
    const snug_plan_problem *p = segments->problem;
    const int64_t count = segments->option_count;
    const bool accumulates = micro < p->batch;
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, count, (int64_t)sizeof(snug_chain_option), &memory, err));
    snug_chain_option *options = memory;
    SNUG_TRY(snug_arena_array(arena, 2 * count * p->tile_count, (int64_t)sizeof(snug_chain_tile),
                              &memory, err));
    snug_chain_tile *tiles = memory;
    SNUG_TRY(snug_arena_array(arena, (int64_t)p->stage_count + 1, (int64_t)sizeof(int64_t), &memory,
                              err));
    int64_t *boundary = memory;
    for (int32_t c = 0; c <= p->stage_count; c++) {
        boundary[c] = segments->boundary_each[c] * micro;
    }
    for (int64_t o = 0; o < count; o++) {
        const snug_segment_option *from = &segments->options[o];
        snug_chain_tile *forward = &tiles[2 * o * p->tile_count];
        snug_chain_tile *backward = forward + p->tile_count;
        const int32_t forward_count = fill_tiles(segments, &from->forward, micro, forward);
        const int32_t backward_count =
            from->has_backward ? fill_tiles(segments, &from->backward, micro, backward) : 0;
        options[o] = (snug_chain_option){
            .kept = from->kept_each * micro,
            .input_needed = from->input_needed,
            .output_kept = from->output_kept,
            .fused = from->mode == SNUG_KEEP_FUSED && snug_plan_trains(p->mode),
            .backward_bytes = from->gradient_each * micro + (accumulates ? 0 : from->gradients),
            .forward_count = forward_count,
            .backward_count = backward_count,
            .forward = forward,
            .backward = from->has_backward ? backward : NULL};
    }
    *out = (snug_chain){.stage_count = p->stage_count,
                        .options = options,
                        .first = segments->first,
                        .boundary = boundary,
                        .fixed_bytes = segments->persistent_bytes + segments->loss_bytes +
                                       (accumulates ? segments->gradients_bytes : 0)};
    return SNUG_OK;
}

void snug_segments_choice(const snug_segments *segments, int64_t micro,
                          const snug_chain_answer *answer, snug_plan_choice *out)
{
    const snug_plan_problem *p = segments->problem;
    SNUG_ASSERT(answer->possible && answer->segment_count <= SNUG_STAGES_MAX);
    out->micro_batch = micro;
    out->segment_count = answer->segment_count;
    for (int32_t s = 0; s < answer->segment_count; s++) {
        const snug_chain_segment *from = &answer->segments[s];
        const snug_segment_option *option = &segments->options[from->option];
        out->segments[s] = (snug_plan_segment){
            .stage_first = from->stage_first,
            .stage_last = from->stage_last,
            .mode = option->mode,
            .keep_sources = option->keep_sources,
            .variant = option->variant,
            .forward_tile = p->tiles[from->forward_tile],
            .backward_tile = from->backward_tile < 0 ? 0 : p->tiles[from->backward_tile]};
    }
}
