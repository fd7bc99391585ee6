#include <string.h>

#include "base/assert.h"
#include "base/json.h"
#include "data/text/rows_inside.h"

/* Behind the values of a row its joined text needs some words more than the line had. */
enum {
    WORDS_BYTES = 64 + 2 * SNUG_TEXT_CHOICES_MAX,
    VALUE_BYTES = SNUG_ROW_BYTES_MAX + WORDS_BYTES
};

/* ---- Lines ---- */

static bool is_blank(const char *text, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') {
            return false;
        }
    }
    return true;
}

static snug_status read_line(snug_text_json *json, bool *out_more, snug_error *err)
{
    snug_byte_stream *stream = &json->stream;
    bool more = true;
    bool done = false;
    bool any = false;
    json->line_bytes = 0;
    json->line_number = stream->line;
    while (!done) {
        SNUG_TRY(snug_byte_stream_fill(stream, &more, err));
        if (!more) {
            break;
        }
        const char *from = stream->buffer + stream->at;
        const char *end = memchr(from, '\n', (size_t)(stream->buffered - stream->at));
        const int64_t bytes = end != NULL ? end - from : stream->buffered - stream->at;
        if (bytes > SNUG_ROW_BYTES_MAX - 1 - json->line_bytes) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "line %lld is longer than %d bytes",
                             (long long)json->line_number, (int)SNUG_ROW_BYTES_MAX);
        }
        memcpy(json->line + json->line_bytes, from, (size_t)bytes);
        json->line_bytes += bytes;
        stream->at += bytes;
        any = true;
        if (end != NULL) {
            stream->at++;
            snug_byte_stream_newline(stream);
            done = true;
        }
    }
    *out_more = any;
    return SNUG_OK;
}

snug_status snug_text_json_line(snug_text_json *json, bool *out_more, snug_error *err)
{
    bool more = true;
    do {
        SNUG_TRY(read_line(json, &more, err));
    } while (more && is_blank(json->line, json->line_bytes));
    *out_more = more;
    return SNUG_OK;
}

/* ---- The first object: which fields there are ---- */

/* Enters the object of the line. */
static snug_status begin_object(const snug_text_json *json, snug_json_reader *reader,
                                snug_error *err)
{
    snug_json_event event = {0};
    snug_json_reader_init(reader, json->line, json->line_bytes);
    SNUG_TRY(snug_json_next(reader, &event, err));
    if (event.kind == SNUG_JSON_ARRAY_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "a JSON array; each line should be one object (jq -c '.[]' makes them)");
    }
    if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "JSON that is no object; each line should be one");
    }
    return SNUG_OK;
}

/* Text without escapes into `values`, ended by a zero. A line has room for all of its own. */
static snug_status keep_text(snug_text_json *json, const snug_json_event *event,
                             snug_text_piece *out, snug_error *err)
{
    char *to = json->values + json->used;
    int64_t bytes = event->text_bytes;
    SNUG_ASSERT(bytes < VALUE_BYTES - json->used);
    if (event->kind == SNUG_JSON_STRING || event->kind == SNUG_JSON_KEY) {
        SNUG_TRY(snug_json_unescape(event, to, VALUE_BYTES - json->used, err));
        bytes = (int64_t)strlen(to);
    } else {
        memcpy(to, event->text, (size_t)bytes);
        to[bytes] = '\0';
    }
    json->used += bytes + 1;
    *out = (snug_text_piece){to, bytes};
    return SNUG_OK;
}

static snug_status collect_keys(snug_text_json *json, snug_text_columns *columns, snug_error *err)
{
    snug_json_reader reader;
    snug_json_event event = {0};
    json->used = 0;
    SNUG_TRY(begin_object(json, &reader, err));
    for (;;) {
        snug_text_piece key = {0};
        SNUG_TRY(snug_json_next(&reader, &event, err));
        if (event.kind != SNUG_JSON_KEY) {
            return SNUG_OK;
        }
        if (columns->count == SNUG_TEXT_COLUMNS_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "more than %d fields in an object",
                             (int)SNUG_TEXT_COLUMNS_MAX);
        }
        SNUG_TRY(keep_text(json, &event, &key, err));
        columns->names[columns->count++] = key.text;
        SNUG_TRY(snug_json_skip(&reader, err));
    }
}

static snug_status keep_name(const snug_text_columns *columns, int64_t index, snug_arena *arena,
                             const char **out, snug_error *err)
{
    *out = NULL;
    if (index < 0) {
        return SNUG_OK;
    }
    return snug_arena_text(arena, columns->names[index], out, err);
}

snug_status snug_text_json_open(snug_text_reader *reader, snug_arena *arena, snug_error *err)
{
    snug_text_json *json = &reader->json;
    snug_text_columns columns = {.named = true, .json = true};
    void *memory = NULL;
    bool more = false;
    SNUG_TRY(snug_arena_alloc(arena, SNUG_ROW_BYTES_MAX, &memory, err));
    json->line = memory;
    SNUG_TRY(snug_arena_alloc(arena, VALUE_BYTES, &memory, err));
    json->values = memory;
    SNUG_TRY(snug_arena_alloc(arena, VALUE_BYTES, &memory, err));
    json->joined_text = memory;
    SNUG_TRY(snug_arena_array(arena, SNUG_TEXT_CHOICES_MAX, (int64_t)sizeof(snug_text_piece),
                              &memory, err));
    json->choices = memory;
    SNUG_TRY(snug_arena_alloc(arena, SNUG_CSV_BUFFER_BYTES, &memory, err));
    SNUG_TRY(snug_byte_stream_open(&reader->source, true, memory, SNUG_CSV_BUFFER_BYTES,
                                   &json->stream, err));
    SNUG_TRY(snug_text_json_line(json, &more, err));
    if (!more) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "the file is empty");
    }
    const snug_status status = collect_keys(json, &columns, err);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "line %lld", (long long)json->line_number);
        return status;
    }
    SNUG_TRY(snug_text_choose(&reader->options, &columns, &reader->choice, err));
    json->joined = reader->choice.joined;
    SNUG_TRY(keep_name(&columns, reader->choice.text, arena, &json->text_name, err));
    SNUG_TRY(keep_name(&columns, reader->choice.pair, arena, &json->pair_name, err));
    SNUG_TRY(keep_name(&columns, reader->choice.label, arena, &json->label_name, err));
    return SNUG_OK;
}

/* ---- Rows ---- */

typedef struct fields {
    snug_text_piece text, pair, label, subject, context;
    int64_t choice_count;
} fields;

/* A string or number of the field `name`; a label may also be true, false, or null: none. */
static snug_status take_value(snug_text_json *json, snug_json_reader *reader, const char *name,
                              bool label, snug_text_piece *out, snug_error *err)
{
    snug_json_event event = {0};
    SNUG_TRY(snug_json_next(reader, &event, err));
    const bool word = event.kind == SNUG_JSON_TRUE || event.kind == SNUG_JSON_FALSE;
    if (event.kind == SNUG_JSON_NULL && label) {
        *out = (snug_text_piece){0};
        return SNUG_OK;
    }
    if (event.kind != SNUG_JSON_STRING && event.kind != SNUG_JSON_NUMBER && !(word && label)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "field '%s' at byte %lld should be a string or a number", name,
                         (long long)event.offset);
    }
    return keep_text(json, &event, out, err);
}

static snug_status take_choices(snug_text_json *json, snug_json_reader *reader, fields *out,
                                snug_error *err)
{
    snug_json_event event = {0};
    out->choice_count = 0;
    SNUG_TRY(snug_json_next(reader, &event, err));
    if (event.kind != SNUG_JSON_ARRAY_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "field 'Choices' at byte %lld should be an array of strings",
                         (long long)event.offset);
    }
    for (;;) {
        SNUG_TRY(snug_json_next(reader, &event, err));
        if (event.kind == SNUG_JSON_ARRAY_END) {
            return SNUG_OK;
        }
        if (event.kind != SNUG_JSON_STRING && event.kind != SNUG_JSON_NUMBER) {
            return SNUG_FAIL(err, SNUG_CODE_DATA,
                             "field 'Choices' should hold strings; at byte %lld it does not",
                             (long long)event.offset);
        }
        if (out->choice_count == SNUG_TEXT_CHOICES_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "more than %d choices",
                             (int)SNUG_TEXT_CHOICES_MAX);
        }
        SNUG_TRY(keep_text(json, &event, &json->choices[out->choice_count], err));
        out->choice_count++;
    }
}

static bool is_named(const snug_text_piece *key, const char *name)
{
    return name != NULL && strcmp(key->text, name) == 0;
}

/* The value behind one key, kept or passed over; of equal keys the last one counts. */
static snug_status take_field(snug_text_json *json, snug_json_reader *reader,
                              const snug_json_event *event, fields *out, snug_error *err)
{
    snug_text_piece key = {0};
    const int64_t used = json->used;
    SNUG_TRY(keep_text(json, event, &key, err));
    if (is_named(&key, json->label_name)) {
        return take_value(json, reader, json->label_name, true, &out->label, err);
    }
    if (is_named(&key, json->text_name)) {
        return take_value(json, reader, json->text_name, false, &out->text, err);
    }
    if (is_named(&key, json->pair_name)) {
        return take_value(json, reader, json->pair_name, false, &out->pair, err);
    }
    if (json->joined && is_named(&key, "Subject")) {
        return take_value(json, reader, "Subject", false, &out->subject, err);
    }
    if (json->joined && is_named(&key, "Context")) {
        return take_value(json, reader, "Context", false, &out->context, err);
    }
    if (json->joined && is_named(&key, "Choices")) {
        return take_choices(json, reader, out, err);
    }
    json->used = used;
    return snug_json_skip(reader, err);
}

static snug_status missing_field(const char *name, snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_DATA, "no field '%s'", name);
}

static int64_t put(char *to, int64_t at, const char *text, int64_t bytes)
{
    memcpy(to + at, text, (size_t)bytes);
    return at + bytes;
}

/* The form that the guide's own scripts feed to the tokenizer, word for word. */
static void join(snug_text_json *json, fields *out)
{
    static const char subject[] = "Subject: ";
    static const char context[] = ". Context: ";
    static const char choices[] = ". Choices: ";
    static const char unknown[] = "unknown";
    char *to = json->joined_text;
    int64_t at = put(to, 0, subject, sizeof subject - 1);
    at = out->subject.text != NULL ? put(to, at, out->subject.text, out->subject.bytes)
                                   : put(to, at, unknown, sizeof unknown - 1);
    at = put(to, at, context, sizeof context - 1);
    at = put(to, at, out->context.text, out->context.bytes);
    at = put(to, at, choices, sizeof choices - 1);
    for (int64_t i = 0; i < out->choice_count; i++) {
        at = i > 0 ? put(to, at, ", ", 2) : at;
        at = put(to, at, json->choices[i].text, json->choices[i].bytes);
    }
    to[at] = '\0';
    out->text = (snug_text_piece){to, at};
}

static snug_status read_fields(const snug_text_reader *reader, snug_text_json *json, fields *out,
                               snug_error *err)
{
    snug_json_reader parser;
    snug_json_event event = {0};
    json->used = 0;
    SNUG_TRY(begin_object(json, &parser, err));
    SNUG_TRY(snug_json_next(&parser, &event, err));
    while (event.kind == SNUG_JSON_KEY) {
        SNUG_TRY(take_field(json, &parser, &event, out, err));
        SNUG_TRY(snug_json_next(&parser, &event, err));
    }
    SNUG_TRY(snug_json_next(&parser, &event, err)); /* The end: nothing else stands behind it. */
    if (json->joined && out->context.text == NULL) {
        return missing_field("Context", err);
    }
    if (!json->joined && out->text.text == NULL) {
        return missing_field(json->text_name, err);
    }
    if (json->pair_name != NULL && out->pair.text == NULL) {
        return missing_field(json->pair_name, err);
    }
    if (reader->options.need_label && out->label.text == NULL) {
        return missing_field(json->label_name, err);
    }
    return SNUG_OK;
}

snug_status snug_text_json_row(snug_text_reader *reader, snug_text_row *out, snug_error *err)
{
    snug_text_json *json = &reader->json;
    fields found = {0};
    const snug_status status = read_fields(reader, json, &found, err);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "line %lld", (long long)json->line_number);
        return status;
    }
    if (json->joined) {
        join(json, &found);
    }
    *out = (snug_text_row){.line = json->line_number,
                           .text = found.text,
                           .pair = found.pair,
                           .label = found.label,
                           .choices = json->choices,
                           .choice_count = found.choice_count};
    return SNUG_OK;
}
