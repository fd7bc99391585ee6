/* Dense matrix products: how a call is cut into blocks, panels and register tiles. */
#include "ops/cpu/gemm.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/limits.h"
#include "ops/cpu/bf16.h"
#include "ops/cpu/gemm_kernel.h"
#include "ops/cpu/gemm_pack.h"

/*
 * A block of C of [block rows, cols of the part] stays with one thread. For each block of k, its
 * rows of A are packed once into panels of a register tile's height; then panel after panel of B
 * (in L1) meets all tiles of A (in L2). Where B is not packed, the first tile that reads a panel
 * leaves a packed copy for the tiles after it. None of these sizes can show in the result: every
 * element is one chain over k, which is put down in C and taken up again between blocks of k.
 */
enum {
    DEPTH_BLOCK = 256, /* k per block; equal to the block of a canonical sum. */
    ROW_TILES = 32,    /* Register tiles in a block of rows, at most. */
    ROW_TILES_LEAST = 4,
    ROW_TILES_F32 = 128,  /* Of all threads, where C is bf16: in scratch until its chains end. */
    COL_PANELS_LEAST = 4, /* Columns are not divided finer than this. */
    PARTS_PER_THREAD = 4  /* Parts that even out threads of uneven speed. */
};

typedef struct gemm_work {
    const snug_gemm_call *call;
    const snug_gemm_kernels *kernels;
    int64_t block_rows;
    int64_t row_blocks; /* Of one item, or of all with `reduce`. */
    int64_t part_cols;  /* A multiple of the panel width. */
    int64_t col_parts;
    int64_t items; /* Batch items that parts choose from: 1 with `reduce`. */
    const snug_bf16_kernels *half;
    unsigned char *scratch;
    int64_t a_bytes;     /* Of the panels of A of a thread. */
    int64_t b_bytes;     /* Of its panel of B. */
    int64_t stage_bytes; /* Where it widens A. */
    int64_t c_bytes;     /* Of its block of C before it is rounded. */
    int64_t thread_bytes;
} gemm_work;

/* Where a part is: a block of rows against a range of columns and of k. */
typedef struct gemm_block {
    int64_t item;
    int64_t row;
    int64_t rows;
    int64_t col;
    int64_t cols;
    int64_t k;
    int64_t depth;
    snug_gemm_start start;
    bool last; /* The chains end here: bias and relu are due. */
    float *c;  /* Element (row, col). */
    int64_t c_stride;
    uint16_t *c_bf16;  /* NULL, or the same element of the C that is rounded. */
    int64_t tile_rows; /* Height of the panels of A. */
    float *a_panels;
    float *b_panel;
    float *stage;
} gemm_block;

const snug_gemm_kernels *snug_gemm_kernels_of(snug_kernel_isa isa)
{
    switch (isa) {
    case SNUG_KERNEL_AVX512:
        return snug_gemm_kernels_avx512();
    case SNUG_KERNEL_AVX2:
        return snug_gemm_kernels_avx2();
    case SNUG_KERNEL_SCALAR:
        break;
    }
    return snug_gemm_kernels_scalar();
}

static void check_call(const snug_gemm_call *call)
{
    SNUG_ASSERT(call->rows >= 0);
    SNUG_ASSERT(call->cols >= 0);
    SNUG_ASSERT(call->depth >= 0);
    SNUG_ASSERT(call->batch >= 0);
    SNUG_ASSERT(call->mode != SNUG_GEMM_SUM || !call->relu);
    SNUG_ASSERT(!call->b_packed || call->b_batch_stride == 0);
    SNUG_ASSERT(!call->a_is_bf16 || call->a.limit == 0);
    SNUG_ASSERT(!call->c_is_bf16 || call->mode == SNUG_GEMM_SET);
}

static int64_t a_scratch_bytes(const snug_gemm_call *call, const snug_gemm_kernels *kernels)
{
    const int64_t tile = kernels->rows_max;
    const int64_t rows = snug_min_i64(snug_ceil_div(call->rows, tile), ROW_TILES) * tile;
    const int64_t depth = snug_min_i64(call->depth, DEPTH_BLOCK);
    return snug_align_up(rows * depth * (int64_t)sizeof(float), SNUG_ALIGN);
}

static int64_t b_scratch_bytes(const snug_gemm_call *call, const snug_gemm_kernels *kernels)
{
    if (call->b_packed) {
        return 0;
    }
    const int64_t depth = snug_min_i64(call->depth, DEPTH_BLOCK);
    return snug_align_up(depth * kernels->cols_max * (int64_t)sizeof(float), SNUG_ALIGN);
}

static int64_t stage_scratch_bytes(const snug_gemm_call *call, const snug_gemm_kernels *kernels)
{
    const int64_t tile = kernels->rows_max;
    const int64_t rows = snug_min_i64(snug_ceil_div(call->rows, tile), ROW_TILES) * tile;
    const int64_t depth = snug_min_i64(call->depth, DEPTH_BLOCK);
    return !call->a_is_bf16 ? 0
                            : snug_align_up(snug_gemm_pack_bf16_floats(rows, depth, tile) *
                                                (int64_t)sizeof(float),
                                            SNUG_ALIGN);
}

/* Register tiles in a block of rows, at most. */
static int64_t row_tiles_max(const snug_gemm_call *call, int32_t threads)
{
    return call->c_is_bf16 && threads > ROW_TILES_F32 / ROW_TILES
               ? snug_max_i64(ROW_TILES_LEAST, ROW_TILES_F32 / threads)
               : ROW_TILES;
}

/* Of `row_tiles` tiles of rows of C; whole panels, so that every row begins at a cache line. */
static int64_t c_tiles_bytes(const snug_gemm_call *call, const snug_gemm_kernels *kernels,
                             int64_t row_tiles)
{
    const int64_t cols = snug_align_up(call->cols, kernels->cols_max);
    return !call->c_is_bf16
               ? 0
               : snug_align_up(row_tiles * kernels->rows_max * cols * (int64_t)sizeof(float),
                               SNUG_ALIGN);
}

int64_t snug_gemm_scratch_bytes(const snug_gemm_call *call, int32_t threads)
{
    check_call(call);
    const snug_gemm_kernels *kernels = snug_gemm_kernels_of(call->isa);
    /* No number of threads up to this one has more tiles of C under way. */
    const int64_t full = snug_min_i64(threads * ROW_TILES, ROW_TILES_F32);
    const int64_t tiles = threads * snug_ceil_div(call->rows, kernels->rows_max);
    const int64_t most = snug_max_i64(full, threads * ROW_TILES_LEAST);
    const int64_t c_bytes = c_tiles_bytes(call, kernels, snug_min_i64(tiles, most));
    return c_bytes + threads * (a_scratch_bytes(call, kernels) + b_scratch_bytes(call, kernels) +
                                stage_scratch_bytes(call, kernels));
}

/* Packs the block's rows of A into panels of [depth, tile_rows]. */
static void pack_a(const gemm_work *work, const gemm_block *block)
{
    const snug_gemm_view *a = &work->call->a;
    snug_gemm_lanes lanes = {
        .first = a->first + block->row * a->row_stride + block->k * a->col_stride,
        .lane_stride = a->row_stride,
        .depth_stride = a->col_stride,
        .limit = a->limit,
    };
    if (work->call->a_is_bf16) {
        snug_gemm_pack_bf16_panels(work->kernels, work->half, &lanes,
                                   work->call->a_bf16 + block->item * work->call->a_batch_stride,
                                   block->rows, block->depth, block->tile_rows, block->stage,
                                   block->a_panels);
        return;
    }
    lanes.base = a->data + block->item * work->call->a_batch_stride;
    snug_gemm_pack_panels(work->kernels, &lanes, block->rows, block->depth, block->tile_rows,
                          block->a_panels);
}

/* The piece of B, which is not packed, under the columns from `col` on. */
static snug_gemm_lanes b_lanes(const gemm_work *work, const gemm_block *block, int64_t col)
{
    const snug_gemm_call *call = work->call;
    return (snug_gemm_lanes){
        .base = call->b.data + block->item * call->b_batch_stride,
        .first = call->b.first + col * call->b.col_stride + block->k * call->b.row_stride,
        .lane_stride = call->b.col_stride,
        .depth_stride = call->b.row_stride,
        .limit = call->b.limit,
    };
}

/* Points the tiles of one column panel at B; packs it where a tile cannot read it. */
static void place_b(const gemm_work *work, const gemm_block *block, int64_t col,
                    snug_gemm_tile *tile)
{
    const snug_gemm_call *call = work->call;
    const int64_t width = work->kernels->cols_max;
    tile->b_keep = NULL;
    tile->b_row_stride = width;
    if (call->b_packed) {
        tile->b = call->b.data + (col / width) * width * call->depth + block->k * width;
        return;
    }
    const snug_gemm_lanes lanes = b_lanes(work, block, col);
    const bool again = block->rows > block->tile_rows;
    const bool readable =
        lanes.lane_stride == 1 && snug_gemm_lanes_inside(&lanes, tile->cols, block->depth);
    if (readable && (tile->cols == width || !again)) {
        tile->b = lanes.base + lanes.first;
        tile->b_row_stride = lanes.depth_stride;
        tile->b_keep = again ? block->b_panel : NULL;
        return;
    }
    snug_gemm_pack_panel(work->kernels, &lanes, tile->cols, block->depth, width, block->b_panel);
    tile->b = block->b_panel;
}

/* Where the panel at `col` will be read, if it is there and tiles can; NULL otherwise. */
static const float *b_after(const gemm_work *work, const gemm_block *block, int64_t col,
                            int64_t *stride)
{
    const snug_gemm_call *call = work->call;
    const int64_t width = work->kernels->cols_max;
    *stride = width;
    if (col + width > block->col + block->cols) {
        return NULL;
    }
    if (call->b_packed) {
        return call->b.data + col * call->depth + block->k * width;
    }
    const snug_gemm_lanes lanes = b_lanes(work, block, col);
    *stride = lanes.depth_stride;
    return lanes.lane_stride == 1 && snug_gemm_lanes_inside(&lanes, width, block->depth)
               ? lanes.base + lanes.first
               : NULL;
}

/*
 * All tiles of one column panel. Of the next one, `next_c` is where it begins in C, and `next_b`
 * where it will be read; each tile asks for its share of it. Both may be NULL.
 */
static void multiply_panel(const gemm_work *work, const gemm_block *block, const float *next_c,
                           const float *next_b, snug_gemm_tile *tile)
{
    const int64_t tiles = snug_ceil_div(block->rows, block->tile_rows);
    const int64_t share = snug_ceil_div(block->depth, tiles);
    int64_t asked = 0;
    const int64_t c_stride = block->c_stride;
    float *first_c = tile->c;
    for (int64_t row = 0; row < block->rows; row += block->tile_rows) {
        const int64_t next = row + block->tile_rows;
        tile->rows = snug_min_i64(block->tile_rows, block->rows - row);
        tile->a = block->a_panels + row * block->depth;
        tile->c = first_c + row * c_stride;
        tile->c_next = next < block->rows ? first_c + next * c_stride : next_c;
        tile->b_next_rows = snug_min_i64(share, block->depth - asked);
        tile->b_next =
            next_b == NULL || tile->b_next_rows <= 0 ? NULL : next_b + asked * tile->b_next_stride;
        asked += share;
        work->kernels->multiply(tile);
        if (block->last && block->c_bf16 != NULL) {
            work->half->narrow(tile->rows, tile->cols, tile->c, c_stride,
                               block->c_bf16 + row * work->call->c_row_stride +
                                   (first_c - block->c),
                               work->call->c_row_stride);
        }
        if (tile->b_keep != NULL) {
            tile->b = tile->b_keep;
            tile->b_row_stride = work->kernels->cols_max;
            tile->b_keep = NULL;
        }
    }
}

/* One block of C against one block of k: panels of B outside, tiles of A inside. */
static void multiply_block(const gemm_work *work, const gemm_block *block)
{
    const snug_gemm_call *call = work->call;
    const int64_t width = work->kernels->cols_max;
    const int64_t col_end = block->col + block->cols;
    pack_a(work, block);
    for (int64_t col = block->col; col < col_end; col += width) {
        snug_gemm_tile tile = {
            .cols = snug_min_i64(width, col_end - col),
            .depth = block->depth,
            .a_col_stride = block->tile_rows,
            .c = block->c + (col - block->col),
            .c_row_stride = block->c_stride,
            .bias = block->last && call->bias != NULL ? call->bias + col : NULL,
            .start = block->start,
            .relu = block->last && call->relu,
        };
        place_b(work, block, col, &tile);
        const float *next_b = b_after(work, block, col + width, &tile.b_next_stride);
        multiply_panel(work, block, col + width < col_end ? tile.c + width : NULL, next_b, &tile);
    }
}

/* How the chains of block `index` of k of a batch item begin. */
static snug_gemm_start start_of(const snug_gemm_call *call, int64_t item, int64_t k)
{
    if (call->mode == SNUG_GEMM_SUM) {
        return SNUG_GEMM_ADD_TO_C;
    }
    const bool begins = k == 0 && (item == 0 || !call->reduce);
    return call->mode == SNUG_GEMM_SET && begins ? SNUG_GEMM_FROM_ZERO : SNUG_GEMM_FROM_C;
}

/* Points the block at its C and at its thread's scratch. */
static void place_block(const gemm_work *work, int64_t item, int32_t thread, gemm_block *block)
{
    const snug_gemm_call *call = work->call;
    const int64_t at = (call->reduce ? 0 : item * call->c_batch_stride) +
                       block->row * call->c_row_stride + block->col;
    unsigned char *scratch =
        work->scratch == NULL ? NULL : work->scratch + thread * work->thread_bytes;
    if (call->c_is_bf16) {
        block->c = (float *)(void *)scratch;
        block->c_stride = snug_align_up(block->cols, work->kernels->cols_max);
        block->c_bf16 = call->c_bf16 + at;
    } else {
        block->c = call->c + at;
    }
    if (scratch != NULL) {
        block->a_panels = (float *)(void *)(scratch + work->c_bytes);
        block->b_panel = (float *)(void *)(scratch + work->c_bytes + work->a_bytes);
        block->stage = (float *)(void *)(scratch + work->c_bytes + work->a_bytes + work->b_bytes);
    }
}

static void run_part(void *context, int64_t part, int32_t thread)
{
    const gemm_work *work = context;
    const snug_gemm_call *call = work->call;
    const int64_t col_part = part % work->col_parts;
    const int64_t row_block = part / work->col_parts % work->row_blocks;
    const int64_t item = part / work->col_parts / work->row_blocks;
    gemm_block block = {
        .row = row_block * work->block_rows,
        .col = col_part * work->part_cols,
        .c_stride = call->c_row_stride,
    };
    block.rows = snug_min_i64(work->block_rows, call->rows - block.row);
    block.cols = snug_min_i64(work->part_cols, call->cols - block.col);
    const int64_t tiles = snug_ceil_div(block.rows, work->kernels->rows_max);
    block.tile_rows = snug_ceil_div(block.rows, tiles);
    place_block(work, item, thread, &block);

    const int64_t item_end = call->reduce ? call->batch : item + 1;
    for (block.item = item; block.item < item_end; block.item++) {
        block.k = 0;
        do {
            block.depth = snug_min_i64(DEPTH_BLOCK, call->depth - block.k);
            block.start = start_of(call, block.item, block.k);
            block.last = block.k + block.depth == call->depth && block.item + 1 == item_end;
            multiply_block(work, &block);
            block.k += DEPTH_BLOCK;
        } while (block.k < call->depth);
    }
}

/*
 * Enough parts for the threads: row blocks first, since they share nothing but B; then columns,
 * where each part packs A again.
 */
static void divide(gemm_work *work, int32_t threads)
{
    const snug_gemm_call *call = work->call;
    const int64_t tile = work->kernels->rows_max;
    const int64_t width = work->kernels->cols_max;
    const int64_t tiles = snug_ceil_div(call->rows, tile);
    int64_t blocks = snug_ceil_div(tiles, row_tiles_max(call, threads));
    int64_t cols = 1;
    work->items = call->reduce ? 1 : call->batch;
    if (threads > 1 && work->items * blocks < (int64_t)PARTS_PER_THREAD * threads) {
        const int64_t rounds = snug_ceil_div(work->items * blocks, threads);
        const int64_t most = snug_max_i64(1, tiles / ROW_TILES_LEAST);
        const int64_t even = snug_ceil_div(rounds * threads, work->items);
        const int64_t panels = snug_ceil_div(call->cols, width);
        if (even <= most) {
            blocks = even;
        } else {
            cols = snug_min_i64(threads, snug_max_i64(1, panels / COL_PANELS_LEAST));
        }
    }
    work->block_rows = snug_ceil_div(tiles, blocks) * tile;
    work->row_blocks = snug_ceil_div(call->rows, work->block_rows);
    work->part_cols = snug_ceil_div(snug_ceil_div(call->cols, cols), width) * width;
    work->col_parts = snug_ceil_div(call->cols, work->part_cols);
}

void snug_gemm(const snug_gemm_call *call, const snug_parallel *parallel, void *scratch)
{
    check_call(call);
    SNUG_ASSERT(call->mode != SNUG_GEMM_SUM || call->bias == NULL);
    SNUG_ASSERT(((uintptr_t)scratch & (SNUG_ALIGN - 1)) == 0);
    const bool nothing_to_add = call->mode == SNUG_GEMM_SUM && call->depth == 0;
    if (call->rows == 0 || call->cols == 0 || call->batch == 0 || nothing_to_add) {
        return;
    }
    gemm_work work = {
        .call = call,
        .kernels = snug_gemm_kernels_of(call->isa),
        .scratch = scratch,
    };
    work.half = snug_bf16_kernels_of(call->isa);
    work.a_bytes = a_scratch_bytes(call, work.kernels);
    work.b_bytes = b_scratch_bytes(call, work.kernels);
    work.stage_bytes = stage_scratch_bytes(call, work.kernels);
    const int64_t tiles = snug_min_i64(snug_ceil_div(call->rows, work.kernels->rows_max),
                                       row_tiles_max(call, parallel->threads));
    work.c_bytes = c_tiles_bytes(call, work.kernels, tiles);
    work.thread_bytes = work.c_bytes + work.a_bytes + work.b_bytes + work.stage_bytes;
    SNUG_ASSERT(scratch != NULL || work.thread_bytes == 0);
    divide(&work, parallel->threads);
    snug_parallel_run(parallel, work.items * work.row_blocks * work.col_parts, run_part, &work);
}

int64_t snug_gemm_pack_b_bytes(snug_kernel_isa isa, int64_t depth, int64_t cols)
{
    const int64_t width = snug_gemm_kernels_of(isa)->cols_max;
    const int64_t floats = snug_ceil_div(cols, width) * width * depth;
    return snug_align_up(floats * (int64_t)sizeof(float), SNUG_ALIGN);
}

typedef struct pack_b_work {
    const snug_gemm_kernels *kernels;
    int64_t depth;
    int64_t cols;
    const snug_gemm_view *b;
    float *packed;
} pack_b_work;

/* One panel, in blocks of k so that the transposing copy stays in cache; empty lanes are zeroed. */
static void pack_b_part(void *context, int64_t part, int32_t thread)
{
    SNUG_UNUSED(thread);
    const pack_b_work *work = context;
    const snug_gemm_view *b = work->b;
    const int64_t width = work->kernels->cols_max;
    const int64_t cols = snug_min_i64(width, work->cols - part * width);
    float *panel = work->packed + part * width * work->depth;
    snug_gemm_lanes lanes = {
        .base = b->data,
        .lane_stride = b->col_stride,
        .depth_stride = b->row_stride,
        .limit = b->limit,
    };
    for (int64_t k = 0; k < work->depth; k += DEPTH_BLOCK) {
        const int64_t depth = snug_min_i64(DEPTH_BLOCK, work->depth - k);
        lanes.first = b->first + part * width * b->col_stride + k * b->row_stride;
        snug_gemm_pack_panel(work->kernels, &lanes, cols, depth, width, panel + k * width);
    }
    for (int64_t k = 0; cols < width && k < work->depth; k++) {
        for (int64_t j = cols; j < width; j++) {
            panel[k * width + j] = 0.0f;
        }
    }
}

void snug_gemm_pack_b(snug_kernel_isa isa, int64_t depth, int64_t cols, const snug_gemm_view *b,
                      float *packed, const snug_parallel *parallel)
{
    SNUG_ASSERT(depth >= 0);
    SNUG_ASSERT(cols >= 0);
    pack_b_work work = {
        .kernels = snug_gemm_kernels_of(isa),
        .depth = depth,
        .cols = cols,
        .b = b,
        .packed = packed,
    };
    snug_parallel_run(parallel, snug_ceil_div(cols, work.kernels->cols_max), pack_b_part, &work);
}
