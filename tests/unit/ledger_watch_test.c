/* labels: fast */
/* The exact detector: no false alarm over 1,000 clean runs, every leak found and named. */
#include "check.h"

#include "base/attr.h"
#include "leak_traces.h"
#include "monitor/ledger_watch.h"

enum { RUNS = 1000, EPOCHS = 12 };

static snug_ledger_watch watch;
static const char *const places[] = {"epoch", "validation", "checkpoint"};

/* Bytes of a clean run: each category has its size at each place; a new plan changes all sizes. */
static void clean_bytes(trace *random, int64_t out[3][SNUG_CATEGORY_COUNT])
{
    for (int place = 0; place < 3; place++) {
        for (int c = 0; c < SNUG_CATEGORY_COUNT; c++) {
            out[place][c] = (int64_t)trace_uniform(random, 0, 1e9);
        }
    }
}

/* Runs some epochs; `leak` bytes of one category are lost in every epoch. */
static void run_epochs(uint64_t seed, snug_category leaking, int64_t leak)
{
    int64_t bytes[3][SNUG_CATEGORY_COUNT];
    trace random = trace_begin(TRACE_STATIONARY, 1, 0, seed);
    const int64_t replan = (int64_t)trace_uniform(&random, 0, 2 * EPOCHS);
    memset(&watch, 0, sizeof watch);
    clean_bytes(&random, bytes);
    for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
        if (epoch == replan && leak == 0) {
            /* Pressure shrank the plan: other sizes, said by the trainer. */
            clean_bytes(&random, bytes);
            snug_ledger_watch_restart(&watch);
        }
        for (int place = 0; place < 3; place++) {
            int64_t now[SNUG_CATEGORY_COUNT];
            memcpy(now, bytes[place], sizeof now);
            now[leaking] += leak * epoch;
            (void)snug_ledger_watch_add(&watch, places[place], (double)epoch, now, false);
        }
    }
}

static void clean_runs_raise_no_alarm(void **state)
{
    int64_t alarms = 0;
    SNUG_UNUSED(state);
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        run_epochs(seed, SNUG_CATEGORY_DATA, 0);
        alarms += watch.found;
    }
    print_message("%lld alarms in %d clean runs\n", (long long)alarms, RUNS);
    assert_int_equal(alarms, 0);
}

static void a_page_an_epoch_is_found_in_three(void **state)
{
    SNUG_UNUSED(state);
    for (uint64_t seed = 1; seed <= 100; seed++) {
        const snug_category category = (snug_category)(seed % SNUG_CATEGORY_COUNT);
        run_epochs(seed, category, 4096);
        CHECK(watch.found);
        assert_int_equal(watch.leak.category, category);
        CHECK(watch.leak.t <= 2); /* The third epoch, from 0. */
        assert_int_equal(watch.leak.bytes, 4096 * (EPOCHS - 1));
        assert_int_equal(watch.leak.repeats, EPOCHS - 1);
    }
}

static void growth_once_is_no_leak_before_the_seal(void **state)
{
    int64_t bytes[SNUG_CATEGORY_COUNT] = {10, 20, 30, 40, 50, 60, 70};
    SNUG_UNUSED(state);
    memset(&watch, 0, sizeof watch);
    CHECK(!snug_ledger_watch_add(&watch, "epoch", 0, bytes, false));
    bytes[SNUG_CATEGORY_DATA] += 5;
    CHECK(!snug_ledger_watch_add(&watch, "epoch", 1, bytes, false));
    CHECK(!snug_ledger_watch_add(&watch, "epoch", 2, bytes, false));
    /* Behind the seal the same is a fact at once. */
    bytes[SNUG_CATEGORY_DATA] += 5;
    CHECK(snug_ledger_watch_add(&watch, "epoch", 3, bytes, true));
    assert_int_equal(watch.leak.category, SNUG_CATEGORY_DATA);
    assert_int_equal(watch.leak.bytes, 5);
}

static void places_are_bounded(void **state)
{
    int64_t bytes[SNUG_CATEGORY_COUNT] = {0};
    SNUG_UNUSED(state);
    memset(&watch, 0, sizeof watch);
    for (int64_t i = 0; i < 3 * 40; i++) {
        char name[80];
        (void)snprintf(name, sizeof name, "a place with quite a long name that is cut %d",
                       (int)(i % 40));
        (void)snug_ledger_watch_add(&watch, name, (double)i, bytes, false);
    }
    CHECK(watch.place_count <= SNUG_LEDGER_PLACES_MAX);
    CHECK(!watch.found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_runs_raise_no_alarm),
        cmocka_unit_test(a_page_an_epoch_is_found_in_three),
        cmocka_unit_test(growth_once_is_no_leak_before_the_seal),
        cmocka_unit_test(places_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
