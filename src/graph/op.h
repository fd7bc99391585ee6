/* The op table: one row an operation; shapes, gradients, costs, plans and tests are made from it.
 */
#ifndef SNUG_GRAPH_OP_H
#define SNUG_GRAPH_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "tensor/tensor.h"

typedef int32_t snug_tensor_id; /* -1: none. */
typedef int32_t snug_node_id;   /* -1: none. */

enum {
    SNUG_TENSOR_NONE = -1, /* An optional input left out, an output that nobody reads. */
    SNUG_TENSOR_NEW = -2   /* In the outputs asked of snug_graph_node(): make this one. */
};

typedef struct snug_graph snug_graph;
typedef struct snug_node snug_node;
typedef struct snug_op snug_op;

/** How the loop in time turns the head's output into the fed-back state. */
typedef enum snug_decoder_mode {
    SNUG_DECODER_PLAIN,                 /* No feedback: y is the head's output. */
    SNUG_DECODER_POSITION,              /* The state is the output. */
    SNUG_DECODER_VELOCITY,              /* The output is added to the state. */
    SNUG_DECODER_POSITION_THEN_VELOCITY /* Position before `switch_step`, velocity after it. */
} snug_decoder_mode;

enum { SNUG_MOMENT_BLOCK = 256 }; /* Elements of an 8-bit optimizer state that share a scale. */

/** What a node needs beside its tensors; the member is named after the op. */
typedef union snug_attrs {
    struct {
        int64_t kernel, stride; /* Rows of time. A linear layer is kernel 1, stride 1. */
        int64_t length;         /* T of the input (gradient nodes need it). */
        bool relu;              /* The output is max(0, .). */
    } conv1d;
    struct {
        int64_t kernel, channels, width, length;
        bool relu;
    } tds_conv;
    struct {
        float eps;
    } layer_norm;
    struct {
        int64_t length_in, length_out;
    } interpolate;
    struct {
        int64_t length_a, length_b; /* y = a + the last length_a rows of b. */
    } add_tail;
    struct {
        int64_t layers, hidden, features, state, outputs, steps, switch_step;
        snug_decoder_mode mode;
        float slope, scale;
        bool has_initial_state;
    } lstm_decoder;
    struct {
        float weight_mse, weight_mae;
        bool has_mask;
    } regression_loss;
    struct {
        int64_t length, width;   /* L positions of a sample, H columns. */
        int64_t position_offset; /* Position i reads row i + position_offset of its table. */
        int64_t padding_index;   /* This row of the word table gets no gradient; -1: every one. */
        int64_t words, positions, types; /* Rows of the tables; the gradient rule fills them in. */
    } embed;
    struct {
        bool approximate; /* The tanh form instead of the exact one. */
    } gelu;
    struct {
        float rate;     /* Probability of a zero, in [0, 1). */
        int32_t stream; /* Which random numbers: one stream a node of the model. */
    } dropout;
    struct {
        int64_t row, length; /* Row `row` of `length`. */
    } take_row;
    struct {
        int64_t classes;
        float smoothing; /* In [0, 1): this share of the target is spread over all classes. */
    } cross_entropy;
    struct {
        int64_t length, length_k; /* Rows of the queries and of the keys. */
        int64_t heads, width;     /* H = width: heads of H / heads columns. */
        float scale;              /* Of the scores; > 0. */
        float dropout;            /* Probability of a zero among the probabilities, in [0, 1). */
        int32_t stream;           /* Which random numbers: one stream a node of the model. */
        bool causal;              /* Query i sees keys j <= i. */
        bool packed;              /* Input 0 is [L, 3 H]: the columns of q, k and v. */
        bool cross;               /* Queries are another sequence than keys, even if as long. */
        bool all_rows;            /* Lengths are not read: for measuring, where they are noise. */
    } attention;
    struct {
        int32_t stream; /* Which of the loader's fields: 0, 1, ... */
        snug_dtype dtype;
        snug_shape shape;
    } source;
    struct {
        int64_t slot, slots; /* Of `slots` sums this node's gradient has number `slot`. */
        int64_t words;       /* Rows of the table whose gradient comes as rows; else not read. */
    } square_norm;
    struct {
        bool adam_l2;  /* torch.optim.Adam's weight decay instead of the decoupled one. */
        bool no_decay; /* This parameter's weight does not decay. */
    } optimizer;
} snug_attrs;

/** Work of one call on `samples` samples. */
typedef struct snug_cost {
    double flops; /* Multiplies and adds, each counted. */
    double bytes; /* Read and written, caches ignored. */
} snug_cost;

/** What a row's functions are told of a node: shapes resolved, nothing of memory. */
typedef struct snug_op_view {
    const snug_graph *graph;
    const snug_node *node;
    const snug_attrs *attrs;
    int32_t variant;
    int32_t input_count;
    snug_shape input[SNUG_NODE_INPUTS_MAX]; /* Per sample for batched tensors. */
    bool input_batched[SNUG_NODE_INPUTS_MAX];
    int32_t output_count;
    snug_shape output[SNUG_NODE_OUTPUTS_MAX]; /* Filled by infer; valid for cost and scratch. */
    uint32_t narrow_inputs;                   /* Bit i: input i is stored as bf16. */
    uint32_t narrow_outputs;                  /* Bit o: output o is rounded to bf16. */
} snug_op_view;

/** What infer answers for one output. */
typedef struct snug_output_info {
    snug_dtype dtype;
    bool batched;
    snug_shape shape;
} snug_output_info;

enum {
    SNUG_OP_GRADIENT_ONLY = 1, /* Made by a gradient rule or an optimizer; has no gradient. */
    SNUG_OP_CHEAP = 2,         /* Elementwise cost: a planner may run it again rather than keep. */
    SNUG_OP_SOURCE = 4,        /* The executor fills the output (loader). */
    SNUG_OP_SINK = 8,          /* The executor shows the input to the caller (evaluation). */
    SNUG_OP_UPDATE = 16        /* Optimizer: writes parameters and states. */
};

struct snug_op {
    const char *name;
    int32_t input_min, input_max;
    int32_t output_max;
    uint32_t flags;

    /** Bit o: output o is added to, not written (gradients of parameters, loss totals). */
    uint32_t accumulates;

    /** Bit i: the content of input i is lost (a cache that the kernel works in). */
    uint32_t consumes;

    /**
     * Bit o: output o, an f32 activation, may be stored as bf16 (doc/decisions/0012). The row and
     * its infer know nothing of it: inputs are widened for the kernel, outputs are rounded.
     */
    uint32_t narrows;

    /**
     * Samples that must be in one call: 1, or 64 for ops whose sums (or kept caches) run over
     * groups of 64 samples of the global batch. snug_graph_sample_group() answers for a node.
     */
    int64_t sample_group;

    /**
     * Checks the inputs and answers count, types and shapes of the outputs. SNUG_CODE_DATA with
     * both shapes in the message when they do not fit together.
     */
    snug_status (*infer)(const snug_op_view *view, int32_t *out_count,
                         snug_output_info out[SNUG_NODE_OUTPUTS_MAX], snug_error *err);

    /**
     * Appends the nodes that compute the gradient. `out_grads[o]` is -1 when output o has none;
     * `need[i]` says whether the gradient of input i is wanted. Writes the gradient of activations
     * to `in_grads[i]`; those of parameters are accumulated into snug_graph_gradient(graph, id).
     */
    snug_status (*gradient)(snug_graph *graph, snug_node_id node, const snug_tensor_id *out_grads,
                            const bool *need, snug_tensor_id *in_grads, snug_error *err);

    /** FLOPs and bytes of a call on `samples` samples, for the view's variant. */
    snug_cost (*cost)(const snug_op_view *view, int64_t samples);

    /**
     * Bytes of scratch a call on `samples` samples needs, the fast kernel's need on any instruction
     * set; NULL: none. Only the kernels know it, so these functions are defined beside them
     * (ops/adapt_*.c) and named in the rows.
     */
    int64_t (*scratch_bytes)(const snug_op_view *view, int64_t samples, int32_t threads);

    /** Number of variants (what is kept for backward); shapes may depend on it. NULL: one. */
    int32_t (*variants)(const snug_op_view *view);

    /** The input whose storage output o may take over when nobody reads it later; NULL, -1: none.
     */
    int32_t (*inplace)(const snug_op_view *view, int32_t output);

    /**
     * For measuring what is long: makes the view that of a call of the same kind with about `share`
     * (0 to 1) of its work, whose time over the answer stands for that of the call; variants that
     * take the same time become one. `attrs` is room for changed attributes; the view borrows it.
     * Answers the share that is left. NULL: every call is measured as it is.
     */
    double (*shorten)(snug_op_view *view, snug_attrs *attrs, double share);
};

/*
 * What a node costs and needs with its tensors as they are stored: the row's answers, and what
 * reading and writing bf16 changes in them. Ask these, not the row.
 */

/** op->cost, with fewer bytes by the share of bf16 in what is read and written. */
snug_cost snug_op_cost(const snug_op_view *view, int64_t samples);
/** op->scratch_bytes, and room for what is widened and rounded; 0: none. */
int64_t snug_op_scratch_bytes(const snug_op_view *view, int64_t samples, int32_t threads);
/** op->inplace, unless input and output have elements of different size; -1: none. */
int32_t snug_op_inplace(const snug_op_view *view, int32_t output);

/** The row with that name, or NULL. */
const snug_op *snug_op_find(const char *name);
/** All rows, for tests made from the table. */
int64_t snug_op_count(void);
const snug_op *snug_op_at(int64_t index);

#endif
