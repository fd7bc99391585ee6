/* Reference kernels of the cheap ops. */
#include <math.h>

#include "ops/ref/reference.h"

/* Elements of output 0 over all samples of the call. */
static int64_t total(const snug_kernel_call *call)
{
    return snug_shape_count(&call->view->output[0]) * call->count;
}

void snug_reference_relu_grad(const snug_kernel_call *call)
{
    const double *dy = call->inputs[0];
    const double *y = call->inputs[1];
    double *dx = call->outputs[0];
    for (int64_t i = 0; i < total(call); i++) {
        dx[i] = y[i] <= 0.0 ? 0.0 : dy[i];
    }
}

void snug_reference_add(const snug_kernel_call *call)
{
    double *y = call->outputs[0];
    for (int64_t i = 0; i < total(call); i++) {
        double sum = ((const double *)call->inputs[0])[i];
        for (int32_t k = 1; k < call->view->input_count; k++) {
            sum += ((const double *)call->inputs[k])[i];
        }
        y[i] = sum;
    }
}

void snug_reference_add_tail(const snug_kernel_call *call)
{
    const int64_t columns = call->view->output[0].extent[1];
    const int64_t a_count = call->view->attrs->add_tail.length_a * columns;
    const int64_t b_count = call->view->attrs->add_tail.length_b * columns;
    const double *a = call->inputs[0];
    const double *b = call->inputs[1];
    double *y = call->outputs[0];
    for (int64_t n = 0; n < call->count; n++) {
        for (int64_t i = 0; i < a_count; i++) {
            y[n * a_count + i] = a[n * a_count + i] + b[(n + 1) * b_count - a_count + i];
        }
    }
}

void snug_reference_add_tail_grad(const snug_kernel_call *call)
{
    const int64_t columns = call->view->output[0].extent[1];
    const int64_t a_count = call->view->attrs->add_tail.length_a * columns;
    const int64_t b_count = call->view->attrs->add_tail.length_b * columns;
    const double *dy = call->inputs[0];
    double *db = call->outputs[0];
    for (int64_t n = 0; n < call->count; n++) {
        for (int64_t i = 0; i < b_count; i++) {
            const int64_t k = i - (b_count - a_count);
            db[n * b_count + i] = k < 0 ? 0.0 : dy[n * a_count + k];
        }
    }
}

void snug_reference_layer_norm(const snug_kernel_call *call)
{
    const int64_t rows = call->view->input[0].extent[0] * call->count;
    const int64_t columns = call->view->input[0].extent[1];
    const double *gamma = call->inputs[1];
    const double *beta = call->inputs[2];
    for (int64_t r = 0; r < rows; r++) {
        const double *x = (const double *)call->inputs[0] + r * columns;
        double *y = (double *)call->outputs[0] + r * columns;
        double mean = 0.0;
        double variance = 0.0;
        for (int64_t c = 0; c < columns; c++) {
            mean += x[c] / (double)columns;
        }
        for (int64_t c = 0; c < columns; c++) {
            variance += (x[c] - mean) * (x[c] - mean) / (double)columns;
        }
        const double rstd = 1.0 / sqrt(variance + (double)call->view->attrs->layer_norm.eps);
        for (int64_t c = 0; c < columns; c++) {
            y[c] = (x[c] - mean) * rstd * gamma[c] + beta[c];
        }
        if (call->outputs[1] != NULL) {
            ((double *)call->outputs[1])[r] = mean;
        }
        if (call->outputs[2] != NULL) {
            ((double *)call->outputs[2])[r] = rstd;
        }
    }
}

void snug_reference_layer_norm_grad(const snug_kernel_call *call)
{
    const int64_t rows = call->view->input[0].extent[0] * call->count;
    const int64_t columns = call->view->input[0].extent[1];
    const double *gamma = call->inputs[3];
    double *dgamma = call->outputs[1];
    double *dbeta = call->outputs[2];
    for (int64_t r = 0; r < rows; r++) {
        const double *x = (const double *)call->inputs[0] + r * columns;
        const double *dy = (const double *)call->inputs[4] + r * columns;
        const double mean = ((const double *)call->inputs[1])[r];
        const double rstd = ((const double *)call->inputs[2])[r];
        double sum = 0.0;
        double dot = 0.0;
        for (int64_t c = 0; c < columns; c++) {
            const double hat = (x[c] - mean) * rstd;
            sum += dy[c] * gamma[c] / (double)columns;
            dot += dy[c] * gamma[c] * hat / (double)columns;
            if (dgamma != NULL) {
                dgamma[c] += dy[c] * hat;
            }
            if (dbeta != NULL) {
                dbeta[c] += dy[c];
            }
        }
        for (int64_t c = 0; call->outputs[0] != NULL && c < columns; c++) {
            const double hat = (x[c] - mean) * rstd;
            ((double *)call->outputs[0])[r * columns + c] =
                rstd * (dy[c] * gamma[c] - sum - hat * dot);
        }
    }
}

/* Output row `t` lies between input rows *low and *low + 1, at `weight` of the second. */
static void place(const snug_op_view *view, int64_t t, int64_t *low, double *weight)
{
    const int64_t in = view->attrs->interpolate.length_in;
    const int64_t out = view->attrs->interpolate.length_out;
    const double at = out > 1 ? (double)t * (double)(in - 1) / (double)(out - 1) : 0.0;
    *low = (int64_t)at;
    if (*low > in - 1) {
        *low = in - 1;
    }
    *weight = *low < in - 1 ? at - (double)*low : 0.0;
}

void snug_reference_interpolate(const snug_kernel_call *call)
{
    const int64_t in = call->view->attrs->interpolate.length_in;
    const int64_t out = call->view->attrs->interpolate.length_out;
    const int64_t columns = call->view->input[0].extent[1];
    for (int64_t row = 0; row < call->count * out; row++) {
        int64_t low = 0;
        double weight = 0.0;
        place(call->view, row % out, &low, &weight);
        const double *x = (const double *)call->inputs[0] + (row / out * in + low) * columns;
        double *y = (double *)call->outputs[0] + row * columns;
        for (int64_t c = 0; c < columns; c++) {
            y[c] = weight > 0.0 ? (1.0 - weight) * x[c] + weight * x[columns + c] : x[c];
        }
    }
}

void snug_reference_interpolate_grad(const snug_kernel_call *call)
{
    const int64_t in = call->view->attrs->interpolate.length_in;
    const int64_t out = call->view->attrs->interpolate.length_out;
    const int64_t columns = call->view->input[0].extent[1];
    double *all = call->outputs[0];
    for (int64_t i = 0; i < total(call); i++) {
        all[i] = 0.0;
    }
    for (int64_t row = 0; row < call->count * out; row++) {
        int64_t low = 0;
        double weight = 0.0;
        place(call->view, row % out, &low, &weight);
        const double *dy = (const double *)call->inputs[0] + row * columns;
        double *dx = all + (row / out * in + low) * columns;
        for (int64_t c = 0; c < columns; c++) {
            dx[c] += (1.0 - weight) * dy[c];
            if (weight > 0.0) {
                dx[columns + c] += weight * dy[c];
            }
        }
    }
}
