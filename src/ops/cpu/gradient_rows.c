#include "ops/cpu/gradient_rows.h"

#include <string.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/checked.h"
#include "base/limits.h"

/* Where the parts of the scratch start, in bytes; the last entry is the whole. */
static void lay_out(int64_t words, int64_t count, int32_t threads, int64_t out[4])
{
    out[0] = 0;
    out[1] = snug_align_up((words + 1) * (int64_t)sizeof(int32_t), SNUG_ALIGN);
    out[2] = out[1] + snug_align_up(count * (int64_t)sizeof(int32_t), SNUG_ALIGN);
    out[3] = out[2] + threads * SNUG_GRADIENT_PIECE * (int64_t)sizeof(float);
}

int64_t snug_gradient_rows_scratch_bytes(int64_t words, int64_t count, int32_t threads)
{
    int64_t offsets[4];
    lay_out(words, count, threads, offsets);
    return offsets[3];
}

void snug_gradient_rows_init(snug_kernel_isa isa, int64_t words, int64_t width, int64_t count,
                             const int32_t *ids, const float *rows, int32_t threads, void *scratch,
                             snug_gradient_rows *out)
{
    int64_t offsets[4];
    unsigned char *memory = scratch;
    lay_out(words, count, threads, offsets);
    *out = (snug_gradient_rows){.kernels = snug_lane_kernels_of(isa),
                                .words = words,
                                .width = width,
                                .rows = rows,
                                .starts = (int32_t *)(void *)memory,
                                .order = (int32_t *)(void *)(memory + offsets[1]),
                                .pieces = (float *)(void *)(memory + offsets[2])};
    int32_t *starts = out->starts;
    SNUG_ASSERT(count <= INT32_MAX);
    memset(starts, 0, (size_t)(words + 1) * sizeof(int32_t));
    /* Counts, one entry late; then the ends of the words before, which grow into those of each. */
    for (int64_t i = 0; i < count; i++) {
        SNUG_ASSERT(ids[i] >= -1 && ids[i] < words);
        starts[ids[i] + 1] += ids[i] >= 0 ? 1 : 0;
    }
    int32_t before = 0;
    for (int64_t w = 1; w <= words; w++) {
        const int32_t own = starts[w];
        starts[w] = before;
        before += own;
    }
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] >= 0) {
            out->order[starts[ids[i] + 1]++] = (int32_t)i;
        }
    }
}

/* Elements [at, at + count) of the dense gradient, to `out`. */
static void fill_elements(const snug_gradient_rows *r, int64_t at, int64_t count, float *out)
{
    const int64_t end = at + count;
    memset(out, 0, (size_t)count * sizeof(float));
    while (at < end) {
        const int64_t word = at / r->width;
        const int64_t col = at % r->width;
        const int64_t part = snug_min_i64(r->width - col, end - at);
        for (int32_t i = r->starts[word]; i < r->starts[word + 1]; i++) {
            r->kernels->add(part, out, r->rows + r->order[i] * r->width + col, out);
        }
        out += part;
        at += part;
    }
}

const float *snug_gradient_rows_piece(const snug_gradient_rows *rows, int64_t at, int64_t count,
                                      int32_t thread)
{
    float *piece = rows->pieces + thread * (int64_t)SNUG_GRADIENT_PIECE;
    SNUG_ASSERT(count <= SNUG_GRADIENT_PIECE && at + count <= rows->words * rows->width);
    fill_elements(rows, at, count, piece);
    return piece;
}

typedef struct fill_context {
    const snug_gradient_rows *rows;
    float *out;
} fill_context;

static void fill_part(void *opaque, int64_t part, int32_t thread)
{
    const fill_context *c = opaque;
    const int64_t at = part * SNUG_GRADIENT_PIECE;
    const int64_t left = c->rows->words * c->rows->width - at;
    SNUG_UNUSED(thread);
    fill_elements(c->rows, at, snug_min_i64(SNUG_GRADIENT_PIECE, left), c->out + at);
}

void snug_gradient_rows_fill(const snug_gradient_rows *rows, float *out,
                             const snug_parallel *parallel)
{
    fill_context context = {.rows = rows, .out = out};
    snug_parallel_run(parallel, snug_ceil_div(rows->words * rows->width, SNUG_GRADIENT_PIECE),
                      fill_part, &context);
}
