#include "ops/ref/elementwise_ref.h"

void snug_ref_relu_backward(int64_t count, const double *y, const double *dy, double *dx)
{
    for (int64_t i = 0; i < count; i++) {
        dx[i] = y[i] <= 0.0 ? 0.0 : dy[i];
    }
}

void snug_ref_add(int64_t count, const double *a, const double *b, double *y)
{
    for (int64_t i = 0; i < count; i++) {
        y[i] = a[i] + b[i];
    }
}

/** Where element (n, t, c) of the shorter sequence lies in the longer one. */
static int64_t cropped_index(const snug_crop_shape *s, int64_t n, int64_t t, int64_t c)
{
    return (n * s->rows_in + t + s->rows_in - s->rows) * s->cols + c;
}

void snug_ref_add_crop(const snug_crop_shape *shape, const double *a, const double *b, double *y)
{
    for (int64_t n = 0; n < shape->samples; n++) {
        for (int64_t t = 0; t < shape->rows; t++) {
            for (int64_t c = 0; c < shape->cols; c++) {
                const int64_t at = (n * shape->rows + t) * shape->cols + c;
                y[at] = a[at] + b[cropped_index(shape, n, t, c)];
            }
        }
    }
}

void snug_ref_add_crop_backward(const snug_crop_shape *shape, bool accumulate, const double *dy,
                                double *db)
{
    const int64_t count = shape->samples * shape->rows_in * shape->cols;
    for (int64_t i = 0; !accumulate && i < count; i++) {
        db[i] = 0.0;
    }
    for (int64_t n = 0; n < shape->samples; n++) {
        for (int64_t t = 0; t < shape->rows; t++) {
            for (int64_t c = 0; c < shape->cols; c++) {
                db[cropped_index(shape, n, t, c)] += dy[(n * shape->rows + t) * shape->cols + c];
            }
        }
    }
}
