/* labels: fast */
#include "check.h"

#include <sys/resource.h>
#include <unistd.h>

#include "base/checked.h"
#include "sys/heap.h"
#include "sys/procfs.h"

static snug_heap_usage usage(void)
{
    snug_heap_usage now;
    snug_heap_usage_read(&now);
    return now;
}

static void every_request_is_counted_under_its_category(void **state)
{
    (void)state;
    snug_error err = {0};
    void *a = NULL, *b = NULL;
    const snug_heap_usage before = usage();
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_DATA, 5000, false, &a, &err));
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_WEIGHTS, 1, true, &b, &err));
    CHECK(((uintptr_t)a & 4095) == 0);
    for (int i = 0; i < 5000; i++) {
        CHECK(((unsigned char *)a)[i] == 0);
    }
    snug_heap_usage now = usage();
    const int64_t page = (int64_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(now.current_bytes[SNUG_CATEGORY_DATA] -
                         before.current_bytes[SNUG_CATEGORY_DATA],
                     snug_align_up(5000, page));
    assert_int_equal(now.current_bytes[SNUG_CATEGORY_WEIGHTS], page);
    snug_heap_unmap(SNUG_CATEGORY_DATA, a, 5000);
    snug_heap_unmap(SNUG_CATEGORY_WEIGHTS, b, 1);
    snug_heap_unmap(SNUG_CATEGORY_WEIGHTS, NULL, 1);
    now = usage();
    assert_int_equal(now.current_bytes[SNUG_CATEGORY_DATA],
                     before.current_bytes[SNUG_CATEGORY_DATA]);
    assert_int_equal(now.peak_bytes[SNUG_CATEGORY_WEIGHTS], page);
    CHECK(now.total_peak_bytes >= snug_align_up(5000, page) + page);
    assert_string_equal(snug_category_name(SNUG_CATEGORY_OPTIMIZER), "optimizer");
}

static void populated_memory_is_resident_at_once(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_process_memory before, after;
    void *memory = NULL;
    const int64_t bytes = (INT64_C(16) << 20) + 12345;
    CHECK_OK(snug_procfs_process("", 0, &before, &err));
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_ACTIVATIONS, bytes, true, &memory, &err));
    CHECK_OK(snug_procfs_process("", 0, &after, &err));
    CHECK(((uintptr_t)memory & ((2 << 20) - 1)) == 0);
    /* A page or two of slack: the kernel's own counters lag behind by up to 64 pages a thread. */
    CHECK(after.resident_bytes - before.resident_bytes > bytes - (INT64_C(1) << 20));
    CHECK(after.resident_bytes - before.resident_bytes < bytes + (INT64_C(4) << 20));
    snug_heap_unmap(SNUG_CATEGORY_ACTIVATIONS, memory, bytes);
}

static void requests_that_cannot_be_met_fail_cleanly(void **state)
{
    (void)state;
    snug_error err = {0};
    void *memory = NULL;
    const snug_heap_usage before = usage();
    CHECK_FAILS(snug_heap_map(SNUG_CATEGORY_DATA, INT64_MAX - 4096, false, &memory, &err),
                SNUG_CODE_MEMORY);
    CHECK_FAILS(snug_heap_map(SNUG_CATEGORY_DATA, INT64_C(1) << 60, true, &memory, &err),
                SNUG_CODE_MEMORY);
    snug_heap_fail_at(2);
    void *first = NULL;
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_DATA, 1, false, &first, &err));
    CHECK_FAILS(snug_heap_map(SNUG_CATEGORY_DATA, 1, false, &memory, &err), SNUG_CODE_MEMORY);
    CHECK(memory == NULL);
    snug_heap_unmap(SNUG_CATEGORY_DATA, first, 1);
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_DATA, 1, false, &first, &err));
    snug_heap_unmap(SNUG_CATEGORY_DATA, first, 1);
    const snug_heap_usage after = usage();
    assert_memory_equal(after.current_bytes, before.current_bytes, sizeof after.current_bytes);
}

static void after_the_seal_the_door_is_shut_and_refusals_are_counted(void **state)
{
    (void)state;
    snug_error err = {0};
    void *memory = NULL;
    void *kept = NULL;
    CHECK(!snug_heap_sealed());
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_DATA, 1, false, &kept, &err));
    CHECK_OK(snug_heap_seal(false, 0, &err));
    CHECK(snug_heap_sealed());
    CHECK_FAILS(snug_heap_map(SNUG_CATEGORY_DATA, 1, false, &memory, &err), SNUG_CODE_LIMIT);
    CHECK_FAILS(snug_heap_map(SNUG_CATEGORY_DATA, 1, false, &memory, &err), SNUG_CODE_LIMIT);
    CHECK(memory == NULL);
    assert_int_equal(usage().requests_after_seal, 2);
    snug_heap_unmap(SNUG_CATEGORY_DATA, kept, 1);
    snug_heap_unseal();
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_DATA, 1, false, &memory, &err));
    snug_heap_unmap(SNUG_CATEGORY_DATA, memory, 1);
    assert_int_equal(usage().requests_after_seal, 2);
    CHECK_OK(snug_heap_seal(false, 0, &err));
    assert_int_equal(usage().requests_after_seal, 0);
    snug_heap_unseal();
}

static void the_seal_limits_the_process(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("skipped here: a sanitizer maps memory of its own\n");
#else
    snug_error err = {0};
    struct rlimit before, during, after;
    snug_process_memory process;
    CHECK(getrlimit(RLIMIT_DATA, &before) == 0);
    CHECK_OK(snug_procfs_process("", 0, &process, &err));
    CHECK_OK(snug_heap_seal(true, INT64_C(1) << 20, &err));
    CHECK(getrlimit(RLIMIT_DATA, &during) == 0);
    const int64_t wanted = process.data_bytes + (INT64_C(1) << 20);
    CHECK((int64_t)during.rlim_cur >= wanted);
    CHECK((int64_t)during.rlim_cur <= wanted + (INT64_C(1) << 20));
    /* Foreign code meets the kernel's limit: so much private memory is not there any more. */
    void *foreign = malloc(64 << 20);
    CHECK(foreign == NULL);
    snug_heap_unseal();
    CHECK(getrlimit(RLIMIT_DATA, &after) == 0);
    CHECK(after.rlim_cur == before.rlim_cur);
    foreign = malloc(64 << 20);
    CHECK(foreign != NULL);
    free(foreign);
#endif
}

static void an_arena_grows_through_the_door(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_arena arena;
    void *memory = NULL;
    const snug_heap_usage before = usage();
    snug_heap_arena_init(&arena, "test", SNUG_CATEGORY_DATA, 10000);
    CHECK_OK(snug_arena_alloc(&arena, 100, &memory, &err));
    CHECK_OK(snug_arena_alloc(&arena, 100000, &memory, &err));
    assert_int_equal(arena.block_count, 2);
    CHECK(arena.blocks[0].bytes >= 10000);
    CHECK_OK(snug_heap_seal(false, 0, &err));
    void *refused = NULL;
    CHECK_FAILS(snug_arena_alloc(&arena, 1000000, &refused, &err), SNUG_CODE_LIMIT);
    CHECK(refused == NULL);
    snug_heap_unseal();
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    assert_int_equal(arena.used_bytes, 0);
    assert_int_equal(usage().current_bytes[SNUG_CATEGORY_DATA],
                     before.current_bytes[SNUG_CATEGORY_DATA]);
    CHECK_OK(snug_arena_alloc(&arena, 1, &memory, &err));
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
}

int main(void)
{
    snug_heap_tame_malloc();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_is_counted_under_its_category),
        cmocka_unit_test(populated_memory_is_resident_at_once),
        cmocka_unit_test(requests_that_cannot_be_met_fail_cleanly),
        cmocka_unit_test(after_the_seal_the_door_is_shut_and_refusals_are_counted),
        cmocka_unit_test(the_seal_limits_the_process),
        cmocka_unit_test(an_arena_grows_through_the_door),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
