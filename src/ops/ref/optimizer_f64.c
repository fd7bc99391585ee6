/* Reference kernels of the optimizers, as torch.optim has them. */
#include <math.h>

#include "ops/ref/reference.h"

void snug_reference_square_norm(const snug_kernel_call *call)
{
    const double *g = call->inputs[0];
    double sum = 0.0;
    for (int64_t i = 0; i < snug_shape_count(&call->view->input[0]); i++) {
        sum += g[i] * g[i];
    }
    *(double *)call->outputs[0] += sum;
}

/* min(1, clip / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; a NaN norm stays one. */
static double clip_scale(const snug_kernel_call *call, double total)
{
    const double clip = call->step->clip_norm;
    const double scale = clip / (sqrt(total) + 1e-6);
    return clip > 0.0 && !(scale > 1.0) ? scale : 1.0;
}

void snug_reference_adamw(const snug_kernel_call *call)
{
    const snug_step_context *step = call->step;
    const double *g = call->inputs[1];
    double *w = call->outputs[0];
    double *m = call->outputs[1];
    double *v = call->outputs[2];
    const bool l2 = call->view->attrs->optimizer.adam_l2;
    const double scale = clip_scale(call, *(const double *)call->inputs[4]);
    const double first = 1.0 - pow(step->beta1, (double)step->step);
    const double second = 1.0 - pow(step->beta2, (double)step->step);
    for (int64_t i = 0; i < snug_shape_count(&call->view->input[0]); i++) {
        const double gradient = scale * g[i] + (l2 ? step->weight_decay * w[i] : 0.0);
        m[i] = step->beta1 * m[i] + (1.0 - step->beta1) * gradient;
        v[i] = step->beta2 * v[i] + (1.0 - step->beta2) * gradient * gradient;
        w[i] -= l2 ? 0.0 : step->learning_rate * step->weight_decay * w[i];
        w[i] -= step->learning_rate / first * m[i] / (sqrt(v[i] / second) + step->epsilon);
    }
}

void snug_reference_sgd(const snug_kernel_call *call)
{
    const snug_step_context *step = call->step;
    const double *g = call->inputs[1];
    double *w = call->outputs[0];
    double *momentum = call->outputs[1];
    const double scale = clip_scale(call, *(const double *)call->inputs[3]);
    for (int64_t i = 0; i < snug_shape_count(&call->view->input[0]); i++) {
        double gradient = scale * g[i] + step->weight_decay * w[i];
        if (momentum != NULL) {
            momentum[i] = step->momentum * momentum[i] + gradient;
            gradient = momentum[i];
        }
        w[i] -= step->learning_rate * gradient;
    }
}
