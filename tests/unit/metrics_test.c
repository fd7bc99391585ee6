/* labels: fast */
#include "check.h"

#include <math.h>

#include "base/attr.h"
#include "base/limits.h"
#include "train/metrics.h"

enum { ROWS = 7, TARGETS = 2 };

static _Alignas(SNUG_ALIGN) unsigned char block[4096];

static snug_metrics make(snug_arena *arena, int64_t targets)
{
    snug_error err = {0};
    snug_metrics metrics;
    snug_arena_init(arena, "metrics", block, sizeof block);
    CHECK_OK(snug_metrics_init(&metrics, targets, arena, &err));
    return metrics;
}

static void fill(float prediction[ROWS * TARGETS], float target[ROWS * TARGETS])
{
    for (int i = 0; i < ROWS * TARGETS; i++) {
        prediction[i] = 0.5f * (float)((i * 5) % 7) - 1.0f;
        target[i] = 0.25f * (float)((i * 3) % 11) + (float)(i % TARGETS);
    }
}

/** The definitions, written out: two passes, the mean first. */
static void by_definition(const float *prediction, const float *target, const unsigned char *mask,
                          const float *mean, const float *std, double mse[TARGETS],
                          double mae[TARGETS], double r2[TARGETS])
{
    for (int k = 0; k < TARGETS; k++) {
        double count = 0, sum = 0, square = 0, absolute = 0, total = 0;
        for (int row = 0; row < ROWS; row++) {
            if (mask[row] != 0) {
                sum += (double)target[row * TARGETS + k] * (double)std[k] + (double)mean[k];
                count += 1;
            }
        }
        for (int row = 0; row < ROWS; row++) {
            if (mask[row] != 0) {
                const double y =
                    (double)target[row * TARGETS + k] * (double)std[k] + (double)mean[k];
                const double p =
                    (double)prediction[row * TARGETS + k] * (double)std[k] + (double)mean[k];
                square += (p - y) * (p - y);
                absolute += fabs(p - y);
                total += (y - sum / count) * (y - sum / count);
            }
        }
        mse[k] = square / count;
        mae[k] = absolute / count;
        r2[k] = 1.0 - square / total;
    }
}

static void sums_are_the_definitions(void **state)
{
    SNUG_UNUSED(state);
    static const unsigned char mask[ROWS] = {1, 0, 1, 1, 0, 1, 1};
    static const float mean[TARGETS] = {10.0f, -3.0f}, std[TARGETS] = {2.0f, 0.5f};
    float prediction[ROWS * TARGETS], target[ROWS * TARGETS];
    double mse[TARGETS], mae[TARGETS], r2[TARGETS], want[3][TARGETS];
    snug_arena arena;
    snug_metrics metrics = make(&arena, TARGETS);
    fill(prediction, target);
    const snug_metrics_sample sample = {.rows = ROWS,
                                        .prediction = prediction,
                                        .target = target,
                                        .mask = mask,
                                        .mean = mean,
                                        .std = std};
    snug_metrics_add(&metrics, &sample);
    const snug_metrics_result result = snug_metrics_finish(&metrics, mse, mae, r2);
    by_definition(prediction, target, mask, mean, std, want[0], want[1], want[2]);
    for (int k = 0; k < TARGETS; k++) {
        /* Sums of squares of numbers near 10 lose some bits of the variance. */
        CHECK(fabs(mse[k] - want[0][k]) <= 1e-12 * want[0][k]);
        CHECK(fabs(mae[k] - want[1][k]) <= 1e-12 * want[1][k]);
        CHECK(fabs(r2[k] - want[2][k]) <= 1e-9);
    }
    CHECK(fabs(result.mse - 0.5 * (mse[0] + mse[1])) <= 1e-15);
    CHECK(fabs(result.mae - 0.5 * (mae[0] + mae[1])) <= 1e-15);
    CHECK(fabs(result.r2 - 0.5 * (r2[0] + r2[1])) <= 1e-12);
    assert_int_equal(metrics.samples, 1);
    CHECK(metrics.rows == 5.0);
}

static void samples_add_up_and_a_reset_forgets(void **state)
{
    SNUG_UNUSED(state);
    float prediction[ROWS * TARGETS], target[ROWS * TARGETS];
    double whole[TARGETS], parts[TARGETS], mae[TARGETS], r2[TARGETS];
    snug_arena arena;
    snug_metrics metrics = make(&arena, TARGETS);
    fill(prediction, target);
    snug_metrics_sample sample = {.rows = ROWS, .prediction = prediction, .target = target};
    snug_metrics_add(&metrics, &sample);
    (void)snug_metrics_finish(&metrics, whole, mae, r2);
    snug_metrics_reset(&metrics);
    assert_int_equal(metrics.samples, 0);
    CHECK(metrics.rows == 0.0);
    for (int row = 0; row < ROWS; row++) {
        sample = (snug_metrics_sample){.rows = 1,
                                       .prediction = prediction + (ptrdiff_t)row * TARGETS,
                                       .target = target + (ptrdiff_t)row * TARGETS};
        snug_metrics_add(&metrics, &sample);
    }
    (void)snug_metrics_finish(&metrics, parts, mae, r2);
    assert_memory_equal(whole, parts, sizeof whole); /* The same order of sums: the same bits. */
    assert_int_equal(metrics.samples, ROWS);
}

static void perfect_constant_and_empty(void **state)
{
    SNUG_UNUSED(state);
    float target[ROWS] = {1, 2, 3, 4, 5, 6, 7};
    static const float flat[ROWS] = {4, 4, 4, 4, 4, 4, 4};
    static const unsigned char none[ROWS] = {0};
    snug_arena arena;
    snug_metrics metrics = make(&arena, 1);
    snug_metrics_result result = snug_metrics_finish(&metrics, NULL, NULL, NULL);
    CHECK(isnan(result.mse) && isnan(result.mae) && isnan(result.r2));

    snug_metrics_add(&metrics,
                     &(snug_metrics_sample){.rows = ROWS, .prediction = target, .target = target});
    result = snug_metrics_finish(&metrics, NULL, NULL, NULL);
    CHECK(result.mse == 0.0 && result.mae == 0.0 && result.r2 == 1.0);

    /* The mean as a prediction explains nothing. */
    snug_metrics_reset(&metrics);
    snug_metrics_add(&metrics,
                     &(snug_metrics_sample){.rows = ROWS, .prediction = flat, .target = target});
    result = snug_metrics_finish(&metrics, NULL, NULL, NULL);
    CHECK(result.mse == 4.0 && fabs(result.r2) <= 1e-15);

    /* A target that does not vary has nothing to explain. */
    snug_metrics_reset(&metrics);
    snug_metrics_add(&metrics,
                     &(snug_metrics_sample){.rows = ROWS, .prediction = target, .target = flat});
    result = snug_metrics_finish(&metrics, NULL, NULL, NULL);
    CHECK(result.mse == 4.0 && result.r2 == 0.0);

    snug_metrics_reset(&metrics);
    snug_metrics_add(&metrics, &(snug_metrics_sample){.rows = ROWS,
                                                      .prediction = target,
                                                      .target = flat,
                                                      .mask = none});
    result = snug_metrics_finish(&metrics, NULL, NULL, NULL);
    CHECK(isnan(result.mse) && isnan(result.r2));
    assert_int_equal(metrics.samples, 1);

    /* A NaN is seen, not hidden. */
    snug_metrics_reset(&metrics);
    target[3] = NAN;
    snug_metrics_add(&metrics,
                     &(snug_metrics_sample){.rows = ROWS, .prediction = target, .target = flat});
    result = snug_metrics_finish(&metrics, NULL, NULL, NULL);
    CHECK(isnan(result.mse) && isnan(result.mae));
}

static void an_arena_without_room(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    snug_arena arena;
    snug_metrics metrics = {.target_count = -5};
    snug_arena_init(&arena, "metrics", block, 64);
    CHECK_FAILS(snug_metrics_init(&metrics, 100, &arena, &err), SNUG_CODE_LIMIT);
    assert_int_equal(metrics.target_count, -5);
    assert_int_equal(arena.used_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_the_definitions),
        cmocka_unit_test(samples_add_up_and_a_reset_forgets),
        cmocka_unit_test(perfect_constant_and_empty),
        cmocka_unit_test(an_arena_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
