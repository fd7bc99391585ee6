/* How a kernel divides its outputs over threads without knowing the thread pool. */
#ifndef SNUG_BASE_PARALLEL_H
#define SNUG_BASE_PARALLEL_H

#include <stdint.h>

/** One part of a job; `part` in [0, parts), `thread` in [0, threads) names the scratch to use. */
typedef void (*snug_parallel_work)(void *context, int64_t part, int32_t thread);

/**
 * Runs parts 0..parts-1, each once, on up to `threads` threads, and returns when all are done.
 * Parts may run in any order and must write disjoint outputs: a result never depends on threads.
 */
typedef struct snug_parallel {
    int32_t threads; /* >= 1. */
    void (*run)(const struct snug_parallel *self, int64_t parts, snug_parallel_work work,
                void *context);
    void *pool; /* Private to the implementation. */
} snug_parallel;

/** One thread, no pool: runs the parts in order. */
extern const snug_parallel snug_parallel_serial;

static inline void snug_parallel_run(const snug_parallel *parallel, int64_t parts,
                                     snug_parallel_work work, void *context)
{
    parallel->run(parallel, parts, work, context);
}

#endif
