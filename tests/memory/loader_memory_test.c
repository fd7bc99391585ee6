#include "check.h"
#include "data/timeseries/timeseries_files.h"
#include "session_files.h"

/* A sanitizer maps shadow memory as it goes; the limit on the whole process would stop it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool limit_process = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
static const bool limit_process = false;
#else
static const bool limit_process = true;
#endif
#else
static const bool limit_process = true;
#endif

/* Peak resident bytes of this process so far. */
static int64_t peak_rss_bytes(void)
{
    char text[4096];
    int64_t bytes = 0;
    snug_error err = {0};
    CHECK_OK(snug_file_read_into("/proc/self/status", text, sizeof text, &bytes, &err));
    const char *const line = strstr(text, "VmHWM:");
    CHECK(line != NULL);
    return strtoll(line + 6, NULL, 10) * 1024;
}

static void many_files_cost_their_names_only(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    sessions self;
    sessions_begin(&self);
    snug_timeseries_generate_options make = {
        .folder = self.folder, .file_count = 800, .row_count = 60, .rate = 100.0};
    CHECK_OK(snug_timeseries_generate(&make, NULL, NULL, &err));
    static unsigned char out[20 * 16 * 4];
    int64_t index_bytes[2];
    int64_t peaks[2];
    const int64_t counts[2] = {8, 800};
    for (int64_t i = 0; i < 2; i++) {
        sessions_open(&self,
                      &(snug_timeseries_options){.window = 20,
                                                 .use_mask = true,
                                                 .max_files = counts[i],
                                                 .normalise_inputs = SNUG_NORMALISE_SESSION});
        const snug_timeseries_facts *const facts = snug_timeseries_facts_of(self.index);
        CHECK(facts->file_count == counts[i]);
        for (int64_t p = 0; p < facts->window_count[SNUG_TIMESERIES_TRAIN]; p++) {
            session_sample(&self, true, 0, p, SNUG_TIMESERIES_INPUT, out);
        }
        index_bytes[i] = facts->index_bytes;
        peaks[i] = peak_rss_bytes();
        sessions_close(&self);
    }
    print_message("index: 8 files %lld bytes, 800 files %lld; peak %lld and %lld\n",
                  (long long)index_bytes[0], (long long)index_bytes[1], (long long)peaks[0],
                  (long long)peaks[1]);
    CHECK((index_bytes[1] - index_bytes[0]) / 792 <= 1024);
    CHECK(peaks[1] - peaks[0] <= 792 * 1024 + (256 << 10));
    sessions_end(&self);
}

static void nothing_is_asked_for_after_the_open(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    static unsigned char out[64 << 10];
    const snug_source_request steps[] = {{SNUG_TIMESERIES_INPUT, 0, 4},
                                         {SNUG_TIMESERIES_TARGET, 0, 4},
                                         {SNUG_TIMESERIES_MASK, 0, 4}};
    for (int32_t workers = 0; workers < 4; workers += 3) {
        sessions self;
        sessions_begin(&self);
        sessions_open(&self, &(snug_timeseries_options){.path = SNUG_SOURCE_DIR
                                                        "/tests/fixtures/timeseries/packed",
                                                        .window = 50,
                                                        .stride = 5,
                                                        .use_mask = true,
                                                        .chunk_cache_bytes = 20000,
                                                        .workers = workers});
        snug_source *const source = self.source;
        CHECK_OK(source->calls->schedule(source, true, steps, 3, &err));
        CHECK_OK(snug_heap_seal(limit_process, 0, &err));
        for (int64_t first = 0; first + 4 <= source->calls->sample_count(source, true);
             first += 4) {
            const snug_source_batch batch = {.first_position = first, .count = 4, .training = true};
            CHECK_OK(source->calls->begin(source, &batch, NULL, &err));
            for (int64_t i = 0; i < 3; i++) {
                CHECK_OK(source->calls->fetch(source, &steps[i], out, &err));
            }
        }
        snug_heap_usage usage;
        snug_heap_usage_read(&usage);
        CHECK(usage.requests_after_seal == 0);
        snug_heap_unseal();
        sessions_end(&self);
    }
}

/* Every request to the system fails once: one clear error each time, and nothing stays behind. */
static void any_failing_request_leaves_nothing(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    sessions_begin(&self);
    session_write(&self, 0, (session_spec){.rows = 100, .nan_row = -1});
    session_write(&self, 1, (session_spec){.rows = 100, .nan_row = -1});
    const snug_timeseries_options options = {.path = self.folder,
                                             .window = 10,
                                             .workers = 3,
                                             .use_mask = true,
                                             .normalise_inputs = SNUG_NORMALISE_TRAIN};
    bool passed = false;
    int64_t n = 0;
    while (!passed) {
        snug_error err = {0};
        snug_arena arena;
        snug_timeseries_index *index = NULL;
        snug_source *source = NULL;
        snug_heap_arena_init(&arena, "data", SNUG_CATEGORY_DATA, 64 << 10);
        snug_heap_fail_at(++n);
        snug_status status = snug_timeseries_index_open(&options, &arena, &index, &err);
        if (!snug_failed(status)) {
            status = snug_timeseries_open(index, &arena, &source, &err);
        }
        snug_heap_fail_at(0);
        passed = !snug_failed(status);
        if (passed) {
            source->calls->close(source);
        } else {
            CHECK(status == SNUG_CODE_MEMORY);
            CHECK(err.message[0] != '\0');
            CHECK(source == NULL);
        }
        snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
        snug_heap_usage usage;
        snug_heap_usage_read(&usage);
        CHECK(usage.current_bytes[SNUG_CATEGORY_DATA] == 0);
        CHECK(usage.current_bytes[SNUG_CATEGORY_RUNTIME] == 0);
        CHECK(n < 100);
    }
    CHECK(n > 4);
    sessions_end(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_files_cost_their_names_only),
        cmocka_unit_test(nothing_is_asked_for_after_the_open),
        cmocka_unit_test(any_failing_request_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
