/* labels: memory */
/* Plans of a real graph over many budgets: they fit, they are verified, they are monotone, same
 * bits. */
#include "plan_case.h"

#include <math.h>

#include "plan/explain.h"
#include "sys/thread.h"

enum { BATCH = 12, STEPS = 2, BUDGETS = 14 };
static const int64_t batches[STEPS] = {BATCH, 7};

static void every_budget_fits_and_gives_the_same_bits(void **unused)
{
    snug_error err = {0};
    plan_case c;
    static snug_plan_facts facts;
    plan_result expected = {0};
    double before = 1e300;
    snug_pool *pool = NULL;
    (void)unused;
    plan_case_model(&c, 260, true, SNUG_MODEL_TRAIN);
    CHECK_OK(snug_pool_open(2, &pool, &err));
    const snug_parallel *two = snug_pool_parallel(pool);
    for (int32_t k = -2; k <= BUDGETS; k++) {
        snug_arena arena;
        snug_arena scratch;
        snug_program program;
        plan_result result = {0};
        snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 18);
        snug_heap_arena_init(&scratch, "scratch", SNUG_CATEGORY_RUNTIME, 1 << 20);
        const int64_t low = facts.minimum_arena_bytes;
        const int64_t high = facts.unlimited_arena_bytes;
        const snug_plan_request request = {.graph = &c.graph,
                                           .batch = BATCH,
                                           .threads = 2,
                                           .scratch = &scratch,
                                           .straight = k == -2,
                                           .budget_bytes =
                                               k < 0 ? 0 : low + (high - low) * k / BUDGETS};
        CHECK_OK(snug_plan_make(&request, &arena, &program, &facts, &err));
        CHECK(scratch.used_bytes == 0);
        CHECK(k < 0 || program.arena_bytes <= request.budget_bytes);
        CHECK(program.arena_bytes >= program.live_bytes_max);
        CHECK_OK(snug_plan_verify(&program, &c.graph, &scratch, &err));
        if (k >= 0) {
            CHECK(facts.minimum_arena_bytes == low && facts.unlimited_arena_bytes == high);
            CHECK(program.seconds <= before);
            CHECK(program.seconds >= facts.unlimited_seconds);
            before = program.seconds;
        }
        plan_case_run(&c, &program, k % 2 == 0 ? &snug_parallel_serial : two, SNUG_KERNEL_AVX2,
                      batches, STEPS, &result);
        if (k == -2) {
            expected = result;
        } else {
            CHECK(plan_result_equal(&result, &expected));
            free(result.bytes);
        }
        snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_RUNTIME);
        snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    }
    CHECK(facts.minimum_arena_bytes < facts.unlimited_arena_bytes / 2);
    CHECK(facts.point_count >= 5);
    for (int32_t i = 1; i < facts.point_count; i++) {
        CHECK(facts.points[i].arena_bytes > facts.points[i - 1].arena_bytes);
        CHECK(facts.points[i].seconds < facts.points[i - 1].seconds);
    }
    free(expected.bytes);
    snug_pool_close(pool);
    plan_case_close(&c);
}

static void too_small_a_budget_is_refused(void **unused)
{
    snug_error err = {0};
    plan_case c;
    snug_arena arena;
    static snug_plan_facts facts;
    snug_program program = {.batch = -5};
    char smallest[32];
    (void)unused;
    plan_case_model(&c, 200, false, SNUG_MODEL_TRAIN);
    snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 20);
    const snug_plan_request request = {
        .graph = &c.graph, .batch = 4, .threads = 1, .budget_bytes = 4096};
    CHECK_FAILS(snug_plan_make(&request, &arena, &program, &facts, &err), SNUG_CODE_BUDGET);
    CHECK(program.batch == -5 && program.buffers == NULL);
    CHECK(arena.used_bytes == 0);
    CHECK(facts.minimum_arena_bytes > 4096);
    (void)snprintf(smallest, sizeof smallest, "%lld", (long long)facts.minimum_arena_bytes);
    CHECK(strstr(err.message, smallest) != NULL);
    /* What it says is enough is enough, and one byte less is not. */
    snug_plan_request enough = request;
    enough.budget_bytes = facts.minimum_arena_bytes;
    CHECK_OK(snug_plan_make(&enough, &arena, &program, NULL, &err));
    CHECK(program.arena_bytes == facts.minimum_arena_bytes);
    enough.budget_bytes--;
    CHECK_FAILS(snug_plan_make(&enough, &arena, &program, NULL, &err), SNUG_CODE_BUDGET);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    plan_case_close(&c);
}

static void bad_requests_are_refused(void **unused)
{
    snug_error err = {0};
    plan_case c;
    snug_arena arena;
    snug_program program = {.batch = -5};
    (void)unused;
    plan_case_model(&c, 200, false, SNUG_MODEL_TRAIN);
    snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 20);
    snug_plan_request request = {.graph = &c.graph, .batch = 0, .threads = 1};
    CHECK_FAILS(snug_plan_make(&request, &arena, &program, NULL, &err), SNUG_CODE_USAGE);
    request.batch = INT64_C(1) << 40;
    CHECK_FAILS(snug_plan_make(&request, &arena, &program, NULL, &err), SNUG_CODE_LIMIT);
    request.batch = 4;
    request.threads = 0;
    CHECK_FAILS(snug_plan_make(&request, &arena, &program, NULL, &err), SNUG_CODE_USAGE);
    CHECK(program.batch == -5);
    CHECK(arena.used_bytes == 0);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    plan_case_close(&c);
}

/* What sinks have shown: every sample once, in order. */
typedef struct shown_samples {
    const snug_graph *graph;
    snug_tensor_id prediction;
    int64_t next;
    plan_result result;
} shown_samples;

static snug_status note_shown(void *context, const snug_exec_shown *shown, snug_error *err)
{
    shown_samples *s = context;
    (void)err;
    if (shown->tensor == s->prediction) {
        CHECK(shown->first == s->next);
        s->next += shown->count;
        plan_result_add(&s->result, shown->data,
                        shown->count * snug_tensor_bytes(&s->graph->tensors[shown->tensor]));
    }
    return SNUG_OK;
}

/* A forward program beside the trained parameters, at one budget; returns what its sinks showed. */
static void run_forward(plan_case *eval, const snug_program *train, void *base, snug_plan_mode mode,
                        int64_t budget, plan_result *out, int64_t *minimum)
{
    snug_error err = {0};
    snug_arena arena;
    snug_program program;
    snug_exec *exec = NULL;
    static snug_plan_facts facts;
    snug_heap_arena_init(&arena, "forward", SNUG_CATEGORY_RUNTIME, 1 << 18);
    const snug_plan_request request = {.graph = &eval->graph,
                                       .mode = mode,
                                       .batch = BATCH,
                                       .threads = 1,
                                       .budget_bytes = budget,
                                       .persistent_bytes_min = train->persistent_bytes};
    CHECK_OK(snug_plan_make(&request, &arena, &program, &facts, &err));
    CHECK_OK(snug_plan_verify(&program, &eval->graph, &arena, &err));
    CHECK(program.arena_bytes <= budget && program.arena_bytes <= train->arena_bytes);
    CHECK(program.persistent_bytes == train->persistent_bytes);
    for (int64_t b = 0; b < program.buffer_count; b++) {
        CHECK(program.buffers[b].persistent ||
              program.buffers[b].offset >= train->persistent_bytes);
    }
    CHECK_OK(snug_exec_init(&program, &eval->graph, base, SNUG_KERNEL_AVX2, &snug_parallel_serial,
                            &arena, &exec, &err));
    shown_samples shown = {.graph = &eval->graph,
                           .prediction = snug_graph_find(&eval->graph, "prediction")};
    const snug_exec_calls calls = {.fetch = plan_case_fetch,
                                   .fetch_context = &eval->graph,
                                   .emit = note_shown,
                                   .emit_context = &shown};
    const snug_step_context step = plan_case_step(BATCH, 1);
    CHECK_OK(snug_exec_step(exec, &step, &calls, &err));
    CHECK(shown.next == BATCH);
    *out = shown.result;
    *minimum = facts.minimum_arena_bytes;
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
}

static void evaluation_shares_the_arena(void **unused)
{
    snug_error err = {0};
    plan_case train;
    plan_case eval;
    plan_case predict;
    snug_arena arena;
    snug_program program;
    snug_exec *exec = NULL;
    void *base = NULL;
    plan_result results[3] = {{0}};
    int64_t minimum = 0;
    (void)unused;
    plan_case_model(&train, 260, true, SNUG_MODEL_TRAIN);
    plan_case_model(&eval, 260, true, SNUG_MODEL_EVALUATE);
    plan_case_model(&predict, 260, true, SNUG_MODEL_PREDICT);
    snug_heap_arena_init(&arena, "train", SNUG_CATEGORY_RUNTIME, 1 << 18);
    const snug_plan_request request = {.graph = &train.graph, .batch = BATCH, .threads = 1};
    CHECK_OK(snug_plan_make(&request, &arena, &program, NULL, &err));
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_ACTIVATIONS, program.arena_bytes, false, &base, &err));
    CHECK_OK(snug_exec_init(&program, &train.graph, base, SNUG_KERNEL_AVX2, &snug_parallel_serial,
                            &arena, &exec, &err));
    plan_case_start(&train.graph, exec);
    const snug_exec_calls calls = {.fetch = plan_case_fetch, .fetch_context = &train.graph};
    const snug_step_context step = plan_case_step(BATCH, 1);
    CHECK_OK(snug_exec_step(exec, &step, &calls, &err));
    plan_result before = {0};
    plan_result_add(&before, base, program.persistent_bytes);
    run_forward(&eval, &program, base, SNUG_PLAN_EVAL, program.arena_bytes, &results[0], &minimum);
    run_forward(&eval, &program, base, SNUG_PLAN_EVAL, minimum, &results[1], &minimum);
    run_forward(&predict, &program, base, SNUG_PLAN_PREDICT, program.arena_bytes, &results[2],
                &minimum);
    CHECK(plan_result_equal(&results[0], &results[1]));
    CHECK(plan_result_equal(&results[0], &results[2]));
    plan_result after = {0};
    plan_result_add(&after, base, program.persistent_bytes);
    CHECK(plan_result_equal(&before, &after));
    for (int32_t k = 0; k < 3; k++) {
        free(results[k].bytes);
    }
    free(before.bytes);
    free(after.bytes);
    snug_heap_unmap(SNUG_CATEGORY_ACTIVATIONS, base, program.arena_bytes);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    plan_case_close(&train);
    plan_case_close(&eval);
    plan_case_close(&predict);
}

static void requests_are_what_a_step_fetches(void **unused)
{
    enum { MOST = 4096 };
    snug_error err = {0};
    plan_case c;
    static snug_plan_facts facts;
    static snug_exec_request requests[MOST];
    (void)unused;
    plan_case_model(&c, 260, true, SNUG_MODEL_TRAIN);
    for (int32_t k = 0; k < 2; k++) {
        snug_arena arena;
        snug_program program;
        snug_exec *exec = NULL;
        void *base = NULL;
        snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 18);
        const snug_plan_request request = {.graph = &c.graph,
                                           .batch = BATCH,
                                           .threads = 1,
                                           .budget_bytes = k == 0 ? 0 : facts.minimum_arena_bytes};
        CHECK_OK(snug_plan_make(&request, &arena, &program, &facts, &err));
        CHECK_OK(snug_heap_map(SNUG_CATEGORY_ACTIVATIONS, program.arena_bytes, false, &base, &err));
        CHECK_OK(snug_exec_init(&program, &c.graph, base, SNUG_KERNEL_AVX2, &snug_parallel_serial,
                                &arena, &exec, &err));
        for (int64_t batch = 1; batch <= BATCH; batch++) {
            int64_t covered[3] = {0};
            const int64_t count = snug_exec_requests(exec, batch, MOST, requests);
            CHECK(count > 0 && count <= MOST);
            CHECK(count == snug_exec_requests(exec, batch, 0, NULL));
            for (int64_t i = 0; i < count; i++) {
                CHECK(requests[i].first >= 0 && requests[i].count > 0 &&
                      requests[i].first + requests[i].count <= batch);
                covered[requests[i].stream] += requests[i].count;
            }
            for (int32_t s = 0; s < 3; s++) {
                CHECK(covered[s] >= batch && covered[s] % batch == 0);
            }
        }
        snug_heap_unmap(SNUG_CATEGORY_ACTIVATIONS, base, program.arena_bytes);
        snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    }
    plan_case_close(&c);
}

/* Ten layers whose weights are much larger than what flows through them. */
static void wide_layers(plan_case *c, double clip_norm)
{
    enum { LAYERS = 10, WIDTH = 96 };
    snug_error err = {0};
    snug_optim_options optim;
    snug_tensor_id x = -1;
    snug_tensor_id target = -1;
    snug_node_id loss = -1;
    snug_heap_arena_init(&c->arena, "case", SNUG_CATEGORY_RUNTIME, 1 << 20);
    CHECK_OK(snug_graph_init(&c->graph, &c->arena, 1024, 4096, &err));
    CHECK_OK(snug_graph_source(&c->graph, "input", SNUG_F32, snug_shape_2(4, WIDTH), 0, &x, &err));
    CHECK_OK(
        snug_graph_source(&c->graph, "target", SNUG_F32, snug_shape_2(4, WIDTH), 1, &target, &err));
    for (int32_t l = 0; l < LAYERS; l++) {
        char name[32];
        snug_tensor_id w = -1;
        const snug_attrs attrs = {.conv1d = {.kernel = 1, .stride = 1, .length = 4}};
        const snug_init init = {.kind = SNUG_INIT_UNIFORM, .bound = 0.1f};
        (void)snprintf(name, sizeof name, "w%d", l);
        CHECK_OK(
            snug_graph_parameter(&c->graph, name, snug_shape_3(1, WIDTH, WIDTH), init, &w, &err));
        const snug_tensor_id inputs[3] = {x, w, -1};
        (void)snprintf(name, sizeof name, "y%d", l);
        CHECK_OK(snug_graph_apply(&c->graph, "conv1d", name, &attrs, inputs, 3, &x, &err));
    }
    const snug_attrs attrs = {.regression_loss = {.weight_mse = 1.0f}};
    const snug_tensor_id pair[2] = {x, target};
    CHECK_OK(
        snug_graph_node(&c->graph, "regression_loss", "loss", &attrs, pair, 2, NULL, &loss, &err));
    c->graph.loss = c->graph.nodes[loss].outputs[0];
    CHECK_OK(snug_graph_backward(&c->graph, &err));
    CHECK_OK(snug_optim_defaults("adamw", &optim, &err));
    optim.clip_norm = clip_norm;
    CHECK_OK(snug_optim_attach(&c->graph, &optim, &err));
}

static void gradients_die_early_where_nothing_is_clipped(void **unused)
{
    snug_error err = {0};
    int64_t gradients = 0;
    int64_t smallest[2];
    int64_t fastest[2];
    (void)unused;
    for (int32_t k = 0; k < 2; k++) {
        plan_case c;
        snug_arena arena;
        static snug_plan_facts facts;
        snug_program program;
        wide_layers(&c, k == 0 ? 0.0 : 1.0);
        snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 20);
        const snug_plan_request request = {.graph = &c.graph, .batch = 4, .threads = 1};
        CHECK_OK(snug_plan_make(&request, &arena, &program, &facts, &err));
        CHECK_OK(snug_plan_verify(&program, &c.graph, &arena, &err));
        smallest[k] = facts.minimum_arena_bytes;
        fastest[k] = program.arena_bytes;
        gradients = 0;
        for (int64_t b = 0; b < program.buffer_count; b++) {
            gradients += program.buffers[b].category == SNUG_CATEGORY_GRADIENTS
                             ? program.buffers[b].bytes
                             : 0;
        }
        snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
        plan_case_close(&c);
    }
    print_message("gradients %lld bytes; fastest %lld, clipped %lld; smallest %lld, clipped %lld\n",
                  (long long)gradients, (long long)fastest[0], (long long)fastest[1],
                  (long long)smallest[0], (long long)smallest[1]);
    /* One layer's gradient of ten is alive instead of all; workspace is what then decides. */
    CHECK(smallest[1] - smallest[0] > gradients * 2 / 3);
    CHECK(fastest[1] - fastest[0] > gradients / 2);
}

static void people_are_told(void **unused)
{
    snug_error err = {0};
    plan_case c;
    snug_arena arena;
    snug_program program;
    snug_plan_peak peak;
    static char buffer[1 << 19];
    snug_text text;
    int64_t total = 0;
    (void)unused;
    plan_case_model(&c, 260, true, SNUG_MODEL_TRAIN);
    snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 18);
    const snug_plan_request request = {.graph = &c.graph, .batch = BATCH, .threads = 1};
    CHECK_OK(snug_plan_make(&request, &arena, &program, NULL, &err));
    snug_plan_find_peak(&program, &peak);
    for (int32_t k = 0; k < SNUG_CATEGORY_COUNT; k++) {
        CHECK(peak.category_bytes[k] >= 0);
        total += peak.category_bytes[k];
    }
    CHECK(total == program.arena_bytes);
    CHECK(peak.live_bytes <= program.arena_bytes && peak.consumer_count == 3);
    CHECK(peak.category_bytes[SNUG_CATEGORY_WEIGHTS] > 0);
    CHECK(peak.consumers[0].bytes >= peak.consumers[1].bytes);
    snug_text_init(&text, buffer, sizeof buffer);
    snug_plan_explain(&program, &c.graph, &text);
    CHECK(!text.truncated && strstr(buffer, "forward and backward at once") != NULL);
    CHECK(strstr(buffer, "fullest while '") != NULL &&
          strstr(buffer, "largest at the peak") != NULL);
    /* Bytes by category are told elsewhere, with what lies outside the arena. */
    CHECK(strstr(buffer, "activations ") == NULL);
    snug_text_init(&text, buffer, sizeof buffer);
    snug_plan_picture(&program, &c.graph, &text);
    CHECK(!text.truncated && strncmp(buffer, "<svg", 4) == 0 && strstr(buffer, "</svg>") != NULL);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    plan_case_close(&c);
}

/* Plans over budgets from the smallest to the fastest; the largest part by which an arena is higher
 * than what no packing can beat. */
static double worst_gap(plan_case *c, int64_t batch, int32_t budgets)
{
    static snug_plan_facts facts;
    double worst = 0.0;
    snug_plan_request request = {.graph = &c->graph, .batch = batch, .threads = 2};
    for (int32_t k = -1; k <= budgets; k++) {
        snug_error err = {0};
        snug_arena arena;
        snug_program program;
        const double low = (double)facts.minimum_arena_bytes;
        const double high = (double)facts.unlimited_arena_bytes;
        request.budget_bytes =
            k < 0 ? 0 : (int64_t)ceil(low * pow(high / low, (double)k / budgets));
        snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 20);
        CHECK_OK(snug_plan_make(&request, &arena, &program, &facts, &err));
        const int64_t above = program.arena_bytes - program.live_bytes_max;
        /* Of a tiny arena half a percent is less than the alignment of a few buffers. */
        if (above > 16 << 10) {
            worst = fmax(worst, (double)above / (double)program.live_bytes_max);
        }
        snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    }
    return worst;
}

static void own_traces_are_packed_tightly(void **unused)
{
    plan_case c;
    (void)unused;
    plan_case_full(&c, "regression_vemg2pose");
    const double full = worst_gap(&c, 16, 8);
    const double larger = worst_gap(&c, 64, 8);
    plan_case_close(&c);
    plan_case_model(&c, 400, true, SNUG_MODEL_TRAIN);
    const double small = worst_gap(&c, 12, 6);
    plan_case_close(&c);
    plan_case_bert(&c, 6, 1.0);
    const double bert = worst_gap(&c, 16, 6);
    plan_case_close(&c);
    print_message("above the bound: %.2f %%, %.2f %%; small %.2f %%; BERT %.2f %%\n", 100.0 * full,
                  100.0 * larger, 100.0 * small, 100.0 * bert);
    CHECK(full <= 0.005 && larger <= 0.005 && small <= 0.005 && bert <= 0.005);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_budget_fits_and_gives_the_same_bits),
        cmocka_unit_test(too_small_a_budget_is_refused),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(evaluation_shares_the_arena),
        cmocka_unit_test(requests_are_what_a_step_fetches),
        cmocka_unit_test(gradients_die_early_where_nothing_is_clipped),
        cmocka_unit_test(people_are_told),
        cmocka_unit_test(own_traces_are_packed_tightly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
