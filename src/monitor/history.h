/* What is kept of a watch however long it is: a curve of bounded size, and figures of each field.
 */
#ifndef SNUG_MONITOR_HISTORY_H
#define SNUG_MONITOR_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "monitor/reading.h"

enum {
    SNUG_HISTORY_POINTS_MAX = 1200,
    SNUG_HISTORY_OCTAVES = 72, /* From 2^-10 on: percents, and bytes far beyond any machine. */
    SNUG_HISTORY_PARTS = 32,   /* Of an octave; a quantile is right within 3 %. */
    SNUG_HISTORY_BUCKETS = SNUG_HISTORY_OCTAVES * SNUG_HISTORY_PARTS
};

/** The fields of which there is a curve. */
typedef enum snug_curve {
    SNUG_CURVE_RSS,
    SNUG_CURVE_PSS,
    SNUG_CURVE_CGROUP,
    SNUG_CURVE_LIMIT,
    SNUG_CURVE_USED,
    SNUG_CURVE_GPU,
    SNUG_CURVE_COUNT
} snug_curve;

/** The field that each curve shows. */
extern const snug_log_field snug_curve_fields[SNUG_CURVE_COUNT];

/** Neighbouring samples that share a place; the highest of each value, NaN where there is none. */
typedef struct snug_history_point {
    double t; /* Of the last of them. */
    double values[SNUG_CURVE_COUNT];
} snug_history_point;

/** Figures of one field over the whole watch. */
typedef struct snug_field_figures {
    int64_t count;
    double first, last, low, high, sum;
    double high_t;
    int32_t buckets[SNUG_HISTORY_BUCKETS];
} snug_field_figures;

/** All zeros is an empty history. About 330 KiB, of which few pages are touched. */
typedef struct snug_history {
    snug_history_point points[SNUG_HISTORY_POINTS_MAX];
    int64_t point_count;
    int64_t stride;  /* Samples that share a point; 0 is 1. */
    int64_t in_last; /* Samples in the last point. */
    snug_field_figures figures[SNUG_FIELD_COUNT];
} snug_history;

/** Adds a sample; samples come in ascending order of time. */
void snug_history_add(snug_history *history, const snug_reading *sample);

/** Which curves a picture shows, and how high it is. */
typedef struct snug_history_view {
    bool shown[SNUG_CURVE_COUNT]; /* SNUG_CURVE_LIMIT too: of the control group or the given one. */
    double limit;                 /* Bytes; 0: none. */
    double top;                   /* The highest value shown, bytes; > 0. */
    double t_first, t_last;       /* t_first < t_last. */
} snug_history_view;

/**
 * Chooses: what would press the main curve flat on the floor (a control group with many others in
 * it, a limit far away) is left out.
 * @param machine  The machine is watched, not a process.
 * @param limit    That was given, bytes; 0: the control group's.
 */
void snug_history_view_choose(const snug_history *history, bool machine, double limit,
                              snug_history_view *out);

/** The value below which a share of all values lies, 0 < share < 1; 0 when there is none. */
double snug_figures_quantile(const snug_field_figures *figures, double share);
/** The mean; 0 when there is none. */
double snug_figures_mean(const snug_field_figures *figures);

#endif
