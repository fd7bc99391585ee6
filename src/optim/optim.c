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

static snug_status add_update(snug_graph *graph, int64_t kind, const snug_optim_options *options,
                              snug_tensor_id parameter, snug_tensor_id total, snug_error *err)
{
    const snug_attrs attrs = {.optimizer = {.adam_l2 = kind == ADAM}};
    const snug_tensor_id gradient = graph->tensors[parameter].gradient;
    char name[SNUG_NAME_BYTES + 16];
    snug_tensor_id m = SNUG_TENSOR_NONE;
    snug_tensor_id v = SNUG_TENSOR_NONE;
    snug_node_id node = -1;
    (void)snprintf(name, sizeof name, "%s.update", graph->tensors[parameter].name);
    if (kind == SGD) {
        if (options->momentum > 0.0) {
            SNUG_TRY(add_state(graph, parameter, "momentum", &m, err));
        }
        const snug_tensor_id inputs[4] = {parameter, gradient, m, total};
        const snug_tensor_id outputs[2] = {parameter, m};
        SNUG_TRY(snug_graph_node(graph, "sgd", name, &attrs, inputs, 4, outputs, &node, err));
        return SNUG_OK;
    }
    SNUG_TRY(add_state(graph, parameter, "m", &m, err));
    SNUG_TRY(add_state(graph, parameter, "v", &v, err));
    const snug_tensor_id inputs[5] = {parameter, gradient, m, v, total};
    const snug_tensor_id outputs[3] = {parameter, m, v};
    SNUG_TRY(snug_graph_node(graph, "adamw", name, &attrs, inputs, 5, outputs, &node, err));
    return SNUG_OK;
}

snug_status snug_optim_attach(snug_graph *graph, const snug_optim_options *options, snug_error *err)
{
    snug_status status = SNUG_OK;
    const int64_t nodes_before = graph->node_count;
    const int64_t tensors_before = graph->tensor_count;
    const int64_t kind = find_name(options->name);
    snug_tensor_id total = SNUG_TENSOR_NONE;
    SNUG_TRY(snug_optim_check(options, err));
    SNUG_TRY_DONE(snug_graph_state(graph, SNUG_OPTIM_TOTAL_NAME, SNUG_F64, (snug_shape){.rank = 0},
                                   SNUG_TENSOR_NONE, &total, err));
    for (int64_t t = 0; t < tensors_before; t++) {
        char name[SNUG_NAME_BYTES + 16];
        snug_node_id node = -1;
        if (graph->tensors[t].gradient < 0) {
            continue;
        }
        (void)snprintf(name, sizeof name, "%s.norm", graph->tensors[t].name);
        SNUG_TRY_DONE(snug_graph_node(graph, "square_norm", name, NULL, &graph->tensors[t].gradient,
                                      1, &total, &node, err));
    }
    for (int64_t t = 0; t < tensors_before; t++) {
        if (graph->tensors[t].gradient >= 0) {
            SNUG_TRY_DONE(add_update(graph, kind, options, (snug_tensor_id)t, total, err));
        }
    }
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
