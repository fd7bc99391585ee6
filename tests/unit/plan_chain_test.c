/* The planner's dynamic programme against brute force and an exact solver, on random chains. */
#include "check.h"

#include <math.h>

#include "plan/chain.h"
#include "sys/heap.h"

enum { STAGES_MAX = 12, BRUTE_STAGES_MAX = 8, OPTIONS_MAX = 3, TILES = 3 };

/* Bytes that a plan of a random chain can keep: at most 100 of a segment and 50 of a boundary. */
enum { KEPT_MAX = 150 * STAGES_MAX };

/** A random chain with all its arrays. */
typedef struct chain_case {
    snug_chain chain;
    snug_chain_option options[STAGES_MAX * STAGES_MAX * OPTIONS_MAX];
    int32_t first[STAGES_MAX * STAGES_MAX + 1];
    int64_t boundary[STAGES_MAX + 1];
    snug_chain_tile tiles[STAGES_MAX * STAGES_MAX * OPTIONS_MAX][2][TILES];
} chain_case;

static uint64_t draw(uint64_t *state, uint64_t count)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % count;
}

static int32_t random_tiles(uint64_t *state, int32_t span, int32_t count, snug_chain_tile *tiles)
{
    for (int32_t k = 0; k < count; k++) {
        tiles[k] = (snug_chain_tile){.bytes = (int64_t)draw(state, 60 * (uint64_t)span),
                                     .seconds = (double)(span + (int32_t)draw(state, 40)),
                                     .tile = k};
    }
    return snug_chain_prune_tiles(tiles, count);
}

static void random_chain_of(uint64_t seed, int32_t n, int32_t options_max, int32_t tiles,
                            chain_case *c)
{
    uint64_t state = seed;
    int32_t count = 0;
    for (int32_t cut = 0; cut <= n; cut++) {
        c->boundary[cut] = cut == 0 || cut == n ? 0 : (int64_t)draw(&state, 50);
    }
    for (int32_t i = 0; i < n; i++) {
        for (int32_t j = 0; j < n; j++) {
            c->first[i * n + j] = count;
            const int32_t options = j < i ? 0 : 1 + (int32_t)draw(&state, (uint64_t)options_max);
            for (int32_t o = 0; o < options; o++) {
                const bool last = j == n - 1;
                snug_chain_option *option = &c->options[count];
                *option = (snug_chain_option){.fused = last,
                                              .kept = last ? 0 : (int64_t)draw(&state, 100),
                                              .input_needed = !last && draw(&state, 2) == 0,
                                              .output_kept = !last && draw(&state, 2) == 0,
                                              .backward_bytes = (int64_t)draw(&state, 60)};
                option->forward_count = random_tiles(&state, j - i + 1, tiles, c->tiles[count][0]);
                option->forward = c->tiles[count][0];
                if (!last) {
                    option->backward_count =
                        random_tiles(&state, j - i + 1, tiles, c->tiles[count][1]);
                    option->backward = c->tiles[count][1];
                }
                count++;
            }
        }
    }
    c->first[n * n] = count;
    c->chain = (snug_chain){.stage_count = n,
                            .options = c->options,
                            .first = c->first,
                            .boundary = c->boundary,
                            .fixed_bytes = 10};
}

static void random_chain(uint64_t seed, int32_t n, chain_case *c)
{
    random_chain_of(seed, n, OPTIONS_MAX, TILES, c);
}

/** Best of all plans, found by trying all of them. */
typedef struct brute {
    const snug_chain *chain;
    int64_t budget;
    double seconds;
    int64_t smallest;
} brute;

/* Written from the formulas of the header, not from the solver. (Tests may recurse.) */
static void try_all(brute *b, int32_t i, bool boundary_kept, int64_t m, int64_t peak,
                    double seconds)
{
    const snug_chain *c = b->chain;
    const int32_t n = c->stage_count;
    if (i == n) {
        b->smallest = peak < b->smallest ? peak : b->smallest;
        if (peak <= b->budget && seconds < b->seconds) {
            b->seconds = seconds;
        }
        return;
    }
    const int64_t x = boundary_kept ? 0 : c->boundary[i];
    for (int32_t j = i; j < n; j++) {
        for (int32_t k = c->first[i * n + j]; k < c->first[i * n + j + 1]; k++) {
            const snug_chain_option *o = &c->options[k];
            for (int32_t f = 0; f < o->forward_count; f++) {
                const int64_t y = o->output_kept ? 0 : c->boundary[j + 1];
                int64_t forward = c->fixed_bytes + m + x + o->forward[f].bytes;
                forward += o->fused ? o->backward_bytes : o->kept + y;
                const int64_t worst = forward > peak ? forward : peak;
                const double t = seconds + o->forward[f].seconds;
                if (o->fused) {
                    try_all(b, j + 1, false, m, worst, t);
                    continue;
                }
                const int64_t held = o->kept + (o->input_needed ? x : 0);
                for (int32_t g = 0; g < o->backward_count; g++) {
                    const int64_t backward =
                        c->fixed_bytes + m + held + o->backward_bytes + o->backward[g].bytes;
                    try_all(b, j + 1, o->output_kept, m + held, backward > worst ? backward : worst,
                            t + o->backward[g].seconds);
                }
            }
        }
    }
}

/* One chain under budgets from just too small on; returns how many could be met. */
static int64_t compare_chain(const chain_case *c, int64_t step, snug_arena *arena)
{
    snug_error err = {0};
    snug_chain_segment segments[STAGES_MAX];
    snug_chain_answer answer = {.segments = segments};
    int64_t compared = 0;
    brute b = {.chain = &c->chain, .budget = 0, .seconds = 1e300, .smallest = INT64_MAX};
    try_all(&b, 0, false, 0, 0, 0.0);
    CHECK_OK(
        snug_chain_solve(&c->chain, SNUG_CHAIN_SMALLEST, 0, INFINITY, 1024, arena, &answer, &err));
    CHECK(answer.possible && answer.peak_bytes == b.smallest);
    for (int64_t more = -1; more < 200; more += step) {
        b.budget = b.smallest + more;
        b.seconds = 1e300;
        try_all(&b, 0, false, 0, 0, 0.0);
        /* Nothing known, and the very best known. */
        for (int32_t known = 0; known < 2; known++) {
            CHECK_OK(snug_chain_solve(&c->chain, SNUG_CHAIN_FASTEST, b.budget,
                                      known == 1 ? b.seconds : INFINITY, 1024, arena, &answer,
                                      &err));
            CHECK(answer.possible == (b.seconds < 1e300));
            CHECK(!answer.possible || answer.seconds == b.seconds);
            CHECK(!answer.possible || answer.peak_bytes <= b.budget);
        }
        /* Better than the best there is not. */
        CHECK_OK(snug_chain_solve(&c->chain, SNUG_CHAIN_FASTEST, b.budget, b.seconds * 0.999, 1024,
                                  arena, &answer, &err));
        CHECK(!answer.possible || b.seconds >= 1e300);
        compared += b.seconds < 1e300 ? 1 : 0;
    }
    CHECK(arena->used_bytes == 0);
    return compared;
}

static void equals_brute_force(void **unused)
{
    static chain_case c;
    static unsigned char block[8 << 20] __attribute__((aligned(64)));
    int64_t compared = 0;
    (void)unused;
    for (uint64_t seed = 1; seed <= 260; seed++) {
        snug_arena arena;
        /* Many ways to run few stages, and fewer ways to run many. */
        const bool is_long = seed > 200;
        const int32_t n = is_long ? 6 + (int32_t)(seed % 3) : 1 + (int32_t)(seed % 5);
        snug_arena_init(&arena, "chain", block, sizeof block);
        random_chain_of(seed, n, is_long ? 2 : OPTIONS_MAX, is_long ? 2 : TILES, &c);
        compared += compare_chain(&c, is_long ? 40 : 13, &arena);
    }
    CHECK(compared > 2000);
}

/** The best seconds for every number of kept bytes before every cut: a table instead of fronts. */
typedef struct table {
    const snug_chain *chain;
    int64_t budget;
    double best[STAGES_MAX + 1][2][KEPT_MAX + 1]; /* [cut][boundary kept][bytes] */
} table;

/* The fastest tile that fits; tiles are looked at one by one, in whatever order they come. */
static double fastest_tile(const snug_chain_tile *tiles, int32_t count, int64_t room)
{
    double seconds = INFINITY;
    for (int32_t k = 0; k < count; k++) {
        if (tiles[k].bytes <= room && tiles[k].seconds < seconds) {
            seconds = tiles[k].seconds;
        }
    }
    return seconds;
}

/* What option `o` of the stages i..j makes of the states before it. */
static void fill_from(table *t, int32_t i, int32_t j, const snug_chain_option *o)
{
    const snug_chain *c = t->chain;
    for (int32_t kept = 0; kept < 2; kept++) {
        const int64_t x = kept == 1 ? 0 : c->boundary[i];
        const int64_t y = o->output_kept ? 0 : c->boundary[j + 1];
        const int64_t held = o->fused ? 0 : o->kept + (o->input_needed ? x : 0);
        for (int64_t m = 0; m + held <= KEPT_MAX; m++) {
            const int64_t left = t->budget - c->fixed_bytes - m;
            const int64_t first = o->fused ? x + o->backward_bytes : x + o->kept + y;
            double seconds = t->best[i][kept][m];
            seconds += fastest_tile(o->forward, o->forward_count, left - first);
            if (!o->fused) {
                seconds +=
                    fastest_tile(o->backward, o->backward_count, left - held - o->backward_bytes);
            }
            double *at = &t->best[j + 1][o->output_kept ? 1 : 0][m + held];
            *at = seconds < *at ? seconds : *at;
        }
    }
}

/* Exact, for the whole range of kept bytes is there: nothing is dominated, thinned or bounded. */
static double solve_by_table(table *t, const snug_chain *c, int64_t budget)
{
    const int32_t n = c->stage_count;
    double best = INFINITY;
    t->chain = c;
    t->budget = budget;
    for (int32_t cut = 0; cut <= n; cut++) {
        for (int64_t m = 0; m <= KEPT_MAX; m++) {
            t->best[cut][0][m] = INFINITY;
            t->best[cut][1][m] = INFINITY;
        }
    }
    t->best[0][0][0] = 0.0;
    for (int32_t i = 0; i < n; i++) {
        for (int32_t j = i; j < n; j++) {
            for (int32_t k = c->first[i * n + j]; k < c->first[i * n + j + 1]; k++) {
                fill_from(t, i, j, &c->options[k]);
            }
        }
    }
    for (int64_t m = 0; m <= KEPT_MAX; m++) {
        best = fmin(best, fmin(t->best[n][0][m], t->best[n][1][m]));
    }
    return best;
}

/* The smallest budget under which there is a plan, by halving. */
static int64_t least_by_table(table *t, const snug_chain *c)
{
    int64_t low = -1;
    int64_t high = 1 << 20;
    CHECK(solve_by_table(t, c, high) < INFINITY);
    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        if (solve_by_table(t, c, middle) < INFINITY) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return high;
}

/* The exact solver is held against brute force before anything is held against it. */
static void exact_solver_equals_brute_force(void **unused)
{
    static chain_case c;
    static table t;
    (void)unused;
    for (uint64_t seed = 2000; seed < 2030; seed++) {
        brute b = {.chain = &c.chain, .budget = 0, .seconds = 1e300, .smallest = INT64_MAX};
        random_chain_of(seed, 1 + (int32_t)(seed % 5), OPTIONS_MAX, 2, &c);
        try_all(&b, 0, false, 0, 0, 0.0);
        CHECK(least_by_table(&t, &c.chain) == b.smallest);
        for (int64_t more = 0; more < 200; more += 40) {
            b.budget = b.smallest + more;
            b.seconds = 1e300;
            try_all(&b, 0, false, 0, 0, 0.0);
            CHECK(solve_by_table(&t, &c.chain, b.budget) == b.seconds);
        }
    }
}

static void equals_exact_solver(void **unused)
{
    static chain_case c;
    static table t;
    static unsigned char block[8 << 20] __attribute__((aligned(64)));
    int64_t slower = 0;
    (void)unused;
    for (uint64_t seed = 3000; seed < 3030; seed++) {
        snug_error err = {0};
        snug_arena arena;
        snug_chain_segment segments[STAGES_MAX];
        snug_chain_answer answer = {.segments = segments};
        snug_arena_init(&arena, "chain", block, sizeof block);
        random_chain(seed, 9 + (int32_t)(seed % 4), &c);
        const int64_t least = least_by_table(&t, &c.chain);
        const double fastest = solve_by_table(&t, &c.chain, 1 << 20);
        CHECK_OK(snug_chain_solve(&c.chain, SNUG_CHAIN_SMALLEST, 0, INFINITY, 1024, &arena, &answer,
                                  &err));
        CHECK(answer.possible && answer.peak_bytes == least);
        for (int64_t more = -1; more < 240; more += 30) {
            const double seconds = solve_by_table(&t, &c.chain, least + more);
            CHECK_OK(snug_chain_solve(&c.chain, SNUG_CHAIN_FASTEST, least + more, INFINITY, 1024,
                                      &arena, &answer, &err));
            CHECK(answer.possible == (seconds < INFINITY) && answer.possible == (more >= 0));
            CHECK(!answer.possible || answer.seconds == seconds);
            CHECK(!answer.possible || answer.peak_bytes <= least + more);
            slower += answer.possible && seconds > fastest ? 1 : 0;
        }
    }
    CHECK(slower > 100); /* Budgets that cost time: the others would be too easy. */
}

static void more_bytes_are_never_slower(void **unused)
{
    static chain_case c;
    static unsigned char block[8 << 20] __attribute__((aligned(64)));
    (void)unused;
    for (uint64_t seed = 500; seed < 540; seed++) {
        snug_error err = {0};
        snug_arena arena;
        snug_chain_segment segments[STAGES_MAX];
        snug_chain_answer answer = {.segments = segments};
        double before = 1e300;
        bool possible = false;
        snug_arena_init(&arena, "chain", block, sizeof block);
        random_chain(seed, BRUTE_STAGES_MAX, &c);
        for (int64_t budget = 0; budget < 1000; budget += 7) {
            CHECK_OK(snug_chain_solve(&c.chain, SNUG_CHAIN_FASTEST, budget, INFINITY, 1024, &arena,
                                      &answer, &err));
            CHECK(answer.possible || !possible);
            CHECK(!answer.possible || answer.seconds <= before);
            possible = answer.possible;
            before = answer.possible ? answer.seconds : before;
        }
        CHECK(possible);
    }
}

static void thinned_fronts_stay_possible(void **unused)
{
    static chain_case c;
    static unsigned char block[8 << 20] __attribute__((aligned(64)));
    (void)unused;
    for (uint64_t seed = 900; seed < 930; seed++) {
        snug_error err = {0};
        snug_arena arena;
        snug_chain_segment segments[STAGES_MAX];
        snug_chain_answer exact = {.segments = segments};
        snug_chain_answer thin = {.segments = segments};
        snug_arena_init(&arena, "chain", block, sizeof block);
        random_chain(seed, BRUTE_STAGES_MAX, &c);
        CHECK_OK(snug_chain_solve(&c.chain, SNUG_CHAIN_FASTEST, 300, INFINITY, 1024, &arena, &exact,
                                  &err));
        CHECK_OK(
            snug_chain_solve(&c.chain, SNUG_CHAIN_FASTEST, 300, INFINITY, 8, &arena, &thin, &err));
        CHECK(!thin.possible || (exact.possible && thin.seconds >= exact.seconds));
        CHECK(!thin.possible || thin.peak_bytes <= 300);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_brute_force),
        cmocka_unit_test(exact_solver_equals_brute_force),
        cmocka_unit_test(equals_exact_solver),
        cmocka_unit_test(more_bytes_are_never_slower),
        cmocka_unit_test(thinned_fronts_stay_possible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
