/* Rows that run once a step: the gradient's square norm and the optimizers. No samples in them. */
#include "base/checked.h"
#include "graph/op_rows.h"

/* One f64, or nothing where no update waits for the gradients of all parameters. */
static snug_status check_total(const snug_op_view *view, int32_t i, snug_error *err)
{
    if (snug_rows_given(view, i) &&
        (view->input[i].rank != 0 || view->input_batched[i] ||
         view->graph->tensors[view->node->inputs[i]].dtype != SNUG_F64)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': input %d must be one f64",
                         view->node->op->name, view->node->name, i);
    }
    return SNUG_OK;
}

/* Input `i` is a shared tensor of that type and shape. */
static snug_status check_state(const snug_op_view *view, int32_t i, snug_dtype dtype,
                               const snug_shape *shape, snug_error *err)
{
    if (!snug_rows_given(view, i) || view->input_batched[i] ||
        view->graph->tensors[view->node->inputs[i]].dtype != dtype ||
        !snug_shape_equal(&view->input[i], shape)) {
        char has[96];
        char wants[96];
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': input %d is %s, expected %s %s",
                         view->node->op->name, view->node->name, i,
                         snug_shape_text(&view->input[i], has), snug_dtype_name(dtype),
                         snug_shape_text(shape, wants));
    }
    return SNUG_OK;
}

/* A gradient of a table [words, width] as rows, whose words are the last input that the row may
 * have. */
static snug_status check_rows(const snug_op_view *view, int32_t gradient, int64_t words,
                              int64_t width, snug_error *err)
{
    const int32_t ids = view->node->op->input_max - 1;
    SNUG_TRY(snug_rows_expect(view, gradient, 2, true, err));
    const int64_t length = view->input[gradient].extent[0];
    if (!snug_rows_given(view, ids) ||
        view->graph->tensors[view->node->inputs[ids]].dtype != SNUG_I32 || words < 1) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': rows without the words they belong to",
                         view->node->op->name, view->node->name);
    }
    SNUG_TRY(snug_rows_expect_shape(view, ids, true, snug_shape_1(length), err));
    SNUG_TRY(snug_rows_expect_shape(view, gradient, true, snug_shape_2(length, width), err));
    return SNUG_OK;
}

/* Input 1 has the shape of input 0, or is its gradient as rows. */
static snug_status check_gradient(const snug_op_view *view, snug_error *err)
{
    const snug_shape *w = &view->input[0];
    if (snug_rows_given(view, 1) && view->input_batched[1] && w->rank == 2) {
        return check_rows(view, 1, w->extent[0], w->extent[1], err);
    }
    if (snug_rows_given(view, view->node->op->input_max - 1)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': words without rows", view->node->op->name,
                         view->node->name);
    }
    return check_state(view, 1, SNUG_F32, w, err);
}

/* Inputs 2..same-1 have the shape of input 0, `optional` may be missing; input 1 is the gradient.
 * Behind them comes the total. */
static snug_status check_update(const snug_op_view *view, int32_t same, int32_t optional,
                                snug_error *err)
{
    SNUG_TRY(check_gradient(view, err));
    for (int32_t i = 0; i < same; i++) {
        if (i == 1 || (i == optional && !snug_rows_given(view, i))) {
            continue;
        }
        if (!snug_rows_given(view, i) || view->input_batched[i]) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "%s '%s': input %d is not a shared tensor",
                             view->node->op->name, view->node->name, i);
        }
        if (!snug_shape_equal(&view->input[0], &view->input[i])) {
            return snug_rows_mismatch(view, 0, i, "expected equal shapes", err);
        }
    }
    return check_total(view, same, err);
}

static snug_status infer_square_norm(const snug_op_view *view, int32_t *out_count,
                                     snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const int64_t slot = view->attrs->square_norm.slot;
    const int64_t slots = view->attrs->square_norm.slots;
    if (snug_rows_given(view, 1)) {
        const snug_shape *rows = &view->input[0];
        const int64_t width = rows->rank == 2 ? rows->extent[1] : 0;
        SNUG_TRY(check_rows(view, 0, view->attrs->square_norm.words, width, err));
    } else {
        const snug_shape shape = view->input[0];
        SNUG_TRY(check_state(view, 0, SNUG_F32, &shape, err));
    }
    if (slot < 0 || slot >= slots) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "square_norm '%s': slot %lld of %lld",
                         view->node->name, (long long)slot, (long long)slots);
    }
    out[0] = (snug_output_info){.dtype = SNUG_F64, .shape = snug_shape_1(slots)};
    *out_count = 1;
    return SNUG_OK;
}

static snug_status infer_norm_total(const snug_op_view *view, int32_t *out_count,
                                    snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const snug_shape sums = snug_shape_1(snug_shape_count(&view->input[0]));
    SNUG_TRY(check_state(view, 0, SNUG_F64, &sums, err));
    out[0] = (snug_output_info){.dtype = SNUG_F64, .shape = {.rank = 0}};
    *out_count = 1;
    return SNUG_OK;
}

static snug_status infer_adamw(const snug_op_view *view, int32_t *out_count,
                               snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(check_update(view, 4, -1, err));
    for (int32_t o = 0; o < 3; o++) {
        out[o] = snug_rows_shared(view->input[0]);
    }
    *out_count = 3;
    return SNUG_OK;
}

static snug_status infer_sgd(const snug_op_view *view, int32_t *out_count,
                             snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    SNUG_TRY(check_update(view, 3, 2, err));
    for (int32_t o = 0; o < 2; o++) {
        out[o] = snug_rows_shared(view->input[0]);
    }
    *out_count = 2;
    return SNUG_OK;
}

static snug_cost cost_square_norm(const snug_op_view *view, int64_t samples)
{
    const double rows = (double)view->attrs->square_norm.words;
    const double count = snug_rows_given(view, 1) ? rows * (double)view->input[0].extent[1]
                                                  : snug_rows_count(&view->input[0]);
    (void)samples;
    return (snug_cost){.flops = 2.0 * count, .bytes = 4.0 * count};
}

static snug_cost cost_norm_total(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->input[0]);
    (void)samples;
    return (snug_cost){.flops = count, .bytes = 8.0 * count};
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

/* Parameter, gradient, then for both moments codes and the scales of their blocks. */
static snug_status infer_adamw8(const snug_op_view *view, int32_t *out_count,
                                snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const snug_shape *w = &view->input[0];
    const snug_shape scales = snug_shape_1(snug_ceil_div(snug_shape_count(w), SNUG_MOMENT_BLOCK));
    SNUG_TRY(check_state(view, 0, SNUG_F32, w, err));
    SNUG_TRY(check_gradient(view, err));
    out[0] = snug_rows_shared(*w);
    for (int32_t i = 2; i < 6; i += 2) {
        SNUG_TRY(check_state(view, i, SNUG_U8, w, err));
        SNUG_TRY(check_state(view, i + 1, SNUG_F32, &scales, err));
        out[i - 1] = (snug_output_info){.dtype = SNUG_U8, .shape = *w};
        out[i] = snug_rows_shared(scales);
    }
    SNUG_TRY(check_total(view, 6, err));
    *out_count = 5;
    return SNUG_OK;
}

/* The second moments of rows (all axes but the last) and columns, or of every element. */
static snug_status infer_adafactor(const snug_op_view *view, int32_t *out_count,
                                   snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err)
{
    const snug_shape *w = &view->input[0];
    const bool factored = snug_rows_given(view, 3);
    snug_shape row = *w;
    SNUG_TRY(check_state(view, 0, SNUG_F32, w, err));
    SNUG_TRY(check_gradient(view, err));
    if (factored) {
        if (w->rank < 2) {
            return SNUG_FAIL(err, SNUG_CODE_DATA, "adafactor '%s': one axis has no columns",
                             view->node->name);
        }
        const int64_t columns = w->extent[w->rank - 1];
        const snug_shape column = snug_shape_1(columns);
        row = snug_shape_1(snug_shape_count(w) / columns);
        SNUG_TRY(check_state(view, 3, SNUG_F32, &column, err));
        out[2] = snug_rows_shared(column);
    }
    SNUG_TRY(check_state(view, 2, SNUG_F32, &row, err));
    SNUG_TRY(check_total(view, 4, err));
    out[0] = snug_rows_shared(*w);
    out[1] = snug_rows_shared(row);
    *out_count = factored ? 3 : 2;
    return SNUG_OK;
}

/* Reads and writes w and both codes, reads g; the scales are little beside them. */
static snug_cost cost_adamw8(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->input[0]);
    (void)samples;
    return (snug_cost){.flops = 120.0 * count, .bytes = 16.0 * count};
}

/* Three sums over g, one of them beside its step. */
static snug_cost cost_adafactor(const snug_op_view *view, int64_t samples)
{
    const double count = snug_rows_count(&view->input[0]);
    (void)samples;
    return (snug_cost){.flops = 12.0 * count, .bytes = 24.0 * count};
}

/*
 * A gradient may come as rows (see embed_rows): then their words are one more input, the last.
 *
 * Input: gradient. Output: the sums of all gradients, of which it adds to its own; so they are the
 * same in whatever order the gradients are complete.
 */
const snug_op snug_op_square_norm = {
    .name = "square_norm",
    .input_min = 1,
    .input_max = 2,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_UPDATE,
    .accumulates = 1,
    .sample_group = 1,
    .infer = infer_square_norm,
    .cost = cost_square_norm,
    .scratch_bytes = snug_scratch_square_norm,
};

/* Input: those sums. Output: their sum, from the first to the last. */
const snug_op snug_op_norm_total = {
    .name = "norm_total",
    .input_min = 1,
    .input_max = 1,
    .output_max = 1,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_UPDATE,
    .accumulates = 1,
    .sample_group = 1,
    .infer = infer_norm_total,
    .cost = cost_norm_total,
};

/* Inputs: parameter, gradient, m, v, total or none. Outputs: parameter, m, v, the same tensors. */
const snug_op snug_op_adamw = {
    .name = "adamw",
    .input_min = 5,
    .input_max = 6,
    .output_max = 3,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_UPDATE,
    .sample_group = 1,
    .infer = infer_adamw,
    .cost = cost_adamw,
    .scratch_bytes = snug_scratch_rows,
};

/* Inputs: parameter, gradient, momentum or none, total or none. Outputs: parameter, momentum. */
const snug_op snug_op_sgd = {
    .name = "sgd",
    .input_min = 4,
    .input_max = 5,
    .output_max = 2,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_UPDATE,
    .sample_group = 1,
    .infer = infer_sgd,
    .cost = cost_sgd,
    .scratch_bytes = snug_scratch_rows,
};

/*
 * Inputs: parameter, gradient, codes and scales of m, codes and scales of v, total or none.
 * Outputs: parameter, codes and scales of m, codes and scales of v, the same tensors.
 */
const snug_op snug_op_adamw8 = {
    .name = "adamw8",
    .input_min = 7,
    .input_max = 8,
    .output_max = 5,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_UPDATE,
    .sample_group = 1,
    .infer = infer_adamw8,
    .cost = cost_adamw8,
    .scratch_bytes = snug_scratch_rows,
};

/*
 * Inputs: parameter, gradient, row moments, column moments, total or none; or for a parameter of
 * one axis its moments and no columns. Outputs: parameter and moments, the same tensors.
 */
const snug_op snug_op_adafactor = {
    .name = "adafactor",
    .input_min = 5,
    .input_max = 6,
    .output_max = 3,
    .flags = SNUG_OP_GRADIENT_ONLY | SNUG_OP_UPDATE,
    .sample_group = 1,
    .infer = infer_adafactor,
    .cost = cost_adafactor,
    .scratch_bytes = snug_scratch_adafactor,
};
