#include "ops/cpu/loss.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/limits.h"
#include "ops/cpu/vmath_kernels.h"

typedef struct loss_context {
    const snug_loss *loss;
    const snug_lane_kernels *kernels;
    const float *prediction;
    const float *target;
    const uint8_t *mask;
    double *partial; /* [N, blocks, 2]: squares, absolutes. */
    float *d_prediction;
} loss_context;

static int64_t block_count(const snug_loss *loss)
{
    return snug_ceil_div(loss->rows, SNUG_LOSS_BLOCK);
}

int64_t snug_loss_scratch_bytes(const snug_loss *loss)
{
    const int64_t bytes = loss->samples * block_count(loss) * 2 * (int64_t)sizeof(double);
    return snug_align_up(bytes, SNUG_ALIGN);
}

/** The rows of a part: block `part` of all samples' blocks. */
static int64_t block_rows(const snug_loss *loss, int64_t part, int64_t *out_first)
{
    const int64_t inside = part % block_count(loss) * SNUG_LOSS_BLOCK;
    *out_first = part / block_count(loss) * loss->rows + inside;
    return snug_min_i64(SNUG_LOSS_BLOCK, loss->rows - inside);
}

static void forward_part(void *opaque, int64_t part, int32_t thread)
{
    const loss_context *c = opaque;
    int64_t first = 0;
    const int64_t rows = block_rows(c->loss, part, &first);
    const int64_t at = first * c->loss->cols;
    SNUG_UNUSED(thread);
    c->kernels->loss_sums(rows, c->loss->cols, c->prediction + at, c->target + at,
                          c->mask == NULL ? NULL : c->mask + first, &c->partial[2 * part],
                          &c->partial[2 * part + 1]);
}

static void backward_part(void *opaque, int64_t part, int32_t thread)
{
    const loss_context *c = opaque;
    int64_t first = 0;
    const int64_t rows = block_rows(c->loss, part, &first);
    const int64_t at = first * c->loss->cols;
    SNUG_UNUSED(thread);
    c->kernels->loss_grad(rows, c->loss->cols, c->prediction + at, c->target + at,
                          c->mask == NULL ? NULL : c->mask + first,
                          (float)(2.0 * c->loss->square_weight / c->loss->normaliser),
                          (float)(c->loss->absolute_weight / c->loss->normaliser),
                          c->d_prediction + at);
}

void snug_loss_forward(const snug_loss *loss, const float *prediction, const float *target,
                       const uint8_t *mask, double *sample_loss, void *scratch,
                       const snug_parallel *parallel)
{
    SNUG_ASSERT(loss->normaliser > 0.0);
    const int64_t blocks = block_count(loss);
    loss_context context = {.loss = loss,
                            .kernels = snug_lane_kernels_of(loss->isa),
                            .prediction = prediction,
                            .target = target,
                            .mask = mask,
                            .partial = scratch};
    snug_parallel_run(parallel, loss->samples * blocks, forward_part, &context);
    for (int64_t n = 0; n < loss->samples; n++) {
        double square = 0.0;
        double absolute = 0.0;
        for (int64_t b = 0; b < blocks; b++) {
            square += context.partial[2 * (n * blocks + b)];
            absolute += context.partial[2 * (n * blocks + b) + 1];
        }
        sample_loss[n] =
            (loss->square_weight * square + loss->absolute_weight * absolute) / loss->normaliser;
    }
}

void snug_loss_backward(const snug_loss *loss, const float *prediction, const float *target,
                        const uint8_t *mask, float *d_prediction, const snug_parallel *parallel)
{
    SNUG_ASSERT(loss->normaliser > 0.0);
    loss_context context = {.loss = loss,
                            .kernels = snug_lane_kernels_of(loss->isa),
                            .prediction = prediction,
                            .target = target,
                            .mask = mask,
                            .d_prediction = d_prediction};
    snug_parallel_run(parallel, loss->samples * block_count(loss), backward_part, &context);
}
