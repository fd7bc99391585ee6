/* Summary of a run: hashes, medians, peaks; schema snug.run/1. */
#include "train/summary.h"

#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/json.h"
#include "base/sort.h"
#include "sys/heap.h"
#include "sys/procfs.h"
#include "train/family.h"
#include "train/plot.h"

enum { SUMMARY_BYTES = 16 << 10 };

static double median_step(snug_session *session)
{
    const int64_t count = snug_min_i64(session->step_times, SNUG_STEP_TIMES);
    double *sorted = session->buffers.step_seconds + SNUG_STEP_TIMES;
    if (count == 0) {
        return NAN;
    }
    memcpy(sorted, session->buffers.step_seconds, (size_t)count * sizeof(double));
    /* libc's sort may take memory, and the door is shut. */
    snug_sort_f64(sorted, count);
    return count % 2 == 1 ? sorted[count / 2] : 0.5 * (sorted[count / 2 - 1] + sorted[count / 2]);
}

static void hash_weights(const snug_session *session, char out[65])
{
    snug_sha256 hash;
    const snug_session_bucket *bucket = snug_session_main(session);
    const snug_graph *graph = &bucket->graph;
    snug_sha256_init(&hash);
    for (int64_t i = 0; i < graph->tensor_count; i++) {
        if (graph->tensors[i].kind == SNUG_TENSOR_PARAMETER) {
            snug_sha256_add(&hash, snug_exec_tensor(bucket->exec_train, (snug_tensor_id)i),
                            snug_tensor_bytes(&graph->tensors[i]));
        }
    }
    snug_sha256_hex(&hash, out);
}

void snug_summary_fields(const snug_run_summary *s, snug_json_writer *json)
{
    snug_json_put_string(json, "schema", "snug.run/1");
    snug_json_put_i64(json, "budget_bytes", s->budget_bytes);
    snug_json_put_i64(json, "predicted_peak_bytes", s->predicted_peak_bytes);
    snug_json_put_i64(json, "peak_rss_bytes", s->peak_rss_bytes);
    snug_json_put_i64(json, "allocations_after_seal", s->allocations_after_seal);
    snug_json_put_i64(json, "steps", s->steps);
    snug_json_put_i64(json, "samples", s->samples);
    snug_json_put_i64(json, "threads", s->threads);
    snug_json_put_f64(json, "seconds", s->seconds);
    snug_json_put_f64(json, "step_seconds_median", s->step_seconds_median);
    snug_json_put_f64(json, "predicted_step_seconds", s->predicted_step_seconds);
    snug_json_put_f64(json, "loss", s->loss);
    snug_json_put_f64(json, "validation_loss", s->validation_loss);
    for (int32_t i = 0; i < s->validation_metric_count; i++) {
        char key[64];
        snug_text text;
        snug_text_init(&text, key, sizeof key);
        snug_text_add(&text, "validation_%s", s->validation_metrics[i].name);
        snug_json_put_f64(json, key, s->validation_metrics[i].value);
    }
    snug_json_put_string(json, "weights_sha256", s->weights_sha256);
    snug_json_put_string(json, "loss_sha256", s->loss_sha256);
    snug_json_put_string(json, "isa", s->isa == NULL ? "" : s->isa);
    snug_json_put_bool(json, "stopped_early", s->stopped_early);
    snug_json_put_bool(json, "interrupted", s->interrupted);
}

static void write_json(const snug_session *session, snug_text *text)
{
    const snug_evaluation *e = &session->evaluation;
    const snug_train_state *state = &session->state;
    const double best = state->best_step > 0 ? state->best_value : NAN;
    snug_json_writer json;
    snug_json_writer_init(&json, text, true);
    snug_json_object_begin(&json);
    snug_summary_fields(&session->summary, &json);
    const int32_t score = session->family->score;
    char key[64];
    snug_text name;
    snug_text_init(&name, key, sizeof key);
    snug_text_add(&name, "best_validation_%s",
                  score == 0 ? "loss" : session->family->metric_names[score - 1]);
    snug_json_put_f64(&json, key, score == 0 ? best : -best);
    snug_json_put_i64(&json, "best_step", state->best_step);
    if (e->item_count > 0) {
        snug_json_key(&json, "validation");
        snug_json_object_begin(&json);
        snug_journal_metrics(e, &json);
        snug_json_object_end(&json);
    }
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
}

static snug_status write_files(snug_session *session, snug_error *err)
{
    /* The checkpoint buffer is free now; the door to the heap is still shut. */
    char path[SNUG_PATH_BYTES];
    snug_text text;
    snug_text_init(&text, session->buffers.checkpoint.buffer,
                   session->buffers.checkpoint.buffer_bytes);
    write_json(session, &text);
    SNUG_TRY(snug_path_join(session->out, "summary.json", path, err));
    return snug_file_write_all(path, text.data, text.length, err);
}

snug_status snug_summary_finish(snug_session *session, snug_error *err)
{
    snug_run_summary *s = &session->summary;
    const snug_evaluation *e = &session->evaluation;
    snug_heap_usage usage;
    snug_process_memory memory;
    snug_sha256 loss_hash = session->state.loss_hash;
    SNUG_TRY(snug_procfs_process("", 0, &memory, err));
    snug_heap_usage_read(&usage);
    memcpy(session->used_bytes, usage.current_bytes, sizeof session->used_bytes);
    const bool evaluated = e->item_count > 0;
    s->budget_bytes = session->budget.bytes;
    s->predicted_peak_bytes = session->predicted_peak_bytes;
    s->peak_rss_bytes = memory.resident_peak_bytes;
    s->allocations_after_seal = session->state.allocations + usage.requests_after_seal;
    s->steps = session->state.step;
    s->samples = session->state.samples;
    s->seconds = session->state.seconds;
    s->step_seconds_median = median_step(session);
    s->predicted_step_seconds = session->has_train ? snug_session_seconds(session) : NAN;
    s->loss = session->state.step > 0 ? session->state.loss : NAN;
    s->validation_loss = evaluated ? e->loss : NAN;
    s->validation_metric_count = snug_session_metrics(session, s->validation_metrics);
    for (int32_t i = 0; evaluated && i < e->metric_count; i++) {
        s->validation_metrics[i].value = e->metrics[i].value;
    }
    s->isa = snug_isa_name(session->isa);
    s->threads = session->threads;
    hash_weights(session, s->weights_sha256);
    snug_sha256_hex(&loss_hash, s->loss_sha256);
    return session->out[0] == '\0' ? SNUG_OK : write_files(session, err);
}

static snug_status draw(const snug_session *session, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    void *memory = NULL;
    const snug_plot_labels labels = {.title = session->settings.model_name,
                                     .budget_bytes = session->budget.bytes,
                                     .predicted_bytes = session->predicted_peak_bytes};
    SNUG_TRY(snug_path_join(session->out, "report.svg", path, err));
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, snug_plot_run_bytes(), false, &memory, err));
    const snug_status status = snug_plot_run(session->journal_path, path, &labels, memory, err);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, memory, snug_plot_run_bytes());
    return status;
}

void snug_summary_draw(const snug_session *session)
{
    snug_error err = {0};
    if (session->out[0] != '\0' && snug_failed(draw(session, &err))) {
        snug_session_message(session, SNUG_MESSAGE_WARNING, "no picture: %s", err.message);
    }
}
