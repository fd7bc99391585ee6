#include "ops/cpu/interpolate.h"

#include <string.h>

#include "base/attr.h"
#include "base/checked.h"
#include "ops/cpu/vmath_kernels.h"

enum { ROWS_PART = 64 };

typedef struct interpolate_context {
    const snug_lane_kernels *kernels;
    const snug_interpolate_shape *shape;
    const float *from;
    float *to;
} interpolate_context;

snug_interpolate_weights snug_interpolate_weights_of(const snug_interpolate_shape *shape,
                                                     int64_t row)
{
    if (shape->rows_out <= 1) {
        return (snug_interpolate_weights){0, 0.0f};
    }
    const float step = (float)(shape->rows_in - 1) / (float)(shape->rows_out - 1);
    const float place = step * (float)row;
    const int64_t low = snug_min_i64((int64_t)place, shape->rows_in - 1);
    const float above = place - (float)low;
    return (snug_interpolate_weights){low, above < 1.0f ? above : 1.0f};
}

static void forward_part(void *opaque, int64_t part, int32_t thread)
{
    const interpolate_context *c = opaque;
    const snug_interpolate_shape *s = c->shape;
    const int64_t parts = snug_ceil_div(s->rows_out, ROWS_PART);
    const int64_t sample = part / parts;
    const int64_t first = part % parts * ROWS_PART;
    const int64_t last = snug_min_i64(first + ROWS_PART, s->rows_out);
    const float *x = c->from + sample * s->rows_in * s->cols;
    SNUG_UNUSED(thread);
    for (int64_t r = first; r < last; r++) {
        const snug_interpolate_weights w = snug_interpolate_weights_of(s, r);
        const int64_t high = snug_min_i64(w.low + 1, s->rows_in - 1);
        c->kernels->blend(s->cols, 1.0f - w.above, x + w.low * s->cols, w.above, x + high * s->cols,
                          c->to + (sample * s->rows_out + r) * s->cols);
    }
}

/** The first output row whose row below is at least `low`; rows_out when there is none. */
static int64_t first_reader(const snug_interpolate_shape *shape, int64_t low)
{
    int64_t begin = 0;
    int64_t end = shape->rows_out;
    while (begin < end) {
        const int64_t middle = begin + (end - begin) / 2;
        if (snug_interpolate_weights_of(shape, middle).low < low) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

static void backward_part(void *opaque, int64_t part, int32_t thread)
{
    const interpolate_context *c = opaque;
    const snug_interpolate_shape *s = c->shape;
    const int64_t parts = snug_ceil_div(s->rows_in, ROWS_PART);
    const int64_t sample = part / parts;
    const int64_t first = part % parts * ROWS_PART;
    const int64_t last = snug_min_i64(first + ROWS_PART, s->rows_in);
    const float *dy = c->from + sample * s->rows_out * s->cols;
    SNUG_UNUSED(thread);
    for (int64_t t = first; t < last; t++) {
        float *dx = c->to + (sample * s->rows_in + t) * s->cols;
        memset(dx, 0, (size_t)s->cols * sizeof(float));
        for (int64_t r = first_reader(s, t - 1); r < s->rows_out; r++) {
            const snug_interpolate_weights w = snug_interpolate_weights_of(s, r);
            if (w.low > t) {
                break;
            }
            if (w.low == t) {
                c->kernels->axpy(s->cols, 1.0f - w.above, dy + r * s->cols, dx);
            }
            if (snug_min_i64(w.low + 1, s->rows_in - 1) == t) {
                c->kernels->axpy(s->cols, w.above, dy + r * s->cols, dx);
            }
        }
    }
}

void snug_interpolate_forward(snug_kernel_isa isa, const snug_interpolate_shape *shape,
                              const float *x, float *y, const snug_parallel *parallel)
{
    interpolate_context context = {
        .kernels = snug_lane_kernels_of(isa), .shape = shape, .from = x, .to = y};
    snug_parallel_run(parallel, shape->samples * snug_ceil_div(shape->rows_out, ROWS_PART),
                      forward_part, &context);
}

void snug_interpolate_backward(snug_kernel_isa isa, const snug_interpolate_shape *shape,
                               const float *dy, float *dx, const snug_parallel *parallel)
{
    interpolate_context context = {
        .kernels = snug_lane_kernels_of(isa), .shape = shape, .from = dy, .to = dx};
    snug_parallel_run(parallel, shape->samples * snug_ceil_div(shape->rows_in, ROWS_PART),
                      backward_part, &context);
}
