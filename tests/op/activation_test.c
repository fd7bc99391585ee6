/* labels: thread */
#include "check.h"

#include <math.h>

#include "array_check.h"
#include "ops/cpu/activation.h"
#include "ops/ref/activation_ref.h"
#include "ops/ref/dropout_ref.h"

enum { COUNT = 40001 };

/* From -14 to 14, where every branch and both tails are. */
static float *wide_floats(uint64_t seed)
{
    test_random random = {seed};
    float *x = random_floats(&random, COUNT);
    for (int64_t i = 0; i < COUNT; i++) {
        x[i] *= i % 4 == 0 ? 14.0f : 3.0f;
    }
    return x;
}

/* gelu keeps its relative accuracy in the left tail, down to where f32 ends. */
static void gelu_is_accurate_in_both_tails(void **state)
{
    (void)state;
    float *x = wide_floats(3);
    float *y = test_floats(COUNT);
    double *exact_x = to_doubles(x, COUNT);
    double *exact = test_memory(COUNT * (int64_t)sizeof(double));
    for (int approximate = 0; approximate < 2; approximate++) {
        double worst = 0.0;
        snug_gelu(SNUG_KERNEL_SCALAR, COUNT, approximate == 1, x, y, &snug_parallel_serial);
        snug_ref_gelu(COUNT, approximate == 1, exact_x, exact);
        for (int64_t i = 0; i < COUNT; i++) {
            /* The tanh form's argument grows with x^3: its rounding shows in the tail's exponent;
             * the reference itself loses the tail below -6 to 1 + tanh. */
            if (fabs(exact[i]) > 1e-30 && (approximate == 0 || exact_x[i] > -4.0)) {
                worst = fmax(worst, fabs((double)y[i] - exact[i]) / fabs(exact[i]));
            }
        }
        print_message("gelu %d: %.3g relative\n", approximate, worst);
        CHECK(worst < (approximate == 1 ? 4e-6 : 1e-6));
    }
    free(x);
    free(y);
    free(exact_x);
    free(exact);
}

/* The slope is about 1 at most; its zero near -0.75 makes a relative bound meaningless there. */
static void gradients_are_close_to_reference(void **state)
{
    (void)state;
    float *x = wide_floats(4);
    test_random random = {9};
    float *dy = random_floats(&random, COUNT);
    float *y = test_floats(COUNT);
    float *dx = test_floats(COUNT);
    double *exact_x = to_doubles(x, COUNT);
    double *exact_dy = to_doubles(dy, COUNT);
    double *exact = test_memory(COUNT * (int64_t)sizeof(double));
    for (int approximate = 0; approximate < 2; approximate++) {
        snug_gelu_backward(SNUG_KERNEL_SCALAR, COUNT, approximate == 1, x, dy, dx,
                           &snug_parallel_serial);
        snug_ref_gelu_backward(COUNT, approximate == 1, exact_x, exact_dy, exact);
        CHECK(array_distance(dx, exact, COUNT) < 1e-6);
    }
    snug_tanh(SNUG_KERNEL_SCALAR, COUNT, x, y, &snug_parallel_serial);
    snug_tanh_backward(SNUG_KERNEL_SCALAR, COUNT, y, dy, dx, &snug_parallel_serial);
    double *exact_y = to_doubles(y, COUNT);
    snug_ref_tanh_backward(COUNT, exact_y, exact_dy, exact);
    CHECK(array_distance(dx, exact, COUNT) < 1e-6);
    float *const floats[] = {x, dy, y, dx};
    double *const doubles[] = {exact_x, exact_dy, exact, exact_y};
    for (int i = 0; i < 4; i++) {
        free(floats[i]);
        free(doubles[i]);
    }
}

static void ends_and_nan(void **state)
{
    (void)state;
    const float x[6] = {1e30f, -1e30f, NAN, 0.0f, 100.0f, -100.0f};
    const float dy[6] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
    float y[6];
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        for (int approximate = 0; approximate < 2 && isa_runs_here((snug_kernel_isa)isa);
             approximate++) {
            snug_gelu((snug_kernel_isa)isa, 6, approximate == 1, x, y, &snug_parallel_serial);
            CHECK(y[0] == 1e30f && y[1] == 0.0f && isnan(y[2]) && y[3] == 0.0f);
            CHECK(y[4] == 100.0f && y[5] == 0.0f);
            snug_gelu_backward((snug_kernel_isa)isa, 6, approximate == 1, x, dy, y,
                               &snug_parallel_serial);
            CHECK(y[0] == 1.0f && y[1] == 0.0f && isnan(y[2]) && y[3] == 0.5f);
            CHECK(y[4] == 1.0f && y[5] == 0.0f);
        }
    }
}

typedef struct bits {
    float *gelu, *gelu_new, *gelu_grad, *gelu_new_grad, *tanh, *tanh_grad;
} bits;

static void run_range(snug_kernel_isa isa, int64_t first, int64_t count, const float *x,
                      const float *dy, const bits *b, const snug_parallel *parallel)
{
    snug_gelu(isa, count, false, x + first, b->gelu + first, parallel);
    snug_gelu(isa, count, true, x + first, b->gelu_new + first, parallel);
    snug_gelu_backward(isa, count, false, x + first, dy + first, b->gelu_grad + first, parallel);
    snug_gelu_backward(isa, count, true, x + first, dy + first, b->gelu_new_grad + first, parallel);
    snug_tanh(isa, count, x + first, b->tanh + first, parallel);
    /* In place, as it may. */
    memcpy(b->tanh_grad + first, dy + first, (size_t)count * sizeof(float));
    snug_tanh_backward(isa, count, b->tanh + first, b->tanh_grad + first, b->tanh_grad + first,
                       parallel);
}

static void splits_threads_and_sets_give_the_same_bits(void **state)
{
    (void)state;
    float *x = wide_floats(5);
    float *dy = wide_floats(6);
    bits runs[2];
    for (int i = 0; i < 2; i++) {
        float **const arrays = (float **)&runs[i];
        for (int k = 0; k < 6; k++) {
            arrays[k] = test_floats(COUNT);
        }
    }
    run_range(SNUG_KERNEL_SCALAR, 0, COUNT, x, dy, &runs[0], &snug_parallel_serial);
    for (int64_t run = 0; run < 3 * TEST_RUNNERS; run++) {
        const snug_parallel runner = test_runner(run / 3);
        const int64_t step = run % 2 == 0 ? 20011 : 777;
        if (!isa_runs_here((snug_kernel_isa)(run % 3))) {
            continue;
        }
        for (int64_t first = 0; first < COUNT; first += step) {
            run_range((snug_kernel_isa)(run % 3), first,
                      COUNT - first < step ? COUNT - first : step, x, dy, &runs[1], &runner);
        }
        for (int k = 0; k < 6; k++) {
            CHECK(
                same_bytes(((float **)&runs[0])[k], ((float **)&runs[1])[k], COUNT, sizeof(float)));
        }
    }
    for (int k = 0; k < 6; k++) {
        free(((float **)&runs[0])[k]);
        free(((float **)&runs[1])[k]);
    }
    free(x);
    free(dy);
}

/* Any split of the samples, any runner and set: the numbers of sample n, element e. */
static void dropout_follows_the_addressed_numbers(void **state)
{
    (void)state;
    enum { SAMPLES = 5, ELEMENTS = 20001 };
    const snug_dropout whole = {.samples = SAMPLES,
                                .elements = ELEMENTS,
                                .rate = 0.1f,
                                .key = {.seed = 11, .epoch = 2, .position = 1000, .stream = 7}};
    test_random random = {13};
    float *x = random_floats(&random, SAMPLES * ELEMENTS);
    float *first = test_floats(SAMPLES * ELEMENTS);
    float *y = test_floats(SAMPLES * ELEMENTS);
    const uint32_t threshold = snug_dropout_threshold(whole.rate);
    int64_t kept = 0;
    for (int64_t i = 0; i < SAMPLES * ELEMENTS; i++) {
        snug_dropout_key key = whole.key;
        key.position += i / ELEMENTS;
        const double scale = snug_ref_dropout_keep(&key, i % ELEMENTS, threshold,
                                                   (double)snug_dropout_scale(threshold));
        first[i] = x[i] * (float)scale;
        kept += scale > 0.0;
    }
    CHECK(fabs((double)kept / (SAMPLES * ELEMENTS) - 0.9) < 0.005);
    for (int64_t run = 0; run < 3 * TEST_RUNNERS; run++) {
        const snug_parallel runner = test_runner(run / 3);
        const int64_t step = 1 + run % 4;
        if (!isa_runs_here((snug_kernel_isa)(run % 3))) {
            continue;
        }
        for (int64_t n = 0; n < SAMPLES; n += step) {
            snug_dropout part = whole;
            part.isa = (snug_kernel_isa)(run % 3);
            part.samples = SAMPLES - n < step ? SAMPLES - n : step;
            part.key.position += n;
            memcpy(y + n * ELEMENTS, x + n * ELEMENTS,
                   (size_t)(part.samples * ELEMENTS) * sizeof(float));
            snug_dropout_apply(&part, y + n * ELEMENTS, y + n * ELEMENTS, &runner);
        }
        CHECK(same_bytes(first, y, SAMPLES * ELEMENTS, sizeof(float)));
    }
    snug_dropout none = whole;
    none.rate = 0.0f;
    snug_dropout_apply(&none, x, y, &snug_parallel_serial);
    CHECK(same_bytes(x, y, SAMPLES * ELEMENTS, sizeof(float)));
    free(x);
    free(first);
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gelu_is_accurate_in_both_tails),
        cmocka_unit_test(gradients_are_close_to_reference),
        cmocka_unit_test(ends_and_nan),
        cmocka_unit_test(splits_threads_and_sets_give_the_same_bits),
        cmocka_unit_test(dropout_follows_the_addressed_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
