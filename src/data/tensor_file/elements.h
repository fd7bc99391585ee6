/* Elements between a file's bytes and memory: a walk over a layout by runs, and conversions. */
#ifndef SNUG_DATA_TENSOR_FILE_ELEMENTS_H
#define SNUG_DATA_TENSOR_FILE_ELEMENTS_H

#include "data/tensor_file/safetensors.h"

/** Walks the elements of a layout in file order; starts with `layout` set and the rest zero. */
typedef struct snug_element_walk {
    const snug_tensor_layout *layout;
    int64_t index[SNUG_RANK_MAX];
    int64_t place; /* In memory, in elements. */
} snug_element_walk;

/** The dtype by its name in a header; false when there is none. */
bool snug_file_dtype_from_name(const char *name, snug_file_dtype *out);

/** The type in the file that holds this memory without change. */
snug_file_dtype snug_file_dtype_of(snug_dtype memory);

/** Whether `memory` can be filled from `dtype`. */
bool snug_elements_readable(snug_file_dtype dtype, snug_dtype memory);

/** Whether file order is memory order, so that the bytes can be moved as one piece. */
bool snug_layout_is_plain(const snug_tensor_layout *layout);

/**
 * Puts the next `count` elements of the walk, which stand in `raw` as `dtype`, to their places in
 * `out`; they must be readable as `memory` and there must be so many left.
 */
void snug_elements_scatter(snug_element_walk *walk, const unsigned char *raw, snug_file_dtype dtype,
                           snug_dtype memory, int64_t count, void *out);

/** The way back: takes the next `count` elements from `data` and puts them into `raw` as `dtype`.
 */
void snug_elements_gather(snug_element_walk *walk, const void *data, snug_dtype memory,
                          snug_file_dtype dtype, int64_t count, unsigned char *raw);

#endif
