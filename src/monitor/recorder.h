/* A watch over memory: samples at their time, the log, the levels, and what is left at the end. */
#ifndef SNUG_MONITOR_RECORDER_H
#define SNUG_MONITOR_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/category.h"
#include "monitor/history.h"
#include "monitor/leak_alarm.h"
#include "monitor/levels.h"
#include "monitor/memory_log.h"
#include "monitor/reading.h"
#include "monitor/sampler.h"
#include "sys/clock.h"

/*
 * How a program records itself (what `snug train` does for RUN/memory.jsonl):
 *
 *     snug_recorder_open(&options, &recorder, err)     before the heap is sealed; pid 0 and self
 *     snug_recorder_tick(recorder)                     after each step: cheap until one is due
 *     snug_recorder_phase(recorder, "epoch", 3, live)  at the same place of every epoch
 *     snug_recorder_finish(recorder, "done", -1)
 *     snug_recorder_close(recorder)
 */

enum { SNUG_RECORDER_COMMAND_BYTES = 1024, SNUG_RECORDER_LEAK_BYTES = 256 };

typedef enum snug_target {
    SNUG_TARGET_MACHINE,
    SNUG_TARGET_SELF, /* The calling process. */
    SNUG_TARGET_PID,
    SNUG_TARGET_NAME,   /* As PID, found by its name. */
    SNUG_TARGET_COMMAND /* As PID, started for the watch. */
} snug_target;

/** "machine", "self", "pid", "name", "command". Static. */
const char *snug_target_name(snug_target target);

typedef struct snug_recorder_options {
    snug_target target;
    snug_sampler_options sampler; /* Its pid is filled in for SELF. */
    snug_levels_options levels;   /* machine_bytes is filled in. */
    int64_t interval_ns;          /* 0: one second. */
    bool steady;                  /* Never sample more often, however near the limit is. */
    const char *log_path;         /* NULL: no log. Borrowed. */
    bool force;                   /* An old log is written over. */
    const char *command;          /* For the header; NULL: from /proc. Cut at 1,023 bytes. */
    const char *program;          /* "snug 0.1.0"; NULL: left out. Borrowed. */
} snug_recorder_options;

/** What came of a tick. */
typedef struct snug_tick {
    bool sampled;
    bool level_changed; /* See snug_recorder.levels. */
    bool leak;          /* The alarm was raised; see snug_recorder.leak. */
    bool log_failed;    /* The first line since the last good one that could not be written. */
    snug_target_state state;
    int64_t oom_kills; /* New ones in the control group. */
} snug_tick;

/** What a watch has cost, all of it and by itself. */
typedef struct snug_recorder_cost {
    double cpu_percent;    /* Of one core, taking and writing samples. */
    double microseconds;   /* Of CPU, per sample. */
    int64_t rss_bytes;     /* Of this process. */
    int64_t private_bytes; /* Of that, anonymous. */
    int64_t stall_ns_max;  /* Longest read of smaps_rollup; 0: none was read. */
} snug_recorder_cost;

/** About 460 KiB, mapped once; few pages are touched. One owner at a time. */
typedef struct snug_recorder {
    snug_recorder_options options;
    snug_sampler sampler;
    snug_levels levels;
    snug_history history;
    snug_leak_alarm leak; /* Of private memory where that is known. */
    snug_memory_log log;
    snug_error log_error; /* Why the last line could not be written. */
    snug_reading last;
    int64_t start_ns, due_ns, cost_ns;
    int64_t samples, late_count;
    double late_ms_max;
    int64_t live_bytes; /* -1: not told. */
    int64_t child_peak_bytes;
    int64_t oom_kills;
    bool logged_header, finished;
    int64_t target_pid;
    char started[SNUG_CLOCK_TEXT_BYTES];
    char command[SNUG_RECORDER_COMMAND_BYTES];
} snug_recorder;

/**
 * Opens everything. The first sample is due at once; the header is written before it.
 *
 * @param[out] out  Owned by the caller: snug_recorder_close().
 * @mem     sizeof(snug_recorder) of the runtime category; nothing after this call.
 * @errors  SNUG_CODE_NOT_FOUND for a process that is not there; SNUG_CODE_BUSY for a log that is;
 *          SNUG_CODE_IO, SNUG_CODE_FULL, SNUG_CODE_MEMORY, SNUG_CODE_LIMIT (sealed).
 */
SNUG_MUST_CHECK snug_status snug_recorder_open(const snug_recorder_options *options,
                                               snug_recorder **out, snug_error *err);
/** Closes; NULL is allowed. Without a finish before it, the log just ends. */
void snug_recorder_close(snug_recorder *recorder);

/** When the next sample is due, by snug_clock_ns(). */
int64_t snug_recorder_due_ns(const snug_recorder *recorder);
/** Takes and logs a sample if one is due. @mem Allocates nothing. */
snug_tick snug_recorder_tick(snug_recorder *recorder);
/** Takes one now, due or not. */
snug_tick snug_recorder_take(snug_recorder *recorder);

/** What the program itself counts, for the samples from now on; -1: nothing. */
void snug_recorder_set_live(snug_recorder *recorder, int64_t bytes);
/**
 * Logs a phase, at the same place of every round: live bytes that grow from one to the next with
 * the same settings are a leak.
 * @param live  Bytes of each category; NULL: not counted.
 */
void snug_recorder_phase(snug_recorder *recorder, const char *name, int64_t index,
                         const int64_t live[SNUG_CATEGORY_COUNT]);
/** Logs an event, one of SNUG_LOG_EVENT_*. */
void snug_recorder_event(snug_recorder *recorder, const char *event, const char *text);

/** A child's ru_maxrss, for the peak that the kernel saw. */
void snug_recorder_child_peak(snug_recorder *recorder, int64_t bytes);
/**
 * Takes a last sample, if the target is still there, and logs why the watch ended and its summary;
 * further calls do nothing.
 * @param reason  "target_exited", "interrupted", "duration", "done", ...
 * @param exit_status  Of the target; -1: not known.
 */
void snug_recorder_finish(snug_recorder *recorder, const char *reason, int exit_status);

/** Puts the keys of a summary into the object that `json` is in. */
void snug_recorder_summary_put(const snug_recorder *recorder, const char *reason, int exit_status,
                               snug_json_writer *json);

/** What the alarm found as one line into `out`: for people, or in English for the log. */
const char *snug_recorder_leak_text(const snug_recorder *recorder, bool translated,
                                    char out[SNUG_RECORDER_LEAK_BYTES]);

/** Seconds since the start. */
double snug_recorder_seconds(const snug_recorder *recorder);
void snug_recorder_cost_read(const snug_recorder *recorder, snug_recorder_cost *out);
/** The highest sampled value of what is watched (PSS or RSS, or the machine's use), bytes. */
double snug_recorder_peak_sampled(const snug_recorder *recorder);
/** The kernel's own peak: VmHWM or ru_maxrss of the largest single process; 0: not known. */
double snug_recorder_peak_kernel(const snug_recorder *recorder);

#endif
