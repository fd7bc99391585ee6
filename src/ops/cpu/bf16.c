/* Conversions of whole arrays, divided over threads. */
#include "ops/cpu/bf16.h"

#include <stddef.h>

#include "base/attr.h"
#include "base/checked.h"

enum { PART = 1 << 15 };

typedef struct convert_work {
    const snug_bf16_kernels *kernels;
    int64_t count;
    const uint16_t *half_in;
    const float *wide_in;
    uint16_t *half_out;
    float *wide_out;
} convert_work;

const snug_bf16_kernels *snug_bf16_kernels_of(snug_kernel_isa isa)
{
    switch (isa) {
    case SNUG_KERNEL_AVX512:
        return &snug_bf16_kernels_avx512;
    case SNUG_KERNEL_AVX2:
        return &snug_bf16_kernels_avx2;
    case SNUG_KERNEL_SCALAR:
        break;
    }
    return &snug_bf16_kernels_scalar;
}

static void convert_part(void *context, int64_t part, int32_t thread)
{
    const convert_work *w = context;
    const int64_t at = part * PART;
    const int64_t count = snug_min_i64(PART, w->count - at);
    SNUG_UNUSED(thread);
    if (w->half_in != NULL) {
        w->kernels->widen(1, count, w->half_in + at, count, w->wide_out + at, count);
    } else {
        w->kernels->narrow(1, count, w->wide_in + at, count, w->half_out + at, count);
    }
}

void snug_bf16_widen(snug_kernel_isa isa, int64_t count, const uint16_t *x, float *y,
                     const snug_parallel *parallel)
{
    convert_work work = {
        .kernels = snug_bf16_kernels_of(isa), .count = count, .half_in = x, .wide_out = y};
    snug_parallel_run(parallel, snug_ceil_div(count, PART), convert_part, &work);
}

void snug_bf16_narrow(snug_kernel_isa isa, int64_t count, const float *x, uint16_t *y,
                      const snug_parallel *parallel)
{
    convert_work work = {
        .kernels = snug_bf16_kernels_of(isa), .count = count, .wide_in = x, .half_out = y};
    snug_parallel_run(parallel, snug_ceil_div(count, PART), convert_part, &work);
}
