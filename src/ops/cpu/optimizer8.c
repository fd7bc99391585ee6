#include "ops/cpu/optimizer8.h"

#include "base/attr.h"
#include "base/checked.h"

enum { BLOCKS_PART = SNUG_GRADIENT_PIECE / SNUG_MOMENT_BLOCK };

static const double powers[SNUG_DYNAMIC_DECADES] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0};

static int64_t cells_of(const snug_dynamic_map *map, int d)
{
    return (map->is_signed ? INT64_C(1) : INT64_C(2)) << d;
}

/* The middle of cell k of power d. */
static double middle_of(const snug_dynamic_map *map, int d, int64_t k)
{
    return powers[d] * (0.1 + 0.9 * ((double)k + 0.5) / (double)cells_of(map, d));
}

void snug_dynamic_map_init(bool is_signed, snug_dynamic_map *out)
{
    const int zero = is_signed ? 127 : 0;
    double below = 0.0; /* The largest value so far. */
    int code = zero + 1;
    *out = (snug_dynamic_map){.is_signed = is_signed};
    for (int d = 0; d < SNUG_DYNAMIC_DECADES; d++) {
        const int64_t cells = cells_of(out, d);
        out->cells[d] = (float)cells;
        out->cells_per_unit[d] = (float)((double)cells / (0.9 * powers[d]));
        out->decade[d] = (float)(0.5 * (below + middle_of(out, d, 0)));
        for (int64_t k = 0; k < cells; k++, code++) {
            below = middle_of(out, d, k);
            out->value[code] = (float)below;
            if (is_signed) {
                out->value[2 * zero - code] = (float)-below;
            }
        }
    }
    out->value[code] = 1.0f;
    out->one = (float)(0.5 * (below + 1.0));
}

typedef struct update8_context {
    const snug_lane_kernels *kernels;
    snug_adam_numbers adam;
    snug_dynamic_map m_map, v_map;
    int64_t count;
    float *w;
    const float *g;
    snug_moment8 m, v;
    const snug_gradient_rows *rows; /* NULL: g is dense. */
} update8_context;

static void update_part(void *opaque, int64_t part, int32_t thread)
{
    const update8_context *c = opaque;
    const int64_t blocks = snug_ceil_div(c->count, SNUG_MOMENT_BLOCK);
    const int64_t end = snug_min_i64((part + 1) * BLOCKS_PART, blocks);
    const int64_t first = part * BLOCKS_PART * SNUG_MOMENT_BLOCK;
    const int64_t count = snug_min_i64(BLOCKS_PART * SNUG_MOMENT_BLOCK, c->count - first);
    const float *g =
        c->rows == NULL ? c->g + first : snug_gradient_rows_piece(c->rows, first, count, thread);
    for (int64_t b = part * BLOCKS_PART; b < end; b++) {
        const int64_t at = b * SNUG_MOMENT_BLOCK;
        c->kernels->adam8(snug_min_i64(SNUG_MOMENT_BLOCK, c->count - at), &c->adam, &c->m_map,
                          &c->v_map, c->w + at, g + (at - first), c->m.codes + at, c->m.scales + b,
                          c->v.codes + at, c->v.scales + b);
    }
}

void snug_optimizer_adamw8(const snug_optimizer *optimizer, int64_t count, float *w, const float *g,
                           const snug_moment8 *m, const snug_moment8 *v,
                           const snug_parallel *parallel)
{
    update8_context context = {.kernels = snug_lane_kernels_of(optimizer->isa),
                               .adam = snug_optimizer_adam_numbers(optimizer, true),
                               .count = count,
                               .w = w,
                               .g = g,
                               .m = *m,
                               .v = *v,
                               .rows = optimizer->rows};
    snug_dynamic_map_init(true, &context.m_map);
    snug_dynamic_map_init(false, &context.v_map);
    const int64_t blocks = snug_ceil_div(count, SNUG_MOMENT_BLOCK);
    snug_parallel_run(parallel, snug_ceil_div(blocks, BLOCKS_PART), update_part, &context);
}
