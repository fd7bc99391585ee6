/* Rows that gather: embeddings of words, positions and types, and one row of a sequence. */
#include "base/checked.h"
#include "graph/op_rows.h"

enum { IDS, TYPES, WORDS, POSITIONS, TYPE_TABLE };

/* One i32 a position; the types may be left out: all zero. */
static snug_status check_ids(const snug_op_view *view, int32_t i, snug_error *err)
{
    SNUG_TRY(snug_rows_expect(view, i, 1, true, err));
    if (view->graph->tensors[view->node->inputs[i]].dtype != SNUG_I32 ||
        view->input[i].extent[0] != view->attrs->embed.length) {
        char text[96];
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': input %d is %s %s, expected %lld of i32",
                         view->node->op->name, view->node->name, i,
                         snug_dtype_name(view->graph->tensors[view->node->inputs[i]].dtype),
                         snug_shape_text(&view->input[i], text),
                         (long long)view->attrs->embed.length);
    }
    return SNUG_OK;
}

/* A table of `width` columns and at least `rows` rows. */
static snug_status check_table(const snug_op_view *view, int32_t i, int64_t rows, snug_error *err)
{
    SNUG_TRY(snug_rows_expect(view, i, 2, false, err));
    if (view->input[i].extent[1] != view->attrs->embed.width || view->input[i].extent[0] < rows) {
        char text[96];
        return SNUG_FAIL(
            err, SNUG_CODE_DATA, "%s '%s': input %d is %s, expected at least %lld rows of %lld",
            view->node->op->name, view->node->name, i, snug_shape_text(&view->input[i], text),
            (long long)rows, (long long)view->attrs->embed.width);
    }
    return SNUG_OK;
}

static snug_status check_embed(const snug_op_view *view, snug_error *err)
{
    const int64_t length = view->attrs->embed.length;
    const int64_t offset = view->attrs->embed.position_offset;
    if (length < 1 || view->attrs->embed.width < 1 || offset < 0) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "%s '%s': length %lld, width %lld, position offset %lld; expected at "
                         "least 1, 1 and 0",
                         view->node->op->name, view->node->name, (long long)length,
                         (long long)view->attrs->embed.width, (long long)offset);
    }
    SNUG_TRY(check_ids(view, IDS, err));
    if (snug_rows_given(view, TYPES)) {
        SNUG_TRY(check_ids(view, TYPES, err));
        if (!snug_rows_given(view, TYPE_TABLE)) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': types without their table",
                             view->node->op->name, view->node->name);
        }
    }
    SNUG_TRY(check_table(view, WORDS, 1, err));
    if (snug_rows_given(view, POSITIONS)) {
        SNUG_TRY(check_table(view, POSITIONS, length + offset, err));
    }
    if (snug_rows_given(view, TYPE_TABLE)) {
        SNUG_TRY(check_table(view, TYPE_TABLE, 1, err));
    }
    if (view->attrs->embed.padding_index < -1 ||
        view->attrs->embed.padding_index >= view->input[WORDS].extent[0]) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': padding index %lld for %lld words",
                         view->node->op->name, view->node->name,
                         (long long)view->attrs->embed.padding_index,
                         (long long)view->input[WORDS].extent[0]);
    }
    return SNUG_OK;
}

static snug_status infer_embed(const snug_op_view *view, int32_t *out_count,
                               snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(check_embed(view, err));
    out[0] = snug_rows_batched(snug_shape_2(view->attrs->embed.length, view->attrs->embed.width));
    *out_count = 1;
    return SNUG_OK;
}

/* Inputs: ids, types or none, dy. Outputs: the gradients of the word, position and type tables. */
static snug_status infer_embed_dw(const snug_op_view *view, int32_t *out_count,
                                  snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const int64_t width = view->attrs->embed.width;
    const snug_shape expected = snug_shape_2(view->attrs->embed.length, width);
    SNUG_TRY(check_ids(view, IDS, err));
    if (snug_rows_given(view, TYPES)) {
        SNUG_TRY(check_ids(view, TYPES, err));
    }
    SNUG_TRY(snug_rows_expect(view, 2, 2, true, err));
    if (!snug_shape_equal(&view->input[2], &expected)) {
        return snug_rows_mismatch(view, 0, 2, "expected a row of the gradient an id", err);
    }
    out[0] = snug_rows_shared(snug_shape_2(view->attrs->embed.words, width));
    out[1] = snug_rows_shared(snug_shape_2(view->attrs->embed.positions, width));
    out[2] = snug_rows_shared(snug_shape_2(view->attrs->embed.types, width));
    *out_count = 3;
    return SNUG_OK;
}

/* Inputs: ids, dy. Outputs: the rows of dy, and the words that they belong to. */
static snug_status infer_embed_rows(const snug_op_view *view, int32_t *out_count,
                                    snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const snug_shape rows = snug_shape_2(view->attrs->embed.length, view->attrs->embed.width);
    SNUG_TRY(check_ids(view, IDS, err));
    SNUG_TRY(snug_rows_expect_shape(view, 1, true, rows, err));
    out[0] = snug_rows_batched(rows);
    out[1] = (snug_output_info){.dtype = SNUG_I32, .batched = true, .shape = view->input[IDS]};
    *out_count = 2;
    return SNUG_OK;
}

/* Whether the word table's gradient is smaller as the rows of a global batch; one that other nodes
 * read as well has several gradients to add up. */
static bool keeps_rows(const snug_graph *graph, const snug_node *node)
{
    const snug_tensor_id table = node->inputs[WORDS];
    const snug_shape *shape = &graph->tensors[table].shape;
    const double width = (double)shape->extent[1];
    const int64_t length = snug_max_i64(node->attrs.embed.length, graph->longest);
    const double ids = (double)graph->batch * (double)length;
    int32_t readers = 0;
    for (int64_t n = 0; n < graph->node_count; n++) {
        for (int32_t i = 0; i < graph->nodes[n].input_count; i++) {
            readers += graph->nodes[n].inputs[i] == table ? 1 : 0;
        }
    }
    return graph->batch > 0 && readers == 1 &&
           ids * (width + 1.0) < (double)shape->extent[0] * width;
}

/* The gradient of the word table as rows, for which optimizers wait until the end of a step. */
static snug_status append_rows(snug_graph *graph, snug_node_id node, const snug_attrs *attrs,
                               snug_tensor_id dy, snug_error *err)
{
    const snug_tensor_id table = graph->nodes[node].inputs[WORDS];
    const snug_tensor_id inputs[2] = {graph->nodes[node].inputs[IDS], dy};
    snug_tensor_id rows = SNUG_TENSOR_NONE;
    SNUG_TRY(
        snug_rows_append(graph, "embed_rows", ".rows", node, attrs, inputs, 2, NULL, &rows, err));
    const snug_tensor_id words = graph->nodes[graph->tensors[rows].producer].outputs[1];
    graph->tensors[rows].kind = SNUG_TENSOR_GRADIENT;
    graph->tensors[rows].of = table;
    graph->tensors[words].kind = SNUG_TENSOR_GRADIENT;
    graph->tensors[words].of = table;
    graph->tensors[table].gradient = rows;
    return SNUG_OK;
}

static snug_status gradient_embed(snug_graph *graph, snug_node_id node,
                                  const snug_tensor_id *out_grads, const bool *need,
                                  snug_tensor_id *in_grads, snug_error *err)
{
    const snug_node *n = &graph->nodes[node];
    const snug_tensor_id inputs[3] = {n->inputs[IDS], n->inputs[TYPES], out_grads[0]};
    snug_attrs attrs = n->attrs;
    snug_tensor_id outputs[3];
    int64_t *const rows[3] = {&attrs.embed.words, &attrs.embed.positions, &attrs.embed.types};
    (void)in_grads;
    for (int32_t k = 0; k < 3; k++) {
        const int32_t table = WORDS + k;
        const bool given = table < n->input_count && n->inputs[table] >= 0;
        *rows[k] = given ? graph->tensors[n->inputs[table]].shape.extent[0] : 0;
    }
    const bool compact = need[WORDS] && keeps_rows(graph, n);
    for (int32_t k = 0; k < 3; k++) {
        outputs[k] = SNUG_TENSOR_NONE;
        if (k > 0 || !compact) {
            SNUG_TRY(snug_rows_gradient_of(graph, node, WORDS + k, need, &outputs[k], err));
        }
    }
    if (compact) {
        SNUG_TRY(append_rows(graph, node, &attrs, out_grads[0], err));
    }
    if (outputs[0] >= 0 || outputs[1] >= 0 || outputs[2] >= 0) {
        SNUG_TRY(snug_rows_append(graph, "embed_dw", ".dw", node, &attrs, inputs, 3, outputs, NULL,
                                  err));
    }
    return SNUG_OK;
}

/* A gathered row is read for every table and position; the tables as a whole are not. */
static snug_cost cost_embed(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->output[0]) * (double)samples;
    const double tables = 1.0 + (snug_rows_given(view, POSITIONS) ? 1.0 : 0.0) +
                          (snug_rows_given(view, TYPE_TABLE) ? 1.0 : 0.0);
    const double ids = snug_rows_count(&view->input[IDS]) * (double)samples;
    return (snug_cost){.flops = (tables - 1.0) * count,
                       .bytes = 4.0 * (tables + 1.0) * count + 8.0 * ids};
}

/* Per table: dy is read, a row of the gradient is read and written. */
static snug_cost cost_embed_dw(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->input[2]) * (double)samples;
    const double ids = snug_rows_count(&view->input[IDS]) * (double)samples;
    return (snug_cost){.flops = 3.0 * count, .bytes = 24.0 * count + 8.0 * ids};
}

static snug_cost cost_embed_rows(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->output[0]) * (double)samples;
    const double ids = snug_rows_count(&view->input[IDS]) * (double)samples;
    return (snug_cost){.bytes = 8.0 * count + 8.0 * ids};
}

static snug_status infer_take_row(const snug_op_view *view, int32_t *out_count,
                                  snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const int64_t row = view->attrs->take_row.row;
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    if (view->attrs->take_row.length != view->input[0].extent[0] || row < 0 ||
        row >= view->input[0].extent[0]) {
        char text[96];
        return SNUG_FAIL(err, SNUG_CODE_DATA, "take_row '%s': row %lld of %lld from input 0 %s",
                         view->node->name, (long long)row, (long long)view->attrs->take_row.length,
                         snug_shape_text(&view->input[0], text));
    }
    out[0] = snug_rows_batched(snug_shape_2(1, view->input[0].extent[1]));
    *out_count = 1;
    return SNUG_OK;
}

static snug_status infer_take_row_grad(const snug_op_view *view, int32_t *out_count,
                                       snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(snug_rows_expect(view, 0, 2, true, err));
    if (view->input[0].extent[0] != 1) {
        char text[96];
        return SNUG_FAIL(err, SNUG_CODE_DATA, "take_row_grad '%s': input 0 is %s, expected one row",
                         view->node->name, snug_shape_text(&view->input[0], text));
    }
    out[0] =
        snug_rows_batched(snug_shape_2(view->attrs->take_row.length, view->input[0].extent[1]));
    *out_count = 1;
    return SNUG_OK;
}

static snug_cost cost_take_row(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->output[0]) * (double)samples;
    return (snug_cost){.bytes = 8.0 * count};
}

static snug_status gradient_take_row(snug_graph *graph, snug_node_id node,
                                     const snug_tensor_id *out_grads, const bool *need,
                                     snug_tensor_id *in_grads, snug_error *err)
{
    const snug_attrs attrs = graph->nodes[node].attrs;
    (void)need;
    SNUG_TRY(snug_rows_append(graph, "take_row_grad", ".dx", node, &attrs, out_grads, 1, NULL,
                              &in_grads[0], err));
    return SNUG_OK;
}

/*
 * Inputs: ids [L] i32, types [L] i32 or none, words [V, H], positions [P, H] or none, types
 * [T, H] or none. Output [L, H]: the sum of the rows. A type table without types: type 0.
 */
const snug_op snug_op_embed = {
    .name = "embed",
    .input_min = 5,
    .input_max = 5,
    .output_max = 1,
    .flags = SNUG_OP_CHEAP,
    .narrows = 1,
    .sample_group = 1,
    .infer = infer_embed,
    .gradient = gradient_embed,
    .cost = cost_embed,
};

const snug_op snug_op_embed_dw = {
    .name = "embed_dw",
    .input_min = 3,
    .input_max = 3,
    .output_max = 3,
    .flags = SNUG_OP_GRADIENT_ONLY,
    .accumulates = 7,
    .sample_group = 1,
    .infer = infer_embed_dw,
    .cost = cost_embed_dw,
    .scratch_bytes = snug_scratch_embed_dw,
};

/*
 * Instead of embed_dw for the word table, where that is smaller: dy is kept row by row [L, H], with
 * the words of the rows [L] (-1 for the padding word), for all samples of a global batch. Norms and
 * updates read them as the dense gradient that they stand for; its bits are those of embed_dw.
 */
const snug_op snug_op_embed_rows = {
    .name = "embed_rows",
    .input_min = 2,
    .input_max = 2,
    .output_max = 2,
    .flags = SNUG_OP_GRADIENT_ONLY,
    .sample_group = 1,
    .infer = infer_embed_rows,
    .cost = cost_embed_rows,
};

const snug_op snug_op_take_row = {
    .name = "take_row",
    .input_min = 1,
    .input_max = 1,
    .output_max = 1,
    .flags = SNUG_OP_CHEAP,
    .narrows = 1,
    .sample_group = 1,
    .infer = infer_take_row,
    .gradient = gradient_take_row,
    .cost = cost_take_row,
};

const snug_op snug_op_take_row_grad = {
    .name = "take_row_grad",
    .input_min = 1,
    .input_max = 1,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_CHEAP,
    .sample_group = 1,
    .infer = infer_take_row_grad,
    .cost = cost_take_row,
};
