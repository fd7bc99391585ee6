#include "ops/ref/interpolate_ref.h"

/** The rows that output row `row` reads, and the weight of the one above. */
static double place_of(const snug_interpolate_shape *s, int64_t row, int64_t *out_low,
                       int64_t *out_high)
{
    /* In whole numbers, so that a row that falls on an input row does so exactly. */
    const int64_t scaled = s->rows_out > 1 ? row * (s->rows_in - 1) : 0;
    const int64_t divisor = s->rows_out > 1 ? s->rows_out - 1 : 1;
    *out_low = scaled / divisor;
    *out_high = *out_low + 1 < s->rows_in ? *out_low + 1 : s->rows_in - 1;
    return (double)(scaled % divisor) / (double)divisor;
}

void snug_ref_interpolate_forward(const snug_interpolate_shape *shape, const double *x, double *y)
{
    for (int64_t n = 0; n < shape->samples; n++) {
        for (int64_t r = 0; r < shape->rows_out; r++) {
            int64_t low = 0;
            int64_t high = 0;
            const double above = place_of(shape, r, &low, &high);
            for (int64_t c = 0; c < shape->cols; c++) {
                const double *sample = x + n * shape->rows_in * shape->cols + c;
                y[(n * shape->rows_out + r) * shape->cols + c] =
                    (1.0 - above) * sample[low * shape->cols] + above * sample[high * shape->cols];
            }
        }
    }
}

void snug_ref_interpolate_backward(const snug_interpolate_shape *shape, const double *dy,
                                   double *dx)
{
    for (int64_t i = 0; i < shape->samples * shape->rows_in * shape->cols; i++) {
        dx[i] = 0.0;
    }
    for (int64_t n = 0; n < shape->samples; n++) {
        for (int64_t r = 0; r < shape->rows_out; r++) {
            int64_t low = 0;
            int64_t high = 0;
            const double above = place_of(shape, r, &low, &high);
            for (int64_t c = 0; c < shape->cols; c++) {
                double *sample = dx + n * shape->rows_in * shape->cols + c;
                const double d = dy[(n * shape->rows_out + r) * shape->cols + c];
                sample[low * shape->cols] += (1.0 - above) * d;
                sample[high * shape->cols] += above * d;
            }
        }
    }
}
