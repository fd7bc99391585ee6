/* Tensors of a stored vector file for tests: read as they are needed, compared as a whole. */
#ifndef SNUG_TESTS_VECTOR_FILE_H
#define SNUG_TESTS_VECTOR_FILE_H

#include "check.h"

#include "data/tensor_file/safetensors.h"
#include "op/array_check.h"

typedef struct vector_file {
    snug_arena arena;
    snug_safetensors index;
} vector_file;

/** Opens tests/fixtures/vectors/<name>; the index lives in `block`. */
static inline void vector_file_open(vector_file *file, const char *name, void *block,
                                    size_t block_bytes)
{
    snug_error err = {0};
    char path[512];
    (void)snprintf(path, sizeof path, SNUG_SOURCE_DIR "/tests/fixtures/vectors/%s", name);
    snug_arena_init(&file->arena, "vectors", block, (int64_t)block_bytes);
    CHECK_OK(snug_safetensors_open(path, &file->arena, &file->index, &err));
}

/** A tensor as `dtype` in memory; free() gives it back. `out_count` may be NULL. */
static inline void *vector_read(const vector_file *file, const char *name, snug_dtype dtype,
                                int64_t *out_count)
{
    static _Alignas(SNUG_ALIGN) unsigned char buffer[256 << 10];
    snug_error err = {0};
    const snug_safetensors_entry *entry = snug_safetensors_find(&file->index, name);
    if (entry == NULL) {
        print_error("the file has no '%s'\n", name);
        fail();
        return NULL;
    }
    const snug_tensor_layout layout = snug_tensor_layout_plain(&entry->shape);
    const int64_t count = snug_shape_count(&entry->shape);
    void *data = test_memory(count * snug_dtype_bytes(dtype));
    CHECK_OK(snug_safetensors_read(&file->index, entry, &layout, dtype, data, buffer, sizeof buffer,
                                   &err));
    if (out_count != NULL) {
        *out_count = count;
    }
    return data;
}

/** Every element within `tolerance` of the tensor's largest. */
static inline void vector_compare(const vector_file *file, const char *name, const float *have,
                                  double tolerance)
{
    int64_t count = 0;
    float *want = vector_read(file, name, SNUG_F32, &count);
    double *exact = to_doubles(want, count);
    const double distance = array_distance(have, exact, count);
    if (!(distance <= tolerance)) {
        print_error("%s: %.3g of the largest apart\n", name, distance);
        fail();
    }
    free(want);
    free(exact);
}

#endif
