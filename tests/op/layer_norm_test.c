/* labels: thread */
#include "check.h"

#include "array_check.h"
#include "ops/cpu/layer_norm.h"
#include "ops/ref/layer_norm_ref.h"

typedef struct norm_run {
    int64_t count, rows;
    float *y, *mean, *rstd, *dx, *dgamma, *dbeta;
} norm_run;

typedef struct norm_data {
    snug_layer_norm norm;
    float *x, *dy, *gamma, *beta;
} norm_data;

static norm_data data_open(int64_t samples, int64_t rows, int64_t cols, float offset)
{
    test_random random = {(uint64_t)(rows * cols)};
    const int64_t count = samples * rows * cols;
    norm_data d = {.norm = {SNUG_KERNEL_SCALAR, samples, rows, cols, 1e-5},
                   .x = random_floats(&random, count),
                   .dy = random_floats(&random, count),
                   .gamma = random_floats(&random, cols),
                   .beta = random_floats(&random, cols)};
    for (int64_t i = 0; i < count; i++) {
        d.x[i] += offset;
    }
    return d;
}

static void data_close(norm_data *d)
{
    free(d->x);
    free(d->dy);
    free(d->gamma);
    free(d->beta);
}

static norm_run run_open(const norm_data *d)
{
    const int64_t rows = d->norm.samples * d->norm.rows;
    const int64_t count = rows * d->norm.cols;
    norm_run r = {count,
                  rows,
                  test_floats(count),
                  test_floats(rows),
                  test_floats(rows),
                  test_floats(count),
                  copy_floats(d->gamma, d->norm.cols),
                  copy_floats(d->gamma, d->norm.cols)};
    return r;
}

static void run_close(norm_run *r)
{
    float *const all[] = {r->y, r->mean, r->rstd, r->dx, r->dgamma, r->dbeta};
    for (int i = 0; i < 6; i++) {
        free(all[i]);
    }
}

/* Samples [first, first + count) of the data. */
static void run_range(const norm_data *d, snug_kernel_isa isa, int64_t first, int64_t count,
                      const snug_parallel *parallel, const norm_run *r)
{
    snug_layer_norm norm = d->norm;
    norm.isa = isa;
    norm.samples = count;
    const int64_t row = first * norm.rows;
    const int64_t at = row * norm.cols;
    snug_layer_norm_forward(&norm, d->x + at, d->gamma, d->beta, r->y + at, r->mean + row,
                            r->rstd + row, parallel);
    /* dx takes the place of dy, as it may. */
    memcpy(r->dx + at, d->dy + at, (size_t)(count * norm.rows * norm.cols) * sizeof(float));
    snug_layer_norm_backward(&norm, d->x + at, d->gamma, r->mean + row, r->rstd + row, r->dx + at,
                             r->dx + at, r->dgamma, r->dbeta, parallel);
}

static bool runs_equal(const norm_run *a, const norm_run *b, int64_t cols)
{
    return same_bytes(a->y, b->y, a->count, 4) && same_bytes(a->mean, b->mean, a->rows, 4) &&
           same_bytes(a->rstd, b->rstd, a->rows, 4) && same_bytes(a->dx, b->dx, a->count, 4) &&
           same_bytes(a->dgamma, b->dgamma, cols, 4) && same_bytes(a->dbeta, b->dbeta, cols, 4);
}

/*
 * Tolerances: a row's sums round about log2(C) + C/16 times, so errors are near 1e-6 of the largest
 * value; an offset of 100 costs the mean's rounding, 4e-6 of the spread, in x - mean.
 */
static void check_reference(int64_t samples, int64_t rows, int64_t cols, float offset, double limit)
{
    norm_data d = data_open(samples, rows, cols, offset);
    norm_run r = run_open(&d);
    double *x = to_doubles(d.x, r.count);
    double *dy = to_doubles(d.dy, r.count);
    double *gamma = to_doubles(d.gamma, cols);
    double *beta = to_doubles(d.beta, cols);
    double *y = to_doubles(d.x, r.count);
    double *dx = to_doubles(d.x, r.count);
    double *mean = to_doubles(d.x, r.rows);
    double *rstd = to_doubles(d.x, r.rows);
    double *dgamma = to_doubles(d.gamma, cols);
    double *dbeta = to_doubles(d.gamma, cols);
    snug_ref_layer_norm_forward(r.rows, cols, 1e-5, x, gamma, beta, y, mean, rstd);
    snug_ref_layer_norm_backward(r.rows, cols, x, gamma, mean, rstd, dy, dx, dgamma, dbeta);
    run_range(&d, SNUG_KERNEL_SCALAR, 0, samples, &snug_parallel_serial, &r);
    CHECK(array_distance(r.y, y, r.count) < limit);
    CHECK(array_distance(r.mean, mean, r.rows) < limit);
    CHECK(array_distance(r.rstd, rstd, r.rows) < limit);
    CHECK(array_distance(r.dx, dx, r.count) < limit);
    CHECK(array_distance(r.dgamma, dgamma, cols) < limit);
    CHECK(array_distance(r.dbeta, dbeta, cols) < limit);
    double *const all[] = {x, dy, gamma, beta, y, dx, mean, rstd, dgamma, dbeta};
    for (int i = 0; i < 10; i++) {
        free(all[i]);
    }
    run_close(&r);
    data_close(&d);
}

static void fast_is_close_to_reference(void **state)
{
    (void)state;
    check_reference(2, 7, 256, 0.0f, 5e-6);
    check_reference(1, 300, 37, 0.0f, 5e-6);
    check_reference(3, 5, 3, 0.5f, 2e-5);
    check_reference(2, 20, 100, 100.0f, 2e-4);
}

static void reference_gradient_is_the_derivative(void **state)
{
    (void)state;
    norm_data d = data_open(1, 3, 5, 0.0f);
    double *flat = to_doubles(d.x, 15);
    double *gamma = to_doubles(d.gamma, 5);
    double *beta = to_doubles(d.beta, 5);
    double *dy = to_doubles(d.dy, 15);
    double y[15], mean[3], rstd[3], dx[15];
    double dgamma[5] = {0};
    double dbeta[5] = {0};
    snug_ref_layer_norm_forward(3, 5, 1e-5, flat, gamma, beta, y, mean, rstd);
    snug_ref_layer_norm_backward(3, 5, flat, gamma, mean, rstd, dy, dx, dgamma, dbeta);
    double *const inputs[3] = {flat, gamma, beta};
    const double *const gradients[3] = {dx, dgamma, dbeta};
    const int counts[3] = {15, 5, 5};
    for (int which = 0; which < 3; which++) {
        for (int i = 0; i < counts[which]; i++) {
            double loss[2] = {0.0, 0.0};
            const double kept = inputs[which][i];
            for (int side = 0; side < 2; side++) {
                inputs[which][i] = kept + (side == 0 ? 1e-6 : -1e-6);
                snug_ref_layer_norm_forward(3, 5, 1e-5, flat, gamma, beta, y, mean, rstd);
                for (int j = 0; j < 15; j++) {
                    loss[side] += y[j] * dy[j];
                }
            }
            inputs[which][i] = kept;
            CHECK(fabs((loss[0] - loss[1]) / 2e-6 - gradients[which][i]) < 1e-7);
        }
    }
    double *const all[] = {flat, gamma, beta, dy};
    for (int i = 0; i < 4; i++) {
        free(all[i]);
    }
    data_close(&d);
}

static void splits_threads_and_sets_give_the_same_bits(void **state)
{
    (void)state;
    const int64_t shapes[][3] = {{3, 300, 37}, {5, 9, 256}, {2, 70, 16}, {4, 3, 1}};
    for (int s = 0; s < 4; s++) {
        norm_data d = data_open(shapes[s][0], shapes[s][1], shapes[s][2], 0.3f);
        norm_run whole = run_open(&d);
        run_range(&d, SNUG_KERNEL_SCALAR, 0, d.norm.samples, &snug_parallel_serial, &whole);
        for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
            for (int64_t i = 0; i < TEST_RUNNERS && isa_runs_here((snug_kernel_isa)isa); i++) {
                const snug_parallel runner = test_runner(i);
                norm_run r = run_open(&d);
                for (int64_t first = 0; first < d.norm.samples; first += 1 + i) {
                    const int64_t left = d.norm.samples - first;
                    run_range(&d, (snug_kernel_isa)isa, first, left < 1 + i ? left : 1 + i, &runner,
                              &r);
                }
                CHECK(runs_equal(&whole, &r, d.norm.cols));
                run_close(&r);
            }
        }
        run_close(&whole);
        data_close(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_is_close_to_reference),
        cmocka_unit_test(reference_gradient_is_the_derivative),
        cmocka_unit_test(splits_threads_and_sets_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
