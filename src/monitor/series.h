/* What was measured over a run, in bounded memory: bins of low, mean and high of every quantity. */
#ifndef SNUG_MONITOR_SERIES_H
#define SNUG_MONITOR_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#include "monitor/log_format.h"
#include "monitor/trend.h"

enum {
    SNUG_SERIES_BINS_MAX = 4096, /* Then neighbours are joined, and each covers twice as much. */
    SNUG_SERIES_MARKS_MAX = 1024 /* Ends of epochs; then every other one is kept. */
};

/** What is kept of a sample, all in bytes: a selection of snug_log_field, by the same names. */
typedef enum snug_quantity {
    SNUG_QUANTITY_RSS,
    SNUG_QUANTITY_PSS,
    SNUG_QUANTITY_USS,
    SNUG_QUANTITY_ANON,
    SNUG_QUANTITY_FILE,
    SNUG_QUANTITY_SHMEM,
    SNUG_QUANTITY_SWAP,
    SNUG_QUANTITY_LIVE,
    SNUG_QUANTITY_CGROUP,
    SNUG_QUANTITY_CGROUP_CACHE,
    SNUG_QUANTITY_USED,
    SNUG_QUANTITY_GPU_USED,
    SNUG_QUANTITY_COUNT
} snug_quantity;

/** The field of a log that a quantity is. */
snug_log_field snug_quantity_field(snug_quantity quantity);
/** Its key in a log, "rss"; static. */
const char *snug_quantity_name(snug_quantity quantity);

/** One moment; NaN: not known (which is not 0). */
typedef struct snug_sample {
    double t; /* Seconds; ascending over a series. */
    double values[SNUG_QUANTITY_COUNT];
} snug_sample;

typedef struct snug_series_cell {
    double low, high, sum;
    int64_t count; /* Samples that knew it; 0: low and high mean nothing. */
} snug_series_cell;

typedef struct snug_series_bin {
    double t_first, t_last;
    int64_t count;
    snug_series_cell cells[SNUG_QUANTITY_COUNT];
} snug_series_bin;

/** About 1.7 MiB. All zeros is an empty series. One owner at a time. */
typedef struct snug_series {
    snug_series_bin bins[SNUG_SERIES_BINS_MAX];
    int64_t bin_count;
    int64_t stride; /* Samples of a bin; 0 is 1. */
    int64_t sample_count;
    double marks[SNUG_SERIES_MARKS_MAX]; /* Ends of epochs, ascending. */
    int64_t mark_count;
    int64_t mark_stride, marks_seen;
    double peaks[SNUG_QUANTITY_COUNT]; /* Highest sample; only where known[] > 0. */
    int64_t known[SNUG_QUANTITY_COUNT];
} snug_series;

/** Adds a sample; its time is not before that of the last one. */
void snug_series_add(snug_series *series, const snug_sample *sample);
/** Notes the end of an epoch. */
void snug_series_mark(snug_series *series, double t);
/** Seconds from the first to the last sample. */
double snug_series_seconds(const snug_series *series);

/** Floors of a quantity: the low of each of up to SNUG_TREND_POINTS_MAX stretches. */
typedef struct snug_floors {
    double t[SNUG_TREND_POINTS_MAX];
    double y[SNUG_TREND_POINTS_MAX];
    int64_t count;
    double window_s; /* Length of a stretch. */
    bool epochs;     /* Stretches are epochs that were marked. */
    double period_s; /* Found in the curve itself; 0: none. */
} snug_floors;

/**
 * The floors of a quantity after the first tenth of the run, and without the end of the program,
 * when its memory falls for good within the last tenth. Stretches are the marked epochs when
 * there are at least 12, else 40 equal parts, each as long as one period when the curve repeats
 * itself at least four times. A floor is the tenth percentile of the bins' lows.
 * @mem     Allocates nothing; about 50 KiB of stack.
 */
void snug_series_floors(const snug_series *series, snug_quantity quantity, snug_floors *out);

#endif
