#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/checked.h"
#include "sys/clock.h"
#include "sys/heap.h"
#include "sys/thread.h"

/* Long enough to bridge two kernels of a step, short enough to leave a core to the loader. */
enum { SPIN_NS = 50000, SPIN_HINTS = 64 };

typedef struct pool_worker {
    snug_thread thread;
    snug_pool *pool;
    int32_t index;
} pool_worker;

/*
 * A job is published in one word, `ticket`: its generation above, the parts not yet claimed below.
 * Claiming a part is a compare-and-swap on that word, so a worker that wakes late cannot take a
 * part of a job it has not seen. The plain fields are written before the ticket and are stable
 * until all parts are completed, hence nobody waits for workers that are asleep.
 */
struct snug_pool {
    snug_parallel parallel;
    int64_t map_bytes;
    int64_t spin_ns;

    snug_parallel_work work;
    void *context;
    int64_t parts;
    atomic_bool busy;
    _Alignas(SNUG_ALIGN) atomic_ullong ticket;
    _Alignas(SNUG_ALIGN) atomic_uint generation; /* What workers sleep on. */
    atomic_uint sleepers;
    atomic_bool stop;
    _Alignas(SNUG_ALIGN) atomic_uint completed; /* What the caller sleeps on. */
    atomic_uint caller_sleeps;

    pool_worker workers[SNUG_THREADS_MAX];
};

static void futex_wait(atomic_uint *word, unsigned value)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake_all(atomic_uint *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Spins until *word differs from `value`; false when the patience is over. */
static bool spin_until_changed(atomic_uint *word, unsigned value, int64_t spin_ns)
{
    const int64_t start = snug_clock_ns();
    do {
        for (int i = 0; i < SPIN_HINTS; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != value) {
                return true;
            }
            SNUG_SPIN_HINT();
        }
    } while (snug_clock_ns() - start < spin_ns);
    return false;
}

/* Runs parts of the job with this generation until none is left to claim. */
static void run_parts(snug_pool *pool, unsigned generation, int32_t thread)
{
    unsigned long long ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    for (;;) {
        const unsigned left = (unsigned)ticket;
        if ((unsigned)(ticket >> 32) != generation || left == 0) {
            return;
        }
        if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket - 1,
                                                   memory_order_acq_rel, memory_order_acquire)) {
            continue;
        }
        const int64_t parts = pool->parts;
        pool->work(pool->context, parts - left, thread);
        const unsigned completed = atomic_fetch_add(&pool->completed, 1) + 1;
        if (completed == (unsigned)parts && atomic_load(&pool->caller_sleeps) != 0) {
            futex_wake_all(&pool->completed);
        }
        ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    }
}

static void worker_body(void *context)
{
    pool_worker *worker = context;
    snug_pool *pool = worker->pool;
    unsigned seen = 0;
    for (;;) {
        if (!spin_until_changed(&pool->generation, seen, pool->spin_ns)) {
            /* The kernel compares once more, after the sleeper is visible: no wake-up is lost. */
            atomic_fetch_add(&pool->sleepers, 1);
            futex_wait(&pool->generation, seen);
            atomic_fetch_sub(&pool->sleepers, 1);
        }
        const unsigned now = atomic_load(&pool->generation);
        if (now == seen) {
            continue;
        }
        if (atomic_load(&pool->stop)) {
            return;
        }
        seen = now;
        run_parts(pool, now, worker->index);
    }
}

static void wait_for_all(snug_pool *pool)
{
    const unsigned parts = (unsigned)pool->parts;
    for (;;) {
        const unsigned completed = atomic_load(&pool->completed);
        if (completed == parts) {
            return;
        }
        if (!spin_until_changed(&pool->completed, completed, pool->spin_ns)) {
            atomic_store(&pool->caller_sleeps, 1);
            futex_wait(&pool->completed, completed);
            atomic_store(&pool->caller_sleeps, 0);
        }
    }
}

static void publish(snug_pool *pool, int64_t parts)
{
    const unsigned generation = atomic_load(&pool->generation) + 1;
    atomic_store(&pool->completed, 0);
    atomic_store_explicit(&pool->ticket, (unsigned long long)generation << 32 | (unsigned)parts,
                          memory_order_release);
    atomic_store(&pool->generation, generation);
    if (atomic_load(&pool->sleepers) != 0) {
        futex_wake_all(&pool->generation);
    }
}

static void run_on_pool(const snug_parallel *self, int64_t parts, snug_parallel_work work,
                        void *context)
{
    snug_pool *pool = self->pool;
    SNUG_ASSERT(parts <= INT32_MAX);
    if (parts <= 0) {
        return;
    }
    const bool busy = atomic_exchange(&pool->busy, true);
    SNUG_ASSERT(!busy);
    if (parts == 1 || self->threads == 1) {
        for (int64_t part = 0; part < parts; part++) {
            work(context, part, 0);
        }
    } else {
        pool->work = work;
        pool->context = context;
        pool->parts = parts;
        publish(pool, parts);
        run_parts(pool, atomic_load(&pool->generation), 0);
        wait_for_all(pool);
    }
    atomic_store(&pool->busy, false);
}

int64_t snug_pool_bytes(int32_t threads)
{
    const int64_t page = (int64_t)sysconf(_SC_PAGESIZE);
    return snug_align_up((int64_t)sizeof(snug_pool), page) +
           (threads - 1) * snug_thread_bytes(SNUG_STACK_BYTES);
}

static int64_t usable_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

snug_status snug_pool_open(int32_t threads, snug_pool **out, snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL;
    if (threads < 1 || threads > SNUG_THREADS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "%d compute threads; 1 to %d are possible", threads,
                         SNUG_THREADS_MAX);
    }
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(snug_pool), true, &memory, err));
    snug_pool *pool = memory;
    pool->parallel = (snug_parallel){.threads = threads, .run = run_on_pool, .pool = pool};
    pool->map_bytes = (int64_t)sizeof(snug_pool);
    /* With fewer cores than threads, whoever spins holds up whoever works. */
    pool->spin_ns = usable_cores() >= threads ? SPIN_NS : 0;
    for (int32_t i = 1; i < threads; i++) {
        char name[16];
        pool_worker *worker = &pool->workers[i];
        worker->pool = pool;
        worker->index = i;
        (void)snprintf(name, sizeof name, "snug-%u", (unsigned)(unsigned char)i);
        SNUG_TRY_DONE(
            snug_thread_start(&worker->thread, name, SNUG_STACK_BYTES, worker_body, worker, err));
    }
    *out = pool;
done:
    if (snug_failed(status)) {
        snug_pool_close(pool);
    }
    return status;
}

void snug_pool_close(snug_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    SNUG_ASSERT(!atomic_load(&pool->busy));
    atomic_store(&pool->stop, true);
    atomic_fetch_add(&pool->generation, 1);
    futex_wake_all(&pool->generation);
    for (int32_t i = 1; i < pool->parallel.threads; i++) {
        snug_thread_join(&pool->workers[i].thread);
    }
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, pool, pool->map_bytes);
}

const snug_parallel *snug_pool_parallel(const snug_pool *pool)
{
    return &pool->parallel;
}
