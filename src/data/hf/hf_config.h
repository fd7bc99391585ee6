/* config.json of BERT-like encoders: every field checked, and a copy written with few changes. */
#ifndef SNUG_DATA_HF_HF_CONFIG_H
#define SNUG_DATA_HF_HF_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/status.h"

#define SNUG_HF_CONFIG_NAME "config.json"

enum { SNUG_HF_WORD_BYTES = 64 };

/** What the graph of a model type looks like. */
typedef enum snug_hf_family {
    SNUG_HF_BERT,   /* Positions from 0; a pooler, then the classifier. */
    SNUG_HF_ROBERTA /* Positions from pad_token_id + 1; classifier.dense and classifier.out_proj. */
} snug_hf_family;

typedef enum snug_hf_act {
    SNUG_HF_ACT_GELU,      /* x Phi(x), by erf: "gelu". */
    SNUG_HF_ACT_GELU_TANH, /* "gelu_new", "gelu_pytorch_tanh". */
    SNUG_HF_ACT_RELU
} snug_hf_act;

/** Immutable after the read. Texts and labels live in the arena of the read. */
typedef struct snug_hf_config {
    char model_type[SNUG_HF_WORD_BYTES]; /* "bert", "roberta", "xlm-roberta", "camembert". */
    snug_hf_family family;
    char architecture[SNUG_HF_WORD_BYTES]; /* The first of "architectures"; "" when none. */
    int64_t vocab_size;
    int64_t hidden_size;
    int64_t num_hidden_layers;
    int64_t num_attention_heads; /* Divides hidden_size. */
    int64_t intermediate_size;
    int64_t max_position_embeddings; /* Rows of the table; see position_offset. */
    int64_t position_offset;         /* The first row that a token uses. */
    int64_t type_vocab_size;
    int64_t pad_token_id;
    double layer_norm_eps;
    double initializer_range;   /* Deviation of new weights; above 0. */
    double hidden_dropout_prob; /* 0 to below 1, as the next two. */
    double attention_probs_dropout_prob;
    double classifier_dropout; /* hidden_dropout_prob where the file has none, or null. */
    snug_hf_act hidden_act;
    bool tie_word_embeddings;
    int64_t num_labels;        /* >= 1. */
    const char *const *labels; /* num_labels names; "LABEL_i" where the file has none. */
    bool labels_are_named;     /* The file had id2label or label2id. */
    char problem_type[SNUG_HF_WORD_BYTES]; /* "" when none. */
    char dtype[SNUG_HF_WORD_BYTES];        /* Of "torch_dtype" or "dtype"; "" when none. */
    const char *json;                      /* The file as it was read. */
    int64_t json_bytes;
} snug_hf_config;

/** Positions that a sequence may have: max_position_embeddings - position_offset; >= 1. */
int64_t snug_hf_config_positions(const snug_hf_config *config);

/**
 * Reads FOLDER/config.json. Needed: model_type (or architectures that tell it), vocab_size,
 * hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, max_position_embeddings;
 * what else is missing has the default of transformers. Keys that are not known are kept in `json`.
 *
 * @param folder  Borrowed for the call.
 * @mem     The text and the labels, from `arena`, which is as before on failure.
 * @threads Reentrant.
 * @errors  SNUG_CODE_IO, SNUG_CODE_FORMAT with the byte, SNUG_CODE_LIMIT; SNUG_CODE_DATA for
 *          needed keys that are missing, with their names, and values out of range;
 *          SNUG_CODE_UNSUPPORTED for other models, activations, kinds of positions. `out` is
 *          untouched.
 * @source  configuration_bert.py, configuration_roberta.py of transformers 4.57 and 5.
 */
SNUG_MUST_CHECK snug_status snug_hf_config_read(const char *folder, snug_arena *arena,
                                                snug_hf_config *out, snug_error *err);

/** The same from text, which must outlive `out`; what a fuzzer can reach. */
SNUG_MUST_CHECK snug_status snug_hf_config_parse(const char *json, int64_t json_bytes,
                                                 snug_arena *arena, snug_hf_config *out,
                                                 snug_error *err);

/** What differs in the copy that is written. All zeros: nothing. Borrowed for the call. */
typedef struct snug_hf_config_changes {
    const char *const *labels; /**< id2label and label2id; NULL keeps the file's. */
    int64_t label_count;
    const char *architecture; /**< "BertForSequenceClassification"; NULL keeps the file's. */
    const char *dtype;        /**< "float32"; under the file's key, torch_dtype or dtype. */
    const char *problem_type; /**< "single_label_classification"; NULL keeps the file's. */
} snug_hf_config_changes;

/** "BertForSequenceClassification" and the like: what transformers calls this type's classifier. */
const char *snug_hf_config_architecture(const snug_hf_config *config);

/** Bytes of buffer that are enough for the next two functions, whatever the labels hold. */
int64_t snug_hf_config_buffer_bytes(const snug_hf_config *config,
                                    const snug_hf_config_changes *changes);

/**
 * The text of a config.json with the changes; every other key keeps its place, its value its text.
 * A changed key that the file lacks is appended ("num_labels" follows id2label where the file has
 * it), so is "model_type".
 *
 * @return Its bytes, at the start of the buffer, a zero after them; -1 when it has no room there.
 */
int64_t snug_hf_config_text(const snug_hf_config *config, const snug_hf_config_changes *changes,
                            char *buffer, int64_t buffer_bytes);

/**
 * Writes that text to a file, which appears whole or not at all.
 *
 * @param path    Of the file.
 * @param buffer  snug_hf_config_buffer_bytes() is always enough.
 * @mem     Allocates nothing.
 * @errors  SNUG_CODE_LIMIT when the buffer is too small; SNUG_CODE_IO, SNUG_CODE_FULL.
 */
SNUG_MUST_CHECK snug_status snug_hf_config_write(const char *path, const snug_hf_config *config,
                                                 const snug_hf_config_changes *changes,
                                                 void *buffer, int64_t buffer_bytes,
                                                 snug_error *err);

#endif
