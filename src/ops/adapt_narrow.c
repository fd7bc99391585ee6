/*
 * Nodes with tensors stored as bf16, run by f32 kernels: a piece of the inputs is widened, the
 * kernel runs on the piece, what it made is rounded. Kernels give a sample (and the ones named here
 * a row) the same bits whatever its neighbours, so the size of a piece cannot show. What reads or
 * writes bf16 by itself is not here (table.c says which).
 */
#include "base/assert.h"
#include "base/attr.h"
#include "base/checked.h"
#include "graph/op_rows.h"
#include "ops/adapt.h"
#include "ops/cpu/bf16.h"

enum {
    PIECE_ELEMENTS = 2048,     /* Of the widest tensor: three pieces fit L1. */
    PART_PIECES = 16,          /* Pieces that a thread takes at once. */
    CHUNK_BYTES_MAX = 2 << 20, /* Of the f32 copies of a chunk of samples. */
    FLOAT_BYTES = (int)sizeof(float)
};

static bool is_narrow(uint32_t mask, int32_t i)
{
    return (mask >> i & 1U) != 0;
}

/* Bytes of the f32 copies of `units` samples of a view, each where a cache line begins. */
static int64_t copies_bytes(const snug_op_view *view, int64_t units)
{
    int64_t bytes = 0;
    for (int32_t i = 0; i < view->input_count; i++) {
        if (is_narrow(view->narrow_inputs, i)) {
            bytes +=
                snug_align_up(units * snug_shape_count(&view->input[i]) * FLOAT_BYTES, SNUG_ALIGN);
        }
    }
    for (int32_t o = 0; o < view->output_count; o++) {
        if (is_narrow(view->narrow_outputs, o)) {
            bytes +=
                snug_align_up(units * snug_shape_count(&view->output[o]) * FLOAT_BYTES, SNUG_ALIGN);
        }
    }
    return bytes;
}

static int64_t own_scratch(const snug_op_view *view, int64_t units, int32_t threads)
{
    const snug_op *op = view->node->op;
    return op->scratch_bytes == NULL
               ? 0
               : snug_align_up(op->scratch_bytes(view, units, threads), SNUG_ALIGN);
}

/* A call with what is the same for all its pieces; `wide` is the view of the f32 kernel. */
typedef struct narrow_job {
    const snug_kernel_call *call;
    const snug_op_view *view; /* Says what a unit is. */
    snug_op_view wide;
    snug_kernel kernel;
} narrow_job;

static narrow_job job_of(const snug_kernel_call *call, const snug_op_view *view)
{
    narrow_job job = {
        .call = call, .view = view, .wide = *view, .kernel = snug_kernel_find(view->node->op)};
    job.wide.narrow_inputs = 0;
    job.wide.narrow_outputs = 0;
    return job;
}

/* Units `first` to `first + count`. */
static void run_units(const narrow_job *job, int64_t first, int64_t count,
                      const snug_parallel *parallel, unsigned char *scratch)
{
    const snug_kernel_call *call = job->call;
    const snug_op_view *view = job->view;
    const snug_graph *graph = view->graph;
    snug_kernel_call inner = *call;
    inner.view = &job->wide;
    inner.first = call->first + first;
    inner.count = count;
    inner.parallel = parallel;
    for (int32_t i = 0; i < view->input_count; i++) {
        if (call->inputs[i] == NULL || !view->input_batched[i]) {
            continue;
        }
        const snug_dtype dtype = graph->tensors[view->node->inputs[i]].dtype;
        const int64_t each = snug_shape_count(&view->input[i]);
        const unsigned char *from = call->inputs[i];
        inner.inputs[i] = from + first * each * snug_dtype_bytes(dtype);
        if (is_narrow(view->narrow_inputs, i)) {
            snug_bf16_widen(call->isa, count * each, inner.inputs[i], (float *)(void *)scratch,
                            parallel);
            inner.inputs[i] = scratch;
            scratch += snug_align_up(count * each * FLOAT_BYTES, SNUG_ALIGN);
        }
    }
    for (int32_t o = 0; o < view->output_count; o++) {
        const snug_tensor_id t = view->node->outputs[o];
        if (call->outputs[o] == NULL || t < 0 || !graph->tensors[t].batched) {
            continue;
        }
        const int64_t each = snug_shape_count(&view->output[o]);
        unsigned char *to = call->outputs[o];
        inner.outputs[o] = to + first * each * snug_dtype_bytes(graph->tensors[t].dtype);
        if (is_narrow(view->narrow_outputs, o)) {
            inner.outputs[o] = scratch;
            scratch += snug_align_up(count * each * FLOAT_BYTES, SNUG_ALIGN);
        }
    }
    inner.scratch = scratch;
    job->kernel(&inner);
    for (int32_t o = 0; o < view->output_count; o++) {
        if (call->outputs[o] != NULL && is_narrow(view->narrow_outputs, o)) {
            const int64_t each = snug_shape_count(&view->output[o]);
            uint16_t *to = call->outputs[o];
            snug_bf16_narrow(call->isa, count * each, inner.outputs[o], to + first * each,
                             parallel);
        }
    }
}

/* Samples of a chunk: at least one group, and no more than the copies may take. */
static int64_t chunk_of(const snug_op_view *view, int64_t samples)
{
    const int64_t group = snug_max_i64(1, view->node->op->sample_group);
    const int64_t fit = CHUNK_BYTES_MAX / snug_max_i64(1, copies_bytes(view, 1));
    return snug_min_i64(samples, snug_align_up(snug_max_i64(1, fit), group));
}

void snug_adapt_narrow_samples(const snug_kernel_call *call)
{
    const narrow_job job = job_of(call, call->view);
    const int64_t chunk = chunk_of(call->view, call->count);
    for (int64_t n = 0; n < call->count; n += chunk) {
        run_units(&job, n, snug_min_i64(chunk, call->count - n), call->parallel, call->scratch);
    }
}

/* The view of a row as if it were a sample: every batched tensor has the rows as its first axis. */
static snug_op_view row_view(const snug_op_view *view, int64_t *out_rows)
{
    snug_op_view row = *view;
    *out_rows = view->output[0].extent[0];
    for (int32_t i = 0; i < view->input_count; i++) {
        if (view->input_batched[i]) {
            SNUG_ASSERT(view->input[i].extent[0] == *out_rows);
            row.input[i].extent[0] = 1;
        }
    }
    for (int32_t o = 0; o < view->output_count; o++) {
        SNUG_ASSERT(view->output[o].extent[0] == *out_rows);
        row.output[o].extent[0] = 1;
    }
    return row;
}

static int64_t rows_of_piece(const snug_op_view *row)
{
    return snug_max_i64(1, PIECE_ELEMENTS / snug_max_i64(1, snug_shape_count(&row->output[0])));
}

typedef struct rows_work {
    narrow_job job;
    int64_t rows;  /* Of all samples. */
    int64_t piece; /* Rows at a time. */
    int64_t thread_bytes;
} rows_work;

static void rows_part(void *context, int64_t part, int32_t thread)
{
    const rows_work *w = context;
    const int64_t first = part * PART_PIECES * w->piece;
    const int64_t end = snug_min_i64(first + PART_PIECES * w->piece, w->rows);
    unsigned char *scratch = (unsigned char *)w->job.call->scratch + thread * w->thread_bytes;
    for (int64_t r = first; r < end; r += w->piece) {
        run_units(&w->job, r, snug_min_i64(w->piece, end - r), &snug_parallel_serial, scratch);
    }
}

void snug_adapt_narrow_rows(const snug_kernel_call *call)
{
    int64_t rows = 0;
    const snug_op_view row = row_view(call->view, &rows);
    rows_work work = {
        .job = job_of(call, &row), .rows = rows * call->count, .piece = rows_of_piece(&row)};
    work.thread_bytes = copies_bytes(&row, work.piece) + own_scratch(&row, work.piece, 1);
    snug_parallel_run(call->parallel, snug_ceil_div(work.rows, PART_PIECES * work.piece), rows_part,
                      &work);
}

int64_t snug_scratch_narrow(const snug_op_view *view, int64_t samples, int32_t threads)
{
    const snug_kernel kernel = snug_kernel_of(view);
    if (kernel == snug_adapt_narrow_rows) {
        int64_t rows = 0;
        const snug_op_view row = row_view(view, &rows);
        const int64_t piece = rows_of_piece(&row);
        return threads * (copies_bytes(&row, piece) + own_scratch(&row, piece, 1));
    }
    if (kernel == snug_adapt_narrow_samples) {
        const int64_t chunk = chunk_of(view, samples);
        return copies_bytes(view, chunk) + own_scratch(view, chunk, threads);
    }
    return own_scratch(view, samples, threads);
}
