#include "exec/calibrate.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/sort.h"
#include "sys/clock.h"
#include "sys/cpu.h"
#include "sys/heap.h"
#include "tensor/half.h"

enum {
    PASS_KEEP = -2,  /* What the table says is handed over. */
    PASS_LEAST = -1, /* Only memory is looked at. */
    PASSES = 3,      /* Samples grow from pass to pass. */
    GROWTH = 4,      /* So many times. */
    ROUNDS = 12,     /* Of one run of every call; the first warms up. */
    TRIALS_MAX = 512,
    LARGER_BYTES_MAX = 192 << 20, /* Of a call on more samples than need be. */
    SWEEP_BYTES_MAX = 8 << 20,
    UNIT = 64 << 10,     /* Bytes that a thread sweeps at a time. */
    PATTERN = 199 * 101, /* Elements after which the numbers of fill() begin anew. */
    SPEED_LANES = 32,    /* Chains side by side that keep a core's units for sums busy. */
    SPEED_TURNS = 24000, /* About a tenth of a millisecond. */
    SPEED_PARTS = 4      /* For each thread. */
};

/* Time on processors is told of other threads a few milliseconds late: only then is it of use. */
static const double long_seconds = 0.05;
static const double shortened_seconds = 0.1; /* A call that can be shortened takes about that. */
static const double larger_seconds = 0.1;    /* Longer calls are not made longer still. */
static const double least_speed = 0.5;       /* Of the machine's best: a core whose twin is busy. */

/* One call in memory: its tensors one behind the other. */
typedef struct layout {
    snug_kernel_call call;
    int64_t bytes;
} layout;

/* The runs of one kind of call on so many samples. */
typedef struct trial {
    uint64_t kind;
    int64_t samples;
    double kept;   /* The share of the call that is run. */
    int32_t round; /* The last that it was run in. */
    int32_t count;
    double seconds[ROUNDS];
    double beside[ROUNDS]; /* What the speed test took before and after each. */
} trial;

typedef struct work {
    const snug_calibration *request;
    snug_cost_table *table;
    unsigned char *memory; /* NULL: the need is counted, nothing runs. */
    int64_t memory_bytes;  /* The largest call's. */
    int64_t limit_bytes;   /* It may have at most. */
    int64_t sweep_bytes;   /* Behind it, for sweeping caches. */
    unsigned char *flush;  /* Where flush_unit() begins. */
    int64_t flush_bytes;
    trial *trials; /* In the order of the first round: of a kind, fewer samples first. */
    int32_t trial_count;
    int32_t round;
    double speed_usual;           /* Seconds of a speed test: half of them were faster. */
    float sums[SNUG_THREADS_MAX]; /* Where it leaves its results. */
    int64_t *least_bytes;         /* [node] Of its smallest call, over its variants. */
    int64_t start_ns;
} work;

static int64_t shape_bytes(const snug_tensor *tensor, const snug_shape *shape, int64_t samples)
{
    return snug_align_up(snug_shape_count(shape) * snug_dtype_bytes(tensor->dtype) *
                             (tensor->batched ? samples : 1),
                         SNUG_ALIGN);
}

/* A tensor that is read and written (a parameter, a moment) is one place. */
static void *place_of_input(const snug_op_view *view, const snug_kernel_call *call,
                            snug_tensor_id tensor)
{
    for (int32_t i = 0; i < view->input_count; i++) {
        if (view->node->inputs[i] == tensor) {
            /* Inputs are const for kernels; here they are this file's own memory. */
            return (unsigned char *)(uintptr_t)call->inputs[i];
        }
    }
    return NULL;
}

/* An update is called without samples; what it reads of them, it reads of the whole batch. */
static int64_t samples_held(const work *w, const snug_op_view *view, int64_t samples)
{
    return (view->node->op->flags & SNUG_OP_UPDATE) != 0 ? w->request->batch : samples;
}

/* `base` NULL: the bytes only; addresses are then counted from 0. */
static void lay_out(const snug_op_view *view, int64_t samples, int32_t threads, unsigned char *base,
                    layout *out)
{
    const snug_graph *graph = view->graph;
    const snug_node *node = view->node;
    int64_t at = SNUG_ALIGN; /* So that no address is NULL. */
    *out = (layout){0};
    for (int32_t i = 0; i < node->input_count; i++) {
        if (node->inputs[i] >= 0) {
            out->call.inputs[i] = (const void *)((uintptr_t)base + (uintptr_t)at);
            at += shape_bytes(&graph->tensors[node->inputs[i]], &view->input[i], samples);
        }
    }
    for (int32_t o = 0; o < node->output_count; o++) {
        const snug_tensor_id t = node->outputs[o];
        if (t < 0) {
            continue;
        }
        out->call.outputs[o] = place_of_input(view, &out->call, t);
        if (out->call.outputs[o] == NULL) {
            out->call.outputs[o] = (void *)((uintptr_t)base + (uintptr_t)at);
            at += shape_bytes(&graph->tensors[t], &view->output[o], samples);
        }
    }
    out->call.scratch = (void *)((uintptr_t)base + (uintptr_t)at);
    at += snug_align_up(snug_op_scratch_bytes(view, samples, threads), SNUG_ALIGN);
    out->bytes = at;
}

/*
 * Small numbers of both signs: no sum runs away, and nothing vanishes into the denormals that slow
 * a processor down. Masks are set; whole numbers are 0, which every table and class has.
 */
static void fill(void *memory, snug_dtype dtype, int64_t count)
{
    float *f32 = memory;
    double *f64 = memory;
    uint16_t *bf16 = memory;
    unsigned char *bytes = memory;
    const int64_t size = snug_dtype_bytes(dtype);
    int64_t done = snug_min_i64(count, PATTERN);
    if (dtype != SNUG_F32 && dtype != SNUG_F64 && dtype != SNUG_BF16) {
        memset(memory, dtype == SNUG_U8 ? 1 : 0, (size_t)(count * size));
        return;
    }
    for (int64_t i = 0; i < done; i++) {
        const float value = (float)((i * 37 + i / 101) % 199 - 99) * 0.0005F + 0.0001F;
        if (dtype == SNUG_F32) {
            f32[i] = value;
        } else if (dtype == SNUG_BF16) {
            bf16[i] = snug_bf16_from_f32(value);
        } else {
            f64[i] = 1.0;
        }
    }
    while (done < count) {
        const int64_t more = snug_min_i64(done, count - done);
        memcpy(bytes + done * size, bytes, (size_t)(more * size));
        done += more;
    }
}

static void fill_inputs(const snug_op_view *view, const snug_kernel_call *call, int64_t samples)
{
    for (int32_t i = 0; i < view->input_count; i++) {
        if (call->inputs[i] != NULL) {
            const snug_tensor *tensor = &view->graph->tensors[view->node->inputs[i]];
            fill((unsigned char *)(uintptr_t)call->inputs[i], tensor->dtype,
                 snug_shape_count(&view->input[i]) * (tensor->batched ? samples : 1));
        }
    }
}

static bool is_over(const work *w)
{
    return snug_clock_seconds_since(w->start_ns) > w->request->seconds;
}

static void sweep_unit(void *context, int64_t unit, int32_t thread)
{
    const work *w = context;
    unsigned char *at = w->memory + w->memory_bytes + unit * UNIT;
    (void)thread;
    for (int64_t i = 0; i < UNIT; i += SNUG_ALIGN) {
        at[i]++;
    }
}

static void flush_unit(void *context, int64_t unit, int32_t thread)
{
    const work *w = context;
    const int64_t first = unit * UNIT;
    (void)thread;
    snug_cpu_flush(w->flush + first, snug_min_i64(UNIT, w->flush_bytes - first));
}

/*
 * Whether a step has to fetch the tensor from memory. What all samples share was there a turn ago,
 * unless there is only one turn. The backward pass finds what the forward pass made long ago; and
 * what the forward pass makes, it makes for the backward pass.
 */
static bool is_far(const work *w, const snug_node *node, snug_tensor_id t, bool output,
                   int64_t samples)
{
    const snug_graph *graph = w->request->graph;
    const snug_tensor *tensor = &graph->tensors[t];
    if (node->phase == SNUG_PHASE_UPDATE) {
        return true;
    }
    if (!tensor->batched) {
        return samples == w->request->batch;
    }
    const bool made_forward =
        tensor->producer >= 0 && graph->nodes[tensor->producer].phase == SNUG_PHASE_FORWARD;
    return node->phase == SNUG_PHASE_FORWARD ? output : made_forward;
}

static void flush(work *w, const void *memory, int64_t bytes)
{
    w->flush = (unsigned char *)(uintptr_t)memory;
    w->flush_bytes = bytes;
    snug_parallel_run(w->request->parallel, snug_ceil_div(bytes, UNIT), flush_unit, w);
}

/* Makes the caches what they are in a step: the near ones full of something else, far things out
 * of all of them. */
static void cool(work *w, const snug_op_view *view, const snug_kernel_call *call, int64_t samples)
{
    const snug_node *node = view->node;
    snug_parallel_run(w->request->parallel, w->sweep_bytes / UNIT, sweep_unit, w);
    for (int32_t i = 0; i < node->input_count; i++) {
        const snug_tensor_id t = node->inputs[i];
        if (t >= 0 && is_far(w, node, t, false, samples)) {
            flush(w, call->inputs[i],
                  shape_bytes(&view->graph->tensors[t], &view->input[i], samples));
        }
    }
    for (int32_t o = 0; o < node->output_count; o++) {
        const snug_tensor_id t = node->outputs[o];
        if (t >= 0 && is_far(w, node, t, true, samples)) {
            flush(w, call->outputs[o],
                  shape_bytes(&view->graph->tensors[t], &view->output[o], samples));
        }
    }
}

/*
 * Seconds of one run. Of one thread the processor's time is known, whatever else runs. Of more, the
 * clock counts; when others took a core from a long run, the threads' mean time on theirs is nearer
 * to it.
 */
static double time_run(const work *w, snug_kernel kernel, const snug_kernel_call *call)
{
    const int64_t interruptions = snug_clock_interruptions();
    const int64_t process_start = snug_clock_process_ns();
    const int64_t start = snug_clock_ns();
    kernel(call);
    const double clock = snug_clock_seconds_since(start);
    const double mean = (double)(snug_clock_process_ns() - process_start) * 1e-9 /
                        (double)w->request->parallel->threads;
    const bool alone = clock < long_seconds || snug_clock_interruptions() == interruptions;
    const bool use_mean = w->request->parallel->threads == 1 || (!alone && mean < clock);
    return use_mean ? mean : clock;
}

static void speed_part(void *context, int64_t part, int32_t thread)
{
    work *w = context;
    float sums[SPEED_LANES];
    float total = 0.0F;
    for (int32_t i = 0; i < SPEED_LANES; i++) {
        sums[i] = 0.001F * (float)(i + 1 + part);
    }
    for (int32_t turn = 0; turn < SPEED_TURNS; turn++) {
        for (int32_t i = 0; i < SPEED_LANES; i++) {
            sums[i] = sums[i] * 0.999F + 0.001F;
        }
    }
    for (int32_t i = 0; i < SPEED_LANES; i++) {
        total += sums[i];
    }
    w->sums[thread] = total;
}

/*
 * Seconds of a fixed piece of work that needs nothing but cores. A core whose twin belongs to
 * somebody else does half as much for seconds on end: calls measured at different times are
 * compared by what this took beside them.
 */
static double test_speed(work *w)
{
    const bool one = w->request->parallel->threads == 1;
    const int64_t start = one ? snug_clock_process_ns() : snug_clock_ns();
    snug_parallel_run(w->request->parallel, SPEED_PARTS * w->request->parallel->threads, speed_part,
                      w);
    const int64_t end = one ? snug_clock_process_ns() : snug_clock_ns();
    const double seconds = (double)snug_max_i64(1, end - start) * 1e-9;
    w->speed_usual = w->speed_usual > 0.0 ? w->speed_usual : seconds;
    return seconds;
}

/* Runs a call once. */
static void run_trial(work *w, const snug_op_view *view, trial *t)
{
    static const snug_step_context step_model = {.normaliser = 1e4,
                                                 .step = 2,
                                                 .learning_rate = 1e-4,
                                                 .weight_decay = 1e-2,
                                                 .beta1 = 0.9,
                                                 .beta2 = 0.999,
                                                 .epsilon = 1e-8,
                                                 .clip_norm = 1.0};
    const bool update = (view->node->op->flags & SNUG_OP_UPDATE) != 0;
    snug_step_context step = step_model;
    layout l;
    step.batch = w->request->batch;
    const int64_t held = samples_held(w, view, t->samples);
    lay_out(view, held, w->request->parallel->threads, w->memory, &l);
    SNUG_ASSERT(l.bytes <= w->memory_bytes);
    fill_inputs(view, &l.call, held);
    l.call.view = view;
    l.call.count = update ? 0 : t->samples;
    l.call.parallel = w->request->parallel;
    l.call.isa = w->request->isa;
    l.call.step = &step;
    const snug_kernel kernel = snug_kernel_of(view);
    /* What the first round took counts only when there is no other. */
    t->count = w->round == 1 ? 0 : t->count;
    t->round = w->round;
    cool(w, view, &l.call, held);
    const double before = test_speed(w);
    t->seconds[t->count] = time_run(w, kernel, &l.call);
    t->beside[t->count] = 0.5 * (before + test_speed(w));
    t->count++;
}

/*
 * What a call takes at the machine's usual speed: runs are made as short as the machine was slow
 * beside them, then a quarter of them was faster. The luckiest tells too little; and others may
 * slow down more than half of them.
 */
static double usual(const work *w, const trial *t)
{
    double sorted[ROUNDS];
    for (int32_t i = 0; i < t->count; i++) {
        const double speed = w->speed_usual / t->beside[i];
        const double seconds = t->seconds[i] * (speed > least_speed ? speed : least_speed);
        int32_t at = i;
        while (at > 0 && sorted[at - 1] > seconds) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = seconds;
    }
    const double found = sorted[t->count / 4];
    return found > 0.0 ? found : 1e-9;
}

static trial *find_trial(const work *w, uint64_t kind, int64_t samples)
{
    for (int32_t i = 0; i < w->trial_count; i++) {
        if (w->trials[i].kind == kind && w->trials[i].samples == samples) {
            return &w->trials[i];
        }
    }
    return NULL;
}

/* The speed that all calls are told at: what it takes a machine with its usual neighbours. */
static snug_status find_usual_speed(work *w, snug_error *err)
{
    void *memory = NULL;
    int64_t count = 0;
    SNUG_TRY(snug_arena_array(w->request->scratch, (int64_t)w->trial_count * ROUNDS,
                              (int64_t)sizeof(double), &memory, err));
    double *seconds = memory;
    for (int32_t t = 0; t < w->trial_count; t++) {
        for (int32_t i = 0; i < w->trials[t].count; i++) {
            seconds[count++] = w->trials[t].beside[i];
        }
    }
    snug_sort_f64(seconds, count);
    w->speed_usual = count > 0 ? seconds[count / 2] : w->speed_usual;
    return SNUG_OK;
}

/* The point of a trial; more samples never cost less. */
static void note(work *w, const trial *t)
{
    const snug_cost_point *known = NULL;
    const int64_t count = snug_cost_find(w->table->points, w->table->count, t->kind, &known);
    double seconds = usual(w, t) / t->kept;
    for (int64_t k = 0; k < count && known[k].samples < t->samples; k++) {
        seconds = known[k].seconds > seconds ? known[k].seconds : seconds;
    }
    const snug_cost_point point = {.kind = t->kind, .samples = t->samples, .seconds = seconds};
    (void)snug_cost_add(w->table, &point);
}

/* Samples of a node's smallest call. */
static int64_t least_samples(const snug_graph *graph, snug_node_id node, int64_t batch)
{
    return snug_min_i64(batch, snug_max_i64(1, snug_graph_sample_group(graph, node)));
}

static bool is_computed(const snug_node *node)
{
    return (node->op->flags & (SNUG_OP_SOURCE | SNUG_OP_SINK)) == 0 &&
           snug_kernel_find(node->op) != NULL;
}

/* About what a call takes, for choosing how much of it is measured. */
static double guess(const work *w, const snug_op_view *view, int64_t samples)
{
    const snug_cost_model model = snug_cost_model_default(w->request->parallel->threads);
    const snug_cost cost = snug_op_cost(view, samples);
    return model.call_seconds + cost.flops / model.flops_per_second +
           cost.bytes / model.bytes_per_second;
}

/* Whether a call on more samples than need be is worth its time. */
static bool is_wanted(const work *w, uint64_t kind, int64_t least, int64_t samples, int64_t bytes)
{
    double known = 0.0;
    if (samples == least) {
        return true;
    }
    if (bytes > LARGER_BYTES_MAX || (w->memory != NULL && is_over(w))) {
        return false;
    }
    return !snug_cost_look_up(w->table->points, w->table->count, kind, samples, &known) ||
           known <= larger_seconds;
}

/* What a node's smallest call has in the arena beside parameters and states. */
static void note_least(work *w, snug_node_id n, int64_t samples)
{
    const snug_graph *graph = w->request->graph;
    const snug_node *node = &graph->nodes[n];
    snug_op_view view;
    int64_t bytes = 0;
    snug_graph_view(graph, n, &view);
    samples = samples_held(w, &view, samples);
    for (int32_t i = 0; i < node->input_count; i++) {
        const snug_tensor_id t = node->inputs[i];
        if (t >= 0 && graph->tensors[t].kind != SNUG_TENSOR_PARAMETER &&
            graph->tensors[t].kind != SNUG_TENSOR_STATE) {
            bytes += shape_bytes(&graph->tensors[t], &view.input[i], samples);
        }
    }
    for (int32_t o = 0; o < node->output_count; o++) {
        const snug_tensor_id t = node->outputs[o];
        if (t >= 0 && graph->tensors[t].kind == SNUG_TENSOR_GRADIENT) {
            bytes += shape_bytes(&graph->tensors[t], &view.output[o], 1);
        }
    }
    bytes += snug_op_scratch_bytes(&view, samples, w->request->parallel->threads);
    w->least_bytes[n] = snug_min_i64(w->least_bytes[n], bytes);
}

/* What the table knows of a node. */
static void keep_points(const work *w, snug_node_id n)
{
    snug_op_view view;
    const snug_cost_point *points = NULL;
    snug_graph_view(w->request->graph, n, &view);
    const int64_t count =
        snug_cost_find(w->table->points, w->table->count, snug_cost_kind(&view), &points);
    for (int64_t i = 0; i < count; i++) {
        (void)snug_cost_add(w->request->own, &points[i]);
    }
}

static bool is_known(const work *w, uint64_t kind, int64_t samples)
{
    const snug_cost_point *known = NULL;
    const int64_t count = snug_cost_find(w->table->points, w->table->count, kind, &known);
    for (int64_t k = 0; k < count; k++) {
        if (known[k].samples == samples) {
            return true;
        }
    }
    return false;
}

/* Runs a call of this round, unless another node of its kind has been here; notes what it took. */
static void try_call(work *w, const snug_op_view *view, uint64_t kind, int64_t samples, double kept)
{
    trial *t = find_trial(w, kind, samples);
    if (w->round == 0) {
        t = &w->trials[w->trial_count++];
        *t = (trial){.kind = kind, .samples = samples, .kept = kept};
    } else if (t == NULL || t->round == w->round || is_over(w)) {
        return;
    }
    run_trial(w, view, t);
    note(w, t);
}

/* One node in one pass: counted, or measured and noted. */
static void visit(work *w, snug_node_id n, int32_t pass)
{
    const snug_calibration *r = w->request;
    const snug_node *node = &r->graph->nodes[n];
    const bool update = (node->op->flags & SNUG_OP_UPDATE) != 0;
    const int64_t least = update ? 1 : least_samples(r->graph, n, r->batch);
    snug_op_view view;
    snug_attrs attrs;
    layout l;
    int64_t samples = least;
    double kept = 1.0;
    if (pass == PASS_LEAST) {
        note_least(w, n, least);
        return;
    }
    if (pass == PASS_KEEP) {
        keep_points(w, n);
        return;
    }
    for (int32_t k = 0; k < pass; k++) {
        if (samples >= r->batch || update) {
            return;
        }
        samples = snug_min_i64(samples * GROWTH, r->batch);
    }
    snug_graph_view(r->graph, n, &view);
    const uint64_t kind = snug_cost_kind(&view);
    if (node->op->shorten != NULL) {
        const double share = shortened_seconds / guess(w, &view, samples);
        kept = node->op->shorten(&view, &attrs, share < 1.0 ? share : 1.0);
    }
    if (w->round > 0) {
        try_call(w, &view, kind, samples, kept);
        return;
    }
    lay_out(&view, samples_held(w, &view, samples), r->parallel->threads, NULL, &l);
    if (l.bytes > w->limit_bytes || is_known(w, kind, samples) ||
        !is_wanted(w, kind, least, samples, l.bytes)) {
        return;
    }
    if (w->memory == NULL) {
        w->memory_bytes = snug_max_i64(w->memory_bytes, l.bytes);
    } else if (w->trial_count < TRIALS_MAX && w->table->count < w->table->capacity) {
        try_call(w, &view, kind, samples, kept);
    }
}

static int32_t variants_of(const snug_graph *graph, snug_node_id node)
{
    const snug_node *n = &graph->nodes[node];
    snug_op_view view;
    if (n->forward >= 0 || n->op->variants == NULL) {
        return 1;
    }
    snug_graph_view(graph, node, &view);
    return n->op->variants(&view);
}

/* All nodes under all of their variants; the graph is put back as `original` says. */
static void visit_all(work *w, const int32_t *original, int32_t pass)
{
    snug_graph *graph = w->request->graph;
    bool more = true;
    for (int32_t v = 0; more; v++) {
        more = false;
        for (int32_t n = 0; n < graph->node_count; n++) {
            const int32_t count = variants_of(graph, n);
            if (count > 1) {
                const int32_t chosen = v < count ? v : count - 1;
                const snug_status set = snug_graph_set_variant(graph, n, chosen, NULL);
                SNUG_ASSERT(set == SNUG_OK);
                more = more || v + 1 < count;
            }
        }
        for (int32_t n = 0; n < graph->node_count; n++) {
            if (is_computed(&graph->nodes[n])) {
                visit(w, n, pass);
            }
        }
    }
    for (int32_t n = 0; n < graph->node_count; n++) {
        if (graph->nodes[n].forward < 0 && graph->nodes[n].variant != original[n]) {
            const snug_status restored = snug_graph_set_variant(graph, n, original[n], NULL);
            SNUG_ASSERT(restored == SNUG_OK);
        }
    }
}

/*
 * Every plan holds the parameters, the states and, at some time, the smallest call of each node: as
 * much memory may be used here without a higher peak than the run has anyway.
 */
static void find_limit(work *w, const int32_t *original)
{
    const snug_graph *graph = w->request->graph;
    int64_t persistent = 0, largest = 0;
    for (int32_t t = 0; t < graph->tensor_count; t++) {
        const snug_tensor *tensor = &graph->tensors[t];
        if (tensor->kind == SNUG_TENSOR_PARAMETER || tensor->kind == SNUG_TENSOR_STATE) {
            persistent += shape_bytes(tensor, &tensor->shape, 1);
        }
    }
    for (int32_t n = 0; n < graph->node_count; n++) {
        w->least_bytes[n] = is_computed(&graph->nodes[n]) ? INT64_MAX : 0;
    }
    visit_all(w, original, PASS_LEAST);
    for (int32_t n = 0; n < graph->node_count; n++) {
        largest = snug_max_i64(largest, w->least_bytes[n]);
    }
    w->limit_bytes =
        snug_min_i64(w->request->memory_bytes, persistent + largest + w->request->beside_bytes);
}

snug_status snug_calibrate(const snug_calibration *request, snug_cost_table *table,
                           int64_t *out_added, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(request->scratch);
    work w = {.request = request, .table = table, .start_ns = snug_clock_ns()};
    void *memory = NULL;
    SNUG_TRY_DONE(snug_arena_array(request->scratch, request->graph->node_count,
                                   (int64_t)sizeof(int32_t), &memory, err));
    int32_t *original = memory;
    for (int64_t n = 0; n < request->graph->node_count; n++) {
        original[n] = request->graph->nodes[n].variant;
    }
    SNUG_TRY_DONE(snug_arena_array(request->scratch, request->graph->node_count,
                                   (int64_t)sizeof(int64_t), &memory, err));
    w.least_bytes = memory;
    find_limit(&w, original);
    for (int32_t pass = 0; pass < PASSES; pass++) {
        visit_all(&w, original, pass);
    }
    if (w.memory_bytes > 0) {
        w.sweep_bytes = snug_min_i64(SWEEP_BYTES_MAX, w.limit_bytes - w.memory_bytes);
        const int64_t bytes = w.memory_bytes + w.sweep_bytes;
        SNUG_TRY_DONE(
            snug_arena_array(request->scratch, TRIALS_MAX, (int64_t)sizeof(trial), &memory, err));
        w.trials = memory;
        SNUG_TRY_DONE(snug_heap_map(SNUG_CATEGORY_WORKSPACE, bytes, true, &memory, err));
        w.memory = memory;
        w.start_ns = snug_clock_ns();
        for (; w.round < ROUNDS && (w.round == 0 || !is_over(&w)); w.round++) {
            for (int32_t pass = 0; pass < PASSES; pass++) {
                visit_all(&w, original, pass);
            }
        }
        snug_heap_unmap(SNUG_CATEGORY_WORKSPACE, w.memory, bytes);
        SNUG_TRY_DONE(find_usual_speed(&w, err));
        /* The last round may have changed a point below another. */
        for (int32_t t = 0; t < w.trial_count; t++) {
            note(&w, &w.trials[t]);
        }
    }
    if (request->own != NULL) {
        visit_all(&w, original, PASS_KEEP);
    }
    *out_added = w.trial_count;

done:
    snug_arena_rewind(request->scratch, start);
    return status;
}

snug_cost_model snug_calibrated_model(const snug_graph *graph, const snug_cost_table *table,
                                      int32_t threads)
{
    snug_cost_model model = snug_cost_model_default(threads);
    double measured = 0.0, expected = 0.0;
    for (int32_t n = 0; n < graph->node_count; n++) {
        snug_op_view view;
        const snug_cost_point *points = NULL;
        if (!is_computed(&graph->nodes[n]) || graph->nodes[n].op->cost == NULL) {
            continue;
        }
        snug_graph_view(graph, n, &view);
        const int64_t count =
            snug_cost_find(table->points, table->count, snug_cost_kind(&view), &points);
        if (count > 0) {
            const snug_cost_point *p = &points[count - 1];
            const snug_cost cost = snug_op_cost(&view, p->samples);
            measured += p->seconds;
            expected += model.call_seconds + cost.flops / model.flops_per_second +
                        cost.bytes / model.bytes_per_second;
        }
    }
    if (measured > 0.0 && expected > 0.0) {
        const double speed = expected / measured;
        model.flops_per_second *= speed;
        model.bytes_per_second *= speed;
        model.call_seconds /= speed;
    }
    model.points = table->points;
    model.point_count = table->count;
    return model;
}
