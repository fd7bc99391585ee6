/* labels: memory */
/* Steps of one pass and of two: chosen by the budget, the same bits, verified together. */
#include "plan_case.h"

#include <math.h>

#include "plan/certificate.h"
#include "sys/thread.h"

enum { BATCH = 12, STEPS = 2, BUDGETS = 9 };
static const int64_t batches[STEPS] = {BATCH, 7};

typedef struct passes_case {
    plan_case model;
    snug_arena arena, scratch;
    int64_t second_bytes;
} passes_case;

static void open_case(passes_case *p, bool bert, double clip_norm)
{
    *p = (passes_case){.second_bytes = 0};
    if (bert) {
        plan_case_bert(&p->model, 2, clip_norm);
    } else {
        plan_case_model_clipped(&p->model, 260, true, SNUG_MODEL_TRAIN, clip_norm);
    }
    snug_heap_arena_init(&p->arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 18);
    snug_heap_arena_init(&p->scratch, "scratch", SNUG_CATEGORY_RUNTIME, 1 << 20);
}

static void close_case(passes_case *p)
{
    snug_heap_arena_deinit(&p->scratch, SNUG_CATEGORY_RUNTIME);
    snug_heap_arena_deinit(&p->arena, SNUG_CATEGORY_RUNTIME);
    plan_case_close(&p->model);
}

static snug_status make(passes_case *p, snug_passes passes, int64_t budget, snug_step_plan *out,
                        snug_plan_facts *facts, snug_error *err)
{
    const snug_plan_request request = {.graph = &p->model.graph,
                                       .batch = BATCH,
                                       .threads = 2,
                                       .scratch = &p->scratch,
                                       .budget_bytes = budget};
    const snug_status status =
        snug_plan_make_step(&request, passes, p->second_bytes, &p->arena, out, facts, err);
    CHECK(p->scratch.used_bytes == 0);
    return status;
}

static void run(passes_case *p, const snug_step_plan *plan, bool two_threads, plan_result *out)
{
    snug_error err = {0};
    snug_pool *pool = NULL;
    CHECK_OK(snug_pool_open(2, &pool, &err));
    *out = (plan_result){0};
    plan_case_run_step(&p->model, plan,
                       two_threads ? snug_pool_parallel(pool) : &snug_parallel_serial,
                       SNUG_KERNEL_AVX2, batches, STEPS, out);
    snug_pool_close(pool);
}

/* Every budget between the smallest and what the fastest takes: the same bits. */
static void check_budgets(bool bert, snug_passes passes)
{
    snug_error err = {0};
    passes_case p;
    static snug_plan_facts one, all, facts;
    snug_step_plan plan;
    plan_result expected = {0};
    double before = INFINITY;
    int64_t two = 0;
    open_case(&p, bert, 1.0);
    CHECK_OK(make(&p, SNUG_PASSES_ONE, 0, &plan, &one, &err));
    CHECK(plan.passes == 1 && plan.train.mode == SNUG_PLAN_TRAIN && plan.measure.call_count == 0);
    run(&p, &plan, false, &expected);
    CHECK_OK(make(&p, passes, 0, &plan, &all, &err));
    for (int32_t k = 0; k <= BUDGETS; k++) {
        const int64_t low = all.minimum_arena_bytes;
        const int64_t budget = low + (all.unlimited_arena_bytes - low) * k / BUDGETS;
        plan_result result;
        CHECK_OK(make(&p, passes, budget, &plan, &facts, &err));
        CHECK(snug_step_plan_largest(&plan)->arena_bytes <= budget);
        CHECK(plan.passes == 2 || budget >= one.minimum_arena_bytes);
        CHECK(snug_step_plan_seconds(&plan) <= before);
        CHECK(facts.minimum_arena_bytes == low);
        CHECK_OK(snug_plan_verify_step(&plan, &p.model.graph, &p.scratch, &err));
        before = snug_step_plan_seconds(&plan);
        two += plan.passes == 2 ? 1 : 0;
        run(&p, &plan, k % 2 == 1, &result);
        CHECK(plan_result_equal(&result, &expected));
        free(result.bytes);
    }
    CHECK(passes == SNUG_PASSES_TWO ? two == BUDGETS + 1 : two >= 1 && two <= BUDGETS);
    free(expected.bytes);
    close_case(&p);
}

static void two_passes_have_the_same_bits_at_every_budget(void **unused)
{
    (void)unused;
    check_budgets(false, SNUG_PASSES_TWO);
    check_budgets(true, SNUG_PASSES_TWO);
}

static void two_passes_are_taken_where_one_does_not_fit(void **unused)
{
    (void)unused;
    check_budgets(true, SNUG_PASSES_AUTO);
}

static void check_same_program(const snug_program *a, const snug_program *b)
{
    CHECK(a->mode == b->mode && a->call_count == b->call_count && a->loop_count == b->loop_count);
    CHECK(a->arena_bytes == b->arena_bytes && a->buffer_count == b->buffer_count);
    CHECK(a->micro_batch == b->micro_batch && a->segment_count == b->segment_count);
    CHECK(a->seconds >= b->seconds && a->seconds <= b->seconds);
    for (int64_t i = 0; i < a->buffer_count; i++) {
        CHECK(a->buffers[i].offset == b->buffers[i].offset);
        CHECK(a->buffers[i].bytes == b->buffers[i].bytes);
    }
    for (int64_t i = 0; i < a->loop_count; i++) {
        CHECK(a->loops[i].tile == b->loops[i].tile);
        CHECK(a->loops[i].call_count == b->loops[i].call_count);
    }
}

/* What is kept of other budgets and passes, and what is not asked for, changes no program. */
static void a_memo_changes_no_program(void **unused)
{
    snug_error err = {0};
    passes_case p;
    static snug_plan_facts all, facts[2];
    snug_step_plan plan, other;
    snug_arena kept;
    (void)unused;
    open_case(&p, true, 1.0);
    snug_heap_arena_init(&kept, "kept", SNUG_CATEGORY_RUNTIME, 1 << 18);
    /* With a curve asked for, and without. */
    snug_plan_memo memos[2] = {{.arena = &kept}, {.arena = &kept}};
    CHECK_OK(make(&p, SNUG_PASSES_AUTO, 0, &plan, &all, &err));
    for (int32_t k = -1; k <= BUDGETS; k++) {
        const int64_t low = all.minimum_arena_bytes;
        const int64_t budget = low + (all.unlimited_arena_bytes - low) * k / BUDGETS;
        const snug_status expected = make(&p, SNUG_PASSES_AUTO, budget, &plan, &facts[0], &err);
        CHECK(expected == (k < 0 ? SNUG_CODE_BUDGET : SNUG_OK));
        for (int32_t way = 0; way < 4; way++) {
            /* Without a curve the brief request is first: it searches the least. */
            const bool curveless = way >= 2;
            const bool brief = way == 1 || way == 2;
            snug_plan_memo *memo = &memos[curveless ? 1 : 0];
            const snug_plan_request request = {.graph = &p.model.graph,
                                               .batch = BATCH,
                                               .threads = 2,
                                               .scratch = &p.scratch,
                                               .memo = memo,
                                               .brief = brief,
                                               .curveless = curveless,
                                               .budget_bytes = budget};
            CHECK(snug_plan_make_step(&request, SNUG_PASSES_AUTO, 0, &p.arena, &other, &facts[1],
                                      &err) == expected);
            CHECK(memo->segments == NULL && p.scratch.used_bytes == 0);
            CHECK(brief || facts[1].minimum_arena_bytes == facts[0].minimum_arena_bytes);
            CHECK(brief || facts[1].unlimited_seconds <= facts[0].unlimited_seconds);
            CHECK(brief || facts[1].point_count == (curveless ? 0 : facts[0].point_count));
            if (expected == SNUG_OK) {
                CHECK(other.passes == plan.passes);
                check_same_program(&other.train, &plan.train);
                check_same_program(&other.measure, &plan.measure);
            }
        }
    }
    CHECK(memos[0].fronts[SNUG_PLAN_TRAIN] != NULL && memos[0].fronts[SNUG_PLAN_APPLY] != NULL);
    CHECK(memos[1].fronts[SNUG_PLAN_TRAIN] != NULL && memos[1].fronts[SNUG_PLAN_APPLY] != NULL);
    snug_heap_arena_deinit(&kept, SNUG_CATEGORY_RUNTIME);
    close_case(&p);
}

/* A second program that takes more than two passes save is not worth it. */
static void what_the_second_program_takes_is_counted(void **unused)
{
    snug_error err = {0};
    passes_case p;
    static snug_plan_facts one, two, counted;
    snug_step_plan plan;
    (void)unused;
    open_case(&p, true, 1.0);
    CHECK_OK(make(&p, SNUG_PASSES_ONE, 0, &plan, &one, &err));
    CHECK_OK(make(&p, SNUG_PASSES_TWO, 0, &plan, &two, &err));
    const int64_t saved = one.minimum_arena_bytes - two.minimum_arena_bytes;
    CHECK(saved > 2 * SNUG_ALIGN);
    p.second_bytes = saved - SNUG_ALIGN;
    CHECK_OK(make(&p, SNUG_PASSES_AUTO, two.minimum_arena_bytes + p.second_bytes, &plan, &counted,
                  &err));
    CHECK(plan.passes == 2 && counted.points[0].passes == 2);
    CHECK(counted.minimum_arena_bytes == two.minimum_arena_bytes + p.second_bytes);
    CHECK(snug_step_plan_largest(&plan)->arena_bytes == two.minimum_arena_bytes);
    CHECK_FAILS(make(&p, SNUG_PASSES_AUTO, two.minimum_arena_bytes + p.second_bytes - 1, &plan,
                     &counted, &err),
                SNUG_CODE_BUDGET);
    p.second_bytes = saved + SNUG_ALIGN;
    CHECK_OK(make(&p, SNUG_PASSES_AUTO, one.minimum_arena_bytes, &plan, &counted, &err));
    CHECK(plan.passes == 1 && counted.minimum_arena_bytes == one.minimum_arena_bytes);
    close_case(&p);
}

static void the_curve_has_both(void **unused)
{
    snug_error err = {0};
    passes_case p;
    static snug_plan_facts one, two, all;
    snug_step_plan plan;
    (void)unused;
    open_case(&p, true, 1.0);
    CHECK_OK(make(&p, SNUG_PASSES_ONE, 0, &plan, &one, &err));
    CHECK_OK(make(&p, SNUG_PASSES_TWO, 0, &plan, &two, &err));
    CHECK(plan.passes == 2);
    CHECK_OK(make(&p, SNUG_PASSES_AUTO, 0, &plan, &all, &err));
    CHECK(all.points[0].arena_bytes == all.minimum_arena_bytes && all.points[0].passes == 2);
    CHECK(all.minimum_arena_bytes == two.minimum_arena_bytes);
    CHECK(all.points[all.point_count - 1].passes == 1);
    CHECK(all.points[all.point_count - 1].seconds == one.unlimited_seconds);
    for (int32_t i = 0; i < all.point_count; i++) {
        const snug_plan_point *point = &all.points[i];
        CHECK(i == 0 ||
              (point->arena_bytes > point[-1].arena_bytes && point->seconds < point[-1].seconds));
        /* What the curve says can be had; packed with more effort a faster one may fit, too. */
        CHECK_OK(make(&p, SNUG_PASSES_AUTO, point->arena_bytes, &plan, NULL, &err));
        CHECK(snug_step_plan_seconds(&plan) <= point->seconds * (1.0 + 1e-12));
        CHECK(i > 0 || plan.passes == 2);
    }
    close_case(&p);
}

static void who_does_not_clip_takes_one_pass(void **unused)
{
    snug_error err = {0};
    passes_case p;
    static snug_plan_facts facts;
    snug_step_plan plan;
    (void)unused;
    open_case(&p, true, 0.0);
    CHECK(!snug_plan_can_measure(&p.model.graph));
    CHECK_OK(make(&p, SNUG_PASSES_TWO, 0, &plan, &facts, &err));
    CHECK(plan.passes == 1 && plan.train.mode == SNUG_PLAN_TRAIN && facts.point_count > 0);
    close_case(&p);
}

static void what_does_not_fit_is_refused(void **unused)
{
    snug_error err = {0};
    passes_case p;
    static snug_plan_facts facts;
    snug_step_plan plan = {.passes = -5};
    char smallest[32];
    (void)unused;
    open_case(&p, true, 1.0);
    CHECK_FAILS(make(&p, SNUG_PASSES_AUTO, 4096, &plan, &facts, &err), SNUG_CODE_BUDGET);
    CHECK(plan.passes == -5 && p.arena.used_bytes == 0);
    (void)snprintf(smallest, sizeof smallest, "%lld", (long long)facts.minimum_arena_bytes);
    CHECK(strstr(err.message, smallest) != NULL);
    const int64_t least = facts.minimum_arena_bytes;
    CHECK_FAILS(make(&p, SNUG_PASSES_ONE, least, &plan, &facts, &err), SNUG_CODE_BUDGET);
    CHECK(facts.minimum_arena_bytes > least);
    CHECK_FAILS(make(&p, SNUG_PASSES_AUTO, least - 1, &plan, &facts, &err), SNUG_CODE_BUDGET);
    CHECK_OK(make(&p, SNUG_PASSES_AUTO, least, &plan, &facts, &err));
    CHECK(plan.passes == 2);
    close_case(&p);
}

/* Every kind of damage that only two passes can have. */
static void passes_that_do_not_belong_together_are_refused(void **unused)
{
    snug_error err = {0};
    passes_case p;
    snug_step_plan plan;
    (void)unused;
    open_case(&p, true, 1.0);
    CHECK_OK(make(&p, SNUG_PASSES_TWO, 0, &plan, NULL, &err));
    CHECK_OK(snug_plan_verify_step(&plan, &p.model.graph, &p.scratch, &err));
    snug_step_plan wrong = plan;
    wrong.passes = 1; /* Nobody measures. */
    CHECK_FAILS(snug_plan_verify_step(&wrong, &p.model.graph, &p.scratch, &err), SNUG_CODE_DATA);
    wrong = (snug_step_plan){.passes = 2, .measure = plan.train, .train = plan.measure};
    CHECK_FAILS(snug_plan_verify_step(&wrong, &p.model.graph, &p.scratch, &err), SNUG_CODE_DATA);
    wrong = (snug_step_plan){.passes = 2, .measure = plan.measure, .train = plan.measure};
    CHECK_FAILS(snug_plan_verify_step(&wrong, &p.model.graph, &p.scratch, &err), SNUG_CODE_DATA);
    /* An update in the pass that only measures, and a measure in the other. */
    wrong = plan;
    wrong.measure.mode = SNUG_PLAN_APPLY;
    CHECK_FAILS(snug_plan_verify(&wrong.measure, &p.model.graph, &p.scratch, &err), SNUG_CODE_DATA);
    wrong.train.mode = SNUG_PLAN_TRAIN;
    CHECK_FAILS(snug_plan_verify(&wrong.train, &p.model.graph, &p.scratch, &err), SNUG_CODE_DATA);
    /* Two parameters change places in one of the passes: each is right by itself. */
    snug_plan_buffer *a = NULL;
    for (int64_t b = 0; b < plan.train.buffer_count; b++) {
        snug_plan_buffer *one = &plan.train.buffers[b];
        if (a == NULL && one->persistent) {
            a = one;
        } else if (a != NULL && one->persistent && one->bytes == a->bytes) {
            const int64_t offset = one->offset;
            one->offset = a->offset;
            a->offset = offset;
            break;
        }
    }
    CHECK_OK(snug_plan_verify(&plan.train, &p.model.graph, &p.scratch, &err));
    CHECK_FAILS(snug_plan_verify_step(&plan, &p.model.graph, &p.scratch, &err), SNUG_CODE_DATA);
    close_case(&p);
}

static void the_certificate_of_a_step_has_both_passes(void **unused)
{
    snug_error err = {0};
    passes_case p;
    snug_step_plan plan;
    snug_step_plan copy;
    snug_text text, again;
    (void)unused;
    open_case(&p, true, 1.0);
    for (int32_t passes = 1; passes <= 2; passes++) {
        CHECK_OK(make(&p, passes == 1 ? SNUG_PASSES_ONE : SNUG_PASSES_TWO, 0, &plan, NULL, &err));
        const int64_t bytes = snug_certificate_step_bytes(&plan, &p.model.graph);
        char *memory = malloc((size_t)(2 * bytes));
        assert_non_null(memory);
        snug_text_init(&text, memory, bytes);
        snug_text_init(&again, memory + bytes, bytes);
        snug_certificate_write_step(&plan, &p.model.graph, &text);
        CHECK(!text.truncated);
        CHECK_OK(snug_certificate_read_step(text.data, text.length, &p.model.graph, &p.arena, &copy,
                                            &err));
        CHECK(copy.passes == passes);
        CHECK_OK(snug_plan_verify_step(&copy, &p.model.graph, &p.scratch, &err));
        snug_certificate_write_step(&copy, &p.model.graph, &again);
        CHECK(again.length == text.length &&
              memcmp(again.data, text.data, (size_t)text.length) == 0);
        copy.passes = -5;
        for (int64_t end = 0; end < text.length - 2; end += 1 + text.length / 50) {
            CHECK_FAILS(
                snug_certificate_read_step(text.data, end, &p.model.graph, &p.arena, &copy, &err),
                SNUG_CODE_FORMAT);
        }
        CHECK(copy.passes == -5);
        free(memory);
    }
    close_case(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_passes_have_the_same_bits_at_every_budget),
        cmocka_unit_test(two_passes_are_taken_where_one_does_not_fit),
        cmocka_unit_test(a_memo_changes_no_program),
        cmocka_unit_test(what_the_second_program_takes_is_counted),
        cmocka_unit_test(the_curve_has_both),
        cmocka_unit_test(who_does_not_clip_takes_one_pass),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(passes_that_do_not_belong_together_are_refused),
        cmocka_unit_test(the_certificate_of_a_step_has_both_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
