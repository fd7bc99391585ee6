/* The recurrent decoder's forward and backward by variant, beside the rate of a large product, in
 * turns with it: the median of each share.
 *
 *   lstm_bench [THREADS [avx2|avx512 [VARIANTS]]]
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gemm_rate.h"
#include "ops/cpu/lstm.h"
#include "sys/clock.h"
#include "sys/thread.h"

enum { SAMPLES = 64, TURNS = 7 };

static const snug_lstm_options bench_options = {
    .isa = SNUG_KERNEL_AVX512,
    .mode = SNUG_LSTM_POSITION_THEN_VELOCITY,
    .segment_blocks = 1,
    .steps = 250,
    .features = 64,
    .targets = 20,
    .hidden = 512,
    .layers = 2,
    .switch_step = 12,
    .slope = 0.01f,
    .scale = 0.01f,
};

/** Multiply-adds of forward; backward has twice as many. */
static double forward_macs(const snug_lstm_options *o)
{
    double each = (double)(snug_lstm_outputs(o) * o->hidden);
    for (int32_t layer = 0; layer < o->layers; layer++) {
        each += 4.0 * (double)o->hidden * (double)(snug_lstm_input_depth(o, layer) + o->hidden);
    }
    return each * (double)o->steps * SAMPLES;
}

static void open_weights(const snug_lstm_options *o, snug_lstm_weights *w, snug_lstm_gradients *g)
{
    for (int32_t layer = 0; layer < o->layers; layer++) {
        const int64_t sizes[4] = {4 * o->hidden * snug_lstm_input_depth(o, layer),
                                  4 * o->hidden * o->hidden, 4 * o->hidden, 4 * o->hidden};
        w->w_ih[layer] = bench_numbers(sizes[0], 0.044f);
        w->w_hh[layer] = bench_numbers(sizes[1], 0.044f);
        w->b_ih[layer] = bench_numbers(sizes[2], 0.044f);
        w->b_hh[layer] = bench_numbers(sizes[3], 0.044f);
        g->w_ih[layer] = bench_numbers(sizes[0], 0.0f);
        g->w_hh[layer] = bench_numbers(sizes[1], 0.0f);
        g->b_ih[layer] = bench_numbers(sizes[2], 0.0f);
        g->b_hh[layer] = bench_numbers(sizes[3], 0.0f);
    }
    w->head_w = bench_numbers(snug_lstm_outputs(o) * o->hidden, 0.044f);
    w->head_b = bench_numbers(snug_lstm_outputs(o), 0.044f);
    g->head_w = bench_numbers(snug_lstm_outputs(o) * o->hidden, 0.0f);
    g->head_b = bench_numbers(snug_lstm_outputs(o), 0.0f);
}

typedef struct bench_data {
    snug_lstm_weights weights;
    snug_lstm_gradients gradients;
    float *x, *y, *dy, *dx;
} bench_data;

static void bench_variant(const snug_lstm_options *o, const bench_data *d,
                          const snug_parallel *parallel, const bench_roof *roof, const char *name)
{
    const int32_t threads = parallel->threads;
    const int64_t cache_bytes = snug_lstm_cache_bytes(o, SAMPLES);
    const int64_t forward_bytes = snug_lstm_forward_scratch_bytes(o, SAMPLES, true, threads);
    const int64_t backward_bytes = snug_lstm_backward_scratch_bytes(o, SAMPLES, threads);
    const int64_t scratch_bytes = forward_bytes > backward_bytes ? forward_bytes : backward_bytes;
    void *cache = bench_memory(cache_bytes);
    void *scratch = bench_memory(scratch_bytes);
    const double flops = 2e-9 * forward_macs(o);
    double forward[TURNS], backward[TURNS], both[TURNS], rates[TURNS], shares[TURNS];
    double before = bench_roof_rate(roof);
    for (int i = 0; i < TURNS; i++) {
        const int64_t start = snug_clock_ns();
        snug_lstm_forward(o, &d->weights, SAMPLES, d->x, NULL, d->y, cache, scratch, parallel);
        const int64_t middle = snug_clock_ns();
        const double between = bench_roof_rate(roof);
        const int64_t second = snug_clock_ns();
        snug_lstm_backward(o, &d->weights, SAMPLES, d->x, NULL, d->y, d->dy, cache, d->dx, NULL,
                           &d->gradients, scratch, parallel);
        const int64_t end = snug_clock_ns();
        const double after = bench_roof_rate(roof);
        const double f = (double)(middle - start) * 1e-9;
        const double b = (double)(end - second) * 1e-9;
        forward[i] = flops / f;
        backward[i] = 2.0 * flops / b;
        both[i] = 3.0 * flops / (f + b);
        rates[i] = (before + 2.0 * between + after) / 4.0;
        shares[i] = both[i] / rates[i];
        before = after;
    }
    printf("{\"bench\": \"lstm\", \"variant\": \"%s\", \"isa\": %d, \"threads\": %d, "
           "\"forward_gflops\": %.1f, \"backward_gflops\": %.1f, \"gflops\": %.1f, "
           "\"gemm_gflops\": %.1f, \"of_gemm\": %.3f, \"of_gemm_least\": %.3f, "
           "\"of_gemm_most\": %.3f, \"cache_mib\": %.1f, \"scratch_mib\": %.1f}\n",
           name, (int)o->isa, threads, bench_quantile(TURNS, forward, 0.5),
           bench_quantile(TURNS, backward, 0.5), bench_quantile(TURNS, both, 0.5),
           bench_quantile(TURNS, rates, 0.5), bench_quantile(TURNS, shares, 0.5),
           bench_quantile(TURNS, shares, 0.0), bench_quantile(TURNS, shares, 1.0),
           (double)cache_bytes / 1048576.0, (double)scratch_bytes / 1048576.0);
    (void)fflush(stdout);
    free(cache);
    free(scratch);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"keep_gates", "keep_hidden", "checkpoint"};
    snug_lstm_options options = bench_options;
    const int32_t least = argc > 1 ? atoi(argv[1]) : 1;
    const int32_t most = argc > 1 ? least : 2;
    const int variants = argc > 3 ? atoi(argv[3]) : 3;
    options.isa = argc > 2 && strcmp(argv[2], "avx2") == 0 ? SNUG_KERNEL_AVX2 : SNUG_KERNEL_AVX512;
    bench_data data = {.weights = {.head_w = NULL}};
    open_weights(&options, &data.weights, &data.gradients);
    data.x = bench_numbers(SAMPLES * options.steps * options.features, 1.0f);
    data.dx = bench_numbers(SAMPLES * options.steps * options.features, 0.0f);
    data.y = bench_numbers(SAMPLES * options.steps * options.targets, 0.0f);
    data.dy = bench_numbers(SAMPLES * options.steps * options.targets, 1e-4f);
    for (int32_t threads = least; threads <= most; threads++) {
        snug_error err = {0};
        snug_pool *pool = NULL;
        if (snug_failed(snug_pool_open(threads, &pool, &err))) {
            (void)fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        const snug_parallel *parallel = snug_pool_parallel(pool);
        bench_roof roof;
        bench_roof_open(options.isa, parallel, &roof);
        for (int i = 0; i < variants; i++) {
            options.variant = (snug_lstm_variant)i;
            bench_variant(&options, &data, parallel, &roof, names[i]);
        }
        bench_roof_close(&roof);
        snug_pool_close(pool);
    }
    return 0;
}
