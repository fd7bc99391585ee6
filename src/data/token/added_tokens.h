/* Tokens added to a vocabulary: found in a text before anything else is done with it. */
#ifndef SNUG_DATA_TOKEN_ADDED_TOKENS_H
#define SNUG_DATA_TOKEN_ADDED_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "data/token/token_trie.h"

typedef struct snug_added_token {
    int32_t id;
    bool single_word; /* Only where no word character stands beside it. */
    bool left_strip;  /* Takes the white space before it along. */
    bool right_strip; /* And behind it. */
} snug_added_token;

/** Immutable once built. All zeros is an empty set. */
typedef struct snug_added_set {
    snug_token_trie trie; /* Its numbers are places in `tokens`. */
    const snug_added_token *tokens;
    int64_t count;
    int64_t bytes_max; /* Of the longest token. */
    bool first[256];   /* A token begins with this byte. */
} snug_added_set;

/** The character that begins at `text`, which is valid UTF-8 of `length` bytes. */
static inline uint32_t snug_token_code(const unsigned char *text, int64_t length)
{
    uint32_t code = length == 1 ? text[0] : text[0] & 0x7fU >> length;
    for (int64_t i = 1; i < length; i++) {
        code = code << 6 | (text[i] & 0x3fU);
    }
    return code;
}

/**
 * The longest token at `at`: its end, or `at` when there is none.
 * @param[out] out  NULL when the token may not stand there, since it is no word by itself: then no
 *                  other begins before the end that is returned.
 */
int64_t snug_added_at(const snug_added_set *set, const unsigned char *text, int64_t bytes,
                      int64_t at, const snug_added_token **out);

/** Cuts a text into tokens and what is between them, from left to right. */
typedef struct snug_added_cursor {
    const snug_added_set *set;
    const unsigned char *text;
    int64_t bytes;
    int64_t done; /* All before it was given out. */
    int64_t from; /* Where the search for a token goes on. */
    const snug_added_token *pending;
    int64_t pending_end;
} snug_added_cursor;

/** A token, or with `token` NULL the text [begin, end) between tokens, which is not empty. */
typedef struct snug_added_part {
    const snug_added_token *token;
    int64_t begin, end;
} snug_added_part;

/**
 * The next part; false at the end. What tokens take of the white space around them is in no part.
 * @source  Checked against the fast tokenizer of Hugging Face: the first token from the left, the
 *          longest there, tokens do not overlap but for their white space.
 */
bool snug_added_next(snug_added_cursor *cursor, snug_added_part *out);

#endif
