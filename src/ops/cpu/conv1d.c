/* Channels-last 1-D convolution over the matrix product. */
#include "ops/cpu/conv1d.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/limits.h"
#include "ops/cpu/gemm.h"
#include "ops/cpu/gemm_kernel.h"
#include "ops/cpu/gemm_pack.h"
#include "ops/cpu/vmath_kernels.h"

enum {
    /* Below so many rows the product packs weights on its way, which then costs less. */
    PACK_ROWS_LEAST = 4096,
    SUM_COLS = 64,        /* Columns of a bias that one thread sums. */
    RELU_BLOCK = 1 << 15, /* Elements of one part of a gradient through relu. */
    FLOAT_BYTES = (int)sizeof(float)
};

static void check_conv(const snug_conv1d *conv)
{
    SNUG_ASSERT(conv->channels >= 1);
    SNUG_ASSERT(conv->filters >= 1);
    SNUG_ASSERT(conv->taps >= 1);
    SNUG_ASSERT(conv->stride >= 1);
    SNUG_ASSERT(conv->steps >= conv->taps);
}

int64_t snug_conv1d_steps_out(const snug_conv1d *conv)
{
    check_conv(conv);
    return (conv->steps - conv->taps) / conv->stride + 1;
}

/* The product of the forward pass. Windows that meet end to end over samples are one matrix. */
static snug_gemm_call forward_call(const snug_conv1d *conv, int64_t samples)
{
    const int64_t steps_out = snug_conv1d_steps_out(conv);
    snug_gemm_call call = {
        .isa = conv->isa,
        .mode = SNUG_GEMM_SET,
        .rows = steps_out,
        .cols = conv->filters,
        .depth = conv->taps * conv->channels,
        .batch = samples,
        .a = {.row_stride = conv->stride * conv->channels, .col_stride = 1},
        .b = {.row_stride = conv->filters, .col_stride = 1},
        .a_batch_stride = conv->steps * conv->channels,
        .c_row_stride = conv->filters,
        .c_batch_stride = steps_out * conv->filters,
        .a_is_bf16 = conv->half_in,
        .c_is_bf16 = conv->half_out,
    };
    if (steps_out * conv->stride == conv->steps) {
        call.rows = steps_out * samples;
        call.batch = 1;
    }
    return call;
}

int64_t snug_conv1d_forward_packed_bytes(const snug_conv1d *conv)
{
    return snug_gemm_pack_b_bytes(conv->isa, conv->taps * conv->channels, conv->filters);
}

void snug_conv1d_forward_pack(const snug_conv1d *conv, const float *w, float *packed,
                              const snug_parallel *parallel)
{
    check_conv(conv);
    const snug_gemm_view b = {.data = w, .row_stride = conv->filters, .col_stride = 1};
    snug_gemm_pack_b(conv->isa, conv->taps * conv->channels, conv->filters, &b, packed, parallel);
}

int64_t snug_conv1d_forward_scratch_bytes(const snug_conv1d *conv, int64_t samples, int32_t threads,
                                          bool has_packed)
{
    snug_gemm_call call = forward_call(conv, samples);
    const int64_t unpacked_bytes = snug_gemm_scratch_bytes(&call, threads);
    call.b_packed = true;
    const int64_t packed_bytes = snug_gemm_scratch_bytes(&call, threads);
    if (has_packed) {
        return packed_bytes;
    }
    const bool packs = call.rows * call.batch >= PACK_ROWS_LEAST;
    const int64_t weights = packs ? snug_conv1d_forward_packed_bytes(conv) : 0;
    return snug_max_i64(unpacked_bytes, packed_bytes + weights);
}

void snug_conv1d_forward(const snug_conv1d *conv, int64_t samples, const void *x, const float *w,
                         const float *packed, const float *bias, bool relu, void *y,
                         const snug_parallel *parallel, void *scratch)
{
    snug_gemm_call call = forward_call(conv, samples);
    unsigned char *rest = scratch;
    if (packed == NULL && call.rows * call.batch >= PACK_ROWS_LEAST) {
        snug_conv1d_forward_pack(conv, w, scratch, parallel);
        packed = scratch;
        rest += snug_conv1d_forward_packed_bytes(conv);
    }
    call.b_packed = packed != NULL;
    call.b.data = packed != NULL ? packed : w;
    call.a.data = conv->half_in ? NULL : x;
    call.a_bf16 = conv->half_in ? x : NULL;
    call.c = conv->half_out ? NULL : y;
    call.c_bf16 = conv->half_out ? y : NULL;
    call.bias = bias;
    call.relu = relu;
    snug_gemm(&call, parallel, rest);
}

/*
 * The input gradient of the steps s = phase (mod stride). They meet the taps phase + stride * m, m
 * from 0 to count - 1; in the order of ascending t that is m descending.
 */
typedef struct phase {
    int64_t first; /* The phase. */
    int64_t taps;
    int64_t steps;
} phase;

static phase phase_of(const snug_conv1d *conv, int64_t first)
{
    phase p = {.first = first};
    if (first < conv->taps) {
        p.taps = (conv->taps - first + conv->stride - 1) / conv->stride;
    }
    if (first < conv->steps) {
        p.steps = (conv->steps - first + conv->stride - 1) / conv->stride;
    }
    return p;
}

static int64_t phase_packed_bytes(const snug_conv1d *conv, const phase *p)
{
    return snug_gemm_pack_b_bytes(conv->isa, p->taps * conv->filters, conv->channels);
}

/* Row q of the product reads dy rows q - taps + 1 to q, zeros beyond the ends. */
static snug_gemm_call phase_call(const snug_conv1d *conv, int64_t samples, const phase *p)
{
    const int64_t steps_out = snug_conv1d_steps_out(conv);
    snug_gemm_call call = {
        .isa = conv->isa,
        .mode = SNUG_GEMM_SET,
        .b_packed = true,
        .rows = p->steps,
        .cols = conv->channels,
        .depth = p->taps * conv->filters,
        .batch = samples,
        .a = {.first = -(p->taps - 1) * conv->filters,
              .row_stride = conv->filters,
              .col_stride = 1,
              .limit = steps_out * conv->filters},
        .a_batch_stride = steps_out * conv->filters,
        .c_row_stride = conv->stride * conv->channels,
        .c_batch_stride = conv->steps * conv->channels,
    };
    if (conv->taps == 1 && conv->stride == 1) {
        call.rows *= samples;
        call.a.limit *= samples;
        call.batch = 1;
    }
    return call;
}

int64_t snug_conv1d_input_gradient_packed_bytes(const snug_conv1d *conv)
{
    check_conv(conv);
    int64_t bytes = 0;
    for (int64_t first = 0; first < conv->stride; first++) {
        const phase p = phase_of(conv, first);
        bytes += phase_packed_bytes(conv, &p);
    }
    return bytes;
}

typedef struct pack_work {
    const snug_conv1d *conv;
    const float *w;
    float *packed; /* Of the phase. */
    phase p;
} pack_work;

/* One panel of channels: under each tap, w transposed to [filters, channels]. */
static void pack_phase_part(void *context, int64_t part, int32_t thread)
{
    SNUG_UNUSED(thread);
    const pack_work *work = context;
    const snug_conv1d *conv = work->conv;
    const snug_gemm_kernels *kernels = snug_gemm_kernels_of(conv->isa);
    const int64_t width = kernels->cols_max;
    const int64_t channel = part * width;
    const int64_t lanes = snug_min_i64(width, conv->channels - channel);
    const int64_t depth = work->p.taps * conv->filters;
    float *panel = work->packed + channel * depth;
    for (int64_t m = 0; m < work->p.taps; m++) {
        const int64_t tap = work->p.first + conv->stride * (work->p.taps - 1 - m);
        const snug_gemm_lanes source = {
            .base = work->w,
            .first = (tap * conv->channels + channel) * conv->filters,
            .lane_stride = conv->filters,
            .depth_stride = 1,
        };
        snug_gemm_pack_panel(kernels, &source, lanes, conv->filters, width,
                             panel + m * conv->filters * width);
    }
    for (int64_t k = 0; lanes < width && k < depth; k++) {
        for (int64_t lane = lanes; lane < width; lane++) {
            panel[k * width + lane] = 0.0f;
        }
    }
}

void snug_conv1d_input_gradient_pack(const snug_conv1d *conv, const float *w, float *packed,
                                     const snug_parallel *parallel)
{
    check_conv(conv);
    const int64_t width = snug_gemm_kernels_of(conv->isa)->cols_max;
    pack_work work = {.conv = conv, .w = w, .packed = packed};
    for (int64_t first = 0; first < conv->stride; first++) {
        work.p = phase_of(conv, first);
        snug_parallel_run(parallel, snug_ceil_div(conv->channels, width), pack_phase_part, &work);
        work.packed += phase_packed_bytes(conv, &work.p) / FLOAT_BYTES;
    }
}

int64_t snug_conv1d_input_gradient_scratch_bytes(const snug_conv1d *conv, int64_t samples,
                                                 int32_t threads, bool has_packed)
{
    int64_t bytes = 0;
    for (int64_t first = 0; first < conv->stride; first++) {
        const phase p = phase_of(conv, first);
        const snug_gemm_call call = phase_call(conv, samples, &p);
        bytes = snug_max_i64(bytes, snug_gemm_scratch_bytes(&call, threads));
    }
    return bytes + (has_packed ? 0 : snug_conv1d_input_gradient_packed_bytes(conv));
}

void snug_conv1d_input_gradient(const snug_conv1d *conv, int64_t samples, const float *dy,
                                const float *w, const float *packed, float *dx,
                                const snug_parallel *parallel, void *scratch)
{
    check_conv(conv);
    unsigned char *rest = scratch;
    if (packed == NULL) {
        snug_conv1d_input_gradient_pack(conv, w, scratch, parallel);
        packed = scratch;
        rest += snug_conv1d_input_gradient_packed_bytes(conv);
    }
    for (int64_t first = 0; first < conv->stride; first++) {
        const phase p = phase_of(conv, first);
        snug_gemm_call call = phase_call(conv, samples, &p);
        call.a.data = dy;
        call.b.data = packed;
        call.c = dx + first * conv->channels;
        snug_gemm(&call, parallel, rest);
        packed += phase_packed_bytes(conv, &p) / FLOAT_BYTES;
    }
}

static snug_gemm_call weight_gradient_call(const snug_conv1d *conv, int64_t samples)
{
    const int64_t steps_out = snug_conv1d_steps_out(conv);
    return (snug_gemm_call){
        .isa = conv->isa,
        .mode = SNUG_GEMM_SUM,
        .reduce = true,
        .rows = conv->taps * conv->channels,
        .cols = conv->filters,
        .depth = steps_out,
        .batch = samples,
        .a = {.row_stride = 1, .col_stride = conv->stride * conv->channels},
        .b = {.row_stride = conv->filters, .col_stride = 1},
        .a_batch_stride = conv->steps * conv->channels,
        .b_batch_stride = steps_out * conv->filters,
        .c_row_stride = conv->filters,
        .a_is_bf16 = conv->half_in,
    };
}

int64_t snug_conv1d_weight_gradient_scratch_bytes(const snug_conv1d *conv, int64_t samples,
                                                  int32_t threads)
{
    const snug_gemm_call call = weight_gradient_call(conv, samples);
    return snug_gemm_scratch_bytes(&call, threads);
}

void snug_conv1d_weight_gradient(const snug_conv1d *conv, int64_t samples, const void *x,
                                 const float *dy, float *dw, const snug_parallel *parallel,
                                 void *scratch)
{
    snug_gemm_call call = weight_gradient_call(conv, samples);
    call.a.data = conv->half_in ? NULL : x;
    call.a_bf16 = conv->half_in ? x : NULL;
    call.b.data = dy;
    call.c = dw;
    snug_gemm(&call, parallel, scratch);
}

typedef struct sum_work {
    const snug_lane_kernels *kernels;
    int64_t samples;
    int64_t rows;
    int64_t cols;
    const float *dy;
    float *db;
} sum_work;

static void bias_gradient_part(void *context, int64_t part, int32_t thread)
{
    SNUG_UNUSED(thread);
    const sum_work *work = context;
    const int64_t first = part * SUM_COLS;
    const int64_t cols = snug_min_i64(SUM_COLS, work->cols - first);
    for (int64_t sample = 0; sample < work->samples; sample++) {
        const float *rows = work->dy + sample * work->rows * work->cols + first;
        for (int64_t block = 0; block < work->rows; block += SNUG_GEMM_SUM_BLOCK) {
            const int64_t count = snug_min_i64(SNUG_GEMM_SUM_BLOCK, work->rows - block);
            work->kernels->column_sums(count, cols, work->cols, rows + block * work->cols,
                                       work->db + first, NULL);
        }
    }
}

void snug_bias_gradient(snug_kernel_isa isa, int64_t samples, int64_t rows, int64_t cols,
                        const float *dy, float *db, const snug_parallel *parallel)
{
    sum_work work = {.kernels = snug_lane_kernels_of(isa),
                     .samples = samples,
                     .rows = rows,
                     .cols = cols,
                     .dy = dy,
                     .db = db};
    snug_parallel_run(parallel, snug_ceil_div(cols, SUM_COLS), bias_gradient_part, &work);
}
