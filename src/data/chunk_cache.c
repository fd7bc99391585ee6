#include "data/chunk_cache.h"

#include <stdbool.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/hash.h"
#include "base/limits.h"
#include "sys/thread.h"

typedef enum entry_state { ENTRY_EMPTY, ENTRY_LOADING, ENTRY_READY, ENTRY_FAILED } entry_state;

enum { NO_ENTRY = -1 };

typedef struct entry {
    uint64_t key;
    entry_state state;
    int32_t pins;  /* Readers, and threads that wait for the load. */
    bool touched;  /* CLOCK: used since the hand came by. */
    int64_t chain; /* Next entry of the same bucket. */
} entry;

struct snug_chunk_cache {
    int64_t entry_count;
    int64_t entry_bytes;  /* Padded. */
    int64_t bucket_count; /* A power of two. */
    entry *entries;
    int64_t *buckets;
    unsigned char *data;
    int64_t hand;
    snug_mutex mutex;
    snug_condition changed; /* A load ended or a pin was given back. */
    snug_chunk_cache_counts counts;
};

int64_t snug_chunk_cache_entries(const snug_chunk_cache_options *options)
{
    const int64_t padded = snug_align_up(options->entry_bytes, SNUG_ALIGN);
    int64_t count = options->bytes / padded;
    if (options->entries_max > 0) {
        count = snug_min_i64(count, options->entries_max);
    }
    return snug_max_i64(count, options->entries_min);
}

static int64_t bucket_count_of(int64_t entry_count)
{
    int64_t count = 8;
    while (count < 2 * entry_count) {
        count *= 2;
    }
    return count;
}

static int64_t tables_bytes(int64_t entry_count)
{
    return snug_align_up((int64_t)sizeof(snug_chunk_cache), SNUG_ALIGN) +
           snug_align_up(entry_count * (int64_t)sizeof(entry), SNUG_ALIGN) +
           snug_align_up(bucket_count_of(entry_count) * (int64_t)sizeof(int64_t), SNUG_ALIGN);
}

int64_t snug_chunk_cache_size(const snug_chunk_cache_options *options)
{
    const int64_t count = snug_chunk_cache_entries(options);
    return tables_bytes(count) + count * snug_align_up(options->entry_bytes, SNUG_ALIGN);
}

snug_chunk_cache *snug_chunk_cache_init(const snug_chunk_cache_options *options, void *memory)
{
    SNUG_ASSERT(options->entry_bytes >= 1);
    SNUG_ASSERT(options->entries_min >= 1);
    snug_chunk_cache *const cache = memory;
    unsigned char *at = memory;
    const int64_t count = snug_chunk_cache_entries(options);
    *cache = (snug_chunk_cache){.entry_count = count,
                                .entry_bytes = snug_align_up(options->entry_bytes, SNUG_ALIGN),
                                .bucket_count = bucket_count_of(count)};
    at += snug_align_up((int64_t)sizeof(snug_chunk_cache), SNUG_ALIGN);
    void *const entries = at;
    cache->entries = entries;
    at += snug_align_up(count * (int64_t)sizeof(entry), SNUG_ALIGN);
    void *const buckets = at;
    cache->buckets = buckets;
    at += snug_align_up(cache->bucket_count * (int64_t)sizeof(int64_t), SNUG_ALIGN);
    cache->data = at;
    for (int64_t i = 0; i < count; i++) {
        cache->entries[i] = (entry){.chain = NO_ENTRY};
    }
    for (int64_t i = 0; i < cache->bucket_count; i++) {
        cache->buckets[i] = NO_ENTRY;
    }
    snug_mutex_init(&cache->mutex);
    snug_condition_init(&cache->changed);
    return cache;
}

void snug_chunk_cache_deinit(snug_chunk_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (int64_t i = 0; i < cache->entry_count; i++) {
        SNUG_ASSERT(cache->entries[i].pins == 0);
    }
    snug_condition_deinit(&cache->changed);
    snug_mutex_deinit(&cache->mutex);
}

static int64_t *bucket_of(snug_chunk_cache *cache, uint64_t key)
{
    const uint64_t hash = snug_hash64_mix(0, key);
    return &cache->buckets[hash & (uint64_t)(cache->bucket_count - 1)];
}

static int64_t find_entry(snug_chunk_cache *cache, uint64_t key)
{
    int64_t index = *bucket_of(cache, key);
    while (index != NO_ENTRY && cache->entries[index].key != key) {
        index = cache->entries[index].chain;
    }
    return index;
}

static void unlink_entry(snug_chunk_cache *cache, int64_t index)
{
    int64_t *link = bucket_of(cache, cache->entries[index].key);
    while (*link != index) {
        SNUG_ASSERT(*link != NO_ENTRY);
        link = &cache->entries[*link].chain;
    }
    *link = cache->entries[index].chain;
    cache->entries[index].chain = NO_ENTRY;
}

/* Two turns of the hand: the first may only clear the marks. NO_ENTRY when everything is pinned. */
static int64_t find_victim(snug_chunk_cache *cache)
{
    for (int64_t turn = 0; turn < 2 * cache->entry_count; turn++) {
        const int64_t index = cache->hand;
        entry *const one = &cache->entries[index];
        cache->hand = index + 1 < cache->entry_count ? index + 1 : 0;
        if (one->pins > 0) {
            continue;
        }
        if (one->state == ENTRY_EMPTY || !one->touched) {
            return index;
        }
        one->touched = false;
    }
    return NO_ENTRY;
}

static void claim_entry(snug_chunk_cache *cache, int64_t index, uint64_t key)
{
    entry *const one = &cache->entries[index];
    if (one->state != ENTRY_EMPTY) {
        unlink_entry(cache, index);
    }
    int64_t *const bucket = bucket_of(cache, key);
    *one =
        (entry){.key = key, .state = ENTRY_LOADING, .pins = 1, .touched = true, .chain = *bucket};
    *bucket = index;
}

/* Gives one pin back; a failed entry is free again with its last one. */
static void drop_pin(snug_chunk_cache *cache, int64_t index)
{
    entry *const one = &cache->entries[index];
    SNUG_ASSERT(one->pins > 0);
    one->pins--;
    if (one->pins == 0) {
        if (one->state == ENTRY_FAILED) {
            one->state = ENTRY_EMPTY;
        }
        snug_condition_broadcast(&cache->changed);
    }
}

/* Loads a claimed entry. Called with the mutex held; holds it again when it returns. */
static snug_status load_entry(snug_chunk_cache *cache, int64_t index, snug_chunk_load load,
                              void *context, snug_error *err)
{
    entry *const one = &cache->entries[index];
    const uint64_t key = one->key;
    cache->counts.misses++;
    snug_mutex_unlock(&cache->mutex);
    const snug_status status = load(context, key, cache->data + index * cache->entry_bytes, err);
    snug_mutex_lock(&cache->mutex);
    one->state = ENTRY_READY;
    if (snug_failed(status)) {
        /* Nobody finds it any more; those who waited try for themselves and get their own error. */
        unlink_entry(cache, index);
        one->state = ENTRY_FAILED;
    }
    snug_condition_broadcast(&cache->changed);
    return status;
}

/* An entry with this key and a pin of ours, loaded or being loaded; or a claimed one to load. */
static int64_t pin_entry(snug_chunk_cache *cache, uint64_t key, bool *out_claimed)
{
    for (;;) {
        int64_t index = find_entry(cache, key);
        if (index != NO_ENTRY) {
            cache->entries[index].pins++;
            cache->entries[index].touched = true;
            *out_claimed = false;
            return index;
        }
        index = find_victim(cache);
        if (index != NO_ENTRY) {
            claim_entry(cache, index, key);
            *out_claimed = true;
            return index;
        }
        snug_condition_wait(&cache->changed, &cache->mutex);
    }
}

/* Waits until the load of another thread ended; false when it failed. */
static bool wait_for_load(snug_chunk_cache *cache, int64_t index)
{
    const entry *const one = &cache->entries[index];
    if (one->state == ENTRY_READY) {
        cache->counts.hits++;
        return true;
    }
    cache->counts.waits++;
    while (one->state == ENTRY_LOADING) {
        snug_condition_wait(&cache->changed, &cache->mutex);
    }
    return one->state == ENTRY_READY;
}

snug_status snug_chunk_cache_acquire(snug_chunk_cache *cache, uint64_t key, snug_chunk_load load,
                                     void *context, snug_chunk_pin *out_pin, snug_error *err)
{
    snug_status status = SNUG_OK;
    bool claimed = false;
    bool ready = false;
    int64_t index = NO_ENTRY;
    snug_mutex_lock(&cache->mutex);
    while (!ready && !snug_failed(status)) {
        index = pin_entry(cache, key, &claimed);
        if (claimed) {
            status = load_entry(cache, index, load, context, err);
            ready = !snug_failed(status);
        } else {
            ready = wait_for_load(cache, index);
        }
        if (!ready) {
            drop_pin(cache, index);
        }
    }
    snug_mutex_unlock(&cache->mutex);
    if (ready) {
        *out_pin =
            (snug_chunk_pin){.data = cache->data + index * cache->entry_bytes, .entry = index};
    }
    return status;
}

void snug_chunk_cache_release(snug_chunk_cache *cache, snug_chunk_pin pin)
{
    snug_mutex_lock(&cache->mutex);
    drop_pin(cache, pin.entry);
    snug_mutex_unlock(&cache->mutex);
}

void snug_chunk_cache_counts_read(snug_chunk_cache *cache, snug_chunk_cache_counts *out)
{
    snug_mutex_lock(&cache->mutex);
    *out = cache->counts;
    snug_mutex_unlock(&cache->mutex);
}
