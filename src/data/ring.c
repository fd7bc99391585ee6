#include "data/ring.h"

#include <stdbool.h>

#include "base/assert.h"
#include "base/checked.h"
#include "sys/clock.h"
#include "sys/thread.h"

typedef enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_READY } slot_state;

typedef struct slot {
    slot_state state;
    snug_status status;
    snug_error err;
} slot;

typedef struct worker {
    snug_thread thread;
    snug_ring *ring;
    int32_t number;
} worker;

/* `head` is the ticket of the consumer, `next` the first that no worker took, head <= next <=
 * limit. */
struct snug_ring {
    snug_ring_options options;
    int64_t stride_bytes;
    unsigned char *slot_memory;
    slot *slots;
    worker workers[SNUG_WORKERS_MAX];
    snug_mutex mutex;
    snug_condition work;  /* A ticket may be taken, or it is time to stop. */
    snug_condition ready; /* A fill ended. */
    int64_t head, next, limit;
    int32_t active; /* Fills that run now. */
    bool acquired;
    bool stop;
    snug_ring_times times;
};

static int64_t head_bytes(const snug_ring_options *options)
{
    return snug_align_up((int64_t)sizeof(snug_ring), SNUG_ALIGN) +
           snug_align_up(options->slots * (int64_t)sizeof(slot), SNUG_ALIGN);
}

int64_t snug_ring_size(const snug_ring_options *options)
{
    return head_bytes(options) + options->slots * snug_align_up(options->slot_bytes, SNUG_ALIGN);
}

static bool may_take(const snug_ring *ring)
{
    return ring->next < ring->limit && ring->next < ring->head + ring->options.slots;
}

static void fill_one(snug_ring *ring, int32_t number, int64_t ticket)
{
    const int64_t index = ticket % ring->options.slots;
    slot *const target = &ring->slots[index];
    const int64_t start_ns = snug_clock_ns();
    target->err = (snug_error){0};
    target->status =
        ring->options.fill(ring->options.context, number, ticket,
                           ring->slot_memory + index * ring->stride_bytes, &target->err);
    const int64_t spent_ns = snug_clock_ns() - start_ns;

    snug_mutex_lock(&ring->mutex);
    target->state = SLOT_READY;
    ring->active--;
    ring->times.busy_ns += spent_ns;
    ring->times.tickets++;
    snug_condition_signal(&ring->ready);
    snug_mutex_unlock(&ring->mutex);
}

static void worker_body(void *context)
{
    worker *const self = context;
    snug_ring *const ring = self->ring;
    bool running = true;
    while (running) {
        snug_mutex_lock(&ring->mutex);
        while (!ring->stop && !may_take(ring)) {
            snug_condition_wait(&ring->work, &ring->mutex);
        }
        running = !ring->stop;
        int64_t ticket = 0;
        if (running) {
            ticket = ring->next++;
            ring->slots[ticket % ring->options.slots].state = SLOT_BUSY;
            ring->active++;
        }
        snug_mutex_unlock(&ring->mutex);
        if (running) {
            fill_one(ring, self->number, ticket);
        }
    }
}

snug_status snug_ring_init(const snug_ring_options *options, void *memory, snug_ring **out_ring,
                           snug_error *err)
{
    SNUG_ASSERT(options->workers >= 1);
    SNUG_ASSERT(options->workers <= SNUG_WORKERS_MAX);
    SNUG_ASSERT(options->slots >= 1);
    SNUG_ASSERT(options->slots <= SNUG_RING_SLOTS_MAX);
    SNUG_ASSERT(options->slot_bytes >= 1);
    snug_status status = SNUG_OK;
    snug_ring *const ring = memory;
    unsigned char *const bytes = memory;
    *ring = (snug_ring){.options = *options};
    void *const slots = bytes + snug_align_up((int64_t)sizeof(snug_ring), SNUG_ALIGN);
    ring->slots = slots;
    ring->slot_memory = bytes + head_bytes(options);
    ring->stride_bytes = snug_align_up(options->slot_bytes, SNUG_ALIGN);
    for (int32_t i = 0; i < options->slots; i++) {
        ring->slots[i] = (slot){.state = SLOT_FREE};
    }
    snug_mutex_init(&ring->mutex);
    snug_condition_init(&ring->work);
    snug_condition_init(&ring->ready);

    const int64_t stack_bytes =
        options->stack_bytes > 0 ? options->stack_bytes : SNUG_RING_STACK_BYTES;
    for (int32_t i = 0; i < options->workers; i++) {
        worker *const one = &ring->workers[i];
        one->ring = ring;
        one->number = i;
        SNUG_TRY_DONE(
            snug_thread_start(&one->thread, "snug-loader", stack_bytes, worker_body, one, err));
    }
    *out_ring = ring;

done:
    if (snug_failed(status)) {
        snug_ring_deinit(ring);
    }
    return status;
}

void snug_ring_deinit(snug_ring *ring)
{
    if (ring == NULL) {
        return;
    }
    snug_mutex_lock(&ring->mutex);
    ring->stop = true;
    snug_condition_broadcast(&ring->work);
    snug_mutex_unlock(&ring->mutex);
    for (int32_t i = 0; i < ring->options.workers; i++) {
        snug_thread_join(&ring->workers[i].thread);
    }
    snug_condition_deinit(&ring->ready);
    snug_condition_deinit(&ring->work);
    snug_mutex_deinit(&ring->mutex);
}

void snug_ring_extend(snug_ring *ring, int64_t limit)
{
    snug_mutex_lock(&ring->mutex);
    SNUG_ASSERT(limit >= ring->limit);
    ring->limit = limit;
    snug_condition_broadcast(&ring->work);
    snug_mutex_unlock(&ring->mutex);
}

snug_status snug_ring_acquire(snug_ring *ring, int64_t ticket, const void **out_slot,
                              snug_error *err)
{
    snug_mutex_lock(&ring->mutex);
    SNUG_ASSERT(!ring->acquired);
    SNUG_ASSERT(ticket == ring->head);
    SNUG_ASSERT(ticket < ring->limit);
    const int64_t index = ticket % ring->options.slots;
    const slot *const source = &ring->slots[index];
    if (source->state != SLOT_READY) {
        const int64_t start_ns = snug_clock_ns();
        while (source->state != SLOT_READY) {
            snug_condition_wait(&ring->ready, &ring->mutex);
        }
        ring->times.starved_ns += snug_clock_ns() - start_ns;
    }
    ring->acquired = true;
    snug_mutex_unlock(&ring->mutex);

    /* The slot belongs to the consumer until the release: no lock is needed to read it. */
    if (snug_failed(source->status)) {
        if (err != NULL) {
            *err = source->err;
        }
        return snug_error_pass(err, source->status, __FILE__, __LINE__);
    }
    *out_slot = ring->slot_memory + index * ring->stride_bytes;
    return SNUG_OK;
}

void snug_ring_release(snug_ring *ring)
{
    snug_mutex_lock(&ring->mutex);
    SNUG_ASSERT(ring->acquired);
    ring->acquired = false;
    ring->slots[ring->head % ring->options.slots].state = SLOT_FREE;
    ring->head++;
    if (may_take(ring)) {
        snug_condition_signal(&ring->work);
    }
    snug_mutex_unlock(&ring->mutex);
}

int64_t snug_ring_cancel(snug_ring *ring)
{
    snug_mutex_lock(&ring->mutex);
    SNUG_ASSERT(!ring->acquired);
    const int64_t limit = ring->limit;
    /* Nobody takes a ticket any more; what runs now runs to its end. */
    ring->next = limit;
    while (ring->active > 0) {
        snug_condition_wait(&ring->ready, &ring->mutex);
    }
    for (int32_t i = 0; i < ring->options.slots; i++) {
        ring->slots[i].state = SLOT_FREE;
    }
    ring->head = limit;
    snug_mutex_unlock(&ring->mutex);
    return limit;
}

void snug_ring_times_read(snug_ring *ring, snug_ring_times *out)
{
    snug_mutex_lock(&ring->mutex);
    *out = ring->times;
    snug_mutex_unlock(&ring->mutex);
}
