#include "ops/cpu/activation.h"

#include <string.h>

#include "base/attr.h"
#include "base/checked.h"
#include "ops/cpu/bf16.h"
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
    const snug_bf16_kernels *half;
    const void *x;
    void *y;
} dropout_context;

/* Elements at..at + count, through f32 copies where they are stored as bf16. */
static void drop_elements(const dropout_context *c, int64_t count, const uint32_t *words,
                          int64_t at)
{
    float in[GROUPS * SNUG_DROPOUT_GROUP];
    float out[GROUPS * SNUG_DROPOUT_GROUP];
    const float *x = in;
    float *y = out;
    if (c->dropout->half_in) {
        c->half->widen(1, count, (const uint16_t *)c->x + at, count, in, count);
    } else {
        x = (const float *)c->x + at;
    }
    if (!c->dropout->half_out) {
        y = (float *)c->y + at;
    }
    c->kernels->drop(count, words, (float)c->threshold, c->scale, x, y);
    if (c->dropout->half_out) {
        c->half->narrow(1, count, out, count, (uint16_t *)c->y + at, count);
    }
}

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
        c->draw(c->philox, c->dropout->key.position + sample, e / SNUG_DROPOUT_GROUP, 1,
                snug_ceil_div(count, SNUG_DROPOUT_GROUP), words);
        drop_elements(c, count, words, sample * elements + e);
    }
}

/* Without a rate. */
static void copy(const snug_dropout *dropout, const void *x, void *y, const snug_parallel *parallel)
{
    const int64_t count = dropout->samples * dropout->elements;
    if (dropout->half_in == dropout->half_out) {
        const size_t bytes = dropout->half_in ? sizeof(uint16_t) : sizeof(float);
        if (x != y) {
            memcpy(y, x, (size_t)count * bytes);
        }
    } else if (dropout->half_in) {
        snug_bf16_widen(dropout->isa, count, x, y, parallel);
    } else {
        snug_bf16_narrow(dropout->isa, count, x, y, parallel);
    }
}

void snug_dropout_apply(const snug_dropout *dropout, const void *x, void *y,
                        const snug_parallel *parallel)
{
    dropout_context context = {.dropout = dropout,
                               .kernels = snug_lane_kernels_of(dropout->isa),
                               .draw = snug_dropout_draw_of(dropout->isa),
                               .philox = snug_dropout_philox_key(&dropout->key),
                               .threshold = snug_dropout_threshold(dropout->rate),
                               .parts = snug_ceil_div(dropout->elements, PART),
                               .half = snug_bf16_kernels_of(dropout->isa),
                               .x = x,
                               .y = y};
    context.scale = snug_dropout_scale(context.threshold);
    if (dropout->rate > 0.0f) {
        snug_parallel_run(parallel, dropout->samples * context.parts, dropout_part, &context);
    } else {
        copy(dropout, x, y, parallel);
    }
}
