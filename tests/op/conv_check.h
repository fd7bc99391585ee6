/* What the convolution tests share: operands and results in doubles, and how near f32 must come. */
#ifndef SNUG_TESTS_OP_CONV_CHECK_H
#define SNUG_TESTS_OP_CONV_CHECK_H

#include "array_check.h"
#include "check.h"

typedef struct conv_doubles {
    double *x, *w, *bias, *dy;
    double *y, *dx, *dw, *db; /* dw holds what it held before, db the bias. */
} conv_doubles;

static inline void free_doubles(conv_doubles *d)
{
    double *const all[] = {d->x, d->w, d->bias, d->dy, d->y, d->dx, d->dw, d->db};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]);
    }
}

/* A sum of n products in [-1, 1], rounded n times: at most n * 2^-24 * n, the start added. */
static inline void check_near(const float *got, const double *expected, int64_t count,
                              int64_t terms)
{
    const double tolerance = (double)(terms + 2) * (double)(terms + 2) * ldexp(1.0, -24);
    for (int64_t i = 0; i < count; i++) {
        CHECK(fabs((double)got[i] - expected[i]) <= tolerance);
    }
}

#endif
