/* Every limit of the program, in one place; reaching one is SNUG_CODE_LIMIT. */
#ifndef SNUG_BASE_LIMITS_H
#define SNUG_BASE_LIMITS_H

enum {
    SNUG_ALIGN = 64,           /* Bytes: a cache line; every planned buffer is aligned so. */
    SNUG_NAME_BYTES = 96,      /* Names of tensors, nodes, keys, with the final zero. */
    SNUG_PATH_BYTES = 4096,    /* A path with the final zero. */
    SNUG_THREADS_MAX = 64,     /* Compute threads. */
    SNUG_WORKERS_MAX = 16,     /* Loader threads. */
    SNUG_RANK_MAX = 6,         /* Axes of a tensor, the sample axis not counted. */
    SNUG_NODE_INPUTS_MAX = 24, /* An LSTM of four layers and its gradient fit. */
    SNUG_NODE_OUTPUTS_MAX = 20,
    SNUG_ATTENTION_ROWS_MAX = 1 << 20, /* Queries or keys of a sample. */
    SNUG_ATTENTION_HEADS_MAX = 1 << 12,
    SNUG_GRAPH_NODES_MAX = 4096,
    SNUG_GRAPH_TENSORS_MAX = 16384,
    SNUG_STAGES_MAX = 256,
    SNUG_PLAN_BUFFERS_MAX = 65536,
    SNUG_CHANNELS_MAX = 4096, /* Input channels or targets of a time series. */
    SNUG_JSON_DEPTH_MAX = 64,
    SNUG_HF_CONFIG_BYTES_MAX = 8 << 20, /* config.json; every label stands in it twice. */
    SNUG_HF_INDEX_BYTES_MAX = 16 << 20, /* model.safetensors.index.json. */
    SNUG_HF_SHARDS_MAX = 256,           /* Files of one set of weights; all are open at once. */
    SNUG_HF_LABEL_BYTES = 1024,         /* A label's name with its final zero. */
    SNUG_HF_LAYERS_MAX = 1024,
    SNUG_HF_WIDTH_MAX = 1 << 17, /* Hidden and intermediate size, heads, token types. */
    SNUG_HF_ROWS_MAX = 1 << 24,  /* Vocabulary, positions. */
    SNUG_CONFIG_FILE_BYTES_MAX = 1 << 20,
    SNUG_CATALOGUE_BYTES_MAX = 512 << 10, /* Messages of one language. */
    SNUG_ROW_BYTES_MAX = 1 << 20, /* A row of CSV, TSV or JSONL, quoted line ends included. */
    SNUG_LABELS_MAX = 16384,      /* Classes of a classification. */
    SNUG_TOKENIZER_FILE_BYTES_MAX = 64 << 20, /* tokenizer.json, vocab.txt. */
    SNUG_VOCABULARY_MAX = 1 << 21,            /* Token ids. */
    SNUG_ADDED_TOKENS_MAX = 4096, /* Tokens that are matched in the text before all others. */
    SNUG_NORMALISED_TOKEN_BYTES_MAX = 1024, /* Of an added token that is matched normalised. */
    SNUG_WORD_CHARACTERS_MAX = 256,  /* Longest word that is cut into pieces; BERT has 100. */
    SNUG_FILES_MAX = 1 << 20,        /* Files of one data set. */
    SNUG_HOT_CELSIUS = 85,           /* A machine is too hot from here; most throttle from 90 on. */
    SNUG_CONFUSION_PICTURE_MAX = 128 /* Classes in the picture of a confusion. */
};

#endif
