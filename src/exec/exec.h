/* Runs a program inside its arena: tiles, micro-batches, updates; takes no memory in a step. */
#ifndef SNUG_EXEC_EXEC_H
#define SNUG_EXEC_EXEC_H

#include "base/arena.h"
#include "base/parallel.h"
#include "ops/kernel.h"
#include "plan/plan.h"

/** One request of a step: `count` samples of one stream from position `first` of the batch. */
typedef struct snug_exec_request {
    int32_t stream;
    int64_t first;
    int64_t count;
} snug_exec_request;

/** Writes the samples of a request to `out`, dense, in order. */
typedef snug_status (*snug_exec_fetch)(void *context, const snug_exec_request *request, void *out,
                                       snug_error *err);

/** What a sink shows: `count` samples of its input `input` from position `first` of the batch. */
typedef struct snug_exec_shown {
    snug_node_id node;
    int32_t input;
    snug_tensor_id tensor;
    int64_t first;
    int64_t count;
    const void *data; /* Valid during the call. */
} snug_exec_shown;

typedef snug_status (*snug_exec_emit)(void *context, const snug_exec_shown *shown, snug_error *err);

typedef struct snug_exec snug_exec;

/** Whom a step asks for samples and shows results to. */
typedef struct snug_exec_calls {
    snug_exec_fetch fetch; /* NULL only for graphs without sources. */
    void *fetch_context;
    snug_exec_emit emit; /* NULL: sinks show nothing. */
    void *emit_context;
} snug_exec_calls;

/**
 * Binds a program to memory and kernels.
 *
 * @param program    Borrowed; outlives the exec.
 * @param graph      The graph it was made for; borrowed. Its variants are set and restored here.
 * @param base       program->arena_bytes bytes aligned to SNUG_ALIGN, shared by all programs of the
 *                   graph; parameters and states lie in its first persistent_bytes bytes.
 * @param isa        Passed to every kernel.
 * @param parallel   At most program->threads threads; borrowed.
 * @param arena      Where the exec is put.
 * @param[out] out   The exec.
 * @return SNUG_CODE_UNSUPPORTED: an op has no kernel, or something lives elsewhere than in memory
 *         (snug_home). SNUG_CODE_USAGE: too many threads.
 * @threads One step at a time over one arena base.
 */
SNUG_MUST_CHECK snug_status snug_exec_init(const snug_program *program, snug_graph *graph,
                                           void *base, snug_kernel_isa isa,
                                           const snug_parallel *parallel, snug_arena *arena,
                                           snug_exec **out, snug_error *err);

/** Bytes that an executor takes of its arena for each call of its program, about. */
int64_t snug_exec_call_bytes(void);

/**
 * One step: step->batch samples (1 .. program->batch), all micro-batches, then the updates.
 * In a poison run (plan request) dead regions are filled with NaN and canaries checked.
 *
 * @return What fetch or emit returned; SNUG_CODE_DATA: a kernel wrote over a canary (poison runs).
 * @mem     Allocates nothing.
 */
SNUG_MUST_CHECK snug_status snug_exec_step(snug_exec *exec, const snug_step_context *step,
                                           const snug_exec_calls *calls, snug_error *err);

/** Where a parameter, a state or the loss partials lie; NULL: the program has no fixed place for
 * it. */
void *snug_exec_tensor(const snug_exec *exec, snug_tensor_id tensor);

/**
 * The requests that every step of `batch` samples makes, in order.
 *
 * @param      capacity  Room in `out`; may be 0 with out NULL, to count.
 * @param[out] out       The first `capacity` of them.
 * @return How many there are.
 */
int64_t snug_exec_requests(const snug_exec *exec, int64_t batch, int64_t capacity,
                           snug_exec_request *out);

/** Called before every call of a step, for timing and tests. */
typedef void (*snug_exec_probe)(void *context, int32_t call, int64_t first, int64_t count);
/** NULL: no probe. */
void snug_exec_set_probe(snug_exec *exec, snug_exec_probe probe, void *context);

#endif
