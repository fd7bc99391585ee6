/* The language of messages: a catalogue made by gettext's tools, read once and held in memory. */
#ifndef SNUG_LANGUAGE_H
#define SNUG_LANGUAGE_H

#include <stdint.h>

#include "snug/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SNUG_FORMAT_OF(index) __attribute__((format_arg(index)))
#else
#define SNUG_FORMAT_OF(index)
#endif

/**
 * Reads FOLDER/LANGUAGE/LC_MESSAGES/snug.mo; messages and text reports of the library come in that
 * language from now on. JSON, file formats and names stay as they are, whatever the language.
 * @param folder    "/usr/share/locale"; borrowed for the call only.
 * @param language  "zh_CN"; NULL or "en" goes back to English and needs no folder.
 * @mem     Allocates nothing; touches as many bytes of a room of its own as the file has.
 * @threads Only while no other thread is in the library.
 * @errors  SNUG_CODE_IO without the file, SNUG_CODE_FORMAT when it is damaged, SNUG_CODE_LIMIT
 *          above 512 KiB, SNUG_CODE_USAGE for a name with a '/'. Messages are in English then.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_language_use(const char *folder, const char *language,
                                                       snug_error *err);
/** `text` in the language in use, or `text` itself; for programs with messages of their own. */
SNUG_API const char *snug_translate(const char *text);
/** The same for a printf format; one whose arguments would differ is left in English. */
SNUG_API const char *snug_translate_format(const char *format) SNUG_FORMAT_OF(1);
/** Columns that UTF-8 text fills on a terminal: a Chinese character fills two. */
SNUG_API int64_t snug_text_columns(const char *text);
/** The most bytes of whole characters of `text` that fill at most `columns`. */
SNUG_API int64_t snug_text_fit(const char *text, int64_t columns);

#ifdef __cplusplus
}
#endif
#endif
