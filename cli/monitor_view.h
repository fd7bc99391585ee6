/* Who looks on while memory is watched: a chart in the terminal with its keys, or plain lines. */
#ifndef SNUG_CLI_MONITOR_VIEW_H
#define SNUG_CLI_MONITOR_VIEW_H

#include "cli.h"

typedef struct monitor_view {
    snug_monitor *monitor;
    bool silent, live, ascii, color;
    bool region; /* A command has the upper part of the screen. */
    bool keys;   /* Keys are read. */
    double interval_s;
    double last_t;         /* When something was shown last. */
    double sample_t;       /* Of the last sample. */
    double paused_t;       /* The picture stands still since; 0: it moves. */
    int window;            /* Index of the part of time that is shown. */
    bool help, share;      /* The keys are explained; the proportional share is always read. */
    int64_t rows, columns; /* Of the chart that is on the screen; 0: none. */
    int64_t screen_rows;
} monitor_view;

/** Decides how to look on, and takes the keys of the terminal where they are ours. */
void monitor_view_open(monitor_view *view, const cli_line *line, snug_monitor *monitor,
                       bool command);
/** The functions to call; `view` is borrowed. */
snug_monitor_observer monitor_view_observer(monitor_view *view);
/** Gives the screen and the keys back; the chart stays where it is. */
void monitor_view_close(monitor_view *view);

/** A snug_write to stderr. */
void monitor_view_write(void *context, const char *text, int64_t bytes);

#endif
