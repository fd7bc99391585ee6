/* Open files shared by all readers: the least recently used one is closed when there are many. */
#ifndef SNUG_DATA_DESCRIPTORS_H
#define SNUG_DATA_DESCRIPTORS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "sys/file.h"

enum { SNUG_DESCRIPTORS_MAX = 64 };

typedef struct snug_descriptors snug_descriptors;

/** Bytes of the arena that snug_descriptors_open takes. */
int64_t snug_descriptors_size(void);
SNUG_MUST_CHECK snug_status snug_descriptors_open(snug_arena *arena, snug_descriptors **out,
                                                  snug_error *err);
/** Closes all files; NULL is allowed. Nothing may be acquired. */
void snug_descriptors_close(snug_descriptors *descriptors);

/**
 * File number `id`, opened when it is not. Release it soon: at most SNUG_DESCRIPTORS_MAX files can
 * be acquired at once, and a thread holds one.
 *
 * @param path   Outlives the descriptors.
 * @param bytes  Size that the file must have; SNUG_CODE_DATA when it changed since.
 * @threads Safe.
 */
SNUG_MUST_CHECK snug_status snug_descriptors_acquire(snug_descriptors *descriptors, int64_t id,
                                                     const char *path, int64_t bytes,
                                                     const snug_file **out_file, snug_error *err);
void snug_descriptors_release(snug_descriptors *descriptors, const snug_file *file);

#endif
