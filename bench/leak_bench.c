/*
 * How often the leak detector is wrong: false alarms over nine shapes without a leak, and how many
 * leaks of 5, 20 and 100 % an hour it finds, over the public simulator (tests/leak_traces.h).
 *
 *     leak_bench [RUNS] [SEED]
 */
#include <stdio.h>
#include <stdlib.h>

#include "leak_judge.h"

int main(int argc, char **argv)
{
    static const double minutes[] = {10, 30, 60};
    static const double leaks[] = {0, 0.05, 0.2, 1};
    const long runs = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
    const unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    if (runs < 1) {
        (void)fprintf(stderr, "usage: leak_bench [RUNS] [SEED]\n");
        return 2;
    }
    printf("%ld runs each, seed %lu: %% called a leak\n%-18s", runs, seed, "");
    for (int shape = 0; shape < TRACE_SHAPES; shape++) {
        printf(" %10s", trace_names[shape]);
    }
    printf("\n");
    for (int m = 0; m < 3; m++) {
        for (int l = 0; l < 4; l++) {
            printf("%3.0f min %4.0f %%/h   ", minutes[m], 100 * leaks[l]);
            for (int shape = 0; shape < TRACE_SHAPES; shape++) {
                long found = 0;
                for (long run = 0; run < runs; run++) {
                    const uint64_t number = seed * 1000003 + (uint64_t)(1000 * l + run);
                    found += judge_trace((trace_shape)shape, 60 * minutes[m], leaks[l], number) ==
                             SNUG_VERDICT_LEAK;
                }
                printf(" %10.1f", 100.0 * (double)found / (double)runs);
            }
            printf("\n");
            (void)fflush(stdout);
        }
    }
    return 0;
}
