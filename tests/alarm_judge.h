/* Lets the alarm of a running watch see a simulated program, one sample a second. */
#ifndef SNUG_TESTS_ALARM_JUDGE_H
#define SNUG_TESTS_ALARM_JUDGE_H

#include "leak_traces.h"
#include "monitor/leak_alarm.h"

/* The second of the alarm; -1: none in `seconds`. */
static inline double alarm_time(trace_shape shape, double seconds, double leak, uint64_t seed)
{
    static snug_leak_alarm alarm;
    trace made = trace_begin(shape, seconds, leak, seed);
    alarm = (snug_leak_alarm){0};
    for (double t = 0; t < seconds; t++) {
        if (snug_leak_alarm_add(&alarm, t, trace_next(&made, t) * 1048576)) {
            return t;
        }
    }
    return -1;
}

#endif
