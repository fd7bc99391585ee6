/* labels: thread */
#include "check.h"

#include "array_check.h"
#include "ops/cpu/cross_entropy.h"
#include "ops/ref/cross_entropy_ref.h"

typedef struct entropy_data {
    snug_cross_entropy loss;
    int64_t count;
    float *logits;
    int32_t *labels;
} entropy_data;

static entropy_data data_open(int64_t samples, int64_t rows, int64_t classes, double smoothing)
{
    test_random random = {(uint64_t)(rows * classes)};
    entropy_data d = {.loss = {.samples = samples,
                               .rows = rows,
                               .classes = classes,
                               .smoothing = smoothing,
                               .normaliser = (double)(samples * rows)},
                      .count = samples * rows * classes};
    d.logits = random_floats(&random, d.count);
    d.labels = test_memory(samples * rows * (int64_t)sizeof(int32_t));
    for (int64_t r = 0; r < samples * rows; r++) {
        d.labels[r] = (int32_t)random_between(&random, -1, classes - 1);
        /* A row that does not count is not read. */
        d.logits[r * classes] = d.labels[r] < 0 ? NAN : 20.0f * d.logits[r * classes];
    }
    return d;
}

static void data_close(entropy_data *d)
{
    free(d->logits);
    free(d->labels);
}

static void run_samples(const entropy_data *d, snug_kernel_isa isa, int64_t first, int64_t count,
                        const snug_parallel *parallel, double *loss, float *gradient)
{
    snug_cross_entropy part = d->loss;
    const int64_t row = first * part.rows;
    const int64_t at = row * part.classes;
    part.isa = isa;
    part.samples = count;
    snug_cross_entropy_forward(&part, d->logits + at, d->labels + row, loss + first, parallel);
    /* In place, as it may. */
    memcpy(gradient + at, d->logits + at,
           (size_t)(count * part.rows * part.classes) * sizeof(float));
    snug_cross_entropy_backward(&part, gradient + at, d->labels + row, gradient + at, parallel);
}

static void check_case(int64_t samples, int64_t rows, int64_t classes, double smoothing)
{
    entropy_data d = data_open(samples, rows, classes, smoothing);
    double exact_loss[8], first_loss[8], loss[8];
    double *logits = to_doubles(d.logits, d.count);
    double *exact = to_doubles(d.logits, d.count);
    float *first = test_floats(d.count);
    float *gradient = test_floats(d.count);
    snug_ref_cross_entropy_forward(&d.loss, logits, d.labels, exact_loss);
    snug_ref_cross_entropy_backward(&d.loss, logits, d.labels, exact);
    run_samples(&d, SNUG_KERNEL_SCALAR, 0, samples, &snug_parallel_serial, first_loss, first);
    for (int64_t n = 0; n < samples; n++) {
        /* Exponentials are f32, their sums double. */
        CHECK(fabs(first_loss[n] - exact_loss[n]) <= 1e-6 * fabs(exact_loss[n]) + 1e-9);
    }
    CHECK(array_distance(first, exact, d.count) < 1e-6);
    for (int64_t run = 0; run < 3 * TEST_RUNNERS; run++) {
        const snug_kernel_isa isa = (snug_kernel_isa)(run % 3);
        const snug_parallel runner = test_runner(run / 3);
        const int64_t step = 1 + run % 3;
        for (int64_t n = 0; n < samples && isa_runs_here(isa); n += step) {
            run_samples(&d, isa, n, samples - n < step ? samples - n : step, &runner, loss,
                        gradient);
        }
        if (isa_runs_here(isa)) {
            CHECK(same_bytes(loss, first_loss, samples, sizeof(double)));
            CHECK(same_bytes(gradient, first, d.count, sizeof(float)));
        }
    }
    free(logits);
    free(exact);
    free(first);
    free(gradient);
    data_close(&d);
}

static void losses_agree_with_reference_and_each_other(void **state)
{
    (void)state;
    check_case(8, 1, 2, 0.0);
    check_case(8, 1, 16, 0.1);
    check_case(3, 128, 9, 0.0);
    check_case(2, 70, 33, 0.2);
    check_case(2, 3, 1000, 0.1);
}

static void extremes_stay_finite_and_nan_is_seen(void **state)
{
    (void)state;
    const snug_cross_entropy loss = {.samples = 4, .rows = 1, .classes = 3, .normaliser = 1.0};
    const float logits[12] = {1e30f,     0.0f, -1e30f, -3e38f, -3e38f, -3e38f,
                              -INFINITY, 2.0f, 1.0f,   NAN,    0.0f,   0.0f};
    const int32_t labels[4] = {0, 1, 1, 2};
    double sample[4];
    float gradient[12];
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT && isa_runs_here((snug_kernel_isa)isa); isa++) {
        snug_cross_entropy one = loss;
        one.isa = (snug_kernel_isa)isa;
        snug_cross_entropy_forward(&one, logits, labels, sample, &snug_parallel_serial);
        snug_cross_entropy_backward(&one, logits, labels, gradient, &snug_parallel_serial);
        CHECK(sample[0] == 0.0 && fabs(sample[1] - log(3.0)) < 1e-6);
        CHECK(fabs(sample[2] - log1p(exp(-1.0))) < 1e-6 && isnan(sample[3]));
        CHECK(gradient[0] == 0.0f && gradient[1] == 0.0f && gradient[6] == 0.0f);
        CHECK(fabs((double)gradient[4] + 2.0 / 3.0) < 1e-6 && isnan(gradient[9]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_agree_with_reference_and_each_other),
        cmocka_unit_test(extremes_stay_finite_and_nan_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
