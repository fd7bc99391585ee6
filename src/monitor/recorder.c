#include "monitor/recorder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/checked.h"
#include "base/text.h"
#include "base/utf8.h"
#include "monitor/verdict.h"
#include "sys/clock.h"
#include "sys/cpu.h"
#include "sys/heap.h"
#include "sys/procfs.h"

static const int64_t SECOND_NS = INT64_C(1000000000);
/* Near a limit: ten samples until it is reached, but not more often than this. */
static const int64_t INTERVAL_NS_MIN = 50000000;
static const double SAMPLES_TO_LIMIT = 10;

const char *snug_target_name(snug_target target)
{
    static const char *const names[] = {"machine", "self", "pid", "name", "command"};
    return names[target];
}

/* The words of /proc/PID/cmdline are ended by zeros. */
static void read_command(snug_recorder *recorder)
{
    char path[SNUG_PATH_BYTES];
    int64_t bytes = 0;
    const snug_recorder_options *options = &recorder->options;
    recorder->command[0] = '\0';
    if (options->command != NULL) {
        (void)snprintf(recorder->command, sizeof recorder->command, "%s", options->command);
    } else if (options->sampler.pid != 0) {
        (void)snprintf(path, sizeof path, "%.200s/proc/%" PRId64 "/cmdline", options->sampler.root,
                       options->sampler.pid);
        if (snug_look_read(path, recorder->command, sizeof recorder->command, &bytes) !=
            SNUG_LOOK_OK) {
            return;
        }
        for (int64_t i = 0; i + 1 < bytes; i++) {
            if (recorder->command[i] == '\0') {
                recorder->command[i] = ' ';
            }
        }
    }
    snug_utf8_clean(recorder->command);
}

static void put_target(snug_recorder *recorder, snug_json_writer *json)
{
    const snug_recorder_options *options = &recorder->options;
    snug_json_put_string(json, "target", snug_target_name(options->target));
    if (options->sampler.pid != 0) {
        snug_json_put_i64(json, "pid", options->sampler.pid);
        snug_json_put_i64(json, "start_ticks",
                          recorder->sampler.processes.processes[0].start_ticks);
    }
    if (recorder->command[0] != '\0') {
        snug_json_put_string(json, "command", recorder->command);
    }
    if (options->levels.limit_bytes > 0) {
        snug_json_put_i64(json, "limit", options->levels.limit_bytes);
    }
    snug_json_put_f64(json, "interval", (double)options->interval_ns * 1e-9);
}

static void put_machine(snug_recorder *recorder, snug_json_writer *json)
{
    char name[SNUG_CPU_NAME_BYTES];
    const snug_sampler *sampler = &recorder->sampler;
    const char *root = sampler->options.root;
    snug_json_key(json, "machine");
    snug_json_object_begin(json);
    snug_json_put_string(json, "cpu", snug_cpu_name(root, name));
    snug_json_put_i64(json, "cores", snug_cpu_cores(root));
    snug_json_put_i64(json, "memory", sampler->machine_bytes);
    snug_json_object_end(json);
    if (sampler->group_level >= 0) {
        const snug_cgroup_level *level = &sampler->group.levels[sampler->group_level];
        snug_json_key(json, "cgroup");
        snug_json_object_begin(json);
        snug_json_put_i64(json, "version", sampler->group.version);
        snug_json_put_string(json, "path", level->path);
        if (level->limit_bytes != INT64_MAX) {
            snug_json_put_i64(json, "limit", level->limit_bytes);
            snug_json_put_string(json, "limit_file", level->limit_file);
        }
        snug_json_put_bool(json, "ancestors_hidden", sampler->group.ancestors_hidden);
        snug_json_object_end(json);
    }
}

static void put_gpus(const snug_sampler *sampler, snug_json_writer *json)
{
    if (sampler->nvml.device_count == 0) {
        return;
    }
    snug_json_key(json, "gpus");
    snug_json_array_begin(json);
    for (int32_t i = 0; i < sampler->nvml.device_count; i++) {
        char name[SNUG_NVML_NAME_BYTES];
        snug_json_string(json, snug_nvml_name(&sampler->nvml, i, name));
    }
    snug_json_array_end(json);
}

static void log_header(snug_recorder *recorder)
{
    snug_json_writer *json = snug_memory_log_begin(&recorder->log, SNUG_LOG_TYPE_HEADER, -1);
    snug_json_put_string(json, "schema", SNUG_LOG_SCHEMA);
    snug_json_put_string(json, "started", recorder->started);
    if (recorder->options.program != NULL) {
        snug_json_put_string(json, "program", recorder->options.program);
    }
    put_target(recorder, json);
    put_machine(recorder, json);
    put_gpus(&recorder->sampler, json);
    snug_json_key(json, "unavailable");
    snug_json_object_begin(json);
    for (int field = 0; field < SNUG_FIELD_COUNT; field++) {
        if (recorder->sampler.why_not[field] != NULL) {
            snug_json_put_string(json, snug_log_fields[field].key,
                                 recorder->sampler.why_not[field]);
        }
    }
    snug_json_object_end(json);
    if (snug_memory_log_end(&recorder->log, &recorder->log_error) == SNUG_OK) {
        recorder->logged_header = true;
    }
}

/* Ends a line; true when this is the first one that could not be written. */
static bool end_line(snug_recorder *recorder)
{
    const bool good = recorder->log.lost == 0;
    recorder->log_error = (snug_error){0};
    return snug_failed(snug_memory_log_end(&recorder->log, &recorder->log_error)) && good;
}

void snug_recorder_event(snug_recorder *recorder, const char *event, const char *text)
{
    snug_json_writer *json =
        snug_memory_log_begin(&recorder->log, SNUG_LOG_TYPE_EVENT, snug_recorder_seconds(recorder));
    snug_json_put_string(json, "event", event);
    snug_json_put_string(json, "text", text);
    (void)end_line(recorder);
}

static void log_level(snug_recorder *recorder)
{
    char reason[SNUG_LEVELS_REASON_BYTES];
    snug_json_writer *json =
        snug_memory_log_begin(&recorder->log, SNUG_LOG_TYPE_EVENT, recorder->last.t);
    snug_json_put_string(json, "event", SNUG_LOG_EVENT_LEVEL);
    snug_json_put_string(json, "level", snug_level_name(recorder->levels.level));
    snug_json_put_string(json, "text",
                         snug_level_reason_text(&recorder->levels.reason, false, reason));
    (void)end_line(recorder);
}

static void log_number(snug_recorder *recorder, const char *event, const char *key, int64_t value)
{
    snug_json_writer *json =
        snug_memory_log_begin(&recorder->log, SNUG_LOG_TYPE_EVENT, recorder->last.t);
    snug_json_put_string(json, "event", event);
    snug_json_put_i64(json, key, value);
    (void)end_line(recorder);
}

const char *snug_recorder_leak_text(const snug_recorder *recorder, bool translated,
                                    char out[SNUG_RECORDER_LEAK_BYTES])
{
    const snug_leak_alarm *leak = &recorder->leak;
    char rate[SNUG_TIME_TEXT_BYTES];
    char low[SNUG_TIME_TEXT_BYTES];
    char high[SNUG_TIME_TEXT_BYTES];
    snug_text text;
    void (*const add)(snug_text *, const char *, ...) SNUG_PRINTF(2, 3) =
        translated ? snug_text_say : snug_text_add;
    (void)snug_rate_text(leak->rate, rate);
    (void)snug_rate_text(leak->rate_low, low);
    (void)snug_rate_text(leak->rate_high, high);
    snug_text_init(&text, out, SNUG_RECORDER_LEAK_BYTES);
    add(&text, "memory grows steadily: %s (99 %%: %s to %s) for %.0f minutes", rate, low, high,
        leak->raised_t / 60);
    return out;
}

/* Private memory is what leaks; where it is not known, all of it. True when the alarm is raised. */
static bool watch_for_leak(snug_recorder *recorder)
{
    char text[SNUG_RECORDER_LEAK_BYTES];
    const snug_field_figures *figures = recorder->history.figures;
    const snug_log_field field = recorder->options.target == SNUG_TARGET_MACHINE ? SNUG_FIELD_USED
                                 : figures[SNUG_FIELD_ANON].count > 0            ? SNUG_FIELD_ANON
                                                                                 : SNUG_FIELD_RSS;
    snug_leak_alarm *leak = &recorder->leak;
    if (!snug_reading_has(&recorder->last, field) ||
        !snug_leak_alarm_add(leak, recorder->last.t, recorder->last.values[field])) {
        return false;
    }
    snug_json_writer *json =
        snug_memory_log_begin(&recorder->log, SNUG_LOG_TYPE_EVENT, recorder->last.t);
    snug_json_put_string(json, "event", SNUG_LOG_EVENT_LEAK);
    snug_json_put_string(json, "field", snug_log_fields[field].key);
    snug_json_put_i64(json, "rate", (int64_t)leak->rate);
    snug_json_put_i64(json, "rate_low", (int64_t)leak->rate_low);
    snug_json_put_i64(json, "rate_high", (int64_t)leak->rate_high);
    snug_json_put_string(json, "text", snug_recorder_leak_text(recorder, false, text));
    (void)end_line(recorder);
    return true;
}

/* After lines were lost, says so once the disk takes lines again. True for the first loss. */
static bool log_sample(snug_recorder *recorder)
{
    const int64_t lost = recorder->log.lost;
    const bool good = lost == 0;
    if (!recorder->logged_header) {
        log_header(recorder);
    }
    recorder->log_error = (snug_error){0};
    if (snug_failed(
            snug_memory_log_sample(&recorder->log, &recorder->last, &recorder->log_error))) {
        return good;
    }
    if (lost > 0) {
        recorder->log.lost = 0;
        log_number(recorder, SNUG_LOG_EVENT_GAP, "lost", lost);
    }
    return false;
}

/* The next one is an interval after the last was due, or sooner when the limit is near. */
static void plan_next(snug_recorder *recorder, int64_t now_ns)
{
    int64_t interval_ns = recorder->options.interval_ns;
    const double left_s = snug_levels_seconds_left(&recorder->levels);
    if (!recorder->options.steady && left_s / SAMPLES_TO_LIMIT < (double)interval_ns * 1e-9) {
        const int64_t soon_ns = (int64_t)(fmax(left_s, 0) / SAMPLES_TO_LIMIT * 1e9);
        interval_ns = snug_max_i64(soon_ns, snug_min_i64(interval_ns, INTERVAL_NS_MIN));
    }
    recorder->due_ns += interval_ns;
    if (recorder->due_ns <= now_ns) {
        /* Samples that were missed are not made up. */
        recorder->due_ns = now_ns + interval_ns;
    }
}

snug_tick snug_recorder_take(snug_recorder *recorder)
{
    const int64_t cost_start_ns = snug_clock_thread_ns();
    const int64_t now_ns = snug_clock_ns();
    const double late_ms = (double)(now_ns - recorder->due_ns) * 1e-6;
    snug_tick tick = {.sampled = true};
    snug_reading sample;
    snug_sampler_take(&recorder->sampler, now_ns, &sample);
    tick.state = snug_sampler_state(&recorder->sampler);
    sample.t = (double)(now_ns - recorder->start_ns) * 1e-9;
    if (tick.state == SNUG_TARGET_ALIVE) {
        if (late_ms > (double)recorder->options.interval_ns * 1e-6) {
            snug_reading_set(&sample, SNUG_FIELD_LATE_MS, late_ms);
            recorder->late_count++;
            recorder->late_ms_max = fmax(recorder->late_ms_max, late_ms);
        }
        if (recorder->live_bytes >= 0) {
            snug_reading_set(&sample, SNUG_FIELD_LIVE, (double)recorder->live_bytes);
        }
        recorder->last = sample;
        recorder->samples++;
        snug_history_add(&recorder->history, &sample);
        tick.log_failed = log_sample(recorder);
        tick.level_changed = snug_levels_update(&recorder->levels, &sample);
        if (tick.level_changed) {
            log_level(recorder);
        }
        tick.leak = watch_for_leak(recorder);
    }
    tick.oom_kills = recorder->sampler.oom_kills_new;
    if (tick.oom_kills > 0) {
        recorder->oom_kills += tick.oom_kills;
        log_number(recorder, SNUG_LOG_EVENT_OOM_KILL, "count", tick.oom_kills);
    }
    if (recorder->sampler.limit_changed && recorder->sampler.limit_bytes != INT64_MAX) {
        log_number(recorder, SNUG_LOG_EVENT_LIMIT, "cgroup_limit", recorder->sampler.limit_bytes);
    }
    plan_next(recorder, now_ns);
    recorder->cost_ns += snug_clock_thread_ns() - cost_start_ns;
    return tick;
}

snug_tick snug_recorder_tick(snug_recorder *recorder)
{
    if (snug_clock_ns() < recorder->due_ns) {
        return (snug_tick){.state = snug_sampler_state(&recorder->sampler)};
    }
    return snug_recorder_take(recorder);
}

snug_status snug_recorder_open(const snug_recorder_options *options, snug_recorder **out,
                               snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL;
    SNUG_TRY(
        snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(snug_recorder), false, &memory, err));
    snug_recorder *recorder = memory;
    recorder->options = *options;
    recorder->live_bytes = -1;
    if (options->interval_ns == 0) {
        recorder->options.interval_ns = SECOND_NS;
    }
    if (options->target == SNUG_TARGET_SELF) {
        recorder->options.sampler.pid = snug_process_id();
    }
    recorder->target_pid = recorder->options.sampler.pid;
    SNUG_TRY_DONE(snug_sampler_open(&recorder->sampler, &recorder->options.sampler, err));
    recorder->options.levels.machine_bytes = recorder->sampler.machine_bytes;
    snug_levels_init(&recorder->levels, &recorder->options.levels);
    if (options->log_path != NULL) {
        SNUG_TRY_DONE(snug_memory_log_open(&recorder->log, options->log_path, options->force, err));
    }
    read_command(recorder);
    (void)snug_clock_text(recorder->started);
    recorder->start_ns = snug_clock_ns();
    recorder->due_ns = recorder->start_ns;
    *out = recorder;

done:
    if (snug_failed(status)) {
        snug_recorder_close(recorder);
    }
    return status;
}

void snug_recorder_close(snug_recorder *recorder)
{
    if (recorder == NULL) {
        return;
    }
    snug_sampler_close(&recorder->sampler);
    snug_memory_log_close(&recorder->log);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, recorder, (int64_t)sizeof *recorder);
}

int64_t snug_recorder_due_ns(const snug_recorder *recorder)
{
    return recorder->due_ns;
}

double snug_recorder_seconds(const snug_recorder *recorder)
{
    return snug_clock_seconds_since(recorder->start_ns);
}

void snug_recorder_set_live(snug_recorder *recorder, int64_t bytes)
{
    recorder->live_bytes = bytes;
}

void snug_recorder_child_peak(snug_recorder *recorder, int64_t bytes)
{
    recorder->child_peak_bytes = snug_max_i64(recorder->child_peak_bytes, bytes);
}

void snug_recorder_phase(snug_recorder *recorder, const char *name, int64_t index,
                         const int64_t live[SNUG_CATEGORY_COUNT])
{
    snug_json_writer *json =
        snug_memory_log_begin(&recorder->log, SNUG_LOG_TYPE_PHASE, snug_recorder_seconds(recorder));
    snug_json_put_string(json, "name", name);
    snug_json_put_i64(json, "index", index);
    if (live != NULL) {
        snug_json_key(json, "live");
        snug_json_object_begin(json);
        for (int category = 0; category < SNUG_CATEGORY_COUNT; category++) {
            snug_json_put_i64(json, snug_category_name((snug_category)category), live[category]);
        }
        snug_json_object_end(json);
    }
    (void)end_line(recorder);
}

void snug_recorder_cost_read(const snug_recorder *recorder, snug_recorder_cost *out)
{
    snug_process_memory memory = {0};
    const double seconds = snug_recorder_seconds(recorder);
    snug_recorder_cost cost = {.stall_ns_max = recorder->sampler.pss_stall_ns_max};
    if (seconds > 0) {
        cost.cpu_percent = (double)recorder->cost_ns * 1e-7 / seconds;
    }
    if (recorder->samples > 0) {
        cost.microseconds = (double)recorder->cost_ns * 1e-3 / (double)recorder->samples;
    }
    if (snug_procfs_process("", 0, &memory, NULL) == SNUG_OK) {
        cost.rss_bytes = memory.resident_bytes;
        cost.private_bytes = memory.anonymous_bytes;
    }
    *out = cost;
}

double snug_recorder_peak_sampled(const snug_recorder *recorder)
{
    const snug_field_figures *figures = recorder->history.figures;
    if (recorder->options.target == SNUG_TARGET_MACHINE) {
        return figures[SNUG_FIELD_USED].high;
    }
    return figures[SNUG_FIELD_RSS].high;
}

double snug_recorder_peak_kernel(const snug_recorder *recorder)
{
    return fmax(recorder->history.figures[SNUG_FIELD_PEAK].high,
                (double)recorder->child_peak_bytes);
}

static void put_figures(const snug_recorder *recorder, snug_json_writer *json)
{
    snug_json_key(json, "fields");
    snug_json_object_begin(json);
    for (int field = 0; field < SNUG_FIELD_COUNT; field++) {
        const snug_field_figures *figures = &recorder->history.figures[field];
        const snug_log_unit unit = snug_log_fields[field].unit;
        if (figures->count == 0) {
            continue;
        }
        snug_json_key(json, snug_log_fields[field].key);
        snug_json_object_begin(json);
        snug_memory_log_value(json, "min", unit, figures->low);
        snug_memory_log_value(json, "mean", unit, snug_figures_mean(figures));
        snug_memory_log_value(json, "p95", unit, snug_figures_quantile(figures, 0.95));
        snug_memory_log_value(json, "max", unit, figures->high);
        snug_json_object_end(json);
    }
    snug_json_object_end(json);
}

void snug_recorder_summary_put(const snug_recorder *recorder, const char *reason, int exit_status,
                               snug_json_writer *json)
{
    snug_recorder_cost cost;
    snug_recorder_cost_read(recorder, &cost);
    snug_json_put_string(json, "reason", reason);
    if (exit_status >= 0) {
        snug_json_put_i64(json, "exit_status", exit_status);
    }
    snug_json_put_f64(json, "seconds", round(snug_recorder_seconds(recorder) * 1000) / 1000);
    snug_json_put_i64(json, "samples", recorder->samples);
    snug_json_put_i64(json, "late", recorder->late_count);
    if (recorder->log.lost_all > 0) {
        snug_json_put_i64(json, "lost", recorder->log.lost_all);
    }
    snug_json_put_i64(json, "peak_sampled", (int64_t)snug_recorder_peak_sampled(recorder));
    if (snug_recorder_peak_kernel(recorder) > 0) {
        snug_json_put_i64(json, "peak_kernel", (int64_t)snug_recorder_peak_kernel(recorder));
    }
    snug_json_put_string(json, "level", snug_level_name(recorder->levels.highest));
    if (recorder->levels.highest != SNUG_LEVEL_OK) {
        char text[SNUG_LEVELS_REASON_BYTES];
        snug_json_put_string(json, "level_reason",
                             snug_level_reason_text(&recorder->levels.highest_reason, false, text));
    }
    if (recorder->oom_kills > 0) {
        snug_json_put_i64(json, "oom_kills", recorder->oom_kills);
    }
    if (recorder->leak.raised) {
        snug_json_put_f64(json, "leak_at", round(recorder->leak.raised_t));
        snug_json_put_i64(json, "leak_rate", (int64_t)recorder->leak.rate);
    }
    snug_json_key(json, "own");
    snug_json_object_begin(json);
    snug_json_put_f64(json, "cpu_percent", round(cost.cpu_percent * 1e4) / 1e4);
    snug_json_put_f64(json, "us_per_sample", round(cost.microseconds * 10) / 10);
    snug_json_put_i64(json, "rss", cost.rss_bytes);
    snug_json_put_i64(json, "private", cost.private_bytes);
    if (cost.stall_ns_max > 0) {
        snug_json_put_f64(json, "pss_ms_max", round((double)cost.stall_ns_max * 1e-3) / 1e3);
    }
    snug_json_object_end(json);
    put_figures(recorder, json);
}

static void log_end(snug_recorder *recorder, const char *reason, int exit_status)
{
    const double t = snug_recorder_seconds(recorder);
    snug_json_writer *json = snug_memory_log_begin(&recorder->log, SNUG_LOG_TYPE_EVENT, t);
    snug_json_put_string(json, "event", reason);
    if (exit_status >= 0) {
        snug_json_put_i64(json, "status", exit_status);
    }
    (void)end_line(recorder);
}

void snug_recorder_finish(snug_recorder *recorder, const char *reason, int exit_status)
{
    if (recorder->finished) {
        return;
    }
    recorder->finished = true;
    /* A last and complete look: the kernel's peak, and kills in the control group. */
    recorder->sampler.medium_ns = 0;
    (void)snug_recorder_take(recorder);
    if (!recorder->logged_header) {
        log_header(recorder);
    }
    log_end(recorder, reason, exit_status);
    snug_json_writer *json = snug_memory_log_begin(&recorder->log, SNUG_LOG_TYPE_SUMMARY,
                                                   snug_recorder_seconds(recorder));
    snug_recorder_summary_put(recorder, reason, exit_status, json);
    (void)end_line(recorder);
}
