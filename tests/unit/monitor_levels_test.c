/* labels: fast */
#include "check.h"

#include <math.h>

#include "monitor/history.h"
#include "monitor/levels.h"

static snug_levels levels;
static snug_history history;
static const double MIB = 1048576.0;

static snug_reading at(double t, double cgroup_mib, double limit_mib)
{
    snug_reading sample = {.t = t};
    snug_reading_set(&sample, SNUG_FIELD_CGROUP, cgroup_mib * MIB);
    snug_reading_set(&sample, SNUG_FIELD_CGROUP_LIMIT, limit_mib * MIB);
    return sample;
}

static void begin(bool percent, bool headroom)
{
    snug_levels_init(&levels,
                     &(snug_levels_options){.by_percent = percent, .by_headroom = headroom});
}

static const char *reason_text(void)
{
    static char text[SNUG_LEVELS_REASON_BYTES];
    return snug_level_reason_text(&levels.reason, false, text);
}

static void percents_are_those_of_the_requirement(void **state)
{
    (void)state;
    static const struct {
        double mib;
        snug_level level;
    } cases[] = {{70, SNUG_LEVEL_OK},
                 {71, SNUG_LEVEL_NOTICE},
                 {81, SNUG_LEVEL_WARNING},
                 {90, SNUG_LEVEL_WARNING},
                 {91, SNUG_LEVEL_DANGER}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(true, false);
        const snug_reading sample = at(0, cases[i].mib, 100);
        CHECK(snug_levels_update(&levels, &sample) == (cases[i].level != SNUG_LEVEL_OK));
        CHECK(levels.level == cases[i].level);
        CHECK((reason_text()[0] != '\0') == (cases[i].level != SNUG_LEVEL_OK));
    }
    begin(true, false);
    snug_reading gpu = {0};
    snug_reading_set(&gpu, SNUG_FIELD_GPU_PERCENT, 96);
    CHECK(snug_levels_update(&levels, &gpu));
    CHECK(levels.level == SNUG_LEVEL_DANGER);
    CHECK(strstr(reason_text(), "GPU") != NULL);
}

static void what_the_kernel_gives_up_first_does_not_count(void **state)
{
    (void)state;
    begin(true, false);
    snug_reading sample = at(0, 95, 100);
    snug_reading_set(&sample, SNUG_FIELD_CGROUP_CACHE, 50 * MIB);
    CHECK(!snug_levels_update(&levels, &sample));
}

static void the_tightest_limit_counts(void **state)
{
    (void)state;
    snug_levels_init(&levels, &(snug_levels_options){.by_percent = true,
                                                     .limit_bytes = (int64_t)(50 * MIB),
                                                     .machine_bytes = (int64_t)(1000 * MIB)});
    snug_reading sample = at(0, 60, 100);
    snug_reading_set(&sample, SNUG_FIELD_RSS, 46 * MIB);
    snug_reading_set(&sample, SNUG_FIELD_USED, 300 * MIB);
    CHECK(snug_levels_update(&levels, &sample));
    CHECK(levels.level == SNUG_LEVEL_DANGER);
    CHECK(strstr(reason_text(), "given limit") != NULL);
}

static void little_headroom_is_a_warning(void **state)
{
    (void)state;
    begin(false, true);
    snug_reading sample = at(0, 94, 100);
    CHECK(!snug_levels_update(&levels, &sample));
    sample = at(1, 96, 100);
    CHECK(snug_levels_update(&levels, &sample));
    CHECK(levels.level == SNUG_LEVEL_WARNING);
    /* Less than twice the largest step. */
    begin(false, true);
    sample = at(0, 100, 1000);
    CHECK(!snug_levels_update(&levels, &sample));
    sample = at(4, 500, 1000);
    CHECK(snug_levels_update(&levels, &sample));
    CHECK(strstr(reason_text(), "largest step") != NULL);
}

static void less_than_a_second_left_is_danger(void **state)
{
    (void)state;
    begin(false, true);
    snug_reading sample = at(0, 100, 1000);
    CHECK(!snug_levels_update(&levels, &sample));
    sample = at(1, 700, 1000);
    CHECK(snug_levels_update(&levels, &sample));
    CHECK(levels.level == SNUG_LEVEL_DANGER);
    CHECK(fabs(snug_levels_seconds_left(&levels) - 0.5) < 1e-9);
}

static void slow_growth_is_a_notice_in_time(void **state)
{
    (void)state;
    begin(false, true);
    bool changed = false;
    double t = 0;
    /* 5 MiB a second: 80 % of 1000 are a minute away at 500. */
    for (; t < 200 && !changed; t++) {
        const snug_reading sample = at(t, 100 + 5 * t, 1000);
        changed = snug_levels_update(&levels, &sample);
    }
    CHECK(levels.level == SNUG_LEVEL_NOTICE);
    CHECK(t - 1 > 79 && t - 1 < 83);
}

static void pressure_is_a_level_of_its_own(void **state)
{
    (void)state;
    begin(false, true);
    snug_reading sample = {0};
    snug_reading_set(&sample, SNUG_FIELD_PSI_SOME, 11);
    snug_reading_set(&sample, SNUG_FIELD_PSI_FULL, 0);
    CHECK(snug_levels_update(&levels, &sample) && levels.level == SNUG_LEVEL_WARNING);
    snug_reading_set(&sample, SNUG_FIELD_PSI_FULL, 21);
    CHECK(snug_levels_update(&levels, &sample) && levels.level == SNUG_LEVEL_DANGER);
}

static void a_level_is_left_after_ten_calm_seconds(void **state)
{
    (void)state;
    begin(true, false);
    snug_reading sample = at(0, 95, 100);
    CHECK(snug_levels_update(&levels, &sample));
    for (double t = 1; t < 11; t++) {
        sample = at(t, 10, 100);
        CHECK(!snug_levels_update(&levels, &sample));
    }
    sample = at(11, 10, 100);
    CHECK(snug_levels_update(&levels, &sample));
    CHECK(levels.level == SNUG_LEVEL_OK && levels.highest == SNUG_LEVEL_DANGER);
    CHECK(levels.entered[SNUG_LEVEL_DANGER] == 1);
}

static void a_long_history_keeps_peaks_and_figures(void **state)
{
    (void)state;
    const int64_t count = 100000;
    memset(&history, 0, sizeof history);
    for (int64_t i = 0; i < count; i++) {
        snug_reading sample = {.t = (double)i};
        snug_reading_set(&sample, SNUG_FIELD_RSS,
                         i == 54321 ? 9000 * MIB : 100 * MIB + (double)i * 1000);
        snug_history_add(&history, &sample);
    }
    CHECK(history.point_count <= SNUG_HISTORY_POINTS_MAX);
    CHECK(history.point_count > SNUG_HISTORY_POINTS_MAX / 2 - 2);
    double high = 0;
    for (int64_t i = 0; i < history.point_count; i++) {
        high = fmax(high, history.points[i].values[SNUG_CURVE_RSS]);
        CHECK(i == 0 || history.points[i].t > history.points[i - 1].t);
        CHECK(isnan(history.points[i].values[SNUG_CURVE_PSS]));
    }
    CHECK(high == 9000 * MIB);
    CHECK(history.points[history.point_count - 1].t == (double)(count - 1));
    const snug_field_figures *figures = &history.figures[SNUG_FIELD_RSS];
    CHECK(figures->count == count && figures->high == 9000 * MIB && figures->high_t == 54321);
    CHECK(figures->low == 100 * MIB);
    const double p95 = 100 * MIB + 0.95 * (double)count * 1000;
    CHECK(fabs(snug_figures_quantile(figures, 0.95) / p95 - 1) < 0.03);
    CHECK(fabs(snug_figures_mean(figures) / (100 * MIB + 0.5 * (double)count * 1000) - 1) < 0.01);
    CHECK(snug_figures_quantile(&history.figures[SNUG_FIELD_PSS], 0.5) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percents_are_those_of_the_requirement),
        cmocka_unit_test(what_the_kernel_gives_up_first_does_not_count),
        cmocka_unit_test(the_tightest_limit_counts),
        cmocka_unit_test(little_headroom_is_a_warning),
        cmocka_unit_test(less_than_a_second_left_is_danger),
        cmocka_unit_test(slow_growth_is_a_notice_in_time),
        cmocka_unit_test(pressure_is_a_level_of_its_own),
        cmocka_unit_test(a_level_is_left_after_ten_calm_seconds),
        cmocka_unit_test(a_long_history_keeps_peaks_and_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
