/* The straight interpreter: every node once, in order, all kept; what an executor must equal. */
#ifndef SNUG_TESTS_OP_INTERPRETER_H
#define SNUG_TESTS_OP_INTERPRETER_H

#include "graph/graph.h"
#include "ops/kernel.h"

typedef struct snug_interpreter {
    const snug_graph *graph;
    bool reference; /* Doubles and reference kernels; else f32 and the fast ones. */
    snug_kernel_isa isa;
    const snug_parallel *parallel;
    int64_t samples; /* Of the batch. */
    snug_step_context step;
    unsigned char **buffers; /* Per tensor; f32 and bf16 tensors are double in reference mode. */
} snug_interpreter;

/** Memory of every tensor, zeroed; parameters start as snug_model_init_values() says. */
void snug_interpreter_open(snug_interpreter *in, const snug_graph *graph, bool reference,
                           snug_kernel_isa isa, int64_t samples, uint64_t seed);
void snug_interpreter_close(snug_interpreter *in);

/** Elements of a tensor, samples included. */
int64_t snug_interpreter_count(const snug_interpreter *in, snug_tensor_id tensor);
float *snug_interpreter_f32(const snug_interpreter *in, snug_tensor_id tensor);
double *snug_interpreter_f64(const snug_interpreter *in, snug_tensor_id tensor);
/** Element `i` of a f32, bf16 or f64 tensor in either mode. */
double snug_interpreter_get(const snug_interpreter *in, snug_tensor_id tensor, int64_t i);
void snug_interpreter_set(const snug_interpreter *in, snug_tensor_id tensor, int64_t i,
                          double value);

/** Zeroes what is accumulated, then runs the nodes of the phases first..last. */
void snug_interpreter_run(snug_interpreter *in, snug_phase first, snug_phase last);

/** The loss of the batch: the sum of the samples' shares in order. */
double snug_interpreter_loss(const snug_interpreter *in);

#endif
