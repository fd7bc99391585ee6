#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/utf8.h"
#include "data/token/bpe_internal.h"
#include "data/token/unicode.h"

enum {
    BYTES = 256,
    TOKEN_BYTES_MAX = SNUG_BPE_WINDOW,
    GAPS_MAX = 4 /* Ids for each token of the vocabulary, where a table by id is no waste. */
};

/*
 * GPT-2's alphabet: each byte is written as a character that can be seen. Those that can be stand
 * for themselves, the others for U+0100 and on, in their order.
 */
static bool stands_for_itself(uint32_t byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
}

typedef struct alphabet {
    uint32_t code[BYTES];    /* Of a byte. */
    int32_t byte[2 * BYTES]; /* Of a code; -1: of none. */
} alphabet;

static void make_alphabet(alphabet *out)
{
    uint32_t next = BYTES;
    for (int64_t i = 0; i < SNUG_COUNT(out->byte); i++) {
        out->byte[i] = -1;
    }
    for (uint32_t byte = 0; byte < BYTES; byte++) {
        out->code[byte] = stands_for_itself(byte) ? byte : next++;
        out->byte[out->code[byte]] = (int32_t)byte;
    }
}

/* The bytes that a token stands for; 0 when it is not written in the alphabet, or too long. */
static int32_t token_bytes(const alphabet *letters, const snug_token_word *word,
                           unsigned char out[TOKEN_BYTES_MAX])
{
    int32_t count = 0;
    int64_t length = 0;
    for (int64_t at = 0; at < word->bytes; at += length) {
        length = snug_utf8_length(word->text + at, word->bytes - at);
        const uint32_t code = length == 0
                                  ? UINT32_MAX
                                  : snug_token_code((const unsigned char *)word->text + at, length);
        if (code >= SNUG_COUNT(letters->byte) || letters->byte[code] < 0 ||
            count == TOKEN_BYTES_MAX) {
            return 0;
        }
        out[count++] = (unsigned char)letters->byte[code];
    }
    return count;
}

/* ---- Merges ---- */

/* The id of one side of a merge, or of both. */
static snug_status find_side(const snug_bpe *self, const char *text, int64_t bytes, int64_t number,
                             int32_t *out, snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    *out = snug_token_find(&self->names, text, bytes);
    if (*out < 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "merge %lld needs token '%s', which the vocabulary lacks",
                         (long long)number, snug_token_shown(text, bytes, name));
    }
    return SNUG_OK;
}

/* Eight bits for each merge: what has none is taken for one in a twentieth of all cases. */
static snug_status build_filter(snug_arena *arena, snug_bpe *self, snug_error *err)
{
    int32_t bits = 1;
    void *memory = NULL;
    while ((int64_t)8 << bits < self->base.facts.merge_count) {
        bits++;
    }
    SNUG_TRY(snug_arena_array(arena, (int64_t)1 << bits, sizeof(uint64_t), &memory, err));
    uint64_t *const filter = memory;
    self->filter_shift = 64 - bits;
    for (uint64_t i = 0; i < self->pair_places; i++) {
        const snug_bpe_pair *const pair = &self->pairs[i];
        if (pair->rank >= 0) {
            const uint64_t hash = snug_bpe_hash(pair->left, pair->right);
            filter[hash >> self->filter_shift] |= snug_bpe_filter_bits(hash >> 20);
        }
    }
    self->filter = filter;
    return SNUG_OK;
}

static snug_status build_pairs(const snug_tokenizer_text *text, snug_arena *scratch,
                               snug_arena *arena, snug_bpe *self, snug_error *err)
{
    const int64_t count = text->bpe.merge_count;
    const int64_t places = 1 + count + count / 2;
    int64_t longest = 1;
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, places, sizeof(snug_bpe_pair), &memory, err));
    snug_bpe_pair *const pairs = memory;
    for (int64_t i = 0; i < places; i++) {
        pairs[i].rank = -1;
    }
    self->pairs = pairs;
    self->pair_places = (uint64_t)places;
    for (int64_t i = 0; i < count; i++) {
        const snug_token_merge *const merge = &text->bpe.merges[i];
        longest = snug_max_i64(longest, (int64_t)merge->left_bytes + merge->right_bytes);
    }
    SNUG_TRY(snug_arena_alloc(scratch, longest, &memory, err));
    char *const both = memory;
    for (int64_t i = 0; i < count; i++) {
        const snug_token_merge *const merge = &text->bpe.merges[i];
        int32_t left = 0, right = 0, made = 0;
        SNUG_TRY(find_side(self, merge->left, merge->left_bytes, i + 1, &left, err));
        SNUG_TRY(find_side(self, merge->right, merge->right_bytes, i + 1, &right, err));
        memcpy(both, merge->left, (size_t)merge->left_bytes);
        memcpy(both + merge->left_bytes, merge->right, (size_t)merge->right_bytes);
        SNUG_TRY(find_side(self, both, (int64_t)merge->left_bytes + merge->right_bytes, i + 1,
                           &made, err));
        /* Of equal merges the last counts, as in tokenizers. */
        pairs[snug_bpe_find_pair(self, left, right) - pairs] =
            (snug_bpe_pair){left, right, (int32_t)i, made};
    }
    self->base.facts.merge_count = count;
    return build_filter(arena, self, err);
}

/* ---- Words that are one token ---- */

/* Tables by id. */
typedef struct tables {
    snug_bpe_token *tokens; /* NULL: there are none. */
    snug_bpe_side *left, *right;
    int64_t rows;
} tables;

/* Whether a token is what the merges make of its bytes, as most are; and how. */
static bool look_at_token(const snug_bpe *self, snug_bpe_merger *m, const unsigned char *bytes,
                          int32_t count, int32_t id, tables *out)
{
    const snug_bpe_word word = {bytes, count, false};
    const int32_t places = snug_bpe_merge(self, m, &word, 0, count);
    const bool made = places > 0 && m->next[0] == places && m->id[0] == id;
    if (out->tokens != NULL) {
        const int32_t rank = !made ? SNUG_BPE_UNMADE : m->uneven ? SNUG_BPE_UNEVEN : m->last;
        out->tokens[id] = (snug_bpe_token){-1, count};
        out->left[id] = (snug_bpe_side){count > 1 ? m->left : id, rank, 0};
        out->right[id] = (snug_bpe_side){count > 1 ? m->right : id, rank, 0};
    }
    return made;
}

/* The longest token that a word begins with, but for itself. */
static int32_t shorter_of(const snug_token_trie *whole, const snug_token_word *word)
{
    int32_t state = SNUG_TOKEN_ROOT;
    int32_t found = -1;
    for (int32_t i = 0; i + 1 < word->bytes; i++) {
        state = snug_token_step(whole->units, state, (unsigned char)word->text[i]);
        found = whole->units[state].id >= 0 ? whole->units[state].id : found;
    }
    return found;
}

static int32_t lower(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

/* The lowest rank of the outer merges along an edge, from the whole token to its last byte. */
static int32_t lowest_of(const snug_bpe_side *sides, const int32_t *outer, int32_t id)
{
    int32_t lowest = outer[id];
    while (sides[id].rank >= 0) {
        id = sides[id].id;
        lowest = lower(lowest, outer[id]);
    }
    return lowest;
}

static snug_status find_lowest(const snug_bpe *self, const snug_token_word *words, int64_t count,
                               snug_arena *scratch, tables *io, snug_error *err)
{
    void *as_left = NULL;
    void *as_right = NULL;
    SNUG_TRY(snug_arena_array(scratch, io->rows, sizeof(int32_t), &as_left, err));
    SNUG_TRY(snug_arena_array(scratch, io->rows, sizeof(int32_t), &as_right, err));
    int32_t *const left = as_left;
    int32_t *const right = as_right;
    for (int64_t i = 0; i < io->rows; i++) {
        left[i] = right[i] = INT32_MAX;
    }
    for (uint64_t i = 0; i < self->pair_places; i++) {
        const snug_bpe_pair *const pair = &self->pairs[i];
        if (pair->rank >= 0) {
            left[pair->left] = lower(left[pair->left], pair->rank);
            right[pair->right] = lower(right[pair->right], pair->rank);
        }
    }
    for (int64_t i = 0; i < count; i++) {
        const int32_t id = words[i].id;
        io->left[id].lowest = lowest_of(io->left, right, id);
        io->right[id].lowest = lowest_of(io->right, left, id);
    }
    return SNUG_OK;
}

/* Room for what is known of every token: by id, unless that is a waste. */
static snug_status alloc_tables(const snug_tokenizer_text *text, snug_arena *arena, tables *out,
                                snug_error *err)
{
    int64_t rows = 0;
    void *tokens = NULL;
    void *left = NULL;
    void *right = NULL;
    for (int64_t i = 0; i < text->word_count; i++) {
        rows = snug_max_i64(rows, (int64_t)text->words[i].id + 1);
    }
    if (rows <= GAPS_MAX * text->word_count) {
        SNUG_TRY(snug_arena_array(arena, rows, sizeof(snug_bpe_token), &tokens, err));
        SNUG_TRY(snug_arena_array(arena, rows, sizeof(snug_bpe_side), &left, err));
        SNUG_TRY(snug_arena_array(arena, rows, sizeof(snug_bpe_side), &right, err));
    }
    *out = (tables){tokens, left, right, rows};
    return SNUG_OK;
}

static snug_status build_whole(const snug_tokenizer_text *text, const alphabet *letters,
                               snug_arena *scratch, snug_arena *arena, snug_bpe *self,
                               snug_error *err)
{
    unsigned char bytes[TOKEN_BYTES_MAX];
    void *memory = NULL;
    tables by_id = {0};
    int64_t total = 0;
    int64_t kept = 0;
    for (int64_t i = 0; i < text->word_count; i++) {
        total += text->words[i].bytes;
    }
    SNUG_TRY(alloc_tables(text, arena, &by_id, err));
    SNUG_TRY(snug_arena_array(scratch, text->word_count, sizeof(snug_token_word), &memory, err));
    snug_token_word *const words = memory;
    SNUG_TRY(snug_arena_alloc(scratch, total + 1, &memory, err));
    char *pool = memory;
    SNUG_TRY(snug_arena_alloc(scratch, sizeof(snug_bpe_merger), &memory, err));
    for (int64_t i = 0; i < text->word_count; i++) {
        const snug_token_word *const word = &text->words[i];
        const int32_t count = token_bytes(letters, word, bytes);
        /* The automaton has no zeros; texts with zeros are left to the merges. */
        if (count == 0 || memchr(bytes, 0, (size_t)count) != NULL) {
            continue;
        }
        if (!look_at_token(self, memory, bytes, count, word->id, &by_id) &&
            !text->bpe.ignore_merges) {
            continue;
        }
        memcpy(pool, bytes, (size_t)count);
        words[kept++] = (snug_token_word){pool, count, word->id};
        pool += count;
    }
    SNUG_TRY(snug_token_trie_build(words, kept, scratch, arena, &self->whole, NULL, err));
    if (by_id.tokens != NULL) {
        SNUG_TRY(find_lowest(self, words, kept, scratch, &by_id, err));
    }
    for (int64_t i = 0; by_id.tokens != NULL && i < kept; i++) {
        by_id.tokens[words[i].id].shorter = shorter_of(&self->whole, &words[i]);
    }
    self->tokens = by_id.tokens;
    self->left_sides = by_id.left;
    self->right_sides = by_id.right;
    return SNUG_OK;
}

/* ---- All of it ---- */

static snug_status check_switches(const snug_tokenizer_text *text, snug_error *err)
{
    if (text->bpe.affix != NULL) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "a BPE with a %s is not read",
                         text->bpe.affix);
    }
    if (text->words == NULL || text->bpe.merges == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a BPE needs \"vocab\" and \"merges\"");
    }
    return SNUG_OK;
}

static snug_status find_bytes(const snug_tokenizer_text *text, const alphabet *letters,
                              snug_bpe *self, snug_error *err)
{
    int32_t missing = -1;
    self->unknown_id = -1;
    for (int32_t byte = 0; byte < BYTES; byte++) {
        char character[4];
        const int64_t bytes = snug_utf8_write(letters->code[byte], character);
        self->byte_ids[byte] = snug_token_find(&self->names, character, bytes);
        missing = self->byte_ids[byte] < 0 ? byte : missing;
    }
    if (missing >= 0 && text->bpe.byte_fallback) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "a BPE with byte_fallback whose vocabulary has no token for byte 0x%02x",
                         (unsigned)missing);
    }
    if (missing >= 0 && text->bpe.unknown != NULL) {
        self->unknown_id =
            snug_token_find(&self->names, text->bpe.unknown, (int64_t)strlen(text->bpe.unknown));
        if (self->unknown_id < 0) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                             "the vocabulary has no '%s', the token for unknown bytes",
                             text->bpe.unknown);
        }
    }
    return SNUG_OK;
}

static void find_classes(snug_bpe *self)
{
    for (uint32_t code = 0; code < SNUG_COUNT(self->class_of); code++) {
        self->class_of[code] = (uint8_t)snug_unicode_class_of(code);
    }
    for (uint32_t block = 0; block < SNUG_BPE_BLOCKS; block++) {
        const uint32_t first = block * 64;
        const bool surrogate = first >= 0xd800 && first < 0xe000;
        uint8_t class =
            first < 0x800 || surrogate ? SNUG_BPE_MIXED : (uint8_t)snug_unicode_class_of(first);
        for (uint32_t code = first; code < first + 64; code++) {
            class = class == (uint8_t)snug_unicode_class_of(code) ? class : SNUG_BPE_MIXED;
        }
        self->block_class[block] = class;
    }
}

static snug_status build(const snug_tokenizer_text *text, snug_arena *scratch, snug_arena *arena,
                         snug_tokenizer **out, snug_error *err)
{
    alphabet letters;
    void *memory = NULL;
    SNUG_TRY(check_switches(text, err));
    SNUG_TRY(snug_arena_alloc(arena, sizeof(snug_bpe), &memory, err));
    snug_bpe *const self = memory;
    make_alphabet(&letters);
    self->prefix_blank = text->bpe.prefix_blank;
    self->use_pattern = text->bpe.use_pattern;
    self->fuse_unknown = text->bpe.fuse_unknown;
    self->base.facts.prefix_blank = self->prefix_blank;
    find_classes(self);
    SNUG_TRY(snug_token_build_words(text, scratch, scratch, &self->names, err));
    SNUG_TRY(find_bytes(text, &letters, self, err));
    SNUG_TRY(build_pairs(text, scratch, arena, self, err));
    SNUG_TRY(build_whole(text, &letters, scratch, arena, self, err));
    *out = &self->base;
    return SNUG_OK;
}

/* The names lie in the scratch, which goes. */
static snug_status finish(snug_tokenizer *self, snug_arena *scratch, snug_arena *arena,
                          snug_error *err)
{
    SNUG_UNUSED(scratch);
    SNUG_UNUSED(arena);
    SNUG_UNUSED(err);
    ((snug_bpe *)self)->names = (snug_token_trie){0};
    return SNUG_OK;
}

static int32_t find(const snug_tokenizer *self, const char *text, int64_t bytes)
{
    return snug_token_find(&((const snug_bpe *)self)->names, text, bytes);
}

static int64_t normalise(const snug_tokenizer *self, const char *text, int64_t bytes, char *out,
                         int64_t room)
{
    SNUG_UNUSED(self);
    SNUG_ASSERT(bytes <= room);
    memcpy(out, text, (size_t)bytes);
    return bytes;
}

const snug_token_model snug_bpe_model = {.type = "BPE",
                                         .build = build,
                                         .finish = finish,
                                         .find = find,
                                         .normalise = normalise,
                                         .encode = snug_bpe_encode};
