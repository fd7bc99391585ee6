/* Messages in the user's language: the texts of the source are the keys of a catalogue. */
#ifndef SNUG_BASE_TRANSLATE_H
#define SNUG_BASE_TRANSLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

/*
 * The catalogue is a GNU .mo file in memory. The C library's gettext() is not used: it asks for
 * memory at the first use of each message, which is after the seal as often as not, and it needs
 * an installed locale. A look-up here is a binary search in bytes that are there already.
 */

/** A checked .mo file; all zeros is an empty one. */
typedef struct snug_catalogue {
    const unsigned char *data; /* Borrowed. */
    int64_t bytes;
    int64_t count;  /* Messages. */
    int64_t keys;   /* Offset of the table of keys, sorted; 8 bytes each. */
    int64_t values; /* Offset of the table of translations. */
} snug_catalogue;

/**
 * Checks the bytes of a .mo file: every text inside, ended by a zero, the keys in order.
 * @return  False when they are damaged or not little-endian; *out stays as it was then.
 */
bool snug_catalogue_open(const void *data, int64_t bytes, snug_catalogue *out);
/** The translation of `key`, or NULL when there is none. */
const char *snug_catalogue_find(const snug_catalogue *catalogue, const char *key);

/**
 * Uses this catalogue, borrowed, for every message from now on; NULL is English.
 * @threads Only while no other thread asks for a message.
 */
void snug_translate_use(const snug_catalogue *catalogue);

/** `text` in the user's language, or `text` itself. Allocates nothing. @threads Reentrant. */
const char *snug_translated(const char *text);
/**
 * The same for a format: a translation whose arguments differ from those of `format` in number,
 * order or kind is not used. A translation that needs another order writes %2$s.
 */
const char *snug_translated_format(const char *format) SNUG_FORMAT_ARGUMENT(1);

/** Marks a text of a table for the catalogue; it is translated where it is shown. */
#define SNUG_MARK(text) (text)

/** Whether two printf formats take the same arguments. */
bool snug_formats_agree(const char *format, const char *other);

#endif
