/* Three levels of concern about memory: notice, warning, danger; by percent and by headroom. */
#ifndef SNUG_MONITOR_LEVELS_H
#define SNUG_MONITOR_LEVELS_H

#include <stdbool.h>
#include <stdint.h>

#include "monitor/reading.h"

typedef enum snug_level {
    SNUG_LEVEL_OK,
    SNUG_LEVEL_NOTICE,
    SNUG_LEVEL_WARNING,
    SNUG_LEVEL_DANGER,
    SNUG_LEVEL_COUNT
} snug_level;

/** "ok", "notice", "warning", "danger". Static. */
const char *snug_level_name(snug_level level);

enum { SNUG_LEVELS_RING = 64, SNUG_LEVELS_REASON_BYTES = 200 };

typedef struct snug_levels_options {
    bool by_percent;
    bool by_headroom;
    double memory_percent[3]; /* Notice, warning, danger; all 0: 70, 80, 90. */
    double gpu_percent[3];    /* All 0: 80, 90, 95. */
    int64_t limit_bytes;      /* Of the target, for the alarm only; 0: none. */
    int64_t machine_bytes;    /* RAM; 0: not known. */
} snug_levels_options;

/** What a reason says. */
typedef enum snug_level_cause {
    SNUG_LEVEL_CAUSE_NONE,
    SNUG_LEVEL_CAUSE_PERCENT, /* `percent` of the limit `bytes` in use */
    SNUG_LEVEL_CAUSE_GPU,     /* `percent` of a GPU */
    SNUG_LEVEL_CAUSE_SECOND,  /* `bytes` left, less than a second of growth */
    SNUG_LEVEL_CAUSE_LEFT,    /* `bytes` left */
    SNUG_LEVEL_CAUSE_STEP,    /* `bytes` left, less than twice the largest step */
    SNUG_LEVEL_CAUSE_MINUTE,  /* 80 % of the limit are near */
    SNUG_LEVEL_CAUSE_ALL,     /* all tasks waited `percent` of the time */
    SNUG_LEVEL_CAUSE_SOME     /* some did */
} snug_level_cause;

/** Why a level was entered, in figures. */
typedef struct snug_level_reason {
    snug_level_cause cause;
    int32_t basis; /* Which limit. */
    double percent;
    int64_t bytes;
} snug_level_reason;

/**
 * A reason as one line into `out`, "" for none; returns `out`.
 * @param translated  In the user's language, for people; else in English, for logs.
 */
const char *snug_level_reason_text(const snug_level_reason *reason, bool translated,
                                   char out[SNUG_LEVELS_REASON_BYTES]);

/** All zeros, then snug_levels_init(). One owner at a time. */
typedef struct snug_levels {
    snug_levels_options options;
    snug_level level;
    snug_level highest;
    snug_level_reason reason; /* Of `level`. */
    snug_level_reason highest_reason;
    double highest_t;
    int64_t entered[SNUG_LEVEL_COUNT]; /* How often each was entered. */
    double lower_since_t;              /* Since when a lower level would do; < 0: not. */
    int32_t basis;                     /* Which limit has the least room. */
    double limit, used;                /* Of that one, bytes; limit 0: there is none. */
    struct {
        double t, used;
    } ring[SNUG_LEVELS_RING];
    int64_t ring_count; /* Seen in all. */
} snug_levels;

void snug_levels_init(snug_levels *levels, const snug_levels_options *options);

/**
 * Looks at a sample. With `by_percent`, the use of the tightest of: the given limit, the control
 * group's (without what it gives up first), the machine's RAM; and of the fullest GPU. With
 * `by_headroom`:
 *
 *     notice   at the growth of the last minute, 80 % of the limit are reached within a minute
 *     warning  headroom < max(5 % of the limit, twice the largest step of the last minute), or
 *              some tasks waited for memory more than 10 % of the last 10 s
 *     danger   headroom < one second of the growth now, or all tasks waited more than 20 %
 *
 * A level is entered at once and left when ten seconds were better.
 *
 * @return  True when the level is another than before.
 */
bool snug_levels_update(snug_levels *levels, const snug_reading *sample);

/** Seconds until the limit at the growth of the last samples; infinite when nothing grows. */
double snug_levels_seconds_left(const snug_levels *levels);

#endif
