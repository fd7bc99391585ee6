/* A bounded streaming reader of CSV text: fields as views, errors with line and column. */
#ifndef SNUG_DATA_CSV_CSV_H
#define SNUG_DATA_CSV_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "sys/file.h"

enum {
    SNUG_CSV_LINE_BYTES_MAX = 1 << 20, /* One record, quoted line ends included. */
    SNUG_CSV_FIELDS_MAX = 16384,
    SNUG_CSV_BUFFER_BYTES = 1 << 18
};

/** Where the text comes from; up to `bytes` at `offset`, fewer only at the end. */
typedef struct snug_csv_bytes {
    void *context;
    snug_status (*read_some)(void *context, int64_t offset, void *buffer, int64_t bytes,
                             int64_t *out_bytes, snug_error *err);
} snug_csv_bytes;

/** An open file as a source; borrowed. */
snug_csv_bytes snug_csv_bytes_from_file(snug_file *file);

/** One field: a view into the reader's memory, quotes and doubled quotes already resolved. */
typedef struct snug_csv_field {
    const char *text; /* Ended by a zero; may hold zeros itself. */
    int64_t bytes;
    int64_t column; /* Of its first character in the line, from 1, in bytes. */
    bool quoted;
} snug_csv_field;

/**
 * RFC 4180: fields divided by `separator`, quoted by '"', '""' inside quotes; line ends LF or CRLF;
 * a byte order mark at the beginning is passed over; the last line may lack its end. Empty lines
 * are passed over. One thread at a time.
 */
typedef struct snug_csv_reader {
    snug_csv_bytes source;
    char separator;
    int64_t line; /* Line number of the record read last, from 1; counts line ends in quotes. */
    int64_t field_count;
    snug_csv_field *fields;

    /* Private. */
    int64_t next_line;
    int64_t offset;
    int64_t buffered;
    int64_t at;
    char *buffer;
    char *record; /* The fields' texts. */
} snug_csv_reader;

/**
 * @param separator  ',' ';' or tab; 0 takes the one of these that the first line has most of.
 * @param arena      About 1.7 MiB for the reader's life.
 */
SNUG_MUST_CHECK snug_status snug_csv_open(const snug_csv_bytes *source, char separator,
                                          snug_arena *arena, snug_csv_reader *out, snug_error *err);

/**
 * Reads the next record; *out_more = false at the end. `reader->fields` are valid until the next
 * call.
 * Errors: FORMAT with line and column (a quote that does not end, text behind a closing quote),
 * LIMIT (a record above 1 MiB, too many fields), IO.
 */
SNUG_MUST_CHECK snug_status snug_csv_next(snug_csv_reader *reader, bool *out_more, snug_error *err);

/**
 * Field `index` as a number: decimal or exponent form, "nan", "inf", blanks around allowed; in a
 * process that keeps the "C" locale for numbers. FORMAT names line, column and text; an empty field
 * is FORMAT too.
 */
SNUG_MUST_CHECK snug_status snug_csv_f64(const snug_csv_reader *reader, int64_t index, double *out,
                                         snug_error *err);

/** The index of the field equal to `name` in the record read last (the header), or -1. */
int64_t snug_csv_find(const snug_csv_reader *reader, const char *name);

#endif
