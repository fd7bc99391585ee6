/* Rows of the loop in time: an autoregressive LSTM decoder is one op with an inner graph. */
#include "graph/op_rows.h"

/*
 * Inputs: x [steps, features], s0 [state] or none, then for each layer w_ih [4 hidden, in],
 * w_hh [4 hidden, hidden], b_ih, b_hh [4 hidden], then the head's w [outputs, hidden] and b: the
 * layouts of torch.nn.LSTMCell, with its order of gates: input, forget, cell, output.
 */
enum { INPUT_X, INPUT_S0, INPUT_WEIGHTS };
/* Inputs of the gradient; its outputs have the places of the forward's inputs. */
enum { GRAD_DY, GRAD_X, GRAD_S0, GRAD_Y, GRAD_CACHE, GRAD_WEIGHTS };
enum { LAYERS_MAX = (SNUG_NODE_INPUTS_MAX - GRAD_WEIGHTS - 2) / 4 };

static int64_t fed_back(const snug_op_view *view)
{
    return view->attrs->lstm_decoder.mode == SNUG_DECODER_PLAIN ? 0
                                                                : view->attrs->lstm_decoder.state;
}

static int64_t output_columns(const snug_op_view *view)
{
    return view->attrs->lstm_decoder.mode == SNUG_DECODER_PLAIN ? view->attrs->lstm_decoder.outputs
                                                                : view->attrs->lstm_decoder.state;
}

static snug_status check_attrs(const snug_op_view *view, snug_error *err)
{
    const int64_t state = view->attrs->lstm_decoder.state;
    const int64_t outputs = view->attrs->lstm_decoder.outputs;
    const snug_decoder_mode mode = view->attrs->lstm_decoder.mode;
    const bool plain = mode == SNUG_DECODER_PLAIN;
    const int64_t wanted = mode == SNUG_DECODER_POSITION_THEN_VELOCITY ? 2 * state : state;
    if (view->attrs->lstm_decoder.layers < 1 || view->attrs->lstm_decoder.layers > LAYERS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "%s '%s': 1 to %d layers, not %lld",
                         view->node->op->name, view->node->name, LAYERS_MAX,
                         (long long)view->attrs->lstm_decoder.layers);
    }
    if (view->attrs->lstm_decoder.hidden < 1 || view->attrs->lstm_decoder.features < 1 ||
        view->attrs->lstm_decoder.steps < 1 || outputs < 1 || (!plain && state < 1) ||
        (!plain && outputs != wanted) || (plain && view->attrs->lstm_decoder.has_initial_state)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "%s '%s': %lld outputs and a state of %lld do not fit the decoder's mode",
                         view->node->op->name, view->node->name, (long long)outputs,
                         (long long)state);
    }
    return SNUG_OK;
}

/* The shape of parameter `k`, counted from the first layer's w_ih. */
static snug_shape weight_shape(const snug_op_view *view, int64_t k)
{
    const int64_t hidden = view->attrs->lstm_decoder.hidden;
    const int64_t layer = k / 4;
    if (layer == view->attrs->lstm_decoder.layers) {
        return k % 4 == 0 ? snug_shape_2(view->attrs->lstm_decoder.outputs, hidden)
                          : snug_shape_1(view->attrs->lstm_decoder.outputs);
    }
    const int64_t in = layer == 0 ? view->attrs->lstm_decoder.features + fed_back(view) : hidden;
    switch (k % 4) {
    case 0:
        return snug_shape_2(4 * hidden, in);
    case 1:
        return snug_shape_2(4 * hidden, hidden);
    default:
        return snug_shape_1(4 * hidden);
    }
}

static int64_t weight_count(const snug_op_view *view)
{
    return 4 * view->attrs->lstm_decoder.layers + 2;
}

/* x, s0 and all weights, which begin at inputs `x`, `s0`, `weights`. */
static snug_status check_operands(const snug_op_view *view, int32_t x, int32_t s0, int32_t weights,
                                  snug_error *err)
{
    SNUG_TRY(check_attrs(view, err));
    SNUG_TRY(snug_rows_expect_shape(
        view, x, true,
        snug_shape_2(view->attrs->lstm_decoder.steps, view->attrs->lstm_decoder.features), err));
    if (snug_rows_given(view, s0) != view->attrs->lstm_decoder.has_initial_state) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': has_initial_state and the inputs disagree",
                         view->node->op->name, view->node->name);
    }
    if (view->attrs->lstm_decoder.has_initial_state) {
        SNUG_TRY(snug_rows_expect_shape(view, s0, true,
                                        snug_shape_1(view->attrs->lstm_decoder.state), err));
    }
    for (int64_t k = 0; k < weight_count(view); k++) {
        SNUG_TRY(
            snug_rows_expect_shape(view, weights + (int32_t)k, false, weight_shape(view, k), err));
    }
    return SNUG_OK;
}

static snug_shape output_shape(const snug_op_view *view)
{
    return snug_shape_2(view->attrs->lstm_decoder.steps, output_columns(view));
}

static snug_status infer_decoder(const snug_op_view *view, int32_t *out_count,
                                 snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(check_operands(view, INPUT_X, INPUT_S0, INPUT_WEIGHTS, err));
    out[0] = snug_rows_batched(output_shape(view));
    out[1] = snug_rows_batched(snug_shape_1(snug_cache_lstm_decoder(view)));
    *out_count = 2;
    return SNUG_OK;
}

/* Multiply-adds of one step of one sample. */
static double step_macs(const snug_op_view *view)
{
    const double hidden = (double)view->attrs->lstm_decoder.hidden;
    const double first = (double)(view->attrs->lstm_decoder.features + fed_back(view));
    const double layers = (double)view->attrs->lstm_decoder.layers;
    return 4.0 * hidden * (first + hidden + (layers - 1.0) * 2.0 * hidden) +
           hidden * (double)view->attrs->lstm_decoder.outputs;
}

static double weight_elements(const snug_op_view *view)
{
    double total = 0.0;
    for (int64_t k = 0; k < weight_count(view); k++) {
        const snug_shape shape = weight_shape(view, k);
        total += snug_rows_count(&shape);
    }
    return total;
}

/* Elementwise work of a step: gates, cell, hidden. */
static double step_flops(const snug_op_view *view)
{
    return 2.0 * step_macs(view) + 40.0 * (double)view->attrs->lstm_decoder.hidden *
                                       (double)view->attrs->lstm_decoder.layers;
}

static snug_cost cost_decoder(const snug_op_view *view, int64_t samples)
{
    const double steps = (double)view->attrs->lstm_decoder.steps;
    const double elements = snug_rows_count(&view->input[INPUT_X]) +
                            snug_rows_count(&view->output[0]) + snug_rows_count(&view->output[1]);
    return (snug_cost){.flops = step_flops(view) * steps * (double)samples,
                       .bytes = 4.0 * (elements * (double)samples + weight_elements(view))};
}

static snug_status gradient_decoder(snug_graph *graph, snug_node_id node,
                                    const snug_tensor_id *out_grads, const bool *need,
                                    snug_tensor_id *in_grads, snug_error *err)
{
    const snug_node *n = &graph->nodes[node];
    const snug_attrs attrs = n->attrs;
    const int32_t count = n->input_count;
    snug_tensor_id inputs[SNUG_NODE_INPUTS_MAX];
    snug_tensor_id outputs[SNUG_NODE_OUTPUTS_MAX];
    snug_node_id made = -1;
    char name[SNUG_NAME_BYTES];
    inputs[GRAD_DY] = out_grads[0];
    inputs[GRAD_X] = n->inputs[INPUT_X];
    inputs[GRAD_S0] = n->inputs[INPUT_S0];
    inputs[GRAD_Y] = n->outputs[0];
    inputs[GRAD_CACHE] = n->outputs[1];
    for (int32_t i = INPUT_WEIGHTS; i < count; i++) {
        inputs[GRAD_WEIGHTS + i - INPUT_WEIGHTS] = n->inputs[i];
        SNUG_TRY(snug_rows_gradient_of(graph, node, i, need, &outputs[i], err));
    }
    outputs[INPUT_X] = need[INPUT_X] ? SNUG_TENSOR_NEW : SNUG_TENSOR_NONE;
    outputs[INPUT_S0] = need[INPUT_S0] ? SNUG_TENSOR_NEW : SNUG_TENSOR_NONE;
    SNUG_TRY(snug_rows_name(graph, node, ".dx", name, err));
    SNUG_TRY(snug_graph_node(graph, "lstm_decoder_grad", name, &attrs, inputs,
                             GRAD_WEIGHTS + count - INPUT_WEIGHTS, outputs, &made, err));
    in_grads[INPUT_X] = graph->nodes[made].outputs[INPUT_X];
    in_grads[INPUT_S0] = graph->nodes[made].outputs[INPUT_S0];
    return SNUG_OK;
}

static snug_status infer_decoder_grad(const snug_op_view *view, int32_t *out_count,
                                      snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(check_operands(view, GRAD_X, GRAD_S0, GRAD_WEIGHTS, err));
    SNUG_TRY(snug_rows_expect_shape(view, GRAD_DY, true, output_shape(view), err));
    SNUG_TRY(snug_rows_expect_shape(view, GRAD_Y, true, output_shape(view), err));
    SNUG_TRY(snug_rows_expect_shape(view, GRAD_CACHE, true,
                                    snug_shape_1(snug_cache_lstm_decoder(view)), err));
    out[INPUT_X] = snug_rows_batched(view->input[GRAD_X]);
    out[INPUT_S0] = snug_rows_batched(snug_shape_1(view->attrs->lstm_decoder.state));
    for (int64_t k = 0; k < weight_count(view); k++) {
        out[INPUT_WEIGHTS + k] = snug_rows_shared(weight_shape(view, k));
    }
    *out_count = INPUT_WEIGHTS + (int32_t)weight_count(view);
    return SNUG_OK;
}

static snug_cost cost_decoder_grad(const snug_op_view *view, int64_t samples)
{
    const double steps = (double)view->attrs->lstm_decoder.steps;
    const double elements = 2.0 * snug_rows_count(&view->input[GRAD_X]) +
                            2.0 * snug_rows_count(&view->input[GRAD_Y]) +
                            snug_rows_count(&view->input[GRAD_CACHE]);
    /* Input gradients and weight gradients, each as much as the forward pass, and what the variant
     * does not keep once more. */
    const double passes = 2.0 + snug_recompute_lstm_decoder(view);
    return (snug_cost){.flops = passes * step_flops(view) * steps * (double)samples,
                       .bytes = 4.0 * (elements * (double)samples + 3.0 * weight_elements(view))};
}

const snug_op snug_op_lstm_decoder = {
    .name = "lstm_decoder",
    .input_min = 8,
    .input_max = INPUT_WEIGHTS + 4 * LAYERS_MAX + 2,
    .output_max = 2,
    .sample_group = 64,
    .infer = infer_decoder,
    .gradient = gradient_decoder,
    .cost = cost_decoder,
    .scratch_bytes = snug_scratch_lstm_decoder,
    .variants = snug_variants_lstm_decoder,
    .shorten = snug_shorten_lstm_decoder,
};

const snug_op snug_op_lstm_decoder_grad = {
    .name = "lstm_decoder_grad",
    .input_min = 11,
    .input_max = GRAD_WEIGHTS + 4 * LAYERS_MAX + 2,
    .output_max = INPUT_WEIGHTS + 4 * LAYERS_MAX + 2,
    .flags = SNUG_OP_GRADIENT_ONLY,
    .accumulates = 0xFFFFC,
    .consumes = 1 << GRAD_CACHE,
    .sample_group = 64,
    .infer = infer_decoder_grad,
    .cost = cost_decoder_grad,
    .scratch_bytes = snug_scratch_lstm_decoder_grad,
    .shorten = snug_shorten_lstm_decoder_grad,
};
