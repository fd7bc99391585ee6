#include "ops/cpu/cross_entropy.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "ops/cpu/vmath_kernels.h"

enum { ROWS_PART = 64 };

typedef struct entropy_context {
    const snug_cross_entropy *loss;
    const snug_lane_kernels *kernels;
    const float *logits;
    const int32_t *labels;
    double *sample_loss;
    float *d_logits;
} entropy_context;

static double row_loss(const entropy_context *c, const float *x, int32_t label)
{
    const double smoothing = c->loss->smoothing;
    float largest = 0.0f;
    double exponentials = 0.0;
    double total = 0.0;
    SNUG_ASSERT(label < c->loss->classes);
    c->kernels->softmax_sums(c->loss->classes, x, &largest, &exponentials, &total);
    /* Differences first: beside large logits the logarithm would be rounded away. */
    const double rest = log(exponentials);
    double loss = (1.0 - smoothing) * ((double)largest - (double)x[label] + rest);
    if (smoothing > 0.0) {
        loss += smoothing * ((double)largest - total / (double)c->loss->classes + rest);
    }
    return loss;
}

/** Part: one sample. */
static void forward_part(void *opaque, int64_t part, int32_t thread)
{
    const entropy_context *c = opaque;
    double sum = 0.0;
    SNUG_UNUSED(thread);
    for (int64_t r = part * c->loss->rows; r < (part + 1) * c->loss->rows; r++) {
        if (c->labels[r] >= 0) {
            sum += row_loss(c, c->logits + r * c->loss->classes, c->labels[r]);
        }
    }
    c->sample_loss[part] = sum / c->loss->normaliser;
}

static void row_gradient(const entropy_context *c, const float *x, int32_t label, float *dx)
{
    const int64_t classes = c->loss->classes;
    const double each = c->loss->smoothing / (double)classes / c->loss->normaliser;
    float largest = 0.0f;
    double exponentials = 0.0;
    double unused = 0.0;
    SNUG_ASSERT(label < classes);
    c->kernels->softmax_sums(classes, x, &largest, &exponentials, &unused);
    c->kernels->softmax_grad(classes, x, largest,
                             (float)(1.0 / (exponentials * c->loss->normaliser)), (float)each, dx);
    dx[label] -= (float)((1.0 - c->loss->smoothing) / c->loss->normaliser);
}

static void backward_part(void *opaque, int64_t part, int32_t thread)
{
    const entropy_context *c = opaque;
    const int64_t first = part * ROWS_PART;
    const int64_t end = snug_min_i64(first + ROWS_PART, c->loss->samples * c->loss->rows);
    SNUG_UNUSED(thread);
    for (int64_t r = first; r < end; r++) {
        const int64_t at = r * c->loss->classes;
        if (c->labels[r] >= 0) {
            row_gradient(c, c->logits + at, c->labels[r], c->d_logits + at);
        } else {
            memset(c->d_logits + at, 0, (size_t)c->loss->classes * sizeof(float));
        }
    }
}

void snug_cross_entropy_forward(const snug_cross_entropy *loss, const float *logits,
                                const int32_t *labels, double *sample_loss,
                                const snug_parallel *parallel)
{
    SNUG_ASSERT(loss->normaliser > 0.0);
    entropy_context context = {.loss = loss,
                               .kernels = snug_lane_kernels_of(loss->isa),
                               .logits = logits,
                               .labels = labels,
                               .sample_loss = sample_loss};
    snug_parallel_run(parallel, loss->samples, forward_part, &context);
}

void snug_cross_entropy_backward(const snug_cross_entropy *loss, const float *logits,
                                 const int32_t *labels, float *d_logits,
                                 const snug_parallel *parallel)
{
    SNUG_ASSERT(loss->normaliser > 0.0);
    entropy_context context = {.loss = loss,
                               .kernels = snug_lane_kernels_of(loss->isa),
                               .logits = logits,
                               .labels = labels,
                               .d_logits = d_logits};
    snug_parallel_run(parallel, snug_ceil_div(loss->samples * loss->rows, ROWS_PART), backward_part,
                      &context);
}
