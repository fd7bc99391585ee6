/* A child process: run a program, read what it prints, learn how it ended. */
#ifndef SNUG_SYS_CHILD_H
#define SNUG_SYS_CHILD_H

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

/** The path of the running program's file. */
SNUG_MUST_CHECK snug_status snug_child_own_path(char out[SNUG_PATH_BYTES], snug_error *err);

#endif
