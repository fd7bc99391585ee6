/* Reference kernels of the losses. */
#include <math.h>

#include "ops/ref/reference.h"

/* Whether row `row` counts. */
static bool valid(const snug_kernel_call *call, int64_t row)
{
    const uint8_t *mask = call->view->attrs->regression_loss.has_mask ? call->inputs[2] : NULL;
    return mask == NULL || mask[row] != 0;
}

void snug_reference_regression_loss(const snug_kernel_call *call)
{
    const int64_t rows = call->view->input[0].extent[0];
    const int64_t columns = call->view->input[0].extent[1];
    const double *prediction = call->inputs[0];
    const double *target = call->inputs[1];
    double *partial = call->outputs[0];
    for (int64_t n = 0; n < call->count; n++) {
        double square = 0.0;
        double absolute = 0.0;
        for (int64_t i = n * rows * columns; i < (n + 1) * rows * columns; i++) {
            if (valid(call, i / columns)) {
                const double error = prediction[i] - target[i];
                square += error * error;
                absolute += fabs(error);
            }
        }
        partial[n] = ((double)call->view->attrs->regression_loss.weight_mse * square +
                      (double)call->view->attrs->regression_loss.weight_mae * absolute) /
                     call->step->normaliser;
    }
}

void snug_reference_regression_loss_grad(const snug_kernel_call *call)
{
    const int64_t columns = call->view->input[0].extent[1];
    const int64_t count = snug_shape_count(&call->view->input[0]) * call->count;
    const double mse = (double)call->view->attrs->regression_loss.weight_mse;
    const double mae = (double)call->view->attrs->regression_loss.weight_mae;
    const double *prediction = call->inputs[0];
    const double *target = call->inputs[1];
    double *gradient = call->outputs[0];
    for (int64_t i = 0; i < count; i++) {
        const double error = prediction[i] - target[i];
        const double sign = error > 0.0 ? 1.0 : error < 0.0 ? -1.0 : error;
        gradient[i] = valid(call, i / columns)
                          ? (2.0 * mse * error + mae * sign) / call->step->normaliser
                          : 0.0;
    }
}
