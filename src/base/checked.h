/* Sizes that cannot wrap around: sums and products that fail instead. */
#ifndef SNUG_BASE_CHECKED_H
#define SNUG_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** *out = a * b; false and *out untouched when it does not fit or an operand is negative. */
static inline bool snug_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    int64_t product = 0;
    if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *out = product;
    return true;
}

/** *out = a + b; false and *out untouched when it does not fit or an operand is negative. */
static inline bool snug_add_i64(int64_t a, int64_t b, int64_t *out)
{
    int64_t sum = 0;
    if (a < 0 || b < 0 || __builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *out = sum;
    return true;
}

/** The smallest multiple of `unit` (a power of two) that is >= value. */
static inline int64_t snug_align_up(int64_t value, int64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

static inline int64_t snug_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t snug_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline double snug_max_f64(double a, double b)
{
    return a > b ? a : b;
}

static inline int64_t snug_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

#endif
