/* Checkpoints: RUN/checkpoints/step-N holds weights, optimizer and state; last and best point to
 * one. */
#ifndef SNUG_TRAIN_CHECKPOINT_H
#define SNUG_TRAIN_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/tensor_file/safetensors.h"
#include "train/state.h"

/** The tensors of a run and the memory to write them through; filled once at set-up. */
typedef struct snug_checkpoint_set {
    const snug_safetensors_item *weights; /* Names and layouts of the ecosystem. */
    int64_t weight_count;
    const snug_safetensors_item *states; /* Optimizer, as it lies in memory. */
    int64_t state_count;
    /** Adds files of its own to the folder; NULL: none. The buffer is free for it. */
    snug_status (*complete)(void *context, const char *folder, snug_error *err);
    void *complete_context;
    void *buffer; /* snug_checkpoint_buffer_bytes(). */
    int64_t buffer_bytes;
} snug_checkpoint_set;

/** Bytes of the buffer for so many tensors. */
int64_t snug_checkpoint_buffer_bytes(int64_t weight_count, int64_t state_count);

/** Bytes that one checkpoint takes on the disk, rounded up. */
int64_t snug_checkpoint_bytes(const snug_checkpoint_set *set);

/**
 * Saves to RUN/checkpoints/step-N (N is state->step) and points `last` (and `best` when asked)
 * there; then removes all but the `keep` newest and the best. Everything is synced before a name
 * changes: whatever instant the process dies at, `last` is whole.
 *
 * @param folder   RUN/checkpoints; exists.
 * @param keep     >= 1.
 * @param[out] out_path  SNUG_PATH_BYTES; the new folder.
 * @mem     Allocates nothing of ours; libc opens folders.
 * @errors  SNUG_CODE_FULL when the disk is, or would be, full; SNUG_CODE_IO. The earlier
 * checkpoints stay as they were.
 */
SNUG_MUST_CHECK snug_status snug_checkpoint_save(const char *folder, const snug_checkpoint_set *set,
                                                 const snug_train_state *state, bool best,
                                                 int64_t keep, char *out_path, snug_error *err);

/**
 * Loads weights, and when `with_states` optimizer and state, from one checkpoint folder.
 * @param arena  Temporary: headers; rewound.
 * @errors  SNUG_CODE_NOT_FOUND for a missing tensor, with its name; SNUG_CODE_DATA for a shape;
 *          SNUG_CODE_IO, SNUG_CODE_FORMAT. Weights may be partly overwritten on failure.
 */
SNUG_MUST_CHECK snug_status snug_checkpoint_load(const char *folder, const snug_checkpoint_set *set,
                                                 bool with_states, snug_arena *arena,
                                                 snug_train_state *out_state, snug_error *err);

#endif
