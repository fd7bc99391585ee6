/* Sixteen f32 lanes in plain C: the same operations, lane by lane, as the AVX2 and AVX-512 twins.
 */
#ifndef SNUG_OPS_CPU_VMATH_LANES_SCALAR_H
#define SNUG_OPS_CPU_VMATH_LANES_SCALAR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

enum { LANES = 16 };

typedef struct lanes {
    float v[LANES];
} lanes;

typedef struct lanes_f64 {
    double v[LANES];
} lanes_f64;

static inline lanes lanes_set(float x)
{
    lanes r;
    for (int i = 0; i < LANES; i++) {
        r.v[i] = x;
    }
    return r;
}

static inline lanes lanes_load(const float *p)
{
    lanes r;
    memcpy(r.v, p, sizeof r.v);
    return r;
}

/** Asks for the cache line at `address`, which need not be mapped. */
static inline void lanes_prefetch(uintptr_t address)
{
    SNUG_UNUSED(address);
}

/** The first `count` lanes from p, zeros above; reads nothing past p[count - 1]. */
static inline lanes lanes_load_part(const float *p, int64_t count)
{
    lanes r = lanes_set(0.0f);
    for (int64_t i = 0; i < count; i++) {
        r.v[i] = p[i];
    }
    return r;
}

static inline void lanes_store(float *p, lanes a)
{
    memcpy(p, a.v, sizeof a.v);
}

static inline void lanes_store_part(float *p, int64_t count, lanes a)
{
    for (int64_t i = 0; i < count; i++) {
        p[i] = a.v[i];
    }
}

static inline lanes lanes_add(lanes a, lanes b)
{
    for (int i = 0; i < LANES; i++) {
        a.v[i] += b.v[i];
    }
    return a;
}

static inline lanes lanes_sub(lanes a, lanes b)
{
    for (int i = 0; i < LANES; i++) {
        a.v[i] -= b.v[i];
    }
    return a;
}

static inline lanes lanes_mul(lanes a, lanes b)
{
    for (int i = 0; i < LANES; i++) {
        a.v[i] *= b.v[i];
    }
    return a;
}

static inline lanes lanes_div(lanes a, lanes b)
{
    for (int i = 0; i < LANES; i++) {
        a.v[i] /= b.v[i];
    }
    return a;
}

static inline lanes lanes_sqrt(lanes a)
{
    for (int i = 0; i < LANES; i++) {
        a.v[i] = sqrtf(a.v[i]);
    }
    return a;
}

/** a * b + c, rounded once. */
static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    for (int i = 0; i < LANES; i++) {
        c.v[i] = fmaf(a.v[i], b.v[i], c.v[i]);
    }
    return c;
}

/** a > b ? a : b, so a NaN in b passes. */
static inline lanes lanes_max(lanes a, lanes b)
{
    for (int i = 0; i < LANES; i++) {
        b.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
    }
    return b;
}

/** a < b ? a : b, so a NaN in b passes. */
static inline lanes lanes_min(lanes a, lanes b)
{
    for (int i = 0; i < LANES; i++) {
        b.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
    }
    return b;
}

/** a < b ? x : y; y where a or b is NaN. */
static inline lanes lanes_if_less(lanes a, lanes b, lanes x, lanes y)
{
    for (int i = 0; i < LANES; i++) {
        y.v[i] = a.v[i] < b.v[i] ? x.v[i] : y.v[i];
    }
    return y;
}

static inline lanes lanes_abs(lanes a)
{
    for (int i = 0; i < LANES; i++) {
        a.v[i] = fabsf(a.v[i]);
    }
    return a;
}

/** |a| with the sign bit of b. */
static inline lanes lanes_copy_sign(lanes a, lanes b)
{
    for (int i = 0; i < LANES; i++) {
        a.v[i] = copysignf(a.v[i], b.v[i]);
    }
    return a;
}

/** To the nearest whole number, ties to even. */
static inline lanes lanes_round(lanes a)
{
    for (int i = 0; i < LANES; i++) {
        a.v[i] = rintf(a.v[i]);
    }
    return a;
}

/** 2^a for whole a in [-126, 127]. */
static inline lanes lanes_pow2(lanes a)
{
    for (int i = 0; i < LANES; i++) {
        /* 1.5 * 2^23 + 127 puts a's biased exponent into the low bits of the sum. */
        const float sum = a.v[i] + 12583039.0f;
        uint32_t bits = 0;
        memcpy(&bits, &sum, sizeof bits);
        bits <<= 23;
        memcpy(&a.v[i], &bits, sizeof bits);
    }
    return a;
}

/** The low or high sixteen bits of sixteen words. */
static inline lanes lanes_from_halves(const uint32_t *words, bool high)
{
    lanes r;
    for (int i = 0; i < LANES; i++) {
        r.v[i] = (float)(words[i] >> (high ? 16 : 0) & 0xffffu);
    }
    return r;
}

/** table[codes[i]] for sixteen codes. */
static inline lanes lanes_look_up(const float *table, const uint8_t *codes)
{
    lanes r;
    for (int i = 0; i < LANES; i++) {
        r.v[i] = table[codes[i]];
    }
    return r;
}

/** Whole numbers in [0, 255] as sixteen bytes. */
static inline void lanes_store_bytes(uint8_t *p, lanes a)
{
    for (int i = 0; i < LANES; i++) {
        p[i] = (uint8_t)(int)a.v[i];
    }
}

/** The sum of the lanes in the fixed tree: halves are added until one lane is left. */
static inline float lanes_sum(lanes a)
{
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            a.v[i] += a.v[i + half];
        }
    }
    return a.v[0];
}

static inline lanes_f64 lanes_f64_zero(void)
{
    const lanes_f64 r = {{0}};
    return r;
}

/** sum + a, lane by lane in double. */
static inline lanes_f64 lanes_f64_add(lanes_f64 sum, lanes a)
{
    for (int i = 0; i < LANES; i++) {
        sum.v[i] += (double)a.v[i];
    }
    return sum;
}

/** sum + a * a, lane by lane in double, where the square of a float is exact. */
static inline lanes_f64 lanes_f64_add_square(lanes_f64 sum, lanes a)
{
    for (int i = 0; i < LANES; i++) {
        sum.v[i] += (double)a.v[i] * (double)a.v[i];
    }
    return sum;
}

static inline void lanes_f64_store(double *p, lanes_f64 a)
{
    memcpy(p, a.v, sizeof a.v);
}

#endif
