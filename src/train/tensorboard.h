/* Scalars for TensorBoard: event files written by hand, in bounded memory. */
#ifndef SNUG_TRAIN_TENSORBOARD_H
#define SNUG_TRAIN_TENSORBOARD_H

#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "sys/file.h"

enum {
    SNUG_TENSORBOARD_TAG_BYTES = 128,    /* The longest tag with its final zero. */
    SNUG_TENSORBOARD_BUFFER_BYTES = 8192 /* About 100 scalars. */
};

/**
 * An event file that grows. All zeros is closed. One thread at a time; about 12 KiB. Nothing is
 * allocated, neither here nor for an event.
 *
 * @source  TFRecord: u64 length, u32 masked CRC-32C of it, bytes, u32 masked CRC-32C of them,
 * little endian; mask(c) = rotate right by 15, plus 0xa282ead8. Event: 1 double wall_time, 2 int64
 *          step, 3 string file_version, 5 Summary { 1 Value { 1 string tag, 2 float } }.
 */
typedef struct snug_tensorboard {
    snug_file file;
    int64_t buffered;
    unsigned char buffer[SNUG_TENSORBOARD_BUFFER_BYTES];
    char path[SNUG_PATH_BYTES];
} snug_tensorboard;

/**
 * Makes FOLDER/events.out.tfevents.SECONDS.snug, the folder too when it is missing, and writes the
 * first record. A resumed run opens a new file: TensorBoard reads all of a folder as one run.
 *
 * @param wall_time  Seconds since 1970; also names the file. When that name is taken the next free
 *                   second is.
 * @errors  SNUG_CODE_IO, SNUG_CODE_FULL, SNUG_CODE_LIMIT; `out` is closed then.
 */
SNUG_MUST_CHECK snug_status snug_tensorboard_open(const char *folder, double wall_time,
                                                  snug_tensorboard *out, snug_error *err);
/**
 * Adds one value; it is on its way to the disk when the buffer is full, at a flush and at the
 * close.
 * @param tag  "loss/train": what stands before the last '/' groups pictures. UTF-8.
 * @errors  SNUG_CODE_LIMIT for a tag that is too long; SNUG_CODE_IO, SNUG_CODE_FULL.
 */
SNUG_MUST_CHECK snug_status snug_tensorboard_scalar(snug_tensorboard *board, const char *tag,
                                                    int64_t step, double wall_time, double value,
                                                    snug_error *err);
/** Hands what is buffered to the system: somebody may be looking. */
SNUG_MUST_CHECK snug_status snug_tensorboard_flush(snug_tensorboard *board, snug_error *err);
/** Flushes, as far as the disk takes it, and closes; NULL and a closed one are allowed. */
void snug_tensorboard_close(snug_tensorboard *board);

#endif
