#include "ops/cpu/optimizer.h"

#include <math.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/checked.h"
#include "base/limits.h"
#include "ops/cpu/vmath_kernels.h"

enum { PART = 16384 };

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
} update_context;

static void adam_part(void *opaque, int64_t part, int32_t thread)
{
    const update_context *c = opaque;
    const int64_t at = part * PART;
    SNUG_UNUSED(thread);
    c->kernels->adam(snug_min_i64(PART, c->count - at), &c->adam, c->w + at, c->g + at, c->m + at,
                     c->v + at);
}

static void sgd_part(void *opaque, int64_t part, int32_t thread)
{
    const update_context *c = opaque;
    const snug_optimizer *o = c->optimizer;
    const int64_t at = part * PART;
    SNUG_UNUSED(thread);
    c->kernels->sgd(snug_min_i64(PART, c->count - at), (float)o->grad_scale, (float)o->weight_decay,
                    (float)o->momentum, (float)o->learning_rate, c->w + at, c->g + at,
                    c->m == NULL ? NULL : c->m + at);
}

static void norm_part(void *opaque, int64_t part, int32_t thread)
{
    const update_context *c = opaque;
    const int64_t at = part * SNUG_NORM_CHUNK;
    SNUG_UNUSED(thread);
    c->sums[part] = c->kernels->square_sum(snug_min_i64(SNUG_NORM_CHUNK, c->count - at), c->g + at);
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
                              .v = v};
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
                              .m = buffer};
    snug_parallel_run(parallel, snug_ceil_div(count, PART), sgd_part, &context);
}

int64_t snug_optimizer_norm_scratch_bytes(int64_t count)
{
    return snug_align_up(snug_ceil_div(count, SNUG_NORM_CHUNK) * (int64_t)sizeof(double),
                         SNUG_ALIGN);
}

double snug_optimizer_square_norm(snug_kernel_isa isa, int64_t count, const float *g, void *scratch,
                                  const snug_parallel *parallel)
{
    const int64_t chunks = snug_ceil_div(count, SNUG_NORM_CHUNK);
    update_context context = {
        .kernels = snug_lane_kernels_of(isa), .count = count, .g = g, .sums = scratch};
    snug_parallel_run(parallel, chunks, norm_part, &context);
    double sum = 0.0;
    for (int64_t i = 0; i < chunks; i++) {
        sum += context.sums[i];
    }
    return sum;
}

double snug_optimizer_clip_scale(double square_norm, double max_norm)
{
    const double factor = max_norm / (sqrt(square_norm) + 1e-6);
    /* A NaN norm gives a NaN factor: it must be seen. */
    return factor > 1.0 ? 1.0 : factor;
}
