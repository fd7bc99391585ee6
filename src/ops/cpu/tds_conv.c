/* The TDS convolution over the register tiles of the matrix product. */
#include "ops/cpu/tds_conv.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/limits.h"
#include "ops/cpu/gemm_kernel.h"

enum {
    PART_STEPS = 32,           /* Output steps of one part of a job. */
    SUM_BLOCK = 256,           /* Products of a block of a canonical sum, at least. */
    SUM_LANES = 16,            /* Channels of a bias that are summed side by side. */
    TURNED_BYTES_MAX = 2 << 20 /* Of transposed steps that are kept at once. */
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

/* The chains start at the bias, which is the same for all lanes of a row. */
static void place_bias(const slide *job, const snug_gemm_tile *tile, int64_t row)
{
    for (int64_t i = 0; i < tile->rows; i++) {
        const float bias = job->bias[row + i];
        float *c = tile->c + i * tile->c_row_stride;
        for (int64_t j = 0; j < tile->cols; j++) {
            c[j] = bias;
        }
        for (int64_t j = 0; tile->pair && j < tile->cols; j++) {
            c[tile->c_high + j] = bias;
        }
    }
}

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
        .start = job->bias == NULL ? SNUG_GEMM_FROM_ZERO : SNUG_GEMM_FROM_C,
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
        if (job->bias != NULL) {
            place_bias(job, &tile, row);
        }
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
                *panels++ =
                    w[((row + i) * channels + k % channels) * conv->taps + k / channels];
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
 * steps. Pieces of whole blocks are turned, then all outputs take their turn through them in order.
 */
typedef struct turn {
    const snug_tds_conv *conv;
    const snug_gemm_kernels *kernels;
    const float *x;
    const float *dy;
    float *db;
    float *sums;   /* [ch_out, taps, ch_in]: dw in the order of the product. */
    float *turned; /* Pieces: x turned, then dy turned. */
    int64_t tile_rows;
    int64_t block_steps;
    int64_t piece_steps; /* Output steps of a piece: whole blocks, or all of a sample. */
    int64_t sample_pieces;
    int64_t piece_floats;
    int64_t pieces_max; /* Turned at once. */
    int64_t first;      /* Piece of the current round, counted over all samples. */
    int64_t count;
    int64_t tap_groups;
    int64_t tap_step; /* Taps of a group. */
    int64_t row_tiles;
    int64_t sum_parts;
} turn;

static turn turn_of(const snug_tds_conv *conv, int64_t samples)
{
    const int64_t steps_out = snug_tds_conv_steps_out(conv);
    const int64_t step_floats = conv->channels * conv->width;
    turn job = {.conv = conv, .kernels = snug_gemm_kernels_of(conv->isa)};
    job.tile_rows = tile_rows_of(conv, job.kernels);
    job.row_tiles = snug_ceil_div(conv->channels, job.tile_rows);
    job.block_steps = snug_ceil_div(SUM_BLOCK, conv->width);
    const int64_t block_bytes = 2 * job.block_steps * step_floats * (int64_t)sizeof(float);
    const int64_t blocks = snug_max_i64(TURNED_BYTES_MAX / 2 / block_bytes, 1);
    job.piece_steps = snug_min_i64(blocks * job.block_steps, steps_out);
    job.sample_pieces = snug_ceil_div(steps_out, job.piece_steps);
    job.piece_floats =
        snug_align_up((2 * job.piece_steps + conv->taps - 1) * step_floats, SNUG_ALIGN);
    const int64_t piece_bytes = job.piece_floats * (int64_t)sizeof(float);
    job.pieces_max = snug_max_i64(TURNED_BYTES_MAX / piece_bytes, 1);
    job.pieces_max = snug_min_i64(job.pieces_max, snug_max_i64(samples * job.sample_pieces, 1));
    job.tap_step = conv->channels <= job.kernels->cols_max / 2 ? 2 : 1;
    job.tap_groups = snug_ceil_div(conv->taps, job.tap_step);
    return job;
}

static int64_t sums_bytes(const snug_tds_conv *conv)
{
    return floats_bytes(conv->channels * conv->channels * conv->taps);
}

int64_t snug_tds_conv_weight_gradient_scratch_bytes(const snug_tds_conv *conv, int64_t samples)
{
    const turn job = turn_of(conv, samples);
    return sums_bytes(conv) + job.pieces_max * job.piece_floats * (int64_t)sizeof(float);
}

/* Output steps of piece `index`, counted over all samples. */
static int64_t steps_of_piece(const turn *job, int64_t index)
{
    const int64_t first = index % job->sample_pieces * job->piece_steps;
    return snug_min_i64(job->piece_steps, snug_tds_conv_steps_out(job->conv) - first);
}

static void turn_steps(const turn *job, const float *from, int64_t steps, float *to)
{
    const int64_t channels = job->conv->channels;
    const int64_t width = job->conv->width;
    for (int64_t step = 0; step < steps; step++) {
        const int64_t at = step * channels * width;
        job->kernels->pack_across(from + at, width, channels, width, channels, to + at);
    }
}

/* Even parts turn x, odd parts turn dy. */
static void turn_part(void *context, int64_t part, int32_t thread)
{
    SNUG_UNUSED(thread);
    const turn *job = context;
    const snug_tds_conv *conv = job->conv;
    const int64_t step_floats = conv->channels * conv->width;
    const int64_t piece = job->first + part / 2;
    const int64_t sample = piece / job->sample_pieces;
    const int64_t step = piece % job->sample_pieces * job->piece_steps;
    const int64_t steps = steps_of_piece(job, piece);
    float *x_turned = job->turned + part / 2 * job->piece_floats;
    if (part % 2 == 0) {
        turn_steps(job, job->x + (sample * conv->steps + step) * step_floats,
                   steps + conv->taps - 1, x_turned);
    } else {
        const int64_t steps_out = snug_tds_conv_steps_out(conv);
        turn_steps(job, job->dy + (sample * steps_out + step) * step_floats, steps,
                   x_turned + (job->piece_steps + conv->taps - 1) * step_floats);
    }
}

/* One tile of rows of dw and one group of taps, over one block of one piece. */
static void add_block(const turn *job, const float *x_turned, const float *dy_turned,
                      int64_t depth, int64_t row, int64_t tap)
{
    const int64_t channels = job->conv->channels;
    const int64_t panel = job->kernels->cols_max;
    snug_gemm_tile tile = {
        .rows = snug_min_i64(job->tile_rows, channels - row),
        .depth = depth,
        .a = dy_turned + row,
        .a_col_stride = channels,
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

static void add_bias_block(const turn *job, const float *dy_turned, int64_t depth)
{
    const int64_t channels = job->conv->channels;
    for (int64_t first = 0; first < channels; first += SUM_LANES) {
        const int64_t lanes = snug_min_i64(SUM_LANES, channels - first);
        float sum[SUM_LANES] = {0.0f};
        for (int64_t k = 0; k < depth; k++) {
            for (int64_t lane = 0; lane < lanes; lane++) {
                sum[lane] += dy_turned[k * channels + first + lane];
            }
        }
        for (int64_t lane = 0; lane < lanes; lane++) {
            job->db[first + lane] += sum[lane];
        }
    }
}

/*
 * A part owns a range of output tiles (rows x taps; one more is the bias) and takes all of them
 * through a block of steps while it is in L1.
 */
static void sum_part(void *context, int64_t part, int32_t thread)
{
    SNUG_UNUSED(thread);
    const turn *job = context;
    const int64_t tiles = job->row_tiles * job->tap_groups;
    const int64_t outputs = tiles + (job->db == NULL ? 0 : 1);
    const int64_t first = outputs * part / job->sum_parts;
    const int64_t end = outputs * (part + 1) / job->sum_parts;
    const int64_t step_floats = job->conv->channels * job->conv->width;
    for (int64_t piece = 0; piece < job->count; piece++) {
        const float *x_turned = job->turned + piece * job->piece_floats;
        const float *dy_turned = x_turned + (job->piece_steps + job->conv->taps - 1) * step_floats;
        const int64_t steps = steps_of_piece(job, job->first + piece);
        for (int64_t step = 0; step < steps; step += job->block_steps) {
            const int64_t depth =
                snug_min_i64(job->block_steps, steps - step) * job->conv->width;
            for (int64_t tile = first; tile < snug_min_i64(end, tiles); tile++) {
                add_block(job, x_turned + step * step_floats, dy_turned + step * step_floats,
                          depth, tile / job->tap_groups * job->tile_rows,
                          tile % job->tap_groups * job->tap_step);
            }
            if (end > tiles) {
                add_bias_block(job, dy_turned + step * step_floats, depth);
            }
        }
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
    job.sum_parts = snug_min_i64(parallel->threads, job.row_tiles * job.tap_groups);
    permute_sums(conv, dw, job.sums, false);
    const int64_t pieces = samples * job.sample_pieces;
    for (job.first = 0; job.first < pieces; job.first += job.pieces_max) {
        job.count = snug_min_i64(job.pieces_max, pieces - job.first);
        snug_parallel_run(parallel, 2 * job.count, turn_part, &job);
        snug_parallel_run(parallel, job.sum_parts, sum_part, &job);
    }
    permute_sums(conv, dw, job.sums, true);
}
