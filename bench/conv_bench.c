/*
 * The convolutions of the time-series family beside the matrix product of the same size in
 * OpenBLAS, BLIS and oneDNN (which get their windows already copied out): table and JSON.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/cpu/conv1d.h"
#include "ops/cpu/tds_conv.h"
#include "peers.h"
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

enum { WIDTH = 16, TURNS = 3, TURNS_NS = 60000000, PAUSE_NS = 40000000 };

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
static const char *const pass_names[] = {"fwd", "dx", "dw"};

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
        snug_bias_gradient(samples, snug_conv1d_steps_out(&conv), l->filters, o->y, o->bias,
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

/* The best rate of some turns in GF/s, multiplications and additions counted. */
static double rate_of(const layer *l, pass p, int64_t samples, snug_kernel_isa isa,
                      const operands *o, const snug_parallel *parallel, double flops)
{
    double best = 0.0;
    snug_clock_sleep_ns(PAUSE_NS);
    const int64_t end = snug_clock_ns() + TURNS_NS; /* A woken thread may need a while. */
    for (int turn = 0; turn <= TURNS || snug_clock_ns() < end; turn++) {
        const int64_t start = snug_clock_ns();
        (l->tds ? run_tds : run_conv)(l, p, samples, isa, o, parallel);
        const double rate = flops / (double)(snug_clock_ns() - start);
        best = turn > 0 && rate > best ? rate : best;
    }
    return best;
}

/*
 * The peer's product of one sample, many times: forward [T_out, k] x [k, D], dx of the transposed
 * sizes, dw as one long sum. A TDS layer is [ch, taps ch] x [taps ch, T_out W].
 */
static double peer_rate(const layer *l, pass p, const peer *side, int threads, int64_t steps_out)
{
    const int64_t rows = l->tds ? steps_out * WIDTH : steps_out;
    const int64_t depth = l->taps * l->channels;
    const int64_t m = p == WEIGHT_GRADIENT ? depth : rows;
    const int64_t n = p == INPUT_GRADIENT ? depth : l->filters;
    const int64_t k = p == WEIGHT_GRADIENT ? rows : p == FORWARD ? depth : l->filters;
    float *a = bench_floats(m * k);
    float *b = bench_floats(k * n);
    float *c = bench_floats(m * n);
    const double flops = 2.0 * (double)m * (double)n * (double)k;
    const int calls = (int)(2e9 / flops) + 2;
    double best = 0.0;
    peer_threads(side, threads);
    snug_clock_sleep_ns(PAUSE_NS);
    for (int call = 0; call <= calls; call++) {
        const int64_t start = snug_clock_ns();
        peer_sgemm(side, p == WEIGHT_GRADIENT, p == INPUT_GRADIENT, m, n, k, a,
                   p == WEIGHT_GRADIENT ? m : k, b, p == INPUT_GRADIENT ? k : n,
                   p == WEIGHT_GRADIENT ? 1.0f : 0.0f, c, n);
        const double rate = flops / (double)(snug_clock_ns() - start);
        best = call > 0 && rate > best ? rate : best;
    }
    free(a);
    free(b);
    free(c);
    return best;
}

static void run_layer(const layer *l, int64_t samples, snug_kernel_isa isa, const char *isa_name,
                      const snug_parallel *parallel, const peer *peers, FILE *json)
{
    const snug_conv1d conv = conv_of(l, isa);
    const int64_t steps_out = snug_conv1d_steps_out(&conv);
    const int64_t lanes = l->tds ? WIDTH : 1;
    const operands o = {
        .x = bench_floats(samples * l->steps * l->channels * lanes),
        .w = bench_floats(l->taps * l->channels * l->filters),
        .bias = bench_floats(l->filters),
        .y = bench_floats(samples * steps_out * l->filters * lanes),
        .scratch = bench_floats(scratch_bytes(l, samples, isa, parallel->threads) / 4),
    };
    const double sample_flops =
        2.0 * (double)(steps_out * lanes) * (double)l->filters * (double)(l->taps * l->channels);
    for (pass p = FORWARD; p < PASS_COUNT; p++) {
        const double flops = sample_flops * (double)samples;
        const double rate = rate_of(l, p, samples, isa, &o, parallel, flops);
        const double one = rate_of(l, p, 1, isa, &o, parallel, sample_flops);
        double sides[PEER_COUNT] = {0.0};
        for (int side = 0; side < PEER_COUNT; side++) {
            if (peer_is_there(&peers[side])) {
                sides[side] = peer_rate(l, p, &peers[side], parallel->threads, steps_out);
            }
        }
        printf("%-20s %-4s %2lld %d %8.1f %8.1f %8.1f %8.1f %8.1f\n", l->name, pass_names[p],
               (long long)samples, (int)parallel->threads, rate, one, sides[0], sides[1], sides[2]);
        fflush(stdout);
        if (json != NULL) {
            fprintf(json,
                    "{\"bench\": \"conv\", \"layer\": \"%s\", \"pass\": \"%s\", \"samples\": %lld, "
                    "\"isa\": \"%s\", \"threads\": %d, \"snug_gflops\": %.2f, "
                    "\"snug_one_sample_gflops\": %.2f, \"openblas_gemm_gflops\": %.2f, "
                    "\"blis_gemm_gflops\": %.2f, \"onednn_gemm_gflops\": %.2f}\n",
                    l->name, pass_names[p], (long long)samples, isa_name, (int)parallel->threads,
                    rate, one, sides[0], sides[1], sides[2]);
        }
    }
    free(o.x);
    free(o.w);
    free(o.bias);
    free(o.y);
    free(o.scratch);
}

int main(int argc, char **argv)
{
    const bool avx2 = argc > 1 && strcmp(argv[1], "avx2") == 0;
    if (argc > 3 || (argc > 1 && !avx2 && strcmp(argv[1], "avx512") != 0)) {
        fprintf(stderr, "usage: conv_bench [avx2|avx512 [JSON-FILE]]\n");
        return 2;
    }
    const bool wide = argc > 1 ? !avx2 : __builtin_cpu_supports("avx512bw") != 0;
    const snug_kernel_isa isa = wide ? SNUG_KERNEL_AVX512 : SNUG_KERNEL_AVX2;
    FILE *json = argc > 2 ? fopen(argv[2], "w") : NULL;
    peer peers[PEER_COUNT];
    peers_load(peers);
    printf("GF/s, snug with %s; peers: a matrix product of one sample's size\n"
           "%-20s %-4s %2s T %8s %8s %8s %8s %8s\n",
           wide ? "avx512" : "avx2", "layer", "pass", "N", "snug", "N=1", peers[0].name,
           peers[1].name, peers[2].name);
    for (int32_t threads = 1; threads <= 2; threads++) {
        snug_pool *pool = NULL;
        snug_error err = {0};
        if (snug_failed(snug_pool_open(threads, &pool, &err))) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
            run_layer(&layers[i], 8, isa, wide ? "avx512" : "avx2", snug_pool_parallel(pool), peers,
                      json);
        }
        snug_pool_close(pool);
    }
    if (json != NULL && fclose(json) != 0) {
        fprintf(stderr, "cannot write '%s'\n", argv[2]);
        return 1;
    }
    return 0;
}
