/* Decoded blocks shared by all readers of a data set, within a fixed number of bytes. */
#ifndef SNUG_DATA_CHUNK_CACHE_H
#define SNUG_DATA_CHUNK_CACHE_H

#include <stdint.h>

#include "base/status.h"

/**
 * Entries of equal size, each pinned while somebody reads it. A block is loaded by one thread; the
 * others that want it wait for the same load. What leaves is chosen by CLOCK.
 */
typedef struct snug_chunk_cache snug_chunk_cache;

typedef struct snug_chunk_cache_options {
    int64_t entry_bytes; /**< Room of one decoded block, >= 1. */
    int64_t bytes;       /**< Budget for the blocks; raised to `entries_min` blocks when smaller. */
    int32_t entries_min; /**< Threads that pin at once, plus one: nobody waits for ever then. */
    int64_t entries_max; /**< Blocks there are at all; 0: unknown. No more entries are made. */
} snug_chunk_cache_options;

/** Entries that a cache of these options has. */
int64_t snug_chunk_cache_entries(const snug_chunk_cache_options *options);

/** Bytes of the cache, its tables included. */
int64_t snug_chunk_cache_size(const snug_chunk_cache_options *options);

/** Builds a cache in snug_chunk_cache_size() zeroed bytes aligned to SNUG_ALIGN. Cannot fail. */
snug_chunk_cache *snug_chunk_cache_init(const snug_chunk_cache_options *options, void *memory);
void snug_chunk_cache_deinit(snug_chunk_cache *cache); /* NULL is allowed; nothing may be pinned. */

/** Decodes block `key` into `out`, which has entry_bytes of room. Called without any lock held. */
typedef snug_status (*snug_chunk_load)(void *context, uint64_t key, void *out, snug_error *err);

/** A pinned block. */
typedef struct snug_chunk_pin {
    const void *data;
    int64_t entry;
} snug_chunk_pin;

/**
 * The block `key`, loaded when it is not there. Each success must be released; a thread pins at
 * most one block at a time. A failed load leaves no entry; those who waited for it try for
 * themselves.
 * @threads Safe.
 */
SNUG_MUST_CHECK snug_status snug_chunk_cache_acquire(snug_chunk_cache *cache, uint64_t key,
                                                     snug_chunk_load load, void *context,
                                                     snug_chunk_pin *out_pin, snug_error *err);
void snug_chunk_cache_release(snug_chunk_cache *cache, snug_chunk_pin pin);

typedef struct snug_chunk_cache_counts {
    int64_t hits;   /* Found ready. */
    int64_t waits;  /* Found while another thread loaded it. */
    int64_t misses; /* Loaded. */
} snug_chunk_cache_counts;

void snug_chunk_cache_counts_read(snug_chunk_cache *cache, snug_chunk_cache_counts *out);

#endif
