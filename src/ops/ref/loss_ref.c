#include "ops/ref/loss_ref.h"

#include <math.h>
#include <stddef.h>

void snug_ref_loss_forward(const snug_loss *loss, const double *prediction, const double *target,
                           const uint8_t *mask, double *sample_loss)
{
    for (int64_t n = 0; n < loss->samples; n++) {
        double sum = 0.0;
        for (int64_t r = n * loss->rows; r < (n + 1) * loss->rows; r++) {
            for (int64_t c = 0; c < loss->cols && (mask == NULL || mask[r] != 0); c++) {
                const double error = prediction[r * loss->cols + c] - target[r * loss->cols + c];
                sum += loss->square_weight * error * error + loss->absolute_weight * fabs(error);
            }
        }
        sample_loss[n] = sum / loss->normaliser;
    }
}

void snug_ref_loss_backward(const snug_loss *loss, const double *prediction, const double *target,
                            const uint8_t *mask, double *d_prediction)
{
    for (int64_t r = 0; r < loss->samples * loss->rows; r++) {
        for (int64_t c = 0; c < loss->cols; c++) {
            const int64_t at = r * loss->cols + c;
            d_prediction[at] = 0.0;
            if (mask == NULL || mask[r] != 0) {
                const double error = prediction[at] - target[at];
                const double sign = error > 0.0 ? 1.0 : error < 0.0 ? -1.0 : error;
                d_prediction[at] =
                    (2.0 * loss->square_weight * error + loss->absolute_weight * sign) /
                    loss->normaliser;
            }
        }
    }
}
