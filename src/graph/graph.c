#include "graph/graph.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"

snug_status snug_graph_init(snug_graph *graph, snug_arena *arena, int64_t node_capacity,
                            int64_t tensor_capacity, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    void *nodes = NULL;
    void *tensors = NULL;
    if (node_capacity < 1 || node_capacity > SNUG_GRAPH_NODES_MAX || tensor_capacity < 1 ||
        tensor_capacity > SNUG_GRAPH_TENSORS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a graph holds 1 to %d nodes and 1 to %d tensors",
                         SNUG_GRAPH_NODES_MAX, SNUG_GRAPH_TENSORS_MAX);
    }
    SNUG_TRY_DONE(snug_arena_array(arena, node_capacity, (int64_t)sizeof(snug_node), &nodes, err));
    SNUG_TRY_DONE(
        snug_arena_array(arena, tensor_capacity, (int64_t)sizeof(snug_tensor), &tensors, err));
    *graph = (snug_graph){.arena = arena,
                          .nodes = nodes,
                          .node_capacity = node_capacity,
                          .tensors = tensors,
                          .tensor_capacity = tensor_capacity,
                          .loss = SNUG_TENSOR_NONE,
                          .forward = -1};

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}

snug_status snug_graph_copy(const snug_graph *graph, snug_arena *arena, snug_graph *out,
                            snug_error *err)
{
    snug_graph copy;
    SNUG_TRY(snug_graph_init(&copy, arena, graph->node_count, graph->tensor_count, err));
    memcpy(copy.nodes, graph->nodes, (size_t)graph->node_count * sizeof(snug_node));
    memcpy(copy.tensors, graph->tensors, (size_t)graph->tensor_count * sizeof(snug_tensor));
    copy.node_count = graph->node_count;
    copy.tensor_count = graph->tensor_count;
    copy.loss = graph->loss;
    copy.batch = graph->batch;
    copy.longest = graph->longest;
    *out = copy;
    return SNUG_OK;
}

snug_tensor_id snug_graph_find(const snug_graph *graph, const char *name)
{
    for (int64_t i = 0; i < graph->tensor_count; i++) {
        if (strcmp(graph->tensors[i].name, name) == 0) {
            return (snug_tensor_id)i;
        }
    }
    return SNUG_TENSOR_NONE;
}

int64_t snug_tensor_bytes(const snug_tensor *tensor)
{
    const int64_t count = snug_shape_count(&tensor->shape);
    int64_t bytes = 0;
    const bool fits = snug_mul_i64(count, snug_dtype_bytes(tensor->dtype), &bytes);
    SNUG_ASSERT(fits);
    return bytes;
}

int64_t snug_graph_parameter_count(const snug_graph *graph, bool trainable_only)
{
    int64_t count = 0;
    for (int64_t i = 0; i < graph->tensor_count; i++) {
        const snug_tensor *t = &graph->tensors[i];
        if (t->kind == SNUG_TENSOR_PARAMETER && (t->trainable || !trainable_only)) {
            count += snug_shape_count(&t->shape);
        }
    }
    return count;
}

/* Checks what holds for every tensor and appends it. */
static snug_status add_tensor(snug_graph *graph, const char *name, const snug_tensor *model,
                              snug_tensor_id *out, snug_error *err)
{
    int64_t bytes = 0;
    const int64_t count = snug_shape_count(&model->shape);
    const size_t length = strlen(name);
    if (length == 0 || length >= SNUG_NAME_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a tensor's name has 1 to %d bytes: '%.120s'",
                         SNUG_NAME_BYTES - 1, name);
    }
    if (snug_graph_find(graph, name) >= 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "the graph has a tensor '%s' already", name);
    }
    if (count < 0 || !snug_mul_i64(count, snug_dtype_bytes(model->dtype), &bytes)) {
        char text[96];
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "tensor '%s' %s is too large", name,
                         snug_shape_text(&model->shape, text));
    }
    if (graph->tensor_count >= graph->tensor_capacity) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the graph has room for %lld tensors",
                         (long long)graph->tensor_capacity);
    }
    const snug_tensor_id id = (snug_tensor_id)graph->tensor_count++;
    snug_tensor *tensor = &graph->tensors[id];
    *tensor = *model;
    memcpy(tensor->name, name, length + 1);
    *out = id;
    return SNUG_OK;
}

snug_status snug_graph_parameter(snug_graph *graph, const char *name, snug_shape shape,
                                 snug_init init, snug_tensor_id *out, snug_error *err)
{
    const snug_tensor model = {.kind = SNUG_TENSOR_PARAMETER,
                               .dtype = SNUG_F32,
                               .trainable = true,
                               .shape = shape,
                               .producer = -1,
                               .gradient = SNUG_TENSOR_NONE,
                               .of = SNUG_TENSOR_NONE,
                               .init = init};
    SNUG_TRY(add_tensor(graph, name, &model, out, err));
    return SNUG_OK;
}

snug_status snug_graph_gradient(snug_graph *graph, snug_tensor_id parameter, snug_tensor_id *out,
                                snug_error *err)
{
    SNUG_ASSERT(parameter >= 0 && parameter < graph->tensor_count);
    SNUG_ASSERT(graph->tensors[parameter].kind == SNUG_TENSOR_PARAMETER);
    if (graph->tensors[parameter].gradient < 0) {
        char name[SNUG_NAME_BYTES + 8];
        snug_tensor_id id = SNUG_TENSOR_NONE;
        const snug_tensor model = {.kind = SNUG_TENSOR_GRADIENT,
                                   .dtype = SNUG_F32,
                                   .shape = graph->tensors[parameter].shape,
                                   .producer = -1,
                                   .gradient = SNUG_TENSOR_NONE,
                                   .of = parameter};
        (void)snprintf(name, sizeof name, "%s.grad", graph->tensors[parameter].name);
        SNUG_TRY(add_tensor(graph, name, &model, &id, err));
        graph->tensors[parameter].gradient = id;
    }
    *out = graph->tensors[parameter].gradient;
    return SNUG_OK;
}

snug_status snug_graph_state(snug_graph *graph, const char *name, snug_dtype dtype,
                             snug_shape shape, snug_tensor_id of, snug_tensor_id *out,
                             snug_error *err)
{
    const snug_tensor model = {.kind = SNUG_TENSOR_STATE,
                               .dtype = dtype,
                               .shape = shape,
                               .producer = -1,
                               .gradient = SNUG_TENSOR_NONE,
                               .of = of};
    SNUG_TRY(add_tensor(graph, name, &model, out, err));
    return SNUG_OK;
}

snug_status snug_graph_source(snug_graph *graph, const char *name, snug_dtype dtype,
                              snug_shape shape, int32_t stream, snug_tensor_id *out,
                              snug_error *err)
{
    const snug_attrs attrs = {.source = {.stream = stream, .dtype = dtype, .shape = shape}};
    SNUG_TRY(snug_graph_apply(graph, "source", name, &attrs, NULL, 0, out, err));
    return SNUG_OK;
}

static void view_inputs(const snug_graph *graph, const snug_node *node, snug_op_view *out)
{
    *out = (snug_op_view){.graph = graph,
                          .node = node,
                          .attrs = &node->attrs,
                          .variant = node->variant,
                          .input_count = node->input_count};
    for (int32_t i = 0; i < node->input_count; i++) {
        if (node->inputs[i] >= 0) {
            out->input[i] = graph->tensors[node->inputs[i]].shape;
            out->input_batched[i] = graph->tensors[node->inputs[i]].batched;
            out->narrow_inputs |= (graph->tensors[node->inputs[i]].dtype == SNUG_BF16 ? 1U : 0U)
                                  << i;
        }
    }
}

/* What the row infers, with the types in which the node stores its outputs. */
static snug_status infer_node(snug_op_view *view, int32_t *out_count,
                              snug_output_info info[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const snug_node *node = view->node;
    SNUG_TRY(node->op->infer(view, out_count, info, err));
    view->output_count = *out_count;
    for (int32_t o = 0; o < *out_count; o++) {
        view->output[o] = info[o].shape;
        if ((node->narrow >> o & 1U) != 0) {
            SNUG_ASSERT(info[o].dtype == SNUG_F32 && info[o].batched);
            info[o].dtype = SNUG_BF16;
            view->narrow_outputs |= 1U << o;
        }
    }
    return SNUG_OK;
}

bool snug_graph_measures(const snug_graph *graph, const snug_node *node)
{
    bool measures = node->phase == SNUG_PHASE_UPDATE;
    for (int32_t o = 0; o < node->output_count; o++) {
        const snug_tensor_id t = node->outputs[o];
        measures = measures && (t < 0 || (graph->tensors[t].kind != SNUG_TENSOR_PARAMETER &&
                                          graph->tensors[t].of < 0));
    }
    return measures;
}

void snug_graph_view(const snug_graph *graph, snug_node_id node, snug_op_view *out)
{
    snug_output_info info[SNUG_NODE_OUTPUTS_MAX];
    int32_t count = 0;
    snug_error err = {0};
    SNUG_ASSERT(node >= 0 && node < graph->node_count);
    view_inputs(graph, &graph->nodes[node], out);
    const snug_status status = infer_node(out, &count, info, &err);
    SNUG_ASSERT(status == SNUG_OK);
}

/* A given output must be what infer says. */
static snug_status check_output(const snug_graph *graph, const snug_node *node, int32_t o,
                                const snug_output_info *info, snug_error *err)
{
    SNUG_ASSERT(node->outputs[o] >= 0 && node->outputs[o] < graph->tensor_count);
    const snug_tensor *tensor = &graph->tensors[node->outputs[o]];
    if (tensor->dtype != info->dtype || tensor->batched != info->batched ||
        !snug_shape_equal(&tensor->shape, &info->shape)) {
        char have[96];
        char want[96];
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': output '%s' is %s %s, computed is %s %s",
                         node->op->name, node->name, tensor->name, snug_dtype_name(tensor->dtype),
                         snug_shape_text(&tensor->shape, have), snug_dtype_name(info->dtype),
                         snug_shape_text(&info->shape, want));
    }
    return SNUG_OK;
}

static snug_status make_outputs(snug_graph *graph, snug_node *node, snug_node_id id,
                                const snug_tensor_id *outputs, const snug_output_info *info,
                                snug_error *err)
{
    for (int32_t o = 0; o < node->output_count; o++) {
        const bool accumulates = ((node->op->accumulates >> o) & 1) != 0;
        node->outputs[o] = outputs != NULL ? outputs[o] : SNUG_TENSOR_NEW;
        if (node->outputs[o] >= 0) {
            SNUG_TRY(check_output(graph, node, o, &info[o], err));
        } else if (node->outputs[o] == SNUG_TENSOR_NEW) {
            char name[SNUG_NAME_BYTES + 16];
            const snug_tensor model = {.kind = (node->op->flags & SNUG_OP_SOURCE) != 0
                                                   ? SNUG_TENSOR_INPUT
                                                   : SNUG_TENSOR_ACTIVATION,
                                       .dtype = info[o].dtype,
                                       .batched = info[o].batched,
                                       .shape = info[o].shape,
                                       .producer = id,
                                       .gradient = SNUG_TENSOR_NONE,
                                       .of = SNUG_TENSOR_NONE};
            if (accumulates) {
                return SNUG_FAIL(err, SNUG_CODE_USAGE,
                                 "%s '%s' adds to output %d, which must be given", node->op->name,
                                 node->name, o);
            }
            if (o == 0) {
                (void)snprintf(name, sizeof name, "%s", node->name);
            } else {
                (void)snprintf(name, sizeof name, "%s.%d", node->name, o);
            }
            SNUG_TRY(add_tensor(graph, name, &model, &node->outputs[o], err));
        }
    }
    return SNUG_OK;
}

/* Fills everything but the outputs. */
static snug_status start_node(const snug_graph *graph, const char *op_name, const char *name,
                              const snug_attrs *attrs, const snug_tensor_id *inputs,
                              int32_t input_count, snug_node *node, snug_error *err)
{
    const snug_op *op = snug_op_find(op_name);
    if (op == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "there is no op '%s'", op_name);
    }
    if (strlen(name) >= SNUG_NAME_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a node's name has at most %d bytes: '%.120s'",
                         SNUG_NAME_BYTES - 1, name);
    }
    if (input_count < op->input_min || input_count > op->input_max) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "%s '%s' takes %d to %d inputs, not %d", op_name,
                         name, op->input_min, op->input_max, input_count);
    }
    *node = (snug_node){.op = op,
                        .phase = SNUG_PHASE_FORWARD,
                        .forward = graph->forward,
                        .input_count = input_count};
    memcpy(node->name, name, strlen(name) + 1);
    if (attrs != NULL) {
        node->attrs = *attrs;
    }
    if ((op->flags & SNUG_OP_UPDATE) != 0) {
        node->phase = SNUG_PHASE_UPDATE;
    } else if (graph->forward >= 0) {
        node->phase = SNUG_PHASE_BACKWARD;
        node->variant = graph->nodes[graph->forward].variant;
    } else if (graph->narrow) {
        node->narrow = op->narrows;
    }
    for (int32_t i = 0; i < input_count; i++) {
        if (inputs[i] >= graph->tensor_count) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE, "%s '%s': input %d does not exist", op_name,
                             name, i);
        }
        node->inputs[i] = inputs[i] < 0 ? SNUG_TENSOR_NONE : inputs[i];
    }
    return SNUG_OK;
}

snug_status snug_graph_node(snug_graph *graph, const char *op_name, const char *name,
                            const snug_attrs *attrs, const snug_tensor_id *inputs,
                            int32_t input_count, const snug_tensor_id *outputs, snug_node_id *out,
                            snug_error *err)
{
    snug_status status = SNUG_OK;
    const int64_t tensors_before = graph->tensor_count;
    snug_output_info info[SNUG_NODE_OUTPUTS_MAX] = {0};
    snug_op_view view;
    if (graph->node_count >= graph->node_capacity) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the graph has room for %lld nodes",
                         (long long)graph->node_capacity);
    }
    const snug_node_id id = (snug_node_id)graph->node_count;
    snug_node *node = &graph->nodes[id];
    SNUG_TRY_DONE(start_node(graph, op_name, name, attrs, inputs, input_count, node, err));
    view_inputs(graph, node, &view);
    SNUG_TRY_DONE(infer_node(&view, &node->output_count, info, err));
    SNUG_ASSERT(node->output_count <= node->op->output_max);
    SNUG_TRY_DONE(make_outputs(graph, node, id, outputs, info, err));
    graph->node_count++;
    *out = id;

done:
    if (snug_failed(status)) {
        graph->tensor_count = tensors_before;
    }
    return status;
}

snug_status snug_graph_apply(snug_graph *graph, const char *op_name, const char *name,
                             const snug_attrs *attrs, const snug_tensor_id *inputs,
                             int32_t input_count, snug_tensor_id *out, snug_error *err)
{
    snug_node_id node = -1;
    SNUG_TRY(snug_graph_node(graph, op_name, name, attrs, inputs, input_count, NULL, &node, err));
    *out = graph->nodes[node].outputs[0];
    return SNUG_OK;
}

int64_t snug_graph_sample_group(const snug_graph *graph, snug_node_id node)
{
    const int64_t group = graph->nodes[node].op->sample_group;
    bool kept = graph->nodes[node].phase != SNUG_PHASE_FORWARD;
    for (int64_t i = 0; i < graph->node_count && !kept && group > 1; i++) {
        kept = graph->nodes[i].forward == node;
    }
    return kept ? group : 1;
}

/* Shapes that the variant changes (caches) are written into the tensors again. */
static void infer_again(snug_graph *graph, snug_node *node)
{
    snug_output_info info[SNUG_NODE_OUTPUTS_MAX];
    int32_t count = 0;
    snug_op_view view;
    snug_error err = {0};
    view_inputs(graph, node, &view);
    const snug_status status = infer_node(&view, &count, info, &err);
    SNUG_ASSERT(status == SNUG_OK && count == node->output_count);
    for (int32_t o = 0; o < count; o++) {
        if (node->outputs[o] >= 0) {
            graph->tensors[node->outputs[o]].dtype = info[o].dtype;
            graph->tensors[node->outputs[o]].shape = info[o].shape;
        }
    }
}

snug_status snug_graph_set_variant(snug_graph *graph, snug_node_id node, int32_t variant,
                                   snug_error *err)
{
    snug_op_view view;
    if (node < 0 || node >= graph->node_count || graph->nodes[node].forward >= 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "node %d has no variant of its own", node);
    }
    snug_graph_view(graph, node, &view);
    const snug_op *op = graph->nodes[node].op;
    const int32_t count = op->variants == NULL ? 1 : op->variants(&view);
    if (variant < 0 || variant >= count) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "%s '%s' has variants 0 to %d, not %d", op->name,
                         graph->nodes[node].name, count - 1, variant);
    }
    graph->nodes[node].variant = variant;
    infer_again(graph, &graph->nodes[node]);
    for (int64_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].forward == node) {
            graph->nodes[i].variant = variant;
            infer_again(graph, &graph->nodes[i]);
        }
    }
    return SNUG_OK;
}
