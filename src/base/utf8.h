/* UTF-8, one character at a time: how long it is, and how it is written. */
#ifndef SNUG_BASE_UTF8_H
#define SNUG_BASE_UTF8_H

#include <stdint.h>

/**
 * Bytes of the character at `text`, 1 to 4; 0 when the bytes are not valid UTF-8 (overlong forms,
 * surrogates, values above U+10FFFF and cut characters included).
 * @param bytes  Bytes that may be read, >= 1.
 */
int64_t snug_utf8_length(const char *text, int64_t bytes);

/** Writes `code` (<= U+10FFFF, no surrogate) into `out` and returns its bytes, 1 to 4. */
int64_t snug_utf8_write(uint32_t code, char out[4]);

/**
 * Makes a text that came from elsewhere fit for a terminal and for JSON, in place: control
 * characters become spaces, what is not UTF-8 becomes question marks.
 */
void snug_utf8_clean(char *text);

/**
 * Columns that a text fills on a terminal: East Asian wide characters count two, combining marks
 * none; a byte that is not UTF-8 counts one.
 * @source  Unicode Standard Annex #11, values W and F, by blocks.
 */
int64_t snug_utf8_columns(const char *text);
/** The most bytes of whole characters of `text` that fill at most `columns`. */
int64_t snug_utf8_fit(const char *text, int64_t columns);

#endif
