/* A set of words with numbers as one compact automaton over bytes: a step is one load. */
#ifndef SNUG_DATA_TOKEN_TOKEN_TRIE_H
#define SNUG_DATA_TOKEN_TOKEN_TRIE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/status.h"

/** A word: a view of `bytes` >= 1 bytes without a zero among them, and its number >= 0. */
typedef struct snug_token_word {
    const char *text;
    int32_t bytes;
    int32_t id;
} snug_token_word;

/** One state: where its children are, the byte that leads here, the word that ends here. */
typedef struct snug_token_unit {
    uint32_t link; /* Base of the children << 8 | the byte; a free unit has byte 0. */
    int32_t id;    /* -1: no word ends here. */
} snug_token_unit;

/** A double array. Immutable once built; any number of threads may walk it. */
typedef struct snug_token_trie {
    const snug_token_unit *units; /* In the arena; a multiple of 256. */
    int64_t unit_count;
} snug_token_trie;

/* A dead state stays dead, so that a walk needs no test. */
enum { SNUG_TOKEN_ROOT = 0, SNUG_TOKEN_DEAD = 1 };

/**
 * @param words    `count` of them.
 * @param scratch  Working memory; the caller rewinds it.
 * @param arena    8 bytes a unit; a unit for each different prefix, and some that stay free.
 * @param[out] out_twin  Index of the first word that came before in the list, and nothing is built;
 *                       else -1. NULL: the last of equal words counts.
 * @errors  SNUG_CODE_LIMIT above 2^21 different prefixes; what the arenas say.
 */
SNUG_MUST_CHECK snug_status snug_token_trie_build(const snug_token_word *words, int64_t count,
                                                  snug_arena *scratch, snug_arena *arena,
                                                  snug_token_trie *out, int64_t *out_twin,
                                                  snug_error *err);

/** The state after `byte`, which is not 0, or SNUG_TOKEN_DEAD. */
static inline int32_t snug_token_step(const snug_token_unit *units, int32_t state,
                                      unsigned char byte)
{
    const uint32_t next = units[state].link >> 8 ^ byte;
    return (units[next].link & 0xff) == byte ? (int32_t)next : SNUG_TOKEN_DEAD;
}

#endif
