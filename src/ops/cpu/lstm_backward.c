#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/limits.h"
#include "ops/cpu/gemm.h"
#include "ops/cpu/lstm.h"
#include "ops/cpu/lstm_work.h"

/** Backward's scratch beside the packed weights, and where it stands. */
typedef struct backward_work {
    snug_lstm_history segment[SNUG_LSTM_LAYERS_MAX]; /* What the cache lacks, for one segment. */
    float *inputs;                                   /* [16 n, in_0]: rows of a block, by step. */
    float *leaky;                                    /* [16 n, H]. */
    float *d_outputs;                                /* [16 n, O]: of the head before its scale. */
    float *d_above;                                  /* [n, H]. */
    float *d_recur[SNUG_LSTM_LAYERS_MAX];            /* [n, H]: from the next step. */
    float *dc[SNUG_LSTM_LAYERS_MAX];                 /* [n, H]. */
    float *d_feedback;                               /* [n, K]: through layer 0 of the next step. */
    float *d_carry; /* [n, K]: through the addition of the next step. */
    unsigned char *gemm_scratch;
    int64_t inputs_block; /* The block that `inputs` holds; -1: none. */
} backward_work;

typedef struct backward_call {
    snug_lstm_call call; /* First: steps of forward run again through it. */
    const float *dy;
    float *dx;
    float *ds0;
    const snug_lstm_gradients *gradients;
    backward_work work;
    snug_lstm_cache cache;
} backward_call;

static snug_gemm_call gradient_gemm(snug_kernel_isa isa, int64_t rows, int64_t cols, int64_t depth,
                                    const float *d_rows, const float *inputs, float *gradient)
{
    return (snug_gemm_call){
        .isa = isa,
        .mode = SNUG_GEMM_SUM,
        .rows = rows,
        .cols = cols,
        .depth = depth,
        .batch = 1,
        .a = {.data = d_rows, .row_stride = 1, .col_stride = rows},
        .b = {.data = inputs, .row_stride = cols, .col_stride = 1},
        .c = gradient,
        .c_row_stride = cols,
    };
}

/** The most scratch that a weight gradient of a block with `depth` rows needs. */
static int64_t gemm_bytes(const snug_lstm_options *options, int64_t depth, int32_t threads)
{
    int64_t bytes = 0;
    for (int32_t layer = 0; layer < options->layers; layer++) {
        const int64_t cols[2] = {snug_lstm_input_depth(options, layer), options->hidden};
        for (int i = 0; i < 2; i++) {
            const snug_gemm_call gemm =
                gradient_gemm(options->isa, 4 * options->hidden, cols[i], depth, NULL, NULL, NULL);
            bytes = snug_max_i64(bytes, snug_gemm_scratch_bytes(&gemm, threads));
        }
    }
    const snug_gemm_call head = gradient_gemm(options->isa, snug_lstm_outputs(options),
                                              options->hidden, depth, NULL, NULL, NULL);
    return snug_max_i64(bytes, snug_gemm_scratch_bytes(&head, threads));
}

/** Blocks differ in depth only at the end of time and in the last group: all four are asked. */
static int64_t gemm_bytes_all(const snug_lstm_options *options, int64_t samples, int32_t threads)
{
    const int64_t steps[2] = {snug_min_i64(SNUG_LSTM_BLOCK_STEPS, options->steps),
                              options->steps % SNUG_LSTM_BLOCK_STEPS};
    const int64_t rows[2] = {snug_min_i64(samples, SNUG_LSTM_GROUP), samples % SNUG_LSTM_GROUP};
    int64_t bytes = 0;
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            bytes = snug_max_i64(bytes, gemm_bytes(options, steps[i] * rows[j], threads));
        }
    }
    return bytes;
}

static void carve_work(const snug_lstm_options *options, int64_t samples, int32_t threads,
                       snug_lstm_carver *carver, snug_lstm_packed *packed, backward_work *out_work)
{
    const int64_t rows = snug_min_i64(samples, SNUG_LSTM_GROUP);
    const int64_t state = rows * options->hidden;
    const int64_t steps = snug_lstm_segment_steps(options);
    const int64_t block_rows = rows * snug_min_i64(SNUG_LSTM_BLOCK_STEPS, options->steps);
    const bool again = options->variant != SNUG_LSTM_KEEP_GATES;
    *out_work = (backward_work){0};
    snug_lstm_packed_carve(options, again, true, carver, packed);
    for (int32_t layer = 0; layer < options->layers; layer++) {
        if (again) {
            out_work->segment[layer].gates = snug_lstm_carve(carver, steps * 4 * state);
            out_work->segment[layer].c = snug_lstm_carve(carver, (steps + 1) * state);
        }
        if (options->variant == SNUG_LSTM_CHECKPOINT) {
            out_work->segment[layer].h = snug_lstm_carve(carver, (steps + 1) * state);
        }
        out_work->d_recur[layer] = snug_lstm_carve(carver, state);
        out_work->dc[layer] = snug_lstm_carve(carver, state);
    }
    out_work->inputs = snug_lstm_carve(carver, block_rows * snug_lstm_input_depth(options, 0));
    out_work->leaky = snug_lstm_carve(carver, block_rows * options->hidden);
    out_work->d_outputs = snug_lstm_carve(carver, block_rows * snug_lstm_outputs(options));
    out_work->d_above = snug_lstm_carve(carver, state);
    out_work->d_feedback = snug_lstm_carve(carver, rows * options->targets);
    out_work->d_carry = snug_lstm_carve(carver, rows * options->targets);
    if (carver->base != NULL) {
        out_work->gemm_scratch = carver->base + carver->used_bytes;
    }
    carver->used_bytes += snug_align_up(gemm_bytes_all(options, samples, threads), SNUG_ALIGN);
}

int64_t snug_lstm_backward_scratch_bytes(const snug_lstm_options *options, int64_t samples,
                                         int32_t threads)
{
    snug_lstm_carver carver = {0};
    snug_lstm_packed packed;
    backward_work work;
    carve_work(options, samples, threads, &carver, &packed, &work);
    return carver.used_bytes;
}

/** Layer 0's inputs of a block, row by row in order of step, then sample: x, then the state before.
 */
static void gather_inputs(backward_call *back, int64_t block)
{
    const snug_lstm_call *call = &back->call;
    const snug_lstm_options *options = call->options;
    const int64_t first = block * SNUG_LSTM_BLOCK_STEPS;
    const int64_t last = snug_min_i64(first + SNUG_LSTM_BLOCK_STEPS, options->steps);
    float *row = back->work.inputs;
    if (back->work.inputs_block == block) {
        return;
    }
    back->work.inputs_block = block;
    for (int64_t t = first; t < last; t++) {
        snug_lstm_operand operands[3];
        const int32_t count = snug_lstm_operands(call, 0, t, NULL, NULL, operands);
        for (int64_t n = 0; n < call->rows; n++) {
            for (int32_t i = 0; i + 1 < count; i++) {
                memcpy(row, operands[i].data + n * operands[i].row_stride,
                       (size_t)operands[i].depth * sizeof(float));
                row += operands[i].depth;
            }
        }
    }
}

/** Gates and c of one block from the kept h: every input is known, so all its rows go at once. */
static void rerun_block(backward_call *back, const snug_lstm_history *history,
                        int64_t segment_first, int64_t block)
{
    const snug_lstm_call *call = &back->call;
    const snug_lstm_options *options = call->options;
    const int64_t hidden = options->hidden;
    const int64_t state = call->rows * hidden;
    const int64_t at = block * SNUG_LSTM_BLOCK_STEPS - segment_first;
    const int64_t steps =
        snug_min_i64(SNUG_LSTM_BLOCK_STEPS, options->steps - block * SNUG_LSTM_BLOCK_STEPS);
    gather_inputs(back, block);
    for (int32_t layer = 0; layer < options->layers; layer++) {
        const int64_t depth = snug_lstm_input_depth(options, layer);
        const float *input =
            layer == 0 ? back->work.inputs : history[layer - 1].h + (at + 1) * state;
        snug_lstm_run_layer(&(snug_lstm_layer_step){
            .call = call,
            .layer = layer,
            .operand_count = 2,
            .operands = {{input, depth, depth}, {history[layer].h + at * state, hidden, hidden}},
            .gates = history[layer].gates + 4 * at * state,
            .c_prev = history[layer].c + at * state,
            .c = history[layer].c + (at + 1) * state,
            .steps = steps,
        });
    }
}

/** The forward steps of a segment again, from its kept c and h. */
static void rerun_steps(const snug_lstm_call *call, const snug_lstm_history *history, int64_t first,
                        int64_t steps)
{
    const int64_t state = call->rows * call->options->hidden;
    for (int64_t i = 0; i < steps; i++) {
        const float *input = NULL;
        for (int32_t layer = 0; layer < call->options->layers; layer++) {
            const snug_lstm_history *own = &history[layer];
            snug_lstm_layer_step step = {.call = call,
                                         .layer = layer,
                                         .gates = own->gates + 4 * i * state,
                                         .c_prev = own->c + i * state,
                                         .c = own->c + (i + 1) * state,
                                         .h = own->h + (i + 1) * state,
                                         .steps = 1};
            step.operand_count = snug_lstm_operands(call, layer, first + i, input,
                                                    own->h + i * state, step.operands);
            snug_lstm_run_layer(&step);
            input = step.h;
        }
    }
}

/** Makes the histories of segment `segment` whole: from the cache, or run again. */
static void open_segment(backward_call *back, int64_t segment,
                         snug_lstm_history history[SNUG_LSTM_LAYERS_MAX])
{
    const snug_lstm_call *call = &back->call;
    const snug_lstm_options *options = call->options;
    const int64_t state = call->rows * options->hidden;
    const int64_t first = segment * snug_lstm_segment_steps(options);
    const int64_t steps = snug_min_i64(snug_lstm_segment_steps(options), options->steps - first);
    const size_t bytes = (size_t)state * sizeof(float);
    for (int32_t layer = 0; layer < options->layers; layer++) {
        const snug_lstm_history *kept = &back->cache.layers[layer];
        history[layer] =
            options->variant == SNUG_LSTM_KEEP_GATES ? *kept : back->work.segment[layer];
        if (options->variant == SNUG_LSTM_KEEP_HIDDEN) {
            history[layer].h = kept->h + first * state;
        }
        if (options->variant != SNUG_LSTM_KEEP_GATES && segment == 0) {
            memset(history[layer].c, 0, bytes);
        } else if (options->variant != SNUG_LSTM_KEEP_GATES) {
            memcpy(history[layer].c, back->cache.c_marks[layer] + (segment - 1) * state, bytes);
        }
        if (options->variant == SNUG_LSTM_CHECKPOINT && segment == 0) {
            memset(history[layer].h, 0, bytes);
        } else if (options->variant == SNUG_LSTM_CHECKPOINT) {
            memcpy(history[layer].h, back->cache.h_marks[layer] + (segment - 1) * state, bytes);
        }
    }
    if (options->variant == SNUG_LSTM_CHECKPOINT) {
        rerun_steps(call, history, first, steps);
    }
    for (int64_t t = first; options->variant == SNUG_LSTM_KEEP_HIDDEN && t < first + steps;
         t += SNUG_LSTM_BLOCK_STEPS) {
        rerun_block(back, history, first, t / SNUG_LSTM_BLOCK_STEPS);
    }
}

/** One step of backward: where it reads the histories and which rows of the block it fills. */
typedef struct step_context {
    backward_call *back;
    const snug_lstm_history *history; /* By layer, from `segment_first`. */
    int64_t segment_first;
    int64_t step;
    int32_t layer; /* Whose weights a product goes back through. */
    int64_t row;   /* Of the block: (step - block's first step) * n. */
} step_context;

/** dy and what came back through the next step make the gradient of the head's output. */
static void head_gradient(const step_context *context)
{
    backward_call *back = context->back;
    const snug_lstm_options *options = back->call.options;
    const int64_t targets = options->targets;
    const int64_t count = snug_lstm_outputs(options);
    const int64_t offset = snug_lstm_output_offset(options, context->step);
    const bool adds = snug_lstm_adds(options, context->step);
    for (int64_t n = 0; n < back->call.rows; n++) {
        const float *dy = back->dy + (n * options->steps + context->step) * targets;
        float *carry = back->work.d_carry + n * targets;
        const float *feedback = back->work.d_feedback + n * targets;
        float *row = back->work.d_outputs + (context->row + n) * count;
        for (int64_t k = 0; k < count; k++) {
            row[k] = 0.0f;
        }
        for (int64_t k = 0; k < targets; k++) {
            const float d_state = (dy[k] + carry[k]) + feedback[k];
            row[offset + k] = d_state * options->scale;
            carry[k] = adds ? d_state : 0.0f;
        }
    }
}

static void cell_gradient(const step_context *context, int32_t layer, int64_t first, int64_t units)
{
    const backward_call *back = context->back;
    const int64_t state = back->call.rows * back->call.options->hidden;
    const int64_t at = context->step - context->segment_first;
    const snug_lstm_history *own = &context->history[layer];
    back->call.kernels->lstm_cell_grad(&(snug_lstm_cell_grad){
        .rows = back->call.rows,
        .units = units,
        .hidden = back->call.options->hidden,
        .gates = own->gates + 4 * at * state + first,
        .c_prev = own->c + at * state + first,
        .c = own->c + (at + 1) * state + first,
        .d_above = back->work.d_above + first,
        .d_recur = back->work.d_recur[layer] + first,
        .dc = back->work.dc[layer] + first,
    });
}

/** Part: one unit block of the top layer: back through the head and the leaky ReLU, then the cell.
 */
static void top_part(void *opaque, int64_t part, int32_t thread)
{
    const step_context *context = opaque;
    const backward_call *back = context->back;
    const snug_lstm_options *options = back->call.options;
    const snug_lane_kernels *kernels = back->call.kernels;
    const int64_t hidden = options->hidden;
    const int64_t count = snug_lstm_outputs(options);
    const int64_t width = kernels->panel_width;
    const int64_t first = part * width;
    const int64_t units = snug_min_i64(width, hidden - first);
    const int64_t at = context->step - context->segment_first;
    const int32_t top = options->layers - 1;
    const snug_lstm_operand operand = {back->work.d_outputs + context->row * count, count, count};
    SNUG_UNUSED(thread);
    kernels->product(back->call.rows, units, 1, &operand,
                     back->call.packed.head_back + part * count * width, back->work.d_above + first,
                     hidden);
    for (int64_t n = 0; n < back->call.rows; n++) {
        const float *h =
            context->history[top].h + ((at + 1) * back->call.rows + n) * hidden + first;
        float *gradient = back->work.d_above + n * hidden + first;
        kernels->leaky_grad(units, options->slope, h, gradient, gradient);
        kernels->leaky(units, options->slope, h,
                       back->work.leaky + (context->row + n) * hidden + first);
    }
    cell_gradient(context, top, first, units);
}

/** Part: one panel of columns back through a layer's weights: to its input, or to h before. */
static void layer_part(void *opaque, int64_t part, int32_t thread)
{
    const step_context *context = opaque;
    const backward_call *back = context->back;
    const snug_lstm_options *options = back->call.options;
    const snug_lane_kernels *kernels = back->call.kernels;
    const int32_t layer = context->layer;
    const int64_t hidden = options->hidden;
    const int64_t width = kernels->panel_width;
    const int64_t at = context->step - context->segment_first;
    const snug_lstm_operand operand = {
        context->history[layer].gates + 4 * at * back->call.rows * hidden, 4 * hidden, 4 * hidden};
    const float *panel = back->call.packed.backward[layer] + part * 4 * hidden * width;
    const int64_t own = snug_ceil_div(hidden, width);
    const int64_t inputs = snug_lstm_backward_panels(options, kernels, layer) - own;
    float *target = NULL;
    int64_t stride = hidden;
    int64_t cols = hidden;
    int64_t first = part * width;
    SNUG_UNUSED(thread);
    if (part >= inputs) {
        first = (part - inputs) * width;
        target = context->step > 0 ? back->work.d_recur[layer] : NULL;
    } else if (layer > 0) {
        target = back->work.d_above;
    } else if (first < options->features) {
        target = back->dx == NULL ? NULL : back->dx + context->step * options->features;
        stride = options->steps * options->features;
        cols = options->features;
    } else {
        first = (part - snug_ceil_div(options->features, width)) * width;
        target = back->work.d_feedback;
        stride = options->targets;
        cols = options->targets;
    }
    if (target == NULL) {
        return;
    }
    const int64_t inside = snug_min_i64(width, cols - first);
    kernels->product(back->call.rows, inside, 1, &operand, panel, target + first, stride);
    if (layer > 0 && part < inputs) {
        cell_gradient(context, layer - 1, first, inside);
    }
}

/** Part: some columns of the bias gradients. */
typedef struct bias_context {
    const backward_call *back;
    const float *rows;
    int64_t count;
    int64_t cols;
    float *out[2];
} bias_context;

enum { BIAS_COLS = 256 };

static void bias_part(void *opaque, int64_t part, int32_t thread)
{
    const bias_context *context = opaque;
    const int64_t first = part * BIAS_COLS;
    const int64_t cols = snug_min_i64(BIAS_COLS, context->cols - first);
    float *out0 = context->out[0] != NULL ? context->out[0] : context->out[1];
    float *out1 = context->out[0] != NULL ? context->out[1] : NULL;
    SNUG_UNUSED(thread);
    for (int64_t r = 0; out0 != NULL && r < context->count; r += SNUG_GEMM_SUM_BLOCK) {
        const int64_t rows = snug_min_i64(SNUG_GEMM_SUM_BLOCK, context->count - r);
        context->back->call.kernels->column_sums(rows, cols, context->cols,
                                                 context->rows + r * context->cols + first,
                                                 out0 + first, out1 == NULL ? NULL : out1 + first);
    }
}

static void add_gradient(const backward_call *back, int64_t rows, int64_t cols, int64_t depth,
                         const float *d_rows, const float *inputs, float *gradient)
{
    if (gradient != NULL) {
        const snug_gemm_call gemm =
            gradient_gemm(back->call.options->isa, rows, cols, depth, d_rows, inputs, gradient);
        snug_gemm(&gemm, back->call.parallel, back->work.gemm_scratch);
    }
}

static void add_bias(const backward_call *back, int64_t count, int64_t cols, const float *rows,
                     float *out0, float *out1)
{
    bias_context context = {
        .back = back, .rows = rows, .count = count, .cols = cols, .out = {out0, out1}};
    snug_parallel_run(back->call.parallel, snug_ceil_div(cols, BIAS_COLS), bias_part, &context);
}

/** The weight gradients of a block, whose rows now lie one after the other. */
static void block_gradients(backward_call *back, const snug_lstm_history *history,
                            int64_t segment_first, int64_t block)
{
    const snug_lstm_options *options = back->call.options;
    const snug_lstm_gradients *gradients = back->gradients;
    const int64_t hidden = options->hidden;
    const int64_t outputs = snug_lstm_outputs(options);
    const int64_t state = back->call.rows * hidden;
    const int64_t first = block * SNUG_LSTM_BLOCK_STEPS;
    const int64_t depth =
        back->call.rows * snug_min_i64(SNUG_LSTM_BLOCK_STEPS, options->steps - first);
    const int64_t at = first - segment_first;
    gather_inputs(back, block);
    add_gradient(back, outputs, hidden, depth, back->work.d_outputs, back->work.leaky,
                 gradients->head_w);
    add_bias(back, depth, outputs, back->work.d_outputs, gradients->head_b, NULL);
    for (int32_t layer = 0; layer < options->layers; layer++) {
        const float *d_gates = history[layer].gates + 4 * at * state;
        const float *input =
            layer == 0 ? back->work.inputs : history[layer - 1].h + (at + 1) * state;
        add_gradient(back, 4 * hidden, snug_lstm_input_depth(options, layer), depth, d_gates, input,
                     gradients->w_ih[layer]);
        add_gradient(back, 4 * hidden, hidden, depth, d_gates, history[layer].h + at * state,
                     gradients->w_hh[layer]);
        add_bias(back, depth, 4 * hidden, d_gates, gradients->b_ih[layer], gradients->b_hh[layer]);
    }
}

static void run_step(backward_call *back, const snug_lstm_history *history, int64_t segment_first,
                     int64_t step)
{
    const snug_lstm_options *options = back->call.options;
    step_context context = {.back = back,
                            .history = history,
                            .segment_first = segment_first,
                            .step = step,
                            .row = step % SNUG_LSTM_BLOCK_STEPS * back->call.rows};
    head_gradient(&context);
    snug_parallel_run(back->call.parallel,
                      snug_ceil_div(options->hidden, back->call.kernels->panel_width), top_part,
                      &context);
    for (int32_t layer = options->layers - 1; layer >= 0; layer--) {
        context.layer = layer;
        snug_parallel_run(back->call.parallel,
                          snug_lstm_backward_panels(options, back->call.kernels, layer), layer_part,
                          &context);
    }
}

static void run_group(backward_call *back)
{
    const snug_lstm_options *options = back->call.options;
    const int64_t state_bytes = back->call.rows * options->hidden * (int64_t)sizeof(float);
    const int64_t target_count = back->call.rows * options->targets;
    const int64_t segment_steps = snug_lstm_segment_steps(options);
    for (int32_t layer = 0; layer < options->layers; layer++) {
        memset(back->work.d_recur[layer], 0, (size_t)state_bytes);
        memset(back->work.dc[layer], 0, (size_t)state_bytes);
    }
    memset(back->work.d_feedback, 0, (size_t)target_count * sizeof(float));
    memset(back->work.d_carry, 0, (size_t)target_count * sizeof(float));
    back->work.inputs_block = -1;
    for (int64_t segment = snug_lstm_segments(options) - 1; segment >= 0; segment--) {
        snug_lstm_history history[SNUG_LSTM_LAYERS_MAX];
        const int64_t first = segment * segment_steps;
        const int64_t last = snug_min_i64(first + segment_steps, options->steps);
        open_segment(back, segment, history);
        for (int64_t t = last - 1; t >= first; t--) {
            run_step(back, history, first, t);
            if (t % SNUG_LSTM_BLOCK_STEPS == 0) {
                block_gradients(back, history, first, t / SNUG_LSTM_BLOCK_STEPS);
            }
        }
    }
    for (int64_t i = 0; back->ds0 != NULL && i < target_count; i++) {
        back->ds0[i] = back->work.d_carry[i] + back->work.d_feedback[i];
    }
}

void snug_lstm_backward(const snug_lstm_options *options, const snug_lstm_weights *weights,
                        int64_t samples, const float *x, const float *s0, const float *y,
                        const float *dy, void *cache, float *dx, float *ds0,
                        const snug_lstm_gradients *gradients, void *scratch,
                        const snug_parallel *parallel)
{
    SNUG_ASSERT(cache != NULL);
    SNUG_ASSERT(scratch != NULL);
    backward_call back = {.call = {.options = options,
                                   .weights = weights,
                                   .kernels = snug_lane_kernels_of(options->isa),
                                   .parallel = parallel},
                          .gradients = gradients};
    snug_lstm_carver scratch_carver = {.base = scratch};
    snug_lstm_carver cache_carver = {.base = cache};
    carve_work(options, samples, parallel->threads, &scratch_carver, &back.call.packed, &back.work);
    snug_lstm_pack(&back.call);
    for (int64_t first = 0; first < samples; first += SNUG_LSTM_GROUP) {
        const int64_t x_at = first * options->steps * options->features;
        const int64_t y_at = first * options->steps * options->targets;
        back.call.rows = snug_min_i64(SNUG_LSTM_GROUP, samples - first);
        back.call.x = x + x_at;
        back.call.s0 = s0 == NULL ? NULL : s0 + first * options->targets;
        back.call.y = y + y_at;
        back.dy = dy + y_at;
        back.dx = dx == NULL ? NULL : dx + x_at;
        back.ds0 = ds0 == NULL ? NULL : ds0 + first * options->targets;
        snug_lstm_cache_carve(options, back.call.rows, &cache_carver, &back.cache);
        run_group(&back);
    }
}
