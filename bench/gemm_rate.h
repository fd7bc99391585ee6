/* Memory for benchmarks, and the rate of a large product, measured between the runs of what is held
 * against it: a machine that is shared changes its speed from second to second. */
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

enum { GEMM_RATE_SIZE = 2048 };

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

/** A square product, ready to run. */
typedef struct bench_roof {
    snug_gemm_call call;
    const snug_parallel *parallel;
    float *operands;
    void *scratch;
} bench_roof;

static inline void bench_roof_open(snug_kernel_isa isa, const snug_parallel *parallel,
                                   bench_roof *out)
{
    const int64_t n = GEMM_RATE_SIZE;
    float *operands = bench_numbers(3 * n * n, 1.0f);
    *out = (bench_roof){.call = {.isa = isa,
                                 .rows = n,
                                 .cols = n,
                                 .depth = n,
                                 .batch = 1,
                                 .a = {.data = operands, .row_stride = n, .col_stride = 1},
                                 .b = {.data = operands + n * n, .row_stride = n, .col_stride = 1},
                                 .c = operands + 2 * n * n,
                                 .c_row_stride = n},
                        .parallel = parallel,
                        .operands = operands};
    out->scratch = bench_memory(snug_gemm_scratch_bytes(&out->call, parallel->threads));
}

static inline void bench_roof_close(const bench_roof *roof)
{
    free(roof->scratch);
    free(roof->operands);
}

/** GFLOP/s of one run. */
static inline double bench_roof_rate(const bench_roof *roof)
{
    const double n = GEMM_RATE_SIZE;
    const int64_t start = bench_ns(roof->parallel);
    snug_gemm(&roof->call, roof->parallel, roof->scratch);
    return 2.0 * n * n * n / (double)(bench_ns(roof->parallel) - start);
}

/** The number that `share` of the values are below; sorts them. */
static inline double bench_quantile(int64_t count, double *values, double share)
{
    for (int64_t i = 1; i < count; i++) {
        const double moved = values[i];
        int64_t at = i;
        while (at > 0 && values[at - 1] > moved) {
            values[at] = values[at - 1];
            at--;
        }
        values[at] = moved;
    }
    return values[(int64_t)(share * (double)(count - 1) + 0.5)];
}

#endif
