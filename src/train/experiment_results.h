/* What came of experiments: one record each, kept in results.json and read back to go on. */
#ifndef SNUG_TRAIN_EXPERIMENT_RESULTS_H
#define SNUG_TRAIN_EXPERIMENT_RESULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/status.h"
#include "train/experiments.h"

enum {
    SNUG_EXPERIMENT_FIGURES_MAX = 32,
    SNUG_EXPERIMENT_FIGURE_BYTES = 48,
    SNUG_EXPERIMENT_SENTENCE_BYTES = 256,
    SNUG_EXPERIMENT_RESULTS_BYTES_MAX = 16 << 20
};

typedef enum snug_experiment_status {
    SNUG_EXPERIMENT_WAITING,
    SNUG_EXPERIMENT_RUNNING, /* Also one whose supervisor was killed. */
    SNUG_EXPERIMENT_DONE,
    SNUG_EXPERIMENT_FAILED,
    SNUG_EXPERIMENT_STOPPED /* By the user. */
} snug_experiment_status;

/** "waiting", "running", "done", "failed", "stopped"; static. */
const char *snug_experiment_status_name(snug_experiment_status status);

/** A number that the experiment itself reported. */
typedef struct snug_experiment_figure {
    char name[SNUG_EXPERIMENT_FIGURE_BYTES];
    double value;
} snug_experiment_figure;

/** All zeros: waiting. */
typedef struct snug_experiment_result {
    snug_experiment_status status;
    uint64_t key; /* snug_experiment_key() when it ran. */
    int exit_code;
    char sentence[SNUG_EXPERIMENT_SENTENCE_BYTES];
    char enforced_by[16];
    int64_t attempts;
    int64_t limit_bytes;
    int64_t peak_bytes; /* -1: unknown. */
    double wall_s;
    bool memory_known;
    int64_t memory_left_bytes; /* Held by others of the group, or missing in MemAvailable, compared
                                  with before the first; negative: less is held. */
    bool memory_back;          /* Within the tolerance. */
    snug_experiment_figure figures[SNUG_EXPERIMENT_FIGURES_MAX];
    int64_t figure_count;
} snug_experiment_result;

/** The value of a figure; false when the experiment did not report it. */
bool snug_experiment_figure_find(const snug_experiment_result *result, const char *name,
                                 double *out);

/**
 * Takes every number at the top of a JSON object, as `snug train` writes RUN/summary.json; other
 * kinds are passed over. A file that is not there or no JSON gives none.
 * @param arena  For the file's bytes; as before when this returns.
 */
void snug_experiment_figures_read(const char *path, snug_arena *arena,
                                  snug_experiment_result *result);

/** The fields of one result into the object that `json` has open. */
void snug_experiment_result_write(const snug_experiment_result *result, snug_json_writer *json);

/**
 * Reads the "experiments" of a results.json and fills the results of the set's experiments with the
 * same name and key; others stay as they are.
 * @errors  SNUG_CODE_FORMAT, SNUG_CODE_IO.
 */
SNUG_MUST_CHECK snug_status snug_experiment_results_load(const char *path,
                                                         const snug_experiments *set,
                                                         snug_arena *arena,
                                                         snug_experiment_result *results,
                                                         snug_error *err);

/** The index of the best finished experiment by the set's figure; -1: none. */
int64_t snug_experiments_best(const snug_experiments *set, const snug_experiment_result *results);

/** The figure that decides: the set's own, or validation_loss. */
const char *snug_experiments_best_figure(const snug_experiments *set);

#endif
