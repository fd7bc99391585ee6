/* Threads: one with a known stack, locks and conditions, and the pool that runs kernels. */
#ifndef SNUG_SYS_THREAD_H
#define SNUG_SYS_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/parallel.h"
#include "base/status.h"

enum { SNUG_STACK_BYTES = 256 << 10 };

typedef void (*snug_thread_body)(void *context);

/** One thread. All zeros is a thread that was never started. The struct must not move. */
typedef struct snug_thread {
    pthread_t native;
    void *stack; /* From the heap door, the guard page first. */
    int64_t stack_map_bytes;
    snug_thread_body body;
    void *context;
    char name[16];
    bool started;
} snug_thread;

/** Bytes of the heap's runtime category that a thread with `stack_bytes` of stack takes. */
int64_t snug_thread_bytes(int64_t stack_bytes);

/**
 * Starts `body(context)` on a thread whose stack is touched now, with a guard page below it and all
 * signals blocked, so that they reach the main thread.
 * @param stack_bytes  Usable stack, rounded up to pages; 0 picks SNUG_STACK_BYTES.
 * @mem     snug_thread_bytes(stack_bytes) of the runtime category, until the join.
 * @errors  SNUG_CODE_MEMORY, SNUG_CODE_LIMIT (sealed). `thread` is untouched on failure.
 */
SNUG_MUST_CHECK snug_status snug_thread_start(snug_thread *thread, const char *name,
                                              int64_t stack_bytes, snug_thread_body body,
                                              void *context, snug_error *err);
/** Waits for the end of the thread and gives its stack back; a thread never started is allowed. */
void snug_thread_join(snug_thread *thread);

typedef struct snug_mutex {
    pthread_mutex_t native;
} snug_mutex;

typedef struct snug_condition {
    pthread_cond_t native;
} snug_condition;

void snug_mutex_init(snug_mutex *mutex);
void snug_mutex_deinit(snug_mutex *mutex);
void snug_mutex_lock(snug_mutex *mutex);
void snug_mutex_unlock(snug_mutex *mutex);

void snug_condition_init(snug_condition *condition);
void snug_condition_deinit(snug_condition *condition);
/** Waits with `mutex` held; may wake without a reason: loop over the predicate. */
void snug_condition_wait(snug_condition *condition, snug_mutex *mutex);
/** The same for at most `timeout_ns`; false when the time is over. */
bool snug_condition_wait_ns(snug_condition *condition, snug_mutex *mutex, int64_t timeout_ns);
void snug_condition_signal(snug_condition *condition);
void snug_condition_broadcast(snug_condition *condition);

/** A pool of compute threads behind a snug_parallel. The thread that calls it is thread 0. */
typedef struct snug_pool snug_pool;

/** Bytes of the heap's runtime category that a pool of `threads` takes. */
int64_t snug_pool_bytes(int32_t threads);

/**
 * Starts threads - 1 workers; they spin briefly for the next job and then sleep.
 * @param threads  1 to SNUG_THREADS_MAX.
 * @mem     snug_pool_bytes(threads) of the runtime category, until the close.
 * @errors  SNUG_CODE_USAGE for a bad count, SNUG_CODE_MEMORY, SNUG_CODE_LIMIT (sealed).
 */
SNUG_MUST_CHECK snug_status snug_pool_open(int32_t threads, snug_pool **out, snug_error *err);
/** Ends the workers and gives everything back; NULL is allowed. No job may be running. */
void snug_pool_close(snug_pool *pool);

/**
 * The pool as kernels see it; lives as long as the pool.
 * @threads  One job at a time: a second caller, or a job inside a job, is an assertion.
 */
const snug_parallel *snug_pool_parallel(const snug_pool *pool);

#endif
