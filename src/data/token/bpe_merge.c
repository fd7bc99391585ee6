#include "base/assert.h"
#include "data/token/bpe_internal.h"

enum { BLOCK = SNUG_BPE_BLOCK };

/* Looks up the pair that begins at `at`. */
static void rank_pair(const snug_bpe *self, snug_bpe_merger *m, int32_t at, int32_t count)
{
    const int32_t next = m->next[at];
    if (next == count) {
        m->rank[at] = INT32_MAX;
        return;
    }
    const snug_bpe_pair *const pair = snug_bpe_find_pair(self, m->id[at], m->id[next]);
    m->rank[at] = pair->rank < 0 ? INT32_MAX : pair->rank;
    m->made[at] = pair->made;
}

static void lower_block(snug_bpe_merger *m, int32_t block)
{
    const int32_t *const rank = m->rank + block * BLOCK;
    int32_t lowest = INT32_MAX;
    for (int32_t i = 0; i < BLOCK; i++) {
        lowest = rank[i] < lowest ? rank[i] : lowest;
    }
    m->lowest[block] = lowest;
}

/* The first place of the lowest rank; -1 when no pair has one. */
static int32_t find_lowest(const snug_bpe_merger *m, int32_t blocks)
{
    int32_t best = 0;
    if (blocks == 0) {
        return -1;
    }
    for (int32_t block = 1; block < blocks; block++) {
        best = m->lowest[block] < m->lowest[best] ? block : best;
    }
    if (m->lowest[best] == INT32_MAX) {
        return -1;
    }
    int32_t at = best * BLOCK;
    while (m->rank[at] != m->lowest[best]) {
        at++;
    }
    return at;
}

/* Merges what the first `count` places hold. */
static void merge_all(const snug_bpe *self, snug_bpe_merger *m, int32_t count)
{
    const int32_t blocks = (count + BLOCK - 1) / BLOCK;
    m->left = m->right = m->last = -1;
    m->uneven = false;
    for (int32_t i = 0; i < count; i++) {
        m->next[i] = (int16_t)(i + 1);
        m->previous[i] = (int16_t)(i - 1);
    }
    for (int32_t i = 0; i < count; i++) {
        rank_pair(self, m, i, count);
    }
    for (int32_t i = count; i < blocks * BLOCK; i++) {
        m->rank[i] = INT32_MAX;
    }
    for (int32_t block = 0; block < blocks; block++) {
        lower_block(m, block);
    }
    for (int32_t at = find_lowest(m, blocks); at >= 0; at = find_lowest(m, blocks)) {
        const int32_t gone = m->next[at];
        const int32_t next = m->next[gone];
        m->uneven |= m->rank[at] < m->last;
        m->last = m->rank[at];
        m->left = m->id[at];
        m->right = m->id[gone];
        m->id[at] = m->made[at];
        m->rank[gone] = INT32_MAX;
        m->next[at] = (int16_t)next;
        if (next < count) {
            m->previous[next] = (int16_t)at;
        }
        rank_pair(self, m, at, count);
        const int32_t previous = m->previous[at];
        if (previous >= 0) {
            rank_pair(self, m, previous, count);
            if (previous / BLOCK != at / BLOCK) {
                lower_block(m, previous / BLOCK);
            }
        }
        if (gone / BLOCK != at / BLOCK) {
            lower_block(m, gone / BLOCK);
        }
        lower_block(m, at / BLOCK);
    }
}

/* Fills places with the tokens of bytes [from, end) of the word; how many there are. */
static int32_t load(const snug_bpe *self, snug_bpe_merger *m, const snug_bpe_word *word,
                    int64_t from, int64_t end)
{
    int32_t count = 0;
    bool unknown_before = false;
    for (int64_t i = from; i < end; i++) {
        const unsigned char byte = word->blank ? (i == 0 ? ' ' : word->text[i - 1]) : word->text[i];
        const int32_t known = self->byte_ids[byte];
        const int32_t id = known < 0 ? self->unknown_id : known;
        if (id >= 0 && (known >= 0 || !unknown_before || !self->fuse_unknown)) {
            m->begin[count] = (int16_t)(i - from);
            m->id[count++] = id;
        }
        unknown_before = known < 0;
    }
    return count;
}

int32_t snug_bpe_merge(const snug_bpe *self, snug_bpe_merger *merger, const snug_bpe_word *word,
                       int64_t from, int64_t end)
{
    SNUG_ASSERT(end - from <= SNUG_BPE_WINDOW);
    const int32_t count = load(self, merger, word, from, end);
    merge_all(self, merger, count);
    return count;
}
