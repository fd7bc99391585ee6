#include "sys/clock.h"

#include <sys/resource.h>
#include <time.h>

static int64_t read_ns(clockid_t clock)
{
    struct timespec now = {0};
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t snug_clock_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

double snug_clock_seconds_since(int64_t start_ns)
{
    return (double)(snug_clock_ns() - start_ns) * 1e-9;
}

int64_t snug_clock_process_ns(void)
{
    return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t snug_clock_thread_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

double snug_clock_wall(void)
{
    return (double)read_ns(CLOCK_REALTIME) * 1e-9;
}

const char *snug_clock_text(char out[SNUG_CLOCK_TEXT_BYTES])
{
    struct tm parts = {0};
    const time_t now = time(NULL);
    (void)gmtime_r(&now, &parts);
    if (strftime(out, SNUG_CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
        out[0] = '\0';
    }
    return out;
}

void snug_clock_sleep_ns(int64_t ns)
{
    const struct timespec pause = {.tv_sec = (time_t)(ns / 1000000000),
                                   .tv_nsec = (long)(ns % 1000000000)};
    (void)nanosleep(&pause, NULL);
}

int64_t snug_clock_interruptions(void)
{
    struct rusage usage;
    /* Cannot fail for the process itself. */
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}
