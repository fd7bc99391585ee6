/* Rows of the losses: one f64 share a sample; the loss of the global batch is their ordered sum. */
#include "graph/op_rows.h"

/* Prediction and target [T, K], mask [T] of u8 (optional). */
static snug_status check_regression(const snug_op_view *view, snug_error *err)
{
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    SNUG_TRY(snug_rows_expect(view, 1, 2, true, err));
    if (!snug_shape_equal(&view->input[0], &view->input[1])) {
        return snug_rows_mismatch(view, 0, 1, "prediction and target must have equal shapes", err);
    }
    if (snug_rows_given(view, 2) != view->attrs->regression_loss.has_mask) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': has_mask and the inputs disagree",
                         view->node->op->name, view->node->name);
    }
    if (view->attrs->regression_loss.has_mask) {
        SNUG_TRY(snug_rows_expect(view, 2, 1, true, err));
        if (view->input[2].extent[0] != view->input[0].extent[0] ||
            view->graph->tensors[view->node->inputs[2]].dtype != SNUG_U8) {
            return snug_rows_mismatch(view, 0, 2, "expected one u8 a time step as the mask", err);
        }
    }
    return SNUG_OK;
}

static snug_status infer_regression(const snug_op_view *view, int32_t *out_count,
                                    snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(check_regression(view, err));
    out[0] = (snug_output_info){.dtype = SNUG_F64, .batched = true, .shape = {.rank = 0}};
    *out_count = 1;
    return SNUG_OK;
}

static snug_status infer_regression_grad(const snug_op_view *view, int32_t *out_count,
                                         snug_output_info out[SNUG_NODE_OUTPUTS_MAX],
                                         snug_error *err)
{
    SNUG_TRY(check_regression(view, err));
    out[0] = snug_rows_batched(view->input[0]);
    *out_count = 1;
    return SNUG_OK;
}

static snug_cost cost_regression(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->input[0]) * (double)samples;
    return (snug_cost){.flops = 6.0 * count, .bytes = 8.0 * count + 8.0 * (double)samples};
}

static snug_cost cost_regression_grad(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->input[0]) * (double)samples;
    return (snug_cost){.flops = 6.0 * count, .bytes = 12.0 * count};
}

static snug_status gradient_regression(snug_graph *graph, snug_node_id node,
                                       const snug_tensor_id *out_grads, const bool *need,
                                       snug_tensor_id *in_grads, snug_error *err)
{
    const snug_node *n = &graph->nodes[node];
    const snug_attrs attrs = n->attrs;
    const snug_tensor_id inputs[3] = {n->inputs[0], n->inputs[1],
                                      n->input_count > 2 ? n->inputs[2] : SNUG_TENSOR_NONE};
    if (n->outputs[0] != graph->loss || out_grads[0] >= 0 || need[1]) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "regression_loss '%s' has a gradient only as the loss of a graph whose "
                         "target is an input",
                         n->name);
    }
    SNUG_TRY(snug_rows_append(graph, "regression_loss_grad", ".dx", node, &attrs, inputs, 3, NULL,
                              &in_grads[0], err));
    return SNUG_OK;
}

const snug_op snug_op_regression_loss = {
    .name = "regression_loss",
    .input_min = 2,
    .input_max = 3,
    .output_max = 1,
    .sample_group = 1,
    .infer = infer_regression,
    .gradient = gradient_regression,
    .cost = cost_regression,
    .scratch_bytes = snug_scratch_regression_loss,
};

const snug_op snug_op_regression_loss_grad = {
    .name = "regression_loss_grad",
    .input_min = 2,
    .input_max = 3,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_CHEAP,
    .sample_group = 1,
    .infer = infer_regression_grad,
    .cost = cost_regression_grad,
};

/* Logits [N, C] and one i32 label a row: N rows a sample. */
static snug_status check_cross_entropy(const snug_op_view *view, snug_error *err)
{
    const float smoothing = view->attrs->cross_entropy.smoothing;
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    SNUG_TRY(snug_rows_expect(view, 1, 1, true, err));
    if (view->input[0].extent[0] != view->input[1].extent[0] ||
        view->graph->tensors[view->node->inputs[1]].dtype != SNUG_I32) {
        return snug_rows_mismatch(view, 0, 1, "expected one i32 label a row of logits", err);
    }
    if (view->attrs->cross_entropy.classes != view->input[0].extent[1] ||
        !(smoothing >= 0.0f && smoothing < 1.0f)) {
        char text[96];
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "%s '%s': %lld classes for logits %s and smoothing %g; expected as many "
                         "as columns and [0, 1)",
                         view->node->op->name, view->node->name,
                         (long long)view->attrs->cross_entropy.classes,
                         snug_shape_text(&view->input[0], text), (double)smoothing);
    }
    return SNUG_OK;
}

static snug_status infer_cross_entropy(const snug_op_view *view, int32_t *out_count,
                                       snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(check_cross_entropy(view, err));
    out[0] = (snug_output_info){.dtype = SNUG_F64, .batched = true, .shape = {.rank = 0}};
    *out_count = 1;
    return SNUG_OK;
}

static snug_status infer_cross_entropy_grad(const snug_op_view *view, int32_t *out_count,
                                            snug_output_info out[SNUG_NODE_OUTPUTS_MAX],
                                            snug_error *err)
{
    SNUG_TRY(check_cross_entropy(view, err));
    out[0] = snug_rows_batched(view->input[0]);
    *out_count = 1;
    return SNUG_OK;
}

static snug_cost cost_cross_entropy(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->input[0]) * (double)samples;
    const double rows = snug_rows_count(&view->input[1]) * (double)samples;
    return (snug_cost){.flops = 25.0 * count + 20.0 * rows, .bytes = 4.0 * (count + rows)};
}

static snug_cost cost_cross_entropy_grad(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->input[0]) * (double)samples;
    const double rows = snug_rows_count(&view->input[1]) * (double)samples;
    return (snug_cost){.flops = 45.0 * count, .bytes = 8.0 * count + 4.0 * rows};
}

static snug_status gradient_cross_entropy(snug_graph *graph, snug_node_id node,
                                          const snug_tensor_id *out_grads, const bool *need,
                                          snug_tensor_id *in_grads, snug_error *err)
{
    const snug_node *n = &graph->nodes[node];
    const snug_attrs attrs = n->attrs;
    const snug_tensor_id inputs[2] = {n->inputs[0], n->inputs[1]};
    if (n->outputs[0] != graph->loss || out_grads[0] >= 0 || need[1]) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "cross_entropy '%s' has a gradient only as the loss of a graph whose "
                         "labels are an input",
                         n->name);
    }
    SNUG_TRY(snug_rows_append(graph, "cross_entropy_grad", ".dx", node, &attrs, inputs, 2, NULL,
                              &in_grads[0], err));
    return SNUG_OK;
}

const snug_op snug_op_cross_entropy = {
    .name = "cross_entropy",
    .input_min = 2,
    .input_max = 2,
    .output_max = 1,
    .sample_group = 1,
    .infer = infer_cross_entropy,
    .gradient = gradient_cross_entropy,
    .cost = cost_cross_entropy,
};

const snug_op snug_op_cross_entropy_grad = {
    .name = "cross_entropy_grad",
    .input_min = 2,
    .input_max = 2,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_CHEAP,
    .sample_group = 1,
    .infer = infer_cross_entropy_grad,
    .cost = cost_cross_entropy_grad,
    .inplace = snug_rows_inplace_first,
};
