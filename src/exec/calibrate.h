/* Measures what the calls of a graph cost on this machine, so that plans can say seconds. */
#ifndef SNUG_EXEC_CALIBRATE_H
#define SNUG_EXEC_CALIBRATE_H

#include "base/parallel.h"
#include "ops/kernel.h"
#include "plan/costs.h"

typedef struct snug_calibration {
    snug_graph *graph; /* Variants are changed during the call and restored before it returns. */
    int64_t batch;     /* Most samples of a call. */
    snug_kernel_isa isa;
    const snug_parallel *parallel; /* With the threads of the run. */
    int64_t memory_bytes;          /* Never more is taken; kinds that need more are left out. */
    int64_t beside_bytes;          /* What the run will take beside its arena and has not yet. */
    double seconds;                /* Once they are over, only what is missing is measured once. */
    snug_cost_table *own; /* Gets the points of this graph, as far as there is room; may be NULL. */
    snug_arena *scratch;  /* Some bytes a node; rewound before return. */
} snug_calibration;

/**
 * Runs the kernel of every kind of call that the table does not know yet: on as few samples as it
 * takes, then on 4 and 16 times as many while they are short and small. The fastest of some runs
 * counts: what else the machine does shall not be in the plan. Memory is taken for the while, at
 * most what every plan of the graph has in its arena at some time and what the run takes beside it:
 * the peak of a run that follows is not raised.
 *
 * @param      table      Points are added; when it is full the rest is left out.
 * @param[out] out_added  How many.
 * @return SNUG_CODE_MEMORY, SNUG_CODE_LIMIT from the heap, before anything was measured.
 * @threads One at a time.
 */
SNUG_MUST_CHECK snug_status snug_calibrate(const snug_calibration *request, snug_cost_table *table,
                                           int64_t *out_added, snug_error *err);

/**
 * The model of a table. What was not measured is priced by the defaults, made as much slower or
 * faster as the measured calls of the graph are against theirs.
 */
snug_cost_model snug_calibrated_model(const snug_graph *graph, const snug_cost_table *table,
                                      int32_t threads);

#endif
