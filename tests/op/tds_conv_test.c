/* labels: fast thread */
#include "check.h"

#include <math.h>

#include "conv_check.h"
#include "kernel_check.h"
#include "ops/cpu/tds_conv.h"
#include "ops/ref/tds_conv_ref.h"

typedef struct tds_case {
    snug_tds_conv conv;
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
} tds_case;

typedef struct results {
    float *y;
    float *dx;
    float *dw;
    float *db;
} results;

static tds_case make_case(test_random *random, const snug_tds_conv *conv, int64_t samples)
{
    tds_case c = {.conv = *conv, .samples = samples};
    c.x_count = samples * conv->steps * conv->channels * conv->width;
    c.w_count = conv->channels * conv->channels * conv->taps;
    c.y_count = samples * snug_tds_conv_steps_out(conv) * conv->channels * conv->width;
    c.x = test_floats(c.x_count);
    c.w = test_floats(c.w_count);
    c.bias = test_floats(conv->channels);
    c.dy = test_floats(c.y_count);
    c.start = test_floats(c.w_count);
    c.relu = random_between(random, 0, 1) == 1;
    fill_random(random, c.x, c.x_count);
    fill_random(random, c.w, c.w_count);
    fill_random(random, c.bias, conv->channels);
    fill_random(random, c.dy, c.y_count);
    fill_random(random, c.start, c.w_count);
    return c;
}

static tds_case random_case(test_random *random, int64_t steps_max)
{
    snug_tds_conv conv = {
        .channels = random_between(random, 1, 20),
        .width = random_between(random, 1, 40),
        .taps = random_between(random, 1, 6),
    };
    conv.steps = conv.taps + random_between(random, 0, steps_max);
    return make_case(random, &conv, random_between(random, 1, 3));
}

static void free_case(tds_case *c)
{
    free(c->x);
    free(c->w);
    free(c->bias);
    free(c->dy);
    free(c->start);
}

static results make_results(const tds_case *c)
{
    return (results){
        .y = test_floats(c->y_count),
        .dx = test_floats(c->x_count),
        .dw = test_floats(c->w_count),
        .db = test_floats(c->conv.channels),
    };
}

static void begin_results(const tds_case *c, results *r)
{
    memset(r->y, 0xff, (size_t)c->y_count * sizeof(float));
    memset(r->dx, 0xff, (size_t)c->x_count * sizeof(float));
    memcpy(r->dw, c->start, (size_t)c->w_count * sizeof(float));
    memcpy(r->db, c->bias, (size_t)c->conv.channels * sizeof(float));
}

static void free_results(results *r)
{
    free(r->y);
    free(r->dx);
    free(r->dw);
    free(r->db);
}

static void run_samples(const tds_case *c, const snug_tds_conv *conv, int64_t first, int64_t count,
                        const snug_parallel *parallel, results *r)
{
    const int64_t step = conv->channels * conv->width;
    const int64_t x_at = first * conv->steps * step;
    const int64_t y_at = first * snug_tds_conv_steps_out(conv) * step;
    int64_t bytes = snug_tds_conv_scratch_bytes(conv);
    const int64_t gradient_bytes =
        snug_tds_conv_weight_gradient_scratch_bytes(conv, count, parallel->threads);
    bytes = gradient_bytes > bytes ? gradient_bytes : bytes;
    void *scratch = test_memory(bytes);
    memset(scratch, 0xff, (size_t)bytes);
    snug_tds_conv_forward(conv, count, c->x + x_at, c->w, c->bias, c->relu, r->y + y_at, parallel,
                          scratch);
    memset(scratch, 0xff, (size_t)bytes);
    snug_tds_conv_input_gradient(conv, count, c->dy + y_at, c->w, r->dx + x_at, parallel, scratch);
    memset(scratch, 0xff, (size_t)bytes);
    snug_tds_conv_weight_gradient(conv, count, c->x + x_at, c->dy + y_at, r->dw, r->db, parallel,
                                  scratch);
    free(scratch);
}

static void check_same(const tds_case *c, const results *got, const results *expected)
{
    CHECK(memcmp(got->y, expected->y, (size_t)c->y_count * sizeof(float)) == 0);
    CHECK(memcmp(got->dx, expected->dx, (size_t)c->x_count * sizeof(float)) == 0);
    CHECK(memcmp(got->dw, expected->dw, (size_t)c->w_count * sizeof(float)) == 0);
    CHECK(memcmp(got->db, expected->db, (size_t)c->conv.channels * sizeof(float)) == 0);
}

static void exact_forward_and_dx(const tds_case *c, results *r)
{
    const int64_t ch = c->conv.channels;
    const int64_t width = c->conv.width;
    const int64_t taps = c->conv.taps;
    const int64_t steps = c->conv.steps;
    const int64_t steps_out = snug_tds_conv_steps_out(&c->conv);
    for (int64_t index = 0; index < c->y_count; index++) {
        const int64_t o = index / width % ch;
        const int64_t row = index / width / ch;
        const int64_t step = row / steps_out * steps + row % steps_out;
        float chain = c->bias[o];
        for (int64_t k = 0; k < taps * ch; k++) {
            chain = fmaf(c->w[(o * ch + k % ch) * taps + k / ch],
                         c->x[(step * ch + k) * width + index % width], chain);
        }
        r->y[index] = c->relu && 0.0f > chain ? 0.0f : chain;
    }
    for (int64_t index = 0; index < c->x_count; index++) {
        const int64_t i = index / width % ch;
        const int64_t row = index / width / ch;
        const int64_t step = row % steps;
        float chain = 0.0f;
        for (int64_t t = step - taps + 1; t <= step; t++) {
            for (int64_t o = 0; t >= 0 && t < steps_out && o < ch; o++) {
                const int64_t dy_row = (row / steps * steps_out + t) * ch + o;
                chain = fmaf(c->w[(o * ch + i) * taps + step - t],
                             c->dy[dy_row * width + index % width], chain);
            }
        }
        r->dx[index] = chain;
    }
}

static void exact_dw(const tds_case *c, results *r)
{
    const int64_t ch = c->conv.channels;
    const int64_t width = c->conv.width;
    const int64_t steps_out = snug_tds_conv_steps_out(&c->conv);
    const int64_t block = (256 + width - 1) / width;
    for (int64_t index = 0; index < c->w_count; index++) {
        const int64_t o = index / c->conv.taps / ch;
        const int64_t i = index / c->conv.taps % ch;
        const int64_t j = index % c->conv.taps;
        float chain = 0.0f;
        for (int64_t row = 0; row < c->samples * steps_out; row++) {
            const int64_t t = row % steps_out;
            const int64_t step = row / steps_out * c->conv.steps + t + j;
            for (int64_t lane = 0; lane < width; lane++) {
                chain = fmaf(c->dy[(row * ch + o) * width + lane],
                             c->x[(step * ch + i) * width + lane], chain);
            }
            if ((t + 1) % block == 0 || t + 1 == steps_out) {
                r->dw[index] += chain;
                chain = 0.0f;
            }
        }
    }
}

static void exact_db(const tds_case *c, results *r)
{
    const int64_t ch = c->conv.channels;
    const int64_t width = c->conv.width;
    const int64_t steps_out = snug_tds_conv_steps_out(&c->conv);
    const int64_t block = (256 + width - 1) / width;
    for (int64_t index = 0; index < c->samples * ch; index++) {
        const int64_t sample = index / ch;
        const int64_t o = index % ch;
        float total = 0.0f;
        for (int64_t lane = 0; lane < width; lane++) {
            float sum = 0.0f, chain = 0.0f;
            for (int64_t t = 0; t < steps_out; t++) {
                chain += c->dy[((sample * steps_out + t) * ch + o) * width + lane];
                if ((t + 1) % block == 0 || t + 1 == steps_out) {
                    sum += chain;
                    chain = 0.0f;
                }
            }
            total += sum;
        }
        r->db[o] += total;
    }
}

static void check_all_ways(test_random *random, const tds_case *c)
{
    results expected = make_results(c);
    results got = make_results(c);
    begin_results(c, &expected);
    exact_forward_and_dx(c, &expected);
    exact_dw(c, &expected);
    exact_db(c, &expected);
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        if (!isa_runs_here((snug_kernel_isa)isa)) {
            continue;
        }
        snug_tds_conv conv = c->conv;
        conv.isa = (snug_kernel_isa)isa;
        for (int64_t runner = 0; runner < TEST_RUNNERS; runner++) {
            const snug_parallel parallel = test_runner(runner);
            begin_results(c, &got);
            run_samples(c, &conv, 0, c->samples, &parallel, &got);
            check_same(c, &got, &expected);
            begin_results(c, &got);
            for (int64_t first = 0; first < c->samples;) {
                const int64_t count = random_between(random, 1, c->samples - first);
                run_samples(c, &conv, first, count, &parallel, &got);
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
    test_random random = {.state = 21};
    for (int round = 0; round < 40; round++) {
        tds_case c = random_case(&random, 40);
        check_all_ways(&random, &c);
        free_case(&c);
    }
}

/* The family's block, one channel, one lane, wide lanes, and more steps than one piece. */
static void special_shapes_keep_the_bits(void **state)
{
    SNUG_UNUSED(state);
    test_random random = {.state = 22};
    const snug_tds_conv shapes[] = {
        {.steps = 90, .channels = 16, .width = 16, .taps = 9},
        {.steps = 5, .channels = 16, .width = 16, .taps = 5},
        {.steps = 1, .channels = 1, .width = 1, .taps = 1},
        {.steps = 20, .channels = 35, .width = 33, .taps = 2},
        {.steps = 1400, .channels = 6, .width = 16, .taps = 3},
        {.steps = 600, .channels = 1, .width = 1, .taps = 4},
    };
    for (int64_t i = 0; i < SNUG_COUNT(shapes); i++) {
        tds_case c = make_case(&random, &shapes[i], shapes[i].steps > 1000 ? 2 : 3);
        check_all_ways(&random, &c);
        free_case(&c);
    }
}

static conv_doubles make_doubles(const tds_case *c)
{
    return (conv_doubles){
        .x = to_doubles(c->x, c->x_count),
        .w = to_doubles(c->w, c->w_count),
        .bias = to_doubles(c->bias, c->conv.channels),
        .dy = to_doubles(c->dy, c->y_count),
        .y = to_doubles(c->dy, c->y_count),
        .dx = to_doubles(c->x, c->x_count),
        .dw = to_doubles(c->start, c->w_count),
        .db = to_doubles(c->bias, c->conv.channels),
    };
}

static void near_the_reference_in_double(void **state)
{
    SNUG_UNUSED(state);
    test_random random = {.state = 23};
    for (int round = 0; round < 30; round++) {
        tds_case c = random_case(&random, 30);
        const snug_tds_conv *conv = &c.conv;
        const int64_t terms = c.samples * snug_tds_conv_steps_out(conv) * conv->width;
        conv_doubles d = make_doubles(&c);
        results got = make_results(&c);
        begin_results(&c, &got);
        snug_ref_tds_conv_forward(conv, c.samples, d.x, d.w, d.bias, c.relu, d.y);
        snug_ref_tds_conv_input_gradient(conv, c.samples, d.dy, d.w, d.dx);
        snug_ref_tds_conv_weight_gradient(conv, c.samples, d.x, d.dy, d.dw, d.db);
        run_samples(&c, conv, 0, c.samples, &snug_parallel_serial, &got);
        check_near(got.y, d.y, c.y_count, conv->taps * conv->channels);
        check_near(got.dx, d.dx, c.x_count, conv->taps * conv->channels);
        check_near(got.dw, d.dw, c.w_count, terms);
        check_near(got.db, d.db, conv->channels, terms);
        free_doubles(&d);
        free_results(&got);
        free_case(&c);
    }
}

/* A NaN in one lane of one step shows in that lane of the steps that read it. */
static void nan_is_seen(void **state)
{
    SNUG_UNUSED(state);
    test_random random = {.state = 24};
    const snug_tds_conv shape = {.steps = 30, .channels = 5, .width = 7, .taps = 4};
    tds_case c = make_case(&random, &shape, 1);
    c.relu = true;
    c.x[(10 * 5 + 2) * 7 + 3] = NAN;
    c.dy[(20 * 5 + 1) * 7 + 6] = NAN;
    results r = make_results(&c);
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        if (!isa_runs_here((snug_kernel_isa)isa)) {
            continue;
        }
        c.conv.isa = (snug_kernel_isa)isa;
        begin_results(&c, &r);
        run_samples(&c, &c.conv, 0, 1, &snug_parallel_serial, &r);
        for (int64_t i = 0; i < c.y_count; i++) {
            const int64_t t = i / 35;
            CHECK((isnan(r.y[i]) != 0) == (i % 7 == 3 && t >= 7 && t <= 10));
        }
        for (int64_t i = 0; i < c.x_count; i++) {
            const int64_t step = i / 35;
            CHECK((isnan(r.dx[i]) != 0) == (i % 7 == 6 && step >= 20 && step <= 23));
        }
        CHECK(isnan(r.dw[2 * 4]));
        CHECK(isnan(r.db[1]));
        CHECK(!isnan(r.db[0]));
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
