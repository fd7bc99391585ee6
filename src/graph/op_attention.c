/* Rows of attention: softmax(scale q k' + bias) v in heads, and its gradient. */
#include "graph/op_rows.h"

/*
 * Inputs of the forward row: q [L, H], k and v [Lk, H] (or one tensor [L, 3 H] of q, k and v
 * columns), the number of valid keys i32 [1], the bias [heads, L + Lk - 1]. The gradient has dy
 * before them, and y and lse between v and the lengths; its outputs have the places of q, k, v and
 * the bias.
 */
enum { QUERY, KEY, VALUE, LENGTHS, BIAS };
enum { GRAD_DY, GRAD_QUERY, GRAD_KEY, GRAD_VALUE, GRAD_Y, GRAD_LSE, GRAD_LENGTHS, GRAD_BIAS };
enum { D_QUERY, D_KEY, D_VALUE, D_BIAS };

static snug_status check_attrs(const snug_op_view *view, snug_error *err)
{
    const int64_t length = view->attrs->attention.length;
    const int64_t length_k = view->attrs->attention.length_k;
    const int64_t heads = view->attrs->attention.heads;
    const int64_t width = view->attrs->attention.width;
    const float dropout = view->attrs->attention.dropout;
    const char *name = view->node->name;
    if (length < 1 || length > SNUG_ATTENTION_ROWS_MAX || length_k < 1 ||
        length_k > SNUG_ATTENTION_ROWS_MAX || heads < 1 || heads > SNUG_ATTENTION_HEADS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "%s '%s': %lld x %lld rows and %lld heads; 1 to %d rows and 1 to %d heads "
                         "are possible",
                         view->node->op->name, name, (long long)length, (long long)length_k,
                         (long long)heads, SNUG_ATTENTION_ROWS_MAX, SNUG_ATTENTION_HEADS_MAX);
    }
    if (width < heads || width % heads != 0) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': a width of %lld is not %lld equal heads",
                         view->node->op->name, name, (long long)width, (long long)heads);
    }
    if (!(view->attrs->attention.scale > 0.0f) || !(dropout >= 0.0f && dropout < 1.0f)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "%s '%s': the scale must be positive and dropout in [0, 1)",
                         view->node->op->name, name);
    }
    if ((view->attrs->attention.causal || view->attrs->attention.packed) &&
        (length != length_k || view->attrs->attention.cross)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "%s '%s': causal or packed attention needs keys and queries of one "
                         "sequence",
                         view->node->op->name, name);
    }
    return SNUG_OK;
}

static snug_shape query_shape(const snug_op_view *view)
{
    return snug_shape_2(view->attrs->attention.length, view->attrs->attention.width);
}

static snug_shape lse_shape(const snug_op_view *view)
{
    return snug_shape_2(view->attrs->attention.heads, view->attrs->attention.length);
}

/* q, k, v from input `query` on, and what may follow. */
static snug_status check_operands(const snug_op_view *view, int32_t query, int32_t lengths,
                                  int32_t bias, snug_error *err)
{
    SNUG_TRY(check_attrs(view, err));
    const int64_t length = view->attrs->attention.length;
    const int64_t length_k = view->attrs->attention.length_k;
    const int64_t width = view->attrs->attention.width;
    if (view->attrs->attention.packed) {
        SNUG_TRY(snug_rows_expect_shape(view, query, true, snug_shape_2(length, 3 * width), err));
        if (snug_rows_given(view, query + 1) || snug_rows_given(view, query + 2)) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': packed, and yet k or v is given",
                             view->node->op->name, view->node->name);
        }
    } else {
        SNUG_TRY(snug_rows_expect_shape(view, query, true, query_shape(view), err));
        SNUG_TRY(snug_rows_expect_shape(view, query + 1, true, snug_shape_2(length_k, width), err));
        SNUG_TRY(snug_rows_expect_shape(view, query + 2, true, snug_shape_2(length_k, width), err));
    }
    if (snug_rows_given(view, lengths)) {
        SNUG_TRY(snug_rows_expect_shape(view, lengths, true, snug_shape_1(1), err));
        if (view->graph->tensors[view->node->inputs[lengths]].dtype != SNUG_I32) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': the lengths must be i32",
                             view->node->op->name, view->node->name);
        }
    }
    if (snug_rows_given(view, bias)) {
        SNUG_TRY(snug_rows_expect_shape(
            view, bias, false, snug_shape_2(view->attrs->attention.heads, length + length_k - 1),
            err));
    }
    return SNUG_OK;
}

static snug_status infer_attention(const snug_op_view *view, int32_t *out_count,
                                   snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(check_operands(view, QUERY, LENGTHS, BIAS, err));
    out[0] = snug_rows_batched(query_shape(view));
    out[1] = snug_rows_batched(lse_shape(view));
    *out_count = 2;
    return SNUG_OK;
}

static snug_status infer_attention_grad(const snug_op_view *view, int32_t *out_count,
                                        snug_output_info out[SNUG_NODE_OUTPUTS_MAX],
                                        snug_error *err)
{
    SNUG_TRY(check_operands(view, GRAD_QUERY, GRAD_LENGTHS, GRAD_BIAS, err));
    SNUG_TRY(snug_rows_expect_shape(view, GRAD_DY, true, query_shape(view), err));
    SNUG_TRY(snug_rows_expect_shape(view, GRAD_Y, true, query_shape(view), err));
    SNUG_TRY(snug_rows_expect_shape(view, GRAD_LSE, true, lse_shape(view), err));
    const snug_shape keys =
        snug_shape_2(view->attrs->attention.length_k, view->attrs->attention.width);
    out[D_QUERY] = snug_rows_batched(view->input[GRAD_QUERY]);
    out[D_KEY] = snug_rows_batched(keys);
    out[D_VALUE] = snug_rows_batched(keys);
    out[D_BIAS] = snug_rows_shared(
        snug_shape_2(view->attrs->attention.heads,
                     view->attrs->attention.length + view->attrs->attention.length_k - 1));
    *out_count = 4;
    return SNUG_OK;
}

/* Products: each does two operations for every score and column of a head. */
static snug_cost cost_of(const snug_op_view *view, int64_t samples, double products,
                         double score_flops)
{
    const double scores =
        (double)view->attrs->attention.length * (double)view->attrs->attention.length_k;
    const double width = (double)view->attrs->attention.width;
    const double heads = (double)view->attrs->attention.heads;
    const double share = view->attrs->attention.causal ? 0.5 : 1.0;
    const double rows =
        (double)view->attrs->attention.length + (double)view->attrs->attention.length_k;
    const double passes = products / 2.0;
    double shared = 0.0;
    for (int32_t i = 0; i < view->input_count; i++) {
        shared += snug_rows_given(view, i) && !view->input_batched[i]
                      ? snug_rows_count(&view->input[i])
                      : 0.0;
    }
    return (snug_cost){
        .flops = share * scores * (2.0 * products * width + score_flops * heads) * (double)samples,
        /* q and y, k and v: read or written once a pass. */
        .bytes = 4.0 * (2.0 * passes * rows * width * (double)samples + products * shared)};
}

static snug_cost cost_attention(const snug_op_view *view, int64_t samples)
{
    return cost_of(view, samples, 2.0, view->attrs->attention.dropout > 0.0f ? 35.0 : 20.0);
}

static snug_cost cost_attention_grad(const snug_op_view *view, int64_t samples)
{
    return cost_of(view, samples, 5.0, view->attrs->attention.dropout > 0.0f ? 40.0 : 25.0);
}

static snug_status gradient_attention(snug_graph *graph, snug_node_id node,
                                      const snug_tensor_id *out_grads, const bool *need,
                                      snug_tensor_id *in_grads, snug_error *err)
{
    const snug_node *n = &graph->nodes[node];
    const snug_attrs attrs = n->attrs;
    snug_tensor_id given[BIAS + 1];
    snug_tensor_id outputs[D_BIAS + 1];
    snug_node_id made = -1;
    char name[SNUG_NAME_BYTES];
    for (int32_t i = 0; i <= BIAS; i++) {
        given[i] = i < n->input_count ? n->inputs[i] : SNUG_TENSOR_NONE;
    }
    for (int32_t i = 0; i <= VALUE; i++) {
        outputs[i] = i < n->input_count && need[i] ? SNUG_TENSOR_NEW : SNUG_TENSOR_NONE;
    }
    if (out_grads[1] >= 0 || out_grads[0] < 0 ||
        (given[BIAS] >= 0 && need[BIAS] &&
         graph->tensors[given[BIAS]].kind != SNUG_TENSOR_PARAMETER)) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "attention '%s' has a gradient only through its output, for q, k, v and a "
                         "bias that is a parameter",
                         n->name);
    }
    SNUG_TRY(snug_rows_gradient_of(graph, node, BIAS, need, &outputs[D_BIAS], err));
    const snug_tensor_id inputs[] = {
        [GRAD_DY] = out_grads[0],        [GRAD_QUERY] = given[QUERY], [GRAD_KEY] = given[KEY],
        [GRAD_VALUE] = given[VALUE],     [GRAD_Y] = n->outputs[0],    [GRAD_LSE] = n->outputs[1],
        [GRAD_LENGTHS] = given[LENGTHS], [GRAD_BIAS] = given[BIAS]};
    SNUG_TRY(snug_rows_name(graph, node, ".dx", name, err));
    SNUG_TRY(snug_graph_node(graph, "attention_grad", name, &attrs, inputs, GRAD_BIAS + 1, outputs,
                             &made, err));
    for (int32_t i = 0; i <= VALUE; i++) {
        if (i < graph->nodes[node].input_count) {
            in_grads[i] = graph->nodes[made].outputs[i];
        }
    }
    return SNUG_OK;
}

/* y over q: a block of queries is packed before its rows of y are written. */
static int32_t inplace_attention(const snug_op_view *view, int32_t output)
{
    return output == 0 && !view->attrs->attention.packed ? QUERY : SNUG_TENSOR_NONE;
}

const snug_op snug_op_attention = {
    .name = "attention",
    .input_min = 1,
    .input_max = BIAS + 1,
    .output_max = 2,
    .narrows = 1,
    .sample_group = 1,
    .infer = infer_attention,
    .gradient = gradient_attention,
    .cost = cost_attention,
    .scratch_bytes = snug_scratch_attention,
    .inplace = inplace_attention,
    .shorten = snug_shorten_attention,
};

const snug_op snug_op_attention_grad = {
    .name = "attention_grad",
    .input_min = GRAD_LSE + 1,
    .input_max = GRAD_BIAS + 1,
    .output_max = D_BIAS + 1,
    .flags = SNUG_OP_GRADIENT_ONLY,
    .accumulates = 1 << D_BIAS,
    .sample_group = 1,
    .infer = infer_attention_grad,
    .cost = cost_attention_grad,
    .scratch_bytes = snug_scratch_attention_grad,
    .shorten = snug_shorten_attention,
};
