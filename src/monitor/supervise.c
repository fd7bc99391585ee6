#include "monitor/supervise.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/text.h"
#include "monitor/watch.h"
#include "sys/clock.h"

static const double PATIENCE_S = 5;
/* The kernel charges pages in batches for each core, so that the peak stays a little below. */
static const int64_t BATCH_BYTES = INT64_C(4) << 20;
enum { KILLED_EXIT = 128 + 9, DATA_SHARE = 5 };

typedef struct attempt_state {
    const snug_attempt_options *options;
    snug_watch watch;
    int64_t pid;
    int64_t start_ns, term_ns; /* `term_ns`: when the time was over; 0: it is not. */
    int64_t kills_before, machine_before;
    snug_child_end end;
    bool ended;
    snug_death death;
} attempt_state;

const char *snug_cause_key(snug_cause cause)
{
    static const char *const keys[] = {"command", "limit", "limit_likely", "machine",
                                       "outside", "time",  "user"};
    return keys[cause];
}

static bool near_limit(const snug_death *death)
{
    const int64_t slack = snug_max_i64(BATCH_BYTES, death->limit_bytes / 50);
    return death->group_peak_bytes < 0 || death->group_peak_bytes >= death->limit_bytes - slack;
}

static snug_cause explain_kernel_kill(const snug_death *death, snug_text *text)
{
    char peak[SNUG_SIZE_TEXT_BYTES];
    if (near_limit(death)) {
        snug_text_say(text, "killed by the limit (%s, oom_kill +%" PRId64 ")",
                      snug_rung_name(death->rung), death->group_kills);
        return SNUG_CAUSE_LIMIT;
    }
    snug_text_say(text,
                  "killed for memory at %s, below its own limit: by the machine or by a control "
                  "group above",
                  snug_size_text(death->group_peak_bytes, peak));
    return SNUG_CAUSE_MACHINE;
}

/* It ended with SIGKILL, and neither our limit nor we did it. */
static snug_cause explain_foreign_kill(const snug_death *death, snug_text *text)
{
    if (death->machine_kills > 0) {
        snug_text_say(text,
                      "killed, most likely by the machine's OOM killer (/proc/vmstat oom_kill "
                      "+%" PRId64 " meanwhile)",
                      death->machine_kills);
        return SNUG_CAUSE_MACHINE;
    }
    snug_text_say(text, "killed by SIGKILL from outside: not by the limit, and the kernel counted "
                        "no kill for memory");
    return SNUG_CAUSE_OUTSIDE;
}

static snug_cause explain_own_end(const snug_death *death, snug_text *text)
{
    char data[SNUG_SIZE_TEXT_BYTES];
    const bool failed = death->by_signal || death->status != 0;
    if (failed && death->rung == SNUG_RUNG_RLIMIT &&
        death->data_peak_bytes >= death->limit_bytes - death->limit_bytes / DATA_SHARE) {
        snug_text_say(text, "failed, likely because of the limit: a process had %s of RLIMIT_DATA",
                      snug_size_text(death->data_peak_bytes, data));
        return SNUG_CAUSE_LIMIT_LIKELY;
    }
    if (death->by_signal) {
        snug_text_say(text, "ended by %s (%d) of its own", snug_signal_name(death->status),
                      death->status);
    } else {
        snug_text_say(text, "finished, status %d", death->status);
    }
    return SNUG_CAUSE_COMMAND;
}

snug_cause snug_death_explain(const snug_death *death, char out[SNUG_CAUSE_TEXT_BYTES])
{
    snug_text text;
    snug_text_init(&text, out, SNUG_CAUSE_TEXT_BYTES);
    if (death->watch_over) {
        snug_text_say(&text, "killed by the limit: the watch found its processes above it");
        return SNUG_CAUSE_LIMIT;
    }
    if (death->time_over) {
        snug_text_say(&text, "stopped because its time was over");
        return SNUG_CAUSE_TIME;
    }
    if (death->group_kills > 0) {
        return explain_kernel_kill(death, &text);
    }
    if (death->stops > 0) {
        snug_text_say(&text, "stopped on request");
        return SNUG_CAUSE_USER;
    }
    if (death->was_killed) {
        return explain_foreign_kill(death, &text);
    }
    return explain_own_end(death, &text);
}

static void kill_all(attempt_state *state)
{
    if (state->options->enforcer->group.version != 0) {
        (void)snug_group_kill(&state->options->enforcer->group, PATIENCE_S);
    }
    (void)snug_descendants_kill(state->options->except, PATIENCE_S);
}

static void reap(attempt_state *state)
{
    snug_child_end end;
    while (snug_child_reap(&end)) {
        if (end.pid == state->pid) {
            state->end = end;
            state->ended = true;
        }
    }
}

static void take_signal(attempt_state *state, snug_signal signal, bool from_terminal)
{
    if (signal == SNUG_SIGNAL_NONE || signal == SNUG_SIGNAL_CHILD) {
        return;
    }
    state->death.stops++;
    if (state->death.stops >= 2) {
        kill_all(state);
    } else if (!from_terminal) {
        snug_signal_send(state->pid, signal);
    }
}

static void check_time(attempt_state *state)
{
    const snug_attempt_options *options = state->options;
    if (options->time_limit_s <= 0 ||
        snug_clock_seconds_since(state->start_ns) < options->time_limit_s) {
        return;
    }
    if (state->term_ns == 0) {
        state->term_ns = snug_clock_ns();
        state->death.time_over = true;
        snug_signal_send(state->pid, SNUG_SIGNAL_TERMINATE);
    } else if (snug_clock_seconds_since(state->term_ns) >= options->grace_s) {
        kill_all(state);
    }
}

/* The kernel may have ended one process of several: the rest is of no use. */
static void check_group(attempt_state *state)
{
    const snug_enforcer *enforcer = state->options->enforcer;
    if (enforcer->group.version == 0) {
        return;
    }
    const int64_t kills = snug_group_kills(&enforcer->group) - state->kills_before;
    if (kills > state->death.group_kills) {
        state->death.group_kills = kills;
        state->death.group_peak_bytes = snug_group_peak(&enforcer->group);
        kill_all(state);
    }
}

static void supervise(attempt_state *state)
{
    const snug_attempt_options *options = state->options;
    const bool watches = snug_rung_watches(options->enforcer->rung);
    while (!state->ended) {
        bool from_terminal = false;
        if (options->tick != NULL) {
            options->tick(options->context, state->pid);
        }
        const int64_t headroom =
            watches ? state->watch.limit_bytes - state->watch.used_bytes : INT64_MAX;
        const snug_signal signal =
            snug_signals_wait(snug_watch_interval_ns(headroom), &from_terminal);
        take_signal(state, signal, from_terminal);
        check_group(state);
        if (options->enforcer->group.version == 0 && snug_watch_look(&state->watch)) {
            state->death.watch_over = true;
            kill_all(state);
        }
        check_time(state);
        reap(state);
    }
}

/* What the command left running is ended; what had ended is reaped. */
static void clean_up(attempt_state *state, snug_attempt *out)
{
    const int64_t left = snug_descendants_kill(state->options->except, PATIENCE_S);
    const snug_group *group = &state->options->enforcer->group;
    out->left_behind = state->death.watch_over || state->death.group_kills > 0 ? 0 : left;
    out->clean = left >= 0;
    if (group->version != 0) {
        out->clean = snug_group_kill(group, PATIENCE_S) && out->clean;
    }
    reap(state);
}

static void read_peak(const attempt_state *state, snug_attempt *out)
{
    const snug_group *group = &state->options->enforcer->group;
    const int64_t peak = group->version != 0 ? snug_group_peak(group) : -1;
    if (peak >= 0) {
        out->peak_bytes = peak;
        out->peak_source = group->version == 2 ? "cgroup memory.peak" : "cgroup max_usage_in_bytes";
        return;
    }
    /* Looking misses what came and went in between; the kernel's mark of one process does not. */
    if (state->watch.peak_bytes > out->process_peak_bytes) {
        out->peak_bytes = state->watch.peak_bytes;
        out->peak_source = "highest look at all processes";
    } else {
        out->peak_bytes = out->process_peak_bytes;
        out->peak_source = "VmHWM of the largest process";
    }
}

static void conclude(attempt_state *state, snug_attempt *out)
{
    const snug_enforcer *enforcer = state->options->enforcer;
    snug_death *death = &state->death;
    const int64_t machine_now = snug_machine_oom_kills();
    out->signal = state->end.by_signal ? state->end.status : 0;
    out->exit_code = state->end.by_signal ? 128 + state->end.status : state->end.status;
    out->process_peak_bytes = state->end.peak_bytes;
    out->cpu_s = state->end.cpu_s;
    out->rung = enforcer->rung;
    out->limit_bytes = enforcer->rung == SNUG_RUNG_NONE ? INT64_MAX : enforcer->limit_bytes;
    read_peak(state, out);
    death->rung = enforcer->rung;
    death->limit_bytes = out->limit_bytes;
    death->by_signal = state->end.by_signal;
    death->status = state->end.status;
    death->was_killed = out->exit_code == KILLED_EXIT;
    death->data_peak_bytes = state->watch.data_peak_bytes;
    if (enforcer->group.version != 0) {
        death->group_kills = snug_max_i64(death->group_kills,
                                          snug_group_kills(&enforcer->group) - state->kills_before);
        death->group_peak_bytes = snug_group_peak(&enforcer->group);
    }
    death->machine_kills =
        machine_now < 0 || state->machine_before < 0 ? 0 : machine_now - state->machine_before;
    out->cause = snug_death_explain(death, out->sentence);
}

snug_status snug_attempt_run(const snug_attempt_options *options, snug_arena *arena,
                             snug_attempt *out, int *out_code, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark mark = snug_arena_mark(arena);
    char procs[SNUG_GROUP_PATH_BYTES];
    void *memory = NULL;
    const snug_enforcer *enforcer = options->enforcer;
    *out_code = SNUG_CHILD_NOT_STARTED;
    SNUG_TRY_DONE(snug_arena_alloc(arena, sizeof(attempt_state), &memory, err));

    attempt_state *state = memory;
    state->options = options;
    state->machine_before = snug_machine_oom_kills();
    state->death.group_peak_bytes = -1;
    if (enforcer->group.version != 0) {
        state->kills_before = snug_group_kills(&enforcer->group);
    }
    state->watch.reads_data = enforcer->rung == SNUG_RUNG_RLIMIT;
    snug_watch_begin(&state->watch,
                     snug_rung_watches(enforcer->rung) ? enforcer->limit_bytes : INT64_MAX,
                     options->except);
    state->start_ns = snug_clock_ns();
    const snug_child_options child = {
        .arguments = options->arguments,
        .environment = options->environment,
        .output = options->output,
        .group_procs =
            enforcer->group.version != 0 ? snug_group_procs(&enforcer->group, procs) : NULL,
        .data_bytes = enforcer->rung == SNUG_RUNG_RLIMIT ? enforcer->limit_bytes : 0};
    SNUG_TRY_DONE(snug_child_start(&child, &state->pid, out_code, err));
    snug_child_hurry(snug_rung_watches(enforcer->rung));
    supervise(state);
    snug_child_hurry(false);

    snug_attempt attempt = {.wall_s = snug_clock_seconds_since(state->start_ns)};
    clean_up(state, &attempt);
    conclude(state, &attempt);
    *out = attempt;

done:
    snug_arena_rewind(arena, mark);
    return status;
}
