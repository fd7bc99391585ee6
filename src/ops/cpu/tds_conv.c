/* The TDS convolution over the register tiles of the matrix product. */
#include "ops/cpu/tds_conv.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/limits.h"
#include "ops/cpu/gemm_kernel.h"

enum {
    PART_STEPS = 32, /* Output steps of one part of a job. */
    SUM_BLOCK = 256, /* Products of a block of a canonical sum, at least. */
    SUM_LANES = 16,  /* Channels of a bias that are summed side by side, at most. */
    PIECE_BLOCKS = 2 /* Blocks of dy that are turned at once; their biases are summed together. */
};

static void check_conv(const snug_tds_conv *conv)
{
    SNUG_ASSERT(conv->channels >= 1);
    SNUG_ASSERT(conv->width >= 1);
    SNUG_ASSERT(conv->taps >= 1);
    SNUG_ASSERT(conv->steps >= conv->taps);
}

int64_t snug_tds_conv_steps_out(const snug_tds_conv *conv)
{
    check_conv(conv);
    return conv->steps - conv->taps + 1;
}

static int64_t floats_bytes(int64_t count)
{
    return snug_align_up(count * (int64_t)sizeof(float), SNUG_ALIGN);
}

/* Height of the register tiles that cut the channels most evenly. */
static int64_t tile_rows_of(const snug_tds_conv *conv, const snug_gemm_kernels *kernels)
{
    const int64_t tiles = snug_ceil_div(conv->channels, kernels->rows_max);
    return snug_ceil_div(conv->channels, tiles);
}

int64_t snug_tds_conv_scratch_bytes(const snug_tds_conv *conv)
{
    check_conv(conv);
    return floats_bytes(conv->channels * conv->channels * conv->taps);
}

/*
 * Both directions slide a filter: step s of the output reads the source steps s + offset to
 * s + offset + taps - 1, those that there are.
 */
typedef struct slide {
    const snug_tds_conv *conv;
    const snug_gemm_kernels *kernels;
    const float *panels; /* Filters: for each tile of rows [taps * ch, rows of the tile]. */
    const float *source; /* [N, source_steps, ch, W]. */
    float *out;          /* [N, out_steps, ch, W]. */
    const float *bias;
    int64_t source_steps;
    int64_t out_steps;
    int64_t offset;
    int64_t tile_rows;
    int64_t sample_parts;
    bool relu;
} slide;

/* All rows of output step s (and of s + 1 with `pair`) in columns [col, col + cols). */
static void slide_step(const slide *job, int64_t sample, int64_t s, bool pair, int64_t col,
                       int64_t cols)
{
    const int64_t channels = job->conv->channels;
    const int64_t width = job->conv->width;
    const int64_t first = snug_max_i64(s + job->offset, 0);
    const int64_t end = snug_min_i64(s + job->offset + job->conv->taps, job->source_steps);
    const int64_t skipped = first - (s + job->offset);
    snug_gemm_tile tile = {
        .cols = cols,
        .depth = snug_max_i64(end - first, 0) * channels,
        .b = job->source + (sample * job->source_steps + first) * channels * width + col,
        .b_row_stride = width,
        .c_row_stride = width,
        .start = job->bias == NULL ? SNUG_GEMM_FROM_ZERO : SNUG_GEMM_FROM_ROWS,
        .relu = job->relu,
        .pair = pair,
        .b_high = channels * width,
        .c_high = channels * width,
    };
    for (int64_t row = 0; row < channels; row += job->tile_rows) {
        tile.rows = snug_min_i64(job->tile_rows, channels - row);
        tile.a_col_stride = tile.rows;
        tile.a = job->panels + row * job->conv->taps * channels + skipped * channels * tile.rows;
        tile.c = job->out + ((sample * job->out_steps + s) * channels + row) * width + col;
        tile.row_start = job->bias == NULL ? NULL : job->bias + row;
        job->kernels->multiply(&tile);
    }
}

static void slide_part(void *context, int64_t part, int32_t thread)
{
    SNUG_UNUSED(thread);
    const slide *job = context;
    const int64_t sample = part / job->sample_parts;
    const int64_t first = part % job->sample_parts * PART_STEPS;
    const int64_t end = snug_min_i64(first + PART_STEPS, job->out_steps);
    const int64_t width = job->conv->width;
    const int64_t panel = job->kernels->cols_max;
    const bool narrow = width <= panel / 2;
    for (int64_t s = first; s < end;) {
        /* Two narrow steps fill a tile where neither of them is cut at an end of the source. */
        const bool pair = narrow && s + 1 < end && s + job->offset >= 0 &&
                          s + 1 + job->offset + job->conv->taps <= job->source_steps;
        for (int64_t col = 0; col < width; col += panel) {
            slide_step(job, sample, s, pair, col, snug_min_i64(panel, width - col));
        }
        s += pair ? 2 : 1;
    }
}

static void run_slide(slide *job, int64_t samples, const snug_parallel *parallel)
{
    job->sample_parts = snug_ceil_div(job->out_steps, PART_STEPS);
    snug_parallel_run(parallel, samples * job->sample_parts, slide_part, job);
}

void snug_tds_conv_forward(const snug_tds_conv *conv, int64_t samples, const float *x,
                           const float *w, const float *bias, bool relu, float *y,
                           const snug_parallel *parallel, void *scratch)
{
    float *panels = scratch;
    slide job = {
        .conv = conv,
        .kernels = snug_gemm_kernels_of(conv->isa),
        .panels = panels,
        .source = x,
        .out = y,
        .bias = bias,
        .source_steps = conv->steps,
        .out_steps = snug_tds_conv_steps_out(conv),
        .relu = relu,
    };
    const int64_t channels = conv->channels;
    job.tile_rows = tile_rows_of(conv, job.kernels);
    for (int64_t row = 0; row < channels; row += job.tile_rows) {
        const int64_t rows = snug_min_i64(job.tile_rows, channels - row);
        for (int64_t k = 0; k < conv->taps * channels; k++) {
            for (int64_t i = 0; i < rows; i++) {
                *panels++ = w[((row + i) * channels + k % channels) * conv->taps + k / channels];
            }
        }
    }
    run_slide(&job, samples, parallel);
}

void snug_tds_conv_input_gradient(const snug_tds_conv *conv, int64_t samples, const float *dy,
                                  const float *w, float *dx, const snug_parallel *parallel,
                                  void *scratch)
{
    float *panels = scratch;
    slide job = {
        .conv = conv,
        .kernels = snug_gemm_kernels_of(conv->isa),
        .panels = panels,
        .source = dy,
        .out = dx,
        .source_steps = snug_tds_conv_steps_out(conv),
        .out_steps = conv->steps,
        .offset = 1 - conv->taps,
    };
    const int64_t channels = conv->channels;
    job.tile_rows = tile_rows_of(conv, job.kernels);
    for (int64_t row = 0; row < channels; row += job.tile_rows) {
        const int64_t rows = snug_min_i64(job.tile_rows, channels - row);
        for (int64_t k = 0; k < conv->taps * channels; k++) {
            const int64_t tap = conv->taps - 1 - k / channels;
            for (int64_t i = 0; i < rows; i++) {
                *panels++ = w[(k % channels * channels + row + i) * conv->taps + tap];
            }
        }
    }
    run_slide(&job, samples, parallel);
}

/*
 * Weight gradient. With every step turned to [W, ch], both operands have their channels side by
 * side: dw[o, (j, i)] is a product over the rows (t, l) of dy turned and of x turned and moved by j
 * steps. Each part owns some outputs and takes them through all steps in order, block by block. It
 * turns the steps of a block itself, where L1 still holds them for all its outputs: that costs less
 * than to fetch what another core has turned.
 */
typedef struct turn {
    const snug_tds_conv *conv;
    const snug_gemm_kernels *kernels;
    int64_t samples;
    const float *x;
    const float *dy;
    float *db;
    float *sums;   /* [ch_out, taps, ch_in]: dw in the order of the product. */
    float *turned; /* Of each thread: a block of x, then a piece of dy. */
    int64_t tile_rows;
    int64_t block_steps;
    int64_t piece_steps;
    int64_t thread_floats;
    int64_t tap_groups;
    int64_t tap_step; /* Taps of a group. */
    int64_t tiles;    /* Tiles of rows x groups of taps. */
    int64_t parts;
} turn;

static turn turn_of(const snug_tds_conv *conv, int64_t samples)
{
    const int64_t step_floats = conv->channels * conv->width;
    turn job = {.conv = conv, .kernels = snug_gemm_kernels_of(conv->isa), .samples = samples};
    job.tile_rows = tile_rows_of(conv, job.kernels);
    job.block_steps = snug_ceil_div(SUM_BLOCK, conv->width);
    job.piece_steps = PIECE_BLOCKS * job.block_steps;
    job.thread_floats = snug_align_up(
        (job.block_steps + conv->taps - 1 + job.piece_steps) * step_floats, SNUG_ALIGN);
    job.tap_step = conv->channels <= job.kernels->cols_max / 2 ? 2 : 1;
    job.tap_groups = snug_ceil_div(conv->taps, job.tap_step);
    job.tiles = snug_ceil_div(conv->channels, job.tile_rows) * job.tap_groups;
    return job;
}

static int64_t sums_bytes(const snug_tds_conv *conv)
{
    return floats_bytes(conv->channels * conv->channels * conv->taps);
}

int64_t snug_tds_conv_weight_gradient_scratch_bytes(const snug_tds_conv *conv, int64_t samples,
                                                    int32_t threads)
{
    const turn job = turn_of(conv, samples);
    return sums_bytes(conv) + threads * job.thread_floats * (int64_t)sizeof(float);
}

/* Turns `rows` channels from `row` on of some steps to [steps, W, rows]. */
static void turn_steps(const turn *job, const float *from, int64_t steps, int64_t row, int64_t rows,
                       float *to)
{
    const int64_t width = job->conv->width;
    const float *first = from + row * width;
    for (int64_t step = 0; step < steps; step++) {
        job->kernels->pack_across(first + step * job->conv->channels * width, width, rows, width,
                                  rows, to + step * rows * width);
    }
}

/* The rows of dw that a part has some of, and their dy. */
typedef struct sum_rows {
    int64_t first;
    int64_t count;
    float *dy_turned; /* [steps, W, count]. */
} sum_rows;

/* One tile of rows of dw and one group of taps, over one block of steps; `dy` is turned. */
static void add_block(const turn *job, const sum_rows *rows, const float *x_turned, const float *dy,
                      int64_t depth, int64_t tile_index)
{
    const int64_t channels = job->conv->channels;
    const int64_t panel = job->kernels->cols_max;
    const int64_t row = tile_index / job->tap_groups * job->tile_rows;
    const int64_t tap = tile_index % job->tap_groups * job->tap_step;
    snug_gemm_tile tile = {
        .rows = snug_min_i64(job->tile_rows, channels - row),
        .depth = depth,
        .a = dy + row - rows->first,
        .a_col_stride = rows->count,
        .b_row_stride = channels,
        .c_row_stride = job->conv->taps * channels,
        .start = SNUG_GEMM_ADD_TO_C,
        .pair = job->tap_step == 2 && tap + 1 < job->conv->taps,
        .b_high = job->conv->width * channels,
        .c_high = channels,
    };
    for (int64_t col = 0; col < channels; col += panel) {
        tile.cols = snug_min_i64(panel, channels - col);
        tile.b = x_turned + tap * job->conv->width * channels + col;
        tile.c = job->sums + (row * job->conv->taps + tap) * channels + col;
        job->kernels->multiply(&tile);
    }
}

/*
 * The bias of the rows [first, end) over a piece is a product with ones. Two whole blocks are
 * summed side by side, since a lone chain waits for each of its additions, and added in order.
 */
static void add_bias(const turn *job, const sum_rows *rows, int64_t steps, int64_t first,
                     int64_t end)
{
    const int64_t half = snug_min_i64(job->kernels->cols_max / 2, SUM_LANES);
    const int64_t step_floats = job->conv->width * rows->count;
    const float one = 1.0f;
    for (int64_t step = 0; step < steps;) {
        const bool pair = step + 2 * job->block_steps <= steps;
        for (int64_t row = first; row < end; row += half) {
            float sum[2 * SUM_LANES];
            const snug_gemm_tile tile = {
                .rows = 1,
                .cols = snug_min_i64(half, end - row),
                .depth = snug_min_i64(job->block_steps, steps - step) * job->conv->width,
                .a = &one,
                .b = rows->dy_turned + step * step_floats + row - rows->first,
                .b_row_stride = rows->count,
                .c = sum,
                .c_row_stride = SUM_LANES,
                .start = SNUG_GEMM_FROM_ZERO,
                .pair = pair,
                .b_high = job->block_steps * step_floats,
                .c_high = SUM_LANES,
            };
            job->kernels->multiply(&tile);
            for (int64_t lane = 0; lane < tile.cols; lane++) {
                const float total = job->db[row + lane] + sum[lane];
                job->db[row + lane] = pair ? total + sum[SUM_LANES + lane] : total;
            }
        }
        step += (pair ? 2 : 1) * job->block_steps;
    }
}

/* The first tile of a part: each has about the same number of elements of dw. */
static int64_t first_tile(const turn *job, int64_t part)
{
    const int64_t goal = job->conv->channels * job->conv->taps * part / job->parts;
    int64_t elements = 0;
    int64_t tile = 0;
    while (tile < job->tiles && elements < goal) {
        const int64_t row = tile / job->tap_groups * job->tile_rows;
        const int64_t tap = tile % job->tap_groups * job->tap_step;
        elements += snug_min_i64(job->tile_rows, job->conv->channels - row) *
                    snug_min_i64(job->tap_step, job->conv->taps - tap);
        tile++;
    }
    return tile;
}

/* The tiles [first, end) over one sample. */
static void sum_sample(const turn *job, const sum_rows *rows, const float *x, const float *dy,
                       float *x_turned, int64_t first, int64_t end)
{
    const snug_tds_conv *conv = job->conv;
    const int64_t step_floats = conv->channels * conv->width;
    const int64_t steps_out = snug_tds_conv_steps_out(conv);
    const int64_t more = conv->taps - 1; /* Steps of x beyond those of dy. */
    /* The bias of a tile of rows is with its last group of taps. */
    const int64_t bias_first = first / job->tap_groups * job->tile_rows;
    const int64_t bias_end = snug_min_i64(end / job->tap_groups * job->tile_rows, conv->channels);
    turn_steps(job, x, more, 0, conv->channels, x_turned);
    for (int64_t step = 0; step < steps_out; step += job->block_steps) {
        const int64_t in_piece = step % job->piece_steps;
        const int64_t steps = snug_min_i64(job->block_steps, steps_out - step);
        if (in_piece == 0) {
            const int64_t piece = snug_min_i64(job->piece_steps, steps_out - step);
            turn_steps(job, dy + step * step_floats, piece, rows->first, rows->count,
                       rows->dy_turned);
            if (job->db != NULL) {
                add_bias(job, rows, piece, bias_first, bias_end);
            }
        }
        turn_steps(job, x + (step + more) * step_floats, steps, 0, conv->channels,
                   x_turned + more * step_floats);
        const float *dy_turned = rows->dy_turned + in_piece * conv->width * rows->count;
        for (int64_t tile = first; tile < end; tile++) {
            add_block(job, rows, x_turned, dy_turned, steps * conv->width, tile);
        }
        memmove(x_turned, x_turned + steps * step_floats,
                (size_t)(more * step_floats) * sizeof(float));
    }
}

static void sum_part(void *context, int64_t part, int32_t thread)
{
    const turn *job = context;
    const snug_tds_conv *conv = job->conv;
    const int64_t first = first_tile(job, part);
    const int64_t end = first_tile(job, part + 1);
    if (first == end) {
        return;
    }
    const int64_t step_floats = conv->channels * conv->width;
    float *x_turned = job->turned + thread * job->thread_floats;
    sum_rows rows = {
        .first = first / job->tap_groups * job->tile_rows,
        .dy_turned = x_turned + (job->block_steps + conv->taps - 1) * step_floats,
    };
    const int64_t row_end = ((end - 1) / job->tap_groups + 1) * job->tile_rows;
    rows.count = snug_min_i64(row_end, conv->channels) - rows.first;
    for (int64_t sample = 0; sample < job->samples; sample++) {
        sum_sample(job, &rows, job->x + sample * conv->steps * step_floats,
                   job->dy + sample * snug_tds_conv_steps_out(conv) * step_floats, x_turned, first,
                   end);
    }
}

/* Copies dw into the order of the product, or back. */
static void permute_sums(const snug_tds_conv *conv, float *dw, float *sums, bool back)
{
    const int64_t channels = conv->channels;
    for (int64_t o = 0; o < channels; o++) {
        for (int64_t i = 0; i < channels; i++) {
            for (int64_t j = 0; j < conv->taps; j++) {
                float *outer = dw + (o * channels + i) * conv->taps + j;
                float *inner = sums + (o * conv->taps + j) * channels + i;
                *(back ? outer : inner) = *(back ? inner : outer);
            }
        }
    }
}

void snug_tds_conv_weight_gradient(const snug_tds_conv *conv, int64_t samples, const float *x,
                                   const float *dy, float *dw, float *db,
                                   const snug_parallel *parallel, void *scratch)
{
    if (samples == 0) {
        return;
    }
    turn job = turn_of(conv, samples);
    job.x = x;
    job.dy = dy;
    job.db = db;
    job.sums = scratch;
    job.turned = job.sums + sums_bytes(conv) / (int64_t)sizeof(float);
    job.parts = snug_min_i64(parallel->threads, job.tiles);
    permute_sums(conv, dw, job.sums, false);
    snug_parallel_run(parallel, job.parts, sum_part, &job);
    permute_sums(conv, dw, job.sums, true);
}
