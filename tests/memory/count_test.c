/* labels: fast */
#include "check.h"

#include "memory/count_allocations.h"

#include <libdeflate.h>

#include "sys/file.h"
#include "sys/heap.h"
#include "sys/procfs.h"
#include "sys/thread.h"

/* The compiler must not see that nobody uses what was asked for. */
static void *volatile kept;

static void every_door_is_counted(void **state)
{
    (void)state;
    count_allocations_begin();
    kept = malloc(10);
    free(kept);
    kept = calloc(2, 10);
    free(kept);
    kept = realloc(NULL, 30);
    free(kept);
    kept = aligned_alloc(64, 64);
    free(kept);
    void *memory = NULL;
    CHECK(posix_memalign(&memory, 64, 100) == 0);
    free(memory);
    const allocation_counts counts = count_allocations_end();
    assert_int_equal(counts.requests, 5);
    assert_int_equal(counts.bytes, 10 + 20 + 30 + 64 + 100);
    assert_int_equal(counts.largest_bytes, 100);
    assert_int_equal(counts.system_calls, 0);

    count_allocations_begin();
    memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    memory = mremap(memory, 4096, 8192, MREMAP_MAYMOVE);
    CHECK(memory != MAP_FAILED);
    CHECK(munmap(memory, 8192) == 0);
    CHECK(sbrk(0) != (void *)-1);
    assert_int_equal(count_allocations_end().system_calls, 2);
}

static void libraries_are_counted(void **state)
{
    (void)state;
    count_allocations_begin();
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    const allocation_counts counts = count_allocations_end();
    CHECK(decompressor != NULL);
    libdeflate_free_decompressor(decompressor);
    CHECK(counts.requests >= 1 && counts.bytes > 1000);

    count_allocations_begin();
    FILE *file = fopen("/dev/null", "r");
    CHECK(count_allocations_end().requests >= 1);
    CHECK(file != NULL);
    CHECK(fclose(file) == 0);
}

static void allocate_a_little(void *context)
{
    (void)context;
    kept = malloc(123);
    free(kept);
}

static void other_threads_are_counted(void **state)
{
    (void)state;
    snug_thread thread = {0};
    snug_error err = {0};
    count_allocations_begin();
    CHECK_OK(snug_thread_start(&thread, "little", 0, allocate_a_little, NULL, &err));
    snug_thread_join(&thread);
    CHECK(count_allocations_end().bytes >= 123);
}

static void add_one(void *context, int64_t part, int32_t thread)
{
    (void)thread;
    ((int64_t *)context)[part]++;
}

static void what_may_run_after_the_seal_asks_for_nothing(void **state)
{
    (void)state;
    static unsigned char buffer[4096];
    static int64_t parts[64];
    snug_error err = {0};
    snug_pool *pool = NULL;
    snug_file_writer writer = {0};
    snug_file log = {0};
    snug_lock lock = {0};
    snug_process_memory process;
    snug_machine_memory machine;
    char folder[] = "count_test.XXXXXX";
    char path[SNUG_PATH_BYTES];
    char sub[SNUG_PATH_BYTES];
    int64_t bytes = 0;
    CHECK(mkdtemp(folder) != NULL);
    CHECK_OK(snug_path_join(folder, "file", path, &err));
    CHECK_OK(snug_path_join(folder, "sub/folder", sub, &err));
    CHECK_OK(snug_pool_open(2, &pool, &err));

    count_allocations_begin();
    for (int i = 0; i < 100; i++) {
        snug_parallel_run(snug_pool_parallel(pool), 64, add_one, parts);
    }
    const snug_status statuses[] = {
        snug_file_writer_open(path, buffer, sizeof buffer, &writer, &err),
        snug_file_writer_add(&writer, parts, sizeof parts, &err),
        snug_file_writer_commit(&writer, &err),
        snug_file_open_append(path, &log, &err),
        snug_file_append(&log, "line\n", 5, &err),
        snug_file_sync(&log, &err),
        snug_lock_acquire(path, &lock, &err),
        snug_procfs_process("", 0, &process, &err),
        snug_procfs_machine("", &machine, &err),
        snug_disk_free(folder, &bytes, &err),
        snug_folder_make(sub, &err),
        snug_folder_remove(folder, &err),
    };
    snug_lock_release(&lock);
    snug_file_close(&log);
    const allocation_counts counts = count_allocations_end();

    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        assert_int_equal(statuses[i], SNUG_OK);
    }
    snug_pool_close(pool);
    assert_int_equal(counts.requests, 0);
    assert_int_equal(parts[63], 100);
}

static void the_heap_asks_once_and_says_so(void **state)
{
    (void)state;
    snug_error err = {0};
    void *memory = NULL;
    count_allocations_begin();
    const snug_status status = snug_heap_map(SNUG_CATEGORY_DATA, 10000, true, &memory, &err);
    const allocation_counts counts = count_allocations_end();
    assert_int_equal(status, SNUG_OK);
    assert_int_equal(counts.requests, 1);
    assert_int_equal(counts.system_calls, 1);
    assert_int_equal(counts.bytes, 12288);
    snug_heap_unmap(SNUG_CATEGORY_DATA, memory, 10000);
}

int main(void)
{
    if (!count_allocations_work()) {
        CHECK_SKIP_ALL("a sanitizer has its own allocator");
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_door_is_counted),
        cmocka_unit_test(libraries_are_counted),
        cmocka_unit_test(other_threads_are_counted),
        cmocka_unit_test(what_may_run_after_the_seal_asks_for_nothing),
        cmocka_unit_test(the_heap_asks_once_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
