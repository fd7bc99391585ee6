/* The decoder: calls of its rows to snug_lstm_*(), its variants, cache and scratch. */
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "graph/op_rows.h"
#include "ops/adapt.h"
#include "ops/unpack.h"

/* Steps that a measured call has at least: its first block is warm-up for the ones after it. */
enum { SHORTEST_BLOCKS = 2 };

/* Powers of two up to the number of blocks of steps: the lengths of a segment that are offered. */
static int32_t segment_choices(const snug_op_view *view)
{
    const int64_t blocks = snug_ceil_div(view->attrs->lstm_decoder.steps, SNUG_LSTM_BLOCK_STEPS);
    int32_t choices = 1;
    while ((INT64_C(1) << choices) <= blocks) {
        choices++;
    }
    return choices;
}

/* Variant 0 keeps the gates, then KEEP_HIDDEN with segments of 1, 2, 4, ..., then CHECKPOINT. */
int32_t snug_variants_lstm_decoder(const snug_op_view *view)
{
    return 1 + 2 * segment_choices(view);
}

static snug_lstm_mode mode_of(snug_decoder_mode mode)
{
    switch (mode) {
    case SNUG_DECODER_POSITION:
        return SNUG_LSTM_POSITION;
    case SNUG_DECODER_VELOCITY:
        return SNUG_LSTM_VELOCITY;
    case SNUG_DECODER_POSITION_THEN_VELOCITY:
        return SNUG_LSTM_POSITION_THEN_VELOCITY;
    case SNUG_DECODER_PLAIN:
        break;
    }
    return SNUG_LSTM_PLAIN;
}

snug_lstm_options snug_unpack_lstm(const snug_op_view *view, snug_kernel_isa isa)
{
    const int32_t choices = segment_choices(view);
    const int32_t v = view->variant;
    const bool plain = view->attrs->lstm_decoder.mode == SNUG_DECODER_PLAIN;
    return (snug_lstm_options){
        .isa = isa,
        .mode = mode_of(view->attrs->lstm_decoder.mode),
        .variant = v == 0         ? SNUG_LSTM_KEEP_GATES
                   : v <= choices ? SNUG_LSTM_KEEP_HIDDEN
                                  : SNUG_LSTM_CHECKPOINT,
        .segment_blocks = v == 0 ? 1 : INT64_C(1) << ((v - 1) % choices),
        .steps = view->attrs->lstm_decoder.steps,
        .features = view->attrs->lstm_decoder.features,
        .targets = plain ? view->attrs->lstm_decoder.outputs : view->attrs->lstm_decoder.state,
        .hidden = view->attrs->lstm_decoder.hidden,
        .layers = (int32_t)view->attrs->lstm_decoder.layers,
        .switch_step = view->attrs->lstm_decoder.switch_step,
        .slope = view->attrs->lstm_decoder.slope,
        .scale = view->attrs->lstm_decoder.scale,
    };
}

/*
 * Bytes of one sample, of which n are never less than those of n samples together: the parts are
 * only padded less often. A group of 64 lies at 64 times this, whatever the kernel's padding.
 */
static int64_t cache_sample_bytes(const snug_op_view *view)
{
    const snug_lstm_options options = snug_unpack_lstm(view, SNUG_KERNEL_SCALAR);
    return snug_align_up(snug_lstm_cache_bytes(&options, 1), SNUG_ALIGN);
}

int64_t snug_cache_lstm_decoder(const snug_op_view *view)
{
    return cache_sample_bytes(view) / (int64_t)sizeof(float);
}

double snug_recompute_lstm_decoder(const snug_op_view *view)
{
    return view->variant == 0 ? 0.0 : 1.0;
}

/*
 * The time of a step depends on what is kept, not on how long segments are: all lengths become one
 * block. The number of a variant depends on the number of steps, so it is made anew.
 */
static double shorten_steps(snug_op_view *view, snug_attrs *attrs, double share)
{
    const int64_t steps = view->attrs->lstm_decoder.steps;
    const int32_t choices = segment_choices(view);
    const int64_t blocks =
        (int64_t)(share * (double)steps / (double)SNUG_LSTM_BLOCK_STEPS) + (share < 1.0 ? 0 : 1);
    const int64_t least = SHORTEST_BLOCKS * SNUG_LSTM_BLOCK_STEPS;
    const int64_t kept = snug_min_i64(steps, snug_max_i64(least, blocks * SNUG_LSTM_BLOCK_STEPS));
    *attrs = *view->attrs;
    attrs->lstm_decoder.steps = kept;
    view->attrs = attrs;
    view->variant = view->variant == 0         ? 0
                    : view->variant <= choices ? 1
                                               : 1 + segment_choices(view);
    return (double)kept / (double)steps;
}

double snug_shorten_lstm_decoder(snug_op_view *view, snug_attrs *attrs, double share)
{
    const double kept = shorten_steps(view, attrs, share);
    view->input[0].extent[0] = attrs->lstm_decoder.steps;
    view->output[0].extent[0] = attrs->lstm_decoder.steps;
    view->output[1].extent[0] = snug_cache_lstm_decoder(view);
    return kept;
}

/* Its inputs: dy, x, s0, y, cache, the weights; its first output: dx. */
double snug_shorten_lstm_decoder_grad(snug_op_view *view, snug_attrs *attrs, double share)
{
    const double kept = shorten_steps(view, attrs, share);
    view->input[0].extent[0] = attrs->lstm_decoder.steps;
    view->input[1].extent[0] = attrs->lstm_decoder.steps;
    view->input[3].extent[0] = attrs->lstm_decoder.steps;
    view->input[4].extent[0] = snug_cache_lstm_decoder(view);
    view->output[0].extent[0] = attrs->lstm_decoder.steps;
    return kept;
}

static snug_lstm_weights weights_of(const snug_kernel_call *call, int32_t first)
{
    snug_lstm_weights w = {0};
    int32_t i = first;
    for (int64_t l = 0; l < call->view->attrs->lstm_decoder.layers; l++) {
        w.w_ih[l] = call->inputs[i++];
        w.w_hh[l] = call->inputs[i++];
        w.b_ih[l] = call->inputs[i++];
        w.b_hh[l] = call->inputs[i++];
    }
    w.head_w = call->inputs[i++];
    w.head_b = call->inputs[i];
    return w;
}

static snug_lstm_gradients gradients_of(const snug_kernel_call *call)
{
    snug_lstm_gradients g = {0};
    int32_t o = 2;
    for (int64_t l = 0; l < call->view->attrs->lstm_decoder.layers; l++) {
        g.w_ih[l] = call->outputs[o++];
        g.w_hh[l] = call->outputs[o++];
        g.b_ih[l] = call->outputs[o++];
        g.b_hh[l] = call->outputs[o++];
    }
    g.head_w = call->outputs[o++];
    g.head_b = call->outputs[o];
    return g;
}

/* `base` moved on by `samples` samples of `elements`; NULL stays NULL. */
static const float *at(const void *base, int64_t samples, int64_t elements)
{
    return base == NULL ? NULL : (const float *)base + samples * elements;
}

static float *at_out(void *base, int64_t samples, int64_t elements)
{
    return base == NULL ? NULL : (float *)base + samples * elements;
}

static void *cache_at(void *base, int64_t samples, int64_t sample_bytes)
{
    return base == NULL ? NULL : (unsigned char *)base + samples * sample_bytes;
}

void snug_adapt_lstm_decoder(const snug_kernel_call *call)
{
    const snug_lstm_options options = snug_unpack_lstm(call->view, call->isa);
    const snug_lstm_weights weights = weights_of(call, 2);
    const int64_t x_count = options.steps * options.features;
    const int64_t y_count = options.steps * options.targets;
    const int64_t sample_bytes = cache_sample_bytes(call->view);
    SNUG_ASSERT(call->outputs[1] == NULL || call->first % SNUG_LSTM_GROUP == 0);
    for (int64_t n = 0; n < call->count; n += SNUG_LSTM_GROUP) {
        snug_lstm_forward(&options, &weights, snug_min_i64(SNUG_LSTM_GROUP, call->count - n),
                          at(call->inputs[0], n, x_count), at(call->inputs[1], n, options.targets),
                          at_out(call->outputs[0], n, y_count),
                          cache_at(call->outputs[1], n, sample_bytes), call->scratch,
                          call->parallel);
    }
}

int64_t snug_scratch_lstm_decoder(const snug_op_view *view, int64_t samples, int32_t threads)
{
    const int64_t rows = snug_min_i64(samples, SNUG_LSTM_GROUP);
    int64_t most = 0;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        const snug_lstm_options options = snug_unpack_lstm(view, (snug_kernel_isa)isa);
        const int64_t kept = snug_lstm_forward_scratch_bytes(&options, rows, true, threads);
        const int64_t plain = snug_lstm_forward_scratch_bytes(&options, rows, false, threads);
        most = snug_max_i64(most, snug_max_i64(kept, plain));
    }
    return most;
}

/* Its inputs: dy, x, s0, y, cache, the weights. The cache's content is lost. */
void snug_adapt_lstm_decoder_grad(const snug_kernel_call *call)
{
    const snug_lstm_options options = snug_unpack_lstm(call->view, call->isa);
    const snug_lstm_weights weights = weights_of(call, 5);
    const snug_lstm_gradients gradients = gradients_of(call);
    const int64_t x_count = options.steps * options.features;
    const int64_t y_count = options.steps * options.targets;
    const int64_t sample_bytes = cache_sample_bytes(call->view);
    void *cache = NULL;
    SNUG_ASSERT(call->first % SNUG_LSTM_GROUP == 0);
    /* The kernel works in the cache, which the row says it consumes: const ends here. */
    memcpy(&cache, &call->inputs[4], sizeof cache);
    for (int64_t n = 0; n < call->count; n += SNUG_LSTM_GROUP) {
        snug_lstm_backward(&options, &weights, snug_min_i64(SNUG_LSTM_GROUP, call->count - n),
                           at(call->inputs[1], n, x_count), at(call->inputs[2], n, options.targets),
                           at(call->inputs[3], n, y_count), at(call->inputs[0], n, y_count),
                           cache_at(cache, n, sample_bytes), at_out(call->outputs[0], n, x_count),
                           at_out(call->outputs[1], n, options.targets), &gradients, call->scratch,
                           call->parallel);
    }
}

int64_t snug_scratch_lstm_decoder_grad(const snug_op_view *view, int64_t samples, int32_t threads)
{
    const int64_t rows = snug_min_i64(samples, SNUG_LSTM_GROUP);
    int64_t most = 0;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        const snug_lstm_options options = snug_unpack_lstm(view, (snug_kernel_isa)isa);
        most = snug_max_i64(most, snug_lstm_backward_scratch_bytes(&options, rows, threads));
    }
    return most;
}
