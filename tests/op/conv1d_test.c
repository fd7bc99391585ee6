/* labels: fast thread */
#include "check.h"

#include <math.h>

#include "conv_check.h"
#include "kernel_check.h"
#include "ops/cpu/conv1d.h"
#include "ops/cpu/gemm.h"
#include "ops/ref/conv1d_ref.h"
#include "ops/ref/elementwise_ref.h"

/* A random convolution with its operands; outputs are made by the tests. */
typedef struct conv_case {
    snug_conv1d conv;
    int64_t samples;
    int64_t x_count;
    int64_t w_count;
    int64_t y_count;
    float *x;
    float *w;
    float *bias;
    float *dy;
    float *start; /* What dw holds before. */
    bool relu;
} conv_case;

static conv_case make_case(test_random *random, const snug_conv1d *conv, int64_t samples)
{
    conv_case c = {.conv = *conv, .samples = samples};
    c.x_count = samples * conv->steps * conv->channels;
    c.w_count = conv->taps * conv->channels * conv->filters;
    c.y_count = samples * snug_conv1d_steps_out(conv) * conv->filters;
    c.x = test_floats(c.x_count);
    c.w = test_floats(c.w_count);
    c.bias = test_floats(conv->filters);
    c.dy = test_floats(c.y_count);
    c.start = test_floats(c.w_count);
    c.relu = random_between(random, 0, 1) == 1;
    fill_random(random, c.x, c.x_count);
    fill_random(random, c.w, c.w_count);
    fill_random(random, c.bias, conv->filters);
    fill_random(random, c.dy, c.y_count);
    fill_random(random, c.start, c.w_count);
    return c;
}

static conv_case random_case(test_random *random, int64_t steps_max)
{
    snug_conv1d conv = {
        .channels = random_between(random, 1, 40),
        .filters = random_between(random, 1, 40),
        .taps = random_between(random, 1, 7),
        .stride = random_between(random, 1, 6),
    };
    conv.steps = random_between(random, conv.taps, conv.taps + steps_max);
    return make_case(random, &conv, random_between(random, 1, 4));
}

static void free_case(conv_case *c)
{
    free(c->x);
    free(c->w);
    free(c->bias);
    free(c->dy);
    free(c->start);
}

/* The three results that a pass over `samples` samples from `first` writes. */
typedef struct results {
    float *y;
    float *dx;
    float *dw;
    float *db;
} results;

static results make_results(const conv_case *c)
{
    return (results){
        .y = test_floats(c->y_count),
        .dx = test_floats(c->x_count),
        .dw = test_floats(c->w_count),
        .db = test_floats(c->conv.filters),
    };
}

static void begin_results(const conv_case *c, results *r)
{
    memset(r->y, 0xff, (size_t)c->y_count * sizeof(float));
    memset(r->dx, 0xff, (size_t)c->x_count * sizeof(float));
    memcpy(r->dw, c->start, (size_t)c->w_count * sizeof(float));
    memcpy(r->db, c->bias, (size_t)c->conv.filters * sizeof(float));
}

static void free_results(results *r)
{
    free(r->y);
    free(r->dx);
    free(r->dw);
    free(r->db);
}

static int64_t max3(int64_t a, int64_t b, int64_t c)
{
    return a > b ? (a > c ? a : c) : (b > c ? b : c);
}

/* All passes over the samples [first, first + count), with packed weights given or not. */
static void run_samples(const conv_case *c, const snug_conv1d *conv, int64_t first, int64_t count,
                        bool packed, const snug_parallel *parallel, results *r)
{
    const int64_t steps_out = snug_conv1d_steps_out(conv);
    const int32_t threads = parallel->threads;
    const float *x = c->x + first * conv->steps * conv->channels;
    const float *dy = c->dy + first * steps_out * conv->filters;
    float *forward = NULL;
    float *backward = NULL;
    if (packed) {
        forward = test_memory(snug_conv1d_forward_packed_bytes(conv));
        backward = test_memory(snug_conv1d_input_gradient_packed_bytes(conv));
        snug_conv1d_forward_pack(conv, c->w, forward, parallel);
        snug_conv1d_input_gradient_pack(conv, c->w, backward, parallel);
    }
    const int64_t bytes =
        max3(snug_conv1d_forward_scratch_bytes(conv, count, threads, packed),
             snug_conv1d_input_gradient_scratch_bytes(conv, count, threads, packed),
             snug_conv1d_weight_gradient_scratch_bytes(conv, count, threads));
    void *scratch = test_memory(bytes);
    memset(scratch, 0xff, (size_t)bytes);
    snug_conv1d_forward(conv, count, x, packed ? NULL : c->w, forward, c->bias, c->relu,
                        r->y + first * steps_out * conv->filters, parallel, scratch);
    memset(scratch, 0xff, (size_t)bytes);
    snug_conv1d_input_gradient(conv, count, dy, packed ? NULL : c->w, backward,
                               r->dx + first * conv->steps * conv->channels, parallel, scratch);
    memset(scratch, 0xff, (size_t)bytes);
    snug_conv1d_weight_gradient(conv, count, x, dy, r->dw, parallel, scratch);
    snug_bias_gradient(conv->isa, count, steps_out, conv->filters, dy, r->db, parallel);
    free(scratch);
    free(forward);
    free(backward);
}

static void check_same(const conv_case *c, const results *got, const results *expected)
{
    CHECK(memcmp(got->y, expected->y, (size_t)c->y_count * sizeof(float)) == 0);
    CHECK(memcmp(got->dx, expected->dx, (size_t)c->x_count * sizeof(float)) == 0);
    CHECK(memcmp(got->dw, expected->dw, (size_t)c->w_count * sizeof(float)) == 0);
    CHECK(memcmp(got->db, expected->db, (size_t)c->conv.filters * sizeof(float)) == 0);
}

/* The chains that the header names, one element at a time. */
static void exact_forward_and_dx(const conv_case *c, results *r)
{
    const snug_conv1d *conv = &c->conv;
    const int64_t steps_out = snug_conv1d_steps_out(conv);
    for (int64_t index = 0; index < c->y_count; index++) {
        const int64_t d = index % conv->filters;
        const int64_t row = index / conv->filters;
        const int64_t step = row / steps_out * conv->steps + row % steps_out * conv->stride;
        float chain = 0.0f;
        for (int64_t k = 0; k < conv->taps * conv->channels; k++) {
            chain = fmaf(c->x[step * conv->channels + k], c->w[k * conv->filters + d], chain);
        }
        chain += c->bias[d];
        r->y[index] = c->relu && 0.0f > chain ? 0.0f : chain;
    }
    for (int64_t index = 0; index < c->x_count; index++) {
        const int64_t channel = index % conv->channels;
        const int64_t step = index / conv->channels % conv->steps;
        const int64_t sample = index / conv->channels / conv->steps;
        float chain = 0.0f;
        for (int64_t t = 0; t < steps_out; t++) {
            const int64_t tap = step - t * conv->stride;
            for (int64_t d = 0; tap >= 0 && tap < conv->taps && d < conv->filters; d++) {
                chain = fmaf(c->dy[(sample * steps_out + t) * conv->filters + d],
                             c->w[(tap * conv->channels + channel) * conv->filters + d], chain);
            }
        }
        r->dx[index] = chain;
    }
}

static void exact_dw_and_db(const conv_case *c, results *r)
{
    const snug_conv1d *conv = &c->conv;
    const int64_t steps_out = snug_conv1d_steps_out(conv);
    for (int64_t index = 0; index < c->w_count + conv->filters; index++) {
        const int64_t d = index % conv->filters;
        const int64_t k = index / conv->filters; /* The row after the last is the bias. */
        const bool is_bias = index >= c->w_count;
        float *total = is_bias ? &r->db[d] : &r->dw[index];
        for (int64_t sample = 0; sample < c->samples; sample++) {
            float chain = 0.0f;
            for (int64_t t = 0; t < steps_out; t++) {
                const int64_t step = sample * conv->steps + t * conv->stride;
                const float x = is_bias ? 1.0f : c->x[step * conv->channels + k];
                chain = fmaf(x, c->dy[(sample * steps_out + t) * conv->filters + d], chain);
                if (t % SNUG_GEMM_SUM_BLOCK == SNUG_GEMM_SUM_BLOCK - 1 || t == steps_out - 1) {
                    *total += chain;
                    chain = 0.0f;
                }
            }
        }
    }
}

static void check_all_ways(test_random *random, const conv_case *c)
{
    results expected = make_results(c);
    results got = make_results(c);
    begin_results(c, &expected);
    exact_forward_and_dx(c, &expected);
    exact_dw_and_db(c, &expected);
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        if (!isa_runs_here((snug_kernel_isa)isa)) {
            continue;
        }
        snug_conv1d conv = c->conv;
        conv.isa = (snug_kernel_isa)isa;
        for (int64_t runner = 0; runner < TEST_RUNNERS; runner++) {
            const snug_parallel parallel = test_runner(runner);
            begin_results(c, &got);
            run_samples(c, &conv, 0, c->samples, runner % 2 == 0, &parallel, &got);
            check_same(c, &got, &expected);
            begin_results(c, &got);
            for (int64_t first = 0; first < c->samples;) {
                const int64_t count = random_between(random, 1, c->samples - first);
                run_samples(c, &conv, first, count, runner % 2 == 1, &parallel, &got);
                first += count;
            }
            check_same(c, &got, &expected);
        }
    }
    free_results(&expected);
    free_results(&got);
}

static void bits_are_those_of_the_chains(void **state)
{
    SNUG_UNUSED(state);
    test_random random = {.state = 11};
    for (int round = 0; round < 60; round++) {
        conv_case c = random_case(&random, round % 5 == 0 ? 400 : 40);
        check_all_ways(&random, &c);
        free_case(&c);
    }
}

/* Linear layers, strides that equal the taps, and more rows than one block. */
static void special_shapes_keep_the_bits(void **state)
{
    SNUG_UNUSED(state);
    test_random random = {.state = 12};
    const snug_conv1d shapes[] = {
        {.steps = 1, .channels = 1, .filters = 1, .taps = 1, .stride = 1},
        {.steps = 37, .channels = 20, .filters = 24, .taps = 1, .stride = 1},
        {.steps = 40, .channels = 9, .filters = 17, .taps = 4, .stride = 4},
        {.steps = 40, .channels = 5, .filters = 3, .taps = 2, .stride = 5},
        {.steps = 23, .channels = 5, .filters = 3, .taps = 2, .stride = 30},
        {.steps = 2600, .channels = 3, .filters = 35, .taps = 5, .stride = 2},
        {.steps = 700, .channels = 33, .filters = 64, .taps = 9, .stride = 1},
    };
    for (int64_t i = 0; i < SNUG_COUNT(shapes); i++) {
        conv_case c = make_case(&random, &shapes[i], 3);
        check_all_ways(&random, &c);
        free_case(&c);
    }
}

static conv_doubles make_doubles(const conv_case *c)
{
    return (conv_doubles){
        .x = to_doubles(c->x, c->x_count),
        .w = to_doubles(c->w, c->w_count),
        .bias = to_doubles(c->bias, c->conv.filters),
        .dy = to_doubles(c->dy, c->y_count),
        .y = to_doubles(c->dy, c->y_count),
        .dx = to_doubles(c->x, c->x_count),
        .dw = to_doubles(c->start, c->w_count),
        .db = to_doubles(c->bias, c->conv.filters),
    };
}

static void near_the_reference_in_double(void **state)
{
    SNUG_UNUSED(state);
    test_random random = {.state = 13};
    for (int round = 0; round < 40; round++) {
        conv_case c = random_case(&random, 60);
        const snug_conv1d *conv = &c.conv;
        const int64_t steps_out = snug_conv1d_steps_out(conv);
        conv_doubles d = make_doubles(&c);
        results got = make_results(&c);
        begin_results(&c, &got);
        snug_ref_conv1d_forward(conv, c.samples, d.x, d.w, d.bias, c.relu, d.y);
        snug_ref_conv1d_input_gradient(conv, c.samples, d.dy, d.w, d.dx);
        snug_ref_conv1d_weight_gradient(conv, c.samples, d.x, d.dy, d.dw);
        snug_ref_bias_gradient(c.samples, steps_out, conv->filters, d.dy, d.db);
        run_samples(&c, conv, 0, c.samples, false, &snug_parallel_serial, &got);
        check_near(got.y, d.y, c.y_count, conv->taps * conv->channels);
        check_near(got.dx, d.dx, c.x_count, conv->taps * conv->filters);
        check_near(got.dw, d.dw, c.w_count, c.samples * steps_out);
        check_near(got.db, d.db, conv->filters, c.samples * steps_out);
        free_doubles(&d);
        free_results(&got);
        free_case(&c);
    }
}

/* A NaN in one step of x shows in the outputs that read it and in no other; through relu too. */
static void nan_is_seen(void **state)
{
    SNUG_UNUSED(state);
    test_random random = {.state = 15};
    const snug_conv1d shape = {.steps = 50, .channels = 3, .filters = 35, .taps = 4, .stride = 3};
    conv_case c = make_case(&random, &shape, 2);
    c.relu = true;
    c.x[(50 + 20) * 3] = NAN;
    c.dy[35 * 2] = NAN;
    const int64_t steps_out = snug_conv1d_steps_out(&shape);
    results r = make_results(&c);
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        if (!isa_runs_here((snug_kernel_isa)isa)) {
            continue;
        }
        c.conv.isa = (snug_kernel_isa)isa;
        begin_results(&c, &r);
        run_samples(&c, &c.conv, 0, 2, false, &snug_parallel_serial, &r);
        for (int64_t i = 0; i < c.y_count; i++) {
            const int64_t step = i / 35 % steps_out * 3;
            const bool reads = i / 35 >= steps_out && step <= 20 && step + 4 > 20;
            CHECK((isnan(r.y[i]) != 0) == reads);
        }
        for (int64_t i = 0; i < c.x_count; i++) {
            CHECK((isnan(r.dx[i]) != 0) == (i / 3 >= 6 && i / 3 < 10));
        }
        CHECK(isnan(r.dw[0]));
        CHECK(isnan(r.db[0]));
        CHECK(!isnan(r.db[1]));
    }
    free_results(&r);
    free_case(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_those_of_the_chains),
        cmocka_unit_test(special_shapes_keep_the_bits),
        cmocka_unit_test(near_the_reference_in_double),
        cmocka_unit_test(nan_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
