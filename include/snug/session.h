/* Sessions: from a configuration to a plan, to training, evaluation and prediction in a budget. */
#ifndef SNUG_SESSION_H
#define SNUG_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "snug/config.h"
#include "snug/status.h"
#include "snug/write.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * One run of one configuration. Owned by one thread; only snug_session_stop() may be called from
 * others and from signal handlers. One session trains at a time in a process: the memory of the
 * whole process is what the budget is about.
 */
typedef struct snug_session snug_session;

typedef enum snug_purpose {
    SNUG_PURPOSE_PLAN,   /**< Only plan and explain. Writes nothing. */
    SNUG_PURPOSE_TRAIN,  /**< snug_session_train(). */
    SNUG_PURPOSE_EVAL,   /**< snug_session_eval(). */
    SNUG_PURPOSE_PREDICT /**< snug_session_predict(). */
} snug_purpose;

typedef struct snug_session_options {
    snug_purpose purpose;
    const char *budget;     /**< "600MiB", "60%", "auto"; NULL: the config's `budget`. */
    int64_t threads;        /**< Compute threads, 1 to 64; 0: the config's `threads`. */
    const char *out;        /**< Run folder; TRAIN only; NULL: nothing is written. */
    bool recalibrate;       /**< Measure the speed of ops again, whatever the cache says. */
    bool resume;            /**< TRAIN: continue the run in `out` from its last checkpoint. */
    int64_t steps;          /**< TRAIN: at most so many steps, and batches of an evaluation; 0: all.
                                 For a look at the memory; the rest of the run is not made up. */
    const char *checkpoint; /**< EVAL, PREDICT: a folder with model.safetensors, as the program
                                 makes RUN/checkpoints/NAME of `RUN --checkpoint NAME` (best, last,
                                 step-N); or RUN: its checkpoints/best, else checkpoints/last. */
} snug_session_options;

/**
 * Probes the machine, settles the budget, indexes the data, builds the graph and plans. Makes no
 * large allocation. A plan that does not fit is no failure here: ask snug_session_plan().
 *
 * @param      config   Copied; may be closed afterwards.
 * @param[out] out_session  Owned by the caller: snug_session_close().
 * @errors  SNUG_CODE_CONFIG (data.path is not set, model and data do not match), SNUG_CODE_IO,
 *          SNUG_CODE_FORMAT, SNUG_CODE_DATA, SNUG_CODE_NOT_FOUND (a member's name; the nearest is
 *          in the message), SNUG_CODE_BUSY (another run uses `out`).
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_open(const snug_config *config,
                                                       const snug_session_options *options,
                                                       snug_session **out_session, snug_error *err);
/** Closes and gives all memory back; NULL is allowed. */
SNUG_API void snug_session_close(snug_session *session);

enum { SNUG_PLAN_CATEGORIES = 7 };

/** What `snug plan --json` prints, schema snug.plan/1. */
typedef struct snug_plan_summary {
    bool fits;
    int64_t budget_bytes;
    int64_t predicted_peak_bytes;
    int64_t minimum_budget_bytes;
    int64_t category_bytes[SNUG_PLAN_CATEGORIES]; /**< See snug_plan_category_name(). */
    int64_t micro_batch;                          /**< Samples computed at once. */
    int64_t accumulation;                         /**< Micro-batches per optimizer step. */
    int64_t passes;      /**< 2: the gradients are made twice, to be clipped one by one; else 1. */
    double time_ratio;   /**< Predicted time of a step over that of the fastest plan; >= 1. */
    double step_seconds; /**< Predicted time of a training step; 0 when nothing is trained. */
    bool costs_measured; /**< By the speed of ops on this machine; else by default figures. */
    const char *isa;     /**< "avx2", "avx512", "scalar"; static. */
    int64_t threads;
} snug_plan_summary;

/** "weights", "gradients", "optimizer", "activations", "workspace", "data", "runtime". */
SNUG_API const char *snug_plan_category_name(int64_t category);

SNUG_API void snug_session_plan(const snug_session *session, snug_plan_summary *out);

/** Writes the plan: a table for people, or schema snug.plan/1. */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_plan_write(const snug_session *session,
                                                             snug_format format, snug_write write,
                                                             void *context, snug_error *err);
/**
 * Explains one figure of the plan: a category ("activations"), "micro_batch", "budget", ...
 * @errors  SNUG_CODE_NOT_FOUND with the nearest name.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_explain(const snug_session *session,
                                                          const char *key, snug_write write,
                                                          void *context, snug_error *err);

/** The curve of memory and time that the planner found: a table, or schema snug.curve/1. */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_curve_write(const snug_session *session,
                                                              snug_format format, snug_write write,
                                                              void *context, snug_error *err);
/** The same curve as an SVG file. */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_curve_draw(const snug_session *session,
                                                             const char *path, snug_error *err);
/** The arena over time, every buffer in it, as an SVG file. */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_picture(const snug_session *session,
                                                          const char *path, snug_error *err);
/** The whole program as JSON (schema snug.certificate/1), for anybody to check. */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_certificate_save(const snug_session *session,
                                                                   const char *path,
                                                                   snug_error *err);
/**
 * Reads a certificate of this configuration and has the verifier, which shares no code with the
 * planner, check it.
 * @errors  SNUG_CODE_FORMAT, SNUG_CODE_DATA with what is wrong and where, SNUG_CODE_IO.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_certificate_check(snug_session *session,
                                                                    const char *path,
                                                                    snug_error *err);

/** One optimizer step, reported after it. */
typedef struct snug_step_report {
    int64_t step;       /**< Steps done, this one included; counts on over a resume. */
    int64_t step_count; /**< Of the whole run. */
    int64_t epoch;      /**< From 0. */
    int64_t samples;    /**< Trained on so far. */
    double loss;        /**< Of this step's global batch. */
    double learning_rate;
    double gradient_norm;      /**< Before clipping. */
    double samples_per_second; /**< Over the last steps. */
    double elapsed_s;          /**< Of this process. */
    double remaining_s;        /**< Predicted; < 0: not known yet. */
    int64_t rss_bytes;         /**< Now. */
    int64_t peak_rss_bytes;    /**< VmHWM. */
    int64_t budget_bytes;
} snug_step_report;

enum { SNUG_METRICS_MAX = 8 };

/** One figure of an evaluation. */
typedef struct snug_metric {
    const char *name; /**< "mae", "accuracy", ...; static. */
    double value;
} snug_metric;

/** One figure for each item: for each target, for each class. */
typedef struct snug_item_metric {
    const char *name;     /**< Static. */
    const double *values; /**< [item_count] */
} snug_item_metric;

/** One evaluation. Arrays are valid during the callback, or until the session's next call. */
typedef struct snug_evaluation {
    int64_t step;
    int64_t epoch;
    int64_t samples;
    double loss; /**< Mean over everything that counts: valid target elements, labelled texts. */
    int32_t metric_count;
    snug_metric metrics[SNUG_METRICS_MAX]; /**< Over all items. */
    const char *item;                      /**< What an item is: "target", "class"; static. */
    int64_t item_count;                    /**< 0: nothing was evaluated. */
    const char *const *item_names;         /**< NULL: they have none but their number. */
    int32_t item_metric_count;
    snug_item_metric item_metrics[SNUG_METRICS_MAX];
    const int64_t *confusion; /**< [item_count, item_count], true class by row; NULL: none. */
    bool best;                /**< The lowest validation loss so far. */
} snug_evaluation;

typedef struct snug_checkpoint_report {
    int64_t step;
    const char *path; /**< Folder; valid during the callback. */
    int64_t bytes;
    double seconds;
} snug_checkpoint_report;

typedef enum snug_message_level { SNUG_MESSAGE_INFO, SNUG_MESSAGE_WARNING } snug_message_level;

/** Who watches a run. Any function may be NULL. All are called on the session's thread. */
typedef struct snug_observer {
    void *context;
    void (*step)(void *context, const snug_step_report *report);
    void (*evaluation)(void *context, const snug_evaluation *report);
    void (*checkpoint)(void *context, const snug_checkpoint_report *report);
    void (*message)(void *context, snug_message_level level, const char *text);
} snug_observer;

/** What RUN/summary.json says, schema snug.run/1. */
typedef struct snug_run_summary {
    int64_t budget_bytes;
    int64_t predicted_peak_bytes;
    int64_t peak_rss_bytes; /**< VmHWM. */
    int64_t allocations_after_seal;
    int64_t steps; /**< Of the whole run, those before a resume included. */
    int64_t samples;
    double seconds;
    double step_seconds_median;
    double predicted_step_seconds;   /**< What the plan said. */
    double loss;                     /**< Of the last step. */
    double validation_loss;          /**< NaN: none. */
    int32_t validation_metric_count; /**< 0: none. */
    snug_metric validation_metrics[SNUG_METRICS_MAX];
    char weights_sha256[65];
    char loss_sha256[65]; /**< Over the bits of every step's loss. */
    const char *isa;      /**< Static. */
    int64_t threads;
    bool stopped_early; /**< By early stopping. */
    bool interrupted;   /**< By snug_session_stop(); saved. */
} snug_run_summary;

/**
 * Trains to the end of the configuration, or until stopped. Everything is allocated and proved
 * before the first step; a step asks the system for nothing.
 *
 * @param observer  Borrowed; may be NULL.
 * @param[out] out_summary  Filled on SNUG_OK and on SNUG_CODE_INTERRUPTED; may be NULL.
 * @errors  SNUG_CODE_BUDGET before the first step, with the smallest budget that fits;
 *          SNUG_CODE_INTERRUPTED after snug_session_stop(), checkpoint written; SNUG_CODE_DATA,
 *          SNUG_CODE_NUMERIC; SNUG_CODE_FULL and SNUG_CODE_IO from writing a checkpoint: the
 *          previous one stays good.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_train(snug_session *session,
                                                        const snug_observer *observer,
                                                        snug_run_summary *out_summary,
                                                        snug_error *err);

/** Asks the run to save and stop after the step it is in. @threads Safe; async-signal-safe. */
SNUG_API void snug_session_stop(snug_session *session);

/**
 * Predicted against measured bytes of the run that has just ended, part by part: a table, or schema
 * snug.verify/1.
 *
 * @param[out] out_kept  |predicted - VmHWM| <= 2 % or 4 MiB, whichever is more, VmHWM is within the
 *                       budget, and nothing was asked for after the start.
 * @errors  SNUG_CODE_USAGE when nothing was trained in this session.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_verify_write(const snug_session *session,
                                                               snug_format format, snug_write write,
                                                               void *context, bool *out_kept,
                                                               snug_error *err);

/** Writes the summary of the finished run, schema snug.run/1 as in RUN/summary.json. */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_summary_write(const snug_session *session,
                                                                snug_format format,
                                                                snug_write write, void *context,
                                                                snug_error *err);

typedef enum snug_part {
    SNUG_PART_TRAIN,
    SNUG_PART_VALIDATION,
    SNUG_PART_TEST,
    SNUG_PART_ALL
} snug_part;

/**
 * Computes the metrics of a checkpoint over one part of the data.
 * @param[out] out  Arrays in it are valid until the session's next call.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_eval(snug_session *session, snug_part part,
                                                       const snug_observer *observer,
                                                       snug_evaluation *out, snug_error *err);

/** The figures that evaluations of this session will have, NaN each; answers how many. */
SNUG_API int32_t snug_session_metrics(const snug_session *session,
                                      snug_metric out[SNUG_METRICS_MAX]);
/** The same before a session is opened; 0 when there is no model of the configured name. */
SNUG_API int32_t snug_config_metrics(const snug_config *config, snug_metric out[SNUG_METRICS_MAX]);

/** Writes an evaluation: a table for people, or schema snug.eval/1. */
SNUG_API SNUG_MUST_CHECK snug_status snug_evaluation_write(const snug_evaluation *evaluation,
                                                           snug_format format, snug_write write,
                                                           void *context, snug_error *err);
/** Whether evaluations of this session count how classes were confused. */
SNUG_API bool snug_session_has_classes(const snug_session *session);
/**
 * Draws the confusion of an evaluation as an SVG file.
 * @errors  SNUG_CODE_UNSUPPORTED without classes, SNUG_CODE_LIMIT above 128 of them, SNUG_CODE_IO,
 *          SNUG_CODE_FULL.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_evaluation_draw(const snug_evaluation *evaluation,
                                                          const char *path, snug_error *err);

typedef struct snug_predict_options {
    const char *input; /**< A session file; NULL: every file of `part`. */
    snug_part part;
    const char *output; /**< Path; .csv, .h5 or .hdf5 decides the format; NULL: CSV to `write`. */
    snug_write write;   /**< Only used when `output` is NULL. */
    void *write_context;
} snug_predict_options;

/** Predicts with a checkpoint; one row per predicted time step, in the data's own order. */
SNUG_API SNUG_MUST_CHECK snug_status snug_session_predict(snug_session *session,
                                                          const snug_predict_options *options,
                                                          const snug_observer *observer,
                                                          int64_t *out_rows, snug_error *err);

#ifdef __cplusplus
}
#endif
#endif
