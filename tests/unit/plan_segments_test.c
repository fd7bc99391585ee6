/* Segments of the same form are measured once, and that changes no figure. */
#include "plan_case.h"

#include "plan/segments.h"

static void check_loops_equal(const snug_plan_problem *p, const snug_segment_loop *a,
                              const snug_segment_loop *b)
{
    CHECK(a->group == b->group && a->tied == b->tied);
    CHECK((a->bytes == NULL) == (b->bytes == NULL));
    for (int32_t k = 0; k < p->tile_count && a->bytes != NULL; k++) {
        CHECK(a->bytes[k] == b->bytes[k]);
        CHECK(a->seconds[k] == b->seconds[k]);
    }
}

/* Measures with and without sharing; answers how many of the segments took another's measure. */
static int64_t compare(plan_case *c, snug_plan_mode mode, int32_t *out_stages)
{
    snug_error err = {0};
    snug_arena arena;
    snug_plan_problem problem;
    snug_emitter emitter;
    snug_segments shared, own;
    int64_t taken = 0;
    const snug_plan_request request = {.graph = &c->graph, .mode = mode, .batch = 8, .threads = 1};
    snug_heap_arena_init(&arena, "segments", SNUG_CATEGORY_RUNTIME, 1 << 20);
    CHECK_OK(snug_plan_problem_init(&problem, &request, &arena, &err));
    CHECK_OK(snug_emit_init(&emitter, &problem, &arena, &err));
    CHECK_OK(snug_segments_measure(&emitter, true, &arena, &shared, &err));
    CHECK_OK(snug_segments_measure(&emitter, false, &arena, &own, &err));
    const int32_t n = problem.stage_count;
    CHECK(shared.option_count == own.option_count);
    CHECK(memcmp(shared.first, own.first, ((size_t)n * (size_t)n + 1) * sizeof *own.first) == 0);
    for (int32_t o = 0; o < own.option_count; o++) {
        const snug_segment_option *a = &shared.options[o];
        const snug_segment_option *b = &own.options[o];
        CHECK(a->mode == b->mode && a->keep_sources == b->keep_sources);
        CHECK(a->variant == b->variant && a->kept_each == b->kept_each);
        CHECK(a->input_needed == b->input_needed && a->output_kept == b->output_kept);
        CHECK(a->gradient_each == b->gradient_each && a->gradients == b->gradients);
        CHECK(a->has_backward == b->has_backward);
        check_loops_equal(&problem, &a->forward, &b->forward);
        check_loops_equal(&problem, &a->backward, &b->backward);
    }
    for (int32_t k = 0; k < n * n; k++) {
        bool seen = false;
        for (int32_t o = 0; o < shared.first[k] && shared.first[k] < shared.first[k + 1]; o++) {
            seen = seen ||
                   shared.options[o].forward.bytes == shared.options[shared.first[k]].forward.bytes;
        }
        taken += seen ? 1 : 0;
    }
    *out_stages = n;
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    return taken;
}

static void equal_layers_are_measured_once(void **unused)
{
    (void)unused;
    for (int32_t clipped = 0; clipped < 2; clipped++) {
        plan_case c;
        int32_t stages = 0;
        plan_case_bert(&c, 8, clipped);
        const int64_t taken = compare(&c, SNUG_PLAN_TRAIN, &stages);
        const int64_t all = (int64_t)stages * (stages + 1) / 2;
        print_message("%d stages: %lld of %lld segments share a measure\n", stages,
                      (long long)taken, (long long)all);
        CHECK(taken > all / 3);
        CHECK(compare(&c, SNUG_PLAN_EVAL, &stages) > 0);
        plan_case_close(&c);
    }
}

static void unlike_stages_are_not_mixed_up(void **unused)
{
    (void)unused;
    for (int32_t clipped = 0; clipped < 2; clipped++) {
        plan_case c;
        int32_t stages = 0;
        plan_case_model_clipped(&c, 200, true, SNUG_MODEL_TRAIN, clipped);
        (void)compare(&c, SNUG_PLAN_TRAIN, &stages);
        (void)compare(&c, SNUG_PLAN_EVAL, &stages);
        plan_case_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_layers_are_measured_once),
        cmocka_unit_test(unlike_stages_are_not_mixed_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
