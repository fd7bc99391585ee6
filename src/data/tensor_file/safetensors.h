/* safetensors files: an index that believes nothing, tensors read and written through a small
 * buffer. */
#ifndef SNUG_DATA_TENSOR_FILE_SAFETENSORS_H
#define SNUG_DATA_TENSOR_FILE_SAFETENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "sys/file.h"
#include "tensor/tensor.h"

enum {
    SNUG_SAFETENSORS_HEADER_BYTES_MAX = 16 << 20,
    SNUG_SAFETENSORS_TENSORS_MAX = 65536,
    SNUG_SAFETENSORS_BUFFER_BYTES_MIN = 64 << 10
};

/**
 * How the elements of a tensor in memory stand in the file: the file's extents, and for each file
 * axis the step in memory. A plain tensor has row-major strides; a transposed one has others.
 */
typedef struct snug_tensor_layout {
    int32_t rank;
    int64_t extent[SNUG_RANK_MAX];
    int64_t stride[SNUG_RANK_MAX]; /* Elements in memory. */
} snug_tensor_layout;

/** The layout of a tensor that stands in the file as it does in memory. */
snug_tensor_layout snug_tensor_layout_plain(const snug_shape *shape);

/** One tensor of an open file. */
typedef struct snug_safetensors_entry {
    const char *name; /* In the arena of the open. */
    snug_dtype dtype;
    snug_shape shape;
    int64_t begin, end; /* Bytes from the start of the file. */
} snug_safetensors_entry;

/** An index. Immutable after the open; closes nothing by itself. */
typedef struct snug_safetensors {
    snug_file file;
    snug_safetensors_entry *entries; /* In the order of their bytes. */
    int64_t entry_count;
} snug_safetensors;

/**
 * Reads and checks the header: its length against the file, JSON, types, shapes against byte
 * ranges, ranges against each other and against the end of the file.
 *
 * @param path  Borrowed for the life of `out`.
 * @mem     The header and the entries, from `arena`; at most SNUG_SAFETENSORS_HEADER_BYTES_MAX and
 *          as much again for entries.
 * @threads One thread at a time.
 * @errors  SNUG_CODE_IO, SNUG_CODE_FORMAT with what is wrong and where, SNUG_CODE_LIMIT,
 *          SNUG_CODE_UNSUPPORTED for a dtype that snug does not know. `out` is untouched on
 * failure.
 */
SNUG_MUST_CHECK snug_status snug_safetensors_open(const char *path, snug_arena *arena,
                                                  snug_safetensors *out, snug_error *err);
void snug_safetensors_close(snug_safetensors *file);

/** The entry of that name, or NULL. */
const snug_safetensors_entry *snug_safetensors_find(const snug_safetensors *file, const char *name);

/**
 * Reads one tensor into f32 memory, converting f32, f64, bf16.
 *
 * @param layout   How the file's elements stand in `out`; extents must equal the entry's.
 * @param buffer   At least SNUG_SAFETENSORS_BUFFER_BYTES_MIN bytes.
 * @errors  SNUG_CODE_DATA with both shapes when they differ, SNUG_CODE_IO, SNUG_CODE_FORMAT.
 */
SNUG_MUST_CHECK snug_status snug_safetensors_read_f32(const snug_safetensors *file,
                                                      const snug_safetensors_entry *entry,
                                                      const snug_tensor_layout *layout, float *out,
                                                      void *buffer, int64_t buffer_bytes,
                                                      snug_error *err);

/** What will be written: names and layouts in file order. `data` may be filled at any time before.
 */
typedef struct snug_safetensors_item {
    const char *name;
    snug_tensor_layout layout;
    const float *data;
} snug_safetensors_item;

/** Most bytes that the header of these items takes; for sizing `header` of the write. */
int64_t snug_safetensors_header_bytes(const snug_safetensors_item *items, int64_t count);

/**
 * Writes a whole f32 file through `buffer`: to a temporary name, synced, renamed over `path`.
 * Nothing is left behind on failure and what stood at `path` stays.
 *
 * @param metadata       Pairs key, value (NULL-ended list of strings), or NULL.
 * @param buffer         At least snug_safetensors_header_bytes() and
 *                       SNUG_SAFETENSORS_BUFFER_BYTES_MIN together.
 * @mem     Allocates nothing.
 * @errors  SNUG_CODE_FULL when the disk is full, SNUG_CODE_IO.
 */
SNUG_MUST_CHECK snug_status snug_safetensors_write(const char *path,
                                                   const snug_safetensors_item *items,
                                                   int64_t count, const char *const *metadata,
                                                   void *buffer, int64_t buffer_bytes,
                                                   snug_error *err);

#endif
