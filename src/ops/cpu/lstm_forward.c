#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "ops/cpu/lstm.h"
#include "ops/cpu/lstm_work.h"

/** Forward's scratch beside the packed weights: what the variant does not keep in the cache. */
typedef struct forward_work {
    int64_t padded_rows;               /* n rounded up to whole tiles of the head. */
    float *outputs;                    /* [padded, O]. */
    float *leaky;                      /* [padded, H]; zeros past n. */
    float *gates;                      /* [n, 4H], shared by the layers; NULL with KEEP_GATES. */
    float *c[SNUG_LSTM_LAYERS_MAX];    /* [n, H]. */
    float *h[SNUG_LSTM_LAYERS_MAX][2]; /* [n, H] each, in turn. */
} forward_work;

static void carve_work(const snug_lstm_options *options, int64_t rows, bool keep,
                       snug_lstm_carver *carver, snug_lstm_packed *packed, forward_work *out_work)
{
    const int64_t state = rows * options->hidden;
    const bool keep_gates = keep && options->variant == SNUG_LSTM_KEEP_GATES;
    const bool keep_h = keep && options->variant != SNUG_LSTM_CHECKPOINT;
    const int64_t tile = snug_lane_kernels_of(options->isa)->tile_rows;
    const int64_t padded_rows = snug_ceil_div(rows, tile) * tile;
    *out_work = (forward_work){.padded_rows = padded_rows};
    snug_lstm_packed_carve(options, true, false, carver, packed);
    out_work->outputs = snug_lstm_carve(carver, padded_rows * snug_lstm_outputs(options));
    out_work->leaky = snug_lstm_carve(carver, padded_rows * options->hidden);
    if (!keep_gates) {
        out_work->gates = snug_lstm_carve(carver, 4 * state);
    }
    for (int32_t layer = 0; layer < options->layers; layer++) {
        if (!keep_gates) {
            out_work->c[layer] = snug_lstm_carve(carver, state);
        }
        if (!keep_h) {
            out_work->h[layer][0] = snug_lstm_carve(carver, state);
            out_work->h[layer][1] = snug_lstm_carve(carver, state);
        }
    }
}

int64_t snug_lstm_forward_scratch_bytes(const snug_lstm_options *options, int64_t samples,
                                        bool keep, int32_t threads)
{
    snug_lstm_carver carver = {0};
    snug_lstm_packed packed;
    forward_work work;
    SNUG_UNUSED(threads);
    carve_work(options, snug_min_i64(samples, SNUG_LSTM_GROUP), keep, &carver, &packed, &work);
    return carver.used_bytes;
}

typedef struct head_context {
    const snug_lstm_call *call;
    const forward_work *work;
    int64_t step;
    float *y; /* The call's y, to be written. */
} head_context;

/** Part: a tile of rows through the head, then their new state. */
static void head_part(void *context, int64_t part, int32_t thread)
{
    const head_context *head = context;
    const snug_lstm_call *call = head->call;
    const snug_lstm_options *options = call->options;
    const int64_t hidden = options->hidden;
    const int64_t targets = options->targets;
    const int64_t count = snug_lstm_outputs(options);
    const int64_t width = call->kernels->panel_width;
    const int64_t tile = call->kernels->tile_rows;
    const int64_t first = part * tile;
    const int64_t rows = snug_min_i64(tile, call->rows - first);
    float *outputs = head->work->outputs + first * count;
    const snug_lstm_operand operand = {head->work->leaky + first * hidden, hidden, hidden};
    SNUG_UNUSED(thread);
    for (int64_t c = 0; c < count; c += width) {
        /* Always a full tile: what it makes of the padding rows is not read. */
        call->kernels->product(tile, snug_min_i64(width, count - c), 1, &operand,
                               call->packed.head + c * hidden, outputs + c, count);
    }
    const bool adds = snug_lstm_adds(options, head->step);
    const int64_t offset = snug_lstm_output_offset(options, head->step);
    for (int64_t r = first; r < first + rows; r++) {
        float *y = head->y + (r * options->steps + head->step) * targets;
        const float *previous = call->packed.zeros;
        if (head->step > 0) {
            previous = y - targets;
        } else if (call->s0 != NULL) {
            previous = call->s0 + r * targets;
        }
        const float *o = head->work->outputs + r * count + offset;
        const float *bias = call->weights->head_b + offset;
        for (int64_t k = 0; k < targets; k++) {
            const float value = (o[k] + bias[k]) * options->scale;
            y[k] = adds ? previous[k] + value : value;
        }
    }
}

/** Where layer `layer` reads and writes its state at `step`, by variant. */
static void place_step(const snug_lstm_call *call, const forward_work *work,
                       const snug_lstm_cache *cache, int64_t step, int32_t layer,
                       snug_lstm_layer_step *out_step, const float **out_h_prev)
{
    const int64_t state = call->rows * call->options->hidden;
    const snug_lstm_history *history = &cache->layers[layer];
    if (history->gates != NULL) {
        out_step->gates = history->gates + 4 * step * state;
        out_step->c_prev = history->c + step * state;
        out_step->c = history->c + (step + 1) * state;
    } else {
        out_step->gates = work->gates;
        out_step->c_prev = work->c[layer];
        out_step->c = work->c[layer];
    }
    if (history->h != NULL) {
        *out_h_prev = history->h + step * state;
        out_step->h = history->h + (step + 1) * state;
    } else {
        *out_h_prev = work->h[layer][step % 2];
        out_step->h = work->h[layer][(step + 1) % 2];
    }
}

/** Zero states before the first step, wherever the variant keeps them. */
static void clear_states(const snug_lstm_call *call, const forward_work *work,
                         const snug_lstm_cache *cache)
{
    const size_t bytes = (size_t)(call->rows * call->options->hidden) * sizeof(float);
    for (int32_t layer = 0; layer < call->options->layers; layer++) {
        const snug_lstm_history *history = &cache->layers[layer];
        memset(history->gates != NULL ? history->c : work->c[layer], 0, bytes);
        memset(history->h != NULL ? history->h : work->h[layer][0], 0, bytes);
    }
    memset(work->leaky, 0, (size_t)(work->padded_rows * call->options->hidden) * sizeof(float));
}

/** Keeps c and h before segments 1, 2, ... where the variant asks for it. */
static void keep_marks(const snug_lstm_call *call, const forward_work *work,
                       const snug_lstm_cache *cache, int64_t step)
{
    const int64_t segment_steps = snug_lstm_segment_steps(call->options);
    if (step == 0 || step % segment_steps != 0) {
        return;
    }
    const int64_t state = call->rows * call->options->hidden;
    const int64_t at = (step / segment_steps - 1) * state;
    const size_t bytes = (size_t)state * sizeof(float);
    for (int32_t layer = 0; layer < call->options->layers; layer++) {
        if (cache->c_marks[layer] != NULL) {
            memcpy(cache->c_marks[layer] + at, work->c[layer], bytes);
        }
        if (cache->h_marks[layer] != NULL) {
            memcpy(cache->h_marks[layer] + at, work->h[layer][step % 2], bytes);
        }
    }
}

static void run_group(const snug_lstm_call *call, const forward_work *work,
                      const snug_lstm_cache *cache, float *y)
{
    const snug_lstm_options *options = call->options;
    const int64_t tiles = snug_ceil_div(call->rows, call->kernels->tile_rows);
    clear_states(call, work, cache);
    for (int64_t t = 0; t < options->steps; t++) {
        keep_marks(call, work, cache, t);
        const float *input = NULL;
        for (int32_t layer = 0; layer < options->layers; layer++) {
            snug_lstm_layer_step step = {.call = call, .layer = layer, .steps = 1};
            const float *h_prev = NULL;
            place_step(call, work, cache, t, layer, &step, &h_prev);
            step.operand_count = snug_lstm_operands(call, layer, t, input, h_prev, step.operands);
            step.leaky = layer + 1 == options->layers ? work->leaky : NULL;
            snug_lstm_run_layer(&step);
            input = step.h;
        }
        head_context head = {.call = call, .work = work, .step = t, .y = y};
        snug_parallel_run(call->parallel, tiles, head_part, &head);
    }
}

void snug_lstm_forward(const snug_lstm_options *options, const snug_lstm_weights *weights,
                       int64_t samples, const float *x, const float *s0, float *y, void *cache,
                       void *scratch, const snug_parallel *parallel)
{
    SNUG_ASSERT(options->layers >= 1 && options->layers <= SNUG_LSTM_LAYERS_MAX);
    SNUG_ASSERT(options->steps >= 1);
    SNUG_ASSERT(scratch != NULL);
    snug_lstm_call call = {.options = options,
                           .weights = weights,
                           .kernels = snug_lane_kernels_of(options->isa),
                           .parallel = parallel};
    snug_lstm_carver scratch_carver = {.base = scratch};
    snug_lstm_carver cache_carver = {.base = cache};
    forward_work work;
    carve_work(options, snug_min_i64(samples, SNUG_LSTM_GROUP), cache != NULL, &scratch_carver,
               &call.packed, &work);
    snug_lstm_pack(&call);
    for (int64_t first = 0; first < samples; first += SNUG_LSTM_GROUP) {
        call.rows = snug_min_i64(SNUG_LSTM_GROUP, samples - first);
        call.x = x + first * options->steps * options->features;
        call.s0 = s0 == NULL ? NULL : s0 + first * options->targets;
        float *group_y = y + first * options->steps * options->targets;
        call.y = group_y;
        snug_lstm_cache group_cache = {0};
        if (cache != NULL) {
            snug_lstm_cache_carve(options, call.rows, &cache_carver, &group_cache);
        }
        run_group(&call, &work, &group_cache, group_y);
    }
}
