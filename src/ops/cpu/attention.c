#include "ops/cpu/attention.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/attr.h"
#include "base/checked.h"
#include "base/limits.h"
#include "ops/cpu/attention_kernel.h"
#include "ops/cpu/gemm_kernel.h"
#include "ops/cpu/gemm_pack.h"

enum { BLOCK = SNUG_ATTENTION_BLOCK, LANES = SNUG_DROPOUT_LANES, STREAMS_MAX = 8 };

/* One head of one sample: where its rows begin and how many there are. */
typedef struct unit {
    int64_t head;
    int64_t queries, keys; /* Valid ones. */
    int64_t position;      /* Of the sample, for dropout. */
    const float *q, *k, *v;
    const float *bias;
    float *y, *lse;             /* Forward. */
    const float *y_in, *lse_in; /* Backward. */
    const float *dy;
    float *dq, *dk, *dv, *dbias;
} unit;

/*
 * Rows that the next unit of this thread will touch. Each is a few cache lines and far from the row
 * after it, so the processor does not foresee them: they are asked for a few at a time, between the
 * register tiles of the unit before.
 */
typedef struct ahead {
    struct {
        const float *first;
        int64_t stride;
        int64_t rows;
    } streams[STREAMS_MAX];
    int64_t count;
    int64_t stream; /* The next to ask for. */
    int64_t row;
    int64_t step; /* Rows at a time. */
} ahead;

/* Parts of one thread's scratch; both directions take what they need. */
typedef struct work {
    float *left; /* Panels of key rows; forward: all blocks, backward: one of K and one of V. */
    float *left_v;
    float *right; /* Panels of query columns, scaled; forward: one block, backward: all. */
    float *right_dy;
    float *scores, *d_scores, *turned; /* [BLOCK, BLOCK]. */
    float *out;                        /* Forward: [BLOCK, head_dim]. */
    float *rows;                       /* Vectors over queries. */
    float *bias;                       /* Bias of the head, backwards. */
    float *d_bias;
    ahead next;
} work;

typedef struct attention_context {
    const snug_attention *attention;
    const snug_attention_inputs *inputs;
    const snug_attention_gradients *gradients;
    const snug_gemm_kernels *gemm;
    const snug_attention_kernels *lanes;
    int64_t samples;
    int32_t threads;
    const float *y_in, *lse_in, *dy;
    float *y, *lse;
    unsigned char *scratch;
    int64_t thread_bytes;
    snug_philox_key philox;
    uint32_t threshold;
    float keep_scale;
} attention_context;

static const snug_attention_kernels *const tables[SNUG_KERNEL_ISA_COUNT] = {
    [SNUG_KERNEL_SCALAR] = &snug_attention_kernels_scalar,
    [SNUG_KERNEL_AVX2] = &snug_attention_kernels_avx2,
    [SNUG_KERNEL_AVX512] = &snug_attention_kernels_avx512,
};

const snug_attention_kernels *snug_attention_kernels_of(snug_kernel_isa isa)
{
    return tables[isa];
}

/* Floats, so that the next part begins at a cache line. */
static int64_t padded(int64_t floats)
{
    return snug_align_up(floats, SNUG_ALIGN / (int64_t)sizeof(float));
}

static int64_t bias_count(const snug_attention *a)
{
    return a->length + a->length_k - 1;
}

/* Floats of the left panels of one block of keys. */
static int64_t left_floats(const snug_attention *a, const snug_gemm_kernels *gemm)
{
    return padded(snug_ceil_div(BLOCK, gemm->rows_max) * gemm->rows_max * a->head_dim);
}

/* Floats of the right panels of one block of queries. */
static int64_t right_floats(const snug_attention *a, const snug_gemm_kernels *gemm)
{
    return padded(snug_ceil_div(BLOCK, gemm->cols_max) * gemm->cols_max * a->head_dim);
}

/* The next part of memory that may be NULL, when only its size is asked for. */
typedef struct parts {
    float *base;
    int64_t floats;
} parts;

static float *take(parts *p, int64_t floats)
{
    float *part = p->base == NULL ? NULL : p->base + p->floats;
    p->floats += padded(floats);
    return part;
}

/* Lays out the parts from `base`, which may be NULL; answers their bytes. */
static int64_t lay_out(const snug_attention *a, const snug_gemm_kernels *gemm, bool backward,
                       float *base, work *w)
{
    const int64_t key_blocks = backward ? 1 : snug_ceil_div(a->length_k, BLOCK);
    const int64_t query_blocks = backward ? snug_ceil_div(a->length, BLOCK) : 1;
    /* Loads of sixteen reach past the ends. */
    const int64_t bias = bias_count(a) + LANES;
    parts next = {.base = base};
    w->left = take(&next, key_blocks * left_floats(a, gemm));
    w->right = take(&next, query_blocks * right_floats(a, gemm));
    w->scores = take(&next, BLOCK * BLOCK);
    w->bias = take(&next, bias);
    if (backward) {
        w->left_v = take(&next, left_floats(a, gemm));
        w->right_dy = take(&next, query_blocks * right_floats(a, gemm));
        w->d_scores = take(&next, BLOCK * BLOCK);
        w->turned = take(&next, BLOCK * BLOCK);
        w->rows = take(&next, 2 * query_blocks * BLOCK);
        w->d_bias = take(&next, bias);
    } else {
        w->out = take(&next, BLOCK * a->head_dim);
        w->rows = take(&next, 3 * BLOCK);
    }
    return (int64_t)sizeof(float) * next.floats;
}

static int64_t scratch_bytes(const snug_attention *a, bool backward, int32_t threads)
{
    work w = {0};
    return threads * lay_out(a, snug_gemm_kernels_of(a->isa), backward, NULL, &w);
}

int64_t snug_attention_forward_scratch_bytes(const snug_attention *attention, int32_t threads)
{
    return scratch_bytes(attention, false, threads);
}

int64_t snug_attention_backward_scratch_bytes(const snug_attention *attention, int32_t threads)
{
    return scratch_bytes(attention, true, threads);
}

/* C = A B of one block, cut into register tiles. */
typedef struct product {
    int64_t rows, cols, depth;
    const float *a; /* Row r begins at a + r * a_row_step, r a multiple of the tile's rows. */
    int64_t a_row_step, a_col_stride;
    const float *b; /* Column c begins at b + c * b_col_step, c a multiple of the tile's columns. */
    int64_t b_col_step, b_row_stride;
    float *c;
    int64_t c_row_stride;
    bool add;
} product;

static void ask_ahead(const attention_context *c, ahead *next)
{
    if (next->stream >= next->count) {
        return;
    }
    const int64_t left = next->streams[next->stream].rows - next->row;
    const int64_t rows = snug_min_i64(left, next->step);
    const int64_t stride = next->streams[next->stream].stride;
    c->lanes->prefetch(next->streams[next->stream].first + next->row * stride, stride, rows,
                       c->attention->head_dim);
    next->row += rows;
    if (rows == left) {
        next->stream++;
        next->row = 0;
    }
}

static void multiply(const attention_context *c, work *w, const product *p)
{
    const snug_gemm_kernels *gemm = c->gemm;
    for (int64_t col = 0; col < p->cols; col += gemm->cols_max) {
        for (int64_t row = 0; row < p->rows; row += gemm->rows_max) {
            const snug_gemm_tile tile = {
                .rows = snug_min_i64(gemm->rows_max, p->rows - row),
                .cols = snug_min_i64(gemm->cols_max, p->cols - col),
                .depth = p->depth,
                .a = p->a + row * p->a_row_step,
                .a_col_stride = p->a_col_stride,
                .b = p->b + col * p->b_col_step,
                .b_row_stride = p->b_row_stride,
                .c = p->c + row * p->c_row_stride + col,
                .c_row_stride = p->c_row_stride,
                .start = p->add ? SNUG_GEMM_FROM_C : SNUG_GEMM_FROM_ZERO,
            };
            gemm->multiply(&tile);
            ask_ahead(c, &w->next);
        }
    }
}

/* scores[j, i] = row j of `left` times column i of `right`, over whole sixteens of queries. */
static void multiply_scores(const attention_context *c, work *w, int64_t keys, int64_t queries,
                            const float *left, const float *right, float *scores)
{
    const int64_t head_dim = c->attention->head_dim;
    const product p = {.rows = keys,
                       .cols = snug_align_up(queries, LANES),
                       .depth = head_dim,
                       .a = left,
                       .a_row_step = head_dim,
                       .a_col_stride = c->gemm->rows_max,
                       .b = right,
                       .b_col_step = head_dim,
                       .b_row_stride = c->gemm->cols_max,
                       .c = scores,
                       .c_row_stride = BLOCK};
    multiply(c, w, &p);
}

/* c[r, :] += sum over d of a[d, r] * b[d, :], r < rows: chains in ascending order of d. */
static void multiply_values(const attention_context *c, work *w, int64_t rows, int64_t depth,
                            const float *a, const float *b, int64_t b_row_stride, float *out,
                            int64_t out_row_stride, bool add)
{
    const product p = {.rows = rows,
                       .cols = c->attention->head_dim,
                       .depth = depth,
                       .a = a,
                       .a_row_step = 1,
                       .a_col_stride = BLOCK,
                       .b = b,
                       .b_col_step = 1,
                       .b_row_stride = b_row_stride,
                       .c = out,
                       .c_row_stride = out_row_stride,
                       .add = add};
    multiply(c, w, &p);
}

static void pack_rows(const attention_context *c, const float *rows, int64_t stride, int64_t count,
                      int64_t width, float *out)
{
    const snug_gemm_lanes lanes = {.base = rows, .lane_stride = stride, .depth_stride = 1};
    snug_gemm_pack_panels(c->gemm, &lanes, count, c->attention->head_dim, width, out);
}

static void pack_keys(const attention_context *c, const float *rows, int64_t count, float *out)
{
    pack_rows(c, rows, c->attention->row_stride, count, c->gemm->rows_max, out);
}

/* Columns past `count` become 0, times `factor` the others. */
static void pack_queries(const attention_context *c, const float *rows, int64_t stride,
                         int64_t count, float factor, float *out)
{
    const int64_t width = c->gemm->cols_max;
    const int64_t floats = snug_ceil_div(count, width) * width * c->attention->head_dim;
    if (count % width != 0) {
        const int64_t last = count / width * width * c->attention->head_dim;
        memset(out + last, 0, (size_t)(floats - last) * sizeof(float));
    }
    pack_rows(c, rows, stride, count, c->gemm->cols_max, out);
    if (factor != 1.0f) {
        c->lanes->multiply(floats, factor, out);
    }
}

/* The head's bias backwards, so that consecutive queries are consecutive elements. */
static void turn_bias(const snug_attention *a, const float *bias, float *out)
{
    const int64_t count = bias_count(a);
    for (int64_t t = 0; t < count; t++) {
        out[t] = bias[count - 1 - t];
    }
    memset(out + count, 0, LANES * sizeof(float));
}

/* Fields that both directions share, for the block of queries from i0 and keys from j0. */
static snug_attention_block block_of(const attention_context *c, const unit *u, const work *w,
                                     int64_t i0, int64_t j0)
{
    const snug_attention *a = c->attention;
    const int64_t element = snug_attention_element(u->head, i0, j0);
    const int64_t next = snug_attention_element(u->head, i0 + LANES, j0);
    return (snug_attention_block){
        .keys = snug_min_i64(BLOCK, u->keys - j0),
        .queries = snug_min_i64(BLOCK, u->queries - i0),
        .scores = w->scores,
        .bias = u->bias == NULL ? NULL : w->bias + (i0 - j0 + a->length_k - 1),
        .causal = a->causal && j0 + BLOCK > i0,
        .diagonal = i0 - j0,
        .scale = a->scale,
        .threshold = c->threshold,
        .keep_scale = c->keep_scale,
        .philox = c->philox,
        .position = u->position,
        .first_group = element / SNUG_DROPOUT_GROUP,
        .group_stride = (next - element) / SNUG_DROPOUT_GROUP,
    };
}

static unit unit_of(const attention_context *c, int64_t n, int64_t head)
{
    const snug_attention *a = c->attention;
    const snug_attention_inputs *in = c->inputs;
    const int64_t width = a->heads * a->head_dim;
    const int64_t column = head * a->head_dim;
    const int64_t q_at = n * a->length * a->row_stride + column;
    const int64_t k_at = n * a->length_k * a->row_stride + column;
    const int64_t y_at = n * a->length * width + column;
    const int64_t lse_at = (n * a->heads + head) * a->length;
    unit u = {.head = head,
              .queries = a->length,
              .keys = a->length_k,
              .position = a->key.position + n,
              .q = in->q + q_at,
              .k = in->k + k_at,
              .v = in->v + k_at,
              .bias = in->bias == NULL ? NULL : in->bias + head * bias_count(a),
              .y = c->y == NULL ? NULL : c->y + y_at,
              .lse = c->lse == NULL ? NULL : c->lse + lse_at};
    if (in->lengths != NULL) {
        u.keys = snug_max_i64(0, snug_min_i64(a->length_k, in->lengths[n]));
        u.queries = a->cross ? a->length : snug_min_i64(a->length, u.keys);
    }
    if (u.keys == 0) {
        u.queries = 0;
    }
    if (c->gradients != NULL) {
        const snug_attention_gradients *g = c->gradients;
        u.dy = c->dy + y_at;
        u.y_in = c->y_in + y_at;
        u.lse_in = c->lse_in + lse_at;
        u.dq = g->dq == NULL ? NULL : g->dq + q_at;
        u.dk = g->dk == NULL ? NULL : g->dk + k_at;
        u.dv = g->dv == NULL ? NULL : g->dv + k_at;
        u.dbias = g->dbias == NULL ? NULL : g->dbias + head * bias_count(a);
    }
    return u;
}

/* Rows first..end of a head's columns become 0. */
static void zero_rows(float *rows, int64_t stride, int64_t cols, int64_t first, int64_t end)
{
    for (int64_t r = first; rows != NULL && r < end; r++) {
        memset(rows + r * stride, 0, (size_t)cols * sizeof(float));
    }
}

static attention_context context_of(const snug_attention *a, const snug_attention_inputs *inputs,
                                    bool backward, void *scratch)
{
    SNUG_ASSERT(a->length <= SNUG_ATTENTION_ROWS_MAX && a->length_k <= SNUG_ATTENTION_ROWS_MAX);
    SNUG_ASSERT(a->heads <= SNUG_ATTENTION_HEADS_MAX);
    attention_context c = {.attention = a,
                           .inputs = inputs,
                           .gemm = snug_gemm_kernels_of(a->isa),
                           .lanes = snug_attention_kernels_of(a->isa),
                           .scratch = scratch,
                           .thread_bytes = scratch_bytes(a, backward, 1)};
    if (a->dropout > 0.0f) {
        c.threshold = snug_dropout_threshold(a->dropout);
        c.keep_scale = snug_dropout_scale(c.threshold);
        c.philox = snug_dropout_philox_key(&a->key);
    }
    return c;
}

/* Keys that a block of queries sees at most. */
static int64_t keys_seen(const snug_attention *a, const unit *u, int64_t i0)
{
    return a->causal ? snug_min_i64(u->keys, i0 + BLOCK) : u->keys;
}

/* One block of queries: all its blocks of keys, then the division by the sum. */
static void forward_queries(const attention_context *c, const unit *u, work *w, int64_t i0)
{
    const snug_attention *a = c->attention;
    const int64_t queries = snug_min_i64(BLOCK, u->queries - i0);
    float *maximum = w->rows;
    float *sum = w->rows + BLOCK;
    float *rescale = w->rows + (ptrdiff_t)2 * BLOCK;
    pack_queries(c, u->q + i0 * a->row_stride, a->row_stride, queries, a->scale, w->right);
    for (int64_t j0 = 0; j0 < keys_seen(a, u, i0); j0 += BLOCK) {
        snug_attention_block block = block_of(c, u, w, i0, j0);
        block.first = j0 == 0;
        block.maximum = maximum;
        block.sum = sum;
        block.rescale = rescale;
        multiply_scores(c, w, block.keys, queries, w->left + j0 / BLOCK * left_floats(a, c->gemm),
                        w->right, w->scores);
        c->lanes->softmax(&block);
        if (j0 > 0) {
            c->lanes->multiply_rows(queries, a->head_dim, rescale, w->out, a->head_dim, w->out,
                                    a->head_dim);
        }
        multiply_values(c, w, queries, block.keys, w->scores, u->v + j0 * a->row_stride,
                        a->row_stride, w->out, a->head_dim, j0 > 0);
    }
    c->lanes->finish(queries, maximum, sum);
    if (u->lse != NULL) {
        memcpy(u->lse + i0, maximum, (size_t)queries * sizeof(float));
    }
    const int64_t width = a->heads * a->head_dim;
    c->lanes->multiply_rows(queries, a->head_dim, sum, w->out, a->head_dim, u->y + i0 * width,
                            width);
}

static void add_stream(ahead *next, const float *first, int64_t stride, int64_t rows)
{
    if (first != NULL && rows > 0) {
        next->streams[next->count].first = first;
        next->streams[next->count].stride = stride;
        next->streams[next->count].rows = rows;
        next->count++;
    }
}

/* `tiles`: how often will be asked. */
static void set_step(ahead *next, int64_t tiles)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < next->count; i++) {
        rows += next->streams[i].rows;
    }
    next->step = 1 + rows / snug_max_i64(1, tiles);
}

/* Register tiles of `products` products over all blocks of a unit. */
static int64_t tiles_of(const attention_context *c, const unit *u, int64_t products)
{
    const int64_t each =
        snug_ceil_div(BLOCK, c->gemm->rows_max) *
        snug_ceil_div(snug_min_i64(BLOCK, c->attention->head_dim), c->gemm->cols_max);
    return products * each * snug_ceil_div(u->queries, BLOCK) * snug_ceil_div(u->keys, BLOCK);
}

/* Parts are claimed in order: the next of this thread is as far away as there are threads. */
static ahead forward_ahead(const attention_context *c, const unit *u, int64_t part)
{
    const snug_attention *a = c->attention;
    const int64_t width = a->heads * a->head_dim;
    ahead next = {.count = 0};
    part += c->threads;
    if (part < c->samples * a->heads) {
        const unit n = unit_of(c, part / a->heads, part % a->heads);
        add_stream(&next, n.k, a->row_stride, n.keys);
        add_stream(&next, n.q, a->row_stride, n.queries);
        add_stream(&next, n.v, a->row_stride, n.keys);
        add_stream(&next, n.y, width, n.queries);
    }
    set_step(&next, tiles_of(c, u, 2));
    return next;
}

static void forward_part(void *opaque, int64_t part, int32_t thread)
{
    const attention_context *c = opaque;
    const snug_attention *a = c->attention;
    const unit u = unit_of(c, part / a->heads, part % a->heads);
    work w = {0};
    (void)lay_out(a, c->gemm, false, (float *)(void *)(c->scratch + thread * c->thread_bytes), &w);
    w.next = forward_ahead(c, &u, part);
    if (u.bias != NULL) {
        turn_bias(a, u.bias, w.bias);
    }
    for (int64_t j0 = 0; j0 < u.keys && u.queries > 0; j0 += BLOCK) {
        pack_keys(c, u.k + j0 * a->row_stride, snug_min_i64(BLOCK, u.keys - j0),
                  w.left + j0 / BLOCK * left_floats(a, c->gemm));
    }
    for (int64_t i0 = 0; i0 < u.queries; i0 += BLOCK) {
        forward_queries(c, &u, &w, i0);
    }
    zero_rows(u.y, a->heads * a->head_dim, a->head_dim, u.queries, a->length);
    zero_rows(u.lse, 1, 1, u.queries, a->length);
}

void snug_attention_forward(const snug_attention *attention, int64_t samples,
                            const snug_attention_inputs *inputs, float *y, float *lse,
                            const snug_parallel *parallel, void *scratch)
{
    attention_context c = context_of(attention, inputs, false, scratch);
    c.samples = samples;
    c.threads = parallel->threads;
    c.y = y;
    c.lse = lse;
    snug_parallel_run(parallel, samples * attention->heads, forward_part, &c);
}

/* One block of scores: its share of every gradient. */
static void backward_block(const attention_context *c, const unit *u, work *w, int64_t i0,
                           int64_t j0, bool first_queries)
{
    const snug_attention *a = c->attention;
    const int64_t width = a->heads * a->head_dim;
    const int64_t stride = a->row_stride;
    const int64_t right = i0 / BLOCK * right_floats(a, c->gemm);
    snug_attention_block block = block_of(c, u, w, i0, j0);
    const int64_t dots = snug_ceil_div(a->length, BLOCK) * BLOCK;
    block.lse = w->rows + i0;
    block.dot = w->rows + dots + i0;
    block.d_scores = w->d_scores;
    block.d_bias = u->dbias == NULL ? NULL : w->d_bias + (block.bias - w->bias);
    multiply_scores(c, w, block.keys, block.queries, w->left, w->right + right, w->scores);
    multiply_scores(c, w, block.keys, block.queries, w->left_v, w->right_dy + right, w->d_scores);
    c->lanes->gradient(&block);
    if (u->dv != NULL) {
        c->gemm->pack_across(w->scores, BLOCK, block.keys, block.queries, BLOCK, w->turned);
        multiply_values(c, w, block.keys, block.queries, w->turned, u->dy + i0 * width, width,
                        u->dv + j0 * stride, stride, !first_queries);
    }
    if (u->dk != NULL) {
        c->gemm->pack_across(w->d_scores, BLOCK, block.keys, block.queries, BLOCK, w->turned);
        multiply_values(c, w, block.keys, block.queries, w->turned, u->q + i0 * stride, stride,
                        u->dk + j0 * stride, stride, !first_queries);
    }
    if (u->dq != NULL) {
        multiply_values(c, w, block.queries, block.keys, w->d_scores, u->k + j0 * stride, stride,
                        u->dq + i0 * stride, stride, j0 > 0);
    }
}

/* Query panels, log-sums and row dots of the whole unit. */
static void prepare_queries(const attention_context *c, const unit *u, const work *w)
{
    const snug_attention *a = c->attention;
    const int64_t width = a->heads * a->head_dim;
    const int64_t rows = snug_ceil_div(a->length, BLOCK) * BLOCK;
    float *lse = w->rows;
    float *dots = w->rows + rows;
    for (int64_t i0 = 0; i0 < u->queries; i0 += BLOCK) {
        const int64_t count = snug_min_i64(BLOCK, u->queries - i0);
        const int64_t right = i0 / BLOCK * right_floats(a, c->gemm);
        pack_queries(c, u->q + i0 * a->row_stride, a->row_stride, count, a->scale,
                     w->right + right);
        pack_queries(c, u->dy + i0 * width, width, count, 1.0f, w->right_dy + right);
    }
    memcpy(lse, u->lse_in, (size_t)u->queries * sizeof(float));
    c->lanes->dot_rows(u->queries, a->head_dim, u->dy, u->y_in, width, dots);
    for (int64_t i = u->queries; i < rows; i++) {
        /* Lanes that are no query: their probability is 0. */
        lse[i] = INFINITY;
        dots[i] = 0.0f;
    }
}

/* What comes after sample n of `head`, on this thread. */
static ahead backward_ahead(const attention_context *c, const unit *u, int64_t part)
{
    const snug_attention *a = c->attention;
    const int64_t width = a->heads * a->head_dim;
    ahead next = {.count = 0};
    if (part < c->samples * a->heads) {
        const unit n = unit_of(c, part / a->heads, part % a->heads);
        add_stream(&next, n.q, a->row_stride, n.queries);
        add_stream(&next, n.dy, width, n.queries);
        add_stream(&next, n.y_in, width, n.queries);
        add_stream(&next, n.k, a->row_stride, n.keys);
        add_stream(&next, n.v, a->row_stride, n.keys);
        add_stream(&next, n.dv, a->row_stride, n.keys);
        add_stream(&next, n.dk, a->row_stride, n.keys);
        add_stream(&next, n.dq, a->row_stride, n.queries);
    }
    set_step(&next, tiles_of(c, u, 5));
    return next;
}

static void backward_unit(const attention_context *c, int64_t part, int64_t next_part, work *w)
{
    const snug_attention *a = c->attention;
    const unit u = unit_of(c, part / a->heads, part % a->heads);
    w->next = backward_ahead(c, &u, next_part);
    if (u.bias != NULL && u.queries > 0) {
        turn_bias(a, u.bias, w->bias);
    }
    if (u.dbias != NULL) {
        memset(w->d_bias, 0, (size_t)(bias_count(a) + LANES) * sizeof(float));
    }
    if (u.queries > 0) {
        prepare_queries(c, &u, w);
    }
    for (int64_t j0 = 0; j0 < u.keys && u.queries > 0; j0 += BLOCK) {
        const int64_t keys = snug_min_i64(BLOCK, u.keys - j0);
        const int64_t first = a->causal ? j0 : 0;
        pack_keys(c, u.k + j0 * a->row_stride, keys, w->left);
        pack_keys(c, u.v + j0 * a->row_stride, keys, w->left_v);
        for (int64_t i0 = first; i0 < u.queries; i0 += BLOCK) {
            backward_block(c, &u, w, i0, j0, i0 == first);
        }
    }
    const int64_t keys = u.queries > 0 ? u.keys : 0;
    zero_rows(u.dq, a->row_stride, a->head_dim, u.queries, a->length);
    zero_rows(u.dk, a->row_stride, a->head_dim, keys, a->length_k);
    zero_rows(u.dv, a->row_stride, a->head_dim, keys, a->length_k);
    const int64_t count = bias_count(a);
    for (int64_t t = 0; u.dbias != NULL && t < count; t++) {
        u.dbias[t] += w->d_bias[count - 1 - t];
    }
}

static void backward_part(void *opaque, int64_t part, int32_t thread)
{
    const attention_context *c = opaque;
    const snug_attention *a = c->attention;
    work w = {0};
    (void)lay_out(a, c->gemm, true, (float *)(void *)(c->scratch + thread * c->thread_bytes), &w);
    if (c->gradients->dbias == NULL) {
        backward_unit(c, part, part + c->threads, &w);
        return;
    }
    /* The samples' sums join the gradient in order. */
    for (int64_t n = 0; n < c->samples; n++) {
        backward_unit(c, n * a->heads + part, (n + 1) * a->heads + part, &w);
    }
}

void snug_attention_backward(const snug_attention *attention, int64_t samples,
                             const snug_attention_inputs *inputs, const float *y, const float *lse,
                             const float *dy, const snug_attention_gradients *gradients,
                             const snug_parallel *parallel, void *scratch)
{
    attention_context c = context_of(attention, inputs, true, scratch);
    SNUG_ASSERT(gradients->dbias == NULL || inputs->bias != NULL);
    c.samples = samples;
    c.threads = parallel->threads;
    c.gradients = gradients;
    c.y_in = y;
    c.lse_in = lse;
    c.dy = dy;
    const int64_t turns = gradients->dbias == NULL ? samples : 1;
    snug_parallel_run(parallel, turns * attention->heads, backward_part, &c);
}
