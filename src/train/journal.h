/* RUN/metrics.jsonl: one object per logged step and evaluation, written a line at a time. */
#ifndef SNUG_TRAIN_JOURNAL_H
#define SNUG_TRAIN_JOURNAL_H

#include <stdint.h>

#include "base/json.h"
#include "base/status.h"
#include "snug/session.h"
#include "sys/file.h"

typedef struct snug_step_record {
    int64_t step, epoch, samples;
    double loss;          /* Mean over the valid elements of the global batch. */
    double gradient_norm; /* Before clipping. */
    double learning_rate;
    double step_seconds, seconds;
    int64_t rss_bytes, peak_rss_bytes;
} snug_step_record;

typedef struct snug_journal {
    snug_file file;
    int64_t bytes; /* Written so far. */
    char *line;    /* Borrowed: room for the longest line. */
    int64_t line_bytes;
} snug_journal;

/** Bytes of the line buffer where an evaluation has so many values of items. */
int64_t snug_journal_line_bytes(int64_t item_values);

/**
 * Opens `path` for appending after its first `keep_bytes` bytes; what follows them is cut.
 * @errors  SNUG_CODE_IO; SNUG_CODE_FORMAT when the file is shorter than `keep_bytes`.
 */
SNUG_MUST_CHECK snug_status snug_journal_open(const char *path, int64_t keep_bytes, char *line,
                                              int64_t line_bytes, snug_journal *out,
                                              snug_error *err);
SNUG_MUST_CHECK snug_status snug_journal_step(snug_journal *journal, const snug_step_record *record,
                                              snug_error *err);
SNUG_MUST_CHECK snug_status snug_journal_evaluation(snug_journal *journal,
                                                    const snug_evaluation *evaluation,
                                                    double seconds, snug_error *err);
/** The fields of an evaluation that are its figures, into an open object: "loss", "mae", ... */
void snug_journal_metrics(const snug_evaluation *evaluation, snug_json_writer *json);
/** A line for a remark: {"event": ..., "message": ...}. */
SNUG_MUST_CHECK snug_status snug_journal_event(snug_journal *journal, const char *event,
                                               const char *message, snug_error *err);
void snug_journal_close(snug_journal *journal);

#endif
