/* Reference 1-D convolution. */
#include "ops/ref/conv1d_ref.h"

#include <stddef.h>

static double forward_at(const snug_conv1d *conv, const float *window, const float *w, int64_t d)
{
    double sum = 0.0;
    for (int64_t i = 0; i < conv->taps * conv->channels; i++) {
        sum += (double)window[i] * (double)w[i * conv->filters + d];
    }
    return sum;
}

void snug_ref_conv1d_forward(const snug_conv1d *conv, int64_t samples, const float *x,
                             const float *w, const float *bias, bool relu, float *y)
{
    const int64_t steps_out = snug_conv1d_steps_out(conv);
    for (int64_t row = 0; row < samples * steps_out; row++) {
        const int64_t step = row / steps_out * conv->steps + row % steps_out * conv->stride;
        for (int64_t d = 0; d < conv->filters; d++) {
            const double sum = forward_at(conv, x + step * conv->channels, w, d) +
                               (bias == NULL ? 0.0 : (double)bias[d]);
            y[row * conv->filters + d] = relu && 0.0 > sum ? 0.0f : (float)sum;
        }
    }
}

static double input_gradient_at(const snug_conv1d *conv, const float *dy, const float *w,
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
            sum += (double)dy[start / conv->stride * conv->filters + d] *
                   (double)w[(tap * conv->channels + c) * conv->filters + d];
        }
    }
    return sum;
}

void snug_ref_conv1d_input_gradient(const snug_conv1d *conv, int64_t samples, const float *dy,
                                    const float *w, float *dx)
{
    const int64_t sample_rows = snug_conv1d_steps_out(conv) * conv->filters;
    for (int64_t row = 0; row < samples * conv->steps; row++) {
        const float *sample = dy + row / conv->steps * sample_rows;
        for (int64_t c = 0; c < conv->channels; c++) {
            dx[row * conv->channels + c] =
                (float)input_gradient_at(conv, sample, w, row % conv->steps, c);
        }
    }
}

void snug_ref_conv1d_weight_gradient(const snug_conv1d *conv, int64_t samples, const float *x,
                                     const float *dy, float *dw)
{
    const int64_t steps_out = snug_conv1d_steps_out(conv);
    for (int64_t i = 0; i < conv->taps * conv->channels; i++) {
        for (int64_t d = 0; d < conv->filters; d++) {
            double sum = (double)dw[i * conv->filters + d];
            for (int64_t row = 0; row < samples * steps_out; row++) {
                const int64_t step = row / steps_out * conv->steps + row % steps_out * conv->stride;
                sum += (double)x[step * conv->channels + i] * (double)dy[row * conv->filters + d];
            }
            dw[i * conv->filters + d] = (float)sum;
        }
    }
}

void snug_ref_bias_gradient(int64_t samples, int64_t rows, int64_t cols, const float *dy,
                            float *db)
{
    for (int64_t col = 0; col < cols; col++) {
        double sum = (double)db[col];
        for (int64_t row = 0; row < samples * rows; row++) {
            sum += (double)dy[row * cols + col];
        }
        db[col] = (float)sum;
    }
}

void snug_ref_relu_gradient(int64_t count, const float *y, float *dy)
{
    for (int64_t i = 0; i < count; i++) {
        dy[i] = y[i] <= 0.0f ? 0.0f : dy[i];
    }
}
