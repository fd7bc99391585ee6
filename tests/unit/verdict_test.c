/* Every verdict from a trace that was made to show it, by many seeds; projections; comparisons. */
#include "check.h"

#include <math.h>

#include "base/attr.h"
#include "leak_traces.h"
#include "monitor/verdict.h"

static const double MIB = 1048576.0;
enum { SECONDS = 1800, SEEDS = 20 };

static snug_log log_a, log_b;
static snug_verdict verdict;
static double scratch[2 * SNUG_SERIES_BINS_MAX];

/** What a made program does with its memory, MiB at second t. */
typedef enum story {
    STORY_STABLE,
    STORY_LEAK,
    STORY_SHARED_LEAK,
    STORY_FRAGMENTS,     /* The allocator's view stands still. */
    STORY_FRAGMENTS_LOG, /* Nobody counts, growth slows down. */
    STORY_FILE_CACHE,
    STORY_GROUP_CACHE,
    STORY_COPIES,
    STORY_STEP,
    STORY_WARM_UP,
    STORIES
} story;

static const snug_verdict_kind expected[STORIES] = {
    SNUG_VERDICT_STABLE,        SNUG_VERDICT_LEAK,          SNUG_VERDICT_LEAK,
    SNUG_VERDICT_FRAGMENTATION, SNUG_VERDICT_FRAGMENTATION, SNUG_VERDICT_CACHE_GROWTH,
    SNUG_VERDICT_CACHE_GROWTH,  SNUG_VERDICT_COPIES,        SNUG_VERDICT_STEP,
    SNUG_VERDICT_WARMING_UP};

static snug_sample tell(story of, trace *random, double t)
{
    const double noise = 2 * trace_normal(random);
    const double grown = 400 * t / SECONDS;
    double anon = 800 + noise;
    double file = 100;
    double shmem = 0;
    snug_sample sample = snug_log_sample_none(t);
    switch (of) {
    case STORY_LEAK:
        anon += grown;
        break;
    case STORY_SHARED_LEAK:
        shmem = grown;
        break;
    case STORY_FRAGMENTS:
        anon += grown;
        sample.values[SNUG_QUANTITY_LIVE] = (700 + noise) * MIB;
        break;
    case STORY_FRAGMENTS_LOG:
        anon += 120 * log1p(t / 60);
        break;
    case STORY_FILE_CACHE:
        file += grown;
        break;
    case STORY_STEP:
        anon += t > 0.4 * SECONDS ? 300 : 0;
        break;
    case STORY_WARM_UP:
        anon += 500 * (1 - exp(-t / 900));
        break;
    default:
        break;
    }
    sample.values[SNUG_QUANTITY_ANON] = anon * MIB;
    sample.values[SNUG_QUANTITY_FILE] = file * MIB;
    sample.values[SNUG_QUANTITY_SHMEM] = shmem * MIB;
    sample.values[SNUG_QUANTITY_RSS] = (anon + file + shmem) * MIB;
    if (of == STORY_GROUP_CACHE) {
        sample.values[SNUG_QUANTITY_CGROUP] = (anon + file + 50 + grown) * MIB;
        sample.values[SNUG_QUANTITY_CGROUP_CACHE] = (50 + grown) * MIB;
    }
    if (of == STORY_COPIES) {
        sample.values[SNUG_QUANTITY_PSS] = (300 + 500 * (1 - exp(-t / 600)) + noise) * MIB;
    }
    return sample;
}

static void make_log(snug_log *log, story of, uint64_t seed)
{
    trace random = trace_begin(TRACE_STATIONARY, SECONDS, 0, seed);
    memset(log, 0, sizeof *log);
    log->kind = SNUG_LOG_OURS;
    for (int64_t t = 0; t < SECONDS; t++) {
        const snug_sample sample = tell(of, &random, (double)t);
        snug_series_add(&log->series, &sample);
    }
}

static void every_story_is_named(void **state)
{
    int64_t right = 0;
    SNUG_UNUSED(state);
    for (int of = 0; of < STORIES; of++) {
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            make_log(&log_a, (story)of, seed);
            snug_verdict_find(&log_a, 0, &verdict);
            right += verdict.kind == expected[of];
            if (verdict.kind != expected[of]) {
                print_message("story %d seed %d: %s instead of %s: %s\n", of, (int)seed,
                              snug_verdict_name(verdict.kind), snug_verdict_name(expected[of]),
                              verdict.sentence);
            }
            CHECK(verdict.sentence[0] != '\0');
            CHECK(verdict.advice[0] != '\0');
        }
    }
    print_message("%d of %d named\n", (int)right, STORIES * SEEDS);
    /* The target is 95 %. */
    CHECK(right * 100 >= 95 * STORIES * SEEDS);
}

static void a_leak_names_its_source_and_rate(void **state)
{
    SNUG_UNUSED(state);
    make_log(&log_a, STORY_LEAK, 7);
    snug_verdict_find(&log_a, (int64_t)(2000 * MIB), &verdict);
    assert_int_equal(verdict.kind, SNUG_VERDICT_LEAK);
    assert_int_equal(verdict.source, SNUG_QUANTITY_ANON);
    const double truth = 400 * MIB / SECONDS;
    CHECK(verdict.rate_low <= truth && truth <= verdict.rate_high);
    CHECK(fabs(verdict.rate - truth) < 0.03 * truth);
    /* 900 + 400 at the end; 700 more to the limit at 800 MiB/h. */
    CHECK(fabs(verdict.reach_s - 700 * MIB / truth) < 0.05 * 700 * MIB / truth);
    CHECK(verdict.reach_s_early < verdict.reach_s && verdict.reach_s < verdict.reach_s_late);
    CHECK(!verdict.exceeded);
    snug_verdict_find(&log_a, (int64_t)(1200 * MIB), &verdict);
    CHECK(verdict.exceeded);
    CHECK(isnan(verdict.reach_s));
}

static void stable_fits_its_limit(void **state)
{
    SNUG_UNUSED(state);
    make_log(&log_a, STORY_STABLE, 3);
    log_a.limit = 1000 * MIB;
    snug_verdict_find(&log_a, 0, &verdict);
    CHECK(verdict.limit_of_group);
    CHECK(strncmp(verdict.projection, "fits:", 5) == 0);
    CHECK(isnan(verdict.reach_s));
}

static void a_few_samples_are_not_judged(void **state)
{
    SNUG_UNUSED(state);
    memset(&log_a, 0, sizeof log_a);
    for (int64_t t = 0; t < 10; t++) {
        snug_sample sample = snug_log_sample_none((double)t);
        sample.values[SNUG_QUANTITY_RSS] = (double)(100 + 50 * t) * MIB;
        snug_series_add(&log_a.series, &sample);
    }
    snug_verdict_find(&log_a, 0, &verdict);
    assert_int_equal(verdict.kind, SNUG_VERDICT_UNSURE);
    CHECK(strstr(verdict.sentence, "too few") != NULL);
    /* One sample and none must not hurt. */
    memset(&log_a, 0, sizeof log_a);
    snug_verdict_find(&log_a, 0, &verdict);
    assert_int_equal(verdict.kind, SNUG_VERDICT_UNSURE);
}

/* A rise of a quarter in 40 s may be a start: no name is given to it. */
static void a_short_rise_is_not_judged(void **state)
{
    SNUG_UNUSED(state);
    memset(&log_a, 0, sizeof log_a);
    for (int64_t t = 0; t < 40; t++) {
        snug_sample sample = snug_log_sample_none((double)t);
        sample.values[SNUG_QUANTITY_RSS] = (double)(200 + t) * MIB;
        sample.values[SNUG_QUANTITY_ANON] = (double)(150 + t) * MIB;
        snug_series_add(&log_a.series, &sample);
    }
    snug_verdict_find(&log_a, 0, &verdict);
    assert_int_equal(verdict.kind, SNUG_VERDICT_UNSURE);
    CHECK(strstr(verdict.sentence, "may be a start or a leak") != NULL);
}

/* Grows for `share` of 90 s, then gives a quarter back while it ends. */
static void grow_and_end(double share)
{
    memset(&log_a, 0, sizeof log_a);
    for (int64_t i = 0; i < 900; i++) {
        const double t = 0.1 * (double)i;
        snug_sample sample = snug_log_sample_none(t);
        const double level = 200 + 5.5 * fmin(t, 90 * share);
        sample.values[SNUG_QUANTITY_ANON] = (t > 90 * share ? 0.75 : 1) * level * MIB;
        sample.values[SNUG_QUANTITY_RSS] = sample.values[SNUG_QUANTITY_ANON] + 80 * MIB;
        snug_series_add(&log_a.series, &sample);
    }
}

static void an_end_that_takes_long_does_not_hide_the_growth(void **state)
{
    SNUG_UNUSED(state);
    grow_and_end(0.88);
    snug_verdict_find(&log_a, 0, &verdict);
    assert_int_equal(verdict.kind, SNUG_VERDICT_LEAK);
    CHECK(fabs(verdict.rate - 5.5 * MIB) < 0.1 * 5.5 * MIB);
    /* Half of the time at the end is no end any more; nothing is said to have grown by 0 B. */
    grow_and_end(0.5);
    snug_verdict_find(&log_a, 0, &verdict);
    CHECK(verdict.kind != SNUG_VERDICT_LEAK);
    CHECK(strstr(verdict.sentence, " 0 B ") == NULL);
    CHECK(strstr(verdict.sentence, "by -") == NULL);
}

static void epochs_make_the_floors(void **state)
{
    SNUG_UNUSED(state);
    make_log(&log_a, STORY_LEAK, 5);
    for (int64_t t = 60; t < SECONDS; t += 60) {
        snug_series_mark(&log_a.series, (double)t);
    }
    snug_verdict_find(&log_a, 0, &verdict);
    CHECK(verdict.evidence[SNUG_QUANTITY_ANON].floors.epochs);
    assert_int_equal(verdict.kind, SNUG_VERDICT_LEAK);
}

static void before_and_after_have_intervals(void **state)
{
    snug_difference difference;
    SNUG_UNUSED(state);
    make_log(&log_a, STORY_LEAK, 1);
    make_log(&log_b, STORY_STABLE, 2);
    snug_verdict_compare_level(&log_a.series, &log_b.series, SNUG_QUANTITY_RSS, scratch,
                               &difference);
    CHECK(difference.sure && difference.high < 0);
    CHECK(difference.low <= difference.after - difference.before);
    CHECK(difference.after - difference.before <= difference.high);
    make_log(&log_a, STORY_STABLE, 4);
    snug_verdict_compare_level(&log_a.series, &log_b.series, SNUG_QUANTITY_RSS, scratch,
                               &difference);
    CHECK(difference.low < 1 * MIB && difference.high > -1 * MIB);
    memset(&log_a, 0, sizeof log_a);
    snug_verdict_compare_level(&log_a.series, &log_b.series, SNUG_QUANTITY_RSS, scratch,
                               &difference);
    CHECK(isnan(difference.low) && !difference.sure);
}

static void bins_keep_lows_and_highs(void **state)
{
    SNUG_UNUSED(state);
    memset(&log_a, 0, sizeof log_a);
    for (int64_t t = 0; t < 100000; t++) {
        snug_sample sample = snug_log_sample_none(0.1 * (double)t);
        sample.values[SNUG_QUANTITY_RSS] = t == 77777 ? 9e9 : t == 33333 ? 1e3 : 1e6;
        snug_series_add(&log_a.series, &sample);
    }
    const snug_series *series = &log_a.series;
    double low = INFINITY;
    double high = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < series->bin_count; i++) {
        low = fmin(low, series->bins[i].cells[SNUG_QUANTITY_RSS].low);
        high = fmax(high, series->bins[i].cells[SNUG_QUANTITY_RSS].high);
        count += series->bins[i].count;
        CHECK(series->bins[i].cells[SNUG_QUANTITY_PSS].count == 0);
    }
    CHECK(series->bin_count <= SNUG_SERIES_BINS_MAX);
    CHECK(low == 1e3 && high == 9e9);
    assert_int_equal(count, 100000);
    CHECK(series->peaks[SNUG_QUANTITY_RSS] == 9e9);
    CHECK(series->known[SNUG_QUANTITY_PSS] == 0);
}

static void times_and_rates_read_well(void **state)
{
    char text[SNUG_TIME_TEXT_BYTES];
    SNUG_UNUSED(state);
    assert_string_equal(snug_time_text(3.14, text), "3.1 s");
    assert_string_equal(snug_time_text(185.4, text), "3 min 5 s");
    assert_string_equal(snug_time_text(3000, text), "50 min");
    assert_string_equal(snug_time_text(7860, text), "2 h 11 min");
    assert_string_equal(snug_time_text(3 * 86400, text), "3.0 days");
    assert_string_equal(snug_time_text(INFINITY, text), "never");
    assert_string_equal(snug_rate_text(1048576.0 / 3600, text), "+1.0 MiB/h");
    assert_string_equal(snug_rate_text(-1048576.0 / 3600, text), "-1.0 MiB/h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_story_is_named),
        cmocka_unit_test(a_leak_names_its_source_and_rate),
        cmocka_unit_test(stable_fits_its_limit),
        cmocka_unit_test(a_few_samples_are_not_judged),
        cmocka_unit_test(a_short_rise_is_not_judged),
        cmocka_unit_test(an_end_that_takes_long_does_not_hide_the_growth),
        cmocka_unit_test(epochs_make_the_floors),
        cmocka_unit_test(before_and_after_have_intervals),
        cmocka_unit_test(bins_keep_lows_and_highs),
        cmocka_unit_test(times_and_rates_read_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
