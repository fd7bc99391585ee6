/* labels: thread */
#include "check.h"

#include "array_check.h"
#include "ops/cpu/interpolate.h"
#include "ops/ref/interpolate_ref.h"

/*
 * Places are computed in f32 as PyTorch does: an error of 6e-8 of the place, so up to
 * 6e-8 * rows_in of a step in the weight, times a difference of at most 2 between rows; backward
 * sums up to rows_out / rows_in + 1 such terms. Measured: 2.5e-5 at 250 rows.
 */
static void check_shape(const snug_interpolate_shape *shape)
{
    const int64_t count_in = shape->samples * shape->rows_in * shape->cols;
    const int64_t count_out = shape->samples * shape->rows_out * shape->cols;
    const double limit = 1e-6 + 3e-7 * (double)shape->rows_in;
    test_random random = {(uint64_t)count_out};
    float *x = random_floats(&random, count_in);
    float *dy = random_floats(&random, count_out);
    double *rx = to_doubles(x, count_in);
    double *rdy = to_doubles(dy, count_out);
    double *ry = to_doubles(dy, count_out);
    double *rdx = to_doubles(x, count_in);
    float *y_first = test_floats(count_out);
    float *dx_first = test_floats(count_in);
    snug_interpolate_forward(SNUG_KERNEL_SCALAR, shape, x, y_first, &snug_parallel_serial);
    snug_interpolate_backward(SNUG_KERNEL_SCALAR, shape, dy, dx_first, &snug_parallel_serial);
    snug_ref_interpolate_forward(shape, rx, ry);
    snug_ref_interpolate_backward(shape, rdy, rdx);
    CHECK(array_distance(y_first, ry, count_out) < limit);
    CHECK(array_distance(dx_first, rdx, count_in) < limit);
    for (int64_t run = 0; run < 3 * TEST_RUNNERS; run++) {
        const snug_kernel_isa isa = (snug_kernel_isa)(run % 3);
        const snug_parallel runner = test_runner(run / 3);
        if (!isa_runs_here(isa)) {
            continue;
        }
        float *y = test_floats(count_out);
        float *dx = test_floats(count_in);
        for (int64_t n = 0; n < shape->samples; n++) {
            snug_interpolate_shape one = *shape;
            one.samples = 1;
            snug_interpolate_forward(isa, &one, x + n * shape->rows_in * shape->cols,
                                     y + n * shape->rows_out * shape->cols, &runner);
            snug_interpolate_backward(isa, &one, dy + n * shape->rows_out * shape->cols,
                                      dx + n * shape->rows_in * shape->cols, &runner);
        }
        CHECK(same_bytes(y, y_first, count_out, 4));
        CHECK(same_bytes(dx, dx_first, count_in, 4));
        free(y);
        free(dx);
    }
    float *const floats[] = {x, dy, y_first, dx_first};
    double *const doubles[] = {rx, rdy, ry, rdx};
    for (int i = 0; i < 4; i++) {
        free(floats[i]);
        free(doubles[i]);
    }
}

static void shapes_agree_with_reference_and_each_other(void **state)
{
    (void)state;
    const snug_interpolate_shape shapes[] = {
        {2, 250, 10000, 20}, {3, 125, 250, 64}, {1, 10, 3, 5}, {2, 1, 7, 3}, {2, 7, 1, 3},
        {1, 17, 17, 33},     {1, 300, 100, 4},  {1, 2, 2, 1},  {1, 1, 1, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        check_shape(&shapes[i]);
    }
}

/* The reference's backward is the transpose of its forward. */
static void backward_is_the_transpose(void **state)
{
    (void)state;
    const snug_interpolate_shape shape = {1, 11, 29, 1};
    test_random random = {1};
    double x[11], y[29], dy[29], dx[11];
    double left = 0.0;
    double right = 0.0;
    for (int i = 0; i < 29; i++) {
        dy[i] = (double)random_float(&random);
        x[i % 11] = (double)random_float(&random);
    }
    snug_ref_interpolate_forward(&shape, x, y);
    snug_ref_interpolate_backward(&shape, dy, dx);
    for (int i = 0; i < 29; i++) {
        left += y[i] * dy[i];
    }
    for (int i = 0; i < 11; i++) {
        right += x[i] * dx[i];
    }
    CHECK(fabs(left - right) < 1e-12);
    CHECK(y[0] == x[0] && y[28] == x[10]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_agree_with_reference_and_each_other),
        cmocka_unit_test(backward_is_the_transpose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
