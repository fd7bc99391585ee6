#include "config/layers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "config/builtin.h"
#include "sys/file.h"

static const char stages_prefix[] = "model.tds_stages.";

void snug_config_clear_stages(snug_config *config, int32_t layer)
{
    memset(config->settings.model_stages, 0, sizeof config->settings.model_stages);
    for (int64_t i = 0; i < snug_setting_count(); i++) {
        if (strncmp(snug_setting_at(i)->key, stages_prefix, sizeof stages_prefix - 1) == 0) {
            config->origins[i] = (snug_config_origin){.layer = layer};
        }
    }
}

static void add_note(snug_config *config, const snug_alias *alias)
{
    if (config->note_count < SNUG_CONFIG_NOTES_MAX) {
        (void)snprintf(config->notes[config->note_count], SNUG_CONFIG_NOTE_BYTES,
                       "%s has no effect: %s", alias->key, alias->note);
        config->note_count++;
    }
}

static snug_status accept_without_effect(snug_config *config, const snug_alias *alias,
                                         const char *value, snug_error *err)
{
    if (alias->choices != NULL && !snug_choice_find(alias->choices, value, NULL, 0)) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s is '%.60s', but only '%s' is supported: %s",
                         alias->key, value, alias->choices, alias->note);
    }
    add_note(config, alias);
    return SNUG_OK;
}

/* The word number `index` of "a|b|c"; false when there are fewer. */
static bool word_at(const char *words, int64_t index, const char **out, int64_t *out_length)
{
    for (; index > 0; index--) {
        words = strchr(words, '|');
        if (words == NULL) {
            return false;
        }
        words++;
    }
    *out = words;
    *out_length = (int64_t)strcspn(words, "|");
    return true;
}

/* The table's word for a value in the alias's own words, into `out`. */
static snug_status translate_value(const snug_alias *alias, const char *value,
                                   char out[SNUG_SETTING_VALUE_BYTES], snug_error *err)
{
    const char *choice = NULL, *word = NULL;
    int64_t length = 0;
    for (int64_t i = 0; word_at(alias->choices, i, &choice, &length); i++) {
        if ((int64_t)strlen(value) == length && strncmp(value, choice, (size_t)length) == 0) {
            const bool found = word_at(alias->values, i, &word, &length);
            SNUG_ASSERT(found && length < SNUG_SETTING_VALUE_BYTES);
            memcpy(out, word, (size_t)length);
            out[length] = '\0';
            return SNUG_OK;
        }
    }
    return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s is '%.60s', expected one of %s", alias->key, value,
                     alias->choices);
}

static snug_status unknown_key(const char *key, snug_error *err)
{
    const char *near = snug_setting_nearest(key);
    if (near == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "unknown key '%.100s'; 'snug config show' lists all keys", key);
    }
    return SNUG_FAIL(err, SNUG_CODE_CONFIG, "unknown key '%.100s'; did you mean '%s'?", key, near);
}

/* Two spellings of one key may both stand in a file, as long as they agree. */
static snug_status refuse_twice(const snug_config *config, int64_t index, const char *value,
                                snug_config_origin origin, snug_error *err)
{
    const snug_config_origin before = config->origins[index];
    const snug_layer_kind kind = config->layers[origin.layer].kind;
    if (before.layer != origin.layer || before.line == 0 || kind == SNUG_LAYER_COMMAND_LINE) {
        return SNUG_OK;
    }
    const char *key = snug_setting_at(index)->key;
    if (before.spelling == origin.spelling) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s is given twice, first in line %" PRId32, key,
                         before.line);
    }
    snug_settings other = {0};
    char was[SNUG_SETTING_VALUE_BYTES];
    char is[SNUG_SETTING_VALUE_BYTES];
    SNUG_TRY(snug_setting_parse(index, value, &other, err));
    snug_setting_print(index, &config->settings, was);
    snug_setting_print(index, &other, is);
    if (strcmp(was, is) == 0) {
        return SNUG_OK;
    }
    return SNUG_FAIL(err, SNUG_CODE_CONFIG, "this sets %s to %.60s, but line %" PRId32 " to %.60s",
                     key, is, before.line, was);
}

snug_status snug_config_set(snug_config *config, const char *key, const char *value,
                            snug_config_origin origin, snug_error *err)
{
    const char *target = key;
    char translated[SNUG_SETTING_VALUE_BYTES];
    const int64_t alias_index = snug_alias_find(key);
    if (alias_index >= 0) {
        const snug_alias *alias = snug_alias_at(alias_index);
        if (alias->kind == SNUG_ALIAS_ACCEPTED) {
            return accept_without_effect(config, alias, value, err);
        }
        if (alias->values != NULL) {
            SNUG_TRY(translate_value(alias, value, translated, err));
            value = translated;
        }
        target = alias->target;
        origin.spelling = (int32_t)alias_index + 1;
    }
    const int64_t index = snug_setting_find(target);
    if (index < 0) {
        return unknown_key(key, err);
    }
    SNUG_TRY(refuse_twice(config, index, value, origin, err));
    SNUG_TRY(snug_setting_parse(index, value, &config->settings, err));
    config->origins[index] = origin;
    return SNUG_OK;
}

/* "key=[a,b,c]" sets key.0, key.1, ...; items are plain words without commas. */
static snug_status apply_list(snug_config *config, const char *key, const char *list,
                              snug_config_origin origin, snug_error *err)
{
    const char *at = list + 1;
    for (int64_t i = 0;; i++) {
        at += strspn(at, " ");
        const int64_t length = (int64_t)strcspn(at, ",]");
        char item_key[SNUG_CONFIG_KEY_BYTES + 24];
        char item[SNUG_SETTING_VALUE_BYTES];
        int64_t used = length;
        while (used > 0 && at[used - 1] == ' ') {
            used--;
        }
        if (at[length] == '\0' || used >= SNUG_SETTING_VALUE_BYTES) {
            return SNUG_FAIL(err, SNUG_CODE_CONFIG, "%s: the list '%.60s' has no end", key, list);
        }
        (void)snprintf(item_key, sizeof item_key, "%s.%" PRId64, key, i);
        (void)snprintf(item, sizeof item, "%.*s", (int)used, at);
        SNUG_TRY(snug_config_set(config, item_key, item, origin, err));
        if (at[length] == ']') {
            return SNUG_OK;
        }
        at += length + 1;
    }
}

snug_status snug_config_apply_override(snug_config *config, int32_t layer, const char *text,
                                       snug_error *err)
{
    const char *equals = strchr(text, '=');
    const int64_t length = equals == NULL ? 0 : equals - text;
    if (length == 0) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "command line: '%.100s' is not an override; write it like "
                         "training.batch_size=16",
                         text);
    }
    if (length >= SNUG_CONFIG_KEY_BYTES - 8) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "command line: the key '%.60s...' is too long",
                         text);
    }
    char key[SNUG_CONFIG_KEY_BYTES];
    (void)snprintf(key, sizeof key, "%.*s", (int)length, text);
    const char *value = equals + 1;
    const snug_config_origin origin = {.layer = layer};
    const snug_status status = value[0] == '[' ? apply_list(config, key, value, origin, err)
                                               : snug_config_set(config, key, value, origin, err);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "command line");
        return snug_error_pass(err, status, __FILE__, __LINE__);
    }
    return SNUG_OK;
}

static snug_status add_layer(snug_config *config, snug_layer_kind kind, const char *name,
                             int32_t *out_layer, snug_error *err)
{
    if (config->layer_count == SNUG_CONFIG_LAYERS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "more than %d configuration layers",
                         SNUG_CONFIG_LAYERS_MAX);
    }
    if (strlen(name) >= SNUG_SETTING_TEXT_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the name '%.60s...' is too long", name);
    }
    snug_config_layer *layer = &config->layers[config->layer_count];
    layer->kind = kind;
    (void)snprintf(layer->name, sizeof layer->name, "%s", name);
    *out_layer = config->layer_count++;
    return SNUG_OK;
}

static snug_status apply_profile(snug_config *config, const char *name, snug_error *err)
{
    const snug_builtin *profile = snug_builtin_find(name, true);
    if (profile == NULL) {
        const char *near = snug_builtin_nearest(name, true);
        return SNUG_FAIL(err, SNUG_CODE_CONFIG, "there is no profile '%.100s'; %s%s%s", name,
                         near == NULL ? "'snug config list' lists them" : "did you mean '",
                         near == NULL ? "" : near, near == NULL ? "" : "'?");
    }
    int32_t layer = 0;
    snug_setting_text ignored[2];
    SNUG_TRY(add_layer(config, SNUG_LAYER_PROFILE, name, &layer, err));
    SNUG_TRY(snug_config_apply_yaml(config, layer, name, profile->yaml,
                                    (int64_t)strlen(profile->yaml), false, ignored[0], ignored[1],
                                    err));
    return SNUG_OK;
}

/** One document of the chain of what extends what. */
typedef struct link {
    snug_layer_kind kind;
    snug_setting_text name;
    const char *text;
    int64_t bytes;
    snug_setting_text profile;
} link;

static bool looks_like_path(const char *name)
{
    return strchr(name, '/') != NULL || strchr(name, '.') != NULL;
}

static snug_status not_found(const char *name, snug_error *err)
{
    const char *near = snug_builtin_nearest(name, false);
    if (snug_builtin_find(name, true) != NULL) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                         "'%s' is a profile, not a configuration; write: timeseries_small "
                         "--profile %s",
                         name, name);
    }
    if (near != NULL && !looks_like_path(name)) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                         "no file and no built-in configuration '%.100s'; did you mean '%s'?", name,
                         near);
    }
    return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                     "there is no configuration file '%.200s'; 'snug config list' lists the "
                     "built-in ones",
                     name);
}

static snug_status open_link(const char *name, link *out, snug_arena *scratch, snug_error *err)
{
    const snug_builtin *builtin = looks_like_path(name) ? NULL : snug_builtin_find(name, false);
    if (strlen(name) >= sizeof out->name) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the name '%.60s...' is too long", name);
    }
    if (builtin != NULL) {
        out->kind = SNUG_LAYER_BUILTIN;
        out->text = builtin->yaml;
        out->bytes = (int64_t)strlen(builtin->yaml);
    } else {
        if (snug_path_look(name) == SNUG_PATH_NONE) {
            return not_found(name, err);
        }
        out->kind = SNUG_LAYER_FILE;
        SNUG_TRY(snug_file_read_all(name, SNUG_CONFIG_FILE_BYTES_MAX, scratch, &out->text,
                                    &out->bytes, err));
    }
    (void)snprintf(out->name, sizeof out->name, "%s", name);
    return SNUG_OK;
}

/* Follows `extends` from the named document down to the one that extends nothing. */
static snug_status read_chain(snug_config *probe, const char *name, link *links, int64_t *out_count,
                              snug_arena *scratch, snug_error *err)
{
    snug_setting_text next;
    if (strlen(name) >= sizeof next) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the name '%.60s...' is too long", name);
    }
    (void)snprintf(next, sizeof next, "%s", name);
    int64_t count = 0;
    while (next[0] != '\0') {
        if (count == SNUG_CONFIG_EXTENDS_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                             "%s: more than %d files extend each other; is there a circle?", name,
                             SNUG_CONFIG_EXTENDS_MAX);
        }
        link *at = &links[count];
        SNUG_TRY(open_link(next, at, scratch, err));
        SNUG_TRY(snug_config_apply_yaml(probe, 0, at->name, at->text, at->bytes, true, next,
                                        at->profile, err));
        count++;
    }
    *out_count = count;
    return SNUG_OK;
}

static snug_status apply_chain(snug_config *config, const char *name, snug_arena *scratch,
                               snug_error *err)
{
    void *memory = NULL;
    int64_t count = 0;
    SNUG_TRY(snug_arena_array(scratch, SNUG_CONFIG_EXTENDS_MAX, sizeof(link), &memory, err));
    link *links = memory;
    SNUG_TRY(read_chain(config, name, links, &count, scratch, err));
    for (int64_t i = count - 1; i >= 0; i--) {
        int32_t layer = 0;
        snug_setting_text ignored[2];
        if (links[i].profile[0] != '\0') {
            const snug_status status = apply_profile(config, links[i].profile, err);
            if (snug_failed(status)) {
                (void)snug_error_prefix(err, "%s", links[i].name);
                return snug_error_pass(err, status, __FILE__, __LINE__);
            }
        }
        SNUG_TRY(add_layer(config, links[i].kind, links[i].name, &layer, err));
        SNUG_TRY(snug_config_apply_yaml(config, layer, links[i].name, links[i].text, links[i].bytes,
                                        false, ignored[0], ignored[1], err));
    }
    return SNUG_OK;
}

/* A value that follows from another one has the other's origin. */
static void finish_settings(snug_config *config)
{
    const int64_t patience = config->settings.training_early_stopping_patience;
    snug_settings_finish(&config->settings);
    if (config->settings.training_early_stopping_patience != patience) {
        config->origins[snug_setting_find("training.early_stopping_patience")] =
            config->origins[snug_setting_find("training.early_stopping")];
    }
}

static snug_status load_layers(snug_config *config, const snug_config_sources *sources,
                               snug_arena *scratch, snug_error *err)
{
    int32_t layer = 0;
    SNUG_TRY(add_layer(config, SNUG_LAYER_DEFAULT, "", &layer, err));
    if (sources->config != NULL) {
        SNUG_TRY(apply_chain(config, sources->config, scratch, err));
    }
    if (sources->profile != NULL) {
        SNUG_TRY(apply_profile(config, sources->profile, err));
    }
    SNUG_TRY(add_layer(config, SNUG_LAYER_COMMAND_LINE, "", &layer, err));
    /* `profile=NAME` among the overrides is laid below all of them, whatever its place. */
    for (int64_t i = 0; i < sources->override_count; i++) {
        if (strncmp(sources->overrides[i], "profile=", 8) == 0) {
            SNUG_TRY(apply_profile(config, sources->overrides[i] + 8, err));
        }
    }
    for (int64_t i = 0; i < sources->override_count; i++) {
        if (strncmp(sources->overrides[i], "profile=", 8) != 0) {
            SNUG_TRY(snug_config_apply_override(config, layer, sources->overrides[i], err));
        }
    }
    finish_settings(config);
    SNUG_TRY(snug_settings_check(&config->settings, err));
    return SNUG_OK;
}

snug_status snug_config_load(snug_config *config, const snug_config_sources *sources,
                             snug_arena *scratch, snug_error *err)
{
    SNUG_ASSERT(snug_setting_count() <= SNUG_CONFIG_SETTINGS_MAX);
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(scratch);
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(scratch, sizeof(snug_config), &memory, err));
    snug_config *work = memory;

    snug_settings_init(&work->settings);
    SNUG_TRY_DONE(load_layers(work, sources, scratch, err));
    *config = *work;

done:
    snug_arena_rewind(scratch, start);
    return status;
}

void snug_config_origin_text(const snug_config *config, int64_t index,
                             char out[SNUG_SETTING_TEXT_BYTES])
{
    SNUG_ASSERT(index >= 0 && index < snug_setting_count());
    const snug_config_origin *origin = &config->origins[index];
    const snug_config_layer *layer = &config->layers[origin->layer];
    switch (layer->kind) {
    case SNUG_LAYER_DEFAULT:
        (void)snprintf(out, SNUG_SETTING_TEXT_BYTES, "default");
        break;
    case SNUG_LAYER_BUILTIN:
        (void)snprintf(out, SNUG_SETTING_TEXT_BYTES, "built-in %.400s", layer->name);
        break;
    case SNUG_LAYER_PROFILE:
        (void)snprintf(out, SNUG_SETTING_TEXT_BYTES, "profile %.400s", layer->name);
        break;
    case SNUG_LAYER_FILE:
        (void)snprintf(out, SNUG_SETTING_TEXT_BYTES, "%.400s:%" PRId32 ":%" PRId32, layer->name,
                       origin->line, origin->column);
        break;
    case SNUG_LAYER_COMMAND_LINE:
        (void)snprintf(out, SNUG_SETTING_TEXT_BYTES, "command line");
        break;
    }
}
