/* labels: thread */
#include "check.h"

#include <math.h>

#include "lstm_case.h"

static const snug_lstm_mode every_mode[] = {SNUG_LSTM_PLAIN, SNUG_LSTM_POSITION, SNUG_LSTM_VELOCITY,
                                            SNUG_LSTM_POSITION_THEN_VELOCITY};

static snug_lstm_options small_options(snug_lstm_mode mode)
{
    return (snug_lstm_options){.isa = SNUG_KERNEL_SCALAR,
                               .mode = mode,
                               .variant = SNUG_LSTM_KEEP_GATES,
                               .segment_blocks = 1,
                               .steps = 5,
                               .features = 3,
                               .targets = 2,
                               .hidden = 4,
                               .layers = 2,
                               .switch_step = 2,
                               .slope = 0.01f,
                               .scale = 0.7f};
}

/* The reference in doubles over one flat vector: parameters, x, s0. */
typedef struct flat_case {
    const lstm_case *c;
    double *flat; /* [parameters + x + s0]. */
    double *y;
    void *scratch;
} flat_case;

static double flat_loss(const flat_case *f)
{
    const lstm_case *c = f->c;
    const snug_lstm_ref_weights weights = case_ref_weights(&c->options, f->flat);
    const double *x = f->flat + c->parameter_count;
    snug_ref_lstm_forward(&c->options, &weights, c->samples, x, c->with_s0 ? x + c->x_count : NULL,
                          f->y, f->scratch);
    double loss = 0.0;
    for (int64_t i = 0; i < c->y_count; i++) {
        loss += f->y[i] * (double)c->dy[i];
    }
    return loss;
}

/* Central differences with step 1e-6 in double: truncation and cancellation stay below 1e-8. */
static void check_reference_gradient(snug_lstm_mode mode, bool with_s0)
{
    lstm_case c = case_open(small_options(mode), 2, with_s0, 11 + (uint64_t)mode);
    const int64_t count = c.parameter_count + c.x_count + c.s0_count;
    flat_case f = {.c = &c, .flat = case_doubles(NULL, count), .y = case_doubles(NULL, c.y_count)};
    double *gradient = case_doubles(NULL, count);
    double *dy = case_doubles(c.dy, c.y_count);
    f.scratch = test_memory(snug_ref_lstm_scratch_bytes(&c.options));
    for (int64_t i = 0; i < count; i++) {
        f.flat[i] =
            (double)(i < c.parameter_count               ? c.parameters[i]
                     : i < c.parameter_count + c.x_count ? c.x[i - c.parameter_count]
                                                         : c.s0[i - c.parameter_count - c.x_count]);
    }
    const snug_lstm_ref_weights weights = case_ref_weights(&c.options, f.flat);
    const snug_lstm_ref_gradients gradients = case_ref_gradients(&c.options, gradient);
    const double *x = f.flat + c.parameter_count;
    double *dx = gradient + c.parameter_count;
    snug_ref_lstm_backward(&c.options, &weights, c.samples, x, with_s0 ? x + c.x_count : NULL, dy,
                           dx, with_s0 ? dx + c.x_count : NULL, &gradients, f.scratch);
    double largest = 0.0;
    for (int64_t i = 0; i < count; i++) {
        const double step = 1e-6;
        const double kept = f.flat[i];
        f.flat[i] = kept + step;
        const double up = flat_loss(&f);
        f.flat[i] = kept - step;
        const double down = flat_loss(&f);
        f.flat[i] = kept;
        const double difference = fabs((up - down) / (2.0 * step) - gradient[i]);
        largest = difference > largest ? difference : largest;
    }
    CHECK(largest < 1e-7);
    free(f.flat);
    free(f.y);
    free(f.scratch);
    free(gradient);
    free(dy);
    case_close(&c);
}

static void reference_gradient_is_the_derivative(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        check_reference_gradient(every_mode[i], false);
        check_reference_gradient(every_mode[i], true);
    }
}

/** The largest |a - b| over the largest |b|. */
static double distance(const float *a, const double *b, int64_t count)
{
    double error = 0.0;
    double size = 1e-30;
    for (int64_t i = 0; i < count; i++) {
        const double difference = fabs((double)a[i] - b[i]);
        /* A NaN must not hide: the comparison is turned so that it counts as an error. */
        error = difference <= error ? error : difference;
        size = fabs(b[i]) > size ? fabs(b[i]) : size;
    }
    return error / size;
}

/*
 * f32 against double. A pre-activation is a chain of up to 200 rounded operations and errors are
 * carried through 40 steps; measured distances are below 3e-6 for y and 2e-5 for gradients.
 */
static void check_against_reference(snug_lstm_options options, int64_t samples, bool with_s0)
{
    lstm_case c = case_open(options, samples, with_s0, 5);
    const lstm_result r = result_open(&c);
    double *parameters = case_doubles(c.parameters, c.parameter_count);
    double *x = case_doubles(c.x, c.x_count);
    double *s0 = case_doubles(c.s0, c.s0_count);
    double *dy = case_doubles(c.dy, c.y_count);
    double *y = case_doubles(NULL, c.y_count);
    double *dx = case_doubles(NULL, c.x_count);
    double *ds0 = case_doubles(NULL, c.s0_count);
    double *gradient = case_doubles(NULL, c.parameter_count);
    void *scratch = test_memory(snug_ref_lstm_scratch_bytes(&options));
    const snug_lstm_ref_weights weights = case_ref_weights(&options, parameters);
    const snug_lstm_ref_gradients gradients = case_ref_gradients(&options, gradient);
    snug_ref_lstm_forward(&options, &weights, samples, x, with_s0 ? s0 : NULL, y, scratch);
    snug_ref_lstm_backward(&options, &weights, samples, x, with_s0 ? s0 : NULL, dy, dx,
                           with_s0 ? ds0 : NULL, &gradients, scratch);
    const snug_parallel runner = test_runner(2);
    CHECK(case_run(&c, &options, 0, samples, &runner, &r));
    CHECK(distance(r.y, y, c.y_count) < 1e-5);
    CHECK(distance(r.dx, dx, c.x_count) < 1e-4);
    CHECK(distance(r.ds0, ds0, c.s0_count) < 1e-4);
    int64_t sizes[CASE_ARRAYS];
    const int arrays = case_sizes(&options, sizes);
    for (int64_t i = 0, at = 0; i < arrays; at += sizes[i], i++) {
        CHECK(distance(r.gradients + at, gradient + at, sizes[i]) < 1e-4);
    }
    double *const all[] = {parameters, x, s0, dy, y, dx, ds0, gradient};
    for (int i = 0; i < 8; i++) {
        free(all[i]);
    }
    free(scratch);
    free(r.all);
    case_close(&c);
}

static void fast_is_close_to_reference(void **state)
{
    (void)state;
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        if (!isa_runs_here((snug_kernel_isa)isa)) {
            continue;
        }
        for (int i = 0; i < 4; i++) {
            snug_lstm_options options = small_options(every_mode[i]);
            options.isa = (snug_kernel_isa)isa;
            options.steps = 21;
            options.features = 5;
            options.targets = 3;
            options.hidden = 37;
            options.switch_step = 6;
            check_against_reference(options, 3, i % 2 == 0);
            options.hidden = 64;
            options.steps = 40;
            options.layers = 1 + i % 3;
            check_against_reference(options, 17, i % 2 == 1);
        }
    }
}

/* Variants, segments, threads and instruction sets: one answer, to the bit. */
static void check_same_bits(snug_lstm_options options, int64_t samples, bool with_s0)
{
    lstm_case c = case_open(options, samples, with_s0, 77);
    const lstm_result expected = result_open(&c);
    CHECK(case_run(&c, &options, 0, samples, &snug_parallel_serial, &expected));
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        for (int variant = 0; variant < 3 && isa_runs_here((snug_kernel_isa)isa); variant++) {
            /* Some runners each, so that all meet all variants over the modes; few where it is
             * slow. */
            const int64_t stride = isa == SNUG_KERNEL_SCALAR ? TEST_RUNNERS : 2;
            for (int64_t i = (variant + options.mode) % stride; i < TEST_RUNNERS; i += stride) {
                snug_lstm_options other = options;
                other.isa = (snug_kernel_isa)isa;
                other.variant = (snug_lstm_variant)variant;
                other.segment_blocks = 1 + i % 3;
                const snug_parallel runner = test_runner(i);
                const lstm_result r = result_open(&c);
                CHECK(case_run(&c, &other, 0, samples, &runner, &r));
                CHECK(memcmp(r.all, expected.all, (size_t)r.count * sizeof(float)) == 0);
                free(r.all);
            }
        }
    }
    free(expected.all);
    case_close(&c);
}

static void variants_threads_and_sets_give_the_same_bits(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        snug_lstm_options options = small_options(every_mode[i]);
        options.steps = 37;
        options.features = 6;
        options.targets = 3;
        options.hidden = 17 + 8 * i;
        options.layers = 1 + i % 2;
        options.switch_step = 12;
        check_same_bits(options, 5 + 7 * i, i % 2 == 0);
    }
}

/* Groups of 64 in one call or in one call each, and forward alone: the same bits. */
static void calls_may_be_split_at_groups(void **state)
{
    (void)state;
    snug_lstm_options options = small_options(SNUG_LSTM_POSITION_THEN_VELOCITY);
    options.isa = isa_runs_here(SNUG_KERNEL_AVX512) ? SNUG_KERNEL_AVX512 : SNUG_KERNEL_SCALAR;
    options.steps = 18;
    options.hidden = 33;
    const int64_t samples = 2 * SNUG_LSTM_GROUP + 9;
    lstm_case c = case_open(options, samples, true, 3);
    const lstm_result whole = result_open(&c);
    const lstm_result parts = result_open(&c);
    CHECK(case_run(&c, &options, 0, samples, &snug_parallel_serial, &whole));
    for (int64_t first = 0; first < samples; first += SNUG_LSTM_GROUP) {
        const int64_t left = samples - first;
        CHECK(case_run(&c, &options, first, left < SNUG_LSTM_GROUP ? left : SNUG_LSTM_GROUP,
                       &snug_parallel_serial, &parts));
    }
    CHECK(memcmp(whole.all, parts.all, (size_t)whole.count * sizeof(float)) == 0);

    const snug_lstm_weights weights = case_weights(&options, c.parameters);
    const int64_t bytes = snug_lstm_forward_scratch_bytes(&options, samples, false, 1);
    const int64_t y_each = options.steps * options.targets;
    const int64_t x_each = options.steps * options.features;
    unsigned char *scratch = poisoned(bytes);
    memset(parts.y, 0, (size_t)c.y_count * sizeof(float));
    for (int64_t first = 0, step = 1; first < samples; first += step, step = 1 + first % 20) {
        const int64_t count = samples - first < step ? samples - first : step;
        snug_lstm_forward(&options, &weights, count, c.x + first * x_each,
                          c.s0 + first * options.targets, parts.y + first * y_each, NULL, scratch,
                          &snug_parallel_serial);
    }
    CHECK(memcmp(whole.y, parts.y, (size_t)c.y_count * sizeof(float)) == 0);
    CHECK(guard_holds(scratch, bytes));
    free(whole.all);
    free(parts.all);
    case_close(&c);
}

static void gradients_are_added(void **state)
{
    (void)state;
    snug_lstm_options options = small_options(SNUG_LSTM_VELOCITY);
    lstm_case c = case_open(options, 1, true, 3);
    const lstm_result once = result_open(&c);
    const lstm_result twice = result_open(&c);
    CHECK(case_run(&c, &options, 0, 1, &snug_parallel_serial, &once));
    CHECK(case_run(&c, &options, 0, 1, &snug_parallel_serial, &twice));
    CHECK(case_run(&c, &options, 0, 1, &snug_parallel_serial, &twice));
    for (int64_t i = 0; i < c.parameter_count; i++) {
        CHECK(twice.gradients[i] == 2.0f * once.gradients[i]);
    }
    free(once.all);
    free(twice.all);
    case_close(&c);
}

static void nan_is_seen(void **state)
{
    (void)state;
    snug_lstm_options options = small_options(SNUG_LSTM_POSITION);
    lstm_case c = case_open(options, 2, false, 3);
    const lstm_result r = result_open(&c);
    c.x[options.features] = NAN; /* Sample 0, step 1. */
    CHECK(case_run(&c, &options, 0, 2, &snug_parallel_serial, &r));
    const int64_t each = options.steps * options.targets;
    CHECK(!isnan(r.y[0]));
    CHECK(isnan(r.y[options.targets]) && isnan(r.y[each - 1]));
    for (int64_t i = each; i < 2 * each; i++) {
        CHECK(!isnan(r.y[i]));
    }
    CHECK(isnan(r.gradients[0]));
    free(r.all);
    case_close(&c);
}

/* Exact bytes of the stated example: what a variant keeps is what the documentation says. */
static void cache_sizes_are_as_stated(void **state)
{
    (void)state;
    snug_lstm_options options = small_options(SNUG_LSTM_POSITION);
    options.steps = 250;
    options.hidden = 512;
    options.features = 64;
    options.targets = 20;
    const int64_t slot = (int64_t)64 * 512 * 4;
    CHECK(snug_lstm_cache_bytes(&options, 64) == 2 * (250 * 4 + 2 * 251) * slot);
    CHECK(snug_lstm_cache_bytes(&options, 128) == 2 * snug_lstm_cache_bytes(&options, 64));
    options.variant = SNUG_LSTM_KEEP_HIDDEN;
    CHECK(snug_lstm_cache_bytes(&options, 64) == 2 * (251 + 15) * slot);
    options.variant = SNUG_LSTM_CHECKPOINT;
    CHECK(snug_lstm_cache_bytes(&options, 64) == 2 * (15 + 15) * slot);
    options.segment_blocks = 4;
    CHECK(snug_lstm_cache_bytes(&options, 64) == 2 * (3 + 3) * slot);
}

/* A plan asks for a tile's scratch once, for its largest call. */
static void scratch_never_shrinks_with_samples_or_threads(void **state)
{
    (void)state;
    for (int run = 0; run < 9; run++) {
        snug_lstm_options options = small_options(every_mode[run % 4]);
        options.isa = (snug_kernel_isa)(run / 3);
        options.variant = (snug_lstm_variant)(run % 3);
        options.steps = 37;
        options.hidden = 70;
        int64_t before[3] = {0, 0, 0};
        for (int64_t samples = 1; samples <= 140; samples++) {
            const int32_t threads = 1 + (int32_t)(samples / 30);
            const int64_t now[3] = {
                snug_lstm_forward_scratch_bytes(&options, samples, true, threads),
                snug_lstm_forward_scratch_bytes(&options, samples, false, threads),
                snug_lstm_backward_scratch_bytes(&options, samples, threads)};
            for (int i = 0; i < 3; i++) {
                CHECK(now[i] >= before[i]);
                before[i] = now[i];
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_gradient_is_the_derivative),
        cmocka_unit_test(fast_is_close_to_reference),
        cmocka_unit_test(variants_threads_and_sets_give_the_same_bits),
        cmocka_unit_test(calls_may_be_split_at_groups),
        cmocka_unit_test(gradients_are_added),
        cmocka_unit_test(nan_is_seen),
        cmocka_unit_test(cache_sizes_are_as_stated),
        cmocka_unit_test(scratch_never_shrinks_with_samples_or_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
