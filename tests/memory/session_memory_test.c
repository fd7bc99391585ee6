/* A session against its plan: a step asks for nothing, what is used was planned, and whichever
 * request of the set-up fails, everything is given back. */
#include "check.h"

#include "memory/count_allocations.h"

#include <dirent.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/checked.h"
#include "data/timeseries/timeseries.h"
#include "snug/config.h"
#include "snug/data.h"
#include "snug/language.h"
#include "snug/session.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/heap.h"
#include "train/session.h"

enum { PAGE = 4096, OVERRIDES_MAX = 32 };

/* One folder with sessions and a run; made once. */
static char folder[64] = "./session-memory-XXXXXX";
static char data_path[128];
static char run_path[128];

static int make_data(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(data_path, sizeof data_path, "data.path=%s/sessions", folder);
    (void)snprintf(run_path, sizeof run_path, "%s/run", folder);
    const snug_data_generate_options options = {.out = data_path + strlen("data.path="),
                                                .sessions = 4,
                                                .rows = 2000,
                                                .channels = 4,
                                                .targets = 2,
                                                .rate = 1000.0,
                                                .seed = 5};
    snug_data_result result;
    CHECK_OK(snug_data_generate(&options, &result, &err));
    assert_int_equal(result.files, 4);
    return 0;
}

static int remove_data(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    CHECK_OK(snug_folder_remove(folder, &err));
    return 0;
}

/** The tiny configuration with some more words, ended by NULL. */
static snug_status open_config(const char *const *words, snug_config **out, snug_error *err)
{
    const char *overrides[OVERRIDES_MAX] = {data_path,
                                            "data.window=200",
                                            "data.stride=20",
                                            "data.split_ratio=[0.5,0.25,0.25]",
                                            "training.batch_size=8",
                                            "training.log_every_steps=1",
                                            "training.eval_every_steps=1000",
                                            "training.checkpoint_every_steps=1000",
                                            "threads=2"};
    int64_t count = 9;
    for (; *words != NULL; words++) {
        CHECK(count < OVERRIDES_MAX);
        overrides[count++] = *words;
    }
    return snug_config_open(&(snug_config_options){.config = "timeseries_small",
                                                   .profile = "quick_demo",
                                                   .overrides = overrides,
                                                   .override_count = count},
                            out, err);
}

static snug_heap_usage usage(void)
{
    snug_heap_usage now;
    snug_heap_usage_read(&now);
    return now;
}

/** Entries of a folder of /proc/self: open files, threads. */
static int64_t count_entries(const char *path)
{
    int64_t count = 0;
    DIR *const opened = opendir(path);
    CHECK(opened != NULL);
    while (readdir(opened) != NULL) {
        count++;
    }
    CHECK(closedir(opened) == 0);
    return count;
}

/** Who watches: counts between two steps, and remembers what is in use in the first of them. */
typedef struct watcher {
    int64_t first, last; /* Counted: from the end of one callback to the begin of the other. */
    allocation_counts counts;
    snug_heap_usage used;
    int64_t steps, evaluations, checkpoints, warnings;
    snug_session *stop; /* After step `last`; NULL: not at all. */
    bool shrinks;       /* After every step the plan is made again, in less. */
    int32_t passes;     /* Of the last plan. */
} watcher;

static snug_session *session_of_shrinks;

static void on_step(void *context, const snug_step_report *report)
{
    watcher *const self = context;
    if (report->step == self->last) {
        self->counts = count_allocations_end();
        if (self->stop != NULL) {
            snug_session_stop(self->stop);
        }
    }
    if (self->shrinks &&
        session_of_shrinks->arena_bytes + snug_session_second_bytes(session_of_shrinks) >
            session_of_shrinks->plan_facts.minimum_arena_bytes) {
        snug_error err = {0};
        /* This model would not gain by it; another that is pressed for memory does by itself. */
        (void)snprintf(session_of_shrinks->settings.training_clip_passes,
                       sizeof session_of_shrinks->settings.training_clip_passes, "2");
        CHECK_OK(snug_session_shrink(session_of_shrinks, &err));
        self->passes = snug_session_main(session_of_shrinks)->step.passes;
        self->used = usage();
    }
    self->steps++;
    if (report->step == self->first) {
        self->used = usage();
        count_allocations_begin();
    }
}

static void on_evaluation(void *context, const snug_evaluation *report)
{
    ((watcher *)context)->evaluations++;
    CHECK(report->item_count == 2);
}

static void on_checkpoint(void *context, const snug_checkpoint_report *report)
{
    ((watcher *)context)->checkpoints++;
    CHECK(report->bytes > 0);
}

static void on_message(void *context, snug_message_level level, const char *text)
{
    SNUG_UNUSED(text);
    ((watcher *)context)->warnings += level == SNUG_MESSAGE_WARNING;
}

static snug_observer observe(watcher *self)
{
    return (snug_observer){.context = self,
                           .step = on_step,
                           .evaluation = on_evaluation,
                           .checkpoint = on_checkpoint,
                           .message = on_message};
}

/** Opens and trains; the session is the caller's, and NULL when it could not be opened. */
static snug_status run(const char *const *words, const char *out, watcher *self,
                       snug_session **out_session, snug_run_summary *out_summary, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_config *config = NULL;
    const snug_observer observer = observe(self);
    SNUG_TRY_DONE(open_config(words, &config, err));
    const snug_session_options options = {
        .purpose = SNUG_PURPOSE_TRAIN, .budget = "200MiB", .out = out};
    SNUG_TRY_DONE(snug_session_open(config, &options, out_session, err));
    if (self->stop != NULL) {
        self->stop = *out_session;
    }
    session_of_shrinks = *out_session;
    SNUG_TRY_DONE(snug_session_train(*out_session, &observer, out_summary, err));

done:
    snug_config_close(config);
    return status;
}

static void a_step_asks_for_nothing(void **state)
{
    SNUG_UNUSED(state);
    static const char *const workers[] = {"data.num_workers=0", "data.num_workers=2"};
    /* A plain stretch of steps, and one with an evaluation and a checkpoint in it. */
    static const char *const more[][3] = {
        {"training.eval_every_steps=1000", NULL},
        {"training.eval_every_steps=5", "training.checkpoint_every_steps=7", NULL},
        {"training.clip_passes=2", NULL}};
    if (!count_allocations_work()) {
        print_message("skipped: a sanitizer has an allocator of its own\n");
        skip();
    }
    for (int64_t w = 0; w < SNUG_COUNT(workers); w++) {
        for (int64_t m = 0; m < SNUG_COUNT(more); m++) {
            const char *const words[] = {workers[w], "training.max_steps=12", more[m][0],
                                         more[m][1], NULL};
            snug_error err = {0};
            snug_session *session = NULL;
            snug_run_summary summary;
            watcher self = {.first = 3, .last = 9};
            CHECK_OK(snug_folder_remove(run_path, &err));
            CHECK_OK(run(words, run_path, &self, &session, &summary, &err));
            snug_session_close(session);
            assert_int_equal(self.steps, 12);
            assert_int_equal(self.evaluations, m == 1 ? 3 : 1);
            CHECK(self.checkpoints >= (m == 1 ? 2 : 1));
            assert_int_equal(self.counts.requests, 0);
            assert_int_equal(summary.allocations_after_seal, 0);
            assert_int_equal(self.warnings, 0);
        }
    }
}

/** The bytes of a category in use are those planned, to the page of each of a few requests. */
static void check_planned(const char *name, int64_t planned, int64_t used, int64_t requests)
{
    if (used > planned + requests * PAGE || used < planned - requests * PAGE) {
        print_error("%s: planned %lld bytes, %lld are in use\n", name, (long long)planned,
                    (long long)used);
        fail();
    }
}

static void what_is_used_is_what_was_planned(void **state)
{
    SNUG_UNUSED(state);
    static const char *const cases[][4] = {
        {"data.num_workers=0", "threads=1", "training.max_steps=2", NULL},
        {"data.num_workers=3", "threads=3", "training.max_steps=2", NULL},
        {"training.clip_passes=2", "threads=2", "training.max_steps=2", NULL},
        {"training.compute_metrics_online=false", "training.batch_size=32", "training.max_steps=2",
         NULL}};
    for (int64_t i = 0; i < SNUG_COUNT(cases); i++) {
        snug_error err = {0};
        snug_session *session = NULL;
        snug_run_summary summary;
        snug_plan_summary plan;
        watcher self = {.first = 1, .last = 2};
        const snug_heap_usage before = usage();
        CHECK_OK(snug_folder_remove(run_path, &err));
        CHECK_OK(run(cases[i], run_path, &self, &session, &summary, &err));
        snug_session_plan(session, &plan);
        int64_t used[SNUG_CATEGORY_COUNT];
        int64_t sum = 0;
        for (int64_t c = 0; c < SNUG_CATEGORY_COUNT; c++) {
            used[c] = self.used.current_bytes[c] - before.current_bytes[c];
            sum += plan.category_bytes[c];
        }
        assert_int_equal(sum, plan.predicted_peak_bytes);
        const snug_session_bytes *const bytes = &session->bytes;
        /* The arena is one request under one name; its parts are the plan's. */
        check_planned("arena", session->arena_bytes, used[SNUG_CATEGORY_ACTIVATIONS], 1);
        check_planned("data", bytes->source, used[SNUG_CATEGORY_DATA], 1);
        check_planned("runtime", bytes->setup + bytes->threads + bytes->buffers + bytes->watch,
                      used[SNUG_CATEGORY_RUNTIME], 2 + session->threads);
        assert_int_equal(used[SNUG_CATEGORY_WEIGHTS] + used[SNUG_CATEGORY_GRADIENTS] +
                             used[SNUG_CATEGORY_OPTIMIZER] + used[SNUG_CATEGORY_WORKSPACE],
                         0);
        snug_session_close(session);
        for (int64_t c = 0; c < SNUG_CATEGORY_COUNT; c++) {
            assert_int_equal(usage().current_bytes[c], before.current_bytes[c]);
        }
    }
}

/* Under pressure a run may go over from one pass to two: the same bits, and still nothing hidden.
 */
static void a_plan_made_again_may_take_two_passes(void **state)
{
    SNUG_UNUSED(state);
    static const char *const words[] = {"training.batch_size=2", "training.clip_norm=0.01",
                                        "training.max_steps=10", "data.num_workers=1", NULL};
    snug_run_summary summaries[2];
    int64_t peak = 0;
    for (int32_t i = 0; i < 2; i++) {
        snug_error err = {0};
        snug_session *session = NULL;
        watcher self = {.shrinks = i == 1};
        const snug_heap_usage before = usage();
        CHECK_OK(snug_folder_remove(run_path, &err));
        CHECK_OK(run(words, run_path, &self, &session, &summaries[i], &err));
        assert_int_equal(summaries[i].steps, 10);
        assert_int_equal(summaries[i].allocations_after_seal, 0);
        if (i == 0) {
            assert_int_equal(snug_session_main(session)->step.passes, 1);
            peak = session->predicted_peak_bytes;
        } else {
            assert_int_equal(self.passes, 2);
            CHECK(session->now_peak_bytes < peak);
            CHECK(session->arena_bytes + snug_session_second_bytes(session) ==
                  session->plan_facts.minimum_arena_bytes);
            const snug_session_bytes *const bytes = &session->bytes;
            check_planned("runtime", bytes->setup + bytes->threads + bytes->buffers + bytes->watch,
                          self.used.current_bytes[SNUG_CATEGORY_RUNTIME] -
                              before.current_bytes[SNUG_CATEGORY_RUNTIME],
                          2 + session->threads);
        }
        snug_session_close(session);
    }
    assert_string_equal(summaries[0].weights_sha256, summaries[1].weights_sha256);
    assert_string_equal(summaries[0].loss_sha256, summaries[1].loss_sha256);
}

static void every_failing_request_is_a_clean_error(void **state)
{
    SNUG_UNUSED(state);
    static const char *const words[] = {"data.num_workers=2", "training.max_steps=1", NULL};
    const snug_heap_usage before = usage();
    const int64_t files = count_entries("/proc/self/fd");
    const int64_t threads = count_entries("/proc/self/task");
    int64_t failures = 0, warnings = 0;
    for (int64_t n = 1;; n++) {
        snug_error err = {0};
        snug_session *session = NULL;
        snug_run_summary summary = {.steps = -1};
        watcher self = {0};
        assert_in_range(n, 1, 1000);
        CHECK_OK(snug_folder_remove(run_path, &err));
        snug_heap_fail_at(n);
        const snug_status status = run(words, run_path, &self, &session, &summary, &err);
        snug_heap_fail_at(0);
        if (snug_failed(status)) {
            assert_int_equal(status, SNUG_CODE_MEMORY);
            assert_int_equal(err.code, SNUG_CODE_MEMORY);
            CHECK(err.message[0] != '\0');
            assert_int_equal(summary.steps, -1);
            assert_int_equal(self.steps, 0);
            CHECK(!snug_heap_sealed());
            failures++;
        }
        snug_session_close(session);
        for (int64_t c = 0; c < SNUG_CATEGORY_COUNT; c++) {
            assert_int_equal(usage().current_bytes[c], before.current_bytes[c]);
        }
        assert_int_equal(count_entries("/proc/self/fd"), files);
        /* A thread that was joined is listed a moment longer. */
        for (int i = 0; i < 1000 && count_entries("/proc/self/task") != threads; i++) {
            snug_clock_sleep_ns(1000000);
        }
        assert_int_equal(count_entries("/proc/self/task"), threads);
        warnings += self.warnings;
        if (!snug_failed(status) && self.warnings == 0) {
            assert_int_equal(summary.steps, 1);
            break;
        }
    }
    print_message("%lld requests failed one by one, and %lld of the picture and the page\n",
                  (long long)failures, (long long)warnings);
    /* Configuration, session, index, graph, plans, pool, stacks, loader, arena, buffers. */
    CHECK(failures >= 10);
    /* The picture asks once, the page twice. */
    assert_int_equal(warnings, 3);
}

static void a_failed_set_up_can_be_tried_again(void **state)
{
    SNUG_UNUSED(state);
    static const char *const words[] = {"data.num_workers=1", "training.max_steps=2", NULL};
    snug_error err = {0};
    snug_config *config = NULL;
    snug_session *session = NULL;
    snug_run_summary first, second;
    const snug_session_options options = {.purpose = SNUG_PURPOSE_TRAIN, .budget = "200MiB"};
    CHECK_OK(open_config(words, &config, &err));
    CHECK_OK(snug_session_open(config, &options, &session, &err));
    snug_heap_fail_at(3);
    CHECK_FAILS(snug_session_train(session, NULL, &first, &err), SNUG_CODE_MEMORY);
    snug_heap_fail_at(0);
    CHECK_OK(snug_session_train(session, NULL, &first, &err));
    snug_session_close(session);
    CHECK_OK(snug_session_open(config, &options, &session, &err));
    CHECK_OK(snug_session_train(session, NULL, &second, &err));
    snug_session_close(session);
    snug_config_close(config);
    assert_string_equal(first.weights_sha256, second.weights_sha256);
    assert_string_equal(first.loss_sha256, second.loss_sha256);
}

static void a_stopped_session_is_saved_and_goes_on(void **state)
{
    SNUG_UNUSED(state);
    static const char *const words[] = {"data.num_workers=1", "training.max_steps=7", NULL};
    snug_error err = {0};
    snug_session *session = NULL;
    snug_run_summary whole, part, rest;
    watcher self = {0};
    CHECK_OK(snug_folder_remove(run_path, &err));
    CHECK_OK(run(words, NULL, &self, &session, &whole, &err));
    assert_int_equal(self.checkpoints, 0);
    snug_session_close(session);
    session = NULL;

    snug_session *marker = (snug_session *)(uintptr_t)1; /* Replaced by the run's own. */
    self = (watcher){.first = 1, .last = 3, .stop = marker};
    CHECK_FAILS(run(words, run_path, &self, &session, &part, &err), SNUG_CODE_INTERRUPTED);
    snug_session_close(session);
    CHECK(part.interrupted);
    assert_int_equal(part.steps, 3);
    assert_int_equal(self.checkpoints, 1);

    snug_config *config = NULL;
    CHECK_OK(open_config(words, &config, &err));
    const snug_session_options options = {
        .purpose = SNUG_PURPOSE_TRAIN, .budget = "200MiB", .out = run_path, .resume = true};
    CHECK_OK(snug_session_open(config, &options, &session, &err));
    CHECK_OK(snug_session_train(session, NULL, &rest, &err));
    snug_session_close(session);
    snug_config_close(config);
    CHECK(!rest.interrupted);
    assert_int_equal(rest.steps, 7);
    assert_string_equal(rest.weights_sha256, whole.weights_sha256);
    assert_string_equal(rest.loss_sha256, whole.loss_sha256);
}

int main(int argc, char **argv)
{
    snug_heap_tame_malloc();
    if (argc > 1 && snug_language_use(SNUG_LOCALE, argv[1], NULL) != SNUG_OK) {
        print_message("skipped: there are no messages of %s in %s\n", argv[1], SNUG_LOCALE);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_asks_for_nothing),
        cmocka_unit_test(what_is_used_is_what_was_planned),
        cmocka_unit_test(a_plan_made_again_may_take_two_passes),
        cmocka_unit_test(every_failing_request_is_a_clean_error),
        cmocka_unit_test(a_failed_set_up_can_be_tried_again),
        cmocka_unit_test(a_stopped_session_is_saved_and_goes_on),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}
