/* Time: a clock that never goes back for durations, the wall clock as ISO text for people. */
#ifndef SNUG_SYS_CLOCK_H
#define SNUG_SYS_CLOCK_H

#include <stdint.h>

/** Nanoseconds of a clock that never goes back; only differences mean something. */
int64_t snug_clock_ns(void);

/** Seconds since `start_ns`, a value of snug_clock_ns(). */
double snug_clock_seconds_since(int64_t start_ns);

/** CPU nanoseconds that this process has used, all threads. */
int64_t snug_clock_process_ns(void);

/** CPU nanoseconds that the calling thread has used. */
int64_t snug_clock_thread_ns(void);

/** How often a thread of this process lost its core to others, up to now. */
int64_t snug_clock_interruptions(void);

/** Seconds since 1970 by the wall clock, which may be set back. */
double snug_clock_wall(void);

enum { SNUG_CLOCK_TEXT_BYTES = 32 };
/** The wall clock in UTC, "2026-01-31T23:59:59Z", into `out`; returns `out`. */
const char *snug_clock_text(char out[SNUG_CLOCK_TEXT_BYTES]);

/** Sleeps for about `ns` nanoseconds; a signal may end it early. */
void snug_clock_sleep_ns(int64_t ns);

#endif
