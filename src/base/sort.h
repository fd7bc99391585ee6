/* The order of some things as numbers, sorted in place without recursion or memory. */
#ifndef SNUG_BASE_SORT_H
#define SNUG_BASE_SORT_H

#include <stdbool.h>
#include <stdint.h>

/** Whether thing number `a` comes before thing number `b`; a strict order. */
typedef bool (*snug_before)(const void *things, int32_t a, int32_t b);

/**
 * Writes 0 to count - 1 into `numbers`, in the order of the things that they number. Things that
 * are equal come in any order, the same one each time. Heap sort: the C library's may allocate.
 *
 * @param[out] numbers  [count]
 * @threads Reentrant.
 */
void snug_sort_numbers(int32_t *numbers, int64_t count, snug_before before, const void *things);

/** Sorts ascending, in place: shell sort. A NaN ends up anywhere. @threads Reentrant. */
void snug_sort_f64(double *values, int64_t count);

#endif
