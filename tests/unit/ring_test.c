/* labels: thread fast */
#include <stdatomic.h>

#include "base/limits.h"
#include "check.h"
#include "data/ring.h"
#include "sys/clock.h"
#include "sys/heap.h"

enum { SLOT_BYTES = 100 };

typedef struct work {
    atomic_llong fills;
    atomic_int inside;
    atomic_int inside_max;
    int64_t fails_at; /* -1: never. */
    int64_t sleep_ns;
} work;

static snug_status fill(void *context, int32_t worker, int64_t ticket, void *slot, snug_error *err)
{
    work *const self = context;
    CHECK(worker >= 0);
    const int inside = atomic_fetch_add(&self->inside, 1) + 1;
    int seen = atomic_load(&self->inside_max);
    while (seen < inside && !atomic_compare_exchange_weak(&self->inside_max, &seen, inside)) {
    }
    if (self->sleep_ns > 0) {
        snug_clock_sleep_ns(self->sleep_ns);
    }
    unsigned char *const bytes = slot;
    for (int64_t i = 0; i < SLOT_BYTES; i++) {
        bytes[i] = (unsigned char)(ticket * 31 + i);
    }
    atomic_fetch_add(&self->fills, 1);
    atomic_fetch_sub(&self->inside, 1);
    if (ticket == self->fails_at) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "ticket %lld is bad", (long long)ticket);
    }
    return SNUG_OK;
}

typedef struct fixture {
    snug_ring_options options;
    void *memory;
    int64_t bytes;
    snug_ring *ring;
} fixture;

static void open_ring(fixture *self, int32_t workers, int32_t slots, work *context)
{
    snug_error err = {0};
    self->options = (snug_ring_options){.workers = workers,
                                        .slots = slots,
                                        .slot_bytes = SLOT_BYTES,
                                        .fill = fill,
                                        .context = context};
    self->bytes = snug_ring_size(&self->options);
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_DATA, self->bytes, true, &self->memory, &err));
    CHECK_OK(snug_ring_init(&self->options, self->memory, &self->ring, &err));
}

static void close_ring(fixture *self)
{
    snug_ring_deinit(self->ring);
    snug_heap_unmap(SNUG_CATEGORY_DATA, self->memory, self->bytes);
}

static void take(fixture *self, int64_t ticket)
{
    snug_error err = {0};
    const void *slot = NULL;
    CHECK_OK(snug_ring_acquire(self->ring, ticket, &slot, &err));
    const unsigned char *const bytes = slot;
    for (int64_t i = 0; i < SLOT_BYTES; i++) {
        CHECK(bytes[i] == (unsigned char)(ticket * 31 + i));
    }
    CHECK((uintptr_t)slot % SNUG_ALIGN == 0);
    snug_ring_release(self->ring);
}

static void tickets_come_in_order_for_any_workers(void **state)
{
    SNUG_UNUSED(state);
    const int32_t counts[] = {1, 2, 7, 16};
    for (int64_t i = 0; i < SNUG_COUNT(counts); i++) {
        for (int32_t slots = 1; slots <= 9; slots += 4) {
            work context = {.fails_at = -1};
            fixture self;
            open_ring(&self, counts[i], slots, &context);
            snug_ring_extend(self.ring, 150);
            for (int64_t ticket = 0; ticket < 150; ticket++) {
                take(&self, ticket);
            }
            snug_ring_extend(self.ring, 300);
            for (int64_t ticket = 150; ticket < 300; ticket++) {
                take(&self, ticket);
            }
            CHECK(atomic_load(&context.fills) == 300);
            CHECK(atomic_load(&context.inside_max) <= slots);
            close_ring(&self);
        }
    }
}

static void never_more_slots_than_there_are(void **state)
{
    SNUG_UNUSED(state);
    work context = {.fails_at = -1};
    fixture self;
    open_ring(&self, 4, 3, &context);
    snug_ring_extend(self.ring, 100);
    take(&self, 0);
    snug_clock_sleep_ns(20000000);
    /* One slot was given back: tickets 0 to 3 at most. */
    CHECK(atomic_load(&context.fills) <= 4);
    for (int64_t ticket = 1; ticket < 100; ticket++) {
        take(&self, ticket);
    }
    close_ring(&self);
}

static void a_failed_fill_fails_its_own_ticket(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    work context = {.fails_at = 5};
    fixture self;
    open_ring(&self, 2, 4, &context);
    snug_ring_extend(self.ring, 10);
    for (int64_t ticket = 0; ticket < 5; ticket++) {
        take(&self, ticket);
    }
    const void *slot = NULL;
    CHECK_FAILS(snug_ring_acquire(self.ring, 5, &slot, &err), SNUG_CODE_DATA);
    assert_string_equal(err.message, "ticket 5 is bad");
    CHECK(slot == NULL);
    snug_ring_release(self.ring);
    take(&self, 6);
    close_ring(&self);
}

static void cancel_drops_what_was_made(void **state)
{
    SNUG_UNUSED(state);
    work context = {.fails_at = -1, .sleep_ns = 200000};
    fixture self;
    open_ring(&self, 3, 5, &context);
    for (int64_t round = 0; round < 20; round++) {
        const int64_t first = snug_ring_cancel(self.ring);
        snug_ring_extend(self.ring, first + 40);
        for (int64_t i = 0; i < round % 7; i++) {
            take(&self, first + i);
        }
    }
    CHECK(snug_ring_cancel(self.ring) == 20 * 40);
    close_ring(&self);
}

static void closing_while_workers_are_busy_ends(void **state)
{
    SNUG_UNUSED(state);
    for (int64_t i = 0; i < 20; i++) {
        work context = {.fails_at = -1, .sleep_ns = 100000};
        fixture self;
        open_ring(&self, 16, 32, &context);
        snug_ring_extend(self.ring, 1000);
        if (i % 2 == 1) {
            take(&self, 0);
        }
        close_ring(&self);
    }
}

static void a_failing_start_leaves_nothing_running(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    work context = {.fails_at = -1};
    snug_ring *ring = NULL;
    void *memory = NULL;
    const snug_ring_options options = {
        .workers = 4, .slots = 4, .slot_bytes = SLOT_BYTES, .fill = fill, .context = &context};
    const int64_t bytes = snug_ring_size(&options);
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_DATA, bytes, true, &memory, &err));
    snug_heap_fail_at(3);
    CHECK_FAILS(snug_ring_init(&options, memory, &ring, &err), SNUG_CODE_MEMORY);
    snug_heap_fail_at(0);
    CHECK(ring == NULL);
    snug_heap_unmap(SNUG_CATEGORY_DATA, memory, bytes);
}

static void null_may_be_closed(void **state)
{
    SNUG_UNUSED(state);
    snug_ring_deinit(NULL);
    snug_heap_usage usage;
    snug_heap_usage_read(&usage);
    CHECK(usage.current_bytes[SNUG_CATEGORY_DATA] == 0);
    CHECK(usage.current_bytes[SNUG_CATEGORY_RUNTIME] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tickets_come_in_order_for_any_workers),
        cmocka_unit_test(never_more_slots_than_there_are),
        cmocka_unit_test(a_failed_fill_fails_its_own_ticket),
        cmocka_unit_test(cancel_drops_what_was_made),
        cmocka_unit_test(closing_while_workers_are_busy_ends),
        cmocka_unit_test(a_failing_start_leaves_nothing_running),
        cmocka_unit_test(null_may_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
