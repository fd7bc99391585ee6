/* What the parts of the text reader share: its struct, the guess of columns, rows of JSONL. */
#ifndef SNUG_DATA_TEXT_ROWS_INSIDE_H
#define SNUG_DATA_TEXT_ROWS_INSIDE_H

#include "data/byte_stream.h"
#include "data/csv/csv.h"
#include "data/text/rows.h"

typedef enum snug_text_format {
    SNUG_TEXT_AUTO,
    SNUG_TEXT_CSV,
    SNUG_TEXT_TSV,
    SNUG_TEXT_LINES,
    SNUG_TEXT_JSONL
} snug_text_format;

/** Which columns were chosen, by index; -1: none. */
typedef struct snug_text_choice {
    int64_t text, pair, label;
    bool joined; /* Subject, Context and Choices make the text. */
} snug_text_choice;

/** The names, or the values of the first row, that columns are chosen among. */
typedef struct snug_text_columns {
    const char *names[SNUG_TEXT_COLUMNS_MAX];
    int64_t count;
    bool named; /* Else they are values. */
    bool json;
} snug_text_columns;

/** Whether the first row of a table looks like a header: a wanted or a usual name is in it. */
bool snug_text_is_header(const snug_text_options *options, const snug_text_columns *columns);
SNUG_MUST_CHECK snug_status snug_text_choose(const snug_text_options *options,
                                             const snug_text_columns *columns,
                                             snug_text_choice *out, snug_error *err);
/** Whether `text` is one of the names that headers usually have. */
bool snug_text_is_usual_name(const char *text, int64_t bytes);

enum { SNUG_TEXT_LEAD_BYTES = 4096 };

/** The beginning of a text, read to guess its format, and where the rest comes from. */
typedef struct snug_text_lead {
    snug_byte_source rest;
    int64_t bytes;
    char data[SNUG_TEXT_LEAD_BYTES];
} snug_text_lead;

/** Rows of JSONL: a line, its values without escapes, and the joined text. */
typedef struct snug_text_json {
    snug_byte_stream stream;
    const char *text_name, *pair_name, *label_name; /* In the arena; NULL: none. */
    bool joined;
    char *line;
    char *values;
    char *joined_text;
    int64_t line_bytes;
    int64_t line_number;
    int64_t used; /* Bytes of `values`. */
    snug_text_piece *choices;
} snug_text_json;

struct snug_text_reader {
    snug_text_options options;
    const char *name;
    snug_file file;
    snug_byte_span span;
    snug_text_lead lead;
    snug_byte_source source;
    bool once; /* A pipe. */
    snug_text_format format;
    bool header;
    bool pending; /* The first row was read already. */
    snug_text_choice choice;
    int64_t field_count;
    snug_csv_reader csv;
    snug_text_json json;
};

SNUG_MUST_CHECK snug_status snug_text_json_open(snug_text_reader *reader, snug_arena *arena,
                                                snug_error *err);
/** Reads the next line that is not blank; *out_more = false at the end. */
SNUG_MUST_CHECK snug_status snug_text_json_line(snug_text_json *json, bool *out_more,
                                                snug_error *err);
/** Makes a row of the line read last. */
SNUG_MUST_CHECK snug_status snug_text_json_row(snug_text_reader *reader, snug_text_row *out,
                                               snug_error *err);

#endif
