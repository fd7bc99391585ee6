/* labels: thread */
#include "check.h"

#include "array_check.h"
#include "ops/cpu/loss.h"
#include "ops/ref/loss_ref.h"

typedef struct loss_data {
    snug_loss loss;
    int64_t count;
    float *prediction, *target;
    double *ref_prediction, *ref_target;
    uint8_t *mask;
} loss_data;

static loss_data data_open(int64_t samples, int64_t rows, int64_t cols, double square,
                           double absolute)
{
    test_random random = {(uint64_t)(rows + cols)};
    loss_data d = {.loss = {SNUG_KERNEL_SCALAR, samples, rows, cols, square, absolute, 1.0},
                   .count = samples * rows * cols};
    d.prediction = random_floats(&random, d.count);
    d.target = random_floats(&random, d.count);
    d.mask = test_memory(samples * rows);
    double valid = 0.0;
    for (int64_t r = 0; r < samples * rows; r++) {
        d.mask[r] = (uint8_t)(random_between(&random, 0, 4) > 0);
        valid += d.mask[r];
        d.target[r * cols] = d.mask[r] != 0 ? d.target[r * cols] : NAN;
    }
    d.prediction[0] = d.target[0]; /* An error of zero, or a masked NaN. */
    d.loss.normaliser = valid * (double)cols;
    d.ref_prediction = to_doubles(d.prediction, d.count);
    d.ref_target = to_doubles(d.target, d.count);
    return d;
}

static void data_close(loss_data *d)
{
    void *const all[] = {d->prediction, d->target, d->ref_prediction, d->ref_target, d->mask};
    for (int i = 0; i < 5; i++) {
        free(all[i]);
    }
}

static void run_samples(const loss_data *d, snug_kernel_isa isa, int64_t first, int64_t count,
                        const snug_parallel *parallel, double *loss, float *gradient)
{
    snug_loss part = d->loss;
    part.isa = isa;
    part.samples = count;
    const int64_t row = first * part.rows;
    const int64_t at = row * part.cols;
    void *scratch = test_memory(snug_loss_scratch_bytes(&part));
    snug_loss_forward(&part, d->prediction + at, d->target + at, d->mask + row, loss + first,
                      scratch, parallel);
    snug_loss_backward(&part, d->prediction + at, d->target + at, d->mask + row, gradient + at,
                       parallel);
    free(scratch);
}

/* The error e = prediction - target is rounded to f32 (6e-8 of it); all sums are in double. */
static void check_case(int64_t samples, int64_t rows, int64_t cols, double square, double absolute)
{
    loss_data d = data_open(samples, rows, cols, square, absolute);
    double expected[8], first_loss[8], loss[8];
    double *ref_gradient = to_doubles(d.prediction, d.count);
    float *first = test_floats(d.count);
    float *gradient = test_floats(d.count);
    snug_ref_loss_forward(&d.loss, d.ref_prediction, d.ref_target, d.mask, expected);
    snug_ref_loss_backward(&d.loss, d.ref_prediction, d.ref_target, d.mask, ref_gradient);
    run_samples(&d, SNUG_KERNEL_SCALAR, 0, samples, &snug_parallel_serial, first_loss, first);
    for (int64_t n = 0; n < samples; n++) {
        CHECK(fabs(first_loss[n] - expected[n]) <= 1e-6 * fabs(expected[n]));
    }
    CHECK(array_distance(first, ref_gradient, d.count) < 5e-7);
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
    free(ref_gradient);
    free(first);
    free(gradient);
    data_close(&d);
}

static void losses_agree_with_reference_and_each_other(void **state)
{
    (void)state;
    check_case(3, 700, 20, 0.0, 1.0);
    check_case(2, 513, 7, 1.0, 0.0);
    check_case(5, 40, 33, 1.0, 0.5);
    check_case(8, 1, 1, 1.0, 0.5);
}

static void reference_gradient_is_the_derivative(void **state)
{
    (void)state;
    loss_data d = data_open(2, 5, 3, 1.0, 0.5);
    double gradient[30], loss[2];
    snug_ref_loss_backward(&d.loss, d.ref_prediction, d.ref_target, d.mask, gradient);
    for (int i = 1; i < 30; i++) { /* Not element 0, whose |e| has no derivative at 0. */
        double sides[2] = {0.0, 0.0};
        const double kept = d.ref_prediction[i];
        for (int side = 0; side < 2; side++) {
            d.ref_prediction[i] = kept + (side == 0 ? 1e-6 : -1e-6);
            snug_ref_loss_forward(&d.loss, d.ref_prediction, d.ref_target, d.mask, loss);
            sides[side] = loss[0] + loss[1];
        }
        d.ref_prediction[i] = kept;
        CHECK(fabs((sides[0] - sides[1]) / 2e-6 - gradient[i]) < 1e-7);
    }
    data_close(&d);
}

static void no_mask_is_a_mask_of_ones(void **state)
{
    (void)state;
    loss_data d = data_open(2, 300, 20, 1.0, 0.5);
    double loss[2][2];
    float *gradient[2] = {test_floats(d.count), test_floats(d.count)};
    void *scratch = test_memory(snug_loss_scratch_bytes(&d.loss));
    for (int64_t i = 0; i < d.count; i++) {
        d.target[i] = isnan(d.target[i]) ? 0.0f : d.target[i];
    }
    memset(d.mask, 1, 2 * 300);
    for (int i = 0; i < 2; i++) {
        const uint8_t *mask = i == 0 ? NULL : d.mask;
        snug_loss_forward(&d.loss, d.prediction, d.target, mask, loss[i], scratch,
                          &snug_parallel_serial);
        snug_loss_backward(&d.loss, d.prediction, d.target, mask, gradient[i],
                           &snug_parallel_serial);
    }
    CHECK(same_bytes(loss[0], loss[1], 2, sizeof(double)));
    CHECK(same_bytes(gradient[0], gradient[1], d.count, sizeof(float)));
    d.prediction[5] = NAN;
    snug_loss_forward(&d.loss, d.prediction, d.target, NULL, loss[0], scratch,
                      &snug_parallel_serial);
    snug_loss_backward(&d.loss, d.prediction, d.target, NULL, gradient[0], &snug_parallel_serial);
    CHECK(isnan(loss[0][0]) && !isnan(loss[0][1]) && isnan(gradient[0][5]));
    free(gradient[0]);
    free(gradient[1]);
    free(scratch);
    data_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_agree_with_reference_and_each_other),
        cmocka_unit_test(reference_gradient_is_the_derivative),
        cmocka_unit_test(no_mask_is_a_mask_of_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
