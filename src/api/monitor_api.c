#include "snug/monitor.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/inside.h"
#include "base/checked.h"
#include "base/text.h"
#include "monitor/chart.h"
#include "monitor/find_process.h"
#include "monitor/memory_report.h"
#include "monitor/recorder.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/heap.h"
#include "sys/raster.h"
#include "sys/thread.h"
#include "sys/trim.h"

_Static_assert((int)SNUG_MONITOR_FIELDS == (int)SNUG_FIELD_COUNT, "the public fields are all");
_Static_assert((int)SNUG_MONITOR_DANGER == (int)SNUG_LEVEL_DANGER, "the levels are the same");
_Static_assert((int)SNUG_MONITOR_COMMAND == (int)SNUG_TARGET_COMMAND, "the targets are the same");
_Static_assert((int)SNUG_MONITOR_PSS_NEVER == (int)SNUG_PSS_NEVER, "the modes are the same");

/* Without a duration or a limit of time, the wait is cut into pieces of this length. */
static const int64_t WAIT_NS_MAX = 500000000;
enum { TRIM_SAMPLES = 2 };
static const double INTERVAL_S_MIN = 0.001;
static const double INTERVAL_S_MAX = 86400;

struct snug_monitor {
    snug_recorder *recorder;
    snug_watch_end end;
    int64_t duration_ns;      /* 0: none. */
    int64_t plot_interval_ns; /* 0: only at the end. */
    int64_t plot_due_ns;
    const char *plot;
    int64_t child; /* The command; 0: none, or it has ended. */
    bool signals_taken, adopting;
    atomic_bool stop;
    snug_thread thread;
    snug_mutex mutex;
    snug_condition wake;
    bool threaded;
    snug_status thread_status;
    snug_error thread_error;
    snug_chart_canvas canvas;
    snug_canvas picture;
    char text[SNUG_MEMORY_PLOT_BYTES];
};

snug_monitor_field snug_monitor_field_at(int64_t index)
{
    static const char *const units[] = {"bytes", "count", "percent", "celsius", "ms"};
    const snug_log_field_info *info = &snug_log_fields[index];
    return (snug_monitor_field){.key = info->key, .unit = units[info->unit], .help = info->help};
}

int64_t snug_monitor_field_find(const char *key)
{
    const snug_log_field field = snug_log_field_find(key, (int64_t)strlen(key));
    return field == SNUG_FIELD_COUNT ? -1 : (int64_t)field;
}

const char *snug_monitor_level_name(snug_monitor_level level)
{
    return snug_level_name((snug_level)level);
}

/* The words of a command with spaces between them, cut at the room there is. */
static const char *join_words(const char *const *command, char *out, int64_t out_bytes)
{
    snug_text text;
    snug_text_init(&text, out, out_bytes);
    for (int64_t i = 0; command[i] != NULL; i++) {
        snug_text_add(&text, "%s%s", i > 0 ? " " : "", command[i]);
    }
    return out;
}

static snug_status start_command(const snug_monitor_options *options, snug_monitor *monitor,
                                 int *out_exit, snug_error *err)
{
    /* execvp() promises not to write the words and cannot say so in its type. */
    char *const *words = NULL;
    memcpy(&words, &options->command, sizeof words);
    const snug_child_options child = {.arguments = words, .outlives = true};
    snug_child_adopt(true);
    snug_signals_take();
    monitor->adopting = true;
    monitor->signals_taken = true;
    return snug_child_start(&child, &monitor->child, out_exit, err);
}

static snug_recorder_options recorder_options(const snug_monitor_options *options)
{
    snug_recorder_options chosen = {
        .target = (snug_target)options->target,
        .sampler = {.root = "",
                    .pid = options->pid,
                    .whole = !options->alone,
                    .adopted = options->target == SNUG_MONITOR_COMMAND,
                    .pss = (snug_pss_mode)options->pss,
                    .stall_ns = (int64_t)(options->pss_stall_ms * 1e6),
                    .no_gpu = options->no_gpu},
        .levels = {.by_percent = !options->no_percent,
                   .by_headroom = !options->no_headroom,
                   .limit_bytes = options->limit_bytes},
        .interval_ns = (int64_t)(options->interval_s * 1e9),
        .steady = options->steady,
        .log_path = options->log,
        .force = options->force,
        .program = "snug " SNUG_VERSION,
    };
    memcpy(chosen.levels.memory_percent, options->memory_percent,
           sizeof chosen.levels.memory_percent);
    memcpy(chosen.levels.gpu_percent, options->gpu_percent, sizeof chosen.levels.gpu_percent);
    return chosen;
}

static snug_status check_options(const snug_monitor_options *options, snug_error *err)
{
    const double interval = options->interval_s;
    if (interval != 0 && !(interval >= INTERVAL_S_MIN && interval <= INTERVAL_S_MAX)) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "an interval is 1 ms to 1 day, not %g s", interval);
    }
    if (!(options->duration_s >= 0 && options->duration_s <= 1e9) ||
        !(options->plot_interval_s >= 0 && options->plot_interval_s <= 1e9) ||
        !(options->pss_stall_ms >= 0 && options->pss_stall_ms <= 1e6)) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "a duration is 0 or more seconds");
    }
    if (options->target == SNUG_MONITOR_PID && options->pid <= 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "a process number is 1 or more");
    }
    if (options->target == SNUG_MONITOR_COMMAND && options->command[0] == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "a command has at least one word");
    }
    return SNUG_OK;
}

/* A command that did not start leaves no file behind. */
static void drop_empty_log(const char *path)
{
    snug_file file = {0};
    if (path == NULL || snug_path_look(path) != SNUG_PATH_FILE ||
        snug_failed(snug_file_open(path, &file, NULL))) {
        return;
    }
    const int64_t bytes = file.bytes;
    snug_file_close(&file);
    if (bytes == 0) {
        const snug_status status = snug_file_remove(path, NULL);
        (void)status;
    }
}

/* Finds or starts the target and opens the recorder on it. */
static snug_status open_target(const snug_monitor_options *options, snug_monitor *monitor,
                               int *out_exit, snug_error *err)
{
    char command[SNUG_RECORDER_COMMAND_BYTES];
    snug_recorder_options chosen = recorder_options(options);
    if (options->target == SNUG_MONITOR_NAME) {
        SNUG_TRY(snug_find_process("", options->name, &chosen.sampler.pid, err));
    }
    if (options->target == SNUG_MONITOR_MACHINE || options->target == SNUG_MONITOR_SELF) {
        chosen.sampler.pid = 0;
    }
    if (options->log != NULL) {
        /* Before a command is started for nothing; the recorder then finds an empty file. */
        snug_memory_log probe = {0};
        SNUG_TRY(snug_memory_log_open(&probe, options->log, options->force, err));
        snug_memory_log_close(&probe);
    }
    if (options->target == SNUG_MONITOR_COMMAND) {
        const snug_status status = start_command(options, monitor, out_exit, err);
        if (snug_failed(status)) {
            drop_empty_log(options->log);
            return snug_error_pass(err, status, __FILE__, __LINE__);
        }
        chosen.sampler.pid = monitor->child;
        chosen.command = join_words(options->command, command, sizeof command);
    }
    return snug_recorder_open(&chosen, &monitor->recorder, err);
}

void snug_monitor_prepare(void)
{
    snug_trim_code();
}

snug_status snug_monitor_open(const snug_monitor_options *options, snug_monitor **out_monitor,
                              int *out_exit, snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL;
    int exit_status = 0;
    SNUG_TRY(check_options(options, err));
    if (options->plot != NULL && snug_ends_with(options->plot, ".png")) {
        /* Before a command is started whose picture could not be drawn. */
        SNUG_TRY(snug_raster_check(err));
    }
    SNUG_TRY(
        snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(snug_monitor), false, &memory, err));
    snug_monitor *monitor = memory;
    monitor->end = (snug_watch_end){.reason = "", .exit_status = -1};
    if (options->target != SNUG_MONITOR_SELF) {
        /* From here on only what a watch needs comes in, so that its peak is small too. */
        snug_trim_code();
    }
    monitor->duration_ns = (int64_t)(options->duration_s * 1e9);
    monitor->plot_interval_ns = (int64_t)(options->plot_interval_s * 1e9);
    monitor->plot = options->plot;
    snug_mutex_init(&monitor->mutex);
    snug_condition_init(&monitor->wake);
    SNUG_TRY_DONE(open_target(options, monitor, &exit_status, err));
    if (options->target != SNUG_MONITOR_SELF) {
        snug_trim_code();
    }
    monitor->plot_due_ns = snug_clock_ns() + monitor->plot_interval_ns;
    *out_monitor = monitor;

done:
    if (snug_failed(status)) {
        snug_monitor_close(monitor);
    }
    if (out_exit != NULL) {
        *out_exit = exit_status;
    }
    return status;
}

void snug_monitor_close(snug_monitor *monitor)
{
    if (monitor == NULL) {
        return;
    }
    if (monitor->threaded) {
        const snug_status status = snug_monitor_finish(monitor, NULL);
        (void)status;
    }
    snug_recorder_close(monitor->recorder);
    if (monitor->signals_taken) {
        snug_signals_give_back();
    }
    if (monitor->adopting) {
        snug_child_adopt(false);
    }
    snug_condition_deinit(&monitor->wake);
    snug_mutex_deinit(&monitor->mutex);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, monitor, (int64_t)sizeof *monitor);
}

static void fill_sample(const snug_recorder *recorder, snug_monitor_sample *out)
{
    out->t = recorder->last.t;
    for (int field = 0; field < SNUG_FIELD_COUNT; field++) {
        out->values[field] = snug_reading_get(&recorder->last, (snug_log_field)field, NAN);
    }
}

static void tell(const snug_monitor *monitor, const snug_monitor_observer *observer,
                 const snug_tick *tick)
{
    const snug_recorder *recorder = monitor->recorder;
    if (observer == NULL || !tick->sampled) {
        return;
    }
    if (tick->log_failed && observer->warning != NULL) {
        observer->warning(observer->context, recorder->log_error.message);
    }
    if (tick->level_changed && observer->level != NULL) {
        char reason[SNUG_LEVELS_REASON_BYTES];
        observer->level(observer->context, (snug_monitor_level)recorder->levels.level,
                        snug_level_reason_text(&recorder->levels.reason, true, reason));
    }
    if (tick->leak && observer->leak != NULL) {
        char text[SNUG_RECORDER_LEAK_BYTES];
        observer->leak(observer->context, snug_recorder_leak_text(recorder, true, text));
    }
    if (tick->state == SNUG_TARGET_ALIVE && observer->sample != NULL) {
        snug_monitor_sample sample;
        fill_sample(recorder, &sample);
        observer->sample(observer->context, &sample);
    }
}

static void draw_curves(void *context, snug_canvas *canvas)
{
    snug_memory_plot_draw(context, canvas);
}

static snug_status draw_file(snug_monitor *monitor, const char *path, snug_error *err)
{
    snug_text text;
    if (snug_ends_with(path, ".png")) {
        return snug_raster_draw(path, SNUG_MEMORY_PLOT_WIDTH, SNUG_MEMORY_PLOT_HEIGHT, draw_curves,
                                monitor->recorder, err);
    }
    snug_text_init(&text, monitor->text, sizeof monitor->text);
    monitor->picture = (snug_canvas){.svg = &text};
    snug_memory_plot_draw(monitor->recorder, &monitor->picture);
    if (text.truncated) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the picture is longer than %d bytes",
                         SNUG_MEMORY_PLOT_BYTES);
    }
    return snug_file_write_all(path, text.data, text.length, err);
}

static snug_status draw(snug_monitor *monitor, const char *path, snug_error *err)
{
    const snug_status status = draw_file(monitor, path, err);
    if (!monitor->threaded) {
        /* Drawing runs through code that sampling does not need. */
        snug_trim_code();
    }
    return status;
}

/* Samples, draws and finds out whether the watch is over; "" while it is not. */
static const char *look(snug_monitor *monitor, const snug_monitor_observer *observer,
                        snug_status *draw_status, snug_error *err)
{
    const int64_t now_ns = snug_clock_ns();
    const snug_tick tick = snug_recorder_tick(monitor->recorder);
    tell(monitor, observer, &tick);
    if (monitor->recorder->samples == TRIM_SAMPLES && tick.sampled && !monitor->threaded) {
        /* The start and the first samples ran through much code; a watch needs little of it. */
        snug_trim_code();
    }
    if (monitor->plot != NULL && monitor->plot_interval_ns > 0 && now_ns >= monitor->plot_due_ns) {
        const snug_status status = draw(monitor, monitor->plot, err);
        *draw_status = snug_failed(*draw_status) ? *draw_status : status;
        monitor->plot_due_ns = now_ns + monitor->plot_interval_ns;
    }
    if (tick.state == SNUG_TARGET_REUSED) {
        return SNUG_LOG_EVENT_REUSED;
    }
    if (tick.state == SNUG_TARGET_HIDDEN) {
        return SNUG_LOG_EVENT_DENIED;
    }
    if (tick.state == SNUG_TARGET_ENDED && monitor->child == 0) {
        return SNUG_LOG_EVENT_EXITED;
    }
    if (atomic_load(&monitor->stop)) {
        return SNUG_LOG_EVENT_INTERRUPTED;
    }
    if (monitor->duration_ns > 0 && now_ns - monitor->recorder->start_ns >= monitor->duration_ns) {
        return "duration";
    }
    return "";
}

/* Nanoseconds until there is something to do. */
static int64_t wait_ns(const snug_monitor *monitor)
{
    const int64_t now_ns = snug_clock_ns();
    int64_t due_ns = snug_recorder_due_ns(monitor->recorder);
    if (monitor->duration_ns > 0) {
        due_ns = snug_min_i64(due_ns, monitor->recorder->start_ns + monitor->duration_ns);
    }
    return snug_max_i64(0, due_ns - now_ns);
}

/* Takes the ends of all children; the command's own is kept. */
static void reap(snug_monitor *monitor)
{
    snug_child_end end;
    while (snug_child_reap(&end)) {
        if (end.pid == monitor->child) {
            monitor->child = 0;
            monitor->end.exit_status = end.by_signal ? 128 + end.status : end.status;
            snug_recorder_child_peak(monitor->recorder, end.peak_bytes);
        }
    }
}

/* A signal is passed on to the command, or ends the watch. True when it ends it. */
static bool take_signal(snug_monitor *monitor, snug_signal number, bool from_terminal)
{
    switch (number) {
    case SNUG_SIGNAL_CHILD:
        reap(monitor);
        return false;
    case SNUG_SIGNAL_INTERRUPT:
    case SNUG_SIGNAL_TERMINATE:
    case SNUG_SIGNAL_HANGUP:
        if (monitor->child == 0) {
            return true;
        }
        /* What came from the terminal went to the whole group: the command has it already. */
        if (!from_terminal) {
            snug_signal_send(monitor->child, number);
        }
        return false;
    default:
        return false;
    }
}

/* After the watch: the command goes on until it ends, and signals go to it. */
static void wait_for_command(snug_monitor *monitor)
{
    while (monitor->child != 0) {
        bool from_terminal = false;
        const snug_signal number = snug_signals_wait(WAIT_NS_MAX, &from_terminal);
        (void)take_signal(monitor, number, from_terminal);
        reap(monitor);
    }
}

static snug_status end_watch(snug_monitor *monitor, const char *reason, snug_error *err)
{
    monitor->end.reason = reason;
    snug_recorder_finish(monitor->recorder, reason, monitor->end.exit_status);
    return monitor->plot != NULL ? draw(monitor, monitor->plot, err) : SNUG_OK;
}

snug_status snug_monitor_run(snug_monitor *monitor, const snug_monitor_observer *observer,
                             snug_error *err)
{
    snug_status status = SNUG_OK;
    const bool command = monitor->child != 0;
    const bool input = observer != NULL && observer->input != NULL;
    const char *reason = "";
    if (!monitor->signals_taken) {
        snug_signals_take();
        monitor->signals_taken = true;
    }
    while (reason[0] == '\0') {
        bool from_terminal = false;
        reason = look(monitor, observer, &status, err);
        if (reason[0] != '\0') {
            break;
        }
        const snug_signal number = input ? snug_signals_wait_input(wait_ns(monitor), &from_terminal)
                                         : snug_signals_wait(wait_ns(monitor), &from_terminal);
        if (take_signal(monitor, number, from_terminal) ||
            (number == SNUG_SIGNAL_INPUT && !observer->input(observer->context))) {
            reason = SNUG_LOG_EVENT_INTERRUPTED;
        } else if (command && monitor->child == 0) {
            reason = SNUG_LOG_EVENT_EXITED;
        }
    }
    if (command && strcmp(reason, SNUG_LOG_EVENT_EXITED) != 0) {
        wait_for_command(monitor);
    }
    const snug_status ended = end_watch(monitor, reason, snug_failed(status) ? NULL : err);
    return snug_failed(status) ? status : ended;
}

static void run_thread(void *context)
{
    snug_monitor *monitor = context;
    snug_mutex_lock(&monitor->mutex);
    const char *reason = "";
    while (reason[0] == '\0') {
        reason = look(monitor, NULL, &monitor->thread_status, &monitor->thread_error);
        if (reason[0] == '\0') {
            (void)snug_condition_wait_ns(&monitor->wake, &monitor->mutex, wait_ns(monitor));
        }
    }
    monitor->end.reason = reason;
    snug_mutex_unlock(&monitor->mutex);
}

snug_status snug_monitor_start(snug_monitor *monitor, snug_error *err)
{
    if (monitor->child != 0 || monitor->threaded) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "%s",
                         monitor->threaded ? "the watch runs already"
                                           : "a command is watched by snug_monitor_run()");
    }
    SNUG_TRY(snug_thread_start(&monitor->thread, "monitor", 0, run_thread, monitor, err));
    monitor->threaded = true;
    return SNUG_OK;
}

snug_status snug_monitor_finish(snug_monitor *monitor, snug_error *err)
{
    if (!monitor->threaded) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "the watch was not started");
    }
    snug_mutex_lock(&monitor->mutex);
    atomic_store(&monitor->stop, true);
    snug_condition_signal(&monitor->wake);
    snug_mutex_unlock(&monitor->mutex);
    snug_thread_join(&monitor->thread);
    monitor->threaded = false;
    atomic_store(&monitor->stop, false);
    const snug_status ended = end_watch(monitor, monitor->end.reason, err);
    if (snug_failed(monitor->thread_status)) {
        if (err != NULL) {
            *err = monitor->thread_error;
        }
        return monitor->thread_status;
    }
    return ended;
}

bool snug_monitor_last(snug_monitor *monitor, snug_monitor_sample *out)
{
    snug_mutex_lock(&monitor->mutex);
    const bool any = monitor->recorder->samples > 0;
    if (any) {
        fill_sample(monitor->recorder, out);
    }
    snug_mutex_unlock(&monitor->mutex);
    return any;
}

snug_monitor_level snug_monitor_level_now(snug_monitor *monitor)
{
    snug_mutex_lock(&monitor->mutex);
    const snug_monitor_level level = (snug_monitor_level)monitor->recorder->levels.level;
    snug_mutex_unlock(&monitor->mutex);
    return level;
}

void snug_monitor_set_live(snug_monitor *monitor, int64_t bytes)
{
    snug_mutex_lock(&monitor->mutex);
    snug_recorder_set_live(monitor->recorder, bytes);
    snug_mutex_unlock(&monitor->mutex);
}

void snug_monitor_phase(snug_monitor *monitor, const char *name, int64_t index)
{
    snug_mutex_lock(&monitor->mutex);
    snug_recorder_phase(monitor->recorder, name, index, NULL);
    snug_mutex_unlock(&monitor->mutex);
}

void snug_monitor_set_pss(snug_monitor *monitor, snug_monitor_pss pss)
{
    snug_mutex_lock(&monitor->mutex);
    snug_sampler_set_pss(&monitor->recorder->sampler, (snug_pss_mode)pss);
    snug_mutex_unlock(&monitor->mutex);
}

void snug_monitor_mark(snug_monitor *monitor, const char *text)
{
    snug_mutex_lock(&monitor->mutex);
    snug_recorder_event(monitor->recorder, SNUG_LOG_EVENT_MARK, text);
    snug_mutex_unlock(&monitor->mutex);
}

void snug_monitor_end_read(snug_monitor *monitor, snug_monitor_end *out)
{
    snug_recorder_cost cost;
    snug_mutex_lock(&monitor->mutex);
    const snug_recorder *recorder = monitor->recorder;
    snug_recorder_cost_read(recorder, &cost);
    *out = (snug_monitor_end){
        .reason = monitor->end.reason,
        .exit_status = monitor->end.exit_status,
        .samples = recorder->samples,
        .seconds = recorder->last.t,
        .peak_sampled_bytes = (int64_t)snug_recorder_peak_sampled(recorder),
        .peak_kernel_bytes = (int64_t)snug_recorder_peak_kernel(recorder),
        .highest = (snug_monitor_level)recorder->levels.highest,
        .own_cpu_percent = cost.cpu_percent,
        .own_rss_bytes = cost.rss_bytes,
        .own_private_bytes = cost.private_bytes,
        .pss_ms_max = (double)cost.stall_ns_max * 1e-6,
        .lost_lines = recorder->log.lost_all,
    };
    snug_mutex_unlock(&monitor->mutex);
}

snug_status snug_monitor_write(snug_monitor *monitor, snug_format format, snug_write write,
                               void *context, snug_error *err)
{
    snug_report report = {0};
    SNUG_TRY(snug_report_open(&report, SNUG_MEMORY_REPORT_BYTES, err));
    snug_mutex_lock(&monitor->mutex);
    if (format == SNUG_FORMAT_JSON) {
        snug_memory_report_json(monitor->recorder, &monitor->end, &report.text);
    } else {
        snug_memory_report_text(monitor->recorder, &monitor->end, &report.text);
    }
    snug_mutex_unlock(&monitor->mutex);
    return snug_report_send(&report, write, context, err);
}

snug_status snug_monitor_draw(snug_monitor *monitor, const char *path, snug_error *err)
{
    snug_mutex_lock(&monitor->mutex);
    const snug_status status = draw(monitor, path, err);
    snug_mutex_unlock(&monitor->mutex);
    return status;
}

snug_status snug_monitor_chart(snug_monitor *monitor, const snug_monitor_chart_options *options,
                               snug_write write, void *context, snug_error *err)
{
    const snug_chart_options chosen = {.columns = options->columns,
                                       .rows = options->rows,
                                       .ascii = options->ascii,
                                       .color = options->color,
                                       .clear = options->clear,
                                       .window_s = options->window_s,
                                       .until_t = options->until_t,
                                       .foot = options->foot};
    snug_text text;
    snug_mutex_lock(&monitor->mutex);
    snug_text_init(&text, monitor->text, sizeof monitor->text);
    snug_chart_draw(monitor->recorder, &chosen, &monitor->canvas, &text);
    const bool truncated = text.truncated;
    if (!truncated) {
        write(context, text.data, text.length);
    }
    snug_mutex_unlock(&monitor->mutex);
    return truncated ? SNUG_FAIL(err, SNUG_CODE_LIMIT, "the chart is too long") : SNUG_OK;
}

const char *snug_monitor_line(snug_monitor *monitor, char *out, int64_t out_bytes)
{
    snug_text text;
    snug_mutex_lock(&monitor->mutex);
    snug_text_init(&text, out, out_bytes);
    snug_chart_line(monitor->recorder, &text);
    snug_mutex_unlock(&monitor->mutex);
    return out;
}
