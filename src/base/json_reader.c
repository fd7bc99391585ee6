#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/json.h"
#include "base/utf8.h"

/* What may come next. Zero is the start of a document. */
enum {
    WANT_VALUE,
    WANT_VALUE_OR_END, /* Just after '['. */
    WANT_KEY_OR_END,   /* Just after '{'. */
    WANT_KEY,          /* After a comma in an object. */
    WANT_COMMA_OR_END, /* After a value inside a group. */
    WANT_NOTHING       /* The document's value is complete. */
};

void snug_json_reader_init(snug_json_reader *reader, const char *data, int64_t bytes)
{
    SNUG_ASSERT(bytes >= 0);
    *reader = (snug_json_reader){.data = data, .bytes = bytes};
}

static int64_t skip_spaces(const snug_json_reader *reader, int64_t at)
{
    while (at < reader->bytes && (reader->data[at] == ' ' || reader->data[at] == '\t' ||
                                  reader->data[at] == '\n' || reader->data[at] == '\r')) {
        at++;
    }
    return at;
}

static snug_status unexpected(const snug_json_reader *reader, int64_t at, const char *wanted,
                              snug_error *err)
{
    if (at >= reader->bytes) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "JSON ends at byte %lld where %s should be",
                         (long long)at, wanted);
    }
    const unsigned char c = (unsigned char)reader->data[at];
    if (c < 0x20 || c >= 0x7f) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "JSON has byte 0x%02x at byte %lld where %s should be", c, (long long)at,
                         wanted);
    }
    return SNUG_FAIL(err, SNUG_CODE_FORMAT, "JSON has '%c' at byte %lld where %s should be", c,
                     (long long)at, wanted);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits after "\u"; -1 when they are not there. */
static int32_t read_hex4(const char *text, int64_t bytes)
{
    int32_t code = 0;
    if (bytes < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        const int digit = hex_value(text[i]);
        if (digit < 0) {
            return -1;
        }
        code = code * 16 + digit;
    }
    return code;
}

/* From the opening quote to past the closing one. */
static snug_status scan_string(const snug_json_reader *reader, int64_t at, int64_t *out_end,
                               snug_error *err)
{
    const char *data = reader->data;
    const int64_t bytes = reader->bytes;
    at++;
    while (at < bytes && data[at] != '"') {
        if ((unsigned char)data[at] < 0x20) {
            return unexpected(reader, at, "a character of a string", err);
        }
        if (data[at] != '\\') {
            const int64_t length = snug_utf8_length(data + at, bytes - at);
            if (length == 0) {
                return unexpected(reader, at, "a UTF-8 character", err);
            }
            at += length;
            continue;
        }
        at++;
        if (at >= bytes || data[at] == '\0' || strchr("\"\\/bfnrtu", data[at]) == NULL) {
            return unexpected(reader, at, "an escape", err);
        }
        if (data[at] == 'u') {
            if (read_hex4(data + at + 1, bytes - at - 1) < 0) {
                return unexpected(reader, at + 1, "four hexadecimal digits", err);
            }
            at += 4;
        }
        at++;
    }
    if (at >= bytes) {
        return unexpected(reader, at, "the end of a string", err);
    }
    *out_end = at + 1;
    return SNUG_OK;
}

static int64_t skip_digits(const snug_json_reader *reader, int64_t at)
{
    while (at < reader->bytes && reader->data[at] >= '0' && reader->data[at] <= '9') {
        at++;
    }
    return at;
}

static snug_status scan_number(const snug_json_reader *reader, int64_t at, int64_t *out_end,
                               snug_error *err)
{
    const char *data = reader->data;
    if (data[at] == '-') {
        at++;
    }
    int64_t next = skip_digits(reader, at);
    if (next == at) {
        return unexpected(reader, at, "a digit", err);
    }
    if (data[at] == '0' && next > at + 1) {
        return unexpected(reader, at + 1, "no digit after a leading zero", err);
    }
    at = next;
    if (at < reader->bytes && data[at] == '.') {
        next = skip_digits(reader, at + 1);
        if (next == at + 1) {
            return unexpected(reader, next, "a digit", err);
        }
        at = next;
    }
    if (at < reader->bytes && (data[at] == 'e' || data[at] == 'E')) {
        at++;
        if (at < reader->bytes && (data[at] == '+' || data[at] == '-')) {
            at++;
        }
        next = skip_digits(reader, at);
        if (next == at) {
            return unexpected(reader, at, "a digit", err);
        }
        at = next;
    }
    *out_end = at;
    return SNUG_OK;
}

/* "true", "false", "null"; false when none of them stands here. */
static bool scan_word(const snug_json_reader *reader, int64_t at, snug_json_event *event,
                      int64_t *out_end)
{
    static const struct {
        const char *word;
        snug_json_kind kind;
    } words[] = {{"true", SNUG_JSON_TRUE}, {"false", SNUG_JSON_FALSE}, {"null", SNUG_JSON_NULL}};
    for (int64_t i = 0; i < SNUG_COUNT(words); i++) {
        const int64_t length = (int64_t)strlen(words[i].word);
        if (reader->bytes - at >= length &&
            memcmp(reader->data + at, words[i].word, (size_t)length) == 0) {
            event->kind = words[i].kind;
            event->text = reader->data + at;
            event->text_bytes = length;
            *out_end = at + length;
            return true;
        }
    }
    return false;
}

/* `reader` is the caller's working copy: it becomes real only when the event does. */
static snug_status open_group(snug_json_reader *reader, int64_t at, snug_json_event *event,
                              snug_error *err)
{
    if (reader->depth == SNUG_JSON_DEPTH_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "JSON is nested deeper than %d at byte %lld",
                         SNUG_JSON_DEPTH_MAX, (long long)at);
    }
    const bool object = reader->data[at] == '{';
    event->kind = object ? SNUG_JSON_OBJECT_BEGIN : SNUG_JSON_ARRAY_BEGIN;
    event->text = reader->data + at;
    event->text_bytes = 1;
    reader->in_object[reader->depth++] = object;
    reader->state = object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
    reader->position = at + 1;
    return SNUG_OK;
}

static void close_group(snug_json_reader *reader, int64_t at, snug_json_event *event)
{
    reader->depth--;
    event->kind = reader->in_object[reader->depth] ? SNUG_JSON_OBJECT_END : SNUG_JSON_ARRAY_END;
    event->text = reader->data + at;
    event->text_bytes = 1;
    reader->state = reader->depth > 0 ? WANT_COMMA_OR_END : WANT_NOTHING;
    reader->position = at + 1;
}

static snug_status read_value(snug_json_reader *reader, int64_t at, snug_json_event *event,
                              snug_error *err)
{
    const char c = at < reader->bytes ? reader->data[at] : '\0';
    int64_t end = at;
    if (c == '{' || c == '[') {
        SNUG_TRY(open_group(reader, at, event, err));
        return SNUG_OK;
    }
    if (c == '"') {
        SNUG_TRY(scan_string(reader, at, &end, err));
        event->kind = SNUG_JSON_STRING;
        event->text = reader->data + at + 1;
        event->text_bytes = end - at - 2;
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        SNUG_TRY(scan_number(reader, at, &end, err));
        event->kind = SNUG_JSON_NUMBER;
        event->text = reader->data + at;
        event->text_bytes = end - at;
    } else if (!scan_word(reader, at, event, &end)) {
        return unexpected(reader, at, "a value", err);
    }
    reader->state = reader->depth > 0 ? WANT_COMMA_OR_END : WANT_NOTHING;
    reader->position = end;
    return SNUG_OK;
}

/* A key and its colon are one event. */
static snug_status read_key(snug_json_reader *reader, int64_t at, snug_json_event *event,
                            snug_error *err)
{
    int64_t end = at;
    if (at >= reader->bytes || reader->data[at] != '"') {
        return unexpected(reader, at, "a key", err);
    }
    SNUG_TRY(scan_string(reader, at, &end, err));
    const int64_t colon = skip_spaces(reader, end);
    if (colon >= reader->bytes || reader->data[colon] != ':') {
        return unexpected(reader, colon, "':'", err);
    }
    event->kind = SNUG_JSON_KEY;
    event->text = reader->data + at + 1;
    event->text_bytes = end - at - 2;
    reader->state = WANT_VALUE;
    reader->position = colon + 1;
    return SNUG_OK;
}

static snug_status read_event(snug_json_reader *reader, snug_json_event *event, snug_error *err)
{
    int64_t at = skip_spaces(reader, reader->position);
    const bool in_object = reader->depth > 0 && reader->in_object[reader->depth - 1];
    const char closing = in_object ? '}' : ']';
    if (reader->state == WANT_NOTHING) {
        if (at < reader->bytes) {
            return unexpected(reader, at, "the end of the document", err);
        }
        event->kind = SNUG_JSON_END;
        event->text = reader->data + at;
        event->offset = at;
        return SNUG_OK;
    }
    if (reader->state == WANT_COMMA_OR_END) {
        if (at < reader->bytes && reader->data[at] == ',') {
            at = skip_spaces(reader, at + 1);
            reader->state = in_object ? WANT_KEY : WANT_VALUE;
        } else if (at >= reader->bytes || reader->data[at] != closing) {
            return unexpected(reader, at, in_object ? "',' or '}'" : "',' or ']'", err);
        }
    }
    event->offset = at;
    if (reader->state != WANT_KEY && reader->state != WANT_VALUE && at < reader->bytes &&
        reader->data[at] == closing) {
        close_group(reader, at, event);
    } else if (in_object && reader->state != WANT_VALUE) {
        SNUG_TRY(read_key(reader, at, event, err));
    } else {
        SNUG_TRY(read_value(reader, at, event, err));
    }
    return SNUG_OK;
}

snug_status snug_json_next(snug_json_reader *reader, snug_json_event *out, snug_error *err)
{
    snug_json_reader copy = *reader;
    snug_json_event event = {0};
    SNUG_TRY(read_event(&copy, &event, err));
    *reader = copy;
    *out = event;
    return SNUG_OK;
}

snug_status snug_json_expect(snug_json_reader *reader, snug_json_kind kind, const char *what,
                             snug_json_event *out, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(reader, &event, err));
    if (event.kind != kind) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "JSON should have %s at byte %lld", what,
                         (long long)event.offset);
    }
    *out = event;
    return SNUG_OK;
}

snug_status snug_json_skip(snug_json_reader *reader, snug_error *err)
{
    snug_json_event event = {0};
    const int32_t depth = reader->depth;
    do {
        SNUG_TRY(snug_json_next(reader, &event, err));
    } while (reader->depth > depth);
    return SNUG_OK;
}

snug_status snug_json_count_pairs(const snug_json_reader *reader, int64_t *out_count,
                                  snug_error *err)
{
    snug_json_reader ahead = *reader;
    int64_t count = 0;
    for (;;) {
        snug_json_event event;
        SNUG_TRY(snug_json_next(&ahead, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            break;
        }
        SNUG_TRY(snug_json_skip(&ahead, err));
        count++;
    }
    *out_count = count;
    return SNUG_OK;
}

/* The code point of the escape whose 'u' is at `at`, a surrogate pair as one; -1 when broken. */
static int32_t read_code(const snug_json_event *event, int64_t at, int64_t *out_bytes)
{
    const int32_t high = read_hex4(event->text + at + 1, event->text_bytes - at - 1);
    if (high < 0xd800 || high > 0xdfff) {
        *out_bytes = 5;
        return high;
    }
    const int64_t next = at + 5;
    if (high > 0xdbff || event->text_bytes - next < 6 || event->text[next] != '\\' ||
        event->text[next + 1] != 'u') {
        return -1;
    }
    const int32_t low = read_hex4(event->text + next + 2, 4);
    if (low < 0xdc00 || low > 0xdfff) {
        return -1;
    }
    *out_bytes = 11;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* Resolves one escape whose backslash is at `at`; `out_taken` counts the bytes of its source. */
static snug_status resolve_escape(const snug_json_event *event, int64_t at, char piece[4],
                                  int64_t *out_piece_bytes, int64_t *out_taken, snug_error *err)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *found = strchr(from, event->text[at + 1]);
    if (event->text[at + 1] != 'u') {
        SNUG_ASSERT(found != NULL);
        piece[0] = to[found - from];
        *out_piece_bytes = 1;
        *out_taken = 2;
        return SNUG_OK;
    }
    int64_t taken = 0;
    const int32_t code = read_code(event, at + 1, &taken);
    if (code <= 0) {
        /* A zero would end the text early; half a surrogate pair is no character. */
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "JSON has an escape at byte %lld that is no character",
                         (long long)(event->offset + 1 + at));
    }
    *out_piece_bytes = snug_utf8_write((uint32_t)code, piece);
    *out_taken = taken + 1;
    return SNUG_OK;
}

snug_status snug_json_unescape(const snug_json_event *event, char *out, int64_t out_bytes,
                               snug_error *err)
{
    SNUG_ASSERT(out_bytes >= 1);
    if (event->kind != SNUG_JSON_STRING && event->kind != SNUG_JSON_KEY) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "JSON should have a string at byte %lld",
                         (long long)event->offset);
    }
    if (event->text_bytes < out_bytes &&
        memchr(event->text, '\\', (size_t)event->text_bytes) == NULL) {
        /* Most strings have no escapes. */
        memcpy(out, event->text, (size_t)event->text_bytes);
        out[event->text_bytes] = '\0';
        return SNUG_OK;
    }
    /* Two passes: the first only counts, so that `out` is untouched when something is wrong. */
    for (int pass = 0; pass < 2; pass++) {
        int64_t length = 0;
        for (int64_t at = 0; at < event->text_bytes;) {
            char piece[4] = {event->text[at]};
            int64_t piece_bytes = 1;
            int64_t taken = 1;
            if (event->text[at] == '\\') {
                SNUG_TRY(resolve_escape(event, at, piece, &piece_bytes, &taken, err));
            }
            if (length + piece_bytes >= out_bytes) {
                return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                                 "JSON string at byte %lld is longer than %lld bytes",
                                 (long long)event->offset, (long long)(out_bytes - 1));
            }
            if (pass == 1) {
                memcpy(out + length, piece, (size_t)piece_bytes);
            }
            length += piece_bytes;
            at += taken;
        }
        if (pass == 1) {
            out[length] = '\0';
        }
    }
    return SNUG_OK;
}

snug_status snug_json_to_i64(const snug_json_event *event, int64_t *out, snug_error *err)
{
    if (event->kind != SNUG_JSON_NUMBER) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "JSON should have an integer at byte %lld",
                         (long long)event->offset);
    }
    const bool negative = event->text[0] == '-';
    int64_t value = 0;
    for (int64_t i = negative ? 1 : 0; i < event->text_bytes; i++) {
        const char c = event->text[i];
        if (c < '0' || c > '9') {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "JSON should have an integer at byte %lld",
                             (long long)event->offset);
        }
        /* Counted downwards: the most negative number has no positive twin. */
        if (value < (INT64_MIN + (c - '0')) / 10) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "JSON integer at byte %lld is out of range",
                             (long long)event->offset);
        }
        value = value * 10 - (c - '0');
    }
    if (!negative && value == INT64_MIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "JSON integer at byte %lld is out of range",
                         (long long)event->offset);
    }
    *out = negative ? value : -value;
    return SNUG_OK;
}

enum { JSON_NUMBER_BYTES_MAX = 512 };

snug_status snug_json_to_f64(const snug_json_event *event, double *out, snug_error *err)
{
    char digits[JSON_NUMBER_BYTES_MAX];
    if (event->kind != SNUG_JSON_NUMBER) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "JSON should have a number at byte %lld",
                         (long long)event->offset);
    }
    if (event->text_bytes >= JSON_NUMBER_BYTES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "JSON number at byte %lld has more than %d characters",
                         (long long)event->offset, JSON_NUMBER_BYTES_MAX - 1);
    }
    memcpy(digits, event->text, (size_t)event->text_bytes);
    digits[event->text_bytes] = '\0';
    const double value = strtod(digits, NULL);
    if (!isfinite(value)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "JSON number at byte %lld is out of range",
                         (long long)event->offset);
    }
    *out = value;
    return SNUG_OK;
}
