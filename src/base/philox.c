#include "base/philox.h"

#include <math.h>

#include "base/assert.h"
#include "base/hash.h"

enum { PHILOX_ROUNDS = 10 };

snug_philox_block snug_philox(snug_philox_key key, snug_philox_block counter)
{
    uint32_t k0 = key.word[0];
    uint32_t k1 = key.word[1];
    snug_philox_block x = counter;
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        const uint64_t a = (uint64_t)0xd2511f53u * x.word[0];
        const uint64_t b = (uint64_t)0xcd9e8d57u * x.word[2];
        x = (snug_philox_block){{(uint32_t)(b >> 32) ^ x.word[1] ^ k0, (uint32_t)b,
                                 (uint32_t)(a >> 32) ^ x.word[3] ^ k1, (uint32_t)a}};
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return x;
}

snug_philox_key snug_philox_stream(uint64_t seed, uint64_t stream)
{
    const uint64_t mixed = snug_hash64_mix(snug_hash64_mix(UINT64_C(0x736e7567), seed), stream);
    return (snug_philox_key){{(uint32_t)mixed, (uint32_t)(mixed >> 32)}};
}

float snug_philox_unit(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

uint64_t snug_philox_below(uint32_t high, uint32_t low, uint64_t count)
{
    SNUG_ASSERT(count >= 1 && count <= UINT64_C(1) << 32);
    /* The top word of the 96-bit product of (high, low) and count. */
    return ((uint64_t)high * count + ((uint64_t)low * count >> 32)) >> 32;
}

void snug_philox_normal(uint32_t a, uint32_t b, float out[2])
{
    const double two_pi = 6.283185307179586476925;
    /* Never zero, so that the logarithm is finite. */
    const double u = ((double)a + 0.5) * 0x1p-32;
    const double radius = sqrt(-2.0 * log(u));
    const double angle = two_pi * (double)b * 0x1p-32;
    out[0] = (float)(radius * cos(angle));
    out[1] = (float)(radius * sin(angle));
}
