#include "config/schema.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/text.h"

#define AT(field) ((int64_t)offsetof(snug_settings, field))
#define INT(key_, field_, default_, low_, high_, unit_, help_)                                     \
    {                                                                                              \
        .key = key_, .kind = SNUG_SETTING_INT, .offset = AT(field_), .fallback = default_,         \
        .low = low_, .high = high_, .unit = unit_, .help = help_                                   \
    }
#define REAL(key_, field_, default_, low_, high_, unit_, help_)                                    \
    {                                                                                              \
        .key = key_, .kind = SNUG_SETTING_REAL, .offset = AT(field_), .fallback = default_,        \
        .low = low_, .high = high_, .unit = unit_, .help = help_                                   \
    }
#define BOOL(key_, field_, default_, help_)                                                        \
    {                                                                                              \
        .key = key_, .kind = SNUG_SETTING_BOOL, .offset = AT(field_), .fallback = default_,        \
        .unit = "", .help = help_                                                                  \
    }
#define TEXT(key_, field_, default_, help_)                                                        \
    {                                                                                              \
        .key = key_, .kind = SNUG_SETTING_TEXT, .offset = AT(field_), .fallback = default_,        \
        .unit = "", .help = help_                                                                  \
    }
#define CHOICE(key_, field_, default_, choices_, help_)                                            \
    {                                                                                              \
        .key = key_, .kind = SNUG_SETTING_CHOICE, .offset = AT(field_), .fallback = default_,      \
        .unit = "", .choices = choices_, .help = help_                                             \
    }
#define BYTES(key_, field_, default_, low_, high_, help_)                                          \
    {                                                                                              \
        .key = key_, .kind = SNUG_SETTING_BYTES, .offset = AT(field_), .fallback = default_,       \
        .low = low_, .high = high_, .unit = "bytes", .help = help_                                 \
    }
#define STAGE(n)                                                                                   \
    INT("model.tds_stages." #n ".in_conv_kernel", model_stages[n].in_conv_kernel, "0", 0, 1e4,     \
        "rows", "kernel of the convolution that opens stage " #n "; 0 = the stage is not given"),  \
        INT("model.tds_stages." #n ".in_conv_stride", model_stages[n].in_conv_stride, "0", 0, 1e4, \
            "rows", "its stride"),                                                                 \
        INT("model.tds_stages." #n ".num_blocks", model_stages[n].num_blocks, "0", 0, 64, "",      \
            "TDS blocks of stage " #n),                                                            \
        INT("model.tds_stages." #n ".channels", model_stages[n].channels, "0", 0, 4096, "",        \
            "channels of its blocks"),                                                             \
        INT("model.tds_stages." #n ".feature_width", model_stages[n].feature_width, "0", 0, 4096,  \
            "", "width of its blocks; features = channels x width"),                               \
        INT("model.tds_stages." #n ".kernel_width", model_stages[n].kernel_width, "0", 0, 1e4,     \
            "rows", "kernel in time of its blocks"),                                               \
        INT("model.tds_stages." #n ".out_channels", model_stages[n].out_channels, "0", 0, 4096,    \
            "", "linear projection at its end; 0 = none")

/* The ranges are also what a person may mean: a batch of 10^9 is a slip of the keyboard. */
#define COUNT 1e12

static const snug_setting rows[] = {
    INT("seed", seed, "42", 0, 9e15, "", "seed of every random number"),
    INT("threads", threads, "0", 0, SNUG_THREADS_MAX, "", "compute threads; 0 = all cores"),
    {.key = "budget",
     .kind = SNUG_SETTING_BUDGET,
     .offset = AT(budget),
     .fallback = "auto",
     .unit = "",
     .help = "memory the run may use: 600MiB, 60% of what is free, or auto"},

    TEXT("data.path", data_path, "", "folder of HDF5 sessions, or one file"),
    TEXT("data.group", data_group, "", "HDF5 group of the data set; empty = find it"),
    TEXT("data.dataset", data_dataset, "timeseries", "name of the compound data set"),
    TEXT("data.inputs", data_inputs_name, "emg", "member that holds the input channels"),
    TEXT("data.targets", data_targets_name, "joint_angles", "member that holds the targets"),
    TEXT("data.time", data_time_name, "time",
         "accepted: windows are cut by rows, the rate is an attribute of the file"),
    TEXT("data.metadata", data_metadata, "",
         "CSV file with the split of every session; empty = split by file with data.split_seed"),
    TEXT("data.cache_dir", data_cache_dir, "",
         "folder for normalised windows on disk; empty = no such cache"),
    INT("data.window", data_window, "1000", 1, 1e9, "rows", "length of a window"),
    INT("data.stride", data_stride, "1", 0, 1e9, "rows",
        "distance from window to window; 0 = the window"),
    INT("data.evaluation_stride", data_evaluation_stride, "0", 0, 1e9, "rows",
        "the same in validation and test; 0 = data.stride"),
    INT("data.padding_left", data_padding_left, "0", 0, 1e9, "rows",
        "context before a window, as far as the session has it"),
    INT("data.padding_right", data_padding_right, "0", 0, 1e9, "rows",
        "context after a window, as far as the session has it"),
    BOOL("data.jitter", data_jitter, "false", "shift training windows by less than the stride"),
    BOOL("data.rotate_channels", data_rotate_channels, "false",
         "rotate the input channels by -1, 0 or 1 in training"),
    BOOL("data.skip_invalid", data_skip_invalid, "false",
         "use windows without invalid rows only (all targets zero)"),
    BOOL("data.mask", data_mask, "true", "leave invalid rows out of loss and metrics"),
    BOOL("data.normalize", data_normalize, "false",
         "scale each input channel to mean 0 and deviation 1, from sampled rows"),
    BOOL("data.normalize_targets", data_normalize_targets, "false",
         "scale the targets as well; metrics stay in the data's own units"),
    CHOICE("data.normalize_with", data_normalize_with, "session", "session|train",
           "statistics of each session by itself, or of the train split together"),
    INT("data.max_samples_for_normalize", data_max_samples_for_normalize, "10000", 2, 1e9, "rows",
        "rows sampled per session for the statistics"),
    BYTES("data.chunk_cache_size", data_chunk_cache_size, "64MiB", 0, (double)((int64_t)1 << 40),
          "decoded chunks kept in memory, shared by all files and workers"),
    INT("data.num_workers", data_num_workers, "4", 0, SNUG_WORKERS_MAX, "",
        "loader threads; 0 = load in the training thread"),
    INT("data.prefetch_factor", data_prefetch_factor, "2", 1, 64, "",
        "how far workers read ahead, within the budget"),
    INT("data.max_files", data_max_files, "0", 0, SNUG_FILES_MAX, "files",
        "use the first so many sessions only; 0 = all"),
    INT("data.split_seed", data_split_seed, "42", 0, 9e15, "", "seed of the split by file"),
    REAL("data.train_ratio", data_train_ratio, "0.7", 0, 1, "", "share of the files to train on"),
    REAL("data.val_ratio", data_val_ratio, "0.15", 0, 1, "", "share of the files to validate on"),
    REAL("data.test_ratio", data_test_ratio, "0.15", 0, 1, "", "share of the files to test on"),

    TEXT("data.valid_path", data_valid_path, "",
         "text to validate on; empty = valid.* beside train.*, else cut from the training rows"),
    TEXT("data.test_path", data_test_path, "", "text to test on; empty = test.*, or cut likewise"),
    CHOICE("data.format", data_format, "auto", "auto|csv|tsv|jsonl|lines",
           "how text files are written; auto = by name and content"),
    TEXT("data.text_field", data_text_field, "", "column of the text, by name or number from 0"),
    TEXT("data.pair_field", data_pair_field, "", "column of a second text; empty = usual names"),
    TEXT("data.label_field", data_label_field, "", "column of the label; empty = usual names"),
    TEXT("data.label_map", data_label_map, "",
         "label2id.json, or one name a line; empty = the sorted labels of the data"),
    INT("data.max_length", data_max_length, "128", 3, 65536, "tokens",
        "longer texts are cut, [CLS] and [SEP] included"),
    INT("data.length_buckets", data_length_buckets, "3", 1, 4, "",
        "a batch is as long as the smallest of so many lengths that holds it"),
    BOOL("data.group_by_length", data_group_by_length, "false",
         "train on batches of like length; another order, so another result"),

    CHOICE("model.name", model_name, "tds_lstm",
           "tds_lstm|tds_lstm_plain|regression_vemg2pose|tracking_vemg2pose|plain_emg2pose|bert",
           "which network"),
    TEXT("model.path", model_path, "",
         "folder of a pretrained model: config.json, model.safetensors, vocab.txt"),
    REAL("model.dropout_rate", model_dropout, "-1", -1, 0.99, "",
         "all dropout rates of bert; -1 = as its config.json has"),
    BOOL("model.pretrained", model_pretrained, "true",
         "false takes shape and tokenizer of model.path, and new weights"),
    INT("model.hidden", model_hidden, "0", 0, 8192, "", "width of the LSTM; 0 = the model's own"),
    INT("model.layers", model_layers, "0", 0, 16, "", "layers of the LSTM; 0 = the model's own"),
    REAL("model.sample_rate", model_sample_rate, "0", 0, 1e7, "Hz",
         "sampling rate of the inputs; 0 = from the data"),
    REAL("model.rollout_rate", model_rollout_rate, "0", 0, 1e7, "Hz",
         "steps of the decoder per second; 0 = the model's own"),
    CHOICE("model.decoder", model_decoder, "", "|plain|position|velocity|position_then_velocity",
           "what the decoder predicts; empty = the model's own"),
    INT("model.channels", model_channels, "0", 0, SNUG_CHANNELS_MAX, "",
        "input channels expected; 0 = as the data has"),
    INT("model.target_count", model_targets, "0", 0, SNUG_CHANNELS_MAX, "",
        "targets expected; 0 = as the data has"),
    STAGE(0),
    STAGE(1),
    STAGE(2),
    STAGE(3),

    INT("training.batch_size", training_batch_size, "64", 1, 1e6, "samples",
        "samples per accumulation step; times the steps it is the global batch"),
    INT("training.gradient_accumulation_steps", training_gradient_accumulation_steps, "1", 1, 1e6,
        "", "batches per optimizer step; snug chooses the micro-batch by itself"),
    INT("training.max_steps", training_max_steps, "0", 0, COUNT, "steps",
        "stop after so many optimizer steps; 0 = by epochs"),
    INT("training.epochs", training_epochs, "100", 1, 1e9, "", "passes over the training windows"),
    INT("training.checkpoint_every_steps", training_checkpoint_every_steps, "0", 0, COUNT, "steps",
        "0 = at the end of every epoch"),
    INT("training.keep_checkpoints", training_keep_checkpoints, "3", 1, 1e6, "",
        "numbered checkpoints kept beside last and best"),
    INT("training.eval_every_steps", training_eval_every_steps, "0", 0, COUNT, "steps",
        "0 = at the end of every epoch"),
    INT("training.log_every_steps", training_log_every_steps, "10", 1, COUNT, "steps",
        "one line of metrics.jsonl per so many steps"),
    BOOL("training.early_stopping", training_early_stopping, "true",
         "stop when validation stops improving (see the patience)"),
    INT("training.early_stopping_patience", training_early_stopping_patience, "20", 0, 1e9,
        "evaluations", "evaluations without improvement before stopping; 0 = never"),
    BOOL("training.smart", training_smart, "false",
         "train in rounds of epochs until the target is met or rounds bring nothing more"),
    INT("training.round_epochs", training_round_epochs, "10", 1, 1e9, "epochs",
        "length of a round of smart training"),
    INT("training.round_patience", training_round_patience, "2", 1, 1e6, "rounds",
        "rounds without progress before smart training ends"),
    TEXT("training.target", training_target, "",
         "smart training ends when this holds after an evaluation, like accuracy>0.9"),
    REAL("training.min_delta", training_min_delta, "0.0001", 0, 1e9, "",
         "least improvement of the validation loss that counts"),
    BOOL("training.restore_best", training_restore_best, "true",
         "end with the best weights when stopped early"),
    REAL("training.clip_norm", training_clip_norm, "1.0", 0, 1e9, "",
         "largest global norm of the gradient; 0 = no clipping"),
    CHOICE("training.clip_passes", training_clip_passes, "auto", "auto|1|2",
           "with clipping: 2 makes the gradients twice, so that not all are in memory at once, "
           "with the same result; auto when it is needed or faster"),
    CHOICE("training.loss", training_loss, "mse_mae", "mae|mse|mse_mae",
           "mean absolute error, mean squared error, or mse + mae_weight x mae"),
    REAL("training.mae_weight", training_mae_weight, "0.5", 0, 1e6, "", "weight of mae in mse_mae"),
    REAL("training.label_smoothing", training_label_smoothing, "0", 0, 0.99, "",
         "share of a class's target that is spread over all classes"),
    CHOICE("training.precision", training_precision, "fp32", "fp32|bf16_activations",
           "how activations are stored; bf16_activations (two bytes, arithmetic in fp32) halves "
           "their memory and changes the result"),
    BOOL("training.compute_metrics_online", training_compute_metrics_online, "true",
         "false collects every prediction first (debugging); the numbers are the same"),
    BOOL("training.tensorboard", training_tensorboard, "true",
         "write events for TensorBoard into the run's folder"),
    CHOICE("training.on_pressure", training_on_pressure, "shrink", "shrink|stop|warn",
           "when memory around the run gets short: a smaller plan, a stop with checkpoint, words"),
    BOOL("training.strict_memory_check", training_strict_memory_check, "false",
         "stop with a checkpoint when memory stays short, whoever takes it"),
    BOOL("training.persistent_workers", training_persistent_workers, "true",
         "accepted: workers always live as long as the run"),
    BOOL("training.pin_memory", training_pin_memory, "true", "accepted: matters with a GPU only"),

    CHOICE("optimizer.name", optimizer_name, "adamw", "adamw|adam|sgd|adamw8|adafactor",
           "which optimizer; adamw8 (8-bit moments) and adafactor (moments by row and column) take "
           "less memory and change the result"),
    REAL("optimizer.lr", optimizer_lr, "0.0005", 0, 1e3, "", "learning rate"),
    REAL("optimizer.weight_decay", optimizer_weight_decay, "0.01", 0, 1e3, "", "weight decay"),
    REAL("optimizer.beta1", optimizer_beta1, "0.9", 0, 0.999999, "", "decay of the first moment"),
    REAL("optimizer.beta2", optimizer_beta2, "0.999", 0, 0.9999999, "",
         "decay of the second moment"),
    REAL("optimizer.eps", optimizer_eps, "1e-08", 0, 1, "",
         "added to the root of the second moment"),
    REAL("optimizer.momentum", optimizer_momentum, "0", 0, 0.999999, "", "momentum of sgd"),
    CHOICE("optimizer.no_decay", optimizer_no_decay, "none", "none|bias_norm",
           "bias_norm: no weight decay on biases and on the weights of normalisations"),

    CHOICE("scheduler.name", scheduler_name, "cosine", "none|cosine|linear",
           "how the learning rate falls"),
    REAL("scheduler.warmup_epochs", scheduler_warmup_epochs, "5", 0, 1e6, "epochs",
         "linear warm-up"),
    REAL("scheduler.warmup_ratio", scheduler_warmup_ratio, "0", 0, 1, "",
         "linear warm-up over this share of all steps; above 0 it replaces warmup_epochs"),
    INT("scheduler.warmup_steps", scheduler_warmup_steps, "0", 0, COUNT, "steps",
        "linear warm-up in steps; above 0 it replaces warmup_epochs"),
    REAL("scheduler.min_lr", scheduler_min_lr, "0", 0, 1e3, "", "where the fall ends"),
};

#define RENAMED(key_, target_)                                                                     \
    {                                                                                              \
        .key = key_, .kind = SNUG_ALIAS_KEY, .target = target_                                     \
    }
#define ACCEPTED(key_, choices_, note_)                                                            \
    {                                                                                              \
        .key = key_, .kind = SNUG_ALIAS_ACCEPTED, .choices = choices_, .note = note_               \
    }

/* The spellings of the time-series project whose users come here, section by section. */
static const snug_alias aliases[] = {
    RENAMED("data.dataset_path", "data.path"),
    RENAMED("data.hdf5_group", "data.group"),
    RENAMED("data.table_name", "data.dataset"),
    RENAMED("data.window_size", "data.window"),
    RENAMED("data.window_length", "data.window"),
    RENAMED("data.emg_channels", "model.channels"),
    RENAMED("data.joint_angles_channels", "model.target_count"),
    RENAMED("data.split_ratio.0", "data.train_ratio"),
    RENAMED("data.split_ratio.1", "data.val_ratio"),
    RENAMED("data.split_ratio.2", "data.test_ratio"),
    RENAMED("data.padding.0", "data.padding_left"),
    RENAMED("data.padding.1", "data.padding_right"),
    RENAMED("data.skip_ik_failures", "data.skip_invalid"),
    RENAMED("data.persistent_workers", "training.persistent_workers"),
    RENAMED("data.pin_memory", "training.pin_memory"),
    RENAMED("data.batch_size", "training.batch_size"),
    ACCEPTED("data.shuffle", "true", "training windows are always shuffled by the seed"),
    RENAMED("model.input_size", "model.channels"),
    RENAMED("model.output_size", "model.target_count"),
    RENAMED("model.decoder_hidden_size", "model.hidden"),
    RENAMED("model.decoder_num_layers", "model.layers"),
    RENAMED("model.rollout_freq", "model.rollout_rate"),
    RENAMED("model.original_sampling_rate", "model.sample_rate"),
    ACCEPTED("model.dropout", NULL,
             "the networks for time series are built without; for bert say model.dropout_rate"),
    ACCEPTED("model.decoder_type", "sequential_lstm", "the decoder is an LSTM"),
    ACCEPTED("model.decoder_state_condition", "true", "the decoder sees its last prediction"),
    ACCEPTED("model.predict_velocity", "false", "model.name says what is predicted"),
    RENAMED("training.num_epochs", "training.epochs"),
    RENAMED("training.learning_rate", "optimizer.lr"),
    RENAMED("training.weight_decay", "optimizer.weight_decay"),
    RENAMED("training.optimizer", "optimizer.name"),
    RENAMED("training.scheduler", "scheduler.name"),
    RENAMED("training.loss_type", "training.loss"),
    RENAMED("training.warmup_epochs", "scheduler.warmup_epochs"),
    RENAMED("training.gradient_clip_norm", "training.clip_norm"),
    RENAMED("training.patience", "training.early_stopping_patience"),
    RENAMED("training.restore_best_weights", "training.restore_best"),
    RENAMED("training.num_workers", "data.num_workers"),
    RENAMED("training.prefetch_factor", "data.prefetch_factor"),
    ACCEPTED("training.step_size", NULL, "only the step schedule reads it, and there is none"),
    ACCEPTED("training.gamma", NULL, "only the step schedule reads it, and there is none"),
    ACCEPTED("training.device", "auto|cpu", "snug computes on the CPU"),
    ACCEPTED("training.monitor_metric", "val_loss", "the validation loss decides"),
    ACCEPTED("training.use_pose_module", "false", "model.name says which network"),
    ACCEPTED("training.provide_initial_pos", "false", "model.name says which network"),
    RENAMED("data.train_file", "data.path"),
    RENAMED("data.validation_file", "data.valid_path"),
    RENAMED("data.valid_file", "data.valid_path"),
    RENAMED("data.test_file", "data.test_path"),
    RENAMED("model.model_name", "model.path"),
    RENAMED("model.max_length", "data.max_length"),
    {.key = "training.use_amp",
     .kind = SNUG_ALIAS_KEY,
     .target = "training.precision",
     .choices = "true|false",
     .values = "bf16_activations|fp32"},
    ACCEPTED("training.gradient_checkpointing", "true|false",
             "what is kept and what is computed again is the plan's choice, at equal bits"),
    RENAMED("logging.log_every", "training.log_every_steps"),
    ACCEPTED("logging.checkpoint_dir", NULL, "checkpoints go to the run folder, see --out"),
    ACCEPTED("logging.log_dir", NULL, "logs go to the run folder, see --out"),
    ACCEPTED("logging.save_every", NULL, "a checkpoint is written at the end of every epoch"),
    ACCEPTED("logging.save_best_only", NULL, "the best and the last checkpoint are both kept"),
    ACCEPTED("logging.monitor", "val_loss", "the validation loss decides"),
    ACCEPTED("logging.mode", "min", "the validation loss decides"),
};

int64_t snug_setting_count(void)
{
    return SNUG_COUNT(rows);
}

const snug_setting *snug_setting_at(int64_t index)
{
    SNUG_ASSERT(index >= 0 && index < SNUG_COUNT(rows));
    return &rows[index];
}

int64_t snug_setting_find(const char *key)
{
    for (int64_t i = 0; i < SNUG_COUNT(rows); i++) {
        if (strcmp(rows[i].key, key) == 0) {
            return i;
        }
    }
    return -1;
}

int64_t snug_alias_count(void)
{
    return SNUG_COUNT(aliases);
}

const snug_alias *snug_alias_at(int64_t index)
{
    SNUG_ASSERT(index >= 0 && index < SNUG_COUNT(aliases));
    return &aliases[index];
}

int64_t snug_alias_find(const char *key)
{
    for (int64_t i = 0; i < SNUG_COUNT(aliases); i++) {
        if (strcmp(aliases[i].key, key) == 0) {
            return i;
        }
    }
    return -1;
}

static bool lies_in(const char *key, const char *prefix)
{
    const size_t length = strlen(prefix);
    return strncmp(key, prefix, length) == 0 && key[length] == '.';
}

bool snug_setting_is_section(const char *prefix)
{
    for (int64_t i = 0; i < SNUG_COUNT(rows); i++) {
        if (lies_in(rows[i].key, prefix)) {
            return true;
        }
    }
    for (int64_t i = 0; i < SNUG_COUNT(aliases); i++) {
        if (lies_in(aliases[i].key, prefix)) {
            return true;
        }
    }
    return false;
}

static const char *last_word(const char *key)
{
    const char *dot = strrchr(key, '.');
    return dot == NULL ? key : dot + 1;
}

const char *snug_setting_nearest(const char *key)
{
    const char *names[SNUG_COUNT(rows) + SNUG_COUNT(aliases)];
    const char *words[SNUG_COUNT(rows) + SNUG_COUNT(aliases)];
    int64_t count = 0;
    for (int64_t i = 0; i < SNUG_COUNT(rows); i++) {
        names[count++] = rows[i].key;
    }
    for (int64_t i = 0; i < SNUG_COUNT(aliases); i++) {
        names[count++] = aliases[i].key;
    }
    /* The right word in the wrong section, or in none, is the usual slip. */
    const char *word = last_word(key);
    for (int64_t i = 0; i < count; i++) {
        words[i] = last_word(names[i]);
        if (strcmp(words[i], word) == 0) {
            return names[i];
        }
    }
    const char *near = snug_nearest_name(key, names, count);
    if (near != NULL) {
        return near;
    }
    /* Words of one or two letters are near to everything. */
    const char *near_word = strlen(word) < 3 ? NULL : snug_nearest_name(word, words, count);
    for (int64_t i = 0; near_word != NULL && i < count; i++) {
        if (words[i] == near_word) {
            return names[i];
        }
    }
    return NULL;
}
