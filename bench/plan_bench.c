/* How long planning takes and what it finds: the full-size time-series model, BERT-base, and
 * chains of 64 stages. --time: only how long. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/checked.h"
#include "models/bert.h"
#include "models/tds_lstm.h"
#include "optim/optim.h"
#include "plan/explain.h"
#include "plan/passes.h"
#include "plan/plan.h"
#include "plan/verify.h"
#include "sys/heap.h"

/* Of this process alone: planning is one thread, and the machine may be busy. */
static double now_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const snug_error *err)
{
    (void)fprintf(stderr, "plan_bench: %s\n", err->message);
    exit(1);
}

static void check(snug_status status, const snug_error *err)
{
    if (status != SNUG_OK) {
        die(err);
    }
}

static void build_model(snug_graph *graph, snug_arena *arena, double clip_norm)
{
    snug_error err = {0};
    snug_tds_lstm_options options;
    snug_optim_options optim;
    check(snug_tds_lstm_preset("regression_vemg2pose", &options, &err), &err);
    check(snug_graph_init(graph, arena, 1024, 4096, &err), &err);
    check(snug_tds_lstm_build(graph, &options, &err), &err);
    check(snug_graph_backward(graph, &err), &err);
    check(snug_optim_defaults("adamw", &optim, &err), &err);
    optim.clip_norm = clip_norm;
    check(snug_optim_attach(graph, &optim, &err), &err);
}

/* BERT-base with a classifier of two classes. */
static void build_bert(snug_graph *graph, snug_arena *arena, int64_t length, double clip_norm)
{
    snug_error err = {0};
    snug_optim_options optim;
    const snug_bert_options options = {.purpose = SNUG_MODEL_TRAIN,
                                       .prefix = "bert",
                                       .vocabulary = 21128,
                                       .positions = 512,
                                       .types = 2,
                                       .hidden = 768,
                                       .layers = 12,
                                       .heads = 12,
                                       .intermediate = 3072,
                                       .classes = 2,
                                       .length = length,
                                       .norm_eps = 1e-12,
                                       .init_range = 0.02,
                                       .dropout = 0.1,
                                       .attention_dropout = 0.1,
                                       .classifier_dropout = 0.1};
    check(snug_graph_init(graph, arena, 4096, 16384, &err), &err);
    check(snug_bert_build(graph, &options, &err), &err);
    check(snug_graph_backward(graph, &err), &err);
    check(snug_optim_defaults("adamw", &optim, &err), &err);
    optim.clip_norm = clip_norm;
    check(snug_optim_attach(graph, &optim, &err), &err);
}

/* `stages` linear layers with a layer norm and a residual each, of widths that differ. */
static void build_chain(snug_graph *graph, snug_arena *arena, int32_t stages)
{
    enum { WIDTH = 64, LENGTH = 128 };
    snug_error err = {0};
    snug_tensor_id x = -1;
    snug_tensor_id target = -1;
    snug_node_id loss = -1;
    check(snug_graph_init(graph, arena, 4096, 16384, &err), &err);
    check(snug_graph_source(graph, "input", SNUG_F32, snug_shape_2(LENGTH, WIDTH), 0, &x, &err),
          &err);
    check(
        snug_graph_source(graph, "target", SNUG_F32, snug_shape_2(LENGTH, WIDTH), 1, &target, &err),
        &err);
    for (int32_t s = 0; s < stages; s++) {
        char name[64];
        snug_tensor_id w = -1;
        snug_tensor_id b = -1;
        snug_tensor_id hidden = -1;
        const int64_t inner = WIDTH * (1 + s % 4);
        const snug_attrs attrs = {
            .conv1d = {.kernel = 1, .stride = 1, .length = LENGTH, .relu = true}};
        const snug_init init = {.kind = SNUG_INIT_UNIFORM, .bound = 0.1f};
        snug_tensor_id inputs[3] = {x, -1, -1};
        for (int32_t k = 0; k < 2; k++) {
            const int64_t in = k == 0 ? WIDTH : inner;
            const int64_t out = k == 0 ? inner : WIDTH;
            (void)snprintf(name, sizeof name, "w%d_%d", s, k);
            check(snug_graph_parameter(graph, name, snug_shape_3(1, in, out), init, &w, &err),
                  &err);
            (void)snprintf(name, sizeof name, "b%d_%d", s, k);
            check(snug_graph_parameter(graph, name, snug_shape_1(out), init, &b, &err), &err);
            inputs[1] = w;
            inputs[2] = b;
            (void)snprintf(name, sizeof name, "y%d_%d", s, k);
            check(snug_graph_apply(graph, "conv1d", name, &attrs, inputs, 3, &hidden, &err), &err);
            inputs[0] = hidden;
        }
        (void)snprintf(name, sizeof name, "sum%d", s);
        const snug_tensor_id parts[2] = {x, hidden};
        check(snug_graph_apply(graph, "add", name, NULL, parts, 2, &x, &err), &err);
    }
    const snug_attrs attrs = {.regression_loss = {.weight_mse = 1.0f}};
    const snug_tensor_id pair[2] = {x, target};
    check(snug_graph_node(graph, "regression_loss", "loss", &attrs, pair, 2, NULL, &loss, &err),
          &err);
    graph->loss = graph->nodes[loss].outputs[0];
    check(snug_graph_backward(graph, &err), &err);
}

static void measure(const char *title, snug_graph *graph, int64_t batch, const double *mebibytes,
                    int32_t count, bool explain)
{
    static snug_plan_facts facts;
    static char buffer[1 << 16];
    for (int32_t k = -1; k < count; k++) {
        snug_error err = {0};
        snug_arena arena;
        snug_program program;
        snug_text text;
        snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 22);
        const snug_plan_request request = {.graph = graph,
                                           .batch = batch,
                                           .threads = 2,
                                           .budget_bytes =
                                               k < 0 ? 0 : (int64_t)(mebibytes[k] * 1048576.0)};
        const double start = now_seconds();
        const snug_status status = snug_plan_make(&request, &arena, &program, &facts, &err);
        const double seconds = now_seconds() - start;
        if (k < 0) {
            printf("%s: %d stages, minimum %.1f MiB, fastest %.1f MiB %.3f s, planned in %.3f s, "
                   "planner's memory %.1f MiB\n",
                   title, facts.stage_count, (double)facts.minimum_arena_bytes / 1048576.0,
                   (double)facts.unlimited_arena_bytes / 1048576.0, facts.unlimited_seconds,
                   seconds, (double)arena.used_bytes / 1048576.0);
        }
        if (status != SNUG_OK) {
            printf("  %8.1f MiB: %s\n", mebibytes[k], err.message);
        } else {
            const double verify_start = now_seconds();
            check(snug_plan_verify(&program, graph, &arena, &err), &err);
            printf("  %8.1f MiB: arena %.1f MiB, %.2f %% above the bound, %.3f s, ratio %.3f, "
                   "micro-batch "
                   "%lld, planned %.3f s, verified %.3f s\n",
                   k < 0 ? 0.0 : mebibytes[k], (double)program.arena_bytes / 1048576.0,
                   100.0 * ((double)program.arena_bytes / (double)program.live_bytes_max - 1.0),
                   program.seconds, program.seconds / facts.unlimited_seconds,
                   (long long)program.micro_batch, seconds, now_seconds() - verify_start);
            if (explain) {
                snug_text_init(&text, buffer, sizeof buffer);
                snug_plan_explain(&program, graph, &text);
                printf("%s", buffer);
            }
        }
        snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    }
    for (int32_t i = 0; i < facts.point_count; i++) {
        printf("    %10.2f MiB  %8.4f s  %lld\n", (double)facts.points[i].arena_bytes / 1048576.0,
               facts.points[i].seconds, (long long)facts.points[i].micro_batch);
    }
}

/* Seconds to plan a step as a session does: the fastest within a budget and the smallest there is,
 * without the curve; or with it. */
static double step_seconds(snug_graph *graph, int64_t batch, double mebibytes, bool curve)
{
    static snug_plan_facts facts;
    snug_error err = {0};
    snug_arena arena, scratch, found;
    snug_step_plan step;
    snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 22);
    snug_heap_arena_init(&scratch, "scratch", SNUG_CATEGORY_RUNTIME, 1 << 22);
    snug_heap_arena_init(&found, "found", SNUG_CATEGORY_RUNTIME, 1 << 20);
    snug_plan_memo memo = {.arena = &found};
    const snug_plan_request request = {.graph = graph,
                                       .batch = batch,
                                       .threads = 2,
                                       .budget_bytes = (int64_t)(mebibytes * 1048576.0),
                                       .curveless = !curve,
                                       .scratch = &scratch,
                                       .memo = &memo};
    const double start = now_seconds();
    const snug_status status =
        snug_plan_make_step(&request, SNUG_PASSES_AUTO, 1 << 20, &arena, &step, &facts, &err);
    const double seconds = now_seconds() - start;
    if (status != SNUG_CODE_BUDGET) {
        check(status, &err);
    }
    snug_heap_arena_deinit(&found, SNUG_CATEGORY_RUNTIME);
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_RUNTIME);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    return seconds;
}

/* The time of planning at about 64 stages: the best and the worst of three, in processor time. */
static void time_steps(const char *title, snug_graph *graph, int64_t batch, const double *mebibytes,
                       int32_t count)
{
    for (int32_t k = 0; k < count; k++) {
        double best = 1e300;
        double worst = 0.0;
        for (int32_t turn = 0; turn < 3; turn++) {
            const double seconds = step_seconds(graph, batch, mebibytes[k], false);
            best = seconds < best ? seconds : best;
            worst = seconds > worst ? seconds : worst;
        }
        printf("%s, %.0f MiB: planned in %.3f to %.3f s, with the curve %.3f s\n", title,
               mebibytes[k], best, worst, step_seconds(graph, batch, mebibytes[k], true));
    }
}

static void time_all(snug_graph *graph, snug_arena *arena)
{
    const double clipped[] = {0.0, 1400.0, 1600.0};
    const double free_of_it[] = {0.0, 1300.0, 2000.0};
    const double chain[] = {0.0, 20.0, 40.0};
    build_bert(graph, arena, 128, 1.0);
    time_steps("BERT-base, 57 stages, clipped", graph, 16, clipped, 3);
    build_bert(graph, arena, 128, 0.0);
    time_steps("BERT-base, 57 stages, not clipped", graph, 16, free_of_it, 3);
    build_chain(graph, arena, 64);
    time_steps("chain, 64 stages", graph, 32, chain, 3);
}

int main(int argc, char **argv)
{
    snug_arena arena;
    snug_graph graph;
    const bool explain = argc > 1 && strcmp(argv[1], "--explain") == 0;
    const double full[] = {560.0, 300.0, 180.0, 150.0, 120.0};
    const double bert[] = {2200.0, 1900.0, 1700.0, 1600.0};
    const double chain[] = {100.0, 40.0, 20.0, 10.0};
    snug_heap_arena_init(&arena, "graph", SNUG_CATEGORY_RUNTIME, 1 << 20);
    time_all(&graph, &arena);
    if (argc > 1 && strcmp(argv[1], "--time") == 0) {
        snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
        return 0;
    }
    build_model(&graph, &arena, 0.0);
    measure("regression_vemg2pose, batch 64, not clipped", &graph, 64, full, 5, false);
    build_model(&graph, &arena, 1.0);
    measure("regression_vemg2pose, batch 64", &graph, 64, full, 5, explain);
    measure("regression_vemg2pose, batch 256", &graph, 256, full, 2, false);
    build_bert(&graph, &arena, 128, 1.0);
    measure("BERT-base, length 128, batch 16", &graph, 16, bert, 4, false);
    build_bert(&graph, &arena, 512, 1.0);
    measure("BERT-base, length 512, batch 16", &graph, 16, bert, 4, false);
    build_chain(&graph, &arena, 64);
    measure("chain of 64, batch 32", &graph, 32, chain, 4, false);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    return 0;
}
