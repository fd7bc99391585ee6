/* Reference convolutions: every sum in the plain order of its formula. */
#include "ops/ref/reference.h"

/* Extents of a dense convolution; x [T, C], w [K, C, D], y [R, D]. */
typedef struct conv_extents {
    int64_t steps, channels, taps, filters, rows, stride;
} conv_extents;

void snug_reference_conv1d(const snug_kernel_call *call)
{
    const snug_op_view *view = call->view;
    const conv_extents e = {view->input[0].extent[0],  view->input[0].extent[1],
                            view->input[1].extent[0],  view->input[1].extent[2],
                            view->output[0].extent[0], view->attrs->conv1d.stride};
    const double *w = call->inputs[1];
    const double *bias = view->input_count > 2 ? call->inputs[2] : NULL;
    for (int64_t n = 0; n < call->count; n++) {
        const double *x = (const double *)call->inputs[0] + n * e.steps * e.channels;
        double *y = (double *)call->outputs[0] + n * e.rows * e.filters;
        for (int64_t t = 0; t < e.rows; t++) {
            for (int64_t d = 0; d < e.filters; d++) {
                double sum = 0.0;
                for (int64_t j = 0; j < e.taps; j++) {
                    for (int64_t c = 0; c < e.channels; c++) {
                        sum += w[(j * e.channels + c) * e.filters + d] *
                               x[(t * e.stride + j) * e.channels + c];
                    }
                }
                sum += bias != NULL ? bias[d] : 0.0;
                /* Written so that a NaN stays one. */
                y[t * e.filters + d] = view->attrs->conv1d.relu && sum < 0.0 ? 0.0 : sum;
            }
        }
    }
}

void snug_reference_conv1d_dx(const snug_kernel_call *call)
{
    const snug_op_view *view = call->view;
    const conv_extents e = {view->output[0].extent[0], view->output[0].extent[1],
                            view->input[1].extent[0],  view->input[1].extent[2],
                            view->input[0].extent[0],  view->attrs->conv1d.stride};
    const double *w = call->inputs[1];
    for (int64_t n = 0; n < call->count; n++) {
        const double *dy = (const double *)call->inputs[0] + n * e.rows * e.filters;
        double *dx = (double *)call->outputs[0] + n * e.steps * e.channels;
        for (int64_t i = 0; i < e.steps * e.channels; i++) {
            dx[i] = 0.0;
        }
        for (int64_t t = 0; t < e.rows; t++) {
            for (int64_t j = 0; j < e.taps; j++) {
                for (int64_t c = 0; c < e.channels; c++) {
                    double sum = 0.0;
                    for (int64_t d = 0; d < e.filters; d++) {
                        sum += w[(j * e.channels + c) * e.filters + d] * dy[t * e.filters + d];
                    }
                    dx[(t * e.stride + j) * e.channels + c] += sum;
                }
            }
        }
    }
}

void snug_reference_conv1d_dw(const snug_kernel_call *call)
{
    const snug_op_view *view = call->view;
    const conv_extents e = {view->input[0].extent[0],   view->input[0].extent[1],
                            view->attrs->conv1d.kernel, view->input[1].extent[1],
                            view->input[1].extent[0],   view->attrs->conv1d.stride};
    double *dw = call->outputs[0];
    double *db = call->outputs[1];
    for (int64_t n = 0; n < call->count; n++) {
        const double *x = (const double *)call->inputs[0] + n * e.steps * e.channels;
        const double *dy = (const double *)call->inputs[1] + n * e.rows * e.filters;
        for (int64_t t = 0; t < e.rows; t++) {
            for (int64_t d = 0; d < e.filters; d++) {
                const double g = dy[t * e.filters + d];
                if (db != NULL) {
                    db[d] += g;
                }
                for (int64_t i = 0; dw != NULL && i < e.taps * e.channels; i++) {
                    dw[i * e.filters + d] += g * x[t * e.stride * e.channels + i];
                }
            }
        }
    }
}

/* Extents of a TDS convolution; x [T, C, W], w [C, C, K], y [R, C, W]. */
typedef struct tds_extents {
    int64_t steps, channels, width, taps, rows;
} tds_extents;

static tds_extents tds(const snug_op_view *view, int64_t steps)
{
    return (tds_extents){steps, view->attrs->tds_conv.channels, view->attrs->tds_conv.width,
                         view->attrs->tds_conv.kernel, steps - view->attrs->tds_conv.kernel + 1};
}

void snug_reference_tds_conv(const snug_kernel_call *call)
{
    const tds_extents e = tds(call->view, call->view->input[0].extent[0]);
    const int64_t features = e.channels * e.width;
    const double *w = call->inputs[1];
    const double *bias = call->view->input_count > 2 ? call->inputs[2] : NULL;
    for (int64_t row = 0; row < call->count * e.rows; row++) {
        const int64_t t = row % e.rows;
        const double *x = (const double *)call->inputs[0] + (row / e.rows * e.steps + t) * features;
        double *y = (double *)call->outputs[0] + row * features;
        for (int64_t f = 0; f < features; f++) {
            const int64_t out = f / e.width;
            double sum = bias != NULL ? bias[out] : 0.0;
            for (int64_t j = 0; j < e.taps; j++) {
                for (int64_t in = 0; in < e.channels; in++) {
                    sum += w[(out * e.channels + in) * e.taps + j] *
                           x[j * features + in * e.width + f % e.width];
                }
            }
            y[f] = call->view->attrs->tds_conv.relu && sum < 0.0 ? 0.0 : sum;
        }
    }
}

void snug_reference_tds_conv_dx(const snug_kernel_call *call)
{
    const tds_extents e = tds(call->view, call->view->output[0].extent[0]);
    const int64_t features = e.channels * e.width;
    const double *w = call->inputs[1];
    double *all = call->outputs[0];
    for (int64_t i = 0; i < call->count * e.steps * features; i++) {
        all[i] = 0.0;
    }
    for (int64_t row = 0; row < call->count * e.rows; row++) {
        const double *dy = (const double *)call->inputs[0] + row * features;
        double *dx = all + (row / e.rows * e.steps + row % e.rows) * features;
        for (int64_t f = 0; f < features; f++) {
            const int64_t out = f / e.width;
            for (int64_t j = 0; j < e.taps; j++) {
                for (int64_t in = 0; in < e.channels; in++) {
                    dx[j * features + in * e.width + f % e.width] +=
                        w[(out * e.channels + in) * e.taps + j] * dy[f];
                }
            }
        }
    }
}

void snug_reference_tds_conv_dw(const snug_kernel_call *call)
{
    const tds_extents e = tds(call->view, call->view->input[0].extent[0]);
    const int64_t features = e.channels * e.width;
    double *dw = call->outputs[0];
    double *db = call->outputs[1];
    for (int64_t row = 0; row < call->count * e.rows; row++) {
        const double *x =
            (const double *)call->inputs[0] + (row / e.rows * e.steps + row % e.rows) * features;
        const double *dy = (const double *)call->inputs[1] + row * features;
        for (int64_t f = 0; f < features; f++) {
            const int64_t out = f / e.width;
            if (db != NULL) {
                db[out] += dy[f];
            }
            for (int64_t k = 0; dw != NULL && k < e.channels * e.taps; k++) {
                dw[out * e.channels * e.taps + k] +=
                    dy[f] * x[k % e.taps * features + k / e.taps * e.width + f % e.width];
            }
        }
    }
}
