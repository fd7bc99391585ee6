/* Memory for benchmarks, and the rate of a large product: what other kernels are measured against.
 */
#ifndef SNUG_BENCH_GEMM_RATE_H
#define SNUG_BENCH_GEMM_RATE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/parallel.h"
#include "ops/cpu/gemm.h"
#include "sys/clock.h"

enum { GEMM_RATE_SIZE = 1536, GEMM_RATE_TURNS = 4 };

/** Memory for the run, every page touched; the bench ends when there is none. */
static inline void *bench_memory(int64_t bytes)
{
    void *memory = aligned_alloc(SNUG_ALIGN, (size_t)((bytes / SNUG_ALIGN + 1) * SNUG_ALIGN));
    if (memory == NULL) {
        (void)fprintf(stderr, "no memory\n");
        exit(1);
    }
    memset(memory, 0, (size_t)bytes);
    return memory;
}

/** Floats in [-size, size). */
static inline float *bench_numbers(int64_t count, float size)
{
    float *data = bench_memory(count * (int64_t)sizeof(float));
    uint32_t state = 12345;
    for (int64_t i = 0; i < count; i++) {
        state = state * 1664525U + 1013904223U;
        data[i] = size * ((float)(state >> 8) / 8388608.0f - 1.0f);
    }
    return data;
}

/** Of one thread the processor's time, whatever else runs; of more the clock's. */
static inline int64_t bench_ns(const snug_parallel *parallel)
{
    return parallel->threads == 1 ? snug_clock_process_ns() : snug_clock_ns();
}

/** GFLOP/s of a square product, the best of a few. */
static inline double gemm_rate(snug_kernel_isa isa, const snug_parallel *parallel)
{
    const int64_t n = GEMM_RATE_SIZE;
    float *a = bench_numbers(n * n, 1.0f);
    float *b = bench_numbers(n * n, 1.0f);
    float *c = bench_numbers(n * n, 1.0f);
    const snug_gemm_call call = {.isa = isa,
                                 .rows = n,
                                 .cols = n,
                                 .depth = n,
                                 .batch = 1,
                                 .a = {.data = a, .row_stride = n, .col_stride = 1},
                                 .b = {.data = b, .row_stride = n, .col_stride = 1},
                                 .c = c,
                                 .c_row_stride = n};
    void *scratch = bench_memory(snug_gemm_scratch_bytes(&call, parallel->threads));
    double best = 0.0;
    for (int i = 0; i < GEMM_RATE_TURNS; i++) {
        const int64_t start = bench_ns(parallel);
        snug_gemm(&call, parallel, scratch);
        const double rate = 2.0 * (double)(n * n * n) / (double)(bench_ns(parallel) - start);
        best = rate > best ? rate : best;
    }
    free(a);
    free(b);
    free(c);
    free(scratch);
    return best;
}

#endif
