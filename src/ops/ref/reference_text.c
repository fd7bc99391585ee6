/* The reference kernels of text models: each unpacks a call for the plain functions beside it. */
#include "ops/ref/activation_ref.h"
#include "ops/ref/cross_entropy_ref.h"
#include "ops/ref/dropout_ref.h"
#include "ops/ref/embed_ref.h"
#include "ops/ref/reference.h"
#include "ops/unpack.h"

void snug_reference_gelu(const snug_kernel_call *call)
{
    snug_ref_gelu(snug_unpack_count(call), call->view->attrs->gelu.approximate, call->inputs[0],
                  call->outputs[0]);
}

void snug_reference_gelu_grad(const snug_kernel_call *call)
{
    snug_ref_gelu_backward(snug_unpack_count(call), call->view->attrs->gelu.approximate,
                           call->inputs[1], call->inputs[0], call->outputs[0]);
}

void snug_reference_tanh(const snug_kernel_call *call)
{
    snug_ref_tanh(snug_unpack_count(call), call->inputs[0], call->outputs[0]);
}

void snug_reference_tanh_grad(const snug_kernel_call *call)
{
    snug_ref_tanh_backward(snug_unpack_count(call), call->inputs[1], call->inputs[0],
                           call->outputs[0]);
}

void snug_reference_dropout(const snug_kernel_call *call)
{
    const snug_dropout dropout = snug_unpack_dropout(call);
    const uint32_t threshold = snug_dropout_threshold(dropout.rate);
    const double scale = 65536.0 / (double)threshold;
    const double *x = call->inputs[0];
    double *y = call->outputs[0];
    for (int64_t i = 0; i < dropout.samples * dropout.elements; i++) {
        snug_dropout_key key = dropout.key;
        key.position += i / dropout.elements;
        y[i] = x[i] * snug_ref_dropout_keep(&key, i % dropout.elements, threshold, scale);
    }
}

void snug_reference_embed(const snug_kernel_call *call)
{
    const snug_embed embed = snug_unpack_embed(call);
    const snug_ref_embed_tables tables = {
        .words = call->inputs[2], .positions = call->inputs[3], .types = call->inputs[4]};
    snug_ref_embed_forward(&embed, &tables, call->inputs[0], call->inputs[1], call->outputs[0]);
}

void snug_reference_embed_dw(const snug_kernel_call *call)
{
    const snug_embed embed = snug_unpack_embed(call);
    double *const gradients[3] = {call->outputs[0], call->outputs[1], call->outputs[2]};
    snug_ref_embed_backward(&embed, call->inputs[2], call->inputs[0], call->inputs[1], gradients);
}

void snug_reference_embed_rows(const snug_kernel_call *call)
{
    const double *dy = call->inputs[1];
    const int32_t *ids = call->inputs[0];
    double *rows = call->outputs[0];
    int32_t *words = call->outputs[1];
    const int64_t positions = call->count * call->view->input[0].extent[0];
    for (int64_t i = 0; i < snug_unpack_count(call) && rows != NULL; i++) {
        rows[i] = dy[i];
    }
    for (int64_t i = 0; i < positions && words != NULL; i++) {
        words[i] = ids[i] == call->view->attrs->embed.padding_index ? -1 : ids[i];
    }
}

/* Where element `i` of the one row stands in the sequence. */
static int64_t place_in_sequence(const snug_kernel_call *call, int64_t i)
{
    const int64_t width = call->view->input[0].extent[1];
    const int64_t row =
        i / width * call->view->attrs->take_row.length + call->view->attrs->take_row.row;
    return row * width + i % width;
}

void snug_reference_take_row(const snug_kernel_call *call)
{
    const double *x = call->inputs[0];
    double *y = call->outputs[0];
    for (int64_t i = 0; i < snug_unpack_count(call); i++) {
        y[i] = x[place_in_sequence(call, i)];
    }
}

void snug_reference_take_row_grad(const snug_kernel_call *call)
{
    const double *dy = call->inputs[0];
    double *dx = call->outputs[0];
    for (int64_t i = 0; i < snug_unpack_count(call); i++) {
        dx[i] = 0.0;
    }
    for (int64_t i = 0; i < call->count * call->view->input[0].extent[1]; i++) {
        dx[place_in_sequence(call, i)] = dy[i];
    }
}

void snug_reference_cross_entropy(const snug_kernel_call *call)
{
    const snug_cross_entropy loss = snug_unpack_cross_entropy(call);
    snug_ref_cross_entropy_forward(&loss, call->inputs[0], call->inputs[1], call->outputs[0]);
}

void snug_reference_cross_entropy_grad(const snug_kernel_call *call)
{
    const snug_cross_entropy loss = snug_unpack_cross_entropy(call);
    snug_ref_cross_entropy_backward(&loss, call->inputs[0], call->inputs[1], call->outputs[0]);
}
