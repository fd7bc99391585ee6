#include "optim/schedules.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

static const char *const names[] = {"constant", "linear", "cosine", "polynomial"};

snug_status snug_schedule_find(const char *name, snug_schedule_kind *out, snug_error *err)
{
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (snug_schedule_kind)i;
            return SNUG_OK;
        }
    }
    const char *nearest = snug_nearest_name(name, names, SNUG_COUNT(names));
    return SNUG_FAIL(err, SNUG_CODE_CONFIG, "there is no schedule '%s'; %s%s", name,
                     nearest != NULL ? "did you mean " : "known are constant, linear, cosine, ",
                     nearest != NULL ? nearest : "polynomial");
}

const char *snug_schedule_name(snug_schedule_kind kind)
{
    SNUG_ASSERT((uint64_t)kind < (uint64_t)SNUG_COUNT(names));
    return names[kind];
}

double snug_schedule_rate(const snug_schedule *schedule, int64_t step)
{
    static const double pi = 3.14159265358979323846;
    const int64_t k = step - 1;
    if (k < schedule->warmup_steps) {
        return schedule->peak * (double)(k + 1) / (double)schedule->warmup_steps;
    }
    const int64_t span = schedule->total_steps - schedule->warmup_steps;
    const double raw = span > 0 ? (double)(k - schedule->warmup_steps) / (double)span : 1.0;
    const double progress = raw < 1.0 ? raw : 1.0;
    double left = 1.0;
    switch (schedule->kind) {
    case SNUG_SCHEDULE_CONSTANT:
        break;
    case SNUG_SCHEDULE_LINEAR:
        left = 1.0 - progress;
        break;
    case SNUG_SCHEDULE_COSINE:
        left = 0.5 * (1.0 + cos(pi * progress));
        break;
    case SNUG_SCHEDULE_POLYNOMIAL:
        left = pow(1.0 - progress, schedule->power);
        break;
    }
    return schedule->kind == SNUG_SCHEDULE_CONSTANT
               ? schedule->peak
               : schedule->end + (schedule->peak - schedule->end) * left;
}
