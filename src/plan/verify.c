#include "plan/verify.h"

#include <string.h>

/* Calls of one interpretation; a certificate that asks for more is not worth minutes. */
enum { STEPS_MAX = 1 << 24 };

/* What lies in a range of the arena. */
typedef struct span {
    int64_t begin, end;
    int32_t tensor; /* -1: nothing that may be read. */
    int64_t base;   /* Address where sample 0 of the global batch would be. */
} span;

typedef struct checker {
    const snug_program *program;
    snug_graph *graph;
    span *spans; /* Ascending and disjoint. */
    int64_t span_count, span_capacity;
    int64_t *bytes;      /* [tensor] Of a sample, or of the whole; by the program's variants. */
    int64_t *scratch_of; /* [call] Bytes wanted. */
    int64_t *group;      /* [node] */
    int8_t *inplace;     /* [node][output] */
    int64_t *seen;       /* [node] Samples it has run on, in order. */
    bool *required;      /* [node] Must run exactly once a sample, or once a step. */
    bool *updated;       /* [tensor] An update has written it. */
    bool *zeroed;        /* [tensor] This step started it from zero. */
    int64_t batch;       /* Of this interpretation. */
} checker;

#define SNUG_WRONG(...) SNUG_FAIL(err, SNUG_CODE_DATA, "plan refused: " __VA_ARGS__)

static const char *node_name(const checker *k, int32_t node)
{
    return k->graph->nodes[node].name;
}

/* Index of the first span that ends after `address`. */
static int64_t first_span_after(const checker *k, int64_t address)
{
    int64_t low = 0;
    int64_t high = k->span_count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (k->spans[middle].end > address) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* Opens or closes room in the list of spans: `remove` at `at` are replaced by `insert`. */
static snug_status splice(checker *k, int64_t at, int64_t remove, int64_t insert, snug_error *err)
{
    if (k->span_count - remove + insert > k->span_capacity) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the plan has too many pieces to verify");
    }
    memmove(&k->spans[at + insert], &k->spans[at + remove],
            (size_t)(k->span_count - at - remove) * sizeof(span));
    k->span_count += insert - remove;
    return SNUG_OK;
}

/* [begin, end) now holds `tensor`; what lay there is gone. */
static snug_status write_span(checker *k, int64_t begin, int64_t end, int32_t tensor, int64_t base,
                              snug_error *err)
{
    span pieces[3];
    int64_t count = 0;
    if (end <= begin) {
        return SNUG_OK;
    }
    const int64_t at = first_span_after(k, begin);
    int64_t stop = at;
    span fresh = {begin, end, tensor, base};
    while (stop < k->span_count && k->spans[stop].begin < end) {
        stop++;
    }
    if (stop > at && k->spans[at].begin < begin) {
        pieces[count++] = (span){k->spans[at].begin, begin, k->spans[at].tensor, k->spans[at].base};
    }
    pieces[count++] = fresh;
    if (stop > at && k->spans[stop - 1].end > end) {
        pieces[count++] =
            (span){end, k->spans[stop - 1].end, k->spans[stop - 1].tensor, k->spans[stop - 1].base};
    }
    SNUG_TRY(splice(k, at, stop - at, count, err));
    memcpy(&k->spans[at], pieces, (size_t)count * sizeof(span));
    /* Join with the left neighbour when it continues it: whole buffers fill up tile by tile. */
    for (int64_t i = at > 0 ? at : 1; i < k->span_count && i <= at + count; i++) {
        span *left = &k->spans[i - 1];
        if (left->end == k->spans[i].begin && left->tensor == k->spans[i].tensor &&
            left->base == k->spans[i].base) {
            left->end = k->spans[i].end;
            SNUG_TRY(splice(k, i, 1, 0, err));
            i--;
        }
    }
    return SNUG_OK;
}

static bool holds(const checker *k, int64_t begin, int64_t end, int32_t tensor, int64_t base)
{
    const int64_t at = first_span_after(k, begin);
    if (end <= begin) {
        return true;
    }
    return at < k->span_count && k->spans[at].begin <= begin && k->spans[at].end >= end &&
           k->spans[at].tensor == tensor && k->spans[at].base == base;
}

/* Where a buffer's part for one call lies. */
typedef struct region {
    int64_t begin, end, base;
    int32_t tensor;
} region;

static region region_of(const checker *k, int32_t index, int64_t micro_first, int64_t first,
                        int64_t count)
{
    const snug_plan_buffer *b = &k->program->buffers[index];
    const int64_t each = k->bytes[b->tensor];
    region r = {.begin = b->offset, .tensor = b->tensor};
    if (b->samples == 0) {
        r.end = r.begin + each;
        r.base = r.begin;
        return r;
    }
    if (b->global) {
        r.begin += first * each;
    } else if (b->whole) {
        r.begin += (first - micro_first) * each;
    }
    r.end = r.begin + count * each;
    r.base = r.begin - first * each;
    return r;
}

static bool overlap(const region *a, const region *b)
{
    return a->begin < b->end && b->begin < a->end;
}

/* Form: everything that can be said of buffers, loops and calls without running them. */
static snug_status check_buffers(checker *k, snug_error *err)
{
    const snug_program *p = k->program;
    memset(k->updated, 0, (size_t)k->graph->tensor_count * sizeof *k->updated);
    for (int64_t b = 0; b < p->buffer_count; b++) {
        const snug_plan_buffer *buffer = &p->buffers[b];
        if (buffer->tensor < -1 || buffer->tensor >= k->graph->tensor_count || buffer->bytes <= 0 ||
            buffer->offset < 0 || buffer->offset % SNUG_ALIGN != 0 ||
            buffer->bytes > p->arena_bytes || buffer->offset > p->arena_bytes - buffer->bytes) {
            return SNUG_WRONG("buffer %lld lies outside the arena", (long long)b);
        }
        if ((int32_t)buffer->home < 0 || buffer->home >= SNUG_HOME_COUNT ||
            (buffer->home == SNUG_HOME_MEMORY
                 ? buffer->moved_bytes != 0
                 : !buffer->persistent || buffer->moved_bytes < buffer->bytes)) {
            return SNUG_WRONG("buffer %lld has no such home", (long long)b);
        }
        if (buffer->tensor < 0) {
            continue;
        }
        const snug_tensor *tensor = &k->graph->tensors[buffer->tensor];
        const int64_t room = tensor->batched ? buffer->samples : 1;
        const bool fixed =
            tensor->kind == SNUG_TENSOR_PARAMETER || tensor->kind == SNUG_TENSOR_STATE;
        if ((tensor->batched ? buffer->samples < 1 : buffer->samples != 0) || room > INT32_MAX ||
            (buffer->whole && buffer->global) || buffer->persistent != fixed ||
            (k->bytes[buffer->tensor] > 0 && room > buffer->bytes / k->bytes[buffer->tensor])) {
            return SNUG_WRONG("buffer %lld is too small for '%s'", (long long)b, tensor->name);
        }
        /* What is read or added to across loops has one place. (`updated` is a mark here.) */
        if (fixed || tensor->kind == SNUG_TENSOR_GRADIENT || buffer->global) {
            if (k->updated[buffer->tensor]) {
                return SNUG_WRONG("'%s' lies in two places", tensor->name);
            }
            k->updated[buffer->tensor] = true;
        }
        if ((buffer->whole && buffer->samples < p->micro_batch) ||
            (buffer->global && buffer->samples < p->batch)) {
            return SNUG_WRONG("buffer %lld of '%s' does not hold all samples", (long long)b,
                              tensor->name);
        }
    }
    return SNUG_OK;
}

static snug_status check_operand(const checker *k, const snug_plan_call *call, int32_t index,
                                 snug_tensor_id tensor, int64_t tile, snug_error *err)
{
    if (index < 0 || index >= k->program->buffer_count ||
        k->program->buffers[index].tensor != tensor) {
        return SNUG_WRONG("'%s' is not given '%s'", node_name(k, call->node),
                          tensor >= 0 ? k->graph->tensors[tensor].name : "scratch");
    }
    const snug_plan_buffer *b = &k->program->buffers[index];
    if (tensor >= 0 && b->samples > 0 && !b->whole && !b->global && b->samples < tile) {
        return SNUG_WRONG("'%s' has no room for a tile of '%s'", k->graph->tensors[tensor].name,
                          node_name(k, call->node));
    }
    if (tile == 0 && b->samples > 0 && !b->global) {
        return SNUG_WRONG("'%s' wants all samples of '%s'", node_name(k, call->node),
                          k->graph->tensors[tensor].name);
    }
    return SNUG_OK;
}

static snug_status check_call(const checker *k, int64_t c, int64_t tile, snug_error *err)
{
    const snug_program *p = k->program;
    const snug_plan_call *call = &p->calls[c];
    if (call->node < 0 || call->node >= k->graph->node_count) {
        return SNUG_WRONG("call %lld runs no node", (long long)c);
    }
    const snug_node *node = &k->graph->nodes[call->node];
    const bool update = node->phase == SNUG_PHASE_UPDATE;
    if (update != (tile == 0)) {
        return SNUG_WRONG("'%s' runs in the wrong kind of loop", node->name);
    }
    if (update && !k->required[call->node]) {
        return SNUG_WRONG("'%s' does not belong to this pass", node->name);
    }
    if (tile > 0 && tile % k->group[call->node] != 0 && tile != p->micro_batch) {
        return SNUG_WRONG("'%s' cannot run on tiles of %lld samples", node->name, (long long)tile);
    }
    if (p->micro_batch % k->group[call->node] != 0 && p->micro_batch != p->batch) {
        return SNUG_WRONG("'%s' cannot run on micro-batches of %lld samples", node->name,
                          (long long)p->micro_batch);
    }
    for (int32_t i = 0; i < SNUG_NODE_INPUTS_MAX; i++) {
        const snug_tensor_id t = i < node->input_count ? node->inputs[i] : -1;
        if (t >= 0) {
            SNUG_TRY(check_operand(k, call, call->inputs[i], t, tile, err));
        } else if (call->inputs[i] != -1) {
            return SNUG_WRONG("'%s' is given an input it does not have", node->name);
        }
    }
    for (int32_t o = 0; o < SNUG_NODE_OUTPUTS_MAX; o++) {
        const snug_tensor_id t = o < node->output_count ? node->outputs[o] : -1;
        if (call->outputs[o] != -1) {
            SNUG_TRY(check_operand(k, call, call->outputs[o], t, tile, err));
            if (t < 0) {
                return SNUG_WRONG("'%s' is given an output it does not have", node->name);
            }
        } else if (o == 0 && t >= 0 && t != k->graph->loss) {
            /* Kernels write it whoever reads it; the loss of a node run again is the exception. */
            return SNUG_WRONG("'%s' has no place for its first output", node->name);
        }
    }
    if (k->scratch_of[c] > 0) {
        SNUG_TRY(check_operand(k, call, call->scratch, -1, tile, err));
        if (p->buffers[call->scratch].bytes < k->scratch_of[c]) {
            return SNUG_WRONG("'%s' has too little scratch", node->name);
        }
    } else if (call->scratch != -1) {
        SNUG_TRY(check_operand(k, call, call->scratch, -1, tile, err));
    }
    return SNUG_OK;
}

static snug_status check_form(checker *k, snug_error *err)
{
    const snug_program *p = k->program;
    int64_t next = 0;
    double steps = 0.0;
    if (p->batch < 1 || p->micro_batch < 1 || p->micro_batch > p->batch || p->arena_bytes < 0 ||
        p->update_first_loop < 0 || p->update_first_loop > p->loop_count ||
        p->node_count != k->graph->node_count) {
        return SNUG_WRONG("its sizes contradict each other");
    }
    SNUG_TRY(check_buffers(k, err));
    for (int64_t l = 0; l < p->loop_count; l++) {
        const snug_plan_loop *loop = &p->loops[l];
        if (loop->first_call != next || loop->call_count < 0 ||
            loop->call_count > p->call_count - next || loop->tile < 0 ||
            loop->tile > p->micro_batch || (loop->tile > 0 && l >= p->update_first_loop) ||
            (loop->tile == 0 && l < p->update_first_loop && p->micro_batch < p->batch)) {
            return SNUG_WRONG("loop %lld is malformed", (long long)l);
        }
        for (int64_t c = next; c < next + loop->call_count; c++) {
            SNUG_TRY(check_call(k, c, loop->tile, err));
        }
        next += loop->call_count;
        steps += (double)loop->call_count *
                 (loop->tile > 0 ? (double)p->batch / (double)loop->tile : 1.0);
    }
    if (steps > (double)STEPS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a step of more than %d calls is not verified",
                         STEPS_MAX);
    }
    if (next != p->call_count) {
        return SNUG_WRONG("calls are outside of loops");
    }
    return SNUG_OK;
}

static bool adds(const snug_node *node, int32_t output)
{
    return ((node->op->accumulates >> output) & 1U) != 0;
}

static snug_status check_reads(checker *k, const snug_plan_call *call, const region *in,
                               snug_error *err)
{
    const snug_node *node = &k->graph->nodes[call->node];
    for (int32_t i = 0; i < node->input_count; i++) {
        const int32_t index = call->inputs[i];
        if (index < 0) {
            continue;
        }
        const snug_tensor *tensor = &k->graph->tensors[in[i].tensor];
        if (!holds(k, in[i].begin, in[i].end, in[i].tensor, in[i].base)) {
            return SNUG_WRONG("'%s' reads '%s' where it is not", node->name, tensor->name);
        }
        if (k->updated[in[i].tensor] && node->phase != SNUG_PHASE_UPDATE) {
            return SNUG_WRONG("'%s' reads '%s' after its update", node->name, tensor->name);
        }
    }
    return SNUG_OK;
}

/* Operands of one call: inputs may share, nothing else, but an output its in-place input. */
static snug_status check_overlap(const checker *k, const snug_plan_call *call, const region *in,
                                 const region *out, const region *scratch, snug_error *err)
{
    const snug_node *node = &k->graph->nodes[call->node];
    for (int32_t o = 0; o < node->output_count; o++) {
        if (call->outputs[o] < 0) {
            continue;
        }
        if (call->scratch >= 0 && overlap(&out[o], scratch)) {
            return SNUG_WRONG("scratch of '%s' lies over its output", node->name);
        }
        for (int32_t other = 0; other < o; other++) {
            if (call->outputs[other] >= 0 && overlap(&out[o], &out[other])) {
                return SNUG_WRONG("two outputs of '%s' overlap", node->name);
            }
        }
        for (int32_t i = 0; i < node->input_count; i++) {
            const bool same =
                call->inputs[i] == call->outputs[o] && node->inputs[i] == node->outputs[o];
            const bool allowed = k->inplace[call->node * SNUG_NODE_OUTPUTS_MAX + o] == i &&
                                 in[i].begin == out[o].begin;
            if (call->inputs[i] >= 0 && overlap(&out[o], &in[i]) && !same && !allowed) {
                return SNUG_WRONG("'%s' overwrites its input '%s'", node->name,
                                  k->graph->tensors[node->inputs[i]].name);
            }
        }
    }
    for (int32_t i = 0; i < node->input_count && call->scratch >= 0; i++) {
        if (call->inputs[i] >= 0 && overlap(&in[i], scratch)) {
            return SNUG_WRONG("scratch of '%s' lies over its input", node->name);
        }
    }
    return SNUG_OK;
}

/* Nodes before `node` that add to the same tensor must have finished. */
static snug_status check_addition(const checker *k, int32_t node, const region *out,
                                  snug_error *err)
{
    const snug_graph *g = k->graph;
    if (!k->zeroed[out->tensor] || !holds(k, out->begin, out->end, out->tensor, out->base)) {
        return SNUG_WRONG("'%s' adds to '%s', which was not zeroed or was lost", node_name(k, node),
                          g->tensors[out->tensor].name);
    }
    for (int32_t n = 0; n < g->node_count; n++) {
        for (int32_t o = 0; o < g->nodes[n].output_count; o++) {
            if (g->nodes[n].outputs[o] != out->tensor || !adds(&g->nodes[n], o)) {
                continue;
            }
            const int64_t full = g->nodes[n].phase == SNUG_PHASE_UPDATE ? 1 : k->batch;
            if ((n < node && k->seen[n] != full) || (n > node && k->seen[n] != 0)) {
                return SNUG_WRONG("'%s' and '%s' do not add to '%s' one after the other",
                                  node_name(k, node), g->nodes[n].name,
                                  g->tensors[out->tensor].name);
            }
        }
    }
    return SNUG_OK;
}

static snug_status check_writes(checker *k, const snug_plan_call *call, const region *out,
                                snug_error *err)
{
    const snug_node *node = &k->graph->nodes[call->node];
    for (int32_t o = 0; o < node->output_count; o++) {
        if (call->outputs[o] < 0) {
            if (node->outputs[o] >= 0 && k->required[call->node] &&
                (adds(node, o) || node->phase == SNUG_PHASE_UPDATE)) {
                return SNUG_WRONG("'%s' does not write '%s'", node->name,
                                  k->graph->tensors[node->outputs[o]].name);
            }
            continue;
        }
        const snug_tensor *tensor = &k->graph->tensors[out[o].tensor];
        const bool fixed =
            tensor->kind == SNUG_TENSOR_PARAMETER || tensor->kind == SNUG_TENSOR_STATE;
        if (fixed && node->phase != SNUG_PHASE_UPDATE && !adds(node, o)) {
            return SNUG_WRONG("'%s' writes '%s'", node->name, tensor->name);
        }
        if (adds(node, o)) {
            SNUG_TRY(check_addition(k, call->node, &out[o], err));
        } else if (fixed) {
            k->updated[out[o].tensor] = tensor->kind == SNUG_TENSOR_PARAMETER;
        }
        SNUG_TRY(write_span(k, out[o].begin, out[o].end, out[o].tensor, out[o].base, err));
    }
    return SNUG_OK;
}

/* An update may read a gradient only when every node that adds to it has seen every sample. */
static snug_status check_complete(const checker *k, const snug_plan_call *call, snug_error *err)
{
    const snug_graph *g = k->graph;
    const snug_node *node = &g->nodes[call->node];
    for (int32_t n = 0; n < call->node; n++) {
        for (int32_t o = 0; o < g->nodes[n].output_count; o++) {
            /* What the other pass has added is there from the beginning. */
            if (g->nodes[n].outputs[o] < 0 || !adds(&g->nodes[n], o) || !k->required[n]) {
                continue;
            }
            const int64_t full = g->nodes[n].phase == SNUG_PHASE_UPDATE ? 1 : k->batch;
            for (int32_t i = 0; i < node->input_count; i++) {
                if (node->inputs[i] == g->nodes[n].outputs[o] && k->seen[n] != full) {
                    return SNUG_WRONG("'%s' runs before '%s' is complete", node->name,
                                      g->tensors[node->inputs[i]].name);
                }
            }
        }
    }
    return SNUG_OK;
}

/* One call on samples [first, first + count); count 0 for updates. */
static snug_status run_call(checker *k, const snug_plan_call *call, int64_t micro_first,
                            int64_t first, int64_t count, snug_error *err)
{
    region in[SNUG_NODE_INPUTS_MAX];
    region out[SNUG_NODE_OUTPUTS_MAX];
    region scratch = {.tensor = -1};
    const snug_node *node = &k->graph->nodes[call->node];
    /* What an update reads of samples, it reads of all of them. */
    const int64_t read = count == 0 ? k->batch : count;
    for (int32_t i = 0; i < node->input_count; i++) {
        in[i] =
            call->inputs[i] < 0 ? scratch : region_of(k, call->inputs[i], micro_first, first, read);
    }
    for (int32_t o = 0; o < node->output_count; o++) {
        out[o] = call->outputs[o] < 0 ? scratch
                                      : region_of(k, call->outputs[o], micro_first, first, count);
    }
    SNUG_TRY(check_reads(k, call, in, err));
    if (call->scratch >= 0) {
        const snug_plan_buffer *b = &k->program->buffers[call->scratch];
        scratch = (region){.begin = b->offset, .end = b->offset + b->bytes, .tensor = -1};
    }
    SNUG_TRY(check_overlap(k, call, in, out, &scratch, err));
    if (count == 0) {
        SNUG_TRY(check_complete(k, call, err));
    }
    SNUG_TRY(write_span(k, scratch.begin, scratch.end, -1, 0, err));
    SNUG_TRY(check_writes(k, call, out, err));
    for (int32_t i = 0; i < node->input_count; i++) {
        /* What a kernel works in is lost; an output over it was written just now. */
        if (((node->op->consumes >> i) & 1U) != 0 && call->inputs[i] >= 0) {
            SNUG_TRY(write_span(k, in[i].begin, in[i].end, -1, 0, err));
        }
    }
    if (k->required[call->node]) {
        if (k->seen[call->node] != first) {
            return SNUG_WRONG("'%s' runs on sample %lld when sample %lld is next", node->name,
                              (long long)first, (long long)k->seen[call->node]);
        }
        k->seen[call->node] += count == 0 ? 1 : count;
    }
    return SNUG_OK;
}

/* Everything that some loop zeroes before its first turn of the step. */
static snug_status zero_before(checker *k, int64_t loop, snug_error *err)
{
    for (int64_t b = 0; b < k->program->buffer_count; b++) {
        const snug_plan_buffer *buffer = &k->program->buffers[b];
        if (buffer->zero_loop != loop || buffer->tensor < 0) {
            continue;
        }
        for (int64_t n = 0; n < k->graph->node_count; n++) {
            for (int32_t o = 0; o < k->graph->nodes[n].output_count; o++) {
                if (k->graph->nodes[n].outputs[o] == buffer->tensor && k->seen[n] != 0) {
                    return SNUG_WRONG("'%s' is zeroed after something was added",
                                      k->graph->tensors[buffer->tensor].name);
                }
            }
        }
        k->zeroed[buffer->tensor] = true;
        SNUG_TRY(write_span(k, buffer->offset, buffer->offset + buffer->bytes, -1, 0, err));
        SNUG_TRY(write_span(k, buffer->offset, buffer->offset + k->bytes[buffer->tensor],
                            buffer->tensor, buffer->offset, err));
    }
    return SNUG_OK;
}

static snug_status run_loops(checker *k, int64_t from, int64_t to, int64_t micro_first,
                             int64_t micro_count, snug_error *err)
{
    const snug_program *p = k->program;
    for (int64_t l = from; l < to; l++) {
        const snug_plan_loop *loop = &p->loops[l];
        if (micro_first == 0) {
            SNUG_TRY(zero_before(k, l, err));
        }
        const int64_t step = loop->tile > 0 ? loop->tile : 1;
        const int64_t end = loop->tile > 0 ? micro_count : 1;
        for (int64_t s = 0; s < end; s += step) {
            const int64_t rest = end - s;
            const int64_t count = loop->tile == 0 ? 0 : rest < step ? rest : step;
            for (int32_t c = 0; c < loop->call_count; c++) {
                SNUG_TRY(run_call(k, &p->calls[loop->first_call + c], micro_first,
                                  loop->tile == 0 ? 0 : micro_first + s, count, err));
            }
        }
    }
    return SNUG_OK;
}

static bool is_read_by_update(const checker *k, snug_tensor_id t)
{
    for (int64_t n = 0; n < k->graph->node_count; n++) {
        const snug_node *node = &k->graph->nodes[n];
        for (int32_t i = 0; i < node->input_count && node->phase == SNUG_PHASE_UPDATE; i++) {
            if (node->inputs[i] == t) {
                return true;
            }
        }
    }
    return false;
}

/* What must be true when the step is over. */
static snug_status check_end(checker *k, snug_error *err)
{
    const snug_program *p = k->program;
    bool loss = k->graph->loss < 0 || p->mode == SNUG_PLAN_PREDICT;
    for (int64_t n = 0; n < k->graph->node_count; n++) {
        const int64_t full = k->graph->nodes[n].phase == SNUG_PHASE_UPDATE ? 1 : k->batch;
        if (k->required[n] && k->seen[n] != full) {
            return SNUG_WRONG("'%s' saw %lld of %lld samples", k->graph->nodes[n].name,
                              (long long)k->seen[n], (long long)full);
        }
    }
    for (int64_t b = 0; b < p->buffer_count; b++) {
        const snug_plan_buffer *buffer = &p->buffers[b];
        if (buffer->tensor < 0) {
            continue;
        }
        /* Gradients that no update reads are what the step is run for. */
        const bool gradient = k->graph->tensors[buffer->tensor].kind == SNUG_TENSOR_GRADIENT &&
                              !is_read_by_update(k, buffer->tensor);
        const bool global = buffer->global && !is_read_by_update(k, buffer->tensor);
        if (!buffer->persistent && !global && !gradient) {
            continue;
        }
        const region r = region_of(k, (int32_t)b, 0, 0, k->batch);
        if (!holds(k, r.begin, r.end, r.tensor, r.base)) {
            return SNUG_WRONG("'%s' is not there at the end",
                              k->graph->tensors[buffer->tensor].name);
        }
        loss = loss || buffer->tensor == k->graph->loss;
    }
    if (!loss) {
        return SNUG_WRONG("the loss is never computed");
    }
    return SNUG_OK;
}

/* One interpretation of a step of `batch` samples. */
static snug_status interpret(checker *k, int64_t batch, snug_error *err)
{
    const snug_program *p = k->program;
    k->batch = batch;
    k->span_count = 0;
    memset(k->seen, 0, (size_t)k->graph->node_count * sizeof *k->seen);
    memset(k->updated, 0, (size_t)k->graph->tensor_count * sizeof *k->updated);
    memset(k->zeroed, 0, (size_t)k->graph->tensor_count * sizeof *k->zeroed);
    for (int64_t b = 0; b < p->buffer_count; b++) {
        const snug_plan_buffer *buffer = &p->buffers[b];
        if (buffer->persistent) {
            SNUG_TRY(write_span(k, buffer->offset, buffer->offset + k->bytes[buffer->tensor],
                                buffer->tensor, buffer->offset, err));
        }
    }
    for (int64_t m = 0; m < batch; m += p->micro_batch) {
        const int64_t rest = batch - m;
        SNUG_TRY(run_loops(k, 0, p->update_first_loop, m,
                           rest < p->micro_batch ? rest : p->micro_batch, err));
    }
    SNUG_TRY(run_loops(k, p->update_first_loop, p->loop_count, 0, 0, err));
    SNUG_TRY(check_end(k, err));
    return SNUG_OK;
}

static void note_required(checker *k)
{
    const snug_plan_mode mode = k->program->mode;
    const bool forward = mode == SNUG_PLAN_EVAL || mode == SNUG_PLAN_PREDICT;
    for (int64_t n = 0; n < k->graph->node_count; n++) {
        const snug_node *node = &k->graph->nodes[n];
        const bool measures = snug_graph_measures(k->graph, node);
        bool required =
            forward ? (node->op->flags & SNUG_OP_SINK) != 0 : node->phase == SNUG_PHASE_BACKWARD;
        if (node->phase == SNUG_PHASE_UPDATE) {
            required = mode == SNUG_PLAN_TRAIN || (mode == SNUG_PLAN_MEASURE && measures) ||
                       (mode == SNUG_PLAN_APPLY && !measures);
        }
        for (int32_t o = 0; o < node->output_count; o++) {
            required = required || (mode != SNUG_PLAN_PREDICT && node->outputs[o] >= 0 &&
                                    node->outputs[o] == k->graph->loss);
        }
        k->required[n] = required;
    }
}

/* What ops want under the program's variants; `variants` hold for one call of this function. */
static void note_wants(checker *k)
{
    const snug_program *p = k->program;
    snug_op_view view;
    for (int64_t t = 0; t < k->graph->tensor_count; t++) {
        k->bytes[t] = snug_tensor_bytes(&k->graph->tensors[t]);
    }
    for (int32_t n = 0; n < k->graph->node_count; n++) {
        k->group[n] = snug_graph_sample_group(k->graph, n);
        k->group[n] = k->group[n] > 1 ? k->group[n] : 1;
        snug_graph_view(k->graph, n, &view);
        for (int32_t o = 0; o < SNUG_NODE_OUTPUTS_MAX; o++) {
            const bool has = o < k->graph->nodes[n].output_count;
            k->inplace[n * SNUG_NODE_OUTPUTS_MAX + o] =
                (int8_t)(has ? snug_op_inplace(&view, o) : -1);
        }
    }
    for (int64_t l = 0; l < p->loop_count; l++) {
        for (int32_t c = 0; c < p->loops[l].call_count; c++) {
            const int64_t at = (int64_t)p->loops[l].first_call + c;
            if (p->loops[l].first_call < 0 || at >= p->call_count || p->calls[at].node < 0 ||
                p->calls[at].node >= k->graph->node_count) {
                continue; /* The check of form refuses it. */
            }
            snug_graph_view(k->graph, p->calls[at].node, &view);
            /* Updates are called without samples and may read those of the whole batch. */
            const int64_t tile = p->loops[l].tile > 0 ? p->loops[l].tile : p->batch;
            k->scratch_of[at] =
                tile <= p->batch ? snug_op_scratch_bytes(&view, tile, p->threads) : 0;
        }
    }
}

static snug_status checker_init(checker *k, const snug_program *program, snug_graph *graph,
                                snug_arena *scratch, snug_error *err)
{
    void *memory = NULL;
    const int64_t nodes = graph->node_count;
    *k = (checker){.program = program, .graph = graph};
    k->span_capacity = 4 * program->buffer_count + 16;
    SNUG_TRY(snug_arena_array(scratch, k->span_capacity, (int64_t)sizeof(span), &memory, err));
    k->spans = memory;
    SNUG_TRY(
        snug_arena_array(scratch, graph->tensor_count, (int64_t)sizeof(int64_t), &memory, err));
    k->bytes = memory;
    SNUG_TRY(
        snug_arena_array(scratch, program->call_count, (int64_t)sizeof(int64_t), &memory, err));
    k->scratch_of = memory;
    SNUG_TRY(snug_arena_array(scratch, 2 * nodes, (int64_t)sizeof(int64_t), &memory, err));
    k->group = memory;
    k->seen = k->group + nodes;
    SNUG_TRY(snug_arena_array(scratch, nodes * SNUG_NODE_OUTPUTS_MAX, 1, &memory, err));
    k->inplace = memory;
    SNUG_TRY(snug_arena_array(scratch, nodes + 2 * graph->tensor_count, (int64_t)sizeof(bool),
                              &memory, err));
    k->required = memory;
    k->updated = k->required + nodes;
    k->zeroed = k->updated + graph->tensor_count;
    return SNUG_OK;
}

snug_status snug_plan_verify(const snug_program *program, snug_graph *graph, snug_arena *scratch,
                             snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(scratch);
    void *memory = NULL;
    int32_t *original = NULL;
    checker k;
    if (program->node_count != graph->node_count || program->threads < 1 ||
        program->threads > SNUG_THREADS_MAX) {
        return SNUG_WRONG("it was made for another graph or machine");
    }
    SNUG_TRY_DONE(checker_init(&k, program, graph, scratch, err));
    SNUG_TRY_DONE(
        snug_arena_array(scratch, graph->node_count, (int64_t)sizeof(int32_t), &memory, err));
    original = memory;
    for (int64_t n = 0; n < graph->node_count; n++) {
        original[n] = graph->nodes[n].variant;
    }
    for (int32_t n = 0; n < graph->node_count; n++) {
        if (graph->nodes[n].forward < 0 && graph->nodes[n].variant != program->variants[n]) {
            if (snug_failed(snug_graph_set_variant(graph, n, program->variants[n], NULL))) {
                status = SNUG_WRONG("'%s' has no variant %d", graph->nodes[n].name,
                                    program->variants[n]);
                goto done;
            }
        }
    }
    note_required(&k);
    note_wants(&k);
    SNUG_TRY_DONE(check_form(&k, err));
    SNUG_TRY_DONE(interpret(&k, program->batch, err));
    if (program->batch > 1) {
        SNUG_TRY_DONE(interpret(&k, 1, err));
    }

done:
    for (int32_t n = 0; original != NULL && n < graph->node_count; n++) {
        if (graph->nodes[n].forward < 0 && graph->nodes[n].variant != original[n]) {
            const snug_status restored = snug_graph_set_variant(graph, n, original[n], NULL);
            status = snug_failed(status) ? status : restored;
        }
    }
    snug_arena_rewind(scratch, start);
    return status;
}

/* Whether every parameter and state of `of` lies where `in` has it. */
static bool is_shared(const snug_program *of, const snug_program *in)
{
    bool shared = true;
    for (int64_t b = 0; b < of->buffer_count; b++) {
        bool found = !of->buffers[b].persistent;
        for (int64_t o = 0; o < in->buffer_count && !found; o++) {
            found = in->buffers[o].persistent && in->buffers[o].tensor == of->buffers[b].tensor &&
                    in->buffers[o].offset == of->buffers[b].offset;
        }
        shared = shared && found;
    }
    return shared;
}

snug_status snug_plan_verify_step(const snug_step_plan *step, snug_graph *graph,
                                  snug_arena *scratch, snug_error *err)
{
    const snug_program *first = &step->measure;
    const snug_program *last = &step->train;
    SNUG_TRY(snug_plan_verify(last, graph, scratch, err));
    if (step->passes == 1) {
        return last->mode == SNUG_PLAN_MEASURE || last->mode == SNUG_PLAN_APPLY
                   ? SNUG_WRONG("one of two passes is missing")
                   : SNUG_OK;
    }
    if (first->mode != SNUG_PLAN_MEASURE || last->mode != SNUG_PLAN_APPLY ||
        first->batch != last->batch) {
        return SNUG_WRONG("they are not the two passes of a step");
    }
    SNUG_TRY(snug_plan_verify(first, graph, scratch, err));
    if (!is_shared(first, last) || !is_shared(last, first)) {
        return SNUG_WRONG("the two passes have a parameter or a state at different places");
    }
    return SNUG_OK;
}
