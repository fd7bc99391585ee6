#include "base/arena.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"

/* What a request for nothing gets: never NULL, never written. */
static _Alignas(SNUG_ALIGN) unsigned char nothing[SNUG_ALIGN];

void snug_arena_init(snug_arena *arena, const char *name, void *block, int64_t bytes)
{
    SNUG_ASSERT(bytes >= 0);
    SNUG_ASSERT(((uintptr_t)block & (SNUG_ALIGN - 1)) == 0);
    *arena = (snug_arena){.name = name};
    if (bytes > 0) {
        arena->block_count = 1;
        arena->blocks[0].base = block;
        arena->blocks[0].bytes = bytes;
    }
}

void snug_arena_init_growing(snug_arena *arena, const char *name, snug_arena_grow grow,
                             void *context)
{
    *arena = (snug_arena){.name = name, .grow = grow, .grow_context = context};
}

/* Moves `current` to a block with room for `padded` bytes, asking for one when there is none. */
static snug_status make_room(snug_arena *arena, int64_t padded, snug_error *err)
{
    for (int32_t i = arena->current; i < arena->block_count; i++) {
        /* A fixed block need not be a multiple of the alignment; its tail is not handed out. */
        if (arena->blocks[i].bytes - arena->blocks[i].used >= padded) {
            arena->current = i;
            return SNUG_OK;
        }
    }
    const char *name = arena->name != NULL ? arena->name : "unnamed";
    if (arena->grow == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "arena '%s' is full: %lld bytes wanted, %lld bytes in use", name,
                         (long long)padded, (long long)arena->used_bytes);
    }
    if (arena->block_count == SNUG_ARENA_BLOCKS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "arena '%s' has reached its limit of %d blocks",
                         name, SNUG_ARENA_BLOCKS_MAX);
    }
    void *base = NULL;
    int64_t bytes = 0;
    SNUG_TRY(arena->grow(arena->grow_context, padded, &base, &bytes, err));
    SNUG_ASSERT(base != NULL);
    SNUG_ASSERT(bytes >= padded);
    SNUG_ASSERT(((uintptr_t)base & (SNUG_ALIGN - 1)) == 0);
    const int32_t index = arena->block_count++;
    arena->blocks[index].base = base;
    arena->blocks[index].bytes = bytes;
    arena->blocks[index].used = 0;
    arena->current = index;
    return SNUG_OK;
}

snug_status snug_arena_alloc(snug_arena *arena, int64_t bytes, void **out, snug_error *err)
{
    SNUG_ASSERT(bytes >= 0);
    if (bytes == 0) {
        *out = nothing;
        return SNUG_OK;
    }
    if (bytes > INT64_MAX - SNUG_ALIGN) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "arena '%s' cannot give %lld bytes",
                         arena->name != NULL ? arena->name : "unnamed", (long long)bytes);
    }
    const int64_t padded = snug_align_up(bytes, SNUG_ALIGN);
    SNUG_TRY(make_room(arena, padded, err));
    unsigned char *base = arena->blocks[arena->current].base;
    SNUG_ASSERT(base != NULL);
    unsigned char *memory = base + arena->blocks[arena->current].used;
    memset(memory, 0, (size_t)padded);
    arena->blocks[arena->current].used += padded;
    arena->used_bytes += padded;
    arena->peak_bytes = snug_max_i64(arena->peak_bytes, arena->used_bytes);
    *out = memory;
    return SNUG_OK;
}

snug_status snug_arena_array(snug_arena *arena, int64_t count, int64_t item_bytes, void **out,
                             snug_error *err)
{
    int64_t bytes = 0;
    if (!snug_mul_i64(count, item_bytes, &bytes)) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "arena '%s': %lld items of %lld bytes are too many",
                         arena->name != NULL ? arena->name : "unnamed", (long long)count,
                         (long long)item_bytes);
    }
    SNUG_TRY(snug_arena_alloc(arena, bytes, out, err));
    return SNUG_OK;
}

snug_status snug_arena_text(snug_arena *arena, const char *text, const char **out, snug_error *err)
{
    const size_t length = strlen(text);
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(arena, (int64_t)length + 1, &memory, err));
    SNUG_ASSERT(memory != NULL);
    memcpy(memory, text, length);
    *out = memory;
    return SNUG_OK;
}

snug_mark snug_arena_mark(const snug_arena *arena)
{
    if (arena->block_count == 0) {
        return (snug_mark){0};
    }
    return (snug_mark){.block = arena->current,
                       .used = arena->blocks[arena->current].used,
                       .used_bytes = arena->used_bytes};
}

static void forget(snug_arena *arena, int32_t block, int64_t used)
{
#if defined(SNUG_POISON)
    /* All ones is a NaN in every float format: whoever still reads this shows it. */
    if (arena->blocks[block].used > used) {
        memset(arena->blocks[block].base + used, 0xff, (size_t)(arena->blocks[block].used - used));
    }
#endif
    arena->blocks[block].used = used;
}

void snug_arena_rewind(snug_arena *arena, snug_mark mark)
{
    SNUG_ASSERT(mark.used_bytes <= arena->used_bytes);
    if (arena->block_count == 0) {
        return;
    }
    SNUG_ASSERT(mark.block <= arena->current);
    SNUG_ASSERT(mark.used <= arena->blocks[mark.block].used);
    for (int32_t i = arena->current; i > mark.block; i--) {
        forget(arena, i, 0);
    }
    forget(arena, mark.block, mark.used);
    arena->current = mark.block;
    arena->used_bytes = mark.used_bytes;
}
