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
    SNUG_SAFETENSORS_NAME_BYTES = 2 * SNUG_NAME_BYTES, /* Of a file: prefix and all. */
    SNUG_SAFETENSORS_BUFFER_BYTES_MIN = 64 << 10
};

/** Element types that a file may hold; more than snug computes with. */
typedef enum snug_file_dtype {
    SNUG_FILE_F32,
    SNUG_FILE_F64,
    SNUG_FILE_F16,
    SNUG_FILE_BF16,
    SNUG_FILE_F8_E4M3,
    SNUG_FILE_F8_E5M2,
    SNUG_FILE_I64,
    SNUG_FILE_I32,
    SNUG_FILE_I16,
    SNUG_FILE_I8,
    SNUG_FILE_U64,
    SNUG_FILE_U32,
    SNUG_FILE_U16,
    SNUG_FILE_U8,
    SNUG_FILE_BOOL,
    SNUG_FILE_DTYPE_COUNT
} snug_file_dtype;

/** Bytes of one element. */
int64_t snug_file_dtype_bytes(snug_file_dtype dtype);
/** As the header spells it: "F32", "BF16", ... */
const char *snug_file_dtype_name(snug_file_dtype dtype);
/** Whether tensors of this type can be read into f32 memory: F32, F64, F16, BF16. */
bool snug_file_dtype_is_float(snug_file_dtype dtype);

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
/** The extents of a layout: the shape in the file. */
snug_shape snug_tensor_layout_shape(const snug_tensor_layout *layout);

/** One tensor of an open file. */
typedef struct snug_safetensors_entry {
    const char *name; /* In the arena of the open. */
    snug_file_dtype dtype;
    snug_shape shape;
    int64_t begin, end; /* Bytes from the start of the file. */
} snug_safetensors_entry;

/** An index. Immutable after the open; closes nothing by itself. */
typedef struct snug_safetensors {
    snug_file file;
    snug_safetensors_entry *entries; /* In the order of the header. */
    int32_t *by_name;                /* Their numbers in byte order of their names. */
    int64_t entry_count;
} snug_safetensors;

/**
 * Reads and checks the header: its length against the file, JSON, types, shapes against byte
 * ranges, ranges against each other and against the end of the file, names against each other.
 *
 * @param path  Borrowed for the life of `out`.
 * @mem     The header and the entries, from `arena`; at most SNUG_SAFETENSORS_HEADER_BYTES_MAX and
 *          as much again for entries.
 * @threads One thread at a time.
 * @errors  SNUG_CODE_IO, SNUG_CODE_FORMAT with what is wrong and where, SNUG_CODE_LIMIT,
 *          SNUG_CODE_UNSUPPORTED for a dtype that snug does not know. `out` is untouched on
 *          failure.
 */
SNUG_MUST_CHECK snug_status snug_safetensors_open(const char *path, snug_arena *arena,
                                                  snug_safetensors *out, snug_error *err);
void snug_safetensors_close(snug_safetensors *file);

/** The entry of that name, or NULL. */
const snug_safetensors_entry *snug_safetensors_find(const snug_safetensors *file, const char *name);

/**
 * Reads one tensor to its place, in pieces; a tensor that stands in the file as in memory needs no
 * detour through the buffer.
 *
 * @param layout   How the file's elements stand in `out`; extents must equal the entry's.
 * @param memory   What `out` holds. SNUG_F32 takes F32, F64, F16 and BF16; SNUG_U8 takes U8 and
 *                 BOOL; every other type only its own.
 * @param buffer   At least SNUG_SAFETENSORS_BUFFER_BYTES_MIN bytes.
 * @errors  SNUG_CODE_DATA with both shapes or types when they differ, SNUG_CODE_IO,
 *          SNUG_CODE_FORMAT. `out` may be partly written on failure.
 */
SNUG_MUST_CHECK snug_status snug_safetensors_read(const snug_safetensors *file,
                                                  const snug_safetensors_entry *entry,
                                                  const snug_tensor_layout *layout,
                                                  snug_dtype memory, void *out, void *buffer,
                                                  int64_t buffer_bytes, snug_error *err);

/** snug_safetensors_read() into f32 memory. */
SNUG_MUST_CHECK snug_status snug_safetensors_read_f32(const snug_safetensors *file,
                                                      const snug_safetensors_entry *entry,
                                                      const snug_tensor_layout *layout, float *out,
                                                      void *buffer, int64_t buffer_bytes,
                                                      snug_error *err);

/**
 * What will be written: names and layouts. `data` may be filled at any time before.
 * What is left out is zero: f32 memory, written as F32.
 */
typedef struct snug_safetensors_item {
    const char *name;
    snug_tensor_layout layout;
    const void *data;
    snug_dtype memory;         /* Elements of `data`. */
    snug_file_dtype file_type; /* With f32 memory: F32, BF16 or F16. Else the memory's own type. */
} snug_safetensors_item;

/** Bytes of the tensor's data in the file. */
int64_t snug_safetensors_item_bytes(const snug_safetensors_item *item);

/** Most bytes that the header of these items takes; for sizing `buffer` of the write. */
int64_t snug_safetensors_header_bytes(const snug_safetensors_item *items, int64_t count);

/**
 * Writes a whole file, larger elements first and else in the order of the items, through `buffer`:
 * to a temporary name, synced, renamed over `path`. Nothing is left behind on failure and what
 * stood at `path` stays. Narrow types round to the nearest, ties to even.
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
