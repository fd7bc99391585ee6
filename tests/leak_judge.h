/* A simulated trace through the whole judgement, as `snug analyze` does it with a log. */
#ifndef SNUG_TESTS_LEAK_JUDGE_H
#define SNUG_TESTS_LEAK_JUDGE_H

#include <string.h>

#include "leak_traces.h"
#include "monitor/verdict.h"

/** The verdict on one trace of resident memory, one sample a second. */
static snug_verdict_kind judge_trace(trace_shape shape, double seconds, double leak, uint64_t seed)
{
    static snug_log log;
    static snug_verdict verdict;
    trace made = trace_begin(shape, seconds, leak, seed);
    memset(&log, 0, sizeof log);
    log.kind = SNUG_LOG_OURS;
    for (int64_t t = 0; t < (int64_t)seconds; t++) {
        snug_sample sample = snug_log_sample_none((double)t);
        sample.values[SNUG_QUANTITY_RSS] = 1048576 * trace_next(&made, (double)t);
        snug_series_add(&log.series, &sample);
    }
    snug_verdict_find(&log, 0, &verdict);
    return verdict.kind;
}

#endif
