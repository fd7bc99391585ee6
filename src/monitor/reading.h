/* One reading: what was measured at one moment, and only that. */
#ifndef SNUG_MONITOR_READING_H
#define SNUG_MONITOR_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "monitor/log_format.h"

/** All zeros is a reading in which nothing was measured. Bytes stay exact below 2^53. */
typedef struct snug_reading {
    double t; /* Seconds since the start. */
    uint32_t present;
    double values[SNUG_FIELD_COUNT];
} snug_reading;

_Static_assert(SNUG_FIELD_COUNT <= 32, "a bit for every field");

static inline void snug_reading_set(snug_reading *sample, snug_log_field field, double value)
{
    sample->present |= UINT32_C(1) << field;
    sample->values[field] = value;
}

/** Adds to a field, which starts at 0. */
static inline void snug_reading_add(snug_reading *sample, snug_log_field field, double value)
{
    snug_reading_set(sample, field, sample->values[field] + value);
}

/** Takes a field out, whatever was added. */
static inline void snug_reading_drop(snug_reading *sample, snug_log_field field)
{
    sample->present &= ~(UINT32_C(1) << field);
    sample->values[field] = 0;
}

static inline bool snug_reading_has(const snug_reading *sample, snug_log_field field)
{
    return (sample->present >> field & 1) != 0;
}

/** The value, or `fallback` when it was not measured. */
static inline double snug_reading_get(const snug_reading *sample, snug_log_field field,
                                      double fallback)
{
    return snug_reading_has(sample, field) ? sample->values[field] : fallback;
}

#endif
