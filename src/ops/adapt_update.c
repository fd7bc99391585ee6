/* Optimizers with small states, and gradients that come as rows: calls to the plain functions. */
#include "base/attr.h"
#include "base/checked.h"
#include "graph/op_rows.h"
#include "ops/adapt.h"
#include "ops/cpu/adafactor.h"
#include "ops/cpu/optimizer8.h"

/* The words of a gradient that comes as rows are the last input. */
static int32_t ids_input(const snug_op_view *view)
{
    return view->node->op->input_max - 1;
}

const snug_gradient_rows *snug_adapt_rows(const snug_kernel_call *call, int32_t gradient,
                                          int64_t words, void *scratch, snug_gradient_rows *out)
{
    const snug_op_view *view = call->view;
    if (!view->input_batched[gradient]) {
        return NULL;
    }
    /* Updates are called without samples: they take those of the whole global batch. */
    snug_gradient_rows_init(call->isa, words, view->input[gradient].extent[1],
                            call->step->batch * view->input[gradient].extent[0],
                            call->inputs[ids_input(view)], call->inputs[gradient],
                            call->parallel->threads, scratch, out);
    return out;
}

int64_t snug_adapt_rows_scratch(const snug_op_view *view, int32_t gradient, int64_t words,
                                int64_t samples, int32_t threads)
{
    return view->input_batched[gradient]
               ? snug_gradient_rows_scratch_bytes(words, samples * view->input[gradient].extent[0],
                                                  threads)
               : 0;
}

int64_t snug_scratch_rows(const snug_op_view *view, int64_t samples, int32_t threads)
{
    return snug_adapt_rows_scratch(view, 1, view->input[0].extent[0], samples, threads);
}

void snug_adapt_adamw8(const snug_kernel_call *call)
{
    snug_gradient_rows rows;
    const snug_optimizer o = snug_adapt_optimizer(call, call->inputs[6], &rows);
    const snug_moment8 m = {.codes = call->outputs[1], .scales = call->outputs[2]};
    const snug_moment8 v = {.codes = call->outputs[3], .scales = call->outputs[4]};
    snug_optimizer_adamw8(&o, snug_shape_count(&call->view->input[0]), call->outputs[0],
                          call->inputs[1], &m, &v, call->parallel);
}

void snug_adapt_adafactor(const snug_kernel_call *call)
{
    snug_gradient_rows rows;
    const snug_optimizer o = snug_adapt_optimizer(call, call->inputs[4], &rows);
    const int64_t count = snug_shape_count(&call->view->input[0]);
    const float *g = call->inputs[1];
    unsigned char *scratch = call->scratch;
    if (o.rows != NULL) {
        /* It reads the gradient three times: here the dense one is made, for this call alone. */
        float *dense = (float *)(void *)(scratch + snug_scratch_rows(call->view, call->step->batch,
                                                                     call->parallel->threads));
        snug_gradient_rows_fill(o.rows, dense, call->parallel);
        g = dense;
        scratch = (unsigned char *)(void *)(dense + snug_align_up(count, SNUG_ALIGN));
    }
    if (call->inputs[3] != NULL) {
        const int64_t columns = call->view->input[3].extent[0];
        snug_adafactor_factored(&o, count / columns, columns, call->outputs[0], g, call->outputs[1],
                                call->outputs[2], scratch, call->parallel);
    } else {
        snug_adafactor_plain(&o, count, call->outputs[0], g, call->outputs[1], scratch,
                             call->parallel);
    }
}

int64_t snug_scratch_adafactor(const snug_op_view *view, int64_t samples, int32_t threads)
{
    const int64_t count = snug_shape_count(&view->input[0]);
    int64_t own = snug_adafactor_plain_scratch_bytes(count);
    if (snug_rows_given(view, 3)) {
        const int64_t columns = view->input[3].extent[0];
        own = snug_adafactor_factored_scratch_bytes(count / columns, columns);
    }
    if (!view->input_batched[1]) {
        return own;
    }
    return snug_scratch_rows(view, samples, threads) +
           snug_align_up(count, SNUG_ALIGN) * (int64_t)sizeof(float) + own;
}
