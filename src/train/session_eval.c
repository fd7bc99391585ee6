/* Evaluation and prediction: forward programs, running metrics, one tile of predictions at a time.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "sys/clock.h"
#include "sys/heap.h"
#include "train/output.h"
#include "train/session.h"

/** How to undo the normalisation of the sample at `position` of the part. */
static snug_timeseries_session session_of(const snug_session *session, int64_t position)
{
    const snug_timeseries_place place = snug_timeseries_locate(session->index, false, 0, position);
    return snug_timeseries_session_at(session->index, place.file);
}

static void add_sample(snug_session *session, int64_t position, const float *prediction,
                       const float *target, const unsigned char *mask)
{
    const snug_timeseries_session at = session_of(session, position);
    const snug_metrics_sample sample = {.rows = session->facts.target_rows,
                                        .prediction = prediction,
                                        .target = target,
                                        .mask = mask,
                                        .mean = at.target_mean,
                                        .std = at.target_std};
    snug_metrics_add(&session->buffers.metrics, &sample);
}

/** Collected instead of online: the record of one sample goes to a file, for debugging. */
static snug_status collect_sample(snug_session *session, const float *prediction,
                                  const float *target, const unsigned char *mask, snug_error *err)
{
    const int64_t rows = session->facts.target_rows;
    const int64_t values = rows * session->facts.target_count * (int64_t)sizeof(float);
    unsigned char *record = session->buffers.record;
    memcpy(record, prediction, (size_t)values);
    memcpy(record + values, target, (size_t)values);
    if (mask != NULL) {
        memcpy(record + 2 * values, mask, (size_t)rows);
    } else {
        memset(record + 2 * values, 1, (size_t)rows);
    }
    return snug_file_append(&session->collected, record, session->buffers.record_bytes, err);
}

/** All inputs of the sink are there: one tile of samples. */
static snug_status take_tile(snug_session *session, int64_t first, int64_t count, snug_error *err)
{
    const int64_t rows = session->facts.target_rows;
    const int64_t step = rows * session->facts.target_count;
    const float *prediction = session->shown.data[0];
    if (session->purpose == SNUG_PURPOSE_PREDICT) {
        return snug_output_add(session->output, session, session->batch_first + first, count,
                               prediction, err);
    }
    const float *target = session->shown.data[1];
    const double *partials = session->shown.data[2];
    const unsigned char *mask = session->shown.inputs > 3 ? session->shown.data[3] : NULL;
    for (int64_t i = 0; i < count; i++) {
        const float *p = prediction + i * step, *t = target + i * step;
        const unsigned char *m = mask == NULL ? NULL : mask + i * rows;
        session->evaluation_loss += partials[i];
        if (session->buffers.record != NULL) {
            SNUG_TRY(collect_sample(session, p, t, m, err));
        } else {
            add_sample(session, session->batch_first + first + i, p, t, m);
        }
    }
    return SNUG_OK;
}

snug_status snug_session_emit(void *context, const snug_exec_shown *shown, snug_error *err)
{
    snug_session *session = context;
    session->shown.inputs = session->graph.nodes[shown->node].input_count;
    session->shown.data[shown->input] = shown->data;
    if (shown->input + 1 < session->shown.inputs) {
        return SNUG_OK;
    }
    return take_tile(session, shown->first, shown->count, err);
}

/** Reads the collected records back in their order: the same sums as online. */
static snug_status add_collected(snug_session *session, int64_t samples, snug_error *err)
{
    const int64_t values =
        session->facts.target_rows * session->facts.target_count * (int64_t)sizeof(float);
    const unsigned char *record = session->buffers.record;
    for (int64_t i = 0; i < samples; i++) {
        SNUG_TRY(snug_file_read_at(&session->collected, i * session->buffers.record_bytes,
                                   session->buffers.record, session->buffers.record_bytes, err));
        add_sample(session, i, (const float *)(const void *)record,
                   (const float *)(const void *)(record + values), record + 2 * values);
    }
    return SNUG_OK;
}

/** Samples of an evaluation: all of the part, unless the session was opened for a look only. */
static int64_t evaluation_samples(const snug_session *session)
{
    const int64_t samples = session->source->calls->sample_count(session->source, false);
    return session->steps_max > 0 ? snug_min_i64(samples, session->steps_max * session->batch)
                                  : samples;
}

/** Runs the forward program over every sample of the part, batch by batch. */
static snug_status run_part(snug_session *session, double *out_normaliser, snug_error *err)
{
    snug_source *source = session->source;
    const int64_t samples = evaluation_samples(session);
    for (int64_t first = 0; first < samples; first += session->batch) {
        const snug_source_batch batch = {.first_position = first,
                                         .count = snug_min_i64(session->batch, samples - first)};
        const int64_t after = first + batch.count;
        const snug_source_batch next = {.first_position = after,
                                        .count = snug_min_i64(session->batch, samples - after)};
        SNUG_TRY(source->calls->begin(source, &batch, next.count > 0 ? &next : NULL, err));
        /* Shares are not divided yet: the normaliser is the sum over all batches. */
        const snug_step_context step = {.seed = (uint64_t)session->settings.seed,
                                        .first_position = first,
                                        .batch = batch.count,
                                        .normaliser = 1.0};
        session->batch_first = first;
        SNUG_TRY(snug_exec_step(session->exec_evaluate, &step, &session->calls, err));
        *out_normaliser += source->calls->normaliser(source);
    }
    return SNUG_OK;
}

static snug_status open_collected(snug_session *session, snug_error *err)
{
    if (session->buffers.record == NULL) {
        return SNUG_OK;
    }
    const char *folder = session->out[0] != '\0' ? session->out : ".";
    SNUG_TRY(snug_path_join(folder, "predictions.collected", session->collected_path, err));
    SNUG_TRY(snug_file_open_append(session->collected_path, &session->collected, err));
    return snug_file_truncate(&session->collected, 0, err);
}

snug_status snug_session_evaluate(snug_session *session, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_session_buffers *b = &session->buffers;
    snug_evaluation *e = &session->evaluation;
    double normaliser = 0.0;
    session->evaluation_loss = 0.0;
    snug_metrics_reset(&b->metrics);
    SNUG_TRY(open_collected(session, err));
    SNUG_TRY_DONE(run_part(session, &normaliser, err));
    const int64_t samples = evaluation_samples(session);
    if (b->record != NULL) {
        SNUG_TRY_DONE(add_collected(session, samples, err));
    }
    const snug_metrics_result result =
        snug_metrics_finish(&b->metrics, b->target_mse, b->target_mae, b->target_r2);
    *e = (snug_evaluation){.step = session->state.step,
                           .epoch = session->step.epoch,
                           .samples = samples,
                           .loss = session->evaluation_loss / (normaliser > 0.0 ? normaliser : 1.0),
                           .mse = result.mse,
                           .mae = result.mae,
                           .r2 = result.r2,
                           .target_count = session->facts.target_count,
                           .target_mse = b->target_mse,
                           .target_mae = b->target_mae,
                           .target_r2 = b->target_r2};

done:
    if (b->record != NULL) {
        snug_file_close(&session->collected);
        const snug_status removed = snug_file_remove(session->collected_path, NULL);
        SNUG_UNUSED(removed);
    }
    return status;
}

/** Other data than the session was opened with: the index and the plan are made again. */
static snug_status reopen(snug_session *session, const char *path, snug_error *err)
{
    const int64_t inputs = session->facts.input_count, targets = session->facts.target_count;
    if (path != NULL) {
        if (strlen(path) >= sizeof session->settings.data_path) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the path '%s' is too long", path);
        }
        memcpy(session->settings.data_path, path, strlen(path) + 1);
    }
    session->evaluate_all = true;
    SNUG_TRY(snug_session_open_data(session, err));
    if (session->facts.input_count != inputs || session->facts.target_count != targets) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "'%s' has %lld inputs and %lld targets, the model was trained on %lld and "
                         "%lld",
                         session->settings.data_path, (long long)session->facts.input_count,
                         (long long)session->facts.target_count, (long long)inputs,
                         (long long)targets);
    }
    return snug_session_make_plan(session, err);
}

/** Chooses what `training` = false reads: one part, or everything there is. */
static snug_status choose_part(snug_session *session, snug_part part, const char *path,
                               snug_error *err)
{
    static const snug_timeseries_part parts[] = {SNUG_TIMESERIES_TRAIN, SNUG_TIMESERIES_VALIDATION,
                                                 SNUG_TIMESERIES_TEST, SNUG_TIMESERIES_VALIDATION};
    if (part == SNUG_PART_ALL || path != NULL) {
        SNUG_TRY(reopen(session, path, err));
        part = SNUG_PART_ALL;
    }
    snug_timeseries_evaluate_part(session->index, parts[part]);
    if (session->facts.window_count[parts[part]] == 0) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "the %s part of '%s' has no window of %lld rows",
                         snug_timeseries_part_name(parts[part]), session->settings.data_path,
                         (long long)session->facts.window_rows);
    }
    return SNUG_OK;
}

snug_status snug_session_eval(snug_session *session, snug_part part, const snug_observer *observer,
                              snug_evaluation *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    SNUG_ASSERT(session->purpose == SNUG_PURPOSE_EVAL);
    session->observer = observer;
    SNUG_TRY(choose_part(session, part, NULL, err));
    snug_session_tear_down(session);
    SNUG_TRY(snug_session_set_up(session, err));
    SNUG_TRY_DONE(snug_heap_seal(false, 0, err));
    SNUG_TRY_DONE(snug_session_evaluate(session, err));
    *out = session->evaluation;

done:
    snug_heap_unseal();
    if (snug_failed(status)) {
        snug_session_tear_down(session);
    }
    return status;
}

snug_status snug_session_predict(snug_session *session, const snug_predict_options *options,
                                 const snug_observer *observer, int64_t *out_rows, snug_error *err)
{
    snug_status status = SNUG_OK;
    double normaliser = 0.0;
    SNUG_ASSERT(session->purpose == SNUG_PURPOSE_PREDICT);
    session->observer = observer;
    SNUG_TRY(choose_part(session, options->part, options->input, err));
    SNUG_TRY(snug_session_set_up(session, err));
    SNUG_TRY_DONE(snug_output_open(options, session, &session->output, err));
    SNUG_TRY_DONE(run_part(session, &normaliser, err));
    SNUG_TRY_DONE(snug_output_commit(session->output, out_rows, err));

done:
    snug_output_close(session->output);
    session->output = NULL;
    snug_session_tear_down(session);
    return status;
}
