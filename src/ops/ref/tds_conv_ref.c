/* Reference TDS convolution. */
#include "ops/ref/tds_conv_ref.h"

#include <stddef.h>

void snug_ref_tds_conv_forward(const snug_tds_conv *conv, int64_t samples, const double *x,
                               const double *w, const double *bias, bool relu, double *y)
{
    const int64_t ch = conv->channels;
    const int64_t steps_out = snug_tds_conv_steps_out(conv);
    for (int64_t index = 0; index < samples * steps_out * ch * conv->width; index++) {
        const int64_t lane = index % conv->width;
        const int64_t o = index / conv->width % ch;
        const int64_t row = index / conv->width / ch;
        const int64_t step = row / steps_out * conv->steps + row % steps_out;
        double sum = bias == NULL ? 0.0 : bias[o];
        for (int64_t j = 0; j < conv->taps; j++) {
            for (int64_t i = 0; i < ch; i++) {
                sum += w[(o * ch + i) * conv->taps + j] *
                       x[((step + j) * ch + i) * conv->width + lane];
            }
        }
        y[index] = relu && 0.0 > sum ? 0.0 : sum;
    }
}

void snug_ref_tds_conv_input_gradient(const snug_tds_conv *conv, int64_t samples, const double *dy,
                                      const double *w, double *dx)
{
    const int64_t ch = conv->channels;
    const int64_t steps_out = snug_tds_conv_steps_out(conv);
    for (int64_t index = 0; index < samples * conv->steps * ch * conv->width; index++) {
        const int64_t lane = index % conv->width;
        const int64_t i = index / conv->width % ch;
        const int64_t row = index / conv->width / ch;
        const int64_t step = row % conv->steps;
        const double *sample = dy + row / conv->steps * steps_out * ch * conv->width;
        double sum = 0.0;
        for (int64_t j = 0; j < conv->taps; j++) {
            const int64_t t = step - j;
            for (int64_t o = 0; t >= 0 && t < steps_out && o < ch; o++) {
                sum += w[(o * ch + i) * conv->taps + j] * sample[(t * ch + o) * conv->width + lane];
            }
        }
        dx[index] = sum;
    }
}

/* The sum over steps and lanes of channel o of dy, times channel i of x moved by j steps. */
static double weight_gradient_at(const snug_tds_conv *conv, int64_t samples, const double *x,
                                 const double *dy, int64_t o, int64_t i, int64_t j)
{
    const int64_t ch = conv->channels;
    const int64_t steps_out = snug_tds_conv_steps_out(conv);
    double sum = 0.0;
    for (int64_t row = 0; row < samples * steps_out; row++) {
        const int64_t step = row / steps_out * conv->steps + row % steps_out + j;
        for (int64_t lane = 0; lane < conv->width; lane++) {
            sum +=
                dy[(row * ch + o) * conv->width + lane] * x[(step * ch + i) * conv->width + lane];
        }
    }
    return sum;
}

void snug_ref_tds_conv_weight_gradient(const snug_tds_conv *conv, int64_t samples, const double *x,
                                       const double *dy, double *dw, double *db)
{
    const int64_t ch = conv->channels;
    for (int64_t index = 0; dw != NULL && index < ch * ch * conv->taps; index++) {
        const int64_t j = index % conv->taps;
        const int64_t i = index / conv->taps % ch;
        const int64_t o = index / conv->taps / ch;
        dw[index] += weight_gradient_at(conv, samples, x, dy, o, i, j);
    }
    for (int64_t o = 0; db != NULL && o < ch; o++) {
        double sum = db[o];
        for (int64_t row = 0; row < samples * snug_tds_conv_steps_out(conv); row++) {
            for (int64_t lane = 0; lane < conv->width; lane++) {
                sum += dy[(row * ch + o) * conv->width + lane];
            }
        }
        db[o] = sum;
    }
}
