#include "data/tensor_file/elements.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "tensor/half.h"

static const struct {
    const char *name;
    int64_t bytes;
} dtypes[SNUG_FILE_DTYPE_COUNT] = {
    [SNUG_FILE_F32] = {"F32", 4},         [SNUG_FILE_F64] = {"F64", 8},
    [SNUG_FILE_F16] = {"F16", 2},         [SNUG_FILE_BF16] = {"BF16", 2},
    [SNUG_FILE_F8_E4M3] = {"F8_E4M3", 1}, [SNUG_FILE_F8_E5M2] = {"F8_E5M2", 1},
    [SNUG_FILE_I64] = {"I64", 8},         [SNUG_FILE_I32] = {"I32", 4},
    [SNUG_FILE_I16] = {"I16", 2},         [SNUG_FILE_I8] = {"I8", 1},
    [SNUG_FILE_U64] = {"U64", 8},         [SNUG_FILE_U32] = {"U32", 4},
    [SNUG_FILE_U16] = {"U16", 2},         [SNUG_FILE_U8] = {"U8", 1},
    [SNUG_FILE_BOOL] = {"BOOL", 1},
};

int64_t snug_file_dtype_bytes(snug_file_dtype dtype)
{
    SNUG_ASSERT((uint64_t)dtype < (uint64_t)SNUG_FILE_DTYPE_COUNT);
    return dtypes[dtype].bytes;
}

const char *snug_file_dtype_name(snug_file_dtype dtype)
{
    SNUG_ASSERT((uint64_t)dtype < (uint64_t)SNUG_FILE_DTYPE_COUNT);
    return dtypes[dtype].name;
}

bool snug_file_dtype_from_name(const char *name, snug_file_dtype *out)
{
    for (int32_t i = 0; i < SNUG_FILE_DTYPE_COUNT; i++) {
        if (strcmp(name, dtypes[i].name) == 0) {
            *out = (snug_file_dtype)i;
            return true;
        }
    }
    return false;
}

bool snug_file_dtype_is_float(snug_file_dtype dtype)
{
    return dtype == SNUG_FILE_F32 || dtype == SNUG_FILE_F64 || dtype == SNUG_FILE_F16 ||
           dtype == SNUG_FILE_BF16;
}

snug_file_dtype snug_file_dtype_of(snug_dtype memory)
{
    switch (memory) {
    case SNUG_F64:
        return SNUG_FILE_F64;
    case SNUG_BF16:
        return SNUG_FILE_BF16;
    case SNUG_I32:
        return SNUG_FILE_I32;
    case SNUG_I64:
        return SNUG_FILE_I64;
    case SNUG_U8:
        return SNUG_FILE_U8;
    case SNUG_F32:
    default:
        SNUG_ASSERT(memory == SNUG_F32);
        return SNUG_FILE_F32;
    }
}

bool snug_elements_readable(snug_file_dtype dtype, snug_dtype memory)
{
    if (memory == SNUG_F32) {
        return snug_file_dtype_is_float(dtype);
    }
    return dtype == snug_file_dtype_of(memory) || (memory == SNUG_U8 && dtype == SNUG_FILE_BOOL);
}

bool snug_layout_is_plain(const snug_tensor_layout *layout)
{
    int64_t stride = 1;
    for (int32_t axis = layout->rank - 1; axis >= 0; axis--) {
        if (layout->extent[axis] != 1 && layout->stride[axis] != stride) {
            return false;
        }
        stride *= layout->extent[axis];
    }
    return true;
}

/** Elements left in the innermost axis: they stand one stride apart. */
static int64_t run_left(const snug_element_walk *walk, int64_t *out_stride)
{
    const int32_t last = walk->layout->rank - 1;
    if (last < 0) {
        *out_stride = 1;
        return 1;
    }
    *out_stride = walk->layout->stride[last];
    return walk->layout->extent[last] - walk->index[last];
}

/** Passes over `count` elements of the innermost axis, at most what is left of it. */
static void pass_run(snug_element_walk *walk, int64_t count)
{
    for (int32_t axis = walk->layout->rank - 1; axis >= 0; axis--) {
        const int64_t stride = walk->layout->stride[axis];
        walk->place += count * stride;
        walk->index[axis] += count;
        if (walk->index[axis] < walk->layout->extent[axis]) {
            return;
        }
        walk->place -= stride * walk->layout->extent[axis];
        walk->index[axis] = 0;
        count = 1;
    }
}

static void widen_run(const unsigned char *raw, snug_file_dtype dtype, int64_t count,
                      int64_t stride, float *out)
{
    uint16_t half = 0;
    double wide = 0.0;
    switch (dtype) {
    case SNUG_FILE_F64:
        for (int64_t i = 0; i < count; i++) {
            memcpy(&wide, raw + 8 * i, sizeof wide);
            out[i * stride] = (float)wide;
        }
        break;
    case SNUG_FILE_F16:
        for (int64_t i = 0; i < count; i++) {
            memcpy(&half, raw + 2 * i, sizeof half);
            out[i * stride] = snug_f16_to_f32(half);
        }
        break;
    default:
        SNUG_ASSERT(dtype == SNUG_FILE_BF16);
        for (int64_t i = 0; i < count; i++) {
            memcpy(&half, raw + 2 * i, sizeof half);
            out[i * stride] = snug_bf16_to_f32(half);
        }
        break;
    }
}

static void narrow_run(const float *data, int64_t stride, int64_t count, snug_file_dtype dtype,
                       unsigned char *raw)
{
    SNUG_ASSERT(dtype == SNUG_FILE_BF16 || dtype == SNUG_FILE_F16);
    for (int64_t i = 0; i < count; i++) {
        const float value = data[i * stride];
        const uint16_t half =
            dtype == SNUG_FILE_BF16 ? snug_bf16_from_f32(value) : snug_f16_from_f32(value);
        memcpy(raw + 2 * i, &half, sizeof half);
    }
}

/** Copies elements as they are; steps are in elements. The sizes are spelled out for the compiler.
 */
static void move_run(const unsigned char *from, int64_t from_step, unsigned char *to,
                     int64_t to_step, int64_t bytes, int64_t count)
{
    if (from_step == 1 && to_step == 1) {
        memcpy(to, from, (size_t)(count * bytes));
        return;
    }
    if (bytes == 4) {
        for (int64_t i = 0; i < count; i++) {
            memcpy(to + 4 * i * to_step, from + 4 * i * from_step, 4);
        }
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        memcpy(to + bytes * i * to_step, from + bytes * i * from_step, (size_t)bytes);
    }
}

void snug_elements_scatter(snug_element_walk *walk, const unsigned char *raw, snug_file_dtype dtype,
                           snug_dtype memory, int64_t count, void *out)
{
    const int64_t raw_bytes = snug_file_dtype_bytes(dtype);
    const int64_t memory_bytes = snug_dtype_bytes(memory);
    const bool same = memory != SNUG_F32 || dtype == SNUG_FILE_F32;
    SNUG_ASSERT(snug_elements_readable(dtype, memory));
    while (count > 0) {
        int64_t stride = 1;
        const int64_t now = snug_min_i64(run_left(walk, &stride), count);
        if (same) {
            move_run(raw, 1, (unsigned char *)out + walk->place * memory_bytes, stride,
                     memory_bytes, now);
        } else {
            widen_run(raw, dtype, now, stride, (float *)out + walk->place);
        }
        pass_run(walk, now);
        raw += now * raw_bytes;
        count -= now;
    }
}

void snug_elements_gather(snug_element_walk *walk, const void *data, snug_dtype memory,
                          snug_file_dtype dtype, int64_t count, unsigned char *raw)
{
    const int64_t raw_bytes = snug_file_dtype_bytes(dtype);
    const int64_t memory_bytes = snug_dtype_bytes(memory);
    const bool same = dtype == snug_file_dtype_of(memory);
    SNUG_ASSERT(same || memory == SNUG_F32);
    while (count > 0) {
        int64_t stride = 1;
        const int64_t now = snug_min_i64(run_left(walk, &stride), count);
        if (same) {
            move_run((const unsigned char *)data + walk->place * memory_bytes, stride, raw, 1,
                     memory_bytes, now);
        } else {
            narrow_run((const float *)data + walk->place, stride, now, dtype, raw);
        }
        pass_run(walk, now);
        raw += now * raw_bytes;
        count -= now;
    }
}
