/* Reading memory logs: what happened, whether it leaks, and when it will be too much. */
#ifndef SNUG_ANALYZE_H
#define SNUG_ANALYZE_H

#include <stdbool.h>
#include <stdint.h>

#include "snug/status.h"
#include "snug/write.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Logs that were read and judged. One owner at a time. */
typedef struct snug_analysis snug_analysis;

typedef struct snug_analyze_options {
    const char *const *paths; /**< 1 to 16 logs, or folders of runs; borrowed until the close. Of
                                   two, the first is "before" and the second "after". */
    int64_t path_count;
    int64_t limit_bytes; /**< For the projection; 0: the limit of the control group in the log, or
                              the budget of the run. */
} snug_analyze_options;

/** What one log says; the whole of it is in snug_analysis_write(). */
typedef struct snug_analysis_summary {
    const char *verdict; /**< "stable", "leak", ...; see doc/analyze.md; static. */
    bool leak;
    bool exceeded; /**< The peak is above the limit. */
    int64_t peak_bytes;
    int64_t limit_bytes;     /**< 0: none is known. */
    double bytes_per_second; /**< Of what grows; with its 99 % interval. */
    double bytes_per_second_low, bytes_per_second_high;
    double reach_seconds; /**< From the log's end to the limit; NaN: not in sight. */
} snug_analysis_summary;

/**
 * Reads and judges logs of snug monitor, RUN/metrics.jsonl, psrecord, mprof and prmon, plain or
 * compressed (gzip, Zstandard). Known by content, not by name.
 *
 * @param[out] out_analysis  Owned by the caller: snug_analysis_close().
 * @mem     About 2 MiB a log and 3 MiB while it reads, whatever the length.
 * @errors  SNUG_CODE_USAGE (no log, too many), SNUG_CODE_NOT_FOUND, SNUG_CODE_IO; SNUG_CODE_FORMAT
 *          and SNUG_CODE_DATA for what is no log or holds no sample; SNUG_CODE_UNSUPPORTED for a
 *          compression that was not built in. Lines that cannot be read are left out and counted.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_analysis_open(const snug_analyze_options *options,
                                                        snug_analysis **out_analysis,
                                                        snug_error *err);
/** Closes; NULL is allowed. */
SNUG_API void snug_analysis_close(snug_analysis *analysis);

/** How many logs there are. */
SNUG_API int64_t snug_analysis_count(const snug_analysis *analysis);
/** @param index  From 0, in the order of the paths. */
SNUG_API void snug_analysis_look(const snug_analysis *analysis, int64_t index,
                                 snug_analysis_summary *out);

/**
 * Writes the verdicts with reasons and figures: for people, or schema snug.analysis/1.
 * @param color  Colours of a terminal in the text.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_analysis_write(const snug_analysis *analysis,
                                                         snug_format format, bool color,
                                                         snug_write write, void *context,
                                                         snug_error *err);
/** Writes one HTML page that needs nothing from outside; it appears whole or not at all. */
SNUG_API SNUG_MUST_CHECK snug_status snug_analysis_report(const snug_analysis *analysis,
                                                          const char *path, snug_error *err);

#ifdef __cplusplus
}
#endif
#endif
