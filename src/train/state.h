/* Where a run stands: everything beside tensors that a resumed run needs to go on with the same
 * bits. */
#ifndef SNUG_TRAIN_STATE_H
#define SNUG_TRAIN_STATE_H

#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"

/** All zeros is the start of a run. */
typedef struct snug_train_state {
    int64_t step;            /* Optimizer steps done. */
    int64_t epoch;           /* Of the next sample. */
    int64_t position;        /* Of the next sample in the order of the epoch. */
    int64_t samples;         /* Seen over all epochs. */
    int64_t allocations;     /* Requests refused after the seal, over all parts of the run. */
    int64_t best_step;       /* Step of the best evaluation; 0 before the first. */
    double best_value;       /* Its validation loss. */
    double loss;             /* Of the last step. */
    int64_t bad_evaluations; /* Evaluations since the best one. */
    int64_t rounds;          /* Of smart training: how many have ended, */
    int64_t bad_rounds;      /* how many of the last brought nothing, */
    int64_t finished;        /* and whether it decided to end. */
    double round_best;       /* Best value at the end of the last round. */
    int64_t journal_bytes; /* metrics.jsonl up to this checkpoint; later lines are cut at resume. */
    double seconds;        /* Training time over all parts of the run. */
    uint64_t seed;
    uint64_t result_hash;  /* Of all settings that change the result. */
    uint64_t data_hash;    /* Of the data set's index. */
    snug_sha256 loss_hash; /* Over the bits of every step's loss, unfinished. */
} snug_train_state;

enum { SNUG_STATE_TEXT_BYTES = 4096 };

/**
 * Writes the state as JSON (schema snug.state/1) to `path`, whole or not at all.
 * @mem     Allocates nothing.
 * @errors  SNUG_CODE_IO, SNUG_CODE_FULL.
 */
SNUG_MUST_CHECK snug_status snug_state_write(const char *path, const snug_train_state *state,
                                             snug_error *err);

/**
 * Reads what snug_state_write() wrote.
 * @errors  SNUG_CODE_IO, SNUG_CODE_FORMAT. `out` is untouched on failure.
 */
SNUG_MUST_CHECK snug_status snug_state_read(const char *path, snug_train_state *out,
                                            snug_error *err);

#endif
