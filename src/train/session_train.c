/* The training loop. It knows graphs, programs and a data source; it does not know the family. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/translate.h"
#include "optim/optim.h"
#include "sys/clock.h"
#include "sys/heap.h"
#include "sys/procfs.h"
#include "train/family.h"
#include "train/report.h"
#include "train/session.h"
#include "train/session_smart.h"
#include "train/session_watch.h"
#include "train/summary.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LIMIT_PROCESS = 0 }; /* Their shadow memory grows by itself. */
#else
enum { LIMIT_PROCESS = 1 };
#endif

/* What libc may still take by itself: a folder's listing, a stream's buffer. */
enum { SEAL_SLACK_BYTES = 1 << 20 };

uint64_t snug_session_result_hash(const snug_session *session)
{
    const snug_settings *s = &session->settings;
    const snug_graph *graph = &snug_session_main(session)->graph;
    const double numbers[] = {s->optimizer_lr,
                              s->optimizer_weight_decay,
                              s->optimizer_beta1,
                              s->optimizer_beta2,
                              s->optimizer_eps,
                              s->optimizer_momentum,
                              s->training_clip_norm,
                              s->scheduler_min_lr,
                              (double)session->batch,
                              (double)s->seed,
                              (double)session->schedule.kind};
    uint64_t hash = snug_hash64_text(0, s->optimizer_name);
    hash = snug_hash64_text(hash, s->training_loss);
    if (strcmp(s->optimizer_no_decay, "none") != 0) {
        hash = snug_hash64_text(hash, s->optimizer_no_decay);
    }
    if (snug_family_narrow(s)) {
        hash = snug_hash64_text(hash, s->training_precision);
    }
    for (int64_t i = 0; i < SNUG_COUNT(numbers); i++) {
        hash = snug_hash64_f64(hash, numbers[i]);
    }
    hash = session->family->hash_settings(session, hash);
    /* The schedule's length counts only where the rate depends on it. */
    if (session->schedule.kind != SNUG_SCHEDULE_CONSTANT) {
        hash = snug_hash64_mix(hash, (uint64_t)session->step_count);
    }
    hash = snug_hash64_mix(hash, (uint64_t)session->schedule.warmup_steps);
    for (int64_t i = 0; i < graph->tensor_count; i++) {
        if (graph->tensors[i].kind == SNUG_TENSOR_PARAMETER) {
            hash = snug_hash64_text(hash, graph->tensors[i].name);
            hash = snug_hash64_mix(hash, (uint64_t)snug_tensor_bytes(&graph->tensors[i]));
        }
    }
    return hash;
}

uint64_t snug_session_data_hash(const snug_session *session)
{
    return session->family->hash_data(session);
}

/** The batch of the state's next step; false when the epoch has none (it is empty). */
static snug_source_batch next_batch(const snug_session *session, int64_t epoch, int64_t position)
{
    const int64_t samples = session->source->calls->sample_count(session->source, true);
    snug_source_batch batch = {.epoch = epoch, .first_position = position, .training = true};
    if (position >= samples) {
        batch.epoch++;
        batch.first_position = 0;
    }
    batch.count = snug_min_i64(session->batch, samples - batch.first_position);
    return batch;
}

/** The loss of a global batch: its samples' shares, added in their order. */
static double batch_loss(const snug_session *session, int64_t count)
{
    const snug_session_bucket *bucket = session->active;
    const double *partials = snug_exec_tensor(bucket->exec_train, bucket->graph.loss);
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) {
        sum += partials[i];
    }
    return sum;
}

/** Before clipping; every optimizer measures it, whether it clips or not. */
static double gradient_norm(const snug_session *session)
{
    const snug_session_bucket *bucket = session->active;
    const snug_tensor_id total = snug_graph_find(&bucket->graph, SNUG_OPTIM_TOTAL_NAME);
    const double *square = total < 0 ? NULL : snug_exec_tensor(bucket->exec_train, total);
    return square == NULL ? 0.0 : sqrt(*square);
}

snug_status snug_session_run_passes(const snug_session *session, const snug_step_context *step,
                                    snug_error *err)
{
    const snug_session_bucket *bucket = session->active;
    if (bucket->exec_measure != NULL) {
        SNUG_TRY(snug_exec_step(bucket->exec_measure, step, &session->calls, err));
    }
    return snug_exec_step(bucket->exec_train, step, &session->calls, err);
}

/** Runs one optimizer step and moves the state behind it. */
static snug_status run_step(snug_session *session, double *out_loss, snug_error *err)
{
    const snug_settings *s = &session->settings;
    snug_train_state *state = &session->state;
    snug_source *source = session->source;
    const snug_source_batch batch = next_batch(session, state->epoch, state->position);
    const snug_source_batch next =
        next_batch(session, batch.epoch, batch.first_position + batch.count);
    SNUG_TRY(source->calls->begin(source, &batch, &next, err));
    session->step = (snug_step_context){.seed = (uint64_t)s->seed,
                                        .epoch = batch.epoch,
                                        .first_position = batch.first_position,
                                        .batch = batch.count,
                                        .normaliser = source->calls->normaliser(source),
                                        .step = state->step + 1,
                                        .learning_rate =
                                            snug_schedule_rate(&session->schedule, state->step + 1),
                                        .weight_decay = s->optimizer_weight_decay,
                                        .beta1 = s->optimizer_beta1,
                                        .beta2 = s->optimizer_beta2,
                                        .epsilon = s->optimizer_eps,
                                        .momentum = s->optimizer_momentum,
                                        .clip_norm = s->training_clip_norm};
    if (session->step.normaliser <= 0.0) {
        session->step.normaliser = 1.0; /* A batch without a valid row: loss and gradients are 0. */
    }
    session->active = &session->buckets[source->calls->bucket(source)];
    SNUG_TRY(snug_session_run_passes(session, &session->step, err));
    const double loss = batch_loss(session, batch.count);
    /* A gradient that overflows under a finite loss would be in the weights, and in the next
     * checkpoint, before a loss shows it. */
    if (!isfinite(loss) || !isfinite(gradient_norm(session))) {
        return SNUG_FAIL(
            err, SNUG_CODE_NUMERIC,
            "the %s of step %lld is not finite: lower optimizer.lr, set "
            "training.clip_norm, or look at the data; the last checkpoint is untouched",
            snug_translated(isfinite(loss) ? "gradient" : "loss"), (long long)state->step + 1);
    }
    snug_sha256_add(&state->loss_hash, &loss, sizeof loss);
    state->loss = loss;
    state->step++;
    state->samples += batch.count;
    state->epoch = next.epoch;
    state->position = next.first_position;
    *out_loss = loss;
    return SNUG_OK;
}

/** Remaining time from the mean of this process's steps; -1 before the second. */
static double remaining_seconds(const snug_session *session, double elapsed)
{
    const int64_t left = session->step_count - session->state.step;
    return session->step_times < 1 ? -1.0 : elapsed / (double)session->step_times * (double)left;
}

static snug_status report_step(snug_session *session, double loss, double seconds, snug_error *err)
{
    snug_process_memory memory;
    const snug_train_state *state = &session->state;
    const double elapsed = snug_clock_seconds_since(session->start_ns);
    SNUG_TRY(snug_procfs_process("", 0, &memory, err));
    session->buffers.step_seconds[session->step_times++ % SNUG_STEP_TIMES] = seconds;
    const snug_step_record record = {.step = state->step,
                                     .epoch = session->step.epoch,
                                     .samples = state->samples,
                                     .loss = loss,
                                     .gradient_norm = gradient_norm(session),
                                     .learning_rate = session->step.learning_rate,
                                     .step_seconds = seconds,
                                     .seconds = state->seconds,
                                     .rss_bytes = memory.resident_bytes,
                                     .peak_rss_bytes = memory.resident_peak_bytes};
    const int64_t every = snug_max_i64(1, session->settings.training_log_every_steps);
    if (session->journal_open && (state->step % every == 0 || state->step == session->step_count)) {
        SNUG_TRY(snug_journal_step(&session->journal, &record, err));
    }
    if (session->observer != NULL && session->observer->step != NULL) {
        const snug_step_report report = {.step = record.step,
                                         .step_count = session->step_count,
                                         .epoch = record.epoch,
                                         .samples = record.samples,
                                         .loss = loss,
                                         .learning_rate = record.learning_rate,
                                         .gradient_norm = record.gradient_norm,
                                         .samples_per_second =
                                             (double)session->step.batch / seconds,
                                         .elapsed_s = elapsed,
                                         .remaining_s = remaining_seconds(session, elapsed),
                                         .rss_bytes = record.rss_bytes,
                                         .peak_rss_bytes = record.peak_rss_bytes,
                                         .budget_bytes = session->budget.bytes};
        session->observer->step(session->observer->context, &report);
    }
    return snug_session_watch_step(session, &record, err);
}

static snug_status save(snug_session *session, bool best, snug_error *err)
{
    char folder[SNUG_PATH_BYTES], path[SNUG_PATH_BYTES];
    if (session->out[0] == '\0') {
        return SNUG_OK;
    }
    const int64_t start = snug_clock_ns();
    session->state.journal_bytes = session->journal.bytes;
    snug_heap_usage usage;
    snug_heap_usage_read(&usage);
    snug_train_state state = session->state;
    state.allocations += usage.requests_after_seal; /* Of this part of the run; counted once. */
    SNUG_TRY(snug_file_sync(&session->journal.file, err));
    SNUG_TRY(snug_path_join(session->out, "checkpoints", folder, err));
    SNUG_TRY(snug_checkpoint_save(folder, &session->buffers.checkpoint, &state, best,
                                  snug_max_i64(1, session->settings.training_keep_checkpoints),
                                  path, err));
    if (session->observer != NULL && session->observer->checkpoint != NULL) {
        const snug_checkpoint_report report = {
            .step = session->state.step,
            .path = path,
            .bytes = snug_checkpoint_bytes(&session->buffers.checkpoint),
            .seconds = snug_clock_seconds_since(start)};
        session->observer->checkpoint(session->observer->context, &report);
    }
    session->saved_step = session->state.step;
    return SNUG_OK;
}

static bool has_lost_patience(const snug_session *session)
{
    const snug_settings *s = &session->settings;
    if (session->state.finished != 0) {
        return true;
    }
    return s->training_early_stopping && s->training_early_stopping_patience > 0 &&
           session->state.bad_evaluations >= s->training_early_stopping_patience;
}

/** Evaluates, tells, and saves the best; `*out_stop` when patience has run out. */
static snug_status evaluate(snug_session *session, bool epoch_ended, bool *out_stop,
                            snug_error *err)
{
    const snug_settings *s = &session->settings;
    snug_train_state *state = &session->state;
    if (session->source->calls->sample_count(session->source, false) == 0) {
        return SNUG_OK;
    }
    const int64_t start = snug_clock_ns();
    SNUG_TRY(snug_session_evaluate(session, err));
    snug_evaluation *e = &session->evaluation;
    const bool first = state->best_step == 0;
    const int32_t score = session->family->score;
    const double value = score == 0 ? e->loss : -e->metrics[score - 1].value;
    e->best = first || value < state->best_value - s->training_min_delta;
    if (e->best) {
        state->best_step = state->step;
        state->best_value = value;
        state->bad_evaluations = 0;
    } else {
        state->bad_evaluations++;
    }
    if (session->journal_open) {
        SNUG_TRY(
            snug_journal_evaluation(&session->journal, e, snug_clock_seconds_since(start), err));
    }
    SNUG_TRY(snug_session_watch_evaluation(session, err));
    if (session->observer != NULL && session->observer->evaluation != NULL) {
        session->observer->evaluation(session->observer->context, e);
    }
    SNUG_TRY(snug_session_smart_decide(session, epoch_ended, err));
    *out_stop = has_lost_patience(session);
    return e->best ? save(session, true, err) : SNUG_OK;
}

static bool is_due(int64_t every, const snug_session *session, bool epoch_ended)
{
    return every > 0 ? session->state.step % every == 0 : epoch_ended;
}

/** What follows a step: evaluation, checkpoint. */
static snug_status after_step(snug_session *session, bool *out_stop, snug_error *err)
{
    const snug_settings *s = &session->settings;
    const bool epoch_ended = session->state.position == 0;
    const bool last = session->state.step >= session->step_count;
    if (is_due(s->training_eval_every_steps, session, epoch_ended) || last) {
        SNUG_TRY(evaluate(session, epoch_ended, out_stop, err));
    }
    const bool due = is_due(s->training_checkpoint_every_steps, session, epoch_ended);
    if ((due || last || *out_stop) && session->saved_step != session->state.step) {
        SNUG_TRY(save(session, false, err));
    }
    return SNUG_OK;
}

static snug_status loop(snug_session *session, snug_error *err)
{
    /* A run that had stopped early stays stopped when it is resumed. */
    bool stop_early = has_lost_patience(session);
    while (session->state.step < session->step_count && !stop_early) {
        if (atomic_load(&session->stop)) {
            if (session->saved_step != session->state.step && session->state.step > 0) {
                SNUG_TRY(save(session, false, err));
            }
            session->summary.interrupted = true;
            return SNUG_FAIL(err, SNUG_CODE_INTERRUPTED,
                             "stopped after step %lld of %lld, saved; continue with --resume",
                             (long long)session->state.step, (long long)session->step_count);
        }
        double loss = 0.0;
        const int64_t start = snug_clock_ns();
        SNUG_TRY(run_step(session, &loss, err));
        const double seconds = snug_clock_seconds_since(start);
        session->state.seconds += seconds;
        SNUG_TRY(report_step(session, loss, seconds, err));
        SNUG_TRY(after_step(session, &stop_early, err));
    }
    session->summary.stopped_early = stop_early;
    if (stop_early && session->settings.training_restore_best && session->out[0] != '\0') {
        char path[SNUG_PATH_BYTES];
        snug_train_state best;
        SNUG_TRY(snug_path_join(session->out, "checkpoints/best", path, err));
        SNUG_TRY(snug_checkpoint_load(path, &session->buffers.checkpoint, false, &session->setup,
                                      &best, err));
        /* The figures of the run belong to the weights that it ends with. */
        SNUG_TRY(snug_session_evaluate(session, err));
        session->evaluation.step = best.step;
    }
    return SNUG_OK;
}

/** A run that is resumed at its end has nothing to train; its summary still has all figures. */
static snug_status evaluate_again(snug_session *session, snug_error *err)
{
    const bool done = session->state.step >= session->step_count || has_lost_patience(session);
    return done && session->source->calls->sample_count(session->source, false) > 0
               ? snug_session_evaluate(session, err)
               : SNUG_OK;
}

static snug_status open_journal(snug_session *session, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    if (session->out[0] == '\0') {
        return SNUG_OK;
    }
    SNUG_TRY(snug_path_join(session->out, "metrics.jsonl", session->journal_path, err));
    SNUG_TRY(snug_journal_open(session->journal_path, session->state.journal_bytes,
                               session->buffers.line, session->buffers.line_bytes,
                               &session->journal, err));
    session->journal_open = true;
    SNUG_TRY(snug_path_join(session->out, "summary.json", path, err));
    return snug_file_remove(path, err); /* Of an earlier part; it is made anew at the end. */
}

/** The kernel's peak so far must already be within the budget, before the first step. */
static snug_status prove(const snug_session *session, snug_error *err)
{
    snug_process_memory memory;
    char used[SNUG_SIZE_TEXT_BYTES], budget[SNUG_SIZE_TEXT_BYTES];
    SNUG_TRY(snug_procfs_process("", 0, &memory, err));
    if (memory.resident_peak_bytes > session->budget.bytes && LIMIT_PROCESS) {
        return SNUG_FAIL(err, SNUG_CODE_BUDGET,
                         "after set-up the process has %s, more than the budget of %s; nothing was "
                         "trained: please report this plan",
                         snug_size_text(memory.resident_peak_bytes, used),
                         snug_size_text(session->budget.bytes, budget));
    }
    return SNUG_OK;
}

/** The page about the run, and what the family adds to its folder; it is whole without them. */
static void finish(const snug_session *session)
{
    snug_error err = {0};
    if (session->out[0] == '\0') {
        return;
    }
    if (snug_failed(snug_run_report_write(session->out, NULL, &err))) {
        snug_session_message(session, SNUG_MESSAGE_WARNING, "no report: %s", err.message);
    }
    if (session->family->finish != NULL && snug_failed(session->family->finish(session, &err))) {
        snug_session_message(session, SNUG_MESSAGE_WARNING, "%s", err.message);
    }
}

snug_status snug_session_seal(snug_error *err)
{
    return snug_heap_seal(LIMIT_PROCESS, SEAL_SLACK_BYTES, err);
}

snug_status snug_session_train(snug_session *session, const snug_observer *observer,
                               snug_run_summary *out_summary, snug_error *err)
{
    snug_status status = SNUG_OK;
    SNUG_ASSERT(session->purpose == SNUG_PURPOSE_TRAIN);
    session->observer = observer;
    session->start_ns = snug_clock_ns();
    SNUG_TRY(snug_session_set_up(session, err));
    session->saved_step = session->resume ? session->state.step : 0;
    SNUG_TRY_DONE(open_journal(session, err));
    SNUG_TRY_DONE(snug_session_watch_open(session, err));
    SNUG_TRY_DONE(prove(session, err));
    SNUG_TRY_DONE(snug_session_seal(err));
    SNUG_TRY_DONE(evaluate_again(session, err));
    status = loop(session, err);
    if (status == SNUG_OK || status == SNUG_CODE_INTERRUPTED) {
        snug_error ignored = {0};
        const snug_status written =
            snug_summary_finish(session, status == SNUG_OK ? err : &ignored);
        status = status == SNUG_OK ? written : status;
        if (out_summary != NULL) {
            *out_summary = session->summary;
        }
    }

done:
    snug_session_watch_close(session, status == SNUG_OK                 ? "done"
                                      : status == SNUG_CODE_INTERRUPTED ? "interrupted"
                                                                        : "failed");
    snug_session_tear_down(session);
    if (status == SNUG_OK || status == SNUG_CODE_INTERRUPTED) {
        snug_summary_draw(session);
        finish(session);
    }
    return status;
}
