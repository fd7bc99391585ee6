#include "data/token/token_trie.h"

#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/hash.h"

enum { BLOCK = 256, TRIALS_MAX = 64, CROWD = 8, CROWD_TRIALS_MAX = 512 };
/* Two million prefixes: ten times those of the largest vocabularies of today. */
enum { UNITS_MAX = (1 << 24) - BLOCK, NODES_MAX = 1 << 21 };
enum { CHUNK_NODES = 4096, CHUNKS_MAX = NODES_MAX / CHUNK_NODES, TABLE_START = 4096 };

/* A node of the plain tree that is built first. Node 0 is the root and nobody's child. */
typedef struct node {
    int32_t parent;
    int32_t child;   /* The latest, 0: none. */
    int32_t sibling; /* The one before, 0: none. */
    int32_t id;
    int32_t unit;  /* Where it stands in the double array. */
    uint32_t base; /* Of its children there; 0: not chosen. */
    int32_t child_count;
    unsigned char byte;
} node;

/* Nodes are made by the thousand and stay where they are. */
typedef struct node_chunk {
    node *nodes; /* [CHUNK_NODES] */
} node_chunk;

/*
 * The tree, with a hash table from (node, byte) to child so that hostile sets stay linear. Both
 * grow with the prefixes that differ: the bytes of all words are several times as many.
 */
typedef struct tree {
    snug_arena *scratch;
    node_chunk *chunks; /* [CHUNKS_MAX] */
    int64_t node_count;
    int32_t *table; /* Children; 0 is free. */
    int64_t table_size;
} tree;

/* A double array in the making. Free units of the opened blocks form a circle through `next`. */
typedef struct array {
    snug_token_unit *units;
    int32_t *next;
    int32_t *previous;
    bool *base_used;
    int64_t unit_count;
    int64_t capacity;
    int32_t free_first; /* 0: none. */
} array;

static node *node_at(const tree *self, int64_t index)
{
    return &self->chunks[index / CHUNK_NODES].nodes[index % CHUNK_NODES];
}

static snug_status add_node(tree *self, const node *what, snug_error *err)
{
    const int64_t chunk = self->node_count / CHUNK_NODES;
    void *memory = NULL;
    if (chunk == CHUNKS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a vocabulary has more than %lld prefixes",
                         (long long)self->node_count);
    }
    if (self->chunks[chunk].nodes == NULL) {
        SNUG_TRY(snug_arena_array(self->scratch, CHUNK_NODES, sizeof(node), &memory, err));
        self->chunks[chunk].nodes = memory;
    }
    *node_at(self, self->node_count++) = *what;
    return SNUG_OK;
}

static int64_t table_place(const tree *self, int32_t parent, unsigned char byte)
{
    const uint64_t hash = snug_hash64_mix((uint64_t)parent, byte);
    return (int64_t)(hash & (uint64_t)(self->table_size - 1));
}

/* A table twice as large; the old one stays behind in the scratch. */
static snug_status grow_table(tree *self, snug_error *err)
{
    void *memory = NULL;
    const int64_t size = self->table_size == 0 ? TABLE_START : 2 * self->table_size;
    SNUG_TRY(snug_arena_array(self->scratch, size, sizeof *self->table, &memory, err));
    self->table = memory;
    self->table_size = size;
    for (int64_t i = 1; i < self->node_count; i++) {
        int64_t place = table_place(self, node_at(self, i)->parent, node_at(self, i)->byte);
        while (self->table[place] != 0) {
            place = (place + 1) & (size - 1);
        }
        self->table[place] = (int32_t)i;
    }
    return SNUG_OK;
}

static snug_status start_tree(snug_arena *scratch, tree *out, snug_error *err)
{
    const node root = {.id = -1};
    void *memory = NULL;
    *out = (tree){.scratch = scratch};
    SNUG_TRY(snug_arena_array(scratch, CHUNKS_MAX, sizeof *out->chunks, &memory, err));
    out->chunks = memory;
    SNUG_TRY(add_node(out, &root, err));
    SNUG_TRY(grow_table(out, err));
    return SNUG_OK;
}

/* From *io_node to its child by `byte`, which is made where there is none. */
static snug_status go_down(tree *self, unsigned char byte, int32_t *io_node, snug_error *err)
{
    const int32_t parent = *io_node;
    int64_t place = table_place(self, parent, byte);
    SNUG_ASSERT(self->table != NULL);
    for (; self->table[place] != 0; place = (place + 1) & (self->table_size - 1)) {
        const node *const child = node_at(self, self->table[place]);
        if (child->parent == parent && child->byte == byte) {
            *io_node = self->table[place];
            return SNUG_OK;
        }
    }
    const int32_t made = (int32_t)self->node_count;
    const node child = {
        .parent = parent, .sibling = node_at(self, parent)->child, .id = -1, .byte = byte};
    SNUG_TRY(add_node(self, &child, err));
    node_at(self, parent)->child = made;
    node_at(self, parent)->child_count++;
    self->table[place] = made;
    *io_node = made;
    if (2 * self->node_count > self->table_size) {
        SNUG_TRY(grow_table(self, err));
    }
    return SNUG_OK;
}

/* *out_twin is -1, or the first word that was there already unless the last of them counts. */
static snug_status fill_tree(tree *self, const snug_token_word *words, int64_t count,
                             bool last_counts, int64_t *out_twin, snug_error *err)
{
    *out_twin = -1;
    for (int64_t i = 0; i < count; i++) {
        int32_t at = 0;
        SNUG_ASSERT(words[i].bytes >= 1);
        SNUG_ASSERT(words[i].id >= 0);
        for (int32_t k = 0; k < words[i].bytes; k++) {
            SNUG_ASSERT(words[i].text[k] != '\0');
            SNUG_TRY(go_down(self, (unsigned char)words[i].text[k], &at, err));
        }
        if (node_at(self, at)->id >= 0 && !last_counts) {
            *out_twin = i;
            return SNUG_OK;
        }
        node_at(self, at)->id = words[i].id;
    }
    return SNUG_OK;
}

static void take_unit(array *self, int32_t unit)
{
    const int32_t next = self->next[unit];
    self->next[self->previous[unit]] = next;
    self->previous[next] = self->previous[unit];
    if (self->free_first == unit) {
        self->free_first = next == unit ? 0 : next;
    }
    self->next[unit] = 0;
}

/* One more block of free units, at the end of the circle; false when there is no room. */
static bool open_block(array *self)
{
    const int32_t first = (int32_t)self->unit_count;
    if (self->unit_count + BLOCK > self->capacity) {
        return false;
    }
    for (int32_t unit = first; unit < first + BLOCK; unit++) {
        self->units[unit] = (snug_token_unit){.id = -1};
        self->next[unit] = unit + 1;
        self->previous[unit] = unit - 1;
    }
    const int32_t last = first + BLOCK - 1;
    const int32_t head = self->free_first == 0 ? first : self->free_first;
    const int32_t tail = self->free_first == 0 ? last : self->previous[head];
    self->next[last] = head;
    self->previous[first] = tail;
    self->next[tail] = first;
    self->previous[head] = last;
    self->free_first = head;
    self->unit_count += BLOCK;
    return true;
}

/* A base at which every child of `parent` finds a free unit. */
static bool base_fits(const array *self, const tree *from, const node *parent, uint32_t base)
{
    if (self->base_used[base]) {
        return false;
    }
    for (int32_t child = parent->child; child != 0; child = node_at(from, child)->sibling) {
        if (self->next[base ^ node_at(from, child)->byte] == 0) {
            return false;
        }
    }
    return true;
}

/*
 * Tries some of the free units for the first child, then a new block, where everything fits. Units
 * that failed go to the end of the circle, so that the same ones are not tried for ever. Crowds
 * begin at the end, in the newest block: each needs a quarter of one, and finds it there.
 */
static bool find_base(array *self, const tree *from, const node *parent, uint32_t *out_base)
{
    const unsigned char byte = node_at(from, parent->child)->byte;
    const bool crowd = parent->child_count > CROWD;
    int32_t unit = self->free_first;
    const int32_t trials_max = crowd ? CROWD_TRIALS_MAX : TRIALS_MAX;
    for (int32_t trial = 0; unit != 0 && trial < trials_max; trial++) {
        unit = crowd ? self->previous[unit] : unit;
        const uint32_t base = (uint32_t)unit ^ byte;
        if (base_fits(self, from, parent, base)) {
            *out_base = base;
            return true;
        }
        unit = crowd ? unit : self->next[unit];
        unit = unit == self->free_first ? 0 : unit;
    }
    self->free_first = unit != 0 && !crowd ? unit : self->free_first;
    *out_base = (uint32_t)self->unit_count;
    return open_block(self);
}

/*
 * Places the children of all crowds, or of all others, in the order of the nodes: words that come
 * first in a vocabulary, often the most frequent ones, share cache lines.
 */
static bool place_children(array *self, const tree *from, bool crowds)
{
    for (int64_t i = 0; i < from->node_count; i++) {
        node *const parent = node_at(from, i);
        if (parent->child == 0 || (parent->child_count > CROWD) != crowds) {
            continue;
        }
        if (!find_base(self, from, parent, &parent->base)) {
            return false;
        }
        self->base_used[parent->base] = true;
        for (int32_t at = parent->child; at != 0; at = node_at(from, at)->sibling) {
            node *const child = node_at(from, at);
            child->unit = (int32_t)(parent->base ^ child->byte);
            take_unit(self, child->unit);
        }
    }
    return true;
}

/* False when there is no room. */
static bool place_nodes(array *self, const tree *from)
{
    if (!place_children(self, from, true) || !place_children(self, from, false)) {
        return false;
    }
    for (int64_t i = 0; i < from->node_count; i++) {
        /* Base 0 of a node without children: block 0 holds the root only, so every step ends. */
        const node *const one = node_at(from, i);
        self->units[one->unit] = (snug_token_unit){one->base << 8 | one->byte, one->id};
    }
    return true;
}

static snug_status start_array(int64_t capacity, snug_arena *scratch, array *out, snug_error *err)
{
    void *memory = NULL;
    *out = (array){.capacity = capacity, .unit_count = BLOCK};
    SNUG_TRY(snug_arena_array(scratch, capacity, sizeof *out->units, &memory, err));
    out->units = memory;
    SNUG_TRY(snug_arena_array(scratch, capacity, sizeof *out->next, &memory, err));
    out->next = memory;
    SNUG_TRY(snug_arena_array(scratch, capacity, sizeof *out->previous, &memory, err));
    out->previous = memory;
    SNUG_TRY(snug_arena_array(scratch, capacity, sizeof *out->base_used, &memory, err));
    out->base_used = memory;
    for (int64_t unit = 0; unit < BLOCK; unit++) {
        out->units[unit].id = -1;
    }
    return SNUG_OK;
}

/*
 * Bases differ and trials are few, so some units stay free: most often fewer than there are nodes.
 * Sets that waste more get more room.
 */
static snug_status build_array(const tree *from, snug_arena *scratch, array *out, snug_error *err)
{
    int64_t capacity = snug_align_up(3 * from->node_count + 64 * BLOCK, BLOCK);
    const snug_mark mark = snug_arena_mark(scratch);
    for (;;) {
        SNUG_TRY(start_array(capacity, scratch, out, err));
        if (place_nodes(out, from)) {
            return SNUG_OK;
        }
        if (capacity == UNITS_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a vocabulary needs more than %d units",
                             UNITS_MAX);
        }
        snug_arena_rewind(scratch, mark);
        capacity = snug_min_i64(4 * capacity, UNITS_MAX);
    }
}

snug_status snug_token_trie_build(const snug_token_word *words, int64_t count, snug_arena *scratch,
                                  snug_arena *arena, snug_token_trie *out, int64_t *out_twin,
                                  snug_error *err)
{
    tree from = {0};
    array to = {0};
    int64_t twin = -1;
    void *memory = NULL;
    SNUG_TRY(start_tree(scratch, &from, err));
    SNUG_TRY(fill_tree(&from, words, count, out_twin == NULL, &twin, err));
    if (twin < 0) {
        SNUG_TRY(build_array(&from, scratch, &to, err));
        SNUG_TRY(snug_arena_array(arena, to.unit_count, sizeof *to.units, &memory, err));
        SNUG_ASSERT(to.units != NULL);
        memcpy(memory, to.units, (size_t)to.unit_count * sizeof *to.units);
        *out = (snug_token_trie){.units = memory, .unit_count = to.unit_count};
    }
    if (out_twin != NULL) {
        *out_twin = twin;
    }
    return SNUG_OK;
}
