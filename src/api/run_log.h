/* The memory log of a command that snug_run() runs: the one that `snug monitor` writes. */
#ifndef SNUG_API_RUN_LOG_H
#define SNUG_API_RUN_LOG_H

#include <stdint.h>

#include "monitor/recorder.h"
#include "monitor/supervise.h"

/** One log file for each attempt. All zeros: none. */
typedef struct snug_run_log {
    const char *path; /* Of the first attempt; NULL: no log. Borrowed. */
    double interval_s;
    int64_t limit_bytes;
    int64_t attempt; /* From 1; later ones have "-2" before the ending. */
    char *const *command;
    snug_recorder *recorder;
    bool tried;
    snug_error error; /* Why there is no log. */
    char file[SNUG_PATH_BYTES];
} snug_run_log;

/** Opens it at the first call, then takes a sample when one is due; for snug_attempt_options. */
void snug_run_log_tick(void *context, int64_t pid);
/** Writes how the attempt ended and closes. Before its control group is removed. */
void snug_run_log_finish(snug_run_log *log, const snug_attempt *attempt);

#endif
