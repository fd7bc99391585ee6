#include "snug/config.h"

#include <stdio.h>
#include <string.h>

#include "api/inside.h"
#include "base/assert.h"
#include "base/text.h"
#include "config/builtin.h"
#include "config/layers.h"
#include "config/schema.h"
#include "sys/heap.h"

enum { SCRATCH_BLOCK_BYTES = 256 << 10, SHOW_BYTES = 128 << 10 };

snug_status snug_config_open(const snug_config_options *options, snug_config **out_config,
                             snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL;
    snug_arena scratch;
    snug_heap_arena_init(&scratch, "configuration", SNUG_CATEGORY_RUNTIME, SCRATCH_BLOCK_BYTES);
    if (options->override_count > SNUG_CONFIG_OVERRIDES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "more than %d overrides", SNUG_CONFIG_OVERRIDES_MAX);
    }
    SNUG_TRY_DONE(
        snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(snug_config), false, &memory, err));
    const snug_config_sources sources = {.config = options->config,
                                         .profile = options->profile,
                                         .overrides = options->overrides,
                                         .override_count = options->override_count};
    SNUG_TRY_DONE(snug_config_load(memory, &sources, &scratch, err));
    *out_config = memory;

done:
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_RUNTIME);
    if (snug_failed(status)) {
        snug_heap_unmap(SNUG_CATEGORY_RUNTIME, memory, (int64_t)sizeof(snug_config));
    }
    return status;
}

void snug_config_close(snug_config *config)
{
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, config, (int64_t)sizeof(snug_config));
}

snug_status snug_config_show(const snug_config *config, snug_format format, bool origin,
                             snug_write write, void *context, snug_error *err)
{
    snug_report report = {0};
    SNUG_TRY(snug_report_open(&report, SHOW_BYTES, err));
    const snug_config_style style = format == SNUG_FORMAT_JSON ? SNUG_CONFIG_STYLE_JSON
                                    : origin                   ? SNUG_CONFIG_STYLE_ORIGIN
                                                               : SNUG_CONFIG_STYLE_YAML;
    snug_config_print(config, style, &report.text);
    return snug_report_send(&report, write, context, err);
}

snug_status snug_config_get(const snug_config *config, const char *key, char *out,
                            int64_t out_bytes, snug_error *err)
{
    SNUG_ASSERT(out_bytes >= 1);
    const int64_t alias = snug_alias_find(key);
    const char *target = alias >= 0 ? snug_alias_at(alias)->target : key;
    const int64_t index = target == NULL ? -1 : snug_setting_find(target);
    if (index < 0) {
        const char *near = snug_setting_nearest(key);
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "unknown key '%.100s'%s%s%s", key,
                         near == NULL ? "" : "; did you mean '", near == NULL ? "" : near,
                         near == NULL ? "" : "'?");
    }
    char value[SNUG_SETTING_VALUE_BYTES];
    snug_setting_print(index, &config->settings, value);
    (void)snprintf(out, (size_t)out_bytes, "%s", value);
    return SNUG_OK;
}

int64_t snug_config_note_count(const snug_config *config)
{
    return config->note_count;
}

const char *snug_config_note(const snug_config *config, int64_t index)
{
    SNUG_ASSERT(index >= 0 && index < config->note_count);
    return config->notes[index];
}

int64_t snug_config_name_count(void)
{
    return snug_builtin_count();
}

snug_config_name snug_config_name_at(int64_t index)
{
    const snug_builtin *builtin = snug_builtin_at(index);
    return (snug_config_name){
        .name = builtin->name, .help = builtin->help, .profile = builtin->profile};
}

int64_t snug_config_key_count(void)
{
    return snug_setting_count();
}

snug_config_key snug_config_key_at(int64_t index)
{
    const snug_setting *row = snug_setting_at(index);
    return (snug_config_key){.key = row->key,
                             .fallback = row->fallback,
                             .unit = row->unit,
                             .choices = row->choices,
                             .help = row->help};
}

snug_status snug_size_read(const char *text, int64_t *out_bytes, snug_error *err)
{
    return snug_size_parse(text, out_bytes, err);
}

const char *snug_size_show(int64_t bytes, char *out)
{
    return snug_size_text(bytes, out);
}

const char *snug_name_nearest(const char *name, const char *const *names, int64_t count)
{
    return snug_nearest_name(name, names, count);
}
