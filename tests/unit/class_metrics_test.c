/* labels: fast */
/* Metrics of classes against numbers by hand and against scikit-learn. */
#include "check.h"

#include <math.h>

#include "base/checked.h"
#include "train/class_metrics.h"

enum { CLASSES_MAX = 5 };

static _Alignas(SNUG_ALIGN) unsigned char block[4096];
static snug_error err;

static void open_metrics(int64_t classes, snug_class_metrics *out)
{
    snug_arena arena;
    snug_arena_init(&arena, "metrics", block, snug_class_metrics_bytes(classes));
    CHECK_OK(snug_class_metrics_open(classes, &arena, out, &err));
}

/** One sample of class `label` that is taken for `predicted`. */
static void add(snug_class_metrics *metrics, int32_t label, int64_t predicted)
{
    float logits[CLASSES_MAX];
    for (int64_t k = 0; k < metrics->classes; k++) {
        logits[k] = k == predicted ? 1.5f : -0.25f * (float)k;
    }
    snug_class_metrics_add(metrics, logits, label);
}

static void check_near(double have, double want)
{
    if (!(fabs(have - want) <= 1e-15)) {
        print_error("%.17g instead of %.17g\n", have, want);
        fail();
    }
}

static void counts_by_hand(void **state)
{
    (void)state;
    snug_class_metrics m;
    open_metrics(3, &m);
    /* Class 0: two right, one taken for 1. Class 1: one right. Class 2: two taken for 0. */
    static const int8_t samples[][2] = {{0, 0}, {0, 0}, {0, 1}, {1, 1}, {2, 0}, {2, 0}};
    static const int64_t confusion[9] = {2, 1, 0, 0, 1, 0, 2, 0, 0};
    for (int64_t i = 0; i < SNUG_COUNT(samples); i++) {
        add(&m, samples[i][0], samples[i][1]);
    }
    const snug_class_result result = snug_class_metrics_finish(&m);
    assert_memory_equal(m.confusion, confusion, sizeof confusion);
    check_near(result.accuracy, 3.0 / 6.0);
    check_near(m.precision[0], 2.0 / 4.0);
    check_near(m.recall[0], 2.0 / 3.0);
    check_near(m.f1[0], 4.0 / 7.0);
    check_near(m.precision[1], 1.0 / 2.0);
    check_near(m.recall[1], 1.0);
    check_near(m.f1[1], 2.0 / 3.0);
    /* Never predicted: no precision to speak of, which is 0. */
    check_near(m.precision[2], 0.0);
    check_near(m.recall[2], 0.0);
    check_near(m.f1[2], 0.0);
    check_near(result.macro_f1, (4.0 / 7.0 + 2.0 / 3.0) / 3.0);
    check_near(result.macro_precision, (0.5 + 0.5) / 3.0);
    check_near(result.macro_recall, (2.0 / 3.0 + 1.0) / 3.0);
}

/**
 * 48 samples of five classes: 3 is only ever predicted, 4 is neither. The numbers are those of
 * scikit-learn 1.9.1: precision_recall_fscore_support(y, p, zero_division=0), once with
 * labels=range(5), once with average="macro".
 */
static void scikit_learn_agrees(void **state)
{
    (void)state;
    static const char y[] = "001000001000001201100200100101001201011011110110";
    static const char p[] = "101000201030031221200002210101011201111011010220";
    static const double precision[5] = {0.9, 0.76470588235294112, 0.22222222222222221, 0, 0};
    static const double recall[5] = {0.66666666666666663, 0.72222222222222221, 0.66666666666666663,
                                     0, 0};
    static const double f1[5] = {0.76595744680851063, 0.74285714285714288, 0.33333333333333331, 0,
                                 0};
    snug_class_metrics m;
    open_metrics(5, &m);
    for (int64_t i = 0; y[i] != '\0'; i++) {
        add(&m, y[i] - '0', p[i] - '0');
    }
    const snug_class_result result = snug_class_metrics_finish(&m);
    for (int64_t k = 0; k < 5; k++) {
        check_near(m.precision[k], precision[k]);
        check_near(m.recall[k], recall[k]);
        check_near(m.f1[k], f1[k]);
    }
    check_near(result.accuracy, 0.6875);
    check_near(result.macro_precision, 0.47173202614379084);
    check_near(result.macro_recall, 0.51388888888888884);
    check_near(result.macro_f1, 0.46053698074974669);
}

static void of_equal_logits_the_first_counts(void **state)
{
    (void)state;
    const float low = -INFINITY;
    static const float ties[][3] = {{1, 1, 1}, {0, 2, 2}, {-1, -3, -1}, {0.0f, -0.0f, 0.0f}};
    static const int64_t wanted[] = {0, 1, 0, 0};
    for (int64_t i = 0; i < SNUG_COUNT(wanted); i++) {
        assert_int_equal(snug_class_of(ties[i], 3), wanted[i]);
    }
    assert_int_equal(snug_class_of((const float[]){low, low, 4.0f}, 3), 2);
    assert_int_equal(snug_class_of((const float[]){7.0f}, 1), 0);
}

static void without_labels_nothing_counts(void **state)
{
    (void)state;
    snug_class_metrics m;
    open_metrics(2, &m);
    add(&m, -1, 0);
    add(&m, -1, 1);
    snug_class_result result = snug_class_metrics_finish(&m);
    check_near(result.accuracy, 0.0);
    check_near(result.macro_f1, 0.0);
    add(&m, 1, 1);
    result = snug_class_metrics_finish(&m);
    /* Class 0 is neither labelled nor predicted: the mean is over class 1 alone. */
    check_near(result.accuracy, 1.0);
    check_near(result.macro_f1, 1.0);
    assert_int_equal(m.confusion[3], 1);
    snug_class_metrics_reset(&m);
    result = snug_class_metrics_finish(&m);
    check_near(result.accuracy, 0.0);
    assert_int_equal(m.confusion[3], 0);
}

static void an_arena_too_small_is_refused(void **state)
{
    (void)state;
    snug_arena arena;
    snug_class_metrics m = {.classes = 77};
    snug_arena_init(&arena, "metrics", block, 128);
    CHECK_FAILS(snug_class_metrics_open(5, &arena, &m, &err), SNUG_CODE_LIMIT);
    assert_int_equal(m.classes, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_hand),
        cmocka_unit_test(scikit_learn_agrees),
        cmocka_unit_test(of_equal_logits_the_first_counts),
        cmocka_unit_test(without_labels_nothing_counts),
        cmocka_unit_test(an_arena_too_small_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
