/* Packings: valid, never below the bound, the same every time, and the optimum on small cases. */
#include "check.h"

#include "base/checked.h"
#include "plan/exact.h"
#include "plan/offsets.h"

enum { EXTENTS_MAX = 200 };
static unsigned char block[1 << 20] __attribute__((aligned(64)));

static uint64_t draw(uint64_t *state, uint64_t count)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % count;
}

static void random_extents(uint64_t seed, int64_t count, int32_t span, int32_t life,
                           snug_extent *out)
{
    uint64_t state = seed;
    for (int64_t i = 0; i < count; i++) {
        const int32_t first = (int32_t)draw(&state, (uint64_t)span);
        out[i] = (snug_extent){.bytes = SNUG_ALIGN * (1 + (int64_t)draw(&state, 50)),
                               .first = first,
                               .last = first + (int32_t)draw(&state, (uint64_t)life)};
    }
}

static void check_valid(const snug_extent *e, int64_t count, int64_t height)
{
    for (int64_t i = 0; i < count; i++) {
        CHECK(e[i].offset >= 0 && e[i].offset % SNUG_ALIGN == 0);
        CHECK(e[i].offset + e[i].bytes <= height);
        for (int64_t k = 0; k < i; k++) {
            const bool time = e[i].first <= e[k].last && e[k].first <= e[i].last;
            const bool space =
                e[i].offset < e[k].offset + e[k].bytes && e[k].offset < e[i].offset + e[i].bytes;
            CHECK(!time || !space);
        }
    }
}

static void packings_are_valid_and_repeatable(void **unused)
{
    static snug_extent a[EXTENTS_MAX];
    static snug_extent b[EXTENTS_MAX];
    double worst = 0.0;
    (void)unused;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        snug_error err = {0};
        snug_arena arena;
        int64_t quick = 0;
        int64_t thorough = 0;
        int64_t again = 0;
        int64_t bound = 0;
        const int64_t count = 2 + (int64_t)(seed * 3 % 150);
        snug_arena_init(&arena, "offsets", block, sizeof block);
        random_extents(seed, count, 40, 13, a);
        memcpy(b, a, sizeof a);
        CHECK_OK(snug_offsets_bound(a, count, &arena, &bound, &err));
        CHECK_OK(snug_offsets_pack(a, count, SNUG_PACKING_QUICK, &arena, &quick, &err));
        check_valid(a, count, quick);
        CHECK_OK(snug_offsets_pack(a, count, SNUG_PACKING_THOROUGH, &arena, &thorough, &err));
        check_valid(a, count, thorough);
        CHECK_OK(snug_offsets_pack(b, count, SNUG_PACKING_THOROUGH, &arena, &again, &err));
        CHECK(again == thorough && memcmp(a, b, (size_t)count * sizeof a[0]) == 0);
        CHECK(thorough >= bound && thorough <= quick);
        CHECK(arena.used_bytes == 0);
        const double over = (double)thorough / (double)bound;
        worst = over > worst ? over : worst;
    }
    print_message("worst packing %.3f of the bound\n", worst);
    CHECK(worst < 1.15);
}

/* The least height over all orders, each placed lowest-fit: some order gives the optimum. */
static int64_t optimum(const snug_extent *e, int64_t count)
{
    int32_t order[8];
    int64_t best = INT64_MAX;
    int64_t total = 1;
    for (int64_t i = 0; i < count; i++) {
        total *= i + 1;
    }
    for (int64_t code = 0; code < total; code++) {
        snug_extent placed[8];
        int64_t rest = code;
        int64_t height = 0;
        for (int64_t i = 0; i < count; i++) {
            const int64_t at = rest % (i + 1);
            rest /= i + 1;
            memmove(&order[at + 1], &order[at], (size_t)(i - at) * sizeof order[0]);
            order[at] = (int32_t)i;
        }
        for (int64_t i = 0; i < count; i++) {
            snug_extent fresh = e[order[i]];
            fresh.offset = 0;
            for (int64_t turn = 0; turn <= i; turn++) {
                for (int64_t k = 0; k < i; k++) {
                    const bool time =
                        placed[k].first <= fresh.last && fresh.first <= placed[k].last;
                    const bool space = fresh.offset < placed[k].offset + placed[k].bytes &&
                                       placed[k].offset < fresh.offset + fresh.bytes;
                    if (time && space) {
                        fresh.offset = placed[k].offset + placed[k].bytes;
                    }
                }
            }
            placed[i] = fresh;
            height = snug_max_i64(height, fresh.offset + fresh.bytes);
        }
        best = snug_min_i64(best, height);
    }
    return best;
}

static void small_cases_reach_the_optimum(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 160; seed++) {
        snug_error err = {0};
        snug_arena arena;
        snug_extent e[8];
        int64_t height = 0;
        int64_t bound = 0;
        const int64_t count = seed <= 120 ? 2 + (int64_t)(seed % 6) : 8;
        snug_arena_init(&arena, "offsets", block, sizeof block);
        random_extents(seed, count, 8, 5, e);
        CHECK_OK(snug_offsets_bound(e, count, &arena, &bound, &err));
        CHECK_OK(snug_offsets_pack(e, count, SNUG_PACKING_THOROUGH, &arena, &height, &err));
        check_valid(e, count, height);
        CHECK(height == optimum(e, count));
        CHECK(arena.used_bytes == 0);
        CHECK(height >= bound);
    }
}

/* Cuts a full rectangle of time and bytes at random: the optimum is known, and hard to find. */
static void hard_extents(uint64_t seed, int64_t count, int64_t height, snug_extent *out)
{
    uint64_t state = seed;
    int64_t made = 1;
    out[0] = (snug_extent){.bytes = SNUG_ALIGN * height, .first = 0, .last = 4 * (int32_t)count};
    while (made < count) {
        snug_extent *e = &out[draw(&state, (uint64_t)made)];
        const int64_t units = e->bytes / SNUG_ALIGN;
        if (draw(&state, 2) == 0 && e->last > e->first) {
            const int32_t cut = e->first + (int32_t)draw(&state, (uint64_t)(e->last - e->first));
            out[made] = *e;
            out[made].first = cut + 1;
            e->last = cut;
            made++;
        } else if (units > 1) {
            const int64_t lower = 1 + (int64_t)draw(&state, (uint64_t)units - 1);
            out[made] = *e;
            out[made].bytes = SNUG_ALIGN * (units - lower);
            e->bytes = SNUG_ALIGN * lower;
            made++;
        }
    }
}

/* Lowest fit by falling bytes, falling bytes times life, falling life, or rising start. */
static int64_t plain_greedy(const snug_extent *e, int64_t count, int32_t rule)
{
    static snug_extent placed[EXTENTS_MAX];
    bool done[EXTENTS_MAX] = {false};
    int64_t height = 0;
    for (int64_t turn = 0; turn < count; turn++) {
        int64_t next = -1;
        double best = 0.0;
        for (int64_t i = 0; i < count; i++) {
            const double life = (double)(e[i].last - e[i].first + 1);
            const double bytes = (double)e[i].bytes;
            const double keys[4] = {bytes, bytes * life, life, -(double)e[i].first};
            if (!done[i] && (next < 0 || keys[rule] > best)) {
                next = i;
                best = keys[rule];
            }
        }
        snug_extent fresh = e[next];
        done[next] = true;
        fresh.offset = 0;
        for (int64_t k = 0; k < turn; k++) {
            const snug_extent *o = &placed[k];
            if (o->first <= fresh.last && fresh.first <= o->last &&
                fresh.offset < o->offset + o->bytes && o->offset < fresh.offset + fresh.bytes) {
                fresh.offset = o->offset + o->bytes;
                k = -1;
            }
        }
        placed[turn] = fresh;
        height = snug_max_i64(height, fresh.offset + fresh.bytes);
    }
    return height;
}

static void hard_cases_beat_the_best_greedy(void **unused)
{
    static snug_extent e[EXTENTS_MAX];
    int64_t proven = 0;
    int64_t small = 0;
    double worst = 0.0;
    (void)unused;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        snug_error err = {0};
        snug_arena arena;
        int64_t height = 0;
        int64_t greedy = INT64_MAX;
        const int64_t count = seed <= 24 ? 8 + (int64_t)seed % 12 : 30 + 5 * (int64_t)(seed % 20);
        const int64_t full = 100 * SNUG_ALIGN;
        snug_arena_init(&arena, "offsets", block, sizeof block);
        hard_extents(seed, count, 100, e);
        for (int32_t rule = 0; rule < 4; rule++) {
            greedy = snug_min_i64(greedy, plain_greedy(e, count, rule));
        }
        CHECK_OK(snug_offsets_pack(e, count, SNUG_PACKING_THOROUGH, &arena, &height, &err));
        check_valid(e, count, height);
        CHECK(height >= full && height <= greedy);
        /* On these it must come to the end. */
        CHECK(seed > 24 || height == full);
        small += count <= 40 ? 1 : 0;
        proven += count <= 40 && height == full ? 1 : 0;
        worst = (double)height / (double)full > worst ? (double)height / (double)full : worst;
    }
    print_message("hard cases: the optimum in %lld of %lld of at most 40, at worst %.3f of it\n",
                  (long long)proven, (long long)small, worst);
}

/* What it says to be proven is proven: no packing of all orders is lower. */
static void the_exact_search_knows_when_it_is_done(void **unused)
{
    (void)unused;
    for (uint64_t seed = 500; seed < 560; seed++) {
        snug_error err = {0};
        snug_arena arena;
        snug_extent e[7];
        int64_t height = 0;
        bool proven = false;
        snug_arena_init(&arena, "offsets", block, sizeof block);
        random_extents(seed, 7, 8, 5, e);
        for (int64_t i = 0; i < 7; i++) {
            e[i].offset = height; /* One on the other: the worst that is valid. */
            height += e[i].bytes;
        }
        CHECK_OK(snug_offsets_improve(e, 7, 0, &height, &proven, &arena, &err));
        check_valid(e, 7, height);
        CHECK(proven && height == optimum(e, 7));
        CHECK(arena.used_bytes == 0);
    }
}

/* What shares a position with all others takes bytes of its own at the bottom, whoever else is
 * there. */
static void what_meets_all_others_lies_below(void **unused)
{
    enum { COUNT = 60, LONG = 3 };
    static snug_extent e[COUNT];
    (void)unused;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        snug_error err = {0};
        snug_arena arena;
        int64_t height = 0;
        int64_t bound = 0;
        int64_t below = 0;
        snug_arena_init(&arena, "offsets", block, sizeof block);
        random_extents(seed, COUNT, 40, 13, e);
        for (int32_t k = 0; k < LONG; k++) {
            e[k * 20].first = k == 0 ? 0 : 12; /* Nothing ends before: it is made so below. */
            e[k * 20].last = 60;
            below += e[k * 20].bytes;
        }
        for (int32_t i = 0; i < COUNT; i++) {
            e[i].last = e[i].last < 12 ? 12 : e[i].last;
        }
        CHECK_OK(snug_offsets_bound(e, COUNT, &arena, &bound, &err));
        CHECK_OK(snug_offsets_pack(e, COUNT, SNUG_PACKING_THOROUGH, &arena, &height, &err));
        CHECK(arena.used_bytes == 0 && height >= bound);
        check_valid(e, COUNT, height);
        for (int32_t k = 0; k < LONG; k++) {
            CHECK(e[k * 20].offset + e[k * 20].bytes <= below);
        }
    }
}

static void nothing_takes_nothing(void **unused)
{
    snug_error err = {0};
    snug_arena arena;
    int64_t height = 7;
    (void)unused;
    snug_arena_init(&arena, "offsets", block, sizeof block);
    CHECK_OK(snug_offsets_pack(NULL, 0, SNUG_PACKING_THOROUGH, &arena, &height, &err));
    CHECK(height == 0);
}

static void a_full_arena_is_a_limit(void **unused)
{
    static unsigned char small[64] __attribute__((aligned(64)));
    snug_error err = {0};
    snug_arena arena;
    snug_extent e[50];
    int64_t height = 7;
    (void)unused;
    snug_arena_init(&arena, "offsets", small, sizeof small);
    random_extents(1, 50, 8, 2, e);
    CHECK_FAILS(snug_offsets_pack(e, 50, SNUG_PACKING_QUICK, &arena, &height, &err),
                SNUG_CODE_LIMIT);
    CHECK(height == 7);
    CHECK(arena.used_bytes == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packings_are_valid_and_repeatable),
        cmocka_unit_test(small_cases_reach_the_optimum),
        cmocka_unit_test(hard_cases_beat_the_best_greedy),
        cmocka_unit_test(the_exact_search_knows_when_it_is_done),
        cmocka_unit_test(what_meets_all_others_lies_below),
        cmocka_unit_test(nothing_takes_nothing),
        cmocka_unit_test(a_full_arena_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
