/* Reference 1-D convolution. */
#include "ops/ref/conv1d_ref.h"

#include <stddef.h>

static double forward_at(const snug_conv1d *conv, const double *window, const double *w, int64_t d)
{
    double sum = 0.0;
    for (int64_t i = 0; i < conv->taps * conv->channels; i++) {
        sum += window[i] * w[i * conv->filters + d];
    }
    return sum;
}

void snug_ref_conv1d_forward(const snug_conv1d *conv, int64_t samples, const double *x,
                             const double *w, const double *bias, bool relu, double *y)
{
    const int64_t steps_out = snug_conv1d_steps_out(conv);
    for (int64_t row = 0; row < samples * steps_out; row++) {
        const int64_t step = row / steps_out * conv->steps + row % steps_out * conv->stride;
        for (int64_t d = 0; d < conv->filters; d++) {
            const double sum =
                forward_at(conv, x + step * conv->channels, w, d) + (bias == NULL ? 0.0 : bias[d]);
            y[row * conv->filters + d] = relu && 0.0 > sum ? 0.0 : sum;
        }
    }
}

static double input_gradient_at(const snug_conv1d *conv, const double *dy, const double *w,
                                int64_t step, int64_t c)
{
    double sum = 0.0;
    for (int64_t tap = 0; tap < conv->taps; tap++) {
        const int64_t start = step - tap;
        if (start < 0 || start % conv->stride != 0 ||
            start / conv->stride >= snug_conv1d_steps_out(conv)) {
            continue;
        }
        for (int64_t d = 0; d < conv->filters; d++) {
            sum += dy[start / conv->stride * conv->filters + d] *
                   w[(tap * conv->channels + c) * conv->filters + d];
        }
    }
    return sum;
}

void snug_ref_conv1d_input_gradient(const snug_conv1d *conv, int64_t samples, const double *dy,
                                    const double *w, double *dx)
{
    const int64_t sample_rows = snug_conv1d_steps_out(conv) * conv->filters;
    for (int64_t row = 0; row < samples * conv->steps; row++) {
        const double *sample = dy + row / conv->steps * sample_rows;
        for (int64_t c = 0; c < conv->channels; c++) {
            dx[row * conv->channels + c] = input_gradient_at(conv, sample, w, row % conv->steps, c);
        }
    }
}

void snug_ref_conv1d_weight_gradient(const snug_conv1d *conv, int64_t samples, const double *x,
                                     const double *dy, double *dw)
{
    const int64_t steps_out = snug_conv1d_steps_out(conv);
    for (int64_t i = 0; i < conv->taps * conv->channels; i++) {
        for (int64_t d = 0; d < conv->filters; d++) {
            double sum = dw[i * conv->filters + d];
            for (int64_t row = 0; row < samples * steps_out; row++) {
                const int64_t step = row / steps_out * conv->steps + row % steps_out * conv->stride;
                sum += x[step * conv->channels + i] * dy[row * conv->filters + d];
            }
            dw[i * conv->filters + d] = sum;
        }
    }
}

void snug_ref_bias_gradient(int64_t samples, int64_t rows, int64_t cols, const double *dy,
                            double *db)
{
    for (int64_t col = 0; col < cols; col++) {
        double sum = db[col];
        for (int64_t row = 0; row < samples * rows; row++) {
            sum += dy[row * cols + col];
        }
        db[col] = sum;
    }
}
