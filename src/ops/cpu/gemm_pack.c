/* Packing of operand panels. */
#include "ops/cpu/gemm_pack.h"

#include "base/assert.h"
#include "base/checked.h"

bool snug_gemm_lanes_inside(const snug_gemm_lanes *source, int64_t lanes, int64_t depth)
{
    if (source->limit == 0 || lanes == 0 || depth == 0) {
        return true;
    }
    const int64_t across = (lanes - 1) * source->lane_stride;
    const int64_t along = (depth - 1) * source->depth_stride;
    const int64_t lowest = source->first + snug_min_i64(across, 0) + snug_min_i64(along, 0);
    const int64_t highest = source->first + snug_max_i64(across, 0) + snug_max_i64(along, 0);
    return lowest >= 0 && highest < source->limit;
}

/* One lane with padding: the k that lie inside are one interval, since the index is monotone. */
static void pack_padded_lane(const snug_gemm_lanes *source, int64_t lane, int64_t depth,
                             int64_t width, float *out)
{
    const int64_t start = source->first + lane * source->lane_stride;
    for (int64_t k = 0; k < depth; k++) {
        const int64_t index = start + k * source->depth_stride;
        out[k * width] = index >= 0 && index < source->limit ? source->base[index] : 0.0f;
    }
}

void snug_gemm_pack_panels(const snug_gemm_kernels *kernels, const snug_gemm_lanes *source,
                           int64_t lanes, int64_t depth, int64_t width, float *out)
{
    if (source->lane_stride == 1 && snug_gemm_lanes_inside(source, lanes, depth)) {
        kernels->pack_along(source->base + source->first, source->depth_stride, lanes, depth, width,
                            out);
        return;
    }
    snug_gemm_lanes panel = *source;
    for (int64_t lane = 0; lane < lanes; lane += width) {
        panel.first = source->first + lane * source->lane_stride;
        snug_gemm_pack_panel(kernels, &panel, snug_min_i64(width, lanes - lane), depth, width,
                             out + lane * depth);
    }
}

void snug_gemm_pack_panel(const snug_gemm_kernels *kernels, const snug_gemm_lanes *source,
                          int64_t lanes, int64_t depth, int64_t width, float *out)
{
    if (!snug_gemm_lanes_inside(source, lanes, depth)) {
        for (int64_t lane = 0; lane < lanes; lane++) {
            pack_padded_lane(source, lane, depth, width, out + lane);
        }
        return;
    }
    const float *from = source->base + source->first;
    if (source->lane_stride == 1) {
        kernels->pack_along(from, source->depth_stride, lanes, depth, width, out);
        return;
    }
    if (source->depth_stride == 1) {
        kernels->pack_across(from, source->lane_stride, lanes, depth, width, out);
        return;
    }
    for (int64_t k = 0; k < depth; k++) {
        for (int64_t lane = 0; lane < lanes; lane++) {
            out[k * width + lane] = from[lane * source->lane_stride + k * source->depth_stride];
        }
    }
}

enum { STAGE_DEPTH = 16 }; /* k that are widened at once where lanes lie side by side. */

int64_t snug_gemm_pack_bf16_floats(int64_t lanes, int64_t depth, int64_t width)
{
    const int64_t across = snug_min_i64(lanes, width) * depth;
    const int64_t along = lanes * snug_min_i64(depth, STAGE_DEPTH);
    return snug_max_i64(across, along);
}

/* Lanes side by side: some k of all lanes are widened, then each panel takes its lanes of them. */
static void pack_bf16_along(const snug_gemm_kernels *kernels, const snug_bf16_kernels *half,
                            const uint16_t *from, int64_t stride, int64_t lanes, int64_t depth,
                            int64_t width, float *stage, float *out)
{
    for (int64_t k = 0; k < depth; k += STAGE_DEPTH) {
        const int64_t count = snug_min_i64(STAGE_DEPTH, depth - k);
        half->widen(count, lanes, from + k * stride, stride, stage, lanes);
        for (int64_t lane = 0; lane < lanes; lane += width) {
            kernels->pack_along(stage + lane, lanes, snug_min_i64(width, lanes - lane), count,
                                width, out + lane * depth + k * width);
        }
    }
}

void snug_gemm_pack_bf16_panels(const snug_gemm_kernels *kernels, const snug_bf16_kernels *half,
                                const snug_gemm_lanes *source, const uint16_t *base, int64_t lanes,
                                int64_t depth, int64_t width, float *stage, float *out)
{
    const uint16_t *from = base + source->first;
    SNUG_ASSERT(source->limit == 0);
    SNUG_ASSERT(source->lane_stride == 1 || source->depth_stride == 1);
    if (source->lane_stride == 1 && source->depth_stride != 1) {
        pack_bf16_along(kernels, half, from, source->depth_stride, lanes, depth, width, stage, out);
        return;
    }
    for (int64_t lane = 0; lane < lanes; lane += width) {
        const int64_t count = snug_min_i64(width, lanes - lane);
        half->widen(count, depth, from + lane * source->lane_stride, source->lane_stride, stage,
                    depth);
        kernels->pack_across(stage, depth, count, depth, width, out + lane * depth);
    }
}
