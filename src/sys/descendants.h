/* All processes below one: who they are, what they hold together, and how they are ended. */
#ifndef SNUG_SYS_DESCENDANTS_H
#define SNUG_SYS_DESCENDANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { SNUG_PIDS_MAX = 4096 }; /* Processes of one tree. */

/** Processes below a process, in no order. All zeros is an empty list. */
typedef struct snug_pids {
    int64_t pids[SNUG_PIDS_MAX];
    int64_t count;
    bool truncated; /* There are more. */
} snug_pids;

/**
 * Finds every process whose parents lead to `ancestor`, which is not one of them. What has ended
 * and waits for its parent does not count. Looks at each process of the machine: about 10 us each.
 *
 * @param ancestor  0 is the calling process.
 * @param except    A child of it to leave out, with all below; 0: none.
 * @mem     Allocates nothing.
 * @errors  SNUG_CODE_IO when /proc cannot be listed.
 */
SNUG_MUST_CHECK snug_status snug_descendants_read(int64_t ancestor, int64_t except, snug_pids *out,
                                                  snug_error *err);

/**
 * A number that differs when a process or thread was started since (the newest pid of the
 * machine or container); -1 where it cannot be read. One small read.
 */
int64_t snug_pids_clock(void);

/** Resident bytes of a process by kind. */
typedef struct snug_process_pages {
    int64_t anonymous_bytes; /* Its own. */
    int64_t shared_bytes;    /* Mapped files and shared memory. */
} snug_process_pages;

/** What is resident now: about 5 us at any size; zeros when the process is gone. */
void snug_process_pages_read(int64_t pid, snug_process_pages *out);

/**
 * The share of a process in what cannot be dropped: anonymous pages with what was swapped out, and
 * shared memory, each divided by those who map it. Mapped files are left out. Some 10 ms for each
 * GiB of small pages, during which the process may wait.
 * @return False when it cannot be read; `out` is untouched then.
 */
bool snug_process_share_read(int64_t pid, snug_process_pages *out);

/** Processes of the machine with `marker` ("NAME=value") in their environment; ours left out. */
void snug_pids_marked(const char *marker, snug_pids *out);

/**
 * Ends every process below this one, `except` and what is below it left out: all are stopped first,
 * so that none can start another, then killed, until none is left or `patience_s` are over. The
 * caller reaps.
 * @return How many were killed; -1 when some are still there.
 */
int64_t snug_descendants_kill(int64_t except, double patience_s);

#endif
