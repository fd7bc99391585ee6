#include "plan/problem.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "plan/costs.h"

/* Figures of one AVX2 core at 3 GHz; calibration replaces them. */
static const double core_flops_per_second = 7.0e10;
static const double memory_bytes_per_second = 1.0e10;
static const double read_bytes_per_second = 1.0e9;
static const double call_seconds = 2.0e-5;

/* A build for debugging poisons every run. */
#ifdef SNUG_POISON
static const bool poison_build = true;
#else
static const bool poison_build = false;
#endif

snug_cost_model snug_cost_model_default(int32_t threads)
{
    return (snug_cost_model){.flops_per_second = core_flops_per_second * (double)threads,
                             .bytes_per_second = memory_bytes_per_second,
                             .read_bytes_per_second = read_bytes_per_second,
                             .call_seconds = call_seconds};
}

bool snug_plan_updates(snug_plan_mode mode, const snug_graph *graph, const snug_node *node)
{
    if (node->phase != SNUG_PHASE_UPDATE || !snug_plan_trains(mode)) {
        return false;
    }
    return mode == SNUG_PLAN_TRAIN ||
           snug_graph_measures(graph, node) == (mode == SNUG_PLAN_MEASURE);
}

static bool key_less(const int64_t *keys, int32_t a, int32_t b)
{
    return keys[a] != keys[b] ? keys[a] < keys[b] : a < b;
}

static void sift_down(const int64_t *keys, int32_t *indices, int64_t root, int64_t count)
{
    for (;;) {
        int64_t child = 2 * root + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && key_less(keys, indices[child], indices[child + 1])) {
            child++;
        }
        if (!key_less(keys, indices[root], indices[child])) {
            return;
        }
        const int32_t swap = indices[root];
        indices[root] = indices[child];
        indices[child] = swap;
        root = child;
    }
}

void snug_plan_sort(const int64_t *keys, int32_t *indices, int64_t count)
{
    for (int64_t i = count / 2 - 1; i >= 0; i--) {
        sift_down(keys, indices, i, count);
    }
    for (int64_t end = count - 1; end > 0; end--) {
        const int32_t swap = indices[0];
        indices[0] = indices[end];
        indices[end] = swap;
        sift_down(keys, indices, 0, end);
    }
}

int32_t snug_problem_tile(const snug_plan_problem *problem, int64_t tile)
{
    for (int32_t i = 0; i < problem->tile_count; i++) {
        if (problem->tiles[i] == tile) {
            return i;
        }
    }
    SNUG_ASSERT(tile == 0);
    return 0;
}

static snug_status allocate(snug_plan_problem *p, snug_arena *arena, snug_error *err)
{
    const int64_t nodes = p->node_count;
    const int64_t tensors = p->tensor_count;
    void *memory = NULL;
#define SNUG_PROBLEM_ARRAY(field, count)                                                           \
    SNUG_TRY(snug_arena_array(arena, (count), (int64_t)sizeof *p->field, &memory, err));           \
    p->field = memory
    SNUG_PROBLEM_ARRAY(active, nodes);
    SNUG_PROBLEM_ARRAY(stage, nodes);
    SNUG_PROBLEM_ARRAY(place, tensors);
    SNUG_PROBLEM_ARRAY(home, tensors);
    SNUG_PROBLEM_ARRAY(producer, tensors);
    SNUG_PROBLEM_ARRAY(last_stage, tensors);
    SNUG_PROBLEM_ARRAY(bytes, tensors * p->variant_count);
    SNUG_PROBLEM_ARRAY(seconds, nodes * p->variant_count * p->tile_count);
    SNUG_PROBLEM_ARRAY(scratch, nodes * p->variant_count * p->tile_count);
    SNUG_PROBLEM_ARRAY(inplace, nodes * SNUG_NODE_OUTPUTS_MAX);
    SNUG_PROBLEM_ARRAY(variants_of, nodes);
    SNUG_PROBLEM_ARRAY(group, nodes);
    SNUG_PROBLEM_ARRAY(tied, nodes);
    SNUG_PROBLEM_ARRAY(updated, tensors);
    SNUG_PROBLEM_ARRAY(release_stage, nodes);
#undef SNUG_PROBLEM_ARRAY
    return SNUG_OK;
}

static int32_t node_variants(const snug_graph *graph, snug_node_id node)
{
    snug_op_view view;
    if (graph->nodes[node].forward >= 0 || graph->nodes[node].op->variants == NULL) {
        return 1;
    }
    snug_graph_view(graph, node, &view);
    return graph->nodes[node].op->variants(&view);
}

/* A node is active when something that the mode asks for depends on it. */
static void find_active(snug_plan_problem *p)
{
    const snug_graph *graph = p->graph;
    bool *wanted = (bool *)p->tied; /* Borrowed before its own use; one flag a node. */
    for (int32_t n = p->node_count - 1; n >= 0; n--) {
        const snug_node *node = &graph->nodes[n];
        const bool sink = (node->op->flags & SNUG_OP_SINK) != 0;
        bool active = wanted[n];
        if (snug_plan_trains(p->mode)) {
            active = active || node->phase == SNUG_PHASE_BACKWARD ||
                     snug_plan_updates(p->mode, graph, node);
        } else {
            active = (active || sink) && node->phase == SNUG_PHASE_FORWARD;
        }
        for (int32_t o = 0; o < node->output_count; o++) {
            active = active || (p->mode != SNUG_PLAN_PREDICT && graph->loss >= 0 &&
                                node->outputs[o] == graph->loss);
        }
        p->active[n] = active;
        for (int32_t i = 0; i < node->input_count && active; i++) {
            if (node->inputs[i] >= 0 && graph->tensors[node->inputs[i]].producer >= 0) {
                wanted[graph->tensors[node->inputs[i]].producer] = true;
            }
        }
    }
    memset(wanted, 0, (size_t)p->node_count * sizeof *wanted);
}

static snug_status place_output(snug_plan_problem *p, snug_node_id n, int32_t o, snug_error *err)
{
    const snug_node *node = &p->graph->nodes[n];
    const snug_tensor_id t = node->outputs[o];
    const snug_tensor *tensor = &p->graph->tensors[t];
    if (tensor->kind == SNUG_TENSOR_GRADIENT) {
        p->place[t] = SNUG_PLACE_GRADIENT;
        return SNUG_OK;
    }
    if (tensor->kind == SNUG_TENSOR_PARAMETER || tensor->kind == SNUG_TENSOR_STATE) {
        return SNUG_OK;
    }
    if (p->producer[t] >= 0) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "'%s' is written by two nodes", tensor->name);
    }
    p->producer[t] = n;
    if (node->phase == SNUG_PHASE_UPDATE) {
        p->place[t] = SNUG_PLACE_SHARED;
    } else if (!tensor->batched || snug_problem_accumulates(node, o)) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "'%s' of '%s' is shared by all samples, but no parameter or state",
                         tensor->name, node->name);
    } else if (t == p->graph->loss) {
        p->place[t] = SNUG_PLACE_GLOBAL;
    } else {
        p->place[t] = node->phase == SNUG_PHASE_BACKWARD ? SNUG_PLACE_BACKWARD : SNUG_PLACE_FORWARD;
    }
    return SNUG_OK;
}

static snug_status place_tensors(snug_plan_problem *p, snug_error *err)
{
    const snug_graph *graph = p->graph;
    for (int32_t t = 0; t < p->tensor_count; t++) {
        const snug_tensor_kind kind = graph->tensors[t].kind;
        p->producer[t] = -1;
        p->last_stage[t] = -1;
        p->place[t] = kind == SNUG_TENSOR_PARAMETER || kind == SNUG_TENSOR_STATE
                          ? SNUG_PLACE_PERSISTENT
                          : SNUG_PLACE_UNUSED;
    }
    for (int32_t n = 0; n < p->node_count; n++) {
        const snug_node *node = &graph->nodes[n];
        if (!p->active[n]) {
            continue;
        }
        for (int32_t i = 0; i < node->input_count; i++) {
            const snug_tensor_id t = node->inputs[i];
            if (t >= 0 && p->place[t] == SNUG_PLACE_UNUSED) {
                return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "'%s' reads '%s' before it is made",
                                 node->name, graph->tensors[t].name);
            }
            if (t >= 0 && p->place[t] == SNUG_PLACE_GLOBAL && node->phase != SNUG_PHASE_FORWARD) {
                return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "'%s' reads the loss", node->name);
            }
        }
        for (int32_t o = 0; o < node->output_count; o++) {
            if (node->outputs[o] >= 0) {
                SNUG_TRY(place_output(p, n, o, err));
            }
        }
    }
    return SNUG_OK;
}

/* Two nodes that add to one gradient must do so one after the other, each for all samples. */
static snug_status find_tied(snug_plan_problem *p, snug_arena *arena, snug_error *err)
{
    const snug_mark start = snug_arena_mark(arena);
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, p->tensor_count, (int64_t)sizeof(int32_t), &memory, err));
    int32_t *first = memory; /* Index + 1 of the first node that adds. */
    for (int32_t n = 0; n < p->node_count; n++) {
        const snug_node *node = &p->graph->nodes[n];
        for (int32_t o = 0; o < node->output_count && p->active[n]; o++) {
            const snug_tensor_id t = node->outputs[o];
            if (t < 0 || node->phase == SNUG_PHASE_UPDATE || !snug_problem_accumulates(node, o)) {
                continue;
            }
            if (first[t] == 0) {
                first[t] = n + 1;
            } else {
                p->tied[n] = true;
                p->tied[first[t] - 1] = true;
                p->any_tied = true;
            }
        }
    }
    snug_arena_rewind(arena, start);
    return SNUG_OK;
}

/* Stages go down in the backward pass: an update runs behind the lowest that it waits for. */
static snug_status find_releases(snug_plan_problem *p, snug_arena *arena, snug_error *err)
{
    const snug_mark start = snug_arena_mark(arena);
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, 2 * (int64_t)p->tensor_count, (int64_t)sizeof(int32_t),
                              &memory, err));
    int32_t *wrote = memory; /* [tensor] Lowest stage that writes it so far. */
    int32_t *read = wrote + p->tensor_count;
    for (int32_t t = 0; t < p->tensor_count; t++) {
        wrote[t] = p->stage_count - 1;
        read[t] = p->stage_count - 1;
    }
    /* Updates come behind all others in a graph. */
    for (int32_t n = 0; n < p->node_count; n++) {
        const snug_node *node = &p->graph->nodes[n];
        const bool update = node->phase == SNUG_PHASE_UPDATE;
        int32_t stage = update ? p->stage_count - 1 : p->stage[n];
        for (int32_t i = 0; i < node->input_count && p->active[n]; i++) {
            const snug_tensor_id t = node->inputs[i];
            if (t >= 0 && update) {
                stage = wrote[t] < stage ? wrote[t] : stage;
                p->updated[t] = p->place[t] == SNUG_PLACE_GRADIENT;
            }
        }
        for (int32_t o = 0; o < node->output_count && p->active[n]; o++) {
            const snug_tensor_id t = node->outputs[o];
            if (t >= 0 && update) {
                stage = wrote[t] < stage ? wrote[t] : stage;
                stage = read[t] < stage ? read[t] : stage;
            }
        }
        p->release_stage[n] = stage;
        for (int32_t i = 0; i < node->input_count && p->active[n]; i++) {
            if (node->inputs[i] >= 0 && stage < read[node->inputs[i]]) {
                read[node->inputs[i]] = stage;
            }
        }
        for (int32_t o = 0; o < node->output_count && p->active[n]; o++) {
            if (node->outputs[o] >= 0 && stage < wrote[node->outputs[o]]) {
                wrote[node->outputs[o]] = stage;
            }
        }
    }
    snug_arena_rewind(arena, start);
    return SNUG_OK;
}

static void list_tiles(snug_plan_problem *p, int64_t group)
{
    int64_t micro = p->batch;
    p->micros[p->micro_count++] = micro;
    while (micro > 1 && !p->any_tied && p->micro_count < SNUG_PLAN_MICROS_MAX) {
        const int64_t half = snug_ceil_div(snug_ceil_div(micro, 2), group) * group;
        if (half >= micro) {
            break;
        }
        micro = half;
        p->micros[p->micro_count++] = micro;
    }
    for (int64_t tile = 1; tile < p->batch; tile *= 2) {
        p->tiles[p->tile_count++] = tile;
    }
    for (int32_t m = 0; m < p->micro_count; m++) {
        int32_t at = p->tile_count;
        while (at > 0 && p->tiles[at - 1] > p->micros[m]) {
            at--;
        }
        if (at > 0 && p->tiles[at - 1] == p->micros[m]) {
            continue;
        }
        SNUG_ASSERT(p->tile_count < SNUG_PLAN_TILES_MAX);
        memmove(&p->tiles[at + 1], &p->tiles[at],
                (size_t)(p->tile_count - at) * sizeof p->tiles[0]);
        p->tiles[at] = p->micros[m];
        p->tile_count++;
    }
}

static double price(const snug_cost_model *model, const snug_op_view *view, uint64_t kind,
                    int64_t samples)
{
    const snug_op *op = view->node->op;
    const snug_cost cost = op->cost != NULL ? snug_op_cost(view, samples) : (snug_cost){0};
    double seconds = 0.0;
    if (model->point_count > 0 &&
        snug_cost_look_up(model->points, model->point_count, kind,
                          (op->flags & SNUG_OP_UPDATE) != 0 ? 1 : samples, &seconds)) {
        return seconds;
    }
    if ((op->flags & SNUG_OP_SOURCE) != 0) {
        return model->call_seconds + cost.bytes / model->read_bytes_per_second;
    }
    for (int64_t i = 0; i < model->rate_count; i++) {
        const snug_cost_rate *rate = &model->rates[i];
        if (strcmp(rate->op, op->name) == 0) {
            return rate->call_seconds + cost.flops / rate->flops_per_second +
                   cost.bytes / rate->bytes_per_second;
        }
    }
    return model->call_seconds + cost.flops / model->flops_per_second +
           cost.bytes / model->bytes_per_second;
}

/* The tables of one variant; the graph has been set to it. */
static snug_status fill_variant(snug_plan_problem *p, const snug_cost_model *model, int32_t variant,
                                snug_error *err)
{
    const snug_graph *graph = p->graph;
    for (int32_t t = 0; t < p->tensor_count; t++) {
        p->bytes[(int64_t)variant * p->tensor_count + t] = snug_tensor_bytes(&graph->tensors[t]);
    }
    for (int32_t n = 0; n < p->node_count; n++) {
        snug_op_view view;
        if (!p->active[n]) {
            continue;
        }
        snug_graph_view(graph, n, &view);
        p->group[n] = snug_max_i64(snug_graph_sample_group(graph, n), 1);
        for (int32_t o = 0; o < SNUG_NODE_OUTPUTS_MAX; o++) {
            const bool has = o < graph->nodes[n].output_count;
            const int32_t input = has ? snug_op_inplace(&view, o) : -1;
            p->inplace[n * SNUG_NODE_OUTPUTS_MAX + o] = (int8_t)input;
        }
        const uint64_t kind = model->point_count > 0 ? snug_cost_kind(&view) : 0;
        for (int32_t k = 0; k < p->tile_count; k++) {
            const int64_t at = snug_problem_at(p, variant, n, k);
            p->seconds[at] = price(model, &view, kind, p->tiles[k]);
            /* Updates are called without samples and may read those of the whole batch. */
            p->scratch[at] = snug_op_scratch_bytes(
                &view, graph->nodes[n].phase == SNUG_PHASE_UPDATE ? p->batch : p->tiles[k],
                p->threads);
            if (p->scratch[at] < 0 || p->seconds[at] < 0) {
                return SNUG_FAIL(err, SNUG_CODE_LIMIT, "'%s' has no valid cost at %lld samples",
                                 graph->nodes[n].name, (long long)p->tiles[k]);
            }
        }
    }
    return SNUG_OK;
}

/* Visits every variant and puts the graph back as it was. */
static snug_status fill_tables(snug_plan_problem *p, const snug_plan_request *request,
                               snug_arena *arena, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    const snug_cost_model model =
        request->costs != NULL ? *request->costs : snug_cost_model_default(request->threads);
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, p->node_count, (int64_t)sizeof(int32_t), &memory, err));
    int32_t *original = memory;
    for (int32_t n = 0; n < p->node_count; n++) {
        original[n] = p->graph->nodes[n].variant;
    }
    for (int32_t v = 0; v < p->variant_count; v++) {
        for (int32_t n = 0; n < p->node_count; n++) {
            const int32_t owner = p->graph->nodes[n].forward;
            const int32_t count = node_variants(p->graph, owner >= 0 ? owner : n);
            p->variants_of[n] = count;
            if (count > 1 && owner < 0) {
                SNUG_TRY_DONE(snug_graph_set_variant(p->graph, n, v < count ? v : count - 1, err));
            }
        }
        SNUG_TRY_DONE(fill_variant(p, &model, v, err));
    }

done:
    for (int32_t n = 0; n < p->node_count; n++) {
        if (p->graph->nodes[n].forward < 0 && p->graph->nodes[n].variant != original[n]) {
            const snug_status restored = snug_graph_set_variant(p->graph, n, original[n], NULL);
            SNUG_ASSERT(restored == SNUG_OK);
        }
    }
    snug_arena_rewind(arena, start);
    return status;
}

snug_status snug_plan_problem_init(snug_plan_problem *problem, const snug_plan_request *request,
                                   snug_arena *arena, snug_error *err)
{
    const snug_graph *graph = request->graph;
    int64_t group = 1;
    if (request->batch < 1 || request->threads < 1 || request->threads > SNUG_THREADS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "a plan needs a batch >= 1 and 1 to %d threads",
                         SNUG_THREADS_MAX);
    }
    if (request->batch > (INT64_C(1) << 24)) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a batch has at most 2^24 samples");
    }
    *problem = (snug_plan_problem){.graph = request->graph,
                                   .mode = request->mode,
                                   .batch = request->batch,
                                   .threads = request->threads,
                                   .canary_bytes = request->poison || poison_build ? SNUG_ALIGN : 0,
                                   .persistent_bytes_min = request->persistent_bytes_min,
                                   .node_count = (int32_t)graph->node_count,
                                   .tensor_count = (int32_t)graph->tensor_count,
                                   .variant_count = 1,
                                   .tile_count = SNUG_PLAN_TILES_MAX};
    for (int32_t n = 0; n < problem->node_count; n++) {
        const int64_t own = snug_graph_sample_group(graph, n);
        const int32_t variants = node_variants(graph, n);
        problem->variant_count =
            variants > problem->variant_count ? variants : problem->variant_count;
        /* Groups are powers of two in practice; the product is a common multiple in any case. */
        group = own > 1 && group % own != 0 ? (own % group == 0 ? own : own * group) : group;
    }
    if (problem->variant_count > SNUG_PLAN_VARIANTS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "an op has more than %d variants",
                         SNUG_PLAN_VARIANTS_MAX);
    }
    SNUG_TRY(allocate(problem, arena, err));
    problem->tile_count = 0;
    find_active(problem);
    SNUG_TRY(place_tensors(problem, err));
    SNUG_TRY(find_tied(problem, arena, err));
    list_tiles(problem, group);
    SNUG_TRY(fill_tables(problem, request, arena, err));
    SNUG_TRY(snug_plan_stages(problem, arena, err));
    SNUG_TRY(find_releases(problem, arena, err));
    return SNUG_OK;
}
