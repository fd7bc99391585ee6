/* What changes from one attempt of a command to the next: named values in it, and their rules. */
#ifndef SNUG_MONITOR_RESTART_H
#define SNUG_MONITOR_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"

enum {
    SNUG_RESTART_VALUES_MAX = 8,
    SNUG_RESTART_NAME_BYTES = 64,
    SNUG_RESTART_VALUE_MAX = 1 << 24,
    SNUG_RESTART_STATE_BYTES_MAX = 64 << 10
};

/** How a value changes: NAME=/2,min=1 */
typedef struct snug_restart_rule {
    int32_t value;   /* Of `values`. */
    char operation;  /* One of / * - + */
    int64_t operand; /* >= 1; / and * by at least 2. */
    int64_t low, high;
} snug_restart_rule;

/**
 * The values of {name=number} in the words of a command, and the rules for them. The first rule of
 * `shrink` that can still go on is the one that is applied; the rule of `grow` with the same number
 * goes with it. Where both of them are there, their product (the global batch) stays what it was.
 * All zeros: nothing changes. One owner.
 */
typedef struct snug_restart {
    char names[SNUG_RESTART_VALUES_MAX][SNUG_RESTART_NAME_BYTES];
    int64_t first[SNUG_RESTART_VALUES_MAX]; /* As the command line has it. */
    int64_t now[SNUG_RESTART_VALUES_MAX];
    int32_t value_count;
    snug_restart_rule shrink[SNUG_RESTART_VALUES_MAX];
    snug_restart_rule grow[SNUG_RESTART_VALUES_MAX];
    int32_t shrink_count, grow_count;
} snug_restart;

/**
 * Reads the rules ("bs=/2,min=1;workers=-1,min=0", NULL: none) and finds the value of each name in
 * the words. Braces whose name has no rule are left alone.
 *
 * @param words  NULL-ended.
 * @errors  SNUG_CODE_USAGE for a rule that is wrong or whose name no word has, for a value that is
 *          no whole number, for more than SNUG_RESTART_VALUES_MAX names.
 */
SNUG_MUST_CHECK snug_status snug_restart_read(const char *shrink, const char *grow,
                                              char *const *words, snug_restart *out,
                                              snug_error *err);

/**
 * Moves on to the next smaller values. False, and nothing changed, when all are at their end.
 * A pair of rules goes to the largest divisor of the product that the rule allows, so that the
 * product stays exactly the same.
 */
bool snug_restart_next(snug_restart *restart);

/** "bs=8 accum=2" into `out`; nothing without values. */
void snug_restart_show(const snug_restart *restart, snug_text *out);
/** ", global 16 kept" when there is a pair; nothing without one. */
void snug_restart_show_product(const snug_restart *restart, snug_text *out);

/**
 * The words with {name=number} and {name} of each known name replaced.
 * @mem     From `arena`.
 */
SNUG_MUST_CHECK snug_status snug_restart_fill(const snug_restart *restart, char *const *words,
                                              snug_arena *arena, char *const **out,
                                              snug_error *err);

/**
 * A key of the command as it was written, for the state file: hash of its words and rules. Another
 * limit is not another key.
 */
uint64_t snug_restart_key(const snug_restart *restart, char *const *words);

/** Writes the values and the limit they were found for, schema snug.run.state/1. */
SNUG_MUST_CHECK snug_status snug_restart_save(const snug_restart *restart, uint64_t key,
                                              int64_t limit_bytes, const char *path,
                                              snug_error *err);
/**
 * Takes the values of a state file, when it is of the same command and its limit was at least
 * `limit_bytes`: what did not fit into more does not fit into less. A larger limit begins anew.
 *
 * @param[out] out_used  False: no file, another command, or a smaller limit then.
 * @errors  SNUG_CODE_FORMAT for a file that is no state; nothing is changed then.
 */
SNUG_MUST_CHECK snug_status snug_restart_load(snug_restart *restart, uint64_t key,
                                              int64_t limit_bytes, const char *path,
                                              snug_arena *arena, bool *out_used, snug_error *err);

#endif
