/* The bytes that a run may use, from what the user wrote and what the machine has. */
#ifndef SNUG_MEM_BUDGET_H
#define SNUG_MEM_BUDGET_H

#include <stdint.h>

#include "base/status.h"
#include "mem/probe.h"

enum { SNUG_BUDGET_TEXT_BYTES = SNUG_PROBE_TEXT_BYTES + 128 };

typedef struct snug_budget {
    int64_t bytes;          /* Most that the process may have resident at any instant. */
    int64_t headroom_bytes; /* Of the probe, for messages. */
    char origin[SNUG_BUDGET_TEXT_BYTES]; /* One sentence: where the number comes from. */
} snug_budget;

/**
 * Reads "600MiB" (as it is, even above the headroom: the caller compares), "60%" (of the headroom)
 * or "auto" (also "" and NULL): 60 % of the headroom, less where that would leave under 1 GiB free,
 * but never below 25 %.
 *
 * @errors  SNUG_CODE_USAGE for anything else, 0 and more than 100 % included.
 */
SNUG_MUST_CHECK snug_status snug_budget_choose(const char *text, const snug_probe *probe,
                                               snug_budget *out, snug_error *err);

#endif
