/* Bounded text: a builder over a fixed buffer, sizes for people, and the nearest of some names. */
#ifndef SNUG_BASE_TEXT_H
#define SNUG_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/status.h"

/** Text in a caller's buffer, always ended by a zero; `truncated` says that something was cut. */
typedef struct snug_text {
    char *data;
    int64_t capacity; /* Bytes of `data`, the final zero included; >= 1. */
    int64_t length;
    bool truncated;
} snug_text;

void snug_text_init(snug_text *text, char *data, int64_t capacity);
void snug_text_add(snug_text *text, const char *format, ...) SNUG_PRINTF(2, 3);
/** The same in the user's language: for what people read, never for JSON, CSV or other formats. */
void snug_text_say(snug_text *text, const char *format, ...) SNUG_PRINTF(2, 3);
/**
 * Words in a field of so many columns of the terminal: right-aligned above 0, left-aligned below.
 * printf counts bytes, and a Chinese character has three of them and fills two columns.
 */
void snug_text_cell(snug_text *text, int64_t columns, const char *words);

enum { SNUG_BRIEF_BYTES = 64 };
/** A text for a message, cut between characters with "..." behind when long; returns `out`. */
const char *snug_brief_text(const char *text, int64_t bytes, char out[SNUG_BRIEF_BYTES]);

enum { SNUG_SIZE_TEXT_BYTES = 32 };
/** "512 B", "4.0 KiB", "600.0 MiB", "5.86 GiB" into `out`; returns `out`. */
const char *snug_size_text(int64_t bytes, char out[SNUG_SIZE_TEXT_BYTES]);

/**
 * Reads "600MiB", "600M", "1.5G", "629145600B", "64MB" as bytes (every unit is binary; MB = MiB).
 * A bare number is refused with a hint. SNUG_CODE_USAGE on anything else.
 */
SNUG_MUST_CHECK snug_status snug_size_parse(const char *text, int64_t *out_bytes, snug_error *err);

bool snug_begins_with(const char *text, const char *begin);
bool snug_ends_with(const char *text, const char *end);

/** The one of `names` with the least edit distance to `name`, or NULL when none is near. */
const char *snug_nearest_name(const char *name, const char *const *names, int64_t count);

#endif
