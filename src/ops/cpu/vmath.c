#include "ops/cpu/vmath.h"

#include "ops/cpu/vmath_kernels.h"

const snug_lane_kernels *snug_lane_kernels_of(snug_kernel_isa isa)
{
    switch (isa) {
    case SNUG_KERNEL_AVX512:
        return &snug_lane_kernels_avx512;
    case SNUG_KERNEL_AVX2:
        return &snug_lane_kernels_avx2;
    case SNUG_KERNEL_SCALAR:
        break;
    }
    return &snug_lane_kernels_scalar;
}

void snug_vmath_exp(snug_kernel_isa isa, int64_t count, const float *x, float *y)
{
    snug_lane_kernels_of(isa)->exp(count, x, y);
}

void snug_vmath_sigmoid(snug_kernel_isa isa, int64_t count, const float *x, float *y)
{
    snug_lane_kernels_of(isa)->sigmoid(count, x, y);
}

void snug_vmath_normal(snug_kernel_isa isa, int64_t count, const float *x, float *y)
{
    snug_lane_kernels_of(isa)->normal(count, x, y);
}

void snug_vmath_tanh(snug_kernel_isa isa, int64_t count, const float *x, float *y)
{
    snug_lane_kernels_of(isa)->tanh(count, x, y);
}
