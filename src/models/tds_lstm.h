/* TDS convolutions and an LSTM decoder as data: options with presets, shapes that follow, a graph.
 */
#ifndef SNUG_MODELS_TDS_LSTM_H
#define SNUG_MODELS_TDS_LSTM_H

#include "models/model.h"

enum { SNUG_TDS_LSTM_STAGES_MAX = 16 };

/**
 * One stage of the encoder: a strided convolution with relu and layer norm, then `blocks` TDS
 * blocks over channels x width = features. conv_kernel 0: no convolution.
 */
typedef struct snug_tds_lstm_stage {
    int64_t features;    /**< Outputs of the convolution; >= 1. */
    int64_t conv_kernel; /**< Rows of time; 0 leaves the convolution out. */
    int64_t conv_stride; /**< >= 1. */
    int64_t blocks;      /**< TDS blocks, >= 0. */
    int64_t channels;    /**< Of a TDS block; channels * width = features. */
    int64_t width;
    int64_t kernel; /**< Rows of time of a TDS block. */
} snug_tds_lstm_stage;

/** Everything a graph of this family follows from; presets fill it, a configuration changes it. */
typedef struct snug_tds_lstm_options {
    const char *name; /**< Of the preset. Borrowed. */
    snug_model_purpose purpose;
    int64_t inputs;     /**< Channels of a sample. */
    int64_t targets;    /**< Columns of the target. */
    int64_t window;     /**< Rows of a sample. */
    double sample_rate; /**< Hz; > 0. Read where rollout_rate is. */
    int64_t stage_count;
    snug_tds_lstm_stage stages[SNUG_TDS_LSTM_STAGES_MAX];
    int64_t projection;     /**< Outputs of a linear layer after the encoder; 0: none. */
    double rollout_rate;    /**< Decoder steps a second; 0: as many as the encoder gives. */
    int64_t hidden, layers; /**< Of the LSTM. */
    snug_decoder_mode mode;
    bool has_initial_state;  /**< The first state comes from the data (stream "initial"). */
    double position_seconds; /**< POSITION_THEN_VELOCITY: the time before velocity. */
    double slope;            /**< Of the leaky relu before the head. */
    double scale;            /**< Of the head's output. */
    double norm_eps;
    double weight_mse, weight_mae; /**< loss = weight_mse * MSE + weight_mae * MAE. */
    bool has_mask;                 /**< Rows of the target may be invalid (stream "mask"). */
    bool narrow_activations; /**< The encoder's are stored as bf16; decoder and its cache f32. */
} snug_tds_lstm_options;

/** The sources' streams in order; absent ones leave no gap. */
typedef enum snug_tds_lstm_stream {
    SNUG_TDS_LSTM_STREAM_INPUT,   /* "input": f32 [window, inputs]. */
    SNUG_TDS_LSTM_STREAM_TARGET,  /* "target": f32 [target_rows, targets]; not for PREDICT. */
    SNUG_TDS_LSTM_STREAM_MASK,    /* "mask": u8 [target_rows], 0 where invalid; with has_mask. */
    SNUG_TDS_LSTM_STREAM_INITIAL, /* "initial": f32 [targets]; with has_initial_state. */
    SNUG_TDS_LSTM_STREAM_COUNT
} snug_tds_lstm_stream;

/** Shapes that follow from the options; no graph is needed for them. */
typedef struct snug_tds_lstm_shapes {
    int64_t left_context;  /* Rows of the input before the first target row. */
    int64_t target_rows;   /* window - left_context: the last rows of the window. */
    int64_t encoder_rows;  /* Rows that the encoder gives. */
    int64_t rollout_steps; /* Steps of the decoder. */
    int64_t switch_step;   /* First velocity step of POSITION_THEN_VELOCITY. */
    int64_t encoder_features;
    int32_t stream[SNUG_TDS_LSTM_STREAM_COUNT]; /* Number of each stream, -1: absent. */
} snug_tds_lstm_shapes;

/** Number of presets and their names, for messages and help. */
int64_t snug_tds_lstm_count(void);
const char *snug_tds_lstm_name(int64_t index);

/**
 * Fills the options of a preset:
 *
 *     tds_lstm               R4's small configuration (mode "position", MSE + 0.5 MAE)
 *     tds_lstm_plain         the same without feedback
 *     regression_vemg2pose   16 channels, 20 angles, window 11790: 250 ms position, then velocity
 *     tracking_vemg2pose     velocity from a given initial pose
 *     plain_emg2pose         the same encoder and decoder without feedback
 *
 * SNUG_CODE_CONFIG with the nearest name when there is none of that name.
 */
SNUG_MUST_CHECK snug_status snug_tds_lstm_preset(const char *name, snug_tds_lstm_options *out,
                                                 snug_error *err);

/** Checks the options and answers the shapes; SNUG_CODE_CONFIG says which option does not fit. */
SNUG_MUST_CHECK snug_status snug_tds_lstm_resolve(const snug_tds_lstm_options *options,
                                                  snug_tds_lstm_shapes *out, snug_error *err);

/**
 * Appends the forward graph to an empty graph; TRAIN and EVALUATE set graph->loss. The tensor
 * "prediction" is f32 [target_rows, targets]. Parameters come in the same order for every purpose,
 * named as the PyTorch module tree that tools/vectors/make_tds_lstm_vectors.py documents.
 */
SNUG_MUST_CHECK snug_status snug_tds_lstm_build(snug_graph *graph,
                                                const snug_tds_lstm_options *options,
                                                snug_error *err);

#endif
