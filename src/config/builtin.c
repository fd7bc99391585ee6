#include "config/builtin.h"

#include <string.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/text.h"

/* The published full size: 5.98 M parameters, 16 channels at 2 kHz, 20 angles, 5 s + context. */
static const char timeseries[] = "data:\n"
                                 "  group: emg2pose\n"
                                 "  dataset: timeseries\n"
                                 "  inputs: emg\n"
                                 "  targets: joint_angles\n"
                                 "  window: 11790\n"
                                 "  stride: 0\n"
                                 "  jitter: true\n"
                                 "  rotate_channels: true\n"
                                 "  mask: true\n"
                                 "model:\n"
                                 "  name: regression_vemg2pose\n"
                                 "training:\n"
                                 "  batch_size: 64\n"
                                 "  epochs: 500\n"
                                 "  loss: mae\n"
                                 "  clip_norm: 1.0\n"
                                 "  early_stopping_patience: 50\n"
                                 "optimizer:\n"
                                 "  name: adamw\n"
                                 "  lr: 0.001\n"
                                 "  weight_decay: 0.01\n"
                                 "scheduler:\n"
                                 "  name: none\n"
                                 "  warmup_epochs: 0\n";

/* The small configuration of the requirement document's project. */
static const char timeseries_small[] = "data:\n"
                                       "  dataset: timeseries\n"
                                       "  inputs: emg\n"
                                       "  targets: joint_angles\n"
                                       "  window: 1000\n"
                                       "  stride: 1\n"
                                       "  split_ratio: [0.7, 0.15, 0.15]\n"
                                       "model:\n"
                                       "  name: tds_lstm\n"
                                       "  hidden: 128\n"
                                       "  layers: 2\n"
                                       "  rollout_rate: 50\n"
                                       "  tds_stages:\n"
                                       "    - in_conv_kernel: 5\n"
                                       "      in_conv_stride: 2\n"
                                       "      num_blocks: 2\n"
                                       "      channels: 8\n"
                                       "      feature_width: 4\n"
                                       "      kernel_width: 21\n"
                                       "    - in_conv_kernel: 5\n"
                                       "      in_conv_stride: 2\n"
                                       "      num_blocks: 2\n"
                                       "      channels: 8\n"
                                       "      feature_width: 8\n"
                                       "      kernel_width: 11\n"
                                       "training:\n"
                                       "  batch_size: 64\n"
                                       "  epochs: 100\n"
                                       "  loss: mse_mae\n"
                                       "  mae_weight: 0.5\n"
                                       "  clip_norm: 1.0\n"
                                       "  early_stopping_patience: 20\n"
                                       "  min_delta: 0.0001\n"
                                       "optimizer:\n"
                                       "  name: adamw\n"
                                       "  lr: 0.0005\n"
                                       "  weight_decay: 0.01\n"
                                       "scheduler:\n"
                                       "  name: cosine\n"
                                       "  warmup_epochs: 5\n";

/* Fine-tuning a BERT classifier, by the recipe of the requirement document's project. */
static const char text[] = "data:\n"
                           "  max_length: 512\n"
                           "  train_ratio: 0.9\n"
                           "  val_ratio: 0.1\n"
                           "  test_ratio: 0\n"
                           "  num_workers: 0\n"
                           "model:\n"
                           "  name: bert\n"
                           "training:\n"
                           "  batch_size: 8\n"
                           "  epochs: 3\n"
                           "  clip_norm: 1.0\n"
                           "  keep_checkpoints: 1\n"
                           "  early_stopping_patience: 3\n"
                           "  min_delta: 0\n"
                           "optimizer:\n"
                           "  name: adamw\n"
                           "  lr: 2e-05\n"
                           "  weight_decay: 0.01\n"
                           "scheduler:\n"
                           "  name: linear\n"
                           "  warmup_ratio: 0.1\n"
                           "  warmup_epochs: 0\n";

/* Profiles: the tables of the requirement document, value by value. */
static const char profile_default[] = "data:\n"
                                      "  max_samples_for_normalize: 10000\n"
                                      "  chunk_cache_size: 67108864\n"
                                      "  num_workers: 4\n"
                                      "  prefetch_factor: 2\n"
                                      "training:\n"
                                      "  batch_size: 64\n"
                                      "  gradient_accumulation_steps: 1\n"
                                      "  persistent_workers: true\n"
                                      "  pin_memory: true\n"
                                      "  compute_metrics_online: true\n";

static const char profile_low_memory[] = "data:\n"
                                         "  max_samples_for_normalize: 5000\n"
                                         "  chunk_cache_size: 33554432\n"
                                         "  num_workers: 2\n"
                                         "  prefetch_factor: 1\n"
                                         "training:\n"
                                         "  batch_size: 16\n"
                                         "  gradient_accumulation_steps: 4\n"
                                         "  persistent_workers: true\n"
                                         "  pin_memory: false\n"
                                         "  compute_metrics_online: true\n";

static const char profile_high_performance[] = "data:\n"
                                               "  max_samples_for_normalize: 20000\n"
                                               "  chunk_cache_size: 134217728\n"
                                               "  num_workers: 8\n"
                                               "  prefetch_factor: 4\n"
                                               "training:\n"
                                               "  batch_size: 128\n"
                                               "  gradient_accumulation_steps: 1\n"
                                               "  persistent_workers: true\n"
                                               "  pin_memory: true\n"
                                               "  compute_metrics_online: true\n";

/* A demonstration is small in everything, the network included. */
static const char profile_quick_demo[] = "data:\n"
                                         "  max_samples_for_normalize: 5000\n"
                                         "  chunk_cache_size: 33554432\n"
                                         "  num_workers: 2\n"
                                         "  prefetch_factor: 2\n"
                                         "model:\n"
                                         "  name: tds_lstm\n"
                                         "  hidden: 64\n"
                                         "  layers: 1\n"
                                         "  tds_stages:\n"
                                         "    - in_conv_kernel: 5\n"
                                         "      in_conv_stride: 4\n"
                                         "      num_blocks: 1\n"
                                         "      channels: 4\n"
                                         "      feature_width: 4\n"
                                         "      kernel_width: 11\n"
                                         "training:\n"
                                         "  batch_size: 32\n"
                                         "  gradient_accumulation_steps: 1\n"
                                         "  epochs: 10\n"
                                         "  loss: mse\n"
                                         "  early_stopping: false\n"
                                         "  persistent_workers: false\n"
                                         "  pin_memory: true\n"
                                         "  compute_metrics_online: true\n"
                                         "optimizer:\n"
                                         "  name: adam\n"
                                         "  lr: 0.001\n"
                                         "  weight_decay: 0.001\n"
                                         "scheduler:\n"
                                         "  name: none\n"
                                         "  warmup_epochs: 0\n";

/* The three scripts of the text classification document: batch, length, accumulation. */
static const char profile_ultra_low_memory[] = "data:\n"
                                               "  max_length: 128\n"
                                               "  num_workers: 0\n"
                                               "training:\n"
                                               "  batch_size: 1\n"
                                               "  gradient_accumulation_steps: 16\n";

static const char profile_safe[] = "data:\n"
                                   "  max_length: 256\n"
                                   "  num_workers: 0\n"
                                   "training:\n"
                                   "  batch_size: 4\n"
                                   "  gradient_accumulation_steps: 4\n";

static const char profile_original[] = "data:\n"
                                       "  max_length: 512\n"
                                       "  num_workers: 0\n"
                                       "training:\n"
                                       "  batch_size: 8\n"
                                       "  gradient_accumulation_steps: 1\n";

static const snug_builtin builtins[] = {
    {"timeseries", false, "EMG to joint angles, full size: TDS + LSTM, 5.98 M parameters",
     timeseries},
    {"timeseries_small", false, "EMG to joint angles, small TDS + LSTM, windows of 1000 rows",
     timeseries_small},
    {"text", false, "text classification: fine-tunes a BERT in the layout of Hugging Face", text},
    {"default", true, "balanced: batch 64, 4 workers, 64 MiB chunk cache", profile_default},
    {"low_memory", true, "batch 16 x 4, 2 workers, 32 MiB chunk cache", profile_low_memory},
    {"high_performance", true, "batch 128, 8 workers, 128 MiB chunk cache",
     profile_high_performance},
    {"quick_demo", true, "a small network for 10 epochs, to see it run", profile_quick_demo},
    {"ultra_low_memory", true, "text: batch 1 x 16, 128 tokens", profile_ultra_low_memory},
    {"safe", true, "text: batch 4 x 4, 256 tokens", profile_safe},
    {"original", true, "text: batch 8, 512 tokens", profile_original},
};

int64_t snug_builtin_count(void)
{
    return SNUG_COUNT(builtins);
}

const snug_builtin *snug_builtin_at(int64_t index)
{
    SNUG_ASSERT(index >= 0 && index < SNUG_COUNT(builtins));
    return &builtins[index];
}

const snug_builtin *snug_builtin_find(const char *name, bool profile)
{
    for (int64_t i = 0; i < SNUG_COUNT(builtins); i++) {
        if (builtins[i].profile == profile && strcmp(builtins[i].name, name) == 0) {
            return &builtins[i];
        }
    }
    return NULL;
}

const char *snug_builtin_nearest(const char *name, bool profile)
{
    const char *names[SNUG_COUNT(builtins)];
    int64_t count = 0;
    for (int64_t i = 0; i < SNUG_COUNT(builtins); i++) {
        if (builtins[i].profile == profile) {
            names[count++] = builtins[i].name;
        }
    }
    return snug_nearest_name(name, names, count);
}
