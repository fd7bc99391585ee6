/* Optimizers with small states: calls of their rows to the plain functions in cpu/. */
#include "base/attr.h"
#include "base/checked.h"
#include "graph/op_rows.h"
#include "ops/adapt.h"
#include "ops/cpu/adafactor.h"
#include "ops/cpu/optimizer8.h"

void snug_adapt_adamw8(const snug_kernel_call *call)
{
    const snug_optimizer o = snug_adapt_optimizer(call, call->inputs[6]);
    const snug_moment8 m = {.codes = call->outputs[1], .scales = call->outputs[2]};
    const snug_moment8 v = {.codes = call->outputs[3], .scales = call->outputs[4]};
    snug_optimizer_adamw8(&o, snug_shape_count(&call->view->input[0]), call->outputs[0],
                          call->inputs[1], &m, &v, call->parallel);
}

void snug_adapt_adafactor(const snug_kernel_call *call)
{
    const snug_optimizer o = snug_adapt_optimizer(call, call->inputs[4]);
    const int64_t count = snug_shape_count(&call->view->input[0]);
    if (call->inputs[3] != NULL) {
        const int64_t columns = call->view->input[3].extent[0];
        snug_adafactor_factored(&o, count / columns, columns, call->outputs[0], call->inputs[1],
                                call->outputs[1], call->outputs[2], call->scratch, call->parallel);
    } else {
        snug_adafactor_plain(&o, count, call->outputs[0], call->inputs[1], call->outputs[1],
                             call->scratch, call->parallel);
    }
}

int64_t snug_scratch_adafactor(const snug_op_view *view, int64_t samples, int32_t threads)
{
    const int64_t count = snug_shape_count(&view->input[0]);
    SNUG_UNUSED(samples);
    SNUG_UNUSED(threads);
    if (snug_rows_given(view, 3)) {
        const int64_t columns = view->input[3].extent[0];
        return snug_adafactor_factored_scratch_bytes(count / columns, columns);
    }
    return snug_adafactor_plain_scratch_bytes(count);
}
