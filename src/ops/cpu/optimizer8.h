/* AdamW whose moments are 8-bit codes with one scale for every block of 256 elements. */
#ifndef SNUG_OPS_CPU_OPTIMIZER8_H
#define SNUG_OPS_CPU_OPTIMIZER8_H

#include <stdint.h>

#include "graph/op.h"
#include "ops/cpu/optimizer.h"
#include "ops/cpu/vmath_kernels.h"

/** Codes and scales of one moment; all bytes zero is the moment zero. */
typedef struct snug_moment8 {
    uint8_t *codes; /* [count] */
    float *scales;  /* [count / SNUG_MOMENT_BLOCK, rounded up]: the block's largest size. */
} snug_moment8;

/**
 * The values of codes: with a sign (first moments) or without (second moments).
 * @source  Dettmers et al. (2022), arXiv:2110.02861, "dynamic quantisation".
 */
void snug_dynamic_map_init(bool is_signed, snug_dynamic_map *out);

/**
 * snug_optimizer_adamw() on moments that are decoded, updated, and encoded again block by block,
 * each number as the nearest value times the block's scale. The weight is updated from the moments
 * before they are rounded. The result differs from AdamW's by that rounding.
 *
 * @param         count  >= 0; blocks start at the first element.
 * @param[in,out] w      [count] f32.
 * @param[in]     g      [count] f32.
 * @mem     Allocates nothing. Reads 10 bytes and writes 6 per element, and the scales.
 * @threads Reentrant; divides blocks. Bits depend neither on threads nor on isa.
 * @source  As above; the updates of torch.optim.AdamW.
 */
void snug_optimizer_adamw8(const snug_optimizer *optimizer, int64_t count, float *w, const float *g,
                           const snug_moment8 *m, const snug_moment8 *v,
                           const snug_parallel *parallel);

#endif
