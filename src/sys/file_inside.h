/* What the parts of sys/file share and nobody else sees. */
#ifndef SNUG_SYS_FILE_INSIDE_H
#define SNUG_SYS_FILE_INSIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/** "cannot ACTION 'PATH': reason"; SNUG_CODE_FULL for a full disk or quota, else SNUG_CODE_IO. */
snug_status snug_file_fail(snug_error *err, const char *action, const char *path, int reason);

/** open(2) with O_CLOEXEC and mode 0666, again after a signal. */
int snug_file_open_raw(const char *path, int flags);

/** Writes all bytes at `offset`, or at the file's own position when it is negative. */
SNUG_MUST_CHECK snug_status snug_file_write_raw(int fd, const char *path, int64_t offset,
                                                const void *data, int64_t bytes, snug_error *err);

/** Takes an exclusive lock on the open file; 0, or the system's reason when it cannot lock. */
int snug_file_lock_raw(int fd, bool *out_busy);

/** Syncs the folder that holds `path`. */
SNUG_MUST_CHECK snug_status snug_file_sync_above(const char *path, snug_error *err);

#endif
