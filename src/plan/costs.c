#include "plan/costs.h"

#include <string.h>

#include "base/hash.h"

/* A slope between two close points is mostly noise: it is not believed below this of the mean. */
static const double least_slope = 0.8;

static uint64_t mix_shape(uint64_t hash, const snug_shape *shape)
{
    hash = snug_hash64_mix(hash, (uint64_t)shape->rank);
    for (int32_t i = 0; i < shape->rank; i++) {
        hash = snug_hash64_mix(hash, (uint64_t)shape->extent[i]);
    }
    return hash;
}

/* Kernels, strides and modes show in the shapes; attributes themselves are not looked at. */
uint64_t snug_cost_kind(const snug_op_view *view)
{
    snug_op_view own = *view;
    snug_attrs attrs;
    const snug_op *op = view->node->op;
    if (op->shorten != NULL) {
        (void)op->shorten(&own, &attrs, 1.0);
    }
    uint64_t hash = snug_hash64(op->name, (int64_t)strlen(op->name), 1);
    hash = snug_hash64_mix(hash, (uint64_t)own.variant);
    for (int32_t i = 0; i < own.input_count; i++) {
        const bool given = own.node->inputs[i] >= 0;
        hash = snug_hash64_mix(hash, (given ? 1U : 0U) + (own.input_batched[i] ? 2U : 0U));
        hash = given ? mix_shape(hash, &own.input[i]) : hash;
    }
    for (int32_t o = 0; o < own.output_count; o++) {
        hash = snug_hash64_mix(hash, own.node->outputs[o] >= 0 ? 1U : 0U);
        hash = mix_shape(hash, &own.output[o]);
    }
    if (own.narrow_inputs != 0 || own.narrow_outputs != 0) {
        hash = snug_hash64_mix(snug_hash64_mix(hash, own.narrow_inputs), own.narrow_outputs);
    }
    return hash;
}

static bool is_before(const snug_cost_point *a, const snug_cost_point *b)
{
    return a->kind != b->kind ? a->kind < b->kind : a->samples < b->samples;
}

bool snug_cost_add(snug_cost_table *table, const snug_cost_point *point)
{
    int64_t at = table->count;
    while (at > 0 && is_before(point, &table->points[at - 1])) {
        at--;
    }
    if (at > 0 && !is_before(&table->points[at - 1], point)) {
        table->points[at - 1].seconds = point->seconds;
        return true;
    }
    if (table->count == table->capacity) {
        return false;
    }
    memmove(&table->points[at + 1], &table->points[at],
            (size_t)(table->count - at) * sizeof table->points[0]);
    table->points[at] = *point;
    table->count++;
    return true;
}

int64_t snug_cost_find(const snug_cost_point *points, int64_t count, uint64_t kind,
                       const snug_cost_point **first)
{
    int64_t low = 0, high = count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (points[middle].kind < kind) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    int64_t found = 0;
    while (low + found < count && points[low + found].kind == kind) {
        found++;
    }
    *first = found > 0 ? &points[low] : NULL;
    return found;
}

/* Beyond the last point. */
static double extend(const snug_cost_point *points, int64_t count, int64_t samples)
{
    const snug_cost_point *last = &points[count - 1];
    const double mean = last->seconds / (double)last->samples;
    double slope = mean;
    if (count > 1) {
        const snug_cost_point *before = &points[count - 2];
        slope = (last->seconds - before->seconds) / (double)(last->samples - before->samples);
        slope = slope < least_slope * mean ? least_slope * mean : slope > mean ? mean : slope;
    }
    return last->seconds + slope * (double)(samples - last->samples);
}

bool snug_cost_look_up(const snug_cost_point *points, int64_t count, uint64_t kind, int64_t samples,
                       double *out_seconds)
{
    const snug_cost_point *p = NULL;
    const int64_t found = snug_cost_find(points, count, kind, &p);
    if (found == 0) {
        return false;
    }
    /* A call without samples (an update) has its one point at 1. */
    samples = samples < 1 ? 1 : samples;
    int64_t above = 0;
    while (above < found && p[above].samples < samples) {
        above++;
    }
    if (above == found) {
        *out_seconds = extend(p, found, samples);
    } else if (above == 0) {
        *out_seconds = p[0].seconds * (double)samples / (double)p[0].samples;
    } else {
        const double part = (double)(samples - p[above - 1].samples) /
                            (double)(p[above].samples - p[above - 1].samples);
        *out_seconds = p[above - 1].seconds + part * (p[above].seconds - p[above - 1].seconds);
    }
    return true;
}
