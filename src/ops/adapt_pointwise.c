/* The cheap ops, losses and optimizers: calls of their rows to the plain functions in cpu/. */
#include "base/checked.h"
#include "graph/op_rows.h"
#include "ops/adapt.h"
#include "ops/cpu/layer_norm.h"
#include "ops/unpack.h"

int64_t snug_unpack_count(const snug_kernel_call *call)
{
    return snug_shape_count(&call->view->output[0]) * call->count;
}

void snug_adapt_relu_grad(const snug_kernel_call *call)
{
    snug_relu_backward(call->isa, snug_unpack_count(call), call->inputs[1], call->inputs[0],
                       call->outputs[0], call->parallel);
}

void snug_adapt_add(const snug_kernel_call *call)
{
    const float *terms[SNUG_NODE_INPUTS_MAX];
    for (int32_t k = 0; k < call->view->input_count; k++) {
        terms[k] = call->inputs[k];
    }
    snug_sum(call->isa, snug_unpack_count(call), call->view->input_count, terms, call->outputs[0],
             call->parallel);
}

snug_crop_shape snug_unpack_crop(const snug_kernel_call *call)
{
    return (snug_crop_shape){.samples = call->count,
                             .rows = call->view->attrs->add_tail.length_a,
                             .rows_in = call->view->attrs->add_tail.length_b,
                             .cols = call->view->input[0].extent[1]};
}

void snug_adapt_add_tail(const snug_kernel_call *call)
{
    const snug_crop_shape shape = snug_unpack_crop(call);
    snug_add_crop(call->isa, &shape, call->inputs[0], call->inputs[1], call->outputs[0],
                  call->parallel);
}

void snug_adapt_add_tail_grad(const snug_kernel_call *call)
{
    const snug_crop_shape shape = snug_unpack_crop(call);
    snug_add_crop_backward(call->isa, &shape, false, call->inputs[0], call->outputs[0],
                           call->parallel);
}

static snug_layer_norm norm(const snug_kernel_call *call)
{
    return (snug_layer_norm){.isa = call->isa,
                             .samples = call->count,
                             .rows = call->view->input[0].extent[0],
                             .cols = call->view->input[0].extent[1],
                             .epsilon = (double)call->view->attrs->layer_norm.eps};
}

/* Mean and 1/std that nobody reads go to scratch. */
void snug_adapt_layer_norm(const snug_kernel_call *call)
{
    const snug_layer_norm n = norm(call);
    float *unread = call->scratch;
    float *mean = call->outputs[1] != NULL ? call->outputs[1] : unread;
    float *rstd = call->outputs[2] != NULL ? call->outputs[2] : unread + n.samples * n.rows;
    snug_layer_norm_forward(&n, call->inputs[0], call->inputs[1], call->inputs[2], call->outputs[0],
                            mean, rstd, call->parallel);
}

int64_t snug_scratch_layer_norm(const snug_op_view *view, int64_t samples, int32_t threads)
{
    (void)threads;
    return snug_align_up(2 * 4 * samples * view->input[0].extent[0], SNUG_ALIGN);
}

void snug_adapt_layer_norm_grad(const snug_kernel_call *call)
{
    const snug_layer_norm n = norm(call);
    float *unwanted = call->scratch;
    float *dgamma = call->outputs[1];
    float *dbeta = call->outputs[2];
    if ((dgamma == NULL) != (dbeta == NULL)) {
        for (int64_t c = 0; c < n.cols; c++) {
            unwanted[c] = 0.0f;
        }
        dgamma = dgamma != NULL ? dgamma : unwanted;
        dbeta = dbeta != NULL ? dbeta : unwanted;
    }
    snug_layer_norm_backward(&n, call->inputs[0], call->inputs[3], call->inputs[1], call->inputs[2],
                             call->inputs[4], call->outputs[0], dgamma, dbeta, call->parallel);
}

int64_t snug_scratch_layer_norm_grad(const snug_op_view *view, int64_t samples, int32_t threads)
{
    (void)samples;
    (void)threads;
    return snug_align_up(4 * view->input[0].extent[1], SNUG_ALIGN);
}

snug_interpolate_shape snug_unpack_interpolate(const snug_kernel_call *call)
{
    return (snug_interpolate_shape){.samples = call->count,
                                    .rows_in = call->view->attrs->interpolate.length_in,
                                    .rows_out = call->view->attrs->interpolate.length_out,
                                    .cols = call->view->input[0].extent[1]};
}

void snug_adapt_interpolate(const snug_kernel_call *call)
{
    const snug_interpolate_shape shape = snug_unpack_interpolate(call);
    snug_interpolate_forward(call->isa, &shape, call->inputs[0], call->outputs[0], call->parallel);
}

void snug_adapt_interpolate_grad(const snug_kernel_call *call)
{
    const snug_interpolate_shape shape = snug_unpack_interpolate(call);
    snug_interpolate_backward(call->isa, &shape, call->inputs[0], call->outputs[0], call->parallel);
}

snug_loss snug_unpack_loss(const snug_op_view *view, snug_kernel_isa isa, int64_t samples,
                           double normaliser)
{
    return (snug_loss){.isa = isa,
                       .samples = samples,
                       .rows = view->input[0].extent[0],
                       .cols = view->input[0].extent[1],
                       .square_weight = (double)view->attrs->regression_loss.weight_mse,
                       .absolute_weight = (double)view->attrs->regression_loss.weight_mae,
                       .normaliser = normaliser};
}

const uint8_t *snug_unpack_loss_mask(const snug_kernel_call *call)
{
    return call->view->attrs->regression_loss.has_mask ? call->inputs[2] : NULL;
}

void snug_adapt_regression_loss(const snug_kernel_call *call)
{
    const snug_loss l =
        snug_unpack_loss(call->view, call->isa, call->count, call->step->normaliser);
    snug_loss_forward(&l, call->inputs[0], call->inputs[1], snug_unpack_loss_mask(call),
                      call->outputs[0], call->scratch, call->parallel);
}

int64_t snug_scratch_regression_loss(const snug_op_view *view, int64_t samples, int32_t threads)
{
    int64_t most = 0;
    (void)threads;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        const snug_loss l = snug_unpack_loss(view, (snug_kernel_isa)isa, samples, 1.0);
        most = snug_max_i64(most, snug_loss_scratch_bytes(&l));
    }
    return most;
}

void snug_adapt_regression_loss_grad(const snug_kernel_call *call)
{
    const snug_loss l =
        snug_unpack_loss(call->view, call->isa, call->count, call->step->normaliser);
    snug_loss_backward(&l, call->inputs[0], call->inputs[1], snug_unpack_loss_mask(call),
                       call->outputs[0], call->parallel);
}

/* Of the sums; what a gradient that comes as rows takes is behind it. */
static int64_t norm_scratch(const snug_op_view *view)
{
    const int64_t count = view->input_batched[0]
                              ? view->attrs->square_norm.words * view->input[0].extent[1]
                              : snug_shape_count(&view->input[0]);
    return snug_optimizer_norm_scratch_bytes(count);
}

void snug_adapt_square_norm(const snug_kernel_call *call)
{
    snug_gradient_rows memory;
    const int64_t words = call->view->attrs->square_norm.words;
    double *sums = call->outputs[0];
    double *sum = &sums[call->view->attrs->square_norm.slot];
    const snug_gradient_rows *rows = snug_adapt_rows(
        call, 0, words, (unsigned char *)call->scratch + norm_scratch(call->view), &memory);
    if (rows != NULL) {
        *sum += snug_optimizer_square_norm_rows(rows, call->scratch, call->parallel);
    } else {
        *sum += snug_optimizer_square_norm(call->isa, snug_shape_count(&call->view->input[0]),
                                           call->inputs[0], call->scratch, call->parallel);
    }
}

void snug_adapt_norm_total(const snug_kernel_call *call)
{
    double *total = call->outputs[0];
    *total += snug_optimizer_norm_total(snug_shape_count(&call->view->input[0]), call->inputs[0]);
}

int64_t snug_scratch_square_norm(const snug_op_view *view, int64_t samples, int32_t threads)
{
    return norm_scratch(view) +
           snug_adapt_rows_scratch(view, 0, view->attrs->square_norm.words, samples, threads);
}

snug_optimizer snug_unpack_optimizer(const snug_kernel_call *call)
{
    const snug_step_context *step = call->step;
    return (snug_optimizer){.isa = call->isa,
                            .step = step->step,
                            .learning_rate = step->learning_rate,
                            .weight_decay =
                                call->view->attrs->optimizer.no_decay ? 0.0 : step->weight_decay,
                            .beta1 = step->beta1,
                            .beta2 = step->beta2,
                            .epsilon = step->epsilon,
                            .momentum = step->momentum,
                            .grad_scale = 1.0};
}

snug_optimizer snug_adapt_optimizer(const snug_kernel_call *call, const double *square_norm,
                                    snug_gradient_rows *rows)
{
    snug_optimizer o = snug_unpack_optimizer(call);
    o.rows = snug_adapt_rows(call, 1, call->view->input[0].extent[0], call->scratch, rows);
    if (square_norm != NULL && call->step->clip_norm > 0.0) {
        o.grad_scale = snug_optimizer_clip_scale(*square_norm, call->step->clip_norm);
    }
    return o;
}

void snug_adapt_adamw(const snug_kernel_call *call)
{
    snug_gradient_rows rows;
    const snug_optimizer o = snug_adapt_optimizer(call, call->inputs[4], &rows);
    const int64_t count = snug_shape_count(&call->view->input[0]);
    if (call->view->attrs->optimizer.adam_l2) {
        snug_optimizer_adam(&o, count, call->outputs[0], call->inputs[1], call->outputs[1],
                            call->outputs[2], call->parallel);
    } else {
        snug_optimizer_adamw(&o, count, call->outputs[0], call->inputs[1], call->outputs[1],
                             call->outputs[2], call->parallel);
    }
}

void snug_adapt_sgd(const snug_kernel_call *call)
{
    snug_gradient_rows rows;
    const snug_optimizer o = snug_adapt_optimizer(call, call->inputs[3], &rows);
    snug_optimizer_sgd(&o, snug_shape_count(&call->view->input[0]), call->outputs[0],
                       call->inputs[1], call->outputs[1], call->parallel);
}
