#include "exec/calibrate.h"

#include "base/assert.h"
#include "base/checked.h"
#include "sys/clock.h"
#include "sys/heap.h"

enum {
    PASS_KEEP = -2,  /* What the table says is handed over. */
    PASS_LEAST = -1, /* Only memory is looked at. */
    PASSES = 3,      /* Samples grow from pass to pass. */
    GROWTH = 4,      /* So many times. */
    RUNS_MIN = 3,    /* Behind the one that warms up. */
    RUNS_MAX = 24,
    LARGER_BYTES_MAX = 24 << 20, /* Of a call on more samples than need be. */
    /* In a step most inputs were made long ago, so the near caches are swept before every run. */
    SWEEP_BYTES_MAX = 16 << 20,
    SWEEP_UNIT = 64 << 10
};

static const double runs_seconds = 0.02;     /* Of one call's runs, unless RUNS_MIN take longer. */
static const double shortened_seconds = 0.1; /* A call that can be shortened takes about that. */
static const double larger_seconds = 0.1;    /* Longer calls are not made longer still. */

/* One call in memory: its tensors one behind the other. */
typedef struct layout {
    snug_kernel_call call;
    int64_t bytes;
} layout;

typedef struct work {
    const snug_calibration *request;
    snug_cost_table *table;
    unsigned char *memory; /* NULL: the need is counted, nothing runs. */
    int64_t memory_bytes;  /* The largest call's. */
    int64_t limit_bytes;   /* It may have at most. */
    int64_t sweep_bytes;   /* Behind it, for sweeping caches. */
    int64_t *least_bytes;  /* [node] Of its smallest call, over its variants. */
    int64_t start_ns;
    int64_t added;
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
    if (node->op->scratch_bytes != NULL) {
        out->call.scratch = (void *)((uintptr_t)base + (uintptr_t)at);
        at += snug_align_up(node->op->scratch_bytes(view, samples, threads), SNUG_ALIGN);
    }
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
    uint8_t *u8 = memory;
    for (int64_t i = 0; i < count; i++) {
        const float value = (float)((i * 37 + i / 101) % 199 - 99) * 0.0005F + 0.0001F;
        if (dtype == SNUG_F32) {
            f32[i] = value;
        } else if (dtype == SNUG_F64) {
            f64[i] = 1.0;
        } else {
            u8[i] = dtype == SNUG_U8 ? 1 : 0;
        }
    }
}

static void fill_inputs(const snug_op_view *view, const snug_kernel_call *call, int64_t samples)
{
    for (int32_t i = 0; i < view->input_count; i++) {
        if (call->inputs[i] == NULL) {
            continue;
        }
        const snug_tensor *tensor = &view->graph->tensors[view->node->inputs[i]];
        const int64_t elements =
            snug_shape_count(&view->input[i]) * (tensor->batched ? samples : 1);
        const bool bytes = tensor->dtype != SNUG_F32 && tensor->dtype != SNUG_F64;
        fill((unsigned char *)(uintptr_t)call->inputs[i], tensor->dtype,
             bytes ? elements * snug_dtype_bytes(tensor->dtype) : elements);
    }
}

static bool is_over(const work *w)
{
    return snug_clock_seconds_since(w->start_ns) > w->request->seconds;
}

static void sweep_unit(void *context, int64_t unit, int32_t thread)
{
    const work *w = context;
    unsigned char *at = w->memory + w->memory_bytes + unit * SWEEP_UNIT;
    (void)thread;
    for (int64_t i = 0; i < SWEEP_UNIT; i += SNUG_ALIGN) {
        at[i]++;
    }
}

/* Fills the caches of every thread with something else, as the rest of a step would have. */
static void sweep(work *w)
{
    const snug_parallel *parallel = w->request->parallel;
    snug_parallel_run(parallel, w->sweep_bytes / SWEEP_UNIT, sweep_unit, w);
}

/*
 * Seconds of one run. Of one thread the processor's time is known, whatever else runs. Of more, the
 * clock counts; when others took a core meanwhile, the threads' mean time on theirs is nearer to
 * it.
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
    const bool alone = snug_clock_interruptions() == interruptions;
    const bool use_mean = w->request->parallel->threads == 1 || (!alone && mean < clock);
    return use_mean ? mean : clock;
}

/* Seconds of one call: the fastest of some runs. */
static double time_call(work *w, const snug_op_view *view, int64_t samples)
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
    double best = 0.0;
    step.batch = w->request->batch;
    lay_out(view, samples, w->request->parallel->threads, w->memory, &l);
    SNUG_ASSERT(l.bytes <= w->memory_bytes);
    fill_inputs(view, &l.call, samples);
    l.call.view = view;
    l.call.count = update ? 0 : samples;
    l.call.parallel = w->request->parallel;
    l.call.isa = w->request->isa;
    l.call.step = &step;
    const snug_kernel kernel = snug_kernel_find(view->node->op);
    const int64_t start = snug_clock_ns();
    for (int32_t run = 0; run < RUNS_MAX; run++) {
        sweep(w);
        const double seconds = time_run(w, kernel, &l.call);
        /* The first run warms up; it counts only when nothing else will. */
        best = run <= 1 || seconds < best ? seconds : best;
        if (is_over(w) || (run >= RUNS_MIN && snug_clock_seconds_since(start) > runs_seconds)) {
            break;
        }
    }
    return best > 0.0 ? best : 1e-9;
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
    const snug_cost cost = view->node->op->cost(view, samples);
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
    if (node->op->scratch_bytes != NULL) {
        bytes += node->op->scratch_bytes(&view, samples, w->request->parallel->threads);
    }
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
    const snug_cost_point *known = NULL;
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
        samples *= GROWTH;
    }
    if (samples > r->batch || (update && pass > 0)) {
        return;
    }
    snug_graph_view(r->graph, n, &view);
    const uint64_t kind = snug_cost_kind(&view);
    if (node->op->shorten != NULL) {
        const double share = shortened_seconds / guess(w, &view, samples);
        kept = node->op->shorten(&view, &attrs, share < 1.0 ? share : 1.0);
    }
    lay_out(&view, samples, r->parallel->threads, NULL, &l);
    if (l.bytes > w->limit_bytes || !is_wanted(w, kind, least, samples, l.bytes)) {
        return;
    }
    const int64_t count = snug_cost_find(w->table->points, w->table->count, kind, &known);
    double floor = 0.0; /* More samples never cost less. */
    for (int64_t k = 0; k < count; k++) {
        if (known[k].samples == samples) {
            return;
        }
        floor = known[k].samples < samples ? known[k].seconds : floor;
    }
    if (w->memory == NULL) {
        w->memory_bytes = snug_max_i64(w->memory_bytes, l.bytes);
        return;
    }
    const double seconds = time_call(w, &view, samples) / kept;
    const snug_cost_point point = {
        .kind = kind, .samples = samples, .seconds = seconds > floor ? seconds : floor};
    w->added += snug_cost_add(w->table, &point) ? 1 : 0;
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
        SNUG_TRY_DONE(snug_heap_map(SNUG_CATEGORY_WORKSPACE, bytes, true, &memory, err));
        w.memory = memory;
        w.start_ns = snug_clock_ns();
        for (int32_t pass = 0; pass < PASSES; pass++) {
            visit_all(&w, original, pass);
        }
        snug_heap_unmap(SNUG_CATEGORY_WORKSPACE, w.memory, bytes);
    }
    if (request->own != NULL) {
        visit_all(&w, original, PASS_KEEP);
    }
    *out_added = w.added;

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
            const snug_cost cost = view.node->op->cost(&view, p->samples);
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
