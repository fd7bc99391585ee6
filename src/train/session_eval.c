/* Evaluation and prediction: forward programs, running metrics, one tile of predictions at a time.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/translate.h"
#include "sys/clock.h"
#include "sys/heap.h"
#include "train/family.h"
#include "train/session.h"

enum { SHOWN_PREDICTION, SHOWN_TARGET, SHOWN_LOSS };

/** Collected instead of online: what was shown of one sample goes to a file, for debugging. */
static snug_status collect_sample(snug_session *session, const void *const *shown, snug_error *err)
{
    unsigned char *record = session->buffers.record;
    for (int32_t k = 0; k < session->shown.inputs; k++) {
        memcpy(record, shown[k], (size_t)session->shown.bytes[k]);
        record += snug_align_up(session->shown.bytes[k], 8);
    }
    return snug_file_append(&session->collected, session->buffers.record,
                            session->buffers.record_bytes, err);
}

/** All inputs of the sink are there: one tile of samples. */
static snug_status take_tile(snug_session *session, int64_t first, int64_t count, snug_error *err)
{
    const snug_session_shown *tile = &session->shown;
    for (int64_t i = 0; i < count; i++) {
        const int64_t position = session->batch_first + first + i;
        const void *shown[SNUG_SHOWN_MAX] = {NULL};
        for (int32_t k = 0; k < tile->inputs; k++) {
            shown[k] = (const unsigned char *)tile->data[k] + i * tile->bytes[k];
        }
        if (session->purpose == SNUG_PURPOSE_PREDICT) {
            SNUG_TRY(session->family->add_output(session, position, shown[SHOWN_PREDICTION], err));
            continue;
        }
        session->evaluation_loss += *(const double *)shown[SHOWN_LOSS];
        if (session->buffers.record != NULL) {
            SNUG_TRY(collect_sample(session, shown, err));
        } else {
            session->family->add_metrics(session, position, shown);
        }
    }
    return SNUG_OK;
}

snug_status snug_session_emit(void *context, const snug_exec_shown *shown, snug_error *err)
{
    snug_session *session = context;
    const snug_graph *graph = &session->active->graph;
    session->shown.inputs = graph->nodes[shown->node].input_count;
    session->shown.data[shown->input] = shown->data;
    session->shown.bytes[shown->input] = snug_tensor_bytes(&graph->tensors[shown->tensor]);
    if (shown->input + 1 < session->shown.inputs) {
        return SNUG_OK;
    }
    return take_tile(session, shown->first, shown->count, err);
}

/** Reads the collected records back in their order: the same sums as online. */
static snug_status add_collected(snug_session *session, int64_t samples, snug_error *err)
{
    for (int64_t i = 0; i < samples; i++) {
        const unsigned char *record = session->buffers.record;
        const void *shown[SNUG_SHOWN_MAX] = {NULL};
        SNUG_TRY(snug_file_read_at(&session->collected, i * session->buffers.record_bytes,
                                   session->buffers.record, session->buffers.record_bytes, err));
        for (int32_t k = 0; k < session->shown.inputs; k++) {
            shown[k] = record;
            record += snug_align_up(session->shown.bytes[k], 8);
        }
        session->family->add_metrics(session, i, shown);
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

/** Runs the forward program over the batch from position `first` of `samples`. */
static snug_status run_batch(snug_session *session, int64_t first, int64_t samples, snug_error *err)
{
    snug_source *source = session->source;
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
                                    .evaluation = true,
                                    .normaliser = 1.0};
    session->batch_first = first;
    session->active = &session->buckets[source->calls->bucket(source)];
    return snug_exec_step(session->active->exec_forward, &step, &session->calls, err);
}

/** All samples of the part, batch by batch. */
static snug_status run_part(snug_session *session, double *out_normaliser, snug_error *err)
{
    const int64_t samples = evaluation_samples(session);
    for (int64_t first = 0; first < samples; first += session->batch) {
        SNUG_TRY(run_batch(session, first, samples, err));
        *out_normaliser += session->source->calls->normaliser(session->source);
    }
    return SNUG_OK;
}

snug_status snug_session_rehearse_steps(snug_session *session, snug_error *err)
{
    snug_source *source = session->source;
    const int64_t samples = source->calls->sample_count(source, true);
    const snug_source_batch batch = {.count = snug_min_i64(session->batch, samples),
                                     .training = true};
    const snug_step_context step = {
        .batch = batch.count, .normaliser = 1.0, .step = 1, .learning_rate = 0.0};
    const int64_t evaluated = evaluation_samples(session);
    SNUG_TRY(source->calls->begin(source, &batch, NULL, err));
    session->active = &session->buckets[source->calls->bucket(source)];
    SNUG_TRY(snug_session_run_passes(session, &step, err));
    if (evaluated > 0 && session->buffers.record == NULL) {
        SNUG_TRY(run_batch(session, 0, snug_min_i64(evaluated, session->batch), err));
        session->family->reset_metrics(session);
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
    session->family->reset_metrics(session);
    SNUG_TRY(open_collected(session, err));
    SNUG_TRY_DONE(run_part(session, &normaliser, err));
    const int64_t samples = evaluation_samples(session);
    if (b->record != NULL) {
        SNUG_TRY_DONE(add_collected(session, samples, err));
    }
    *e =
        (snug_evaluation){.step = session->state.step,
                          .epoch = session->step.epoch,
                          .samples = samples,
                          .loss = session->evaluation_loss / (normaliser > 0.0 ? normaliser : 1.0)};
    e->metric_count = snug_family_metrics(session->family, e->metrics);
    session->family->finish_metrics(session, e);

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
    if (path != NULL) {
        if (strlen(path) >= sizeof session->settings.data_path) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the path '%s' is too long", path);
        }
        memcpy(session->settings.data_path, path, strlen(path) + 1);
    }
    session->evaluate_all = true;
    SNUG_TRY(snug_session_open_data(session, err));
    SNUG_TRY(snug_session_build_all(session, err)); /* Longer texts need longer graphs. */
    return snug_session_make_plan(session, err);
}

/** Chooses what `training` = false reads: one part, or everything there is. */
static snug_status choose_part(snug_session *session, snug_part part, const char *path,
                               snug_error *err)
{
    static const char *const names[SNUG_PARTS] = {"train", "validation", "test"};
    if (part == SNUG_PART_ALL || path != NULL) {
        SNUG_TRY(reopen(session, path, err));
        part = SNUG_PART_ALL;
    }
    /* Where all is read, all of it is the validation part. */
    const snug_part read = part == SNUG_PART_ALL ? SNUG_PART_VALIDATION : part;
    session->family->choose_part(session, read);
    if (session->data.sample_count[read] == 0) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "the %s part of '%s' has no %s",
                         snug_translated(names[read]), session->settings.data_path,
                         snug_translated(session->family->sample));
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
    SNUG_TRY_DONE(session->family->open_output(session, options, err));
    SNUG_TRY_DONE(run_part(session, &normaliser, err));
    SNUG_TRY_DONE(session->family->commit_output(session, out_rows, err));

done:
    session->family->close_output(session);
    snug_session_tear_down(session);
    return status;
}

bool snug_session_has_classes(const snug_session *session)
{
    return session->family->classes;
}

int32_t snug_session_metrics(const snug_session *session, snug_metric out[SNUG_METRICS_MAX])
{
    return snug_family_metrics(session->family, out);
}
