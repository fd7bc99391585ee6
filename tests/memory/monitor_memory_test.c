#include "check.h"

#include <unistd.h>

#include "count_allocations.h"
#include "monitor/recorder.h"
#include "sys/clock.h"
#include "sys/heap.h"

/* A watch asks the system for nothing once it is open: samples, log, levels, lists of children. */

static char path[] = "monitor_memory.XXXXXX";

static void watch(snug_target target, int64_t pid)
{
    snug_error err = {0};
    snug_recorder *recorder = NULL;
    snug_heap_usage usage;
    const snug_recorder_options options = {
        .target = target,
        .sampler = {.root = "", .pid = pid, .whole = true, .pss = SNUG_PSS_ALWAYS, .no_gpu = true},
        .levels = {.by_percent = true, .by_headroom = true, .limit_bytes = 1 << 20},
        .interval_ns = 1000000,
        .log_path = path,
        .force = true};
    CHECK_OK(snug_recorder_open(&options, &recorder, &err));
    CHECK_OK(snug_heap_seal(false, 0, &err));
    count_allocations_begin();
    for (int i = 0; i < 300; i++) {
        (void)snug_recorder_take(recorder);
        snug_clock_sleep_ns(100000);
        /* Seconds in which everything is due, without waiting for them. */
        if (i % 10 == 0) {
            recorder->sampler.medium_ns = 0;
            recorder->sampler.slow_ns = 0;
            recorder->sampler.group_ns = 1;
            recorder->sampler.pss_ns = 0;
            recorder->sampler.processes.next_walk_ns = 0;
            recorder->sampler.processes.next_deep_ns = 0;
        }
    }
    snug_recorder_finish(recorder, "done", -1);
    const allocation_counts counts = count_allocations_end();
    snug_heap_usage_read(&usage);
    snug_heap_unseal();
    CHECK(recorder->samples == 301);
    snug_recorder_close(recorder);
    assert_int_equal(counts.requests, 0);
    assert_int_equal(usage.requests_after_seal, 0);
}

static void watching_itself_allocates_nothing(void **state)
{
    (void)state;
    watch(SNUG_TARGET_SELF, 0);
}

static void watching_a_process_allocates_nothing(void **state)
{
    (void)state;
    watch(SNUG_TARGET_PID, getppid());
}

static void watching_the_machine_allocates_nothing(void **state)
{
    (void)state;
    watch(SNUG_TARGET_MACHINE, 0);
}

int main(void)
{
    if (!count_allocations_work()) {
        CHECK_SKIP_ALL("a sanitizer has an allocator of its own");
    }
    const int fd = mkstemp(path);
    if (fd < 0) {
        return 1;
    }
    (void)close(fd);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watching_itself_allocates_nothing),
        cmocka_unit_test(watching_a_process_allocates_nothing),
        cmocka_unit_test(watching_the_machine_allocates_nothing),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    return failed;
}
