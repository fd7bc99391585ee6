/* labels: fast */
#include "check.h"

#include "monitor/pressure.h"

static const int64_t MIB = 1 << 20;

/* A run of 1000 MiB that has taken all of its memory, on a machine with room. */
static snug_pressure_facts calm(double t)
{
    return (snug_pressure_facts){.t = t,
                                 .headroom_bytes = 4000 * MIB,
                                 .budget_bytes = 1000 * MIB,
                                 .caches_left = true,
                                 .can_shrink = true};
}

static void nothing_is_done_without_need(void **state)
{
    snug_pressure pressure;
    (void)state;
    snug_pressure_init(&pressure, &(snug_pressure_options){0});
    for (int i = 0; i < 1000; i++) {
        snug_pressure_facts facts = calm(i);
        CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_NONE);
    }
    CHECK(pressure.level == SNUG_LEVEL_OK && pressure.reason[0] == '\0');
}

static void a_warning_drops_caches_then_shrinks(void **state)
{
    snug_pressure pressure;
    (void)state;
    snug_pressure_init(&pressure, &(snug_pressure_options){0});
    snug_pressure_facts facts = calm(1);
    facts.headroom_bytes = 49 * MIB;
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_DROP_CACHES);
    CHECK(strstr(pressure.reason, "49.0 MiB free, the plan still takes 0 B") != NULL);
    facts.caches_left = false;
    /* The action has two seconds to show its effect. */
    facts.t = 2.9;
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_NONE);
    facts.t = 3;
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_SHRINK);
    facts.t = 5;
    facts.can_shrink = false;
    /* At a warning nothing is stopped. */
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_NONE);
    /* At 5 % of the budget there is no warning. */
    facts.headroom_bytes = 50 * MIB;
    facts.t = 6;
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_NONE);
    CHECK(pressure.level == SNUG_LEVEL_WARNING);
    facts.t = 15.9;
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_NONE);
    CHECK(pressure.level == SNUG_LEVEL_WARNING);
    facts.t = 16;
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_NONE);
    CHECK(pressure.level == SNUG_LEVEL_OK);
}

static void a_plan_that_cannot_be_kept_shrinks_or_stops(void **state)
{
    snug_pressure pressure;
    (void)state;
    snug_pressure_init(&pressure, &(snug_pressure_options){0});
    snug_pressure_facts facts = calm(1);
    facts.needed_bytes = 300 * MIB;
    facts.headroom_bytes = 299 * MIB;
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_SHRINK);
    facts.t = 3;
    facts.can_shrink = false;
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_DROP_CACHES);
    facts.t = 5;
    facts.caches_left = false;
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_STOP);
    CHECK(strstr(pressure.reason, "299.0 MiB free, the plan still takes 300.0 MiB") != NULL);
}

static void what_others_take_does_not_stop_a_run_unless_strict(void **state)
{
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        snug_pressure pressure;
        snug_pressure_init(&pressure, &(snug_pressure_options){.strict = strict == 1});
        snug_pressure_facts facts = calm(1);
        facts.level = SNUG_LEVEL_DANGER;
        facts.level_reason = "93 % of the machine's memory is used";
        facts.caches_left = false;
        CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_SHRINK);
        assert_string_equal(pressure.reason, facts.level_reason);
        facts.can_shrink = false;
        facts.t = 10;
        const snug_pressure_action action = snug_pressure_step(&pressure, &facts);
        CHECK(action == (strict == 1 ? SNUG_PRESSURE_STOP : SNUG_PRESSURE_NONE));
    }
}

static void policies_bound_the_ladder(void **state)
{
    snug_pressure pressure;
    (void)state;
    snug_pressure_facts facts = calm(1);
    facts.headroom_bytes = 0;
    facts.needed_bytes = MIB;
    facts.caches_left = false;
    snug_pressure_init(&pressure, &(snug_pressure_options){.policy = SNUG_PRESSURE_POLICY_STOP});
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_STOP);
    snug_pressure_init(&pressure, &(snug_pressure_options){.policy = SNUG_PRESSURE_POLICY_WARN});
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_WARN);
    for (int i = 2; i < 100; i++) {
        facts.t = i;
        CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_NONE);
    }
}

static void a_level_is_told_once_each_time_it_is_entered(void **state)
{
    snug_pressure pressure;
    int told = 0;
    (void)state;
    snug_pressure_init(&pressure, &(snug_pressure_options){.hold_s = 10});
    /* It comes and goes each second: one level, told once, for as long as this lasts. */
    for (int i = 0; i < 100; i++) {
        snug_pressure_facts facts = calm(i);
        facts.level = i % 2 == 0 ? SNUG_LEVEL_NOTICE : SNUG_LEVEL_OK;
        told += snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_WARN ? 1 : 0;
    }
    CHECK(told == 1);
    for (int i = 100; i < 120; i++) {
        snug_pressure_facts facts = calm(i);
        CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_NONE);
    }
    snug_pressure_facts facts = calm(130);
    facts.level = SNUG_LEVEL_NOTICE;
    CHECK(snug_pressure_step(&pressure, &facts) == SNUG_PRESSURE_WARN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_done_without_need),
        cmocka_unit_test(a_warning_drops_caches_then_shrinks),
        cmocka_unit_test(a_plan_that_cannot_be_kept_shrinks_or_stops),
        cmocka_unit_test(what_others_take_does_not_stop_a_run_unless_strict),
        cmocka_unit_test(policies_bound_the_ladder),
        cmocka_unit_test(a_level_is_told_once_each_time_it_is_entered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
