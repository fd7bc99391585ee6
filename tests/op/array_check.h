/* Arrays in f32 and double side by side, for tests that compare a kernel with its reference. */
#ifndef SNUG_TESTS_OP_ARRAY_CHECK_H
#define SNUG_TESTS_OP_ARRAY_CHECK_H

#include <math.h>
#include <string.h>

#include "kernel_check.h"

/** Random floats in [-1, 1). */
static inline float *random_floats(test_random *random, int64_t count)
{
    float *data = test_floats(count);
    fill_random(random, data, count);
    return data;
}

static inline float *copy_floats(const float *from, int64_t count)
{
    float *to = test_floats(count);
    memcpy(to, from, (size_t)count * sizeof(float));
    return to;
}

static inline double *to_doubles(const float *from, int64_t count)
{
    double *to = test_memory(count * (int64_t)sizeof(double));
    for (int64_t i = 0; i < count; i++) {
        to[i] = (double)from[i];
    }
    return to;
}

/** The largest |a - b| over the largest |b|; a NaN counts as an error. */
static inline double array_distance(const float *a, const double *b, int64_t count)
{
    double error = 0.0;
    double size = 1e-30;
    for (int64_t i = 0; i < count; i++) {
        const double difference = fabs((double)a[i] - b[i]);
        error = difference <= error ? error : difference;
        size = fabs(b[i]) > size ? fabs(b[i]) : size;
    }
    return error / size;
}

static inline bool same_bytes(const void *a, const void *b, int64_t count, size_t item_bytes)
{
    return memcmp(a, b, (size_t)count * item_bytes) == 0;
}

#endif
