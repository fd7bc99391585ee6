#include "ops/ref/optimizer8_ref.h"

#include <math.h>
#include <stdlib.h>

#include "ops/ref/optimizer_ref.h"

enum { BLOCK = 256 };

double snug_ref_dynamic_value(bool is_signed, int code)
{
    const double sign = is_signed && code < 127 ? -1.0 : 1.0;
    int rank = is_signed ? abs(code - 127) : code;
    if (rank == 0 || rank == (is_signed ? 128 : 255)) {
        return rank == 0 ? 0.0 : 1.0;
    }
    double power = 1e-6;
    int cells = is_signed ? 1 : 2;
    for (rank--; rank >= cells; power *= 10.0) {
        rank -= cells;
        cells *= 2;
    }
    return sign * power * (0.1 + 0.9 * ((double)rank + 0.5) / (double)cells);
}

/* The code whose value is nearest. */
static uint8_t nearest_code(bool is_signed, double x)
{
    int best = 0;
    for (int code = 1; code < 256; code++) {
        if (fabs(snug_ref_dynamic_value(is_signed, code) - x) <
            fabs(snug_ref_dynamic_value(is_signed, best) - x)) {
            best = code;
        }
    }
    return (uint8_t)best;
}

static void encode(bool is_signed, int64_t count, const double *x, uint8_t *codes, double *scale)
{
    *scale = 0.0;
    for (int64_t i = 0; i < count; i++) {
        *scale = fmax(*scale, fabs(x[i]));
    }
    for (int64_t i = 0; i < count; i++) {
        codes[i] = nearest_code(is_signed, *scale > 0.0 ? x[i] / *scale : 0.0);
    }
}

void snug_ref_optimizer_adamw8(const snug_optimizer *optimizer, int64_t count, double *w,
                               const double *g, uint8_t *m, double *m_scales, uint8_t *v,
                               double *v_scales)
{
    for (int64_t b = 0; b * BLOCK < count; b++) {
        double means[BLOCK], squares[BLOCK];
        const int64_t at = b * BLOCK;
        const int64_t left = count - at < BLOCK ? count - at : BLOCK;
        for (int64_t i = 0; i < left; i++) {
            means[i] = snug_ref_dynamic_value(true, m[at + i]) * m_scales[b];
            squares[i] = snug_ref_dynamic_value(false, v[at + i]) * v_scales[b];
        }
        snug_ref_optimizer_adamw(optimizer, left, w + at, g + at, means, squares);
        encode(true, left, means, m + at, &m_scales[b]);
        encode(false, left, squares, v + at, &v_scales[b]);
    }
}
