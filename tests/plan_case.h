/* Graphs, batches and runs that the tests of the planner and the executor share. */
#ifndef SNUG_TESTS_PLAN_CASE_H
#define SNUG_TESTS_PLAN_CASE_H

#include "check.h"

#include "base/checked.h"
#include "base/philox.h"
#include "exec/exec.h"
#include "models/bert.h"
#include "models/tds_lstm.h"
#include "optim/optim.h"
#include "plan/build.h"
#include "plan/passes.h"
#include "plan/verify.h"
#include "sys/heap.h"

/** A graph with its arena. */
typedef struct plan_case {
    snug_arena arena;
    snug_graph graph;
} plan_case;

static inline void plan_case_close(plan_case *c)
{
    snug_heap_arena_deinit(&c->arena, SNUG_CATEGORY_RUNTIME);
}

/** Adds the backward graph and AdamW; clip_norm 0: unclipped. */
static inline void plan_case_attach(plan_case *c, double clip_norm)
{
    snug_error err = {0};
    snug_optim_options optim;
    CHECK_OK(snug_graph_backward(&c->graph, &err));
    CHECK_OK(snug_optim_defaults("adamw", &optim, &err));
    optim.clip_norm = clip_norm;
    CHECK_OK(snug_optim_attach(&c->graph, &optim, &err));
}

/** A small TDS + LSTM of the family, with its backward graph and AdamW; clip_norm 0: unclipped. */
static inline void plan_case_model_clipped(plan_case *c, int64_t window, bool mask,
                                           snug_model_purpose purpose, double clip_norm)
{
    snug_error err = {0};
    snug_tds_lstm_options options;
    snug_heap_arena_init(&c->arena, "case", SNUG_CATEGORY_RUNTIME, 1 << 20);
    CHECK_OK(snug_tds_lstm_preset("tds_lstm", &options, &err));
    options.purpose = purpose;
    options.inputs = 4;
    options.targets = 3;
    options.window = window;
    options.hidden = 16;
    options.layers = 2;
    options.has_mask = mask && purpose != SNUG_MODEL_PREDICT;
    CHECK_OK(snug_graph_init(&c->graph, &c->arena, 1024, 4096, &err));
    CHECK_OK(snug_tds_lstm_build(&c->graph, &options, &err));
    if (purpose == SNUG_MODEL_TRAIN) {
        plan_case_attach(c, clip_norm);
    }
}

/** The same, clipped as plan_case_step() says. */
static inline void plan_case_model(plan_case *c, int64_t window, bool mask,
                                   snug_model_purpose purpose)
{
    plan_case_model_clipped(c, window, mask, purpose, 1.0);
}

/** A model of the family at its full size, clipped, with AdamW: for planning alone. */
static inline void plan_case_full(plan_case *c, const char *preset)
{
    snug_error err = {0};
    snug_tds_lstm_options options;
    snug_heap_arena_init(&c->arena, "case", SNUG_CATEGORY_RUNTIME, 1 << 20);
    CHECK_OK(snug_tds_lstm_preset(preset, &options, &err));
    CHECK_OK(snug_graph_init(&c->graph, &c->arena, 1024, 4096, &err));
    CHECK_OK(snug_tds_lstm_build(&c->graph, &options, &err));
    plan_case_attach(c, 1.0);
}

/** A small BERT with its backward graph and AdamW; clip_norm 0: unclipped. */
static inline void plan_case_bert(plan_case *c, int64_t layers, double clip_norm)
{
    snug_error err = {0};
    const snug_bert_options options = {.purpose = SNUG_MODEL_TRAIN,
                                       .prefix = "bert",
                                       .vocabulary = 50,
                                       .positions = 32,
                                       .types = 2,
                                       .hidden = 32,
                                       .layers = layers,
                                       .heads = 2,
                                       .intermediate = 64,
                                       .classes = 3,
                                       .length = 16,
                                       .norm_eps = 1e-12,
                                       .init_range = 0.02,
                                       .dropout = 0.1,
                                       .attention_dropout = 0.1};
    snug_heap_arena_init(&c->arena, "case", SNUG_CATEGORY_RUNTIME, 1 << 20);
    CHECK_OK(snug_graph_init(&c->graph, &c->arena, 2048, 8192, &err));
    CHECK_OK(snug_bert_build(&c->graph, &options, &err));
    plan_case_attach(c, clip_norm);
}

/** Element `i` of sample `position` of a stream: a function of these alone. */
static inline float plan_case_value(int32_t stream, int64_t position, int64_t i)
{
    const snug_philox_block counter = {{(uint32_t)position, (uint32_t)i, 7, 0}};
    const snug_philox_block block = snug_philox(snug_philox_stream(11, (uint64_t)stream), counter);
    return 2.0f * snug_philox_unit(block.word[0]) - 1.0f;
}

/** A whole number that the reader of that input takes, from a part in [0, 1). */
static inline int32_t plan_case_integer(const snug_graph *graph, snug_tensor_id tensor, float part)
{
    int64_t low = 0;
    int64_t count = 1;
    for (int64_t n = 0; n < graph->node_count; n++) {
        const snug_node *node = &graph->nodes[n];
        if (strcmp(node->op->name, "embed") == 0 && node->inputs[0] == tensor) {
            count = graph->tensors[node->inputs[2]].shape.extent[0];
        } else if (strcmp(node->op->name, "embed") == 0 && node->inputs[1] == tensor) {
            count = graph->tensors[node->inputs[4]].shape.extent[0];
        } else if (strcmp(node->op->name, "attention") == 0 && node->inputs[3] == tensor) {
            count = node->attrs.attention.length_k;
            low = 1;
        } else if (strcmp(node->op->name, "cross_entropy") == 0 && node->inputs[1] == tensor) {
            count = node->attrs.cross_entropy.classes;
        }
    }
    return (int32_t)(low + snug_min_i64((int64_t)(part * (float)count), count - 1));
}

/** Writes samples of one stream of the graph; u8 streams get ones with a few zeros. */
static inline void plan_case_fill(const snug_graph *graph, const snug_exec_request *request,
                                  void *out)
{
    for (int64_t n = 0; n < graph->node_count; n++) {
        const snug_node *node = &graph->nodes[n];
        if ((node->op->flags & SNUG_OP_SOURCE) == 0 ||
            node->attrs.source.stream != request->stream) {
            continue;
        }
        const snug_tensor *tensor = &graph->tensors[node->outputs[0]];
        const int64_t each = snug_shape_count(&tensor->shape);
        for (int64_t s = 0; s < request->count; s++) {
            for (int64_t i = 0; i < each; i++) {
                const float value = plan_case_value(request->stream, request->first + s, i);
                if (tensor->dtype == SNUG_U8) {
                    ((unsigned char *)out)[s * each + i] = value > -0.8f;
                } else if (tensor->dtype == SNUG_I32) {
                    ((int32_t *)out)[s * each + i] =
                        plan_case_integer(graph, node->outputs[0], 0.5f * (value + 1.0f));
                } else {
                    ((float *)out)[s * each + i] = value;
                }
            }
        }
        return;
    }
    fail();
}

static inline snug_status plan_case_fetch(void *context, const snug_exec_request *request,
                                          void *out, snug_error *err)
{
    (void)err;
    plan_case_fill(context, request, out);
    return SNUG_OK;
}

static inline snug_step_context plan_case_step(int64_t batch, int64_t step)
{
    return (snug_step_context){.seed = 3,
                               .batch = batch,
                               .normaliser = (double)batch * 100.0,
                               .step = step,
                               .learning_rate = 0.01,
                               .weight_decay = 0.01,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .epsilon = 1e-8,
                               .clip_norm = 1.0};
}

/** Puts the parameters' first values into an arena and zeroes the states. */
static inline void plan_case_start(const snug_graph *graph, const snug_exec *exec)
{
    for (snug_tensor_id t = 0; t < graph->tensor_count; t++) {
        const snug_tensor *tensor = &graph->tensors[t];
        if (tensor->kind == SNUG_TENSOR_PARAMETER) {
            snug_model_init_values(graph, t, 5, 0, snug_shape_count(&tensor->shape),
                                   snug_exec_tensor(exec, t));
        } else if (tensor->kind == SNUG_TENSOR_STATE) {
            memset(snug_exec_tensor(exec, t), 0, (size_t)snug_tensor_bytes(tensor));
        }
    }
}

/** What a run leaves behind: the bits that no plan may change. */
typedef struct plan_result {
    unsigned char *bytes; /* Parameters, states, loss partials of every step. */
    int64_t count;
} plan_result;

static inline void plan_result_add(plan_result *result, const void *data, int64_t bytes)
{
    result->bytes = realloc(result->bytes, (size_t)(result->count + bytes));
    assert_non_null(result->bytes);
    memcpy(result->bytes + result->count, data, (size_t)bytes);
    result->count += bytes;
}

/** Runs steps of the given batch sizes, of one pass or two, in an arena of exactly their size. */
static inline void plan_case_run_step(plan_case *c, const snug_step_plan *plan,
                                      const snug_parallel *parallel, snug_kernel_isa isa,
                                      const int64_t *batches, int64_t steps, plan_result *out)
{
    snug_error err = {0};
    snug_exec *exec = NULL;
    snug_exec *measure = NULL;
    const snug_program *program = snug_step_plan_largest(plan);
    void *base = NULL;
    snug_arena arena;
    snug_heap_arena_init(&arena, "run", SNUG_CATEGORY_RUNTIME, 1 << 16);
    /* Nothing may count on zeros: the arena starts full of NaN. */
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_ACTIVATIONS, program->arena_bytes, false, &base, &err));
    memset(base, 0xff, (size_t)program->arena_bytes);
    if (plan->passes > 1) {
        CHECK_OK(
            snug_exec_init(&plan->measure, &c->graph, base, isa, parallel, &arena, &measure, &err));
    }
    CHECK_OK(snug_exec_init(&plan->train, &c->graph, base, isa, parallel, &arena, &exec, &err));
    plan_case_start(&c->graph, exec);
    const snug_exec_calls calls = {.fetch = plan_case_fetch, .fetch_context = &c->graph};
    for (int64_t s = 0; s < steps; s++) {
        const snug_step_context step = plan_case_step(batches[s], s + 1);
        if (measure != NULL) {
            CHECK_OK(snug_exec_step(measure, &step, &calls, &err));
        }
        CHECK_OK(snug_exec_step(exec, &step, &calls, &err));
        plan_result_add(out, snug_exec_tensor(exec, c->graph.loss), 8 * batches[s]);
    }
    for (snug_tensor_id t = 0; t < c->graph.tensor_count; t++) {
        if (c->graph.tensors[t].kind == SNUG_TENSOR_PARAMETER ||
            c->graph.tensors[t].kind == SNUG_TENSOR_STATE) {
            plan_result_add(out, snug_exec_tensor(exec, t),
                            snug_tensor_bytes(&c->graph.tensors[t]));
        }
    }
    snug_heap_unmap(SNUG_CATEGORY_ACTIVATIONS, base, program->arena_bytes);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
}

/** Runs steps of one program. */
static inline void plan_case_run(plan_case *c, const snug_program *program,
                                 const snug_parallel *parallel, snug_kernel_isa isa,
                                 const int64_t *batches, int64_t steps, plan_result *out)
{
    const snug_step_plan plan = {.passes = 1, .train = *program};
    plan_case_run_step(c, &plan, parallel, isa, batches, steps, out);
}

static inline bool plan_result_equal(const plan_result *a, const plan_result *b)
{
    return a->count == b->count && memcmp(a->bytes, b->bytes, (size_t)a->count) == 0;
}

#endif
