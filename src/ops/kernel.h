/* How a kernel is called: pointers, a range of samples, scratch, threads; it knows nothing else. */
#ifndef SNUG_OPS_KERNEL_H
#define SNUG_OPS_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/parallel.h"
#include "graph/graph.h"
#include "ops/kernel_isa.h"

/** What is true for a whole step, whatever the tiles. */
typedef struct snug_step_context {
    uint64_t seed;
    int64_t epoch;
    int64_t first_position; /* Of the global batch's first sample in the order of the epoch. */
    int64_t batch;          /* Samples in this global batch. */
    bool evaluation;        /* Dropout passes everything. */
    double normaliser;      /* Valid elements of the global batch; every share is divided by it. */
    int64_t step;           /* 1 for the first optimizer step. */
    double learning_rate, weight_decay, beta1, beta2, epsilon, momentum;
    double clip_norm; /* 0: no clipping. */
} snug_step_context;

typedef struct snug_kernel_call {
    const snug_op_view *view; /* Shapes and attributes. */
    int64_t first;            /* Position of the first sample in the global batch. */
    int64_t count;            /* Samples of this call; batched pointers point at the first. */
    const void *inputs[SNUG_NODE_INPUTS_MAX]; /* NULL: an optional input left out. */
    void *outputs[SNUG_NODE_OUTPUTS_MAX];     /* NULL: nobody reads it. */
    void *scratch;                            /* snug_op_scratch_bytes(), aligned to SNUG_ALIGN. */
    const snug_parallel *parallel;
    snug_kernel_isa isa;
    const snug_step_context *step;
} snug_kernel_call;

typedef void (*snug_kernel)(const snug_kernel_call *call);

/** The fast kernel of a row; NULL for sources and sinks. Every other row has one. */
snug_kernel snug_kernel_find(const snug_op *op);

/**
 * What runs a node with its tensors as they are stored: the row's fast kernel, or around it the one
 * that widens bf16 inputs and rounds bf16 outputs. NULL for sources and sinks.
 */
snug_kernel snug_kernel_of(const snug_op_view *view);

/**
 * The reference kernel of a row: plain C over doubles. Every f32 or bf16 tensor of the call is an
 * array of double there; other types are as they are. It is the definition of right, and so is
 * snug_kernel_reference_round() behind it.
 */
snug_kernel snug_kernel_reference(const snug_op *op);

/** Rounds the outputs of a reference call that the node stores as bf16. */
void snug_kernel_reference_round(const snug_kernel_call *call);

/** Bytes of scratch that the reference kernel of the view's row needs, whatever the samples. */
int64_t snug_kernel_reference_scratch(const snug_op_view *view);

#endif
