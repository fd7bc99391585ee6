/* Attention's forward and backward beside the rate of a large product, in turns with it.

   attention_bench [scalar|avx2|avx512 [THREADS [TURNS]]] */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/attr.h"
#include "gemm_rate.h"
#include "ops/cpu/attention.h"
#include "sys/thread.h"

enum {
    ROWS = 2048, /* Query rows of all samples: 16 samples of 128. */
    TURNS_MAX = 100
};

typedef struct bench_shape {
    int64_t length, heads, head_dim;
    float dropout;
    bool bias;
} bench_shape;

static const bench_shape shapes[] = {
    {128, 12, 64, 0.0f, false}, {128, 12, 64, 0.1f, false}, {256, 12, 64, 0.0f, false},
    {512, 12, 64, 0.0f, false}, {512, 12, 64, 0.1f, false}, {512, 8, 64, 0.0f, true},
    {32, 12, 64, 0.1f, false},  {256, 12, 32, 0.0f, false}, {256, 6, 128, 0.0f, false},
};

typedef struct bench_arrays {
    float *q, *k, *v, *y, *lse, *dy, *dq, *dk, *dv, *bias, *dbias;
    int32_t *lengths;
} bench_arrays;

static bench_arrays arrays_open(const snug_attention *a, int64_t samples)
{
    const int64_t count = samples * a->length * a->row_stride;
    const int64_t bias = a->heads * (2 * a->length - 1);
    bench_arrays d = {
        bench_numbers(count, 1.0f), bench_numbers(count, 1.0f), bench_numbers(count, 1.0f),
        bench_numbers(count, 0.0f), bench_numbers(count, 0.0f), bench_numbers(count, 1e-3f),
        bench_numbers(count, 0.0f), bench_numbers(count, 0.0f), bench_numbers(count, 0.0f),
        bench_numbers(bias, 1.0f),  bench_numbers(bias, 0.0f),  bench_memory(samples * 4)};
    for (int64_t n = 0; n < samples; n++) {
        d.lengths[n] = (int32_t)a->length;
    }
    return d;
}

static void arrays_close(const bench_arrays *d)
{
    float *const all[] = {d->q,  d->k,  d->v,  d->y,    d->lse,  d->dy,
                          d->dq, d->dk, d->dv, d->bias, d->dbias};
    for (int64_t i = 0; i < SNUG_COUNT(all); i++) {
        free(all[i]);
    }
    free(d->lengths);
}

static void bench_one(const bench_shape *shape, snug_kernel_isa isa, const snug_parallel *parallel,
                      int turns, const bench_roof *roof)
{
    const int64_t samples = ROWS / shape->length;
    const snug_attention a = {.isa = isa,
                              .length = shape->length,
                              .length_k = shape->length,
                              .heads = shape->heads,
                              .head_dim = shape->head_dim,
                              .row_stride = shape->heads * shape->head_dim,
                              .scale = 0.125f,
                              .dropout = shape->dropout};
    const bench_arrays d = arrays_open(&a, samples);
    const snug_attention_inputs inputs = {
        .q = d.q, .k = d.k, .v = d.v, .lengths = d.lengths, .bias = shape->bias ? d.bias : NULL};
    const snug_attention_gradients gradients = {
        .dq = d.dq, .dk = d.dk, .dv = d.dv, .dbias = shape->bias ? d.dbias : NULL};
    const int64_t bytes = snug_attention_backward_scratch_bytes(&a, parallel->threads) +
                          snug_attention_forward_scratch_bytes(&a, parallel->threads);
    void *scratch = bench_memory(bytes);
    double forward_s = 1e9;
    double backward_s = 1e9;
    double shares[2][TURNS_MAX];
    double rates[TURNS_MAX];
    const double product = 2e-9 * (double)(samples * shape->length * shape->length * a.row_stride);
    double before = bench_roof_rate(roof);
    for (int i = 0; i < turns; i++) {
        const int64_t start = bench_ns(parallel);
        snug_attention_forward(&a, samples, &inputs, d.y, d.lse, parallel, scratch);
        const int64_t middle = bench_ns(parallel);
        snug_attention_backward(&a, samples, &inputs, d.y, d.lse, d.dy, &gradients, parallel,
                                scratch);
        const int64_t end = bench_ns(parallel);
        const double f = (double)(middle - start) * 1e-9;
        const double b = (double)(end - middle) * 1e-9;
        forward_s = f < forward_s ? f : forward_s;
        backward_s = b < backward_s ? b : backward_s;
        const double after = bench_roof_rate(roof);
        rates[i] = 0.5 * (before + after);
        shares[0][i] = 2.0 * product / f / rates[i];
        shares[1][i] = 5.0 * product / b / rates[i];
        before = after;
    }
    printf("{\"bench\": \"attention\", \"isa\": %d, \"threads\": %d, \"samples\": %lld, "
           "\"length\": %lld, \"heads\": %lld, \"head_dim\": %lld, \"dropout\": %.1f, "
           "\"bias\": %d, \"forward_ms\": %.2f, \"backward_ms\": %.2f, \"forward_of_gemm\": %.3f, "
           "\"backward_of_gemm\": %.3f, \"gemm_gflops\": %.1f, \"scratch_kib\": %.0f}\n",
           (int)isa, parallel->threads, (long long)samples, (long long)shape->length,
           (long long)shape->heads, (long long)shape->head_dim, (double)shape->dropout,
           (int)shape->bias, forward_s * 1e3, backward_s * 1e3,
           bench_quantile(turns, shares[0], 0.5), bench_quantile(turns, shares[1], 0.5),
           bench_quantile(turns, rates, 0.5), (double)bytes / 1024.0);
    free(scratch);
    arrays_close(&d);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "avx512";
    const snug_kernel_isa isa = strcmp(name, "avx512") == 0 ? SNUG_KERNEL_AVX512
                                : strcmp(name, "avx2") == 0 ? SNUG_KERNEL_AVX2
                                                            : SNUG_KERNEL_SCALAR;
    const int32_t threads = argc > 2 ? atoi(argv[2]) : 2;
    const int asked = argc > 3 ? atoi(argv[3]) : 10;
    const int turns = asked < 1 ? 1 : asked > TURNS_MAX ? TURNS_MAX : asked;
    snug_error err = {0};
    snug_pool *pool = NULL;
    if (snug_failed(snug_pool_open(threads, &pool, &err))) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const snug_parallel *parallel = snug_pool_parallel(pool);
    bench_roof roof;
    bench_roof_open(isa, parallel, &roof);
    for (int64_t i = 0; i < SNUG_COUNT(shapes); i++) {
        bench_one(&shapes[i], isa, parallel, turns, &roof);
    }
    bench_roof_close(&roof);
    snug_pool_close(pool);
    return 0;
}
