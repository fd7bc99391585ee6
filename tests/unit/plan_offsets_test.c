/* Packings: valid, never below the bound, the same every time, and the optimum on small cases. */
#include "check.h"

#include "base/checked.h"
#include "plan/offsets.h"

enum { EXTENTS_MAX = 200 };
static unsigned char block[1 << 20] __attribute__((aligned(64)));

static uint64_t draw(uint64_t *state, uint64_t count)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % count;
}

static void random_extents(uint64_t seed, int64_t count, int32_t span, snug_extent *out)
{
    uint64_t state = seed;
    for (int64_t i = 0; i < count; i++) {
        const int32_t first = (int32_t)draw(&state, (uint64_t)span);
        out[i] = (snug_extent){.bytes = SNUG_ALIGN * (1 + (int64_t)draw(&state, 50)),
                               .first = first,
                               .last = first + (int32_t)draw(&state, (uint64_t)span / 3)};
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
        random_extents(seed, count, 40, a);
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
    for (uint64_t seed = 1; seed <= 150; seed++) {
        snug_error err = {0};
        snug_arena arena;
        snug_extent e[6];
        int64_t height = 0;
        int64_t bound = 0;
        snug_arena_init(&arena, "offsets", block, sizeof block);
        random_extents(seed, 6, 8, e);
        CHECK_OK(snug_offsets_bound(e, 6, &arena, &bound, &err));
        CHECK_OK(snug_offsets_pack(e, 6, SNUG_PACKING_THOROUGH, &arena, &height, &err));
        check_valid(e, 6, height);
        /* The search stops within 0.5 % of the bound. */
        CHECK(height <= snug_max_i64(optimum(e, 6), bound + bound / 200));
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
    random_extents(1, 50, 8, e);
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
        cmocka_unit_test(nothing_takes_nothing),
        cmocka_unit_test(a_full_arena_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
