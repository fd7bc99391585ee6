/* The lowest packing there is, by branch and bound, for as long as a bounded search lasts. */
#ifndef SNUG_PLAN_EXACT_H
#define SNUG_PLAN_EXACT_H

#include <stdbool.h>

#include "plan/offsets.h"

/**
 * Looks for a packing lower than the one at hand.
 *
 * Extents are placed by ascending offset, each on the highest below it: every packing in which
 * nothing can be moved to a lower free place is met that way, so one of the lowest is. The same
 * extents give the same offsets, on every machine.
 *
 * @param[in,out] extents    `offset` is that of a valid packing; better ones replace it.
 * @param         count      >= 1.
 * @param         enough     Bytes; the search is over when a packing is not higher.
 * @param[in,out] height     Highest end of the packing.
 * @param[out]    out_proven No packing is both lower than `height` and higher than `enough`.
 * @param         scratch    Temporary memory, rewound.
 * @threads Reentrant.
 */
SNUG_MUST_CHECK snug_status snug_offsets_improve(snug_extent *extents, int64_t count,
                                                 int64_t enough, int64_t *height, bool *out_proven,
                                                 snug_arena *scratch, snug_error *err);

#endif
