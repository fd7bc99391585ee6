#include "data/csv/csv.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"

static snug_status file_read_some(void *context, int64_t offset, void *buffer, int64_t bytes,
                                  int64_t *out_bytes, snug_error *err)
{
    return snug_file_read_some(context, offset, buffer, bytes, out_bytes, err);
}

snug_csv_bytes snug_csv_bytes_from_file(snug_file *file)
{
    return (snug_csv_bytes){.context = file, .read_some = file_read_some};
}

/* Makes sure that a byte is at hand; *out_more = false at the end of the text. */
static snug_status fill(snug_csv_reader *reader, bool *out_more, snug_error *err)
{
    if (reader->at == reader->buffered) {
        int64_t bytes = 0;
        SNUG_TRY(reader->source.read_some(reader->source.context, reader->offset, reader->buffer,
                                          SNUG_CSV_BUFFER_BYTES, &bytes, err));
        reader->offset += bytes;
        reader->buffered = bytes;
        reader->at = 0;
    }
    *out_more = reader->at < reader->buffered;
    return SNUG_OK;
}

/* The separator that the first line, as far as it is buffered, has most of outside quotes. */
static char guess_separator(const snug_csv_reader *reader)
{
    static const char candidates[] = {',', ';', '\t'};
    int64_t counts[3] = {0};
    bool quoted = false;
    int64_t best = 0;
    for (int64_t i = 0; i < reader->buffered && (quoted || reader->buffer[i] != '\n'); i++) {
        quoted = quoted != (reader->buffer[i] == '"');
        for (int64_t k = 0; k < 3 && !quoted; k++) {
            counts[k] += reader->buffer[i] == candidates[k] ? 1 : 0;
        }
    }
    for (int64_t k = 1; k < 3; k++) {
        best = counts[k] > counts[best] ? k : best;
    }
    return candidates[best];
}

snug_status snug_csv_open(const snug_csv_bytes *source, char separator, snug_arena *arena,
                          snug_csv_reader *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    void *buffer = NULL;
    void *record = NULL;
    void *fields = NULL;
    bool more = false;
    snug_csv_reader reader = {.source = *source, .separator = separator, .next_line = 1};

    SNUG_TRY_DONE(snug_arena_alloc(arena, SNUG_CSV_BUFFER_BYTES, &buffer, err));
    SNUG_TRY_DONE(snug_arena_alloc(arena, SNUG_CSV_LINE_BYTES_MAX + 1, &record, err));
    SNUG_TRY_DONE(snug_arena_array(arena, SNUG_CSV_FIELDS_MAX, (int64_t)sizeof(snug_csv_field),
                                   &fields, err));
    reader.buffer = buffer;
    reader.record = record;
    reader.fields = fields;
    SNUG_TRY_DONE(fill(&reader, &more, err));
    if (reader.buffered >= 3 && memcmp(reader.buffer, "\xef\xbb\xbf", 3) == 0) {
        reader.at = 3;
    }
    if (separator == 0) {
        reader.separator = guess_separator(&reader);
    }
    *out = reader;

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}

/* ---- One record ---- */

typedef enum place {
    FIELD_START,
    PLAIN,
    QUOTED,
    QUOTE_IN_QUOTED /* Either the end of the field or the first of two. */
} place;

/* The record being read: its text so far, and where in the line the next byte is. */
typedef struct scan {
    place place;
    int64_t used;
    int64_t bytes; /* Read of this record, to hold it against the limit. */
    int64_t column;
    bool started;
    bool after_return; /* A CR outside quotes that may begin a line end. */
} scan;

static snug_status begin_field(snug_csv_reader *reader, const scan *at, snug_error *err)
{
    if (reader->field_count == SNUG_CSV_FIELDS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "line %lld has more than %d fields",
                         (long long)reader->line, (int)SNUG_CSV_FIELDS_MAX);
    }
    reader->fields[reader->field_count] =
        (snug_csv_field){.text = reader->record + at->used, .column = at->column};
    reader->field_count++;
    return SNUG_OK;
}

static void keep(snug_csv_reader *reader, scan *at, char byte)
{
    reader->record[at->used] = byte;
    at->used++;
}

/* Ends the field at hand with a zero. */
static void end_field(snug_csv_reader *reader, scan *at)
{
    snug_csv_field *field = &reader->fields[reader->field_count - 1];
    field->bytes = reader->record + at->used - field->text;
    keep(reader, at, '\0');
    at->place = FIELD_START;
}

static snug_status take_plain(snug_csv_reader *reader, scan *at, char byte, snug_error *err)
{
    if (at->place == FIELD_START) {
        at->place = PLAIN;
        if (byte == '"') {
            reader->fields[reader->field_count - 1].quoted = true;
            at->place = QUOTED;
            return SNUG_OK;
        }
    }
    if (byte == '"') {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "line %lld, column %lld: a quote inside a field that is not quoted",
                         (long long)reader->line, (long long)at->column);
    }
    keep(reader, at, byte);
    return SNUG_OK;
}

/* One byte; *out_done when it ends the record. */
static snug_status take(snug_csv_reader *reader, scan *at, char byte, bool *out_done,
                        snug_error *err)
{
    if (at->place == QUOTED) {
        if (byte == '"') {
            at->place = QUOTE_IN_QUOTED;
        } else {
            reader->next_line += byte == '\n' ? 1 : 0;
            keep(reader, at, byte);
        }
        return SNUG_OK;
    }
    if (at->after_return && byte != '\n') {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "line %lld, column %lld: a carriage return in the middle of a line",
                         (long long)reader->line, (long long)at->column - 1);
    }
    if (byte == '\n') {
        reader->next_line++;
        *out_done = true;
        return SNUG_OK;
    }
    if (byte == '\r') {
        at->after_return = true;
        return SNUG_OK;
    }
    if (byte == reader->separator) {
        end_field(reader, at);
        at->column++;
        const snug_status status = begin_field(reader, at, err);
        at->column--;
        return status;
    }
    if (at->place == QUOTE_IN_QUOTED) {
        if (byte != '"') {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                             "line %lld, column %lld: text behind a closing quote",
                             (long long)reader->line, (long long)at->column);
        }
        keep(reader, at, '"');
        at->place = QUOTED;
        return SNUG_OK;
    }
    return take_plain(reader, at, byte, err);
}

/* Reads one line, which may turn out empty; *out_more = false when there was none. */
static snug_status read_record(snug_csv_reader *reader, bool *out_more, snug_error *err)
{
    scan at = {.column = 1};
    bool done = false;
    bool more = true;
    reader->line = reader->next_line;
    reader->field_count = 0;
    SNUG_TRY(begin_field(reader, &at, err));
    while (!done) {
        SNUG_TRY(fill(reader, &more, err));
        if (!more) {
            break;
        }
        /* Each byte read leaves at most one in the record; the last field's zero is one more. */
        if (at.bytes == SNUG_CSV_LINE_BYTES_MAX - 1) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "line %lld is longer than %d bytes",
                             (long long)reader->line, (int)SNUG_CSV_LINE_BYTES_MAX);
        }
        SNUG_TRY(take(reader, &at, reader->buffer[reader->at], &done, err));
        reader->at++;
        at.bytes++;
        at.column++;
    }
    if (at.place == QUOTED) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "line %lld: a quote that does not end",
                         (long long)reader->line);
    }
    end_field(reader, &at);
    *out_more = at.bytes > 0;
    return SNUG_OK;
}

snug_status snug_csv_next(snug_csv_reader *reader, bool *out_more, snug_error *err)
{
    bool more = true;
    bool empty = true;
    while (more && empty) {
        SNUG_TRY(read_record(reader, &more, err));
        empty =
            reader->field_count == 1 && reader->fields[0].bytes == 0 && !reader->fields[0].quoted;
    }
    *out_more = more && !empty;
    return SNUG_OK;
}

/* ---- Values ---- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

snug_status snug_csv_f64(const snug_csv_reader *reader, int64_t index, double *out, snug_error *err)
{
    enum { NUMBER_BYTES_MAX = 128 };
    char text[NUMBER_BYTES_MAX];
    SNUG_ASSERT(index >= 0 && index < reader->field_count);
    const snug_csv_field *field = &reader->fields[index];
    const char *from = field->text;
    int64_t bytes = field->bytes;
    while (bytes > 0 && is_blank(*from)) {
        from++;
        bytes--;
    }
    while (bytes > 0 && is_blank(from[bytes - 1])) {
        bytes--;
    }
    bool good = bytes > 0 && bytes < NUMBER_BYTES_MAX && memchr(from, 0, (size_t)bytes) == NULL;
    double value = 0.0;
    if (good) {
        /* strtod also takes hexadecimal numbers and leading white space: neither is CSV. */
        memcpy(text, from, (size_t)bytes);
        text[bytes] = '\0';
        /* A host program's locale may know other decimal points; text with one is refused. */
        char *end = NULL;
        good = strpbrk(text, "xX,\n\r\v\f") == NULL;
        value = strtod(text, &end);
        good = good && *end == '\0';
    }
    if (!good) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "line %lld, column %lld: '%.*s' is not a number",
                         (long long)reader->line, (long long)field->column,
                         (int)snug_min_i64(field->bytes, 60), field->text);
    }
    *out = value;
    return SNUG_OK;
}

int64_t snug_csv_find(const snug_csv_reader *reader, const char *name)
{
    const int64_t bytes = (int64_t)strlen(name);
    for (int64_t i = 0; i < reader->field_count; i++) {
        if (reader->fields[i].bytes == bytes &&
            memcmp(reader->fields[i].text, name, (size_t)bytes) == 0) {
            return i;
        }
    }
    return -1;
}
