/* What a session is inside: settings, data, graph and programs, and, once it runs, memory and
 * state. */
#ifndef SNUG_TRAIN_SESSION_H
#define SNUG_TRAIN_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "config/settings.h"
#include "data/source.h"
#include "exec/exec.h"
#include "graph/graph.h"
#include "mem/budget.h"
#include "mem/probe.h"
#include "optim/schedules.h"
#include "plan/passes.h"
#include "snug/session.h"
#include "sys/cpu.h"
#include "sys/file.h"
#include "sys/thread.h"
#include "train/checkpoint.h"
#include "train/journal.h"
#include "train/state.h"

/** Bytes that a run takes beside the arena, each known before anything large is taken. */
typedef struct snug_session_bytes {
    int64_t floor;   /* Program, libraries, libc: measured, plus what a run touches on top. */
    int64_t setup;   /* Index, graph, plans: taken already. */
    int64_t source;  /* Loader: ring, cache, scratch. */
    int64_t threads; /* Stacks of the compute pool and the workers. */
    int64_t buffers; /* Checkpoint, journal, metrics. */
    int64_t watch;   /* Memory log and what else goes on beside the steps; training only. */
} snug_session_bytes;

/** Pointers of a run that the buffers' block is divided into. */
typedef struct snug_session_buffers {
    void *block;
    int64_t block_bytes;
    snug_arena arena;
    char *line; /* Journal. */
    int64_t line_bytes;
    double *step_seconds; /* The last SNUG_STEP_TIMES, and as many places to sort them. */
    void *record;         /* One sample of a collected evaluation; NULL: metrics are online. */
    int64_t record_bytes;
    snug_checkpoint_set checkpoint;
} snug_session_buffers;

enum { SNUG_STEP_TIMES = 4096, SNUG_SHOWN_MAX = 4, SNUG_BUCKETS_MAX = 4, SNUG_PARTS = 3 };

/** The inputs of a sink's tile as they are shown one after the other. */
typedef struct snug_session_shown {
    int32_t inputs; /* Of the sink. */
    const void *data[SNUG_SHOWN_MAX];
    int64_t bytes[SNUG_SHOWN_MAX]; /* Of one sample. */
} snug_session_shown;

/** What the session knows of the data, whatever they are. */
typedef struct snug_session_data {
    int64_t sample_count[SNUG_PARTS]; /* By snug_part. */
    int64_t source_bytes;             /* That open_source takes. */
} snug_session_data;

/** One shape of a batch. Parameters and states have the same ids and places in all. */
typedef struct snug_session_bucket {
    snug_graph graph;
    snug_step_plan step;  /* With has_train. */
    snug_program forward; /* Evaluation, or prediction. */
    snug_exec *exec_train, *exec_forward;
    snug_exec *exec_measure; /* Of a step's first pass; NULL: it takes one. */
} snug_session_bucket;

typedef struct snug_family snug_family;
typedef struct snug_family_knob snug_family_knob;

enum { SNUG_KNOBS_MAX = 6 };

/** One setting that would make the plan fit, and what that changes in the result. */
typedef struct snug_session_knob {
    const snug_family_knob *knob;
    char value[32]; /* The largest tried that fits. */
    int64_t minimum_budget_bytes;
} snug_session_knob;

struct snug_session {
    /* Asked for. */
    snug_settings settings;
    snug_purpose purpose;
    char out[SNUG_PATH_BYTES];        /* "" = nothing is written. */
    char checkpoint[SNUG_PATH_BYTES]; /* EVAL, PREDICT. */
    bool resume;
    int64_t steps_max; /* Steps, and batches of an evaluation; 0: all. */
    bool evaluate_all; /* Every file is evaluated, whatever part it would be of. */
    int32_t threads;
    snug_isa isa;
    atomic_bool stop;

    /* Found and decided by the open. */
    snug_arena setup;        /* Runtime category: graph and plans. */
    snug_mark graphs_mark;   /* Of the set-up arena: what is before the graphs. */
    snug_mark programs_mark; /* What is before the programs. */
    snug_arena index_arena;
    snug_probe probe;
    snug_budget budget;
    const snug_family *family;
    void *own; /* The family's. */
    snug_session_data data;
    int32_t bucket_count;                          /* 1 unless the family says more in open_data. */
    snug_session_bucket buckets[SNUG_BUCKETS_MAX]; /* From the smallest to the largest. */
    int64_t parameter_count;
    snug_schedule schedule;
    bool recalibrate;
    bool has_costs; /* Measured; else the planner has its defaults. */
    snug_cost_model costs;
    bool has_train, fits;
    snug_plan_facts plan_facts; /* Of the largest bucket's main program; the least is of all. */
    snug_status plan_status;    /* SNUG_OK or SNUG_CODE_BUDGET, with the planner's words below. */
    snug_error plan_error;
    snug_session_bytes bytes;
    int64_t arena_bytes;  /* The largest program's. */
    int64_t second_bytes; /* Of all programs of second passes, if every bucket had one. */
    int64_t predicted_peak_bytes;
    int64_t now_peak_bytes; /* Of the plan made again under pressure; 0: it never was. */
    int64_t minimum_budget_bytes;
    snug_session_knob knobs[SNUG_KNOBS_MAX]; /* When it does not fit. */
    int32_t knob_count;
    int64_t batch; /* Global: batch size times accumulation. */
    int64_t steps_per_epoch, step_count;

    /* While it runs. */
    snug_pool *pool;
    snug_source *source;
    snug_arena source_arena;
    void *source_memory;
    int64_t source_bytes;
    void *arena_memory;
    snug_session_bucket *active;      /* Of the batch begun. */
    struct snug_session_watch *watch; /* NULL: nothing is watched. */
    snug_exec_calls calls;
    snug_session_shown shown;
    snug_session_buffers buffers;
    snug_lock lock;
    snug_journal journal;
    char journal_path[SNUG_PATH_BYTES];
    bool journal_open;
    int64_t saved_step; /* Of the last checkpoint. */
    snug_train_state state;
    const snug_observer *observer;
    snug_step_context step;     /* Of the step being run. */
    int64_t step_times;         /* Entries written to buffers.step_seconds, ever. */
    snug_evaluation evaluation; /* The last one; target_count 0: none yet. */
    snug_run_summary summary;
    int64_t used_bytes[SNUG_CATEGORY_COUNT]; /* Of the heap, at the end of the run. */
    int64_t start_ns;
    int64_t batch_first;    /* Evaluation: position of the batch's first sample in its part. */
    double evaluation_loss; /* Sum of the partials so far. */
    snug_file collected;    /* Metrics that are not online. */
    char collected_path[SNUG_PATH_BYTES];
};

/** The bucket that all questions about the plan are asked of: the largest. */
static inline const snug_session_bucket *snug_session_main(const snug_session *session)
{
    return &session->buckets[session->bucket_count - 1];
}

/** The program that the session is about: training's, where it trains. */
static inline const snug_program *snug_session_program(const snug_session *session)
{
    const snug_session_bucket *bucket = snug_session_main(session);
    return session->has_train ? &bucket->step.train : &bucket->forward;
}

/** The program that the arena is so large for: of two passes the larger. */
static inline const snug_program *snug_session_peak_program(const snug_session *session)
{
    const snug_session_bucket *bucket = snug_session_main(session);
    return session->has_train ? snug_step_plan_largest(&bucket->step) : &bucket->forward;
}

/** Predicted seconds of what the session is about: of a step with all its passes. */
static inline double snug_session_seconds(const snug_session *session)
{
    const snug_session_bucket *bucket = snug_session_main(session);
    return session->has_train ? snug_step_plan_seconds(&bucket->step) : bucket->forward.seconds;
}

/**
 * What the programs of second passes that there are take beside the arena. Figures of
 * session->plan_facts count this as part of it.
 */
int64_t snug_session_second_bytes(const snug_session *session);

/** About what a second pass over the graph takes beside the arena: its program and executor. */
int64_t snug_session_pass_bytes(const snug_graph *graph);

/** How many passes a step may take, by training.clip_passes. */
snug_passes snug_session_passes(const snug_settings *settings);

/**
 * One step of the batch begun over the bucket's programs: both passes, where there are two. Samples
 * of the second are fetched again.
 */
SNUG_MUST_CHECK snug_status snug_session_run_passes(const snug_session *session,
                                                    const snug_step_context *step, snug_error *err);

/** Calls the observer's message function, if there is one. */
void snug_session_message(const snug_session *session, snug_message_level level, const char *format,
                          ...) SNUG_PRINTF(3, 4);

/** snug_session_open() from settings. `out_session` is the caller's: snug_session_close(). */
SNUG_MUST_CHECK snug_status snug_session_create(const snug_settings *settings,
                                                const snug_session_options *options,
                                                snug_session **out_session, snug_error *err);

/** Indexes data.path as the settings say; what was indexed before is forgotten. */
SNUG_MUST_CHECK snug_status snug_session_open_data(snug_session *session, snug_error *err);

/** Folder of the weights of `given`: RUN (best, else last), or a folder with model.safetensors. */
SNUG_MUST_CHECK snug_status snug_session_find_checkpoint(const char *given,
                                                         char out[SNUG_PATH_BYTES],
                                                         snug_error *err);

/** The graphs of all buckets, after the data were opened; those before are forgotten. */
SNUG_MUST_CHECK snug_status snug_session_build_all(snug_session *session, snug_error *err);

/** The whole graph of one bucket, with backward and optimizer where it trains, into `arena`. */
SNUG_MUST_CHECK snug_status snug_session_build(snug_session *session, int32_t bucket,
                                               snug_arena *arena, snug_graph *out, snug_error *err);

/** Tries every knob alone, in up to six steps each; answers how many make the plan fit. */
int32_t snug_session_knobs(const snug_session *session, snug_session_knob out[SNUG_KNOBS_MAX]);

/**
 * Fills session->costs from the cache or by measuring; see session_costs.c. The environment
 * variable SNUG_COSTS=default leaves them to the planner.
 */
SNUG_MUST_CHECK snug_status snug_session_measure_costs(snug_session *session, snug_error *err);

/** In the middle of a run: programs in at most `arena_bytes`, not below the smallest there is. */
SNUG_MUST_CHECK snug_status snug_session_plan_again(snug_session *session, int64_t arena_bytes,
                                                    snug_error *err);

/** The curve of the main bucket, in facts like session->plan_facts: those have none. */
SNUG_MUST_CHECK snug_status snug_session_plan_curve(const snug_session *session,
                                                    snug_plan_facts *out, snug_error *err);

/** Fills bytes, budgets and programs; see session_plan.c. */
SNUG_MUST_CHECK snug_status snug_session_make_plan(snug_session *session, snug_error *err);

/**
 * Between two steps: plans anew in three quarters of the arena, or in the least there is, without
 * workers, and gives the rest of the arena back. Weights, states and the position stay.
 * session->now_peak_bytes is the new plan's, for the whole process.
 */
SNUG_MUST_CHECK snug_status snug_session_shrink(snug_session *session, snug_error *err);

/** Shuts the door to the heap for the steps to come. */
SNUG_MUST_CHECK snug_status snug_session_seal(snug_error *err);

/** Bytes of everything in snug_session_buffers. */
int64_t snug_session_buffers_size(const snug_session *session);

/** The executors' sink: predictions of an evaluation, one input of the sink at a time. */
snug_status snug_session_emit(void *context, const snug_exec_shown *shown, snug_error *err);

/**
 * Takes what executors will take of the set-up arena, and gives it back to the arena: what the
 * arena holds then is all that a run needs, and is counted by the plan.
 */
SNUG_MUST_CHECK snug_status snug_session_rehearse(snug_session *session, snug_error *err);

/**
 * One step of training and one batch of evaluation over the arena as it is, before there are
 * weights: whatever these paths touch is in memory when the peak is proved. The result counts for
 * nothing, and the weights are made or loaded afterwards.
 */
SNUG_MUST_CHECK snug_status snug_session_rehearse_steps(snug_session *session, snug_error *err);

/** Takes everything a run needs: pool, source, arena, executors, buffers; loads or makes weights.
 */
SNUG_MUST_CHECK snug_status snug_session_set_up(snug_session *session, snug_error *err);
/** Gives it back; half-made is allowed. */
void snug_session_tear_down(snug_session *session);

/** One pass over the part `training` = false reads; fills session->evaluation. */
SNUG_MUST_CHECK snug_status snug_session_evaluate(snug_session *session, snug_error *err);

/** A hash of every setting that changes the result, and of the model's shape. */
uint64_t snug_session_result_hash(const snug_session *session);
/** A hash of the data set's index: paths, rows, windows. */
uint64_t snug_session_data_hash(const snug_session *session);

#endif
