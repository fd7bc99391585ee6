/* 16-bit floating point: f16 (IEEE binary16) and bf16, to f32 and back. */
#ifndef SNUG_TENSOR_HALF_H
#define SNUG_TENSOR_HALF_H

#include <stdint.h>
#include <string.h>

/*
 * Widening is exact. Narrowing rounds to the nearest, ties to even; what is too large becomes
 * infinity; a NaN stays a NaN with its sign and its upper payload bits, made quiet.
 *
 * @threads Reentrant.
 * @source  IEEE 754-2019, sections 3.4 and 4.3.1; bf16 is the upper half of binary32.
 */

static inline uint32_t snug_f32_bits(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float snug_f32_from_bits(uint32_t bits)
{
    float value = 0.0f;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float snug_bf16_to_f32(uint16_t half)
{
    return snug_f32_from_bits((uint32_t)half << 16);
}

static inline uint16_t snug_bf16_from_f32(float value)
{
    const uint32_t bits = snug_f32_bits(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return (uint16_t)(bits >> 16 | 0x40u);
    }
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static inline float snug_f16_to_f32(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t exponent = half >> 10 & 31u;
    const uint32_t fraction = half & 1023u;
    if (exponent == 31u) {
        const uint32_t quiet = fraction == 0 ? 0 : 0x400000u;
        return snug_f32_from_bits(sign | 0x7f800000u | quiet | fraction << 13);
    }
    if (exponent == 0) {
        /* A subnormal is a small integer times 2^-24; f32 holds it exactly. */
        const float magnitude = (float)fraction * 0x1p-24f;
        return snug_f32_from_bits(sign | snug_f32_bits(magnitude));
    }
    return snug_f32_from_bits(sign | (exponent + 112u) << 23 | fraction << 13);
}

static inline uint16_t snug_f16_from_f32(float value)
{
    const uint32_t bits = snug_f32_bits(value);
    const uint32_t sign = bits >> 16 & 0x8000u;
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 1023u));
    }
    if (magnitude >= 0x477ff000u) { /* 65520 and above round to infinity. */
        return (uint16_t)(sign | 0x7c00u);
    }
    if (magnitude >= 0x38800000u) { /* Normal: rebias the exponent, round off 13 bits. */
        const uint32_t rebiased = magnitude - (112u << 23);
        return (uint16_t)(sign | (rebiased + 0xfffu + (rebiased >> 13 & 1u)) >> 13);
    }
    if (magnitude < 0x33000000u) { /* Below 2^-25; 2^-25 itself ties to zero below. */
        return (uint16_t)sign;
    }
    /* Subnormal: the fraction with its leading one, in units of 2^-24. */
    const uint32_t exponent = magnitude >> 23;
    const uint32_t fraction = (magnitude & 0x7fffffu) | 0x800000u;
    const uint32_t shift = 126u - exponent;
    const uint32_t half = (1u << (shift - 1u)) - 1u + (fraction >> shift & 1u);
    return (uint16_t)(sign | (fraction + half) >> shift);
}

#endif
