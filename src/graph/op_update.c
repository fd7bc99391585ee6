/* Rows that run once a step: the gradient's square norm and the optimizers. No samples in them. */
#include "graph/op_rows.h"

/* Inputs 1..same-1 have the shape of input 0, `optional` may be missing. Behind them comes one f64,
 * or nothing where no update waits for the gradients of all parameters. */
static snug_status check_update(const snug_op_view *view, int32_t same, int32_t optional,
                                bool total, snug_error *err)
{
    for (int32_t i = 0; i < view->input_count; i++) {
        if ((i == optional || (total && i == same)) && !snug_rows_given(view, i)) {
            continue;
        }
        if (!snug_rows_given(view, i) || view->input_batched[i]) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': input %d is not a shared tensor",
                             view->node->op->name, view->node->name, i);
        }
        if (i > 0 && i < same && !snug_shape_equal(&view->input[0], &view->input[i])) {
            return snug_rows_mismatch(view, 0, i, "expected equal shapes", err);
        }
    }
    if (total && snug_rows_given(view, same) &&
        (view->input[same].rank != 0 ||
         view->graph->tensors[view->node->inputs[same]].dtype != SNUG_F64)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': input %d must be one f64",
                         view->node->op->name, view->node->name, same);
    }
    return SNUG_OK;
}

static snug_status infer_square_norm(const snug_op_view *view, int32_t *out_count,
                                     snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(check_update(view, 1, -1, false, err));
    out[0] = (snug_output_info){.dtype = SNUG_F64, .batched = false, .shape = {.rank = 0}};
    *out_count = 1;
    return SNUG_OK;
}

static snug_status infer_adamw(const snug_op_view *view, int32_t *out_count,
                               snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(check_update(view, 4, -1, true, err));
    for (int32_t o = 0; o < 3; o++) {
        out[o] = snug_rows_shared(view->input[0]);
    }
    *out_count = 3;
    return SNUG_OK;
}

static snug_status infer_sgd(const snug_op_view *view, int32_t *out_count,
                             snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(check_update(view, 3, 2, true, err));
    for (int32_t o = 0; o < 2; o++) {
        out[o] = snug_rows_shared(view->input[0]);
    }
    *out_count = 2;
    return SNUG_OK;
}

static snug_cost cost_square_norm(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->input[0]);
    (void)samples;
    return (snug_cost){.flops = 2.0 * count, .bytes = 4.0 * count};
}

static snug_cost cost_adamw(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->input[0]);
    (void)samples;
    return (snug_cost){.flops = 14.0 * count, .bytes = 28.0 * count};
}

static snug_cost cost_sgd(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->input[0]);
    (void)samples;
    return (snug_cost){.flops = 6.0 * count, .bytes = 20.0 * count};
}

const snug_op snug_op_square_norm = {
    .name = "square_norm",
    .input_min = 1,
    .input_max = 1,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_UPDATE,
    .accumulates = 1,
    .sample_group = 1,
    .infer = infer_square_norm,
    .cost = cost_square_norm,
    .scratch_bytes = snug_scratch_square_norm,
};

/* Inputs: parameter, gradient, m, v, total or none. Outputs: parameter, m, v, the same tensors. */
const snug_op snug_op_adamw = {
    .name = "adamw",
    .input_min = 5,
    .input_max = 5,
    .output_max = 3,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_UPDATE,
    .sample_group = 1,
    .infer = infer_adamw,
    .cost = cost_adamw,
};

/* Inputs: parameter, gradient, momentum or none, total or none. Outputs: parameter, momentum. */
const snug_op snug_op_sgd = {
    .name = "sgd",
    .input_min = 4,
    .input_max = 4,
    .output_max = 2,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_UPDATE,
    .sample_group = 1,
    .infer = infer_sgd,
    .cost = cost_sgd,
};
