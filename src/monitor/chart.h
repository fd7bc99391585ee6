/* What a watch sees as text: a chart for a terminal, a line for a pipe. */
#ifndef SNUG_MONITOR_CHART_H
#define SNUG_MONITOR_CHART_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "monitor/recorder.h"

enum {
    SNUG_CHART_COLUMNS_MIN = 40,
    SNUG_CHART_COLUMNS_MAX = 500,
    SNUG_CHART_ROWS_MIN = 8,
    SNUG_CHART_ROWS_MAX = 60
};

typedef struct snug_chart_options {
    int64_t columns, rows; /* Within the limits above; others are moved into them. */
    bool ascii;            /* No braille, no lines of boxes. */
    bool color;
    bool clear;       /* Each line ends by clearing what stands behind it. */
    double window_s;  /* Only the last seconds; 0: all. */
    double until_t;   /* As it was at this second of the watch; 0: now. */
    const char *foot; /* One more line below, within `rows`; NULL: none. Borrowed. */
} snug_chart_options;

/** The cells of a chart while it is drawn, 60 KB; any content before. */
typedef struct snug_chart_canvas {
    uint8_t dots[SNUG_CHART_ROWS_MAX][SNUG_CHART_COLUMNS_MAX];
    uint8_t ink[SNUG_CHART_ROWS_MAX][SNUG_CHART_COLUMNS_MAX];
} snug_chart_canvas;

/**
 * Draws `rows` lines, each with a newline: title, curves over an axis of time, figures.
 * @mem     Allocates nothing.
 */
void snug_chart_draw(const snug_recorder *recorder, const snug_chart_options *options,
                     snug_chart_canvas *canvas, snug_text *out);

/** The last sample as one line without a newline. */
void snug_chart_line(const snug_recorder *recorder, snug_text *out);

#endif
