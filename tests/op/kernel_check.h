/* What kernel tests share: the instruction sets of this machine, runners with threads, numbers. */
#ifndef SNUG_TESTS_OP_KERNEL_CHECK_H
#define SNUG_TESTS_OP_KERNEL_CHECK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/parallel.h"
#include "ops/kernel_isa.h"

/** True when this machine runs the kernels of `isa`. */
static inline bool isa_runs_here(snug_kernel_isa isa)
{
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl");
    return isa == SNUG_KERNEL_SCALAR || (isa == SNUG_KERNEL_AVX2 ? avx2 : avx512);
}

/* A small generator for test data: splitmix64. */
typedef struct test_random {
    uint64_t state;
} test_random;

static inline uint64_t random_word(test_random *random)
{
    uint64_t z = (random->state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/** An integer in [low, high]. */
static inline int64_t random_between(test_random *random, int64_t low, int64_t high)
{
    return low + (int64_t)(random_word(random) % (uint64_t)(high - low + 1));
}

/** A number in [-1, 1). */
static inline float random_float(test_random *random)
{
    return (float)((double)(random_word(random) >> 40) / 8388608.0 - 1.0);
}

static inline void fill_random(test_random *random, float *data, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        data[i] = random_float(random);
    }
}

/** Aligned memory for a test, at least one byte; free() gives it back. */
static inline void *test_memory(int64_t bytes)
{
    const int64_t rounded = (bytes + SNUG_ALIGN) / SNUG_ALIGN * SNUG_ALIGN;
    void *memory = aligned_alloc(SNUG_ALIGN, (size_t)rounded);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static inline float *test_floats(int64_t count)
{
    return test_memory(count * (int64_t)sizeof(float));
}

/* Runs the parts last to first, dealt over the threads' scratch: an order no kernel may rely on. */
static inline void run_backwards(const snug_parallel *self, int64_t parts, snug_parallel_work work,
                                 void *context)
{
    for (int64_t part = parts - 1; part >= 0; part--) {
        work(context, part, (int32_t)(part % self->threads));
    }
}

typedef struct thread_job {
    snug_parallel_work work;
    void *context;
    int64_t parts;
    atomic_int_fast64_t next;
    atomic_int_fast32_t threads_named;
} thread_job;

static inline void *thread_body(void *argument)
{
    thread_job *job = argument;
    const int32_t thread = (int32_t)atomic_fetch_add(&job->threads_named, 1);
    for (int64_t part = atomic_fetch_add(&job->next, 1); part < job->parts;
         part = atomic_fetch_add(&job->next, 1)) {
        job->work(job->context, part, thread);
    }
    return NULL;
}

/* Real threads, started for every job. */
static inline void run_threads(const snug_parallel *self, int64_t parts, snug_parallel_work work,
                               void *context)
{
    pthread_t threads[SNUG_THREADS_MAX];
    thread_job job = {.work = work, .context = context, .parts = parts};
    for (int32_t i = 1; i < self->threads; i++) {
        if (pthread_create(&threads[i], NULL, thread_body, &job) != 0) {
            abort();
        }
    }
    (void)thread_body(&job);
    for (int32_t i = 1; i < self->threads; i++) {
        (void)pthread_join(threads[i], NULL);
    }
}

enum { TEST_RUNNERS = 4 };

/** Ways to run a job whose results must be the same: serial, backwards, 2 threads, 5 "threads". */
static inline snug_parallel test_runner(int64_t index)
{
    const snug_parallel runners[TEST_RUNNERS] = {
        snug_parallel_serial,
        {.threads = 2, .run = run_backwards},
        {.threads = 2, .run = run_threads},
        {.threads = 5, .run = run_backwards},
    };
    return runners[index];
}

#endif
