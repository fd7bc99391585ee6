#include "api/run_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sys/file.h"

/* "run.jsonl", "run-2.jsonl" */
static void name_file(snug_run_log *log)
{
    const char *name = snug_path_name(log->path);
    const char *dot = strrchr(name, '.');
    const int64_t stem = dot != NULL && dot != name ? dot - log->path : (int64_t)strlen(log->path);
    if (log->attempt <= 1) {
        (void)snprintf(log->file, sizeof log->file, "%s", log->path);
    } else {
        (void)snprintf(log->file, sizeof log->file, "%.*s-%" PRId64 "%s", (int)stem, log->path,
                       log->attempt, log->path + stem);
    }
}

static void open_log(snug_run_log *log, int64_t pid)
{
    char command[SNUG_RECORDER_COMMAND_BYTES];
    snug_text text;
    snug_text_init(&text, command, sizeof command);
    for (int64_t i = 0; log->command[i] != NULL; i++) {
        snug_text_add(&text, "%s%s", i > 0 ? " " : "", log->command[i]);
    }
    name_file(log);
    const snug_recorder_options options = {
        .target = SNUG_TARGET_COMMAND,
        .sampler = {.root = "", .pid = pid, .whole = true, .adopted = true},
        .levels = {.by_headroom = true, .limit_bytes = log->limit_bytes},
        .interval_ns = (int64_t)(log->interval_s * 1e9),
        .log_path = log->file,
        .force = true,
        .command = command,
        .program = "snug " SNUG_VERSION};
    if (snug_failed(snug_recorder_open(&options, &log->recorder, &log->error))) {
        log->recorder = NULL;
    }
}

void snug_run_log_tick(void *context, int64_t pid)
{
    snug_run_log *log = context;
    if (!log->tried) {
        log->tried = true;
        open_log(log, pid);
    }
    if (log->recorder != NULL) {
        const snug_tick tick = snug_recorder_tick(log->recorder);
        if (tick.log_failed) {
            log->error = log->recorder->log_error;
        }
    }
}

void snug_run_log_finish(snug_run_log *log, const snug_attempt *attempt)
{
    if (log->recorder != NULL) {
        snug_recorder_child_peak(log->recorder, attempt->process_peak_bytes);
        snug_recorder_event(log->recorder, SNUG_LOG_EVENT_MARK, attempt->sentence);
        snug_recorder_finish(log->recorder, "target_exited", attempt->exit_code);
        snug_recorder_close(log->recorder);
    }
    log->recorder = NULL;
}
