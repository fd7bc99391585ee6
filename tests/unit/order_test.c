#include "check.h"
#include "data/order.h"

static void every_count_is_a_bijection(void **state)
{
    SNUG_UNUSED(state);
    static unsigned char seen[70000];
    const int64_t counts[] = {1,    2,    3,    4,     5,     7,     10,   63,
                              64,   65,   100,  255,   256,   257,   1000, 4095,
                              4096, 4097, 9999, 65535, 65536, 65537, 69999};
    for (int64_t i = 0; i < SNUG_COUNT(counts); i++) {
        for (uint64_t seed = 0; seed < 3; seed++) {
            snug_order order;
            snug_order_init(&order, seed, 7, counts[i]);
            memset(seen, 0, sizeof seen);
            for (int64_t p = 0; p < counts[i]; p++) {
                const int64_t value = snug_order_at(&order, p);
                CHECK(value >= 0);
                CHECK(value < counts[i]);
                CHECK(seen[value] == 0);
                seen[value] = 1;
            }
        }
    }
}

static void large_counts_stay_in_range_and_differ(void **state)
{
    SNUG_UNUSED(state);
    snug_order order;
    const int64_t count = INT64_C(2660000000);
    snug_order_init(&order, 42, 0, count);
    int64_t last = -1;
    int64_t rising = 0;
    for (int64_t p = 0; p < 10000; p++) {
        const int64_t value = snug_order_at(&order, p);
        CHECK(value >= 0);
        CHECK(value < count);
        rising += value > last;
        last = value;
    }
    CHECK(rising > 4700);
    CHECK(rising < 5300);
}

static void seed_and_epoch_change_the_order(void **state)
{
    SNUG_UNUSED(state);
    snug_order a, b, c, again;
    snug_order_init(&a, 1, 0, 1000);
    snug_order_init(&b, 2, 0, 1000);
    snug_order_init(&c, 1, 1, 1000);
    snug_order_init(&again, 1, 0, 1000);
    int64_t same_seed = 0;
    int64_t same_epoch = 0;
    for (int64_t p = 0; p < 1000; p++) {
        const int64_t value = snug_order_at(&a, p);
        same_seed += value == snug_order_at(&b, p);
        same_epoch += value == snug_order_at(&c, p);
        CHECK(value == snug_order_at(&again, p));
    }
    CHECK(same_seed < 10);
    CHECK(same_epoch < 10);
}

/* The known answers pin the order: changing it would break every resumed run. */
static void the_order_is_the_one_of_old(void **state)
{
    SNUG_UNUSED(state);
    snug_order order;
    snug_order_init(&order, 42, 3, 1000);
    const int64_t expected[] = {193, 819, 933, 963, 513, 482, 77, 382};
    for (int64_t p = 0; p < SNUG_COUNT(expected); p++) {
        assert_int_equal(snug_order_at(&order, p), expected[p]);
    }
}

/* Where the first two positions go, over many seeds: all ordered pairs of 6 must be equally likely.
 */
static void pairs_are_uniform(void **state)
{
    SNUG_UNUSED(state);
    enum { COUNT = 6, PAIRS = COUNT * (COUNT - 1), TRIALS = 30000 };
    int64_t found[COUNT][COUNT] = {{0}};
    for (uint64_t seed = 0; seed < TRIALS; seed++) {
        snug_order order;
        snug_order_init(&order, seed, 0, COUNT);
        found[snug_order_at(&order, 0)][snug_order_at(&order, 1)]++;
    }
    double chi = 0.0;
    const double expected = (double)TRIALS / PAIRS;
    for (int64_t i = 0; i < COUNT; i++) {
        for (int64_t j = 0; j < COUNT; j++) {
            const double off = (double)found[i][j] - expected;
            chi += i == j ? 0.0 : off * off / expected;
        }
    }
    /* 29 degrees of freedom: 58.3 is exceeded once in a thousand. */
    CHECK(chi < 58.3);
}

/* Neighbouring positions of one large order: the distance between their values is spread evenly. */
static void neighbours_are_spread(void **state)
{
    SNUG_UNUSED(state);
    enum { BINS = 64, COUNT = 100000 };
    int64_t found[BINS] = {0};
    snug_order order;
    snug_order_init(&order, 9, 0, COUNT);
    for (int64_t p = 0; p + 1 < COUNT; p++) {
        const int64_t step = snug_order_at(&order, p + 1) - snug_order_at(&order, p);
        found[(step + COUNT) % COUNT * BINS / COUNT]++;
    }
    double chi = 0.0;
    const double expected = (double)(COUNT - 1) / BINS;
    for (int64_t i = 0; i < BINS; i++) {
        const double off = (double)found[i] - expected;
        chi += off * off / expected;
    }
    /* 63 degrees of freedom: 103.4 is exceeded once in a thousand. */
    CHECK(chi < 103.4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_count_is_a_bijection),
        cmocka_unit_test(large_counts_stay_in_range_and_differ),
        cmocka_unit_test(seed_and_epoch_change_the_order),
        cmocka_unit_test(the_order_is_the_one_of_old),
        cmocka_unit_test(pairs_are_uniform),
        cmocka_unit_test(neighbours_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
