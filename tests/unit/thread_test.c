/* labels: thread fast */
#include "check.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/checked.h"
#include "sys/clock.h"
#include "sys/heap.h"
#include "sys/thread.h"

enum { PARTS_MAX = 10000 };

typedef struct counted_job {
    int32_t threads;
    int64_t runs[PARTS_MAX];             /* Not atomic on purpose: parts are disjoint. */
    int64_t by_thread[SNUG_THREADS_MAX]; /* Not atomic: a thread index has one user at a time. */
} counted_job;

static void count_part(void *context, int64_t part, int32_t thread)
{
    counted_job *job = context;
    SNUG_ASSERT(thread >= 0 && thread < job->threads);
    job->runs[part]++;
    job->by_thread[thread]++;
}

static int64_t runtime_bytes(void)
{
    snug_heap_usage usage;
    snug_heap_usage_read(&usage);
    return usage.current_bytes[SNUG_CATEGORY_RUNTIME];
}

static void every_part_runs_exactly_once(void **state)
{
    (void)state;
    static counted_job job;
    static const int64_t parts[] = {0, 1, 2, 3, 64, 1000, PARTS_MAX};
    const int64_t before = runtime_bytes();
    snug_error err = {0};
    for (int32_t threads = 1; threads <= 5; threads++) {
        snug_pool *pool = NULL;
        CHECK_OK(snug_pool_open(threads, &pool, &err));
        assert_int_equal(runtime_bytes() - before, snug_pool_bytes(threads));
        const snug_parallel *parallel = snug_pool_parallel(pool);
        assert_int_equal(parallel->threads, threads);
        for (int64_t i = 0; i < SNUG_COUNT(parts); i++) {
            job = (counted_job){.threads = threads};
            for (int round = 1; round <= 5; round++) {
                snug_parallel_run(parallel, parts[i], count_part, &job);
                for (int64_t part = 0; part < PARTS_MAX; part++) {
                    CHECK(job.runs[part] == (part < parts[i] ? round : 0));
                }
            }
            int64_t sum = 0;
            for (int32_t t = 0; t < SNUG_THREADS_MAX; t++) {
                sum += job.by_thread[t];
            }
            assert_int_equal(sum, 5 * parts[i]);
        }
        snug_pool_close(pool);
        assert_int_equal(runtime_bytes(), before);
    }
}

static void jobs_find_workers_awake_and_asleep(void **state)
{
    (void)state;
    static counted_job job;
    snug_pool *pool = NULL;
    snug_error err = {0};
    CHECK_OK(snug_pool_open(3, &pool, &err));
    job = (counted_job){.threads = 3};
    int64_t want = 0;
    for (int64_t i = 0; i < 3000; i++) {
        snug_parallel_run(snug_pool_parallel(pool), 3 + i % 5, count_part, &job);
        want += 3 + i % 5;
        if (i % 100 == 0) {
            snug_clock_sleep_ns(300000);
        }
    }
    assert_int_equal(job.by_thread[0] + job.by_thread[1] + job.by_thread[2], want);
    snug_pool_close(pool);
    snug_pool_close(NULL);
}

/* Each part waits for the other, so that a job ends only when both threads took one. */
static void meet_other_part(void *context, int64_t part, int32_t thread)
{
    atomic_llong *arrived = context;
    (void)part;
    (void)thread;
    const long long wanted = (atomic_fetch_add(arrived, 1) / 2 + 1) * 2;
    while (atomic_load(arrived) < wanted) {
        SNUG_SPIN_HINT();
    }
}

static void a_hot_dispatch_reaches_the_other_thread(void **state)
{
    (void)state;
    atomic_llong arrived = 0;
    snug_pool *pool = NULL;
    snug_error err = {0};
    CHECK_OK(snug_pool_open(2, &pool, &err));
    int64_t best_ns = INT64_MAX;
    for (int round = 0; round < 20; round++) {
        const int64_t start = snug_clock_ns();
        for (int i = 0; i < 20; i++) {
            snug_parallel_run(snug_pool_parallel(pool), 2, meet_other_part, &arrived);
        }
        best_ns = snug_min_i64(best_ns, (snug_clock_ns() - start) / 20);
    }
    /* A figure for people: what it costs depends on the machine and on who else is on it. */
    print_message("job on both of 2 threads: %lld ns (best of 20)\n", (long long)best_ns);
    assert_int_equal(atomic_load(&arrived), 2 * 20 * 20);
    snug_pool_close(pool);
}

static void a_pool_that_cannot_start_leaves_nothing(void **state)
{
    (void)state;
    const int64_t before = runtime_bytes();
    snug_pool *pool = NULL;
    snug_error err = {0};
    CHECK_FAILS(snug_pool_open(0, &pool, &err), SNUG_CODE_USAGE);
    CHECK_FAILS(snug_pool_open(SNUG_THREADS_MAX + 1, &pool, &err), SNUG_CODE_USAGE);
    for (int64_t n = 1; n <= 3; n++) {
        snug_heap_fail_at(n);
        CHECK_FAILS(snug_pool_open(3, &pool, &err), SNUG_CODE_MEMORY);
        snug_heap_fail_at(0);
        CHECK(pool == NULL);
        assert_int_equal(runtime_bytes(), before);
    }
    CHECK_OK(snug_heap_seal(false, 0, &err));
    CHECK_FAILS(snug_pool_open(2, &pool, &err), SNUG_CODE_LIMIT);
    snug_heap_unseal();
    CHECK(pool == NULL);
}

typedef struct mailbox {
    snug_mutex mutex;
    snug_condition changed;
    int value;
} mailbox;

static void answer(void *context)
{
    mailbox *box = context;
    snug_mutex_lock(&box->mutex);
    while (box->value != 1) {
        snug_condition_wait(&box->changed, &box->mutex);
    }
    box->value = 2;
    snug_condition_broadcast(&box->changed);
    snug_mutex_unlock(&box->mutex);
}

static void threads_talk_through_a_condition(void **state)
{
    (void)state;
    mailbox box = {.value = 0};
    snug_thread thread = {0};
    snug_error err = {0};
    snug_mutex_init(&box.mutex);
    snug_condition_init(&box.changed);
    const int64_t before = runtime_bytes();
    CHECK_OK(snug_thread_start(&thread, "a-name-longer-than-fits", 0, answer, &box, &err));
    assert_int_equal(runtime_bytes() - before, snug_thread_bytes(0));
    snug_mutex_lock(&box.mutex);
    CHECK(!snug_condition_wait_ns(&box.changed, &box.mutex, 1000000) || box.value != 0);
    box.value = 1;
    snug_condition_signal(&box.changed);
    while (box.value != 2) {
        snug_condition_wait(&box.changed, &box.mutex);
    }
    snug_mutex_unlock(&box.mutex);
    snug_thread_join(&thread);
    snug_thread_join(&thread);
    assert_int_equal(runtime_bytes(), before);
    snug_condition_deinit(&box.changed);
    snug_mutex_deinit(&box.mutex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_runs_exactly_once),
        cmocka_unit_test(jobs_find_workers_awake_and_asleep),
        cmocka_unit_test(a_hot_dispatch_reaches_the_other_thread),
        cmocka_unit_test(a_pool_that_cannot_start_leaves_nothing),
        cmocka_unit_test(threads_talk_through_a_condition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
