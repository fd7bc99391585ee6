/* The reference kernels behind the rows: each unpacks a call for the plain functions beside it. */
#include "ops/ref/reference.h"

#include <math.h>

#include "base/checked.h"
#include "ops/ref/adafactor_ref.h"
#include "ops/ref/conv1d_ref.h"
#include "ops/ref/elementwise_ref.h"
#include "ops/ref/interpolate_ref.h"
#include "ops/ref/layer_norm_ref.h"
#include "ops/ref/loss_ref.h"
#include "ops/ref/lstm_ref.h"
#include "ops/ref/optimizer8_ref.h"
#include "ops/ref/optimizer_ref.h"
#include "ops/ref/tds_conv_ref.h"
#include "ops/unpack.h"

void snug_reference_conv1d(const snug_kernel_call *call)
{
    const snug_op_view *view = call->view;
    const snug_conv1d conv =
        snug_unpack_conv1d(view, call->isa, &view->input[0], view->input[1].extent[2]);
    snug_ref_conv1d_forward(&conv, call->count, call->inputs[0], call->inputs[1],
                            snug_unpack_bias(call), view->attrs->conv1d.relu, call->outputs[0]);
}

void snug_reference_conv1d_dx(const snug_kernel_call *call)
{
    const snug_op_view *view = call->view;
    const snug_conv1d conv =
        snug_unpack_conv1d(view, call->isa, &view->output[0], view->input[1].extent[2]);
    snug_ref_conv1d_input_gradient(&conv, call->count, call->inputs[0], call->inputs[1],
                                   call->outputs[0]);
}

void snug_reference_conv1d_dw(const snug_kernel_call *call)
{
    const snug_op_view *view = call->view;
    const snug_shape *dy = &view->input[1];
    const snug_conv1d conv = snug_unpack_conv1d(view, call->isa, &view->input[0], dy->extent[1]);
    if (call->outputs[0] != NULL) {
        snug_ref_conv1d_weight_gradient(&conv, call->count, call->inputs[0], call->inputs[1],
                                        call->outputs[0]);
    }
    if (call->outputs[1] != NULL) {
        snug_ref_bias_gradient(call->count, dy->extent[0], dy->extent[1], call->inputs[1],
                               call->outputs[1]);
    }
}

void snug_reference_tds_conv(const snug_kernel_call *call)
{
    const snug_tds_conv conv = snug_unpack_tds_conv(call->view, call->isa, &call->view->input[0]);
    snug_ref_tds_conv_forward(&conv, call->count, call->inputs[0], call->inputs[1],
                              snug_unpack_bias(call), call->view->attrs->tds_conv.relu,
                              call->outputs[0]);
}

void snug_reference_tds_conv_dx(const snug_kernel_call *call)
{
    const snug_tds_conv conv = snug_unpack_tds_conv(call->view, call->isa, &call->view->output[0]);
    snug_ref_tds_conv_input_gradient(&conv, call->count, call->inputs[0], call->inputs[1],
                                     call->outputs[0]);
}

void snug_reference_tds_conv_dw(const snug_kernel_call *call)
{
    const snug_tds_conv conv = snug_unpack_tds_conv(call->view, call->isa, &call->view->input[0]);
    snug_ref_tds_conv_weight_gradient(&conv, call->count, call->inputs[0], call->inputs[1],
                                      call->outputs[0], call->outputs[1]);
}

void snug_reference_relu_grad(const snug_kernel_call *call)
{
    snug_ref_relu_backward(snug_unpack_count(call), call->inputs[1], call->inputs[0],
                           call->outputs[0]);
}

void snug_reference_add(const snug_kernel_call *call)
{
    const double *sum = call->inputs[0];
    for (int32_t k = 1; k < call->view->input_count; k++) {
        snug_ref_add(snug_unpack_count(call), sum, call->inputs[k], call->outputs[0]);
        sum = call->outputs[0];
    }
}

void snug_reference_add_tail(const snug_kernel_call *call)
{
    const snug_crop_shape shape = snug_unpack_crop(call);
    snug_ref_add_crop(&shape, call->inputs[0], call->inputs[1], call->outputs[0]);
}

void snug_reference_add_tail_grad(const snug_kernel_call *call)
{
    const snug_crop_shape shape = snug_unpack_crop(call);
    snug_ref_add_crop_backward(&shape, false, call->inputs[0], call->outputs[0]);
}

void snug_reference_layer_norm(const snug_kernel_call *call)
{
    const snug_shape *x = &call->view->input[0];
    snug_ref_layer_norm_forward(x->extent[0] * call->count, x->extent[1],
                                (double)call->view->attrs->layer_norm.eps, call->inputs[0],
                                call->inputs[1], call->inputs[2], call->outputs[0],
                                call->outputs[1], call->outputs[2]);
}

void snug_reference_layer_norm_grad(const snug_kernel_call *call)
{
    const snug_shape *x = &call->view->input[0];
    snug_ref_layer_norm_backward(x->extent[0] * call->count, x->extent[1], call->inputs[0],
                                 call->inputs[3], call->inputs[1], call->inputs[2], call->inputs[4],
                                 call->outputs[0], call->outputs[1], call->outputs[2]);
}

void snug_reference_interpolate(const snug_kernel_call *call)
{
    const snug_interpolate_shape shape = snug_unpack_interpolate(call);
    snug_ref_interpolate_forward(&shape, call->inputs[0], call->outputs[0]);
}

void snug_reference_interpolate_grad(const snug_kernel_call *call)
{
    const snug_interpolate_shape shape = snug_unpack_interpolate(call);
    snug_ref_interpolate_backward(&shape, call->inputs[0], call->outputs[0]);
}

/*
 * By arithmetic alone, so that it shares nothing with the bit tricks that it is held against: the
 * distance of neighbours is 2^-7 of the power of two below, 2^-133 among the subnormal numbers.
 */
double snug_reference_round(double value)
{
    int exponent = 0;
    if (!isfinite(value) || value == 0.0) {
        return value;
    }
    (void)frexp(value, &exponent);
    const double step = ldexp(1.0, exponent - 8 > -133 ? exponent - 8 : -133);
    const double rounded = nearbyint(value / step) * step;
    return fabs(rounded) < 0x1p128 ? rounded : copysign(INFINITY, value);
}

static snug_lstm_ref_weights weights_of(const snug_kernel_call *call, int32_t first)
{
    snug_lstm_ref_weights w = {0};
    const void *const *next = &call->inputs[first];
    for (int64_t l = 0; l < call->view->attrs->lstm_decoder.layers; l++) {
        w.w_ih[l] = *next++;
        w.w_hh[l] = *next++;
        w.b_ih[l] = *next++;
        w.b_hh[l] = *next++;
    }
    w.head_w = *next++;
    w.head_b = *next;
    return w;
}

/* The gradient's outputs lie as the forward's inputs: 2 is the first layer's w_ih. */
static snug_lstm_ref_gradients gradients_of(const snug_kernel_call *call)
{
    snug_lstm_ref_gradients g = {0};
    void *const *next = &call->outputs[2];
    for (int64_t l = 0; l < call->view->attrs->lstm_decoder.layers; l++) {
        g.w_ih[l] = *next++;
        g.w_hh[l] = *next++;
        g.b_ih[l] = *next++;
        g.b_hh[l] = *next++;
    }
    g.head_w = *next++;
    g.head_b = *next;
    return g;
}

int64_t snug_reference_lstm_scratch_bytes(const snug_op_view *view)
{
    const snug_lstm_options options = snug_unpack_lstm(view, SNUG_KERNEL_SCALAR);
    return snug_align_up(snug_ref_lstm_scratch_bytes(&options), SNUG_ALIGN);
}

void snug_reference_lstm_decoder(const snug_kernel_call *call)
{
    const snug_lstm_options options = snug_unpack_lstm(call->view, call->isa);
    const snug_lstm_ref_weights weights = weights_of(call, 2);
    snug_ref_lstm_forward(&options, &weights, call->count, call->inputs[0], call->inputs[1],
                          call->outputs[0], call->scratch);
}

/* Its inputs: dy, x, s0, y, cache, the weights; y and the cache are not read. */
void snug_reference_lstm_decoder_grad(const snug_kernel_call *call)
{
    const snug_lstm_options options = snug_unpack_lstm(call->view, call->isa);
    const snug_lstm_ref_weights weights = weights_of(call, 5);
    const snug_lstm_ref_gradients gradients = gradients_of(call);
    snug_ref_lstm_backward(&options, &weights, call->count, call->inputs[1], call->inputs[2],
                           call->inputs[0], call->outputs[0], call->outputs[1], &gradients,
                           call->scratch);
}

void snug_reference_regression_loss(const snug_kernel_call *call)
{
    const snug_loss loss =
        snug_unpack_loss(call->view, call->isa, call->count, call->step->normaliser);
    snug_ref_loss_forward(&loss, call->inputs[0], call->inputs[1], snug_unpack_loss_mask(call),
                          call->outputs[0]);
}

void snug_reference_regression_loss_grad(const snug_kernel_call *call)
{
    const snug_loss loss =
        snug_unpack_loss(call->view, call->isa, call->count, call->step->normaliser);
    snug_ref_loss_backward(&loss, call->inputs[0], call->inputs[1], snug_unpack_loss_mask(call),
                           call->outputs[0]);
}

/* The gradient, input `gradient`, of a table of so many words; one that comes as rows is made dense
 * in the scratch. */
static const double *dense_gradient(const snug_kernel_call *call, int32_t gradient, int64_t words)
{
    const snug_op_view *view = call->view;
    if (!view->input_batched[gradient]) {
        return call->inputs[gradient];
    }
    const int64_t width = view->input[gradient].extent[1];
    const int64_t count = call->step->batch * view->input[gradient].extent[0];
    const double *rows = call->inputs[gradient];
    const int32_t *ids = call->inputs[view->node->op->input_max - 1];
    double *dense = call->scratch;
    for (int64_t i = 0; i < words * width; i++) {
        dense[i] = 0.0;
    }
    for (int64_t i = 0; i < count * width; i++) {
        if (ids[i / width] >= 0) {
            dense[ids[i / width] * width + i % width] += rows[i];
        }
    }
    return dense;
}

int64_t snug_reference_rows_scratch_bytes(const snug_op_view *view)
{
    const bool update = (view->node->op->flags & SNUG_OP_UPDATE) != 0;
    int64_t words = 0;
    int64_t width = 0;
    for (int32_t i = 0; i < 2 && i < view->input_count && update; i++) {
        if (view->input_batched[i] && view->input[i].rank == 2) {
            words = i == 0 ? view->attrs->square_norm.words : view->input[0].extent[0];
            width = view->input[i].extent[1];
        }
    }
    return words * width * (int64_t)sizeof(double);
}

void snug_reference_square_norm(const snug_kernel_call *call)
{
    double *sums = call->outputs[0];
    const snug_shape *shape = &call->view->input[0];
    const int64_t words = call->view->attrs->square_norm.words;
    const int64_t count =
        call->view->input_batched[0] ? words * shape->extent[1] : snug_shape_count(shape);
    sums[call->view->attrs->square_norm.slot] +=
        snug_ref_optimizer_square_norm(count, dense_gradient(call, 0, words));
}

void snug_reference_norm_total(const snug_kernel_call *call)
{
    double *total = call->outputs[0];
    *total +=
        snug_ref_optimizer_norm_total(snug_shape_count(&call->view->input[0]), call->inputs[0]);
}

static snug_optimizer optimizer(const snug_kernel_call *call, const double *square_norm)
{
    snug_optimizer o = snug_unpack_optimizer(call);
    if (square_norm != NULL && call->step->clip_norm > 0.0) {
        o.grad_scale = snug_ref_optimizer_clip_scale(*square_norm, call->step->clip_norm);
    }
    return o;
}

static const double *update_gradient(const snug_kernel_call *call)
{
    return dense_gradient(call, 1, call->view->input[0].extent[0]);
}

void snug_reference_adamw(const snug_kernel_call *call)
{
    const snug_optimizer o = optimizer(call, call->inputs[4]);
    const int64_t count = snug_shape_count(&call->view->input[0]);
    if (call->view->attrs->optimizer.adam_l2) {
        snug_ref_optimizer_adam(&o, count, call->outputs[0], update_gradient(call),
                                call->outputs[1], call->outputs[2]);
    } else {
        snug_ref_optimizer_adamw(&o, count, call->outputs[0], update_gradient(call),
                                 call->outputs[1], call->outputs[2]);
    }
}

void snug_reference_sgd(const snug_kernel_call *call)
{
    const snug_optimizer o = optimizer(call, call->inputs[3]);
    snug_ref_optimizer_sgd(&o, snug_shape_count(&call->view->input[0]), call->outputs[0],
                           update_gradient(call), call->outputs[1]);
}

void snug_reference_adamw8(const snug_kernel_call *call)
{
    const snug_optimizer o = optimizer(call, call->inputs[6]);
    snug_ref_optimizer_adamw8(&o, snug_shape_count(&call->view->input[0]), call->outputs[0],
                              update_gradient(call), call->outputs[1], call->outputs[2],
                              call->outputs[3], call->outputs[4]);
}

void snug_reference_adafactor(const snug_kernel_call *call)
{
    const snug_optimizer o = optimizer(call, call->inputs[4]);
    const int64_t count = snug_shape_count(&call->view->input[0]);
    if (call->inputs[3] != NULL) {
        const int64_t columns = call->view->input[3].extent[0];
        snug_ref_adafactor_factored(&o, count / columns, columns, call->outputs[0],
                                    update_gradient(call), call->outputs[1], call->outputs[2]);
    } else {
        snug_ref_adafactor_plain(&o, count, call->outputs[0], update_gradient(call),
                                 call->outputs[1]);
    }
}
