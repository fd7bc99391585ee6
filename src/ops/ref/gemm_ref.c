/* Reference matrix product. */
#include "ops/ref/gemm_ref.h"

#include <stddef.h>

#include "base/assert.h"

float snug_ref_view_at(const snug_gemm_view *view, const float *data, int64_t row, int64_t col)
{
    const int64_t index = view->first + row * view->row_stride + col * view->col_stride;
    const bool padding = view->limit > 0 && (index < 0 || index >= view->limit);
    return padding ? 0.0f : data[index];
}

static double dot(const snug_gemm_call *call, int64_t item, int64_t row, int64_t col)
{
    const float *a = call->a.data + item * call->a_batch_stride;
    const float *b = call->b.data + item * call->b_batch_stride;
    double sum = 0.0;
    for (int64_t k = 0; k < call->depth; k++) {
        sum += (double)snug_ref_view_at(&call->a, a, row, k) *
               (double)snug_ref_view_at(&call->b, b, k, col);
    }
    return sum;
}

void snug_ref_gemm(const snug_gemm_call *call)
{
    SNUG_ASSERT(!call->b_packed);
    const int64_t outputs = call->reduce ? (call->batch > 0 ? 1 : 0) : call->batch;
    for (int64_t output = 0; output < outputs; output++) {
        const int64_t item_end = call->reduce ? call->batch : output + 1;
        for (int64_t row = 0; row < call->rows; row++) {
            float *c = call->c + (call->reduce ? 0 : output * call->c_batch_stride) +
                       row * call->c_row_stride;
            for (int64_t col = 0; col < call->cols; col++) {
                double sum = call->mode == SNUG_GEMM_SET ? 0.0 : (double)c[col];
                for (int64_t item = output; item < item_end; item++) {
                    sum += dot(call, item, row, col);
                }
                sum += call->bias == NULL ? 0.0 : (double)call->bias[col];
                c[col] = call->relu && 0.0 > sum ? 0.0f : (float)sum;
            }
        }
    }
}
