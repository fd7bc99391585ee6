/* Optimizers as graphs: states, the gradients' square norm, and one update node a parameter. */
#ifndef SNUG_OPTIM_OPTIM_H
#define SNUG_OPTIM_OPTIM_H

#include "graph/graph.h"

enum { SNUG_OPTIM_CODES_FROM = 4096 }; /* Elements of the smallest tensor with 8-bit moments. */

/** Hyper-parameters; the learning rate of a step comes from the schedule. */
typedef struct snug_optim_options {
    /**
     * "adamw", "adam" (weight decay as L2), "sgd"; or with smaller states and other results:
     * "adamw8" (moments of 8 bits), "adafactor" (second moments by row and column, no first).
     * Borrowed.
     */
    const char *name;
    double learning_rate; /**< > 0; the schedule's peak. */
    double weight_decay;  /**< >= 0. */
    double beta1, beta2;  /**< In [0, 1); Adam only. */
    double epsilon;       /**< > 0; Adam only. */
    double momentum;      /**< In [0, 1); SGD only; 0 keeps no buffer. */
    double clip_norm;     /**< Most norm of all gradients together; 0: no clipping. */
    bool keep_vectors;    /**< No weight decay on parameters of one axis: biases and norms. */
    int64_t codes_from;   /**< adamw8: elements below which moments stay f32; 0: the default. */
} snug_optim_options;

/** PyTorch's defaults of that optimizer; SNUG_CODE_CONFIG with the nearest name otherwise. */
SNUG_MUST_CHECK snug_status snug_optim_defaults(const char *name, snug_optim_options *out,
                                                snug_error *err);

/** Every number lies in its range; SNUG_CODE_CONFIG names the one that does not. */
SNUG_MUST_CHECK snug_status snug_optim_check(const snug_optim_options *options, snug_error *err);

/** The f64 tensor that holds the sum of squares of all gradients of the step. */
#define SNUG_OPTIM_TOTAL_NAME "gradient_square_norm"
/** The f64 tensor [gradients] that holds each gradient's, in the order of the parameters. */
#define SNUG_OPTIM_NORMS_NAME "gradient_square_norms"

/**
 * Appends, for every parameter that has a gradient: its states ("<name>.m", "<name>.v",
 * "<name>.momentum"; adamw8: codes there and "<name>.m.scale", "<name>.v.scale"; adafactor:
 * "<name>.v.row" and "<name>.v.column", or "<name>.v" for one axis), in the order of the
 * parameters, a square_norm node and an update node; and one node that adds up the norms.
 *
 * Norms and updates are in the order in which the backward pass completes the gradients, and each
 * norm has a place of its own, so that their total does not depend on that order. With clipping all
 * norms and the total come first, and every update reads the total. Without, each norm stands
 * before its update, no update waits for another's gradient, and the total is for reports.
 *
 * The graph must be through snug_graph_backward(). On failure the graph is as before.
 */
SNUG_MUST_CHECK snug_status snug_optim_attach(snug_graph *graph, const snug_optim_options *options,
                                              snug_error *err);

#endif
