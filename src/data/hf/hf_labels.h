/* id2label and label2id of a config.json: names of classes by number, each number once. */
#ifndef SNUG_DATA_HF_HF_LABELS_H
#define SNUG_DATA_HF_HF_LABELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"

/** All zeros: none. */
typedef struct snug_hf_labels {
    const char *const *names; /* In the arena. */
    int64_t count;
} snug_hf_labels;

/**
 * Reads the value that comes next: {"0": "bad", "1": "good"}, or with `by_number` false {"bad": 0,
 * "good": 1}; null or {} is none. Pairs may come in any order; the numbers must be 0 to count - 1.
 *
 * @mem     The names, from `arena`.
 * @errors  SNUG_CODE_FORMAT, SNUG_CODE_DATA for numbers that are missing or stand twice,
 *          SNUG_CODE_LIMIT above SNUG_LABELS_MAX or SNUG_HF_LABEL_BYTES. `out` is untouched.
 */
SNUG_MUST_CHECK snug_status snug_hf_labels_read(snug_json_reader *reader, bool by_number,
                                                snug_arena *arena, snug_hf_labels *out,
                                                snug_error *err);

/** "LABEL_0" to "LABEL_(count-1)", as transformers names them. */
SNUG_MUST_CHECK snug_status snug_hf_labels_number(int64_t count, snug_arena *arena,
                                                  const char *const **out, snug_error *err);

#endif
