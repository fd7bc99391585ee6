/* The presets of the family, as data. */
#include <string.h>

#include "base/assert.h"
#include "models/tds_lstm.h"

/*
 * R4's own configuration: conv k5 s2, TDS 8 x 4 kernel 21; conv k5 s2, TDS 8 x 8 kernel 11; LSTM
 * 128 x 2. The features of a stage follow from its TDS blocks: 32 and 64. How many blocks and which
 * rate of the rollout is not said: one block a stage, and a step of the decoder for every row of
 * the encoder, which also fits data of any sampling rate.
 */
#define SMALL_STAGES                                                                               \
    .stage_count = 2, .stages = {                                                                  \
                          {.features = 32,                                                         \
                           .conv_kernel = 5,                                                       \
                           .conv_stride = 2,                                                       \
                           .blocks = 1,                                                            \
                           .channels = 8,                                                          \
                           .width = 4,                                                             \
                           .kernel = 21},                                                          \
                          {.features = 64,                                                         \
                           .conv_kernel = 5,                                                       \
                           .conv_stride = 2,                                                       \
                           .blocks = 1,                                                            \
                           .channels = 8,                                                          \
                           .width = 8,                                                             \
                           .kernel = 11},                                                          \
    }

#define SMALL_REST                                                                                 \
    .inputs = 8, .targets = 1, .window = 1000, .sample_rate = 1000.0, .hidden = 128, .layers = 2,  \
    .slope = 0.01, .scale = 1.0, .norm_eps = 1e-5, .weight_mse = 1.0, .weight_mae = 0.5

/* The encoder and decoder of facebookresearch/emg2pose (config/network/tds.yaml). */
#define LARGE_STAGES                                                                               \
    .stage_count = 4, .stages = {                                                                  \
                          {.features = 256, .conv_kernel = 11, .conv_stride = 5},                  \
                          {.features = 256, .conv_kernel = 5, .conv_stride = 2},                   \
                          {.features = 256,                                                        \
                           .conv_kernel = 17,                                                      \
                           .conv_stride = 4,                                                       \
                           .blocks = 2,                                                            \
                           .channels = 16,                                                         \
                           .width = 16,                                                            \
                           .kernel = 9},                                                           \
                          {.features = 256,                                                        \
                           .conv_kernel = 9,                                                       \
                           .conv_stride = 2,                                                       \
                           .blocks = 2,                                                            \
                           .channels = 16,                                                         \
                           .width = 16,                                                            \
                           .kernel = 5},                                                           \
    }

#define LARGE_REST                                                                                 \
    .inputs = 16, .targets = 20, .window = 11790, .sample_rate = 2000.0, .projection = 64,         \
    .rollout_rate = 50.0, .hidden = 512, .layers = 2, .slope = 0.01, .scale = 0.01,                \
    .norm_eps = 1e-5, .weight_mae = 1.0

static const snug_tds_lstm_options presets[] = {
    {.name = "tds_lstm", SMALL_STAGES, SMALL_REST, .mode = SNUG_DECODER_POSITION},
    {.name = "tds_lstm_plain", SMALL_STAGES, SMALL_REST, .mode = SNUG_DECODER_PLAIN},
    {.name = "regression_vemg2pose",
     LARGE_STAGES,
     LARGE_REST,
     .mode = SNUG_DECODER_POSITION_THEN_VELOCITY,
     .position_seconds = 0.25},
    {.name = "tracking_vemg2pose",
     LARGE_STAGES,
     LARGE_REST,
     .mode = SNUG_DECODER_VELOCITY,
     .has_initial_state = true},
    {.name = "plain_emg2pose", LARGE_STAGES, LARGE_REST, .mode = SNUG_DECODER_PLAIN},
};

int64_t snug_tds_lstm_count(void)
{
    return SNUG_COUNT(presets);
}

const char *snug_tds_lstm_name(int64_t index)
{
    SNUG_ASSERT(index >= 0 && index < SNUG_COUNT(presets));
    return presets[index].name;
}

snug_status snug_tds_lstm_preset(const char *name, snug_tds_lstm_options *out, snug_error *err)
{
    const char *names[SNUG_COUNT(presets)];
    for (int64_t i = 0; i < SNUG_COUNT(presets); i++) {
        names[i] = presets[i].name;
        if (strcmp(presets[i].name, name) == 0) {
            *out = presets[i];
            return SNUG_OK;
        }
    }
    const char *nearest = snug_nearest_name(name, names, SNUG_COUNT(names));
    return SNUG_FAIL(err, SNUG_CODE_CONFIG, "there is no model '%s'; %s%s", name,
                     nearest != NULL ? "did you mean " : "known are tds_lstm, ",
                     nearest != NULL ? nearest : "regression_vemg2pose, tracking_vemg2pose");
}
