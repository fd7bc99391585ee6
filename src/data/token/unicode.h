/* What tokenizers ask about a character: its kind, its parts and its lower case. */
#ifndef SNUG_DATA_TOKEN_UNICODE_H
#define SNUG_DATA_TOKEN_UNICODE_H

#include <stdint.h>

/*
 * The tables answer as the fast tokenizer of Hugging Face does, which mixes versions of Unicode;
 * tools/unicode/make_tables.py measures them and says where they differ from one version.
 * Every function takes a code <= U+10FFFF, allocates nothing and is reentrant.
 */

enum {
    SNUG_UNICODE_REMOVED = 1,     /* Control, format, private; U+0000, U+FFFD; not tab, LF, CR. */
    SNUG_UNICODE_SPACE = 2,       /* White space. */
    SNUG_UNICODE_PUNCTUATION = 4, /* Category P, and every ASCII sign. */
    SNUG_UNICODE_MARK = 8,        /* Non-spacing mark: an accent. */
    SNUG_UNICODE_LATER = 16,      /* Ordered among marks when decomposed. */
    SNUG_UNICODE_DECOMPOSED = 32, /* Has a canonical decomposition (Hangul syllables aside). */
    SNUG_UNICODE_LOWERED = 64,    /* Differs from its lower case. */
    SNUG_UNICODE_WORD = 128       /* Letter, mark, digit or connector: "\w". */
};
enum { SNUG_UNICODE_PARTS_MAX = 4 };

/** What the pattern of GPT-2 tells apart: \p{L}, \p{N}, \s and the rest. */
typedef enum snug_unicode_class {
    SNUG_UNICODE_OTHER,
    SNUG_UNICODE_LETTER,
    SNUG_UNICODE_NUMBER,
    SNUG_UNICODE_BLANK
} snug_unicode_class;

/** The flags above. */
uint32_t snug_unicode_flags(uint32_t code);
snug_unicode_class snug_unicode_class_of(uint32_t code);
/** The full canonical decomposition (NFD, not yet ordered); returns how many parts, >= 1. */
int32_t snug_unicode_decompose(uint32_t code, uint32_t out[SNUG_UNICODE_PARTS_MAX]);
/** The full lower case without context (no final sigma); returns how many characters, >= 1. */
int32_t snug_unicode_lower(uint32_t code, uint32_t out[SNUG_UNICODE_PARTS_MAX]);
/** The combining class of a LATER character that is no MARK. */
int32_t snug_unicode_order(uint32_t code);

#endif
