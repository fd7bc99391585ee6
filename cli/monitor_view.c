#include "monitor_view.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <sys/ioctl.h>

enum { LINE_BYTES = 512, FOOT_BYTES = 256, CHART_ROWS_MAX = 22, CHART_ROWS_MIN = 8 };
/* Complete lines where there is no terminal, or where the command has it. */
static const double PLAIN_INTERVAL_S = 10;
static const double PLAIN_INTERVAL_COMMAND_S = 30;
static const double CHART_INTERVAL_S = 0.25;
/* Parts of time that + and - go through; the first is all of it. */
static const double windows_s[] = {0, 86400, 21600, 3600, 600, 120, 30};
enum { WINDOWS = sizeof windows_s / sizeof windows_s[0] };

/* What the terminal was like before its keys were taken. For signal handlers: not in the view. */
static struct termios terminal_before;
static volatile sig_atomic_t terminal_taken;
static volatile sig_atomic_t terminal_again; /* It was given back for a stop and is ours again. */
static volatile sig_atomic_t screen_changed;

void monitor_view_write(void *context, const char *text, int64_t bytes)
{
    (void)context;
    (void)fwrite(text, 1, (size_t)bytes, stderr);
}

/* The calls of this function and the next are safe in a signal handler. */
static void give_terminal_back(void)
{
    static const char cursor[] = "\033[?25h";
    if (terminal_taken != 0) {
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal_before);
        const ssize_t written = write(STDERR_FILENO, cursor, sizeof cursor - 1);
        (void)written;
        terminal_taken = 0;
    }
}

/* Keys one by one and unseen; Ctrl-C and Ctrl-Z stay signals. */
static void take_terminal(void)
{
    static const char no_cursor[] = "\033[?25l";
    struct termios keys = terminal_before;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    keys.c_cc[VMIN] = 0;
    keys.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &keys) == 0) {
        const ssize_t written = write(STDERR_FILENO, no_cursor, sizeof no_cursor - 1);
        (void)written;
        terminal_taken = 1;
    }
}

/* An end that nobody can prevent leaves a terminal that can be used. */
static void on_death(int number)
{
    give_terminal_back();
    /* The handler is gone (SA_RESETHAND): the signal now does what it always does. */
    (void)raise(number);
}

static void on_stop(int number)
{
    const int reason = errno;
    (void)number;
    const bool taken = terminal_taken != 0;
    give_terminal_back();
    (void)raise(SIGSTOP);
    if (taken) {
        /* The shell has just put us in front again; in the background it would stop us. */
        if (tcgetpgrp(STDIN_FILENO) == getpgrp()) {
            take_terminal();
        }
        terminal_again = 1;
    }
    errno = reason;
}

static void on_resize(int number)
{
    (void)number;
    screen_changed = 1;
}

static void catch_signals(void)
{
    static const int deadly[] = {SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPIPE};
    struct sigaction death = {.sa_handler = on_death, .sa_flags = (int)SA_RESETHAND};
    struct sigaction stop = {.sa_handler = on_stop};
    struct sigaction resize = {.sa_handler = on_resize};
    (void)sigemptyset(&death.sa_mask);
    (void)sigemptyset(&stop.sa_mask);
    (void)sigemptyset(&resize.sa_mask);
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
        (void)sigaction(deadly[i], &death, NULL);
    }
    (void)sigaction(SIGTSTP, &stop, NULL);
    (void)sigaction(SIGWINCH, &resize, NULL);
}

/* Whether the terminal is likely to show what is beyond ASCII. */
static bool terminal_is_ascii(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0') {
            return strcasestr(value, "UTF-8") == NULL && strcasestr(value, "UTF8") == NULL;
        }
    }
    return true;
}

static void read_screen(int64_t *rows, int64_t *columns)
{
    struct winsize size = {0};
    *rows = 24;
    *columns = 80;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        *rows = size.ws_row;
        *columns = size.ws_col;
    }
}

/*
 * The command's output scrolls in the upper part of the screen, so that the chart stays below. The
 * cursor goes to the last line of that part.
 */
static void begin_region(monitor_view *view)
{
    const int64_t upper = view->screen_rows - view->rows;
    for (int64_t i = 0; i < view->rows; i++) {
        (void)fputc('\n', stderr);
    }
    (void)fprintf(stderr, "\033[1;%" PRId64 "r\033[%" PRId64 ";1H", upper, upper);
}

static void place_chart(monitor_view *view)
{
    int64_t screen_rows = 0;
    int64_t columns = 0;
    read_screen(&screen_rows, &columns);
    const int64_t room = view->region ? screen_rows / 2 : screen_rows - 1;
    const int64_t rows = room < CHART_ROWS_MAX ? room : CHART_ROWS_MAX;
    const bool first = view->rows == 0;
    const bool changed = screen_rows != view->screen_rows || columns != view->columns;
    if (!first && !changed) {
        if (view->region) {
            (void)fprintf(stderr, "\0337\033[%" PRId64 ";1H", view->screen_rows - view->rows + 1);
        } else {
            (void)fprintf(stderr, "\r\033[%" PRId64 "A", view->rows);
        }
        return;
    }
    if (!first && !view->region) {
        /* Lines may have been folded: begin again on a clean screen. */
        (void)fputs("\033[H\033[J", stderr);
    }
    view->screen_rows = screen_rows;
    view->columns = columns;
    view->rows = rows < CHART_ROWS_MIN ? CHART_ROWS_MIN : rows;
    if (view->region) {
        (void)fputs("\033[r", stderr);
        begin_region(view);
        (void)fprintf(stderr, "\0337\033[%" PRId64 ";1H", view->screen_rows - view->rows + 1);
    }
}

/* A snug_write that leaves the last newline out: on the lowest line it would scroll the screen. */
static void write_chart(void *context, const char *text, int64_t bytes)
{
    const monitor_view *view = context;
    monitor_view_write(NULL, text, view->region ? bytes - 1 : bytes);
}

/* The line below the chart. */
static const char *foot(const monitor_view *view, char out[FOOT_BYTES])
{
    char part[64] = "";
    const double window = windows_s[view->window];
    if (view->help) {
        (void)snprintf(out, FOOT_BYTES, "%s",
                       T_("q quit  space pause  + - time shown  0 all  p share  m mark  ? less"));
        return out;
    }
    if (window >= 3600) {
        (void)snprintf(part, sizeof part, snug_translate_format("last %.0f h   "), window / 3600);
    } else if (window > 0) {
        (void)snprintf(part, sizeof part, snug_translate_format("last %.0f s   "), window);
    }
    (void)snprintf(out, FOOT_BYTES, "%s%s%s%s", view->paused_t > 0 ? T_("paused   ") : "", part,
                   view->share ? T_("share always   ") : "", T_("q quit   space pause   ? keys"));
    return out;
}

static void draw_chart(monitor_view *view)
{
    char words[FOOT_BYTES];
    screen_changed = 0;
    place_chart(view);
    const snug_monitor_chart_options options = {.columns = view->columns,
                                                .rows = view->rows,
                                                .ascii = view->ascii,
                                                .color = view->color,
                                                .clear = true,
                                                .window_s = windows_s[view->window],
                                                .until_t = view->paused_t,
                                                .foot = view->keys ? foot(view, words) : NULL};
    const snug_status status = snug_monitor_chart(view->monitor, &options, write_chart, view, NULL);
    (void)status;
    if (view->region) {
        (void)fputs("\0338", stderr);
    }
}

static void on_sample(void *context, const snug_monitor_sample *sample)
{
    monitor_view *view = context;
    const double interval = view->live ? CHART_INTERVAL_S : view->interval_s;
    view->sample_t = sample->t;
    if (view->silent || (view->paused_t > 0 && screen_changed == 0) ||
        (view->last_t >= 0 && sample->t - view->last_t < interval)) {
        return;
    }
    view->last_t = sample->t;
    if (view->live) {
        draw_chart(view);
        return;
    }
    char line[LINE_BYTES];
    (void)fprintf(stderr, "%s\n", snug_monitor_line(view->monitor, line, sizeof line));
}

static void on_level(void *context, snug_monitor_level level, const char *reason)
{
    const monitor_view *view = context;
    /* The chart has a place for it. */
    if (view->live && !view->silent) {
        return;
    }
    if (level >= SNUG_MONITOR_WARNING) {
        cli_error("%s: %s", T_(snug_monitor_level_name(level)), reason);
    } else if (level == SNUG_MONITOR_NOTICE) {
        cli_note("notice: %s", reason);
    } else {
        cli_note("memory is fine again");
    }
}

static void on_warning(void *context, const char *text)
{
    (void)context;
    cli_error("warning: %s; the watch goes on", text);
}

static void on_leak(void *context, const char *text)
{
    const monitor_view *view = context;
    if (!view->live || view->silent) {
        cli_error("leak? %s", text);
    }
}

/* What a key does; false ends the watch. */
static bool press(monitor_view *view, char key)
{
    switch (key) {
    case 'q':
    case 'Q':
    case '\004': /* Ctrl-D */
        return false;
    case ' ':
        view->paused_t = view->paused_t > 0 ? 0 : view->sample_t;
        break;
    case '+':
    case '=':
    case 'A': /* The end of an arrow's sequence: up. */
    case 'C': /* Right. */
        view->window += view->window + 1 < WINDOWS ? 1 : 0;
        break;
    case '-':
    case 'B':
    case 'D':
        view->window -= view->window > 0 ? 1 : 0;
        break;
    case '0':
        view->window = 0;
        break;
    case 'p':
        view->share = !view->share;
        snug_monitor_set_pss(view->monitor,
                             view->share ? SNUG_MONITOR_PSS_ALWAYS : SNUG_MONITOR_PSS_AUTO);
        break;
    case 'm':
        snug_monitor_mark(view->monitor, "a key was pressed");
        break;
    case '?':
    case 'h':
        view->help = !view->help;
        break;
    default:
        break;
    }
    return true;
}

static bool on_input(void *context)
{
    monitor_view *view = context;
    char keys[64];
    const ssize_t got = read(STDIN_FILENO, keys, sizeof keys);
    if (got == 0 && screen_changed == 0 && terminal_again == 0) {
        /* No key is there: the terminal has gone away, or a handler ran that is not ours. */
        struct termios now;
        if (tcgetattr(STDIN_FILENO, &now) != 0) {
            return false;
        }
    }
    for (ssize_t i = 0; i < got; i++) {
        if (!press(view, keys[i])) {
            return false;
        }
    }
    if (view->live && !view->silent && (got > 0 || screen_changed != 0 || terminal_again != 0)) {
        terminal_again = 0;
        draw_chart(view);
        (void)fflush(stderr);
    }
    return true;
}

void monitor_view_open(monitor_view *view, const cli_line *line, snug_monitor *monitor,
                       bool command)
{
    const bool terminal =
        isatty(STDERR_FILENO) != 0 && getenv("TERM") != NULL && strcmp(getenv("TERM"), "dumb") != 0;
    *view = (monitor_view){.monitor = monitor,
                           .silent = line->quiet,
                           .live = terminal && (!command || line->values.chart),
                           .region = command,
                           .ascii = terminal_is_ascii(),
                           .color = line->color,
                           .interval_s = command ? PLAIN_INTERVAL_COMMAND_S : PLAIN_INTERVAL_S,
                           .last_t = -1};
    /* A command has the keys itself; in the background they are the shell's. */
    view->keys = view->live && !view->silent && !command && isatty(STDIN_FILENO) != 0 &&
                 tcgetpgrp(STDIN_FILENO) == getpgrp() &&
                 tcgetattr(STDIN_FILENO, &terminal_before) == 0;
    if (view->keys) {
        catch_signals();
        take_terminal();
    }
}

snug_monitor_observer monitor_view_observer(monitor_view *view)
{
    return (snug_monitor_observer){.context = view,
                                   .sample = on_sample,
                                   .level = on_level,
                                   .warning = on_warning,
                                   .leak = on_leak,
                                   .input = view->keys ? on_input : NULL};
}

void monitor_view_close(monitor_view *view)
{
    give_terminal_back();
    if (view->region && view->rows > 0) {
        (void)fprintf(stderr, "\0337\033[r\0338\033[%" PRId64 ";1H\n", view->screen_rows);
    }
}
