#include "data/csv/csv.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"

/* The separator that the first line, as far as it is buffered, has most of outside quotes. */
static char guess_separator(const char *line, int64_t bytes)
{
    static const char candidates[] = {',', ';', '\t'};
    int64_t counts[3] = {0};
    bool quoted = false;
    int64_t best = 0;
    for (int64_t i = 0; i < bytes; i++) {
        quoted = quoted != (line[i] == '"');
        for (int64_t k = 0; k < 3 && !quoted; k++) {
            counts[k] += line[i] == candidates[k] ? 1 : 0;
        }
    }
    for (int64_t k = 1; k < 3; k++) {
        best = counts[k] > counts[best] ? k : best;
    }
    return candidates[best];
}

snug_status snug_csv_open(const snug_byte_source *source, const snug_csv_options *options,
                          snug_arena *arena, snug_csv_reader *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    const snug_csv_options wanted = options != NULL ? *options : (snug_csv_options){0};
    void *buffer = NULL;
    void *record = NULL;
    void *fields = NULL;
    snug_csv_reader reader = {.separator = wanted.separator, .quotes = wanted.quotes};

    SNUG_TRY_DONE(snug_arena_alloc(arena, SNUG_CSV_BUFFER_BYTES, &buffer, err));
    SNUG_TRY_DONE(snug_arena_alloc(arena, SNUG_CSV_LINE_BYTES_MAX + 1, &record, err));
    SNUG_TRY_DONE(snug_arena_array(arena, SNUG_CSV_FIELDS_MAX, (int64_t)sizeof(snug_csv_field),
                                   &fields, err));
    reader.record = record;
    reader.fields = fields;
    SNUG_TRY_DONE(snug_byte_stream_open(source, wanted.text, buffer, SNUG_CSV_BUFFER_BYTES,
                                        &reader.stream, err));
    if (reader.separator == 0) {
        const char *line = NULL;
        int64_t bytes = 0;
        SNUG_TRY_DONE(snug_byte_stream_peek_line(&reader.stream, &line, &bytes, err));
        reader.separator = guess_separator(line, bytes);
    }
    reader.special[(unsigned char)reader.separator] = true;
    reader.special[(unsigned char)'\n'] = true;
    reader.special[(unsigned char)'\r'] = true;
    reader.special[(unsigned char)'"'] = reader.quotes != SNUG_CSV_QUOTES_NONE;
    *out = reader;

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}

snug_status snug_csv_rewind(snug_csv_reader *reader, snug_error *err)
{
    return snug_byte_stream_rewind(&reader->stream, err);
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
        if (byte == '"' && reader->quotes != SNUG_CSV_QUOTES_NONE) {
            reader->fields[reader->field_count - 1].quoted = true;
            at->place = QUOTED;
            return SNUG_OK;
        }
    }
    if (byte == '"' && reader->quotes == SNUG_CSV_QUOTES_STRICT) {
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

/* How many of the next `room` buffered bytes are nothing but characters of the field at hand. */
static int64_t run_bytes(const snug_csv_reader *reader, const scan *at, int64_t room)
{
    const char *from = reader->stream.buffer + reader->stream.at;
    const int64_t bytes = snug_min_i64(reader->stream.buffered - reader->stream.at, room);
    int64_t count = 0;
    if (at->place == QUOTE_IN_QUOTED || at->after_return) {
        return 0;
    }
    if (at->place == QUOTED) {
        while (count < bytes && from[count] != '"' && from[count] != '\n') {
            count++;
        }
        return count;
    }
    while (count < bytes && !reader->special[(unsigned char)from[count]]) {
        count++;
    }
    return count;
}

/* Takes a run of characters at once, or one byte that may be more than that. */
static snug_status take_some(snug_csv_reader *reader, scan *at, bool *out_done, snug_error *err)
{
    snug_byte_stream *stream = &reader->stream;
    /* Each byte read leaves at most one in the record; the last field's zero is one more. */
    const int64_t room = SNUG_CSV_LINE_BYTES_MAX - 1 - at->bytes;
    if (room == 0 && at->place == QUOTED) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "line %lld is longer than %d bytes, in a quote that did not end by then",
                         (long long)reader->line, (int)SNUG_CSV_LINE_BYTES_MAX);
    }
    if (room == 0) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "line %lld is longer than %d bytes",
                         (long long)reader->line, (int)SNUG_CSV_LINE_BYTES_MAX);
    }
    int64_t count = run_bytes(reader, at, room);
    if (count > 0) {
        memcpy(reader->record + at->used, stream->buffer + stream->at, (size_t)count);
        at->used += count;
        at->place = at->place == FIELD_START ? PLAIN : at->place;
        stream->at += count;
    } else {
        const char byte = stream->buffer[stream->at];
        SNUG_TRY(take(reader, at, byte, out_done, err));
        count = 1;
        stream->at++;
        if (byte == '\n') {
            snug_byte_stream_newline(stream);
        }
    }
    at->bytes += count;
    at->column += count;
    return SNUG_OK;
}

/* Reads one line, which may turn out empty; *out_more = false when there was none. */
static snug_status read_record(snug_csv_reader *reader, bool *out_more, snug_error *err)
{
    scan at = {.column = 1};
    bool done = false;
    bool more = true;
    reader->line = reader->stream.line;
    reader->field_count = 0;
    SNUG_TRY(begin_field(reader, &at, err));
    while (!done) {
        SNUG_TRY(snug_byte_stream_fill(&reader->stream, &more, err));
        if (!more) {
            break;
        }
        SNUG_TRY(take_some(reader, &at, &done, err));
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
