/* Drawing: curves of memory over time, with the limit. */
#include <math.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/canvas.h"
#include "base/translate.h"
#include "base/utf8.h"
#include "monitor/memory_report.h"

enum { HEIGHT = SNUG_MEMORY_PLOT_HEIGHT, LEFT = 78, RIGHT = 936, TICKS_MAX = 24 };
static const double TOP = 84, BOTTOM = 362;
static const double GIB = 1073741824.0;
static const double MIB = 1048576.0;

static const snug_svg_colour colours[] = {
    {".rss{stroke:", "#1a7f37", "#3fb950"}, {".area{fill:", "#1a7f37", "#3fb950"},
    {".pss{stroke:", "#0969da", "#58a6ff"}, {".cgroup{stroke:", "#bc4c00", "#f0883e"},
    {".gpu{stroke:", "#8250df", "#bc8cff"}, {".limit{stroke:", "#cf222e", "#f85149"},
};

static const char *const curve_classes[SNUG_CURVE_COUNT] = {
    [SNUG_CURVE_RSS] = "rss",          [SNUG_CURVE_PSS] = "pss",  [SNUG_CURVE_CGROUP] = "cgroup",
    [SNUG_CURVE_LIMIT] = "limit dash", [SNUG_CURVE_USED] = "rss", [SNUG_CURVE_GPU] = "gpu"};
static const char *const curve_words[SNUG_CURVE_COUNT] = {
    [SNUG_CURVE_RSS] = "resident",
    [SNUG_CURVE_PSS] = "proportional share",
    [SNUG_CURVE_CGROUP] = "control group",
    [SNUG_CURVE_LIMIT] = "limit",
    [SNUG_CURVE_USED] = "used",
    [SNUG_CURVE_GPU] = "GPU",
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

static void add_time_ticks(snug_canvas *canvas, const snug_svg_axis *x)
{
    const double step = time_step(x->high - x->low);
    int drawn = 0;
    for (double t = ceil(x->low / step) * step; t <= x->high && drawn < TICKS_MAX;
         t += step, drawn++) {
        char words[32];
        const double at = snug_svg_place(x, t);
        const int64_t seconds = (int64_t)(t + 0.5);
        if (seconds >= 3600) {
            (void)snprintf(words, sizeof words, "%d:%02d:%02d", (int)(seconds / 3600),
                           (int)(seconds / 60 % 60), (int)(seconds % 60));
        } else {
            (void)snprintf(words, sizeof words, "%d:%02d", (int)(seconds / 60),
                           (int)(seconds % 60));
        }
        snug_canvas_line(canvas, "grid", at, TOP, at, BOTTOM);
        snug_canvas_words(canvas, "mid", at, BOTTOM + 20, words);
    }
}

static void add_curve(snug_canvas *canvas, const snug_history *history, int curve,
                      const snug_svg_axis *x, const snug_svg_axis *y, double unit)
{
    snug_canvas_curve_begin(canvas, curve_classes[curve]);
    for (int64_t i = 0; i < history->point_count; i++) {
        const snug_history_point *point = &history->points[i];
        if (!isnan(point->values[curve])) {
            snug_canvas_curve_point(canvas, snug_svg_place(x, point->t),
                                    snug_svg_place(y, point->values[curve] / unit));
        }
    }
    snug_canvas_curve_end(canvas);
}

static void add_words(snug_canvas *canvas, const snug_recorder *recorder,
                      const snug_history_view *view, double unit)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    char words[96];
    double x = LEFT + 110;
    (void)snprintf(words, sizeof words, "%.90s", recorder->command);
    words[snug_utf8_fit(words, 90)] = '\0';
    snug_canvas_words(
        canvas, "title", LEFT, 32,
        recorder->options.target == SNUG_TARGET_MACHINE ? snug_translated("the machine") : words);
    snug_canvas_words(canvas, "name", LEFT, 62,
                      snug_translated(unit == GIB ? "memory, GiB" : "memory, MiB"));
    for (int curve = 0; curve < SNUG_CURVE_COUNT; curve++) {
        if (!view->shown[curve]) {
            continue;
        }
        if (curve == SNUG_CURVE_LIMIT) {
            (void)snprintf(words, sizeof words, "%s %s", snug_translated(curve_words[curve]),
                           snug_size_text((int64_t)view->limit, size));
        } else {
            const double high = recorder->history.figures[snug_curve_fields[curve]].high;
            (void)snprintf(words, sizeof words, snug_translated_format("%s, highest %s"),
                           snug_translated(curve_words[curve]),
                           snug_size_text((int64_t)high, size));
        }
        snug_canvas_legend_item(canvas, &x, 62, curve_classes[curve], words);
    }
    if (view->limit > 0 && !view->shown[SNUG_CURVE_LIMIT]) {
        (void)snprintf(words, sizeof words, snug_translated_format("limit %s is far above"),
                       snug_size_text((int64_t)view->limit, size));
        snug_canvas_words(canvas, "end", RIGHT, TOP + 14, words);
    }
    snug_canvas_words(canvas, "mid", 0.5 * (LEFT + RIGHT), HEIGHT - 14,
                      snug_translated("time since the start"));
}

void snug_memory_plot_draw(const snug_recorder *recorder, snug_canvas *canvas)
{
    snug_history_view view;
    const bool machine = recorder->options.target == SNUG_TARGET_MACHINE;
    snug_history_view_choose(&recorder->history, machine,
                             (double)recorder->options.levels.limit_bytes, &view);
    const double unit = view.top >= 4 * GIB ? GIB : MIB;
    const snug_svg_axis x = {.low = view.t_first, .high = view.t_last, .start = LEFT, .end = RIGHT};
    const snug_svg_axis y = {.low = 0, .high = view.top / unit * 1.06, .start = BOTTOM, .end = TOP};
    snug_canvas_begin(canvas, SNUG_MEMORY_PLOT_WIDTH, SNUG_MEMORY_PLOT_HEIGHT, "memory over time",
                      colours, SNUG_COUNT(colours));
    add_time_ticks(canvas, &x);
    snug_canvas_value_ticks(canvas, &y, 6, LEFT, RIGHT);
    for (int curve = 0; curve < SNUG_CURVE_COUNT; curve++) {
        if (view.shown[curve] && curve != SNUG_CURVE_LIMIT) {
            add_curve(canvas, &recorder->history, curve, &x, &y, unit);
        }
    }
    if (view.shown[SNUG_CURVE_LIMIT]) {
        const double at = snug_svg_place(&y, view.limit / unit);
        snug_canvas_line(canvas, "limit dash", LEFT, at, RIGHT, at);
    }
    add_words(canvas, recorder, &view, unit);
    snug_canvas_finish(canvas);
}
