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

/** One side of a token's last merge, and the edge of the token that this side and its own make. */
typedef struct snug_bpe_side {
    int32_t id;
    int32_t rank;   /* Of the merge, or one of those below. */
    int32_t lowest; /* Of all merges that join anything on that edge to something outside. */
} snug_bpe_side;

enum {
    SNUG_BPE_BYTE = -1,   /* A byte: no merge makes it, its sides are the byte itself. */
    SNUG_BPE_UNEVEN = -2, /* In making it a lower rank comes behind a higher one. */
    SNUG_BPE_UNMADE = -3  /* Its bytes merge to something else: it stands for whole words only. */
};

/** What else is known of a token. */
typedef struct snug_bpe_token {
    int32_t shorter; /* The longest token that its bytes begin with, but for itself; -1. */
    int32_t bytes;
} snug_bpe_token;

/** A token that a text begins with. */
typedef struct snug_bpe_begin {
    int32_t id; /* -1: there is none. */
    int32_t bytes;
} snug_bpe_begin;

/* Of the characters below U+10000, by blocks of 64: MIXED where their classes differ. */
enum { SNUG_BPE_BLOCKS = 1024, SNUG_BPE_MIXED = 255 };

/** Byte-level BPE. */
typedef struct snug_bpe {
    snug_tokenizer base;
    snug_token_trie whole; /* Bytes whose merges end in one token, and its id. */
    /* By id, of the tokens in `whole`; NULL: ids have wide gaps. */
    const snug_bpe_token *tokens;
    const snug_bpe_side *left_sides, *right_sides;
    const snug_bpe_pair *pairs;
    uint64_t pair_places;
    const uint64_t *filter; /* Two bits for each pair: most pairs that are asked for lack one. */
    int32_t filter_shift;   /* Of a hash to its word. */
    int32_t byte_ids[256];  /* -1: the vocabulary has none for this byte. */
    int32_t unknown_id;     /* For such bytes; -1: they vanish. */
    bool fuse_unknown;      /* Unknown bytes side by side are one token. */
    bool prefix_blank, use_pattern;
    uint8_t class_of[128];                /* Of ASCII: snug_unicode_class. */
    uint8_t block_class[SNUG_BPE_BLOCKS]; /* Of characters of three bytes. */
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
    int32_t left, right, last; /* Sides and rank of the latest merge; -1: there was none. */
    bool uneven;               /* A lower rank came behind a higher one. */
    unsigned char text[SNUG_BPE_WINDOW]; /* Of a word behind a blank that the text lacks. */
} snug_bpe_merger;

/** A word: the bytes of the text, behind a blank that the text lacks when `blank`. */
typedef struct snug_bpe_word {
    const unsigned char *text;
    int64_t bytes;
    bool blank;
} snug_bpe_word;

static inline uint64_t snug_bpe_hash(int32_t left, int32_t right)
{
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return (key ^ key >> 29) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline const snug_bpe_pair *snug_bpe_find_pair(const snug_bpe *self, int32_t left,
                                                      int32_t right)
{
    const uint64_t hash = snug_bpe_hash(left, right);
    uint64_t place = (uint64_t)(((hash >> 32) * self->pair_places) >> 32);
    for (;;) {
        const snug_bpe_pair *const pair = &self->pairs[place];
        if (pair->rank < 0 || (pair->left == left && pair->right == right)) {
            return pair;
        }
        place = place + 1 == self->pair_places ? 0 : place + 1;
    }
}

static inline uint64_t snug_bpe_filter_bits(uint64_t hash)
{
    return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63);
}

/** Whether there may be a merge of the two; when not, there is none. */
static inline bool snug_bpe_may_pair(const snug_bpe *self, int32_t left, int32_t right)
{
    const uint64_t hash = snug_bpe_hash(left, right);
    const uint64_t bits = snug_bpe_filter_bits(hash >> 20);
    return (self->filter[hash >> self->filter_shift] & bits) == bits;
}

/**
 * The token of a whole word, or else its tokens by merging: of all neighbours the pair of the
 * lowest rank becomes one, the first of them, until no pair has a rank. A word above
 * SNUG_BPE_WINDOW bytes is merged window by window, of which the first half is kept: the same
 * tokens, unless a merge depends on one more than 2,048 bytes to its right.
 */
void snug_bpe_cut(const snug_bpe *self, snug_bpe_merger *merger, const snug_bpe_word *word,
                  snug_id_sink *sink);

/**
 * Bytes [from, end) of the word, up to SNUG_BPE_WINDOW of them, by the merges themselves: slower
 * than the cut, and for every vocabulary.
 * @return  Places in use: the first token is at place 0, `next` leads to the others and to here.
 */
int32_t snug_bpe_merge(const snug_bpe *self, snug_bpe_merger *merger, const snug_bpe_word *word,
                       int64_t from, int64_t end);

/** For the table of functions: see snug_token_model. */
SNUG_MUST_CHECK snug_status snug_bpe_encode(const snug_tokenizer *self, const unsigned char *text,
                                            int64_t bytes, snug_id_sink *sink, snug_error *err);

#endif
