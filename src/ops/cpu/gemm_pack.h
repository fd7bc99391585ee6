/* Copies pieces of strided, zero-padded views into the panels that register tiles read. */
#ifndef SNUG_OPS_CPU_GEMM_PACK_H
#define SNUG_OPS_CPU_GEMM_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "ops/cpu/bf16.h"
#include "ops/cpu/gemm.h"
#include "ops/cpu/gemm_kernel.h"

/** A matrix of [lanes, depth] elements at base[lane * lane_stride + k * depth_stride]. */
typedef struct snug_gemm_lanes {
    const float *base; /* Of the data: the element of linear index 0. */
    int64_t first;     /* Linear index of element (0, 0). */
    int64_t lane_stride;
    int64_t depth_stride;
    int64_t limit; /* As in snug_gemm_view. */
} snug_gemm_lanes;

/** True when no element of the piece is padding. */
bool snug_gemm_lanes_inside(const snug_gemm_lanes *source, int64_t lanes, int64_t depth);

/**
 * out[k * width + l] = element (l, k) for l < lanes, k < depth; padding is 0.
 *
 * Writes nothing in lanes >= `lanes`. lanes <= width.
 */
void snug_gemm_pack_panel(const snug_gemm_kernels *kernels, const snug_gemm_lanes *source,
                          int64_t lanes, int64_t depth, int64_t width, float *out);

/** The same for any number of lanes: panels of `width` lanes one after another. */
void snug_gemm_pack_panels(const snug_gemm_kernels *kernels, const snug_gemm_lanes *source,
                           int64_t lanes, int64_t depth, int64_t width, float *out);

/** Floats of the stage that snug_gemm_pack_bf16_panels() needs. */
int64_t snug_gemm_pack_bf16_floats(int64_t lanes, int64_t depth, int64_t width);

/**
 * The same of bf16 elements: source->base is not read but `base`, source->limit is 0.
 *
 * @param stage  snug_gemm_pack_bf16_floats(lanes, depth, width) floats of room, in L1.
 */
void snug_gemm_pack_bf16_panels(const snug_gemm_kernels *kernels, const snug_bf16_kernels *half,
                                const snug_gemm_lanes *source, const uint16_t *base, int64_t lanes,
                                int64_t depth, int64_t width, float *stage, float *out);

#endif
