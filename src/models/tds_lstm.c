/* The family of time series: an encoder of TDS convolutions and an LSTM decoder that feeds back. */
#include <math.h>
#include <stdio.h>

#include "base/checked.h"
#include "models/tds_lstm.h"

/* The state of a build: what layers share. */
typedef struct builder {
    snug_graph *graph;
    const snug_tds_lstm_options *options;
    snug_tds_lstm_shapes shapes;
    snug_tensor_id x; /* The newest activation. */
    int64_t rows;     /* Of x. */
    int64_t columns;  /* Of x. */
    int64_t layer;    /* Number of the next encoder layer. */
} builder;

static snug_status refuse_stage(int64_t stage, const char *what, int64_t value, snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_CONFIG, "model stage %lld: %s is %lld", (long long)stage + 1,
                     what, (long long)value);
}

static snug_status check_stage(const snug_tds_lstm_options *options, int64_t i, int64_t columns,
                               snug_error *err)
{
    const snug_tds_lstm_stage *s = &options->stages[i];
    if (s->features < 1 || s->features > SNUG_CHANNELS_MAX) {
        return refuse_stage(i, "the number of features", s->features, err);
    }
    if (s->conv_kernel < 0 || (s->conv_kernel > 0 && s->conv_stride < 1)) {
        return refuse_stage(i, "the convolution's kernel or stride", s->conv_kernel, err);
    }
    if (s->conv_kernel == 0 && s->features != columns) {
        return refuse_stage(i, "without a convolution, the number of features", s->features, err);
    }
    if (s->blocks < 0 || (s->blocks > 0 && s->kernel < 1)) {
        return refuse_stage(i, "the number of TDS blocks or their kernel", s->blocks, err);
    }
    if (s->blocks > 0 && (s->channels < 1 || s->features % s->channels != 0 ||
                          s->features / s->channels != s->width)) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "model stage %lld: channels %lld x width %lld is not its %lld features",
                         (long long)i + 1, (long long)s->channels, (long long)s->width,
                         (long long)s->features);
    }
    return SNUG_OK;
}

/* Rows that the stages leave of the window, and the context they take; too short: less than 1. */
static void stage_rows(const snug_tds_lstm_options *options, snug_tds_lstm_shapes *shapes)
{
    int64_t rows = options->window;
    int64_t context = 0;
    int64_t stride = 1;
    for (int64_t i = 0; i < options->stage_count; i++) {
        const snug_tds_lstm_stage *s = &options->stages[i];
        if (s->conv_kernel > 0) {
            context += (s->conv_kernel - 1) * stride;
            stride *= s->conv_stride;
            rows = rows < s->conv_kernel ? -1 : (rows - s->conv_kernel) / s->conv_stride + 1;
        }
        if (s->blocks > 0) {
            context += s->blocks * (s->kernel - 1) * stride;
            rows -= s->blocks * (s->kernel - 1);
        }
    }
    shapes->left_context = context;
    shapes->target_rows = options->window - context;
    shapes->encoder_rows = rows;
}

/* Halves go to the even number, as Python's round() does. */
static int64_t round_half_even(double x)
{
    const double low = floor(x);
    const double rest = x - low;
    const int64_t n = (int64_t)low;
    return rest > 0.5 || (rest == 0.5 && n % 2 != 0) ? n + 1 : n;
}

static snug_status check_numbers(const snug_tds_lstm_options *o, snug_error *err)
{
    const struct {
        const char *name;
        int64_t value, low, high;
    } counts[] = {
        {"inputs", o->inputs, 1, SNUG_CHANNELS_MAX},
        {"targets", o->targets, 1, SNUG_CHANNELS_MAX},
        {"window", o->window, 1, INT64_C(1) << 32},
        {"stage_count", o->stage_count, 1, SNUG_TDS_LSTM_STAGES_MAX},
        {"projection", o->projection, 0, SNUG_CHANNELS_MAX},
        {"hidden", o->hidden, 1, INT64_C(1) << 16},
        {"layers", o->layers, 1, 4},
    };
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"position_seconds", o->position_seconds},
        {"rollout_rate", o->rollout_rate},
        {"slope", o->slope},
        {"weight_mse", o->weight_mse},
        {"weight_mae", o->weight_mae},
        {"norm_eps", o->norm_eps},
    };
    for (int64_t i = 0; i < SNUG_COUNT(counts); i++) {
        if (counts[i].value < counts[i].low || counts[i].value > counts[i].high) {
            return SNUG_FAIL(err, SNUG_CODE_CONFIG, "model %s is %lld, expected %lld to %lld",
                             counts[i].name, (long long)counts[i].value, (long long)counts[i].low,
                             (long long)counts[i].high);
        }
    }
    for (int64_t i = 0; i < SNUG_COUNT(numbers); i++) {
        if (!(numbers[i].value >= 0.0) || !isfinite(numbers[i].value)) {
            return SNUG_FAIL(err, SNUG_CODE_CONFIG, "model %s is %g, expected 0 or more",
                             numbers[i].name, numbers[i].value);
        }
    }
    if (!(o->norm_eps > 0.0) || !isfinite(o->scale) || !(o->sample_rate > 0.0) ||
        !isfinite(o->sample_rate)) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "model norm_eps, scale or sample_rate is not a positive number");
    }
    if (!(o->weight_mse + o->weight_mae > 0.0)) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "both weights of the loss are 0");
    }
    return SNUG_OK;
}

snug_status snug_tds_lstm_resolve(const snug_tds_lstm_options *options, snug_tds_lstm_shapes *out,
                                  snug_error *err)
{
    snug_tds_lstm_shapes shapes = {0};
    int64_t columns = options->inputs;
    int32_t streams = 0;
    SNUG_TRY(check_numbers(options, err));
    for (int64_t i = 0; i < options->stage_count; i++) {
        SNUG_TRY(check_stage(options, i, columns, err));
        columns = options->stages[i].features;
    }
    if (options->mode == SNUG_DECODER_PLAIN && options->has_initial_state) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "a decoder without feedback has no initial state");
    }
    stage_rows(options, &shapes);
    if (shapes.encoder_rows < 1 || shapes.target_rows < 1) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "a window of %lld rows is too short: the encoder's context takes %lld",
                         (long long)options->window, (long long)shapes.left_context);
    }
    shapes.encoder_features = options->projection > 0 ? options->projection : columns;
    shapes.rollout_steps = shapes.encoder_rows;
    if (options->rollout_rate > 0.0) {
        shapes.rollout_steps = (int64_t)floor((double)shapes.target_rows * options->rollout_rate /
                                              options->sample_rate);
    }
    if (shapes.rollout_steps < 1 || shapes.rollout_steps > shapes.target_rows) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "%lld target rows at %g Hz give %lld decoder steps at %g Hz",
                         (long long)shapes.target_rows, options->sample_rate,
                         (long long)shapes.rollout_steps, options->rollout_rate);
    }
    shapes.switch_step = round_half_even(options->position_seconds * options->sample_rate *
                                         (double)shapes.rollout_steps / (double)shapes.target_rows);
    if (options->rollout_rate > 0.0) {
        shapes.switch_step = round_half_even(options->position_seconds * options->rollout_rate);
    }
    const bool present[SNUG_TDS_LSTM_STREAM_COUNT] = {
        true, options->purpose != SNUG_MODEL_PREDICT,
        options->purpose != SNUG_MODEL_PREDICT && options->has_mask, options->has_initial_state};
    for (int32_t i = 0; i < SNUG_TDS_LSTM_STREAM_COUNT; i++) {
        shapes.stream[i] = present[i] ? streams++ : -1;
    }
    *out = shapes;
    return SNUG_OK;
}

/* A parameter "<prefix><suffix>". */
static snug_status add_parameter(builder *b, const char *prefix, const char *suffix,
                                 snug_shape shape, snug_init init, snug_tensor_id *out,
                                 snug_error *err)
{
    char name[SNUG_NAME_BYTES + 16]; /* A name that is too long is refused, not cut. */
    (void)snprintf(name, sizeof name, "%s%s", prefix, suffix);
    SNUG_TRY(snug_graph_parameter(b->graph, name, shape, init, out, err));
    return SNUG_OK;
}

/* PyTorch's default of Linear and Conv: weights and biases within 1 / sqrt(fan in). */
static snug_init uniform(double fan_in)
{
    return (snug_init){.kind = SNUG_INIT_UNIFORM, .bound = (float)(1.0 / sqrt(fan_in))};
}

/* y = relu?(conv(x)), named "<prefix>". */
static snug_status add_conv(builder *b, const char *prefix, int64_t kernel, int64_t stride,
                            int64_t filters, bool relu, snug_tensor_id x, snug_tensor_id *out,
                            snug_error *err)
{
    const snug_attrs attrs = {.conv1d = {.kernel = kernel, .stride = stride, .relu = relu}};
    const int64_t columns = b->graph->tensors[x].shape.extent[1];
    const snug_init init = uniform((double)(kernel * columns));
    snug_tensor_id inputs[3] = {x, SNUG_TENSOR_NONE, SNUG_TENSOR_NONE};
    SNUG_TRY(add_parameter(b, prefix, ".weight", snug_shape_3(kernel, columns, filters), init,
                           &inputs[1], err));
    SNUG_TRY(add_parameter(b, prefix, ".bias", snug_shape_1(filters), init, &inputs[2], err));
    SNUG_TRY(snug_graph_apply(b->graph, "conv1d", prefix, &attrs, inputs, 3, out, err));
    return SNUG_OK;
}

static snug_status add_norm(builder *b, const char *prefix, snug_tensor_id x, snug_tensor_id *out,
                            snug_error *err)
{
    const snug_attrs attrs = {.layer_norm = {.eps = (float)b->options->norm_eps}};
    const int64_t columns = b->graph->tensors[x].shape.extent[1];
    snug_tensor_id inputs[3] = {x, SNUG_TENSOR_NONE, SNUG_TENSOR_NONE};
    SNUG_TRY(add_parameter(b, prefix, ".weight", snug_shape_1(columns),
                           (snug_init){.kind = SNUG_INIT_ONE}, &inputs[1], err));
    SNUG_TRY(add_parameter(b, prefix, ".bias", snug_shape_1(columns),
                           (snug_init){.kind = SNUG_INIT_ZERO}, &inputs[2], err));
    SNUG_TRY(snug_graph_apply(b->graph, "layer_norm", prefix, &attrs, inputs, 3, out, err));
    return SNUG_OK;
}

/* "encoder.<layer>.<part>" */
static const char *layer_name(const builder *b, const char *part, char out[SNUG_NAME_BYTES])
{
    (void)snprintf(out, SNUG_NAME_BYTES, "encoder.%lld.%s", (long long)b->layer, part);
    return out;
}

static snug_status add_conv_layer(builder *b, const snug_tds_lstm_stage *stage, snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    SNUG_TRY(add_conv(b, layer_name(b, "conv", name), stage->conv_kernel, stage->conv_stride,
                      stage->features, true, b->x, &b->x, err));
    SNUG_TRY(add_norm(b, layer_name(b, "norm", name), b->x, &b->x, err));
    b->layer++;
    return SNUG_OK;
}

static snug_status add_tds_conv(builder *b, const snug_tds_lstm_stage *stage, snug_tensor_id *out,
                                snug_error *err)
{
    const snug_attrs attrs = {.tds_conv = {.kernel = stage->kernel,
                                           .channels = stage->channels,
                                           .width = stage->width,
                                           .relu = true}};
    const snug_init init = uniform((double)(stage->kernel * stage->channels));
    char name[SNUG_NAME_BYTES];
    snug_tensor_id inputs[3] = {b->x, SNUG_TENSOR_NONE, SNUG_TENSOR_NONE};
    (void)layer_name(b, "conv", name);
    SNUG_TRY(add_parameter(b, name, ".weight",
                           snug_shape_3(stage->channels, stage->channels, stage->kernel), init,
                           &inputs[1], err));
    SNUG_TRY(add_parameter(b, name, ".bias", snug_shape_1(stage->channels), init, &inputs[2], err));
    SNUG_TRY(snug_graph_apply(b->graph, "tds_conv", name, &attrs, inputs, 3, out, err));
    return SNUG_OK;
}

/* norm1(relu(conv(x)) + tail of x), then norm2(that + linear2(relu(linear1(that)))). */
static snug_status add_tds_layer(builder *b, const snug_tds_lstm_stage *stage, snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    snug_tensor_id y = SNUG_TENSOR_NONE;
    snug_tensor_id z = SNUG_TENSOR_NONE;
    SNUG_TRY(add_tds_conv(b, stage, &y, err));
    const snug_attrs tail = {.add_tail = {.length_a = b->graph->tensors[y].shape.extent[0],
                                          .length_b = b->graph->tensors[b->x].shape.extent[0]}};
    SNUG_TRY(snug_graph_apply(b->graph, "add_tail", layer_name(b, "skip1", name), &tail,
                              (snug_tensor_id[]){y, b->x}, 2, &y, err));
    SNUG_TRY(add_norm(b, layer_name(b, "norm1", name), y, &y, err));
    SNUG_TRY(add_conv(b, layer_name(b, "linear1", name), 1, 1, stage->features, true, y, &z, err));
    SNUG_TRY(add_conv(b, layer_name(b, "linear2", name), 1, 1, stage->features, false, z, &z, err));
    SNUG_TRY(snug_graph_apply(b->graph, "add", layer_name(b, "skip2", name), NULL,
                              (snug_tensor_id[]){z, y}, 2, &z, err));
    SNUG_TRY(add_norm(b, layer_name(b, "norm2", name), z, &b->x, err));
    b->layer++;
    return SNUG_OK;
}

static snug_status add_interpolate(builder *b, const char *name, int64_t length, snug_error *err)
{
    const snug_attrs attrs = {.interpolate = {.length_in = b->graph->tensors[b->x].shape.extent[0],
                                              .length_out = length}};
    SNUG_TRY(snug_graph_apply(b->graph, "interpolate", name, &attrs, &b->x, 1, &b->x, err));
    return SNUG_OK;
}

/* The eight numbers in `inputs` are filled from index 2 on, layer by layer, then the head. */
static snug_status add_decoder_parameters(builder *b, int64_t outputs, snug_tensor_id *inputs,
                                          int32_t *count, snug_error *err)
{
    static const char *const parts[4] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
    const snug_tds_lstm_options *o = b->options;
    const snug_init init = uniform((double)o->hidden);
    const int64_t state = o->mode == SNUG_DECODER_PLAIN ? 0 : o->targets;
    int32_t next = 2;
    for (int64_t l = 0; l < o->layers; l++) {
        const int64_t in = l == 0 ? b->shapes.encoder_features + state : o->hidden;
        const snug_shape shapes[4] = {snug_shape_2(4 * o->hidden, in),
                                      snug_shape_2(4 * o->hidden, o->hidden),
                                      snug_shape_1(4 * o->hidden), snug_shape_1(4 * o->hidden)};
        for (int32_t k = 0; k < 4; k++) {
            char name[SNUG_NAME_BYTES];
            (void)snprintf(name, sizeof name, "decoder.cells.%lld.%s", (long long)l, parts[k]);
            SNUG_TRY(snug_graph_parameter(b->graph, name, shapes[k], init, &inputs[next++], err));
        }
    }
    SNUG_TRY(snug_graph_parameter(b->graph, "decoder.head.weight", snug_shape_2(outputs, o->hidden),
                                  init, &inputs[next++], err));
    SNUG_TRY(snug_graph_parameter(b->graph, "decoder.head.bias", snug_shape_1(outputs), init,
                                  &inputs[next++], err));
    *count = next;
    return SNUG_OK;
}

static snug_status add_decoder(builder *b, snug_tensor_id initial, snug_error *err)
{
    const snug_tds_lstm_options *o = b->options;
    const int64_t outputs =
        o->mode == SNUG_DECODER_POSITION_THEN_VELOCITY ? 2 * o->targets : o->targets;
    const snug_attrs attrs = {
        .lstm_decoder = {.layers = o->layers,
                         .hidden = o->hidden,
                         .features = b->shapes.encoder_features,
                         .state = o->mode == SNUG_DECODER_PLAIN ? 0 : o->targets,
                         .outputs = outputs,
                         .steps = b->shapes.rollout_steps,
                         .switch_step = b->shapes.switch_step,
                         .mode = o->mode,
                         .slope = (float)o->slope,
                         .scale = (float)o->scale,
                         .has_initial_state = o->has_initial_state}};
    snug_tensor_id inputs[SNUG_NODE_INPUTS_MAX];
    int32_t count = 0;
    inputs[0] = b->x;
    inputs[1] = initial;
    SNUG_TRY(add_decoder_parameters(b, outputs, inputs, &count, err));
    SNUG_TRY(
        snug_graph_apply(b->graph, "lstm_decoder", "decoder", &attrs, inputs, count, &b->x, err));
    return SNUG_OK;
}

/* The loss, and what is shown to the caller. */
static snug_status add_end(builder *b, snug_tensor_id target, snug_tensor_id mask, snug_error *err)
{
    const snug_tds_lstm_options *o = b->options;
    const snug_attrs attrs = {.regression_loss = {.weight_mse = (float)o->weight_mse,
                                                  .weight_mae = (float)o->weight_mae,
                                                  .has_mask = o->has_mask}};
    snug_tensor_id shown[4] = {b->x, target, SNUG_TENSOR_NONE, mask};
    snug_node_id node = -1;
    if (o->purpose == SNUG_MODEL_PREDICT) {
        SNUG_TRY(snug_graph_node(b->graph, "sink", "sink", NULL, shown, 1, NULL, &node, err));
        return SNUG_OK;
    }
    SNUG_TRY(snug_graph_apply(b->graph, "regression_loss", "loss", &attrs,
                              (snug_tensor_id[]){b->x, target, mask}, 3, &b->graph->loss, err));
    if (o->purpose == SNUG_MODEL_EVALUATE) {
        shown[2] = b->graph->loss;
        SNUG_TRY(snug_graph_node(b->graph, "sink", "sink", NULL, shown, mask >= 0 ? 4 : 3, NULL,
                                 &node, err));
    }
    return SNUG_OK;
}

static snug_status add_encoder(builder *b, snug_error *err)
{
    snug_status status = SNUG_OK;
    b->graph->narrow = b->options->narrow_activations;
    for (int64_t i = 0; i < b->options->stage_count; i++) {
        const snug_tds_lstm_stage *stage = &b->options->stages[i];
        if (stage->conv_kernel > 0) {
            SNUG_TRY_DONE(add_conv_layer(b, stage, err));
        }
        for (int64_t k = 0; k < stage->blocks; k++) {
            SNUG_TRY_DONE(add_tds_layer(b, stage, err));
        }
    }
    if (b->options->projection > 0) {
        SNUG_TRY_DONE(
            add_conv(b, "projection", 1, 1, b->options->projection, false, b->x, &b->x, err));
    }

done:
    b->graph->narrow = false;
    return status;
}

/* One of the sources after the input, or none; `stream` is -1 when it is absent. */
static snug_status add_source(builder *b, snug_tds_lstm_stream stream, const char *name,
                              snug_dtype dtype, snug_shape shape, snug_tensor_id *out,
                              snug_error *err)
{
    *out = SNUG_TENSOR_NONE;
    if (b->shapes.stream[stream] >= 0) {
        SNUG_TRY(
            snug_graph_source(b->graph, name, dtype, shape, b->shapes.stream[stream], out, err));
    }
    return SNUG_OK;
}

snug_status snug_tds_lstm_build(snug_graph *graph, const snug_tds_lstm_options *options,
                                snug_error *err)
{
    snug_status status = SNUG_OK;
    builder b = {.graph = graph, .options = options};
    snug_tensor_id initial = SNUG_TENSOR_NONE;
    snug_tensor_id target = SNUG_TENSOR_NONE;
    snug_tensor_id mask = SNUG_TENSOR_NONE;
    if (graph->node_count != 0 || graph->tensor_count != 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "a model is built into an empty graph");
    }
    SNUG_TRY(snug_tds_lstm_resolve(options, &b.shapes, err));
    SNUG_TRY_DONE(add_source(&b, SNUG_TDS_LSTM_STREAM_INPUT, "input", SNUG_F32,
                             snug_shape_2(options->window, options->inputs), &b.x, err));
    SNUG_TRY_DONE(add_encoder(&b, err));
    if (b.shapes.rollout_steps != b.shapes.encoder_rows) {
        SNUG_TRY_DONE(add_interpolate(&b, "features", b.shapes.rollout_steps, err));
    }
    SNUG_TRY_DONE(add_source(&b, SNUG_TDS_LSTM_STREAM_INITIAL, "initial", SNUG_F32,
                             snug_shape_1(options->targets), &initial, err));
    SNUG_TRY_DONE(add_decoder(&b, initial, err));
    SNUG_TRY_DONE(add_interpolate(&b, SNUG_MODEL_PREDICTION_NAME, b.shapes.target_rows, err));
    const snug_shape target_shape = snug_shape_2(b.shapes.target_rows, options->targets);
    SNUG_TRY_DONE(add_source(&b, SNUG_TDS_LSTM_STREAM_TARGET, "target", SNUG_F32, target_shape,
                             &target, err));
    SNUG_TRY_DONE(add_source(&b, SNUG_TDS_LSTM_STREAM_MASK, "mask", SNUG_U8,
                             snug_shape_1(b.shapes.target_rows), &mask, err));
    SNUG_TRY_DONE(add_end(&b, target, mask, err));

done:
    if (snug_failed(status)) {
        graph->node_count = 0;
        graph->tensor_count = 0;
        graph->loss = SNUG_TENSOR_NONE;
    }
    return status;
}
