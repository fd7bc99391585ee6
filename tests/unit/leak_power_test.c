/* False alarms and power of the leak detector on a fixed seed, with bounds that chance allows. */
#include "check.h"

#include "base/attr.h"
#include "leak_judge.h"

enum { RUNS = 30, SEED = 500, MINUTES = 60 };

static int64_t count_leaks(trace_shape shape, double leak)
{
    int64_t found = 0;
    for (uint64_t run = 0; run < RUNS; run++) {
        found += judge_trace(shape, 60.0 * MINUTES, leak, SEED + run) == SNUG_VERDICT_LEAK;
    }
    return found;
}

static void shapes_without_a_leak_raise_no_alarm(void **state)
{
    int64_t total = 0;
    SNUG_UNUSED(state);
    for (int shape = 0; shape < TRACE_SHAPES; shape++) {
        const int64_t found = count_leaks((trace_shape)shape, 0);
        print_message("%-10s %lld of %d false\n", trace_names[shape], (long long)found, RUNS);
        /* P(X >= 4) of binomial(30, 0.01) is 0.0002. */
        CHECK(found <= 3);
        total += found;
    }
    /* P(X >= 10) of binomial(270, 0.01) is 0.0005. */
    CHECK(total <= 9);
}

static void a_leak_of_a_fifth_an_hour_is_found(void **state)
{
    int64_t total = 0;
    SNUG_UNUSED(state);
    for (int shape = 0; shape < TRACE_SHAPES; shape++) {
        const int64_t found = count_leaks((trace_shape)shape, 0.2);
        print_message("%-10s %lld of %d found\n", trace_names[shape], (long long)found, RUNS);
        /* P(X <= 23) of binomial(30, 0.95) is 0.0006. */
        CHECK(found >= 24);
        total += found;
    }
    /* P(X <= 244) of binomial(270, 0.95) is 0.001. */
    CHECK(total >= 245);
}

/* A start that is not over after ten minutes is no leak yet, and is not called one. */
static void short_runs_do_not_accuse(void **state)
{
    int64_t found = 0;
    SNUG_UNUSED(state);
    for (int shape = 0; shape < TRACE_SHAPES; shape++) {
        for (uint64_t run = 0; run < RUNS; run++) {
            found += judge_trace((trace_shape)shape, 600, 0, SEED + run) == SNUG_VERDICT_LEAK;
        }
    }
    print_message("%lld of %d false in ten minutes\n", (long long)found, RUNS * TRACE_SHAPES);
    CHECK(found <= 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_without_a_leak_raise_no_alarm),
        cmocka_unit_test(a_leak_of_a_fifth_an_hour_is_found),
        cmocka_unit_test(short_runs_do_not_accuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
