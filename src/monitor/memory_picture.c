#include "monitor/memory_picture.h"

#include <math.h>
#include <string.h>

#include "base/attr.h"
#include "base/svg.h"
#include "base/translate.h"

enum { WIDTH = 960, HEIGHT = 400, LEFT = 82, RIGHT = 940, PLACES = 480, TICKS_MAX = 16 };
static const double TOP = 52, BOTTOM = 350;
static const double MIB = 1048576.0, GIB = 1073741824.0;
static const double FAR_AWAY = 4;

static const snug_svg_colour colours[] = {
    {".band{fill:", "#0969da", "#58a6ff"},    {".total{stroke:", "#0969da", "#58a6ff"},
    {".anon{stroke:", "#8250df", "#bc8cff"},  {".file{stroke:", "#57606a", "#8b949e"},
    {".trend{stroke:", "#bc4c00", "#f0883e"}, {".limit{stroke:", "#cf222e", "#f85149"},
    {".plan{stroke:", "#1a7f37", "#3fb950"},  {".event{stroke:", "#9a6700", "#d29922"},
};

/** Where things are: seconds and bytes to places. */
typedef struct canvas {
    snug_svg_axis x, y; /* y in `unit`. */
    double unit;
    const char *unit_name;
} canvas;

static double place_y(const canvas *on, double bytes)
{
    return snug_svg_place(&on->y, bytes / on->unit);
}

static bool drawn(double line, double highest)
{
    return line > 0 && line <= FAR_AWAY * fmax(highest, MIB);
}

static canvas make_canvas(const snug_log *log, snug_quantity total, const snug_memory_lines *lines)
{
    const snug_series *series = &log->series;
    const double highest = fmax(series->peaks[total], series->peaks[SNUG_QUANTITY_ANON]);
    double high = highest;
    high = drawn(lines->budget, highest) ? fmax(high, lines->budget) : high;
    high = drawn(lines->predicted, highest) ? fmax(high, lines->predicted) : high;
    canvas made = {.unit = high >= 2 * GIB ? GIB : MIB,
                   .unit_name = high >= 2 * GIB ? "GiB" : "MiB"};
    const double first = series->bins[0].t_first;
    made.x = (snug_svg_axis){.low = first,
                             .high = first + fmax(snug_series_seconds(series), 1),
                             .start = LEFT,
                             .end = RIGHT};
    made.y = (snug_svg_axis){
        .low = 0, .high = fmax(high, MIB) / made.unit * 1.06, .start = BOTTOM, .end = TOP};
    return made;
}

/* Round steps of time: 1, 2, 5, 10, 15, 30 of seconds, minutes; hours by 1, 2, 3, 6, 12; days. */
static double time_step(double span)
{
    static const double steps[] = {0.1,    0.2,    0.5,    1,       2,      5,     10,
                                   15,     30,     60,     120,     300,    600,   900,
                                   1800,   3600,   7200,   10800,   21600,  43200, 86400,
                                   172800, 432000, 864000, 1728000, 4320000};
    for (int64_t i = 0; i < SNUG_COUNT(steps); i++) {
        if (span / steps[i] <= 9) {
            return steps[i];
        }
    }
    return snug_svg_nice_step(span, 8);
}

static void add_time_ticks(const canvas *on, snug_text *out)
{
    const double span = on->x.high - on->x.low;
    const double step = time_step(span);
    const double unit = step >= 86400 ? 86400 : step >= 3600 ? 3600 : step >= 60 ? 60 : 1;
    const char *name = step >= 86400 ? "d" : step >= 3600 ? "h" : step >= 60 ? "min" : "s";
    int count = 0;
    for (double t = 0; t <= span + 1e-9 && count < TICKS_MAX; t += step, count++) {
        const double at = snug_svg_place(&on->x, on->x.low + t);
        snug_text_add(out,
                      "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" y2=\"%.0f\"/>"
                      "<text class=\"mid\" x=\"%.1f\" y=\"%.0f\">%.4g%s%s</text>\n",
                      at, at, TOP, BOTTOM, at, BOTTOM + 20, t / unit, count == 0 ? "" : " ",
                      count == 0 ? "" : name);
    }
}

/** One place of the picture. */
typedef struct spot {
    double t, low, high, mean;
} spot;

/* Bins joined to at most PLACES spots; returns their number. */
static int64_t thin_out(const snug_series *series, snug_quantity quantity, spot out[PLACES])
{
    const int64_t every = 1 + (series->bin_count - 1) / PLACES;
    int64_t count = 0;
    for (int64_t i = 0; i < series->bin_count; i += every) {
        spot made = {.low = INFINITY, .high = -INFINITY};
        double sum = 0;
        int64_t samples = 0;
        for (int64_t k = i; k < series->bin_count && k < i + every; k++) {
            const snug_series_cell *cell = &series->bins[k].cells[quantity];
            if (cell->count > 0) {
                made.low = fmin(made.low, cell->low);
                made.high = fmax(made.high, cell->high);
                sum += cell->sum;
                samples += cell->count;
            }
            made.t = 0.5 * (series->bins[i].t_first + series->bins[k].t_last);
        }
        if (samples > 0) {
            made.mean = sum / (double)samples;
            out[count++] = made;
        }
    }
    return count;
}

static void add_line(const canvas *on, const spot *spots, int64_t count, const char *classes,
                     snug_text *out)
{
    snug_text_add(out, "<polyline class=\"line %s\" points=\"", classes);
    for (int64_t i = 0; i < count; i++) {
        snug_text_add(out, "%.1f,%.1f ", snug_svg_place(&on->x, spots[i].t),
                      place_y(on, spots[i].mean));
    }
    snug_text_add(out, "\"/>\n");
}

static void add_band(const canvas *on, const spot *spots, int64_t count, snug_text *out)
{
    if (count == 0) {
        return;
    }
    snug_text_add(out, "<path class=\"band\" d=\"M");
    for (int64_t i = 0; i < count; i++) {
        snug_text_add(out, "%.1f,%.1f ", snug_svg_place(&on->x, spots[i].t),
                      place_y(on, spots[i].high));
    }
    for (int64_t i = count - 1; i >= 0; i--) {
        snug_text_add(out, "%.1f,%.1f ", snug_svg_place(&on->x, spots[i].t),
                      place_y(on, spots[i].low));
    }
    snug_text_add(out, "Z\"/>\n");
}

static void add_level(const canvas *on, double bytes, const char *classes, const char *words,
                      snug_text *out)
{
    const double at = place_y(on, bytes);
    snug_text_add(out,
                  "<line class=\"%s\" stroke-width=\"1.6\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" "
                  "y2=\"%.1f\"><title>%s</title></line>\n",
                  classes, LEFT, RIGHT, at, at, words);
}

/* The floors that the verdict looked at, and the line through them. */
static void add_trend(const canvas *on, const snug_verdict *verdict, snug_text *out)
{
    const snug_evidence *e = &verdict->evidence[verdict->source];
    if (!e->known || e->trend.shape < SNUG_TREND_LINE || e->floors.count < 2) {
        return;
    }
    const double first = e->floors.t[0];
    const double last = e->floors.t[e->floors.count - 1];
    snug_text_add(out,
                  "<line class=\"trend dash\" stroke-width=\"2.4\" x1=\"%.1f\" y1=\"%.1f\" "
                  "x2=\"%.1f\" y2=\"%.1f\"><title>%s</title></line>\n",
                  snug_svg_place(&on->x, first), place_y(on, e->first),
                  snug_svg_place(&on->x, last), place_y(on, e->last), snug_translated("trend"));
}

static void add_events(const canvas *on, const snug_log *log, snug_text *out)
{
    const int64_t count =
        log->note_count < SNUG_LOG_EVENTS_MAX ? log->note_count : SNUG_LOG_EVENTS_MAX;
    for (int64_t i = 0; i < count; i++) {
        const snug_log_note *note = &log->notes[i];
        if (!(note->t >= on->x.low && note->t <= on->x.high)) {
            continue;
        }
        const double at = snug_svg_place(&on->x, note->t);
        snug_text_add(out,
                      "<line class=\"event dash\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" "
                      "y2=\"%.0f\"><title>",
                      at, at, TOP, BOTTOM);
        snug_svg_escaped(out, note->what);
        snug_text_add(out, ": ");
        snug_svg_escaped(out, note->text);
        snug_text_add(out, "</title></line>\n");
    }
}

static void add_limit_item(double *x, double bytes, double highest, const char *classes,
                           const char *name, snug_text *out)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    char words[96];
    snug_text item;
    if (!(bytes > 0)) {
        return;
    }
    snug_text_init(&item, words, sizeof words);
    snug_text_add(&item, "%s %s%s", name, snug_size_text((int64_t)bytes, size),
                  drawn(bytes, highest) ? "" : snug_translated(", above the picture"));
    snug_svg_legend_item(out, x, 30, classes, words);
}

static void add_legend(const canvas *on, const snug_log *log, const snug_verdict *verdict,
                       snug_quantity total, const snug_memory_lines *lines, snug_text *out)
{
    double x = LEFT + 58;
    const double highest = log->series.peaks[total];
    snug_text_add(out, "<text class=\"name\" x=\"%d\" y=\"30\">%s</text>\n", LEFT, on->unit_name);
    snug_svg_legend_item(out, &x, 30, "total", snug_quantity_words(total));
    if (log->series.known[SNUG_QUANTITY_ANON] > 0) {
        snug_svg_legend_item(out, &x, 30, "anon", snug_translated("private"));
    }
    if (log->series.known[SNUG_QUANTITY_FILE] > 0) {
        snug_svg_legend_item(out, &x, 30, "file", snug_translated("files"));
    }
    if (verdict != NULL && verdict->evidence[verdict->source].trend.shape >= SNUG_TREND_LINE) {
        snug_svg_legend_item(out, &x, 30, "trend dash", snug_translated("trend"));
    }
    add_limit_item(&x, lines->predicted, highest, "plan dash", snug_translated("planned peak"),
                   out);
    add_limit_item(&x, lines->budget, highest, "limit", snug_translated(lines->budget_words), out);
}

void snug_memory_picture(const snug_log *log, const snug_verdict *verdict,
                         const snug_memory_lines *lines, snug_text *out)
{
    spot spots[PLACES];
    static const struct {
        snug_quantity quantity;
        const char *classes;
    } beside[] = {{SNUG_QUANTITY_FILE, "file"}, {SNUG_QUANTITY_ANON, "anon"}};
    const snug_quantity total = verdict != NULL ? verdict->total : SNUG_QUANTITY_RSS;
    if (log->series.bin_count == 0) {
        return;
    }
    const canvas on = make_canvas(log, total, lines);
    const double highest = log->series.peaks[total];
    snug_svg_begin(out, WIDTH, HEIGHT, "memory over time", colours, SNUG_COUNT(colours));
    add_time_ticks(&on, out);
    snug_svg_value_ticks(out, &on.y, 6, LEFT, RIGHT);
    int64_t count = thin_out(&log->series, total, spots);
    add_band(&on, spots, count, out);
    add_line(&on, spots, count, "total", out);
    for (int64_t i = 0; i < SNUG_COUNT(beside); i++) {
        if (log->series.known[beside[i].quantity] > 0 && beside[i].quantity != total) {
            count = thin_out(&log->series, beside[i].quantity, spots);
            add_line(&on, spots, count, beside[i].classes, out);
        }
    }
    if (verdict != NULL) {
        add_trend(&on, verdict, out);
    }
    add_events(&on, log, out);
    if (drawn(lines->predicted, highest)) {
        add_level(&on, lines->predicted, "plan dash", snug_translated("planned peak"), out);
    }
    if (drawn(lines->budget, highest)) {
        add_level(&on, lines->budget, "limit", snug_translated(lines->budget_words), out);
    }
    add_legend(&on, log, verdict, total, lines, out);
    snug_text_add(out, "<text class=\"mid\" x=\"%d\" y=\"%d\">%s</text>\n", (LEFT + RIGHT) / 2,
                  HEIGHT - 10, snug_translated("time"));
    snug_svg_finish(out);
}
