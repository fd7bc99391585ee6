#include "ops/ref/cross_entropy_ref.h"

#include <math.h>

/* The logarithm of the sum of e^x over a row. */
static double log_sum(int64_t classes, const double *x)
{
    double largest = x[0];
    double sum = 0.0;
    for (int64_t c = 1; c < classes; c++) {
        largest = fmax(largest, x[c]);
    }
    for (int64_t c = 0; c < classes; c++) {
        sum += exp(x[c] - largest);
    }
    return largest + log(sum);
}

/* The probability that the label and the smoothing give class c. */
static double target_of(const snug_cross_entropy *loss, int32_t label, int64_t c)
{
    return (c == label ? 1.0 - loss->smoothing : 0.0) + loss->smoothing / (double)loss->classes;
}

void snug_ref_cross_entropy_forward(const snug_cross_entropy *loss, const double *logits,
                                    const int32_t *labels, double *sample_loss)
{
    for (int64_t n = 0; n < loss->samples; n++) {
        sample_loss[n] = 0.0;
        for (int64_t r = n * loss->rows; r < (n + 1) * loss->rows; r++) {
            const double *x = logits + r * loss->classes;
            for (int64_t c = 0; c < loss->classes && labels[r] >= 0; c++) {
                sample_loss[n] += target_of(loss, labels[r], c) *
                                  (log_sum(loss->classes, x) - x[c]) / loss->normaliser;
            }
        }
    }
}

void snug_ref_cross_entropy_backward(const snug_cross_entropy *loss, const double *logits,
                                     const int32_t *labels, double *d_logits)
{
    for (int64_t r = 0; r < loss->samples * loss->rows; r++) {
        const double *x = logits + r * loss->classes;
        const double sum = labels[r] >= 0 ? log_sum(loss->classes, x) : 0.0;
        for (int64_t c = 0; c < loss->classes; c++) {
            d_logits[r * loss->classes + c] =
                labels[r] < 0
                    ? 0.0
                    : (exp(x[c] - sum) - target_of(loss, labels[r], c)) / loss->normaliser;
        }
    }
}
