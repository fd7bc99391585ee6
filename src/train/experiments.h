/* A file of experiments: one base and what each of them changes, expanded into a list of runs. */
#ifndef SNUG_TRAIN_EXPERIMENTS_H
#define SNUG_TRAIN_EXPERIMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"

enum {
    SNUG_EXPERIMENTS_MAX = 1024,
    SNUG_EXPERIMENT_CHANGES_MAX = 64, /* key=value of one experiment, the common ones included. */
    SNUG_EXPERIMENT_AXES_MAX = 16,    /* Keys of a grid. */
    SNUG_EXPERIMENT_VALUES_MAX = 256, /* Values of a key of a grid. */
    SNUG_EXPERIMENT_ITEMS_MAX = 1024, /* Entries of `list`. */
    SNUG_EXPERIMENT_WORDS_MAX = 128,  /* Words of `command`. */
    SNUG_EXPERIMENT_COLUMNS_MAX = 16,
    SNUG_EXPERIMENT_NAME_BYTES = 96,
    SNUG_EXPERIMENTS_FILE_BYTES_MAX = 1 << 20
};

/** One experiment; all texts in the arena of the set. */
typedef struct snug_experiment {
    const char *name; /* Unique in the set; letters, digits, '-', '_', '.', '=', ','. */
    const char *const *keys;
    const char *const *values;
    int64_t count; /* Of changes; the common ones first. */
    int64_t common_count;
} snug_experiment;

/** What a file says. All texts in the arena it was read into. */
typedef struct snug_experiments {
    const char *name;           /* Of the set. */
    const char *base;           /* Configuration for `snug train`; NULL with a command. */
    const char *profile;        /* NULL: none. */
    const char *budget;         /* "600MiB", "60%", "auto"; NULL: auto. */
    const char *enforce;        /* auto, cgroup, rlimit, watch; NULL: auto. */
    const char *const *command; /* Words with {places}; NULL: snug train. */
    int64_t command_count;
    const char *best; /* Figure that decides; NULL: validation_loss. */
    bool best_is_highest;
    const char *columns[SNUG_EXPERIMENT_COLUMNS_MAX]; /* Figures in the table. */
    int64_t column_count;
    double time_limit_s; /* Of each; 0: none. */
    int64_t retry_count;
    const snug_experiment *items;
    int64_t count;
} snug_experiments;

/**
 * Reads a YAML or JSON file:
 *
 *     name: sweep                  the file's name without its ending when not given
 *     base: timeseries_small       configuration of snug train
 *     profile: low_memory
 *     budget: 600MiB               limit of each process, and its --budget
 *     settings: {data.path: d}     key=value of all of them
 *     grid:                        all combinations, the last key changes fastest
 *       training.batch_size: [8, 16]
 *     list:                        each of these, with every combination of the grid
 *       - {name: wide, model.hidden: 64}
 *     command: python t.py --bs {training.batch_size} --out {run}
 *     best: validation_mae         or "highest validation_r2"
 *     columns: [loss, validation_mae]
 *     time_limit: 3600             seconds
 *     retry: 1
 *     enforce: cgroup
 *
 * @param arena  For all of it; as before on failure.
 * @errors  SNUG_CODE_CONFIG with "FILE:LINE:COLUMN: " where it is a place in the file,
 * SNUG_CODE_IO, SNUG_CODE_LIMIT.
 */
SNUG_MUST_CHECK snug_status snug_experiments_read(const char *path, snug_arena *arena,
                                                  snug_experiments *out, snug_error *err);

/** The same from bytes; `name` stands for the file in messages. */
SNUG_MUST_CHECK snug_status snug_experiments_parse(const char *name, const char *data,
                                                   int64_t bytes, snug_arena *arena,
                                                   snug_experiments *out, snug_error *err);

/** What the places of a command stand for. */
typedef struct snug_experiment_places {
    const char *program; /* {snug} */
    const char *run;     /* {run}: a folder of the experiment's own. */
    const char *budget;  /* {budget}: "629145600B" */
    bool resume;         /* {resume}: the word --resume, or no word. */
} snug_experiment_places;

/**
 * The words of the command of one experiment, NULL-ended. {name}, {run}, {budget}, {base}, {snug}
 * and {KEY} of any change stand for their values; a word that is {changes} becomes one KEY=VALUE
 * for each change, {resume} --resume or nothing. Other braces are left alone.
 *
 * @mem     From `arena`.
 * @errors  SNUG_CODE_LIMIT for too many words.
 */
SNUG_MUST_CHECK snug_status snug_experiment_command(const snug_experiments *set,
                                                    const snug_experiment *item,
                                                    const snug_experiment_places *places,
                                                    snug_arena *arena, char *const **out,
                                                    snug_error *err);

/** A key of what an experiment is, to know it again: its command without places that move. */
uint64_t snug_experiment_key(const snug_experiments *set, const snug_experiment *item);

#endif
