#include "config/layers.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

enum { COMMENT_COLUMN = 44, SECTIONS_MAX = 4 };

static const char stages_prefix[] = "model.tds_stages.";

/* Stages that are not given have no place in a document. */
static bool is_shown(const snug_config *config, const char *key)
{
    const size_t length = sizeof stages_prefix - 1;
    return strncmp(key, stages_prefix, length) != 0 ||
           key[length] - '0' < config->settings.model_stage_count;
}

/* Quotes are needed where YAML would read something else than a text, or end it early. */
static bool needs_quotes(const snug_setting *row, const char *value)
{
    if (row->kind != SNUG_SETTING_TEXT && row->kind != SNUG_SETTING_CHOICE) {
        return false;
    }
    for (const char *at = value; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("/._-", *at) == NULL) {
            return true;
        }
    }
    return value[0] == '\0' || value[0] == '-' || strcmp(value, "null") == 0;
}

/* The number of a character of `length` bytes. */
static uint32_t code_of(const char *text, int64_t length)
{
    static const uint32_t first_masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)text[0] & first_masks[length];
    for (int64_t i = 1; i < length; i++) {
        code = code << 6 | ((unsigned char)text[i] & 0x3f);
    }
    return code;
}

/* Characters that YAML refuses, or takes for the end of a line. */
static bool needs_escape(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x2028 || code == 0x2029 ||
           code == 0xfeff || code == 0xfffe || code == 0xffff;
}

/* Adds the character at `text` as it stands inside double quotes; returns its bytes. */
static int64_t add_quoted(snug_text *out, const char *text)
{
    const int64_t length = snug_utf8_length(text, (int64_t)strlen(text));
    if (length == 0) {
        /* Not UTF-8, as a path may be; a document cannot hold it. */
        snug_text_add(out, "\\ufffd");
        return 1;
    }
    const uint32_t code = code_of(text, length);
    if (code == '"' || code == '\\') {
        snug_text_add(out, "\\%c", (int)code);
    } else if (needs_escape(code)) {
        snug_text_add(out, "\\u%04x", (unsigned)code);
    } else {
        snug_text_add(out, "%.*s", (int)length, text);
    }
    return length;
}

static void add_value(snug_text *out, const snug_setting *row, const char *value)
{
    if (!needs_quotes(row, value)) {
        snug_text_add(out, "%s", value);
        return;
    }
    snug_text_add(out, "\"");
    for (const char *at = value; *at != '\0';) {
        at += add_quoted(out, at);
    }
    snug_text_add(out, "\"");
}

static void add_comment(snug_text *out, int64_t line_start, const snug_config *config,
                        int64_t index, snug_config_style style)
{
    const snug_setting *row = snug_setting_at(index);
    const int64_t width = out->length - line_start;
    const int64_t pad = width < COMMENT_COLUMN ? COMMENT_COLUMN - width : 1;
    snug_text_add(out, "%*s# ", (int)pad, "");
    if (style == SNUG_CONFIG_STYLE_ORIGIN) {
        char origin[SNUG_SETTING_TEXT_BYTES];
        snug_config_origin_text(config, index, origin);
        snug_text_add(out, "%s\n", origin);
        return;
    }
    snug_text_add(out, "%s", row->help);
    if (row->kind == SNUG_SETTING_CHOICE) {
        snug_text_add(out, ": %s", row->choices + (row->choices[0] == '|'));
    } else if (row->unit[0] != '\0' && row->kind != SNUG_SETTING_BYTES) {
        snug_text_add(out, " (%s)", row->unit);
    }
    snug_text_add(out, "\n");
}

/* Opens the sections of `key` that differ from the last one's; returns the key's own last word. */
static const char *add_sections(snug_text *out, const char *key, char last[SNUG_CONFIG_KEY_BYTES],
                                int *out_level, bool *out_dash)
{
    const char *word = key;
    bool same = true;
    int level = 0;
    *out_dash = false;
    for (const char *dot = strchr(word, '.'); dot != NULL; dot = strchr(word, '.')) {
        const size_t length = (size_t)(dot - key) + 1;
        same = same && strncmp(last, key, length) == 0;
        const bool item = isdigit((unsigned char)word[0]) != 0;
        if (!same && item) {
            *out_dash = true;
        } else if (!same) {
            snug_text_add(out, "%s%*s%.*s:\n", level == 0 && out->length > 0 ? "\n" : "", level * 2,
                          "", (int)(dot - word), word);
        }
        level++;
        word = dot + 1;
    }
    (void)snprintf(last, SNUG_CONFIG_KEY_BYTES, "%s", key);
    *out_level = level;
    return word;
}

static void print_yaml(const snug_config *config, snug_config_style style, snug_text *out)
{
    char last[SNUG_CONFIG_KEY_BYTES] = "";
    for (int64_t i = 0; i < snug_setting_count(); i++) {
        const snug_setting *row = snug_setting_at(i);
        if (!is_shown(config, row->key)) {
            continue;
        }
        int level = 0;
        bool dash = false;
        char value[SNUG_SETTING_VALUE_BYTES];
        const char *word = add_sections(out, row->key, last, &level, &dash);
        snug_setting_print(i, &config->settings, value);
        const int64_t line_start = out->length;
        snug_text_add(out, "%*s%s%s: ", level * 2 - (dash ? 2 : 0), "", dash ? "- " : "", word);
        add_value(out, row, value);
        add_comment(out, line_start, config, i, style);
    }
}

static void json_value(snug_json_writer *json, const snug_setting *row,
                       const snug_settings *settings)
{
    const char *field = (const char *)settings + row->offset;
    switch (row->kind) {
    case SNUG_SETTING_INT:
    case SNUG_SETTING_BYTES:
        snug_json_i64(json, *(const int64_t *)(const void *)field);
        break;
    case SNUG_SETTING_REAL:
        snug_json_f64(json, *(const double *)(const void *)field);
        break;
    case SNUG_SETTING_BOOL:
        snug_json_bool(json, *(const bool *)(const void *)field);
        break;
    case SNUG_SETTING_TEXT:
    case SNUG_SETTING_CHOICE:
    case SNUG_SETTING_BUDGET:
        snug_json_string(json, field);
        break;
    }
}

static void print_json(const snug_config *config, snug_text *out)
{
    snug_json_writer json;
    snug_json_writer_init(&json, out, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", "snug.config/1");
    snug_json_key(&json, "settings");
    snug_json_object_begin(&json);
    for (int64_t i = 0; i < snug_setting_count(); i++) {
        const snug_setting *row = snug_setting_at(i);
        if (!is_shown(config, row->key)) {
            continue;
        }
        char origin[SNUG_SETTING_TEXT_BYTES];
        snug_config_origin_text(config, i, origin);
        snug_json_key(&json, row->key);
        snug_json_object_begin(&json);
        snug_json_key(&json, "value");
        json_value(&json, row, &config->settings);
        snug_json_put_string(&json, "origin", origin);
        snug_json_object_end(&json);
    }
    snug_json_object_end(&json);
    snug_json_key(&json, "notes");
    snug_json_array_begin(&json);
    for (int32_t i = 0; i < config->note_count; i++) {
        snug_json_string(&json, config->notes[i]);
    }
    snug_json_array_end(&json);
    snug_json_object_end(&json);
    snug_text_add(out, "\n");
}

void snug_config_print(const snug_config *config, snug_config_style style, snug_text *out)
{
    if (style == SNUG_CONFIG_STYLE_JSON) {
        print_json(config, out);
    } else {
        print_yaml(config, style, out);
    }
}
