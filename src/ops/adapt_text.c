/* The ops of text models: calls of their rows to the plain functions in cpu/. */
#include "base/attr.h"
#include "graph/op_rows.h"
#include "ops/adapt.h"
#include "ops/unpack.h"

void snug_adapt_gelu(const snug_kernel_call *call)
{
    snug_gelu(call->isa, snug_unpack_count(call), call->view->attrs->gelu.approximate,
              call->inputs[0], call->outputs[0], call->parallel);
}

void snug_adapt_gelu_grad(const snug_kernel_call *call)
{
    snug_gelu_backward(call->isa, snug_unpack_count(call), call->view->attrs->gelu.approximate,
                       call->inputs[1], call->inputs[0], call->outputs[0], call->parallel);
}

void snug_adapt_tanh(const snug_kernel_call *call)
{
    snug_tanh(call->isa, snug_unpack_count(call), call->inputs[0], call->outputs[0],
              call->parallel);
}

void snug_adapt_tanh_grad(const snug_kernel_call *call)
{
    snug_tanh_backward(call->isa, snug_unpack_count(call), call->inputs[1], call->inputs[0],
                       call->outputs[0], call->parallel);
}

snug_dropout snug_unpack_dropout(const snug_kernel_call *call)
{
    const snug_step_context *step = call->step;
    return (snug_dropout){
        .isa = call->isa,
        .samples = call->count,
        .elements = snug_shape_count(&call->view->output[0]),
        .rate = step->evaluation ? 0.0f : call->view->attrs->dropout.rate,
        .key = {.seed = step->seed,
                .epoch = step->epoch,
                .position = step->first_position + call->first,
                .stream = call->view->attrs->dropout.stream},
        .half_in = (call->view->narrow_inputs & 1U) != 0,
        .half_out = (call->view->narrow_outputs & 1U) != 0,
    };
}

void snug_adapt_dropout(const snug_kernel_call *call)
{
    const snug_dropout dropout = snug_unpack_dropout(call);
    snug_dropout_apply(&dropout, call->inputs[0], call->outputs[0], call->parallel);
}

snug_embed snug_unpack_embed(const snug_kernel_call *call)
{
    const snug_op_view *view = call->view;
    /* The gradient has the rows as attributes, the forward pass the tables. */
    const bool forward = view->input_count == 5;
    return (snug_embed){
        .isa = call->isa,
        .samples = call->count,
        .length = view->attrs->embed.length,
        .width = view->attrs->embed.width,
        .words = forward ? view->input[2].extent[0] : view->attrs->embed.words,
        .types = forward ? view->input[4].extent[0] : view->attrs->embed.types,
        .position_offset = view->attrs->embed.position_offset,
        .padding_index = view->attrs->embed.padding_index,
    };
}

void snug_adapt_embed(const snug_kernel_call *call)
{
    const snug_embed embed = snug_unpack_embed(call);
    /* Only read: the struct serves the gradients as well. */
    const snug_embed_tables tables = {.words = (float *)(uintptr_t)call->inputs[2],
                                      .positions = (float *)(uintptr_t)call->inputs[3],
                                      .types = (float *)(uintptr_t)call->inputs[4]};
    snug_embed_forward(&embed, &tables, call->inputs[0], call->inputs[1], call->outputs[0],
                       call->parallel);
}

void snug_adapt_embed_dw(const snug_kernel_call *call)
{
    const snug_embed embed = snug_unpack_embed(call);
    const snug_embed_tables gradients = {
        .words = call->outputs[0], .positions = call->outputs[1], .types = call->outputs[2]};
    snug_embed_backward(&embed, call->inputs[2], call->inputs[0], call->inputs[1], &gradients,
                        call->scratch, call->parallel);
}

void snug_adapt_embed_rows(const snug_kernel_call *call)
{
    const snug_embed embed = snug_unpack_embed(call);
    snug_embed_rows(&embed, call->inputs[1], call->inputs[0], call->outputs[0], call->outputs[1],
                    call->parallel);
}

int64_t snug_scratch_embed_dw(const snug_op_view *view, int64_t samples, int32_t threads)
{
    SNUG_UNUSED(samples);
    SNUG_UNUSED(threads);
    return snug_embed_scratch_bytes(view->attrs->embed.types, view->attrs->embed.width);
}

void snug_adapt_take_row(const snug_kernel_call *call)
{
    snug_take_row(call->count, call->view->attrs->take_row.length, call->view->input[0].extent[1],
                  call->view->attrs->take_row.row, call->inputs[0], call->outputs[0]);
}

void snug_adapt_take_row_grad(const snug_kernel_call *call)
{
    snug_take_row_backward(call->count, call->view->attrs->take_row.length,
                           call->view->input[0].extent[1], call->view->attrs->take_row.row,
                           call->inputs[0], call->outputs[0]);
}

snug_cross_entropy snug_unpack_cross_entropy(const snug_kernel_call *call)
{
    return (snug_cross_entropy){.isa = call->isa,
                                .samples = call->count,
                                .rows = call->view->input[0].extent[0],
                                .classes = call->view->input[0].extent[1],
                                .smoothing = (double)call->view->attrs->cross_entropy.smoothing,
                                .normaliser = call->step->normaliser};
}

void snug_adapt_cross_entropy(const snug_kernel_call *call)
{
    const snug_cross_entropy loss = snug_unpack_cross_entropy(call);
    snug_cross_entropy_forward(&loss, call->inputs[0], call->inputs[1], call->outputs[0],
                               call->parallel);
}

void snug_adapt_cross_entropy_grad(const snug_kernel_call *call)
{
    const snug_cross_entropy loss = snug_unpack_cross_entropy(call);
    snug_cross_entropy_backward(&loss, call->inputs[0], call->inputs[1], call->outputs[0],
                                call->parallel);
}
