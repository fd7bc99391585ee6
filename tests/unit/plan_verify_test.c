/* Certificates: written, read back, verified; every kind of damage is rejected. */
#include "plan_case.h"

#include "plan/certificate.h"
#include "plan/explain.h"

enum { BATCH = 6 };

/** A valid program of many loops, its graph, and its certificate. */
typedef struct verify_case {
    plan_case model;
    snug_arena arena;
    snug_program program;
    char *json;
    int64_t json_bytes;
} verify_case;

static void verify_case_write(verify_case *v)
{
    snug_text text;
    v->json_bytes = snug_certificate_bytes(&v->program, &v->model.graph);
    v->json = malloc((size_t)v->json_bytes);
    assert_non_null(v->json);
    snug_text_init(&text, v->json, v->json_bytes);
    snug_certificate_write(&v->program, &v->model.graph, &text);
    CHECK(!text.truncated);
    v->json_bytes = text.length;
}

static void verify_case_open(verify_case *v)
{
    snug_error err = {0};
    static snug_plan_facts facts;
    snug_program ignored;
    plan_case_model(&v->model, 200, true, SNUG_MODEL_TRAIN);
    snug_heap_arena_init(&v->arena, "verify", SNUG_CATEGORY_RUNTIME, 1 << 20);
    snug_plan_request request = {.graph = &v->model.graph, .batch = BATCH, .threads = 1};
    CHECK_OK(snug_plan_make(&request, &v->arena, &ignored, &facts, &err));
    request.budget_bytes = (facts.minimum_arena_bytes * 3 + facts.unlimited_arena_bytes) / 4;
    CHECK_OK(snug_plan_make(&request, &v->arena, &v->program, &facts, &err));
    CHECK(v->program.loop_count >= 5);
    verify_case_write(v);
}

/** Updates between the backward loops: the plain program of a model that is not clipped. */
static void verify_case_open_early(verify_case *v)
{
    snug_error err = {0};
    plan_case_model_clipped(&v->model, 200, true, SNUG_MODEL_TRAIN, 0.0);
    snug_heap_arena_init(&v->arena, "verify", SNUG_CATEGORY_RUNTIME, 1 << 20);
    const snug_plan_request request = {
        .graph = &v->model.graph, .batch = BATCH, .threads = 1, .straight = true};
    CHECK_OK(snug_plan_make(&request, &v->arena, &v->program, NULL, &err));
    verify_case_write(v);
}

static void verify_case_close(verify_case *v)
{
    free(v->json);
    snug_heap_arena_deinit(&v->arena, SNUG_CATEGORY_RUNTIME);
    plan_case_close(&v->model);
}

/* A fresh copy that a test may damage. */
static snug_program copy_of(verify_case *v)
{
    snug_error err = {0};
    snug_program copy;
    CHECK_OK(
        snug_certificate_read(v->json, v->json_bytes, &v->model.graph, &v->arena, &copy, &err));
    return copy;
}

static void certificates_round_trip(void **unused)
{
    snug_error err = {0};
    verify_case v;
    (void)unused;
    verify_case_open(&v);
    snug_program copy = copy_of(&v);
    CHECK_OK(snug_plan_verify(&copy, &v.model.graph, &v.arena, &err));
    CHECK(copy.arena_bytes == v.program.arena_bytes && copy.seconds == v.program.seconds);
    char *again = malloc((size_t)v.json_bytes + 1);
    snug_text text;
    assert_non_null(again);
    snug_text_init(&text, again, v.json_bytes + 1);
    snug_certificate_write(&copy, &v.model.graph, &text);
    CHECK(text.length == v.json_bytes && memcmp(again, v.json, (size_t)v.json_bytes) == 0);
    free(again);
    verify_case_close(&v);
}

static void truncated_certificates_are_refused(void **unused)
{
    verify_case v;
    (void)unused;
    verify_case_open(&v);
    for (int64_t bytes = 0; bytes < v.json_bytes; bytes += 1 + v.json_bytes / 200) {
        snug_error err = {0};
        snug_program copy = {.batch = -5};
        const int64_t used = v.arena.used_bytes;
        CHECK_FAILS(snug_certificate_read(v.json, bytes, &v.model.graph, &v.arena, &copy, &err),
                    SNUG_CODE_FORMAT);
        CHECK(copy.batch == -5 && v.arena.used_bytes == used);
    }
    verify_case_close(&v);
}

static void another_graph_is_refused(void **unused)
{
    snug_error err = {0};
    verify_case v;
    plan_case other;
    snug_program copy = {.batch = -5};
    (void)unused;
    verify_case_open(&v);
    plan_case_model(&other, 200, true, SNUG_MODEL_EVALUATE);
    CHECK_FAILS(snug_certificate_read(v.json, v.json_bytes, &other.graph, &v.arena, &copy, &err),
                SNUG_CODE_DATA);
    CHECK_FAILS(snug_plan_verify(&v.program, &other.graph, &v.arena, &err), SNUG_CODE_DATA);
    CHECK(copy.batch == -5);
    plan_case_close(&other);
    verify_case_close(&v);
}

/* Any byte changed: refused in reading or verifying, or a program that is still right. */
static void flipped_bytes_never_pass_unnoticed(void **unused)
{
    verify_case v;
    int64_t refused = 0;
    (void)unused;
    verify_case_open(&v);
    char *damaged = malloc((size_t)v.json_bytes);
    assert_non_null(damaged);
    uint64_t state = 77;
    for (int32_t k = 0; k < 400; k++) {
        snug_error err = {0};
        snug_program copy;
        snug_arena arena;
        snug_heap_arena_init(&arena, "flip", SNUG_CATEGORY_RUNTIME, 1 << 20);
        memcpy(damaged, v.json, (size_t)v.json_bytes);
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        damaged[(state >> 20) % (uint64_t)v.json_bytes] = (char)('0' + (state >> 60) % 10);
        snug_status status =
            snug_certificate_read(damaged, v.json_bytes, &v.model.graph, &arena, &copy, &err);
        if (status == SNUG_OK) {
            status = snug_plan_verify(&copy, &v.model.graph, &arena, &err);
        }
        refused += status != SNUG_OK ? 1 : 0;
        snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    }
    free(damaged);
    print_message("%lld of 400 single bytes refused\n", (long long)refused);
    CHECK(refused > 100);
    verify_case_close(&v);
}

static void expect_wrong(verify_case *v, const snug_program *damaged, const char *what)
{
    snug_error err = {0};
    const snug_status status = snug_plan_verify(damaged, &v->model.graph, &v->arena, &err);
    if (status != SNUG_CODE_DATA) {
        print_error("%s: '%s' (%s)\n", what, snug_status_name(status), err.message);
        fail();
    }
    CHECK(strncmp(err.message, "plan refused: ", 14) == 0);
}

/* The first call of a node of that phase that adds to a gradient, or writes a parameter. */
static int32_t find_call(const verify_case *v, snug_phase phase)
{
    for (int32_t c = 0; c < v->program.call_count; c++) {
        const snug_node *node = &v->model.graph.nodes[v->program.calls[c].node];
        if (node->phase == phase && (phase != SNUG_PHASE_BACKWARD || node->op->accumulates != 0)) {
            return c;
        }
    }
    fail();
    return -1;
}

static void drop_call(snug_program *p, int32_t call)
{
    for (int64_t l = 0; l < p->loop_count; l++) {
        snug_plan_loop *loop = &p->loops[l];
        if (loop->first_call > call) {
            loop->first_call--;
        } else if (call < loop->first_call + loop->call_count) {
            loop->call_count--;
        }
    }
    memmove(&p->calls[call], &p->calls[call + 1],
            (size_t)(p->call_count - call - 1) * sizeof p->calls[0]);
    p->call_count--;
}

static void every_call_matters(void **unused)
{
    verify_case v;
    (void)unused;
    verify_case_open(&v);
    for (int32_t c = 0; c < v.program.call_count; c++) {
        snug_program damaged = copy_of(&v);
        drop_call(&damaged, c);
        expect_wrong(&v, &damaged, "a dropped call");
    }
    verify_case_close(&v);
}

static void overlaps_are_rejected(void **unused)
{
    verify_case v;
    int64_t tried = 0;
    (void)unused;
    verify_case_open(&v);
    for (int32_t c = 0; c < v.program.call_count; c++) {
        const snug_plan_call *call = &v.program.calls[c];
        const int32_t in = call->inputs[0];
        const int32_t out = call->outputs[0];
        if (in < 0 || out < 0 || in == out ||
            v.program.buffers[in].offset == v.program.buffers[out].offset) {
            continue;
        }
        /* The output put half way into the input. */
        snug_program damaged = copy_of(&v);
        const int64_t half = snug_align_up(damaged.buffers[in].bytes / 2, SNUG_ALIGN);
        if (half >= damaged.buffers[in].bytes) {
            continue;
        }
        damaged.buffers[out].offset = damaged.buffers[in].offset + half;
        damaged.arena_bytes += damaged.buffers[out].bytes;
        expect_wrong(&v, &damaged, "an overlap");
        tried++;
        if (call->scratch >= 0) {
            damaged = copy_of(&v);
            damaged.buffers[call->scratch].offset = damaged.buffers[in].offset;
            damaged.arena_bytes += damaged.buffers[call->scratch].bytes;
            expect_wrong(&v, &damaged, "scratch over an input");
        }
    }
    CHECK(tried > 20);
    verify_case_close(&v);
}

static void places_outside_and_too_small_are_rejected(void **unused)
{
    verify_case v;
    (void)unused;
    verify_case_open(&v);
    for (int64_t b = 0; b < v.program.buffer_count; b++) {
        snug_program damaged = copy_of(&v);
        damaged.buffers[b].offset = damaged.arena_bytes - damaged.buffers[b].bytes + SNUG_ALIGN;
        expect_wrong(&v, &damaged, "outside of the arena");
        damaged = copy_of(&v);
        damaged.buffers[b].offset += 4;
        expect_wrong(&v, &damaged, "misaligned");
        if (damaged.buffers[b].bytes > SNUG_ALIGN) {
            damaged = copy_of(&v);
            damaged.buffers[b].bytes -= SNUG_ALIGN;
            expect_wrong(&v, &damaged, "too small");
        }
    }
    snug_program damaged = copy_of(&v);
    damaged.arena_bytes -= SNUG_ALIGN;
    expect_wrong(&v, &damaged, "a smaller arena");
    verify_case_close(&v);
}

static void contributions_and_updates_are_counted(void **unused)
{
    verify_case v;
    (void)unused;
    verify_case_open(&v);
    const int32_t backward = find_call(&v, SNUG_PHASE_BACKWARD);
    snug_program damaged = copy_of(&v);
    /* The same contribution twice, in place of the call that follows. */
    damaged.calls[backward + 1] = damaged.calls[backward];
    expect_wrong(&v, &damaged, "a contribution twice");
    for (int64_t b = 0; b < v.program.buffer_count; b++) {
        if (v.program.buffers[b].zero_loop >= 0) {
            damaged = copy_of(&v);
            damaged.buffers[b].zero_loop = -1;
            expect_wrong(&v, &damaged, "not zeroed");
            damaged = copy_of(&v);
            damaged.buffers[b].zero_loop = (int32_t)damaged.loop_count - 1;
            if (v.program.buffers[b].category == SNUG_CATEGORY_GRADIENTS) {
                expect_wrong(&v, &damaged, "zeroed too late");
            }
        }
    }
    /* Two updates change places with what they wait for. */
    const int32_t update = find_call(&v, SNUG_PHASE_UPDATE);
    const int32_t end = (int32_t)v.program.call_count - 1;
    damaged = copy_of(&v);
    const snug_plan_call swap = damaged.calls[update];
    damaged.calls[update] = damaged.calls[end];
    damaged.calls[end] = swap;
    expect_wrong(&v, &damaged, "an update before the norm is known");
    verify_case_close(&v);
}

/* The first calls of the first two update loops that lie between others; {-1, -1}: none. */
static void find_early(const snug_program *p, int32_t out[2])
{
    int32_t count = 0;
    out[0] = out[1] = -1;
    for (int64_t l = 0; l < p->update_first_loop && count < 2; l++) {
        if (p->loops[l].tile == 0) {
            out[count++] = p->loops[l].first_call;
        }
    }
}

static void early_updates_are_counted(void **unused)
{
    verify_case v;
    snug_error err = {0};
    int32_t early[2];
    (void)unused;
    verify_case_open_early(&v);
    CHECK_OK(snug_plan_verify(&v.program, &v.model.graph, &v.arena, &err));
    find_early(&v.program, early);
    CHECK(early[1] > 0);
    for (int32_t c = early[0]; c < v.program.call_count; c++) {
        snug_program damaged = copy_of(&v);
        drop_call(&damaged, c);
        expect_wrong(&v, &damaged, "a dropped call");
    }
    snug_program damaged = copy_of(&v);
    damaged.calls[early[1]] = damaged.calls[early[0]];
    expect_wrong(&v, &damaged, "a norm twice");
    damaged = copy_of(&v);
    damaged.calls[early[1] + 1] = damaged.calls[early[0] + 1];
    expect_wrong(&v, &damaged, "an update twice");
    damaged = copy_of(&v);
    const snug_plan_call swap = damaged.calls[early[0] + 1];
    damaged.calls[early[0] + 1] = damaged.calls[early[1] + 1];
    damaged.calls[early[1] + 1] = swap;
    expect_wrong(&v, &damaged, "an update before its gradient is complete");
    damaged = copy_of(&v);
    damaged.batch = 2 * damaged.micro_batch;
    expect_wrong(&v, &damaged, "an update after the first of two micro-batches");
    verify_case_close(&v);
}

static void loops_and_tiles_are_checked(void **unused)
{
    verify_case v;
    (void)unused;
    verify_case_open(&v);
    for (int64_t l = 0; l < v.program.loop_count; l++) {
        snug_program damaged = copy_of(&v);
        damaged.loops[l].tile = damaged.micro_batch + 1;
        expect_wrong(&v, &damaged, "a tile larger than the micro-batch");
        damaged = copy_of(&v);
        damaged.loops[l].call_count++;
        expect_wrong(&v, &damaged, "loops that overlap");
        damaged = copy_of(&v);
        damaged.loops[l].tile = damaged.loops[l].tile == 0 ? 1 : 0;
        expect_wrong(&v, &damaged, "the wrong kind of loop");
    }
    snug_program damaged = copy_of(&v);
    damaged.micro_batch = 4; /* The decoder needs all samples of a group of 64 at once. */
    expect_wrong(&v, &damaged, "a group cut in two");
    damaged = copy_of(&v);
    damaged.update_first_loop--;
    expect_wrong(&v, &damaged, "updates that are none");
    damaged = copy_of(&v);
    damaged.variants[0] = 99;
    expect_wrong(&v, &damaged, "a variant that does not exist");
    verify_case_close(&v);
}

/* Every operand of every call exchanged for another buffer. */
static void operands_are_checked(void **unused)
{
    verify_case v;
    (void)unused;
    verify_case_open(&v);
    for (int32_t c = 0; c < v.program.call_count; c++) {
        snug_program damaged = copy_of(&v);
        snug_plan_call *call = &damaged.calls[c];
        if (call->inputs[0] >= 0) {
            call->inputs[0] = call->inputs[0] == 0 ? 1 : 0;
            expect_wrong(&v, &damaged, "another input");
            damaged = copy_of(&v);
            damaged.calls[c].inputs[0] = -1;
            expect_wrong(&v, &damaged, "no input");
        }
        if (v.program.calls[c].outputs[0] >= 0) {
            damaged = copy_of(&v);
            damaged.calls[c].outputs[0] = -1;
            expect_wrong(&v, &damaged, "no output");
        }
        if (v.program.calls[c].scratch >= 0) {
            damaged = copy_of(&v);
            damaged.calls[c].scratch = -1;
            expect_wrong(&v, &damaged, "no scratch");
        }
    }
    verify_case_close(&v);
}

/* The program's certificate with another home for its first buffer, read back. */
static snug_status read_with_home(verify_case *v, snug_home home, int64_t moved_bytes,
                                  snug_program *out, snug_error *err)
{
    snug_plan_buffer *buffer = &v->program.buffers[0];
    const snug_plan_buffer before = *buffer;
    buffer->home = home;
    buffer->moved_bytes = moved_bytes;
    free(v->json);
    verify_case_write(v);
    *buffer = before;
    return snug_certificate_read(v->json, v->json_bytes, &v->model.graph, &v->arena, out, err);
}

static void homes_are_checked(void **unused)
{
    snug_error err = {0};
    verify_case v;
    snug_program other;
    (void)unused;
    verify_case_open(&v);
    const int64_t bytes = v.program.buffers[0].bytes;
    CHECK(v.program.buffers[0].persistent);
    CHECK(!v.program.buffers[v.program.buffer_count - 1].persistent);
    CHECK_FAILS(read_with_home(&v, SNUG_HOME_COUNT, 2 * bytes, &other, &err), SNUG_CODE_FORMAT);
    CHECK(strstr(err.message, "unknown home") != NULL);
    CHECK_OK(read_with_home(&v, SNUG_HOME_FILE, 2 * bytes, &other, &err));
    CHECK(other.buffers[0].home == SNUG_HOME_FILE && other.buffers[0].moved_bytes == 2 * bytes);
    CHECK_OK(snug_plan_verify(&other, &v.model.graph, &v.arena, &err));
    other.buffers[0].moved_bytes = 0;
    expect_wrong(&v, &other, "nothing moved");
    other.buffers[0].home = SNUG_HOME_COUNT;
    expect_wrong(&v, &other, "an unknown home");
    CHECK_OK(read_with_home(&v, SNUG_HOME_MEMORY, bytes, &other, &err));
    expect_wrong(&v, &other, "bytes moved from memory to memory");
    CHECK_OK(read_with_home(&v, SNUG_HOME_MEMORY, 0, &other, &err));
    snug_plan_buffer *last = &other.buffers[other.buffer_count - 1];
    last->home = SNUG_HOME_FILE;
    last->moved_bytes = last->bytes;
    expect_wrong(&v, &other, "an activation in a file");
    verify_case_close(&v);
}

static void executor_has_no_door_to_files(void **unused)
{
    snug_error err = {0};
    verify_case v;
    void *base = NULL;
    snug_exec *exec = NULL;
    int64_t tiers[SNUG_HOME_COUNT];
    (void)unused;
    verify_case_open(&v);
    snug_plan_tiers(&v.program, tiers);
    CHECK(tiers[SNUG_HOME_MEMORY] == v.program.persistent_bytes && tiers[SNUG_HOME_FILE] == 0);
    snug_plan_buffer *buffer = &v.program.buffers[1];
    buffer->home = SNUG_HOME_FILE;
    buffer->moved_bytes = 2 * buffer->bytes;
    snug_plan_tiers(&v.program, tiers);
    CHECK(tiers[SNUG_HOME_MEMORY] == v.program.persistent_bytes - buffer->bytes);
    CHECK(tiers[SNUG_HOME_FILE] == buffer->bytes);
    CHECK(strcmp(snug_home_name(SNUG_HOME_MEMORY), "memory") == 0);
    CHECK(strcmp(snug_home_name(SNUG_HOME_FILE), "file") == 0);
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_ACTIVATIONS, v.program.arena_bytes, false, &base, &err));
    const int64_t used = v.arena.used_bytes;
    CHECK_FAILS(snug_exec_init(&v.program, &v.model.graph, base, SNUG_KERNEL_SCALAR,
                               &snug_parallel_serial, &v.arena, &exec, &err),
                SNUG_CODE_UNSUPPORTED);
    CHECK(strstr(err.message, v.model.graph.tensors[buffer->tensor].name) != NULL);
    CHECK(exec == NULL && v.arena.used_bytes == used);
    snug_heap_unmap(SNUG_CATEGORY_ACTIVATIONS, base, v.program.arena_bytes);
    verify_case_close(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_round_trip),
        cmocka_unit_test(truncated_certificates_are_refused),
        cmocka_unit_test(another_graph_is_refused),
        cmocka_unit_test(flipped_bytes_never_pass_unnoticed),
        cmocka_unit_test(every_call_matters),
        cmocka_unit_test(overlaps_are_rejected),
        cmocka_unit_test(places_outside_and_too_small_are_rejected),
        cmocka_unit_test(contributions_and_updates_are_counted),
        cmocka_unit_test(early_updates_are_counted),
        cmocka_unit_test(loops_and_tiles_are_checked),
        cmocka_unit_test(operands_are_checked),
        cmocka_unit_test(homes_are_checked),
        cmocka_unit_test(executor_has_no_door_to_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
