/* Experiments as a list of commands, a table, JSON and a page. */
#include "api/experiments_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/inside.h"
#include "base/attr.h"
#include "base/checked.h"
#include "base/text.h"
#include "base/translate.h"
#include "base/utf8.h"
#include "monitor/report_html.h"
#include "sys/heap.h"

enum {
    BASE_BYTES = 256 << 10,
    ITEM_BYTES = 8 << 10,
    CELL_BYTES = 128,
    FIXED_COLUMNS = 6, /* experiment, status, peak, of limit, time, memory back */
    CELLS_MAX = FIXED_COLUMNS + SNUG_EXPERIMENT_COLUMNS_MAX
};

int64_t snug_experiments_report_bytes(const snug_experiment_set *set)
{
    return BASE_BYTES + ITEM_BYTES * set->set.count;
}

static void write_changes(const snug_experiment *item, snug_json_writer *json)
{
    snug_json_key(json, "changes");
    snug_json_object_begin(json);
    for (int64_t i = 0; i < item->count; i++) {
        snug_json_put_string(json, item->keys[i], item->values[i]);
    }
    snug_json_object_end(json);
}

void snug_experiments_json(const snug_experiment_set *set, snug_text *text)
{
    snug_json_writer json;
    const int64_t best = snug_experiments_best(&set->set, set->results);
    snug_json_writer_init(&json, text, true);
    snug_json_object_begin(&json);
    snug_json_put_string(&json, "schema", "snug.experiments/1");
    snug_json_put_string(&json, "name", set->set.name);
    snug_json_put_string(&json, "folder", set->folder);
    snug_json_put_i64(&json, "budget_bytes", set->budget_bytes);
    snug_json_put_string(&json, "best_figure", snug_experiments_best_figure(&set->set));
    if (best >= 0) {
        snug_json_put_string(&json, "best", set->set.items[best].name);
    }
    if (set->memory_words != NULL) {
        snug_json_put_string(&json, "memory_compared", set->memory_words);
        snug_json_put_i64(&json, "memory_before_bytes", set->memory_before);
        snug_json_put_i64(&json, "memory_tolerance_bytes", set->tolerance_bytes);
    }
    snug_json_key(&json, "experiments");
    snug_json_array_begin(&json);
    for (int64_t i = 0; i < set->set.count; i++) {
        snug_json_object_begin(&json);
        snug_json_put_string(&json, "name", set->set.items[i].name);
        write_changes(&set->set.items[i], &json);
        snug_experiment_result_write(&set->results[i], &json);
        snug_json_object_end(&json);
    }
    snug_json_array_end(&json);
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
}

/* The figures in the table: those of the file, else the ones that some experiment reported. */
static int64_t choose_columns(const snug_experiment_set *set,
                              const char *out[SNUG_EXPERIMENT_COLUMNS_MAX])
{
    static const char *const usual[] = {"validation_loss",     "validation_mae", "validation_r2",
                                        "validation_accuracy", "validation_f1",  "loss"};
    const char *best = snug_experiments_best_figure(&set->set);
    const char *candidates[SNUG_EXPERIMENT_COLUMNS_MAX + 8];
    int64_t count = 0;
    int64_t chosen = 0;
    candidates[count++] = best;
    for (int64_t i = 0; i < SNUG_COUNT(usual) && set->set.column_count == 0; i++) {
        if (strcmp(usual[i], best) != 0) {
            candidates[count++] = usual[i];
        }
    }
    for (int64_t i = 0; i < set->set.column_count; i++) {
        if (strcmp(set->set.columns[i], best) != 0) {
            candidates[count++] = set->set.columns[i];
        }
    }
    for (int64_t c = 0; c < count && chosen < SNUG_EXPERIMENT_COLUMNS_MAX; c++) {
        for (int64_t i = 0; i < set->set.count; i++) {
            double value = 0;
            if (snug_experiment_figure_find(&set->results[i], candidates[c], &value)) {
                out[chosen++] = candidates[c];
                break;
            }
        }
    }
    return chosen;
}

static void memory_cell(const snug_experiment_result *result, char out[CELL_BYTES])
{
    char size[SNUG_SIZE_TEXT_BYTES];
    const int64_t left = result->memory_left_bytes;
    if (!result->memory_known) {
        (void)snprintf(out, CELL_BYTES, "-");
        return;
    }
    (void)snprintf(out, CELL_BYTES, "%s%c%s", snug_translated(result->memory_back ? "yes " : "NO "),
                   left < 0 ? '-' : '+', snug_size_text(left < 0 ? -left : left, size));
}

/* The cells of one row; empty ones are "-". */
static int64_t make_row(const snug_experiment_set *set, int64_t index, const char *const *columns,
                        int64_t column_count, char out[CELLS_MAX][CELL_BYTES])
{
    const snug_experiment_result *result = &set->results[index];
    const bool ended = result->status >= SNUG_EXPERIMENT_DONE;
    char size[SNUG_SIZE_TEXT_BYTES];
    int64_t at = 0;
    (void)snprintf(out[at++], CELL_BYTES, "%s", set->set.items[index].name);
    if (result->status == SNUG_EXPERIMENT_FAILED) {
        (void)snprintf(out[at++], CELL_BYTES, snug_translated_format("failed (%d)"),
                       result->exit_code);
    } else {
        (void)snprintf(out[at++], CELL_BYTES, "%s",
                       snug_translated(snug_experiment_status_name(result->status)));
    }
    for (int64_t i = 0; i < column_count; i++) {
        double value = 0;
        const bool known = snug_experiment_figure_find(result, columns[i], &value);
        (void)snprintf(out[at++], CELL_BYTES, known ? "%.5g" : "-", value);
    }
    const bool peak = ended && result->peak_bytes >= 0;
    (void)snprintf(out[at++], CELL_BYTES, "%s",
                   peak ? snug_size_text(result->peak_bytes, size) : "-");
    (void)snprintf(out[at++], CELL_BYTES, peak && result->limit_bytes > 0 ? "%.0f %%" : "-",
                   100.0 * (double)result->peak_bytes / (double)result->limit_bytes);
    (void)snprintf(out[at++], CELL_BYTES, ended ? "%.1f s" : "-", result->wall_s);
    memory_cell(result, out[at++]);
    return at;
}

static int64_t make_heading(const char *const *columns, int64_t column_count,
                            char out[CELLS_MAX][CELL_BYTES])
{
    static const char *const last[] = {"peak", "of limit", "time", "memory back"};
    int64_t at = 0;
    (void)snprintf(out[at++], CELL_BYTES, "%s", snug_translated("experiment"));
    (void)snprintf(out[at++], CELL_BYTES, "%s", snug_translated("status"));
    for (int64_t i = 0; i < column_count; i++) {
        (void)snprintf(out[at++], CELL_BYTES, "%.100s", columns[i]);
    }
    for (int64_t i = 0; i < SNUG_COUNT(last); i++) {
        (void)snprintf(out[at++], CELL_BYTES, "%s", snug_translated(last[i]));
    }
    return at;
}

static void widen(char cells[CELLS_MAX][CELL_BYTES], int64_t count, int64_t *widths)
{
    for (int64_t i = 0; i < count; i++) {
        widths[i] = snug_max_i64(widths[i], snug_utf8_columns(cells[i]));
    }
}

static void add_row(snug_text *text, char cells[CELLS_MAX][CELL_BYTES], int64_t count,
                    const int64_t *widths, bool marked)
{
    snug_text_add(text, "%s", marked ? "* " : "  ");
    for (int64_t i = 0; i < count; i++) {
        /* Names to the left, figures to the right. */
        snug_text_cell(text, i < 2 ? -widths[i] : widths[i], cells[i]);
        snug_text_add(text, "%s", i + 1 < count ? "  " : "\n");
    }
}

static void write_table(const snug_experiment_set *set, snug_text *text)
{
    const char *columns[SNUG_EXPERIMENT_COLUMNS_MAX];
    char cells[CELLS_MAX][CELL_BYTES];
    int64_t widths[CELLS_MAX] = {0};
    char size[SNUG_SIZE_TEXT_BYTES];
    const int64_t column_count = choose_columns(set, columns);
    const int64_t best = snug_experiments_best(&set->set, set->results);
    int64_t count = make_heading(columns, column_count, cells);
    widen(cells, count, widths);
    for (int64_t i = 0; i < set->set.count; i++) {
        (void)make_row(set, i, columns, column_count, cells);
        widen(cells, count, widths);
    }
    count = make_heading(columns, column_count, cells);
    add_row(text, cells, count, widths, false);
    for (int64_t i = 0; i < set->set.count; i++) {
        (void)make_row(set, i, columns, column_count, cells);
        add_row(text, cells, count, widths, i == best);
    }
    if (best >= 0) {
        const char *figure = snug_experiments_best_figure(&set->set);
        if (set->set.best_is_highest) {
            snug_text_say(text, "* the highest %s\n", figure);
        } else {
            snug_text_say(text, "* the lowest %s\n", figure);
        }
    }
    if (set->memory_words != NULL) {
        snug_text_say(text, "memory back: %s, within %s of before the first\n",
                      snug_translated(set->memory_words),
                      snug_size_text(set->tolerance_bytes, size));
    }
    snug_text_say(text, "Report    %s/report.html\n", set->folder);
}

snug_status snug_experiments_write(const snug_experiment_set *set, snug_format format,
                                   snug_write write, void *context, snug_error *err)
{
    snug_report report = {0};
    SNUG_TRY(snug_report_open(&report, snug_experiments_report_bytes(set), err));
    if (format == SNUG_FORMAT_JSON) {
        snug_experiments_json(set, &report.text);
    } else {
        write_table(set, &report.text);
    }
    return snug_report_send(&report, write, context, err);
}

static void count_status(const snug_experiment_set *set, int64_t out[SNUG_EXPERIMENT_STOPPED + 1])
{
    for (int64_t i = 0; i < set->set.count; i++) {
        out[set->results[i].status]++;
    }
}

static void add_headline(const snug_experiment_set *set, snug_text *text)
{
    char sentence[512];
    char value[64] = "";
    int64_t counts[SNUG_EXPERIMENT_STOPPED + 1] = {0};
    double figure = 0;
    const int64_t best = snug_experiments_best(&set->set, set->results);
    count_status(set, counts);
    if (best >= 0 && snug_experiment_figure_find(
                         &set->results[best], snug_experiments_best_figure(&set->set), &figure)) {
        (void)snprintf(value, sizeof value, "%.5g", figure);
    }
    snug_text words;
    snug_text_init(&words, sentence, sizeof sentence);
    snug_text_say(&words, "%" PRId64 " of %" PRId64 " experiments are done, %" PRId64 " failed",
                  counts[SNUG_EXPERIMENT_DONE], set->set.count, counts[SNUG_EXPERIMENT_FAILED]);
    if (best >= 0) {
        snug_text_say(&words, "; best is %.100s with %.48s %s", set->set.items[best].name,
                      snug_experiments_best_figure(&set->set), value);
    }
    const bool failed = counts[SNUG_EXPERIMENT_FAILED] > 0;
    const bool all_done = counts[SNUG_EXPERIMENT_DONE] == set->set.count;
    snug_html_headline(text,
                       failed     ? SNUG_TONE_BAD
                       : all_done ? SNUG_TONE_GOOD
                                  : SNUG_TONE_NOTICE,
                       failed     ? "failures"
                       : all_done ? "done"
                                  : "not done yet",
                       sentence);
}

/* One table row from the same cells as in the terminal. */
static void add_html_row(const snug_experiment_set *set, int64_t index, const char *const *columns,
                         int64_t column_count, snug_text *text)
{
    char cells[CELLS_MAX][CELL_BYTES];
    const char *pointers[CELLS_MAX];
    const int64_t count = make_row(set, index, columns, column_count, cells);
    for (int64_t i = 0; i < count; i++) {
        pointers[i] = cells[i];
    }
    snug_html_row(text, pointers, count);
}

static void add_html_table(const snug_experiment_set *set, snug_text *text)
{
    const char *columns[SNUG_EXPERIMENT_COLUMNS_MAX];
    char cells[CELLS_MAX][CELL_BYTES];
    const char *pointers[CELLS_MAX];
    const int64_t column_count = choose_columns(set, columns);
    const int64_t count = make_heading(columns, column_count, cells);
    for (int64_t i = 0; i < count; i++) {
        pointers[i] = cells[i];
    }
    snug_html_section(text, "Results");
    snug_html_table_begin(text, pointers, count);
    for (int64_t i = 0; i < set->set.count; i++) {
        add_html_row(set, i, columns, column_count, text);
    }
    snug_html_table_end(text);
}

static void add_bars(const snug_experiment_set *set, snug_text *text)
{
    snug_html_section(text, "Peak memory against the limit");
    for (int64_t i = 0; i < set->set.count; i++) {
        const snug_experiment_result *result = &set->results[i];
        char words[CELL_BYTES + 64];
        char peak[SNUG_SIZE_TEXT_BYTES];
        char limit[SNUG_SIZE_TEXT_BYTES];
        if (result->status < SNUG_EXPERIMENT_DONE || result->peak_bytes < 0 ||
            result->limit_bytes <= 0) {
            continue;
        }
        (void)snprintf(words, sizeof words, snug_translated_format("%.100s: %s of %s"),
                       set->set.items[i].name, snug_size_text(result->peak_bytes, peak),
                       snug_size_text(result->limit_bytes, limit));
        snug_html_bar(text, result->status == SNUG_EXPERIMENT_DONE ? SNUG_TONE_GOOD : SNUG_TONE_BAD,
                      (double)result->peak_bytes / (double)result->limit_bytes, words);
    }
}

static void add_details(const snug_experiment_set *set, snug_text *text)
{
    snug_html_section(text, "Each experiment");
    snug_html_list_begin(text);
    for (int64_t i = 0; i < set->set.count; i++) {
        const snug_experiment *item = &set->set.items[i];
        char data[4096];
        snug_text words;
        snug_text_init(&words, data, sizeof data);
        snug_text_add(&words, "%s:", item->name);
        for (int64_t c = 0; c < item->count; c++) {
            snug_text_add(&words, " %s=%s", item->keys[c], item->values[c]);
        }
        if (set->results[i].sentence[0] != '\0') {
            snug_text_add(&words, " (%s)", set->results[i].sentence);
        }
        snug_html_item(text, data);
    }
    snug_html_list_end(text);
}

void snug_experiments_page(const snug_experiment_set *set, snug_text *text)
{
    char line[512];
    char size[SNUG_SIZE_TEXT_BYTES];
    snug_html_begin(text, set->set.name);
    add_headline(set, text);
    add_html_table(set, text);
    if (set->memory_words != NULL) {
        (void)snprintf(line, sizeof line,
                       snug_translated_format("Memory back: %s, after each experiment compared "
                                              "with before the first; within %s is yes."),
                       snug_translated(set->memory_words),
                       snug_size_text(set->tolerance_bytes, size));
        snug_html_paragraph(text, line);
    }
    add_bars(set, text);
    add_details(set, text);
    snug_html_end(text, "snug experiments");
}

snug_status snug_experiments_save_html(const snug_experiment_set *set, const char *path,
                                       snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_report report = {0};
    SNUG_TRY(snug_report_open(&report, snug_experiments_report_bytes(set), err));
    snug_experiments_page(set, &report.text);
    if (report.text.truncated) {
        SNUG_FAIL_DONE(err, SNUG_CODE_LIMIT, "the page is too long");
    }
    SNUG_TRY_DONE(snug_file_write_all(path, report.text.data, report.text.length, err));

done:
    snug_report_close(&report);
    return status;
}

/* The command of one experiment as {run} and {budget} will be. */
static snug_status add_listed(const snug_experiment_set *set, int64_t index, snug_arena *arena,
                              snug_json_writer *json, snug_text *text, snug_error *err)
{
    const snug_experiment *item = &set->set.items[index];
    char run[SNUG_PATH_BYTES];
    char budget[32];
    char *const *words = NULL;
    (void)snprintf(run, sizeof run, "%.3900s/runs/%.128s", set->folder, item->name);
    (void)snprintf(budget, sizeof budget, "%" PRId64 "B", set->budget_bytes);
    const snug_experiment_places places = {.program = "snug", .run = run, .budget = budget};
    SNUG_TRY(snug_experiment_command(&set->set, item, &places, arena, &words, err));
    if (json == NULL) {
        snug_text_add(text, "%s  %s\n   ", item->name,
                      snug_experiment_status_name(set->results[index].status));
        for (int64_t i = 0; words[i] != NULL; i++) {
            snug_text_add(text, " %s", words[i]);
        }
        snug_text_add(text, "\n");
        return SNUG_OK;
    }
    snug_json_object_begin(json);
    snug_json_put_string(json, "name", item->name);
    snug_json_put_string(json, "status", snug_experiment_status_name(set->results[index].status));
    write_changes(item, json);
    snug_json_key(json, "command");
    snug_json_array_begin(json);
    for (int64_t i = 0; words[i] != NULL; i++) {
        snug_json_string(json, words[i]);
    }
    snug_json_array_end(json);
    snug_json_object_end(json);
    return SNUG_OK;
}

snug_status snug_experiments_list(const snug_experiment_set *set, snug_format format,
                                  snug_write write, void *context, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_report report = {0};
    snug_arena arena;
    snug_json_writer json;
    char size[SNUG_SIZE_TEXT_BYTES];
    const bool is_json = format == SNUG_FORMAT_JSON;
    snug_heap_arena_init(&arena, "list of experiments", SNUG_CATEGORY_RUNTIME, 1 << 20);
    SNUG_TRY_DONE(snug_report_open(&report, snug_experiments_report_bytes(set), err));
    if (is_json) {
        snug_json_writer_init(&json, &report.text, true);
        snug_json_object_begin(&json);
        snug_json_put_string(&json, "schema", "snug.experiments_list/1");
        snug_json_put_string(&json, "name", set->set.name);
        snug_json_put_i64(&json, "budget_bytes", set->budget_bytes);
        snug_json_key(&json, "experiments");
        snug_json_array_begin(&json);
    }
    for (int64_t i = 0; i < set->set.count; i++) {
        const snug_mark mark = snug_arena_mark(&arena);
        if (set->chosen[i]) {
            SNUG_TRY_DONE(add_listed(set, i, &arena, is_json ? &json : NULL, &report.text, err));
        }
        snug_arena_rewind(&arena, mark);
    }
    if (is_json) {
        snug_json_array_end(&json);
        snug_json_object_end(&json);
        snug_text_add(&report.text, "\n");
    } else {
        snug_text_say(&report.text, "each within %s (%s)\n",
                      snug_size_text(set->budget_bytes, size), set->budget_origin);
    }
    SNUG_TRY_DONE(snug_report_send(&report, write, context, err));

done:
    snug_report_close(&report);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    return status;
}
