#include <inttypes.h>
#include <math.h>

#include "api/inside.h"
#include "base/json.h"
#include "base/translate.h"
#include "snug/session.h"
#include "sys/heap.h"
#include "train/confusion_picture.h"
#include "train/journal.h"
#include "train/session.h"
#include "train/summary.h"

enum { SUMMARY_BYTES = 16 << 10, EVALUATION_BYTES = 1 << 20 };

static void summary_json(const snug_run_summary *s, snug_text *text)
{
    snug_json_writer json;
    snug_json_writer_init(&json, text, true);
    snug_json_object_begin(&json);
    snug_summary_fields(s, &json);
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
}

static void summary_text(const snug_run_summary *s, const char *out, snug_text *text)
{
    char peak[SNUG_SIZE_TEXT_BYTES];
    char predicted[SNUG_SIZE_TEXT_BYTES];
    char budget[SNUG_SIZE_TEXT_BYTES];
    const double ratio =
        s->peak_rss_bytes > 0 ? (double)s->predicted_peak_bytes / (double)s->peak_rss_bytes : NAN;
    snug_text_say(text, "Run       %" PRId64 " steps, %" PRId64 " samples in %.1f s%s%s\n",
                  s->steps, s->samples, s->seconds,
                  s->stopped_early ? snug_translated(", stopped early") : "",
                  s->interrupted ? snug_translated(", interrupted and saved") : "");
    if (!isnan(s->step_seconds_median)) {
        snug_text_say(text, "Speed     %.4g s per step (median), %s, %" PRId64 " threads\n",
                      s->step_seconds_median, s->isa == NULL ? "" : s->isa, s->threads);
    }
    snug_text_say(text, "Memory    peak %s of %s, predicted %s (%+.1f %%)\n",
                  snug_size_text(s->peak_rss_bytes, peak), snug_size_text(s->budget_bytes, budget),
                  snug_size_text(s->predicted_peak_bytes, predicted), 100 * (ratio - 1));
    snug_text_say(text, "Requests  %" PRId64 " for memory after the start\n",
                  s->allocations_after_seal);
    snug_text_say(text, "Loss      %.6g in the last step\n", s->loss);
    if (!isnan(s->validation_loss)) {
        snug_text_say(text, "Validation  loss %.6g", s->validation_loss);
        for (int32_t i = 0; i < s->validation_metric_count; i++) {
            snug_text_add(text, "  %s %.6g", s->validation_metrics[i].name,
                          s->validation_metrics[i].value);
        }
        snug_text_add(text, "\n");
    }
    snug_text_say(text, "Hashes    weights %.16s  losses %.16s\n", s->weights_sha256,
                  s->loss_sha256);
    if (out[0] != '\0') {
        snug_text_say(
            text,
            "Files     %s: report.html, metrics.jsonl, memory.jsonl, summary.json, checkpoints\n",
            out);
    }
}

snug_status snug_session_summary_write(const snug_session *session, snug_format format,
                                       snug_write write, void *context, snug_error *err)
{
    snug_report report = {0};
    SNUG_TRY(snug_report_open(&report, SUMMARY_BYTES, err));
    if (format == SNUG_FORMAT_JSON) {
        summary_json(&session->summary, &report.text);
    } else {
        summary_text(&session->summary, session->out, &report.text);
    }
    return snug_report_send(&report, write, context, err);
}

static void confusion_json(const snug_evaluation *e, snug_json_writer *json)
{
    snug_json_key(json, "confusion");
    snug_json_array_begin(json);
    for (int64_t row = 0; row < e->item_count; row++) {
        snug_json_array_begin(json);
        for (int64_t column = 0; column < e->item_count; column++) {
            snug_json_i64(json, e->confusion[row * e->item_count + column]);
        }
        snug_json_array_end(json);
    }
    snug_json_array_end(json);
}

static void evaluation_json(const snug_evaluation *e, snug_text *text)
{
    snug_json_writer json;
    snug_json_writer_init(&json, text, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", "snug.eval/1");
    snug_json_put_i64(&json, "step", e->step);
    snug_json_put_i64(&json, "samples", e->samples);
    snug_journal_metrics(e, &json);
    if (e->item_names != NULL) {
        snug_json_key(&json, "names");
        snug_json_array_begin(&json);
        for (int64_t k = 0; k < e->item_count; k++) {
            snug_json_string(&json, e->item_names[k]);
        }
        snug_json_array_end(&json);
    }
    if (e->confusion != NULL) {
        confusion_json(e, &json);
    }
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
}

/** A line of the table: a name and a figure for each column. */
static void evaluation_line(const snug_evaluation *e, int64_t item, snug_text *text)
{
    if (e->item_names != NULL) {
        snug_text_add(text, "  %-16s", e->item_names[item]);
    } else {
        snug_text_add(text, "  %-16" PRId64, item);
    }
    for (int32_t i = 0; i < e->item_metric_count; i++) {
        snug_text_add(text, " %12.6g", e->item_metrics[i].values[item]);
    }
    snug_text_add(text, "\n");
}

static void evaluation_text(const snug_evaluation *e, snug_text *text)
{
    snug_text_say(text, "%" PRId64 " samples, weights of step %" PRId64 "\n\n", e->samples,
                  e->step);
    for (int32_t i = 0; i < e->metric_count; i++) {
        snug_text_add(text, "  %-16s %12.6g\n", e->metrics[i].name, e->metrics[i].value);
    }
    snug_text_add(text, "  %-16s %12.6g\n\n  %-16s", "loss", e->loss, e->item);
    for (int32_t i = 0; i < e->item_metric_count; i++) {
        snug_text_add(text, " %12s", e->item_metrics[i].name);
    }
    snug_text_add(text, "\n");
    for (int64_t k = 0; k < e->item_count; k++) {
        evaluation_line(e, k, text);
    }
}

snug_status snug_evaluation_write(const snug_evaluation *evaluation, snug_format format,
                                  snug_write write, void *context, snug_error *err)
{
    snug_report report = {0};
    SNUG_TRY(snug_report_open(&report, EVALUATION_BYTES, err));
    if (format == SNUG_FORMAT_JSON) {
        evaluation_json(evaluation, &report.text);
    } else {
        evaluation_text(evaluation, &report.text);
    }
    return snug_report_send(&report, write, context, err);
}

snug_status snug_evaluation_draw(const snug_evaluation *evaluation, const char *path,
                                 snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(
        snug_heap_map(SNUG_CATEGORY_RUNTIME, SNUG_CONFUSION_MEMORY_BYTES, false, &memory, err));
    const snug_status status = snug_confusion_picture_write(evaluation, path, memory, err);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, memory, SNUG_CONFUSION_MEMORY_BYTES);
    return status;
}
