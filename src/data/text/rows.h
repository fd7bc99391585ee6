/* Rows of labelled text from CSV, TSV, JSONL or plain lines, one at a time in flat memory. */
#ifndef SNUG_DATA_TEXT_ROWS_H
#define SNUG_DATA_TEXT_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/status.h"

enum {
    SNUG_TEXT_COLUMNS_MAX = 1024, /* Fields of a row of CSV or TSV. */
    SNUG_TEXT_CHOICES_MAX = 1024  /* Of one row of JSONL. */
};

/**
 * What to read. All zeros with a path is valid: format, header and columns are then guessed, and
 * what was guessed can be printed with snug_text_reader_describe.
 */
typedef struct snug_text_options {
    const char *path;   /**< A file; "-" is standard input. Borrowed for the reader's life. */
    const char *memory; /**< The text itself instead of a path; borrowed likewise. */
    int64_t memory_bytes;
    /**
     * "auto" (or NULL), "csv", "tsv", "jsonl", or "lines" (each line is a text). Auto goes by the
     * ending of the path (csv, tsv, jsonl, json, ndjson; txt is tsv when its first line has a tab),
     * else by the first line.
     */
    const char *format;
    /**
     * Columns by name, or by number from 0 (not in JSONL); NULL or "" guesses. Names are looked for
     * in the order text, sentence, review, content, context, comment, title, ... and label, labels,
     * answer, target, class, category, cat, ..., upper or lower case. JSONL with Context and
     * Subject or Choices is joined as "Subject: S. Context: C. Choices: A, B", a missing Subject
     * being "unknown", with Answer as its label. Without a header, of two columns the one that is
     * an integer in the first row is the label.
     */
    const char *text_field;
    const char *text_pair_field; /**< A second text; NULL guesses sentence2 beside sentence1, ... */
    const char *label_field;
    const char *header; /**< "auto" (or NULL), "yes", "no". */
    const char *quotes; /**< '"' quotes a field: "auto" (or NULL: in csv, not in tsv), "yes", "no".
                         */
    bool need_label; /**< Every row has a label; else labels are passed on where there are any. */
} snug_text_options;

/** A view of bytes; text is NULL where there is none. A zero stands behind the last byte. */
typedef struct snug_text_piece {
    const char *text;
    int64_t bytes;
} snug_text_piece;

/** One row; views into the reader, valid until its next call. UTF-8 without zeros. */
typedef struct snug_text_row {
    int64_t line; /* Where it begins, from 1. */
    snug_text_piece text;
    snug_text_piece pair;
    snug_text_piece label;
    const snug_text_piece *choices; /* Of the joined form; labels that could have been. */
    int64_t choice_count;
} snug_text_row;

/** One owner at a time. */
typedef struct snug_text_reader snug_text_reader;

/**
 * Opens, guesses what is not given, and reads the first row.
 *
 * @param arena  About 1.8 MiB (CSV, TSV, lines) or 3.4 MiB (JSONL) for the reader's life, whatever
 *               the number of rows; as before on failure.
 * @errors  USAGE (an option's word), NOT_FOUND (a column, with the nearest name and all of them),
 *          DATA (an empty file, a header without rows, columns that cannot be guessed), and those
 *          of snug_text_reader_next. Every message begins with the path.
 */
SNUG_MUST_CHECK snug_status snug_text_reader_open(const snug_text_options *options,
                                                  snug_arena *arena, snug_text_reader **out,
                                                  snug_error *err);

/**
 * The next row; *out_more = false, and `out` untouched, at the end. Blank lines are passed over.
 *
 * @errors  Each with path, line and, for bytes, the place in the line: FORMAT (no UTF-8, a zero
 *          byte, broken quotes, broken JSON), DATA (another number of fields than the first row, a
 *          missing or wrong value), LIMIT (a row above SNUG_ROW_BYTES_MAX, JSON too deep), IO.
 */
SNUG_MUST_CHECK snug_status snug_text_reader_next(snug_text_reader *reader, snug_text_row *out,
                                                  bool *out_more, snug_error *err);

/** Back to the first row; USAGE for a pipe, which can be read once. */
SNUG_MUST_CHECK snug_status snug_text_reader_rewind(snug_text_reader *reader, snug_error *err);

/** Closes the file; NULL is allowed. */
void snug_text_reader_close(snug_text_reader *reader);

/** The path, "standard input" or "text", as messages name it. */
const char *snug_text_reader_name(const snug_text_reader *reader);
/** Whether rows can have a label at all. */
bool snug_text_reader_has_label(const snug_text_reader *reader);

enum { SNUG_TEXT_DESCRIPTION_BYTES = 512 };
/** "csv with header, text 'review', label 'label'" into `out`; returns `out`. */
const char *snug_text_reader_describe(const snug_text_reader *reader,
                                      char out[SNUG_TEXT_DESCRIPTION_BYTES]);

#endif
