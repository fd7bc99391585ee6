/* Where data enters and leaves a graph; the executor does the work. */
#include "graph/op_rows.h"

static snug_status infer_source(const snug_op_view *view, int32_t *out_count,
                                snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    if (snug_shape_count(&view->attrs->source.shape) < 0 || view->attrs->source.stream < 0) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "source '%s' has no valid shape or stream",
                         view->node->name);
    }
    out[0] = (snug_output_info){
        .dtype = view->attrs->source.dtype, .batched = true, .shape = view->attrs->source.shape};
    *out_count = 1;
    return SNUG_OK;
}

static snug_cost cost_source(const snug_op_view *view, int64_t samples)
{
    return (snug_cost){.bytes = (double)snug_dtype_bytes(view->attrs->source.dtype) *
                                snug_rows_count(&view->attrs->source.shape) * (double)samples};
}

static snug_status infer_sink(const snug_op_view *view, int32_t *out_count,
                              snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    (void)out;
    for (int32_t i = 0; i < view->input_count; i++) {
        if (!snug_rows_given(view, i) || !view->input_batched[i]) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "sink '%s': input %d is not a batched tensor",
                             view->node->name, i);
        }
        if ((view->narrow_inputs >> i & 1U) != 0) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "sink '%s': input %d is bf16, callers read f32",
                             view->node->name, i);
        }
    }
    *out_count = 0;
    return SNUG_OK;
}

static snug_cost cost_sink(const snug_op_view *view, int64_t samples)
{
    snug_cost cost = {0};
    for (int32_t i = 0; i < view->input_count; i++) {
        const snug_tensor *tensor = &view->graph->tensors[view->node->inputs[i]];
        cost.bytes += (double)snug_tensor_bytes(tensor) * (double)samples;
    }
    return cost;
}

const snug_op snug_op_source = {
    .name = "source",
    .output_max = 1,
    .flags = SNUG_OP_SOURCE,
    .sample_group = 1,
    .infer = infer_source,
    .cost = cost_source,
};

const snug_op snug_op_sink = {
    .name = "sink",
    .input_min = 1,
    .input_max = SNUG_NODE_INPUTS_MAX,
    .flags = SNUG_OP_SINK,
    .sample_group = 1,
    .infer = infer_sink,
    .cost = cost_sink,
};
