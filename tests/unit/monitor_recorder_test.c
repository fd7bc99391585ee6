#include "check.h"

#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "monitor/chart.h"
#include "monitor/memory_report.h"
#include "monitor/recorder.h"
#include "snug/monitor.h"
#include "sys/clock.h"
#include "sys/heap.h"

static char folder[64];
static char path[128];
static snug_error err;
static char text[SNUG_MEMORY_PLOT_BYTES];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "monitor_recorder.XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/log.jsonl", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return snug_folder_remove(folder, NULL) != SNUG_OK;
}

/* The lines of the log that say they are of a type; every line but a cut last one is JSON. */
static int64_t count_lines(const char *type, char *last, int64_t last_bytes)
{
    char wanted[64];
    static char line[SNUG_MEMORY_LOG_LINE_BYTES];
    int64_t count = 0;
    (void)snprintf(wanted, sizeof wanted, "{\"type\":\"%s\"", type);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        const size_t length = strlen(line);
        if (length == 0 || line[length - 1] != '\n') {
            break;
        }
        snug_json_reader reader;
        snug_json_event event = {0};
        snug_json_reader_init(&reader, line, (int64_t)length);
        CHECK(snug_json_next(&reader, &event, &err) == SNUG_OK);
        CHECK(event.kind == SNUG_JSON_OBJECT_BEGIN);
        while (event.kind != SNUG_JSON_END) {
            CHECK_OK(snug_json_next(&reader, &event, &err));
        }
        if (strncmp(line, wanted, strlen(wanted)) == 0) {
            count++;
            if (last != NULL) {
                (void)snprintf(last, (size_t)last_bytes, "%s", line);
            }
        }
    }
    CHECK(fclose(file) == 0);
    return count;
}

static snug_recorder_options self_options(void)
{
    return (snug_recorder_options){.target = SNUG_TARGET_SELF,
                                   .sampler = {.root = "", .no_gpu = true},
                                   .interval_ns = 1000000,
                                   .log_path = path,
                                   .program = "test"};
}

static void a_program_records_itself(void **state)
{
    (void)state;
    char line[4096];
    snug_recorder *recorder = NULL;
    const snug_recorder_options options = self_options();
    const int64_t live[SNUG_CATEGORY_COUNT] = {1, 2, 3, 4, 5, 6, 7};
    CHECK_OK(snug_recorder_open(&options, &recorder, &err));
    CHECK_OK(snug_heap_seal(false, 0, &err));
    for (int i = 0; i < 20; i++) {
        snug_recorder_set_live(recorder, 1000 + i);
        (void)snug_recorder_tick(recorder);
        snug_clock_sleep_ns(1100000);
    }
    snug_recorder_phase(recorder, "epoch", 1, live);
    snug_recorder_event(recorder, SNUG_LOG_EVENT_MARK, "half \"way\"");
    snug_recorder_finish(recorder, "done", -1);
    snug_recorder_finish(recorder, "twice", -1);
    snug_heap_unseal();
    CHECK(recorder->samples >= 15);
    CHECK(snug_recorder_peak_sampled(recorder) > 1e5);
    CHECK(snug_recorder_peak_kernel(recorder) >= snug_recorder_peak_sampled(recorder) * 0.98);
    CHECK(count_lines("header", line, sizeof line) == 1);
    CHECK(strstr(line, "\"schema\":\"memlog/1\"") != NULL);
    CHECK(strstr(line, "\"target\":\"self\"") != NULL);
    CHECK(strstr(line, "\"gpu_used\":\"turned off\"") != NULL);
    CHECK(count_lines("sample", line, sizeof line) == recorder->samples);
    CHECK(strstr(line, "\"live\":10") != NULL && strstr(line, "\"rss\":") != NULL);
    CHECK(count_lines("phase", line, sizeof line) == 1);
    CHECK(strstr(line, "\"name\":\"epoch\",\"index\":1") != NULL);
    CHECK(strstr(line, "\"activations\":4") != NULL);
    CHECK(count_lines("event", line, sizeof line) == 2);
    CHECK(count_lines("summary", line, sizeof line) == 1);
    CHECK(strstr(line, "\"reason\":\"done\"") != NULL);
    snug_recorder_close(recorder);
}

static void an_old_log_is_not_written_over(void **state)
{
    (void)state;
    snug_recorder *recorder = NULL;
    snug_recorder_options options = self_options();
    CHECK_OK(snug_file_write_all(path, "old\n", 4, &err));
    CHECK_FAILS(snug_recorder_open(&options, &recorder, &err), SNUG_CODE_BUSY);
    CHECK(recorder == NULL);
    options.force = true;
    CHECK_OK(snug_recorder_open(&options, &recorder, &err));
    (void)snug_recorder_take(recorder);
    snug_recorder_close(recorder);
    CHECK(count_lines("header", NULL, 0) == 1);
    CHECK(count_lines("sample", NULL, 0) == 1);
}

static void a_full_disk_is_told_once_and_the_watch_goes_on(void **state)
{
    (void)state;
    snug_recorder *recorder = NULL;
    snug_recorder_options options = self_options();
    options.log_path = "/dev/full";
    if (access("/dev/full", W_OK) != 0) {
        print_message("no /dev/full here: left out\n");
        return;
    }
    CHECK_OK(snug_recorder_open(&options, &recorder, &err));
    snug_tick tick = snug_recorder_take(recorder);
    CHECK(tick.sampled && tick.log_failed);
    CHECK(recorder->log_error.code == SNUG_CODE_FULL);
    tick = snug_recorder_take(recorder);
    CHECK(tick.sampled && !tick.log_failed);
    CHECK(recorder->samples == 2 && recorder->log.lost_all >= 2);
    snug_recorder_finish(recorder, "done", -1);
    snug_recorder_close(recorder);
}

static void a_line_that_was_cut_is_the_only_one_lost(void **state)
{
    (void)state;
    static snug_memory_log log;
    char line[512];
    const snug_reading sample = {.t = 1};
    CHECK_OK(snug_memory_log_open(&log, path, false, &err));
    CHECK_OK(snug_memory_log_sample(&log, &sample, &err));
    /* As a disk that filled up in the middle of a line leaves it. */
    CHECK_OK(snug_file_append(&log.file, "{\"type\":\"sam", 12, &err));
    log.torn = true;
    CHECK_OK(snug_memory_log_sample(&log, &sample, &err));
    snug_memory_log_close(&log);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    int whole = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        whole += strcmp(line, "{\"type\":\"sample\",\"t\":1}\n") == 0;
    }
    CHECK(fclose(file) == 0);
    CHECK(whole == 2);
}

static void a_log_is_whole_lines_after_kill_9(void **state)
{
    (void)state;
    const pid_t child = fork();
    if (child == 0) {
        snug_recorder *recorder = NULL;
        const snug_recorder_options options = self_options();
        if (snug_recorder_open(&options, &recorder, NULL) != SNUG_OK) {
            _exit(1);
        }
        for (;;) {
            (void)snug_recorder_take(recorder);
        }
    }
    /* In the middle of the writing, however long a slow machine takes to come there. */
    struct stat log = {0};
    for (int32_t k = 0; k < 200 && log.st_size < 10000; k++) {
        snug_clock_sleep_ns(100000000);
        (void)stat(path, &log);
    }
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(count_lines("header", NULL, 0) == 1);
    CHECK(count_lines("sample", NULL, 0) > 10);
}

static void a_chart_has_its_lines_and_no_line_is_too_long(void **state)
{
    (void)state;
    static snug_chart_canvas canvas;
    static const int64_t sizes[][2] = {{40, 8}, {80, 24}, {200, 50}, {1, 1}, {9999, 999}};
    snug_recorder *recorder = NULL;
    snug_recorder_options options = self_options();
    options.log_path = NULL;
    options.levels.limit_bytes = INT64_C(1) << 30;
    CHECK_OK(snug_recorder_open(&options, &recorder, &err));
    for (int i = 0; i < 30; i++) {
        (void)snug_recorder_take(recorder);
        snug_clock_sleep_ns(1000000);
    }
    for (int size = 0; size < 5; size++) {
        for (int ascii = 0; ascii < 2; ascii++) {
            const snug_chart_options chart = {
                .columns = sizes[size][0], .rows = sizes[size][1], .ascii = ascii != 0};
            snug_text out;
            snug_text_init(&out, text, sizeof text);
            snug_chart_draw(recorder, &chart, &canvas, &out);
            CHECK(!out.truncated);
            const int64_t columns = size < 3 ? sizes[size][0] : size == 3 ? 40 : 500;
            const int64_t rows = size < 3 ? sizes[size][1] : size == 3 ? 8 : 60;
            int64_t lines = 0;
            int64_t width = 0;
            for (const char *at = text; *at != '\0'; at++) {
                CHECK(ascii == 0 || (unsigned char)*at < 0x80);
                if (*at == '\n') {
                    CHECK(width <= columns);
                    lines++;
                    width = 0;
                } else if (((unsigned char)*at & 0xc0) != 0x80) {
                    width++;
                }
            }
            CHECK(lines == rows);
            CHECK(strstr(text, "resident") != NULL);
        }
    }
    snug_recorder_close(recorder);
}

/* A reading of 100 MiB in a group that holds 1.5 GiB. */
static void add_to_group(snug_history *history, double limit)
{
    for (int i = 0; i < 5; i++) {
        snug_reading reading = {.t = i};
        snug_reading_set(&reading, SNUG_FIELD_RSS, 100 << 20);
        snug_reading_set(&reading, SNUG_FIELD_CGROUP, 1.5e9);
        if (limit > 0) {
            snug_reading_set(&reading, SNUG_FIELD_CGROUP_LIMIT, limit);
        }
        snug_history_add(history, &reading);
    }
}

static void a_group_without_a_limit_does_not_press_the_curve_flat(void **state)
{
    (void)state;
    static snug_history history;
    snug_history_view view;
    memset(&history, 0, sizeof history);
    add_to_group(&history, 0);
    snug_history_view_choose(&history, false, 300 << 20, &view);
    CHECK(view.shown[SNUG_CURVE_RSS] && !view.shown[SNUG_CURVE_CGROUP]);
    CHECK(view.shown[SNUG_CURVE_LIMIT] && view.top == 300 << 20);
    memset(&history, 0, sizeof history);
    add_to_group(&history, 2e9);
    snug_history_view_choose(&history, false, 0, &view);
    CHECK(view.shown[SNUG_CURVE_CGROUP] && view.shown[SNUG_CURVE_LIMIT] && view.top == 2e9);
}

static void a_picture_and_a_report_are_made_of_what_was_seen(void **state)
{
    (void)state;
    snug_recorder *recorder = NULL;
    snug_recorder_options options = self_options();
    options.command = "train <&> \x01\xff.py";
    CHECK_OK(snug_recorder_open(&options, &recorder, &err));
    snug_text out;
    static snug_canvas canvas;
    /* Nothing was seen yet. */
    snug_text_init(&out, text, sizeof text);
    canvas = (snug_canvas){.svg = &out};
    snug_memory_plot_draw(recorder, &canvas);
    CHECK(strstr(text, "</svg>") != NULL && strstr(text, "nan") == NULL);
    for (int i = 0; i < 3000; i++) {
        (void)snug_recorder_take(recorder);
    }
    snug_text_init(&out, text, sizeof text);
    canvas = (snug_canvas){.svg = &out};
    snug_memory_plot_draw(recorder, &canvas);
    CHECK(!out.truncated);
    CHECK(strstr(text, "train &lt;&amp;&gt;  ?.py") != NULL);
    CHECK(strstr(text, "nan") == NULL && strstr(text, "polyline") != NULL);
    const snug_watch_end end = {.reason = "duration", .exit_status = -1};
    snug_text_init(&out, text, sizeof text);
    snug_memory_report_text(recorder, &end, &out);
    CHECK(strstr(text, "resident") != NULL && strstr(text, "of a core") != NULL);
    snug_text_init(&out, text, sizeof text);
    snug_memory_report_json(recorder, &end, &out);
    CHECK(strstr(text, "\"schema\": \"snug.monitor/1\"") != NULL);
    snug_recorder_close(recorder);
}

static void a_thread_watches_its_own_process(void **state)
{
    (void)state;
    snug_monitor *monitor = NULL;
    snug_monitor_sample sample;
    snug_monitor_end end;
    const snug_monitor_options options = {
        .target = SNUG_MONITOR_SELF, .interval_s = 0.005, .log = path, .no_gpu = true};
    CHECK_OK(snug_monitor_open(&options, &monitor, NULL, &err));
    CHECK_FAILS(snug_monitor_finish(monitor, &err), SNUG_CODE_USAGE);
    CHECK_OK(snug_monitor_start(monitor, &err));
    CHECK_FAILS(snug_monitor_start(monitor, &err), SNUG_CODE_USAGE);
    snug_monitor_set_live(monitor, 77);
    snug_monitor_phase(monitor, "epoch", 0);
    snug_monitor_mark(monitor, "here");
    snug_clock_sleep_ns(200000000);
    CHECK(snug_monitor_last(monitor, &sample));
    CHECK(sample.values[snug_monitor_field_find("rss")] > 1e5);
    CHECK(sample.values[snug_monitor_field_find("live")] == 77);
    CHECK(isnan(sample.values[snug_monitor_field_find("gpu_used")]));
    CHECK(snug_monitor_field_find("nonsense") == -1);
    CHECK_OK(snug_monitor_finish(monitor, &err));
    snug_monitor_end_read(monitor, &end);
    assert_string_equal(end.reason, "interrupted");
    CHECK(end.samples > 10 && end.own_rss_bytes > 0);
    snug_monitor_close(monitor);
    CHECK(count_lines("summary", NULL, 0) == 1);
}

static void what_is_asked_wrongly_is_refused(void **state)
{
    (void)state;
    snug_monitor *monitor = NULL;
    const char *const none[] = {NULL};
    const char *const missing[] = {"/nonexistent/program", NULL};
    const char *const folder_command[] = {"/", NULL};
    int code = -1;
    CHECK_FAILS(
        snug_monitor_open(&(snug_monitor_options){.interval_s = 1e-6}, &monitor, NULL, &err),
        SNUG_CODE_USAGE);
    CHECK_FAILS(snug_monitor_open(&(snug_monitor_options){.duration_s = -1}, &monitor, NULL, &err),
                SNUG_CODE_USAGE);
    CHECK_FAILS(snug_monitor_open(&(snug_monitor_options){.target = SNUG_MONITOR_PID}, &monitor,
                                  NULL, &err),
                SNUG_CODE_USAGE);
    CHECK_FAILS(
        snug_monitor_open(&(snug_monitor_options){.target = SNUG_MONITOR_COMMAND, .command = none},
                          &monitor, NULL, &err),
        SNUG_CODE_USAGE);
    CHECK_FAILS(snug_monitor_open(
                    &(snug_monitor_options){.target = SNUG_MONITOR_COMMAND, .command = missing},
                    &monitor, &code, &err),
                SNUG_CODE_NOT_FOUND);
    CHECK(code == 127);
    CHECK_FAILS(snug_monitor_open(&(snug_monitor_options){.target = SNUG_MONITOR_COMMAND,
                                                          .command = folder_command},
                                  &monitor, &code, &err),
                SNUG_CODE_IO);
    CHECK(code == 126);
    CHECK(monitor == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        EACH(a_program_records_itself),
        EACH(an_old_log_is_not_written_over),
        EACH(a_full_disk_is_told_once_and_the_watch_goes_on),
        EACH(a_line_that_was_cut_is_the_only_one_lost),
        EACH(a_group_without_a_limit_does_not_press_the_curve_flat),
        EACH(a_log_is_whole_lines_after_kill_9),
        EACH(a_chart_has_its_lines_and_no_line_is_too_long),
        EACH(a_picture_and_a_report_are_made_of_what_was_seen),
        EACH(a_thread_watches_its_own_process),
        EACH(what_is_asked_wrongly_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
