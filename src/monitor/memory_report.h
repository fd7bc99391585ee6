/* What is left of a watch: a report for people, a document, a picture. */
#ifndef SNUG_MONITOR_MEMORY_REPORT_H
#define SNUG_MONITOR_MEMORY_REPORT_H

#include <stdint.h>

#include "base/canvas.h"
#include "base/text.h"
#include "monitor/recorder.h"

enum {
    SNUG_MEMORY_REPORT_BYTES = 16 << 10, /* Room that is enough for every report, */
    SNUG_MEMORY_PLOT_BYTES = 512 << 10,  /* and for every picture as SVG. */
    SNUG_MEMORY_PLOT_WIDTH = 960,
    SNUG_MEMORY_PLOT_HEIGHT = 420
};

/** How a watch ended. */
typedef struct snug_watch_end {
    const char *reason; /* See snug_recorder_finish(); "": it has not. */
    int exit_status;    /* -1: not known. */
} snug_watch_end;

/**
 * The report for people: what was watched, lowest, mean, 95th percentile and highest of each
 * field, peaks, levels with advice, and what the watch itself has cost.
 */
void snug_memory_report_text(const snug_recorder *recorder, const snug_watch_end *end,
                             snug_text *out);
/** The same as one document of schema snug.monitor/1. */
void snug_memory_report_json(const snug_recorder *recorder, const snug_watch_end *end,
                             snug_text *out);
/** Draws the curves with their limit. @mem Allocates nothing. */
void snug_memory_plot_draw(const snug_recorder *recorder, snug_canvas *canvas);

#endif
