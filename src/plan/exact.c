#include "plan/exact.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "plan/problem.h"

/* Work of one search in looks at a position: a few hundredths of a second, and four times that
 * where it has a chance to see the end. */
static const int64_t looks_max = 20000000;
enum { FEW = 40 };

/* One extent with its positions numbered anew: only those where something begins count. */
typedef struct block {
    int64_t bytes;
    int32_t first, last;
    int32_t twin; /* The last of the same kind before it, which goes first; -1. */
} block;

typedef struct exact {
    block *blocks;
    int32_t count, positions;
    int64_t *top;      /* [depth][position] Highest end of what is placed. */
    int64_t *unplaced; /* [position] Bytes still to come. */
    int64_t *floor;    /* [block] Lowest place at the depth at hand; -1: it is placed. */
    int32_t *chosen;   /* [depth] */
    int64_t *level;    /* [depth] Offset of what was placed there. */
    int64_t *offset;   /* [block] */
    int64_t *best;     /* [block] */
    int64_t best_height;
    int64_t looks; /* Left. */
} exact;

static snug_status exact_init(exact *x, int64_t count, snug_arena *arena, snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, count, (int64_t)sizeof(block), &memory, err));
    x->blocks = memory;
    SNUG_TRY(snug_arena_array(arena, (count + 1) * count, (int64_t)sizeof(int64_t), &memory, err));
    x->top = memory;
    SNUG_TRY(snug_arena_array(arena, 5 * count, (int64_t)sizeof(int64_t), &memory, err));
    x->unplaced = memory;
    x->floor = x->unplaced + count;
    x->level = x->floor + count;
    x->offset = x->level + count;
    x->best = x->offset + count;
    SNUG_TRY(snug_arena_array(arena, count, (int64_t)sizeof(int32_t), &memory, err));
    x->chosen = memory;
    return SNUG_OK;
}

/* Numbers the positions: two extents that meet do so where the later one begins. */
static snug_status number_positions(exact *x, const snug_extent *extents, int64_t count,
                                    snug_arena *arena, snug_error *err)
{
    const snug_mark start = snug_arena_mark(arena);
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, count, (int64_t)sizeof(int64_t), &memory, err));
    int64_t *keys = memory;
    SNUG_TRY(snug_arena_array(arena, count, (int64_t)sizeof(int32_t), &memory, err));
    int32_t *order = memory;
    for (int64_t i = 0; i < count; i++) {
        keys[i] = extents[i].first;
        order[i] = (int32_t)i;
    }
    snug_plan_sort(keys, order, count);
    for (int64_t i = 0; i < count; i++) {
        const snug_extent *e = &extents[order[i]];
        x->positions += i == 0 || keys[order[i - 1]] != e->first ? 1 : 0;
        x->blocks[order[i]] =
            (block){.bytes = e->bytes, .first = x->positions - 1, .last = x->positions - 1};
        for (int64_t k = 0; k < i; k++) {
            if (extents[order[k]].last >= e->first) {
                x->blocks[order[k]].last = x->positions - 1;
            }
        }
    }
    for (int32_t i = 0; i < x->count; i++) {
        block *b = &x->blocks[i];
        b->twin = -1;
        for (int32_t k = 0; k < i; k++) {
            const block *o = &x->blocks[k];
            if (o->bytes == b->bytes && o->first == b->first && o->last == b->last) {
                b->twin = k;
            }
        }
        for (int32_t t = b->first; t <= b->last; t++) {
            x->unplaced[t] += b->bytes;
        }
    }
    snug_arena_rewind(arena, start);
    return SNUG_OK;
}

/* Lowest places of what is left; false: nothing below the best height can come of it. */
static bool look(exact *x, int32_t depth, int64_t *out_ceiling)
{
    const int64_t *top = &x->top[(int64_t)depth * x->positions];
    const int64_t level = depth > 0 ? x->level[depth - 1] : 0;
    int64_t ceiling = INT64_MAX;
    x->looks -= x->positions;
    for (int32_t t = 0; t < x->positions; t++) {
        if (x->unplaced[t] > 0 && snug_max_i64(top[t], level) + x->unplaced[t] >= x->best_height) {
            return false;
        }
    }
    for (int32_t i = 0; i < x->count; i++) {
        const block *b = &x->blocks[i];
        if (x->floor[i] < 0) {
            continue;
        }
        x->floor[i] = 0;
        x->looks -= b->last - b->first + 1;
        for (int32_t t = b->first; t <= b->last; t++) {
            x->floor[i] = snug_max_i64(x->floor[i], top[t]);
        }
        if (snug_max_i64(x->floor[i], level) + b->bytes >= x->best_height) {
            return false;
        }
        ceiling = snug_min_i64(ceiling, x->floor[i] + b->bytes);
    }
    *out_ceiling = ceiling;
    return true;
}

/* Whether `a` is tried before `b`: lower ones, larger ones, earlier ones first. */
static bool is_before(const exact *x, int32_t a, int32_t b)
{
    if (x->floor[a] != x->floor[b]) {
        return x->floor[a] < x->floor[b];
    }
    return x->blocks[a].bytes != x->blocks[b].bytes ? x->blocks[a].bytes > x->blocks[b].bytes
                                                    : a < b;
}

/* Of those at one level, which do not meet, the larger and then the earlier is placed first. */
static bool is_out_of_turn(const exact *x, int32_t depth, int32_t index)
{
    if (depth == 0 || x->floor[index] != x->level[depth - 1]) {
        return false;
    }
    const int32_t last = x->chosen[depth - 1];
    const int64_t bytes = x->blocks[index].bytes;
    return x->blocks[last].bytes != bytes ? x->blocks[last].bytes < bytes : last > index;
}

/* The next block to try at this depth, behind `previous` (-1: the first); -1: none is left. */
static int32_t next_block(const exact *x, int32_t depth, int32_t previous, int64_t ceiling)
{
    const int64_t level = depth > 0 ? x->level[depth - 1] : 0;
    int32_t next = -1;
    for (int32_t i = 0; i < x->count; i++) {
        const int32_t twin = x->blocks[i].twin;
        /* Offsets ascend; and what could lie below all that is to come has to lie there. */
        if (x->floor[i] < level || x->floor[i] >= ceiling || (twin >= 0 && x->floor[twin] >= 0) ||
            is_out_of_turn(x, depth, i)) {
            continue;
        }
        if ((previous < 0 || is_before(x, previous, i)) && (next < 0 || is_before(x, i, next))) {
            next = i;
        }
    }
    return next;
}

static void place(exact *x, int32_t depth, int32_t index)
{
    const block *b = &x->blocks[index];
    int64_t *top = &x->top[(int64_t)depth * x->positions];
    int64_t *after = top + x->positions;
    memcpy(after, top, (size_t)x->positions * sizeof *top);
    x->chosen[depth] = index;
    x->level[depth] = x->floor[index];
    x->offset[index] = x->floor[index];
    x->floor[index] = -1;
    for (int32_t t = b->first; t <= b->last; t++) {
        after[t] = x->offset[index] + b->bytes;
        x->unplaced[t] -= b->bytes;
    }
}

static void take_back(exact *x, int32_t depth)
{
    const int32_t index = x->chosen[depth];
    const block *b = &x->blocks[index];
    x->floor[index] = 0;
    for (int32_t t = b->first; t <= b->last; t++) {
        x->unplaced[t] += b->bytes;
    }
}

static void keep(exact *x)
{
    x->best_height = 0;
    for (int32_t i = 0; i < x->count; i++) {
        x->best[i] = x->offset[i];
        x->best_height = snug_max_i64(x->best_height, x->offset[i] + x->blocks[i].bytes);
    }
}

/* Depth first. True: the search came to its end. */
static bool run(exact *x, int64_t enough)
{
    int32_t depth = 0;
    int32_t previous = -1;
    while (depth >= 0 && x->best_height > enough) {
        int64_t ceiling = 0;
        int32_t next = -1;
        if (x->looks < 0) {
            return false;
        }
        if (depth == x->count) {
            keep(x);
        } else if (look(x, depth, &ceiling)) {
            next = next_block(x, depth, previous, ceiling);
        }
        if (next >= 0) {
            place(x, depth++, next);
            previous = -1;
        } else if (--depth >= 0) {
            take_back(x, depth);
            previous = x->chosen[depth];
        }
    }
    return true;
}

snug_status snug_offsets_improve(snug_extent *extents, int64_t count, int64_t enough,
                                 int64_t *height, bool *out_proven, snug_arena *scratch,
                                 snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(scratch);
    exact x = {.count = (int32_t)count,
               .best_height = *height,
               .looks = count <= FEW ? 4 * looks_max : looks_max};
    SNUG_ASSERT(count >= 1 && count <= INT32_MAX);
    SNUG_TRY_DONE(exact_init(&x, count, scratch, err));
    SNUG_TRY_DONE(number_positions(&x, extents, count, scratch, err));
    *out_proven = run(&x, enough);
    for (int64_t i = 0; i < count && x.best_height < *height; i++) {
        extents[i].offset = x.best[i];
    }
    *height = x.best_height;

done:
    snug_arena_rewind(scratch, start);
    return status;
}
