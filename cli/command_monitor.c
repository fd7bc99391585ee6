#include "cli.h"
#include "monitor_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NAME_BYTES = 4096 };

/* Everything that a command line asks for. Too large for the stack. */
typedef struct monitor_plan {
    snug_monitor_options options;
    bool own_name; /* The name of the log was made up. */
    char log[NAME_BYTES];
    char plot[NAME_BYTES];
} monitor_plan;

/* "70,80,90": ascending percents. */
static bool read_percents(const char *option, const char *text, double out[3])
{
    char *end = NULL;
    const char *at = text;
    double last = 0;
    for (int i = 0; i < 3; i++) {
        const double value = strtod(at, &end);
        const bool closed = i < 2 ? *end == ',' : *end == '\0';
        if (end == at || !closed || !(value > last && value <= 100)) {
            cli_error("--%s is three ascending percents like 70,80,90, not '%s'", option, text);
            return false;
        }
        out[i] = value;
        last = value;
        at = end + 1;
    }
    return true;
}

static bool read_target(const cli_line *line, snug_monitor_options *out)
{
    const cli_values *values = &line->values;
    const int count = (values->pid != NULL ? 1 : 0) + (values->name != NULL ? 1 : 0) +
                      (line->positional_count > 0 ? 1 : 0);
    if (count > 1) {
        cli_error("one target only: --pid, --name or a command behind --");
        return false;
    }
    if (values->pid != NULL) {
        out->target = SNUG_MONITOR_PID;
        return cli_number("pid", values->pid, 1, INT64_C(1) << 31, &out->pid);
    }
    if (values->name != NULL) {
        out->target = SNUG_MONITOR_NAME;
        out->name = values->name;
    } else if (line->positional_count > 0) {
        out->target = SNUG_MONITOR_COMMAND;
        out->command = line->positionals;
    }
    return true;
}

static bool read_times(const cli_values *values, snug_monitor_options *out)
{
    double stall_s = 0;
    const struct {
        const char *option, *text;
        double *out;
    } times[] = {{"interval", values->interval, &out->interval_s},
                 {"duration", values->duration, &out->duration_s},
                 {"plot-interval", values->plot_interval, &out->plot_interval_s},
                 {"pss-stall", values->pss_stall, &stall_s}};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        if (times[i].text != NULL && !cli_seconds(times[i].option, times[i].text, times[i].out)) {
            return false;
        }
    }
    out->pss_stall_ms = stall_s * 1000;
    return true;
}

static bool read_levels(const cli_values *values, snug_monitor_options *out)
{
    snug_error err = {0};
    const char *warn = values->warn != NULL ? values->warn : "both";
    out->no_percent = strcmp(warn, "headroom") == 0 || strcmp(warn, "off") == 0;
    out->no_headroom = strcmp(warn, "percent") == 0 || strcmp(warn, "off") == 0;
    if (values->limit != NULL &&
        snug_size_read(values->limit, &out->limit_bytes, &err) != SNUG_OK) {
        cli_error("--limit: %s", err.message);
        return false;
    }
    return (values->thresholds == NULL ||
            read_percents("threshold", values->thresholds, out->memory_percent)) &&
           (values->gpu_thresholds == NULL ||
            read_percents("gpu-threshold", values->gpu_thresholds, out->gpu_percent));
}

/* The log's name and the picture's, which follows it when only its interval was given. */
static void choose_files(const cli_values *values, monitor_plan *plan)
{
    const time_t now = time(NULL);
    struct tm parts = {0};
    char stamp[32] = "";
    if (values->log_file == NULL) {
        (void)localtime_r(&now, &parts);
        (void)strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &parts);
        (void)snprintf(plan->log, sizeof plan->log, "memory-%s.jsonl", stamp);
        plan->options.log = plan->log;
        plan->own_name = true;
    } else if (strcmp(values->log_file, "none") != 0) {
        plan->options.log = values->log_file;
    }
    plan->options.plot = values->plot;
    if (values->plot == NULL && values->plot_interval != NULL) {
        const char *base = plan->options.log != NULL ? plan->options.log : "memory";
        const size_t length = strlen(base);
        const size_t cut =
            length > 6 && strcmp(base + length - 6, ".jsonl") == 0 ? length - 6 : length;
        (void)snprintf(plan->plot, sizeof plan->plot, "%.*s.svg", (int)cut, base);
        plan->options.plot = plan->plot;
    }
}

static bool check_plot(const char *path)
{
    const size_t length = path != NULL ? strlen(path) : 0;
    if (length > 4 && strcmp(path + length - 4, ".svg") != 0 &&
        strcmp(path + length - 4, ".png") != 0) {
        cli_error("--plot draws SVG or PNG: give a name that ends in .svg or .png");
        return false;
    }
    return true;
}

static bool read_plan(const cli_line *line, monitor_plan *plan)
{
    const cli_values *values = &line->values;
    snug_monitor_options *options = &plan->options;
    if (!read_target(line, options) || !read_times(values, options) ||
        !read_levels(values, options) || !check_plot(values->plot)) {
        return false;
    }
    options->alone = values->alone;
    options->steady = values->steady;
    options->force = values->force;
    options->no_gpu = values->gpu != NULL && strcmp(values->gpu, "off") == 0;
    if (values->pss != NULL) {
        options->pss = strcmp(values->pss, "always") == 0  ? SNUG_MONITOR_PSS_ALWAYS
                       : strcmp(values->pss, "never") == 0 ? SNUG_MONITOR_PSS_NEVER
                                                           : SNUG_MONITOR_PSS_AUTO;
    }
    choose_files(values, plan);
    return true;
}

/* Where the current folder takes no file, a log that nobody asked for is left out. */
static snug_status open_monitor(monitor_plan *plan, snug_monitor **out, int *out_exit,
                                snug_error *err)
{
    snug_status status = snug_monitor_open(&plan->options, out, out_exit, err);
    const bool disk = status == SNUG_CODE_IO || status == SNUG_CODE_FULL;
    if (disk && plan->own_name && *out_exit == 0) {
        cli_note("no log: %s", err->message);
        plan->options.log = NULL;
        *err = (snug_error){0};
        status = snug_monitor_open(&plan->options, out, out_exit, err);
    }
    return status;
}

static bool is_number(const char *word)
{
    return word[0] != '\0' && strspn(word, "0123456789") == strlen(word);
}

/* What was seen and what it cost, in two lines. */
static void print_figures(const snug_monitor_end *end)
{
    char sampled[32];
    char kernel[32];
    char rss[32];
    char own[32];
    (void)snug_size_show(end->peak_kernel_bytes, kernel);
    if (end->samples == 0) {
        cli_note("it ended before the first sample%s%s",
                 end->peak_kernel_bytes > 0 ? T_("; peak by the kernel ") : "",
                 end->peak_kernel_bytes > 0 ? kernel : "");
        return;
    }
    /* The kernel's mark is of one process: below the sum of all of them it says nothing. */
    const bool both = end->peak_kernel_bytes > end->peak_sampled_bytes / 100 * 98;
    cli_note("peak %s sampled%s%s, %" PRId64 " samples in %.1f s",
             snug_size_show(end->peak_sampled_bytes, sampled), both ? T_(", by the kernel ") : "",
             both ? kernel : "", end->samples, end->seconds);
    cli_note("this watch took %.3f %% of a core, %s of memory (%s private)", end->own_cpu_percent,
             snug_size_show(end->own_rss_bytes, rss), snug_size_show(end->own_private_bytes, own));
}

/* `drawn`: the picture, if one was asked for, is there. */
static void print_end(const cli_line *line, const monitor_plan *plan, snug_monitor *monitor,
                      bool drawn)
{
    snug_monitor_end end;
    snug_monitor_end_read(monitor, &end);
    if (end.exit_status < 0 && end.reason[0] != '\0' && strcmp(end.reason, "duration") != 0 &&
        strcmp(end.reason, "interrupted") != 0) {
        cli_note("ended: %s", strcmp(end.reason, "pid_reused") == 0
                                  ? T_("the process has ended and its number belongs to another")
                              : strcmp(end.reason, "target_hidden") == 0
                                  ? T_("the process may no longer be looked at")
                                  : T_("the process has ended"));
    }
    if (!line->values.report_text && !line->json) {
        print_figures(&end);
    }
    if (end.lost_lines > 0) {
        cli_error("warning: %" PRId64 " lines of the log were lost", end.lost_lines);
    }
    if (plan->options.log != NULL) {
        cli_note("log %s; next: snug analyze %s", plan->options.log, plan->options.log);
    }
    if (plan->options.plot != NULL && drawn) {
        cli_note("picture %s", plan->options.plot);
    }
}

static int report(const cli_line *line, const monitor_plan *plan, snug_monitor *monitor)
{
    snug_error err = {0};
    snug_status status = SNUG_OK;
    /* The standard output belongs to a command until it has ended; JSON was asked for. */
    const bool command = plan->options.target == SNUG_MONITOR_COMMAND;
    if (line->json) {
        status = snug_monitor_write(monitor, SNUG_FORMAT_JSON, cli_write, NULL, &err);
    } else if (line->values.report_text) {
        status = snug_monitor_write(monitor, SNUG_FORMAT_TEXT,
                                    command ? monitor_view_write : cli_write, NULL, &err);
    }
    return status == SNUG_OK ? CLI_EXIT_DONE : cli_failed(status, &err);
}

int cli_run_monitor(const cli_line *line)
{
    static monitor_plan plan;
    snug_error err = {0};
    snug_monitor *monitor = NULL;
    int code = 0;
    if (!read_plan(line, &plan)) {
        return CLI_EXIT_USAGE;
    }
    snug_status status = open_monitor(&plan, &monitor, &code, &err);
    if (status != SNUG_OK) {
        const int plain = cli_failed(status, &err);
        if (code == SNUG_RUN_EXIT_NOT_FOUND && is_number(line->positionals[0])) {
            cli_note("a process is watched by 'snug monitor --pid %s'", line->positionals[0]);
        }
        return code != 0 ? code : plain;
    }
    const bool command = plan.options.target == SNUG_MONITOR_COMMAND;
    monitor_view view;
    monitor_view_open(&view, line, monitor, command);
    const snug_monitor_observer observer = monitor_view_observer(&view);
    status = snug_monitor_run(monitor, &observer, &err);
    monitor_view_close(&view);
    code = status == SNUG_OK ? CLI_EXIT_DONE : cli_failed(status, &err);
    print_end(line, &plan, monitor, status == SNUG_OK);
    const int reported = report(line, &plan, monitor);
    snug_monitor_end end;
    snug_monitor_end_read(monitor, &end);
    snug_monitor_close(monitor);
    if (command && end.exit_status > 0) {
        return end.exit_status;
    }
    if (strcmp(end.reason, "target_hidden") == 0) {
        return CLI_EXIT_FAILED;
    }
    return code != CLI_EXIT_DONE ? code : reported;
}
