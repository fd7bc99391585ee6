/* labels: memory */
/* The gradient of a word table kept as rows: the bits of the dense one, in less memory. */
#include "plan_interpret.h"
#include "sys/cpu.h"
#include "sys/thread.h"

enum { STEPS = 3, BATCH = 11, WORDS = 400 };
/* Samples of each step; the last batch of an epoch is a short one. */
static const int64_t batches[STEPS] = {BATCH, BATCH, 5};

static const char *const optimizers[] = {"adamw", "adam", "sgd", "adamw8", "adafactor"};

/* A small BERT; batch 0: its gradients are dense. */
static void open_case(plan_case *c, const char *optimizer, double clip_norm, int64_t batch)
{
    snug_error err = {0};
    snug_optim_options optim;
    const snug_bert_options options = {.purpose = SNUG_MODEL_TRAIN,
                                       .prefix = "bert",
                                       .vocabulary = WORDS,
                                       .positions = 32,
                                       .types = 2,
                                       .hidden = 40,
                                       .layers = 2,
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
    c->graph.batch = batch;
    CHECK_OK(snug_graph_backward(&c->graph, &err));
    CHECK_OK(snug_optim_defaults(optimizer, &optim, &err));
    optim.clip_norm = clip_norm;
    optim.momentum = strcmp(optimizer, "sgd") == 0 ? 0.9 : 0.0;
    CHECK_OK(snug_optim_attach(&c->graph, &optim, &err));
}

/* Whether the word table's gradient is kept as rows. */
static bool has_rows(const plan_case *c)
{
    const snug_tensor_id table =
        snug_graph_find(&c->graph, "bert.embeddings.word_embeddings.weight");
    CHECK(table >= 0 && c->graph.tensors[table].gradient >= 0);
    return c->graph.tensors[c->graph.tensors[table].gradient].batched;
}

static void expect_equal(const plan_result *a, const plan_result *b, const char *what)
{
    if (!plan_result_equal(a, b)) {
        print_error("other bits: %s\n", what);
        fail();
    }
}

/* Plans within `budget` (0: no limit) and runs; answers the arena, or 0 where nothing fits. */
static int64_t run_within(plan_case *c, int64_t budget, snug_passes passes, bool poison,
                          const snug_parallel *parallel, snug_kernel_isa isa,
                          const plan_result *want, snug_plan_facts *facts)
{
    snug_error err = {0};
    snug_arena arena;
    snug_step_plan plan;
    plan_result have = {0};
    int64_t bytes = 0;
    snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 20);
    const snug_plan_request request = {
        .graph = &c->graph, .batch = BATCH, .threads = 3, .budget_bytes = budget, .poison = poison};
    const snug_status status = snug_plan_make_step(&request, passes, 0, &arena, &plan, facts, &err);
    CHECK(status == SNUG_OK || status == SNUG_CODE_BUDGET);
    if (status == SNUG_OK) {
        CHECK_OK(snug_plan_verify_step(&plan, &c->graph, &arena, &err));
        plan_case_run_step(c, &plan, parallel, isa, batches, STEPS, &have);
        expect_equal(want, &have, "a plan");
        bytes = snug_step_plan_largest(&plan)->arena_bytes;
    }
    free(have.bytes);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    return bytes;
}

static void rows_give_the_bits_of_the_dense_gradient(void **state)
{
    (void)state;
    for (int64_t i = 0; i < 2 * SNUG_COUNT(optimizers); i++) {
        const char *optimizer = optimizers[i / 2];
        plan_case dense, rows;
        plan_result want = {0}, have = {0};
        open_case(&dense, optimizer, i % 2 == 0 ? 1.0 : 0.0, 0);
        open_case(&rows, optimizer, i % 2 == 0 ? 1.0 : 0.0, BATCH);
        CHECK(!has_rows(&dense) && has_rows(&rows));
        plan_case_interpret(&dense, SNUG_KERNEL_SCALAR, batches, STEPS, &want);
        plan_case_interpret(&rows, SNUG_KERNEL_SCALAR, batches, STEPS, &have);
        expect_equal(&want, &have, optimizer);
        /* Without a limit everything is in one loop; with little, in many small ones. */
        snug_plan_facts facts = {0};
        CHECK(run_within(&rows, 0, SNUG_PASSES_ONE, false, &snug_parallel_serial,
                         SNUG_KERNEL_SCALAR, &want, &facts) > 0);
        CHECK(run_within(&rows, facts.minimum_arena_bytes, SNUG_PASSES_ONE, false,
                         &snug_parallel_serial, SNUG_KERNEL_SCALAR, &want, NULL) > 0);
        free(want.bytes);
        free(have.bytes);
        plan_case_close(&dense);
        plan_case_close(&rows);
    }
}

/* Everything kept, in micro-batches of each size: gradients live from one to the next. */
static void run_in_parts(plan_case *c, snug_kernel_isa isa, const plan_result *want)
{
    snug_error err = {0};
    snug_arena arena;
    snug_plan_problem problem;
    snug_emitter emitter;
    snug_program program;
    static snug_plan_choice choice;
    snug_heap_arena_init(&arena, "parts", SNUG_CATEGORY_RUNTIME, 1 << 20);
    const snug_plan_request request = {
        .graph = &c->graph, .batch = BATCH, .threads = 1, .poison = true};
    CHECK_OK(snug_plan_problem_init(&problem, &request, &arena, &err));
    CHECK_OK(snug_emit_init(&emitter, &problem, &arena, &err));
    CHECK(problem.micro_count > 2);
    for (int32_t m = 0; m < problem.micro_count; m++) {
        plan_result have = {0};
        snug_plan_straight(&problem, &choice);
        choice.micro_batch = problem.micros[m];
        for (int32_t s = 0; s < choice.segment_count; s++) {
            const bool last = s == choice.segment_count - 1;
            choice.segments[s].forward_tile = problem.micros[m];
            choice.segments[s].backward_tile = last ? 0 : problem.micros[problem.micro_count - 1];
        }
        CHECK(snug_plan_choice_valid(&problem, &choice));
        CHECK_OK(
            snug_plan_build(&emitter, &choice, SNUG_PACKING_QUICK, &arena, &arena, &program, &err));
        CHECK_OK(snug_plan_verify(&program, &c->graph, &arena, &err));
        plan_case_run(c, &program, &snug_parallel_serial, isa, batches, STEPS, &have);
        expect_equal(want, &have, "micro-batches");
        free(have.bytes);
    }
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
}

static void the_same_bits_over_budgets_threads_and_instruction_sets(void **state)
{
    (void)state;
    const snug_cpu_features f = snug_cpu_features_read();
    const bool has[SNUG_KERNEL_ISA_COUNT] = {[SNUG_KERNEL_SCALAR] = true,
                                             [SNUG_KERNEL_AVX2] = f.avx2 && f.fma,
                                             [SNUG_KERNEL_AVX512] = f.avx512};
    snug_error err = {0};
    snug_pool *pool = NULL;
    plan_case c;
    snug_plan_facts facts;
    CHECK_OK(snug_pool_open(3, &pool, &err));
    open_case(&c, "adamw", 1.0, BATCH);
    for (int isa = 0; isa < SNUG_KERNEL_ISA_COUNT; isa++) {
        plan_result want = {0};
        if (!has[isa]) {
            continue;
        }
        plan_case_interpret(&c, (snug_kernel_isa)isa, batches, STEPS, &want);
        CHECK(run_within(&c, 0, SNUG_PASSES_AUTO, true, snug_pool_parallel(pool),
                         (snug_kernel_isa)isa, &want, &facts) > 0);
        for (int32_t k = 0; k < facts.point_count; k += facts.point_count / 6 + 1) {
            const int64_t bytes = facts.points[k].arena_bytes;
            CHECK(run_within(&c, bytes, SNUG_PASSES_AUTO, true, snug_pool_parallel(pool),
                             (snug_kernel_isa)isa, &want, NULL) > 0);
        }
        run_in_parts(&c, (snug_kernel_isa)isa, &want);
        free(want.bytes);
    }
    plan_case_close(&c);
    snug_pool_close(pool);
}

static int64_t minimum_of(const plan_case *c, int64_t batch)
{
    snug_error err = {0};
    snug_arena arena;
    snug_step_plan plan;
    snug_plan_facts facts = {0};
    plan_case own = *c;
    snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 20);
    const snug_plan_request request = {
        .graph = &own.graph, .batch = batch, .threads = 1, .budget_bytes = 1};
    CHECK(snug_plan_make_step(&request, SNUG_PASSES_ONE, 0, &arena, &plan, &facts, &err) ==
          SNUG_CODE_BUDGET);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    return facts.minimum_arena_bytes;
}

static void rows_take_less_memory(void **state)
{
    (void)state;
    plan_case dense, rows;
    open_case(&dense, "adamw", 1.0, 0);
    open_case(&rows, "adamw", 1.0, BATCH);
    /* All gradients are in memory when the norm is known; the rest is much alike. */
    const int64_t table = WORDS * 40 * 4;
    const int64_t kept = BATCH * 16 * (40 + 1) * 4;
    CHECK(minimum_of(&dense, BATCH) - minimum_of(&rows, BATCH) > (table - kept) / 2);
    plan_case_close(&dense);
    plan_case_close(&rows);
}

static void they_are_kept_only_where_they_are_smaller(void **state)
{
    (void)state;
    plan_case c;
    open_case(&c, "adamw", 1.0, WORDS / 16 - 1);
    CHECK(has_rows(&c));
    plan_case_close(&c);
    open_case(&c, "adamw", 1.0, WORDS / 16);
    CHECK(!has_rows(&c));
    plan_case_close(&c);
}

/* A table that two nodes read has two gradients, which are added up densely. */
static void a_tied_table_stays_dense(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_graph graph;
    snug_arena arena;
    snug_tensor_id table, inputs[5] = {-1, -1, -1, -1, -1}, y[2], sum, target;
    snug_heap_arena_init(&arena, "tied", SNUG_CATEGORY_RUNTIME, 1 << 18);
    CHECK_OK(snug_graph_init(&graph, &arena, 64, 128, &err));
    const snug_attrs attrs = {.embed = {.length = 4, .width = 8, .padding_index = -1}};
    const snug_attrs loss = {.regression_loss = {.weight_mse = 1.0f}};
    CHECK_OK(
        snug_graph_parameter(&graph, "table", snug_shape_2(100, 8), (snug_init){0}, &table, &err));
    for (int32_t k = 0; k < 2; k++) {
        CHECK_OK(snug_graph_source(&graph, k == 0 ? "a" : "b", SNUG_I32, snug_shape_1(4), k,
                                   &inputs[0], &err));
        inputs[2] = table;
        CHECK_OK(
            snug_graph_apply(&graph, "embed", k == 0 ? "x" : "z", &attrs, inputs, 5, &y[k], &err));
    }
    CHECK_OK(snug_graph_apply(&graph, "add", "sum", NULL, y, 2, &sum, &err));
    CHECK_OK(snug_graph_source(&graph, "t", SNUG_F32, snug_shape_2(4, 8), 2, &target, &err));
    CHECK_OK(snug_graph_apply(&graph, "regression_loss", "loss", &loss,
                              (snug_tensor_id[]){sum, target}, 2, &graph.loss, &err));
    graph.batch = 2;
    CHECK_OK(snug_graph_backward(&graph, &err));
    CHECK(!graph.tensors[graph.tensors[table].gradient].batched);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_give_the_bits_of_the_dense_gradient),
        cmocka_unit_test(the_same_bits_over_budgets_threads_and_instruction_sets),
        cmocka_unit_test(rows_take_less_memory),
        cmocka_unit_test(they_are_kept_only_where_they_are_smaller),
        cmocka_unit_test(a_tied_table_stays_dense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
