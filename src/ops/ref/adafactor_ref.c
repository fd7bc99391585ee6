#include "ops/ref/adafactor_ref.h"

#include <math.h>

static const double epsilon = 1e-30;

/* The second moment of element (r, c) as its row and its column tell it. */
static double moment(int64_t rows, const double *row, const double *column, int64_t r, int64_t c)
{
    double mean = 0.0;
    for (int64_t i = 0; i < rows; i++) {
        mean += row[i] / (double)rows;
    }
    return row[r] / mean * column[c];
}

/* u = g / sqrt(moment), brought down to a root mean square of 1 at most, times the rate. */
static void move(const snug_optimizer *o, double squares, int64_t count, double update, double *w)
{
    const double size = sqrt(squares / (double)count);
    *w -= o->learning_rate * o->weight_decay * *w;
    *w -= o->learning_rate * update / fmax(1.0, size);
}

void snug_ref_adafactor_factored(const snug_optimizer *optimizer, int64_t rows, int64_t cols,
                                 double *w, const double *g, double *row, double *column)
{
    const double rest = pow((double)optimizer->step, -0.8);
    const double scale = optimizer->grad_scale;
    double squares = 0.0;
    for (int64_t r = 0; r < rows; r++) {
        row[r] *= 1.0 - rest;
    }
    for (int64_t c = 0; c < cols; c++) {
        column[c] *= 1.0 - rest;
    }
    for (int64_t i = 0; i < rows * cols; i++) {
        const double square = g[i] * g[i] * scale * scale + epsilon;
        row[i / cols] += rest * square / (double)cols;
        column[i % cols] += rest * square / (double)rows;
    }
    for (int64_t i = 0; i < rows * cols; i++) {
        squares += g[i] * g[i] * scale * scale / moment(rows, row, column, i / cols, i % cols);
    }
    for (int64_t i = 0; i < rows * cols; i++) {
        const double root = sqrt(moment(rows, row, column, i / cols, i % cols));
        move(optimizer, squares, rows * cols, g[i] * scale / root, &w[i]);
    }
}

void snug_ref_adafactor_plain(const snug_optimizer *optimizer, int64_t count, double *w,
                              const double *g, double *v)
{
    const double rest = pow((double)optimizer->step, -0.8);
    double squares = 0.0;
    for (int64_t i = 0; i < count; i++) {
        const double gradient = g[i] * optimizer->grad_scale;
        v[i] = (1.0 - rest) * v[i] + rest * (gradient * gradient + epsilon);
        squares += gradient * gradient / v[i];
    }
    for (int64_t i = 0; i < count; i++) {
        move(optimizer, squares, count, g[i] * optimizer->grad_scale / sqrt(v[i]), &w[i]);
    }
}
