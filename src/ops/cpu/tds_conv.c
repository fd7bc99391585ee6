/* The TDS convolution over the register tiles of the matrix product. */
#include "ops/cpu/tds_conv.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/limits.h"
#include "ops/cpu/gemm_kernel.h"
#include "ops/cpu/tds_conv_kernel.h"
#include "ops/cpu/vmath_kernels.h"

enum {
    PART_STEPS = 32,  /* Output steps of one part of a job. */
    SUM_BLOCK = 256,  /* Products of a block of a canonical sum, at least. */
    TURNED_BLOCKS = 4 /* Blocks of x that are turned before the last steps move to the front. */
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
 * Weight gradient. With the steps of x turned to [W, ch], its input channels lie side by side:
 * dw[o, j] is a vector of them, the sum over the rows (t, l) of a number of dy times a vector of x
 * moved by j steps. Each part owns some outputs and takes them through all steps in order, block by
 * block. It turns the steps of a block itself, where L1 still holds them for all its outputs: that
 * costs less than to fetch what another core has turned.
 */
typedef struct turn {
    const snug_tds_conv *conv;
    const snug_gemm_kernels *gemm;
    const snug_tds_kernels *kernels;
    const snug_lane_kernels *lane_kernels;
    int64_t samples;
    const float *x;
    const float *dy;
    float *db;
    float *sums;     /* [ch_out, taps, lanes]: dw in the order of the product. */
    float *turned;   /* Of each thread: steps of x, then columns of dy. */
    int64_t lanes;   /* Input channels in whole vectors; those past ch are zero. */
    int64_t step;    /* Floats of a step of x turned: [W, lanes]. */
    int64_t columns; /* Floats of a step of dy: [ch, W]. */
    int64_t tile_rows;
    int64_t block_steps;
    int64_t turned_steps; /* At most, and taps - 1 more. */
    int64_t thread_floats;
    int64_t tap_groups;
    int64_t tap_step; /* Taps of a group. */
    int64_t tiles;    /* Tiles of rows x groups of taps. */
    int64_t parts;
} turn;

static const snug_tds_kernels *tds_kernels_of(snug_kernel_isa isa)
{
    static const snug_tds_kernels *const tables[SNUG_KERNEL_ISA_COUNT] = {
        [SNUG_KERNEL_SCALAR] = &snug_tds_kernels_scalar,
        [SNUG_KERNEL_AVX2] = &snug_tds_kernels_avx2,
        [SNUG_KERNEL_AVX512] = &snug_tds_kernels_avx512,
    };
    return tables[isa];
}

/* Pieces of nearly equal size, none larger than `most`. */
static int64_t even_pieces(int64_t count, int64_t most)
{
    return snug_ceil_div(count, snug_ceil_div(count, most));
}

static turn turn_of(const snug_tds_conv *conv, int64_t samples)
{
    turn job = {.conv = conv,
                .gemm = snug_gemm_kernels_of(conv->isa),
                .kernels = tds_kernels_of(conv->isa),
                .lane_kernels = snug_lane_kernels_of(conv->isa),
                .samples = samples};
    job.lanes = snug_align_up(conv->channels, SNUG_TDS_LANES);
    job.step = job.lanes * conv->width;
    job.columns = conv->channels * conv->width;
    job.tile_rows = even_pieces(conv->channels, job.kernels->rows_max);
    job.block_steps = snug_ceil_div(SUM_BLOCK, conv->width);
    job.turned_steps = TURNED_BLOCKS * job.block_steps;
    job.thread_floats =
        snug_align_up((job.turned_steps + conv->taps - 1) * job.step + job.columns, SNUG_ALIGN);
    job.tap_step = even_pieces(conv->taps, job.kernels->taps_max);
    job.tap_groups = snug_ceil_div(conv->taps, job.tap_step);
    job.tiles = snug_ceil_div(conv->channels, job.tile_rows) * job.tap_groups;
    return job;
}

static int64_t sums_bytes(const turn *job)
{
    return floats_bytes(job->conv->channels * job->conv->taps * job->lanes);
}

int64_t snug_tds_conv_weight_gradient_scratch_bytes(const snug_tds_conv *conv, int64_t samples,
                                                    int32_t threads)
{
    const turn job = turn_of(conv, samples);
    return sums_bytes(&job) + threads * job.thread_floats * (int64_t)sizeof(float);
}

/* Turns some steps of x to [steps, W, lanes]; channels past the last stay as they are. */
static void turn_steps(const turn *job, const float *from, int64_t steps, float *to)
{
    const int64_t channels = job->conv->channels;
    const int64_t width = job->conv->width;
    const bool whole = channels == job->lanes && width % SNUG_TDS_LANES == 0;
    for (int64_t s = 0; s < steps; s++) {
        if (!whole || job->kernels->turn == NULL) {
            job->gemm->pack_across(from + s * job->columns, width, channels, width, job->lanes,
                                   to + s * job->step);
            continue;
        }
        for (int64_t i = 0; i < channels; i += SNUG_TDS_LANES) {
            for (int64_t l = 0; l < width; l += SNUG_TDS_LANES) {
                job->kernels->turn(from + s * job->columns + i * width + l, width,
                                   to + s * job->step + l * job->lanes + i, job->lanes);
            }
        }
    }
}

/* One tile of rows of dw and one group of taps, over one block of steps. */
static void add_block(const turn *job, const float *x_turned, const float *dy, int64_t steps,
                      int64_t tile_index)
{
    const snug_tds_conv *conv = job->conv;
    const int64_t row = tile_index / job->tap_groups * job->tile_rows;
    const int64_t tap = tile_index % job->tap_groups * job->tap_step;
    snug_tds_products products = {
        .rows = snug_min_i64(job->tile_rows, conv->channels - row),
        .taps = snug_min_i64(job->tap_step, conv->taps - tap),
        .steps = steps,
        .width = conv->width,
        .dy = dy + row * conv->width,
        .dy_step = job->columns,
        .x_step = job->step,
        .x_stride = job->lanes,
        .row_stride = conv->taps * job->lanes,
    };
    for (int64_t i = 0; i < job->lanes; i += SNUG_TDS_LANES) {
        products.x = x_turned + tap * job->step + i;
        products.sums = job->sums + (row * conv->taps + tap) * job->lanes + i;
        job->kernels->add_products(&products);
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

/* The tiles of one part; the bias of a tile of rows is with its last group of taps. */
typedef struct tile_range {
    int64_t first, end;
    int64_t bias_first, bias_end; /* Rows. */
} tile_range;

/* The tiles of a part over one sample. */
static void sum_sample(const turn *job, const tile_range *range, const float *x, const float *dy,
                       float *x_turned)
{
    const snug_tds_conv *conv = job->conv;
    const int64_t steps_out = snug_tds_conv_steps_out(conv);
    const int64_t more = conv->taps - 1; /* Steps of x beyond those of dy. */
    const int64_t width = conv->width;
    const int64_t column = range->bias_first * width;
    const int64_t columns = job->db == NULL ? 0 : range->bias_end * width - column;
    float *sums = x_turned + (job->turned_steps + more) * job->step;
    memset(sums, 0, (size_t)job->columns * sizeof(float));
    turn_steps(job, x, more, x_turned);
    for (int64_t step = 0; step < steps_out; step += job->block_steps) {
        const int64_t at = step % job->turned_steps;
        const int64_t steps = snug_min_i64(job->block_steps, steps_out - step);
        if (at == 0 && step > 0) {
            memmove(x_turned, x_turned + job->turned_steps * job->step,
                    (size_t)(more * job->step) * sizeof(float));
        }
        turn_steps(job, x + (step + more) * job->columns, steps,
                   x_turned + (at + more) * job->step);
        job->lane_kernels->column_sums(steps, columns, job->columns,
                                       dy + step * job->columns + column, sums + column, NULL);
        for (int64_t tile = range->first; tile < range->end; tile++) {
            add_block(job, x_turned + at * job->step, dy + step * job->columns, steps, tile);
        }
    }
    for (int64_t row = range->bias_first; row < range->bias_end && job->db != NULL; row++) {
        float total = 0.0f;
        for (int64_t l = 0; l < width; l++) {
            total += sums[row * width + l];
        }
        job->db[row] += total;
    }
}

static void sum_part(void *context, int64_t part, int32_t thread)
{
    const turn *job = context;
    const snug_tds_conv *conv = job->conv;
    tile_range range = {.first = first_tile(job, part), .end = first_tile(job, part + 1)};
    float *x_turned = job->turned + thread * job->thread_floats;
    range.bias_first = range.first / job->tap_groups * job->tile_rows;
    range.bias_end = snug_min_i64(range.end / job->tap_groups * job->tile_rows, conv->channels);
    if (range.first == range.end) {
        return;
    }
    if (job->lanes > conv->channels) {
        memset(x_turned, 0, (size_t)job->thread_floats * sizeof(float));
    }
    for (int64_t sample = 0; sample < job->samples; sample++) {
        sum_sample(job, &range, job->x + sample * conv->steps * job->columns,
                   job->dy + sample * snug_tds_conv_steps_out(conv) * job->columns, x_turned);
    }
}

/* Copies dw into the order of the product, or back. */
static void permute_sums(const turn *job, float *dw, bool back)
{
    const int64_t channels = job->conv->channels;
    const int64_t taps = job->conv->taps;
    if (!back) {
        memset(job->sums, 0, (size_t)sums_bytes(job));
    }
    for (int64_t o = 0; o < channels; o++) {
        for (int64_t i = 0; i < channels; i++) {
            for (int64_t j = 0; j < taps; j++) {
                float *outer = dw + (o * channels + i) * taps + j;
                float *inner = job->sums + (o * taps + j) * job->lanes + i;
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
    job.turned = job.sums + sums_bytes(&job) / (int64_t)sizeof(float);
    job.parts = snug_min_i64(parallel->threads, job.tiles);
    permute_sums(&job, dw, false);
    snug_parallel_run(parallel, job.parts, sum_part, &job);
    permute_sums(&job, dw, true);
}
