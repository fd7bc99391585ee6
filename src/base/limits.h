/* Every limit of the program, in one place; reaching one is SNUG_CODE_LIMIT. */
#ifndef SNUG_BASE_LIMITS_H
#define SNUG_BASE_LIMITS_H

enum {
    SNUG_ALIGN = 64,              /* Bytes: a cache line; every planned buffer is aligned so. */
    SNUG_NAME_BYTES = 96,         /* Names of tensors, nodes, keys, with the final zero. */
    SNUG_PATH_BYTES = 4096,       /* A path with the final zero. */
    SNUG_THREADS_MAX = 64,        /* Compute threads. */
    SNUG_WORKERS_MAX = 16,        /* Loader threads. */
    SNUG_RANK_MAX = 6,            /* Axes of a tensor, the sample axis not counted. */
    SNUG_NODE_INPUTS_MAX = 24,    /* An LSTM of four layers and its gradient fit. */
    SNUG_NODE_OUTPUTS_MAX = 20,
    SNUG_GRAPH_NODES_MAX = 4096,
    SNUG_GRAPH_TENSORS_MAX = 16384,
    SNUG_STAGES_MAX = 256,
    SNUG_PLAN_BUFFERS_MAX = 65536,
    SNUG_CHANNELS_MAX = 4096,     /* Input channels or targets of a time series. */
    SNUG_JSON_DEPTH_MAX = 64,
    SNUG_CONFIG_FILE_BYTES_MAX = 1 << 20,
    SNUG_FILES_MAX = 1 << 20      /* Files of one data set. */
};

#endif
