#include "ops/cpu/lstm_work.h"

#include "base/assert.h"
#include "base/checked.h"
#include "base/limits.h"

float *snug_lstm_carve(snug_lstm_carver *carver, int64_t floats)
{
    float *piece = NULL;
    if (carver->base != NULL) {
        piece = (float *)(void *)(carver->base + carver->used_bytes);
    }
    carver->used_bytes += snug_align_up(floats * (int64_t)sizeof(float), SNUG_ALIGN);
    return piece;
}

int64_t snug_lstm_input_depth(const snug_lstm_options *options, int32_t layer)
{
    if (layer > 0) {
        return options->hidden;
    }
    return options->features + (snug_lstm_feeds_back(options) ? options->targets : 0);
}

int64_t snug_lstm_outputs(const snug_lstm_options *options)
{
    const bool two = options->mode == SNUG_LSTM_POSITION_THEN_VELOCITY;
    return two ? 2 * options->targets : options->targets;
}

int64_t snug_lstm_segment_steps(const snug_lstm_options *options)
{
    if (options->variant == SNUG_LSTM_KEEP_GATES) {
        return options->steps;
    }
    return snug_min_i64(options->steps, options->segment_blocks * SNUG_LSTM_BLOCK_STEPS);
}

int64_t snug_lstm_segments(const snug_lstm_options *options)
{
    return snug_ceil_div(options->steps, snug_lstm_segment_steps(options));
}

void snug_lstm_cache_carve(const snug_lstm_options *options, int64_t rows, snug_lstm_carver *carver,
                           snug_lstm_cache *out_cache)
{
    *out_cache = (snug_lstm_cache){0};
    const int64_t state = rows * options->hidden;
    const int64_t slots = options->steps + 1;
    const int64_t marks = snug_lstm_segments(options) - 1;
    for (int32_t layer = 0; layer < options->layers; layer++) {
        snug_lstm_history *history = &out_cache->layers[layer];
        if (options->variant == SNUG_LSTM_KEEP_GATES) {
            history->gates = snug_lstm_carve(carver, options->steps * 4 * state);
            history->c = snug_lstm_carve(carver, slots * state);
        } else {
            out_cache->c_marks[layer] = snug_lstm_carve(carver, marks * state);
        }
        if (options->variant == SNUG_LSTM_CHECKPOINT) {
            out_cache->h_marks[layer] = snug_lstm_carve(carver, marks * state);
        } else {
            history->h = snug_lstm_carve(carver, slots * state);
        }
    }
}

int64_t snug_lstm_cache_bytes(const snug_lstm_options *options, int64_t samples)
{
    snug_lstm_cache cache;
    snug_lstm_carver full = {0};
    snug_lstm_carver rest = {0};
    snug_lstm_cache_carve(options, SNUG_LSTM_GROUP, &full, &cache);
    if (samples % SNUG_LSTM_GROUP > 0) {
        snug_lstm_cache_carve(options, samples % SNUG_LSTM_GROUP, &rest, &cache);
    }
    return samples / SNUG_LSTM_GROUP * full.used_bytes + rest.used_bytes;
}

static int64_t panels_of(const snug_lane_kernels *kernels, int64_t cols)
{
    return snug_ceil_div(cols, kernels->panel_width);
}

int64_t snug_lstm_backward_panels(const snug_lstm_options *options,
                                  const snug_lane_kernels *kernels, int32_t layer)
{
    const int64_t own = panels_of(kernels, options->hidden);
    if (layer > 0) {
        return 2 * own;
    }
    const int64_t state = snug_lstm_feeds_back(options) ? panels_of(kernels, options->targets) : 0;
    return panels_of(kernels, options->features) + state + own;
}

void snug_lstm_packed_carve(const snug_lstm_options *options, bool forward, bool backward,
                            snug_lstm_carver *carver, snug_lstm_packed *out_packed)
{
    const snug_lane_kernels *kernels = snug_lane_kernels_of(options->isa);
    const int64_t width = kernels->panel_width;
    const int64_t hidden = options->hidden;
    const int64_t blocks = panels_of(kernels, hidden);
    const int64_t outputs = snug_lstm_outputs(options);
    *out_packed = (snug_lstm_packed){0};
    for (int32_t layer = 0; layer < options->layers; layer++) {
        if (forward) {
            const int64_t depth = snug_lstm_input_depth(options, layer) + hidden;
            out_packed->forward[layer] = snug_lstm_carve(carver, blocks * 4 * depth * width);
            out_packed->bias[layer] = snug_lstm_carve(carver, 4 * hidden);
        }
        if (backward) {
            const int64_t panels = snug_lstm_backward_panels(options, kernels, layer);
            out_packed->backward[layer] = snug_lstm_carve(carver, panels * 4 * hidden * width);
        }
    }
    if (forward) {
        out_packed->head = snug_lstm_carve(carver, panels_of(kernels, outputs) * hidden * width);
    }
    if (backward) {
        out_packed->head_back = snug_lstm_carve(carver, blocks * outputs * width);
    }
    out_packed->zeros = snug_lstm_carve(
        carver, snug_max_i64(hidden, snug_max_i64(options->features, options->targets)));
}

/**
 * One panel of a right operand B [depth, cols]: columns from `first`, zeros past `cols`.
 * B(k, j) = data[k * row_stride + j * col_stride]; a weight is read as it is or transposed.
 */
static void pack_panel(const float *data, int64_t row_stride, int64_t col_stride, int64_t depth,
                       int64_t first, int64_t cols, int64_t width, float *panel)
{
    const int64_t inside = snug_min_i64(width, cols - first);
    const float *source = data + first * col_stride;
    for (int64_t k = 0; k < depth; k++) {
        for (int64_t j = 0; j < inside; j++) {
            panel[k * width + j] = source[k * row_stride + j * col_stride];
        }
        for (int64_t j = inside; j < width; j++) {
            panel[k * width + j] = 0.0f;
        }
    }
}

typedef struct pack_context {
    const snug_lstm_call *call;
    int32_t layer;
} pack_context;

/** Part: one unit block, all four gates, input columns then recurrent columns. */
static void pack_forward_part(void *context, int64_t part, int32_t thread)
{
    const pack_context *pack = context;
    const snug_lstm_call *call = pack->call;
    const int64_t hidden = call->options->hidden;
    const int64_t width = call->kernels->panel_width;
    const int64_t input = snug_lstm_input_depth(call->options, pack->layer);
    const int64_t depth = input + hidden;
    float *panel = call->packed.forward[pack->layer] + part * 4 * depth * width;
    SNUG_UNUSED(thread);
    for (int64_t gate = 0; gate < 4; gate++) {
        const float *w_ih = call->weights->w_ih[pack->layer] + gate * hidden * input;
        const float *w_hh = call->weights->w_hh[pack->layer] + gate * hidden * hidden;
        pack_panel(w_ih, 1, input, input, part * width, hidden, width, panel);
        pack_panel(w_hh, 1, hidden, hidden, part * width, hidden, width, panel + input * width);
        panel += depth * width;
    }
}

/** Part: one panel of the columns of [W_ih | W_hh], each group of columns in panels of its own. */
static void pack_backward_part(void *context, int64_t part, int32_t thread)
{
    const pack_context *pack = context;
    const snug_lstm_call *call = pack->call;
    const snug_lstm_options *options = call->options;
    const int64_t hidden = options->hidden;
    const int64_t width = call->kernels->panel_width;
    const int64_t input = snug_lstm_input_depth(options, pack->layer);
    const float *w_ih = call->weights->w_ih[pack->layer];
    float *panel = call->packed.backward[pack->layer] + part * 4 * hidden * width;
    SNUG_UNUSED(thread);
    int64_t first_cols = pack->layer > 0 ? hidden : options->features;
    int64_t index = part;
    if (index < panels_of(call->kernels, first_cols)) {
        pack_panel(w_ih, input, 1, 4 * hidden, index * width, first_cols, width, panel);
        return;
    }
    index -= panels_of(call->kernels, first_cols);
    if (input > first_cols) {
        const int64_t state_cols = input - first_cols;
        if (index < panels_of(call->kernels, state_cols)) {
            pack_panel(w_ih + first_cols, input, 1, 4 * hidden, index * width, state_cols, width,
                       panel);
            return;
        }
        index -= panels_of(call->kernels, state_cols);
    }
    pack_panel(call->weights->w_hh[pack->layer], hidden, 1, 4 * hidden, index * width, hidden,
               width, panel);
}

void snug_lstm_pack(const snug_lstm_call *call)
{
    const snug_lstm_options *options = call->options;
    const snug_lstm_packed *packed = &call->packed;
    const int64_t hidden = options->hidden;
    const int64_t width = call->kernels->panel_width;
    const int64_t blocks = panels_of(call->kernels, hidden);
    const int64_t outputs = snug_lstm_outputs(options);
    const int64_t zeros = snug_max_i64(hidden, snug_max_i64(options->features, options->targets));
    for (int64_t i = 0; i < zeros; i++) {
        packed->zeros[i] = 0.0f;
    }
    for (int32_t layer = 0; layer < options->layers; layer++) {
        pack_context context = {.call = call, .layer = layer};
        if (packed->forward[layer] != NULL) {
            snug_parallel_run(call->parallel, blocks, pack_forward_part, &context);
            call->kernels->add(4 * hidden, call->weights->b_ih[layer], call->weights->b_hh[layer],
                               packed->bias[layer]);
        }
        if (packed->backward[layer] != NULL) {
            snug_parallel_run(call->parallel,
                              snug_lstm_backward_panels(options, call->kernels, layer),
                              pack_backward_part, &context);
        }
    }
    for (int64_t p = 0; packed->head != NULL && p < panels_of(call->kernels, outputs); p++) {
        pack_panel(call->weights->head_w, 1, hidden, hidden, p * width, outputs, width,
                   packed->head + p * hidden * width);
    }
    for (int64_t p = 0; packed->head_back != NULL && p < blocks; p++) {
        pack_panel(call->weights->head_w, hidden, 1, outputs, p * width, hidden, width,
                   packed->head_back + p * outputs * width);
    }
}

int32_t snug_lstm_operands(const snug_lstm_call *call, int32_t layer, int64_t step,
                           const float *input, const float *h_prev, snug_lstm_operand operands[3])
{
    const snug_lstm_options *options = call->options;
    const int64_t hidden = options->hidden;
    int32_t count = 0;
    if (layer > 0) {
        operands[count++] = (snug_lstm_operand){input, hidden, hidden};
    } else {
        const int64_t features = options->features;
        const int64_t targets = options->targets;
        operands[count++] =
            (snug_lstm_operand){call->x + step * features, options->steps * features, features};
        if (snug_lstm_feeds_back(options)) {
            snug_lstm_operand state = {call->packed.zeros, 0, targets};
            if (step > 0) {
                state.data = call->y + (step - 1) * targets;
                state.row_stride = options->steps * targets;
            } else if (call->s0 != NULL) {
                state.data = call->s0;
                state.row_stride = targets;
            }
            operands[count++] = state;
        }
    }
    operands[count++] = (snug_lstm_operand){h_prev, hidden, hidden};
    return count;
}

/** Part: one unit block: its four pre-activations, then the cell update while they are in cache. */
static void run_layer_part(void *context, int64_t part, int32_t thread)
{
    const snug_lstm_layer_step *step = context;
    const snug_lstm_call *call = step->call;
    const snug_lane_kernels *kernels = call->kernels;
    const int64_t hidden = call->options->hidden;
    const int64_t width = kernels->panel_width;
    const int64_t first = part * width;
    const int64_t units = snug_min_i64(width, hidden - first);
    const int64_t depth = snug_lstm_input_depth(call->options, step->layer) + hidden;
    const float *panel = call->packed.forward[step->layer] + part * 4 * depth * width;
    SNUG_UNUSED(thread);
    for (int64_t gate = 0; gate < 4; gate++) {
        kernels->product(step->steps * call->rows, units, step->operand_count, step->operands,
                         panel + gate * depth * width, step->gates + gate * hidden + first,
                         4 * hidden);
    }
    const int64_t state = call->rows * hidden;
    for (int64_t t = 0; t < step->steps; t++) {
        kernels->lstm_cell(&(snug_lstm_cell){
            .rows = call->rows,
            .units = units,
            .hidden = hidden,
            .slope = call->options->slope,
            .gates = step->gates + 4 * t * state + first,
            .bias = call->packed.bias[step->layer] + first,
            .c_prev = step->c_prev + t * state + first,
            .c = step->c + t * state + first,
            .h = step->h == NULL ? NULL : step->h + t * state + first,
            .leaky = step->leaky == NULL ? NULL : step->leaky + t * state + first,
        });
    }
}

void snug_lstm_run_layer(const snug_lstm_layer_step *step)
{
    snug_lstm_layer_step context = *step;
    snug_parallel_run(step->call->parallel,
                      panels_of(step->call->kernels, step->call->options->hidden), run_layer_part,
                      &context);
}
