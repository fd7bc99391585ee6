#include "base/canvas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"

/* Whether one of the words of `classes` is `name`, of `length` letters. */
static bool has_class(const char *classes, const char *name, size_t length)
{
    for (const char *at = classes; *at != '\0';) {
        const size_t word = strcspn(at, " ");
        if (word == length && strncmp(at, name, length) == 0) {
            return true;
        }
        at += word + strspn(at + word, " ");
    }
    return false;
}

/* "#1a7f37" or "#fff". */
static void read_colour(const char *text, snug_canvas_pen *pen)
{
    double *const parts[] = {&pen->red, &pen->green, &pen->blue};
    const bool brief = strlen(text) == 4;
    for (int i = 0; i < 3; i++) {
        const char digits[3] = {text[brief ? 1 + i : 1 + 2 * i], text[brief ? 1 + i : 2 + 2 * i],
                                '\0'};
        *parts[i] = (double)strtol(digits, NULL, 16) / 255;
    }
}

/* The style of snug_svg_begin() for these classes. */
static snug_canvas_pen pen_of(const snug_canvas *canvas, const char *classes, bool words)
{
    const bool title = has_class(classes, "title", 5);
    const bool name = has_class(classes, "name", 4);
    const bool dashed = has_class(classes, "dash", 4);
    snug_canvas_pen pen = {.width = has_class(classes, "grid", 4)   ? 1
                                    : dashed                        ? 1.4
                                    : has_class(classes, "line", 4) ? 1.8
                                                                    : 2,
                           .dashed = dashed,
                           .font_size = title ? 17 : 13,
                           .bold = title || name,
                           .anchor = has_class(classes, "end", 3)   ? 1
                                     : has_class(classes, "mid", 3) ? 0.5
                                                                    : 0};
    read_colour(words ? (pen.bold ? "#24292f" : "#6e7781") : "#d8dee4", &pen);
    for (int64_t i = 0; i < canvas->colour_count && !words; i++) {
        /* ".rss{stroke:" */
        const char *rule = canvas->colours[i].rule;
        const char *brace = strchr(rule, '{');
        if (rule[0] == '.' && brace != NULL && strcmp(brace, "{stroke:") == 0 &&
            has_class(classes, rule + 1, (size_t)(brace - rule - 1))) {
            read_colour(canvas->colours[i].light, &pen);
        }
    }
    return pen;
}

void snug_canvas_begin(snug_canvas *canvas, int width, int height, const char *label,
                       const snug_svg_colour *colours, int64_t count)
{
    canvas->colours = colours;
    canvas->colour_count = count;
    if (canvas->svg != NULL) {
        snug_svg_begin(canvas->svg, width, height, label, colours, count);
    }
}

void snug_canvas_finish(snug_canvas *canvas)
{
    if (canvas->svg != NULL) {
        snug_svg_finish(canvas->svg);
    }
}

void snug_canvas_line(snug_canvas *canvas, const char *classes, double x1, double y1, double x2,
                      double y2)
{
    if (canvas->svg != NULL) {
        snug_text_add(canvas->svg,
                      "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
                      classes, x1, x2, y1, y2);
        return;
    }
    const snug_canvas_pen pen = pen_of(canvas, classes, false);
    const double points[] = {x1, y1, x2, y2};
    canvas->raster->line(canvas->context, &pen, points, 2);
}

void snug_canvas_curve_begin(snug_canvas *canvas, const char *classes)
{
    canvas->classes = classes;
    canvas->point_count = 0;
    if (canvas->svg != NULL) {
        snug_text_add(canvas->svg, "<polyline class=\"line %s\" points=\"", classes);
    }
}

void snug_canvas_curve_point(snug_canvas *canvas, double x, double y)
{
    if (canvas->svg != NULL) {
        snug_text_add(canvas->svg, "%.1f,%.1f ", x, y);
    } else if (canvas->point_count < SNUG_CANVAS_POINTS_MAX) {
        canvas->points[2 * canvas->point_count] = x;
        canvas->points[2 * canvas->point_count + 1] = y;
        canvas->point_count++;
    }
}

void snug_canvas_curve_end(snug_canvas *canvas)
{
    if (canvas->svg != NULL) {
        snug_text_add(canvas->svg, "\"/>\n");
        return;
    }
    char classes[128];
    (void)snprintf(classes, sizeof classes, "line %s", canvas->classes);
    const snug_canvas_pen pen = pen_of(canvas, classes, false);
    canvas->raster->line(canvas->context, &pen, canvas->points, canvas->point_count);
}

void snug_canvas_words(snug_canvas *canvas, const char *classes, double x, double y,
                       const char *words)
{
    if (canvas->svg != NULL) {
        snug_text_add(canvas->svg, "<text%s%s%s x=\"%.1f\" y=\"%.1f\">",
                      classes[0] != '\0' ? " class=\"" : "", classes,
                      classes[0] != '\0' ? "\"" : "", x, y);
        snug_svg_escaped(canvas->svg, words);
        snug_text_add(canvas->svg, "</text>\n");
        return;
    }
    const snug_canvas_pen pen = pen_of(canvas, classes, true);
    canvas->raster->words(canvas->context, &pen, x, y, words);
}

void snug_canvas_legend_item(snug_canvas *canvas, double *x, double y, const char *classes,
                             const char *words)
{
    if (canvas->svg != NULL) {
        snug_svg_legend_item(canvas->svg, x, y, classes, words);
        return;
    }
    snug_canvas_line(canvas, classes, *x, y - 4.5, *x + 22, y - 4.5);
    snug_canvas_words(canvas, "", *x + 28, y, words);
    *x += snug_svg_legend_columns(words);
}

void snug_canvas_value_ticks(snug_canvas *canvas, const snug_svg_axis *axis, int count, int left,
                             int right)
{
    double values[SNUG_SVG_TICKS_MAX];
    const int64_t drawn = snug_svg_tick_values(axis, count, values);
    for (int64_t i = 0; i < drawn; i++) {
        char number[32];
        const double at = snug_svg_place(axis, values[i]);
        (void)snprintf(number, sizeof number, "%.6g", values[i]);
        snug_canvas_line(canvas, "grid", left, at, right, at);
        snug_canvas_words(canvas, "end", left - 8, at + 4.5, number);
    }
}
