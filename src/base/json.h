/* JSON without allocation: a writer into a sink, and a pull reader over bytes in memory. */
#ifndef SNUG_BASE_JSON_H
#define SNUG_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "base/text.h"

/**
 * Writes one document into a snug_text (single line, no spaces after separators unless `pretty`).
 * Misuse (a value without a key in an object, ...) is an assertion. Floats are printed with as many
 * digits as they need to round-trip; NaN and infinities become null.
 */
typedef struct snug_json_writer {
    snug_text *out;
    bool pretty;
    int32_t depth;
    bool in_object[SNUG_JSON_DEPTH_MAX];
    bool has_item[SNUG_JSON_DEPTH_MAX];
    bool after_key;
} snug_json_writer;

void snug_json_writer_init(snug_json_writer *writer, snug_text *out, bool pretty);
void snug_json_object_begin(snug_json_writer *writer);
void snug_json_object_end(snug_json_writer *writer);
void snug_json_array_begin(snug_json_writer *writer);
void snug_json_array_end(snug_json_writer *writer);
void snug_json_key(snug_json_writer *writer, const char *key);
void snug_json_string(snug_json_writer *writer, const char *value);
void snug_json_i64(snug_json_writer *writer, int64_t value);
void snug_json_f64(snug_json_writer *writer, double value);
void snug_json_f32(snug_json_writer *writer, float value);
void snug_json_bool(snug_json_writer *writer, bool value);
void snug_json_null(snug_json_writer *writer);
/** A key, its escapes as a reader found them; at most INT32_MAX bytes. */
void snug_json_raw_key(snug_json_writer *writer, const char *text, int64_t text_bytes);
/** A value that is JSON text already, as a reader found it; at most INT32_MAX bytes. */
void snug_json_raw(snug_json_writer *writer, const char *text, int64_t text_bytes);
/** A key and its value. */
void snug_json_put_string(snug_json_writer *writer, const char *key, const char *value);
void snug_json_put_i64(snug_json_writer *writer, const char *key, int64_t value);
void snug_json_put_f64(snug_json_writer *writer, const char *key, double value);
void snug_json_put_bool(snug_json_writer *writer, const char *key, bool value);
/** A key and an array of `count` values, which is empty where `values` is NULL. */
void snug_json_put_f64s(snug_json_writer *writer, const char *key, const double *values,
                        int64_t count);

typedef enum snug_json_kind {
    SNUG_JSON_END, /* The document is over. */
    SNUG_JSON_OBJECT_BEGIN,
    SNUG_JSON_OBJECT_END,
    SNUG_JSON_ARRAY_BEGIN,
    SNUG_JSON_ARRAY_END,
    SNUG_JSON_KEY,
    SNUG_JSON_STRING,
    SNUG_JSON_NUMBER,
    SNUG_JSON_TRUE,
    SNUG_JSON_FALSE,
    SNUG_JSON_NULL
} snug_json_kind;

/** One event. `text` points into the document (escapes not yet resolved, quotes not included). */
typedef struct snug_json_event {
    snug_json_kind kind;
    const char *text;
    int64_t text_bytes;
    int64_t offset; /* Bytes from the start of the document. */
} snug_json_event;

/** A strict RFC 8259 reader; depth is limited to SNUG_JSON_DEPTH_MAX (SNUG_CODE_LIMIT beyond). */
typedef struct snug_json_reader {
    const char *data;
    int64_t bytes;
    int64_t position;
    int32_t depth;
    bool in_object[SNUG_JSON_DEPTH_MAX];
    int32_t state;
} snug_json_reader;

void snug_json_reader_init(snug_json_reader *reader, const char *data, int64_t bytes);
SNUG_MUST_CHECK snug_status snug_json_next(snug_json_reader *reader, snug_json_event *out,
                                           snug_error *err);
/** The next event, which must be of `kind`; SNUG_CODE_FORMAT names `what` was wanted, and where. */
SNUG_MUST_CHECK snug_status snug_json_expect(snug_json_reader *reader, snug_json_kind kind,
                                             const char *what, snug_json_event *out,
                                             snug_error *err);
/** Skips the value that comes next (after a KEY), however deep within the limit. */
SNUG_MUST_CHECK snug_status snug_json_skip(snug_json_reader *reader, snug_error *err);
/** Pairs that are left of the object in which a reader stands; it stays where it is. */
SNUG_MUST_CHECK snug_status snug_json_count_pairs(const snug_json_reader *reader,
                                                  int64_t *out_count, snug_error *err);
/** Resolves escapes of a STRING or KEY into `out` (UTF-8, ended by a zero). */
SNUG_MUST_CHECK snug_status snug_json_unescape(const snug_json_event *event, char *out,
                                               int64_t out_bytes, snug_error *err);
SNUG_MUST_CHECK snug_status snug_json_to_i64(const snug_json_event *event, int64_t *out,
                                             snug_error *err);
SNUG_MUST_CHECK snug_status snug_json_to_f64(const snug_json_event *event, double *out,
                                             snug_error *err);

#endif
