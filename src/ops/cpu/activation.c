#include "ops/cpu/activation.h"

#include <string.h>

#include "base/attr.h"
#include "base/checked.h"
#include "ops/cpu/vmath_kernels.h"

/* A part holds whole groups of random numbers; so many of them are made at once. */
enum { PART = 16384, GROUPS = 16 };

typedef struct activation_context {
    const snug_lane_kernels *kernels;
    int64_t count;
    bool approximate;
    const float *saved, *x;
    float *y;
} activation_context;

static void gelu_part(void *opaque, int64_t part, int32_t thread)
{
    const activation_context *c = opaque;
    const int64_t at = part * PART;
    SNUG_UNUSED(thread);
    c->kernels->gelu(snug_min_i64(PART, c->count - at), c->approximate, c->x + at, c->y + at);
}

static void gelu_backward_part(void *opaque, int64_t part, int32_t thread)
{
    const activation_context *c = opaque;
    const int64_t at = part * PART;
    SNUG_UNUSED(thread);
    c->kernels->gelu_grad(snug_min_i64(PART, c->count - at), c->approximate, c->saved + at,
                          c->x + at, c->y + at);
}

static void tanh_part(void *opaque, int64_t part, int32_t thread)
{
    const activation_context *c = opaque;
    const int64_t at = part * PART;
    SNUG_UNUSED(thread);
    c->kernels->tanh(snug_min_i64(PART, c->count - at), c->x + at, c->y + at);
}

static void tanh_backward_part(void *opaque, int64_t part, int32_t thread)
{
    const activation_context *c = opaque;
    const int64_t at = part * PART;
    SNUG_UNUSED(thread);
    c->kernels->tanh_grad(snug_min_i64(PART, c->count - at), c->saved + at, c->x + at, c->y + at);
}

void snug_gelu(snug_kernel_isa isa, int64_t count, bool approximate, const float *x, float *y,
               const snug_parallel *parallel)
{
    activation_context context = {.kernels = snug_lane_kernels_of(isa),
                                  .count = count,
                                  .approximate = approximate,
                                  .x = x,
                                  .y = y};
    snug_parallel_run(parallel, snug_ceil_div(count, PART), gelu_part, &context);
}

void snug_gelu_backward(snug_kernel_isa isa, int64_t count, bool approximate, const float *x,
                        const float *dy, float *dx, const snug_parallel *parallel)
{
    activation_context context = {.kernels = snug_lane_kernels_of(isa),
                                  .count = count,
                                  .approximate = approximate,
                                  .saved = x,
                                  .x = dy,
                                  .y = dx};
    snug_parallel_run(parallel, snug_ceil_div(count, PART), gelu_backward_part, &context);
}

void snug_tanh(snug_kernel_isa isa, int64_t count, const float *x, float *y,
               const snug_parallel *parallel)
{
    activation_context context = {
        .kernels = snug_lane_kernels_of(isa), .count = count, .x = x, .y = y};
    snug_parallel_run(parallel, snug_ceil_div(count, PART), tanh_part, &context);
}

void snug_tanh_backward(snug_kernel_isa isa, int64_t count, const float *y, const float *dy,
                        float *dx, const snug_parallel *parallel)
{
    activation_context context = {
        .kernels = snug_lane_kernels_of(isa), .count = count, .saved = y, .x = dy, .y = dx};
    snug_parallel_run(parallel, snug_ceil_div(count, PART), tanh_backward_part, &context);
}

typedef struct dropout_context {
    const snug_dropout *dropout;
    const snug_lane_kernels *kernels;
    snug_dropout_draw draw;
    snug_philox_key philox;
    uint32_t threshold;
    float scale;
    int64_t parts; /* Of a sample. */
    const float *x;
    float *y;
} dropout_context;

/** Part: up to PART elements of one sample. */
static void dropout_part(void *opaque, int64_t part, int32_t thread)
{
    const dropout_context *c = opaque;
    const int64_t elements = c->dropout->elements;
    const int64_t sample = part / c->parts;
    const int64_t first = part % c->parts * PART;
    const int64_t end = snug_min_i64(first + PART, elements);
    uint32_t words[GROUPS * SNUG_DROPOUT_WORDS];
    SNUG_UNUSED(thread);
    for (int64_t e = first; e < end; e += GROUPS * SNUG_DROPOUT_GROUP) {
        const int64_t count = snug_min_i64(GROUPS * SNUG_DROPOUT_GROUP, end - e);
        const int64_t at = sample * elements + e;
        c->draw(c->philox, c->dropout->key.position + sample, e / SNUG_DROPOUT_GROUP, 1,
                snug_ceil_div(count, SNUG_DROPOUT_GROUP), words);
        c->kernels->drop(count, words, (float)c->threshold, c->scale, c->x + at, c->y + at);
    }
}

void snug_dropout_apply(const snug_dropout *dropout, const float *x, float *y,
                        const snug_parallel *parallel)
{
    dropout_context context = {.dropout = dropout,
                               .kernels = snug_lane_kernels_of(dropout->isa),
                               .draw = snug_dropout_draw_of(dropout->isa),
                               .philox = snug_dropout_philox_key(&dropout->key),
                               .threshold = snug_dropout_threshold(dropout->rate),
                               .parts = snug_ceil_div(dropout->elements, PART),
                               .x = x,
                               .y = y};
    context.scale = snug_dropout_scale(context.threshold);
    if (dropout->rate > 0.0f) {
        snug_parallel_run(parallel, dropout->samples * context.parts, dropout_part, &context);
    } else if (x != y) {
        memcpy(y, x, (size_t)(dropout->samples * dropout->elements) * sizeof(float));
    }
}
