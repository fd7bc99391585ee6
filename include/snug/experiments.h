/* Experiments of a file, one process each, one after the other within a budget; their results. */
#ifndef SNUG_EXPERIMENTS_H
#define SNUG_EXPERIMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "snug/status.h"
#include "snug/write.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A set of experiments and what is known of them. Not thread-safe: one owner at a time. */
typedef struct snug_experiment_set snug_experiment_set;

typedef struct snug_experiment_options {
    const char *file;   /**< YAML or JSON; see doc/experiments.md. */
    const char *out;    /**< Folder of the set; NULL: experiments/NAME. */
    const char *budget; /**< "600MiB", "60%", "auto"; NULL: what the file says. */
    const char *only;   /**< Names or numbers, apart by ','; NULL: all. */
    bool resume;        /**< Go on with the results that are in the folder. */
    bool keep_going;    /**< A failure does not end the set. */
    /** One line for people; `important`: it explains a failure. May be NULL. */
    void (*message)(void *context, bool important, const char *text);
    void *message_context;
} snug_experiment_options;

/**
 * Reads and expands the file, and with `resume` the results of before. Runs nothing, writes
 * nothing.
 *
 * @param[out] out  Owned by the caller: snug_experiments_close().
 * @errors  SNUG_CODE_CONFIG with file, line and column; SNUG_CODE_IO; SNUG_CODE_NOT_FOUND for a
 * name in `only`; SNUG_CODE_USAGE when the folder has results and `resume` is not set.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_experiments_open(const snug_experiment_options *options,
                                                           snug_experiment_set **out,
                                                           snug_error *err);
SNUG_API void snug_experiments_close(snug_experiment_set *set);

/**
 * Runs what is not done yet. After each experiment results.json and report.html of the folder are
 * written anew, and the memory is compared with that before the first.
 *
 * @param[out] out_failed  Experiments that failed, in earlier calls too.
 * @errors  SNUG_CODE_INTERRUPTED when one was stopped by a signal; SNUG_CODE_IO, SNUG_CODE_FULL;
 *          SNUG_CODE_UNSUPPORTED when the wanted limit cannot be kept here; SNUG_CODE_BUSY when
 *          another process runs the same folder.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_experiments_run(snug_experiment_set *set,
                                                          int64_t *out_failed, snug_error *err);

/** What would be run: names and commands, or schema snug.experiments_list/1. */
SNUG_API SNUG_MUST_CHECK snug_status snug_experiments_list(const snug_experiment_set *set,
                                                           snug_format format, snug_write write,
                                                           void *context, snug_error *err);
/** The results: a table, or schema snug.experiments/1 as in results.json. */
SNUG_API SNUG_MUST_CHECK snug_status snug_experiments_write(const snug_experiment_set *set,
                                                            snug_format format, snug_write write,
                                                            void *context, snug_error *err);
/** The same as one HTML file that needs nothing else. */
SNUG_API SNUG_MUST_CHECK snug_status snug_experiments_save_html(const snug_experiment_set *set,
                                                                const char *path, snug_error *err);
/** The folder of the set. */
SNUG_API const char *snug_experiments_folder(const snug_experiment_set *set);

#ifdef __cplusplus
}
#endif
#endif
