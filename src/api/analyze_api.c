#include "snug/analyze.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "api/inside.h"
#include "monitor/analysis.h"
#include "sys/file.h"
#include "sys/heap.h"
#include "train/report.h"

/** The logs, each in memory of its own. */
struct snug_analysis {
    int64_t count;
    snug_analysis_item *items[SNUG_ANALYSIS_LOGS_MAX];
    char paths[SNUG_ANALYSIS_LOGS_MAX][SNUG_PATH_BYTES]; /* Of the files that were read. */
    const char *run; /* The only path, when it is a run; borrowed. */
};

/** Working memory of the comparison. */
typedef struct scratch_room {
    double values[2 * SNUG_SERIES_BINS_MAX];
} scratch_room;

/* A folder is a run: its memory log, else its metrics. */
static snug_status settle_path(const char *given, char out[SNUG_PATH_BYTES], bool *out_run,
                               snug_error *err)
{
    *out_run = snug_path_look(given) == SNUG_PATH_FOLDER;
    if (!*out_run) {
        snug_text text;
        snug_text_init(&text, out, SNUG_PATH_BYTES);
        snug_text_add(&text, "%s", given);
        return text.truncated
                   ? SNUG_FAIL(err, SNUG_CODE_LIMIT, "the path '%.60s...' is too long", given)
                   : SNUG_OK;
    }
    SNUG_TRY(snug_path_join(given, "memory.jsonl", out, err));
    if (snug_path_look(out) == SNUG_PATH_FILE) {
        return SNUG_OK;
    }
    SNUG_TRY(snug_path_join(given, "metrics.jsonl", out, err));
    if (snug_path_look(out) == SNUG_PATH_FILE) {
        return SNUG_OK;
    }
    return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                     "'%s' is no run: it has neither memory.jsonl nor metrics.jsonl", given);
}

/*
 * A run's memory log has a sample a second, its metrics one a step: of a short run the steps say
 * more. What else the memory log knows (events, rounds, what the program counted) stays.
 */
static snug_status add_steps(const char *run, void *room, snug_log *log,
                             char read_path[SNUG_PATH_BYTES], snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    void *memory = NULL;
    if (log->kind != SNUG_LOG_OURS || log->series.sample_count >= SNUG_VERDICT_SAMPLES_MIN ||
        snug_failed(snug_path_join(run, "metrics.jsonl", path, NULL)) ||
        snug_path_look(path) != SNUG_PATH_FILE) {
        return SNUG_OK;
    }
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(snug_log), false, &memory, err));
    snug_log *steps = memory;
    /* What cannot be used of them is no error here. */
    if (snug_log_read(path, room, steps, NULL) == SNUG_OK &&
        steps->series.sample_count > log->series.sample_count) {
        log->series = steps->series;
        log->peak_kernel =
            steps->peak_kernel > log->peak_kernel ? steps->peak_kernel : log->peak_kernel;
        memcpy(read_path, path, sizeof path);
    }
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, memory, (int64_t)sizeof(snug_log));
    return SNUG_OK;
}

static snug_status read_item(snug_analysis *analysis, int64_t index, const char *given,
                             int64_t limit_bytes, void *room, snug_error *err)
{
    snug_analysis_item *item = analysis->items[index];
    bool run = false;
    SNUG_TRY(settle_path(given, analysis->paths[index], &run, err));
    SNUG_TRY(snug_log_read(analysis->paths[index], room, &item->log, err));
    item->path = analysis->paths[index];
    if (run) {
        SNUG_TRY(add_steps(given, room, &item->log, analysis->paths[index], err));
    }
    if (run && limit_bytes == 0) {
        limit_bytes = snug_run_budget(given);
    }
    snug_verdict_find(&item->log, limit_bytes, &item->verdict);
    if (run && analysis->count == 1) {
        analysis->run = given;
    }
    return SNUG_OK;
}

static snug_status read_items(snug_analysis *analysis, const snug_analyze_options *options,
                              snug_error *err)
{
    snug_status status = SNUG_OK;
    void *room = NULL;
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, snug_log_read_bytes(), false, &room, err));
    for (int64_t i = 0; i < options->path_count; i++) {
        void *memory = NULL;
        SNUG_TRY_DONE(snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(snug_analysis_item),
                                    false, &memory, err));
        analysis->items[i] = memory;
        SNUG_TRY_DONE(read_item(analysis, i, options->paths[i], options->limit_bytes, room, err));
    }

done:
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, room, snug_log_read_bytes());
    return status;
}

snug_status snug_analysis_open(const snug_analyze_options *options, snug_analysis **out_analysis,
                               snug_error *err)
{
    void *memory = NULL;
    if (options->path_count < 1 || options->path_count > SNUG_ANALYSIS_LOGS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "1 to %d logs can be analysed at once, not %" PRId64,
                         SNUG_ANALYSIS_LOGS_MAX, options->path_count);
    }
    SNUG_TRY(
        snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(snug_analysis), false, &memory, err));
    snug_analysis *analysis = memory;
    analysis->count = options->path_count;
    const snug_status status = read_items(analysis, options, err);
    if (snug_failed(status)) {
        snug_analysis_close(analysis);
        return status;
    }
    *out_analysis = analysis;
    return SNUG_OK;
}

void snug_analysis_close(snug_analysis *analysis)
{
    if (analysis == NULL) {
        return;
    }
    for (int64_t i = 0; i < analysis->count; i++) {
        snug_heap_unmap(SNUG_CATEGORY_RUNTIME, analysis->items[i],
                        (int64_t)sizeof(snug_analysis_item));
    }
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, analysis, (int64_t)sizeof *analysis);
}

int64_t snug_analysis_count(const snug_analysis *analysis)
{
    return analysis->count;
}

void snug_analysis_look(const snug_analysis *analysis, int64_t index, snug_analysis_summary *out)
{
    const snug_verdict *v = &analysis->items[index]->verdict;
    *out = (snug_analysis_summary){.verdict = snug_verdict_name(v->kind),
                                   .leak = v->kind == SNUG_VERDICT_LEAK,
                                   .exceeded = v->exceeded,
                                   .peak_bytes = (int64_t)v->peak,
                                   .limit_bytes = (int64_t)v->limit,
                                   .bytes_per_second = v->rate,
                                   .bytes_per_second_low = v->rate_low,
                                   .bytes_per_second_high = v->rate_high,
                                   .reach_seconds = v->reach_s};
}

snug_status snug_analysis_write(const snug_analysis *analysis, snug_format format, bool color,
                                snug_write write, void *context, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_report report = {0};
    void *scratch = NULL;
    const snug_analysis_item *const *items = (const snug_analysis_item *const *)analysis->items;
    SNUG_TRY(snug_report_open(&report, SNUG_ANALYSIS_TEXT_BYTES, err));
    SNUG_TRY_DONE(
        snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(scratch_room), false, &scratch, err));
    if (format == SNUG_FORMAT_JSON) {
        snug_analysis_json(items, analysis->count, scratch, &report.text);
    } else {
        snug_analysis_text(items, analysis->count, color, scratch, &report.text);
    }
    SNUG_TRY_DONE(snug_report_send(&report, write, context, err));

done:
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, scratch, (int64_t)sizeof(scratch_room));
    snug_report_close(&report);
    return status;
}

static snug_status write_page(const snug_analysis *analysis, const char *path, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_report report = {0};
    void *scratch = NULL;
    const snug_analysis_item *const *items = (const snug_analysis_item *const *)analysis->items;
    SNUG_TRY(snug_report_open(&report, SNUG_ANALYSIS_PAGE_BYTES, err));
    SNUG_TRY_DONE(
        snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(scratch_room), false, &scratch, err));
    snug_analysis_page(items, analysis->count, scratch, &report.text);
    if (report.text.truncated) {
        SNUG_FAIL_DONE(err, SNUG_CODE_LIMIT, "the page is larger than %d bytes: fewer logs",
                       SNUG_ANALYSIS_PAGE_BYTES);
    }
    SNUG_TRY_DONE(snug_file_write_all(path, report.text.data, report.text.length, err));

done:
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, scratch, (int64_t)sizeof(scratch_room));
    snug_report_close(&report);
    return status;
}

snug_status snug_analysis_report(const snug_analysis *analysis, const char *path, snug_error *err)
{
    return analysis->run != NULL ? snug_run_report_write(analysis->run, path, err)
                                 : write_page(analysis, path, err);
}
