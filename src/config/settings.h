/* Every setting of a run as one plain struct: what a configuration file and key=value fill. */
#ifndef SNUG_CONFIG_SETTINGS_H
#define SNUG_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

enum { SNUG_SETTING_TEXT_BYTES = 512, SNUG_SETTING_STAGES_MAX = 4 };

/** Text of a setting; "" means not set. */
typedef char snug_setting_text[SNUG_SETTING_TEXT_BYTES];

/** One TDS stage of model.tds_stages.N.*; all zeros = not given: the model's own are used. */
typedef struct snug_setting_stage {
    int64_t in_conv_kernel, in_conv_stride; /* Convolution that opens the stage. */
    int64_t num_blocks;                     /* TDS blocks after it. */
    int64_t channels, feature_width;        /* Features = channels * feature_width. */
    int64_t kernel_width;                   /* Of each block's convolution in time. */
    int64_t out_channels;                   /* Linear projection at the end; 0 = none. */
} snug_setting_stage;

/** Defaults stand in the table of settings.c; "-> key" is the dotted name users write. */
typedef struct snug_settings {
    /* run */
    int64_t seed;             /* seed */
    int64_t threads;          /* threads: 0 = all cores */
    snug_setting_text budget; /* budget: "600MiB" | "60%" | "auto" */

    /* data.* */
    snug_setting_text data_path;
    snug_setting_text data_group;        /* "" = find it */
    snug_setting_text data_dataset;      /* timeseries */
    snug_setting_text data_inputs_name;  /* emg */
    snug_setting_text data_targets_name; /* joint_angles */
    snug_setting_text data_time_name;    /* time */
    snug_setting_text data_metadata;     /* metadata.csv, or "" */
    snug_setting_text data_cache_dir;    /* "" = no normalised cache */
    int64_t data_window, data_stride;    /* rows; stride 0 = window */
    int64_t data_padding_left, data_padding_right;
    bool data_jitter, data_rotate_channels, data_skip_invalid, data_normalize, data_mask;
    bool data_normalize_targets;           /* targets too; metrics are in the data's own units */
    snug_setting_text data_normalize_with; /* session | train: whose statistics */
    int64_t data_evaluation_stride;        /* validation and test; 0 = data_stride */
    int64_t data_max_samples_for_normalize;
    int64_t data_chunk_cache_size; /* bytes */
    int64_t data_num_workers, data_prefetch_factor;
    int64_t data_max_files;  /* 0 = all */
    int64_t data_split_seed; /* of the split by file; 42 as R4's users have it */
    double data_train_ratio, data_val_ratio, data_test_ratio;
    snug_setting_text data_valid_path, data_test_path; /* text: files of their own; "" = none */
    snug_setting_text data_format;                     /* text: auto | csv | tsv | jsonl | lines */
    snug_setting_text data_text_field, data_pair_field, data_label_field; /* "" = guess */
    snug_setting_text data_label_map; /* text: label2id.json, or a name a line */
    int64_t data_max_length;          /* text: tokens of a sample at most */
    int64_t data_length_buckets;      /* text: shapes of a batch, by its longest sample */
    bool data_group_by_length;        /* text: batches of like length */

    /* model.* */
    snug_setting_text model_name;       /* tds_lstm, regression_vemg2pose, bert, ... */
    snug_setting_text model_path;       /* bert: folder in the layout of Hugging Face */
    double model_dropout;               /* model.dropout_rate of bert; < 0 = its own */
    bool model_pretrained;              /* bert: false keeps the shape and makes new weights */
    int64_t model_hidden, model_layers; /* 0 = the model's own */
    double model_sample_rate;           /* Hz; 0 = from the data */
    double model_rollout_rate;          /* Hz; 0 = the model's own */
    snug_setting_text model_decoder;    /* "" = own | plain | position | velocity | ... */

    int64_t model_channels, model_targets; /* expected by the config; 0 = whatever the data has */
    snug_setting_stage model_stages[SNUG_SETTING_STAGES_MAX];
    int64_t model_stage_count; /* Filled from the stages given; 0 = the model's own. */

    /* training.* */
    int64_t training_batch_size, training_gradient_accumulation_steps;
    int64_t training_max_steps; /* 0 = by epochs */
    int64_t training_epochs;
    int64_t training_checkpoint_every_steps; /* 0 = at the end of every epoch */
    int64_t training_keep_checkpoints;
    int64_t training_eval_every_steps; /* 0 = at the end of every epoch */
    int64_t training_log_every_steps;
    int64_t training_early_stopping_patience; /* evaluations; 0 = off */
    bool training_early_stopping;             /* false makes the patience 0 */
    bool training_smart; /* rounds of epochs, as long as they bring something */
    int64_t training_round_epochs, training_round_patience;
    snug_setting_text training_target; /* smart: "accuracy>0.9" ends the run */
    double training_min_delta;         /* least improvement of the validation loss that counts */
    bool training_restore_best;        /* end with the best weights when stopped early */
    double training_clip_norm;         /* 0 = off */
    snug_setting_text training_clip_passes; /* auto | 1 | 2 */
    snug_setting_text training_loss;        /* mae | mse | mse_mae */
    double training_mae_weight;             /* of mse_mae: 0.5 */
    double training_label_smoothing;        /* of classes */
    snug_setting_text training_precision;   /* fp32 | bf16_activations */
    bool training_compute_metrics_online;
    bool training_tensorboard;              /* events.out.tfevents.* in the run's folder */
    snug_setting_text training_on_pressure; /* shrink | stop | warn */
    bool training_strict_memory_check;      /* danger that stays stops, whoever causes it */
    bool training_persistent_workers;       /* accepted: workers are always persistent */
    bool training_pin_memory;               /* accepted: meaningful with a GPU only */

    /* optimizer.* */
    snug_setting_text optimizer_name;     /* adamw | adam | sgd | adamw8 | adafactor */
    snug_setting_text optimizer_no_decay; /* none | bias_norm */
    double optimizer_lr, optimizer_weight_decay, optimizer_beta1, optimizer_beta2, optimizer_eps;
    double optimizer_momentum;

    /* scheduler.* */
    snug_setting_text scheduler_name; /* none | cosine | linear */
    double scheduler_warmup_epochs, scheduler_warmup_ratio;
    int64_t scheduler_warmup_steps;
    double scheduler_min_lr;
} snug_settings;

#endif
