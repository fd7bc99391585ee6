/* What the parts of the experiment manager share. */
#ifndef SNUG_API_EXPERIMENTS_INSIDE_H
#define SNUG_API_EXPERIMENTS_INSIDE_H

#include "base/arena.h"
#include "base/json.h"
#include "snug/experiments.h"
#include "sys/file.h"
#include "train/experiment_results.h"
#include "train/experiments.h"

struct snug_experiment_set {
    snug_experiment_options options; /* Texts in the arena. */
    snug_arena arena;
    snug_experiments set;
    snug_experiment_result *results; /* [set.count] */
    bool *chosen;                    /* [set.count], by `only`. */
    int64_t budget_bytes;
    char budget_origin[256];
    char folder[SNUG_PATH_BYTES];
    char program[SNUG_PATH_BYTES];
    int64_t memory_before;    /* Held before the first experiment. */
    const char *memory_words; /* What is compared; static; NULL: nothing was. */
    int64_t tolerance_bytes;
};

/** Bytes of room that a report of the set needs. */
int64_t snug_experiments_report_bytes(const snug_experiment_set *set);
/** The document of schema snug.experiments/1. */
void snug_experiments_json(const snug_experiment_set *set, snug_text *text);
/** The page of report.html. */
void snug_experiments_page(const snug_experiment_set *set, snug_text *text);

#endif
