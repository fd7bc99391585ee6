/* Reads of /proc and /sys that cost little: files that stay open, and folders of numbers. */
#ifndef SNUG_SYS_KEPT_H
#define SNUG_SYS_KEPT_H

#include <stdint.h>

#include "base/attr.h"
#include "base/status.h"

/*
 * For who looks again and again: no messages are made, nothing is allocated, and what is wrong is
 * a word. A file of a process that stays open never belongs to a later process with its number.
 */

/** What came of a look. */
typedef enum snug_look {
    SNUG_LOOK_OK,
    SNUG_LOOK_GONE,   /* No such file, or its process has ended. */
    SNUG_LOOK_DENIED, /* It is there and not for us. */
    SNUG_LOOK_FAILED  /* Anything else. */
} snug_look;

/** "", "no such file", "permission denied", "cannot be read". Static. */
const char *snug_look_words(snug_look look);

/** A file that is read from its start again and again. All zeros is closed. */
typedef struct snug_kept {
    int handle; /* File descriptor + 1. */
} snug_kept;

SNUG_MUST_CHECK snug_look snug_kept_open(const char *path, snug_kept *out);
/** Closes; a closed one is allowed. */
void snug_kept_close(snug_kept *kept);
/**
 * Reads from the start into `buffer`, with a zero after the last byte: one read, which is the whole
 * of a file that the kernel makes up in one piece; a longer one is cut.
 * @param capacity  >= 2 bytes.
 */
SNUG_MUST_CHECK snug_look snug_kept_read(const snug_kept *kept, char *buffer, int64_t capacity,
                                         int64_t *out_bytes);

/** Opens, reads and closes. */
SNUG_MUST_CHECK snug_look snug_look_read(const char *path, char *buffer, int64_t capacity,
                                         int64_t *out_bytes);

/** The names in a folder that are numbers, up to `capacity` of them, in the folder's order. */
SNUG_MUST_CHECK snug_look snug_look_numbers(const char *path, int64_t *out, int64_t capacity,
                                            int64_t *out_count);

/** The number of the calling process. */
int64_t snug_process_id(void);
/** Clock ticks per second, the unit of CPU times in /proc. */
int64_t snug_process_ticks(void);
/** Bytes of a page, the unit of statm. */
int64_t snug_process_page_bytes(void);

#endif
