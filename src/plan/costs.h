/* Measured costs: what a call of a kind took on so many samples, and what others follow from it. */
#ifndef SNUG_PLAN_COSTS_H
#define SNUG_PLAN_COSTS_H

#include "plan/plan.h"

/** Points sorted by kind, then samples; what a kind takes never falls with samples. */
typedef struct snug_cost_table {
    snug_cost_point *points; /* Borrowed. */
    int64_t count, capacity;
} snug_cost_table;

/**
 * Names a kind of call: calls of one kind take the same time on one machine. Made of the op, all
 * shapes and what the variant computes; stable over runs and machines.
 */
uint64_t snug_cost_kind(const snug_op_view *view);

/** Adds a point in its place, or replaces the one that is there; false when the table is full. */
bool snug_cost_add(snug_cost_table *table, const snug_cost_point *point);

/** The points of a kind; answers how many, and where they begin. */
int64_t snug_cost_find(const snug_cost_point *points, int64_t count, uint64_t kind,
                       const snug_cost_point **first);

/**
 * Seconds of a call of this kind on `samples` samples: between two points on the line through them,
 * above the last by the slope of the last two, 0.8 of the last's mean at least; below the first
 * its share of the first. More samples never take less.
 * @return false: nothing of the kind was measured.
 */
bool snug_cost_look_up(const snug_cost_point *points, int64_t count, uint64_t kind, int64_t samples,
                       double *out_seconds);

#endif
