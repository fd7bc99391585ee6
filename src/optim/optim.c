#include "optim/optim.h"

#include <stdio.h>
#include <string.h>

#include "base/checked.h"

static const char *const names[] = {"adamw", "adam", "sgd", "adamw8", "adafactor"};
enum { ADAMW, ADAM, SGD, ADAMW8, ADAFACTOR };

static int64_t find_name(const char *name)
{
    int64_t found = -1;
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        if (strcmp(names[i], name) == 0) {
            found = i;
        }
    }
    return found;
}

snug_status snug_optim_defaults(const char *name, snug_optim_options *out, snug_error *err)
{
    const int64_t kind = find_name(name);
    if (kind < 0) {
        const char *nearest = snug_nearest_name(name, names, SNUG_COUNT(names));
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "there is no optimizer '%s'%s%s%s", name,
                         nearest != NULL ? "; did you mean '"
                                         : "; known are adamw, adam, sgd, adamw8, adafactor",
                         nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
    }
    *out = (snug_optim_options){
        .name = names[kind], .learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    if (kind == ADAMW || kind == ADAMW8) {
        out->weight_decay = 0.01;
    }
    return SNUG_OK;
}

snug_status snug_optim_check(const snug_optim_options *options, snug_error *err)
{
    const struct {
        const char *name;
        double value, low, high;
        bool low_allowed;
    } ranges[] = {
        {"learning_rate", options->learning_rate, 0.0, 1e6, true},
        {"weight_decay", options->weight_decay, 0.0, 1e6, true},
        {"beta1", options->beta1, 0.0, 1.0, true},
        {"beta2", options->beta2, 0.0, 1.0, true},
        {"epsilon", options->epsilon, 0.0, 1.0, false},
        {"momentum", options->momentum, 0.0, 1.0, true},
        {"clip_norm", options->clip_norm, 0.0, 1e30, true},
    };
    if (find_name(options->name) < 0) {
        snug_optim_options unused;
        return snug_optim_defaults(options->name, &unused, err);
    }
    for (int64_t i = 0; i < SNUG_COUNT(ranges); i++) {
        /* Written so that a NaN fails. */
        const bool low = ranges[i].value > ranges[i].low ||
                         (ranges[i].low_allowed && ranges[i].value == ranges[i].low);
        if (!low || !(ranges[i].value < ranges[i].high)) {
            return SNUG_FAIL(err, SNUG_CODE_CONFIG, "optimizer %s is %g, expected %s%g, %g)",
                             ranges[i].name, ranges[i].value, ranges[i].low_allowed ? "[" : "(",
                             ranges[i].low, ranges[i].high);
        }
    }
    return SNUG_OK;
}

enum { STATES_MAX = 4 };

/* The op that updates one parameter and the states it keeps, in the order of the op's inputs. */
typedef struct parameter_plan {
    const char *op;
    int32_t count; /* Inputs between the gradient and the total. */
    struct {
        const char *suffix; /* NULL: an optional input left out. */
        snug_dtype dtype;
        snug_shape shape;
    } states[STATES_MAX];
} parameter_plan;

static void keep(parameter_plan *plan, const char *suffix, snug_dtype dtype, snug_shape shape)
{
    plan->states[plan->count].suffix = suffix;
    plan->states[plan->count].dtype = dtype;
    plan->states[plan->count].shape = shape;
    plan->count++;
}

static void plan_adafactor(const snug_shape *shape, parameter_plan *plan)
{
    if (shape->rank < 2) {
        keep(plan, "v", SNUG_F32, *shape);
        keep(plan, NULL, SNUG_F32, *shape);
    } else {
        const int64_t columns = shape->extent[shape->rank - 1];
        keep(plan, "v.row", SNUG_F32, snug_shape_1(snug_shape_count(shape) / columns));
        keep(plan, "v.column", SNUG_F32, snug_shape_1(columns));
    }
}

static parameter_plan plan_of(int64_t kind, const snug_optim_options *options,
                              const snug_shape *shape)
{
    const int64_t count = snug_shape_count(shape);
    const int64_t from = options->codes_from > 0 ? options->codes_from : SNUG_OPTIM_CODES_FROM;
    const bool small = kind == ADAMW8 && count < from;
    parameter_plan plan = {.op = kind == ADAM || small ? "adamw" : names[kind]};
    if (kind == SGD) {
        keep(&plan, options->momentum > 0.0 ? "momentum" : NULL, SNUG_F32, *shape);
    } else if (kind == ADAFACTOR) {
        plan_adafactor(shape, &plan);
    } else if (kind == ADAMW8 && !small) {
        const snug_shape scales = snug_shape_1(snug_ceil_div(count, SNUG_MOMENT_BLOCK));
        keep(&plan, "m", SNUG_U8, *shape);
        keep(&plan, "m.scale", SNUG_F32, scales);
        keep(&plan, "v", SNUG_U8, *shape);
        keep(&plan, "v.scale", SNUG_F32, scales);
    } else {
        keep(&plan, "m", SNUG_F32, *shape);
        keep(&plan, "v", SNUG_F32, *shape);
    }
    return plan;
}

static void state_name(const snug_graph *graph, snug_tensor_id parameter, const char *suffix,
                       char out[SNUG_NAME_BYTES + 16])
{
    (void)snprintf(out, SNUG_NAME_BYTES + 16, "%s.%s", graph->tensors[parameter].name, suffix);
}

static snug_status add_states(snug_graph *graph, const parameter_plan *plan,
                              snug_tensor_id parameter, snug_error *err)
{
    for (int32_t i = 0; i < plan->count; i++) {
        if (plan->states[i].suffix != NULL) {
            char name[SNUG_NAME_BYTES + 16];
            snug_tensor_id unused = SNUG_TENSOR_NONE;
            state_name(graph, parameter, plan->states[i].suffix, name);
            SNUG_TRY(snug_graph_state(graph, name, plan->states[i].dtype, plan->states[i].shape,
                                      parameter, &unused, err));
        }
    }
    return SNUG_OK;
}

/* The words of a gradient that is kept as rows (embed_rows makes both); -1: it is dense. */
static snug_tensor_id words_of(const snug_graph *graph, snug_tensor_id gradient)
{
    const snug_tensor *tensor = &graph->tensors[gradient];
    return tensor->batched ? graph->nodes[tensor->producer].outputs[1] : SNUG_TENSOR_NONE;
}

/* `total` is -1 where nothing is clipped: then the update waits for its own gradient alone. States
 * were added with their parameter's name and are found by it. */
static snug_status add_update(snug_graph *graph, int64_t kind, const snug_optim_options *options,
                              snug_tensor_id parameter, snug_tensor_id total, snug_error *err)
{
    const snug_tensor *w = &graph->tensors[parameter];
    const parameter_plan plan = plan_of(kind, options, &w->shape);
    const snug_attrs attrs = {
        .optimizer = {.adam_l2 = kind == ADAM,
                      .no_decay = options->keep_vectors && w->shape.rank < 2}};
    const snug_tensor_id words = words_of(graph, w->gradient);
    snug_tensor_id inputs[STATES_MAX + 4] = {parameter, w->gradient};
    snug_tensor_id outputs[SNUG_NODE_OUTPUTS_MAX] = {parameter};
    char name[SNUG_NAME_BYTES + 16];
    snug_node_id node = -1;
    for (int32_t i = 0; i < plan.count; i++) {
        inputs[2 + i] = SNUG_TENSOR_NONE;
        if (plan.states[i].suffix != NULL) {
            state_name(graph, parameter, plan.states[i].suffix, name);
            inputs[2 + i] = snug_graph_find(graph, name);
        }
        outputs[1 + i] = inputs[2 + i];
    }
    inputs[2 + plan.count] = total;
    inputs[3 + plan.count] = words;
    (void)snprintf(name, sizeof name, "%s.update", w->name);
    return snug_graph_node(graph, plan.op, name, &attrs, inputs, plan.count + (words < 0 ? 3 : 4),
                           outputs, &node, err);
}

/* Gradients before that of `parameter`, in the order of their parameters. */
static int64_t slot_of(const snug_graph *graph, snug_tensor_id parameter)
{
    int64_t slot = 0;
    for (snug_tensor_id t = 0; t < parameter; t++) {
        slot += graph->tensors[t].gradient >= 0 ? 1 : 0;
    }
    return slot;
}

static snug_status add_norm(snug_graph *graph, snug_tensor_id parameter, snug_tensor_id norms,
                            snug_error *err)
{
    char name[SNUG_NAME_BYTES + 16];
    snug_node_id node = -1;
    const snug_tensor_id gradient = graph->tensors[parameter].gradient;
    const snug_tensor_id inputs[2] = {gradient, words_of(graph, gradient)};
    const snug_attrs attrs = {
        .square_norm = {.slot = slot_of(graph, parameter),
                        .slots = snug_shape_count(&graph->tensors[norms].shape),
                        .words = graph->tensors[parameter].shape.extent[0]}};
    (void)snprintf(name, sizeof name, "%s.norm", graph->tensors[parameter].name);
    return snug_graph_node(graph, "square_norm", name, &attrs, inputs, inputs[1] < 0 ? 1 : 2,
                           &norms, &node, err);
}

/* Whether no node after `node` adds to the gradient. */
static bool is_last_adder(const snug_graph *graph, int64_t node, int64_t nodes,
                          snug_tensor_id gradient)
{
    bool last = true;
    for (int64_t n = node + 1; n < nodes && last; n++) {
        for (int32_t o = 0; o < graph->nodes[n].output_count; o++) {
            last = last && graph->nodes[n].outputs[o] != gradient;
        }
    }
    return last;
}

/* What is appended for a gradient. */
typedef struct attachment {
    int64_t kind;
    const snug_optim_options *options;
    bool norm, update;
    snug_tensor_id norms; /* Every norm adds to its slot. */
    snug_tensor_id total; /* -1: the update does not wait for it. */
} attachment;

/* For each gradient, in the order in which the backward pass completes them, so that it can be
 * measured, used and forgotten before the next is there. `nodes` are those of the pass. */
static snug_status attach_each(snug_graph *graph, const attachment *a, int64_t nodes,
                               snug_error *err)
{
    for (int64_t n = 0; n < nodes; n++) {
        for (int32_t o = 0; o < graph->nodes[n].output_count; o++) {
            const snug_tensor_id t = graph->nodes[n].outputs[o];
            if (t < 0 || graph->tensors[t].kind != SNUG_TENSOR_GRADIENT ||
                !is_last_adder(graph, n, nodes, t)) {
                continue;
            }
            const snug_tensor_id parameter = graph->tensors[t].of;
            if (graph->tensors[parameter].gradient != t) {
                continue; /* The words of rows. */
            }
            if (a->norm) {
                SNUG_TRY(add_norm(graph, parameter, a->norms, err));
            }
            if (a->update) {
                SNUG_TRY(add_update(graph, a->kind, a->options, parameter, a->total, err));
            }
        }
    }
    return SNUG_OK;
}

/* With clipping all norms and their total come before the first update. */
static snug_status attach_all(snug_graph *graph, int64_t kind, const snug_optim_options *options,
                              snug_tensor_id norms, snug_tensor_id total, snug_error *err)
{
    const bool clips = options->clip_norm > 0.0;
    const int64_t nodes = graph->node_count;
    snug_node_id node = -1;
    attachment a = {.kind = kind,
                    .options = options,
                    .norm = true,
                    .update = !clips,
                    .norms = norms,
                    .total = SNUG_TENSOR_NONE};
    SNUG_TRY(attach_each(graph, &a, nodes, err));
    SNUG_TRY(snug_graph_node(graph, "norm_total", SNUG_OPTIM_TOTAL_NAME ".sum", NULL, &norms, 1,
                             &total, &node, err));
    if (clips) {
        a.norm = false;
        a.update = true;
        a.total = total;
        SNUG_TRY(attach_each(graph, &a, nodes, err));
    }
    return SNUG_OK;
}

snug_status snug_optim_attach(snug_graph *graph, const snug_optim_options *options, snug_error *err)
{
    snug_status status = SNUG_OK;
    const int64_t nodes_before = graph->node_count;
    const int64_t tensors_before = graph->tensor_count;
    const snug_tensor_id tensors = (snug_tensor_id)tensors_before;
    const int64_t kind = find_name(options->name);
    const int64_t gradients = slot_of(graph, tensors);
    snug_tensor_id norms = SNUG_TENSOR_NONE;
    snug_tensor_id total = SNUG_TENSOR_NONE;
    SNUG_TRY(snug_optim_check(options, err));
    if (gradients == 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "no parameter has a gradient: nothing to train");
    }
    SNUG_TRY_DONE(snug_graph_state(graph, SNUG_OPTIM_NORMS_NAME, SNUG_F64, snug_shape_1(gradients),
                                   SNUG_TENSOR_NONE, &norms, err));
    SNUG_TRY_DONE(snug_graph_state(graph, SNUG_OPTIM_TOTAL_NAME, SNUG_F64, (snug_shape){.rank = 0},
                                   SNUG_TENSOR_NONE, &total, err));
    /* States in the order of their parameters, whatever the order of the updates: checkpoints and
     * the arena follow it. */
    for (snug_tensor_id t = 0; t < tensors; t++) {
        if (graph->tensors[t].gradient >= 0) {
            const parameter_plan plan = plan_of(kind, options, &graph->tensors[t].shape);
            SNUG_TRY_DONE(add_states(graph, &plan, t, err));
        }
    }
    SNUG_TRY_DONE(attach_all(graph, kind, options, norms, total, err));

done:
    if (snug_failed(status)) {
        graph->node_count = nodes_before;
        graph->tensor_count = tensors_before;
    }
    return status;
}
