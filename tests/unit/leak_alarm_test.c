/* The alarm of a running watch: false alarms over a day of simulated programs, and how soon. */
#include "check.h"

#include "alarm_judge.h"
#include "base/attr.h"

enum { RUNS = 12, SEED = 900 };
static const double HOUR_S = 3600;

/* Runs with an alarm, over all shapes. */
static int64_t count_alarms(double hours, double leak)
{
    int64_t found = 0;
    for (int shape = 0; shape < TRACE_SHAPES; shape++) {
        for (uint64_t run = 0; run < RUNS; run++) {
            found += alarm_time((trace_shape)shape, hours * HOUR_S, leak, SEED + run) >= 0;
        }
    }
    print_message("%lld of %d in %g h, leak %g/h\n", (long long)found, RUNS * TRACE_SHAPES, hours,
                  leak);
    return found;
}

static void a_day_without_a_leak_is_quiet(void **state)
{
    SNUG_UNUSED(state);
    /* P(X >= 6) of binomial(108, 0.01) is 0.001. */
    CHECK(count_alarms(24, 0) <= 5);
}

static void a_leak_of_a_fifth_an_hour_is_told_within_two_hours(void **state)
{
    SNUG_UNUSED(state);
    CHECK(count_alarms(2, 0.2) >= RUNS * TRACE_SHAPES * 9 / 10);
}

static void the_rate_is_that_of_the_leak_and_it_is_told_once(void **state)
{
    static snug_leak_alarm alarm;
    int64_t told = 0;
    SNUG_UNUSED(state);
    for (double t = 0; t < 3 * HOUR_S; t += 1) {
        told += snug_leak_alarm_add(&alarm, t, 1e9 + 1e5 * t) ? 1 : 0;
    }
    CHECK(told == 1 && alarm.raised);
    CHECK(alarm.rate_low <= 1e5 * 1.001 && alarm.rate_high >= 1e5 * 0.999);
    CHECK(alarm.rate > 0.98e5 && alarm.rate < 1.02e5);
    CHECK(alarm.count <= SNUG_LEAK_STRETCHES);
}

/* Samples may come at any distance; long gaps and many of them do not break it. */
static void gaps_and_crowds_are_fine(void **state)
{
    static snug_leak_alarm alarm;
    SNUG_UNUSED(state);
    double t = 0;
    for (int64_t i = 0; i < 200000; i++) {
        t += i % 1000 == 0 ? 400 : 0.05;
        CHECK(!snug_leak_alarm_add(&alarm, t, 5e8));
    }
    CHECK(alarm.looks > 5 && !alarm.raised);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_without_a_leak_is_quiet),
        cmocka_unit_test(a_leak_of_a_fifth_an_hour_is_told_within_two_hours),
        cmocka_unit_test(the_rate_is_that_of_the_leak_and_it_is_told_once),
        cmocka_unit_test(gaps_and_crowds_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
