/* labels: memory */
/* Whatever the plan: the same bits as the straight interpreter. */
#include "plan_interpret.h"

enum { STEPS = 3 };
/* Samples of each step; the first is the batch that is planned. The long ones span sample groups.
 */
static const int64_t short_batches[STEPS] = {11, 11, 5};
static const int64_t long_batches[STEPS] = {150, 70, 150};

static uint64_t draw(uint64_t *state, uint64_t count)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % count;
}

/* Any valid choice at all, good or bad. */
static void random_choice(const snug_plan_problem *p, uint64_t *state, snug_plan_choice *out)
{
    do {
        *out = (snug_plan_choice){.micro_batch = p->micros[draw(state, (uint64_t)p->micro_count)]};
        for (int32_t s = 0; s < p->stage_count;) {
            const int32_t length =
                1 + (int32_t)draw(state, 1 + draw(state, (uint64_t)(p->stage_count - s)));
            const int32_t last = s + length - 1;
            const bool end = last == p->stage_count - 1;
            int64_t tiles[2];
            for (int32_t k = 0; k < 2; k++) {
                do {
                    tiles[k] = p->tiles[draw(state, (uint64_t)p->tile_count)];
                } while (tiles[k] > out->micro_batch);
                if (draw(state, 2) == 0) {
                    tiles[k] = out->micro_batch;
                }
            }
            out->segments[out->segment_count++] =
                (snug_plan_segment){.stage_first = s,
                                    .stage_last = last,
                                    .mode = end ? SNUG_KEEP_FUSED : (snug_keep_mode)draw(state, 3),
                                    .keep_sources = draw(state, 2) == 0,
                                    .variant = (int32_t)draw(state, (uint64_t)p->variant_count),
                                    .forward_tile = tiles[0],
                                    .backward_tile = end ? 0 : tiles[1]};
            s = last + 1;
        }
    } while (!snug_plan_choice_valid(p, out));
}

/* Updates may lie between the backward loops; with more than one micro-batch they never do. Those
 * that wait for the total of all gradients do not either. */
static void check_updates(const plan_case *c, const snug_program *program, bool clipped,
                          int64_t *early)
{
    for (int64_t l = 0; l < program->update_first_loop; l++) {
        const snug_plan_loop *loop = &program->loops[l];
        CHECK((loop->kind == SNUG_LOOP_UPDATE) == (loop->tile == 0));
        *early += loop->tile == 0 ? 1 : 0;
        for (int32_t k = 0; k < loop->call_count && loop->tile == 0; k++) {
            const snug_node *node = &c->graph.nodes[program->calls[loop->first_call + k].node];
            CHECK(!clipped || snug_graph_measures(&c->graph, node));
        }
    }
    CHECK(*early == 0 || program->micro_batch == program->batch);
    for (int64_t b = 0; b<program->buffer_count && * early> 0; b++) {
        const snug_plan_buffer *buffer = &program->buffers[b];
        if (buffer->category == SNUG_CATEGORY_GRADIENTS) {
            const snug_node *last = &c->graph.nodes[program->calls[buffer->last].node];
            CHECK(last->inputs[1] == buffer->tensor && strcmp(last->op->name, "adamw") == 0);
        }
    }
}

static void run_choice(plan_case *c, snug_emitter *emitter, const snug_plan_choice *choice,
                       bool clipped, const int64_t *batches, const plan_result *expected,
                       uint64_t seed)
{
    snug_error err = {0};
    snug_arena arena;
    snug_program program;
    plan_result result = {0};
    snug_heap_arena_init(&arena, "program", SNUG_CATEGORY_RUNTIME, 1 << 18);
    CHECK_OK(snug_plan_build(emitter, choice, SNUG_PACKING_QUICK, &arena, &arena, &program, &err));
    CHECK(program.arena_bytes >= program.live_bytes_max);
    CHECK_OK(snug_plan_verify(&program, &c->graph, &arena, &err));
    int64_t early = 0;
    check_updates(c, &program, clipped, &early);
    /* The straight plan has a loop of updates behind every stage with parameters. */
    CHECK(clipped || seed != 0 || early >= 5);
    plan_case_run(c, &program, &snug_parallel_serial, SNUG_KERNEL_AVX2, batches, STEPS, &result);
    if (!plan_result_equal(&result, expected)) {
        print_error("seed %llu: other bits\n", (unsigned long long)seed);
        fail();
    }
    free(result.bytes);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
}

static void any_choice(bool poison, bool mask, bool clipped, const int64_t *batches, uint64_t seed,
                       int64_t count)
{
    snug_error err = {0};
    plan_case c;
    snug_arena arena;
    snug_plan_problem problem;
    snug_emitter emitter;
    plan_result expected = {0};
    static snug_plan_choice choice;
    plan_case_model_clipped(&c, 200, mask, SNUG_MODEL_TRAIN, clipped ? 1.0 : 0.0);
    snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 20);
    const snug_plan_request request = {
        .graph = &c.graph, .batch = batches[0], .threads = 2, .poison = poison};
    CHECK_OK(snug_plan_problem_init(&problem, &request, &arena, &err));
    CHECK_OK(snug_emit_init(&emitter, &problem, &arena, &err));
    CHECK(problem.stage_count >= 5);
    plan_case_interpret(&c, SNUG_KERNEL_AVX2, batches, STEPS, &expected);
    snug_plan_straight(&problem, &choice);
    run_choice(&c, &emitter, &choice, clipped, batches, &expected, 0);
    for (int64_t i = 0; i < count; i++) {
        uint64_t state = seed + (uint64_t)i;
        random_choice(&problem, &state, &choice);
        run_choice(&c, &emitter, &choice, clipped, batches, &expected, seed + (uint64_t)i);
    }
    free(expected.bytes);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    plan_case_close(&c);
}

/* The two passes of a step, each by any choice, verified together. */
static void run_passes(plan_case *c, snug_emitter emitters[2], const snug_plan_choice choices[2],
                       const int64_t *batches, const plan_result *expected, uint64_t seed)
{
    snug_error err = {0};
    snug_arena arena;
    snug_step_plan plan = {.passes = 2};
    plan_result result = {0};
    snug_heap_arena_init(&arena, "programs", SNUG_CATEGORY_RUNTIME, 1 << 18);
    CHECK_OK(snug_plan_build(&emitters[0], &choices[0], SNUG_PACKING_QUICK, &arena, &arena,
                             &plan.measure, &err));
    CHECK_OK(snug_plan_build(&emitters[1], &choices[1], SNUG_PACKING_QUICK, &arena, &arena,
                             &plan.train, &err));
    CHECK_OK(snug_plan_verify_step(&plan, &c->graph, &arena, &err));
    plan_case_run_step(c, &plan, &snug_parallel_serial, SNUG_KERNEL_AVX2, batches, STEPS, &result);
    if (!plan_result_equal(&result, expected)) {
        print_error("seed %llu: other bits in two passes\n", (unsigned long long)seed);
        fail();
    }
    free(result.bytes);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
}

static void any_passes(bool poison, bool mask, const int64_t *batches, uint64_t seed, int64_t count)
{
    snug_error err = {0};
    plan_case c;
    snug_arena arena;
    snug_plan_problem problems[2];
    snug_emitter emitters[2];
    plan_result expected = {0};
    static snug_plan_choice choices[2];
    plan_case_model(&c, 200, mask, SNUG_MODEL_TRAIN);
    snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 20);
    for (int32_t k = 0; k < 2; k++) {
        const snug_plan_request request = {.graph = &c.graph,
                                           .mode = k == 0 ? SNUG_PLAN_MEASURE : SNUG_PLAN_APPLY,
                                           .batch = batches[0],
                                           .threads = 2,
                                           .poison = poison};
        CHECK_OK(snug_plan_problem_init(&problems[k], &request, &arena, &err));
        CHECK_OK(snug_emit_init(&emitters[k], &problems[k], &arena, &err));
    }
    plan_case_interpret(&c, SNUG_KERNEL_AVX2, batches, STEPS, &expected);
    for (int64_t i = 0; i < count; i++) {
        uint64_t state = seed + (uint64_t)i;
        for (int32_t k = 0; k < 2; k++) {
            if (i == 0) {
                snug_plan_straight(&problems[k], &choices[k]);
            } else {
                random_choice(&problems[k], &state, &choices[k]);
            }
        }
        run_passes(&c, emitters, choices, batches, &expected, seed + (uint64_t)i);
    }
    free(expected.bytes);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    plan_case_close(&c);
}

static void two_passes_give_the_same_bits(void **state)
{
    (void)state;
    any_passes(false, true, short_batches, 8000, 25);
    any_passes(true, false, short_batches, 9000, 15);
    any_passes(false, true, long_batches, 10000, 4);
}

static void any_choice_gives_the_same_bits(void **state)
{
    (void)state;
    any_choice(false, false, true, short_batches, 1000, 40);
    any_choice(false, true, true, short_batches, 2000, 20);
}

static void groups_of_samples_may_be_cut_anywhere_between(void **state)
{
    (void)state;
    any_choice(false, true, true, long_batches, 4000, 8);
    any_choice(true, false, true, long_batches, 5000, 3);
}

static void poisoned_arenas_give_the_same_bits(void **state)
{
    (void)state;
    any_choice(true, true, true, short_batches, 3000, 30);
}

static void updates_between_the_loops_give_the_same_bits(void **state)
{
    (void)state;
    any_choice(false, true, false, short_batches, 6000, 30);
    any_choice(true, false, false, short_batches, 7000, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_choice_gives_the_same_bits),
        cmocka_unit_test(groups_of_samples_may_be_cut_anywhere_between),
        cmocka_unit_test(poisoned_arenas_give_the_same_bits),
        cmocka_unit_test(updates_between_the_loops_give_the_same_bits),
        cmocka_unit_test(two_passes_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
