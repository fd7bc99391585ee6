#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/translate.h"
#include "base/utf8.h"
#include "snug/language.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { BLOCK_BYTES = 64 << 10 };

/* One a process, like the locale it stands for. */
static snug_catalogue catalogue;
static snug_arena memory;

static void use_english(void)
{
    snug_translate_use(NULL);
    snug_heap_arena_deinit(&memory, SNUG_CATEGORY_RUNTIME);
    catalogue = (snug_catalogue){0};
}

snug_status snug_language_use(const char *folder, const char *language, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    const char *data = NULL;
    int64_t bytes = 0;
    snug_status status = SNUG_OK;
    snug_catalogue found = {0};
    snug_arena arena = {0};
    if (language == NULL || strcmp(language, "en") == 0) {
        use_english();
        return SNUG_OK;
    }
    if (strchr(language, '/') != NULL || snprintf(path, sizeof path, "%s/%s/LC_MESSAGES/snug.mo",
                                                  folder, language) >= (int)sizeof path) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "'%.40s' is no language", language);
    }
    snug_heap_arena_init(&arena, "messages", SNUG_CATEGORY_RUNTIME, BLOCK_BYTES);
    SNUG_TRY_DONE(snug_file_read_all(path, SNUG_CATALOGUE_BYTES_MAX, &arena, &data, &bytes, err));
    if (!snug_catalogue_open(data, bytes, &found)) {
        SNUG_FAIL_DONE(err, SNUG_CODE_FORMAT, "'%s' is no catalogue of messages, or damaged", path);
    }
    use_english();
    memory = arena;
    catalogue = found;
    snug_translate_use(&catalogue);

done:
    if (snug_failed(status)) {
        snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    }
    return status;
}

const char *snug_translate(const char *text)
{
    return snug_translated(text);
}

const char *snug_translate_format(const char *format)
{
    return snug_translated_format(format);
}

int64_t snug_text_columns(const char *text)
{
    return snug_utf8_columns(text);
}

int64_t snug_text_fit(const char *text, int64_t columns)
{
    return snug_utf8_fit(text, columns);
}
