#include "plan/offsets.h"

#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/hash.h"
#include "plan/exact.h"
#include "plan/problem.h"

/* Work of the local search in visits of placed extents, over all its starts: about a tenth of a
 * second. */
enum { SEARCH_VISITS = 40000000, SEARCH_ROUNDS_MAX = 20000, SEARCH_LARGE = 24, SEARCH_STARTS = 12 };

/* Orders in which extents are placed. */
enum {
    ORDER_BYTES,
    ORDER_AREA,
    ORDER_LIFE,
    ORDER_FIRST,
    ORDER_CROWDED_BYTES, /* Those that live where most bytes do come first, the larger ones first */
    ORDER_CROWDED_LIFE,  /* or those that live longer. */
    ORDER_COUNT
};
/* Orders tried quickly; orders that other packings start from. */
enum { ORDERS_QUICK = 2, ORDERS_PLAIN = 4 };

/* What lives longer than the horizon over these hangs from the ceiling; 0: nothing does. */
enum { HANGS = 4 };
static const int64_t hang_parts[HANGS] = {0, 8, 4, 2};

/* Sections that are searched exactly whatever their gap, and those that are too large for it. */
enum { EXACT_FEW = 40, EXACT_MOST = 400 };

/* Extents that are packed exactly before all others: those that live where no more than the bound
 * over these is free, but for those smaller than the bound over CORE_SMALL. */
enum { CORES = 2, CORE_SMALL = 512 };
static const int64_t core_depths[CORES] = {20, 50};

/* Parts of the time axis that have a list of their own of what lies in them. */
enum { PERIODS = 16 };

/* Extents that have their place, by ascending offset. Arrays, because most are only passed by. */
typedef struct shelf {
    int32_t *first, *last;
    int64_t *offset, *end;
    int64_t count;
} shelf;

typedef struct packer {
    int64_t *fixed;      /* [extent] Place of those that come first in the order */
    int64_t fixed_count; /* and are so many. */
    const snug_extent *extents;
    int64_t count;
    int64_t slack; /* So much above the bound is good enough. */
    int64_t *keys;
    int32_t *order;
    int32_t *trial;
    int64_t *pressure; /* [extent] Most bytes live at a position of it; only for thorough effort. */
    bool *high;        /* [extent] It is placed as high below the ceiling as it can be. */
    bool *trial_high;
    int64_t ceiling;       /* What is placed high hangs from here. */
    int32_t horizon;       /* Positions. */
    int32_t top;           /* The extent that ends highest, of those placed last. */
    int64_t visits;        /* Of placed extents, so far. */
    shelf all;             /* What lives in several periods looks for room here, */
    shelf within[PERIODS]; /* and what lives in one among those that touch it. */
    int32_t period;        /* Positions. */
    int64_t *offsets;
    int64_t *best_offsets;
    int64_t best_bytes;
} packer;

static snug_status shelf_init(shelf *list, int64_t capacity, snug_arena *arena, snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, 2 * capacity, (int64_t)sizeof(int64_t), &memory, err));
    list->offset = memory;
    list->end = list->offset + capacity;
    SNUG_TRY(snug_arena_array(arena, 2 * capacity, (int64_t)sizeof(int32_t), &memory, err));
    list->first = memory;
    list->last = list->first + capacity;
    return SNUG_OK;
}

static snug_status packer_init(packer *p, const snug_extent *extents, int64_t count,
                               snug_arena *arena, snug_error *err)
{
    void *memory = NULL;
    int32_t end = 0;
    int64_t touching[PERIODS] = {0};
    *p = (packer){.extents = extents, .count = count, .best_bytes = INT64_MAX};
    SNUG_TRY(snug_arena_array(arena, 5 * count, (int64_t)sizeof(int64_t), &memory, err));
    p->keys = memory;
    p->offsets = p->keys + count;
    p->best_offsets = p->offsets + count;
    p->pressure = p->best_offsets + count;
    p->fixed = p->pressure + count;
    SNUG_TRY(snug_arena_array(arena, 2 * count, (int64_t)sizeof(bool), &memory, err));
    p->high = memory;
    p->trial_high = p->high + count;
    SNUG_TRY(snug_arena_array(arena, 2 * count, (int64_t)sizeof(int32_t), &memory, err));
    p->order = memory;
    p->trial = p->order + count;
    for (int64_t i = 0; i < count; i++) {
        end = extents[i].last > end ? extents[i].last : end;
    }
    p->horizon = end + 1;
    p->period = end / PERIODS + 1;
    for (int64_t i = 0; i < count; i++) {
        for (int32_t k = extents[i].first / p->period; k <= extents[i].last / p->period; k++) {
            touching[k]++;
        }
    }
    SNUG_TRY(shelf_init(&p->all, count, arena, err));
    for (int32_t k = 0; k < PERIODS; k++) {
        SNUG_TRY(shelf_init(&p->within[k], touching[k], arena, err));
    }
    return SNUG_OK;
}

/* Where an extent goes among those already placed: the first gap, or the tightest. Nearly all of
 * planning is spent here: whether two share a position is anybody's guess, so nothing branches on
 * it. */
static int64_t find_offset(const shelf *placed, const snug_extent *e, bool best_fit)
{
    int64_t top = 0;
    int64_t best = -1;
    int64_t best_gap = INT64_MAX;
    for (int64_t k = 0; k < placed->count; k++) {
        const int64_t meets =
            -(int64_t)((placed->last[k] >= e->first) & (placed->first[k] <= e->last));
        const int64_t gap = placed->offset[k] - top;
        if ((meets & -(int64_t)(gap >= e->bytes)) != 0 && gap < best_gap) {
            best = top;
            best_gap = gap;
            if (!best_fit) {
                return best;
            }
        }
        top = snug_max_i64(top, placed->end[k] & meets);
    }
    return best >= 0 ? best : top;
}

/* The highest place below the ceiling; above all else when there is none. */
static int64_t find_high(const shelf *placed, const snug_extent *e, int64_t ceiling)
{
    int64_t top = 0;
    int64_t best = -1;
    for (int64_t k = 0; k < placed->count; k++) {
        const bool meets = (placed->last[k] >= e->first) & (placed->first[k] <= e->last);
        if (meets && placed->offset[k] - top >= e->bytes && placed->offset[k] <= ceiling) {
            best = placed->offset[k] - e->bytes;
        }
        top = meets ? snug_max_i64(top, placed->end[k]) : top;
    }
    if (ceiling - top >= e->bytes) {
        return ceiling - e->bytes;
    }
    return best >= 0 ? best : top;
}

/* Behind those that lie as low. */
static void insert_placed(shelf *placed, const snug_extent *e)
{
    int64_t low = 0;
    int64_t high = placed->count;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (placed->offset[middle] > e->offset) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    const size_t after = (size_t)(placed->count++ - low);
    memmove(&placed->first[low + 1], &placed->first[low], after * sizeof *placed->first);
    memmove(&placed->last[low + 1], &placed->last[low], after * sizeof *placed->last);
    memmove(&placed->offset[low + 1], &placed->offset[low], after * sizeof *placed->offset);
    memmove(&placed->end[low + 1], &placed->end[low], after * sizeof *placed->end);
    placed->first[low] = e->first;
    placed->last[low] = e->last;
    placed->offset[low] = e->offset;
    placed->end[low] = e->offset + e->bytes;
}

/* Places all extents in `order`; gives up at `limit`. Returns the height, or INT64_MAX. `high` may
 * be NULL. */
static int64_t place_all(packer *p, const int32_t *order, const bool *high, bool best_fit,
                         int64_t limit)
{
    int64_t height = 0;
    p->all.count = 0;
    for (int32_t k = 0; k < PERIODS; k++) {
        p->within[k].count = 0;
    }
    for (int64_t i = 0; i < p->count; i++) {
        const int32_t index = order[i];
        snug_extent fresh = p->extents[index];
        const int32_t from = fresh.first / p->period;
        const int32_t to = fresh.last / p->period;
        const shelf *placed = from == to ? &p->within[from] : &p->all;
        p->visits += placed->count + 8; /* Putting it in its place takes about as long. */
        fresh.offset = i < p->fixed_count            ? p->fixed[index]
                       : high != NULL && high[index] ? find_high(placed, &fresh, p->ceiling)
                                                     : find_offset(placed, &fresh, best_fit);
        p->offsets[index] = fresh.offset;
        if (fresh.offset + fresh.bytes > height) {
            height = fresh.offset + fresh.bytes;
            p->top = index;
        }
        if (height >= limit) {
            return INT64_MAX;
        }
        insert_placed(&p->all, &fresh);
        for (int32_t k = from; k <= to; k++) {
            insert_placed(&p->within[k], &fresh);
        }
    }
    return height;
}

static void keep_best(packer *p, int64_t height)
{
    if (height < p->best_bytes) {
        p->best_bytes = height;
        memcpy(p->best_offsets, p->offsets, (size_t)p->count * sizeof *p->offsets);
    }
}

static int64_t sort_key(const snug_extent *e, int32_t rule)
{
    const int64_t life = (int64_t)e->last - e->first + 1;
    switch (rule) {
    case ORDER_BYTES:
    case ORDER_CROWDED_BYTES:
        return -e->bytes;
    case ORDER_AREA:
        return -(e->bytes / SNUG_ALIGN) * life;
    case ORDER_LIFE:
    case ORDER_CROWDED_LIFE:
        return -life;
    default:
        return e->first;
    }
}

/* Sorts p->order by a rule. */
static void sort_by(packer *p, int32_t rule)
{
    for (int64_t i = 0; i < p->count; i++) {
        p->keys[i] = sort_key(&p->extents[i], rule);
        p->order[i] = (int32_t)i;
    }
    snug_plan_sort(p->keys, p->order, p->count);
    if (rule < ORDERS_PLAIN) {
        return;
    }
    for (int64_t i = 0; i < p->count; i++) {
        p->keys[p->order[i]] = i - p->pressure[p->order[i]] / SNUG_ALIGN * p->count;
    }
    snug_plan_sort(p->keys, p->order, p->count);
}

static void choose_high(packer *p, int32_t hang)
{
    const int64_t parts = hang_parts[hang];
    for (int64_t i = 0; i < p->count; i++) {
        const snug_extent *e = &p->extents[i];
        p->high[i] = ((int64_t)e->last - e->first + 1) * parts > p->horizon;
    }
}

/* Within 0.5 % of what no packing can beat. */
static bool good_enough(const packer *p, int64_t bound)
{
    return p->best_bytes <= bound + p->slack;
}

static void greedy(packer *p, int32_t rules, int64_t bound)
{
    for (int32_t rule = 0; rule < rules && !good_enough(p, bound); rule++) {
        sort_by(p, rule);
        for (int32_t fit = 0; fit < 2 && !good_enough(p, bound); fit++) {
            const int64_t height = place_all(p, p->order, NULL, fit == 0, p->best_bytes);
            keep_best(p, height);
        }
    }
}

/* The most bytes live while each extent is. */
static snug_status find_pressure(packer *p, snug_arena *arena, snug_error *err)
{
    const snug_mark start = snug_arena_mark(arena);
    void *memory = NULL;
    SNUG_TRY(
        snug_arena_array(arena, (int64_t)p->horizon + 1, (int64_t)sizeof(int64_t), &memory, err));
    int64_t *live = memory;
    for (int64_t i = 0; i < p->count; i++) {
        live[p->extents[i].first] += p->extents[i].bytes;
        live[p->extents[i].last + 1] -= p->extents[i].bytes;
    }
    for (int32_t t = 1; t < p->horizon; t++) {
        live[t] += live[t - 1];
    }
    for (int64_t i = 0; i < p->count; i++) {
        p->pressure[i] = 0;
        for (int32_t t = p->extents[i].first; t <= p->extents[i].last; t++) {
            p->pressure[i] = snug_max_i64(p->pressure[i], live[t]);
        }
    }
    snug_arena_rewind(arena, start);
    return SNUG_OK;
}

static void move_in_order(int32_t *order, int64_t from, int64_t to)
{
    const int32_t moved = order[from];
    if (from > to) {
        memmove(&order[to + 1], &order[to], (size_t)(from - to) * sizeof *order);
    } else {
        memmove(&order[from], &order[from + 1], (size_t)(to - from) * sizeof *order);
    }
    order[to] = moved;
}

/* One extent of the order is put somewhere else, or to the other side: most often the one on top,
 * which has to give way, else a large one, as those decide. */
static void perturb(const packer *p, uint64_t random)
{
    const int64_t fixed = p->fixed_count;
    const int64_t n = p->count - fixed;
    const int64_t reach = (random >> 60) < 12 ? snug_min_i64(n, SEARCH_LARGE) : n;
    int64_t from = fixed + (int64_t)((random >> 8) % (uint64_t)reach);
    int64_t to = fixed + (int64_t)((random >> 32) % (uint64_t)reach);
    memcpy(p->trial, p->order, (size_t)p->count * sizeof *p->order);
    memcpy(p->trial_high, p->high, (size_t)p->count * sizeof *p->high);
    if ((random & 7) < 6) {
        int64_t top = 0;
        while (p->order[top] != p->top) {
            top++;
        }
        if (top > fixed) {
            from = top;
            to = fixed + (int64_t)((random >> 32) % (uint64_t)(top - fixed));
        }
    }
    if ((random & 24) == 0) {
        p->trial_high[p->order[from]] = !p->trial_high[p->order[from]];
    }
    move_in_order(p->trial, from, to);
}

/* Changes the order as it is again and again; keeps what is not worse. */
static void climb(packer *p, int64_t bound, int64_t visits, uint64_t seed)
{
    const int64_t n = p->count;
    const int64_t end = p->visits + visits;
    uint64_t state = seed;
    int64_t current = place_all(p, p->order, p->high, false, INT64_MAX);
    keep_best(p, current);
    for (int32_t round = 0; round < SEARCH_ROUNDS_MAX && p->visits < end && !good_enough(p, bound);
         round++) {
        const int32_t top = p->top;
        state = snug_hash64_mix(state, (uint64_t)round);
        perturb(p, state);
        /* Equal heights are taken too: they lead out of plateaus. */
        const int64_t height = place_all(p, p->trial, p->trial_high, (state & 1) == 0, current + 1);
        if (height == INT64_MAX) {
            p->top = top;
            continue;
        }
        current = height;
        memcpy(p->order, p->trial, (size_t)n * sizeof *p->order);
        memcpy(p->high, p->trial_high, (size_t)n * sizeof *p->high);
        keep_best(p, height);
    }
}

/* Where a search may start: an order, and what hangs from the ceiling. */
typedef struct beginning {
    int64_t height;
    int32_t rule, hang;
} beginning;

/* All orders with all ways to hang, then searches from the best of them. */
static void search(packer *p, int64_t bound)
{
    beginning list[ORDER_COUNT * HANGS];
    int32_t count = 0;
    p->ceiling = (bound + p->slack) / SNUG_ALIGN * SNUG_ALIGN;
    for (int32_t rule = 0; rule < ORDER_COUNT; rule++) {
        sort_by(p, rule);
        for (int32_t hang = 0; hang < HANGS && !good_enough(p, bound); hang++) {
            choose_high(p, hang);
            const beginning b = {.height = place_all(p, p->order, p->high, false, INT64_MAX),
                                 .rule = rule,
                                 .hang = hang};
            keep_best(p, b.height);
            int32_t at = count++;
            while (at > 0 && list[at - 1].height > b.height) {
                list[at] = list[at - 1];
                at--;
            }
            list[at] = b;
        }
    }
    for (int32_t k = 0; k < SEARCH_STARTS && !good_enough(p, bound); k++) {
        sort_by(p, list[k].rule);
        choose_high(p, list[k].hang);
        /* Under the target, or straight at the bound: either has been seen to win. */
        p->ceiling = (k % 2 == 0 ? bound + p->slack : bound) / SNUG_ALIGN * SNUG_ALIGN;
        climb(p, bound, SEARCH_VISITS / SEARCH_STARTS, (uint64_t)k + 1);
    }
}

/* Moves the core to the front of the order: what lives where nearly as many bytes live as anywhere,
 * but for the small. Answers how many they are. */
static int64_t sort_core(packer *p, int64_t bound, int64_t depth)
{
    int64_t core = 0;
    for (int64_t i = 0; i < p->count; i++) {
        const int32_t index = p->order[i];
        if (p->pressure[index] >= bound - bound / depth &&
            p->extents[index].bytes >= bound / CORE_SMALL) {
            move_in_order(p->order, i, core++);
        }
    }
    return core;
}

/* Packs the core exactly, and all else around it. */
static snug_status pack_core(packer *p, int64_t bound, int64_t depth, snug_arena *arena,
                             snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    void *memory = NULL;
    bool proven = false;
    int64_t height = 0;
    sort_by(p, ORDER_BYTES);
    const int64_t core = sort_core(p, bound, depth);
    if (core < 2 || core == p->count || core > EXACT_MOST) {
        return SNUG_OK;
    }
    SNUG_TRY_DONE(snug_arena_array(arena, core, (int64_t)sizeof(snug_extent), &memory, err));
    snug_extent *list = memory;
    for (int64_t i = 0; i < core; i++) {
        list[i] = p->extents[p->order[i]];
        list[i].offset = height;
        height += list[i].bytes;
    }
    SNUG_TRY_DONE(snug_offsets_improve(list, core, bound, &height, &proven, arena, err));
    for (int64_t i = 0; i < core; i++) {
        p->fixed[p->order[i]] = list[i].offset;
    }
    p->fixed_count = core;
    for (int32_t rule = ORDER_BYTES; rule < ORDERS_PLAIN && !good_enough(p, bound); rule++) {
        p->fixed_count = 0;
        sort_by(p, rule);
        p->fixed_count = sort_core(p, bound, depth);
        choose_high(p, 0);
        for (int32_t fit = 0; fit < 2; fit++) {
            keep_best(p, place_all(p, p->order, NULL, fit == 0, p->best_bytes));
        }
    }
    climb(p, bound, SEARCH_VISITS / SEARCH_STARTS, (uint64_t)depth);

done:
    p->fixed_count = 0;
    snug_arena_rewind(arena, start);
    return status;
}

/* One section, extents p->order[begin .. end), exactly; answers its height. */
static snug_status tighten_section(packer *p, int64_t begin, int64_t end, int64_t bound,
                                   snug_arena *arena, int64_t *out_height, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    const int64_t count = end - begin;
    void *memory = NULL;
    int64_t height = 0;
    for (int64_t i = begin; i < end; i++) {
        const int32_t index = p->order[i];
        height = snug_max_i64(height, p->best_offsets[index] + p->extents[index].bytes);
    }
    const int64_t gap = height - bound;
    if (gap > 0 && (count <= EXACT_FEW || (count <= EXACT_MOST && gap > p->slack))) {
        bool proven = false;
        SNUG_TRY_DONE(snug_arena_array(arena, count, (int64_t)sizeof(snug_extent), &memory, err));
        snug_extent *section = memory;
        for (int64_t i = 0; i < count; i++) {
            section[i] = p->extents[p->order[begin + i]];
            section[i].offset = p->best_offsets[p->order[begin + i]];
        }
        SNUG_TRY_DONE(snug_offsets_improve(section, count, bound, &height, &proven, arena, err));
        for (int64_t i = 0; i < count; i++) {
            p->best_offsets[p->order[begin + i]] = section[i].offset;
        }
    }
    *out_height = height;

done:
    snug_arena_rewind(arena, start);
    return status;
}

/* Sections of time that nothing spans are packed each for itself. */
static snug_status tighten(packer *p, int64_t bound, snug_arena *arena, snug_error *err)
{
    int64_t highest = 0;
    int64_t begin = 0;
    int32_t last = -1;
    for (int64_t i = 0; i < p->count; i++) {
        p->keys[i] = p->extents[i].first;
        p->order[i] = (int32_t)i;
    }
    snug_plan_sort(p->keys, p->order, p->count);
    for (int64_t i = 0; i <= p->count; i++) {
        if (i == p->count || (i > begin && p->extents[p->order[i]].first > last)) {
            int64_t height = 0;
            SNUG_TRY(tighten_section(p, begin, i, bound, arena, &height, err));
            highest = snug_max_i64(highest, height);
            begin = i;
        }
        if (i < p->count && p->extents[p->order[i]].last > last) {
            last = p->extents[p->order[i]].last;
        }
    }
    p->best_bytes = highest;
    return SNUG_OK;
}

snug_status snug_offsets_bound(const snug_extent *extents, int64_t count, snug_arena *scratch,
                               int64_t *out_bytes, snug_error *err)
{
    const snug_mark start = snug_arena_mark(scratch);
    void *memory = NULL;
    int32_t end = 0;
    for (int64_t i = 0; i < count; i++) {
        end = extents[i].last > end ? extents[i].last : end;
    }
    SNUG_TRY(snug_arena_array(scratch, (int64_t)end + 2, (int64_t)sizeof(int64_t), &memory, err));
    int64_t *change = memory;
    for (int64_t i = 0; i < count; i++) {
        change[extents[i].first] += extents[i].bytes;
        change[extents[i].last + 1] -= extents[i].bytes;
    }
    int64_t live = 0;
    int64_t most = 0;
    for (int32_t t = 0; t <= end; t++) {
        live += change[t];
        most = snug_max_i64(most, live);
    }
    *out_bytes = most;
    snug_arena_rewind(scratch, start);
    return SNUG_OK;
}

/* Packs what does not lie below all others; `below` bytes do. */
static snug_status pack_others(snug_extent *extents, int64_t count, int64_t below,
                               snug_packing_effort effort, snug_arena *scratch, int64_t *out_bytes,
                               snug_error *err)
{
    packer p;
    int64_t bound = 0;
    SNUG_TRY(packer_init(&p, extents, count, scratch, err));
    SNUG_TRY(snug_offsets_bound(extents, count, scratch, &bound, err));
    p.slack = (bound + below) / 200;
    greedy(&p, effort == SNUG_PACKING_QUICK ? ORDERS_QUICK : ORDERS_PLAIN, bound);
    if (effort == SNUG_PACKING_THOROUGH) {
        SNUG_TRY(find_pressure(&p, scratch, err));
        search(&p, bound);
        for (int32_t k = 0; k < CORES && !good_enough(&p, bound); k++) {
            SNUG_TRY(pack_core(&p, bound, core_depths[k], scratch, err));
        }
        SNUG_TRY(tighten(&p, bound, scratch, err));
    }
    for (int64_t i = 0; i < count; i++) {
        extents[i].offset = below + p.best_offsets[i];
    }
    *out_bytes = below + p.best_bytes;
    return SNUG_OK;
}

/*
 * Extents that share a position with every other one share no byte with any: whatever packing is
 * the best, they can as well lie below all else. Marks them, and those that are so among the
 * others; answers their bytes.
 */
static int64_t lay_below(snug_extent *extents, int64_t count, bool *is_below)
{
    int64_t below = 0;
    bool more = true;
    while (more) {
        int32_t first_last = INT32_MAX;
        int32_t last_first = INT32_MIN;
        more = false;
        for (int64_t i = 0; i < count; i++) {
            if (!is_below[i]) {
                first_last = extents[i].last < first_last ? extents[i].last : first_last;
                last_first = extents[i].first > last_first ? extents[i].first : last_first;
            }
        }
        for (int64_t i = 0; i < count; i++) {
            if (!is_below[i] && extents[i].first <= first_last && extents[i].last >= last_first) {
                is_below[i] = true;
                extents[i].offset = below;
                below += extents[i].bytes;
                more = true;
            }
        }
    }
    return below;
}

snug_status snug_offsets_pack(snug_extent *extents, int64_t count, snug_packing_effort effort,
                              snug_arena *scratch, int64_t *out_bytes, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(scratch);
    void *memory = NULL;
    int64_t others = 0;
    SNUG_ASSERT(effort != SNUG_PACKING_NONE);
    SNUG_TRY_DONE(snug_arena_array(scratch, count, (int64_t)sizeof(snug_extent), &memory, err));
    snug_extent *rest = memory;
    SNUG_TRY_DONE(snug_arena_array(scratch, count, (int64_t)sizeof(bool), &memory, err));
    bool *is_below = memory;
    int64_t bytes = lay_below(extents, count, is_below);
    for (int64_t i = 0; i < count; i++) {
        if (!is_below[i]) {
            rest[others++] = extents[i];
        }
    }
    if (others > 0) {
        SNUG_TRY_DONE(pack_others(rest, others, bytes, effort, scratch, &bytes, err));
    }
    others = 0;
    for (int64_t i = 0; i < count; i++) {
        extents[i].offset = is_below[i] ? extents[i].offset : rest[others++].offset;
    }
    *out_bytes = bytes;

done:
    snug_arena_rewind(scratch, start);
    return status;
}
