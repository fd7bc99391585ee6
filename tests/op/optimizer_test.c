/* labels: thread */
#include "check.h"

#include "array_check.h"
#include "ops/cpu/optimizer.h"
#include "ops/ref/optimizer_ref.h"

enum { COUNT = 40003, STEPS = 5 };

static const snug_optimizer settings = {.learning_rate = 0.01,
                                        .weight_decay = 0.1,
                                        .beta1 = 0.9,
                                        .beta2 = 0.999,
                                        .epsilon = 1e-8,
                                        .momentum = 0.9,
                                        .grad_scale = 0.37};

typedef void (*fast_update)(const snug_optimizer *optimizer, float *w, const float *g, float *m,
                            float *v, const snug_parallel *parallel);
typedef void (*ref_update)(const snug_optimizer *optimizer, double *w, const double *g, double *m,
                           double *v);

static void fast_adamw(const snug_optimizer *o, float *w, const float *g, float *m, float *v,
                       const snug_parallel *parallel)
{
    snug_optimizer_adamw(o, COUNT, w, g, m, v, parallel);
}

static void fast_adam(const snug_optimizer *o, float *w, const float *g, float *m, float *v,
                      const snug_parallel *parallel)
{
    snug_optimizer_adam(o, COUNT, w, g, m, v, parallel);
}

static void fast_sgd(const snug_optimizer *o, float *w, const float *g, float *m, float *v,
                     const snug_parallel *parallel)
{
    (void)v;
    snug_optimizer_sgd(o, COUNT, w, g, m, parallel);
}

static void fast_plain(const snug_optimizer *o, float *w, const float *g, float *m, float *v,
                       const snug_parallel *parallel)
{
    (void)m;
    (void)v;
    snug_optimizer_sgd(o, COUNT, w, g, NULL, parallel);
}

static void ref_adamw(const snug_optimizer *o, double *w, const double *g, double *m, double *v)
{
    snug_ref_optimizer_adamw(o, COUNT, w, g, m, v);
}

static void ref_adam(const snug_optimizer *o, double *w, const double *g, double *m, double *v)
{
    snug_ref_optimizer_adam(o, COUNT, w, g, m, v);
}

static void ref_sgd(const snug_optimizer *o, double *w, const double *g, double *m, double *v)
{
    (void)v;
    snug_ref_optimizer_sgd(o, COUNT, w, g, m);
}

static void ref_plain(const snug_optimizer *o, double *w, const double *g, double *m, double *v)
{
    (void)m;
    (void)v;
    snug_ref_optimizer_sgd(o, COUNT, w, g, NULL);
}

/* Runs STEPS updates; state[0] = w, [1] = m, [2] = v. Gradients change their sign by step. */
static void run_fast(fast_update update, snug_kernel_isa isa, const float *g, float *state[3],
                     const snug_parallel *parallel)
{
    snug_optimizer optimizer = settings;
    float *gradient = copy_floats(g, COUNT);
    optimizer.isa = isa;
    for (optimizer.step = 1; optimizer.step <= STEPS; optimizer.step++) {
        update(&optimizer, state[0], gradient, state[1], state[2], parallel);
        for (int64_t i = optimizer.step % 3; i < COUNT; i += 3) {
            gradient[i] = -gradient[i];
        }
    }
    free(gradient);
}

static void state_open(const float *w, float *state[3])
{
    state[0] = copy_floats(w, COUNT);
    for (int i = 1; i < 3; i++) {
        state[i] = test_floats(COUNT);
        memset(state[i], 0, COUNT * sizeof(float));
    }
}

/* An update rounds a few times; over five steps w stays within 2e-6 of its size of about 1. */
static void check_update(fast_update fast, ref_update reference)
{
    test_random random = {31};
    float *w = random_floats(&random, COUNT);
    float *g = random_floats(&random, COUNT);
    float *first[3];
    state_open(w, first);
    run_fast(fast, SNUG_KERNEL_SCALAR, g, first, &snug_parallel_serial);

    snug_optimizer optimizer = settings;
    double *rw = to_doubles(w, COUNT);
    double *rg = to_doubles(g, COUNT);
    double *rm = test_memory(COUNT * (int64_t)sizeof(double));
    double *rv = test_memory(COUNT * (int64_t)sizeof(double));
    for (int64_t i = 0; i < COUNT; i++) {
        rm[i] = 0.0;
        rv[i] = 0.0;
    }
    for (optimizer.step = 1; optimizer.step <= STEPS; optimizer.step++) {
        reference(&optimizer, rw, rg, rm, rv);
        for (int64_t i = optimizer.step % 3; i < COUNT; i += 3) {
            rg[i] = -rg[i];
        }
    }
    CHECK(array_distance(first[0], rw, COUNT) < 2e-6);
    CHECK(array_distance(first[1], rm, COUNT) < 2e-6);
    CHECK(array_distance(first[2], rv, COUNT) < 2e-6);
    for (int64_t run = 0; run < 3 * TEST_RUNNERS; run++) {
        const snug_parallel runner = test_runner(run / 3);
        float *state[3];
        if (!isa_runs_here((snug_kernel_isa)(run % 3))) {
            continue;
        }
        state_open(w, state);
        run_fast(fast, (snug_kernel_isa)(run % 3), g, state, &runner);
        for (int i = 0; i < 3; i++) {
            CHECK(same_bytes(state[i], first[i], COUNT, sizeof(float)));
            free(state[i]);
        }
    }
    double *const doubles[] = {rw, rg, rm, rv};
    float *const floats[] = {w, g, first[0], first[1], first[2]};
    for (int i = 0; i < 5; i++) {
        free(i < 4 ? doubles[i] : NULL);
        free(floats[i]);
    }
}

static void updates_agree_with_reference_and_each_other(void **state)
{
    (void)state;
    check_update(fast_adamw, ref_adamw);
    check_update(fast_adam, ref_adam);
    check_update(fast_sgd, ref_sgd);
    check_update(fast_plain, ref_plain);
}

static void norm_is_the_same_on_every_path(void **state)
{
    (void)state;
    test_random random = {8};
    float *g = random_floats(&random, COUNT);
    void *scratch = test_memory(snug_optimizer_norm_scratch_bytes(COUNT));
    double exact = 0.0;
    for (int64_t i = 0; i < COUNT; i++) {
        exact += (double)g[i] * (double)g[i];
    }
    const double first =
        snug_optimizer_square_norm(SNUG_KERNEL_SCALAR, COUNT, g, scratch, &snug_parallel_serial);
    /* Only the order of additions in double differs. */
    CHECK(fabs(first - exact) < 1e-12 * exact);
    for (int64_t run = 0; run < 3 * TEST_RUNNERS; run++) {
        const snug_parallel runner = test_runner(run / 3);
        if (isa_runs_here((snug_kernel_isa)(run % 3))) {
            CHECK(snug_optimizer_square_norm((snug_kernel_isa)(run % 3), COUNT, g, scratch,
                                             &runner) == first);
        }
    }
    g[COUNT - 1] = 1e30f; /* Its square does not fit f32. */
    CHECK(isfinite(
        snug_optimizer_square_norm(SNUG_KERNEL_SCALAR, COUNT, g, scratch, &snug_parallel_serial)));
    CHECK(snug_optimizer_square_norm(SNUG_KERNEL_SCALAR, 0, g, scratch, &snug_parallel_serial) ==
          0.0);
    free(g);
    free(scratch);
}

static void clip_scale_is_one_below_the_limit(void **state)
{
    (void)state;
    CHECK(snug_optimizer_clip_scale(0.25, 1.0) == 1.0);
    CHECK(fabs(snug_optimizer_clip_scale(4.0, 1.0) - 0.5) < 1e-6);
    CHECK(isnan(snug_optimizer_clip_scale((double)NAN, 1.0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_agree_with_reference_and_each_other),
        cmocka_unit_test(norm_is_the_same_on_every_path),
        cmocka_unit_test(clip_scale_is_one_below_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
