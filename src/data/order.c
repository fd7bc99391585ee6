#include "data/order.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/philox.h"

/* Below 256 values a network has too few different halves to mix well; walking is cheap there. */
enum { BITS_MIN = 8, BITS_MAX = 62 };

/* Names this use of the seed among all others. */
#define ORDER_STREAM UINT64_C(0x6f72646572)

void snug_order_init(snug_order *order, uint64_t seed, int64_t epoch, int64_t count)
{
    SNUG_ASSERT(count >= 0);
    SNUG_ASSERT(count <= INT64_C(1) << BITS_MAX);
    int32_t bits = BITS_MIN;
    while ((INT64_C(1) << bits) < count) {
        bits++;
    }
    *order = (snug_order){.count = count, .low_bits = bits / 2, .high_bits = bits - bits / 2};

    const snug_philox_key key = snug_philox_stream(seed, ORDER_STREAM);
    const uint64_t epoch_word = (uint64_t)epoch;
    for (int32_t pair = 0; pair < SNUG_ORDER_ROUNDS / 2; pair++) {
        const snug_philox_block counter = {
            {(uint32_t)epoch_word, (uint32_t)(epoch_word >> 32), (uint32_t)pair, 0}};
        const snug_philox_block words = snug_philox(key, counter);
        order->keys[2 * pair] = (uint64_t)words.word[0] << 32 | words.word[1];
        order->keys[2 * pair + 1] = (uint64_t)words.word[2] << 32 | words.word[3];
    }
}

/* One turn of the network: each half is changed by a keyed hash of the other, which undoes itself.
 */
static uint64_t permute(const snug_order *order, uint64_t value)
{
    const uint64_t low_mask = (UINT64_C(1) << order->low_bits) - 1;
    const uint64_t high_mask = (UINT64_C(1) << order->high_bits) - 1;
    uint64_t low = value & low_mask;
    uint64_t high = value >> order->low_bits;
    for (int32_t round = 0; round < SNUG_ORDER_ROUNDS; round += 2) {
        high ^= snug_hash64_mix(order->keys[round], low) & high_mask;
        low ^= snug_hash64_mix(order->keys[round + 1], high) & low_mask;
    }
    return high << order->low_bits | low;
}

int64_t snug_order_at(const snug_order *order, int64_t position)
{
    SNUG_ASSERT(position >= 0);
    SNUG_ASSERT(position < order->count);
    /* The walk ends: the cycle that starts at a value below `count` comes back to it. */
    uint64_t value = (uint64_t)position;
    do {
        value = permute(order, value);
    } while (value >= (uint64_t)order->count);
    return (int64_t)value;
}
