/* The learning rate as a function of the step, in double, without state. */
#ifndef SNUG_OPTIM_SCHEDULES_H
#define SNUG_OPTIM_SCHEDULES_H

#include <stdint.h>

#include "base/status.h"

typedef enum snug_schedule_kind {
    SNUG_SCHEDULE_CONSTANT,
    SNUG_SCHEDULE_LINEAR,    /* From the peak to the end in a straight line. */
    SNUG_SCHEDULE_COSINE,    /* Half a cosine. */
    SNUG_SCHEDULE_POLYNOMIAL /* (1 - progress)^power. */
} snug_schedule_kind;

typedef struct snug_schedule {
    snug_schedule_kind kind;
    double peak;          /**< Learning rate after the warm-up; >= 0. */
    double end;           /**< Learning rate at total_steps and after it. */
    double power;         /**< POLYNOMIAL; > 0. */
    int64_t warmup_steps; /**< Steps 1..warmup_steps rise linearly to the peak. */
    int64_t total_steps;  /**< Where the decay ends; not read by CONSTANT. */
} snug_schedule;

/** "constant", "linear", "cosine", "polynomial"; SNUG_CODE_CONFIG names the nearest otherwise. */
SNUG_MUST_CHECK snug_status snug_schedule_find(const char *name, snug_schedule_kind *out,
                                               snug_error *err);
const char *snug_schedule_name(snug_schedule_kind kind);

/**
 * The rate of step `step`, 1 the first. Let k = step - 1: below warmup_steps it is
 * peak * (k + 1) / warmup_steps; then progress = (k - warmup_steps) / (total_steps - warmup_steps),
 * at most 1, runs from the peak to the end by `kind`.
 */
double snug_schedule_rate(const snug_schedule *schedule, int64_t step);

#endif
