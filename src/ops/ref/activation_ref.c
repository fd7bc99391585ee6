#include "ops/ref/activation_ref.h"

#include <math.h>

static const double root_two = 1.41421356237309504880;
static const double root_two_over_pi = 0.79788456080286535588;

void snug_ref_gelu(int64_t count, bool approximate, const double *x, double *y)
{
    for (int64_t i = 0; i < count; i++) {
        const double a = x[i];
        const double u = root_two_over_pi * (a + 0.044715 * a * a * a);
        /* erfc, not 1 + erf: the left tail keeps its digits. */
        y[i] = approximate ? 0.5 * a * (1.0 + tanh(u)) : 0.5 * a * erfc(-a / root_two);
    }
}

void snug_ref_gelu_backward(int64_t count, bool approximate, const double *x, const double *dy,
                            double *dx)
{
    for (int64_t i = 0; i < count; i++) {
        const double a = x[i];
        double slope;
        if (approximate) {
            const double t = tanh(root_two_over_pi * (a + 0.044715 * a * a * a));
            const double inner = root_two_over_pi * (1.0 + 3.0 * 0.044715 * a * a);
            slope = 0.5 * (1.0 + t) + 0.5 * a * (1.0 - t * t) * inner;
        } else {
            const double density = 0.5 * root_two_over_pi * exp(-0.5 * a * a);
            slope = 0.5 * erfc(-a / root_two) + a * density;
        }
        dx[i] = dy[i] * slope;
    }
}

void snug_ref_tanh(int64_t count, const double *x, double *y)
{
    for (int64_t i = 0; i < count; i++) {
        y[i] = tanh(x[i]);
    }
}

void snug_ref_tanh_backward(int64_t count, const double *y, const double *dy, double *dx)
{
    for (int64_t i = 0; i < count; i++) {
        dx[i] = dy[i] * (1.0 - y[i] * y[i]);
    }
}
