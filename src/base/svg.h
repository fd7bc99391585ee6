/* Pictures as SVG text: axes with round ticks, a style for light and dark, escaped words. */
#ifndef SNUG_BASE_SVG_H
#define SNUG_BASE_SVG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/* Everything is added to a snug_text; what does not fit sets its `truncated`. Nothing allocates. */

/** From values to places; `log` draws the logarithm. */
typedef struct snug_svg_axis {
    double low, high;  /* Values; decimal logarithms when `log`; low < high. */
    double start, end; /* Their places. */
    bool log;
} snug_svg_axis;

double snug_svg_place(const snug_svg_axis *axis, double value);

/** 1, 2 or 5 times a power of ten, so that about `count` steps cover the span, which is > 0. */
double snug_svg_nice_step(double span, int count);

/** A rule of the style up to its colour, which differs between light and dark schemes. */
typedef struct snug_svg_colour {
    const char *rule; /* ".loss{stroke:" */
    const char *light, *dark;
} snug_svg_colour;

/**
 * Begins a picture of width x height: SVG 1.1, no scripts, no fonts of its own, in the light or
 * dark scheme of the viewer. The classes text, .title, .name, .end, .mid, .grid, .band, .area,
 * .line, .dash and .paper have a form; `colours` adds those of the picture.
 * @param label  What it shows, for who cannot see it; no markup.
 */
void snug_svg_begin(snug_text *out, int width, int height, const char *label,
                    const snug_svg_colour *colours, int64_t count);
void snug_svg_finish(snug_text *out);

/** Adds words from outside, which must not become markup. */
void snug_svg_escaped(snug_text *out, const char *words);

enum { SNUG_SVG_TICKS_MAX = 24 };
/** The about `count` round values that lie on an axis; returns their number. */
int64_t snug_svg_tick_values(const snug_svg_axis *axis, int count, double out[SNUG_SVG_TICKS_MAX]);
/** Lines from `left` to `right` at about `count` round values of a vertical axis, with numbers. */
void snug_svg_value_ticks(snug_text *out, const snug_svg_axis *axis, int count, int left,
                          int right);

/** How far an item of a legend goes. */
double snug_svg_legend_columns(const char *words);
/** A piece of line of a class and its words at *x, which moves behind them. */
void snug_svg_legend_item(snug_text *out, double *x, double y, const char *classes,
                          const char *words);

#endif
