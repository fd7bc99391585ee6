/* The journal: each record becomes one line in a given buffer and is appended at once. */
#include "train/journal.h"

#include "base/assert.h"
#include "base/json.h"
#include "base/text.h"

int64_t snug_journal_line_bytes(int64_t item_values)
{
    return 2048 + 26 * item_values;
}

snug_status snug_journal_open(const char *path, int64_t keep_bytes, char *line, int64_t line_bytes,
                              snug_journal *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_file file = {0};
    SNUG_TRY(snug_file_open_append(path, &file, err));
    if (file.bytes < keep_bytes) {
        SNUG_FAIL_DONE(err, SNUG_CODE_FORMAT,
                       "%s has %lld bytes, the checkpoint was made at %lld: the journal was cut",
                       path, (long long)file.bytes, (long long)keep_bytes);
    }
    SNUG_TRY_DONE(snug_file_truncate(&file, keep_bytes, err));
    *out =
        (snug_journal){.file = file, .bytes = keep_bytes, .line = line, .line_bytes = line_bytes};

done:
    if (snug_failed(status)) {
        snug_file_close(&file);
    }
    return status;
}

static snug_status append(snug_journal *journal, snug_text *text, snug_error *err)
{
    snug_text_add(text, "\n");
    SNUG_ASSERT(!text->truncated);
    SNUG_TRY(snug_file_append(&journal->file, text->data, text->length, err));
    journal->bytes += text->length;
    return SNUG_OK;
}

snug_status snug_journal_step(snug_journal *journal, const snug_step_record *record,
                              snug_error *err)
{
    snug_text text;
    snug_json_writer json;
    snug_text_init(&text, journal->line, journal->line_bytes);
    snug_json_writer_init(&json, &text, false);
    snug_json_object_begin(&json);
    snug_json_put_i64(&json, "step", record->step);
    snug_json_put_i64(&json, "epoch", record->epoch);
    snug_json_put_i64(&json, "samples", record->samples);
    snug_json_put_f64(&json, "loss", record->loss);
    snug_json_put_f64(&json, "gradient_norm", record->gradient_norm);
    snug_json_put_f64(&json, "learning_rate", record->learning_rate);
    snug_json_put_f64(&json, "step_seconds", record->step_seconds);
    snug_json_put_f64(&json, "seconds", record->seconds);
    snug_json_put_i64(&json, "rss_bytes", record->rss_bytes);
    snug_json_put_i64(&json, "peak_rss_bytes", record->peak_rss_bytes);
    snug_json_object_end(&json);
    return append(journal, &text, err);
}

void snug_journal_metrics(const snug_evaluation *evaluation, snug_json_writer *json)
{
    snug_json_put_f64(json, "loss", evaluation->loss);
    for (int32_t i = 0; i < evaluation->metric_count; i++) {
        snug_json_put_f64(json, evaluation->metrics[i].name, evaluation->metrics[i].value);
    }
    for (int32_t i = 0; i < evaluation->item_metric_count; i++) {
        char key[64];
        snug_text text;
        snug_text_init(&text, key, sizeof key);
        snug_text_add(&text, "%s_%s", evaluation->item, evaluation->item_metrics[i].name);
        snug_json_put_f64s(json, key, evaluation->item_metrics[i].values, evaluation->item_count);
    }
}

snug_status snug_journal_evaluation(snug_journal *journal, const snug_evaluation *evaluation,
                                    double seconds, snug_error *err)
{
    snug_text text;
    snug_json_writer json;
    snug_text_init(&text, journal->line, journal->line_bytes);
    snug_json_writer_init(&json, &text, false);
    snug_json_object_begin(&json);
    snug_json_put_i64(&json, "step", evaluation->step);
    snug_json_put_i64(&json, "epoch", evaluation->epoch);
    snug_json_key(&json, "evaluation");
    snug_json_object_begin(&json);
    snug_json_put_i64(&json, "samples", evaluation->samples);
    snug_journal_metrics(evaluation, &json);
    snug_json_put_f64(&json, "seconds", seconds);
    snug_json_object_end(&json);
    snug_json_object_end(&json);
    return append(journal, &text, err);
}

snug_status snug_journal_event(snug_journal *journal, const char *event, const char *message,
                               snug_error *err)
{
    snug_text text;
    snug_json_writer json;
    snug_text_init(&text, journal->line, journal->line_bytes);
    snug_json_writer_init(&json, &text, false);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "event", event);
    snug_json_put_string(&json, "message", message);
    snug_json_object_end(&json);
    return append(journal, &text, err);
}

void snug_journal_close(snug_journal *journal)
{
    snug_file_close(&journal->file);
}
