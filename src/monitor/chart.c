#include "monitor/chart.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/checked.h"
#include "base/translate.h"
#include "base/utf8.h"
#include "monitor/verdict.h"

enum {
    LABEL_COLUMNS = 8, /* "12.3 GiB" would be too wide: "12.3G". */
    OTHER_ROWS = 5,    /* Title, axis, three lines of figures. */
    FACT_BYTES = 256,
    FACTS_MAX = 20,
    FACT_ROWS = 3
};

/* Inks are curves + 1; 0 is none. */
static const char *const ink_colors[SNUG_CURVE_COUNT + 1] = {
    "", "\033[32m", "\033[36m", "\033[34m", "\033[31m", "\033[32m", "\033[35m"};
static const char ink_letters[SNUG_CURVE_COUNT + 1] = " *+o-*g";

/* One figure with the ink of its curve. */
typedef struct fact {
    int ink;
    char text[FACT_BYTES];
} fact;

typedef struct fact_list {
    fact facts[FACTS_MAX];
    int64_t count;
} fact_list;

static void add_fact(fact_list *list, int ink, const char *format, ...) SNUG_PRINTF(3, 4);

static void add_fact(fact_list *list, int ink, const char *format, ...)
{
    va_list arguments;
    if (list->count < FACTS_MAX) {
        fact *next = &list->facts[list->count++];
        next->ink = ink;
        va_start(arguments, format);
        (void)vsnprintf(next->text, sizeof next->text, snug_translated_format(format), arguments);
        va_end(arguments);
    }
}

/* The last value of a field, however long ago it was read; false when it never was. */
static bool last_of(const snug_recorder *recorder, snug_log_field field, double *out)
{
    const snug_field_figures *figures = &recorder->history.figures[field];
    *out = figures->last;
    return figures->count > 0;
}

static void add_bytes(const snug_recorder *recorder, fact_list *list, int ink, const char *word,
                      snug_log_field field)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    double value = 0;
    if (last_of(recorder, field, &value)) {
        add_fact(list, ink, "%s %s", snug_translated(word), snug_size_text((int64_t)value, size));
    }
}

static void add_group(const snug_recorder *recorder, fact_list *list)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    char limit[SNUG_SIZE_TEXT_BYTES];
    double used = 0;
    double total = 0;
    if (!last_of(recorder, SNUG_FIELD_CGROUP, &used)) {
        return;
    }
    (void)snug_size_text((int64_t)used, size);
    if (last_of(recorder, SNUG_FIELD_CGROUP_LIMIT, &total)) {
        add_fact(list, SNUG_CURVE_CGROUP + 1, "group %s of %s", size,
                 snug_size_text((int64_t)total, limit));
    } else {
        add_fact(list, SNUG_CURVE_CGROUP + 1, "group %s", size);
    }
}

static void add_used(const snug_recorder *recorder, fact_list *list)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    char total[SNUG_SIZE_TEXT_BYTES];
    double used = 0;
    if (last_of(recorder, SNUG_FIELD_USED, &used)) {
        add_fact(list, SNUG_CURVE_USED + 1, "used %s of %s", snug_size_text((int64_t)used, size),
                 snug_size_text(recorder->sampler.machine_bytes, total));
    }
}

static void add_gpu(const snug_recorder *recorder, fact_list *list)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    char total_size[SNUG_SIZE_TEXT_BYTES];
    double used = 0;
    double total = 0;
    double use = 0;
    double celsius = 0;
    if (!last_of(recorder, SNUG_FIELD_GPU_USED, &used) ||
        !last_of(recorder, SNUG_FIELD_GPU_TOTAL, &total)) {
        return;
    }
    add_fact(list, SNUG_CURVE_GPU + 1, "GPU %s of %s", snug_size_text((int64_t)used, size),
             snug_size_text((int64_t)total, total_size));
    add_bytes(recorder, list, SNUG_CURVE_GPU + 1, "of it ours", SNUG_FIELD_GPU_TARGET);
    if (last_of(recorder, SNUG_FIELD_GPU_UTIL, &use)) {
        add_fact(list, 0, "GPU use %.0f %%", use);
    }
    if (last_of(recorder, SNUG_FIELD_GPU_TEMPERATURE, &celsius)) {
        add_fact(list, 0, "GPU %.0f C", celsius);
    }
}

/* What the alarm found, once it has. */
static void add_leak(const snug_recorder *recorder, fact_list *list)
{
    char rate[SNUG_TIME_TEXT_BYTES];
    if (recorder->leak.raised) {
        add_fact(list, SNUG_CURVE_LIMIT + 1, "grows steadily, %s",
                 snug_rate_text(recorder->leak.rate, rate));
    }
}

static void collect_facts(const snug_recorder *recorder, fact_list *list)
{
    const bool machine = recorder->options.target == SNUG_TARGET_MACHINE;
    char size[SNUG_SIZE_TEXT_BYTES];
    double value = 0;
    double full = 0;
    list->count = 0;
    if (machine) {
        add_used(recorder, list);
    }
    add_bytes(recorder, list, SNUG_CURVE_RSS + 1, "resident", SNUG_FIELD_RSS);
    if (!machine) {
        add_fact(list, 0, "peak %s",
                 snug_size_text((int64_t)fmax(snug_recorder_peak_kernel(recorder),
                                              snug_recorder_peak_sampled(recorder)),
                                size));
    }
    add_bytes(recorder, list, SNUG_CURVE_PSS + 1, "share", SNUG_FIELD_PSS);
    add_group(recorder, list);
    add_gpu(recorder, list);
    add_leak(recorder, list);
    add_bytes(recorder, list, 0, "available", SNUG_FIELD_AVAILABLE);
    if (last_of(recorder, SNUG_FIELD_CPU, &value)) {
        add_fact(list, 0, "CPU %.0f %%", value);
    }
    add_bytes(recorder, list, 0, "anonymous", SNUG_FIELD_ANON);
    add_bytes(recorder, list, 0, "file", SNUG_FIELD_FILE);
    add_bytes(recorder, list, 0, "shared", SNUG_FIELD_SHMEM);
    add_bytes(recorder, list, 0, "swap", machine ? SNUG_FIELD_SWAP_USED : SNUG_FIELD_SWAP);
    if (last_of(recorder, SNUG_FIELD_PSI_SOME, &value) &&
        last_of(recorder, SNUG_FIELD_PSI_FULL, &full)) {
        add_fact(list, 0, "pressure %.1f/%.1f %%", value, full);
    }
    if (last_of(recorder, SNUG_FIELD_PROCESSES, &value)) {
        add_fact(list, 0, "processes %.0f", value);
    }
    if (last_of(recorder, SNUG_FIELD_THREADS, &value)) {
        add_fact(list, 0, "threads %.0f", value);
    }
    if (last_of(recorder, SNUG_FIELD_TEMPERATURE, &value)) {
        add_fact(list, 0, "%.0f C", value);
    }
}

static void add_time(snug_text *out, double seconds)
{
    const int64_t whole = (int64_t)seconds;
    snug_text_add(out, "%d:%02d:%02d", (int)(whole / 3600), (int)(whole / 60 % 60),
                  (int)(whole % 60));
}

void snug_chart_line(const snug_recorder *recorder, snug_text *out)
{
    fact_list list;
    collect_facts(recorder, &list);
    add_time(out, recorder->last.t);
    for (int64_t i = 0; i < list.count && i < 8; i++) {
        snug_text_add(out, "  %s", list.facts[i].text);
    }
    if (recorder->levels.level != SNUG_LEVEL_OK) {
        snug_text_add(out, "  %s", snug_translated(snug_level_name(recorder->levels.level)));
    }
}

static void end_row(const snug_chart_options *options, snug_text *out)
{
    snug_text_add(out, "%s\n", options->clear ? "\033[K" : "");
}

/* "12.3G": 5 columns. */
static void add_label(snug_text *out, double bytes)
{
    static const char units[] = "KMGT";
    double value = bytes / 1024;
    int unit = 0;
    while (value >= 999.5 && unit < 3) {
        value /= 1024;
        unit++;
    }
    snug_text_add(out, value < 99.95 ? "%6.1f%c" : "%6.0f%c", value, units[unit]);
}

static const uint8_t braille_bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

static void set_dot(snug_chart_canvas *canvas, int64_t x, int64_t y, int ink)
{
    canvas->dots[y / 4][x / 2] |= braille_bits[y % 4][x % 2];
    canvas->ink[y / 4][x / 2] = (uint8_t)ink;
}

/* Where curves go: dots from the left and from the top. */
typedef struct chart_frame {
    snug_history_view view;
    double top; /* Value of the upper edge. */
    int64_t columns, rows;
} chart_frame;

static int64_t dot_x(const chart_frame *frame, double t)
{
    const double share = (t - frame->view.t_first) / (frame->view.t_last - frame->view.t_first);
    return snug_max_i64(0, snug_min_i64((int64_t)(share * (double)(frame->columns * 2 - 1)),
                                        frame->columns * 2 - 1));
}

static int64_t dot_y(const chart_frame *frame, double value)
{
    const int64_t last = frame->rows * 4 - 1;
    return snug_max_i64(0, snug_min_i64(last, last - (int64_t)(value / frame->top * (double)last)));
}

static void draw_curve(const snug_history *history, const chart_frame *frame, int curve,
                       snug_chart_canvas *canvas)
{
    int64_t x_before = -1;
    int64_t y_before = 0;
    for (int64_t i = 0; i < history->point_count; i++) {
        const double value = history->points[i].values[curve];
        const double t = history->points[i].t;
        if (isnan(value) || t < frame->view.t_first || t > frame->view.t_last) {
            continue;
        }
        const int64_t x = dot_x(frame, t);
        const int64_t y = dot_y(frame, value);
        if (x_before < 0) {
            x_before = x;
            y_before = y;
        }
        for (int64_t at = x_before; at <= x; at++) {
            /* A straight line, and the whole step where it is steeper than a dot. */
            const int64_t span = snug_max_i64(1, x - x_before);
            const int64_t from = y_before + (y - y_before) * (at - x_before) / span;
            const int64_t to = at == x ? y : y_before + (y - y_before) * (at + 1 - x_before) / span;
            for (int64_t row = snug_min_i64(from, to); row <= snug_max_i64(from, to); row++) {
                set_dot(canvas, at, row, curve + 1);
            }
        }
        x_before = x;
        y_before = y;
    }
}

static void draw_all(const snug_recorder *recorder, const chart_frame *frame,
                     snug_chart_canvas *canvas)
{
    static const snug_curve order[] = {SNUG_CURVE_GPU, SNUG_CURVE_CGROUP, SNUG_CURVE_PSS,
                                       SNUG_CURVE_USED, SNUG_CURVE_RSS};
    for (int64_t row = 0; row < frame->rows; row++) {
        memset(canvas->dots[row], 0, (size_t)frame->columns);
        memset(canvas->ink[row], 0, (size_t)frame->columns);
    }
    if (frame->view.shown[SNUG_CURVE_LIMIT]) {
        const int64_t y = dot_y(frame, frame->view.limit);
        for (int64_t x = 0; x < frame->columns * 2; x += 2) {
            set_dot(canvas, x, y, SNUG_CURVE_LIMIT + 1);
        }
    }
    for (int64_t i = 0; i < SNUG_COUNT(order); i++) {
        if (frame->view.shown[order[i]]) {
            draw_curve(&recorder->history, frame, order[i], canvas);
        }
    }
}

static void add_cells(const snug_chart_options *options, const chart_frame *frame,
                      const snug_chart_canvas *canvas, int64_t row, snug_text *out)
{
    int ink_now = 0;
    int64_t last = frame->columns;
    while (last > 0 && canvas->dots[row][last - 1] == 0) {
        last--;
    }
    for (int64_t column = 0; column < last; column++) {
        const uint8_t dots = canvas->dots[row][column];
        const int ink = dots != 0 ? canvas->ink[row][column] : 0;
        if (options->color && ink != ink_now) {
            snug_text_add(out, "%s%s", ink_now != 0 ? "\033[0m" : "", ink_colors[ink]);
            ink_now = ink;
        }
        if (dots == 0) {
            snug_text_add(out, " ");
        } else if (options->ascii) {
            snug_text_add(out, "%c", ink_letters[ink]);
        } else {
            /* U+2800 and the dots, in UTF-8. */
            snug_text_add(out, "\xe2%c%c", (char)(0xa0 | dots >> 6), (char)(0x80 | (dots & 0x3f)));
        }
    }
    if (ink_now != 0) {
        snug_text_add(out, "\033[0m");
    }
}

static void add_curves(const snug_chart_options *options, const chart_frame *frame,
                       const snug_chart_canvas *canvas, snug_text *out)
{
    const int64_t every = frame->rows >= 8 ? 4 : 2;
    for (int64_t row = 0; row < frame->rows; row++) {
        if (row % every == 0) {
            add_label(out, frame->top * (1 - (double)row / (double)frame->rows));
            snug_text_add(out, "%s", options->ascii ? "+" : "\xe2\x94\xa4");
        } else {
            snug_text_add(out, "%7s%s", "", options->ascii ? "|" : "\xe2\x94\x82");
        }
        add_cells(options, frame, canvas, row, out);
        end_row(options, out);
    }
}

/* "0 +-- 10:05 ----- 12:05": the axis with its last time, and its first where that is not 0. */
static void add_axis(const snug_chart_options *options, const chart_frame *frame, snug_text *out)
{
    char time[32];
    char begin[32];
    snug_text last;
    snug_text first;
    snug_text_init(&last, time, sizeof time);
    snug_text_init(&first, begin, sizeof begin);
    add_time(&last, frame->view.t_last);
    snug_text_add(out, "%7s%s", "0", options->ascii ? "+" : "\xe2\x94\xbc");
    if (frame->view.t_first >= 1) {
        add_time(&first, frame->view.t_first);
        snug_text_add(out, " %s ", begin);
    }
    const int64_t used = last.length + 1 + (first.length > 0 ? first.length + 2 : 0);
    for (int64_t column = 0; column < frame->columns - used; column++) {
        snug_text_add(out, "%s", options->ascii ? "-" : "\xe2\x94\x80");
    }
    snug_text_add(out, " %s", time);
    end_row(options, out);
}

static void add_title(const snug_recorder *recorder, const snug_chart_options *options,
                      snug_text *out)
{
    char left[64];
    char right[64];
    snug_text words;
    const bool machine = recorder->options.target == SNUG_TARGET_MACHINE;
    snug_text_init(&words, right, sizeof right);
    add_time(&words, recorder->last.t);
    if (machine) {
        (void)snprintf(left, sizeof left, "%s", snug_translated("the machine"));
    } else {
        (void)snprintf(left, sizeof left, snug_translated_format("pid %lld "),
                       (long long)recorder->target_pid);
    }
    const int64_t room = options->columns - snug_utf8_columns(left) - words.length - 2;
    const int64_t bytes = snug_utf8_fit(recorder->command, snug_max_i64(room, 0));
    char shown[SNUG_RECORDER_COMMAND_BYTES];
    (void)snprintf(shown, sizeof shown, "%.*s", (int)bytes, recorder->command);
    const int pad = (int)snug_max_i64(0, room - snug_utf8_columns(shown)) + 2;
    snug_text_add(out, "%s%s%s%s%*s%s", options->color ? "\033[1m" : "", left, shown,
                  options->color ? "\033[0m" : "", pad, "", right);
    end_row(options, out);
}

/* Facts flow over the lines; what has no room any more is left out. */
static void add_facts(const snug_recorder *recorder, const snug_chart_options *options,
                      snug_text *out)
{
    fact_list list;
    int64_t next = 0;
    collect_facts(recorder, &list);
    if (recorder->levels.level != SNUG_LEVEL_OK) {
        memmove(&list.facts[1], &list.facts[0], sizeof(fact) * (FACTS_MAX - 1));
        list.count = snug_min_i64(list.count + 1, FACTS_MAX);
        list.facts[0].ink = SNUG_CURVE_LIMIT + 1;
        char reason[SNUG_LEVELS_REASON_BYTES];
        char *text = list.facts[0].text;
        (void)snprintf(text, FACT_BYTES, "%s: %s",
                       snug_translated(snug_level_name(recorder->levels.level)),
                       snug_level_reason_text(&recorder->levels.reason, true, reason));
        text[snug_utf8_fit(text, options->columns - 2)] = '\0';
    }
    for (int row = 0; row < FACT_ROWS; row++) {
        int64_t used = 0;
        while (next < list.count) {
            const fact *item = &list.facts[next];
            const int64_t length = snug_utf8_columns(item->text) + (used > 0 ? 3 : 0);
            if (used + length > options->columns - 1) {
                break;
            }
            const bool ink = options->color && item->ink != 0;
            snug_text_add(out, "%s%s%s%s", used > 0 ? "   " : "", ink ? ink_colors[item->ink] : "",
                          item->text, ink ? "\033[0m" : "");
            used += length;
            next++;
        }
        end_row(options, out);
    }
}

/* The foot, cut where the line ends; its last line is no different from the others. */
static void add_foot(const snug_chart_options *options, snug_text *out)
{
    if (options->foot != NULL) {
        snug_text_add(out, "%s%.*s%s", options->color ? "\033[2m" : "",
                      (int)snug_utf8_fit(options->foot, options->columns - 1), options->foot,
                      options->color ? "\033[0m" : "");
        end_row(options, out);
    }
}

/* A part of the time has a height of its own. */
static void zoom(const snug_history *history, const snug_chart_options *options, chart_frame *frame)
{
    snug_history_view *view = &frame->view;
    double top = 1 << 20;
    if (options->until_t > 0) {
        view->t_last = fmax(fmin(view->t_last, options->until_t), view->t_first + 1);
    }
    if (!(options->window_s > 0) || view->t_last - view->t_first <= options->window_s) {
        return;
    }
    view->t_first = view->t_last - options->window_s;
    for (int64_t i = 0; i < history->point_count; i++) {
        const snug_history_point *point = &history->points[i];
        for (int curve = 0; curve < SNUG_CURVE_COUNT; curve++) {
            const bool inside = point->t >= view->t_first && point->t <= view->t_last;
            if (inside && view->shown[curve] && curve != SNUG_CURVE_LIMIT) {
                /* A NaN is no maximum. */
                top = fmax(top, point->values[curve]);
            }
        }
    }
    view->shown[SNUG_CURVE_LIMIT] = view->shown[SNUG_CURVE_LIMIT] && view->limit < 2 * top;
    view->top = view->shown[SNUG_CURVE_LIMIT] ? fmax(top, view->limit) : top;
}

void snug_chart_draw(const snug_recorder *recorder, const snug_chart_options *options,
                     snug_chart_canvas *canvas, snug_text *out)
{
    snug_chart_options chosen = *options;
    chart_frame frame = {0};
    chosen.columns = snug_max_i64(SNUG_CHART_COLUMNS_MIN,
                                  snug_min_i64(options->columns, SNUG_CHART_COLUMNS_MAX));
    chosen.rows =
        snug_max_i64(SNUG_CHART_ROWS_MIN, snug_min_i64(options->rows, SNUG_CHART_ROWS_MAX));
    frame.columns = chosen.columns - LABEL_COLUMNS;
    frame.rows = chosen.rows - OTHER_ROWS - (chosen.foot != NULL ? 1 : 0);
    snug_history_view_choose(&recorder->history, recorder->options.target == SNUG_TARGET_MACHINE,
                             (double)recorder->options.levels.limit_bytes, &frame.view);
    zoom(&recorder->history, &chosen, &frame);
    /* A little air, so that the highest value is not the edge. */
    frame.top = frame.view.top * 1.08;
    draw_all(recorder, &frame, canvas);
    add_title(recorder, &chosen, out);
    add_curves(&chosen, &frame, canvas, out);
    add_axis(&chosen, &frame, out);
    add_facts(recorder, &chosen, out);
    add_foot(&chosen, out);
}
