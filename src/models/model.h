/* What all model families share: what a graph is for, its weights in files, and how they begin. */
#ifndef SNUG_MODELS_MODEL_H
#define SNUG_MODELS_MODEL_H

#include "graph/graph.h"

/** What a graph is for: what follows the forward part. */
typedef enum snug_model_purpose {
    SNUG_MODEL_TRAIN,    /* The loss; snug_graph_backward() is the caller's. */
    SNUG_MODEL_EVALUATE, /* The loss, and a sink of the prediction, the target and the loss. */
    SNUG_MODEL_PREDICT   /* A sink of the prediction; no target, no mask. */
} snug_model_purpose;

/** The output of the model in the graph of any family. */
#define SNUG_MODEL_PREDICTION_NAME "prediction"

/** How a parameter lies in a file: our element [i0, i1, ...] is at the sum of i * stride. */
typedef struct snug_model_layout {
    snug_shape file_shape;
    int64_t stride[SNUG_RANK_MAX]; /* Of our axes, in elements of the file. */
} snug_model_layout;

/** The layout of a parameter (of its gradient and states, too): PyTorch's for its op. */
void snug_model_file_layout(const snug_graph *graph, snug_tensor_id parameter,
                            snug_model_layout *out);

/** out[0..count) = elements first..first+count of the file's order, taken from ours. */
void snug_model_to_file(const snug_graph *graph, snug_tensor_id parameter, const float *ours,
                        int64_t first, int64_t count, float *out);

/** The way back: writes elements first..first+count of the file's order to their places in ours. */
void snug_model_from_file(const snug_graph *graph, snug_tensor_id parameter, const float *file,
                          int64_t first, int64_t count, float *ours);

/**
 * The initial values of a parameter: elements first..first+count of our order. A number is a
 * function of (seed, index of the parameter among the parameters, element): Philox, 24 bits.
 */
void snug_model_init_values(const snug_graph *graph, snug_tensor_id parameter, uint64_t seed,
                            int64_t first, int64_t count, float *out);

#endif
