/* A model as data: tensors and nodes, built forward, extended backward from the op table. */
#ifndef SNUG_GRAPH_GRAPH_H
#define SNUG_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "graph/op.h"
#include "tensor/tensor.h"

typedef enum snug_tensor_kind {
    SNUG_TENSOR_INPUT,      /* Comes from the loader through a source node. */
    SNUG_TENSOR_ACTIVATION, /* Made by a node, forward or backward; has the sample axis. */
    SNUG_TENSOR_PARAMETER,  /* Trained (or frozen); lives through the run. */
    SNUG_TENSOR_GRADIENT,   /* Of a parameter; zeroed at the start of a step, accumulated into. With
                               the sample axis: its rows, kept for the whole global batch. */
    SNUG_TENSOR_STATE       /* Optimizer moments, totals; lives through the run. */
} snug_tensor_kind;

/** How a parameter starts. Numbers are addressed by (seed, parameter index, element). */
typedef enum snug_init_kind {
    SNUG_INIT_ZERO,
    SNUG_INIT_ONE,
    SNUG_INIT_UNIFORM,
    SNUG_INIT_NORMAL
} snug_init_kind;
typedef struct snug_init {
    snug_init_kind kind;
    float bound; /* UNIFORM: in [-bound, bound); NORMAL: the standard deviation. */
} snug_init;

typedef struct snug_tensor {
    char name[SNUG_NAME_BYTES]; /* Unique; parameters carry the name of the ecosystem's file. */
    snug_tensor_kind kind;
    snug_dtype dtype;
    bool batched;            /* The sample axis comes before `shape`. */
    bool trainable;          /* Parameters only. */
    snug_shape shape;        /* Without the sample axis. */
    snug_node_id producer;   /* First node that writes it; -1 for parameters, gradients, states. */
    snug_tensor_id gradient; /* Parameters: their GRADIENT tensor once asked for; else -1. */
    snug_tensor_id of;       /* GRADIENT and STATE: the parameter they belong to; else -1. */
    snug_init init;          /* Parameters. */
} snug_tensor;

typedef enum snug_phase { SNUG_PHASE_FORWARD, SNUG_PHASE_BACKWARD, SNUG_PHASE_UPDATE } snug_phase;

struct snug_node {
    const snug_op *op;
    char name[SNUG_NAME_BYTES];
    snug_attrs attrs;
    snug_phase phase;
    int32_t variant;      /* Chosen by the planner among op->variants; 0 at first. */
    uint32_t narrow;      /* Bit o: output o is stored as bf16. */
    snug_node_id forward; /* BACKWARD: the forward node whose gradient this computes; else -1. */
    int32_t input_count;
    snug_tensor_id inputs[SNUG_NODE_INPUTS_MAX]; /* -1: an optional input left out. */
    int32_t output_count;
    snug_tensor_id outputs[SNUG_NODE_OUTPUTS_MAX];
};

/** Nodes are in execution order: each reads only what earlier ones wrote. */
struct snug_graph {
    snug_arena *arena; /* Borrowed; holds the arrays. */
    snug_node *nodes;
    int64_t node_count, node_capacity;
    snug_tensor *tensors;
    int64_t tensor_count, tensor_capacity;
    /**
     * Samples of a global batch, when they are known before gradients are made, and positions of
     * the longest sample in all graphs that share this one's parameters; else 0. Which form a
     * gradient has may depend on them (see embed_rows), but no bit of it.
     */
    int64_t batch, longest;
    snug_tensor_id loss;  /* Batched f64 scalar: each sample's share of the loss; -1: not set. */
    snug_node_id forward; /* While a gradient rule runs: the node it works for; else -1. */

    /**
     * A builder sets it for a while: forward nodes appended meanwhile store as bf16 what their rows
     * let them. Gradients stay f32; so must what a sink shows.
     */
    bool narrow;
};

/** An empty graph whose arrays come from `arena`. */
SNUG_MUST_CHECK snug_status snug_graph_init(snug_graph *graph, snug_arena *arena,
                                            int64_t node_capacity, int64_t tensor_capacity,
                                            snug_error *err);

/** A graph with the same nodes and tensors and no room for more, in `arena`. */
SNUG_MUST_CHECK snug_status snug_graph_copy(const snug_graph *graph, snug_arena *arena,
                                            snug_graph *out, snug_error *err);

/** A parameter; SNUG_CODE_USAGE when the name is taken. */
SNUG_MUST_CHECK snug_status snug_graph_parameter(snug_graph *graph, const char *name,
                                                 snug_shape shape, snug_init init,
                                                 snug_tensor_id *out, snug_error *err);

/** A batched input that the loader fills: appends a "source" node for field `stream`. */
SNUG_MUST_CHECK snug_status snug_graph_source(snug_graph *graph, const char *name, snug_dtype dtype,
                                              snug_shape shape, int32_t stream, snug_tensor_id *out,
                                              snug_error *err);

/**
 * Appends a node. Output tensors are made as infer says, named "<name>" ("<name>.1", ... beyond the
 * first). `outputs` (SNUG_NODE_OUTPUTS_MAX entries or as many as the op has) may give tensors to
 * write or add to, SNUG_TENSOR_NEW, or SNUG_TENSOR_NONE for one that nobody reads; NULL: all new.
 * Outputs that an op accumulates must be given. The phase follows from the op and from whether a
 * gradient rule runs. On failure the graph is as before.
 */
SNUG_MUST_CHECK snug_status snug_graph_node(snug_graph *graph, const char *op_name,
                                            const char *name, const snug_attrs *attrs,
                                            const snug_tensor_id *inputs, int32_t input_count,
                                            const snug_tensor_id *outputs, snug_node_id *out,
                                            snug_error *err);

/** As snug_graph_node, and answers the first output. */
SNUG_MUST_CHECK snug_status snug_graph_apply(snug_graph *graph, const char *op_name,
                                             const char *name, const snug_attrs *attrs,
                                             const snug_tensor_id *inputs, int32_t input_count,
                                             snug_tensor_id *out, snug_error *err);

/** The GRADIENT tensor of a parameter, made at the first call. */
SNUG_MUST_CHECK snug_status snug_graph_gradient(snug_graph *graph, snug_tensor_id parameter,
                                                snug_tensor_id *out, snug_error *err);

/** A STATE tensor that belongs to `of` (or -1). */
SNUG_MUST_CHECK snug_status snug_graph_state(snug_graph *graph, const char *name, snug_dtype dtype,
                                             snug_shape shape, snug_tensor_id of,
                                             snug_tensor_id *out, snug_error *err);

/**
 * Reverse mode: appends the nodes that fill the gradients of all trainable parameters of
 * graph->loss, from the rows' gradient rules; several contributions to an activation are added in
 * the order of the consuming nodes, last first; what nobody needs is not made.
 */
SNUG_MUST_CHECK snug_status snug_graph_backward(snug_graph *graph, snug_error *err);

/** Sets a node's variant (and its gradient nodes', which share caches) and infers shapes again. */
SNUG_MUST_CHECK snug_status snug_graph_set_variant(snug_graph *graph, snug_node_id node,
                                                   int32_t variant, snug_error *err);

/** An update node that writes no parameter and no state of one: it only measures gradients. */
bool snug_graph_measures(const snug_graph *graph, const snug_node *node);

/** What an op row's functions read; valid while the graph is not changed. */
void snug_graph_view(const snug_graph *graph, snug_node_id node, snug_op_view *out);

/**
 * Samples that a call of this node must cover: it starts at a multiple of that in the global batch
 * and ends at one, or at the batch's end. 1 for a forward node that no gradient node works for.
 */
int64_t snug_graph_sample_group(const snug_graph *graph, snug_node_id node);

/** Bytes of one sample of a batched tensor, or of the whole of a shared one. */
int64_t snug_tensor_bytes(const snug_tensor *tensor);

/** Number of elements over all parameters (or trainable ones only). */
int64_t snug_graph_parameter_count(const snug_graph *graph, bool trainable_only);

/** The tensor of that name, or -1. */
snug_tensor_id snug_graph_find(const snug_graph *graph, const char *name);

/** One line a node, for people and tests. */
void snug_graph_print(const snug_graph *graph, snug_text *out);

#endif
