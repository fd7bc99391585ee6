#include "ops/ref/optimizer_ref.h"

#include <math.h>
#include <stddef.h>

static void adam_element(const snug_optimizer *o, double *w, double g, double *m, double *v)
{
    *m = o->beta1 * *m + (1.0 - o->beta1) * g;
    *v = o->beta2 * *v + (1.0 - o->beta2) * g * g;
    const double first = *m / (1.0 - pow(o->beta1, (double)o->step));
    const double second = *v / (1.0 - pow(o->beta2, (double)o->step));
    *w -= o->learning_rate * first / (sqrt(second) + o->epsilon);
}

void snug_ref_optimizer_adamw(const snug_optimizer *optimizer, int64_t count, double *w,
                              const double *g, double *m, double *v)
{
    for (int64_t i = 0; i < count; i++) {
        w[i] *= 1.0 - optimizer->learning_rate * optimizer->weight_decay;
        adam_element(optimizer, &w[i], g[i] * optimizer->grad_scale, &m[i], &v[i]);
    }
}

void snug_ref_optimizer_adam(const snug_optimizer *optimizer, int64_t count, double *w,
                             const double *g, double *m, double *v)
{
    for (int64_t i = 0; i < count; i++) {
        const double gradient = g[i] * optimizer->grad_scale + optimizer->weight_decay * w[i];
        adam_element(optimizer, &w[i], gradient, &m[i], &v[i]);
    }
}

void snug_ref_optimizer_sgd(const snug_optimizer *optimizer, int64_t count, double *w,
                            const double *g, double *buffer)
{
    for (int64_t i = 0; i < count; i++) {
        double step = g[i] * optimizer->grad_scale + optimizer->weight_decay * w[i];
        if (buffer != NULL) {
            buffer[i] = optimizer->momentum * buffer[i] + step;
            step = buffer[i];
        }
        w[i] -= optimizer->learning_rate * step;
    }
}

double snug_ref_optimizer_square_norm(int64_t count, const double *g)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) {
        sum += g[i] * g[i];
    }
    return sum;
}

double snug_ref_optimizer_norm_total(int64_t count, const double *sums)
{
    double total = 0.0;
    for (int64_t i = 0; i < count; i++) {
        total += sums[i];
    }
    return total;
}

double snug_ref_optimizer_clip_scale(double square_norm, double max_norm)
{
    const double scale = max_norm / (sqrt(square_norm) + 1e-6);
    return scale > 1.0 ? 1.0 : scale;
}
