/* What a session of text classification has of its own. */
#ifndef SNUG_TRAIN_TEXT_SESSION_H
#define SNUG_TRAIN_TEXT_SESSION_H

#include "data/hf/hf_config.h"
#include "data/text/labels.h"
#include "data/text/text_source.h"
#include "data/token/tokenizer.h"
#include "models/bert.h"
#include "train/class_metrics.h"
#include "train/session.h"

typedef struct snug_text_output snug_text_output;

/** One part's prepared samples. */
typedef struct snug_text_set {
    char path[SNUG_PATH_BYTES];   /* The text; "" = there is none. */
    char tokens[SNUG_PATH_BYTES]; /* The prepared file. */
    bool temporary;               /* Made of a pipe: removed at the close. */
    snug_token_file file;
} snug_text_set;

typedef struct snug_text_own {
    char folder[SNUG_PATH_BYTES]; /* Model: model.path, or a checkpoint. */
    snug_hf_config config;        /* Over the set-up arena. */
    snug_labels labels;           /* Over the index arena. */
    snug_bert_options model;
    snug_tokenizer_facts tokenizer;
    uint64_t tokenizer_hash;
    snug_text_set sets[SNUG_TEXT_PART_COUNT];
    bool together; /* All texts are one set, that of validation. */
    snug_text_source_options options;
    snug_class_metrics metrics;
    snug_text_output *output; /* PREDICT. */
} snug_text_own;

/** Finds the texts of each part by data.path, data.valid_path and data.test_path, and the labels;
 * tokenises what was not yet; fills `options` and the session's facts. */
SNUG_MUST_CHECK snug_status snug_text_data_open(snug_session *session, snug_text_own *own,
                                                snug_error *err);
/** Closes the prepared files. */
void snug_text_data_close(snug_text_own *own);

/** Fills the weights from the folder of the model; the classifier may be new. */
SNUG_MUST_CHECK snug_status snug_text_weights_load(snug_session *session, const snug_text_own *own,
                                                   snug_error *err);
/** Bytes of buffer that the completion of a checkpoint needs. */
int64_t snug_text_weights_buffer_bytes(const snug_text_own *own);
/** Makes a checkpoint's folder one that transformers opens: config.json, tokenizer, label2id. */
SNUG_MUST_CHECK snug_status snug_text_weights_complete(const snug_session *session,
                                                       const snug_text_own *own, const char *folder,
                                                       snug_error *err);

/** Writes RUN/training_history.json; as many as 4,096 evaluations are in it. */
SNUG_MUST_CHECK snug_status snug_text_history_write(const snug_session *session, snug_error *err);

/**
 * Predictions as CSV, or JSONL where the path ends in .jsonl: label and probabilities, one line a
 * sample; without a path as CSV to the caller's function. The file appears whole at the commit.
 * @errors  USAGE for another ending; IO, FULL.
 */
SNUG_MUST_CHECK snug_status snug_text_output_open(const snug_predict_options *options,
                                                  const snug_text_own *own, snug_text_output **out,
                                                  snug_error *err);
SNUG_MUST_CHECK snug_status snug_text_output_add(snug_text_output *output, int64_t position,
                                                 const float *logits, snug_error *err);
SNUG_MUST_CHECK snug_status snug_text_output_commit(snug_text_output *output, int64_t *out_rows,
                                                    snug_error *err);
/** NULL is allowed. */
void snug_text_output_close(snug_text_output *output);

#endif
