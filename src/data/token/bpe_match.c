#include <string.h>

#include "base/checked.h"
#include "data/token/bpe_internal.h"

/*
 * The tokens of a word without its merges. Tokens are what merging leaves of a word exactly when
 * each is what merging leaves of its own bytes, and each two neighbours what it leaves of theirs:
 * the first merge across a border would be a merge across it in those two alone, where everything
 * goes in the same order. So the words' tokens are found from the left, the longest first, and each
 * is compared with the one before it. The tokens up to a place are the only ones that lead there:
 * where none goes on, no way leads over that place.
 */
enum {
    LOOKS_PER_BYTE = 64, /* Pairs that are looked up before the merges themselves are cheaper. */
    WORD_BITS = 64
};

typedef struct matcher {
    const snug_bpe *self;
    snug_bpe_merger *merger;
    const unsigned char *text;
    int64_t looks;                                    /* That are left. */
    uint64_t closed[SNUG_BPE_WINDOW / WORD_BITS + 1]; /* A bit for each place no way leads over. */
} matcher;

/* The longest token that `count` >= 1 bytes begin with. */
static inline snug_bpe_begin longest(const snug_bpe *self, const unsigned char *text, int32_t count)
{
    const snug_token_unit *const units = self->whole.units;
    snug_bpe_begin found = {-1, 0};
    int32_t state = SNUG_TOKEN_ROOT;
    for (int32_t i = 0; i < count && text[i] != 0; i++) {
        state = snug_token_step(units, state, text[i]);
        if (state == SNUG_TOKEN_DEAD) {
            break;
        }
        if (units[state].id >= 0) {
            found = (snug_bpe_begin){units[state].id, i + 1};
        }
    }
    return found;
}

/*
 * The longest token that `count` >= 1 bytes begin with, all of them first: words of ASCII mostly
 * are one token, which the shorter walk finds.
 */
static snug_bpe_begin begin_of(const snug_bpe *self, const unsigned char *text, int32_t count)
{
    const snug_token_unit *const units = self->whole.units;
    int32_t state = text[0] < 0x80 ? SNUG_TOKEN_ROOT : SNUG_TOKEN_DEAD;
    for (int32_t i = 0; i < count && state != SNUG_TOKEN_DEAD; i++) {
        state = text[i] == 0 ? SNUG_TOKEN_DEAD : snug_token_step(units, state, text[i]);
    }
    const int32_t id = units[state].id;
    return id >= 0 ? (snug_bpe_begin){id, count} : longest(self, text, count);
}

/* The same as part() for every token, by merging the two. */
static bool part_merged(matcher *x, int32_t at, int32_t left, int32_t right)
{
    const snug_bpe *const self = x->self;
    snug_bpe_merger merger;
    if (self->left_sides[right].rank == SNUG_BPE_UNMADE) {
        return false;
    }
    const int64_t bytes = (int64_t)self->tokens[left].bytes + self->tokens[right].bytes;
    const snug_bpe_word both = {x->text + at, bytes, false};
    const int32_t count = snug_bpe_merge(self, &merger, &both, 0, bytes);
    const int32_t next = merger.next[0];
    x->looks -= LOOKS_PER_BYTE * bytes;
    return next < count && merger.next[next] == count && merger.id[0] == left &&
           merger.id[next] == right;
}

/*
 * Whether the bytes of two tokens, which begin at `at`, merge to these two. Their last merges are
 * undone, the highest rank first, of equal ones that to the right: at every time before, two sides
 * of the border stood beside each other, and a pair of a lower rank would have become one.
 */
static inline bool part(matcher *x, int32_t at, int32_t left, int32_t right)
{
    const snug_bpe *const self = x->self;
    snug_bpe_side inner_left = self->right_sides[left];
    snug_bpe_side inner_right = self->left_sides[right];
    int32_t limit = INT32_MAX;
    int64_t looks = x->looks - 1;
    if (inner_left.rank < SNUG_BPE_BYTE || inner_right.rank < SNUG_BPE_BYTE) {
        return part_merged(x, at, left, right);
    }
    /* Two bytes end it: their limit is 0. */
    while (inner_left.lowest < limit && inner_right.lowest < limit) {
        looks--;
        if (snug_bpe_may_pair(self, left, right)) {
            const int32_t rank = snug_bpe_find_pair(self, left, right)->rank;
            if (rank >= 0 && rank < limit) {
                x->looks = looks;
                return false;
            }
        }
        if (inner_left.rank > inner_right.rank) {
            limit = inner_left.rank;
            left = inner_left.id;
            inner_left = self->right_sides[left];
        } else {
            limit = inner_right.rank + 1;
            right = inner_right.id;
            inner_right = self->left_sides[right];
        }
    }
    x->looks = looks;
    return true;
}

static bool is_closed(const matcher *x, int32_t at)
{
    return (x->closed[at / WORD_BITS] >> (at % WORD_BITS) & 1) != 0;
}

static bool is_made(const snug_bpe *self, int32_t token)
{
    return self->left_sides[token].rank != SNUG_BPE_UNMADE;
}

/* Fills places as the merges would; -1 when they have to. */
static int32_t match(const snug_bpe *self, snug_bpe_merger *m, const unsigned char *text,
                     int32_t count, snug_bpe_begin found)
{
    matcher x;
    int32_t depth = 0;
    int32_t at = 0;
    x.self = self;
    x.merger = m;
    x.text = text;
    x.looks = (int64_t)LOOKS_PER_BYTE * count;
    memset(x.closed, 0, (size_t)(count / WORD_BITS + 1) * sizeof x.closed[0]);
    while (found.id >= 0 && x.looks > 0) {
        const int32_t end = at + found.bytes;
        if (!is_closed(&x, end) &&
            (depth == 0 ? is_made(self, found.id)
                        : part(&x, m->begin[depth - 1], m->id[depth - 1], found.id))) {
            m->begin[depth] = (int16_t)at;
            m->id[depth] = found.id;
            m->next[depth] = (int16_t)(depth + 1);
            depth++;
            if (end == count) {
                return depth;
            }
            at = end;
            found = longest(self, text + at, count - at);
            continue;
        }
        int32_t token = self->tokens[found.id].shorter;
        while (token < 0 && depth > 0) {
            x.closed[at / WORD_BITS] |= UINT64_C(1) << (at % WORD_BITS);
            depth--;
            at = m->begin[depth];
            token = self->tokens[m->id[depth]].shorter;
        }
        found = (snug_bpe_begin){token, token < 0 ? 0 : self->tokens[token].bytes};
    }
    return -1;
}

/* The bytes [from, end) of the word in one piece. */
static const unsigned char *piece(snug_bpe_merger *m, const snug_bpe_word *word, int64_t from,
                                  int64_t end)
{
    if (!word->blank || from > 0) {
        return word->text + from - word->blank;
    }
    m->text[0] = ' ';
    memcpy(m->text + 1, word->text, (size_t)(end - 1));
    return m->text;
}

void snug_bpe_cut(const snug_bpe *self, snug_bpe_merger *merger, const snug_bpe_word *word,
                  snug_id_sink *sink)
{
    const int64_t bytes = word->bytes + word->blank;
    for (int64_t from = 0; from < bytes;) {
        const int64_t end = snug_min_i64(bytes, from + SNUG_BPE_WINDOW);
        const int32_t length = (int32_t)(end - from);
        const unsigned char *const text = piece(merger, word, from, end);
        const snug_bpe_begin begin = begin_of(self, text, length);
        if (begin.bytes == bytes) {
            snug_id_put(sink, begin.id);
            return;
        }
        int32_t count = self->tokens == NULL ? -1 : match(self, merger, text, length, begin);
        if (count < 0) {
            count = snug_bpe_merge(self, merger, word, from, end);
        }
        int32_t at = 0;
        while (at < count) {
            snug_id_put(sink, merger->id[at]);
            at = merger->next[at];
            if (end < bytes && at < count && merger->begin[at] >= SNUG_BPE_WINDOW / 2) {
                break;
            }
        }
        from = at < count ? from + merger->begin[at] : end;
    }
}
