/*
 * Rows of the convolutions in time: dense over channels with weights [kernel, in, out], and TDS
 * (the same small kernel at every width) with weights [out, in, kernel]. That is what fits the
 * kernels best; a file's layout is the model's business.
 */
#include "graph/op_rows.h"

#include "base/checked.h"

/* The output length, 0 when the input is shorter than the kernel. */
static int64_t conv_length(int64_t length, int64_t kernel, int64_t stride)
{
    return length < kernel ? 0 : (length - kernel) / stride + 1;
}

static snug_status check_window(const snug_op_view *view, int64_t length, int64_t kernel,
                                int64_t stride, snug_error *err)
{
    if (kernel < 1 || stride < 1 || length < kernel) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "%s '%s': kernel %lld with stride %lld does not fit %lld time steps",
                         view->node->op->name, view->node->name, (long long)kernel,
                         (long long)stride, (long long)length);
    }
    return SNUG_OK;
}

/* The bias is optional: [channels]. */
static snug_status check_bias(const snug_op_view *view, int32_t weight, int32_t bias,
                              int64_t channels, snug_error *err)
{
    if (!snug_rows_given(view, bias)) {
        return SNUG_OK;
    }
    SNUG_TRY(snug_rows_expect(view, bias, 1, false, err));
    if (view->input[bias].extent[0] != channels) {
        return snug_rows_mismatch(view, weight, bias, "one bias an output channel", err);
    }
    return SNUG_OK;
}

static snug_status infer_conv1d(const snug_op_view *view, int32_t *out_count,
                                snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const int64_t kernel = view->attrs->conv1d.kernel;
    const int64_t stride = view->attrs->conv1d.stride;
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    SNUG_TRY(snug_rows_expect(view, 1, 3, false, err));
    const int64_t *x = view->input[0].extent;
    const int64_t *w = view->input[1].extent;
    if (w[0] != kernel || w[1] != x[1]) {
        return snug_rows_mismatch(view, 0, 1, "expected [T, C] and [kernel, C, outputs]", err);
    }
    SNUG_TRY(check_window(view, x[0], kernel, stride, err));
    SNUG_TRY(check_bias(view, 1, 2, w[2], err));
    out[0] = snug_rows_batched(snug_shape_2(conv_length(x[0], kernel, stride), w[2]));
    *out_count = 1;
    return SNUG_OK;
}

static snug_cost conv_cost(double macs, double elements, double weights, double weight_passes,
                           int64_t samples)
{
    return (snug_cost){.flops = 2.0 * macs * (double)samples,
                       .bytes = 4.0 * (elements * (double)samples + weights * weight_passes)};
}

static snug_cost cost_conv1d(const snug_op_view *view, int64_t samples)
{
    const double weights = snug_rows_count(&view->input[1]);
    const double out = snug_rows_count(&view->output[0]);
    return conv_cost(weights * (double)view->output[0].extent[0],
                     snug_rows_count(&view->input[0]) + out, weights, 1.0, samples);
}

/* dz = dy where the output is positive, in place of dy when nobody else reads it. */
static snug_status through_relu(snug_graph *graph, snug_node_id node, bool relu, snug_tensor_id dy,
                                snug_tensor_id *out, snug_error *err)
{
    *out = dy;
    if (relu) {
        const snug_tensor_id inputs[2] = {dy, graph->nodes[node].outputs[0]};
        SNUG_TRY(
            snug_rows_append(graph, "relu_grad", ".dz", node, NULL, inputs, 2, NULL, out, err));
    }
    return SNUG_OK;
}

/* Both convolutions: dx from (dz, w), then dw and db from (x, dz). */
static snug_status conv_gradient(snug_graph *graph, snug_node_id node, const snug_attrs *attrs,
                                 bool relu, const char *const names[2], snug_tensor_id dy,
                                 const bool *need, snug_tensor_id *in_grads, snug_error *err)
{
    snug_tensor_id dz = SNUG_TENSOR_NONE;
    snug_tensor_id outputs[2];
    const snug_tensor_id x = graph->nodes[node].inputs[0];
    const snug_tensor_id w = graph->nodes[node].inputs[1];
    SNUG_TRY(through_relu(graph, node, relu, dy, &dz, err));
    SNUG_TRY(snug_rows_gradient_of(graph, node, 1, need, &outputs[0], err));
    SNUG_TRY(snug_rows_gradient_of(graph, node, 2, need, &outputs[1], err));
    if (outputs[0] >= 0 || outputs[1] >= 0) {
        const snug_tensor_id inputs[2] = {x, dz};
        SNUG_TRY(
            snug_rows_append(graph, names[1], ".dw", node, attrs, inputs, 2, outputs, NULL, err));
    }
    if (need[0]) {
        const snug_tensor_id inputs[2] = {dz, w};
        SNUG_TRY(snug_rows_append(graph, names[0], ".dx", node, attrs, inputs, 2, NULL,
                                  &in_grads[0], err));
    }
    return SNUG_OK;
}

static snug_status gradient_conv1d(snug_graph *graph, snug_node_id node,
                                   const snug_tensor_id *out_grads, const bool *need,
                                   snug_tensor_id *in_grads, snug_error *err)
{
    static const char *const names[2] = {"conv1d_dx", "conv1d_dw"};
    snug_attrs attrs = graph->nodes[node].attrs;
    const bool relu = attrs.conv1d.relu;
    attrs.conv1d.relu = false;
    attrs.conv1d.length = graph->tensors[graph->nodes[node].inputs[0]].shape.extent[0];
    SNUG_TRY(conv_gradient(graph, node, &attrs, relu, names, out_grads[0], need, in_grads, err));
    return SNUG_OK;
}

static snug_status infer_conv1d_dx(const snug_op_view *view, int32_t *out_count,
                                   snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const int64_t kernel = view->attrs->conv1d.kernel;
    const int64_t stride = view->attrs->conv1d.stride;
    const int64_t length = view->attrs->conv1d.length;
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    SNUG_TRY(snug_rows_expect(view, 1, 3, false, err));
    const int64_t *dy = view->input[0].extent;
    const int64_t *w = view->input[1].extent;
    SNUG_TRY(check_window(view, length, kernel, stride, err));
    if (w[0] != kernel || w[2] != dy[1] || dy[0] != conv_length(length, kernel, stride)) {
        return snug_rows_mismatch(view, 0, 1, "expected [T', outputs] and [kernel, C, outputs]",
                                  err);
    }
    out[0] = snug_rows_batched(snug_shape_2(length, w[1]));
    *out_count = 1;
    return SNUG_OK;
}

static snug_cost cost_conv1d_dx(const snug_op_view *view, int64_t samples)
{
    const double weights = snug_rows_count(&view->input[1]);
    return conv_cost(weights * (double)view->input[0].extent[0],
                     snug_rows_count(&view->input[0]) + snug_rows_count(&view->output[0]), weights,
                     1.0, samples);
}

static snug_status infer_conv1d_dw(const snug_op_view *view, int32_t *out_count,
                                   snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const int64_t kernel = view->attrs->conv1d.kernel;
    const int64_t stride = view->attrs->conv1d.stride;
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    SNUG_TRY(snug_rows_expect(view, 1, 2, true, err));
    const int64_t *x = view->input[0].extent;
    const int64_t *dy = view->input[1].extent;
    SNUG_TRY(check_window(view, x[0], kernel, stride, err));
    if (dy[0] != conv_length(x[0], kernel, stride)) {
        return snug_rows_mismatch(view, 0, 1, "expected [T, C] and [T', outputs]", err);
    }
    out[0] = snug_rows_shared(snug_shape_3(kernel, x[1], dy[1]));
    out[1] = snug_rows_shared(snug_shape_1(dy[1]));
    *out_count = 2;
    return SNUG_OK;
}

static snug_cost cost_conv1d_dw(const snug_op_view *view, int64_t samples)
{
    const double weights = snug_rows_count(&view->output[0]);
    const double dy = snug_rows_count(&view->input[1]);
    snug_cost cost = conv_cost(weights * (double)view->input[1].extent[0],
                               snug_rows_count(&view->input[0]) + dy, weights, 2.0, samples);
    cost.flops += dy * (double)samples;
    return cost;
}

static snug_status infer_tds(const snug_op_view *view, int32_t *out_count,
                             snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const int64_t kernel = view->attrs->tds_conv.kernel;
    const int64_t channels = view->attrs->tds_conv.channels;
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    SNUG_TRY(snug_rows_expect(view, 1, 3, false, err));
    const int64_t *x = view->input[0].extent;
    const int64_t *w = view->input[1].extent;
    if (w[0] != channels || w[1] != channels || w[2] != kernel || view->attrs->tds_conv.width < 1 ||
        x[1] / view->attrs->tds_conv.width != channels || x[1] % view->attrs->tds_conv.width != 0) {
        return snug_rows_mismatch(
            view, 0, 1, "expected [T, channels * width] and [channels, channels, kernel]", err);
    }
    SNUG_TRY(check_window(view, x[0], kernel, 1, err));
    SNUG_TRY(check_bias(view, 1, 2, channels, err));
    out[0] = snug_rows_batched(snug_shape_2(x[0] - kernel + 1, x[1]));
    *out_count = 1;
    return SNUG_OK;
}

/* Every width is its own row. */
static snug_cost tds_cost(const snug_op_view *view, int64_t rows, int64_t samples,
                          double weight_passes)
{
    const double channels = (double)view->attrs->tds_conv.channels;
    const double width = (double)view->attrs->tds_conv.width;
    const double kernel = (double)view->attrs->tds_conv.kernel;
    const double weights = kernel * channels * channels;
    const double time = (double)(2 * rows + view->attrs->tds_conv.kernel - 1);
    return conv_cost(weights * width * (double)rows, time * channels * width, weights,
                     weight_passes, samples);
}

static snug_cost cost_tds(const snug_op_view *view, int64_t samples)
{
    return tds_cost(view, view->output[0].extent[0], samples, 1.0);
}

static snug_status gradient_tds(snug_graph *graph, snug_node_id node,
                                const snug_tensor_id *out_grads, const bool *need,
                                snug_tensor_id *in_grads, snug_error *err)
{
    static const char *const names[2] = {"tds_conv_dx", "tds_conv_dw"};
    snug_attrs attrs = graph->nodes[node].attrs;
    const bool relu = attrs.tds_conv.relu;
    attrs.tds_conv.relu = false;
    attrs.tds_conv.length = graph->tensors[graph->nodes[node].inputs[0]].shape.extent[0];
    SNUG_TRY(conv_gradient(graph, node, &attrs, relu, names, out_grads[0], need, in_grads, err));
    return SNUG_OK;
}

static snug_status infer_tds_dx(const snug_op_view *view, int32_t *out_count,
                                snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const int64_t kernel = view->attrs->tds_conv.kernel;
    const int64_t length = view->attrs->tds_conv.length;
    const int64_t channels = view->attrs->tds_conv.channels;
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    SNUG_TRY(snug_rows_expect(view, 1, 3, false, err));
    const int64_t *dy = view->input[0].extent;
    const int64_t *w = view->input[1].extent;
    SNUG_TRY(check_window(view, length, kernel, 1, err));
    if (w[0] != channels || w[1] != channels || w[2] != kernel || dy[0] != length - kernel + 1 ||
        dy[1] != channels * view->attrs->tds_conv.width) {
        return snug_rows_mismatch(
            view, 0, 1, "expected [T', channels * width] and [channels, channels, kernel]", err);
    }
    out[0] = snug_rows_batched(snug_shape_2(length, dy[1]));
    *out_count = 1;
    return SNUG_OK;
}

static snug_cost cost_tds_dx(const snug_op_view *view, int64_t samples)
{
    return tds_cost(view, view->input[0].extent[0], samples, 1.0);
}

static snug_status infer_tds_dw(const snug_op_view *view, int32_t *out_count,
                                snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const int64_t kernel = view->attrs->tds_conv.kernel;
    const int64_t channels = view->attrs->tds_conv.channels;
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    SNUG_TRY(snug_rows_expect(view, 1, 2, true, err));
    const int64_t *x = view->input[0].extent;
    const int64_t *dy = view->input[1].extent;
    SNUG_TRY(check_window(view, x[0], kernel, 1, err));
    if (dy[0] != x[0] - kernel + 1 || dy[1] != x[1] ||
        x[1] != channels * view->attrs->tds_conv.width) {
        return snug_rows_mismatch(view, 0, 1, "expected [T, features] and [T', features]", err);
    }
    out[0] = snug_rows_shared(snug_shape_3(channels, channels, kernel));
    out[1] = snug_rows_shared(snug_shape_1(channels));
    *out_count = 2;
    return SNUG_OK;
}

static snug_cost cost_tds_dw(const snug_op_view *view, int64_t samples)
{
    snug_cost cost = tds_cost(view, view->input[1].extent[0], samples, 2.0);
    cost.flops += snug_rows_count(&view->input[1]) * (double)samples;
    return cost;
}

const snug_op snug_op_conv1d = {
    .name = "conv1d",
    .input_min = 2,
    .input_max = 3,
    .output_max = 1,
    .narrows = 1,
    .sample_group = 1,
    .infer = infer_conv1d,
    .gradient = gradient_conv1d,
    .cost = cost_conv1d,
    .scratch_bytes = snug_scratch_conv1d,
};

const snug_op snug_op_conv1d_dx = {
    .name = "conv1d_dx",
    .input_min = 2,
    .input_max = 2,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY,
    .sample_group = 1,
    .infer = infer_conv1d_dx,
    .cost = cost_conv1d_dx,
    .scratch_bytes = snug_scratch_conv1d_dx,
};

const snug_op snug_op_conv1d_dw = {
    .name = "conv1d_dw",
    .input_min = 2,
    .input_max = 2,
    .output_max = 2,
    .flags = SNUG_OP_GRADIENT_ONLY,
    .accumulates = 3,
    .sample_group = 1,
    .infer = infer_conv1d_dw,
    .cost = cost_conv1d_dw,
    .scratch_bytes = snug_scratch_conv1d_dw,
};

const snug_op snug_op_tds_conv = {
    .name = "tds_conv",
    .input_min = 2,
    .input_max = 3,
    .output_max = 1,
    .narrows = 1,
    .sample_group = 1,
    .infer = infer_tds,
    .gradient = gradient_tds,
    .cost = cost_tds,
    .scratch_bytes = snug_scratch_tds_conv,
};

const snug_op snug_op_tds_conv_dx = {
    .name = "tds_conv_dx",
    .input_min = 2,
    .input_max = 2,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY,
    .sample_group = 1,
    .infer = infer_tds_dx,
    .cost = cost_tds_dx,
    .scratch_bytes = snug_scratch_tds_conv_dx,
};

const snug_op snug_op_tds_conv_dw = {
    .name = "tds_conv_dw",
    .input_min = 2,
    .input_max = 2,
    .output_max = 2,
    .flags = SNUG_OP_GRADIENT_ONLY,
    .accumulates = 3,
    .sample_group = 1,
    .infer = infer_tds_dw,
    .cost = cost_tds_dw,
    .scratch_bytes = snug_scratch_tds_conv_dw,
};
