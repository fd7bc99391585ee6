/* Memory logs of many kinds as one series: our JSON lines and those of other recorders. */
#ifndef SNUG_MONITOR_LOG_READ_H
#define SNUG_MONITOR_LOG_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "monitor/ledger_watch.h"
#include "monitor/series.h"

enum {
    SNUG_LOG_LINE_BYTES_MAX = 64 << 10, /* A longer line is left out. */
    SNUG_LOG_EVENTS_MAX = 64,           /* Kept; more are counted. */
    SNUG_LOG_WORD_BYTES = 96,
    SNUG_LOG_COMMAND_BYTES = 512,
    SNUG_LOG_COLUMNS_MAX = 64
};

/** Whose log it is; recognised by its first lines. */
typedef enum snug_log_kind {
    SNUG_LOG_UNKNOWN,
    SNUG_LOG_OURS,     /* JSON lines of schema memlog/1. */
    SNUG_LOG_METRICS,  /* RUN/metrics.jsonl. */
    SNUG_LOG_PSRECORD, /* Text or CSV. */
    SNUG_LOG_MPROF,    /* memory_profiler's .dat. */
    SNUG_LOG_PRMON     /* Columns divided by tabs. */
} snug_log_kind;

/** "snug monitor", "psrecord", ...; static. */
const char *snug_log_kind_name(snug_log_kind kind);

typedef struct snug_log_note {
    double t;
    char what[32];                  /* One of SNUG_LOG_EVENT_*, or "phase". */
    char text[SNUG_LOG_WORD_BYTES]; /* For people; may be empty. */
} snug_log_note;

/** Everything that a log tells, in about 1.8 MiB whatever its length. All zeros is empty. */
typedef struct snug_log {
    snug_log_kind kind;
    snug_series series;
    snug_ledger_watch ledger; /* Only where the program counts its own memory. */
    char command[SNUG_LOG_COMMAND_BYTES];
    char program[SNUG_LOG_WORD_BYTES];
    char machine[SNUG_LOG_WORD_BYTES];
    char started[SNUG_LOG_WORD_BYTES];
    double limit;       /* Of the control group, the last one seen; 0: none. */
    double peak_kernel; /* Highest watermark of the kernel; 0: not known. */
    double cgroup_peak;
    double late_ms; /* The latest sample's delay. */
    int64_t oom_kills;
    snug_log_note notes[SNUG_LOG_EVENTS_MAX];
    int64_t note_count; /* All of them; the first SNUG_LOG_EVENTS_MAX are kept. */
    int64_t epoch;      /* The last one seen, from 0; -1 before. */
    int64_t lines;
    int64_t bad_lines;    /* Left out: not of this format. */
    int64_t bad_line;     /* The first of them, from 1. */
    int64_t back_samples; /* Left out: their clock went back. */
    int64_t runs;         /* Headers; the last run counts. */
    bool cut;             /* The last line was not finished. */
    bool packed_cut;      /* The compressed file ends too early. */
} snug_log;

/** One sample of a table, by columns. */
typedef enum snug_log_column {
    SNUG_COLUMN_OTHER,
    SNUG_COLUMN_TIME,
    SNUG_COLUMN_QUANTITY
} snug_log_column;

/** A reader that is fed pieces of any size. About 70 KiB; one owner at a time. */
typedef struct snug_log_reader {
    snug_log *log; /* Borrowed. */
    double t_last;
    double t_base; /* First time of a wall clock; NAN before. */
    struct {
        char key[24];
        int32_t bytes;
        int32_t field; /* snug_log_field, SNUG_FIELD_COUNT: not used, and one more: the time. */
    } order[SNUG_FIELD_COUNT + 8]; /* Keys in the order of the last sample. */
    struct {
        snug_log_column what;
        snug_quantity quantity;
        double factor; /* To bytes, or to seconds. */
    } columns[SNUG_LOG_COLUMNS_MAX];
    int64_t column_count;
    char separator;
    snug_sample pending; /* A sample of mprof, until its children are added. */
    bool has_pending;
    bool too_long; /* In the middle of a line that is left out. */
    char carried[SNUG_LOG_LINE_BYTES_MAX];
    int64_t carried_bytes;
} snug_log_reader;

/** Begins with an empty log; both are overwritten. */
void snug_log_reader_init(snug_log_reader *reader, snug_log *log);
/** Reads some bytes of the text; lines may be cut anywhere. Nothing here can fail. */
void snug_log_reader_feed(snug_log_reader *reader, const char *text, int64_t bytes);
/**
 * The text is over.
 * @errors  SNUG_CODE_FORMAT when this is no log of a known kind, SNUG_CODE_DATA when it holds no
 *          sample. Lines that could not be read are counted in the log and are no failure.
 */
SNUG_MUST_CHECK snug_status snug_log_reader_finish(snug_log_reader *reader, snug_error *err);

/** Bytes of working memory of snug_log_read(), about 2.4 MiB, one after the other for each log. */
int64_t snug_log_read_bytes(void);

/**
 * Reads a file: plain text, gzip or Zstandard, known by its first bytes.
 * @param memory  snug_log_read_bytes() of it, aligned to SNUG_ALIGN; any content.
 * @mem     Allocates nothing itself; a decompressor takes its window from the C library.
 * @errors  As above, with the path in front; SNUG_CODE_IO, SNUG_CODE_NOT_FOUND;
 *          SNUG_CODE_UNSUPPORTED for a compression that was not built in.
 */
SNUG_MUST_CHECK snug_status snug_log_read(const char *path, void *memory, snug_log *out,
                                          snug_error *err);

/* For log_other.c and log_read.c only. */

/** Adds a sample unless its clock goes back; false when it was left out. */
bool snug_log_take(snug_log_reader *reader, const snug_sample *sample);
/** A sample of which nothing is known. */
snug_sample snug_log_sample_none(double t);
/** A decimal number at `text`; returns its bytes, 0 when there is none. */
int64_t snug_log_number(const char *text, int64_t bytes, double *out);
/** Recognises psrecord, mprof and prmon by a line; sets kind and columns, or leaves UNKNOWN. */
bool snug_log_other_begin(snug_log_reader *reader, const char *line, int64_t bytes);
/** A line of such a log; false when it is none. */
bool snug_log_other_line(snug_log_reader *reader, const char *line, int64_t bytes);
/** What is still pending at the end. */
void snug_log_other_finish(snug_log_reader *reader);

#endif
