/* A family of training jobs as the session sees it; nothing above this table knows which one runs.
 */
#ifndef SNUG_TRAIN_FAMILY_H
#define SNUG_TRAIN_FAMILY_H

#include "train/session.h"

/**
 * What a family brings: data, model, metrics, predictions. Its part of a session (`own_bytes`,
 * zeroed when the session is made) lies in session->own.
 *
 * The sink of its forward graph shows, in this order: the prediction, and unless it only predicts
 * the target, the loss (f64 scalar), and at most one thing more.
 */
struct snug_family {
    const char *name;                /* Of the command line: "timeseries". */
    const char *sample;              /* What a sample is, in the plural: "windows". */
    const char *const *metric_names; /* Of the figures that an evaluation has over all. */
    int32_t metric_count;            /* <= SNUG_METRICS_MAX */
    int32_t score; /* Whose rise makes a checkpoint the best: 1 + its number; 0: the loss's fall. */
    bool classes;  /* Evaluations have a confusion. */
    int64_t own_bytes;
    bool has_workers;                           /* data.num_workers are threads of its source. */
    int64_t graph_nodes_max, graph_tensors_max; /* Of the largest model. */

    /** Reads the settings: everything of the model that does not need the data. */
    snug_status (*choose)(snug_session *session, snug_error *err);
    /**
     * Indexes data.path into session->index_arena and fills session->data. Again when other data
     * is evaluated or predicted: SNUG_CODE_DATA when the model does not fit them.
     */
    snug_status (*open_data)(snug_session *session, snug_error *err);
    /** What it holds beside the index arena; called once, data open or not. NULL: nothing. */
    void (*close_data)(snug_session *session);
    /** Appends the forward graph of a bucket, by session->purpose; the graph is empty. */
    snug_status (*build)(snug_session *session, int32_t bucket, snug_graph *graph, snug_error *err);

    /** Makes session->source in session->source_arena, of session->data.source_bytes. */
    snug_status (*open_source)(snug_session *session, snug_error *err);
    /** The source's stream for stream `graph_stream` of the graph. */
    int32_t (*stream)(const snug_session *session, int32_t graph_stream);
    /** From now on `training` = false reads this part, not ALL; before the source is opened. */
    void (*choose_part)(snug_session *session, snug_part part);

    /** Every setting of its own that changes the result, mixed into `hash`. */
    uint64_t (*hash_settings)(const snug_session *session, uint64_t hash);
    uint64_t (*hash_data)(const snug_session *session);

    /**
     * Weights to begin with, after those of the seed were made. NULL: the seed's.
     */
    snug_status (*load)(snug_session *session, snug_error *err);
    /** Adds what makes a checkpoint's folder complete for others to read. NULL: nothing. */
    snug_status (*complete)(const snug_session *session, const char *folder, snug_error *err);
    /** Bytes that complete needs of the checkpoint buffer. */
    int64_t (*complete_bytes)(const snug_session *session);

    /** After a run that wrote a folder: files of its own about it. NULL: nothing. */
    snug_status (*finish)(const snug_session *session, snug_error *err);

    /** Bytes that open_metrics takes. */
    int64_t (*metrics_bytes)(const snug_session *session);
    snug_status (*open_metrics)(snug_session *session, snug_arena *arena, snug_error *err);
    void (*reset_metrics)(snug_session *session);
    /** One sample, `position` of its part: what the sink showed of it. */
    void (*add_metrics)(snug_session *session, int64_t position, const void *const *shown);
    /** Fills the values of the metrics, and the items with their names; names are there already. */
    void (*finish_metrics)(snug_session *session, snug_evaluation *out);
    /** Values of items in an evaluation, for the room of a journal's line. */
    int64_t (*item_values)(const snug_session *session);

    /** Predictions on their way out, one sample at a time in the order of the part. */
    snug_status (*open_output)(snug_session *session, const snug_predict_options *options,
                               snug_error *err);
    snug_status (*add_output)(snug_session *session, int64_t position, const float *prediction,
                              snug_error *err);
    snug_status (*commit_output)(snug_session *session, int64_t *out_rows, snug_error *err);
    /** What was not committed is removed; nothing open is allowed. */
    void (*close_output)(snug_session *session);

    /** Two lines about model and data. */
    void (*describe)(const snug_session *session, snug_text *text);
    /** Settings that would make a plan smaller, in the order they are tried. */
    const snug_family_knob *knobs;
    int32_t knob_count;
};

/** One setting to turn when a plan does not fit. */
struct snug_family_knob {
    const char *key;     /* Static. */
    const char *changes; /* In the result. Static. */
    /** Turns it one step down in `settings`; false: it is at its end. */
    bool (*turn)(snug_settings *settings, const snug_session *session);
    void (*value)(const snug_settings *settings, char *out, size_t bytes);
};

/** Whether training.precision says that activations are stored as bf16. */
bool snug_family_narrow(const snug_settings *settings);

/** Names of a family's metrics, NaN each; answers how many. */
int32_t snug_family_metrics(const snug_family *family, snug_metric out[SNUG_METRICS_MAX]);

/** The knobs that every family has, for its own table. */
bool snug_knob_turn_batch(snug_settings *settings, const snug_session *session);
void snug_knob_value_batch(const snug_settings *settings, char *out, size_t bytes);
bool snug_knob_turn_precision(snug_settings *settings, const snug_session *session);
void snug_knob_value_precision(const snug_settings *settings, char *out, size_t bytes);
bool snug_knob_turn_optimizer(snug_settings *settings, const snug_session *session);
void snug_knob_value_optimizer(const snug_settings *settings, char *out, size_t bytes);

extern const snug_family snug_family_timeseries, snug_family_text;

/** The family that has the model of that name; SNUG_CODE_CONFIG with the nearest name. */
SNUG_MUST_CHECK snug_status snug_family_find(const char *model_name, const snug_family **out,
                                             snug_error *err);

#endif
