/* labels: thread fast */
#include <stdatomic.h>

#include "base/philox.h"
#include "check.h"
#include "data/chunk_cache.h"
#include "sys/clock.h"
#include "sys/heap.h"
#include "sys/thread.h"

enum { ENTRY_BYTES = 512, THREADS = 8 };

typedef struct world {
    snug_chunk_cache *cache;
    void *memory;
    int64_t bytes;
    atomic_llong loads;
    atomic_int bad; /* Loads of this key fail while it is positive. */
    uint64_t bad_key;
    int64_t sleep_ns;
} world;

static snug_status load(void *context, uint64_t key, void *out, snug_error *err)
{
    world *const self = context;
    atomic_fetch_add(&self->loads, 1);
    if (self->sleep_ns > 0) {
        snug_clock_sleep_ns(self->sleep_ns);
    }
    if (key == self->bad_key && atomic_load(&self->bad) > 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "block %llu is damaged", (unsigned long long)key);
    }
    memset(out, (int)(key % 251), ENTRY_BYTES);
    return SNUG_OK;
}

static void open_cache(world *self, int64_t entries, int32_t entries_min, int64_t entries_max)
{
    snug_error err = {0};
    const snug_chunk_cache_options options = {.entry_bytes = ENTRY_BYTES,
                                              .bytes = entries * ENTRY_BYTES,
                                              .entries_min = entries_min,
                                              .entries_max = entries_max};
    self->bytes = snug_chunk_cache_size(&options);
    self->bad_key = UINT64_MAX;
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_DATA, self->bytes, true, &self->memory, &err));
    self->cache = snug_chunk_cache_init(&options, self->memory);
}

static void close_cache(world *self)
{
    snug_chunk_cache_deinit(self->cache);
    snug_heap_unmap(SNUG_CATEGORY_DATA, self->memory, self->bytes);
}

static void use(world *self, uint64_t key)
{
    snug_error err = {0};
    snug_chunk_pin pin;
    CHECK_OK(snug_chunk_cache_acquire(self->cache, key, load, self, &pin, &err));
    const unsigned char *const bytes = pin.data;
    CHECK(bytes[0] == key % 251);
    CHECK(bytes[ENTRY_BYTES - 1] == key % 251);
    snug_chunk_cache_release(self->cache, pin);
}

static void sizes_keep_the_budget(void **state)
{
    SNUG_UNUSED(state);
    snug_chunk_cache_options options = {.entry_bytes = 1000, .bytes = 10240, .entries_min = 3};
    CHECK(snug_chunk_cache_entries(&options) == 10);
    CHECK(snug_chunk_cache_size(&options) >= 10240);
    CHECK(snug_chunk_cache_size(&options) < 10240 + 2048);
    options.bytes = 0;
    CHECK(snug_chunk_cache_entries(&options) == 3);
    options = (snug_chunk_cache_options){
        .entry_bytes = 1000, .bytes = 1 << 30, .entries_min = 3, .entries_max = 7};
    CHECK(snug_chunk_cache_entries(&options) == 7);
}

static void what_fits_is_loaded_once(void **state)
{
    SNUG_UNUSED(state);
    world self = {0};
    open_cache(&self, 16, 2, 0);
    for (int64_t round = 0; round < 5; round++) {
        for (uint64_t key = 0; key < 16; key++) {
            use(&self, key << 33);
        }
    }
    CHECK(atomic_load(&self.loads) == 16);
    snug_chunk_cache_counts counts;
    snug_chunk_cache_counts_read(self.cache, &counts);
    CHECK(counts.hits == 64);
    CHECK(counts.misses == 16);
    CHECK(counts.waits == 0);
    close_cache(&self);
}

static void the_hand_spares_what_is_used(void **state)
{
    SNUG_UNUSED(state);
    world self = {0};
    open_cache(&self, 8, 2, 0);
    /* Key 1 is used between all others: it is loaded a few times only, they are each time. */
    for (uint64_t key = 100; key < 400; key++) {
        use(&self, 1);
        use(&self, key);
    }
    CHECK(atomic_load(&self.loads) < 300 + 100);
    close_cache(&self);
}

static void a_failed_load_leaves_no_entry(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    world self = {0};
    open_cache(&self, 4, 2, 0);
    self.bad_key = 7;
    atomic_store(&self.bad, 1);
    snug_chunk_pin pin = {.entry = -5};
    for (int64_t i = 0; i < 10; i++) {
        CHECK_FAILS(snug_chunk_cache_acquire(self.cache, 7, load, &self, &pin, &err),
                    SNUG_CODE_FORMAT);
        CHECK(pin.entry == -5);
    }
    assert_string_equal(err.message, "block 7 is damaged");
    atomic_store(&self.bad, 0);
    use(&self, 7);
    close_cache(&self);
}

typedef struct reader {
    snug_thread thread;
    world *shared;
    int32_t number;
    bool same_keys;
    int64_t failures;
} reader;

static void read_many(void *context)
{
    reader *const self = context;
    for (uint64_t i = 0; i < 2000; i++) {
        const snug_philox_block words =
            snug_philox(snug_philox_stream(1, self->same_keys ? 0 : (uint64_t)self->number),
                        (snug_philox_block){{(uint32_t)i, 0, 0, 0}});
        const uint64_t key = words.word[0] % 40;
        snug_error err = {0};
        snug_chunk_pin pin;
        const snug_status status =
            snug_chunk_cache_acquire(self->shared->cache, key, load, self->shared, &pin, &err);
        if (snug_failed(status)) {
            CHECK(key == self->shared->bad_key);
            CHECK(strcmp(err.message, "block 13 is damaged") == 0);
            self->failures++;
            continue;
        }
        const unsigned char *const bytes = pin.data;
        CHECK(bytes[i % ENTRY_BYTES] == key % 251);
        snug_chunk_cache_release(self->shared->cache, pin);
    }
}

static int64_t run_readers(world *self, bool same_keys)
{
    snug_error err = {0};
    static reader readers[THREADS];
    int64_t failures = 0;
    for (int32_t i = 0; i < THREADS; i++) {
        readers[i] = (reader){.shared = self, .number = i, .same_keys = same_keys};
        CHECK_OK(snug_thread_start(&readers[i].thread, "reader", 0, read_many, &readers[i], &err));
    }
    for (int32_t i = 0; i < THREADS; i++) {
        snug_thread_join(&readers[i].thread);
        failures += readers[i].failures;
    }
    return failures;
}

static void threads_share_what_is_loaded(void **state)
{
    SNUG_UNUSED(state);
    world self = {0};
    open_cache(&self, 40, THREADS + 1, 0);
    CHECK(run_readers(&self, true) == 0);
    /* All 40 keys fit: single flight means one load each, whoever comes first. */
    CHECK(atomic_load(&self.loads) == 40);
    close_cache(&self);
}

static void a_cache_of_the_least_size_still_serves_all(void **state)
{
    SNUG_UNUSED(state);
    world self = {0};
    open_cache(&self, 0, THREADS + 1, 0);
    CHECK(run_readers(&self, false) == 0);
    close_cache(&self);
}

static void errors_reach_every_thread_that_asks(void **state)
{
    SNUG_UNUSED(state);
    world self = {0};
    open_cache(&self, 20, THREADS + 1, 0);
    self.bad_key = 13;
    atomic_store(&self.bad, 1);
    CHECK(run_readers(&self, false) > 0);
    close_cache(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_keep_the_budget),
        cmocka_unit_test(what_fits_is_loaded_once),
        cmocka_unit_test(the_hand_spares_what_is_used),
        cmocka_unit_test(a_failed_load_leaves_no_entry),
        cmocka_unit_test(threads_share_what_is_loaded),
        cmocka_unit_test(a_cache_of_the_least_size_still_serves_all),
        cmocka_unit_test(errors_reach_every_thread_that_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
