/* labels: thread */
#include "check.h"

#include "array_check.h"
#include "ops/cpu/elementwise.h"
#include "ops/ref/elementwise_ref.h"

enum { COUNT = 40007 };

/* One rounding each: the reference rounded to f32 is the answer, to the bit. */
static void simple_kernels_round_the_reference(void **state)
{
    (void)state;
    test_random random = {9};
    float *a = random_floats(&random, COUNT);
    float *b = random_floats(&random, COUNT);
    float *y = test_floats(COUNT);
    for (int64_t i = 0; i < COUNT; i++) {
        a[i] = a[i] < 0.0f ? 0.0f : a[i]; /* An output of ReLU. */
    }
    a[3] = NAN;
    double *ra = to_doubles(a, COUNT);
    double *rb = to_doubles(b, COUNT);
    double *ry = to_doubles(b, COUNT);
    for (int64_t run = 0; run < 3 * TEST_RUNNERS; run++) {
        const snug_kernel_isa isa = (snug_kernel_isa)(run % 3);
        const snug_parallel runner = test_runner(run / 3);
        if (!isa_runs_here(isa)) {
            continue;
        }
        snug_relu_backward(isa, COUNT, a, b, y, &runner);
        snug_ref_relu_backward(COUNT, ra, rb, ry);
        for (int64_t i = 0; i < COUNT; i++) {
            CHECK(y[i] == (float)ry[i]);
        }
        CHECK(y[3] == b[3]);
        snug_sum(isa, COUNT, 2, (const float *const[]){a, b}, y, &runner);
        snug_ref_add(COUNT, ra, rb, ry);
        for (int64_t i = 0; i < COUNT; i++) {
            CHECK(y[i] == (float)ry[i] || (i == 3 && isnan(y[i])));
        }
        memcpy(y, b, COUNT * sizeof *y);
        snug_sum(isa, COUNT, 4, (const float *const[]){y, a, b, a}, y, &runner);
        for (int64_t i = 0; i < COUNT; i++) {
            CHECK(y[i] == b[i] + a[i] + b[i] + a[i] || (i == 3 && isnan(y[i])));
        }
    }
    float *const floats[] = {a, b, y};
    double *const doubles[] = {ra, rb, ry};
    for (int i = 0; i < 3; i++) {
        free(floats[i]);
        free(doubles[i]);
    }
}

static void crop_uses_the_last_rows(void **state)
{
    (void)state;
    const snug_crop_shape shape = {.samples = 3, .rows = 5, .rows_in = 13, .cols = 21};
    const int64_t small = 3 * 5 * 21;
    const int64_t large = 3 * 13 * 21;
    test_random random = {10};
    float *a = random_floats(&random, small);
    float *b = random_floats(&random, large);
    float *y = test_floats(small);
    double *ra = to_doubles(a, small);
    double *rb = to_doubles(b, large);
    double *ry = to_doubles(a, small);
    double *rdb = to_doubles(b, large);
    for (int64_t run = 0; run < 3 * TEST_RUNNERS; run++) {
        const snug_kernel_isa isa = (snug_kernel_isa)(run % 3);
        const snug_parallel runner = test_runner(run / 3);
        if (!isa_runs_here(isa)) {
            continue;
        }
        snug_add_crop(isa, &shape, a, b, y, &runner);
        snug_ref_add_crop(&shape, ra, rb, ry);
        for (int64_t i = 0; i < small; i++) {
            CHECK(y[i] == (float)ry[i]);
        }
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            float *db = copy_floats(b, large);
            snug_add_crop_backward(isa, &shape, accumulate != 0, a, db, &runner);
            memcpy(rdb, rb, (size_t)large * sizeof(double));
            snug_ref_add_crop_backward(&shape, accumulate != 0, ra, rdb);
            for (int64_t i = 0; i < large; i++) {
                CHECK(db[i] == (float)rdb[i]);
            }
            free(db);
        }
    }
    /* The transpose: <crop(b), a> = <b, crop^T(a)>. */
    snug_crop_shape one = {.samples = 1, .rows = 5, .rows_in = 13, .cols = 21};
    double left = 0.0;
    double right = 0.0;
    double zero[5 * 21] = {0};
    snug_ref_add_crop(&one, zero, rb, ry);
    snug_ref_add_crop_backward(&one, false, ra, rdb);
    for (int64_t i = 0; i < 5 * 21; i++) {
        left += ry[i] * ra[i];
    }
    for (int64_t i = 0; i < 13 * 21; i++) {
        right += rb[i] * rdb[i];
    }
    CHECK(fabs(left - right) < 1e-12);
    float *const floats[] = {a, b, y};
    double *const doubles[] = {ra, rb, ry, rdb};
    for (int i = 0; i < 4; i++) {
        free(i < 3 ? floats[i] : NULL);
        free(doubles[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_kernels_round_the_reference),
        cmocka_unit_test(crop_uses_the_last_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
