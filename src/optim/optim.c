#include "optim/optim.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {"adamw", "adam", "sgd"};
enum { ADAMW, ADAM, SGD };

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
                         nearest != NULL ? "; did you mean '" : "; known are adamw, adam, sgd",
                         nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
    }
    *out = (snug_optim_options){
        .name = names[kind], .learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    if (kind == ADAMW) {
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

static snug_status add_state(snug_graph *graph, snug_tensor_id parameter, const char *suffix,
                             snug_tensor_id *out, snug_error *err)
{
    char name[SNUG_NAME_BYTES + 16];
    (void)snprintf(name, sizeof name, "%s.%s", graph->tensors[parameter].name, suffix);
    SNUG_TRY(snug_graph_state(graph, name, SNUG_F32, graph->tensors[parameter].shape, parameter,
                              out, err));
    return SNUG_OK;
}

/* The states of one parameter; -1 where the optimizer keeps none. */
typedef struct parameter_states {
    snug_tensor_id m, v; /* SGD: the momentum is m. */
} parameter_states;

static snug_status add_states(snug_graph *graph, int64_t kind, const snug_optim_options *options,
                              snug_tensor_id parameter, snug_error *err)
{
    snug_tensor_id unused = SNUG_TENSOR_NONE;
    if (kind == SGD) {
        return options->momentum > 0.0 ? add_state(graph, parameter, "momentum", &unused, err)
                                       : SNUG_OK;
    }
    SNUG_TRY(add_state(graph, parameter, "m", &unused, err));
    SNUG_TRY(add_state(graph, parameter, "v", &unused, err));
    return SNUG_OK;
}

/* A state was added with its parameter's name; both are looked up by it. */
static parameter_states find_states(const snug_graph *graph, int64_t kind, snug_tensor_id parameter)
{
    char name[SNUG_NAME_BYTES + 16];
    parameter_states states = {SNUG_TENSOR_NONE, SNUG_TENSOR_NONE};
    (void)snprintf(name, sizeof name, "%s.%s", graph->tensors[parameter].name,
                   kind == SGD ? "momentum" : "m");
    states.m = snug_graph_find(graph, name);
    if (kind != SGD) {
        (void)snprintf(name, sizeof name, "%s.v", graph->tensors[parameter].name);
        states.v = snug_graph_find(graph, name);
    }
    return states;
}

/* `total` is -1 where nothing is clipped: then the update waits for its own gradient alone. */
static snug_status add_update(snug_graph *graph, int64_t kind, snug_tensor_id parameter,
                              snug_tensor_id total, snug_error *err)
{
    const snug_attrs attrs = {.optimizer = {.adam_l2 = kind == ADAM}};
    const snug_tensor_id gradient = graph->tensors[parameter].gradient;
    const parameter_states states = find_states(graph, kind, parameter);
    char name[SNUG_NAME_BYTES + 16];
    snug_node_id node = -1;
    (void)snprintf(name, sizeof name, "%s.update", graph->tensors[parameter].name);
    if (kind == SGD) {
        const snug_tensor_id inputs[4] = {parameter, gradient, states.m, total};
        const snug_tensor_id outputs[2] = {parameter, states.m};
        return snug_graph_node(graph, "sgd", name, &attrs, inputs, 4, outputs, &node, err);
    }
    const snug_tensor_id inputs[5] = {parameter, gradient, states.m, states.v, total};
    const snug_tensor_id outputs[3] = {parameter, states.m, states.v};
    return snug_graph_node(graph, "adamw", name, &attrs, inputs, 5, outputs, &node, err);
}

static snug_status add_norm(snug_graph *graph, snug_tensor_id parameter, snug_tensor_id total,
                            snug_error *err)
{
    char name[SNUG_NAME_BYTES + 16];
    snug_node_id node = -1;
    (void)snprintf(name, sizeof name, "%s.norm", graph->tensors[parameter].name);
    return snug_graph_node(graph, "square_norm", name, NULL, &graph->tensors[parameter].gradient, 1,
                           &total, &node, err);
}

/* Clipping: nothing is updated before all gradients are there. */
static snug_status attach_clipped(snug_graph *graph, int64_t kind, snug_tensor_id tensors,
                                  snug_tensor_id total, snug_error *err)
{
    for (snug_tensor_id t = 0; t < tensors; t++) {
        if (graph->tensors[t].gradient >= 0) {
            SNUG_TRY(add_norm(graph, t, total, err));
        }
    }
    for (snug_tensor_id t = 0; t < tensors; t++) {
        if (graph->tensors[t].gradient >= 0) {
            SNUG_TRY(add_update(graph, kind, t, total, err));
        }
    }
    return SNUG_OK;
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

/* Without clipping: in the order in which the backward pass completes the gradients, so that each
 * can be measured, used and forgotten before the next is there. */
static snug_status attach_unclipped(snug_graph *graph, int64_t kind, snug_tensor_id total,
                                    snug_error *err)
{
    const int64_t nodes = graph->node_count;
    for (int64_t n = 0; n < nodes; n++) {
        for (int32_t o = 0; o < graph->nodes[n].output_count; o++) {
            const snug_tensor_id t = graph->nodes[n].outputs[o];
            if (t >= 0 && graph->tensors[t].kind == SNUG_TENSOR_GRADIENT &&
                is_last_adder(graph, n, nodes, t)) {
                SNUG_TRY(add_norm(graph, graph->tensors[t].of, total, err));
                SNUG_TRY(add_update(graph, kind, graph->tensors[t].of, SNUG_TENSOR_NONE, err));
            }
        }
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
    snug_tensor_id total = SNUG_TENSOR_NONE;
    SNUG_TRY(snug_optim_check(options, err));
    SNUG_TRY_DONE(snug_graph_state(graph, SNUG_OPTIM_TOTAL_NAME, SNUG_F64, (snug_shape){.rank = 0},
                                   SNUG_TENSOR_NONE, &total, err));
    /* States in the order of their parameters, whatever the order of the updates: checkpoints and
     * the arena follow it. */
    for (snug_tensor_id t = 0; t < tensors; t++) {
        if (graph->tensors[t].gradient >= 0) {
            SNUG_TRY_DONE(add_states(graph, kind, options, t, err));
        }
    }
    SNUG_TRY_DONE(options->clip_norm > 0.0 ? attach_clipped(graph, kind, tensors, total, err)
                                           : attach_unclipped(graph, kind, total, err));
    if (graph->node_count == nodes_before) {
        SNUG_FAIL_DONE(err, SNUG_CODE_USAGE, "no parameter has a gradient: nothing to train");
    }

done:
    if (snug_failed(status)) {
        graph->node_count = nodes_before;
        graph->tensor_count = tensors_before;
    }
    return status;
}
