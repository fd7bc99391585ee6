/* A bounded streaming reader of CSV text: fields as views, errors with line and column. */
#ifndef SNUG_DATA_CSV_CSV_H
#define SNUG_DATA_CSV_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/status.h"
#include "data/byte_stream.h"

enum {
    SNUG_CSV_LINE_BYTES_MAX = SNUG_ROW_BYTES_MAX, /* One record, quoted line ends included. */
    SNUG_CSV_FIELDS_MAX = 16384,
    SNUG_CSV_BUFFER_BYTES = 1 << 18,
    SNUG_CSV_UNDIVIDED = '\n' /* As a separator: each line is one field. */
};

/** What a '"' means. */
typedef enum snug_csv_quotes {
    SNUG_CSV_QUOTES_STRICT, /* RFC 4180: it quotes a field, and stands nowhere else. */
    SNUG_CSV_QUOTES_INNER,  /* It quotes a field that begins with it; inside others it is text. */
    SNUG_CSV_QUOTES_NONE    /* It is text. */
} snug_csv_quotes;

/** How to read; all zeros is the default. */
typedef struct snug_csv_options {
    /** ',' ';' or tab, or SNUG_CSV_UNDIVIDED; 0: the one that the first line has most of. */
    char separator;
    snug_csv_quotes quotes;
    bool text; /**< Bytes that are not UTF-8, and zeros, are FORMAT with their place. */
} snug_csv_options;

/** One field: a view into the reader's memory, quotes and doubled quotes already resolved. */
typedef struct snug_csv_field {
    const char *text; /* Ended by a zero; may hold zeros itself. */
    int64_t bytes;
    int64_t column; /* Of its first character in the line, from 1, in bytes. */
    bool quoted;
} snug_csv_field;

/**
 * RFC 4180: fields divided by a separator, quoted by '"', '""' inside quotes; line ends LF or CRLF;
 * a byte order mark at the beginning is passed over; the last line may lack its end. Empty lines
 * are passed over. One thread at a time.
 */
typedef struct snug_csv_reader {
    char separator;
    int64_t line; /* Line number of the record read last, from 1; counts line ends in quotes. */
    int64_t field_count;
    snug_csv_field *fields;

    /* Private. */
    snug_byte_stream stream;
    snug_csv_quotes quotes;
    char *record;      /* The fields' texts. */
    bool special[256]; /* Bytes that may end a run of characters. */
} snug_csv_reader;

/**
 * @param options  NULL for the defaults.
 * @param arena    About 1.7 MiB for the reader's life; as before on failure.
 */
SNUG_MUST_CHECK snug_status snug_csv_open(const snug_byte_source *source,
                                          const snug_csv_options *options, snug_arena *arena,
                                          snug_csv_reader *out, snug_error *err);

/**
 * Reads the next record; *out_more = false at the end. `reader->fields` are valid until the next
 * call.
 * Errors: FORMAT with line and column (a quote that does not end, text behind a closing quote, no
 * UTF-8), LIMIT (a record above 1 MiB, too many fields), IO.
 */
SNUG_MUST_CHECK snug_status snug_csv_next(snug_csv_reader *reader, bool *out_more, snug_error *err);

/** Back to the first record; only for sources that may be read again. */
SNUG_MUST_CHECK snug_status snug_csv_rewind(snug_csv_reader *reader, snug_error *err);

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
