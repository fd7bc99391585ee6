/* labels: fast */
/* Configuration files: every mistake is named with its exact place, and nothing else changes. */
#include "check.h"

#include <unistd.h>

#include "config/layers.h"
#include "sys/file.h"

enum { SCRATCH_BYTES = 1 << 22 };
static _Alignas(SNUG_ALIGN) unsigned char scratch_memory[SCRATCH_BYTES];
static snug_arena scratch;
static snug_config config;
static char folder[64];

static const char *write_file(const char *name, const char *text)
{
    static char path[160];
    snug_error err = {0};
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_OK(snug_file_write_all(path, text, (int64_t)strlen(text), &err));
    return path;
}

static snug_status load(const char *source, const char *profile, const char *const *overrides,
                        int64_t override_count, snug_error *err)
{
    snug_arena_init(&scratch, "config test", scratch_memory, SCRATCH_BYTES);
    const snug_status status = snug_config_load(
        &config, &(snug_config_sources){source, profile, overrides, override_count}, &scratch, err);
    assert_int_equal(scratch.used_bytes, 0);
    return status;
}

/* The file is refused with exactly this message ("FILE" stands for its path), nothing changed. */
static void refused(const char *text, snug_status code, const char *message)
{
    snug_error err = {0};
    static snug_config before;
    char expected[1400];
    memset(&config, 0x5a, sizeof config);
    memcpy(&before, &config, sizeof config);
    const char *path = write_file("c.yaml", text);
    CHECK_FAILS(load(path, NULL, NULL, 0, &err), code);
    (void)snprintf(expected, sizeof expected, "%s%s", strncmp(message, "FILE", 4) == 0 ? path : "",
                   strncmp(message, "FILE", 4) == 0 ? message + 4 : message);
    assert_string_equal(err.message, expected);
    assert_memory_equal(&config, &before, sizeof config);
}

static void mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    refused("data:\n  window: 100\n  windw_size: 5\n", SNUG_CODE_CONFIG,
            "FILE:3:3: unknown key 'data.windw_size'; did you mean 'data.window_size'?");
    refused("batch_size: 5\n", SNUG_CODE_CONFIG,
            "FILE:1:1: unknown key 'batch_size'; did you mean 'training.batch_size'?");
    refused("zzzzzzzzzzzzzzz: 5\n", SNUG_CODE_CONFIG,
            "FILE:1:1: unknown key 'zzzzzzzzzzzzzzz'; 'snug config show' lists all keys");
    refused("training:\n    batch_size: many\n", SNUG_CODE_CONFIG,
            "FILE:2:17: training.batch_size must be a whole number, not 'many'");
    refused("training:\n  batch_size: 0\n", SNUG_CODE_CONFIG,
            "FILE:2:15: training.batch_size must be from 1 to 1000000 samples, not 0");
    refused("seed: -1\n", SNUG_CODE_CONFIG,
            "FILE:1:7: seed must be from 0 to 9000000000000000, not -1");
    refused("optimizer: {lr: fast}\n", SNUG_CODE_CONFIG,
            "FILE:1:17: optimizer.lr must be a number, not 'fast'");
    refused("optimizer: {lr: nan}\n", SNUG_CODE_CONFIG,
            "FILE:1:17: optimizer.lr must be a number, not 'nan'");
    refused("optimizer:\n  beta1: 1.5\n", SNUG_CODE_CONFIG,
            "FILE:2:10: optimizer.beta1 must be from 0 to 0.999999, not 1.5");
    refused("data:\n  jitter: maybe\n", SNUG_CODE_CONFIG,
            "FILE:2:11: data.jitter must be true or false, not 'maybe'");
    refused("optimizer:\n  name: adamv\n", SNUG_CODE_CONFIG,
            "FILE:2:9: optimizer.name is 'adamv', but must be adamw, adam, sgd, adamw8 or "
            "adafactor; did you mean 'adamw'?");
    refused("data:\n  chunk_cache_size: 64XB\n", SNUG_CODE_CONFIG,
            "FILE:2:21: data.chunk_cache_size: '64XB' is not a size; write it like 600MiB, 1.5GiB "
            "or 4096B");
    refused("budget: 600\n", SNUG_CODE_CONFIG,
            "FILE:1:9: budget: '600' has no unit; did you mean '600MiB' or '600B'?");
    refused("budget: 140%\n", SNUG_CODE_CONFIG,
            "FILE:1:9: budget must be above 0% and at most 100%, not '140%'");
    refused("data:\n  num_workers: 17\n", SNUG_CODE_CONFIG,
            "FILE:2:16: data.num_workers must be from 0 to 16, not 17");
    refused("training:\n  device: cuda\n", SNUG_CODE_CONFIG,
            "FILE:2:11: training.device is 'cuda', but only 'auto|cpu' is supported: snug computes "
            "on the CPU");
    refused("data:\n  split_ratio: [0.7, 0.2, 0.15]\n", SNUG_CODE_CONFIG,
            "data.train_ratio, val_ratio and test_ratio must add up to 1, not 1.05");
    refused("data:\n  split_ratio: [0.7, 0.15, 0.1, 0.05]\n", SNUG_CODE_CONFIG,
            "FILE:2:33: unknown key 'data.split_ratio.3'; did you mean 'data.split_ratio.0'?");
    refused("model:\n  tds_stages:\n    - in_conv_kernel: 5\n", SNUG_CODE_CONFIG,
            "model.tds_stages.0.in_conv_stride is not set, but the stage is given");
    refused("profile: low_memry\n", SNUG_CODE_CONFIG,
            "FILE: there is no profile 'low_memry'; did you mean 'low_memory'?");
    refused("extends: timeserie\n", SNUG_CODE_NOT_FOUND,
            "no file and no built-in configuration 'timeserie'; did you mean 'timeseries'?");
}

static void keys_are_given_once(void **state)
{
    (void)state;
    refused("data:\n  window: 100\n  window: 100\n", SNUG_CODE_CONFIG,
            "FILE:3:11: data.window is given twice, first in line 2");
    refused("data:\n  window: 100\n  window_size: 200\n", SNUG_CODE_CONFIG,
            "FILE:3:16: this sets data.window to 200, but line 2 to 100");
    refused("seed: 1\nextends: timeseries\nextends: timeseries\n", SNUG_CODE_CONFIG,
            "FILE:3:10: extends is given twice");
    snug_error err = {0};
    CHECK_OK(
        load(write_file("c.yaml", "data: {window: 100, window_size: 100}\n"), NULL, NULL, 0, &err));
    CHECK(config.settings.data_window == 100);
}

static void broken_documents_are_refused(void **state)
{
    (void)state;
    refused("- 1\n- 2\n", SNUG_CODE_CONFIG,
            "FILE:1:1: a configuration is a mapping (key: value), not a list");
    refused("words\n", SNUG_CODE_CONFIG, "FILE:1:1: a configuration is a mapping (key: value)");
    refused("seed: &a 1\nthreads: *a\n", SNUG_CODE_CONFIG,
            "FILE:2:10: aliases (*name) are not allowed");
    refused("? [1, 2]\n: 3\n", SNUG_CODE_CONFIG, "FILE:1:3: a key must be a plain word");
    refused("seed: 1\n---\nseed: 2\n", SNUG_CODE_CONFIG,
            "FILE:2:1: a configuration is one document, not two");
    refused("a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n", SNUG_CODE_CONFIG,
            "FILE:1:32: nested deeper than 8 levels");
    refused("seed: \"1\n", SNUG_CODE_CONFIG, "FILE:2:1: not YAML: found unexpected end of stream");
    refused("seed: \"a\\0b\"\n", SNUG_CODE_CONFIG, "FILE:1:7: seed holds a zero byte");
}

static void a_file_above_one_mebibyte_is_refused(void **state)
{
    (void)state;
    snug_error err = {0};
    static char big[SNUG_CONFIG_FILE_BYTES_MAX + 2];
    memset(big, '#', sizeof big - 1);
    CHECK_FAILS(load(write_file("big.yaml", big), NULL, NULL, 0, &err), SNUG_CODE_LIMIT);
    CHECK_FAILS(load("no/such/file.yaml", NULL, NULL, 0, &err), SNUG_CODE_NOT_FOUND);
    assert_string_equal(err.message, "there is no configuration file 'no/such/file.yaml'; 'snug "
                                     "config list' lists the built-in ones");
    CHECK_FAILS(load("low_memory", NULL, NULL, 0, &err), SNUG_CODE_NOT_FOUND);
    assert_string_equal(err.message, "'low_memory' is a profile, not a configuration; write: "
                                     "timeseries_small --profile low_memory");
}

/* Keys and values as the requirement document's users have them in configs/low_memory.yaml. */
static const char low_memory[] =
    "data:\n  dataset_path: \"D:/Dataset/emg2pose_dataset_mini\"\n  hdf5_group: \"emg2pose\"\n"
    "  table_name: \"timeseries\"\n  stride: 2\n  emg_channels: 16\n  joint_angles_channels: 20\n"
    "  window_size: 500\n  split_ratio: [0.7, 0.15, 0.15]\n  normalize: false\n  shuffle: true\n"
    "  max_samples_for_normalize: 5000\n  chunk_cache_size: 33554432\n  padding: [0, 10]\n"
    "model:\n  input_size: 16\n  output_size: 20\n  dropout: 0.1\n  tds_stages:\n"
    "    - in_conv_kernel: 5\n      in_conv_stride: 2\n      num_blocks: 2\n      channels: 8\n"
    "      feature_width: 4\n      kernel_width: 21\n"
    "    - in_conv_kernel: 5\n      in_conv_stride: 2\n      num_blocks: 2\n      channels: 8\n"
    "      feature_width: 8\n      kernel_width: 11\n"
    "  decoder_type: \"sequential_lstm\"\n  decoder_hidden_size: 128\n  decoder_num_layers: 2\n"
    "  decoder_state_condition: true\n  predict_velocity: false\n  rollout_freq: 50\n"
    "  original_sampling_rate: 2000\n"
    "training:\n  num_epochs: 100\n  batch_size: 16\n  learning_rate: 0.0005\n"
    "  weight_decay: 0.01\n  optimizer: \"adamw\"\n  scheduler: \"cosine\"\n"
    "  loss_type: \"mse+mae\"\n  mae_weight: 0.5\n  warmup_epochs: 5\n  gradient_clip_norm: 1.0\n"
    "  gradient_accumulation_steps: 4\n  early_stopping: true\n  patience: 20\n"
    "  min_delta: 0.0001\n  device: \"auto\"\n  num_workers: 2\n  pin_memory: false\n"
    "  persistent_workers: true\n  prefetch_factor: 1\n  compute_metrics_online: true\n"
    "logging:\n  checkpoint_dir: \"checkpoints\"\n  log_dir: \"logs\"\n  save_every: 5\n"
    "  log_every: 50\n  save_best_only: true\n  monitor: \"val_loss\"\n  mode: \"min\"\n";

static void files_of_the_requirement_document_load(void **state)
{
    (void)state;
    snug_error err = {0};
    CHECK_OK(load(write_file("low_memory.yaml", low_memory), NULL, NULL, 0, &err));
    const snug_settings *s = &config.settings;
    assert_string_equal(s->data_path, "D:/Dataset/emg2pose_dataset_mini");
    CHECK(s->data_stride == 2 && s->data_window == 500 && s->data_padding_right == 10);
    CHECK(s->data_chunk_cache_size == 33554432 && s->data_max_samples_for_normalize == 5000);
    CHECK(s->data_num_workers == 2 && s->data_prefetch_factor == 1);
    CHECK(s->model_channels == 16 && s->model_targets == 20 && s->model_hidden == 128);
    CHECK(s->model_stage_count == 2 && s->model_stages[1].kernel_width == 11);
    CHECK(s->training_batch_size == 16 && s->training_gradient_accumulation_steps == 4);
    CHECK(s->training_log_every_steps == 50 && !s->training_pin_memory);
    CHECK(s->optimizer_lr == 0.0005 && s->model_rollout_rate == 50);
    assert_string_equal(s->training_loss, "mse_mae");
    CHECK(s->training_early_stopping_patience == 20);
    CHECK(config.note_count == 12);
    assert_string_equal(config.notes[0],
                        "data.shuffle has no effect: training windows are always shuffled by the "
                        "seed");
}

static void layers_and_origins(void **state)
{
    (void)state;
    snug_error err = {0};
    char origin[SNUG_SETTING_TEXT_BYTES];
    char expected[256];
    static char base[160];
    (void)snprintf(base, sizeof base, "%s",
                   write_file("base.yaml", "extends: timeseries\nseed: 7\nthreads: 1\n"));
    char text[400];
    (void)snprintf(text, sizeof text,
                   "profile: low_memory\nextends: %s\nthreads: 2\ndata:\n  num_workers: 3\n", base);
    const char *path = write_file("top.yaml", text);
    static const char *const overrides[] = {"training.batch_size=8", "training.batch_size=4"};
    CHECK_OK(load(path, NULL, overrides, 2, &err));
    const snug_settings *s = &config.settings;
    CHECK(s->seed == 7 && s->threads == 2 && s->data_num_workers == 3 && s->data_window == 11790);
    CHECK(s->training_batch_size == 4 && s->training_gradient_accumulation_steps == 4);

    snug_config_origin_text(&config, snug_setting_find("seed"), origin);
    (void)snprintf(expected, sizeof expected, "%s:2:1", base);
    assert_string_equal(origin, expected);
    snug_config_origin_text(&config, snug_setting_find("data.num_workers"), origin);
    (void)snprintf(expected, sizeof expected, "%s:5:3", path);
    assert_string_equal(origin, expected);
    snug_config_origin_text(&config, snug_setting_find("data.window"), origin);
    assert_string_equal(origin, "built-in timeseries");
    snug_config_origin_text(&config, snug_setting_find("data.prefetch_factor"), origin);
    assert_string_equal(origin, "profile low_memory");
    snug_config_origin_text(&config, snug_setting_find("training.batch_size"), origin);
    assert_string_equal(origin, "command line");
    snug_config_origin_text(&config, snug_setting_find("optimizer.beta1"), origin);
    assert_string_equal(origin, "default");
}

static void a_circle_of_files_ends(void **state)
{
    (void)state;
    snug_error err = {0};
    char text[200];
    (void)snprintf(text, sizeof text, "extends: %s/ring.yaml\n", folder);
    CHECK_FAILS(load(write_file("ring.yaml", text), NULL, NULL, 0, &err), SNUG_CODE_CONFIG);
    CHECK(strstr(err.message, "more than 4 files extend each other") != NULL);
}

static void what_is_printed_loads_again(void **state)
{
    (void)state;
    snug_error err = {0};
    static char buffer[64 * 1024];
    static snug_config first;
    static const char *const overrides[] = {
        "data.path=a \"b\" # c\\d \xe2\x80\xa9\x7f \xe4\xbd\xa0", "data.padding=[3, 4]",
        "optimizer.lr=0.1e-3", "data.chunk_cache_size=1000001"};
    CHECK_OK(load("timeseries_small", "low_memory", overrides, 4, &err));
    CHECK(config.settings.data_padding_left == 3 && config.settings.data_padding_right == 4);
    first = config;
    snug_text text;
    snug_text_init(&text, buffer, sizeof buffer);
    snug_config_print(&config, SNUG_CONFIG_STYLE_YAML, &text);
    CHECK(!text.truncated);
    CHECK_OK(load(write_file("again.yaml", buffer), NULL, NULL, 0, &err));
    assert_memory_equal(&config.settings, &first.settings, sizeof first.settings);
}

static void remove_folder(void)
{
    snug_error err = {0};
    CHECK_OK(snug_folder_remove(folder, &err));
}

int main(void)
{
    (void)snprintf(folder, sizeof folder, "config_file_test.%d", (int)getpid());
    snug_error err = {0};
    if (snug_failed(snug_folder_make(folder, &err))) {
        printf("%s\n", err.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(keys_are_given_once),
        cmocka_unit_test(broken_documents_are_refused),
        cmocka_unit_test(a_file_above_one_mebibyte_is_refused),
        cmocka_unit_test(files_of_the_requirement_document_load),
        cmocka_unit_test(layers_and_origins),
        cmocka_unit_test(a_circle_of_files_ends),
        cmocka_unit_test(what_is_printed_loads_again),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_folder();
    return failed;
}
