/*
 * The convolutions of the time-series family in turns with a large matrix product of ours: the
 * share of its rate that each pass reaches, and that all of a layer reach together.
 *
 *   conv_bench [avx2|avx512 [THREADS [SAMPLES [LAYER]]]]
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "gemm_rate.h"
#include "ops/cpu/conv1d.h"
#include "ops/cpu/tds_conv.h"
#include "sys/clock.h"
#include "sys/thread.h"

typedef struct layer {
    const char *name;
    int64_t steps;
    int64_t channels;
    int64_t filters;
    int64_t taps;
    int64_t stride;
    bool tds; /* channels x channels over a width of 16. */
} layer;

enum { WIDTH = 16, ROUNDS = 9, TURN_NS = 25000000 };

static const layer layers[] = {
    {"conv 16-256 k11 s5", 11790, 16, 256, 11, 5, false},
    {"conv 256-256 k5 s2", 2356, 256, 256, 5, 2, false},
    {"conv 256-256 k17 s4", 1176, 256, 256, 17, 4, false},
    {"tds 16x16 k9", 290, 16, 16, 9, 1, true},
    {"linear 256-256", 282, 256, 256, 1, 1, false},
    {"conv 256-256 k9 s2", 274, 256, 256, 9, 2, false},
    {"tds 16x16 k5", 133, 16, 16, 5, 1, true},
    {"linear 256-64", 125, 256, 64, 1, 1, false},
};

typedef enum pass { FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, PASS_COUNT } pass;

typedef struct operands {
    float *x;
    float *w;
    float *bias;
    float *y;
    void *scratch;
} operands;

static snug_conv1d conv_of(const layer *l, snug_kernel_isa isa)
{
    return (snug_conv1d){.isa = isa,
                         .steps = l->steps,
                         .channels = l->channels,
                         .filters = l->filters,
                         .taps = l->taps,
                         .stride = l->stride};
}

static snug_tds_conv tds_of(const layer *l, snug_kernel_isa isa)
{
    return (snug_tds_conv){
        .isa = isa, .steps = l->steps, .channels = l->channels, .width = WIDTH, .taps = l->taps};
}

static void run_tds(const layer *l, pass p, int64_t samples, snug_kernel_isa isa, const operands *o,
                    const snug_parallel *parallel)
{
    const snug_tds_conv conv = tds_of(l, isa);
    if (p == FORWARD) {
        snug_tds_conv_forward(&conv, samples, o->x, o->w, o->bias, true, o->y, parallel,
                              o->scratch);
    } else if (p == INPUT_GRADIENT) {
        snug_tds_conv_input_gradient(&conv, samples, o->y, o->w, o->x, parallel, o->scratch);
    } else {
        snug_tds_conv_weight_gradient(&conv, samples, o->x, o->y, o->w, o->bias, parallel,
                                      o->scratch);
    }
}

static void run_conv(const layer *l, pass p, int64_t samples, snug_kernel_isa isa,
                     const operands *o, const snug_parallel *parallel)
{
    const snug_conv1d conv = conv_of(l, isa);
    if (p == FORWARD) {
        snug_conv1d_forward(&conv, samples, o->x, o->w, NULL, o->bias, true, o->y, parallel,
                            o->scratch);
    } else if (p == INPUT_GRADIENT) {
        snug_conv1d_input_gradient(&conv, samples, o->y, o->w, NULL, o->x, parallel, o->scratch);
    } else {
        snug_conv1d_weight_gradient(&conv, samples, o->x, o->y, o->w, parallel, o->scratch);
        snug_bias_gradient(isa, samples, snug_conv1d_steps_out(&conv), l->filters, o->y, o->bias,
                           parallel);
    }
}

static int64_t scratch_bytes(const layer *l, int64_t samples, snug_kernel_isa isa, int32_t threads)
{
    const snug_conv1d conv = conv_of(l, isa);
    const snug_tds_conv tds = tds_of(l, isa);
    if (l->tds) {
        return snug_tds_conv_scratch_bytes(&tds) +
               snug_tds_conv_weight_gradient_scratch_bytes(&tds, samples, threads);
    }
    return snug_conv1d_forward_scratch_bytes(&conv, samples, threads, false) +
           snug_conv1d_input_gradient_scratch_bytes(&conv, samples, threads, false) +
           snug_conv1d_weight_gradient_scratch_bytes(&conv, samples, threads);
}

/* Seconds of one run, the mean of as many as a turn holds. */
static double time_pass(const layer *l, pass p, int64_t samples, snug_kernel_isa isa,
                        const operands *o, const snug_parallel *parallel)
{
    const int64_t start = snug_clock_ns();
    int64_t runs = 0;
    do {
        (l->tds ? run_tds : run_conv)(l, p, samples, isa, o, parallel);
        runs++;
    } while (snug_clock_ns() - start < TURN_NS);
    return (double)(snug_clock_ns() - start) * 1e-9 / (double)runs;
}

/* Median GF/s and share of the roof; and what a quarter and three quarters of the shares are below.
 */
static void print_pass(double rates[ROUNDS], double shares[ROUNDS])
{
    printf(" %6.1f %5.1f %% [%3.0f %3.0f]", bench_quantile(ROUNDS, rates, 0.5),
           100.0 * bench_quantile(ROUNDS, shares, 0.5),
           100.0 * bench_quantile(ROUNDS, shares, 0.25),
           100.0 * bench_quantile(ROUNDS, shares, 0.75));
}

static void run_layer(const layer *l, int64_t samples, snug_kernel_isa isa, const bench_roof *roof)
{
    const snug_parallel *parallel = roof->parallel;
    const snug_conv1d conv = conv_of(l, isa);
    const int64_t steps_out = snug_conv1d_steps_out(&conv);
    const int64_t lanes = l->tds ? WIDTH : 1;
    const operands o = {
        .x = bench_numbers(samples * l->steps * l->channels * lanes, 1.0f),
        .w = bench_numbers(l->taps * l->channels * l->filters, 1.0f),
        .bias = bench_numbers(l->filters, 1.0f),
        .y = bench_numbers(samples * steps_out * l->filters * lanes, 1e-3f),
        .scratch = bench_memory(scratch_bytes(l, samples, isa, parallel->threads)),
    };
    const double gflops = 2e-9 * (double)(samples * steps_out * lanes) * (double)l->filters *
                          (double)(l->taps * l->channels);
    double rates[PASS_COUNT + 1][ROUNDS], shares[PASS_COUNT + 1][ROUNDS], roofs[ROUNDS];
    for (pass p = FORWARD; p < PASS_COUNT; p++) {
        (void)time_pass(l, p, samples, isa, &o, parallel);
    }
    double before = bench_roof_rate(roof);
    for (int round = 0; round < ROUNDS; round++) {
        double all_s = 0.0, all_roof = 0.0;
        for (pass p = FORWARD; p < PASS_COUNT; p++) {
            const double seconds = time_pass(l, p, samples, isa, &o, parallel);
            const double after = bench_roof_rate(roof);
            rates[p][round] = gflops / seconds;
            shares[p][round] = rates[p][round] / (0.5 * (before + after));
            all_s += seconds;
            all_roof += 0.5 * (before + after) * seconds;
            before = after;
        }
        rates[PASS_COUNT][round] = PASS_COUNT * gflops / all_s;
        shares[PASS_COUNT][round] = PASS_COUNT * gflops / all_roof;
        roofs[round] = all_roof / all_s;
    }
    printf("%-20s %2lld %d", l->name, (long long)samples, (int)parallel->threads);
    for (int p = 0; p <= PASS_COUNT; p++) {
        print_pass(rates[p], shares[p]);
    }
    printf(" %6.1f\n", bench_quantile(ROUNDS, roofs, 0.5));
    (void)fflush(stdout);
    free(o.x);
    free(o.w);
    free(o.bias);
    free(o.y);
    free(o.scratch);
}

int main(int argc, char **argv)
{
    const bool avx2 = argc > 1 && strcmp(argv[1], "avx2") == 0;
    const int32_t threads = argc > 2 ? atoi(argv[2]) : 2;
    const int64_t samples = argc > 3 ? atoi(argv[3]) : 8;
    if (argc > 5 || threads < 1 || samples < 1 ||
        (argc > 1 && !avx2 && strcmp(argv[1], "avx512") != 0)) {
        fprintf(stderr, "usage: conv_bench [avx2|avx512 [THREADS [SAMPLES [LAYER]]]]\n");
        return 2;
    }
    const bool wide = argc > 1 ? !avx2 : __builtin_cpu_supports("avx512bw") != 0;
    const snug_kernel_isa isa = wide ? SNUG_KERNEL_AVX512 : SNUG_KERNEL_AVX2;
    snug_pool *pool = NULL;
    bench_roof roof;
    snug_error err = {0};
    if (snug_failed(snug_pool_open(threads, &pool, &err))) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    bench_roof_open(isa, snug_pool_parallel(pool), &roof);
    printf("GF/s with %s; the roof is our product of %d cubed in the same rounds\n"
           "%-20s %2s T %-24s %-24s %-24s %-24s %6s\n",
           wide ? "avx512" : "avx2", GEMM_RATE_SIZE, "layer", "N", " forward", " input gradient",
           " weight gradient", " all", "roof");
    for (int64_t i = 0; i < SNUG_COUNT(layers); i++) {
        if (argc < 5 || atoi(argv[4]) == i) {
            run_layer(&layers[i], samples, isa, &roof);
        }
    }
    bench_roof_close(&roof);
    snug_pool_close(pool);
    return 0;
}
