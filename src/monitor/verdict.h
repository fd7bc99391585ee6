/* What a log says about memory, in one word and a sentence, with its reasons and a projection. */
#ifndef SNUG_MONITOR_VERDICT_H
#define SNUG_MONITOR_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "monitor/log_read.h"

enum {
    SNUG_VERDICT_SAMPLES_MIN = 24, /* Fewer say nothing. */
    SNUG_VERDICT_SENTENCE_BYTES = 400,
    SNUG_VERDICT_REASONS_MAX = 10,
    SNUG_VERDICT_REASON_BYTES = 240,
    SNUG_TIME_TEXT_BYTES = 40
};

typedef enum snug_verdict_kind {
    SNUG_VERDICT_UNSURE, /* "not enough data" */
    SNUG_VERDICT_STABLE,
    SNUG_VERDICT_WARMING_UP,
    SNUG_VERDICT_STEP,
    SNUG_VERDICT_LEAK,
    SNUG_VERDICT_FRAGMENTATION,
    SNUG_VERDICT_CACHE_GROWTH,
    SNUG_VERDICT_COPIES, /* "copy on write": pages that were shared become private. */
    SNUG_VERDICT_COUNT
} snug_verdict_kind;

/** "stable", "leak", ...; static. */
const char *snug_verdict_name(snug_verdict_kind kind);

/** One quantity of the log. */
typedef struct snug_evidence {
    bool known;
    double first, last, peak; /* Bytes: fitted at both ends of what was looked at; the highest. */
    double growth_min;        /* What had to be exceeded to be called growth. */
    snug_floors floors;
    snug_trend trend;
} snug_evidence;

typedef struct snug_verdict {
    snug_verdict_kind kind;
    bool exact;             /* Counted by the program itself. */
    bool faster;            /* The growth accelerates. */
    snug_category category; /* Of an exact leak. */
    snug_quantity total;    /* What the figures are of: all memory of the program. */
    snug_quantity source;   /* What moves. */
    double seconds;
    double rate, rate_low, rate_high; /* Bytes per second of `source`, 99 % interval. */
    double now, peak;                 /* Bytes of `total`. */
    double peak_kernel;               /* 0: not known. */
    double limit;                     /* Bytes; 0: none. */
    bool limit_of_group;              /* It came from the log. */
    bool exceeded;
    double reach_s, reach_s_early, reach_s_late; /* From the end of the log to the limit; NAN: not
                                                    in sight; INFINITY: not within the interval. */
    snug_evidence evidence[SNUG_QUANTITY_COUNT];
    char sentence[SNUG_VERDICT_SENTENCE_BYTES];
    char projection[SNUG_VERDICT_SENTENCE_BYTES]; /* Empty without a limit. */
    char reasons[SNUG_VERDICT_REASONS_MAX][SNUG_VERDICT_REASON_BYTES];
    int64_t reason_count;
    char advice[SNUG_VERDICT_SENTENCE_BYTES];
} snug_verdict;

/**
 * Judges a log in three layers: what the program counted itself (exact), the trend of each quantity
 * (statistics over floors), and the limit.
 *
 * @param limit_bytes  0: that of the control group in the log, if there is one.
 * @mem     Allocates nothing; about 150 KiB of stack. `out` is about 30 KiB.
 */
void snug_verdict_find(const snug_log *log, int64_t limit_bytes, snug_verdict *out);

/** "2 h 10 min", "45 s", "3.2 d" into `out`; returns `out`. */
const char *snug_time_text(double seconds, char out[SNUG_TIME_TEXT_BYTES]);
/** Bytes per hour, with a sign: "+812.0 MiB/h". */
const char *snug_rate_text(double bytes_per_second, char out[SNUG_TIME_TEXT_BYTES]);
/** "private memory" for SNUG_QUANTITY_ANON; static. */
const char *snug_quantity_words(snug_quantity quantity);
/** "grows", "flat", ... for people; static. */
const char *snug_trend_words(const snug_trend *trend);

/** A figure of two logs and the interval of their difference. */
typedef struct snug_difference {
    double before, after;
    double low, high; /* 95 % interval of after - before; NAN: one log cannot say. */
    bool sure;        /* The interval lies on one side of zero. */
} snug_difference;

/**
 * Compares the typical level (median over the bins after the first tenth) of a quantity of two
 * logs, with an interval by the moving-block bootstrap of a fixed seed.
 * @param scratch  2 * SNUG_SERIES_BINS_MAX doubles.
 */
void snug_verdict_compare_level(const snug_series *before, const snug_series *after,
                                snug_quantity quantity, double *scratch, snug_difference *out);
/** Compares two rates by their intervals, as of independent measurements. */
void snug_verdict_compare_rate(const snug_trend *before, const snug_trend *after,
                               snug_difference *out);

#endif
