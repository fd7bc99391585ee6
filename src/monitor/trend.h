/* How a quantity moves over a run: its shape, its rate with an interval, and whether it goes on. */
#ifndef SNUG_MONITOR_TREND_H
#define SNUG_MONITOR_TREND_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SNUG_TREND_POINTS_MIN = 8,
    SNUG_TREND_POINTS_MAX = 128 /* More change nothing: neighbours are not independent. */
};

/** What explains the points best. */
typedef enum snug_trend_shape {
    SNUG_TREND_SHORT, /* Not enough points. */
    SNUG_TREND_FLAT,
    SNUG_TREND_SETTLING, /* Rises (or falls) towards a level: c + a (1 - exp(-t/tau)). */
    SNUG_TREND_STEP,     /* One or two jumps, flat between. */
    SNUG_TREND_SLOWING,  /* Grows without a level in sight, ever slower: c + a log(1 + t/tau). */
    SNUG_TREND_LINE,     /* Grows as fast at the end as before, whatever else happens. */
    SNUG_TREND_FASTER    /* The same, and faster and faster. */
} snug_trend_shape;

/** Values in the unit of the points; times in seconds from the first point's clock. */
typedef struct snug_trend {
    snug_trend_shape shape;
    bool undecided; /* Grows, but the run is too short, or the shape too unsure, to say for good. */
    int64_t points;
    double independent; /* How many independent points they are worth: n (1 - rho) / (1 + rho). */
    double margin;      /* BIC of the best shape without lasting growth less that of the best with;
                           above 0 speaks for lasting growth. */
    double rate;        /* Theil-Sen slope per second, of what is left without steps and warm-up. */
    double rate_low, rate_high;     /* 99 % interval. */
    double level_first, level_last; /* Of the fitted shape. */
    double noise;                   /* Standard deviation around it. */
    double late_growth;             /* Of the fitted shape over the second half. */
    double step_at;                 /* STEP, or a step beside a LINE: when; NAN: none. */
    double step_height;             /* 0: none. */
    double plateau;                 /* SETTLING: where to. */
    double settle_s;                /* SETTLING: tau. */
} snug_trend;

typedef struct snug_trend_options {
    double origin;     /* When the run began, on the points' clock; up to the first of them. */
    double resolution; /* The smallest difference that means anything, > 0: noise is at least so. */
    double growth_min; /* Growth over all points below this is not called lasting; >= 0. */
    double growth_seen; /* Growth above this, but not called lasting, is `undecided`; >= 0. */
    double margin_min;  /* `margin` needed to speak of lasting growth; 0: the default. */
} snug_trend_options;

/**
 * Chooses between shapes by BIC over the effective number of points: constant, step, two steps,
 * exponential and logarithmic approach, each also beside a step; and, as lasting growth, a line,
 * alone or beside one of these, and a parabola. The line must win by `margin_min` and its interval
 * must lie above zero.
 *
 * @param t  [count] seconds, ascending.
 * @param y  [count] floors: the low of each stretch of the run, so that spikes do not count.
 * @param count  Up to SNUG_TREND_POINTS_MAX.
 * @mem     Allocates nothing; about 90 KiB of stack.
 * @threads Reentrant.
 * @source  Schwarz (1978), BIC; Sen (1968), slope and interval by Kendall's tau.
 */
void snug_trend_find(const double *t, const double *y, int64_t count,
                     const snug_trend_options *options, snug_trend *out);

/** The value below which `share` (0 to 1) of the sorted values lie, interpolated; count >= 1. */
double snug_quantile(const double *sorted, int64_t count, double share);

/**
 * Theil-Sen slope with its interval.
 * @param independent  Of how many independent points; widens the interval.
 * @param z            Quantile of the normal distribution: 2.576 for 99 %.
 */
void snug_theil_sen(const double *t, const double *y, int64_t count, double independent, double z,
                    double *out_slope, double *out_low, double *out_high);

#endif
