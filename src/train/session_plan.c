/* The plan of a session: the bytes beside the arena, programs under the rest, and their words. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/json.h"
#include "base/translate.h"
#include "data/ring.h"
#include "mem/ledger.h"
#include "plan/explain.h"
#include "sys/heap.h"
#include "sys/procfs.h"
#include "train/family.h"
#include "train/session.h"
#include "train/session_watch.h"

enum {
    /* Pages of program and libc that a run touches after the floor is measured; see doc/memory.md.
     */
    TOUCH_BYTES = 1024 << 10,
    /* The floor differs from run to run by up to two MiB, as the kernel maps large pieces of the
     * program and its libraries around a fault; the smallest budget is named with room for that, so
     * that the next run keeps to it. */
    FLOOR_SLACK_BYTES = 3 << 20,
    PLAN_TRIES = 4,
    PLAN_SCRATCH_BLOCK_BYTES = 4 << 20,
    PLAN_FOUND_BLOCK_BYTES = 64 << 10,
    REPORT_BYTES = 64 << 10
};

/** What searches found, for all tries of a budget. */
typedef struct plan_memory {
    snug_arena found;
    snug_plan_memo memos[SNUG_BUCKETS_MAX];
} plan_memory;

static void open_memory(plan_memory *memory)
{
    *memory = (plan_memory){0};
    /* Not of the runtime category: it is gone before a run begins, which must not count it. */
    snug_heap_arena_init(&memory->found, "plans found", SNUG_CATEGORY_WORKSPACE,
                         PLAN_FOUND_BLOCK_BYTES);
    for (int32_t b = 0; b < SNUG_BUCKETS_MAX; b++) {
        memory->memos[b].arena = &memory->found;
    }
}

static void close_memory(plan_memory *memory)
{
    snug_heap_arena_deinit(&memory->found, SNUG_CATEGORY_WORKSPACE);
}

/** What a run takes beside the arena. Sizes are asked of the parts themselves. */
static snug_status measure_bytes(snug_session *session, snug_error *err)
{
    snug_heap_usage usage;
    snug_session_bytes *bytes = &session->bytes;
    int64_t floor = 0;
    snug_heap_usage_read(&usage);
    if (session->arena_memory != NULL) {
        /* In the middle of a run only the loader is another, and programs with more loops or passes
         * are longer; the rest is in memory as planned. */
        bytes->source = usage.current_bytes[SNUG_CATEGORY_DATA] + session->data.source_bytes;
        bytes->threads = snug_pool_bytes(session->threads);
        bytes->setup =
            snug_max_i64(bytes->setup, usage.current_bytes[SNUG_CATEGORY_RUNTIME] - bytes->threads -
                                           bytes->buffers - bytes->watch);
        return SNUG_OK;
    }
    snug_heap_trim_malloc();
    SNUG_TRY(snug_floor_read(&floor, err));
    snug_heap_usage_read(&usage);
    bytes->floor = floor + TOUCH_BYTES;
    bytes->setup = usage.current_bytes[SNUG_CATEGORY_RUNTIME];
    bytes->source = usage.current_bytes[SNUG_CATEGORY_DATA] + session->data.source_bytes;
    bytes->threads = snug_pool_bytes(session->threads) +
                     session->settings.data_num_workers * snug_thread_bytes(SNUG_RING_STACK_BYTES);
    bytes->buffers = snug_session_buffers_size(session);
    /* A run without a folder has nothing to write what it sees into. */
    const bool watched = session->purpose == SNUG_PURPOSE_PLAN || session->out[0] != '\0';
    bytes->watch = session->has_train && watched ? snug_session_watch_bytes() : 0;
    return SNUG_OK;
}

static int64_t beside_arena(const snug_session *session)
{
    const snug_session_bytes *bytes = &session->bytes;
    return bytes->floor + bytes->setup + bytes->source + bytes->threads + bytes->buffers +
           bytes->watch;
}

snug_passes snug_session_passes(const snug_settings *settings)
{
    const char *passes = settings->training_clip_passes;
    return strcmp(passes, "1") == 0   ? SNUG_PASSES_ONE
           : strcmp(passes, "2") == 0 ? SNUG_PASSES_TWO
                                      : SNUG_PASSES_AUTO;
}

int64_t snug_session_pass_bytes(const snug_graph *graph)
{
    /* A call has about two buffers of its own. */
    const int64_t each =
        snug_exec_call_bytes() + (int64_t)sizeof(snug_plan_call) +
        2 * ((int64_t)sizeof(snug_plan_buffer) + (int64_t)sizeof(snug_exec_request));
    int64_t calls = 0;
    for (int64_t n = 0; n < graph->node_count; n++) {
        const snug_node *node = &graph->nodes[n];
        calls += node->phase != SNUG_PHASE_UPDATE || snug_graph_measures(graph, node) ? 1 : 0;
    }
    return calls * each;
}

int64_t snug_session_second_bytes(const snug_session *session)
{
    int64_t seconds = 0;
    for (int32_t b = 0; b < session->bucket_count && session->has_train; b++) {
        seconds += session->buckets[b].step.passes > 1 ? 1 : 0;
    }
    return session->second_bytes / snug_max_i64(1, session->bucket_count) * seconds;
}

/** The programs of one bucket for one budget. */
static snug_status plan_bucket(snug_session *session, snug_session_bucket *bucket,
                               snug_plan_request *request, snug_plan_facts *train,
                               snug_plan_facts *forward, snug_error *err)
{
    const bool predict = session->purpose == SNUG_PURPOSE_PREDICT;
    request->graph = &bucket->graph;
    request->mode = predict ? SNUG_PLAN_PREDICT : SNUG_PLAN_EVAL;
    request->batch = session->batch;
    request->threads = session->threads;
    request->costs = session->has_costs ? &session->costs : NULL;
    request->persistent_bytes_min = 0;
    if (session->has_train) {
        SNUG_TRY(snug_plan_make_step(request, snug_session_passes(&session->settings),
                                     session->second_bytes, &session->setup, &bucket->step, train,
                                     err));
        request->persistent_bytes_min = bucket->step.train.persistent_bytes;
    }
    SNUG_TRY(snug_plan_make(request, &session->setup, &bucket->forward, forward, err));
    session->arena_bytes = snug_max_i64(
        session->arena_bytes, snug_max_i64(snug_step_plan_largest(&bucket->step)->arena_bytes,
                                           bucket->forward.arena_bytes));
    return SNUG_OK;
}

/**
 * Programs under `budget` bytes of arena; SNUG_CODE_BUDGET leaves the facts filled.
 *
 * @param shown  Nothing will run: of all buckets but the largest any programs will do.
 */
static snug_status plan_programs(snug_session *session, int64_t budget, bool shown,
                                 plan_memory *memory, snug_arena *scratch, snug_error *err)
{
    snug_status status = SNUG_OK;
    int64_t least = 0;
    session->arena_bytes = 0;
    session->second_bytes =
        session->bucket_count * snug_session_pass_bytes(&snug_session_main(session)->graph);
    /* The largest first: where it does not fit, nobody asks for the others. */
    for (int32_t b = session->bucket_count - 1; b >= 0 && !snug_failed(status); b--) {
        snug_session_bucket *bucket = &session->buckets[b];
        const bool main = bucket == snug_session_main(session);
        snug_plan_facts train = {0}, forward = {0};
        snug_plan_request request = {.budget_bytes = budget,
                                     .smallest = shown && !main,
                                     .brief = !main,
                                     .curveless = true,
                                     .memo = &memory->memos[b],
                                     .scratch = scratch};
        status = plan_bucket(session, bucket, &request, &train, &forward, err);
        if (!main && status == SNUG_CODE_BUDGET) {
            /* Only now does it matter how much the others need. */
            request.brief = false;
            status = plan_bucket(session, bucket, &request, &train, &forward, err);
        }
        if (main || snug_failed(status)) {
            least = snug_max_i64(
                least, snug_max_i64(train.minimum_arena_bytes, forward.minimum_arena_bytes));
        }
        if (main) {
            session->plan_facts = session->has_train ? train : forward;
        }
    }
    session->plan_facts.minimum_arena_bytes = least;
    return status;
}

/** Forgets the programs of an earlier try; their blocks are not part of the run. */
static void forget_programs(snug_session *session, snug_mark start)
{
    snug_arena_rewind(&session->setup, start);
    snug_heap_arena_trim(&session->setup, SNUG_CATEGORY_RUNTIME);
}

/**
 * Programs in `left` bytes, else the smallest ones there are.
 * @param start   Of the set-up arena, where the programs begin.
 * @param memory  What earlier tries found.
 */
static snug_status plan_within(snug_session *session, int64_t left, snug_mark start,
                               plan_memory *memory, snug_error *err)
{
    snug_arena scratch;
    forget_programs(session, start);
    snug_heap_arena_init(&scratch, "planner", SNUG_CATEGORY_RUNTIME, PLAN_SCRATCH_BLOCK_BYTES);
    session->plan_error = (snug_error){0};
    session->plan_status =
        plan_programs(session, left, false, memory, &scratch, &session->plan_error);
    snug_status smallest = session->plan_status;
    /* The smallest plans are made all the same, so that the tables can be shown. The second try is
     * for the program that is not for training: its least is only known once the other fits. */
    for (int32_t i = 0; i < 2 && smallest == SNUG_CODE_BUDGET; i++) {
        snug_error ignored = {0};
        forget_programs(session, start);
        smallest = plan_programs(session, session->plan_facts.minimum_arena_bytes, true, memory,
                                 &scratch, &ignored);
        if (snug_failed(smallest) && smallest != SNUG_CODE_BUDGET) {
            session->plan_error = ignored;
        }
    }
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_RUNTIME);
    if (snug_failed(smallest) && smallest != SNUG_CODE_BUDGET) {
        *err = session->plan_error;
        return snug_error_pass(err, smallest, __FILE__, __LINE__);
    }
    /* The programs were added to the set-up arena after it was measured. */
    if (!snug_failed(smallest)) {
        SNUG_TRY(snug_session_rehearse(session, err));
    }
    SNUG_TRY(measure_bytes(session, err));
    session->predicted_peak_bytes = beside_arena(session) + session->arena_bytes;
    session->minimum_budget_bytes = beside_arena(session) - snug_session_second_bytes(session) +
                                    session->plan_facts.minimum_arena_bytes + FLOOR_SLACK_BYTES;
    return SNUG_OK;
}

/** "; data.window=5895 or optimizer.name=sgd would fit", as far as something does. */
static void name_knobs(const snug_session *session, snug_text *text)
{
    for (int32_t i = 0; i < session->knob_count; i++) {
        snug_text_add(text, "%s%s=%s", i == 0 ? snug_translated("; would fit: ") : ", ",
                      session->knobs[i].knob->key, session->knobs[i].value);
    }
}

/** The budget is too small: the one that is not, where the bytes go, and what would change it. */
static void say_too_small(snug_session *session)
{
    char asked[SNUG_SIZE_TEXT_BYTES], beside[SNUG_SIZE_TEXT_BYTES], arena[SNUG_SIZE_TEXT_BYTES];
    char list[512], other[320];
    snug_plan_peak peak;
    snug_text text, changes;
    snug_text_init(&text, list, sizeof list);
    snug_text_init(&changes, other, sizeof other);
    snug_plan_find_peak(snug_session_peak_program(session), &peak);
    snug_plan_name_consumers(&peak, &snug_session_main(session)->graph, &text);
    session->knob_count = session->has_train ? snug_session_knobs(session, session->knobs) : 0;
    name_knobs(session, &changes);
    if (session->minimum_budget_bytes > beside_arena(session) - snug_session_second_bytes(session) +
                                            session->plan_facts.minimum_arena_bytes +
                                            FLOOR_SLACK_BYTES) {
        snug_text_say(&changes, "; what was prepared is kept: the next run may need less");
    }
    session->plan_error = (snug_error){0};
    session->plan_status = SNUG_FAIL(
        &session->plan_error, SNUG_CODE_BUDGET,
        "a budget of %s is too small: the smallest that fits is --budget %lldMiB (program, data "
        "and buffers %s, arena %s; largest in it: %s)%s",
        snug_size_text(session->budget.bytes, asked),
        (long long)snug_ceil_div(session->minimum_budget_bytes, 1 << 20),
        snug_size_text(beside_arena(session), beside),
        snug_size_text(session->plan_facts.minimum_arena_bytes - snug_session_second_bytes(session),
                       arena),
        list, other);
}

/** Preparing the data and measuring costs took memory for a while; the kernel remembers. */
static snug_status count_preparation(snug_session *session, snug_error *err)
{
    snug_process_memory memory;
    SNUG_TRY(snug_procfs_process("", 0, &memory, err));
    session->predicted_peak_bytes =
        snug_max_i64(session->predicted_peak_bytes, memory.resident_peak_bytes);
    session->minimum_budget_bytes =
        snug_max_i64(session->minimum_budget_bytes, memory.resident_peak_bytes + TOUCH_BYTES);
    return SNUG_OK;
}

snug_status snug_session_plan_again(snug_session *session, int64_t arena_bytes, snug_error *err)
{
    const int64_t promised = session->predicted_peak_bytes;
    const int64_t least = session->minimum_budget_bytes;
    SNUG_ASSERT(arena_bytes >= session->plan_facts.minimum_arena_bytes);
    plan_memory memory;
    open_memory(&memory);
    const snug_status status =
        plan_within(session, arena_bytes, session->programs_mark, &memory, err);
    close_memory(&memory);
    session->now_peak_bytes = session->predicted_peak_bytes;
    session->predicted_peak_bytes = promised;
    session->minimum_budget_bytes = least;
    return status;
}

snug_status snug_session_plan_curve(const snug_session *session, snug_plan_facts *out,
                                    snug_error *err)
{
    snug_status status = SNUG_OK;
    const bool predict = session->purpose == SNUG_PURPOSE_PREDICT;
    snug_graph graph = snug_session_main(session)->graph;
    plan_memory memory;
    snug_arena scratch, programs;
    snug_step_plan step;
    snug_program forward;
    open_memory(&memory);
    snug_heap_arena_init(&scratch, "planner", SNUG_CATEGORY_RUNTIME, PLAN_SCRATCH_BLOCK_BYTES);
    snug_heap_arena_init(&programs, "programs", SNUG_CATEGORY_RUNTIME, PLAN_SCRATCH_BLOCK_BYTES);
    const snug_plan_request request = {.graph = &graph,
                                       .mode = predict ? SNUG_PLAN_PREDICT : SNUG_PLAN_EVAL,
                                       .batch = session->batch,
                                       .threads = session->threads,
                                       .costs = session->has_costs ? &session->costs : NULL,
                                       .memo = &memory.memos[0],
                                       .scratch = &scratch};
    if (session->has_train) {
        SNUG_TRY_DONE(snug_plan_make_step(&request, snug_session_passes(&session->settings),
                                          session->second_bytes, &programs, &step, out, err));
    } else {
        SNUG_TRY_DONE(snug_plan_make(&request, &programs, &forward, out, err));
    }

done:
    snug_heap_arena_deinit(&programs, SNUG_CATEGORY_RUNTIME);
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_RUNTIME);
    close_memory(&memory);
    return status;
}

/** Tries budgets of the arena until the promise is right. */
static snug_status try_budgets(snug_session *session, plan_memory *memory, snug_error *err)
{
    const snug_mark start = session->programs_mark;
    for (int32_t i = 0; i < PLAN_TRIES; i++) {
        /* A budget of 0 means no limit to the planner; one that is spent must still fail. The last
         * try is the smallest plan: its program is short, and so takes the least itself. */
        const int64_t beside =
            session->budget.bytes - beside_arena(session) + snug_session_second_bytes(session);
        const bool last = i == PLAN_TRIES - 1;
        const int64_t left = last ? session->plan_facts.minimum_arena_bytes : beside;
        SNUG_TRY(plan_within(session, snug_max_i64(1, left), start, memory, err));
        /* Planning itself touches pages of the program and grows the set-up arena: when the plan
         * used up all that was left before, there is now too little, and it is made again. When
         * there was too little only because of the long program before, it is made again too. */
        const bool within = session->predicted_peak_bytes <= session->budget.bytes;
        if (within != snug_failed(session->plan_status)) {
            break;
        }
    }
    return SNUG_OK;
}

snug_status snug_session_make_plan(snug_session *session, snug_error *err)
{
    plan_memory memory;
    session->programs_mark = snug_arena_mark(&session->setup);
    SNUG_TRY(measure_bytes(session, err));
    open_memory(&memory);
    const snug_status status = try_budgets(session, &memory, err);
    close_memory(&memory);
    if (snug_failed(status)) {
        return snug_error_pass(err, status, __FILE__, __LINE__);
    }
    SNUG_TRY(count_preparation(session, err));
    session->fits = !snug_failed(session->plan_status) &&
                    session->predicted_peak_bytes <= session->budget.bytes;
    if (!session->fits) {
        say_too_small(session);
    }
    return SNUG_OK;
}

const char *snug_plan_category_name(int64_t category)
{
    SNUG_ASSERT(category >= 0 && category < SNUG_PLAN_CATEGORIES);
    return snug_category_name((snug_category)category);
}

void snug_session_plan(const snug_session *session, snug_plan_summary *out)
{
    const snug_program *program = snug_session_program(session);
    const snug_session_bytes *bytes = &session->bytes;
    snug_plan_peak peak;
    int64_t sum = 0;
    *out = (snug_plan_summary){.fits = session->fits,
                               .budget_bytes = session->budget.bytes,
                               .predicted_peak_bytes = session->predicted_peak_bytes,
                               .minimum_budget_bytes = session->minimum_budget_bytes,
                               .micro_batch = program->micro_batch,
                               .accumulation = snug_ceil_div(session->batch, program->micro_batch),
                               .time_ratio = 1.0,
                               .isa = snug_isa_name(session->isa),
                               .threads = session->threads};
    out->passes = session->has_train ? snug_session_main(session)->step.passes : 1;
    out->step_seconds = session->has_train ? snug_session_seconds(session) : 0.0;
    out->costs_measured = session->has_costs;
    if (session->plan_facts.unlimited_seconds > 0.0) {
        out->time_ratio = snug_session_seconds(session) / session->plan_facts.unlimited_seconds;
    }
    snug_plan_find_peak(snug_session_peak_program(session), &peak);
    memcpy(out->category_bytes, peak.category_bytes, sizeof peak.category_bytes);
    out->category_bytes[SNUG_CATEGORY_DATA] += bytes->source;
    out->category_bytes[SNUG_CATEGORY_RUNTIME] +=
        bytes->floor + bytes->setup + bytes->threads + bytes->buffers + bytes->watch;
    for (int64_t c = 0; c < SNUG_PLAN_CATEGORIES; c++) {
        sum += out->category_bytes[c];
    }
    /* What the packing leaves between buffers, or a larger evaluation program, is workspace. */
    out->category_bytes[SNUG_CATEGORY_WORKSPACE] += session->predicted_peak_bytes - sum;
}

static void write_knobs(const snug_session *session, snug_json_writer *json)
{
    snug_json_array_begin(json);
    for (int32_t i = 0; i < session->knob_count; i++) {
        const snug_session_knob *knob = &session->knobs[i];
        snug_json_object_begin(json);
        snug_json_key(json, "key");
        snug_json_string(json, knob->knob->key);
        snug_json_key(json, "value");
        snug_json_string(json, knob->value);
        snug_json_key(json, "minimum_budget_bytes");
        snug_json_i64(json, knob->minimum_budget_bytes);
        snug_json_key(json, "changes");
        snug_json_string(json, knob->knob->changes);
        snug_json_object_end(json);
    }
    snug_json_array_end(json);
}

/** Bytes of parameters and states by where they live. */
static void write_tiers(const snug_session *session, snug_json_writer *json)
{
    int64_t bytes[SNUG_HOME_COUNT];
    snug_plan_tiers(snug_session_program(session), bytes);
    snug_json_object_begin(json);
    for (int32_t h = 0; h < SNUG_HOME_COUNT; h++) {
        snug_json_key(json, snug_home_name((snug_home)h));
        snug_json_i64(json, bytes[h]);
    }
    snug_json_object_end(json);
}

static void write_json(const snug_session *session, snug_text *text)
{
    snug_plan_summary plan;
    snug_json_writer json;
    snug_session_plan(session, &plan);
    snug_json_writer_init(&json, text, true);
    snug_json_object_begin(&json);
    snug_json_key(&json, "schema");
    snug_json_string(&json, "snug.plan/1");
    snug_json_key(&json, "fits");
    snug_json_bool(&json, plan.fits);
    const struct {
        const char *name;
        int64_t value;
    } integers[] = {{"budget_bytes", plan.budget_bytes},
                    {"predicted_peak_bytes", plan.predicted_peak_bytes},
                    {"minimum_budget_bytes", plan.minimum_budget_bytes},
                    {"arena_bytes", session->arena_bytes},
                    {"batch", session->batch},
                    {"micro_batch", plan.micro_batch},
                    {"accumulation", plan.accumulation},
                    {"passes", plan.passes},
                    {"threads", plan.threads},
                    {"parameters", session->parameter_count},
                    {"steps", session->step_count}};
    for (int64_t i = 0; i < SNUG_COUNT(integers); i++) {
        snug_json_key(&json, integers[i].name);
        snug_json_i64(&json, integers[i].value);
    }
    snug_json_key(&json, "categories");
    snug_json_object_begin(&json);
    for (int64_t c = 0; c < SNUG_PLAN_CATEGORIES; c++) {
        snug_json_key(&json, snug_plan_category_name(c));
        snug_json_i64(&json, plan.category_bytes[c]);
    }
    snug_json_object_end(&json);
    snug_json_key(&json, "tiers");
    write_tiers(session, &json);
    snug_json_key(&json, "time_ratio");
    snug_json_f64(&json, plan.time_ratio);
    snug_json_key(&json, "step_seconds");
    snug_json_f64(&json, session->has_train ? plan.step_seconds : NAN);
    snug_json_key(&json, "costs");
    snug_json_string(&json, plan.costs_measured ? "measured" : "default");
    snug_json_key(&json, "isa");
    snug_json_string(&json, plan.isa);
    snug_json_key(&json, "precision");
    snug_json_string(&json, session->settings.training_precision);
    snug_json_key(&json, "budget_origin");
    snug_json_string(&json, session->budget.origin);
    if (!plan.fits) {
        snug_json_key(&json, "why");
        snug_json_string(&json, session->plan_error.message);
        snug_json_key(&json, "knobs");
        write_knobs(session, &json);
    }
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
}

static void write_bar(snug_text *text, int64_t bytes, int64_t total)
{
    const int64_t cells = total > 0 ? (bytes * 30 + total / 2) / total : 0;
    for (int64_t i = 0; i < cells; i++) {
        snug_text_add(text, "#");
    }
    snug_text_add(text, "\n");
}

static void explain_programs(const snug_session *session, snug_text *text)
{
    const snug_session_bucket *bucket = snug_session_main(session);
    if (session->has_train && bucket->step.passes > 1) {
        snug_text_say(text, "First pass, measures gradients:\n");
        snug_plan_explain(&bucket->step.measure, &bucket->graph, text);
        snug_text_say(text, "Second pass, applies them:\n");
    }
    snug_plan_explain(snug_session_program(session), &bucket->graph, text);
}

static void write_text(const snug_session *session, snug_text *text)
{
    snug_plan_summary plan;
    char size[SNUG_SIZE_TEXT_BYTES], other[SNUG_SIZE_TEXT_BYTES];
    snug_session_plan(session, &plan);
    session->family->describe(session, text);
    if (snug_family_narrow(&session->settings)) {
        snug_text_say(text, "Precision  activations are rounded to bf16, which changes the result; "
                            "arithmetic, weights and gradients are fp32\n");
    }
    snug_text_say(text, "Budget     %s: %s\n\n", snug_size_text(plan.budget_bytes, size),
                  session->budget.origin);
    snug_text_cell(text, -12, snug_translated("Category"));
    snug_text_cell(text, 14, snug_translated("bytes"));
    snug_text_cell(text, 8, snug_translated("share"));
    snug_text_add(text, "\n");
    for (int64_t c = 0; c < SNUG_PLAN_CATEGORIES; c++) {
        snug_text_cell(text, -12, snug_translated(snug_plan_category_name(c)));
        snug_text_add(text, "%14s%6.1f %%  ", snug_size_text(plan.category_bytes[c], size),
                      100.0 * (double)plan.category_bytes[c] / (double)plan.predicted_peak_bytes);
        write_bar(text, plan.category_bytes[c], plan.predicted_peak_bytes);
    }
    snug_text_cell(text, -12, snug_translated("peak"));
    snug_text_say(text, "%14s  of %s (%.0f %%)\n\n",
                  snug_size_text(plan.predicted_peak_bytes, size),
                  snug_size_text(plan.budget_bytes, other),
                  100.0 * (double)plan.predicted_peak_bytes / (double)plan.budget_bytes);
    snug_text_say(text, "Batch      %lld = %lld x %lld   smallest budget that fits %s\n",
                  (long long)session->batch, (long long)plan.micro_batch,
                  (long long)plan.accumulation, snug_size_text(plan.minimum_budget_bytes, size));
    if (plan.passes > 1) {
        snug_text_say(text, "Passes     2: gradients are measured, then made again and applied\n");
    }
    snug_text_say(text, "Time       %.2f x the fastest plan, %s, %lld threads\n", plan.time_ratio,
                  plan.isa, (long long)plan.threads);
    if (session->has_train) {
        snug_text_say(text, "Step       about %.3g s, by %s costs\n", plan.step_seconds,
                      snug_translated(plan.costs_measured ? "this machine's" : "default"));
    }
    explain_programs(session, text);
    if (session->fits) {
        snug_text_say(text, "fits.\n");
    } else {
        snug_text_say(text, "does not fit: %s\n", session->plan_error.message);
        for (int32_t i = 0; i < session->knob_count; i++) {
            const snug_session_knob *knob = &session->knobs[i];
            snug_text_say(text, "  %s=%s would fit (from %s): %s\n", knob->knob->key, knob->value,
                          snug_size_text(knob->minimum_budget_bytes, size),
                          snug_translated(knob->knob->changes));
        }
    }
}

snug_status snug_session_plan_write(const snug_session *session, snug_format format,
                                    snug_write write, void *context, snug_error *err)
{
    void *memory = NULL;
    snug_text text;
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, REPORT_BYTES, false, &memory, err));
    snug_text_init(&text, memory, REPORT_BYTES);
    if (format == SNUG_FORMAT_JSON) {
        write_json(session, &text);
    } else {
        write_text(session, &text);
    }
    write(context, text.data, text.length);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, memory, REPORT_BYTES);
    return SNUG_OK;
}

/** What each name of the plan stands for, in a sentence. */
static const struct {
    const char *key;
    const char *text;
} EXPLANATIONS[] = {
    {"weights", "f32 parameters of the model; they live through the run"},
    {"gradients",
     "one f32 for each trainable parameter, from its first contribution to the update"},
    {"optimizer", "the optimizer's moments: two f32 a parameter for adam and adamw, two bytes for "
                  "adamw8, next to nothing for adafactor"},
    {"activations", "what forward keeps for backward, the tiles in flight and their gradients"},
    {"workspace", "scratch of kernels, packed weights, and the gaps that packing leaves"},
    {"data", "index, loader ring, chunk cache, and the inputs and targets in the arena"},
    {"runtime", "program, libraries, stacks, graph and plan, checkpoint buffer"},
    {"micro_batch",
     "samples that are computed at once; the plan's choice, it never changes the result"},
    {"accumulation", "micro-batches that make one global batch"},
    {"passes",
     "2 where a step makes the gradients twice: to measure them for clipping, and to use "
     "each as soon as it is there; 1 where all are in memory at once, or none is clipped"},
    {"step_seconds", "predicted time of a training step, reading samples included"},
    {"time_ratio", "predicted time of a step over that of the fastest plan without a budget"},
};

snug_status snug_session_explain(const snug_session *session, const char *key, snug_write write,
                                 void *context, snug_error *err)
{
    const char *names[SNUG_COUNT(EXPLANATIONS) + 1];
    char line[2048], size[SNUG_SIZE_TEXT_BYTES];
    snug_text text;
    snug_plan_summary plan;
    snug_text_init(&text, line, sizeof line);
    snug_session_plan(session, &plan);
    if (strcmp(key, "budget") == 0) {
        snug_text_add(&text, "budget = %s: %s\n", snug_size_text(plan.budget_bytes, size),
                      session->budget.origin);
    }
    for (int64_t i = 0; i < SNUG_COUNT(EXPLANATIONS) && text.length == 0; i++) {
        if (strcmp(key, EXPLANATIONS[i].key) != 0) {
            continue;
        }
        if (i < SNUG_PLAN_CATEGORIES) {
            snug_text_add(&text, "%s = %s: ", key, snug_size_text(plan.category_bytes[i], size));
        } else if (strcmp(key, "time_ratio") == 0) {
            snug_text_add(&text, "%s = %.3f: ", key, plan.time_ratio);
        } else if (strcmp(key, "step_seconds") == 0) {
            snug_text_add(&text, "%s = %.3g: ", key, plan.step_seconds);
        } else {
            snug_text_add(&text, "%s = %" PRId64 ": ", key,
                          key[0] == 'm'   ? plan.micro_batch
                          : key[0] == 'p' ? plan.passes
                                          : plan.accumulation);
        }
        snug_text_add(&text, "%s\n", snug_translated(EXPLANATIONS[i].text));
    }
    if (text.length == 0) {
        for (int64_t i = 0; i < SNUG_COUNT(EXPLANATIONS); i++) {
            names[i] = EXPLANATIONS[i].key;
        }
        names[SNUG_COUNT(EXPLANATIONS)] = "budget";
        const char *nearest = snug_nearest_name(key, names, SNUG_COUNT(names));
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "the plan has no '%s'%s%s%s", key,
                         nearest == NULL ? "" : "; did you mean '", nearest == NULL ? "" : nearest,
                         nearest == NULL ? "" : "'?");
    }
    write(context, text.data, text.length);
    return SNUG_OK;
}
