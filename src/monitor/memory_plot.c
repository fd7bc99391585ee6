/* Drawing: curves of memory over time, with the limit. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/svg.h"
#include "monitor/memory_report.h"

enum { WIDTH = 960, HEIGHT = 420, LEFT = 78, RIGHT = 936, TICKS_MAX = 24 };
static const double TOP = 84, BOTTOM = 362;
static const double GIB = 1073741824.0;
static const double MIB = 1048576.0;

static const snug_svg_colour colours[] = {
    {".rss{stroke:", "#1a7f37", "#3fb950"}, {".area{fill:", "#1a7f37", "#3fb950"},
    {".pss{stroke:", "#0969da", "#58a6ff"}, {".cgroup{stroke:", "#bc4c00", "#f0883e"},
    {".gpu{stroke:", "#8250df", "#bc8cff"}, {".limit{stroke:", "#cf222e", "#f85149"},
};

/* Class and words of each curve. */
static const struct {
    const char *name, *words;
} curve_words[SNUG_CURVE_COUNT] = {
    [SNUG_CURVE_RSS] = {"rss", "resident"},
    [SNUG_CURVE_PSS] = {"pss", "proportional share"},
    [SNUG_CURVE_CGROUP] = {"cgroup", "control group"},
    [SNUG_CURVE_LIMIT] = {"limit dash", "limit"},
    [SNUG_CURVE_USED] = {"rss", "used"},
    [SNUG_CURVE_GPU] = {"gpu", "GPU"},
};

/* Round steps of a clock rather than of ten. */
static double time_step(double span)
{
    static const double steps[] = {1,   2,   5,    10,   15,   30,    60,    120,   300,
                                   600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400};
    for (int64_t i = 0; i < SNUG_COUNT(steps); i++) {
        if (span / steps[i] <= 8) {
            return steps[i];
        }
    }
    return 86400 * ceil(span / (8 * 86400));
}

static void add_time_ticks(snug_text *out, const snug_svg_axis *x)
{
    const double step = time_step(x->high - x->low);
    int drawn = 0;
    for (double t = ceil(x->low / step) * step; t <= x->high && drawn < TICKS_MAX;
         t += step, drawn++) {
        const double at = snug_svg_place(x, t);
        const int64_t seconds = (int64_t)(t + 0.5);
        snug_text_add(out,
                      "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" y2=\"%.0f\"/>"
                      "<text class=\"mid\" x=\"%.1f\" y=\"%.0f\">",
                      at, at, TOP, BOTTOM, at, BOTTOM + 20);
        if (seconds >= 3600) {
            snug_text_add(out, "%d:%02d:%02d</text>\n", (int)(seconds / 3600),
                          (int)(seconds / 60 % 60), (int)(seconds % 60));
        } else {
            snug_text_add(out, "%d:%02d</text>\n", (int)(seconds / 60), (int)(seconds % 60));
        }
    }
}

static void add_curve(snug_text *out, const snug_history *history, int curve,
                      const snug_svg_axis *x, const snug_svg_axis *y, double unit)
{
    snug_text_add(out, "<polyline class=\"line %s\" points=\"", curve_words[curve].name);
    for (int64_t i = 0; i < history->point_count; i++) {
        const snug_history_point *point = &history->points[i];
        if (!isnan(point->values[curve])) {
            snug_text_add(out, "%.1f,%.1f ", snug_svg_place(x, point->t),
                          snug_svg_place(y, point->values[curve] / unit));
        }
    }
    snug_text_add(out, "\"/>\n");
}

static void add_words(snug_text *out, const snug_recorder *recorder, const snug_history_view *view,
                      double unit)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    char words[96];
    double x = LEFT + 110;
    snug_text_add(out, "<text class=\"title\" x=\"%d\" y=\"32\">", LEFT);
    (void)snprintf(words, sizeof words, "%.90s", recorder->command);
    snug_svg_escaped(out, recorder->options.target == SNUG_TARGET_MACHINE ? "the machine" : words);
    snug_text_add(out, "</text>\n<text class=\"name\" x=\"%d\" y=\"62\">memory, %s</text>\n", LEFT,
                  unit == GIB ? "GiB" : "MiB");
    for (int curve = 0; curve < SNUG_CURVE_COUNT; curve++) {
        if (!view->shown[curve]) {
            continue;
        }
        if (curve == SNUG_CURVE_LIMIT) {
            (void)snprintf(words, sizeof words, "limit %s",
                           snug_size_text((int64_t)view->limit, size));
        } else {
            const double high = recorder->history.figures[snug_curve_fields[curve]].high;
            (void)snprintf(words, sizeof words, "%s, highest %s", curve_words[curve].words,
                           snug_size_text((int64_t)high, size));
        }
        snug_svg_legend_item(out, &x, 62, curve_words[curve].name, words);
    }
    if (view->limit > 0 && !view->shown[SNUG_CURVE_LIMIT]) {
        snug_text_add(out, "<text class=\"end\" x=\"%d\" y=\"%.0f\">limit %s is far above</text>\n",
                      RIGHT, TOP + 14, snug_size_text((int64_t)view->limit, size));
    }
    snug_text_add(out, "<text class=\"mid\" x=\"%d\" y=\"%d\">time since the start</text>\n",
                  (LEFT + RIGHT) / 2, HEIGHT - 14);
}

void snug_memory_plot_draw(const snug_recorder *recorder, snug_text *out)
{
    snug_history_view view;
    const bool machine = recorder->options.target == SNUG_TARGET_MACHINE;
    snug_history_view_choose(&recorder->history, machine,
                             (double)recorder->options.levels.limit_bytes, &view);
    const double unit = view.top >= 4 * GIB ? GIB : MIB;
    const snug_svg_axis x = {.low = view.t_first, .high = view.t_last, .start = LEFT, .end = RIGHT};
    const snug_svg_axis y = {.low = 0, .high = view.top / unit * 1.06, .start = BOTTOM, .end = TOP};
    snug_svg_begin(out, WIDTH, HEIGHT, "memory over time", colours, SNUG_COUNT(colours));
    add_time_ticks(out, &x);
    snug_svg_value_ticks(out, &y, 6, LEFT, RIGHT);
    for (int curve = 0; curve < SNUG_CURVE_COUNT; curve++) {
        if (view.shown[curve] && curve != SNUG_CURVE_LIMIT) {
            add_curve(out, &recorder->history, curve, &x, &y, unit);
        }
    }
    if (view.shown[SNUG_CURVE_LIMIT]) {
        const double at = snug_svg_place(&y, view.limit / unit);
        snug_text_add(out,
                      "<line class=\"limit dash\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\">"
                      "<title>limit</title></line>\n",
                      LEFT, RIGHT, at, at);
    }
    add_words(out, recorder, &view, unit);
    snug_svg_finish(out);
}
