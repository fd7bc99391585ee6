/* The only door to memory: every request names a category, and after the seal the door is shut. */
#ifndef SNUG_SYS_HEAP_H
#define SNUG_SYS_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/category.h"
#include "base/status.h"

/**
 * Zeroed memory straight from the system, page-aligned; `populate` touches every page now (huge
 * pages where the system allows), so that no page fault comes later and the peak is known.
 * SNUG_CODE_LIMIT after the seal (counted), SNUG_CODE_MEMORY when the system has none.
 * @threads Safe.
 */
SNUG_MUST_CHECK snug_status snug_heap_map(snug_category category, int64_t bytes, bool populate,
                                          void **out, snug_error *err);
/** Gives back what snug_heap_map gave; NULL is allowed. `bytes` as asked. */
void snug_heap_unmap(snug_category category, void *memory, int64_t bytes);

/** Gives the end of what snug_heap_map gave back, so that `new_bytes` stay; sealed or not. */
void snug_heap_shrink(snug_category category, void *memory, int64_t old_bytes, int64_t new_bytes);

/** An arena that grows through snug_heap_map in blocks of at least `block_bytes`. */
void snug_heap_arena_init(snug_arena *arena, const char *name, snug_category category,
                          int64_t block_bytes);
/** Gives the blocks behind the one that is in use back: those that a rewind left empty. */
void snug_heap_arena_trim(snug_arena *arena, snug_category category);
/** Gives every block of such an arena back and leaves it empty. */
void snug_heap_arena_deinit(snug_arena *arena, snug_category category);

typedef struct snug_heap_usage {
    int64_t current_bytes[SNUG_CATEGORY_COUNT];
    int64_t peak_bytes[SNUG_CATEGORY_COUNT];
    int64_t total_peak_bytes;
    int64_t requests_after_seal; /* Refused requests. */
} snug_heap_usage;

void snug_heap_usage_read(snug_heap_usage *out);

/** Shuts the door; sets RLIMIT_DATA to what is mapped now plus `slack_bytes` when `limit_process`.
 */
SNUG_MUST_CHECK snug_status snug_heap_seal(bool limit_process, int64_t slack_bytes,
                                           snug_error *err);
/** Opens it again (between runs, in tests) and restores the old RLIMIT_DATA. */
void snug_heap_unseal(void);
bool snug_heap_sealed(void);

/**
 * Makes the C library's malloc, which foreign code uses, predictable: one arena, fixed thresholds,
 * free memory given back. Call first thing in the program, before threads start.
 */
void snug_heap_tame_malloc(void);
/** Gives what malloc holds free back to the system, before the floor is measured. */
void snug_heap_trim_malloc(void);

/** Tests only: the N-th request from now fails with SNUG_CODE_MEMORY; 0 turns it off. */
void snug_heap_fail_at(int64_t n);

#endif
