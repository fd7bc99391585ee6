/* Any command inside a hard memory limit: enforced, its death explained, tried again smaller. */
#ifndef SNUG_RUN_H
#define SNUG_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "snug/status.h"
#include "snug/write.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How the limit is kept. */
typedef enum snug_run_enforce {
    SNUG_RUN_AUTO,   /**< The strongest way that works here. */
    SNUG_RUN_CGROUP, /**< A control group (own v2, own v1, systemd scope) or nothing. */
    SNUG_RUN_RLIMIT, /**< RLIMIT_DATA of each process, and a watch on all of them. */
    SNUG_RUN_WATCH   /**< Looking at all processes every 2 to 100 ms: sampled, not enforced. */
} snug_run_enforce;

/** The way with this name: "auto", "cgroup", "rlimit", "watch"; NULL is auto. False: none. */
SNUG_API bool snug_run_enforce_find(const char *name, snug_run_enforce *out);

typedef struct snug_run_options {
    char *const *command; /**< NULL-ended; the first is looked up in PATH. Not written. */
    int64_t limit_bytes;  /**< > 0. */
    snug_run_enforce enforce;
    int64_t retry_count;   /**< More attempts after one that memory ended; 0: none. */
    const char *shrink;    /**< "bs=/2,min=1": how {bs=16} shrinks; rules apart by ';'; NULL. */
    const char *grow;      /**< "accum=*2": what grows with it; NULL. */
    const char *state;     /**< File that remembers the values that ran; NULL: none. */
    const char *log;       /**< JSON lines of samples and events, memlog/1; NULL: none. */
    double log_interval_s; /**< Between samples; 0: 1 s. */
    double time_limit_s;   /**< Of each attempt; 0: none. */
    double grace_s;        /**< Between SIGTERM and SIGKILL when the time is over; 0: 10 s. */
    const char *output;    /**< stdout and stderr of the command go to the end of this file;
                                NULL: they stay ours. */
    /** One line for people; `important`: it explains a failure. May be NULL. */
    void (*message)(void *context, bool important, const char *text);
    void *message_context;
} snug_run_options;

/** Exit codes of their own; else the command's status, or 128 + the signal that ended it. */
enum {
    SNUG_RUN_EXIT_LIMIT = 122,  /**< Ended by the limit, and no attempt is left. */
    SNUG_RUN_EXIT_TIME = 124,   /**< Its time was over. */
    SNUG_RUN_EXIT_FAILED = 125, /**< snug itself could not do its work. */
    SNUG_RUN_EXIT_NOT_EXECUTABLE = 126,
    SNUG_RUN_EXIT_NOT_FOUND = 127
};

enum { SNUG_RUN_ATTEMPTS_MAX = 32, SNUG_RUN_TEXT_BYTES = 256 };

/** What came of one attempt. */
typedef struct snug_run_attempt {
    int exit_code;     /**< As a shell has it. */
    const char *cause; /**< "command", "limit", "limit_likely", "machine", "outside", "time",
                            "user"; static. */
    char sentence[SNUG_RUN_TEXT_BYTES]; /**< The cause with its evidence. */
    char values[SNUG_RUN_TEXT_BYTES];   /**< "bs=8 accum=2"; "" without templates. */
    const char *enforced_by;            /**< "cgroup_v1", ...; static. */
    int64_t limit_bytes;                /**< That was kept. */
    int64_t peak_bytes;                 /**< -1: unknown. */
    const char *peak_source;            /**< Static. */
    int64_t process_peak_bytes;         /**< Of the largest process. */
    double wall_s, cpu_s;
    int64_t left_behind; /**< Processes that outlived the command and were killed. */
    bool clean;          /**< Nothing of it is left. */
} snug_run_attempt;

typedef struct snug_run_result {
    int exit_code; /**< For the caller to pass on. */
    int64_t attempt_count;
    snug_run_attempt attempts[SNUG_RUN_ATTEMPTS_MAX];
    char why[1536]; /**< Why no stronger way of enforcing was possible; "" for the strongest. */
} snug_run_result;

/**
 * Runs a command, again and smaller if memory ended it, until it ends otherwise. stdin, stdout and
 * stderr are the command's. SIGINT, SIGTERM and SIGHUP go on to it; a second one kills it. Nothing
 * that it started is left when this returns. For a process with one thread and no other children.
 *
 * @param[out] out  Filled also when the command could not be started.
 * @errors  SNUG_CODE_USAGE for rules, state and limit; SNUG_CODE_UNSUPPORTED when the wanted way of
 *          enforcing does not work here; SNUG_CODE_NOT_FOUND, SNUG_CODE_IO when the command does
 *          not start. out->exit_code says what to pass on.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_run(const snug_run_options *options, snug_run_result *out,
                                              snug_error *err);

/** Writes the result: some lines for people, or schema snug.run_result/1. */
SNUG_API SNUG_MUST_CHECK snug_status snug_run_result_write(const snug_run_options *options,
                                                           const snug_run_result *result,
                                                           snug_format format, snug_write write,
                                                           void *context, snug_error *err);
/** The same JSON into a file, whole or not at all. */
SNUG_API SNUG_MUST_CHECK snug_status snug_run_result_save(const snug_run_options *options,
                                                          const snug_run_result *result,
                                                          const char *path, snug_error *err);

#ifdef __cplusplus
}
#endif
#endif
