#include "ops/cpu/embed.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/limits.h"
#include "ops/cpu/vmath_kernels.h"

enum { ROWS_PART = 64, COLS_PART = 128 };

typedef struct embed_context {
    const snug_embed *embed;
    const snug_lane_kernels *kernels;
    const snug_embed_tables *tables;
    const int32_t *ids, *kinds;
    const float *dy;
    float *y;
    float *sums; /* [T, H]: of one block. */
} embed_context;

static int64_t kind_of(const embed_context *c, int64_t row)
{
    const int64_t kind = c->kinds == NULL ? 0 : c->kinds[row];
    SNUG_ASSERT(kind >= 0 && kind < c->embed->types);
    return kind;
}

static int64_t word_of(const embed_context *c, int64_t row)
{
    SNUG_ASSERT(c->ids[row] >= 0 && c->ids[row] < c->embed->words);
    return c->ids[row];
}

static void forward_part(void *opaque, int64_t part, int32_t thread)
{
    const embed_context *c = opaque;
    const snug_embed *e = c->embed;
    const int64_t end = snug_min_i64((part + 1) * ROWS_PART, e->samples * e->length);
    SNUG_UNUSED(thread);
    for (int64_t r = part * ROWS_PART; r < end; r++) {
        const float *sum = c->tables->words + word_of(c, r) * e->width;
        float *y = c->y + r * e->width;
        if (c->tables->positions == NULL && c->tables->types == NULL) {
            memcpy(y, sum, (size_t)e->width * sizeof(float));
        }
        if (c->tables->positions != NULL) {
            const int64_t position = r % e->length + e->position_offset;
            c->kernels->add(e->width, sum, c->tables->positions + position * e->width, y);
            sum = y;
        }
        if (c->tables->types != NULL) {
            c->kernels->add(e->width, sum, c->tables->types + kind_of(c, r) * e->width, y);
        }
    }
}

void snug_embed_forward(const snug_embed *embed, const snug_embed_tables *tables,
                        const int32_t *ids, const int32_t *kinds, float *y,
                        const snug_parallel *parallel)
{
    embed_context context = {.embed = embed,
                             .kernels = snug_lane_kernels_of(embed->isa),
                             .tables = tables,
                             .ids = ids,
                             .kinds = kinds,
                             .y = y};
    snug_parallel_run(parallel, snug_ceil_div(embed->samples * embed->length, ROWS_PART),
                      forward_part, &context);
}

int64_t snug_embed_scratch_bytes(int64_t types, int64_t width)
{
    return snug_align_up(types * width * (int64_t)sizeof(float), SNUG_ALIGN);
}

/* Columns [col, col + count) of rows [first, end), which lie in one sample. */
static void add_types(const embed_context *c, int64_t first, int64_t end, int64_t col,
                      int64_t count)
{
    const int64_t width = c->embed->width;
    for (int64_t t = 0; t < c->embed->types; t++) {
        memset(c->sums + t * width + col, 0, (size_t)count * sizeof(float));
    }
    for (int64_t r = first; r < end; r++) {
        float *sum = c->sums + kind_of(c, r) * width + col;
        c->kernels->add(count, sum, c->dy + r * width + col, sum);
    }
    for (int64_t t = 0; t < c->embed->types; t++) {
        float *total = c->tables->types + t * width + col;
        c->kernels->add(count, total, c->sums + t * width + col, total);
    }
}

/** Part: some columns, all rows in order. */
static void backward_part(void *opaque, int64_t part, int32_t thread)
{
    const embed_context *c = opaque;
    const snug_embed *e = c->embed;
    const int64_t col = part * COLS_PART;
    const int64_t count = snug_min_i64(COLS_PART, e->width - col);
    const int64_t rows = e->samples * e->length;
    SNUG_UNUSED(thread);
    for (int64_t r = 0; r < rows; r++) {
        const float *dy = c->dy + r * e->width + col;
        if (c->tables->words != NULL && word_of(c, r) != e->padding_index) {
            float *total = c->tables->words + word_of(c, r) * e->width + col;
            c->kernels->add(count, total, dy, total);
        }
        if (c->tables->positions != NULL) {
            const int64_t position = r % e->length + e->position_offset;
            float *total = c->tables->positions + position * e->width + col;
            c->kernels->add(count, total, dy, total);
        }
        if (c->tables->types != NULL && r % e->length % SNUG_EMBED_BLOCK == 0) {
            const int64_t left = e->length - r % e->length;
            add_types(c, r, r + snug_min_i64(SNUG_EMBED_BLOCK, left), col, count);
        }
    }
}

void snug_embed_backward(const snug_embed *embed, const float *dy, const int32_t *ids,
                         const int32_t *kinds, const snug_embed_tables *gradients, void *scratch,
                         const snug_parallel *parallel)
{
    embed_context context = {.embed = embed,
                             .kernels = snug_lane_kernels_of(embed->isa),
                             .tables = gradients,
                             .ids = ids,
                             .kinds = kinds,
                             .dy = dy,
                             .sums = scratch};
    snug_parallel_run(parallel, snug_ceil_div(embed->width, COLS_PART), backward_part, &context);
}

typedef struct rows_context {
    const snug_embed *embed;
    const float *dy;
    const int32_t *ids;
    float *rows;
    int32_t *words;
} rows_context;

static void rows_part(void *opaque, int64_t part, int32_t thread)
{
    const rows_context *c = opaque;
    const int64_t first = part * ROWS_PART;
    const int64_t end = snug_min_i64(first + ROWS_PART, c->embed->samples * c->embed->length);
    SNUG_UNUSED(thread);
    if (c->rows != NULL) {
        memcpy(c->rows + first * c->embed->width, c->dy + first * c->embed->width,
               (size_t)((end - first) * c->embed->width) * sizeof(float));
    }
    for (int64_t r = first; r < end && c->words != NULL; r++) {
        c->words[r] = c->ids[r] == c->embed->padding_index ? -1 : c->ids[r];
    }
}

void snug_embed_rows(const snug_embed *embed, const float *dy, const int32_t *ids, float *rows,
                     int32_t *words, const snug_parallel *parallel)
{
    rows_context context = {.embed = embed, .dy = dy, .ids = ids, .rows = rows, .words = words};
    snug_parallel_run(parallel, snug_ceil_div(embed->samples * embed->length, ROWS_PART), rows_part,
                      &context);
}

void snug_take_row(int64_t samples, int64_t length, int64_t width, int64_t row, const float *x,
                   float *y)
{
    for (int64_t n = 0; n < samples; n++) {
        memcpy(y + n * width, x + (n * length + row) * width, (size_t)width * sizeof(float));
    }
}

void snug_take_row_backward(int64_t samples, int64_t length, int64_t width, int64_t row,
                            const float *dy, float *dx)
{
    memset(dx, 0, (size_t)(samples * length * width) * sizeof(float));
    for (int64_t n = 0; n < samples; n++) {
        memcpy(dx + (n * length + row) * width, dy + n * width, (size_t)width * sizeof(float));
    }
}
