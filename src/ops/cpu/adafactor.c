#include "ops/cpu/adafactor.h"

#include <math.h>

#include "base/attr.h"
#include "base/checked.h"
#include "base/limits.h"
#include "ops/cpu/vmath_kernels.h"

enum { ROWS_PART = 64, COLS_PART = 64 };

typedef struct factor_context {
    const snug_lane_kernels *kernels;
    int64_t rows, cols;
    double square_scale; /* Of squared gradients: grad_scale^2. */
    double beta, rest;
    float keep, rate;
    double mean_row;
    float *w;
    const float *g;
    float *row, *column;
    double *row_sums;  /* [R]: of squares, then of squared updates. */
    double *col_sums;  /* [C] */
    float *col_factor; /* [C]: 1 / sqrt(column). */
} factor_context;

/* Where the parts of the scratch start, in bytes; the last entry is the whole. */
static void lay_out(int64_t rows, int64_t cols, int64_t out[4])
{
    out[0] = 0;
    out[1] = snug_align_up(rows * (int64_t)sizeof(double), SNUG_ALIGN);
    out[2] = out[1] + snug_align_up(cols * (int64_t)sizeof(double), SNUG_ALIGN);
    out[3] = out[2] + snug_align_up(cols * (int64_t)sizeof(float), SNUG_ALIGN);
}

int64_t snug_adafactor_factored_scratch_bytes(int64_t rows, int64_t cols)
{
    int64_t offsets[4];
    lay_out(rows, cols, offsets);
    return offsets[3];
}

int64_t snug_adafactor_plain_scratch_bytes(int64_t count)
{
    return snug_optimizer_norm_scratch_bytes(count);
}

static void row_part(void *opaque, int64_t part, int32_t thread)
{
    const factor_context *c = opaque;
    const int64_t end = snug_min_i64((part + 1) * ROWS_PART, c->rows);
    SNUG_UNUSED(thread);
    for (int64_t r = part * ROWS_PART; r < end; r++) {
        const double sum = c->kernels->square_sum(c->cols, c->g + r * c->cols) * c->square_scale;
        const double mean = sum / (double)c->cols + SNUG_ADAFACTOR_EPSILON;
        c->row[r] = (float)(c->beta * (double)c->row[r] + c->rest * mean);
    }
}

static void column_part(void *opaque, int64_t part, int32_t thread)
{
    const factor_context *c = opaque;
    const int64_t col = part * COLS_PART;
    const int64_t count = snug_min_i64(COLS_PART, c->cols - col);
    SNUG_UNUSED(thread);
    c->kernels->column_squares(c->rows, count, c->cols, c->g + col, c->col_sums + col);
    for (int64_t k = col; k < col + count; k++) {
        const double mean =
            c->col_sums[k] * c->square_scale / (double)c->rows + SNUG_ADAFACTOR_EPSILON;
        c->column[k] = (float)(c->beta * (double)c->column[k] + c->rest * mean);
        c->col_factor[k] = (float)(1.0 / sqrt((double)c->column[k]));
    }
}

/* The update of row r is this times g and the columns' factors. */
static double row_factor(const factor_context *c, int64_t r)
{
    return sqrt(c->square_scale * c->mean_row / (double)c->row[r]);
}

static void size_part(void *opaque, int64_t part, int32_t thread)
{
    const factor_context *c = opaque;
    const int64_t end = snug_min_i64((part + 1) * ROWS_PART, c->rows);
    SNUG_UNUSED(thread);
    for (int64_t r = part * ROWS_PART; r < end; r++) {
        const double factor = row_factor(c, r);
        c->row_sums[r] = factor * factor *
                         c->kernels->product_squares(c->cols, c->col_factor, c->g + r * c->cols);
    }
}

static void step_part(void *opaque, int64_t part, int32_t thread)
{
    const factor_context *c = opaque;
    const int64_t end = snug_min_i64((part + 1) * ROWS_PART, c->rows);
    SNUG_UNUSED(thread);
    for (int64_t r = part * ROWS_PART; r < end; r++) {
        c->kernels->factored_step(c->cols, c->keep, (float)((double)c->rate * row_factor(c, r)),
                                  c->col_factor, c->g + r * c->cols, c->w + r * c->cols);
    }
}

/* lr over how much larger than allowed the update is; a NaN stays one. */
static double clipped_rate(const snug_optimizer *optimizer, double squares, int64_t count)
{
    const double size = sqrt(squares / (double)count) / SNUG_ADAFACTOR_CLIP;
    return optimizer->learning_rate / (size < 1.0 ? 1.0 : size);
}

static double decay_of(const snug_optimizer *optimizer)
{
    return 1.0 - pow((double)optimizer->step, SNUG_ADAFACTOR_DECAY);
}

void snug_adafactor_factored(const snug_optimizer *optimizer, int64_t rows, int64_t cols, float *w,
                             const float *g, float *row, float *column, void *scratch,
                             const snug_parallel *parallel)
{
    int64_t offsets[4];
    unsigned char *memory = scratch;
    lay_out(rows, cols, offsets);
    factor_context c = {
        .kernels = snug_lane_kernels_of(optimizer->isa),
        .rows = rows,
        .cols = cols,
        .square_scale = optimizer->grad_scale * optimizer->grad_scale,
        .beta = decay_of(optimizer),
        .keep = (float)(1.0 - optimizer->learning_rate * optimizer->weight_decay),
        .w = w,
        .g = g,
        .row = row,
        .column = column,
        .row_sums = (double *)(void *)(memory + offsets[0]),
        .col_sums = (double *)(void *)(memory + offsets[1]),
        .col_factor = (float *)(void *)(memory + offsets[2]),
    };
    const int64_t row_parts = snug_ceil_div(rows, ROWS_PART);
    double squares = 0.0;
    c.rest = 1.0 - c.beta;
    snug_parallel_run(parallel, row_parts, row_part, &c);
    snug_parallel_run(parallel, snug_ceil_div(cols, COLS_PART), column_part, &c);
    for (int64_t r = 0; r < rows; r++) {
        c.mean_row += (double)row[r];
    }
    c.mean_row /= (double)rows;
    snug_parallel_run(parallel, row_parts, size_part, &c);
    for (int64_t r = 0; r < rows; r++) {
        squares += c.row_sums[r];
    }
    c.rate = (float)clipped_rate(optimizer, squares, rows * cols);
    snug_parallel_run(parallel, row_parts, step_part, &c);
}

typedef struct moment_context {
    const snug_lane_kernels *kernels;
    int64_t count;
    float beta, rest, scale, keep, factor;
    float *w;
    const float *g;
    float *v;
    double *sums;
} moment_context;

static void moment_part(void *opaque, int64_t part, int32_t thread)
{
    const moment_context *c = opaque;
    const int64_t at = part * SNUG_NORM_CHUNK;
    SNUG_UNUSED(thread);
    c->sums[part] =
        c->kernels->moment_squares(snug_min_i64(SNUG_NORM_CHUNK, c->count - at), c->beta, c->rest,
                                   c->scale, (float)SNUG_ADAFACTOR_EPSILON, c->g + at, c->v + at);
}

static void plain_part(void *opaque, int64_t part, int32_t thread)
{
    const moment_context *c = opaque;
    const int64_t at = part * SNUG_NORM_CHUNK;
    SNUG_UNUSED(thread);
    c->kernels->moment_step(snug_min_i64(SNUG_NORM_CHUNK, c->count - at), c->keep, c->factor,
                            c->g + at, c->v + at, c->w + at);
}

void snug_adafactor_plain(const snug_optimizer *optimizer, int64_t count, float *w, const float *g,
                          float *v, void *scratch, const snug_parallel *parallel)
{
    const double beta = decay_of(optimizer);
    const int64_t chunks = snug_ceil_div(count, SNUG_NORM_CHUNK);
    moment_context c = {.kernels = snug_lane_kernels_of(optimizer->isa),
                        .count = count,
                        .beta = (float)beta,
                        .rest = (float)(1.0 - beta),
                        .scale = (float)optimizer->grad_scale,
                        .keep = (float)(1.0 - optimizer->learning_rate * optimizer->weight_decay),
                        .w = w,
                        .g = g,
                        .v = v,
                        .sums = scratch};
    double squares = 0.0;
    snug_parallel_run(parallel, chunks, moment_part, &c);
    for (int64_t i = 0; i < chunks; i++) {
        squares += c.sums[i];
    }
    c.factor = (float)(clipped_rate(optimizer, squares, count) * optimizer->grad_scale);
    snug_parallel_run(parallel, chunks, plain_part, &c);
}
