#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/translate.h"
#include "base/utf8.h"
#include "snug/language.h"
#include "sys/file.h"

/*
 * One a process, like the locale it stands for. The room is no request to the heap, which a plan
 * would count: pages of it that no catalogue fills are never touched.
 */
static snug_catalogue catalogue;
static char room[SNUG_CATALOGUE_BYTES_MAX];

snug_status snug_language_use(const char *folder, const char *language, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    int64_t bytes = 0;
    snug_translate_use(NULL);
    if (language == NULL || strcmp(language, "en") == 0) {
        return SNUG_OK;
    }
    if (strchr(language, '/') != NULL || snprintf(path, sizeof path, "%s/%s/LC_MESSAGES/snug.mo",
                                                  folder, language) >= (int)sizeof path) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "'%.40s' is no language", language);
    }
    SNUG_TRY(snug_file_read_into(path, room, sizeof room, &bytes, err));
    if (!snug_catalogue_open(room, bytes, &catalogue)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "'%s' is no catalogue of messages, or damaged",
                         path);
    }
    snug_translate_use(&catalogue);
    return SNUG_OK;
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
