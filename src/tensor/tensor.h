/* What a tensor is made of: element type, extents, and the bytes they take. */
#ifndef SNUG_TENSOR_TENSOR_H
#define SNUG_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"

typedef enum snug_dtype { SNUG_F32, SNUG_F64, SNUG_BF16, SNUG_I32, SNUG_I64, SNUG_U8 } snug_dtype;

/** Bytes of one element. */
int64_t snug_dtype_bytes(snug_dtype dtype);
/** "f32", "bf16", ... */
const char *snug_dtype_name(snug_dtype dtype);

/** Extents of a dense row-major tensor, the sample axis not among them. Rank 0 is a scalar. */
typedef struct snug_shape {
    int32_t rank;
    int64_t extent[SNUG_RANK_MAX];
} snug_shape;

/** Product of the extents; -1 when it does not fit int64_t or an extent is negative. */
int64_t snug_shape_count(const snug_shape *shape);
bool snug_shape_equal(const snug_shape *a, const snug_shape *b);
/** "[125, 256]" into `out`; returns `out`. */
const char *snug_shape_text(const snug_shape *shape, char out[96]);

static inline snug_shape snug_shape_1(int64_t a)
{
    return (snug_shape){.rank = 1, .extent = {a}};
}

static inline snug_shape snug_shape_2(int64_t a, int64_t b)
{
    return (snug_shape){.rank = 2, .extent = {a, b}};
}

static inline snug_shape snug_shape_3(int64_t a, int64_t b, int64_t c)
{
    return (snug_shape){.rank = 3, .extent = {a, b, c}};
}

#endif
