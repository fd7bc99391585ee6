/* What the parts of the byte-level BPE tokenizer share. */
#ifndef SNUG_DATA_TOKEN_BPE_INTERNAL_H
#define SNUG_DATA_TOKEN_BPE_INTERNAL_H

#include "data/token/tokenizer_internal.h"

/** A merge, found by its two sides; rank -1 is a free place. */
typedef struct snug_bpe_pair {
    int32_t left, right;
    int32_t rank; /* Lower ones go first. */
    int32_t made; /* What the two become. */
} snug_bpe_pair;

/** Byte-level BPE. */
typedef struct snug_bpe {
    snug_tokenizer base;
    snug_token_trie whole; /* Bytes whose merges end in one token, and its id. */
    const snug_bpe_pair *pairs;
    uint64_t pair_places;
    int32_t byte_ids[256]; /* -1: the vocabulary has none for this byte. */
    int32_t unknown_id;    /* For such bytes; -1: they vanish. */
    bool fuse_unknown;     /* Unknown bytes side by side are one token. */
    bool prefix_blank, use_pattern;
    uint8_t class_of[128]; /* Of ASCII: snug_unicode_class. */
    snug_token_trie names; /* Until the tokenizer is finished: tokens as files have them. */
} snug_bpe;

enum {
    /* Bytes that are merged at once: longer words go by windows of this size. */
    SNUG_BPE_WINDOW = 4096,
    SNUG_BPE_BLOCK = 32 /* Places whose lowest rank is kept. */
};

/** The room to merge in. Links are places; `count` ends them. */
typedef struct snug_bpe_merger {
    int32_t id[SNUG_BPE_WINDOW];
    int32_t rank[SNUG_BPE_WINDOW]; /* Of this token with the next; INT32_MAX: none. */
    int32_t made[SNUG_BPE_WINDOW];
    int16_t next[SNUG_BPE_WINDOW];
    int16_t previous[SNUG_BPE_WINDOW];
    int16_t begin[SNUG_BPE_WINDOW]; /* Its first byte, counted from the window's. */
    int32_t lowest[SNUG_BPE_WINDOW / SNUG_BPE_BLOCK];
} snug_bpe_merger;

/** A word: the bytes of the text, behind a blank that the text lacks when `blank`. */
typedef struct snug_bpe_word {
    const unsigned char *text;
    int64_t bytes;
    bool blank;
} snug_bpe_word;

static inline const snug_bpe_pair *snug_bpe_find_pair(const snug_bpe *self, int32_t left,
                                                      int32_t right)
{
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    const uint64_t hash = (key ^ key >> 29) * UINT64_C(0x9e3779b97f4a7c15);
    uint64_t place = (uint64_t)(((hash >> 32) * self->pair_places) >> 32);
    for (;;) {
        const snug_bpe_pair *const pair = &self->pairs[place];
        if (pair->rank < 0 || (pair->left == left && pair->right == right)) {
            return pair;
        }
        place = place + 1 == self->pair_places ? 0 : place + 1;
    }
}

/**
 * The tokens of a word by merging: of all neighbours the pair of the lowest rank becomes one, the
 * first of them, until no pair has a rank.
 * A word above SNUG_BPE_WINDOW bytes is merged window by window, of which the first half is kept:
 * the same tokens, unless a merge depends on one more than 2,048 bytes to its right.
 */
void snug_bpe_merge(const snug_bpe *self, snug_bpe_merger *merger, const snug_bpe_word *word,
                    snug_id_sink *sink);

/** For the table of functions: see snug_token_model. */
SNUG_MUST_CHECK snug_status snug_bpe_encode(const snug_tokenizer *self, const unsigned char *text,
                                            int64_t bytes, snug_id_sink *sink, snug_error *err);

#endif
