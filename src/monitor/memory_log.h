/* Writes a memory log line by line; what is written stays readable whatever happens to the writer.
 */
#ifndef SNUG_MONITOR_MEMORY_LOG_H
#define SNUG_MONITOR_MEMORY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/status.h"
#include "base/text.h"
#include "monitor/reading.h"
#include "sys/file.h"

enum { SNUG_MEMORY_LOG_LINE_BYTES = 16 << 10 };

/** About 17 KiB. All zeros is closed: lines go nowhere. One owner at a time. */
typedef struct snug_memory_log {
    snug_file file;
    int64_t lines;
    int64_t lost; /* Lines that the disk did not take since the last one that it took. */
    int64_t lost_all;
    bool torn; /* The file ends inside a line. */
    snug_text text;
    snug_json_writer json;
    char line[SNUG_MEMORY_LOG_LINE_BYTES];
} snug_memory_log;

/**
 * Makes the file, or takes an empty one. Anything else than a regular file (a pipe, a device) is
 * written to as it is.
 *
 * @param path   Borrowed until the close.
 * @param force  An old log is written over.
 * @errors  SNUG_CODE_BUSY when there is a log and no `force`; SNUG_CODE_IO, SNUG_CODE_FULL.
 */
SNUG_MUST_CHECK snug_status snug_memory_log_open(snug_memory_log *log, const char *path, bool force,
                                                 snug_error *err);
void snug_memory_log_close(snug_memory_log *log);

/**
 * Begins a line {"type":TYPE,"t":T and returns the writer to add keys with.
 * @param t  Below 0: no time.
 */
snug_json_writer *snug_memory_log_begin(snug_memory_log *log, const char *type, double t);
/**
 * Ends the line and writes it by one write(2). A full disk loses the line and nothing else: the
 * next one is tried again, and the log says how many are missing.
 * @errors  SNUG_CODE_FULL, SNUG_CODE_IO.
 */
SNUG_MUST_CHECK snug_status snug_memory_log_end(snug_memory_log *log, snug_error *err);

/** A sample as a line. */
SNUG_MUST_CHECK snug_status snug_memory_log_sample(snug_memory_log *log, const snug_reading *sample,
                                                   snug_error *err);
/** Puts a value under its key, in the form that its unit has in a log. */
void snug_memory_log_value(snug_json_writer *json, const char *key, snug_log_unit unit,
                           double value);

#endif
