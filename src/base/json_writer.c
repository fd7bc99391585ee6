#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/json.h"
#include "base/utf8.h"

void snug_json_writer_init(snug_json_writer *writer, snug_text *out, bool pretty)
{
    *writer = (snug_json_writer){.out = out, .pretty = pretty};
}

static void new_line(snug_json_writer *writer)
{
    if (writer->pretty) {
        snug_text_add(writer->out, "\n%*s", 2 * writer->depth, "");
    }
}

/* What stands before a value: nothing after a key, a comma between items. */
static void begin_value(snug_json_writer *writer)
{
    if (writer->depth == 0) {
        return;
    }
    const int32_t level = writer->depth - 1;
    if (writer->in_object[level]) {
        SNUG_ASSERT(writer->after_key);
        writer->after_key = false;
        return;
    }
    if (writer->has_item[level]) {
        snug_text_add(writer->out, ",");
    }
    writer->has_item[level] = true;
    new_line(writer);
}

static void begin_group(snug_json_writer *writer, bool object)
{
    begin_value(writer);
    SNUG_ASSERT(writer->depth < SNUG_JSON_DEPTH_MAX);
    writer->in_object[writer->depth] = object;
    writer->has_item[writer->depth] = false;
    writer->depth++;
    snug_text_add(writer->out, object ? "{" : "[");
}

static void end_group(snug_json_writer *writer, bool object)
{
    SNUG_ASSERT(writer->depth > 0);
    SNUG_ASSERT(!writer->after_key);
    writer->depth--;
    SNUG_ASSERT(writer->in_object[writer->depth] == object);
    if (writer->has_item[writer->depth]) {
        new_line(writer);
    }
    snug_text_add(writer->out, object ? "}" : "]");
}

void snug_json_object_begin(snug_json_writer *writer)
{
    begin_group(writer, true);
}

void snug_json_object_end(snug_json_writer *writer)
{
    end_group(writer, true);
}

void snug_json_array_begin(snug_json_writer *writer)
{
    begin_group(writer, false);
}

void snug_json_array_end(snug_json_writer *writer)
{
    end_group(writer, false);
}

static void add_escaped(snug_text *out, unsigned char c)
{
    switch (c) {
    case '"':
        snug_text_add(out, "\\\"");
        break;
    case '\\':
        snug_text_add(out, "\\\\");
        break;
    case '\n':
        snug_text_add(out, "\\n");
        break;
    case '\r':
        snug_text_add(out, "\\r");
        break;
    case '\t':
        snug_text_add(out, "\\t");
        break;
    default:
        snug_text_add(out, "\\u%04x", c);
        break;
    }
}

/* File names are bytes, JSON is UTF-8: a byte that fits nowhere becomes U+FFFD. */
static void add_string(snug_text *out, const char *value)
{
    const char *const end = value + strlen(value);
    snug_text_add(out, "\"");
    while (value < end) {
        const char *plain = value;
        int64_t length = 0;
        while (plain < end && (unsigned char)*plain >= 0x20 && *plain != '"' && *plain != '\\') {
            length = snug_utf8_length(plain, end - plain);
            if (length == 0) {
                break;
            }
            plain += length;
        }
        if (plain > value) {
            snug_text_add(out, "%.*s", (int)(plain - value), value);
            value = plain;
        } else if ((unsigned char)*value >= 0x80) {
            snug_text_add(out, "\xef\xbf\xbd");
            value++;
        } else {
            add_escaped(out, (unsigned char)*value);
            value++;
        }
    }
    snug_text_add(out, "\"");
}

/* What stands before a key. */
static void begin_key(snug_json_writer *writer)
{
    SNUG_ASSERT(writer->depth > 0);
    const int32_t level = writer->depth - 1;
    SNUG_ASSERT(writer->in_object[level]);
    SNUG_ASSERT(!writer->after_key);
    if (writer->has_item[level]) {
        snug_text_add(writer->out, ",");
    }
    writer->has_item[level] = true;
    new_line(writer);
    writer->after_key = true;
}

void snug_json_key(snug_json_writer *writer, const char *key)
{
    begin_key(writer);
    add_string(writer->out, key);
    snug_text_add(writer->out, writer->pretty ? ": " : ":");
}

void snug_json_raw_key(snug_json_writer *writer, const char *text, int64_t text_bytes)
{
    SNUG_ASSERT(text_bytes >= 0 && text_bytes <= INT32_MAX);
    begin_key(writer);
    snug_text_add(writer->out, "\"%.*s\"%s", (int)text_bytes, text, writer->pretty ? ": " : ":");
}

void snug_json_string(snug_json_writer *writer, const char *value)
{
    begin_value(writer);
    add_string(writer->out, value);
}

void snug_json_i64(snug_json_writer *writer, int64_t value)
{
    begin_value(writer);
    snug_text_add(writer->out, "%lld", (long long)value);
}

void snug_json_f64(snug_json_writer *writer, double value)
{
    if (!isfinite(value)) {
        snug_json_null(writer);
        return;
    }
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) {
            break;
        }
    }
    begin_value(writer);
    snug_text_add(writer->out, "%s", digits);
}

void snug_json_f32(snug_json_writer *writer, float value)
{
    if (!isfinite(value)) {
        snug_json_null(writer);
        return;
    }
    char digits[40];
    for (int precision = 6; precision <= 9; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        if (strtof(digits, NULL) == value) {
            break;
        }
    }
    begin_value(writer);
    snug_text_add(writer->out, "%s", digits);
}

void snug_json_bool(snug_json_writer *writer, bool value)
{
    begin_value(writer);
    snug_text_add(writer->out, value ? "true" : "false");
}

void snug_json_null(snug_json_writer *writer)
{
    begin_value(writer);
    snug_text_add(writer->out, "null");
}

void snug_json_raw(snug_json_writer *writer, const char *text, int64_t text_bytes)
{
    SNUG_ASSERT(text_bytes >= 0 && text_bytes <= INT32_MAX);
    begin_value(writer);
    snug_text_add(writer->out, "%.*s", (int)text_bytes, text);
}

void snug_json_put_string(snug_json_writer *writer, const char *key, const char *value)
{
    snug_json_key(writer, key);
    snug_json_string(writer, value);
}

void snug_json_put_i64(snug_json_writer *writer, const char *key, int64_t value)
{
    snug_json_key(writer, key);
    snug_json_i64(writer, value);
}

void snug_json_put_f64(snug_json_writer *writer, const char *key, double value)
{
    snug_json_key(writer, key);
    snug_json_f64(writer, value);
}

void snug_json_put_bool(snug_json_writer *writer, const char *key, bool value)
{
    snug_json_key(writer, key);
    snug_json_bool(writer, value);
}

void snug_json_put_f64s(snug_json_writer *writer, const char *key, const double *values,
                        int64_t count)
{
    snug_json_key(writer, key);
    snug_json_array_begin(writer);
    for (int64_t i = 0; values != NULL && i < count; i++) {
        snug_json_f64(writer, values[i]);
    }
    snug_json_array_end(writer);
}
