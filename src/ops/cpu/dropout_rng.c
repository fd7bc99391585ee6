#include "ops/cpu/dropout_rng.h"

#include "base/assert.h"
#include "base/hash.h"

uint32_t snug_dropout_threshold(float probability)
{
    SNUG_ASSERT(probability >= 0.0f && probability < 1.0f);
    const double keep = 65536.0 * (1.0 - (double)probability);
    const uint32_t threshold = (uint32_t)(keep + 0.5);
    return threshold < 1 ? 1 : threshold;
}

float snug_dropout_scale(uint32_t threshold16)
{
    return (float)(65536.0 / (double)threshold16);
}

snug_philox_key snug_dropout_philox_key(const snug_dropout_key *key)
{
    return snug_philox_stream(snug_hash64_mix(key->seed, (uint64_t)key->epoch),
                              (uint64_t)key->stream);
}

void snug_dropout_draw_scalar(snug_philox_key key, int64_t position, int64_t first_group,
                              int64_t group_stride, int64_t groups, uint32_t *words)
{
    for (int64_t n = 0; n < groups; n++) {
        const uint64_t first =
            (uint64_t)(first_group + n * group_stride) * (uint64_t)SNUG_DROPOUT_LANES;
        for (uint64_t lane = 0; lane < SNUG_DROPOUT_LANES; lane++) {
            const uint64_t index = first + lane;
            const snug_philox_block block =
                snug_philox(key, (snug_philox_block){{(uint32_t)index, (uint32_t)(index >> 32),
                                                      (uint32_t)position,
                                                      (uint32_t)((uint64_t)position >> 32)}});
            for (int w = 0; w < 4; w++) {
                words[n * SNUG_DROPOUT_WORDS + w * SNUG_DROPOUT_LANES + (int64_t)lane] =
                    block.word[w];
            }
        }
    }
}

snug_dropout_draw snug_dropout_draw_of(snug_kernel_isa isa)
{
    switch (isa) {
    case SNUG_KERNEL_AVX512:
        return snug_dropout_draw_avx512;
    case SNUG_KERNEL_AVX2:
        return snug_dropout_draw_avx2;
    case SNUG_KERNEL_SCALAR:
        break;
    }
    return snug_dropout_draw_scalar;
}

/* Elements [from, to) of one group. */
static void expand(const uint32_t *words, int64_t from, int64_t to, uint32_t threshold16,
                   float keep_scale, float *out)
{
    for (int64_t r = from; r < to;) {
        const int64_t part = r / SNUG_DROPOUT_LANES;
        const uint32_t *word = words + part / 2 * SNUG_DROPOUT_LANES;
        const unsigned shift = part % 2 == 0 ? 0 : 16;
        const int64_t end =
            (part + 1) * SNUG_DROPOUT_LANES < to ? (part + 1) * SNUG_DROPOUT_LANES : to;
        for (; r < end; r++) {
            const uint32_t number = (word[r % SNUG_DROPOUT_LANES] >> shift) & 0xffffu;
            *out++ = number < threshold16 ? keep_scale : 0.0f;
        }
    }
}

void snug_dropout_keep_on(snug_kernel_isa isa, const snug_dropout_key *key, int64_t first_element,
                          int64_t count, uint32_t threshold16, float keep_scale, float *out_scale)
{
    enum { GROUPS_AT_ONCE = 4 };
    const snug_dropout_draw draw = snug_dropout_draw_of(isa);
    const snug_philox_key philox = snug_dropout_philox_key(key);
    const int64_t end = first_element + count;
    uint32_t words[GROUPS_AT_ONCE * SNUG_DROPOUT_WORDS];
    SNUG_ASSERT(first_element >= 0 && count >= 0);
    int64_t at = first_element;
    while (at < end) {
        const int64_t group = at / SNUG_DROPOUT_GROUP;
        const int64_t left = (end - 1) / SNUG_DROPOUT_GROUP - group + 1;
        const int64_t groups = left < GROUPS_AT_ONCE ? left : GROUPS_AT_ONCE;
        draw(philox, key->position, group, 1, groups, words);
        for (int64_t n = 0; n < groups; n++) {
            const int64_t base = (group + n) * SNUG_DROPOUT_GROUP;
            const int64_t stop = base + SNUG_DROPOUT_GROUP < end ? base + SNUG_DROPOUT_GROUP : end;
            expand(words + n * SNUG_DROPOUT_WORDS, at - base, stop - base, threshold16, keep_scale,
                   out_scale + (at - first_element));
            at = stop;
        }
    }
}

void snug_dropout_keep(const snug_dropout_key *key, int64_t first_element, int64_t count,
                       uint32_t threshold16, float keep_scale, float *out_scale)
{
    snug_dropout_keep_on(SNUG_KERNEL_SCALAR, key, first_element, count, threshold16, keep_scale,
                         out_scale);
}
