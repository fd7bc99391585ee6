/* Drawing: two panels over one axis of steps, loss above and resident memory below. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/attr.h"
#include "base/svg.h"
#include "base/text.h"
#include "base/translate.h"
#include "train/plot.h"

enum { WIDTH = 960, HEIGHT = 560, LEFT = 78, RIGHT = 936, TICKS_MAX = 12 };
static const double LOSS_TOP = 76, LOSS_BOTTOM = 322;
static const double RSS_TOP = 372, RSS_BOTTOM = 500;
static const double MIB = 1048576.0;
/* Above this ratio of the losses a linear axis would show nothing but the start. */
static const double LOG_RATIO = 20;
/* A budget is drawn up to so many times what was used. */
static const double BUDGET_RATIO = 4;

static const snug_svg_colour colours[] = {
    {".band{fill:", "#0969da", "#58a6ff"},    {".loss{stroke:", "#0969da", "#58a6ff"},
    {".val{stroke:", "#bc4c00", "#f0883e"},   {".dots{fill:", "#bc4c00", "#f0883e"},
    {".rss{stroke:", "#1a7f37", "#3fb950"},   {".area{fill:", "#1a7f37", "#3fb950"},
    {".limit{stroke:", "#cf222e", "#f85149"},
};

static void add_step_ticks(snug_text *out, const snug_svg_axis *x)
{
    const double step = fmax(1, snug_svg_nice_step(x->high - x->low, 8));
    int drawn = 0;
    for (double value = ceil(x->low / step - 1e-9) * step;
         value <= x->high + 1e-6 && drawn < 2 * TICKS_MAX; value += step, drawn++) {
        const double at = snug_svg_place(x, value);
        snug_text_add(out,
                      "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" y2=\"%.0f\"/>"
                      "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" y2=\"%.0f\"/>"
                      "<text class=\"mid\" x=\"%.1f\" y=\"%.0f\">%.0f</text>\n",
                      at, at, LOSS_TOP, LOSS_BOTTOM, at, at, RSS_TOP, RSS_BOTTOM, at,
                      RSS_BOTTOM + 20, value);
    }
}

static double mean_loss(const snug_plot_point *point)
{
    return point->loss_sum / (double)point->count;
}

/* Range of all losses shown, with a little air; the logarithm when they span far. */
static snug_svg_axis loss_axis(const snug_plot *plot)
{
    double low = INFINITY;
    double high = -INFINITY;
    for (int64_t i = 0; i < plot->point_count; i++) {
        low = fmin(low, plot->points[i].loss_low);
        high = fmax(high, plot->points[i].loss_high);
    }
    for (int64_t i = 0; i < plot->evaluation_count; i++) {
        low = fmin(low, plot->evaluations[i].loss);
        high = fmax(high, plot->evaluations[i].loss);
    }
    if (!(low <= high)) {
        low = 0;
        high = 1;
    }
    snug_svg_axis y = {
        .log = low > 0 && high / low > LOG_RATIO, .start = LOSS_BOTTOM, .end = LOSS_TOP};
    y.low = y.log ? log10(low) : fmin(low, low > 0 ? 0 : low);
    y.high = y.log ? log10(high) : high;
    const double span = y.high - y.low;
    const double air = span > 0 ? span * 0.05 : fmax(fabs(y.high) * 0.1, 0.05);
    y.high += air;
    if (y.log || y.low < 0 || span == 0) {
        y.low -= air;
    }
    return y;
}

/* The highest of what was seen and planned. */
static double memory_high(const snug_plot *plot, const snug_plot_labels *labels)
{
    double high = fmax((double)labels->predicted_bytes, MIB);
    for (int64_t i = 0; i < plot->point_count; i++) {
        high = fmax(high, plot->points[i].rss_bytes);
    }
    return high;
}

/* A budget that is far above would press the curve flat; its legend says how high it is. */
static bool budget_fits(const snug_plot *plot, const snug_plot_labels *labels)
{
    return (double)labels->budget_bytes <= BUDGET_RATIO * memory_high(plot, labels);
}

static snug_svg_axis memory_axis(const snug_plot *plot, const snug_plot_labels *labels)
{
    double high = memory_high(plot, labels);
    if (budget_fits(plot, labels)) {
        high = fmax(high, (double)labels->budget_bytes);
    }
    return (snug_svg_axis){
        .low = 0, .high = high / MIB * 1.08, .start = RSS_BOTTOM, .end = RSS_TOP};
}

static void add_loss(snug_text *out, const snug_plot *plot, const snug_svg_axis *x,
                     const snug_svg_axis *y)
{
    if (plot->stride > 1) {
        snug_text_add(out, "<path class=\"band\" d=\"M");
        for (int64_t i = 0; i < plot->point_count; i++) {
            snug_text_add(out, "%.1f,%.1f ", snug_svg_place(x, plot->points[i].step),
                          snug_svg_place(y, plot->points[i].loss_high));
        }
        for (int64_t i = plot->point_count - 1; i >= 0; i--) {
            snug_text_add(out, "%.1f,%.1f ", snug_svg_place(x, plot->points[i].step),
                          snug_svg_place(y, plot->points[i].loss_low));
        }
        snug_text_add(out, "Z\"/>\n");
    }
    snug_text_add(out, "<polyline class=\"line loss\" points=\"");
    for (int64_t i = 0; i < plot->point_count; i++) {
        snug_text_add(out, "%.1f,%.1f ", snug_svg_place(x, plot->points[i].step),
                      snug_svg_place(y, mean_loss(&plot->points[i])));
    }
    snug_text_add(out, "\"/>\n");
    if (plot->evaluation_count == 0) {
        return;
    }
    snug_text_add(out, "<polyline class=\"line val\" points=\"");
    for (int64_t i = 0; i < plot->evaluation_count; i++) {
        snug_text_add(out, "%.1f,%.1f ", snug_svg_place(x, plot->evaluations[i].step),
                      snug_svg_place(y, plot->evaluations[i].loss));
    }
    snug_text_add(out, "\"/>\n");
    for (int64_t i = 0; plot->evaluation_count <= 60 && i < plot->evaluation_count; i++) {
        snug_text_add(out, "<circle class=\"dots\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n",
                      snug_svg_place(x, plot->evaluations[i].step),
                      snug_svg_place(y, plot->evaluations[i].loss));
    }
}

static void add_limit(snug_text *out, const snug_svg_axis *y, int64_t bytes, const char *classes,
                      const char *words)
{
    if (bytes <= 0) {
        return;
    }
    const double at = snug_svg_place(y, (double)bytes / MIB);
    snug_text_add(out,
                  "<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\">"
                  "<title>%s</title></line>\n",
                  classes, LEFT, RIGHT, at, at, words);
}

static void add_memory(snug_text *out, const snug_plot *plot, const snug_plot_labels *labels,
                       const snug_svg_axis *x, const snug_svg_axis *y)
{
    if (plot->point_count > 0) {
        snug_text_add(out, "<path class=\"area\" d=\"M%.1f,%.1f ",
                      snug_svg_place(x, plot->points[0].step), RSS_BOTTOM);
        for (int64_t i = 0; i < plot->point_count; i++) {
            snug_text_add(out, "%.1f,%.1f ", snug_svg_place(x, plot->points[i].step),
                          snug_svg_place(y, plot->points[i].rss_bytes / MIB));
        }
        snug_text_add(out, "%.1f,%.1f Z\"/>\n<polyline class=\"line rss\" points=\"",
                      snug_svg_place(x, plot->points[plot->point_count - 1].step), RSS_BOTTOM);
        for (int64_t i = 0; i < plot->point_count; i++) {
            snug_text_add(out, "%.1f,%.1f ", snug_svg_place(x, plot->points[i].step),
                          snug_svg_place(y, plot->points[i].rss_bytes / MIB));
        }
        snug_text_add(out, "\"/>\n");
    }
    add_limit(out, y, labels->predicted_bytes, "rss dash", snug_translated("predicted peak"));
    if (budget_fits(plot, labels)) {
        add_limit(out, y, labels->budget_bytes, "limit dash", snug_translated("budget"));
    }
}

static void add_words(snug_text *out, const snug_plot *plot, const snug_plot_labels *labels,
                      bool log)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    char words[96];
    snug_text item;
    double x = LEFT;
    snug_text_add(out, "<text class=\"title\" x=\"%d\" y=\"32\">", LEFT);
    snug_svg_escaped(out, labels->title);
    snug_text_add(out, "</text>\n<text class=\"name\" x=\"%d\" y=\"62\">%s</text>\n", LEFT,
                  log ? snug_translated("loss (log)") : snug_translated("loss"));
    x += 90;
    snug_svg_legend_item(out, &x, 62, "loss",
                         plot->stride > 1 ? snug_translated("training, mean and range")
                                          : snug_translated("training"));
    if (plot->evaluation_count > 0) {
        snug_svg_legend_item(out, &x, 62, "val", snug_translated("validation"));
    }
    snug_text_add(out, "<text class=\"name\" x=\"%d\" y=\"358\">%s</text>\n", LEFT,
                  snug_translated("memory, MiB"));
    x = LEFT + 110;
    snug_svg_legend_item(out, &x, 358, "rss", snug_translated("resident"));
    if (labels->predicted_bytes > 0) {
        snug_text_init(&item, words, sizeof words);
        snug_text_say(&item, "predicted peak %s", snug_size_text(labels->predicted_bytes, size));
        snug_svg_legend_item(out, &x, 358, "rss dash", words);
    }
    if (labels->budget_bytes > 0) {
        snug_text_init(&item, words, sizeof words);
        snug_text_say(&item, "budget %s", snug_size_text(labels->budget_bytes, size));
        if (!budget_fits(plot, labels)) {
            snug_text_say(&item, ", above the picture");
        }
        snug_svg_legend_item(out, &x, 358, "limit dash", words);
    }
    snug_text_add(out, "<text class=\"mid\" x=\"%d\" y=\"%d\">%s</text>\n", (LEFT + RIGHT) / 2,
                  HEIGHT - 18, snug_translated("optimizer step"));
}

void snug_plot_draw(const snug_plot *plot, const snug_plot_labels *labels, snug_text *out)
{
    const snug_svg_axis y = loss_axis(plot);
    const snug_svg_axis memory = memory_axis(plot, labels);
    snug_svg_axis x = {.low = 0, .high = 1, .start = LEFT, .end = RIGHT};
    if (plot->point_count > 0) {
        x.low = plot->points[0].step;
        x.high = plot->points[plot->point_count - 1].step;
    }
    if (plot->evaluation_count > 0) {
        x.low = fmin(x.low, plot->evaluations[0].step);
        x.high = fmax(x.high, plot->evaluations[plot->evaluation_count - 1].step);
    }
    if (x.high <= x.low) {
        x.high = x.low + 1;
    }
    snug_svg_begin(out, WIDTH, HEIGHT, "loss and memory over the run", colours,
                   SNUG_COUNT(colours));
    add_step_ticks(out, &x);
    snug_svg_value_ticks(out, &y, 6, LEFT, RIGHT);
    snug_svg_value_ticks(out, &memory, 4, LEFT, RIGHT);
    add_loss(out, plot, &x, &y);
    add_memory(out, plot, labels, &x, &memory);
    add_words(out, plot, labels, y.log);
    snug_svg_finish(out);
}
