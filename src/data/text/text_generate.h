/* Learnable synthetic text: labelled rows in CSV and the shape of a small model. */
#ifndef SNUG_DATA_TEXT_TEXT_GENERATE_H
#define SNUG_DATA_TEXT_TEXT_GENERATE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct snug_text_generate_options {
    const char *folder; /**< Made when missing. */
    int64_t row_count;  /**< Of train.csv; a quarter as many in valid.csv and test.csv. */
    uint64_t seed;
} snug_text_generate_options;

/** What was written, all files together. */
typedef struct snug_text_generated {
    int64_t files, rows, bytes;
} snug_text_generated;

/**
 * Writes train.csv, valid.csv and test.csv (columns label, text; three classes that a few words of
 * each text tell) and model/ with config.json and vocab.txt of a BERT of two layers, which has no
 * weights: train it with model.pretrained=false. What was there is written over.
 *
 * @param scratch  About 128 KiB, given back.
 * @errors  IO, FULL.
 */
SNUG_MUST_CHECK snug_status snug_text_generate(const snug_text_generate_options *options,
                                               snug_arena *scratch, snug_text_generated *out,
                                               snug_error *err);

#endif
