/* The random numbers of dropout: addressed by seed, epoch, sample, stream and element, never drawn.
 */
#ifndef SNUG_OPS_CPU_DROPOUT_RNG_H
#define SNUG_OPS_CPU_DROPOUT_RNG_H

#include <stdint.h>

#include "base/philox.h"
#include "ops/kernel_isa.h"

enum {
    SNUG_DROPOUT_LANES = 16,  /* Philox blocks of a group. */
    SNUG_DROPOUT_GROUP = 128, /* Elements of a group: 16 blocks of eight 16-bit numbers. */
    SNUG_DROPOUT_WORDS = 64   /* 32-bit words of a group. */
};

/** Whose numbers: one sample of one node in one epoch. */
typedef struct snug_dropout_key {
    uint64_t seed;
    int64_t epoch;
    int64_t position; /* Of the sample in the order of the epoch. */
    int32_t stream;   /* Of the node. */
} snug_dropout_key;

/*
 * The number of element e >= 0: with group g = e / 128 and rest r = e % 128, the Philox block with
 * counter (16 g + r % 16, position), under the key of (seed, epoch, stream), has eight 16-bit
 * numbers; r / 16 says which, low half of each word first. So sixteen consecutive elements are one
 * half of one word over sixteen lanes. Element e is kept when its number is below the threshold.
 */

/**
 * The threshold that keeps an element with probability 1 - `probability`, rounded to a multiple of
 * 1/65536: 1 to 65536. `probability` is in [0, 1).
 */
uint32_t snug_dropout_threshold(float probability);

/** What kept elements are multiplied by, so that the mean stays: 65536 / threshold16. */
float snug_dropout_scale(uint32_t threshold16);

/** The Philox key of (seed, epoch, stream). */
snug_philox_key snug_dropout_philox_key(const snug_dropout_key *key);

/**
 * out_scale[i] = keep_scale or 0 for element first_element + i, i < count.
 *
 * @param      first_element  >= 0; a multiple of 16 is fastest.
 * @param      count          >= 0.
 * @param      threshold16    As snug_dropout_threshold() says.
 * @param[out] out_scale      [count] f32.
 * @mem     Allocates nothing.
 * @threads Reentrant.
 * @source  Philox4x32-10, base/philox.h.
 */
void snug_dropout_keep(const snug_dropout_key *key, int64_t first_element, int64_t count,
                       uint32_t threshold16, float keep_scale, float *out_scale);

/** The same, and the same bits, with the instructions of `isa`. */
void snug_dropout_keep_on(snug_kernel_isa isa, const snug_dropout_key *key, int64_t first_element,
                          int64_t count, uint32_t threshold16, float keep_scale, float *out_scale);

/**
 * The words of `groups` groups: words[64 n + 16 w + l] is word w of block 16 g + l for the n-th
 * group g = first_group + n * group_stride.
 */
typedef void (*snug_dropout_draw)(snug_philox_key key, int64_t position, int64_t first_group,
                                  int64_t group_stride, int64_t groups, uint32_t *words);

void snug_dropout_draw_scalar(snug_philox_key key, int64_t position, int64_t first_group,
                              int64_t group_stride, int64_t groups, uint32_t *words);
void snug_dropout_draw_avx2(snug_philox_key key, int64_t position, int64_t first_group,
                            int64_t group_stride, int64_t groups, uint32_t *words);
void snug_dropout_draw_avx512(snug_philox_key key, int64_t position, int64_t first_group,
                              int64_t group_stride, int64_t groups, uint32_t *words);

/** The function of an instruction set. */
snug_dropout_draw snug_dropout_draw_of(snug_kernel_isa isa);

#endif
