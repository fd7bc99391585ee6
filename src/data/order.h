/* The order of samples as arithmetic: a keyed bijection, so that no list and no state is kept. */
#ifndef SNUG_DATA_ORDER_H
#define SNUG_DATA_ORDER_H

#include <stdint.h>

enum { SNUG_ORDER_ROUNDS = 8 };

/** A permutation of [0, count), a function of (seed, epoch, count) alone. Plain data, immutable. */
typedef struct snug_order {
    int64_t count;
    int32_t low_bits, high_bits; /* The halves of the Feistel network; 2^(low + high) >= count. */
    uint64_t keys[SNUG_ORDER_ROUNDS];
} snug_order;

/**
 * The permutation of one epoch.
 *
 * @param count  Number of samples, >= 0.
 * @threads Reentrant; the result may be read by any number of threads.
 * @source  Luby and Rackoff (1988) for the network; Black and Rogaway (2002), "Ciphers with
 * arbitrary finite domains", for walking along the cycle until the value is below `count`.
 */
void snug_order_init(snug_order *order, uint64_t seed, int64_t epoch, int64_t count);

/** Which sample stands at `position` in [0, count). O(1) on average, below 2 turns for large
 * counts. */
int64_t snug_order_at(const snug_order *order, int64_t position);

#endif
