/* A ring of slots that worker threads fill ahead of one consumer, in the order of the tickets. */
#ifndef SNUG_DATA_RING_H
#define SNUG_DATA_RING_H

#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

enum { SNUG_RING_SLOTS_MAX = 256, SNUG_RING_STACK_BYTES = 64 << 10 };

/**
 * Makes what `ticket` stands for in `slot`. A pure function of the ticket: who calls it and when
 * must not show. Called by up to `workers` threads at once, never twice for one ticket.
 * @param worker  In [0, workers): names the scratch of the thread.
 */
typedef snug_status (*snug_ring_fill)(void *context, int32_t worker, int64_t ticket, void *slot,
                                      snug_error *err);

typedef struct snug_ring_options {
    int32_t workers;     /**< Threads, 1 to SNUG_WORKERS_MAX. */
    int32_t slots;       /**< Tickets that are being made or wait; 1 to SNUG_RING_SLOTS_MAX. */
    int64_t slot_bytes;  /**< Room of one slot, >= 1; slots are aligned to SNUG_ALIGN. */
    int64_t stack_bytes; /**< Stack of a worker; 0 picks SNUG_RING_STACK_BYTES. */
    snug_ring_fill fill;
    void *context; /**< Borrowed; for `fill`. */
} snug_ring_options;

/** Lives in the memory given to snug_ring_init. Everything but the fill runs on the consumer's
 * thread. */
typedef struct snug_ring snug_ring;

/** Bytes of a ring, slots and all; the stacks of the workers are the runtime category's. */
int64_t snug_ring_size(const snug_ring_options *options);

/**
 * Builds a ring and starts its workers, which live until snug_ring_deinit.
 *
 * @param[in] memory  snug_ring_size() bytes, zeroed, aligned to SNUG_ALIGN; outlives the ring.
 * @errors  What snug_thread_start says; nothing runs then.
 */
SNUG_MUST_CHECK snug_status snug_ring_init(const snug_ring_options *options, void *memory,
                                           snug_ring **out_ring, snug_error *err);

/** Lets running fills end, stops and joins the workers. NULL is allowed. */
void snug_ring_deinit(snug_ring *ring);

/** Tickets below `limit` may be made from now on; the limit never goes down. */
void snug_ring_extend(snug_ring *ring, int64_t limit);

/**
 * Waits for the slot of the next ticket, which must be `ticket` and below the limit.
 * A failed fill gives its own error here; the slot must be released all the same.
 */
SNUG_MUST_CHECK snug_status snug_ring_acquire(snug_ring *ring, int64_t ticket,
                                              const void **out_slot, snug_error *err);

/** Gives the acquired slot back to the workers. */
void snug_ring_release(snug_ring *ring);

/** Drops every ticket below the limit, made or not, and answers the next one: the limit. */
int64_t snug_ring_cancel(snug_ring *ring);

/** Where the time went, for people; not a result. */
typedef struct snug_ring_times {
    int64_t busy_ns;    /* Sum of all fills. */
    int64_t starved_ns; /* The consumer waited for a slot. */
    int64_t tickets;    /* Filled. */
} snug_ring_times;

void snug_ring_times_read(snug_ring *ring, snug_ring_times *out);

#endif
