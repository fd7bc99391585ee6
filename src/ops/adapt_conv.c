/* Convolutions: calls of the rows to snug_conv1d_*() and snug_tds_conv_*(), and their scratch. */
#include "base/checked.h"
#include "graph/op_rows.h"
#include "ops/adapt.h"
#include "ops/unpack.h"

snug_conv1d snug_unpack_conv1d(const snug_op_view *view, snug_kernel_isa isa, const snug_shape *x,
                               int64_t filters)
{
    return (snug_conv1d){.isa = isa,
                         .steps = x->extent[0],
                         .channels = x->extent[1],
                         .filters = filters,
                         .taps = view->attrs->conv1d.kernel,
                         .stride = view->attrs->conv1d.stride,
                         .half_in = (view->narrow_inputs & 1U) != 0,
                         .half_out = (view->narrow_outputs & 1U) != 0};
}

snug_tds_conv snug_unpack_tds_conv(const snug_op_view *view, snug_kernel_isa isa,
                                   const snug_shape *x)
{
    return (snug_tds_conv){.isa = isa,
                           .steps = x->extent[0],
                           .channels = view->attrs->tds_conv.channels,
                           .width = view->attrs->tds_conv.width,
                           .taps = view->attrs->tds_conv.kernel};
}

const void *snug_unpack_bias(const snug_kernel_call *call)
{
    return call->view->input_count > 2 ? call->inputs[2] : NULL;
}

void snug_adapt_conv1d(const snug_kernel_call *call)
{
    const snug_op_view *view = call->view;
    const snug_conv1d c =
        snug_unpack_conv1d(view, call->isa, &view->input[0], view->input[1].extent[2]);
    snug_conv1d_forward(&c, call->count, call->inputs[0], call->inputs[1], NULL,
                        snug_unpack_bias(call), view->attrs->conv1d.relu, call->outputs[0],
                        call->parallel, call->scratch);
}

int64_t snug_scratch_conv1d(const snug_op_view *view, int64_t samples, int32_t threads)
{
    int64_t most = 0;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        const snug_conv1d c = snug_unpack_conv1d(view, (snug_kernel_isa)isa, &view->input[0],
                                                 view->input[1].extent[2]);
        most = snug_max_i64(most, snug_conv1d_forward_scratch_bytes(&c, samples, threads, false));
    }
    return most;
}

void snug_adapt_conv1d_dx(const snug_kernel_call *call)
{
    const snug_op_view *view = call->view;
    const snug_conv1d c =
        snug_unpack_conv1d(view, call->isa, &view->output[0], view->input[1].extent[2]);
    snug_conv1d_input_gradient(&c, call->count, call->inputs[0], call->inputs[1], NULL,
                               call->outputs[0], call->parallel, call->scratch);
}

int64_t snug_scratch_conv1d_dx(const snug_op_view *view, int64_t samples, int32_t threads)
{
    int64_t most = 0;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        const snug_conv1d c = snug_unpack_conv1d(view, (snug_kernel_isa)isa, &view->output[0],
                                                 view->input[1].extent[2]);
        most = snug_max_i64(most,
                            snug_conv1d_input_gradient_scratch_bytes(&c, samples, threads, false));
    }
    return most;
}

void snug_adapt_conv1d_dw(const snug_kernel_call *call)
{
    const snug_op_view *view = call->view;
    const snug_conv1d c =
        snug_unpack_conv1d(view, call->isa, &view->input[0], view->input[1].extent[1]);
    if (call->outputs[0] != NULL) {
        snug_conv1d_weight_gradient(&c, call->count, call->inputs[0], call->inputs[1],
                                    call->outputs[0], call->parallel, call->scratch);
    }
    if (call->outputs[1] != NULL) {
        snug_bias_gradient(call->isa, call->count, view->input[1].extent[0],
                           view->input[1].extent[1], call->inputs[1], call->outputs[1],
                           call->parallel);
    }
}

int64_t snug_scratch_conv1d_dw(const snug_op_view *view, int64_t samples, int32_t threads)
{
    int64_t most = 0;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        const snug_conv1d c = snug_unpack_conv1d(view, (snug_kernel_isa)isa, &view->input[0],
                                                 view->input[1].extent[1]);
        most = snug_max_i64(most, snug_conv1d_weight_gradient_scratch_bytes(&c, samples, threads));
    }
    return most;
}

void snug_adapt_tds_conv(const snug_kernel_call *call)
{
    const snug_tds_conv c = snug_unpack_tds_conv(call->view, call->isa, &call->view->input[0]);
    snug_tds_conv_forward(&c, call->count, call->inputs[0], call->inputs[1], snug_unpack_bias(call),
                          call->view->attrs->tds_conv.relu, call->outputs[0], call->parallel,
                          call->scratch);
}

/* Both directions, by the shape of the longer side. */
static int64_t tds_scratch(const snug_op_view *view, const snug_shape *x)
{
    int64_t most = 0;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        const snug_tds_conv c = snug_unpack_tds_conv(view, (snug_kernel_isa)isa, x);
        most = snug_max_i64(most, snug_tds_conv_scratch_bytes(&c));
    }
    return most;
}

int64_t snug_scratch_tds_conv(const snug_op_view *view, int64_t samples, int32_t threads)
{
    (void)samples;
    (void)threads;
    return tds_scratch(view, &view->input[0]);
}

void snug_adapt_tds_conv_dx(const snug_kernel_call *call)
{
    const snug_tds_conv c = snug_unpack_tds_conv(call->view, call->isa, &call->view->output[0]);
    snug_tds_conv_input_gradient(&c, call->count, call->inputs[0], call->inputs[1],
                                 call->outputs[0], call->parallel, call->scratch);
}

int64_t snug_scratch_tds_conv_dx(const snug_op_view *view, int64_t samples, int32_t threads)
{
    (void)samples;
    (void)threads;
    return tds_scratch(view, &view->output[0]);
}

/* A frozen weight with a trained bias still runs the whole kernel: its sum goes to scratch. */
static int64_t unwanted_bytes(const snug_op_view *view)
{
    return view->node->outputs[0] >= 0
               ? 0
               : snug_align_up(4 * snug_shape_count(&view->output[0]), SNUG_ALIGN);
}

void snug_adapt_tds_conv_dw(const snug_kernel_call *call)
{
    const snug_tds_conv c = snug_unpack_tds_conv(call->view, call->isa, &call->view->input[0]);
    float *dw = call->outputs[0];
    unsigned char *scratch = call->scratch;
    if (dw == NULL) {
        dw = call->scratch;
        scratch += unwanted_bytes(call->view);
        for (int64_t i = 0; i < snug_shape_count(&call->view->output[0]); i++) {
            dw[i] = 0.0f;
        }
    }
    snug_tds_conv_weight_gradient(&c, call->count, call->inputs[0], call->inputs[1], dw,
                                  call->outputs[1], call->parallel, scratch);
}

int64_t snug_scratch_tds_conv_dw(const snug_op_view *view, int64_t samples, int32_t threads)
{
    int64_t most = 0;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        const snug_tds_conv c = snug_unpack_tds_conv(view, (snug_kernel_isa)isa, &view->input[0]);
        most =
            snug_max_i64(most, snug_tds_conv_weight_gradient_scratch_bytes(&c, samples, threads));
    }
    return most + unwanted_bytes(view);
}
