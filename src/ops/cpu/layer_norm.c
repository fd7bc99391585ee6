#include "ops/cpu/layer_norm.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/checked.h"
#include "ops/cpu/vmath_kernels.h"

enum { ROWS_PART = 64, COLS_PART = 64 };

typedef struct norm_context {
    const snug_layer_norm *norm;
    const snug_lane_kernels *kernels;
    const float *x, *gamma, *beta;
    const float *kept_mean, *kept_rstd;
    const float *dy;
    float *y, *mean, *rstd, *dx, *dgamma, *dbeta;
} norm_context;

static void forward_part(void *opaque, int64_t part, int32_t thread)
{
    const norm_context *c = opaque;
    const int64_t cols = c->norm->cols;
    const int64_t first = part * ROWS_PART;
    const int64_t rows = snug_min_i64(ROWS_PART, c->norm->samples * c->norm->rows - first);
    SNUG_UNUSED(thread);
    c->kernels->norm_forward(rows, cols, c->x + first * cols, c->gamma, c->beta,
                             (float)c->norm->epsilon, c->y + first * cols, c->mean + first,
                             c->rstd + first);
}

static void backward_part(void *opaque, int64_t part, int32_t thread)
{
    const norm_context *c = opaque;
    const int64_t cols = c->norm->cols;
    const int64_t first = part * ROWS_PART;
    const int64_t rows = snug_min_i64(ROWS_PART, c->norm->samples * c->norm->rows - first);
    SNUG_UNUSED(thread);
    c->kernels->norm_backward(rows, cols, c->x + first * cols, c->gamma, c->kept_mean + first,
                              c->kept_rstd + first, c->dy + first * cols, c->dx + first * cols);
}

static void gradient_part(void *opaque, int64_t part, int32_t thread)
{
    const norm_context *c = opaque;
    const int64_t cols = c->norm->cols;
    const int64_t rows = c->norm->rows;
    const int64_t col = part * COLS_PART;
    const int64_t count = snug_min_i64(COLS_PART, cols - col);
    SNUG_UNUSED(thread);
    for (int64_t n = 0; n < c->norm->samples; n++) {
        for (int64_t r = 0; r < rows; r += SNUG_LAYER_NORM_BLOCK) {
            const int64_t at = n * rows + r;
            c->kernels->norm_gradients(snug_min_i64(SNUG_LAYER_NORM_BLOCK, rows - r), count, cols,
                                       c->x + at * cols + col, c->kept_mean + at, c->kept_rstd + at,
                                       c->dy + at * cols + col, c->dgamma + col, c->dbeta + col);
        }
    }
}

void snug_layer_norm_forward(const snug_layer_norm *norm, const float *x, const float *gamma,
                             const float *beta, float *y, float *mean, float *rstd,
                             const snug_parallel *parallel)
{
    norm_context context = {.norm = norm,
                            .kernels = snug_lane_kernels_of(norm->isa),
                            .x = x,
                            .gamma = gamma,
                            .beta = beta,
                            .y = y,
                            .mean = mean,
                            .rstd = rstd};
    snug_parallel_run(parallel, snug_ceil_div(norm->samples * norm->rows, ROWS_PART), forward_part,
                      &context);
}

void snug_layer_norm_backward(const snug_layer_norm *norm, const float *x, const float *gamma,
                              const float *mean, const float *rstd, const float *dy, float *dx,
                              float *dgamma, float *dbeta, const snug_parallel *parallel)
{
    SNUG_ASSERT((dgamma == NULL) == (dbeta == NULL));
    norm_context context = {.norm = norm,
                            .kernels = snug_lane_kernels_of(norm->isa),
                            .x = x,
                            .gamma = gamma,
                            .kept_mean = mean,
                            .kept_rstd = rstd,
                            .dy = dy,
                            .dx = dx,
                            .dgamma = dgamma,
                            .dbeta = dbeta};
    /* Parameters first: dx may take dy's place. */
    if (dgamma != NULL) {
        snug_parallel_run(parallel, snug_ceil_div(norm->cols, COLS_PART), gradient_part, &context);
    }
    if (dx != NULL) {
        snug_parallel_run(parallel, snug_ceil_div(norm->samples * norm->rows, ROWS_PART),
                          backward_part, &context);
    }
}
