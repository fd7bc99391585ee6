/* Philox4x32-10: random numbers that are addressed, not drawn. */
#ifndef SNUG_BASE_PHILOX_H
#define SNUG_BASE_PHILOX_H

#include <stdint.h>

typedef struct snug_philox_key {
    uint32_t word[2];
} snug_philox_key;

typedef struct snug_philox_block {
    uint32_t word[4];
} snug_philox_block;

/**
 * Four random words for one counter value.
 * @source Salmon, Moraes, Dror, Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3".
 */
snug_philox_block snug_philox(snug_philox_key key, snug_philox_block counter);

/** The key of a stream: a function of (seed, stream) alone. */
snug_philox_key snug_philox_stream(uint64_t seed, uint64_t stream);

/** Uniform in [0, 1), 24 bits. */
float snug_philox_unit(uint32_t word);

/** Uniform integer in [0, count), count in [1, 2^32], from two words; bias below 2^-32. */
uint64_t snug_philox_below(uint32_t high, uint32_t low, uint64_t count);

/** Two standard normal numbers from two words (Box-Muller). */
void snug_philox_normal(uint32_t a, uint32_t b, float out[2]);

#endif
