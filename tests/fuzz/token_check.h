/* What the fuzz targets of tokenizers ask of the ids of any text. */
#ifndef SNUG_TESTS_FUZZ_TOKEN_CHECK_H
#define SNUG_TESTS_FUZZ_TOKEN_CHECK_H

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "data/token/tokenizer.h"

enum { TOKEN_IDS_MAX = 1 << 20, TOKEN_GUARD = -7, TOKEN_ARENA_BYTES = 1 << 20 };

/** What an input of a target is: a tokenizer, a place to cut at, a text. */
typedef struct token_case {
    const snug_tokenizer *tokenizer;
    const char *text;
    int64_t bytes;
    int64_t capacity;   /* To cut at; up to 255. */
    const int32_t *ids; /* Of the text. */
    int64_t count;
} token_case;

/** The tokenizer of a tokenizer.json, in memory of its own; the file is good. */
static inline snug_tokenizer *token_open(const char *text, int64_t bytes, snug_arena *arena)
{
    snug_error err = {0};
    snug_tokenizer *out = NULL;
    snug_arena_init(arena, "fuzz", aligned_alloc(SNUG_ALIGN, TOKEN_ARENA_BYTES), TOKEN_ARENA_BYTES);
    SNUG_ASSERT(snug_tokenizer_open_json("fuzz", text, bytes, arena, &out, &err) == SNUG_OK);
    return out;
}

/** The ids of the text into `io`; false when it is refused, with its output untouched. */
static inline bool token_encode(token_case *io)
{
    static int32_t ids[TOKEN_IDS_MAX];
    snug_error err = {0};
    int64_t count = -1;
    if (snug_tokenizer_encode(io->tokenizer, io->text, io->bytes, ids, TOKEN_IDS_MAX, &count,
                              &err) != SNUG_OK) {
        SNUG_ASSERT(err.code == SNUG_CODE_FORMAT && count == -1);
        return false;
    }
    for (int64_t i = 0; i < count; i++) {
        SNUG_ASSERT(ids[i] >= 0 &&
                    ids[i] < snug_tokenizer_facts_of(io->tokenizer)->vocabulary_size);
    }
    io->ids = ids;
    io->count = count;
    return true;
}

/** The first ids are the same whatever the capacity; nothing is written behind it. */
static inline void token_check_cut(const token_case *x)
{
    static int32_t some[256];
    snug_error err = {0};
    int64_t written = 0;
    some[x->capacity] = TOKEN_GUARD;
    SNUG_ASSERT(snug_tokenizer_encode(x->tokenizer, x->text, x->bytes, some, x->capacity, &written,
                                      &err) == SNUG_OK);
    SNUG_ASSERT(written == (x->count < x->capacity ? x->count : x->capacity));
    SNUG_ASSERT(some[x->capacity] == TOKEN_GUARD);
    SNUG_ASSERT(memcmp(some, x->ids, (size_t)written * sizeof some[0]) == 0);
}

/** The two halves as a pair, cut: whether it was made, [capacity] ids of which `*out_count`. */
static inline bool token_check_pair(const token_case *x, const int32_t **out_ids,
                                    int64_t *out_first, int64_t *out_count)
{
    static int32_t some[256];
    snug_error err = {0};
    const int64_t half = x->bytes / 2;
    some[x->capacity] = TOKEN_GUARD;
    const snug_status status =
        snug_tokenizer_pair(x->tokenizer, x->text, half, x->text + half, x->bytes - half, some,
                            x->capacity, out_first, out_count, &err);
    SNUG_ASSERT(some[x->capacity] == TOKEN_GUARD);
    SNUG_ASSERT(status != SNUG_OK || (*out_first <= *out_count && *out_count <= x->capacity));
    *out_ids = some;
    return status == SNUG_OK;
}

#endif
