/* A document of settings: `extends` and `profile` are handed out, all else goes into the table. */
#include "config/layers.h"

#include <stdio.h>
#include <string.h>

#include "config/yaml_walk.h"

typedef struct settings_reader {
    snug_config *config;
    int32_t layer;
    bool header_only; /* Only `extends` and `profile` are looked at. */
    bool header_seen[2];
    char *extends, *profile;
} settings_reader;

static void begin_list(void *context, const char *key)
{
    settings_reader *self = context;
    if (!self->header_only && strcmp(key, "model.tds_stages") == 0) {
        snug_config_clear_stages(self->config, self->layer);
    }
}

static snug_status take_header(settings_reader *self, bool profile, const snug_yaml_value *value,
                               snug_error *err)
{
    if (self->header_seen[profile]) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s is given twice", value->key);
    }
    if (strlen(value->text) >= SNUG_SETTING_TEXT_BYTES || value->text[0] == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s must be a name", value->key);
    }
    self->header_seen[profile] = true;
    (void)snprintf(profile ? self->profile : self->extends, SNUG_SETTING_TEXT_BYTES, "%s",
                   value->text);
    return SNUG_OK;
}

static snug_status take_setting(void *context, const snug_yaml_value *value, bool *out_at_key,
                                snug_error *err)
{
    settings_reader *self = context;
    const char *text = value->text;
    if (strcmp(value->key, "extends") == 0 || strcmp(value->key, "profile") == 0) {
        return take_header(self, value->key[0] == 'p', value, err);
    }
    if (self->header_only) {
        return SNUG_OK;
    }
    if (value->plain && (strcmp(text, "~") == 0 || strcmp(text, "null") == 0)) {
        text = "";
    }
    if (text[0] == '\0' && value->plain && snug_setting_is_section(value->key)) {
        return SNUG_OK; /* "data:" with nothing under it. */
    }
    const snug_config_origin origin = {
        .layer = self->layer, .line = value->line, .column = value->column};
    /* An unknown key is wrong where the key stands, a bad value where the value stands. */
    *out_at_key = snug_setting_find(value->key) < 0 && snug_alias_find(value->key) < 0;
    return snug_config_set(self->config, value->key, text, origin, err);
}

snug_status snug_config_apply_yaml(snug_config *config, int32_t layer, const char *name,
                                   const char *text, int64_t bytes, bool header_only,
                                   snug_setting_text out_extends, snug_setting_text out_profile,
                                   snug_error *err)
{
    settings_reader self = {.config = config,
                            .layer = layer,
                            .header_only = header_only,
                            .extends = out_extends,
                            .profile = out_profile};
    const snug_yaml_sink sink = {.context = &self, .list = begin_list, .value = take_setting};
    out_extends[0] = '\0';
    out_profile[0] = '\0';
    SNUG_TRY(snug_yaml_walk(name, text, bytes, &sink, err));
    return SNUG_OK;
}
