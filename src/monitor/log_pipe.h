/* A compressed log unpacked on a thread of its own, some blocks ahead of who reads it. */
#ifndef SNUG_MONITOR_LOG_PIPE_H
#define SNUG_MONITOR_LOG_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "monitor/log_unpack.h"
#include "sys/file.h"
#include "sys/thread.h"

enum { SNUG_LOG_PIPE_BYTES = 128 << 10, SNUG_LOG_PIPE_SLOTS = 4 };

/**
 * An open pipe; about 650 KiB. Unpacking takes longer than reading what was unpacked: beside each
 * other both take as long as the slower one. Only snug_log_pipe_* look into it.
 */
typedef struct snug_log_pipe {
    const snug_file *file;
    snug_log_unpack unpack;
    snug_thread thread;
    snug_mutex mutex;
    snug_condition changed;
    int64_t filled, taken; /* Slots so far; under the mutex, as what follows. */
    bool ended, stopped;
    snug_status status; /* Of the unpacking; known once it has ended. */
    snug_error error;
    int64_t bytes[SNUG_LOG_PIPE_SLOTS]; /* A slot belongs to one side at a time. */
    char slots[SNUG_LOG_PIPE_SLOTS][SNUG_LOG_PIPE_BYTES];
    char packed[SNUG_LOG_PIPE_BYTES]; /* The thread's. */
} snug_log_pipe;

/**
 * Starts to unpack a file from its beginning.
 * @param file  Borrowed until the close.
 * @param pipe  Any content before; must not move until the close.
 * @mem     As snug_log_unpack_open(), and the stack of a thread.
 * @errors  As snug_log_unpack_open() and snug_thread_start().
 */
SNUG_MUST_CHECK snug_status snug_log_pipe_open(snug_log_pipe *pipe, snug_log_packing packing,
                                               const snug_file *file, snug_error *err);
/**
 * The next block, valid until the next call; 0 bytes at the end.
 * @param[in,out] out_bytes  0 before the first call; then as the call before left it.
 * @param[out] out_whole  At the end: the file did not end in the middle.
 * @errors  SNUG_CODE_FORMAT for damaged bytes, once everything before them was given;
 *          SNUG_CODE_IO, SNUG_CODE_LIMIT.
 */
SNUG_MUST_CHECK snug_status snug_log_pipe_next(snug_log_pipe *pipe, const char **out_block,
                                               int64_t *out_bytes, bool *out_whole,
                                               snug_error *err);
/** Ends the thread, wherever it is. */
void snug_log_pipe_close(snug_log_pipe *pipe);

#endif
