/* Child processes: run one and read what it prints, or start one and watch it to its end. */
#ifndef SNUG_SYS_CHILD_H
#define SNUG_SYS_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

enum { SNUG_CHILD_ARGUMENTS_MAX = 64 };

/**
 * Runs a program to its end with stdout into `output` (cut there, ended by a zero), stderr and
 * environment ours, stdin empty.
 *
 * @param arguments  arguments[0] is the path of the program; NULL-ended, at most
 *                   SNUG_CHILD_ARGUMENTS_MAX.
 * @param[out] out_exit  Its exit status, or 128 + the signal that ended it.
 * @mem     Allocates nothing in this process.
 * @errors  SNUG_CODE_IO when it cannot be started; SNUG_CODE_LIMIT when it prints too much.
 */
SNUG_MUST_CHECK snug_status snug_child_run(const char *const arguments[], char *output,
                                           int64_t output_capacity, int *out_exit, snug_error *err);

/**
 * Calls a function in a child process without our streams, and waits for it: for what would make
 * this process larger for ever, as a library that is loaded.
 *
 * @param work  Runs with memory as it is now; its result, 0 to 255, is the child's exit status.
 * @return  That status, 255 when a signal ended it, or -1 with errno when there was no child.
 * @mem     Allocates nothing in this process.
 */
int snug_child_call(int (*work)(void *context), void *context);

/** The path of the running program's file. */
SNUG_MUST_CHECK snug_status snug_child_own_path(char out[SNUG_PATH_BYTES], snug_error *err);

/*
 * From here on: a command that keeps our standard streams and is watched. One at a time in a
 * process that has no other children; called from one thread.
 */

/** Exit statuses of a command that did not come to run, as shells and timeout(1) have them. */
enum { SNUG_CHILD_NOT_STARTED = 125, SNUG_CHILD_NOT_EXECUTABLE = 126, SNUG_CHILD_NOT_FOUND = 127 };

typedef struct snug_child_options {
    char *const *arguments;   /* NULL-ended; the first is looked up in PATH; not written. */
    char *const *environment; /* The whole environment, NULL-ended; NULL: ours. */
    const char *group_procs;  /* cgroup.procs that it joins before it runs; NULL: none. */
    int64_t data_bytes;       /* RLIMIT_DATA; 0: as ours. */
    const char *output;       /* stdout and stderr go to the end of this file; NULL: ours. */
    bool outlives;            /* Goes on when this process dies, rather than to be killed. */
} snug_child_options;

/**
 * Starts a command in our process group, with our streams and the signal mask from before
 * snug_signals_take(). It is killed when this process dies, unless it `outlives` it.
 *
 * @param[out] out_pid   Of the child, which may have been replaced by the command.
 * @param[out] out_code  On failure: SNUG_CHILD_NOT_FOUND, _NOT_EXECUTABLE or _NOT_STARTED.
 * @errors  SNUG_CODE_NOT_FOUND, SNUG_CODE_IO; SNUG_CODE_LIMIT when it could not join the group.
 */
SNUG_MUST_CHECK snug_status snug_child_start(const snug_child_options *options, int64_t *out_pid,
                                             int *out_code, snug_error *err);

/** Whether a process of ours can be moved into the group of this cgroup.procs: one is, and ends. */
bool snug_child_can_join(const char *group_procs);

/** How a process ended. */
typedef struct snug_child_end {
    int64_t pid;
    int status; /* Exit status, or the number of the signal. */
    bool by_signal;
    int64_t peak_bytes; /* Resident, of the largest single process among it and those it waited
                           for; never less than this process had when it was started. */
    double cpu_s;       /* Of the same processes. */
} snug_child_end;

/** The end of any child that has ended, without waiting; false when there is none. */
bool snug_child_reap(snug_child_end *out);

/**
 * This process runs before all others that are not urgent too, where that is permitted: whoever
 * watches a crowd must not wait in it. Children do not inherit it.
 */
void snug_child_hurry(bool on);

/** Orphans below this process come to it rather than to init, so that none is lost. */
void snug_child_adopt(bool on);

typedef enum snug_signal {
    SNUG_SIGNAL_NONE,
    SNUG_SIGNAL_INTERRUPT, /* SIGINT */
    SNUG_SIGNAL_TERMINATE, /* SIGTERM */
    SNUG_SIGNAL_HANGUP,    /* SIGHUP */
    SNUG_SIGNAL_CHILD,     /* SIGCHLD */
    SNUG_SIGNAL_STOP,
    SNUG_SIGNAL_CONTINUE,
    SNUG_SIGNAL_KILL,
    SNUG_SIGNAL_INPUT /* No signal: standard input can be read, or another handler ran. */
} snug_signal;

/** Sends it to a process; one that is gone is fine. */
void snug_signal_send(int64_t pid, snug_signal signal);
/** "SIGKILL" for 9; "signal 99" is "a signal" for a number without a name. Static. */
const char *snug_signal_name(int number);

/**
 * From now on SIGINT, SIGTERM, SIGHUP and SIGCHLD wait until snug_signals_wait() is called; one
 * that the process ignores (nohup) stays ignored.
 */
void snug_signals_take(void);
/** As they were before. */
void snug_signals_give_back(void);
/**
 * Waits for one of them, or for `ns` nanoseconds.
 * @param[out] out_from_terminal  The terminal sent it to the whole process group: our child has it.
 */
snug_signal snug_signals_wait(int64_t ns, bool *out_from_terminal);
/**
 * The same, and also returns (SNUG_SIGNAL_INPUT) when standard input can be read or has ended, and
 * when a handler of somebody else ran. The first call opens one descriptor.
 */
snug_signal snug_signals_wait_input(int64_t ns, bool *out_from_terminal);

/** Watches over this process and calls a function if it dies. All zeros: none. */
typedef struct snug_guard {
    int64_t pid;
    int handle; /* End of the pipe + 1. */
} snug_guard;

/**
 * Starts a small process, apart from our process group and without our streams, that calls
 * `at_death(context)` when this process ends without snug_guard_stop(), kill -9 included.
 * @param at_death  Runs in the other process, with memory as it was at this call.
 */
SNUG_MUST_CHECK snug_status snug_guard_start(void (*at_death)(void *context), void *context,
                                             snug_guard *out, snug_error *err);
/** Ends it without the call; one that was never started is allowed. */
void snug_guard_stop(snug_guard *guard);

#endif
