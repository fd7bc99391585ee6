/* BERT and RoBERTa encoders with a classifier as data: options, and the graph of one length. */
#ifndef SNUG_MODELS_BERT_H
#define SNUG_MODELS_BERT_H

#include "models/model.h"

/** The activation between the two halves of a feed-forward block. */
typedef enum snug_bert_activation {
    SNUG_BERT_GELU,      /* Exact, by erf. */
    SNUG_BERT_GELU_TANH, /* The tanh form. */
    SNUG_BERT_RELU
} snug_bert_activation;

/** How the first token's row becomes logits. */
typedef enum snug_bert_head {
    SNUG_BERT_POOLER, /* pooler.dense, tanh, dropout, classifier: BertForSequenceClassification. */
    SNUG_BERT_DENSE   /* dropout, classifier.dense, tanh, dropout, classifier.out_proj: RoBERTa. */
} snug_bert_head;

/** Everything a graph of this family follows from. */
typedef struct snug_bert_options {
    snug_model_purpose purpose;
    const char *prefix;      /* "bert", "roberta": of the encoder's names. Borrowed. */
    int64_t vocabulary;      /* Rows of the word table. */
    int64_t positions;       /* Rows of the position table. */
    int64_t position_offset; /* 0; RoBERTa: padding id + 1. */
    int64_t types;           /* Rows of the token type table. */
    int64_t padding_id;
    int64_t hidden, layers, heads, intermediate;
    int64_t classes;
    int64_t length; /* Tokens of a sample, padding included. */
    snug_bert_activation activation;
    snug_bert_head head;
    double norm_eps;
    double init_range; /* Deviation of new weights. */
    double dropout, attention_dropout, classifier_dropout;
    double smoothing;        /* Of the labels, in [0, 1). */
    bool narrow_activations; /* The encoder's are stored as bf16; the head's one row stays f32. */
} snug_bert_options;

/** The sources' streams. */
typedef enum snug_bert_stream {
    SNUG_BERT_STREAM_IDS,    /* "ids": i32 [length]. */
    SNUG_BERT_STREAM_TYPES,  /* "types": i32 [length]. */
    SNUG_BERT_STREAM_LENGTH, /* "length": i32 [1], tokens that are no padding. */
    SNUG_BERT_STREAM_LABEL   /* "label": i32 [1], < 0: none; not for PREDICT. */
} snug_bert_stream;

/**
 * Appends the forward graph to an empty graph; TRAIN and EVALUATE set graph->loss. The tensor
 * "prediction" is f32 [1, classes], the logits. Parameters come in the same order for every purpose
 * and length, under the names that transformers gives them with the prefix before the encoder's.
 *
 * @errors  SNUG_CODE_CONFIG for options that do not fit together (heads and hidden, length and
 *          positions); LIMIT when the graph has no room.
 * @source  Devlin et al. 2018, "BERT"; Liu et al. 2019, "RoBERTa".
 */
SNUG_MUST_CHECK snug_status snug_bert_build(snug_graph *graph, const snug_bert_options *options,
                                            snug_error *err);

#endif
