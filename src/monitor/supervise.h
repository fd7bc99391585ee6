/* One attempt of a command inside a limit: started, watched, ended whole, its death explained. */
#ifndef SNUG_MONITOR_SUPERVISE_H
#define SNUG_MONITOR_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "monitor/enforce.h"
#include "sys/child.h"

/** Why an attempt ended. */
typedef enum snug_cause {
    SNUG_CAUSE_COMMAND,      /* By itself: exit status or a signal of its own. */
    SNUG_CAUSE_LIMIT,        /* By our limit, for certain. */
    SNUG_CAUSE_LIMIT_LIKELY, /* It failed while a process was near RLIMIT_DATA. */
    SNUG_CAUSE_MACHINE,      /* By the machine's OOM killer, or by a limit above ours. */
    SNUG_CAUSE_OUTSIDE,      /* SIGKILL from somebody who left no trace. */
    SNUG_CAUSE_TIME,         /* By the time limit. */
    SNUG_CAUSE_USER          /* It was asked to stop by a signal to us. */
} snug_cause;

/** What is known after a death; -1 and false where it is not. */
typedef struct snug_death {
    snug_rung rung;
    int64_t limit_bytes;
    bool by_signal;
    int status;          /* Exit status, or the signal's number. */
    bool was_killed;     /* The signal is SIGKILL. */
    bool watch_over;     /* Our watch found the tree above the limit and ended it. */
    int64_t group_kills; /* Processes of our group that the kernel killed for memory. */
    int64_t group_peak_bytes;
    int64_t machine_kills;   /* On the whole machine, those of our group included. */
    int64_t data_peak_bytes; /* Highest VmData of one process that was seen. */
    bool time_over;
    int stops; /* Signals that asked us to stop. */
} snug_death;

enum { SNUG_CAUSE_TEXT_BYTES = 256 };

/**
 * The cause of a death and one sentence that names the evidence. A pure function.
 *
 * RLIMIT_DATA leaves no trace: when the command failed and one of its processes was seen with 80 %
 * of the limit or more, the limit is called likely. One request that is larger than all before it
 * is not seen this way.
 */
snug_cause snug_death_explain(const snug_death *death, char out[SNUG_CAUSE_TEXT_BYTES]);

/** "command", "limit", "limit_likely", "machine", "outside", "time", "user"; static. */
const char *snug_cause_key(snug_cause cause);

typedef struct snug_attempt_options {
    char *const *arguments;        /* NULL-ended. */
    char *const *environment;      /* NULL-ended; NULL: ours. */
    const char *output;            /* stdout and stderr to the end of this file; NULL: ours. */
    const snug_enforcer *enforcer; /* Open; rung NONE: no limit. */
    int64_t except;                /* A child of ours that is no part of it; 0: none. */
    double time_limit_s;           /* 0: none. */
    double grace_s;                /* Between SIGTERM and SIGKILL when the time is over. */
    void (*tick)(void *context, int64_t pid); /* Between looks, at least 10 times a second. */
    void *context;
} snug_attempt_options;

typedef struct snug_attempt {
    int exit_code; /* As a shell has it: 128 + signal. */
    int signal;    /* 0: it exited. */
    snug_cause cause;
    char sentence[SNUG_CAUSE_TEXT_BYTES];
    int64_t peak_bytes;         /* -1: unknown. */
    const char *peak_source;    /* "cgroup memory.peak", ...; static. */
    int64_t process_peak_bytes; /* Of the largest process, by the kernel. */
    int64_t limit_bytes;        /* That was kept; INT64_MAX: none. */
    snug_rung rung;
    double wall_s, cpu_s;
    int64_t left_behind; /* Processes that outlived the command and were killed. */
    bool clean;          /* Nothing of it is left. */
} snug_attempt;

/**
 * Runs the command to its end. When this returns, nothing that it started is left (`clean`).
 * SIGINT, SIGTERM and SIGHUP to this process go on to the command, unless the terminal has sent
 * them to it already; the second one kills the tree. Signals must have been taken, orphans adopted.
 *
 * @param arena  For the words of the command; as before when this returns.
 * @param[out] out_code  On failure: 125, 126 or 127.
 * @errors  SNUG_CODE_NOT_FOUND, SNUG_CODE_IO, SNUG_CODE_LIMIT: the command did not start.
 */
SNUG_MUST_CHECK snug_status snug_attempt_run(const snug_attempt_options *options, snug_arena *arena,
                                             snug_attempt *out, int *out_code, snug_error *err);

#endif
