/* One training step of a configuration, op by op: seconds, share, and rate against the machine's
 * GEMM.
 *
 *   step_bench CONFIG BUDGET STEPS [key=value ...]     (data.path=... among them)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/layers.h"
#include "ops/cpu/gemm.h"
#include "plan/costs.h"
#include "sys/clock.h"
#include "sys/heap.h"
#include "train/session.h"

enum { OPS_MAX = 64, CALLS_MAX = 4096, ROOF_SIZE = 2048 };

typedef struct op_time {
    const char *name;
    double seconds, flops, predicted, fastest;
    int64_t calls;
} op_time;

typedef struct profile {
    snug_session *session;
    op_time ops[OPS_MAX];
    int64_t op_count;
    double best[CALLS_MAX];   /* [call] Its fastest turn. */
    int64_t turns[CALLS_MAX]; /* [call] In all steps. */
    int32_t call;             /* -1: none yet. */
    int64_t count, start_ns;
    double step_seconds;
} profile;

/* Of one thread, loader included, the processor's time is known, whatever else runs. */
static int64_t now(const profile *p)
{
    return p->session->threads == 1 && p->session->settings.data_num_workers == 0
               ? snug_clock_process_ns()
               : snug_clock_ns();
}

static op_time *find(profile *p, const char *name)
{
    for (int64_t i = 0; i < p->op_count; i++) {
        if (strcmp(p->ops[i].name, name) == 0) {
            return &p->ops[i];
        }
    }
    p->ops[p->op_count] = (op_time){.name = name};
    return &p->ops[p->op_count++];
}

/* Books the time since the last call to that call's op. */
static void book(profile *p)
{
    if (p->call < 0) {
        return;
    }
    const snug_graph *graph = &snug_session_main(p->session)->graph;
    const snug_node_id node = snug_session_main(p->session)->step.train.calls[p->call].node;
    snug_op_view view;
    snug_graph_view(graph, node, &view);
    op_time *op = find(p, graph->nodes[node].op->name);
    const double seconds = (double)(now(p) - p->start_ns) * 1e-9;
    op->seconds += seconds;
    if (p->call < CALLS_MAX) {
        double *best = &p->best[p->call];
        *best = p->turns[p->call]++ == 0 || seconds < *best ? seconds : *best;
    }
    op->flops += view.node->op->cost(&view, p->count).flops;
    op->calls++;
    double predicted = 0.0;
    view.variant = snug_session_main(p->session)->step.train.variants[node];
    (void)snug_cost_look_up(p->session->costs.points, p->session->costs.point_count,
                            snug_cost_kind(&view), p->count, &predicted);
    op->predicted += predicted;
}

static void probe(void *context, int32_t call, int64_t first, int64_t count)
{
    profile *p = context;
    (void)first;
    book(p);
    p->call = call;
    p->count = count;
    p->start_ns = now(p);
}

static int by_time(const void *a, const void *b)
{
    const op_time *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* GF/s of our GEMM at 2048 cubed: the best of five. */
static double measure_roof(const snug_session *session, const snug_parallel *parallel)
{
    const int64_t n = ROOF_SIZE;
    float *data = aligned_alloc(64, (size_t)(3 * n * n) * sizeof(float));
    snug_gemm_call call = {.isa = (snug_kernel_isa)session->isa,
                           .rows = n,
                           .cols = n,
                           .depth = n,
                           .batch = 1,
                           .a = {.data = data, .row_stride = n, .col_stride = 1},
                           .b = {.data = data + n * n, .row_stride = n, .col_stride = 1},
                           .c = data + 2 * n * n,
                           .c_row_stride = n};
    void *scratch =
        aligned_alloc(64, (size_t)snug_gemm_scratch_bytes(&call, parallel->threads) + 64);
    double best = 0.0;
    for (int64_t i = 0; i < 2 * n * n; i++) {
        data[i] = (float)(i % 17) * 0.01F;
    }
    for (int i = 0; i < 5; i++) {
        const int64_t start = snug_clock_ns();
        snug_gemm(&call, parallel, scratch);
        const double rate = 2.0 * (double)(n * n * n) / (double)(snug_clock_ns() - start);
        best = rate > best ? rate : best;
    }
    free(scratch);
    free(data);
    return best;
}

static int fail(const snug_error *err)
{
    (void)fprintf(stderr, "step_bench: %s\n", err->message);
    return 1;
}

static snug_status run(profile *p, int64_t steps, snug_error *err)
{
    snug_session *session = p->session;
    snug_source *source = session->source;
    for (int64_t i = 0; i < steps; i++) {
        const snug_source_batch batch = {.count = session->batch, .training = true};
        SNUG_TRY(source->calls->begin(source, &batch, &batch, err));
        const snug_step_context step = {.batch = session->batch,
                                        .normaliser = source->calls->normaliser(source),
                                        .step = i + 1,
                                        .learning_rate = 1e-4,
                                        .beta1 = 0.9,
                                        .beta2 = 0.999,
                                        .epsilon = 1e-8,
                                        .clip_norm = 1.0};
        if (i == 1 || steps == 1) { /* The first step only warms up. */
            snug_exec_set_probe(snug_session_main(session)->exec_train, probe, p);
        }
        const int64_t start = now(p);
        p->call = -1;
        SNUG_TRY(
            snug_exec_step(snug_session_main(session)->exec_train, &step, &session->calls, err));
        book(p);
        const double seconds = (double)(now(p) - start) * 1e-9;
        p->step_seconds = i == 1 || seconds < p->step_seconds ? seconds : p->step_seconds;
    }
    return SNUG_OK;
}

int main(int argc, char **argv)
{
    static profile p = {.call = -1};
    snug_error err = {0};
    snug_arena scratch;
    if (argc < 4) {
        (void)fprintf(stderr, "usage: step_bench CONFIG BUDGET STEPS [key=value ...]\n");
        return 2;
    }
    const int64_t steps = strtoll(argv[3], NULL, 10);
    snug_heap_arena_init(&scratch, "bench", SNUG_CATEGORY_RUNTIME, 1 << 18);
    snug_config *config = calloc(1, sizeof *config);
    const snug_config_sources sources = {.config = argv[1],
                                         .overrides = (const char *const *)(argv + 4),
                                         .override_count = argc - 4};
    if (snug_failed(snug_config_load(config, &sources, &scratch, &err))) {
        return fail(&err);
    }
    /* What is profiled is one program: that of a whole step. */
    (void)snprintf(config->settings.training_clip_passes,
                   sizeof config->settings.training_clip_passes, "1");
    const snug_session_options options = {.purpose = SNUG_PURPOSE_TRAIN, .budget = argv[2]};
    if (snug_failed(snug_session_create(&config->settings, &options, &p.session, &err)) ||
        snug_failed(snug_session_set_up(p.session, &err))) {
        return fail(&err);
    }
    const double roof = measure_roof(p.session, snug_pool_parallel(p.session->pool));
    if (snug_failed(run(&p, steps, &err))) {
        return fail(&err);
    }
    qsort(p.ops, (size_t)p.op_count, sizeof p.ops[0], by_time);
    const double counted = steps > 1 ? (double)(steps - 1) : 1.0;
    double seconds = 0.0, flops = 0.0, fastest = 0.0, predicted = 0.0;
    const snug_program *program = &snug_session_main(p.session)->step.train;
    for (int64_t c = 0; c < CALLS_MAX && c < program->call_count; c++) {
        const snug_node_id node = program->calls[c].node;
        find(&p, snug_session_main(p.session)->graph.nodes[node].op->name)->fastest +=
            p.best[c] * (double)p.turns[c];
    }
    for (int64_t i = 0; i < p.op_count; i++) {
        seconds += p.ops[i].seconds / counted;
        flops += p.ops[i].flops / counted;
        fastest += p.ops[i].fastest / counted;
        predicted += p.ops[i].predicted / counted;
    }
    (void)printf(
        "roof %.1f GF/s, %s, %d threads; fastest step %.3f s, %.1f GF, %.1f %% of the roof; "
        "predicted %.3f s\n",
        roof, snug_isa_name(p.session->isa), p.session->threads, p.step_seconds, flops * 1e-9,
        100.0 * flops * 1e-9 / p.step_seconds / roof, program->seconds);
    (void)printf("%-24s%10s%10s%10s%8s%10s%10s%8s\n", "op", "seconds", "fastest", "predicted",
                 "share", "GF", "GF/s", "calls");
    for (int64_t i = 0; i < p.op_count; i++) {
        const op_time *op = &p.ops[i];
        (void)printf("%-24s%10.4f%10.4f%10.4f%6.1f %%%10.2f%10.1f%8" PRId64 "\n", op->name,
                     op->seconds / counted, op->fastest / counted, op->predicted / counted,
                     100.0 * op->seconds / counted / seconds, op->flops * 1e-9 / counted,
                     op->flops * 1e-9 / op->seconds, (int64_t)((double)op->calls / counted));
    }
    (void)printf("%-24s%10.4f%10.4f%10.4f\n", "sum", seconds, fastest, predicted);
    snug_session_close(p.session);
    free(config);
    return 0;
}
