/* Opening a session: machine, budget, data, model and graph, in that order; nothing large is taken.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "optim/optim.h"
#include "sys/clock.h"
#include "sys/heap.h"
#include "train/session.h"

enum {
    SETUP_BLOCK_BYTES = 256 << 10,
    GRAPH_NODES = 1024,
    GRAPH_TENSORS = 4096,
    REQUESTS_MAX = 1 << 16
};

void snug_session_message(const snug_session *session, snug_message_level level, const char *format,
                          ...)
{
    char text[SNUG_ERROR_MESSAGE_BYTES];
    va_list arguments;
    if (session->observer == NULL || session->observer->message == NULL) {
        return;
    }
    va_start(arguments, format);
    const int written = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (written >= 0) {
        session->observer->message(session->observer->context, level, text);
    }
}

/** Loss weights by name. */
static snug_status choose_loss(const snug_settings *settings, snug_model_options *options,
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

static snug_status choose_decoder(const snug_settings *settings, snug_model_options *options,
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
static void choose_stages(const snug_settings *settings, snug_model_options *options)
{
    if (settings->model_stage_count == 0) {
        return;
    }
    options->stage_count = settings->model_stage_count;
    for (int64_t i = 0; i < settings->model_stage_count; i++) {
        const snug_setting_stage *from = &settings->model_stages[i];
        options->stages[i] = (snug_model_stage){.features = from->channels * from->feature_width,
                                                .conv_kernel = from->in_conv_kernel,
                                                .conv_stride = from->in_conv_stride,
                                                .blocks = from->num_blocks,
                                                .channels = from->channels,
                                                .width = from->feature_width,
                                                .kernel = from->kernel_width};
    }
    options->projection = settings->model_stages[settings->model_stage_count - 1].out_channels;
}

/** Everything of the model that does not need the data. */
static snug_status choose_model(const snug_session *session, snug_model_options *options,
                                snug_error *err)
{
    const snug_settings *settings = &session->settings;
    SNUG_TRY(snug_model_preset(settings->model_name, options, err));
    SNUG_TRY(choose_loss(settings, options, err));
    SNUG_TRY(choose_decoder(settings, options, err));
    choose_stages(settings, options);
    options->purpose =
        session->purpose == SNUG_PURPOSE_PREDICT ? SNUG_MODEL_PREDICT : SNUG_MODEL_EVALUATE;
    options->window =
        settings->data_padding_left + settings->data_window + settings->data_padding_right;
    options->has_mask = settings->data_mask;
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
static snug_status make_data_options(snug_session *session, snug_error *err)
{
    const snug_settings *s = &session->settings;
    snug_model_options probe = session->model.options;
    snug_model_shapes shapes;
    /* The context follows from kernels and strides alone; the rest is filled in to be consistent.
     */
    probe.inputs = 1;
    probe.targets = 1;
    probe.sample_rate = s->model_sample_rate > 0.0 ? s->model_sample_rate : 2000.0;
    SNUG_TRY(snug_model_resolve(&probe, &shapes, err));
    session->data_options = (snug_timeseries_options){
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
    session->data_options.evaluate_all = session->evaluate_all;
    if (session->purpose == SNUG_PURPOSE_PREDICT) {
        /* Target rows of neighbouring windows meet: every row is predicted once. */
        session->data_options.evaluation_stride = shapes.target_rows;
    }
    const bool by_train = strcmp(s->data_normalize_with, "train") == 0;
    const snug_normalise how = by_train ? SNUG_NORMALISE_TRAIN : SNUG_NORMALISE_SESSION;
    session->data_options.normalise_inputs = s->data_normalize ? how : SNUG_NORMALISE_NONE;
    session->data_options.normalise_targets = s->data_normalize_targets ? how : SNUG_NORMALISE_NONE;
    return SNUG_OK;
}

snug_status snug_session_open_data(snug_session *session, snug_error *err)
{
    const snug_settings *s = &session->settings;
    if (s->data_path[0] == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "data.path is not set: add data.path=FOLDER (try: snug data generate "
                         "timeseries --out FOLDER)");
    }
    SNUG_TRY(make_data_options(session, err));
    snug_heap_arena_deinit(&session->index_arena, SNUG_CATEGORY_DATA);
    snug_heap_arena_init(&session->index_arena, "data index", SNUG_CATEGORY_DATA,
                         SETUP_BLOCK_BYTES);
    SNUG_TRY(snug_timeseries_index_open(&session->data_options, &session->index_arena,
                                        &session->index, err));
    session->facts = *snug_timeseries_facts_of(session->index);
    session->sample_rate =
        s->model_sample_rate > 0.0 ? s->model_sample_rate : session->facts.sample_rate;
    if (session->sample_rate <= 0.0 && session->model.options.rollout_rate > 0.0) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "'%s' does not say its sample rate: add model.sample_rate=HZ",
                         s->data_path);
    }
    if ((s->model_channels > 0 && s->model_channels != session->facts.input_count) ||
        (s->model_targets > 0 && s->model_targets != session->facts.target_count)) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "the configuration expects %lld channels and %lld targets, '%s' has %lld "
                         "and %lld",
                         (long long)s->model_channels, (long long)s->model_targets, s->data_path,
                         (long long)session->facts.input_count,
                         (long long)session->facts.target_count);
    }
    return SNUG_OK;
}

static snug_status build_graph(snug_session *session, snug_error *err)
{
    const snug_settings *s = &session->settings;
    snug_session_model *model = &session->model;
    model->options.inputs = session->facts.input_count;
    model->options.targets = session->facts.target_count;
    model->options.sample_rate = session->sample_rate > 0.0 ? session->sample_rate : 1.0;
    SNUG_TRY(snug_model_resolve(&model->options, &model->shapes, err));
    SNUG_TRY(snug_graph_init(&session->graph, &session->setup, GRAPH_NODES, GRAPH_TENSORS, err));
    SNUG_TRY(snug_model_build(&session->graph, &model->options, err));
    model->parameter_count = snug_graph_parameter_count(&session->graph, false);
    if (!session->has_train) {
        return SNUG_OK;
    }
    SNUG_TRY(snug_graph_backward(&session->graph, err));
    const snug_optim_options optimizer = {.name = s->optimizer_name,
                                          .learning_rate = s->optimizer_lr,
                                          .weight_decay = s->optimizer_weight_decay,
                                          .beta1 = s->optimizer_beta1,
                                          .beta2 = s->optimizer_beta2,
                                          .epsilon = s->optimizer_eps,
                                          .momentum = s->optimizer_momentum,
                                          .clip_norm = s->training_clip_norm};
    return snug_optim_attach(&session->graph, &optimizer, err);
}

snug_status snug_session_build(snug_session *session, snug_error *err)
{
    SNUG_TRY(choose_model(session, &session->model.options, err));
    return build_graph(session, err);
}

static snug_status choose_steps(snug_session *session, snug_error *err)
{
    const snug_settings *s = &session->settings;
    const int64_t windows = session->facts.window_count[SNUG_TIMESERIES_TRAIN];
    session->batch = s->training_batch_size * s->training_gradient_accumulation_steps;
    session->steps_per_epoch = snug_max_i64(1, snug_ceil_div(windows, session->batch));
    session->step_count = s->training_max_steps > 0 ? s->training_max_steps
                                                    : s->training_epochs * session->steps_per_epoch;
    const int64_t warmup =
        s->scheduler_warmup_steps > 0
            ? s->scheduler_warmup_steps
            : (int64_t)(s->scheduler_warmup_epochs * (double)session->steps_per_epoch + 0.5);
    session->schedule =
        (snug_schedule){.peak = s->optimizer_lr,
                        .end = s->scheduler_min_lr,
                        .power = 1.0,
                        .warmup_steps = snug_min_i64(warmup, session->step_count - 1),
                        .total_steps = session->step_count};
    if (session->steps_max > 0) {
        session->step_count = snug_min_i64(session->step_count, session->steps_max);
    }
    const char *name = strcmp(s->scheduler_name, "none") == 0 || s->scheduler_name[0] == '\0'
                           ? "constant"
                           : s->scheduler_name;
    return snug_schedule_find(name, &session->schedule.kind, err);
}

/** The run folder: made, locked, and checked against what is asked. */
static snug_status open_folder(snug_session *session, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    if (session->purpose != SNUG_PURPOSE_TRAIN || session->out[0] == '\0') {
        return SNUG_OK;
    }
    SNUG_TRY(snug_path_join(session->out, "checkpoints", path, err));
    SNUG_TRY(snug_folder_make(path, err));
    SNUG_TRY(snug_path_join(session->out, ".lock", path, err));
    SNUG_TRY(snug_lock_acquire(path, &session->lock, err));
    SNUG_TRY(snug_path_join(session->out, "checkpoints/last", path, err));
    const bool has_checkpoint = snug_path_look(path) == SNUG_PATH_FOLDER;
    if (has_checkpoint && !session->resume) {
        return SNUG_FAIL(
            err, SNUG_CODE_BUSY,
            "'%s' holds a run already: continue it with --resume, or choose another --out",
            session->out);
    }
    return SNUG_OK;
}

static snug_status choose_machine(snug_session *session, const snug_session_options *options,
                                  snug_error *err)
{
    const snug_settings *s = &session->settings;
    const int64_t threads = options->threads > 0 ? options->threads
                            : s->threads > 0     ? s->threads
                                                 : snug_cpu_cores("");
    if (threads > SNUG_THREADS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "threads is %lld: 1 to %d", (long long)threads,
                         SNUG_THREADS_MAX);
    }
    session->threads = (int32_t)threads;
    SNUG_TRY(snug_isa_choose(&session->isa, err));
    SNUG_TRY(snug_probe_read("", &session->probe, err));
    return snug_budget_choose(options->budget != NULL ? options->budget : s->budget,
                              &session->probe, &session->budget, err);
}

static snug_status copy_path(const char *from, char out[SNUG_PATH_BYTES], snug_error *err)
{
    const size_t bytes = from == NULL ? 0 : strlen(from);
    if (bytes >= SNUG_PATH_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a path has %zu bytes, at most %d", bytes,
                         SNUG_PATH_BYTES - 1);
    }
    if (bytes > 0) {
        memcpy(out, from, bytes + 1);
    }
    return SNUG_OK;
}

snug_status snug_session_create(const snug_settings *settings, const snug_session_options *options,
                                snug_session **out_session, snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL;
    snug_heap_tame_malloc(); /* Foreign code must not hold what it freed when the floor is read. */
    SNUG_TRY(
        snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(snug_session), false, &memory, err));
    snug_session *session = memory;
    session->settings = *settings;
    session->purpose = options->purpose;
    session->resume = options->resume;
    session->recalibrate = options->recalibrate;
    session->steps_max = options->steps;
    session->has_train =
        options->purpose == SNUG_PURPOSE_PLAN || options->purpose == SNUG_PURPOSE_TRAIN;
    snug_heap_arena_init(&session->setup, "session", SNUG_CATEGORY_RUNTIME, SETUP_BLOCK_BYTES);
    SNUG_TRY_DONE(copy_path(options->out, session->out, err));
    SNUG_TRY_DONE(copy_path(options->checkpoint, session->checkpoint, err));
    SNUG_TRY_DONE(choose_machine(session, options, err));
    SNUG_TRY_DONE(choose_model(session, &session->model.options, err));
    SNUG_TRY_DONE(snug_session_open_data(session, err));
    SNUG_TRY_DONE(build_graph(session, err));
    SNUG_TRY_DONE(choose_steps(session, err));
    SNUG_TRY_DONE(snug_session_measure_costs(session, err));
    SNUG_TRY_DONE(snug_session_make_plan(session, err));
    if (session->fits) { /* A refused run leaves no folder behind. */
        SNUG_TRY_DONE(open_folder(session, err));
    }
    *out_session = session;

done:
    if (snug_failed(status)) {
        snug_session_close(session);
    }
    return status;
}

void snug_session_close(snug_session *session)
{
    if (session == NULL) {
        return;
    }
    snug_session_tear_down(session);
    snug_lock_release(&session->lock);
    snug_heap_arena_deinit(&session->index_arena, SNUG_CATEGORY_DATA);
    snug_heap_arena_deinit(&session->setup, SNUG_CATEGORY_RUNTIME);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, session, (int64_t)sizeof *session);
}

void snug_session_stop(snug_session *session)
{
    atomic_store(&session->stop, true);
}
