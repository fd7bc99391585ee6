#include "exec/exec.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"

/* NaN in every floating type, and a value no canary check mistakes for data. */
enum { POISON_BYTE = 0xff, CANARY_BYTE = 0xa5 };

enum { ZERO_PART_BYTES = 256 << 10 }; /* What a thread zeroes at a time. */

/* A call made ready: views taken, kernels found. */
typedef struct bound_call {
    snug_op_view view;
    snug_kernel kernel; /* NULL: source or sink. */
    const snug_plan_call *plan;
    const snug_node *node;
} bound_call;

struct snug_exec {
    const snug_program *program;
    const snug_graph *graph;
    unsigned char *base;
    snug_kernel_isa isa;
    const snug_parallel *parallel;
    bound_call *calls;
    int64_t *stride;     /* [buffer] Bytes of a sample, or of the whole. */
    int32_t *tensor_at;  /* [tensor] Its persistent or global buffer, or -1. */
    int32_t *dies_after; /* [call] Head of the list of buffers to poison after it; -1. */
    int32_t *dies_next;  /* [buffer] The next in that list. */
    bool *dies_in_turn;  /* [buffer] After the call; else after its loop. */
    bool *has_canary;    /* [buffer] The bytes behind it are nobody else's while it lives. */
    snug_exec_probe probe;
    void *probe_context;
};

static snug_status allocate(snug_exec *exec, snug_arena *arena, snug_error *err)
{
    const snug_program *p = exec->program;
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, p->call_count, (int64_t)sizeof(bound_call), &memory, err));
    exec->calls = memory;
    SNUG_TRY(snug_arena_array(arena, p->buffer_count, (int64_t)sizeof(int64_t), &memory, err));
    exec->stride = memory;
    SNUG_TRY(
        snug_arena_array(arena, exec->graph->tensor_count, (int64_t)sizeof(int32_t), &memory, err));
    exec->tensor_at = memory;
    SNUG_TRY(snug_arena_array(arena, p->call_count, (int64_t)sizeof(int32_t), &memory, err));
    exec->dies_after = memory;
    SNUG_TRY(snug_arena_array(arena, p->buffer_count, (int64_t)sizeof(int32_t), &memory, err));
    exec->dies_next = memory;
    SNUG_TRY(snug_arena_array(arena, p->buffer_count, (int64_t)sizeof(bool), &memory, err));
    exec->dies_in_turn = memory;
    SNUG_TRY(snug_arena_array(arena, p->buffer_count, (int64_t)sizeof(bool), &memory, err));
    exec->has_canary = memory;
    return SNUG_OK;
}

static bool inside_turn(const snug_plan_buffer *b)
{
    return b->tensor < 0 || (b->samples > 0 && !b->whole && !b->global);
}

/* In a loop of one turn lifetimes are those of calls. */
static bool has_one_turn(const snug_program *p, int32_t call)
{
    for (int64_t l = 0; l < p->loop_count; l++) {
        const snug_plan_loop *loop = &p->loops[l];
        if (call < loop->first_call + loop->call_count) {
            return loop->tile == 0 || loop->tile >= p->micro_batch;
        }
    }
    return false;
}

/* Lists what dies where, for poison runs: buffers whose bytes nobody else uses at that time. */
static void list_deaths(snug_exec *exec)
{
    const snug_program *p = exec->program;
    for (int64_t c = 0; c < p->call_count; c++) {
        exec->dies_after[c] = -1;
    }
    for (int32_t b = 0; b < p->buffer_count; b++) {
        const snug_plan_buffer *one = &p->buffers[b];
        bool shared = one->persistent || one->last < 0 || one->last >= p->call_count - 1;
        const int64_t end = one->offset + one->bytes;
        exec->has_canary[b] = p->canary_bytes > 0;
        for (int64_t o = 0; o < p->buffer_count; o++) {
            const snug_plan_buffer *other = &p->buffers[o];
            if (o == b || other->first > one->last || other->last < one->first ||
                other->offset >= end + p->canary_bytes ||
                other->offset + other->bytes <= one->offset) {
                continue;
            }
            /* A smaller buffer may share storage with a larger one that it took over. */
            shared = shared || (other->offset < end && other->last > one->last);
            exec->has_canary[b] = exec->has_canary[b] && other->offset + other->bytes <= end;
        }
        if (!shared) {
            exec->dies_in_turn[b] = inside_turn(one) || has_one_turn(p, one->last);
            exec->dies_next[b] = exec->dies_after[one->last];
            exec->dies_after[one->last] = b;
        }
    }
}

static snug_status bind_call(snug_exec *exec, snug_graph *graph, int64_t c, snug_error *err)
{
    bound_call *call = &exec->calls[c];
    call->plan = &exec->program->calls[c];
    call->node = &graph->nodes[call->plan->node];
    snug_graph_view(graph, call->plan->node, &call->view);
    if ((call->node->op->flags & (SNUG_OP_SOURCE | SNUG_OP_SINK)) == 0) {
        call->kernel = snug_kernel_of(&call->view);
        if (call->kernel == NULL) {
            return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "op '%s' has no kernel",
                             call->node->op->name);
        }
    }
    return SNUG_OK;
}

/* Takes views and sizes under the program's variants, then puts the graph's own back. */
static snug_status bind(snug_exec *exec, snug_graph *graph, snug_arena *arena, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_program *p = exec->program;
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, graph->node_count, (int64_t)sizeof(int32_t), &memory, err));
    int32_t *original = memory;
    for (int64_t n = 0; n < graph->node_count; n++) {
        original[n] = graph->nodes[n].variant;
    }
    for (int32_t n = 0; n < graph->node_count; n++) {
        if (graph->nodes[n].forward < 0 && graph->nodes[n].variant != p->variants[n]) {
            SNUG_TRY_DONE(snug_graph_set_variant(graph, n, p->variants[n], err));
        }
    }
    for (int64_t c = 0; c < p->call_count; c++) {
        SNUG_TRY_DONE(bind_call(exec, graph, c, err));
    }
    for (int64_t b = 0; b < p->buffer_count; b++) {
        if (p->buffers[b].tensor >= 0) {
            exec->stride[b] = snug_tensor_bytes(&graph->tensors[p->buffers[b].tensor]);
        }
    }

done:
    for (int32_t n = 0; n < graph->node_count; n++) {
        if (graph->nodes[n].forward < 0 && graph->nodes[n].variant != original[n]) {
            const snug_status restored = snug_graph_set_variant(graph, n, original[n], NULL);
            SNUG_ASSERT(restored == SNUG_OK);
        }
    }
    return status;
}

snug_status snug_exec_init(const snug_program *program, snug_graph *graph, void *base,
                           snug_kernel_isa isa, const snug_parallel *parallel, snug_arena *arena,
                           snug_exec **out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    void *memory = NULL;
    SNUG_ASSERT(((uintptr_t)base & (SNUG_ALIGN - 1)) == 0);
    if (parallel->threads < 1 || parallel->threads > program->threads) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "the plan is for at most %d threads, not %d",
                         program->threads, parallel->threads);
    }
    for (int64_t b = 0; b < program->buffer_count; b++) {
        const snug_plan_buffer *buffer = &program->buffers[b];
        if (buffer->home != SNUG_HOME_MEMORY) {
            SNUG_FAIL_DONE(err, SNUG_CODE_UNSUPPORTED,
                           "the plan keeps '%s' in a file; this executor has no door to files",
                           graph->tensors[buffer->tensor].name);
        }
    }
    SNUG_TRY_DONE(snug_arena_alloc(arena, (int64_t)sizeof(snug_exec), &memory, err));
    snug_exec *exec = memory;
    *exec = (snug_exec){
        .program = program, .graph = graph, .base = base, .isa = isa, .parallel = parallel};
    SNUG_TRY_DONE(allocate(exec, arena, err));
    SNUG_TRY_DONE(bind(exec, graph, arena, err));
    for (int64_t t = 0; t < graph->tensor_count; t++) {
        exec->tensor_at[t] = -1;
    }
    for (int32_t b = 0; b < program->buffer_count; b++) {
        const snug_plan_buffer *buffer = &program->buffers[b];
        const bool gradient = buffer->category == SNUG_CATEGORY_GRADIENTS;
        const bool stays = buffer->last == program->call_count - 1;
        if (buffer->persistent || (buffer->global && !gradient) || (gradient && stays)) {
            exec->tensor_at[buffer->tensor] = b;
        }
    }
    list_deaths(exec);
    *out = exec;

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}

int64_t snug_exec_call_bytes(void)
{
    return (int64_t)sizeof(bound_call) + (int64_t)sizeof(int32_t);
}

void snug_exec_set_probe(snug_exec *exec, snug_exec_probe probe, void *context)
{
    exec->probe = probe;
    exec->probe_context = context;
}

void *snug_exec_tensor(const snug_exec *exec, snug_tensor_id tensor)
{
    SNUG_ASSERT(tensor >= 0 && tensor < exec->graph->tensor_count);
    const int32_t b = exec->tensor_at[tensor];
    return b < 0 ? NULL : exec->base + exec->program->buffers[b].offset;
}

/* A turn: which samples of the batch are at hand. */
typedef struct turn {
    int64_t micro_first; /* First sample of the micro-batch. */
    int64_t first, count;
} turn;

static void *address(const snug_exec *exec, int32_t index, const turn *at)
{
    const snug_plan_buffer *b = &exec->program->buffers[index];
    unsigned char *p = exec->base + b->offset;
    if (b->global) {
        return p + at->first * exec->stride[index];
    }
    if (b->whole) {
        return p + (at->first - at->micro_first) * exec->stride[index];
    }
    return p;
}

static snug_status fetch(const snug_exec *exec, const bound_call *call, const turn *at,
                         const snug_exec_calls *calls, snug_error *err)
{
    const snug_exec_request request = {
        .stream = call->node->attrs.source.stream, .first = at->first, .count = at->count};
    if (calls->fetch == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "the graph reads samples, but nobody gives them");
    }
    SNUG_TRY(calls->fetch(calls->fetch_context, &request, address(exec, call->plan->outputs[0], at),
                          err));
    return SNUG_OK;
}

static snug_status show(const snug_exec *exec, const bound_call *call, const turn *at,
                        const snug_exec_calls *calls, snug_error *err)
{
    for (int32_t i = 0; i < call->node->input_count && calls->emit != NULL; i++) {
        const snug_exec_shown shown = {.node = call->plan->node,
                                       .input = i,
                                       .tensor = call->node->inputs[i],
                                       .first = at->first,
                                       .count = at->count,
                                       .data = address(exec, call->plan->inputs[i], at)};
        SNUG_TRY(calls->emit(calls->emit_context, &shown, err));
    }
    return SNUG_OK;
}

static void compute(const snug_exec *exec, const bound_call *call, const turn *at,
                    const snug_step_context *step)
{
    snug_kernel_call k = {.view = &call->view,
                          .first = at->first,
                          .count = at->count,
                          .parallel = exec->parallel,
                          .isa = exec->isa,
                          .step = step};
    for (int32_t i = 0; i < call->node->input_count; i++) {
        const int32_t b = call->plan->inputs[i];
        k.inputs[i] = b < 0 ? NULL : address(exec, b, at);
    }
    for (int32_t o = 0; o < call->node->output_count; o++) {
        const int32_t b = call->plan->outputs[o];
        k.outputs[o] = b < 0 ? NULL : address(exec, b, at);
    }
    if (call->plan->scratch >= 0) {
        k.scratch = exec->base + exec->program->buffers[call->plan->scratch].offset;
    }
    call->kernel(&k);
}

static void set_canary(const snug_exec *exec, int32_t index)
{
    const snug_plan_buffer *b = &exec->program->buffers[index];
    if (exec->has_canary[index]) {
        memset(exec->base + b->offset + b->bytes, CANARY_BYTE, (size_t)exec->program->canary_bytes);
    }
}

static snug_status check_canary(const snug_exec *exec, const bound_call *call, int32_t index,
                                snug_error *err)
{
    const snug_plan_buffer *b = &exec->program->buffers[index];
    const unsigned char *canary = exec->base + b->offset + b->bytes;
    for (int64_t i = 0; i < exec->program->canary_bytes && exec->has_canary[index]; i++) {
        if (canary[i] != CANARY_BYTE) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "'%s' wrote behind the end of '%s'",
                             call->node->name,
                             b->tensor < 0 ? "its scratch" : exec->graph->tensors[b->tensor].name);
        }
    }
    return SNUG_OK;
}

/* Canaries around a call: set behind everything it writes, looked at behind all it touches. */
static void arm(const snug_exec *exec, const bound_call *call)
{
    for (int32_t o = 0; o < call->node->output_count; o++) {
        if (call->plan->outputs[o] >= 0) {
            set_canary(exec, call->plan->outputs[o]);
        }
    }
    if (call->plan->scratch >= 0) {
        set_canary(exec, call->plan->scratch);
    }
}

static void poison(const snug_exec *exec, int32_t index)
{
    const snug_plan_buffer *b = &exec->program->buffers[index];
    memset(exec->base + b->offset, POISON_BYTE, (size_t)b->bytes);
}

static snug_status disarm(const snug_exec *exec, const bound_call *call, int64_t c, snug_error *err)
{
    for (int32_t i = 0; i < call->node->input_count; i++) {
        if (call->plan->inputs[i] >= 0) {
            SNUG_TRY(check_canary(exec, call, call->plan->inputs[i], err));
        }
    }
    for (int32_t o = 0; o < call->node->output_count; o++) {
        if (call->plan->outputs[o] >= 0) {
            SNUG_TRY(check_canary(exec, call, call->plan->outputs[o], err));
        }
    }
    if (call->plan->scratch >= 0) {
        SNUG_TRY(check_canary(exec, call, call->plan->scratch, err));
    }
    for (int32_t b = exec->dies_after[c]; b >= 0; b = exec->dies_next[b]) {
        if (exec->dies_in_turn[b]) {
            poison(exec, b);
        }
    }
    return SNUG_OK;
}

static snug_status run_call(const snug_exec *exec, int64_t c, const turn *at,
                            const snug_step_context *step, const snug_exec_calls *calls,
                            snug_error *err)
{
    const bound_call *call = &exec->calls[c];
    const bool careful = exec->program->canary_bytes > 0;
    if (exec->probe != NULL) {
        exec->probe(exec->probe_context, (int32_t)c, at->first, at->count);
    }
    if (careful) {
        arm(exec, call);
    }
    if (call->kernel != NULL) {
        compute(exec, call, at, step);
    } else if ((call->node->op->flags & SNUG_OP_SOURCE) != 0) {
        SNUG_TRY(fetch(exec, call, at, calls, err));
    } else {
        SNUG_TRY(show(exec, call, at, calls, err));
    }
    if (careful) {
        SNUG_TRY(disarm(exec, call, c, err));
    }
    return SNUG_OK;
}

/* A buffer that is about to be added to. */
typedef struct zeroing {
    unsigned char *base;
    const snug_plan_buffer *buffer;
} zeroing;

static void zero_part(void *context, int64_t part, int32_t thread)
{
    const zeroing *work = context;
    const int64_t first = part * ZERO_PART_BYTES;
    SNUG_UNUSED(thread);
    memset(work->base + work->buffer->offset + first, 0,
           (size_t)snug_min_i64(ZERO_PART_BYTES, work->buffer->bytes - first));
}

/* Before the first turn of a step in this loop: what it is the first to add to starts from zero. */
static void zero_before(const snug_exec *exec, int32_t loop)
{
    const snug_program *p = exec->program;
    for (int32_t b = 0; b < p->buffer_count; b++) {
        if (p->buffers[b].zero_loop == loop) {
            zeroing work = {.base = exec->base, .buffer = &p->buffers[b]};
            snug_parallel_run(exec->parallel, snug_ceil_div(p->buffers[b].bytes, ZERO_PART_BYTES),
                              zero_part, &work);
            set_canary(exec, b);
        }
    }
}

static snug_status run_loop(const snug_exec *exec, int32_t l, int64_t micro_first,
                            int64_t micro_count, const snug_step_context *step,
                            const snug_exec_calls *calls, snug_error *err)
{
    const snug_plan_loop *loop = &exec->program->loops[l];
    const int32_t end = loop->first_call + loop->call_count;
    if (micro_first == 0) {
        zero_before(exec, l);
    }
    const int64_t tile = loop->tile > 0 ? loop->tile : 1;
    const int64_t samples = loop->tile > 0 ? micro_count : 1;
    for (int64_t s = 0; s < samples; s += tile) {
        const turn at = {.micro_first = micro_first,
                         .first = loop->tile > 0 ? micro_first + s : 0,
                         .count = loop->tile > 0 ? snug_min_i64(tile, samples - s) : 0};
        for (int32_t c = loop->first_call; c < end; c++) {
            SNUG_TRY(run_call(exec, c, &at, step, calls, err));
        }
    }
    for (int32_t c = loop->first_call; c < end && exec->program->canary_bytes > 0; c++) {
        for (int32_t b = exec->dies_after[c]; b >= 0; b = exec->dies_next[b]) {
            if (!exec->dies_in_turn[b]) {
                poison(exec, b);
            }
        }
    }
    return SNUG_OK;
}

snug_status snug_exec_step(snug_exec *exec, const snug_step_context *step,
                           const snug_exec_calls *calls, snug_error *err)
{
    const snug_program *p = exec->program;
    if (step->batch < 1 || step->batch > p->batch) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "a step has 1 to %lld samples, not %lld",
                         (long long)p->batch, (long long)step->batch);
    }
    for (int32_t b = 0; b < p->buffer_count && p->canary_bytes > 0; b++) {
        if (p->buffers[b].persistent) {
            set_canary(exec, b);
        }
    }
    for (int64_t m = 0; m < step->batch; m += p->micro_batch) {
        const int64_t count = snug_min_i64(p->micro_batch, step->batch - m);
        for (int32_t l = 0; l < p->update_first_loop; l++) {
            SNUG_TRY(run_loop(exec, l, m, count, step, calls, err));
        }
    }
    for (int32_t l = (int32_t)p->update_first_loop; l < p->loop_count; l++) {
        SNUG_TRY(run_loop(exec, l, 0, 0, step, calls, err));
    }
    return SNUG_OK;
}

int64_t snug_exec_requests(const snug_exec *exec, int64_t batch, int64_t capacity,
                           snug_exec_request *out)
{
    const snug_program *p = exec->program;
    int64_t count = 0;
    for (int64_t m = 0; m < batch; m += p->micro_batch) {
        const int64_t micro = snug_min_i64(p->micro_batch, batch - m);
        for (int64_t l = 0; l < p->update_first_loop; l++) {
            const snug_plan_loop *loop = &p->loops[l];
            /* Updates among the loops read no samples. */
            for (int64_t s = 0; s < micro && loop->tile > 0; s += loop->tile) {
                for (int32_t c = 0; c < loop->call_count; c++) {
                    const bound_call *call = &exec->calls[loop->first_call + c];
                    if ((call->node->op->flags & SNUG_OP_SOURCE) == 0) {
                        continue;
                    }
                    if (count < capacity) {
                        out[count] =
                            (snug_exec_request){.stream = call->node->attrs.source.stream,
                                                .first = m + s,
                                                .count = snug_min_i64(loop->tile, micro - s)};
                    }
                    count++;
                }
            }
        }
    }
    return count;
}
