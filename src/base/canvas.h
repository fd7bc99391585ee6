/* Pictures drawn once for two forms: as SVG text, or as lines and words on somebody's raster. */
#ifndef SNUG_BASE_CANVAS_H
#define SNUG_BASE_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/svg.h"

/** How something is drawn on a raster; all lengths in units of the picture. */
typedef struct snug_canvas_pen {
    double red, green, blue; /* 0 to 1. */
    double width;            /* Of a line. */
    bool dashed;
    double font_size; /* Of words. */
    bool bold;
    double anchor; /* Where the words lie: 0 behind the point, 0.5 around it, 1 before it. */
} snug_canvas_pen;

/** Who draws on a raster. */
typedef struct snug_canvas_raster {
    /** A line through `count` points, x and y in turn. */
    void (*line)(void *context, const snug_canvas_pen *pen, const double *points, int64_t count);
    void (*words)(void *context, const snug_canvas_pen *pen, double x, double y, const char *words);
} snug_canvas_raster;

enum { SNUG_CANVAS_POINTS_MAX = 2048 }; /* Of one line. */

/** A picture being drawn; set `svg` or `raster`, the rest is the module's. About 32 KiB. */
typedef struct snug_canvas {
    snug_text *svg; /* NULL: a raster. */
    const snug_canvas_raster *raster;
    void *context; /* Of the raster. */
    const snug_svg_colour *colours;
    int64_t colour_count;
    const char *classes; /* Of the line that is being drawn. */
    double points[2 * SNUG_CANVAS_POINTS_MAX];
    int64_t point_count;
} snug_canvas;

/** As snug_svg_begin(); a raster has the light colours. */
void snug_canvas_begin(snug_canvas *canvas, int width, int height, const char *label,
                       const snug_svg_colour *colours, int64_t count);
void snug_canvas_finish(snug_canvas *canvas);

/** A straight line of these classes. */
void snug_canvas_line(snug_canvas *canvas, const char *classes, double x1, double y1, double x2,
                      double y2);
/** A line through points; those beyond SNUG_CANVAS_POINTS_MAX are left out. */
void snug_canvas_curve_begin(snug_canvas *canvas, const char *classes);
void snug_canvas_curve_point(snug_canvas *canvas, double x, double y);
void snug_canvas_curve_end(snug_canvas *canvas);
/** Words of these classes ("" is none), which may come from outside. */
void snug_canvas_words(snug_canvas *canvas, const char *classes, double x, double y,
                       const char *words);

/** As snug_svg_value_ticks(). */
void snug_canvas_value_ticks(snug_canvas *canvas, const snug_svg_axis *axis, int count, int left,
                             int right);
/** As snug_svg_legend_item(). */
void snug_canvas_legend_item(snug_canvas *canvas, double *x, double y, const char *classes,
                             const char *words);

#endif
