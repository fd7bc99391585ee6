#include "cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/ioctl.h>

static const double LIVE_INTERVAL_S = 0.1;
static const double PLAIN_INTERVAL_S = 5;
enum { DURATION_BYTES = 32, COLUMNS_DEFAULT = 100, LINE_BYTES = 256 };

static double now_s(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* "0:42", "12:05", "3:07:00"; "?" when nobody knows. */
static const char *duration(double seconds, char out[DURATION_BYTES])
{
    if (!(seconds >= 0 && seconds < 1e9)) {
        (void)snprintf(out, DURATION_BYTES, "?");
        return out;
    }
    const int64_t whole = (int64_t)seconds;
    if (whole >= 3600) {
        (void)snprintf(out, DURATION_BYTES, "%" PRId64 ":%02d:%02d", whole / 3600,
                       (int)(whole / 60 % 60), (int)(whole % 60));
    } else {
        (void)snprintf(out, DURATION_BYTES, "%d:%02d", (int)(whole / 60), (int)(whole % 60));
    }
    return out;
}

static int terminal_columns(void)
{
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) {
        return size.ws_col;
    }
    return COLUMNS_DEFAULT;
}

void cli_progress_init(cli_progress *progress, const cli_line *line)
{
    const bool dumb = !cli_wants_color("auto", STDERR_FILENO);
    /* A moving line needs a terminal, whatever the wish for colours. */
    *progress = (cli_progress){.live = isatty(STDERR_FILENO) != 0 && !dumb, .silent = line->quiet};
}

static void clear_live(cli_progress *progress)
{
    if (progress->shown) {
        (void)fputs("\r\033[K", stderr);
        progress->shown = false;
    }
}

static void format_step(const snug_step_report *report, char out[LINE_BYTES])
{
    char elapsed[DURATION_BYTES];
    char left[DURATION_BYTES];
    const double percent =
        report->step_count > 0 ? 100.0 * (double)report->step / (double)report->step_count : 0;
    (void)snprintf(
        out, LINE_BYTES,
        snug_translate_format("%3.0f %%  step %" PRId64 "/%" PRId64 "  loss %.4g  %.4g samples/s  "
                              "elapsed %s  left %s  RSS %.0f of %.0f MiB"),
        floor(percent), report->step, report->step_count, report->loss, report->samples_per_second,
        duration(report->elapsed_s, elapsed), duration(report->remaining_s, left),
        (double)report->rss_bytes / 1048576.0, (double)report->budget_bytes / 1048576.0);
}

static void on_step(void *context, const snug_step_report *report)
{
    cli_progress *progress = context;
    const double now = now_s();
    const bool last = report->step == report->step_count;
    const double interval = progress->live ? LIVE_INTERVAL_S : PLAIN_INTERVAL_S;
    if (progress->silent || (!last && now - progress->last_s < interval)) {
        return;
    }
    progress->last_s = now;
    char line[LINE_BYTES];
    format_step(report, line);
    if (progress->live) {
        (void)fprintf(stderr, "\r%.*s\033[K", (int)snug_text_fit(line, terminal_columns() - 1),
                      line);
        progress->shown = true;
        (void)fflush(stderr);
    } else {
        (void)fprintf(stderr, "%s\n", line);
    }
}

static void on_evaluation(void *context, const snug_evaluation *report)
{
    cli_progress *progress = context;
    if (progress->silent) {
        return;
    }
    clear_live(progress);
    (void)fprintf(stderr,
                  snug_translate_format("      validation after step %" PRId64 ": loss %.5g"),
                  report->step, report->loss);
    for (int i = 0; i < report->metric_count; i++) {
        (void)fprintf(stderr, "  %s %.5g", report->metrics[i].name, report->metrics[i].value);
    }
    (void)fprintf(stderr, "%s\n", report->best ? T_("  best so far") : "");
}

static void on_checkpoint(void *context, const snug_checkpoint_report *report)
{
    cli_progress *progress = context;
    if (progress->silent) {
        return;
    }
    char size[32];
    clear_live(progress);
    (void)fprintf(stderr, snug_translate_format("      saved %s (%s in %.1f s)\n"), report->path,
                  snug_size_show(report->bytes, size), report->seconds);
}

static void on_message(void *context, snug_message_level level, const char *text)
{
    cli_progress *progress = context;
    clear_live(progress);
    if (level == SNUG_MESSAGE_WARNING) {
        cli_error("warning: %s", text);
    } else {
        cli_note("%s", text);
    }
}

snug_observer cli_progress_observer(cli_progress *progress)
{
    return (snug_observer){.context = progress,
                           .step = on_step,
                           .evaluation = on_evaluation,
                           .checkpoint = on_checkpoint,
                           .message = on_message};
}

void cli_progress_end(cli_progress *progress)
{
    if (progress->shown) {
        (void)fputc('\n', stderr);
        progress->shown = false;
    }
}
