#include "ops/ref/dropout_ref.h"

double snug_ref_dropout_keep(const snug_dropout_key *key, int64_t element, uint32_t threshold16,
                             double keep_scale)
{
    const uint64_t rest = (uint64_t)element % 128;
    const uint64_t index = (uint64_t)element / 128 * 16 + rest % 16;
    const uint64_t position = (uint64_t)key->position;
    const snug_philox_block block =
        snug_philox(snug_dropout_philox_key(key),
                    (snug_philox_block){{(uint32_t)index, (uint32_t)(index >> 32),
                                         (uint32_t)position, (uint32_t)(position >> 32)}});
    const uint64_t part = rest / 16;
    const uint32_t number = (block.word[part / 2] >> (16 * (part % 2))) & 0xffffu;
    return number < threshold16 ? keep_scale : 0.0;
}
