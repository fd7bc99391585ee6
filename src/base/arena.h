/* A bump allocator over memory it was given: marks, rewinds, and an optional door to more. */
#ifndef SNUG_BASE_ARENA_H
#define SNUG_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

typedef struct snug_arena snug_arena;

/** Asks for one more block of at least `bytes`; the answer is aligned to SNUG_ALIGN. */
typedef snug_status (*snug_arena_grow)(void *context, int64_t bytes, void **out_block,
                                       int64_t *out_block_bytes, snug_error *err);

enum { SNUG_ARENA_BLOCKS_MAX = 256 };

/**
 * All zeros is a valid arena with no room. Not thread-safe: one owner at a time.
 * `used_bytes` counts what was handed out with its padding, over all blocks.
 */
struct snug_arena {
    const char *name; /* Borrowed; for messages. */
    int64_t used_bytes;
    int64_t peak_bytes;
    int32_t block_count;
    int32_t current; /* The block that is handed out now. */
    struct {
        unsigned char *base;
        int64_t bytes;
        int64_t used;
    } blocks[SNUG_ARENA_BLOCKS_MAX];
    snug_arena_grow grow; /* NULL: a fixed arena. */
    void *grow_context;
};

typedef struct snug_mark {
    int32_t block;
    int64_t used;
    int64_t used_bytes;
} snug_mark;

/** A fixed arena over `block`, which must be aligned to SNUG_ALIGN and outlive it. */
void snug_arena_init(snug_arena *arena, const char *name, void *block, int64_t bytes);

/** An arena that asks `grow` for blocks. Who gives the blocks takes them back. */
void snug_arena_init_growing(snug_arena *arena, const char *name, snug_arena_grow grow,
                             void *context);

/** `bytes` of zeroed memory aligned to SNUG_ALIGN; SNUG_CODE_LIMIT when a fixed arena is full. */
SNUG_MUST_CHECK snug_status snug_arena_alloc(snug_arena *arena, int64_t bytes, void **out,
                                             snug_error *err);

/** `count` zeroed items of `item_bytes`, the product checked. */
SNUG_MUST_CHECK snug_status snug_arena_array(snug_arena *arena, int64_t count, int64_t item_bytes,
                                             void **out, snug_error *err);

/** A copy of `text` that lives as long as the arena. */
SNUG_MUST_CHECK snug_status snug_arena_text(snug_arena *arena, const char *text, const char **out,
                                            snug_error *err);

snug_mark snug_arena_mark(const snug_arena *arena);
void snug_arena_rewind(snug_arena *arena, snug_mark mark);

#endif
