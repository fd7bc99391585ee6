/* Time series in HDF5 sessions, TDS convolutions and an LSTM: the first family. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "models/tds_lstm.h"
#include "sys/file.h"
#include "train/family.h"
#include "train/metrics.h"
#include "train/timeseries_output.h"
#include "train/timeseries_session.h"

enum { REQUESTS_MAX = 1 << 16, METRICS = 3 };

static const char *const metric_names[METRICS] = {"mse", "mae", "r2"};

static snug_timeseries_own *own_of(const snug_session *session)
{
    return session->own;
}

/** Loss weights by name. */
static snug_status choose_loss(const snug_settings *settings, snug_tds_lstm_options *options,
                               snug_error *err)
{
    const char *name = settings->training_loss;
    if (name[0] == '\0') {
        return SNUG_OK;
    }
    if (strcmp(name, "mae") == 0) {
        options->weight_mse = 0.0;
        options->weight_mae = 1.0;
    } else if (strcmp(name, "mse") == 0) {
        options->weight_mse = 1.0;
        options->weight_mae = 0.0;
    } else if (strcmp(name, "mse_mae") == 0) {
        options->weight_mse = 1.0;
        options->weight_mae = settings->training_mae_weight;
    } else {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "training.loss is '%s': mae, mse or mse_mae", name);
    }
    return SNUG_OK;
}

static snug_status choose_decoder(const snug_settings *settings, snug_tds_lstm_options *options,
                                  snug_error *err)
{
    static const struct {
        const char *name;
        snug_decoder_mode mode;
    } modes[] = {{"plain", SNUG_DECODER_PLAIN},
                 {"position", SNUG_DECODER_POSITION},
                 {"velocity", SNUG_DECODER_VELOCITY},
                 {"position_then_velocity", SNUG_DECODER_POSITION_THEN_VELOCITY}};
    if (settings->model_decoder[0] == '\0') {
        return SNUG_OK;
    }
    for (int64_t i = 0; i < SNUG_COUNT(modes); i++) {
        if (strcmp(settings->model_decoder, modes[i].name) == 0) {
            options->mode = modes[i].mode;
            return SNUG_OK;
        }
    }
    return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                     "model.decoder is '%s': plain, position, velocity or position_then_velocity",
                     settings->model_decoder);
}

/** The TDS stages that the configuration gives replace the preset's. */
static void choose_stages(const snug_settings *settings, snug_tds_lstm_options *options)
{
    if (settings->model_stage_count == 0) {
        return;
    }
    options->stage_count = settings->model_stage_count;
    for (int64_t i = 0; i < settings->model_stage_count; i++) {
        const snug_setting_stage *from = &settings->model_stages[i];
        options->stages[i] = (snug_tds_lstm_stage){.features = from->channels * from->feature_width,
                                                   .conv_kernel = from->in_conv_kernel,
                                                   .conv_stride = from->in_conv_stride,
                                                   .blocks = from->num_blocks,
                                                   .channels = from->channels,
                                                   .width = from->feature_width,
                                                   .kernel = from->kernel_width};
    }
    options->projection = settings->model_stages[settings->model_stage_count - 1].out_channels;
}

static snug_status choose(snug_session *session, snug_error *err)
{
    const snug_settings *settings = &session->settings;
    snug_tds_lstm_options *options = &own_of(session)->model;
    SNUG_TRY(snug_tds_lstm_preset(settings->model_name, options, err));
    SNUG_TRY(choose_loss(settings, options, err));
    SNUG_TRY(choose_decoder(settings, options, err));
    choose_stages(settings, options);
    options->purpose =
        session->purpose == SNUG_PURPOSE_PREDICT ? SNUG_MODEL_PREDICT : SNUG_MODEL_EVALUATE;
    options->window =
        settings->data_padding_left + settings->data_window + settings->data_padding_right;
    options->has_mask = settings->data_mask;
    options->narrow_activations = snug_family_narrow(settings);
    if (settings->model_hidden > 0) {
        options->hidden = settings->model_hidden;
    }
    if (settings->model_layers > 0) {
        options->layers = settings->model_layers;
    }
    if (settings->model_rollout_rate > 0.0) {
        options->rollout_rate = settings->model_rollout_rate;
    }
    return SNUG_OK;
}

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

/** The settings as options of the data set, with the model's left context. */
static snug_status make_options(const snug_session *session, snug_timeseries_options *out,
                                snug_error *err)
{
    const snug_settings *s = &session->settings;
    snug_tds_lstm_options probe = own_of(session)->model;
    snug_tds_lstm_shapes shapes;
    /* The context follows from kernels and strides alone; the rest is filled in to be consistent.
     */
    probe.inputs = 1;
    probe.targets = 1;
    probe.sample_rate = s->model_sample_rate > 0.0 ? s->model_sample_rate : 2000.0;
    SNUG_TRY(snug_tds_lstm_resolve(&probe, &shapes, err));
    *out = (snug_timeseries_options){
        .path = s->data_path,
        .group = or_null(s->data_group),
        .dataset = or_null(s->data_dataset),
        .inputs = or_null(s->data_inputs_name),
        .targets = or_null(s->data_targets_name),
        .window = s->data_window,
        .stride = s->data_stride,
        .evaluation_stride = s->data_evaluation_stride,
        .padding_left = s->data_padding_left,
        .padding_right = s->data_padding_right,
        .left_context = shapes.left_context,
        .jitter = s->data_jitter,
        .rotate_channels = s->data_rotate_channels,
        .use_mask = s->data_mask,
        .skip_invalid = s->data_skip_invalid,
        .check = true,
        .max_samples_for_normalize = s->data_max_samples_for_normalize,
        .train_fraction = s->data_train_ratio,
        .validation_fraction = s->data_val_ratio,
        .split_seed = (uint64_t)s->data_split_seed,
        .metadata = or_null(s->data_metadata),
        .max_files = s->data_max_files,
        .cache_dir = or_null(s->data_cache_dir),
        .seed = (uint64_t)s->seed,
        .workers = (int32_t)s->data_num_workers,
        .slots = (int32_t)snug_max_i64(4, s->data_num_workers * s->data_prefetch_factor),
        .chunk_cache_bytes = s->data_chunk_cache_size,
        .request_count_max = REQUESTS_MAX,
    };
    out->evaluate_all = session->evaluate_all;
    if (session->purpose == SNUG_PURPOSE_PREDICT) {
        /* Target rows of neighbouring windows meet: every row is predicted once. */
        out->evaluation_stride = shapes.target_rows;
    }
    const bool by_train = strcmp(s->data_normalize_with, "train") == 0;
    const snug_normalise how = by_train ? SNUG_NORMALISE_TRAIN : SNUG_NORMALISE_SESSION;
    out->normalise_inputs = s->data_normalize ? how : SNUG_NORMALISE_NONE;
    out->normalise_targets = s->data_normalize_targets ? how : SNUG_NORMALISE_NONE;
    return SNUG_OK;
}

/** The data have the channels that the configuration, or the trained model, expects. */
static snug_status check_channels(const snug_session *session, int64_t inputs, int64_t targets,
                                  snug_status code, const char *who, snug_error *err)
{
    const snug_timeseries_facts *facts = &own_of(session)->facts;
    if ((inputs > 0 && inputs != facts->input_count) ||
        (targets > 0 && targets != facts->target_count)) {
        return SNUG_FAIL(err, code, "the %s %lld channels and %lld targets, '%s' has %lld and %lld",
                         who, (long long)inputs, (long long)targets, session->settings.data_path,
                         (long long)facts->input_count, (long long)facts->target_count);
    }
    return SNUG_OK;
}

static snug_status open_data(snug_session *session, snug_error *err)
{
    const snug_settings *s = &session->settings;
    snug_timeseries_own *own = own_of(session);
    snug_timeseries_options options;
    const bool again = own->index != NULL;
    if (s->data_path[0] == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "data.path is not set: add data.path=FOLDER (try: snug data generate "
                         "timeseries --out FOLDER)");
    }
    SNUG_TRY(make_options(session, &options, err));
    SNUG_TRY(snug_timeseries_index_open(&options, &session->index_arena, &own->index, err));
    own->facts = *snug_timeseries_facts_of(own->index);
    own->sample_rate = s->model_sample_rate > 0.0 ? s->model_sample_rate : own->facts.sample_rate;
    if (own->sample_rate <= 0.0 && own->model.rollout_rate > 0.0) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "'%s' does not say its sample rate: add model.sample_rate=HZ",
                         s->data_path);
    }
    SNUG_TRY(check_channels(session, s->model_channels, s->model_targets, SNUG_CODE_CONFIG,
                            "configuration expects", err));
    if (again) {
        SNUG_TRY(check_channels(session, own->model.inputs, own->model.targets, SNUG_CODE_DATA,
                                "model was trained on", err));
    }
    for (int32_t part = 0; part < SNUG_PARTS; part++) {
        session->data.sample_count[part] = own->facts.window_count[part];
    }
    session->data.source_bytes = snug_timeseries_size(own->index);
    return SNUG_OK;
}

static snug_status build(snug_session *session, int32_t bucket, snug_graph *graph, snug_error *err)
{
    snug_timeseries_own *own = own_of(session);
    SNUG_UNUSED(bucket);
    own->model.inputs = own->facts.input_count;
    own->model.targets = own->facts.target_count;
    own->model.sample_rate = own->sample_rate > 0.0 ? own->sample_rate : 1.0;
    SNUG_TRY(snug_tds_lstm_resolve(&own->model, &own->shapes, err));
    return snug_tds_lstm_build(graph, &own->model, err);
}

static snug_status open_source(snug_session *session, snug_error *err)
{
    return snug_timeseries_open(own_of(session)->index, &session->source_arena, &session->source,
                                err);
}

/** The model numbers its streams without gaps; the data set has a fixed number for each. */
static int32_t stream_of(const snug_session *session, int32_t stream)
{
    static const int32_t streams[SNUG_TDS_LSTM_STREAM_COUNT] = {
        SNUG_TIMESERIES_INPUT, SNUG_TIMESERIES_TARGET, SNUG_TIMESERIES_MASK,
        SNUG_TIMESERIES_INITIAL};
    for (int32_t i = 0; i < SNUG_TDS_LSTM_STREAM_COUNT; i++) {
        if (own_of(session)->shapes.stream[i] == stream) {
            return streams[i];
        }
    }
    SNUG_ASSERT(stream < 0);
    return -1;
}

static void choose_part(snug_session *session, snug_part part)
{
    static const snug_timeseries_part parts[] = {SNUG_TIMESERIES_TRAIN, SNUG_TIMESERIES_VALIDATION,
                                                 SNUG_TIMESERIES_TEST};
    snug_timeseries_evaluate_part(own_of(session)->index, parts[part]);
}

static uint64_t hash_settings(const snug_session *session, uint64_t hash)
{
    const snug_settings *s = &session->settings;
    const snug_timeseries_own *own = own_of(session);
    const double numbers[] = {s->training_mae_weight,
                              own->sample_rate,
                              (double)s->data_jitter,
                              (double)s->data_rotate_channels,
                              (double)s->data_normalize,
                              (double)s->data_normalize_targets,
                              (double)s->data_mask,
                              (double)s->data_window,
                              (double)s->data_stride,
                              (double)s->data_padding_left,
                              (double)s->data_padding_right,
                              (double)s->data_skip_invalid,
                              (double)own->shapes.left_context,
                              (double)own->shapes.rollout_steps,
                              (double)own->shapes.switch_step,
                              (double)own->model.mode,
                              own->model.weight_mse,
                              own->model.weight_mae};
    for (int64_t i = 0; i < SNUG_COUNT(numbers); i++) {
        hash = snug_hash64_f64(hash, numbers[i]);
    }
    return hash;
}

static uint64_t hash_data(const snug_session *session)
{
    uint64_t hash = 0;
    const snug_timeseries_own *own = own_of(session);
    for (int64_t file = 0; file < own->facts.file_count; file++) {
        const snug_timeseries_session at = snug_timeseries_session_at(own->index, file);
        hash = snug_hash64_text(hash, snug_path_name(at.path));
        hash = snug_hash64_mix(hash, (uint64_t)at.row_count);
        hash = snug_hash64_mix(hash, (uint64_t)at.part);
    }
    for (int32_t part = 0; part < SNUG_TIMESERIES_PART_COUNT; part++) {
        hash = snug_hash64_mix(hash, (uint64_t)own->facts.window_count[part]);
    }
    return hash;
}

static int64_t item_values(const snug_session *session)
{
    return METRICS * own_of(session)->facts.target_count;
}

static int64_t metrics_bytes(const snug_session *session)
{
    const int64_t targets = own_of(session)->facts.target_count;
    return snug_align_up(4 * targets * (int64_t)sizeof(double), SNUG_ALIGN) +
           snug_align_up(item_values(session) * (int64_t)sizeof(double), SNUG_ALIGN) +
           2 * SNUG_ALIGN;
}

static snug_status open_metrics(snug_session *session, snug_arena *arena, snug_error *err)
{
    snug_timeseries_own *own = own_of(session);
    void *memory = NULL;
    SNUG_TRY(snug_metrics_init(&own->metrics, own->facts.target_count, arena, err));
    SNUG_TRY(snug_arena_array(arena, item_values(session), sizeof(double), &memory, err));
    own->target_values = memory;
    return SNUG_OK;
}

static void reset_metrics(snug_session *session)
{
    snug_metrics_reset(&own_of(session)->metrics);
}

static void add_metrics(snug_session *session, int64_t position, const void *const *shown)
{
    snug_timeseries_own *own = own_of(session);
    const snug_timeseries_place place = snug_timeseries_locate(own->index, false, 0, position);
    const snug_timeseries_session at = snug_timeseries_session_at(own->index, place.file);
    const snug_metrics_sample sample = {.rows = own->facts.target_rows,
                                        .prediction = shown[0],
                                        .target = shown[1],
                                        .mask = shown[3],
                                        .mean = at.target_mean,
                                        .std = at.target_std};
    snug_metrics_add(&own->metrics, &sample);
}

static void finish_metrics(snug_session *session, snug_evaluation *out)
{
    snug_timeseries_own *own = own_of(session);
    const int64_t targets = own->facts.target_count;
    double *mse = own->target_values, *mae = mse + targets, *r2 = mae + targets;
    const snug_metrics_result result = snug_metrics_finish(&own->metrics, mse, mae, r2);
    const double all[METRICS] = {result.mse, result.mae, result.r2};
    const double *const each[METRICS] = {mse, mae, r2};
    for (int32_t i = 0; i < METRICS; i++) {
        out->metrics[i].value = all[i];
        out->item_metrics[i] = (snug_item_metric){metric_names[i], each[i]};
    }
    out->item_metric_count = METRICS;
    out->item = "target";
    out->item_count = targets;
}

static snug_status open_output(snug_session *session, const snug_predict_options *options,
                               snug_error *err)
{
    snug_timeseries_own *own = own_of(session);
    return snug_timeseries_output_open(options, own, &own->output, err);
}

static snug_status add_output(snug_session *session, int64_t position, const float *prediction,
                              snug_error *err)
{
    snug_timeseries_own *own = own_of(session);
    return snug_timeseries_output_add(own->output, own, position, prediction, err);
}

static snug_status commit_output(snug_session *session, int64_t *out_rows, snug_error *err)
{
    return snug_timeseries_output_commit(own_of(session)->output, out_rows, err);
}

static void close_output(snug_session *session)
{
    snug_timeseries_output_close(own_of(session)->output);
    own_of(session)->output = NULL;
}

static void describe(const snug_session *session, snug_text *text)
{
    const snug_timeseries_facts *facts = &own_of(session)->facts;
    snug_text_say(text,
                  "Model      %s, %.2f M parameters, %lld inputs, %lld targets, window %lld\n",
                  session->settings.model_name, (double)session->parameter_count / 1e6,
                  (long long)facts->input_count, (long long)facts->target_count,
                  (long long)facts->window_rows);
    snug_text_say(text, "Data       %lld files, %lld training and %lld validation windows\n",
                  (long long)facts->file_count, (long long)session->data.sample_count[0],
                  (long long)session->data.sample_count[1]);
}

static bool turn_window(snug_settings *settings, const snug_session *session)
{
    const int64_t context = own_of(session)->shapes.left_context;
    settings->data_window = context + (settings->data_window - context) / 2;
    return settings->data_window - context >= 64;
}

static bool turn_hidden(snug_settings *settings, const snug_session *session)
{
    const int64_t now =
        settings->model_hidden > 0 ? settings->model_hidden : own_of(session)->model.hidden;
    settings->model_hidden = now / 2;
    return settings->model_hidden >= 8;
}

static void value_window(const snug_settings *settings, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%lld", (long long)settings->data_window);
}

static void value_hidden(const snug_settings *settings, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%lld", (long long)settings->model_hidden);
}

static const snug_family_knob knobs[] = {
    {"training.precision", "activations rounded to bf16: about the same losses, other bits",
     snug_knob_turn_precision, snug_knob_value_precision},
    {"data.window", "shorter sequences: less context for the decoder", turn_window, value_window},
    {"training.batch_size", "a smaller global batch: noisier steps", snug_knob_turn_batch,
     snug_knob_value_batch},
    {"model.hidden", "a smaller decoder: another model", turn_hidden, value_hidden},
    {"optimizer.name", "no moments: another optimizer, another learning rate",
     snug_knob_turn_optimizer, snug_knob_value_optimizer},
};

const snug_family snug_family_timeseries = {
    .name = "timeseries",
    .sample = "windows",
    .metric_names = metric_names,
    .metric_count = METRICS,
    .has_workers = true,
    .own_bytes = (int64_t)sizeof(snug_timeseries_own),
    .graph_nodes_max = 1024,
    .graph_tensors_max = 4096,
    .choose = choose,
    .open_data = open_data,
    .build = build,
    .open_source = open_source,
    .stream = stream_of,
    .choose_part = choose_part,
    .hash_settings = hash_settings,
    .hash_data = hash_data,
    .metrics_bytes = metrics_bytes,
    .open_metrics = open_metrics,
    .reset_metrics = reset_metrics,
    .add_metrics = add_metrics,
    .finish_metrics = finish_metrics,
    .item_values = item_values,
    .open_output = open_output,
    .add_output = add_output,
    .commit_output = commit_output,
    .close_output = close_output,
    .describe = describe,
    .knobs = knobs,
    .knob_count = SNUG_COUNT(knobs),
};
