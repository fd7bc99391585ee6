/* All rows in one place, and what they share. */
#include "graph/op_rows.h"

#include <string.h>

#include "base/assert.h"

static const snug_op *const rows[] = {
    &snug_op_source,          &snug_op_sink,
    &snug_op_conv1d,          &snug_op_conv1d_dx,
    &snug_op_conv1d_dw,       &snug_op_tds_conv,
    &snug_op_tds_conv_dx,     &snug_op_tds_conv_dw,
    &snug_op_relu_grad,       &snug_op_add,
    &snug_op_add_tail,        &snug_op_add_tail_grad,
    &snug_op_layer_norm,      &snug_op_layer_norm_grad,
    &snug_op_interpolate,     &snug_op_interpolate_grad,
    &snug_op_lstm_decoder,    &snug_op_lstm_decoder_grad,
    &snug_op_regression_loss, &snug_op_regression_loss_grad,
    &snug_op_embed,           &snug_op_embed_dw,
    &snug_op_embed_rows,      &snug_op_take_row,
    &snug_op_take_row_grad,   &snug_op_gelu,
    &snug_op_gelu_grad,       &snug_op_tanh,
    &snug_op_tanh_grad,       &snug_op_dropout,
    &snug_op_cross_entropy,   &snug_op_cross_entropy_grad,
    &snug_op_attention,       &snug_op_attention_grad,
    &snug_op_square_norm,     &snug_op_norm_total,
    &snug_op_adamw,           &snug_op_sgd,
    &snug_op_adamw8,          &snug_op_adafactor,
};

int64_t snug_op_count(void)
{
    return SNUG_COUNT(rows);
}

const snug_op *snug_op_at(int64_t index)
{
    SNUG_ASSERT(index >= 0 && index < SNUG_COUNT(rows));
    return rows[index];
}

const snug_op *snug_op_find(const char *name)
{
    for (int64_t i = 0; i < SNUG_COUNT(rows); i++) {
        if (strcmp(rows[i]->name, name) == 0) {
            return rows[i];
        }
    }
    return NULL;
}

bool snug_rows_given(const snug_op_view *view, int32_t i)
{
    return i < view->input_count && view->node->inputs[i] >= 0;
}

snug_status snug_rows_expect(const snug_op_view *view, int32_t i, int32_t rank, bool batched,
                             snug_error *err)
{
    if (!snug_rows_given(view, i)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': input %d is missing", view->node->op->name,
                         view->node->name, i);
    }
    if (view->input[i].rank != rank || view->input_batched[i] != batched) {
        char text[96];
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': input %d is %s %s, expected %s of rank %d",
                         view->node->op->name, view->node->name, i,
                         view->input_batched[i] ? "batched" : "shared",
                         snug_shape_text(&view->input[i], text), batched ? "batched" : "shared",
                         rank);
    }
    return SNUG_OK;
}

snug_status snug_rows_expect_shape(const snug_op_view *view, int32_t i, bool batched,
                                   snug_shape shape, snug_error *err)
{
    char have[96];
    char want[96];
    SNUG_TRY(snug_rows_expect(view, i, shape.rank, batched, err));
    if (!snug_shape_equal(&view->input[i], &shape)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': input %d is %s, expected %s",
                         view->node->op->name, view->node->name, i,
                         snug_shape_text(&view->input[i], have), snug_shape_text(&shape, want));
    }
    return SNUG_OK;
}

snug_status snug_rows_mismatch(const snug_op_view *view, int32_t i, int32_t j, const char *why,
                               snug_error *err)
{
    char a[96];
    char b[96];
    return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': input %d %s and input %d %s: %s",
                     view->node->op->name, view->node->name, i, snug_shape_text(&view->input[i], a),
                     j, snug_shape_text(&view->input[j], b), why);
}

snug_output_info snug_rows_shared(snug_shape shape)
{
    return (snug_output_info){.dtype = SNUG_F32, .batched = false, .shape = shape};
}

snug_output_info snug_rows_batched(snug_shape shape)
{
    return (snug_output_info){.dtype = SNUG_F32, .batched = true, .shape = shape};
}

snug_status snug_rows_gradient_of(snug_graph *graph, snug_node_id node, int32_t i, const bool *need,
                                  snug_tensor_id *out, snug_error *err)
{
    const snug_node *n = &graph->nodes[node];
    if (i >= n->input_count || n->inputs[i] < 0 || !need[i]) {
        *out = SNUG_TENSOR_NONE;
        return SNUG_OK;
    }
    SNUG_TRY(snug_graph_gradient(graph, n->inputs[i], out, err));
    return SNUG_OK;
}

snug_status snug_rows_name(const snug_graph *graph, snug_node_id forward, const char *suffix,
                           char out[SNUG_NAME_BYTES], snug_error *err)
{
    const char *name = graph->nodes[forward].name;
    snug_text text;
    snug_text_init(&text, out, SNUG_NAME_BYTES);
    snug_text_add(&text, "%s%s", name, suffix);
    if (text.truncated) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the name '%s%s' is too long", name, suffix);
    }
    return SNUG_OK;
}

snug_status snug_rows_append(snug_graph *graph, const char *op_name, const char *suffix,
                             snug_node_id forward, const snug_attrs *attrs,
                             const snug_tensor_id *inputs, int32_t input_count,
                             const snug_tensor_id *outputs, snug_tensor_id *first, snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    snug_node_id node = -1;
    SNUG_TRY(snug_rows_name(graph, forward, suffix, name, err));
    SNUG_TRY(
        snug_graph_node(graph, op_name, name, attrs, inputs, input_count, outputs, &node, err));
    if (first != NULL) {
        *first = graph->nodes[node].outputs[0];
    }
    return SNUG_OK;
}

double snug_rows_count(const snug_shape *shape)
{
    return (double)snug_shape_count(shape);
}

snug_cost snug_rows_pass_cost(const snug_op_view *view, int64_t samples, double flops_each)
{
    const double count = snug_rows_count(&view->output[0]) * (double)samples;
    snug_cost cost = {.flops = flops_each * count, .bytes = 4.0 * count};
    for (int32_t i = 0; i < view->input_count; i++) {
        if (snug_rows_given(view, i)) {
            cost.bytes += 4.0 * snug_rows_count(&view->input[i]) *
                          (view->input_batched[i] ? (double)samples : 1.0);
        }
    }
    return cost;
}

/* A row counts four bytes an element of what it touches; the share of bf16 in that takes two. */
snug_cost snug_op_cost(const snug_op_view *view, int64_t samples)
{
    snug_cost cost = view->node->op->cost(view, samples);
    double all = 0.0, narrow = 0.0; /* Elements of a sample. */
    for (int32_t i = 0; i < view->input_count; i++) {
        if (snug_rows_given(view, i) && view->input_batched[i]) {
            const double count = snug_rows_count(&view->input[i]);
            all += count;
            narrow += (view->narrow_inputs >> i & 1U) != 0 ? count : 0.0;
        }
    }
    for (int32_t o = 0; o < view->output_count; o++) {
        const double count = snug_rows_count(&view->output[o]);
        all += count;
        narrow += (view->narrow_outputs >> o & 1U) != 0 ? count : 0.0;
    }
    cost.bytes -= narrow > 0.0 ? 0.5 * cost.bytes * narrow / all : 0.0;
    return cost;
}

int64_t snug_op_scratch_bytes(const snug_op_view *view, int64_t samples, int32_t threads)
{
    if (view->narrow_inputs != 0 || view->narrow_outputs != 0) {
        return snug_scratch_narrow(view, samples, threads);
    }
    return view->node->op->scratch_bytes == NULL
               ? 0
               : view->node->op->scratch_bytes(view, samples, threads);
}

int32_t snug_op_inplace(const snug_op_view *view, int32_t output)
{
    const int32_t input =
        view->node->op->inplace == NULL ? -1 : view->node->op->inplace(view, output);
    const bool same =
        input < 0 || (view->narrow_inputs >> input & 1U) == (view->narrow_outputs >> output & 1U);
    return same ? input : SNUG_TENSOR_NONE;
}

int32_t snug_rows_inplace_first(const snug_op_view *view, int32_t output)
{
    (void)view;
    return output == 0 ? 0 : SNUG_TENSOR_NONE;
}
