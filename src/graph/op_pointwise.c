/* Rows of the cheap ops: sums, activations, dropout, layer normalisation, interpolation in time. */
#include "graph/op_rows.h"

static snug_status infer_same(const snug_op_view *view, int32_t *out_count,
                              snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    for (int32_t i = 0; i < view->input_count; i++) {
        if (!snug_rows_given(view, i) || !view->input_batched[i]) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': input %d is not a batched tensor",
                             view->node->op->name, view->node->name, i);
        }
        if (!snug_shape_equal(&view->input[0], &view->input[i])) {
            return snug_rows_mismatch(view, 0, i, "expected equal shapes", err);
        }
    }
    out[0] = snug_rows_batched(view->input[0]);
    *out_count = 1;
    return SNUG_OK;
}

static snug_cost cost_add(const snug_op_view *view, int64_t samples)
{
    return snug_rows_pass_cost(view, samples, (double)(view->input_count - 1));
}

static snug_cost cost_one(const snug_op_view *view, int64_t samples)
{
    return snug_rows_pass_cost(view, samples, 1.0);
}

static snug_status gradient_add(snug_graph *graph, snug_node_id node,
                                const snug_tensor_id *out_grads, const bool *need,
                                snug_tensor_id *in_grads, snug_error *err)
{
    (void)err;
    for (int32_t i = 0; i < graph->nodes[node].input_count; i++) {
        in_grads[i] = need[i] ? out_grads[0] : SNUG_TENSOR_NONE;
    }
    return SNUG_OK;
}

static snug_status infer_add_tail(const snug_op_view *view, int32_t *out_count,
                                  snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    SNUG_TRY(snug_rows_expect(view, 1, 2, true, err));
    const int64_t *a = view->input[0].extent;
    const int64_t *b = view->input[1].extent;
    if (a[1] != b[1] || a[0] > b[0] || view->attrs->add_tail.length_a != a[0] ||
        view->attrs->add_tail.length_b != b[0]) {
        return snug_rows_mismatch(view, 0, 1, "the second must be as wide and at least as long",
                                  err);
    }
    out[0] = snug_rows_batched(view->input[0]);
    *out_count = 1;
    return SNUG_OK;
}

static snug_cost cost_add_tail(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->output[0]) * (double)samples;
    return (snug_cost){.flops = count, .bytes = 12.0 * count};
}

/* The gradient of a is dy itself. */
static snug_status gradient_add_tail(snug_graph *graph, snug_node_id node,
                                     const snug_tensor_id *out_grads, const bool *need,
                                     snug_tensor_id *in_grads, snug_error *err)
{
    in_grads[0] = need[0] ? out_grads[0] : SNUG_TENSOR_NONE;
    if (need[1]) {
        const snug_attrs attrs = graph->nodes[node].attrs;
        if (attrs.add_tail.length_a == attrs.add_tail.length_b) {
            in_grads[1] = out_grads[0];
        } else {
            SNUG_TRY(snug_rows_append(graph, "add_tail_grad", ".db", node, &attrs, out_grads, 1,
                                      NULL, &in_grads[1], err));
        }
    }
    return SNUG_OK;
}

static snug_status infer_add_tail_grad(const snug_op_view *view, int32_t *out_count,
                                       snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    if (view->input[0].extent[0] != view->attrs->add_tail.length_a ||
        view->attrs->add_tail.length_b < view->attrs->add_tail.length_a) {
        char text[96];
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "add_tail_grad '%s': input 0 is %s, expected %lld rows", view->node->name,
                         snug_shape_text(&view->input[0], text),
                         (long long)view->attrs->add_tail.length_a);
    }
    out[0] =
        snug_rows_batched(snug_shape_2(view->attrs->add_tail.length_b, view->input[0].extent[1]));
    *out_count = 1;
    return SNUG_OK;
}

static snug_cost cost_copy(const snug_op_view *view, int64_t samples)
{
    return snug_rows_pass_cost(view, samples, 0.0);
}

/* A vector of as many elements as input 0 has columns. */
static snug_status check_columns(const snug_op_view *view, int32_t i, snug_error *err)
{
    SNUG_TRY(snug_rows_expect(view, i, 1, false, err));
    if (view->input[i].extent[0] != view->input[0].extent[1]) {
        return snug_rows_mismatch(view, 0, i, "expected one value a column", err);
    }
    return SNUG_OK;
}

static snug_status infer_layer_norm(const snug_op_view *view, int32_t *out_count,
                                    snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    SNUG_TRY(check_columns(view, 1, err));
    SNUG_TRY(check_columns(view, 2, err));
    if (!(view->attrs->layer_norm.eps > 0.0f)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "layer_norm '%s': eps must be positive",
                         view->node->name);
    }
    out[0] = snug_rows_batched(view->input[0]);
    out[1] = snug_rows_batched(snug_shape_1(view->input[0].extent[0]));
    out[2] = out[1];
    *out_count = 3;
    return SNUG_OK;
}

static snug_cost cost_layer_norm(const snug_op_view *view, int64_t samples)
{
    return snug_rows_pass_cost(view, samples, 8.0);
}

static snug_status gradient_layer_norm(snug_graph *graph, snug_node_id node,
                                       const snug_tensor_id *out_grads, const bool *need,
                                       snug_tensor_id *in_grads, snug_error *err)
{
    const snug_node *n = &graph->nodes[node];
    const snug_attrs attrs = n->attrs;
    const snug_tensor_id inputs[5] = {n->inputs[0], n->outputs[1], n->outputs[2], n->inputs[1],
                                      out_grads[0]};
    snug_tensor_id outputs[3] = {need[0] ? SNUG_TENSOR_NEW : SNUG_TENSOR_NONE, 0, 0};
    SNUG_TRY(snug_rows_gradient_of(graph, node, 1, need, &outputs[1], err));
    SNUG_TRY(snug_rows_gradient_of(graph, node, 2, need, &outputs[2], err));
    SNUG_TRY(snug_rows_append(graph, "layer_norm_grad", ".dx", node, &attrs, inputs, 5, outputs,
                              &in_grads[0], err));
    return SNUG_OK;
}

static snug_status infer_layer_norm_grad(const snug_op_view *view, int32_t *out_count,
                                         snug_output_info out[SNUG_NODE_OUTPUTS_MAX],
                                         snug_error *err)
{
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    for (int32_t i = 1; i <= 2; i++) {
        SNUG_TRY(snug_rows_expect(view, i, 1, true, err));
        if (view->input[i].extent[0] != view->input[0].extent[0]) {
            return snug_rows_mismatch(view, 0, i, "expected one value a row", err);
        }
    }
    SNUG_TRY(check_columns(view, 3, err));
    SNUG_TRY(snug_rows_expect(view, 4, 2, true, err));
    if (!snug_shape_equal(&view->input[0], &view->input[4])) {
        return snug_rows_mismatch(view, 0, 4, "expected equal shapes", err);
    }
    out[0] = snug_rows_batched(view->input[0]);
    out[1] = snug_rows_shared(view->input[3]);
    out[2] = snug_rows_shared(view->input[3]);
    *out_count = 3;
    return SNUG_OK;
}

static snug_cost cost_layer_norm_grad(const snug_op_view *view, int64_t samples)
{
    return snug_rows_pass_cost(view, samples, 14.0);
}

static snug_status check_lengths(const snug_op_view *view, int64_t have, int64_t want,
                                 snug_error *err)
{
    if (view->attrs->interpolate.length_in < 1 || view->attrs->interpolate.length_out < 1 ||
        have != want) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': %lld time steps, expected %lld",
                         view->node->op->name, view->node->name, (long long)have, (long long)want);
    }
    return SNUG_OK;
}

static snug_status infer_interpolate(const snug_op_view *view, int32_t *out_count,
                                     snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    SNUG_TRY(
        check_lengths(view, view->input[0].extent[0], view->attrs->interpolate.length_in, err));
    out[0] = snug_rows_batched(
        snug_shape_2(view->attrs->interpolate.length_out, view->input[0].extent[1]));
    *out_count = 1;
    return SNUG_OK;
}

static snug_status infer_interpolate_grad(const snug_op_view *view, int32_t *out_count,
                                          snug_output_info out[SNUG_NODE_OUTPUTS_MAX],
                                          snug_error *err)
{
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    SNUG_TRY(
        check_lengths(view, view->input[0].extent[0], view->attrs->interpolate.length_out, err));
    out[0] = snug_rows_batched(
        snug_shape_2(view->attrs->interpolate.length_in, view->input[0].extent[1]));
    *out_count = 1;
    return SNUG_OK;
}

static snug_cost cost_interpolate(const snug_op_view *view, int64_t samples)
{
    return snug_rows_pass_cost(view, samples, 3.0);
}

static snug_cost cost_interpolate_grad(const snug_op_view *view, int64_t samples)
{
    const double in = snug_rows_count(&view->input[0]) * (double)samples;
    const double out = snug_rows_count(&view->output[0]) * (double)samples;
    return (snug_cost){.flops = 4.0 * in, .bytes = 4.0 * (in + out)};
}

static snug_status gradient_interpolate(snug_graph *graph, snug_node_id node,
                                        const snug_tensor_id *out_grads, const bool *need,
                                        snug_tensor_id *in_grads, snug_error *err)
{
    const snug_attrs attrs = graph->nodes[node].attrs;
    (void)need;
    SNUG_TRY(snug_rows_append(graph, "interpolate_grad", ".dx", node, &attrs, out_grads, 1, NULL,
                              &in_grads[0], err));
    return SNUG_OK;
}

/* The gradient of a function of one input: a node that reads dy and `saved`. */
static snug_status append_derivative(snug_graph *graph, const char *op, snug_node_id node,
                                     snug_tensor_id dy, snug_tensor_id saved, snug_tensor_id *out,
                                     snug_error *err)
{
    const snug_attrs attrs = graph->nodes[node].attrs;
    const snug_tensor_id inputs[2] = {dy, saved};
    SNUG_TRY(snug_rows_append(graph, op, ".dx", node, &attrs, inputs, 2, NULL, out, err));
    return SNUG_OK;
}

/* From the input: near its minimum the function has two inputs for one output. */
static snug_status gradient_gelu(snug_graph *graph, snug_node_id node,
                                 const snug_tensor_id *out_grads, const bool *need,
                                 snug_tensor_id *in_grads, snug_error *err)
{
    (void)need;
    return append_derivative(graph, "gelu_grad", node, out_grads[0], graph->nodes[node].inputs[0],
                             &in_grads[0], err);
}

static snug_status gradient_tanh(snug_graph *graph, snug_node_id node,
                                 const snug_tensor_id *out_grads, const bool *need,
                                 snug_tensor_id *in_grads, snug_error *err)
{
    (void)need;
    return append_derivative(graph, "tanh_grad", node, out_grads[0], graph->nodes[node].outputs[0],
                             &in_grads[0], err);
}

static snug_cost cost_gelu(const snug_op_view *view, int64_t samples)
{
    return snug_rows_pass_cost(view, samples, 40.0);
}

static snug_cost cost_tanh(const snug_op_view *view, int64_t samples)
{
    return snug_rows_pass_cost(view, samples, 30.0);
}

static snug_cost cost_tanh_grad(const snug_op_view *view, int64_t samples)
{
    return snug_rows_pass_cost(view, samples, 3.0);
}

static snug_status infer_dropout(const snug_op_view *view, int32_t *out_count,
                                 snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const float rate = view->attrs->dropout.rate;
    if (!(rate >= 0.0f && rate < 1.0f) || view->attrs->dropout.stream < 0) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "dropout '%s': rate %g, stream %d; expected a rate in [0, 1) and a stream "
                         "from 0",
                         view->node->name, (double)rate, view->attrs->dropout.stream);
    }
    return infer_same(view, out_count, out, err);
}

/* A block of four words of Philox takes ten rounds and serves eight elements. */
static snug_cost cost_dropout(const snug_op_view *view, int64_t samples)
{
    return snug_rows_pass_cost(view, samples, 12.0);
}

/* The same numbers are found again: nothing is kept. */
static snug_status gradient_dropout(snug_graph *graph, snug_node_id node,
                                    const snug_tensor_id *out_grads, const bool *need,
                                    snug_tensor_id *in_grads, snug_error *err)
{
    const snug_attrs attrs = graph->nodes[node].attrs;
    (void)need;
    SNUG_TRY(snug_rows_append(graph, "dropout", ".dx", node, &attrs, out_grads, 1, NULL,
                              &in_grads[0], err));
    return SNUG_OK;
}

const snug_op snug_op_relu_grad = {
    .name = "relu_grad",
    .input_min = 2,
    .input_max = 2,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_CHEAP,
    .sample_group = 1,
    .infer = infer_same,
    .cost = cost_one,
    .inplace = snug_rows_inplace_first,
};

const snug_op snug_op_add = {
    .name = "add",
    .input_min = 2,
    .input_max = SNUG_NODE_INPUTS_MAX,
    .output_max = 1,
    .flags = SNUG_OP_CHEAP,
    .narrows = 1,
    .sample_group = 1,
    .infer = infer_same,
    .gradient = gradient_add,
    .cost = cost_add,
    .inplace = snug_rows_inplace_first,
};

const snug_op snug_op_add_tail = {
    .name = "add_tail",
    .input_min = 2,
    .input_max = 2,
    .output_max = 1,
    .flags = SNUG_OP_CHEAP,
    .narrows = 1,
    .sample_group = 1,
    .infer = infer_add_tail,
    .gradient = gradient_add_tail,
    .cost = cost_add_tail,
    .inplace = snug_rows_inplace_first,
};

const snug_op snug_op_add_tail_grad = {
    .name = "add_tail_grad",
    .input_min = 1,
    .input_max = 1,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_CHEAP,
    .sample_group = 1,
    .infer = infer_add_tail_grad,
    .cost = cost_copy,
};

const snug_op snug_op_layer_norm = {
    .name = "layer_norm",
    .input_min = 3,
    .input_max = 3,
    .output_max = 3,
    .flags = SNUG_OP_CHEAP,
    .narrows = 1,
    .sample_group = 1,
    .infer = infer_layer_norm,
    .gradient = gradient_layer_norm,
    .cost = cost_layer_norm,
    .scratch_bytes = snug_scratch_layer_norm,
    .inplace = snug_rows_inplace_first,
};

const snug_op snug_op_layer_norm_grad = {
    .name = "layer_norm_grad",
    .input_min = 5,
    .input_max = 5,
    .output_max = 3,
    .flags = SNUG_OP_GRADIENT_ONLY,
    .accumulates = 6,
    .sample_group = 1,
    .infer = infer_layer_norm_grad,
    .cost = cost_layer_norm_grad,
    .scratch_bytes = snug_scratch_layer_norm_grad,
};

const snug_op snug_op_interpolate = {
    .name = "interpolate",
    .input_min = 1,
    .input_max = 1,
    .output_max = 1,
    .flags = SNUG_OP_CHEAP,
    .narrows = 1,
    .sample_group = 1,
    .infer = infer_interpolate,
    .gradient = gradient_interpolate,
    .cost = cost_interpolate,
};

const snug_op snug_op_interpolate_grad = {
    .name = "interpolate_grad",
    .input_min = 1,
    .input_max = 1,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_CHEAP,
    .sample_group = 1,
    .infer = infer_interpolate_grad,
    .cost = cost_interpolate_grad,
};

const snug_op snug_op_gelu = {
    .name = "gelu",
    .input_min = 1,
    .input_max = 1,
    .output_max = 1,
    .flags = SNUG_OP_CHEAP,
    .narrows = 1,
    .sample_group = 1,
    .infer = infer_same,
    .gradient = gradient_gelu,
    .cost = cost_gelu,
    .inplace = snug_rows_inplace_first,
};

const snug_op snug_op_gelu_grad = {
    .name = "gelu_grad",
    .input_min = 2,
    .input_max = 2,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_CHEAP,
    .sample_group = 1,
    .infer = infer_same,
    .cost = cost_gelu,
    .inplace = snug_rows_inplace_first,
};

const snug_op snug_op_tanh = {
    .name = "tanh",
    .input_min = 1,
    .input_max = 1,
    .output_max = 1,
    .flags = SNUG_OP_CHEAP,
    .narrows = 1,
    .sample_group = 1,
    .infer = infer_same,
    .gradient = gradient_tanh,
    .cost = cost_tanh,
    .inplace = snug_rows_inplace_first,
};

const snug_op snug_op_tanh_grad = {
    .name = "tanh_grad",
    .input_min = 2,
    .input_max = 2,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_CHEAP,
    .sample_group = 1,
    .infer = infer_same,
    .cost = cost_tanh_grad,
    .inplace = snug_rows_inplace_first,
};

const snug_op snug_op_dropout = {
    .name = "dropout",
    .input_min = 1,
    .input_max = 1,
    .output_max = 1,
    .flags = SNUG_OP_CHEAP,
    .narrows = 1,
    .sample_group = 1,
    .infer = infer_dropout,
    .gradient = gradient_dropout,
    .cost = cost_dropout,
    .inplace = snug_rows_inplace_first,
};
