#include "ops/cpu/optimizer.h"

#include <math.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/checked.h"
#include "base/limits.h"
#include "ops/cpu/vmath_kernels.h"

enum { PART = SNUG_GRADIENT_PIECE };

typedef struct update_context {
    const snug_lane_kernels *kernels;
    const snug_optimizer *optimizer;
    snug_adam_numbers adam;
    int64_t count;
    float *w;
    const float *g;
    float *m;
    float *v;
    double *sums;
    const snug_gradient_rows *rows; /* NULL: g is dense. */
} update_context;

static const float *gradient_of(const update_context *c, int64_t at, int64_t count, int32_t thread)
{
    return c->rows == NULL ? c->g + at : snug_gradient_rows_piece(c->rows, at, count, thread);
}

static void adam_part(void *opaque, int64_t part, int32_t thread)
{
    const update_context *c = opaque;
    const int64_t at = part * PART;
    const int64_t count = snug_min_i64(PART, c->count - at);
    c->kernels->adam(count, &c->adam, c->w + at, gradient_of(c, at, count, thread), c->m + at,
                     c->v + at);
}

static void sgd_part(void *opaque, int64_t part, int32_t thread)
{
    const update_context *c = opaque;
    const snug_optimizer *o = c->optimizer;
    const int64_t at = part * PART;
    const int64_t count = snug_min_i64(PART, c->count - at);
    c->kernels->sgd(count, (float)o->grad_scale, (float)o->weight_decay, (float)o->momentum,
                    (float)o->learning_rate, c->w + at, gradient_of(c, at, count, thread),
                    c->m == NULL ? NULL : c->m + at);
}

static void norm_part(void *opaque, int64_t part, int32_t thread)
{
    const update_context *c = opaque;
    const int64_t at = part * SNUG_NORM_CHUNK;
    const int64_t count = snug_min_i64(SNUG_NORM_CHUNK, c->count - at);
    c->sums[part] = c->kernels->square_sum(count, gradient_of(c, at, count, thread));
}

snug_adam_numbers snug_optimizer_adam_numbers(const snug_optimizer *o, bool decoupled)
{
    return (snug_adam_numbers){
        .grad_scale = (float)o->grad_scale,
        .decay_keep = decoupled ? (float)(1.0 - o->learning_rate * o->weight_decay) : 1.0f,
        .decay_grad = decoupled ? 0.0f : (float)o->weight_decay,
        .beta1 = (float)o->beta1,
        .beta1_rest = (float)(1.0 - o->beta1),
        .beta2 = (float)o->beta2,
        .beta2_rest = (float)(1.0 - o->beta2),
        .root_correction = (float)sqrt(1.0 - pow(o->beta2, (double)o->step)),
        .epsilon = (float)o->epsilon,
        .rate = (float)(o->learning_rate / (1.0 - pow(o->beta1, (double)o->step))),
    };
}

static void run_adam(const snug_optimizer *optimizer, const snug_adam_numbers *numbers,
                     int64_t count, float *w, const float *g, float *m, float *v,
                     const snug_parallel *parallel)
{
    update_context context = {.kernels = snug_lane_kernels_of(optimizer->isa),
                              .adam = *numbers,
                              .count = count,
                              .w = w,
                              .g = g,
                              .m = m,
                              .v = v,
                              .rows = optimizer->rows};
    snug_parallel_run(parallel, snug_ceil_div(count, PART), adam_part, &context);
}

void snug_optimizer_adamw(const snug_optimizer *optimizer, int64_t count, float *w, const float *g,
                          float *m, float *v, const snug_parallel *parallel)
{
    const snug_adam_numbers numbers = snug_optimizer_adam_numbers(optimizer, true);
    run_adam(optimizer, &numbers, count, w, g, m, v, parallel);
}

void snug_optimizer_adam(const snug_optimizer *optimizer, int64_t count, float *w, const float *g,
                         float *m, float *v, const snug_parallel *parallel)
{
    const snug_adam_numbers numbers = snug_optimizer_adam_numbers(optimizer, false);
    run_adam(optimizer, &numbers, count, w, g, m, v, parallel);
}

void snug_optimizer_sgd(const snug_optimizer *optimizer, int64_t count, float *w, const float *g,
                        float *buffer, const snug_parallel *parallel)
{
    update_context context = {.kernels = snug_lane_kernels_of(optimizer->isa),
                              .optimizer = optimizer,
                              .count = count,
                              .w = w,
                              .g = g,
                              .m = buffer,
                              .rows = optimizer->rows};
    snug_parallel_run(parallel, snug_ceil_div(count, PART), sgd_part, &context);
}

int64_t snug_optimizer_norm_scratch_bytes(int64_t count)
{
    return snug_align_up(snug_ceil_div(count, SNUG_NORM_CHUNK) * (int64_t)sizeof(double),
                         SNUG_ALIGN);
}

double snug_optimizer_norm_total(int64_t count, const double *sums)
{
    double total = 0.0;
    for (int64_t i = 0; i < count; i++) {
        total += sums[i];
    }
    return total;
}

static double square_norm(update_context *context, const snug_parallel *parallel)
{
    const int64_t chunks = snug_ceil_div(context->count, SNUG_NORM_CHUNK);
    snug_parallel_run(parallel, chunks, norm_part, context);
    return snug_optimizer_norm_total(chunks, context->sums);
}

double snug_optimizer_square_norm(snug_kernel_isa isa, int64_t count, const float *g, void *scratch,
                                  const snug_parallel *parallel)
{
    update_context context = {
        .kernels = snug_lane_kernels_of(isa), .count = count, .g = g, .sums = scratch};
    return square_norm(&context, parallel);
}

double snug_optimizer_square_norm_rows(const snug_gradient_rows *rows, void *scratch,
                                       const snug_parallel *parallel)
{
    update_context context = {.kernels = rows->kernels,
                              .count = rows->words * rows->width,
                              .sums = scratch,
                              .rows = rows};
    return square_norm(&context, parallel);
}

double snug_optimizer_clip_scale(double square_norm, double max_norm)
{
    const double factor = max_norm / (sqrt(square_norm) + 1e-6);
    /* A NaN norm gives a NaN factor: it must be seen. */
    return factor > 1.0 ? 1.0 : factor;
}
