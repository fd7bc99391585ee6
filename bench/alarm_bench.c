/*
 * How often the alarm of a running watch is wrong, and how soon it is right: over the public
 * simulator (tests/leak_traces.h), one sample a second.
 *
 *     alarm_bench [RUNS] [SEED] [HOURS]
 *
 * Printed for each shape and leak: runs with an alarm in percent, and the median of its minute.
 */
#include <stdio.h>
#include <stdlib.h>

#include "alarm_judge.h"

static int by_value(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

int main(int argc, char **argv)
{
    static const double leaks[] = {0, 0.05, 0.2, 1};
    static double minutes[10000];
    const long runs = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
    const unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    const double hours = argc > 3 ? strtod(argv[3], NULL) : 24;
    if (runs < 1 || runs > 10000 || !(hours > 0)) {
        (void)fprintf(stderr, "usage: alarm_bench [RUNS] [SEED] [HOURS]\n");
        return 2;
    }
    printf("%ld runs of %g h each, seed %lu: %% with an alarm (median minute)\n", runs, hours,
           seed);
    for (int l = 0; l < 4; l++) {
        for (int shape = 0; shape < TRACE_SHAPES; shape++) {
            long found = 0;
            for (long run = 0; run < runs; run++) {
                const uint64_t number = seed * 1000003 + (uint64_t)(1000 * l + run);
                const double t = alarm_time((trace_shape)shape, hours * 3600, leaks[l], number);
                if (t >= 0) {
                    minutes[found++] = t / 60;
                }
            }
            qsort(minutes, (size_t)found, sizeof *minutes, by_value);
            printf("%4.0f %%/h  %-11s %6.1f (%.0f)\n", 100 * leaks[l], trace_names[shape],
                   100.0 * (double)found / (double)runs, found > 0 ? minutes[found / 2] : 0.0);
            (void)fflush(stdout);
        }
    }
    return 0;
}
