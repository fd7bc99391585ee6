/* A configuration file of arbitrary bytes: accepted or refused in one line, never more. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "config/layers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PRINT_BYTES = 256 << 10 };
static snug_config config;
static snug_config again;
static char printed[PRINT_BYTES];

static snug_status apply(snug_config *out, const char *text, int64_t bytes, snug_error *err)
{
    snug_setting_text extends;
    snug_setting_text profile;
    memset(out, 0, sizeof *out);
    snug_settings_init(&out->settings);
    out->layer_count = 2;
    out->layers[1].kind = SNUG_LAYER_FILE;
    const snug_status status =
        snug_config_apply_yaml(out, 1, "fuzz.yaml", text, bytes, false, extends, profile, err);
    if (status == SNUG_OK) {
        SNUG_ASSERT(strlen(extends) < sizeof extends && strlen(profile) < sizeof profile);
        snug_settings_finish(&out->settings);
    }
    return status;
}

/* What was accepted is printed, and what is printed means the same. */
static void print_and_read_back(void)
{
    snug_error err = {0};
    snug_text text;
    snug_text_init(&text, printed, sizeof printed);
    snug_config_print(&config, SNUG_CONFIG_STYLE_YAML, &text);
    SNUG_ASSERT(!text.truncated);
    const snug_status status = apply(&again, printed, text.length, &err);
    SNUG_ASSERT(status == SNUG_OK);
    SNUG_ASSERT(memcmp(&again.settings, &config.settings, sizeof config.settings) == 0);
    snug_text_init(&text, printed, sizeof printed);
    snug_config_print(&config, SNUG_CONFIG_STYLE_JSON, &text);
    SNUG_ASSERT(!text.truncated);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    snug_error err = {0};
    if (size > SNUG_CONFIG_FILE_BYTES_MAX) {
        return 0;
    }
    const snug_status status = apply(&config, (const char *)data, (int64_t)size, &err);
    if (status == SNUG_OK) {
        snug_error ignored = {0};
        print_and_read_back();
        (void)!snug_settings_check(&config.settings, &ignored);
    } else {
        SNUG_ASSERT(err.message[0] != '\0' && strchr(err.message, '\n') == NULL);
        SNUG_ASSERT(err.code == status);
    }
    return 0;
}
