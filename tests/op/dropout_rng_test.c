#include "check.h"

#include <math.h>

#include "array_check.h"
#include "ops/ref/dropout_ref.h"

enum { COUNT_MAX = 2000 };

static void every_set_gives_the_numbers_of_the_reference(void **state)
{
    (void)state;
    static float out[COUNT_MAX + 1];
    const int64_t firsts[] = {
        0, 1, 15, 16, 127, 128, 777, (INT64_C(1) << 36) - 40, (INT64_C(1) << 51) + 3};
    const int64_t counts[] = {0, 1, 16, 17, 128, 129, 700, COUNT_MAX};
    const snug_dropout_key key = {
        .seed = 0x1234567890abcdef, .epoch = 3, .position = (INT64_C(1) << 33) + 5, .stream = 9};
    const uint32_t threshold = snug_dropout_threshold(0.1f);
    const float scale = snug_dropout_scale(threshold);
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        for (int64_t i = 0; i < SNUG_COUNT(firsts) && isa_runs_here((snug_kernel_isa)isa); i++) {
            for (int64_t c = 0; c < SNUG_COUNT(counts); c++) {
                out[counts[c]] = -7.0f;
                snug_dropout_keep_on((snug_kernel_isa)isa, &key, firsts[i], counts[c], threshold,
                                     scale, out);
                for (int64_t k = 0; k < counts[c]; k++) {
                    const double right =
                        snug_ref_dropout_keep(&key, firsts[i] + k, threshold, (double)scale);
                    CHECK((double)out[k] == right);
                }
                CHECK(out[counts[c]] == -7.0f);
            }
        }
    }
}

static void strides_between_groups_are_followed(void **state)
{
    (void)state;
    uint32_t strided[5 * SNUG_DROPOUT_WORDS];
    uint32_t alone[SNUG_DROPOUT_WORDS];
    const snug_philox_key key = {{17, 19}};
    const int64_t stride = 65536;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        if (!isa_runs_here((snug_kernel_isa)isa)) {
            continue;
        }
        snug_dropout_draw_of((snug_kernel_isa)isa)(key, 4, 268435455, stride, 5, strided);
        for (int64_t g = 0; g < 5; g++) {
            snug_dropout_draw_scalar(key, 4, 268435455 + g * stride, 0, 1, alone);
            assert_memory_equal(alone, strided + g * SNUG_DROPOUT_WORDS, sizeof alone);
        }
    }
}

/* Each part of the address changes the numbers; what is kept is near the wanted share. */
static void addresses_are_apart_and_the_share_is_right(void **state)
{
    (void)state;
    enum { COUNT = 1 << 16 };
    static float out[6][COUNT];
    const snug_dropout_key keys[6] = {{1, 0, 0, 0}, {2, 0, 0, 0}, {1, 1, 0, 0},
                                      {1, 0, 1, 0}, {1, 0, 0, 1}, {1, 0, 0, 0}};
    const float probability[6] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.1f};
    for (int k = 0; k < 6; k++) {
        const uint32_t threshold = snug_dropout_threshold(probability[k]);
        const float scale = snug_dropout_scale(threshold);
        double kept = 0.0;
        double sum = 0.0;
        snug_dropout_keep(&keys[k], 0, COUNT, threshold, scale, out[k]);
        for (int64_t i = 0; i < COUNT; i++) {
            kept += out[k][i] > 0.0f ? 1.0 : 0.0;
            sum += (double)out[k][i];
        }
        /* Five standard deviations of the share of COUNT numbers. */
        const double p = 1.0 - (double)probability[k];
        CHECK(fabs(kept / COUNT - p) < 5.0 * sqrt(p * (1.0 - p) / COUNT));
        CHECK(fabs(sum / COUNT - 1.0) < 0.02);
    }
    for (int k = 1; k < 5; k++) {
        double same = 0.0;
        for (int64_t i = 0; i < COUNT; i++) {
            same += out[0][i] == out[k][i] ? 1.0 : 0.0;
        }
        CHECK(fabs(same / COUNT - 0.5) < 5.0 * 0.5 / sqrt(COUNT));
    }
}

static void thresholds_are_the_nearest_sixteenth_bit(void **state)
{
    (void)state;
    CHECK(snug_dropout_threshold(0.0f) == 65536);
    CHECK(snug_dropout_scale(65536) == 1.0f);
    CHECK(snug_dropout_threshold(0.5f) == 32768);
    CHECK(snug_dropout_threshold(0.1f) == 58982);
    CHECK(snug_dropout_threshold(0.99999994f) == 1);
    CHECK(fabs((double)snug_dropout_scale(58982) * 58982.0 / 65536.0 - 1.0) < 1e-7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_gives_the_numbers_of_the_reference),
        cmocka_unit_test(strides_between_groups_are_followed),
        cmocka_unit_test(addresses_are_apart_and_the_share_is_right),
        cmocka_unit_test(thresholds_are_the_nearest_sixteenth_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
