#include "ops/cpu/elementwise.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "ops/cpu/vmath_kernels.h"

enum {
    PART = 16384, /* Elements of a part: three arrays of it fit the second-level cache. */
    PIECE = 2048  /* Elements of a sum of several: it stays in the first-level cache. */
};

typedef struct element_context {
    const snug_lane_kernels *kernels;
    int64_t count;
    const float *a;
    const float *b;
    float *y;
} element_context;

static void relu_part(void *opaque, int64_t part, int32_t thread)
{
    const element_context *c = opaque;
    const int64_t at = part * PART;
    SNUG_UNUSED(thread);
    c->kernels->relu_grad(snug_min_i64(PART, c->count - at), c->a + at, c->b + at, c->y + at);
}

void snug_relu_backward(snug_kernel_isa isa, int64_t count, const float *y, const float *dy,
                        float *dx, const snug_parallel *parallel)
{
    element_context context = {
        .kernels = snug_lane_kernels_of(isa), .count = count, .a = y, .b = dy, .y = dx};
    snug_parallel_run(parallel, snug_ceil_div(count, PART), relu_part, &context);
}

typedef struct sum_context {
    const snug_lane_kernels *kernels;
    int64_t count;
    int32_t terms;
    const float *const *x;
    float *y;
} sum_context;

static void sum_part(void *opaque, int64_t part, int32_t thread)
{
    const sum_context *c = opaque;
    const int64_t end = snug_min_i64(part * PART + PART, c->count);
    SNUG_UNUSED(thread);
    for (int64_t at = part * PART; at < end; at += PIECE) {
        const int64_t count = snug_min_i64(PIECE, end - at);
        for (int32_t k = 1; k < c->terms; k++) {
            c->kernels->add(count, (k == 1 ? c->x[0] : c->y) + at, c->x[k] + at, c->y + at);
        }
    }
}

void snug_sum(snug_kernel_isa isa, int64_t count, int32_t terms, const float *const *x, float *y,
              const snug_parallel *parallel)
{
    SNUG_ASSERT(terms >= 2);
    sum_context context = {
        .kernels = snug_lane_kernels_of(isa), .count = count, .terms = terms, .x = x, .y = y};
    snug_parallel_run(parallel, snug_ceil_div(count, PART), sum_part, &context);
}

typedef struct crop_context {
    const snug_lane_kernels *kernels;
    const snug_crop_shape *shape;
    bool accumulate;
    const float *a;
    const float *b;
    float *y;
} crop_context;

/** Part: one sample. */
static void crop_part(void *opaque, int64_t part, int32_t thread)
{
    const crop_context *c = opaque;
    const snug_crop_shape *s = c->shape;
    const int64_t at = part * s->rows * s->cols;
    SNUG_UNUSED(thread);
    c->kernels->add(s->rows * s->cols, c->a + at,
                    c->b + ((part + 1) * s->rows_in - s->rows) * s->cols, c->y + at);
}

static void crop_backward_part(void *opaque, int64_t part, int32_t thread)
{
    const crop_context *c = opaque;
    const snug_crop_shape *s = c->shape;
    const int64_t count = s->rows * s->cols;
    const int64_t skipped = (s->rows_in - s->rows) * s->cols;
    const float *dy = c->a + part * count;
    float *db = c->y + part * s->rows_in * s->cols;
    SNUG_UNUSED(thread);
    if (c->accumulate) {
        c->kernels->add(count, db + skipped, dy, db + skipped);
    } else {
        memset(db, 0, (size_t)skipped * sizeof(float));
        memcpy(db + skipped, dy, (size_t)count * sizeof(float));
    }
}

void snug_add_crop(snug_kernel_isa isa, const snug_crop_shape *shape, const float *a,
                   const float *b, float *y, const snug_parallel *parallel)
{
    SNUG_ASSERT(shape->rows_in >= shape->rows);
    crop_context context = {
        .kernels = snug_lane_kernels_of(isa), .shape = shape, .a = a, .b = b, .y = y};
    snug_parallel_run(parallel, shape->samples, crop_part, &context);
}

void snug_add_crop_backward(snug_kernel_isa isa, const snug_crop_shape *shape, bool accumulate,
                            const float *dy, float *db, const snug_parallel *parallel)
{
    SNUG_ASSERT(shape->rows_in >= shape->rows);
    crop_context context = {.kernels = snug_lane_kernels_of(isa),
                            .shape = shape,
                            .accumulate = accumulate,
                            .a = dy,
                            .y = db};
    snug_parallel_run(parallel, shape->samples, crop_backward_part, &context);
}
