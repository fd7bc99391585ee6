#include "cli.h"

#include <math.h>
#include <unistd.h>

enum { METRICS = 4, LOGS_MAX = 17 };

/* The worst of all logs: a condition is about each of them. */
static void read_metrics(const snug_analysis *analysis, cli_metric out[METRICS])
{
    double leak = 0;
    double exceed = 0;
    double peak = 0;
    double growth = -INFINITY;
    for (int64_t i = 0; analysis != NULL && i < snug_analysis_count(analysis); i++) {
        snug_analysis_summary summary;
        snug_analysis_look(analysis, i, &summary);
        leak = summary.leak ? 1 : leak;
        exceed = summary.exceeded ? 1 : exceed;
        peak = fmax(peak, (double)summary.peak_bytes);
        growth = fmax(growth, summary.bytes_per_second * 3600);
    }
    out[0] = (cli_metric){"leak", leak};
    out[1] = (cli_metric){"exceed", exceed};
    out[2] = (cli_metric){"peak", peak};
    out[3] = (cli_metric){"growth", growth};
}

static int show(const cli_line *line, const snug_analysis *analysis)
{
    snug_error err = {0};
    cli_metric metrics[METRICS];
    const bool color = line->color_stdout;
    snug_status status = snug_analysis_write(
        analysis, line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT, color, cli_write, NULL, &err);
    if (status == SNUG_OK && line->values.report != NULL) {
        status = snug_analysis_report(analysis, line->values.report, &err);
        if (status == SNUG_OK) {
            cli_note("wrote %s", line->values.report);
        }
    }
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    read_metrics(analysis, metrics);
    return cli_fail_on_holds(line, metrics, METRICS) ? CLI_EXIT_CONDITION : CLI_EXIT_DONE;
}

int cli_run_analyze(const cli_line *line)
{
    snug_error err = {0};
    snug_analysis *analysis = NULL;
    const char *paths[LOGS_MAX];
    cli_metric metrics[METRICS];
    snug_analyze_options options = {.paths = paths};
    for (int64_t i = 0; i < line->positional_count; i++) {
        paths[options.path_count++] = line->positionals[i];
    }
    if (line->values.log_file != NULL) {
        paths[options.path_count++] = line->values.log_file;
    }
    if (options.path_count == 0) {
        cli_error("analyze needs a log: snug analyze memory.jsonl");
        return CLI_EXIT_USAGE;
    }
    if (line->values.limit != NULL &&
        snug_size_read(line->values.limit, &options.limit_bytes, &err) != SNUG_OK) {
        return cli_failed(SNUG_CODE_USAGE, &err);
    }
    read_metrics(NULL, metrics);
    if (!cli_fail_on_check(line, metrics, METRICS)) {
        return CLI_EXIT_USAGE;
    }
    const snug_status status = snug_analysis_open(&options, &analysis, &err);
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    const int code = show(line, analysis);
    snug_analysis_close(analysis);
    return code;
}
