#include "ops/ref/layer_norm_ref.h"

#include <math.h>
#include <stddef.h>

void snug_ref_layer_norm_forward(int64_t rows, int64_t cols, double epsilon, const double *x,
                                 const double *gamma, const double *beta, double *y, double *mean,
                                 double *rstd)
{
    for (int64_t r = 0; r < rows; r++) {
        const double *row = x + r * cols;
        double sum = 0.0;
        double squares = 0.0;
        for (int64_t c = 0; c < cols; c++) {
            sum += row[c];
        }
        const double middle = sum / (double)cols;
        for (int64_t c = 0; c < cols; c++) {
            squares += (row[c] - middle) * (row[c] - middle);
        }
        const double scale = 1.0 / sqrt(squares / (double)cols + epsilon);
        for (int64_t c = 0; c < cols; c++) {
            y[r * cols + c] = (row[c] - middle) * scale * gamma[c] + beta[c];
        }
        if (mean != NULL) {
            mean[r] = middle;
        }
        if (rstd != NULL) {
            rstd[r] = scale;
        }
    }
}

void snug_ref_layer_norm_backward(int64_t rows, int64_t cols, const double *x, const double *gamma,
                                  const double *mean, const double *rstd, const double *dy,
                                  double *dx, double *dgamma, double *dbeta)
{
    for (int64_t r = 0; r < rows; r++) {
        double sum = 0.0;
        double dot = 0.0;
        for (int64_t c = 0; c < cols; c++) {
            const double xhat = (x[r * cols + c] - mean[r]) * rstd[r];
            const double g = dy[r * cols + c];
            sum += g * gamma[c];
            dot += g * gamma[c] * xhat;
            if (dgamma != NULL) {
                dgamma[c] += g * xhat;
            }
            if (dbeta != NULL) {
                dbeta[c] += g;
            }
        }
        for (int64_t c = 0; dx != NULL && c < cols; c++) {
            const double xhat = (x[r * cols + c] - mean[r]) * rstd[r];
            dx[r * cols + c] =
                rstd[r] * (dy[r * cols + c] * gamma[c] - (sum + xhat * dot) / (double)cols);
        }
    }
}
