/* What a plan of a case is held against: its graph run node by node, without a plan. */
#ifndef SNUG_TESTS_PLAN_INTERPRET_H
#define SNUG_TESTS_PLAN_INTERPRET_H

#include "plan_case.h"

#include "op/interpreter.inc"

/**
 * The straight interpreter's answer to `steps` steps of so many samples, none more than the first;
 * laid out as plan_case_run() does.
 */
static inline void plan_case_interpret(plan_case *c, snug_kernel_isa isa, const int64_t *batches,
                                       int64_t steps, plan_result *out)
{
    snug_interpreter in;
    snug_interpreter_open(&in, &c->graph, false, isa, batches[0], 5);
    for (int64_t s = 0; s < steps; s++) {
        in.samples = batches[s];
        in.step = plan_case_step(batches[s], s + 1);
        for (snug_node_id n = 0; n < c->graph.node_count; n++) {
            const snug_node *node = &c->graph.nodes[n];
            if ((node->op->flags & SNUG_OP_SOURCE) != 0) {
                const snug_exec_request request = {
                    .stream = node->attrs.source.stream, .first = 0, .count = batches[s]};
                plan_case_fill(&c->graph, &request, in.buffers[node->outputs[0]]);
            }
        }
        snug_interpreter_run(&in, SNUG_PHASE_FORWARD, SNUG_PHASE_UPDATE);
        plan_result_add(out, in.buffers[c->graph.loss], 8 * batches[s]);
    }
    for (snug_tensor_id t = 0; t < c->graph.tensor_count; t++) {
        if (c->graph.tensors[t].kind == SNUG_TENSOR_PARAMETER ||
            c->graph.tensors[t].kind == SNUG_TENSOR_STATE) {
            plan_result_add(out, in.buffers[t], snug_tensor_bytes(&c->graph.tensors[t]));
        }
    }
    in.samples = batches[0];
    snug_interpreter_close(&in);
}

#endif
