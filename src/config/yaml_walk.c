#include "config/yaml_walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "config/layers.h"

/* One open mapping or sequence. */
typedef struct frame {
    int32_t key_length; /* Of the dotted key of the frame itself. */
    int32_t item;       /* Sequence: index of the next item; mapping: -1. */
    bool have_key;      /* Mapping: a key was read and its value is next. */
} frame;

typedef struct reader {
    const snug_yaml_sink *sink;
    const char *name;
    char key[SNUG_CONFIG_KEY_BYTES]; /* Dotted key of the value that comes next. */
    int32_t key_line, key_column;
    frame frames[SNUG_CONFIG_DEPTH_MAX];
    int32_t depth;
} reader;

static snug_status at_mark(const reader *self, yaml_mark_t mark, snug_status status,
                           snug_error *err)
{
    (void)snug_error_prefix(err, "%s:%" PRId64 ":%" PRId64, self->name, (int64_t)mark.line + 1,
                            (int64_t)mark.column + 1);
    return status;
}

#define FAIL_AT(self, mark, ...)                                                                   \
    at_mark((self), (mark), SNUG_FAIL(err, SNUG_CODE_CONFIG, __VA_ARGS__), err)

static snug_status append_key(reader *self, const char *word, yaml_mark_t mark, snug_error *err)
{
    const int32_t base = self->frames[self->depth - 1].key_length;
    const size_t length = strlen(word);
    if ((size_t)base + 1 + length >= sizeof self->key) {
        return FAIL_AT(self, mark, "the key '%.60s...' is too long", word);
    }
    (void)snprintf(self->key + base, sizeof self->key - (size_t)base, "%s%s", base > 0 ? "." : "",
                   word);
    return SNUG_OK;
}

/* Before a value: inside a sequence its key is the number of the item. */
static snug_status begin_value(reader *self, yaml_mark_t mark, snug_error *err)
{
    frame *top = &self->frames[self->depth - 1];
    if (top->item >= 0) {
        char number[16];
        (void)snprintf(number, sizeof number, "%" PRId32, top->item);
        SNUG_TRY(append_key(self, number, mark, err));
        if (top->item == INT16_MAX) {
            return FAIL_AT(self, mark, "%.60s is too long a list", self->key);
        }
        top->item++;
        self->key_line = (int32_t)mark.line + 1;
        self->key_column = (int32_t)mark.column + 1;
    } else {
        top->have_key = false;
    }
    return SNUG_OK;
}

static snug_status open_frame(reader *self, bool sequence, yaml_mark_t mark, snug_error *err)
{
    if (self->depth == 0) {
        if (sequence) {
            return FAIL_AT(self, mark, "a configuration is a mapping (key: value), not a list");
        }
    } else {
        if (self->frames[self->depth - 1].item < 0 && !self->frames[self->depth - 1].have_key) {
            return FAIL_AT(self, mark, "a key must be a plain word");
        }
        SNUG_TRY(begin_value(self, mark, err));
    }
    if (self->depth == SNUG_CONFIG_DEPTH_MAX) {
        return FAIL_AT(self, mark, "nested deeper than %d levels", SNUG_CONFIG_DEPTH_MAX);
    }
    if (sequence && self->sink->list != NULL) {
        self->sink->list(self->sink->context, self->key);
    }
    self->frames[self->depth++] =
        (frame){.key_length = (int32_t)strlen(self->key), .item = sequence ? 0 : -1};
    return SNUG_OK;
}

static snug_status take_value(reader *self, const yaml_event_t *event, snug_error *err)
{
    const yaml_mark_t mark = event->start_mark;
    if (memchr(event->data.scalar.value, '\0', event->data.scalar.length) != NULL) {
        return FAIL_AT(self, mark, "%s holds a zero byte", self->key);
    }
    const bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    const snug_yaml_value value = {.key = self->key,
                                   .text = (const char *)event->data.scalar.value,
                                   .plain = plain,
                                   .item = self->frames[self->depth - 1].item >= 0,
                                   .line = self->key_line,
                                   .column = self->key_column};
    bool at_key = false;
    snug_error why = {0};
    const snug_status status = self->sink->value(self->sink->context, &value, &at_key, &why);
    if (snug_failed(status)) {
        const yaml_mark_t place = {.line = (size_t)self->key_line - 1,
                                   .column = (size_t)self->key_column - 1};
        return at_mark(self, at_key ? place : mark, SNUG_FAIL(err, status, "%s", why.message), err);
    }
    return SNUG_OK;
}

static snug_status take_scalar(reader *self, const yaml_event_t *event, snug_error *err)
{
    const yaml_mark_t mark = event->start_mark;
    if (self->depth == 0) {
        /* A file of comments only is an empty configuration. */
        if (event->data.scalar.length == 0) {
            return SNUG_OK;
        }
        return FAIL_AT(self, mark, "a configuration is a mapping (key: value)");
    }
    frame *top = &self->frames[self->depth - 1];
    if (top->item < 0 && !top->have_key) {
        const char *word = (const char *)event->data.scalar.value;
        if (event->data.scalar.length == 0 || strlen(word) != event->data.scalar.length) {
            return FAIL_AT(self, mark, "a key must be a plain word");
        }
        SNUG_TRY(append_key(self, word, mark, err));
        top->have_key = true;
        self->key_line = (int32_t)mark.line + 1;
        self->key_column = (int32_t)mark.column + 1;
        return SNUG_OK;
    }
    SNUG_TRY(begin_value(self, mark, err));
    return take_value(self, event, err);
}

static snug_status take_event(reader *self, const yaml_event_t *event, snug_error *err)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return FAIL_AT(self, event->start_mark, "aliases (*name) are not allowed");
    case YAML_SCALAR_EVENT:
        return take_scalar(self, event, err);
    case YAML_MAPPING_START_EVENT:
        return open_frame(self, false, event->start_mark, err);
    case YAML_SEQUENCE_START_EVENT:
        return open_frame(self, true, event->start_mark, err);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        self->depth--;
        if (self->depth > 0) {
            self->key[self->frames[self->depth - 1].key_length] = '\0';
        }
        return SNUG_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return SNUG_OK;
}

static snug_status parse_failed(const reader *self, const yaml_parser_t *parser, snug_error *err)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        return SNUG_FAIL(err, SNUG_CODE_MEMORY, "%s: the YAML reader got no memory", self->name);
    }
    const char *problem = parser->problem == NULL ? "not YAML" : parser->problem;
    if (parser->error == YAML_READER_ERROR) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s: not YAML text: %s at byte %" PRId64,
                         self->name, problem, (int64_t)parser->problem_offset);
    }
    return FAIL_AT(self, parser->problem_mark, "not YAML: %s", problem);
}

snug_status snug_yaml_walk(const char *name, const char *text, int64_t bytes,
                           const snug_yaml_sink *sink, snug_error *err)
{
    snug_status status = SNUG_OK;
    reader self = {.sink = sink, .name = name};
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0) {
        return SNUG_FAIL(err, SNUG_CODE_MEMORY, "%s: the YAML reader got no memory", name);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, (size_t)bytes);
    int64_t documents = 0;
    for (bool more = true; more;) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            status = parse_failed(&self, &parser, err);
            goto done;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT && ++documents > 1) {
            status = FAIL_AT(&self, event.start_mark, "a configuration is one document, not two");
        } else {
            status = take_event(&self, &event, err);
        }
        yaml_event_delete(&event);
        if (snug_failed(status)) {
            goto done;
        }
    }

done:
    yaml_parser_delete(&parser);
    return status;
}
