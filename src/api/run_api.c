#include "snug/run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/inside.h"
#include "api/run_log.h"
#include "base/attr.h"
#include "base/text.h"
#include "base/translate.h"
#include "monitor/enforce.h"
#include "monitor/restart.h"
#include "monitor/supervise.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/environment.h"
#include "sys/heap.h"
#include "sys/kept.h"

enum { ARENA_BLOCK_BYTES = 1 << 20, LINE_BYTES = 1024, NAME_BYTES = 64, OWN_VARIABLES = 2 };
static const char GROUP_PREFIX[] = "snug-run-";
static const double GRACE_S = 10;
static const double GUARD_PATIENCE_S = 5;
static const double BACKOFF_MOST_S = 8;

/* What the guard needs when this process is gone. */
typedef struct leftovers {
    snug_group group;
    char marker[NAME_BYTES]; /* SNUG_RUN_ID=... in the environment of all that was started. */
} leftovers;

typedef struct runner {
    const snug_run_options *options;
    snug_run_result *result;
    snug_arena arena;
    snug_restart restart;
    uint64_t key;
    leftovers left;
    snug_guard guard;
    char name[NAME_BYTES];
} runner;

static void say(const runner *run, bool important, const char *format, ...) SNUG_PRINTF(3, 4);

static void say(const runner *run, bool important, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    if (run->options->message == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, snug_translated_format(format), arguments);
    va_end(arguments);
    run->options->message(run->options->message_context, important, line);
}

bool snug_run_enforce_find(const char *name, snug_run_enforce *out)
{
    static const char *const names[] = {"auto", "cgroup", "rlimit", "watch"};
    static const snug_run_enforce values[] = {SNUG_RUN_AUTO, SNUG_RUN_CGROUP, SNUG_RUN_RLIMIT,
                                              SNUG_RUN_WATCH};
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        if (name == NULL || strcmp(name, names[i]) == 0) {
            *out = values[i];
            return true;
        }
    }
    return false;
}

/* Runs in the guard: a command whose supervisor was killed is ended, and its group removed. */
static void end_leftovers(void *context)
{
    leftovers *left = context;
    const int64_t start = snug_clock_ns();
    static snug_pids marked;
    if (left->group.version != 0) {
        (void)snug_group_kill(&left->group, GUARD_PATIENCE_S);
    }
    do {
        snug_pids_marked(left->marker, &marked);
        for (int64_t i = 0; i < marked.count; i++) {
            snug_signal_send(marked.pids[i], SNUG_SIGNAL_KILL);
        }
        snug_clock_sleep_ns(1000000);
    } while (marked.count > 0 && snug_clock_seconds_since(start) < GUARD_PATIENCE_S);
    (void)snug_group_remove(&left->group);
}

static snug_enforce choice_of(snug_run_enforce enforce)
{
    switch (enforce) {
    case SNUG_RUN_CGROUP:
        return SNUG_ENFORCE_CGROUP;
    case SNUG_RUN_RLIMIT:
        return SNUG_ENFORCE_RLIMIT;
    case SNUG_RUN_WATCH:
        return SNUG_ENFORCE_WATCH;
    case SNUG_RUN_AUTO:
        break;
    }
    return SNUG_ENFORCE_AUTO;
}

/* Says once what was picked, and why nothing stronger. */
static void say_enforcer(const runner *run, const snug_enforcer *enforcer)
{
    char limit[SNUG_SIZE_TEXT_BYTES];
    char asked[SNUG_SIZE_TEXT_BYTES];
    snug_text why;
    snug_text_init(&why, run->result->why, sizeof run->result->why);
    snug_text_add(&why, "%s", enforcer->why);
    say(run, false, "limit %s kept by %s%s%s%s", snug_size_text(enforcer->limit_bytes, limit),
        snug_rung_name(enforcer->rung), enforcer->why[0] != '\0' ? " (" : "", enforcer->why,
        enforcer->why[0] != '\0' ? ")" : "");
    /* The kernel counts whole pages. */
    if (run->options->limit_bytes - enforcer->limit_bytes >= 1 << 16) {
        say(run, false,
            "the limit is lower than the %s that were asked for: a group above has less",
            snug_size_text(run->options->limit_bytes, asked));
    }
}

static snug_status open_enforcer(runner *run, snug_enforcer *out, snug_error *err)
{
    const snug_enforce_options options = {.root = "",
                                          .choice = choice_of(run->options->enforce),
                                          .limit_bytes = run->options->limit_bytes,
                                          .name = run->name};
    snug_status status = SNUG_OK;
    SNUG_TRY(snug_enforce_open(&options, out, err));
    if (run->guard.handle == 0) {
        say_enforcer(run, out);
        run->left.group = out->group;
        SNUG_TRY_DONE(snug_guard_start(end_leftovers, &run->left, &run->guard, err));
    }
done:
    if (snug_failed(status)) {
        (void)snug_enforce_close(out);
    }
    return status;
}

static void keep_attempt(runner *run, const snug_attempt *attempt)
{
    snug_text values;
    snug_run_attempt *out = &run->result->attempts[run->result->attempt_count++];
    *out = (snug_run_attempt){.exit_code = attempt->exit_code,
                              .cause = snug_cause_key(attempt->cause),
                              .enforced_by = snug_rung_key(attempt->rung),
                              .limit_bytes = attempt->limit_bytes,
                              .peak_bytes = attempt->peak_bytes,
                              .peak_source = attempt->peak_source,
                              .process_peak_bytes = attempt->process_peak_bytes,
                              .wall_s = attempt->wall_s,
                              .cpu_s = attempt->cpu_s,
                              .left_behind = attempt->left_behind,
                              .clean = attempt->clean};
    (void)snprintf(out->sentence, sizeof out->sentence, "%s", attempt->sentence);
    snug_text_init(&values, out->values, sizeof out->values);
    snug_restart_show(&run->restart, &values);
}

static bool is_memory(snug_cause cause)
{
    return cause == SNUG_CAUSE_LIMIT || cause == SNUG_CAUSE_LIMIT_LIKELY ||
           cause == SNUG_CAUSE_MACHINE;
}

static void say_attempt(const runner *run, const snug_attempt *attempt)
{
    const snug_run_attempt *kept = &run->result->attempts[run->result->attempt_count - 1];
    char peak[SNUG_SIZE_TEXT_BYTES];
    char number[96] = "";
    if (run->options->retry_count > 0) {
        (void)snprintf(number, sizeof number, "attempt %" PRId64 "%s%.60s%s ",
                       run->result->attempt_count, kept->values[0] != '\0' ? " (" : "",
                       kept->values, kept->values[0] != '\0' ? ")" : "");
    }
    say(run, attempt->cause != SNUG_CAUSE_COMMAND || attempt->signal != 0,
        "%s%s after %.1f s, peak %s (%s)", number, attempt->sentence, attempt->wall_s,
        snug_size_text(attempt->peak_bytes, peak), snug_translated(attempt->peak_source));
    if (attempt->left_behind > 0) {
        say(run, false, "%" PRId64 " %s outlived the command and %s killed", attempt->left_behind,
            snug_translated(attempt->left_behind == 1 ? "process" : "processes"),
            snug_translated(attempt->left_behind == 1 ? "was" : "were"));
    }
    if (!attempt->clean) {
        say(run, true, "some of its processes cannot be killed and are still there");
    }
}

/* SNUG_RUN_ID marks what belongs to this run; SNUG_RUN_ATTEMPT and the values serve the command. */
static snug_status make_environment(runner *run, char *const **out, snug_error *err)
{
    const snug_restart *restart = &run->restart;
    snug_environment made = {0};
    char text[128];
    SNUG_TRY(snug_environment_copy(&run->arena, OWN_VARIABLES + restart->value_count, &made, err));
    SNUG_TRY(snug_environment_set(&made, run->left.marker, &run->arena, err));
    (void)snprintf(text, sizeof text, "SNUG_RUN_ATTEMPT=%" PRId64, run->result->attempt_count + 1);
    SNUG_TRY(snug_environment_set(&made, text, &run->arena, err));
    for (int32_t i = 0; i < restart->value_count; i++) {
        (void)snprintf(text, sizeof text, "SNUG_RUN_%s=%" PRId64, restart->names[i],
                       restart->now[i]);
        for (char *at = text + 9; *at != '=' && *at != '\0'; at++) {
            *at = *at == '-' || *at == '.' ? '_' : *at;
        }
        SNUG_TRY(snug_environment_set(&made, text, &run->arena, err));
    }
    *out = made.entries;
    return SNUG_OK;
}

static snug_status run_once(runner *run, snug_attempt *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark mark = snug_arena_mark(&run->arena);
    snug_enforcer enforcer = {0};
    snug_run_log log = {.path = run->options->log,
                        .interval_s = run->options->log_interval_s,
                        .attempt = run->result->attempt_count + 1,
                        .command = run->options->command};
    snug_attempt_options options = {.enforcer = &enforcer,
                                    .output = run->options->output,
                                    .time_limit_s = run->options->time_limit_s,
                                    .grace_s = run->options->grace_s > 0 ? run->options->grace_s
                                                                         : GRACE_S};
    SNUG_TRY_DONE(snug_restart_fill(&run->restart, run->options->command, &run->arena,
                                    &options.arguments, err));
    SNUG_TRY_DONE(make_environment(run, &options.environment, err));
    SNUG_TRY_DONE(open_enforcer(run, &enforcer, err));
    options.except = run->guard.pid;
    log.limit_bytes = enforcer.limit_bytes;
    if (log.path != NULL) {
        options.tick = snug_run_log_tick;
        options.context = &log;
    }
    SNUG_TRY_DONE(snug_attempt_run(&options, &run->arena, out, &run->result->exit_code, err));
    snug_run_log_finish(&log, out);
    keep_attempt(run, out);
    say_attempt(run, out);
    if (log.error.message[0] != '\0') {
        say(run, true, "the log is not whole: %s", log.error.message);
    }

done:
    if (!snug_enforce_close(&enforcer)) {
        say(run, true, "the control group %s could not be removed", run->name);
    }
    snug_arena_rewind(&run->arena, mark);
    return status;
}

static void save_state(runner *run)
{
    snug_error err = {0};
    if (run->options->state != NULL && run->restart.value_count > 0 &&
        snug_failed(snug_restart_save(&run->restart, run->key, run->options->limit_bytes,
                                      run->options->state, &err))) {
        say(run, true, "the state is not saved: %s", err.message);
    }
}

/* After a death by memory: whether there is another attempt, and with what. */
static bool prepare_next(runner *run, const snug_attempt *attempt)
{
    char data[SNUG_RUN_TEXT_BYTES];
    snug_text text;
    if (!is_memory(attempt->cause)) {
        if (attempt->cause == SNUG_CAUSE_COMMAND && attempt->exit_code != 0 &&
            attempt->rung == SNUG_RUNG_RLIMIT) {
            say(run, false,
                "if it was refused memory, as its own words would say: RLIMIT_DATA "
                "leaves no trace of one large request");
        }
        return false;
    }
    if (run->result->attempt_count > run->options->retry_count) {
        if (run->options->retry_count > 0) {
            say(run, true, "no attempt is left of %" PRId64, run->options->retry_count + 1);
        }
        return false;
    }
    if (run->restart.shrink_count > 0 && !snug_restart_next(&run->restart)) {
        say(run, true, "nothing can shrink any further");
        return false;
    }
    if (attempt->cause == SNUG_CAUSE_MACHINE) {
        /* Whoever filled the machine may need a moment to go away. */
        double pause = 1;
        for (int64_t i = 1; i < run->result->attempt_count && pause < BACKOFF_MOST_S; i++) {
            pause *= 2;
        }
        bool from_terminal = false;
        const snug_signal signal = snug_signals_wait((int64_t)(pause * 1e9), &from_terminal);
        if (signal != SNUG_SIGNAL_NONE && signal != SNUG_SIGNAL_CHILD) {
            return false;
        }
    }
    snug_text_init(&text, data, sizeof data);
    snug_restart_show(&run->restart, &text);
    snug_restart_show_product(&run->restart, &text);
    say(run, false, "attempt %" PRId64 "%s%s", run->result->attempt_count + 1,
        text.length > 0 ? ": " : "", data);
    save_state(run);
    return true;
}

static snug_status run_all(runner *run, snug_error *err)
{
    for (;;) {
        snug_attempt attempt = {0};
        SNUG_TRY(run_once(run, &attempt, err));
        run->result->exit_code = attempt.exit_code;
        if (attempt.cause == SNUG_CAUSE_LIMIT) {
            run->result->exit_code = SNUG_RUN_EXIT_LIMIT;
        } else if (attempt.cause == SNUG_CAUSE_TIME) {
            run->result->exit_code = SNUG_RUN_EXIT_TIME;
        }
        if (attempt.cause == SNUG_CAUSE_COMMAND && attempt.exit_code == 0) {
            save_state(run);
        }
        if (!prepare_next(run, &attempt)) {
            return SNUG_OK;
        }
    }
}

static snug_status check_options(const snug_run_options *options, snug_error *err)
{
    if (options->command == NULL || options->command[0] == NULL || options->command[0][0] == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "there is no command to run");
    }
    if (options->limit_bytes < 1) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "the limit must be above 0");
    }
    if (options->retry_count < 0 || options->retry_count >= SNUG_RUN_ATTEMPTS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "retries must be 0 to %d",
                         SNUG_RUN_ATTEMPTS_MAX - 1);
    }
    return SNUG_OK;
}

static snug_status prepare(runner *run, snug_error *err)
{
    const snug_run_options *options = run->options;
    bool used = false;
    SNUG_TRY(check_options(options, err));
    SNUG_TRY(
        snug_restart_read(options->shrink, options->grow, options->command, &run->restart, err));
    run->key = snug_restart_key(&run->restart, options->command);
    if (options->state != NULL) {
        SNUG_TRY(snug_restart_load(&run->restart, run->key, options->limit_bytes, options->state,
                                   &run->arena, &used, err));
    }
    if (used) {
        char data[SNUG_RUN_TEXT_BYTES];
        snug_text text;
        snug_text_init(&text, data, sizeof data);
        snug_restart_show(&run->restart, &text);
        say(run, false, "starting with %s, as '%s' remembers", data, options->state);
    }
    if (options->log != NULL) {
        /* Before a command is started whose log cannot be written. */
        snug_memory_log probe = {0};
        SNUG_TRY(snug_memory_log_open(&probe, options->log, true, err));
        snug_memory_log_close(&probe);
    }
    (void)snprintf(run->name, sizeof run->name, "%s%" PRId64, GROUP_PREFIX, snug_process_id());
    (void)snprintf(run->left.marker, sizeof run->left.marker, "SNUG_RUN_ID=%" PRId64 "-%" PRId64,
                   snug_process_id(), snug_clock_ns());
    return SNUG_OK;
}

snug_status snug_run(const snug_run_options *options, snug_run_result *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    runner run = {.options = options, .result = out};
    *out = (snug_run_result){.exit_code = SNUG_RUN_EXIT_FAILED};
    snug_heap_arena_init(&run.arena, "run", SNUG_CATEGORY_RUNTIME, ARENA_BLOCK_BYTES);
    snug_signals_take();
    snug_child_adopt(true);
    SNUG_TRY_DONE(prepare(&run, err));
    (void)snug_group_sweep("", GROUP_PREFIX);
    SNUG_TRY_DONE(run_all(&run, err));

done:
    snug_guard_stop(&run.guard);
    snug_child_adopt(false);
    snug_signals_give_back();
    snug_heap_arena_deinit(&run.arena, SNUG_CATEGORY_RUNTIME);
    return status;
}
