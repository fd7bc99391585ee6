#include "train/report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "monitor/analysis.h"
#include "monitor/memory_picture.h"
#include "sys/file.h"
#include "sys/heap.h"
#include "train/plot.h"

enum {
    FACTS_MAX = 96,
    FACT_KEY_BYTES = 64,
    FACT_TEXT_BYTES = 128,
    SUMMARY_BYTES = 256 << 10,
    SETTINGS_BYTES = 64 << 10,
    PAGE_BYTES = 1 << 20
};

/** One member of summary.json. */
typedef struct fact {
    char key[FACT_KEY_BYTES];
    char text[FACT_TEXT_BYTES]; /* As it is written; of strings without quotes. */
    double value;               /* NAN: no number. */
    bool used;                  /* Shown already. */
} fact;

/** Everything that is needed for one page. */
typedef struct report_room {
    snug_analysis_item item;
    snug_plot plot;
    fact facts[FACTS_MAX];
    int64_t fact_count;
    char summary[SUMMARY_BYTES];
    char settings[SETTINGS_BYTES];
    char path[SNUG_PATH_BYTES];
    char block[SNUG_PLOT_BLOCK_BYTES];
    char page[PAGE_BYTES];
} report_room;

static fact *find_fact(report_room *room, const char *key)
{
    for (int64_t i = 0; i < room->fact_count; i++) {
        if (strcmp(room->facts[i].key, key) == 0) {
            return &room->facts[i];
        }
    }
    return NULL;
}

/* The number of this name, NAN when it is not there; noted as shown. */
static double number_of(report_room *room, const char *key)
{
    fact *found = find_fact(room, key);
    if (found == NULL) {
        return NAN;
    }
    found->used = true;
    return found->value;
}

static bool is_true(report_room *room, const char *key)
{
    fact *found = find_fact(room, key);
    if (found == NULL) {
        return false;
    }
    found->used = true;
    return strcmp(found->text, "true") == 0;
}

/* The members of the object's top level; groups inside are passed over. */
static snug_status read_facts(report_room *room, int64_t bytes, snug_error *err)
{
    snug_json_reader reader;
    snug_json_event key;
    snug_json_event value;
    snug_json_reader_init(&reader, room->summary, bytes);
    SNUG_TRY(snug_json_next(&reader, &key, err));
    if (key.kind != SNUG_JSON_OBJECT_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "summary.json is no object");
    }
    for (;;) {
        SNUG_TRY(snug_json_next(&reader, &key, err));
        if (key.kind != SNUG_JSON_KEY || room->fact_count == FACTS_MAX) {
            return SNUG_OK;
        }
        snug_json_reader ahead = reader;
        SNUG_TRY(snug_json_next(&ahead, &value, err));
        if (value.kind == SNUG_JSON_OBJECT_BEGIN || value.kind == SNUG_JSON_ARRAY_BEGIN ||
            value.kind == SNUG_JSON_NULL) {
            SNUG_TRY(snug_json_skip(&reader, err));
            continue;
        }
        reader = ahead;
        fact *made = &room->facts[room->fact_count];
        snug_text text;
        *made = (fact){.value = NAN};
        SNUG_TRY(snug_json_unescape(&key, made->key, sizeof made->key, err));
        snug_text_init(&text, made->text, sizeof made->text);
        snug_text_add(&text, "%.*s", (int)(value.text_bytes < 100 ? value.text_bytes : 100),
                      value.text);
        if (value.kind == SNUG_JSON_NUMBER) {
            SNUG_TRY(snug_json_to_f64(&value, &made->value, err));
        }
        room->fact_count++;
    }
}

/* RUN/summary.json; a run that crashed has none, and a broken one is as good as none. */
static bool load_summary(const char *folder, report_room *room)
{
    int64_t bytes = 0;
    room->fact_count = 0;
    return !snug_failed(snug_path_join(folder, "summary.json", room->path, NULL)) &&
           !snug_failed(
               snug_file_read_into(room->path, room->summary, SUMMARY_BYTES, &bytes, NULL)) &&
           !snug_failed(read_facts(room, bytes, NULL));
}

static void load_settings(const char *folder, report_room *room)
{
    int64_t bytes = 0;
    room->settings[0] = '\0';
    if (snug_failed(snug_path_join(folder, "config.yaml", room->path, NULL)) ||
        snug_failed(
            snug_file_read_into(room->path, room->settings, SETTINGS_BYTES, &bytes, NULL))) {
        room->settings[0] = '\0';
    }
}

/* The memory log of the run, else the memory in its metrics. Fails only when there is neither. */
static snug_status load_memory(const char *folder, report_room *room, snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL;
    const int64_t bytes = snug_log_read_bytes();
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, bytes, false, &memory, err));
    SNUG_TRY_DONE(snug_path_join(folder, "memory.jsonl", room->path, err));
    if (snug_path_look(room->path) == SNUG_PATH_FILE &&
        !snug_failed(snug_log_read(room->path, memory, &room->item.log, NULL))) {
        goto done;
    }
    SNUG_TRY_DONE(snug_path_join(folder, "metrics.jsonl", room->path, err));
    SNUG_TRY_DONE(snug_log_read(room->path, memory, &room->item.log, err));

done:
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, memory, bytes);
    return status;
}

static const char *size_of(double bytes, char out[SNUG_SIZE_TEXT_BYTES])
{
    return snug_size_text((int64_t)fmin(fmax(bytes, -9e18), 9e18), out);
}

static void add_headline(report_room *room, bool finished, snug_text *page)
{
    char sentence[256];
    char time[SNUG_TIME_TEXT_BYTES];
    snug_text text;
    const double steps = number_of(room, "steps");
    const double samples = number_of(room, "samples");
    const double seconds = number_of(room, "seconds");
    const bool interrupted = is_true(room, "interrupted");
    const bool early = is_true(room, "stopped_early");
    snug_text_init(&text, sentence, sizeof sentence);
    if (!finished) {
        const int64_t last = room->plot.point_count;
        snug_text_say(&text,
                      "no summary was written; the journal ends at step %.0f. Continue with "
                      "snug train --resume",
                      last > 0 ? room->plot.points[last - 1].step : 0.0);
        snug_html_headline(page, SNUG_TONE_BAD, "not finished", sentence);
        return;
    }
    snug_text_say(&text, "%.0f steps, %.0f samples in %s", steps, samples,
                  snug_time_text(seconds, time));
    snug_html_headline(page, interrupted ? SNUG_TONE_NOTICE : SNUG_TONE_GOOD,
                       interrupted ? "interrupted"
                       : early     ? "stopped early"
                                   : "finished",
                       sentence);
}

/* "predicted_peak_bytes" is "predicted peak" for people. */
static void name_of(const fact *of, char out[FACT_KEY_BYTES])
{
    memcpy(out, of->key, FACT_KEY_BYTES);
    char *const unit = strrchr(out, '_');
    if (unit != NULL && strcmp(unit, "_bytes") == 0) {
        *unit = '\0';
    }
    for (char *c = out; *c != '\0'; c++) {
        *c = *c == '_' ? ' ' : *c;
    }
}

/* A card of each number whose key begins so, up to `most`. */
static void add_number_cards(const report_room *room, const char *begin, int64_t most,
                             const char *note, snug_text *page)
{
    int64_t shown = 0;
    for (int64_t i = 0; i < room->fact_count && shown < most; i++) {
        const fact *of = &room->facts[i];
        char name[FACT_KEY_BYTES];
        char value[48];
        snug_text text;
        if (!snug_begins_with(of->key, begin) || isnan(of->value)) {
            continue;
        }
        name_of(of, name);
        snug_text_init(&text, value, sizeof value);
        snug_text_add(&text, "%.6g", of->value);
        snug_html_card(page, SNUG_TONE_PLAIN, name, value, note);
        shown++;
    }
}

static void add_cards(report_room *room, double peak, double predicted, double budget,
                      snug_text *page)
{
    char value[SNUG_SIZE_TEXT_BYTES];
    char size[SNUG_SIZE_TEXT_BYTES];
    char note[96];
    snug_text text;
    snug_html_cards_begin(page);
    add_number_cards(room, "best_validation_", 2, NULL, page);
    add_number_cards(room, "validation_", 3, "last evaluation", page);
    add_number_cards(room, "loss", 1, "last step", page);
    add_number_cards(room, "step_seconds_median", 1, NULL, page);
    snug_text_init(&text, note, sizeof note);
    if (predicted > 0) {
        snug_text_say(&text, "planned %s (%+.1f %%)", size_of(predicted, size),
                      100 * (predicted / peak - 1));
    } else {
        snug_text_say(&text, "of the process");
    }
    snug_html_card(page, budget > 0 && peak > budget ? SNUG_TONE_BAD : SNUG_TONE_PLAIN,
                   "peak memory", size_of(peak, value), note);
    snug_html_cards_end(page);
    if (budget > 0) {
        snug_text_init(&text, note, sizeof note);
        snug_text_say(&text, "peak memory is %.1f %% of the budget of %s", 100 * peak / budget,
                      size_of(budget, size));
        snug_html_bar(page, peak > budget ? SNUG_TONE_BAD : SNUG_TONE_GOOD, peak / budget, note);
    }
}

static void add_curves(const char *folder, report_room *room, double predicted, double budget,
                       snug_text *page)
{
    const snug_plot_labels labels = {.title = snug_path_name(folder),
                                     .budget_bytes = budget > 0 ? (int64_t)budget : 0,
                                     .predicted_bytes = predicted > 0 ? (int64_t)predicted : 0};
    if (room->plot.point_count == 0) {
        snug_html_paragraph(page, "The journal holds no step.");
        return;
    }
    snug_html_figure_begin(page);
    snug_plot_draw(&room->plot, &labels, page);
    snug_html_figure_end(page);
}

/* Sizes and times by their names, other numbers as they are. */
static void fact_text(const fact *of, snug_text *out)
{
    char size[SNUG_SIZE_TEXT_BYTES];
    char time[SNUG_TIME_TEXT_BYTES];
    const char *const unit = strrchr(of->key, '_');
    if (!isnan(of->value) && unit != NULL && strcmp(unit, "_bytes") == 0) {
        snug_text_add(out, "%s", size_of(of->value, size));
    } else if (!isnan(of->value) && strcmp(of->key, "seconds") == 0) {
        snug_text_add(out, "%s", snug_time_text(of->value, time));
    } else if (!isnan(of->value)) {
        snug_text_add(out, "%.8g", of->value);
    } else {
        snug_text_add(out, "%s", of->text);
    }
}

static void add_facts(const report_room *room, snug_text *page)
{
    if (room->fact_count == 0) {
        return;
    }
    snug_html_section(page, "Results and environment");
    snug_html_table_begin(page, NULL, 0);
    for (int64_t i = 0; i < room->fact_count; i++) {
        char name[FACT_KEY_BYTES];
        char value[FACT_TEXT_BYTES];
        snug_text text;
        const fact *of = &room->facts[i];
        if (strcmp(of->key, "schema") == 0 || strcmp(of->text, "false") == 0) {
            continue;
        }
        name_of(of, name);
        snug_text_init(&text, value, sizeof value);
        fact_text(of, &text);
        const char *const cells[] = {name, value};
        snug_html_row(page, cells, 2);
    }
    snug_html_table_end(page);
}

static void add_memory(report_room *room, double predicted, double budget, snug_text *page)
{
    const snug_verdict *v = &room->item.verdict;
    snug_html_section(page, "Memory");
    snug_html_headline(page, snug_verdict_tone(v), snug_verdict_name(v->kind), v->sentence);
    if (v->projection[0] != '\0') {
        snug_html_paragraph(page, v->projection);
    }
    if (room->item.log.kind == SNUG_LOG_OURS) {
        const snug_memory_lines lines = {.budget = budget > 0 ? budget : 0,
                                         .budget_words = "budget",
                                         .predicted = predicted > 0 ? predicted : 0};
        snug_html_figure_begin(page);
        snug_memory_picture(&room->item.log, v, &lines, page);
        snug_html_figure_end(page);
    }
    snug_analysis_page_figures(&room->item, page);
    snug_html_list_begin(page);
    for (int64_t i = 0; i < v->reason_count; i++) {
        snug_html_item(page, v->reasons[i]);
    }
    snug_html_list_end(page);
}

static void add_settings(const report_room *room, snug_text *page)
{
    if (room->settings[0] == '\0') {
        return;
    }
    snug_html_section(page, "Settings");
    snug_html_text_block(page, room->settings);
}

static void make_page(const char *folder, report_room *room, bool finished, snug_text *page)
{
    char title[SNUG_PATH_BYTES + 32];
    snug_text text;
    const double budget = number_of(room, "budget_bytes");
    const double predicted = number_of(room, "predicted_peak_bytes");
    const double kernel = number_of(room, "peak_rss_bytes");
    const double peak = kernel > 0 ? kernel : room->item.verdict.peak;
    snug_text_init(&text, title, sizeof title);
    snug_text_say(&text, "Run %s", snug_path_name(folder));
    snug_html_begin(page, title);
    add_headline(room, finished, page);
    add_cards(room, peak, predicted, budget, page);
    add_curves(folder, room, predicted, budget, page);
    add_memory(room, predicted, budget, page);
    add_facts(room, page);
    add_settings(room, page);
    snug_html_end(page, "Made by snug. Sizes are binary: 1 MiB is 1,048,576 bytes.");
}

static snug_status write_report(const char *folder, const char *html_path, report_room *room,
                                snug_error *err)
{
    snug_text page;
    SNUG_TRY(load_memory(folder, room, err));
    const bool finished = load_summary(folder, room);
    load_settings(folder, room);
    SNUG_TRY(snug_path_join(folder, "metrics.jsonl", room->path, err));
    if (snug_path_look(room->path) == SNUG_PATH_FILE) {
        SNUG_TRY(snug_plot_load(room->path, &room->plot, room->block, err));
    }
    fact *budget = find_fact(room, "budget_bytes");
    snug_verdict_find(&room->item.log,
                      budget != NULL && budget->value > 0 ? (int64_t)budget->value : 0,
                      &room->item.verdict);
    snug_text_init(&page, room->page, PAGE_BYTES);
    make_page(folder, room, finished, &page);
    if (page.truncated) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the page is larger than %d bytes", PAGE_BYTES);
    }
    if (html_path == NULL) {
        SNUG_TRY(snug_path_join(folder, "report.html", room->path, err));
        html_path = room->path;
    }
    return snug_file_write_all(html_path, page.data, page.length, err);
}

snug_status snug_run_report_write(const char *folder, const char *html_path, snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(
        snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(report_room), false, &memory, err));
    const snug_status status = write_report(folder, html_path, memory, err);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, memory, (int64_t)sizeof(report_room));
    return status;
}

int64_t snug_run_budget(const char *folder)
{
    void *memory = NULL;
    if (snug_failed(snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(report_room), false,
                                  &memory, NULL))) {
        return 0;
    }
    report_room *room = memory;
    const double budget = load_summary(folder, room) ? number_of(room, "budget_bytes") : NAN;
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, memory, (int64_t)sizeof(report_room));
    return budget > 0 && budget < 9e18 ? (int64_t)budget : 0;
}
