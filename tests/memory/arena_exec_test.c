/* An executor's memory: exactly its arena, guarded on both sides, and no request in a step. */
#include "plan_case.h"

#include <sys/mman.h>
#include <unistd.h>

enum { BATCH = 9, STEPS = 2 };

/* An arena that ends at a page nobody may touch. */
static void *guarded(int64_t bytes, unsigned char **out_map, int64_t *out_map_bytes)
{
    const int64_t page = sysconf(_SC_PAGESIZE);
    const int64_t inner = snug_align_up(bytes, page);
    *out_map_bytes = inner + 2 * page;
    *out_map = mmap(NULL, (size_t)*out_map_bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(*out_map != MAP_FAILED);
    CHECK(mprotect(*out_map, (size_t)page, PROT_NONE) == 0);
    CHECK(mprotect(*out_map + page + inner, (size_t)page, PROT_NONE) == 0);
    memset(*out_map + page, 0x5a, (size_t)inner);
    return *out_map + page + (inner - bytes);
}

/* Plans at `part` of the way from the smallest to the fastest and runs inside guards and the seal.
 */
static void run_guarded(plan_case *c, double part, bool poison)
{
    snug_error err = {0};
    snug_arena arena;
    snug_program program;
    static snug_plan_facts facts;
    snug_exec *exec = NULL;
    unsigned char *map = NULL;
    int64_t map_bytes = 0;
    snug_heap_usage before;
    snug_heap_usage after;
    snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 20);
    snug_plan_request request = {
        .graph = &c->graph, .batch = BATCH, .threads = 1, .poison = poison};
    CHECK_OK(snug_plan_make(&request, &arena, &program, &facts, &err));
    request.budget_bytes =
        facts.minimum_arena_bytes +
        (int64_t)(part * (double)(facts.unlimited_arena_bytes - facts.minimum_arena_bytes));
    CHECK_OK(snug_plan_make(&request, &arena, &program, &facts, &err));
    void *base = guarded(program.arena_bytes, &map, &map_bytes);
    CHECK_OK(snug_exec_init(&program, &c->graph, base, SNUG_KERNEL_AVX2, &snug_parallel_serial,
                            &arena, &exec, &err));
    plan_case_start(&c->graph, exec);
    CHECK_OK(snug_heap_seal(false, 0, &err));
    snug_heap_usage_read(&before);
    const snug_exec_calls calls = {.fetch = plan_case_fetch, .fetch_context = &c->graph};
    for (int64_t s = 0; s < STEPS; s++) {
        const snug_step_context step = plan_case_step(BATCH, s + 1);
        CHECK_OK(snug_exec_step(exec, &step, &calls, &err));
    }
    snug_heap_usage_read(&after);
    CHECK(after.requests_after_seal == before.requests_after_seal);
    CHECK(memcmp(before.current_bytes, after.current_bytes, sizeof before.current_bytes) == 0);
    snug_heap_unseal();
    /* The highest planned byte is used: planned bytes are used bytes. */
    bool top = false;
    for (int64_t b = 0; b < program.buffer_count; b++) {
        top = top || program.buffers[b].offset + program.buffers[b].bytes + program.canary_bytes ==
                         program.arena_bytes;
    }
    CHECK(top);
    CHECK(munmap(map, (size_t)map_bytes) == 0);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
}

static void steps_stay_inside_the_arena(void **unused)
{
    plan_case c;
    (void)unused;
    plan_case_model(&c, 240, true, SNUG_MODEL_TRAIN);
    for (int32_t k = 0; k <= 4; k++) {
        run_guarded(&c, 0.25 * k, false);
    }
    run_guarded(&c, 0.0, true);
    run_guarded(&c, 0.3, true);
    plan_case_close(&c);
}

/* Wrecks the byte behind the first output of some call. */
typedef struct wrecker {
    const snug_program *program;
    unsigned char *base;
    int32_t call;
} wrecker;

static void wreck(void *context, int32_t call, int64_t first, int64_t count)
{
    const wrecker *w = context;
    (void)first;
    (void)count;
    if (call == w->call + 1) {
        const snug_plan_buffer *b = &w->program->buffers[w->program->calls[call].inputs[0]];
        w->base[b->offset + b->bytes] ^= 1;
    }
}

static void a_broken_canary_is_seen(void **unused)
{
    snug_error err = {0};
    plan_case c;
    snug_arena arena;
    snug_program program;
    snug_exec *exec = NULL;
    void *base = NULL;
    (void)unused;
    plan_case_model(&c, 240, false, SNUG_MODEL_TRAIN);
    snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 20);
    const snug_plan_request request = {
        .graph = &c.graph, .batch = BATCH, .threads = 1, .straight = true, .poison = true};
    CHECK_OK(snug_plan_make(&request, &arena, &program, NULL, &err));
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_ACTIVATIONS, program.arena_bytes, false, &base, &err));
    CHECK_OK(snug_exec_init(&program, &c.graph, base, SNUG_KERNEL_AVX2, &snug_parallel_serial,
                            &arena, &exec, &err));
    plan_case_start(&c.graph, exec);
    const snug_exec_calls calls = {.fetch = plan_case_fetch, .fetch_context = &c.graph};
    const snug_step_context step = plan_case_step(BATCH, 1);
    CHECK_OK(snug_exec_step(exec, &step, &calls, &err));
    wrecker w = {.program = &program, .base = base};
    snug_exec_set_probe(exec, wreck, &w);
    CHECK_FAILS(snug_exec_step(exec, &step, &calls, &err), SNUG_CODE_DATA);
    CHECK(strstr(err.message, "wrote behind the end") != NULL);
    snug_heap_unmap(SNUG_CATEGORY_ACTIVATIONS, base, program.arena_bytes);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    plan_case_close(&c);
}

static snug_status refuse_to_fetch(void *context, const snug_exec_request *request, void *out,
                                   snug_error *err)
{
    (void)context;
    (void)out;
    return SNUG_FAIL(err, SNUG_CODE_IO, "stream %d is gone", request->stream);
}

static void failures_of_callers_are_passed_on(void **unused)
{
    snug_error err = {0};
    plan_case c;
    snug_arena arena;
    snug_program program;
    snug_exec *exec = NULL;
    void *base = NULL;
    (void)unused;
    plan_case_model(&c, 240, false, SNUG_MODEL_TRAIN);
    snug_heap_arena_init(&arena, "plan", SNUG_CATEGORY_RUNTIME, 1 << 20);
    const snug_plan_request request = {
        .graph = &c.graph, .batch = BATCH, .threads = 1, .straight = true};
    CHECK_OK(snug_plan_make(&request, &arena, &program, NULL, &err));
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_ACTIVATIONS, program.arena_bytes, false, &base, &err));
    const snug_parallel many = {.threads = 2, .run = snug_parallel_serial.run};
    CHECK_FAILS(
        snug_exec_init(&program, &c.graph, base, SNUG_KERNEL_AVX2, &many, &arena, &exec, &err),
        SNUG_CODE_USAGE);
    CHECK(exec == NULL);
    CHECK_OK(snug_exec_init(&program, &c.graph, base, SNUG_KERNEL_AVX2, &snug_parallel_serial,
                            &arena, &exec, &err));
    plan_case_start(&c.graph, exec);
    snug_exec_calls calls = {.fetch = refuse_to_fetch};
    snug_step_context step = plan_case_step(BATCH, 1);
    CHECK_FAILS(snug_exec_step(exec, &step, &calls, &err), SNUG_CODE_IO);
    calls.fetch = NULL;
    CHECK_FAILS(snug_exec_step(exec, &step, &calls, &err), SNUG_CODE_USAGE);
    step.batch = BATCH + 1;
    CHECK_FAILS(snug_exec_step(exec, &step, &calls, &err), SNUG_CODE_USAGE);
    snug_heap_unmap(SNUG_CATEGORY_ACTIVATIONS, base, program.arena_bytes);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    plan_case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_stay_inside_the_arena),
        cmocka_unit_test(a_broken_canary_is_seen),
        cmocka_unit_test(failures_of_callers_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
