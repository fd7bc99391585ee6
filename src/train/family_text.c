/* Text classification with a BERT in the layout of Hugging Face: the second family. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "sys/file.h"
#include "sys/link.h"
#include "train/family.h"
#include "train/text_session.h"

enum { METRICS = 4, ITEM_METRICS = 3, SHORTEST = 16 };

static const char *const metric_names[METRICS] = {"accuracy", "macro_f1", "macro_precision",
                                                  "macro_recall"};

static snug_text_own *own_of(const snug_session *session)
{
    return session->own;
}

/** Where config.json, weights and tokenizer are. */
static snug_status find_folder(const snug_session *session, char out[SNUG_PATH_BYTES],
                               snug_error *err)
{
    const char *path = session->settings.model_path;
    if (session->checkpoint[0] != '\0') {
        return snug_session_find_checkpoint(session->checkpoint, out, err);
    }
    if (path[0] == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "model.path is not set: add model.path=FOLDER with config.json, "
                         "model.safetensors and vocab.txt (as huggingface-cli download makes it)");
    }
    if (snug_path_look(path) != SNUG_PATH_FOLDER) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                         "model.path '%s' is no folder; snug fetches nothing from the net: "
                         "download the model first and name its folder",
                         path);
    }
    memcpy(out, path, strlen(path) + 1);
    return SNUG_OK;
}

static double rate(double own, double setting)
{
    return setting >= 0.0 ? setting : own;
}

static snug_status choose(snug_session *session, snug_error *err)
{
    static const snug_bert_activation activations[] = {[SNUG_HF_ACT_GELU] = SNUG_BERT_GELU,
                                                       [SNUG_HF_ACT_GELU_TANH] =
                                                           SNUG_BERT_GELU_TANH,
                                                       [SNUG_HF_ACT_RELU] = SNUG_BERT_RELU};
    snug_text_own *own = own_of(session);
    const snug_settings *s = &session->settings;
    snug_hf_config *c = &own->config;
    SNUG_TRY(find_folder(session, own->folder, err));
    SNUG_TRY(snug_hf_config_read(own->folder, &session->setup, c, err));
    const bool roberta = c->family == SNUG_HF_ROBERTA;
    const int64_t classes = own->model.classes, length = own->model.length;
    own->model = (snug_bert_options){
        .purpose =
            session->purpose == SNUG_PURPOSE_PREDICT ? SNUG_MODEL_PREDICT : SNUG_MODEL_EVALUATE,
        .prefix = roberta ? "roberta" : "bert",
        .vocabulary = c->vocab_size,
        .positions = c->max_position_embeddings,
        .position_offset = c->position_offset,
        .types = c->type_vocab_size,
        .padding_id = c->pad_token_id,
        .hidden = c->hidden_size,
        .layers = c->num_hidden_layers,
        .heads = c->num_attention_heads,
        .intermediate = c->intermediate_size,
        .classes = classes, /* Known before, when a knob is turned: the data are the same. */
        .length = length,
        .activation = activations[c->hidden_act],
        .head = roberta ? SNUG_BERT_DENSE : SNUG_BERT_POOLER,
        .norm_eps = c->layer_norm_eps,
        .init_range = 0.02,
        .dropout = rate(c->hidden_dropout_prob, s->model_dropout),
        .attention_dropout = rate(c->attention_probs_dropout_prob, s->model_dropout),
        .classifier_dropout = rate(c->classifier_dropout, s->model_dropout),
        .smoothing = s->training_label_smoothing,
        .narrow_activations = snug_family_narrow(s)};
    if (s->data_max_length > snug_hf_config_positions(c)) {
        return SNUG_FAIL(
            err, SNUG_CODE_CONFIG, "data.max_length is %lld, the model of '%s' has %lld positions",
            (long long)s->data_max_length, own->folder, (long long)snug_hf_config_positions(c));
    }
    return SNUG_OK;
}

/** Lengths of the buckets: the longest sample, a half, a quarter of it, in steps of 8. */
static void choose_buckets(snug_session *session, snug_text_own *own, int64_t longest)
{
    int32_t count = 0;
    const int64_t positions = snug_hf_config_positions(&own->config);
    for (int64_t b = session->settings.data_length_buckets - 1; b >= 0; b--) {
        const int64_t length = snug_min_i64(
            positions, snug_max_i64(SHORTEST, snug_align_up(snug_ceil_div(longest, 1 << b), 8)));
        if (count == 0 || length > own->options.bucket_length[count - 1]) {
            own->options.bucket_length[count++] = (int32_t)length;
        }
    }
    own->options.bucket_count = count;
    own->options.max_length = own->options.bucket_length[count - 1];
    session->bucket_count = count;
}

static snug_status open_data(snug_session *session, snug_error *err)
{
    snug_text_own *own = own_of(session);
    const snug_settings *s = &session->settings;
    int64_t longest = 1;
    SNUG_TRY(snug_text_data_open(session, own, err));
    own->model.classes = own->labels.count;
    own->options = (snug_text_source_options){
        .validation_fraction = s->data_val_ratio > 0.0 ? s->data_val_ratio : -1.0,
        .test_fraction = s->data_test_ratio > 0.0 ? s->data_test_ratio : -1.0,
        .split_seed = (uint64_t)s->data_split_seed,
        .seed = (uint64_t)s->seed,
        .evaluation_part = SNUG_TEXT_VALIDATION,
        .pad_id = own->tokenizer.padding_id >= 0 ? own->tokenizer.padding_id
                                                 : (int32_t)own->config.pad_token_id,
        .batch = s->training_batch_size * s->training_gradient_accumulation_steps,
        .group_by_length = s->data_group_by_length};
    for (int32_t part = 0; part < SNUG_TEXT_PART_COUNT; part++) {
        if (own->sets[part].path[0] != '\0') {
            own->options.files[part] = &own->sets[part].file;
            longest = snug_max_i64(longest, own->sets[part].file.header.longest);
        }
    }
    choose_buckets(session, own, longest);
    SNUG_TRY(snug_text_source_count(&own->options, session->data.sample_count, err));
    session->data.source_bytes = snug_text_source_size(&own->options);
    return SNUG_OK;
}

static void close_data(snug_session *session)
{
    snug_text_data_close(own_of(session));
}

static snug_status build(snug_session *session, int32_t bucket, snug_graph *graph, snug_error *err)
{
    snug_text_own *own = own_of(session);
    /* A knob may ask for shorter texts than the data have. */
    const int64_t most = snug_align_up(session->settings.data_max_length, 8);
    own->model.length = snug_min_i64(own->options.bucket_length[bucket], most);
    graph->longest = snug_min_i64(own->options.max_length, most);
    return snug_bert_build(graph, &own->model, err);
}

static snug_status open_source(snug_session *session, snug_error *err)
{
    return snug_text_source_open(&own_of(session)->options, &session->source_arena,
                                 &session->source, err);
}

/** Both number them alike. */
static int32_t stream_of(const snug_session *session, int32_t stream)
{
    SNUG_UNUSED(session);
    return stream;
}

static void choose_part(snug_session *session, snug_part part)
{
    static const snug_text_part parts[] = {SNUG_TEXT_TRAIN, SNUG_TEXT_VALIDATION, SNUG_TEXT_TEST};
    own_of(session)->options.evaluation_part = parts[part];
}

static uint64_t hash_settings(const snug_session *session, uint64_t hash)
{
    const snug_settings *s = &session->settings;
    const snug_text_own *own = own_of(session);
    const double numbers[] = {own->model.dropout,
                              own->model.attention_dropout,
                              own->model.classifier_dropout,
                              own->model.smoothing,
                              own->model.norm_eps,
                              (double)own->model.activation,
                              (double)own->model.heads,
                              (double)own->options.bucket_count,
                              (double)own->options.max_length,
                              (double)s->data_max_length,
                              (double)s->data_group_by_length,
                              (double)s->model_pretrained};
    for (int64_t i = 0; i < SNUG_COUNT(numbers); i++) {
        hash = snug_hash64_f64(hash, numbers[i]);
    }
    return snug_hash64_mix(hash, own->tokenizer_hash);
}

static uint64_t hash_data(const snug_session *session)
{
    const snug_text_own *own = own_of(session);
    uint64_t hash = snug_labels_hash(&own->labels);
    for (int32_t part = 0; part < SNUG_TEXT_PART_COUNT; part++) {
        hash = snug_hash64_mix(hash, (uint64_t)session->data.sample_count[part]);
        if (own->options.files[part] != NULL) {
            hash = snug_hash64_mix(hash, snug_token_file_hash(own->options.files[part]));
        }
    }
    return hash;
}

static snug_status load(snug_session *session, snug_error *err)
{
    return session->settings.model_pretrained
               ? snug_text_weights_load(session, own_of(session), err)
               : SNUG_OK;
}

static snug_status complete(const snug_session *session, const char *folder, snug_error *err)
{
    return snug_text_weights_complete(session, own_of(session), folder, err);
}

static int64_t complete_bytes(const snug_session *session)
{
    return snug_text_weights_buffer_bytes(own_of(session));
}

/** The names under which scripts look for the weights, and the history of the run. */
static snug_status finish(const snug_session *session, snug_error *err)
{
    static const char *const links[][2] = {{"best_model", "checkpoints/best"},
                                           {"latest_model", "checkpoints/last"}};
    for (int64_t i = 0; i < SNUG_COUNT(links); i++) {
        char path[SNUG_PATH_BYTES];
        SNUG_TRY(snug_path_join(session->out, links[i][0], path, err));
        SNUG_TRY(snug_link_replace(links[i][1], path, err));
    }
    return snug_text_history_write(session, err);
}

static int64_t item_values(const snug_session *session)
{
    return ITEM_METRICS * own_of(session)->model.classes;
}

static int64_t metrics_bytes(const snug_session *session)
{
    return snug_class_metrics_bytes(own_of(session)->model.classes);
}

static snug_status open_metrics(snug_session *session, snug_arena *arena, snug_error *err)
{
    snug_text_own *own = own_of(session);
    return snug_class_metrics_open(own->model.classes, arena, &own->metrics, err);
}

static void reset_metrics(snug_session *session)
{
    snug_class_metrics_reset(&own_of(session)->metrics);
}

static void add_metrics(snug_session *session, int64_t position, const void *const *shown)
{
    SNUG_UNUSED(position);
    snug_class_metrics_add(&own_of(session)->metrics, shown[0], *(const int32_t *)shown[1]);
}

static void finish_metrics(snug_session *session, snug_evaluation *out)
{
    snug_text_own *own = own_of(session);
    snug_class_metrics *m = &own->metrics;
    const snug_class_result result = snug_class_metrics_finish(m);
    const double all[METRICS] = {result.accuracy, result.macro_f1, result.macro_precision,
                                 result.macro_recall};
    const snug_item_metric each[ITEM_METRICS] = {
        {"precision", m->precision}, {"recall", m->recall}, {"f1", m->f1}};
    for (int32_t i = 0; i < METRICS; i++) {
        out->metrics[i].value = all[i];
    }
    memcpy(out->item_metrics, each, sizeof each);
    out->item_metric_count = ITEM_METRICS;
    out->item = "class";
    out->item_count = m->classes;
    out->item_names = own->labels.names;
    out->confusion = m->confusion;
}

static snug_status open_output(snug_session *session, const snug_predict_options *options,
                               snug_error *err)
{
    snug_text_own *own = own_of(session);
    return snug_text_output_open(options, own, &own->output, err);
}

static snug_status add_output(snug_session *session, int64_t position, const float *prediction,
                              snug_error *err)
{
    return snug_text_output_add(own_of(session)->output, position, prediction, err);
}

static snug_status commit_output(snug_session *session, int64_t *out_rows, snug_error *err)
{
    return snug_text_output_commit(own_of(session)->output, out_rows, err);
}

static void close_output(snug_session *session)
{
    snug_text_output_close(own_of(session)->output);
    own_of(session)->output = NULL;
}

static void describe(const snug_session *session, snug_text *text)
{
    const snug_text_own *own = own_of(session);
    snug_text_say(text, "Model      %s of '%s', %.2f M parameters, %lld classes, %d tokens",
                  own->config.model_type, own->folder, (double)session->parameter_count / 1e6,
                  (long long)own->model.classes, own->options.max_length);
    for (int32_t b = own->options.bucket_count - 2; b >= 0; b--) {
        snug_text_add(text, "%s%d",
                      b == own->options.bucket_count - 2 ? " (shorter batches " : ", ",
                      own->options.bucket_length[b]);
    }
    snug_text_add(text, "%s\n", own->options.bucket_count > 1 ? ")" : "");
    snug_text_say(text, "Data       %lld training, %lld validation and %lld test texts\n",
                  (long long)session->data.sample_count[0],
                  (long long)session->data.sample_count[1],
                  (long long)session->data.sample_count[2]);
}

static bool turn_length(snug_settings *settings, const snug_session *session)
{
    SNUG_UNUSED(session);
    settings->data_max_length /= 2;
    return settings->data_max_length >= SHORTEST;
}

static void value_length(const snug_settings *settings, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "%lld", (long long)settings->data_max_length);
}

static const snug_family_knob knobs[] = {
    {"training.precision", "activations rounded to bf16: about the same losses, other bits",
     snug_knob_turn_precision, snug_knob_value_precision},
    {"data.max_length", "shorter texts: what is beyond is cut off", turn_length, value_length},
    {"training.batch_size", "a smaller global batch: noisier steps", snug_knob_turn_batch,
     snug_knob_value_batch},
    {"optimizer.name", "no moments: another optimizer, another learning rate",
     snug_knob_turn_optimizer, snug_knob_value_optimizer},
};

const snug_family snug_family_text = {
    .name = "text",
    .sample = "texts",
    .metric_names = metric_names,
    .metric_count = METRICS,
    .score = 1,
    .classes = true,
    .own_bytes = (int64_t)sizeof(snug_text_own),
    .graph_nodes_max = SNUG_GRAPH_NODES_MAX,
    .graph_tensors_max = SNUG_GRAPH_TENSORS_MAX,
    .choose = choose,
    .open_data = open_data,
    .close_data = close_data,
    .build = build,
    .open_source = open_source,
    .stream = stream_of,
    .choose_part = choose_part,
    .hash_settings = hash_settings,
    .hash_data = hash_data,
    .load = load,
    .complete = complete,
    .complete_bytes = complete_bytes,
    .finish = finish,
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
