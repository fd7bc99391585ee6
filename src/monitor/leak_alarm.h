/* Tells of a leak while a watch runs: a test that may be looked at again and again. */
#ifndef SNUG_MONITOR_LEAK_ALARM_H
#define SNUG_MONITOR_LEAK_ALARM_H

#include <stdbool.h>
#include <stdint.h>

#include "monitor/trend.h"

enum { SNUG_LEAK_STRETCHES = 192 };

/** The low of a piece of the watch. */
typedef struct snug_leak_stretch {
    double t_first, t_last, low;
} snug_leak_stretch;

/**
 * Floors of one quantity in bounded memory, and when they are judged next. All zeros is a new one.
 * About 5 KiB. One owner at a time.
 *
 * Looks come after 15 minutes and then whenever the watch is 1.41 times as long as at the last, so
 * that a day has fourteen of them and each has much that is new. At a look the shapes of snug_trend
 * are fitted to the floors; the alarm is raised by two looks in a row that see lasting growth, the
 * second at least half as fast as the first. How often it is wrong over a day is measured in
 * doc/analyze.md by the simulator of tests/leak_traces.h.
 */
typedef struct snug_leak_alarm {
    snug_leak_stretch stretches[SNUG_LEAK_STRETCHES];
    int64_t count;
    double stretch_s; /* Length of a stretch; doubles when there is no room for more. */
    double look_t;    /* When the next look is due. */
    int64_t looks;
    int64_t seen;      /* Looks in a row that saw lasting growth. */
    double rate_first; /* At the first of them, bytes per second. */
    bool raised;       /* Once and for all. */
    double raised_t;
    double rate, rate_low, rate_high; /* When it was raised; bytes per second, 99 % interval. */
} snug_leak_alarm;

/**
 * Adds a value; times ascend.
 * @return  True once, when the alarm is raised by this value.
 * @mem     Allocates nothing; about 90 KiB of stack when a look is due.
 */
bool snug_leak_alarm_add(snug_leak_alarm *alarm, double t, double bytes);

#endif
