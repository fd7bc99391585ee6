/* Drawing: two panels over one axis of steps, loss above and resident memory below. */
#include <math.h>
#include <string.h>

#include "base/attr.h"
#include "train/plot.h"

enum { WIDTH = 960, HEIGHT = 560, LEFT = 78, RIGHT = 936, TICKS_MAX = 12 };
static const double LOSS_TOP = 76, LOSS_BOTTOM = 322;
static const double RSS_TOP = 372, RSS_BOTTOM = 500;
static const double MIB = 1048576.0;
/* Above this ratio of the losses a linear axis would show nothing but the start. */
static const double LOG_RATIO = 20;

/** From values to places; `log` draws the logarithm. */
typedef struct axis {
    double low, high; /* Values; logarithms when `log`. */
    double start, end;
    bool log;
} axis;

static double place(const axis *on, double value)
{
    const double x = on->log ? log10(value) : value;
    return on->start + (x - on->low) / (on->high - on->low) * (on->end - on->start);
}

/* 1, 2 or 5 times a power of ten, so that about `count` steps cover the span. */
static double nice_step(double span, int count)
{
    const double raw = span / count;
    const double power = pow(10, floor(log10(raw)));
    const double digit = raw / power;
    return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

/* One colour for light and one for dark schemes; plain properties, which every viewer knows. */
static void add_colours(snug_text *out, bool dark)
{
    static const struct {
        const char *rule;
        const char *light, *dark;
    } colours[] = {
        {".paper{fill:", "#fff", "#0d1117"},          {"text{fill:", "#6e7781", "#8d96a0"},
        {".title,.name{fill:", "#24292f", "#e6edf3"}, {".grid{stroke:", "#d8dee4", "#30363d"},
        {".band{fill:", "#0969da", "#58a6ff"},        {".loss{stroke:", "#0969da", "#58a6ff"},
        {".val{stroke:", "#bc4c00", "#f0883e"},       {".dots{fill:", "#bc4c00", "#f0883e"},
        {".rss{stroke:", "#1a7f37", "#3fb950"},       {".area{fill:", "#1a7f37", "#3fb950"},
        {".limit{stroke:", "#cf222e", "#f85149"},
    };
    for (int64_t i = 0; i < SNUG_COUNT(colours); i++) {
        snug_text_add(out, "%s%s}\n", colours[i].rule, dark ? colours[i].dark : colours[i].light);
    }
}

static void add_style(snug_text *out)
{
    snug_text_add(out, "<style>\n");
    add_colours(out, false);
    snug_text_add(out, "text{font:13px system-ui,sans-serif}\n"
                       ".title{font-size:17px;font-weight:600}.name{font-weight:600}\n"
                       ".grid{stroke-width:1}.band{opacity:.16}.area{opacity:.14}\n"
                       ".line{fill:none;stroke-width:1.8;stroke-linejoin:round}\n"
                       ".dash{stroke-dasharray:6 4;stroke-width:1.4}\n"
                       ".end{text-anchor:end}.mid{text-anchor:middle}\n"
                       "@media (prefers-color-scheme:dark){\n");
    add_colours(out, true);
    snug_text_add(out, "}\n</style>\n");
}

/* What comes from outside must not become markup. */
static void add_escaped(snug_text *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            snug_text_add(out, "&lt;");
            break;
        case '>':
            snug_text_add(out, "&gt;");
            break;
        case '&':
            snug_text_add(out, "&amp;");
            break;
        default:
            if ((unsigned char)*text >= ' ') {
                snug_text_add(out, "%c", *text);
            }
            break;
        }
    }
}

static void add_value_tick(snug_text *out, const axis *y, double value)
{
    const double at = place(y, value);
    snug_text_add(out,
                  "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                  "<text class=\"end\" x=\"%d\" y=\"%.1f\">%.4g</text>\n",
                  LEFT, RIGHT, at, at, LEFT - 8, at + 4.5, value);
}

static void add_value_ticks(snug_text *out, const axis *y, int count)
{
    if (y->log && y->high - y->low > 1) {
        const int step = (int)ceil((y->high - y->low) / count);
        const bool close = y->high - y->low < 3;
        int drawn = 0;
        for (double power = floor(y->low); close && power <= y->high; power++) {
            for (int digit = 2; digit <= 5; digit += 3) {
                const double value = digit * pow(10, power);
                if (log10(value) >= y->low && log10(value) <= y->high) {
                    add_value_tick(out, y, value);
                }
            }
        }
        for (double power = ceil(y->low - 1e-9); power <= y->high + 1e-9 && drawn < TICKS_MAX;
             power += step, drawn++) {
            add_value_tick(out, y, pow(10, power));
        }
        return;
    }
    const double low = y->log ? pow(10, y->low) : y->low;
    const double high = y->log ? pow(10, y->high) : y->high;
    const double step = nice_step(high - low, count);
    int drawn = 0;
    for (double value = ceil(low / step - 1e-9) * step;
         value <= high + step * 1e-6 && drawn < TICKS_MAX; value += step, drawn++) {
        add_value_tick(out, y, fabs(value) < step * 1e-6 ? 0 : value);
    }
}

static void add_step_ticks(snug_text *out, const axis *x)
{
    const double step = fmax(1, nice_step(x->high - x->low, 8));
    int drawn = 0;
    for (double value = ceil(x->low / step - 1e-9) * step;
         value <= x->high + 1e-6 && drawn < 2 * TICKS_MAX; value += step, drawn++) {
        const double at = place(x, value);
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
static axis loss_axis(const snug_plot *plot)
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
    axis y = {.log = low > 0 && high / low > LOG_RATIO, .start = LOSS_BOTTOM, .end = LOSS_TOP};
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

static axis memory_axis(const snug_plot *plot, const snug_plot_labels *labels)
{
    double high = fmax((double)labels->budget_bytes, (double)labels->predicted_bytes);
    for (int64_t i = 0; i < plot->point_count; i++) {
        high = fmax(high, plot->points[i].rss_bytes);
    }
    return (axis){
        .low = 0, .high = high > 0 ? high / MIB * 1.08 : 1, .start = RSS_BOTTOM, .end = RSS_TOP};
}

static void add_loss(snug_text *out, const snug_plot *plot, const axis *x, const axis *y)
{
    if (plot->stride > 1) {
        snug_text_add(out, "<path class=\"band\" d=\"M");
        for (int64_t i = 0; i < plot->point_count; i++) {
            snug_text_add(out, "%.1f,%.1f ", place(x, plot->points[i].step),
                          place(y, plot->points[i].loss_high));
        }
        for (int64_t i = plot->point_count - 1; i >= 0; i--) {
            snug_text_add(out, "%.1f,%.1f ", place(x, plot->points[i].step),
                          place(y, plot->points[i].loss_low));
        }
        snug_text_add(out, "Z\"/>\n");
    }
    snug_text_add(out, "<polyline class=\"line loss\" points=\"");
    for (int64_t i = 0; i < plot->point_count; i++) {
        snug_text_add(out, "%.1f,%.1f ", place(x, plot->points[i].step),
                      place(y, mean_loss(&plot->points[i])));
    }
    snug_text_add(out, "\"/>\n");
    if (plot->evaluation_count == 0) {
        return;
    }
    snug_text_add(out, "<polyline class=\"line val\" points=\"");
    for (int64_t i = 0; i < plot->evaluation_count; i++) {
        snug_text_add(out, "%.1f,%.1f ", place(x, plot->evaluations[i].step),
                      place(y, plot->evaluations[i].loss));
    }
    snug_text_add(out, "\"/>\n");
    for (int64_t i = 0; plot->evaluation_count <= 60 && i < plot->evaluation_count; i++) {
        snug_text_add(out, "<circle class=\"dots\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n",
                      place(x, plot->evaluations[i].step), place(y, plot->evaluations[i].loss));
    }
}

static void add_limit(snug_text *out, const axis *y, int64_t bytes, const char *classes,
                      const char *words)
{
    if (bytes <= 0) {
        return;
    }
    const double at = place(y, (double)bytes / MIB);
    snug_text_add(out,
                  "<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\">"
                  "<title>%s</title></line>\n",
                  classes, LEFT, RIGHT, at, at, words);
}

static void add_memory(snug_text *out, const snug_plot *plot, const snug_plot_labels *labels,
                       const axis *x, const axis *y)
{
    if (plot->point_count > 0) {
        snug_text_add(out, "<path class=\"area\" d=\"M%.1f,%.1f ", place(x, plot->points[0].step),
                      RSS_BOTTOM);
        for (int64_t i = 0; i < plot->point_count; i++) {
            snug_text_add(out, "%.1f,%.1f ", place(x, plot->points[i].step),
                          place(y, plot->points[i].rss_bytes / MIB));
        }
        snug_text_add(out, "%.1f,%.1f Z\"/>\n<polyline class=\"line rss\" points=\"",
                      place(x, plot->points[plot->point_count - 1].step), RSS_BOTTOM);
        for (int64_t i = 0; i < plot->point_count; i++) {
            snug_text_add(out, "%.1f,%.1f ", place(x, plot->points[i].step),
                          place(y, plot->points[i].rss_bytes / MIB));
        }
        snug_text_add(out, "\"/>\n");
    }
    add_limit(out, y, labels->predicted_bytes, "rss dash", "predicted peak");
    add_limit(out, y, labels->budget_bytes, "limit dash", "budget");
}

static void add_legend_item(snug_text *out, double *x, double y, const char *classes,
                            const char *words)
{
    snug_text_add(out,
                  "<line class=\"%s\" stroke-width=\"2\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.0f\" "
                  "y2=\"%.0f\"/><text x=\"%.0f\" y=\"%.0f\">%s</text>\n",
                  classes, *x, *x + 22, y - 4.5, y - 4.5, *x + 28, y, words);
    /* About 7 units a letter in every common face at 13 px. */
    *x += 28 + 7.2 * (double)strlen(words) + 18;
}

static void add_words(snug_text *out, const snug_plot *plot, const snug_plot_labels *labels,
                      bool log)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    char words[96];
    snug_text item;
    double x = LEFT;
    snug_text_add(out, "<text class=\"title\" x=\"%d\" y=\"32\">", LEFT);
    add_escaped(out, labels->title);
    snug_text_add(out, "</text>\n<text class=\"name\" x=\"%d\" y=\"62\">loss%s</text>\n", LEFT,
                  log ? " (log)" : "");
    x += 90;
    add_legend_item(out, &x, 62, "loss",
                    plot->stride > 1 ? "training, mean and range" : "training");
    if (plot->evaluation_count > 0) {
        add_legend_item(out, &x, 62, "val", "validation");
    }
    snug_text_add(out, "<text class=\"name\" x=\"%d\" y=\"358\">memory, MiB</text>\n", LEFT);
    x = LEFT + 110;
    add_legend_item(out, &x, 358, "rss", "resident");
    if (labels->predicted_bytes > 0) {
        snug_text_init(&item, words, sizeof words);
        snug_text_add(&item, "predicted peak %s", snug_size_text(labels->predicted_bytes, size));
        add_legend_item(out, &x, 358, "rss dash", words);
    }
    if (labels->budget_bytes > 0) {
        snug_text_init(&item, words, sizeof words);
        snug_text_add(&item, "budget %s", snug_size_text(labels->budget_bytes, size));
        add_legend_item(out, &x, 358, "limit dash", words);
    }
    snug_text_add(out, "<text class=\"mid\" x=\"%d\" y=\"%d\">optimizer step</text>\n",
                  (LEFT + RIGHT) / 2, HEIGHT - 18);
}

void snug_plot_draw(const snug_plot *plot, const snug_plot_labels *labels, snug_text *out)
{
    const axis y = loss_axis(plot);
    const axis memory = memory_axis(plot, labels);
    axis x = {.low = 0, .high = 1, .start = LEFT, .end = RIGHT};
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
    snug_text_add(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                  "height=\"%d\" role=\"img\" aria-label=\"loss and memory over the run\">\n",
                  WIDTH, HEIGHT, WIDTH, HEIGHT);
    add_style(out);
    snug_text_add(out, "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", WIDTH, HEIGHT);
    add_step_ticks(out, &x);
    add_value_ticks(out, &y, 6);
    add_value_ticks(out, &memory, 4);
    add_loss(out, plot, &x, &y);
    add_memory(out, plot, labels, &x, &memory);
    add_words(out, plot, labels, y.log);
    snug_text_add(out, "</svg>\n");
}
