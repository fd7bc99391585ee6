#include "tensor/tensor.h"

#include "base/assert.h"
#include "base/checked.h"
#include "base/text.h"

static const struct {
    const char *name;
    int64_t bytes;
} dtypes[] = {
    [SNUG_F32] = {"f32", 4}, [SNUG_F64] = {"f64", 8}, [SNUG_BF16] = {"bf16", 2},
    [SNUG_I32] = {"i32", 4}, [SNUG_I64] = {"i64", 8}, [SNUG_U8] = {"u8", 1},
};

int64_t snug_dtype_bytes(snug_dtype dtype)
{
    SNUG_ASSERT((uint64_t)dtype < (uint64_t)SNUG_COUNT(dtypes));
    return dtypes[dtype].bytes;
}

const char *snug_dtype_name(snug_dtype dtype)
{
    SNUG_ASSERT((uint64_t)dtype < (uint64_t)SNUG_COUNT(dtypes));
    return dtypes[dtype].name;
}

int64_t snug_shape_count(const snug_shape *shape)
{
    int64_t count = 1;
    bool empty = false;
    SNUG_ASSERT(shape->rank >= 0 && shape->rank <= SNUG_RANK_MAX);
    for (int32_t i = 0; i < shape->rank; i++) {
        if (shape->extent[i] < 0) {
            return -1;
        }
        /* Zero times anything fits, whatever the order of the extents. */
        empty = empty || shape->extent[i] == 0;
    }
    if (empty) {
        return 0;
    }
    for (int32_t i = 0; i < shape->rank; i++) {
        if (!snug_mul_i64(count, shape->extent[i], &count)) {
            return -1;
        }
    }
    return count;
}

bool snug_shape_equal(const snug_shape *a, const snug_shape *b)
{
    if (a->rank != b->rank) {
        return false;
    }
    for (int32_t i = 0; i < a->rank; i++) {
        if (a->extent[i] != b->extent[i]) {
            return false;
        }
    }
    return true;
}

const char *snug_shape_text(const snug_shape *shape, char out[96])
{
    snug_text text;
    snug_text_init(&text, out, 96);
    snug_text_add(&text, "[");
    for (int32_t i = 0; i < shape->rank; i++) {
        snug_text_add(&text, "%s%lld", i > 0 ? ", " : "", (long long)shape->extent[i]);
    }
    snug_text_add(&text, "]");
    return out;
}
