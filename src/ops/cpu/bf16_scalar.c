/* The conversions in plain C: the definition of the others' bits. */
#include "ops/cpu/bf16.h"
#include "tensor/half.h"

static void widen(int64_t rows, int64_t cols, const uint16_t *x, int64_t x_stride, float *y,
                  int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < cols; c++) {
            y[r * y_stride + c] = snug_bf16_to_f32(x[r * x_stride + c]);
        }
    }
}

static void narrow(int64_t rows, int64_t cols, const float *x, int64_t x_stride, uint16_t *y,
                   int64_t y_stride)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < cols; c++) {
            y[r * y_stride + c] = snug_bf16_from_f32(x[r * x_stride + c]);
        }
    }
}

const snug_bf16_kernels snug_bf16_kernels_scalar = {.widen = widen, .narrow = narrow};
