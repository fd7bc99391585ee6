/* Bytes per category, predicted against used, and their total against what the kernel measured. */
#ifndef SNUG_MEM_LEDGER_H
#define SNUG_MEM_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/category.h"
#include "base/status.h"

/** All bytes. The floor is what the process has besides the heap: program, libraries, libc. */
typedef struct snug_ledger {
    int64_t predicted_bytes[SNUG_CATEGORY_COUNT];
    int64_t current_bytes[SNUG_CATEGORY_COUNT];
    int64_t peak_bytes[SNUG_CATEGORY_COUNT];
    int64_t predicted_floor_bytes;
    int64_t predicted_peak_bytes; /* Sum of the predictions and the floor. */
    int64_t measured_peak_bytes;  /* VmHWM. */
    int64_t requests_after_seal;
} snug_ledger;

/**
 * Fills the used columns from the heap and the kernel beside the predictions.
 * @param predicted  One entry per category.
 * @mem     Allocates nothing.
 */
SNUG_MUST_CHECK snug_status snug_ledger_read(const int64_t predicted[SNUG_CATEGORY_COUNT],
                                             int64_t predicted_floor_bytes, snug_ledger *out,
                                             snug_error *err);

/** |predicted - measured| <= 2 % of the measured peak or 4 MiB, whichever allows more. */
bool snug_ledger_promise_kept(const snug_ledger *ledger);

/**
 * Resident bytes of this process that the heap did not give out. Memory of the heap must be
 * populated or touched for this to be right.
 * @mem     Allocates nothing.
 */
SNUG_MUST_CHECK snug_status snug_floor_read(int64_t *out_bytes, snug_error *err);

#endif
