#include "plan/chain.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"

/* A partial plan of the stages before some cut. */
typedef struct entry {
    int64_t kept;
    int64_t peak;
    double seconds;
    int32_t parent; /* Index into all entries; -1 at the start. */
    int32_t option;
    int32_t stage_first;
    int16_t forward_tile, backward_tile;
} entry;

/* The entries of one state (cut, does `kept` include the boundary): ascending kept, falling cost.
 */
typedef struct front {
    int32_t begin;
    int32_t count;
} front;

typedef struct solver {
    const snug_chain *chain;
    snug_chain_goal goal;
    int64_t budget;
    double at_most; /* Seconds; slower plans are not of interest. */
    double *rest;   /* [stage_count + 1] No plan of the stages from here on is faster. */
    double *least;  /* [option] Nor is one that goes through this option and on from there. */
    int32_t front_max;
    entry *entries; /* Of all fronts, each with room for front_max + 1. */
    front *fronts;  /* [2 * (stage_count + 1)] */
    entry *spare;
} solver;

static bool cheaper(const solver *s, const entry *a, const entry *b)
{
    if (s->goal == SNUG_CHAIN_SMALLEST) {
        return a->peak != b->peak ? a->peak < b->peak : a->seconds < b->seconds;
    }
    return a->seconds < b->seconds || (!(b->seconds < a->seconds) && a->peak < b->peak);
}

/* Evenly fewer entries; the ends stay. */
static void thin(solver *s, front *f)
{
    entry *list = &s->entries[f->begin];
    const int32_t keep = s->front_max / 2 + 1;
    memcpy(s->spare, list, (size_t)f->count * sizeof *list);
    for (int32_t i = 0; i < keep; i++) {
        list[i] = s->spare[(int64_t)i * (f->count - 1) / (keep - 1)];
    }
    f->count = keep;
}

/* First entry that keeps more than so much, not before `from`. */
static int32_t place_of(const entry *list, int32_t count, int32_t from, int64_t kept)
{
    while (from < count && list[from].kept <= kept) {
        from++;
    }
    return from;
}

/* Puts an entry into a front unless another is at least as good in both; drops what it beats.
 * `from` is no further than its place; returns a place that no entry which keeps more lies before.
 */
static int32_t insert(solver *s, front *f, const entry *e, int32_t from)
{
    entry *list = &s->entries[f->begin];
    int32_t at = place_of(list, f->count, from, e->kept);
    if (at > 0 && !cheaper(s, e, &list[at - 1])) {
        return at;
    }
    if (f->count > s->front_max) {
        thin(s, f);
        at = place_of(list, f->count, 0, e->kept);
    }
    if (at > 0 && list[at - 1].kept == e->kept) {
        at--;
    }
    int32_t stop = at;
    while (stop < f->count && !cheaper(s, &list[stop], e)) {
        stop++;
    }
    if (stop != at + 1) {
        memmove(&list[at + 1], &list[stop], (size_t)(f->count - stop) * sizeof *list);
        f->count += 1 - (stop - at);
    }
    list[at] = *e;
    return at;
}

/* The best tile for a loop that has `base` bytes beside its own, not before tile `from`: fastest
 * that fits, or smallest; `count`: there is none. */
static int32_t best_tile(const solver *s, const snug_chain_tile *tiles, int32_t count, int32_t from,
                         int64_t base)
{
    if (s->goal == SNUG_CHAIN_SMALLEST) {
        return count > 0 ? count - 1 : 0;
    }
    while (from < count && base + tiles[from].bytes > s->budget) {
        from++;
    }
    return from;
}

/*
 * Extends the partial plans of a front, from the `e`-th on, by one option of the segment i..j. They
 * keep more and more: after the first that is too large all are, and what they need is found behind
 * what the one before needed.
 */
static void extend(solver *s, const front *f, int32_t e, bool boundary_kept, int32_t i, int32_t j,
                   int32_t option)
{
    const snug_chain_option *o = &s->chain->options[option];
    const int64_t x = boundary_kept ? 0 : s->chain->boundary[i];
    const int64_t y = o->output_kept ? 0 : s->chain->boundary[j + 1];
    const int64_t held = o->kept + (o->input_needed ? x : 0);
    const int64_t forward_more =
        s->chain->fixed_bytes + x + (o->fused ? o->backward_bytes : o->kept + y);
    const int64_t backward_more = s->chain->fixed_bytes + held + o->backward_bytes;
    const bool has_backward = !o->fused && o->backward != NULL;
    front *target = &s->fronts[2 * (j + 1) + (o->output_kept ? 1 : 0)];
    int32_t place = 0;
    int32_t forward = 0;
    int32_t backward = 0;
    for (; e < f->count; e++) {
        const entry *from = &s->entries[f->begin + e];
        const int64_t forward_base = forward_more + from->kept;
        const int64_t backward_base = backward_more + from->kept;
        forward = best_tile(s, o->forward, o->forward_count, forward, forward_base);
        if (has_backward) {
            backward = best_tile(s, o->backward, o->backward_count, backward, backward_base);
        }
        if (forward == o->forward_count || (has_backward && backward == o->backward_count)) {
            return;
        }
        entry next = {.kept = from->kept + held,
                      .parent = f->begin + e,
                      .option = option,
                      .stage_first = i,
                      .peak = snug_max_i64(from->peak, forward_base + o->forward[forward].bytes),
                      .seconds = from->seconds + o->forward[forward].seconds,
                      .forward_tile = (int16_t)o->forward[forward].tile,
                      .backward_tile = -1};
        if (has_backward) {
            next.peak = snug_max_i64(next.peak, backward_base + o->backward[backward].bytes);
            next.seconds += o->backward[backward].seconds;
            next.backward_tile = (int16_t)o->backward[backward].tile;
        }
        /* What fits may still be too slow. */
        if (next.seconds + s->rest[j + 1] <= s->at_most) {
            place = insert(s, target, &next, place);
        }
    }
}

int32_t snug_chain_prune_tiles(snug_chain_tile *tiles, int32_t count)
{
    int32_t kept = 0;
    for (int32_t i = 1; i < count; i++) {
        const snug_chain_tile moved = tiles[i];
        int32_t at = i;
        while (at > 0 &&
               (tiles[at - 1].seconds > moved.seconds ||
                (!(tiles[at - 1].seconds < moved.seconds) && tiles[at - 1].bytes > moved.bytes))) {
            tiles[at] = tiles[at - 1];
            at--;
        }
        tiles[at] = moved;
    }
    for (int32_t i = 0; i < count; i++) {
        if (kept == 0 || tiles[i].bytes < tiles[kept - 1].bytes) {
            tiles[kept++] = tiles[i];
        }
    }
    return kept;
}

/* Tiles come fastest first. */
static double least_seconds(const snug_chain_option *o)
{
    double seconds = o->forward_count > 0 ? o->forward[0].seconds : INFINITY;
    if (!o->fused && o->backward != NULL) {
        seconds += o->backward_count > 0 ? o->backward[0].seconds : INFINITY;
    }
    return seconds;
}

/* The seconds of the stages behind every cut when memory is no matter. */
static void bound_rest(solver *s)
{
    const int32_t n = s->chain->stage_count;
    s->rest[n] = 0.0;
    for (int32_t i = n - 1; i >= 0; i--) {
        s->rest[i] = INFINITY;
        for (int32_t j = i; j < n; j++) {
            const int64_t k = (int64_t)i * n + j;
            for (int32_t o = s->chain->first[k]; o < s->chain->first[k + 1]; o++) {
                s->least[o] = least_seconds(&s->chain->options[o]) + s->rest[j + 1];
                s->rest[i] = s->least[o] < s->rest[i] ? s->least[o] : s->rest[i];
            }
        }
    }
}

static snug_status solver_init(solver *s, snug_arena *scratch, snug_error *err)
{
    const int64_t states = 2 * ((int64_t)s->chain->stage_count + 1);
    void *memory = NULL;
    const int64_t room = (int64_t)s->front_max + 2;
    SNUG_TRY(snug_arena_array(scratch, states, (int64_t)sizeof(front), &memory, err));
    s->fronts = memory;
    SNUG_TRY(snug_arena_array(scratch, (states + 1) * room, (int64_t)sizeof(entry), &memory, err));
    s->entries = memory;
    s->spare = s->entries + states * room;
    const int64_t cuts = (int64_t)s->chain->stage_count + 1;
    const int64_t options = s->chain->first[(cuts - 1) * (cuts - 1)];
    SNUG_TRY(snug_arena_array(scratch, cuts + options, (int64_t)sizeof(double), &memory, err));
    s->rest = memory;
    s->least = s->rest + cuts;
    bound_rest(s);
    for (int64_t f = 0; f < states; f++) {
        s->fronts[f].begin = (int32_t)(f * room);
    }
    return SNUG_OK;
}

/* Extends all partial plans before cut i by all segments that begin there. */
static void extend_all(solver *s, int32_t i, bool boundary_kept)
{
    const snug_chain *chain = s->chain;
    const front f = s->fronts[2 * i + (boundary_kept ? 1 : 0)];
    const entry *list = &s->entries[f.begin];
    for (int32_t j = i; j < chain->stage_count && f.count > 0; j++) {
        const int64_t k = (int64_t)i * chain->stage_count + j;
        for (int32_t o = chain->first[k]; o < chain->first[k + 1]; o++) {
            int32_t e = 0;
            /* Entries are faster and faster, but for the search for the smallest. */
            while (s->goal == SNUG_CHAIN_FASTEST && e < f.count &&
                   list[e].seconds + s->least[o] > s->at_most) {
                e++;
            }
            extend(s, &f, e, boundary_kept, i, j, o);
        }
    }
}

static void walk_back(const solver *s, int32_t last, snug_chain_answer *out)
{
    int32_t count = 0;
    for (int32_t e = last; s->entries[e].parent >= 0; e = s->entries[e].parent) {
        count++;
    }
    out->segment_count = count;
    int32_t stage_last = s->chain->stage_count - 1;
    for (int32_t e = last; s->entries[e].parent >= 0; e = s->entries[e].parent) {
        const entry *at = &s->entries[e];
        out->segments[--count] = (snug_chain_segment){.stage_first = at->stage_first,
                                                      .stage_last = stage_last,
                                                      .option = at->option,
                                                      .forward_tile = at->forward_tile,
                                                      .backward_tile = at->backward_tile};
        stage_last = at->stage_first - 1;
    }
}

snug_status snug_chain_solve(const snug_chain *chain, snug_chain_goal goal, int64_t budget,
                             double at_most, int32_t front_max, snug_arena *scratch,
                             snug_chain_answer *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(scratch);
    const int32_t n = chain->stage_count;
    /* Sums in another order differ in their last bits. */
    solver s = {.chain = chain,
                .goal = goal,
                .budget = budget,
                .at_most = at_most * (1.0 + 1e-9),
                .front_max = front_max};
    SNUG_ASSERT(front_max >= 2 && n >= 1);
    SNUG_TRY_DONE(solver_init(&s, scratch, err));
    s.fronts[0].count = 1;
    s.entries[s.fronts[0].begin] = (entry){.parent = -1};
    for (int32_t i = 0; i < n; i++) {
        extend_all(&s, i, false);
        extend_all(&s, i, true);
    }
    out->possible = false;
    int32_t best = -1;
    for (int32_t kept = 0; kept < 2; kept++) {
        const front f = s.fronts[2 * n + kept];
        for (int32_t e = f.begin; e < f.begin + f.count; e++) {
            best = best < 0 || cheaper(&s, &s.entries[e], &s.entries[best]) ? e : best;
        }
    }
    if (best >= 0) {
        out->possible = true;
        out->seconds = s.entries[best].seconds;
        out->peak_bytes = s.entries[best].peak;
        walk_back(&s, best, out);
    }

done:
    snug_arena_rewind(scratch, start);
    return status;
}
