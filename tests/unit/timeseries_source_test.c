/* labels: thread fast */
#include "base/hash.h"
#include "check.h"
#include "session_files.h"

enum { BATCH = 7, OUT_BYTES = 64 << 10 };

/* What a step of a program asks for: tiles of the batch, inputs read a second time for backward. */
static const snug_source_request steps[] = {
    {SNUG_TIMESERIES_INPUT, 0, 2},  {SNUG_TIMESERIES_TARGET, 0, 2}, {SNUG_TIMESERIES_MASK, 0, 2},
    {SNUG_TIMESERIES_INPUT, 0, 2},  {SNUG_TIMESERIES_INPUT, 2, 5},  {SNUG_TIMESERIES_INITIAL, 2, 5},
    {SNUG_TIMESERIES_TARGET, 2, 5}, {SNUG_TIMESERIES_MASK, 2, 5},   {SNUG_TIMESERIES_INPUT, 2, 5},
    {SNUG_TIMESERIES_TARGET, 0, 7}, {SNUG_TIMESERIES_MASK, 6, 1}};

static const char packed[] = SNUG_SOURCE_DIR "/tests/fixtures/timeseries/packed";

static snug_timeseries_options options_for(int32_t workers)
{
    return (snug_timeseries_options){.path = packed,
                                     .window = 50,
                                     .stride = 9,
                                     .left_context = 7,
                                     .jitter = true,
                                     .rotate_channels = true,
                                     .use_mask = true,
                                     .normalise_inputs = SNUG_NORMALISE_SESSION,
                                     .seed = 5,
                                     .workers = workers};
}

static void set_schedules(sessions *self)
{
    snug_error err = {0};
    const snug_source_request evaluation[] = {{SNUG_TIMESERIES_INPUT, 0, 3},
                                              {SNUG_TIMESERIES_TARGET, 0, 3},
                                              {SNUG_TIMESERIES_INPUT, 3, 3}};
    CHECK_OK(self->source->calls->schedule(self->source, true, steps, SNUG_COUNT(steps), &err));
    CHECK_OK(self->source->calls->schedule(self->source, false, evaluation, 3, &err));
}

/* All requests of one batch, into the hash; those beyond the batch are left out, as a program does.
 */
static void run_batch(sessions *self, const snug_source_batch *batch, const snug_source_batch *next,
                      snug_sha256 *hash)
{
    static unsigned char out[OUT_BYTES];
    snug_error err = {0};
    CHECK_OK(self->source->calls->begin(self->source, batch, next, &err));
    const double normaliser = self->source->calls->normaliser(self->source);
    snug_sha256_add(hash, &normaliser, sizeof normaliser);
    for (int64_t i = 0; i < SNUG_COUNT(steps); i++) {
        snug_source_request request = steps[i];
        if (request.first >= batch->count) {
            continue;
        }
        if (request.count > batch->count - request.first) {
            request.count = batch->count - request.first;
        }
        const int64_t bytes = request.count * session_stream_bytes(self->source, request.stream);
        CHECK(bytes <= OUT_BYTES);
        memset(out, 0xab, sizeof out);
        CHECK_OK(self->source->calls->fetch(self->source, &request, out, &err));
        CHECK(out[bytes] == 0xab);
        snug_sha256_add(hash, out, bytes);
    }
}

static snug_source_batch batch_at(const sessions *self, int64_t epoch, int64_t first)
{
    const int64_t count = self->source->calls->sample_count(self->source, true);
    return (snug_source_batch){.epoch = epoch,
                               .first_position = first,
                               .count = count - first < BATCH ? count - first : BATCH,
                               .training = true};
}

/* Two epochs from `first` on, the last batch of each cut short, each batch announced before. */
static void run_epochs(sessions *self, int64_t first, char out[65])
{
    snug_sha256 hash;
    snug_sha256_init(&hash);
    const int64_t count = self->source->calls->sample_count(self->source, true);
    CHECK(count % BATCH != 0);
    int64_t epoch = 0;
    int64_t position = first;
    while (epoch < 2) {
        const snug_source_batch batch = batch_at(self, epoch, position);
        position += BATCH;
        if (position >= count) {
            position = 0;
            epoch++;
        }
        const snug_source_batch next = batch_at(self, epoch, position);
        run_batch(self, &batch, epoch < 2 ? &next : NULL, &hash);
    }
    snug_sha256_hex(&hash, out);
}

static void workers_slots_and_cache_do_not_show(void **state)
{
    SNUG_UNUSED(state);
    const struct {
        int32_t workers, slots;
        int64_t slot_bytes, chunk_cache_bytes;
    } cases[] = {{0, 0, 0, 0},  {1, 0, 0, 0}, {2, 0, 0, 0},    {7, 0, 0, 0},
                 {16, 0, 0, 1}, {2, 2, 1, 1}, {7, 3, 2000, 1}, {3, 9, 1300, 30000}};
    char first[65] = "";
    for (int64_t i = 0; i < SNUG_COUNT(cases); i++) {
        char digest[65];
        sessions self;
        sessions_begin(&self);
        snug_timeseries_options options = options_for(cases[i].workers);
        options.slots = cases[i].slots;
        options.slot_bytes = cases[i].slot_bytes;
        options.chunk_cache_bytes = cases[i].chunk_cache_bytes;
        sessions_open(&self, &options);
        set_schedules(&self);
        run_epochs(&self, 0, digest);
        if (i == 0) {
            memcpy(first, digest, sizeof first);
        }
        assert_string_equal(digest, first);
        sessions_end(&self);
    }
}

static void a_later_start_gives_the_same_bytes(void **state)
{
    SNUG_UNUSED(state);
    char whole[65];
    char resumed[65];
    for (int32_t workers = 0; workers < 3; workers += 2) {
        sessions self;
        sessions_begin(&self);
        const snug_timeseries_options options = options_for(workers);
        sessions_open(&self, &options);
        set_schedules(&self);
        run_epochs(&self, 0, whole);
        run_epochs(&self, 3 * BATCH, whole);
        sessions_close(&self);
        sessions_open(&self, &options);
        set_schedules(&self);
        run_epochs(&self, 3 * BATCH, resumed);
        assert_string_equal(whole, resumed);
        sessions_end(&self);
    }
}

static void a_batch_may_be_left_and_the_next_may_surprise(void **state)
{
    SNUG_UNUSED(state);
    char expected[3][65];
    static unsigned char out[OUT_BYTES];
    snug_error err = {0};
    for (int32_t workers = 0; workers < 4; workers += 3) {
        sessions self;
        sessions_begin(&self);
        const snug_timeseries_options options = options_for(workers);
        sessions_open(&self, &options);
        set_schedules(&self);
        for (int64_t i = 0; i < 30; i++) {
            const snug_source_batch batch = batch_at(&self, 1, i % 3 * BATCH);
            const snug_source_batch wrong = batch_at(&self, 9, BATCH);
            snug_sha256 hash;
            char digest[65];
            if (i % 4 == 1) {
                /* Begun, announced, partly fetched, and dropped. */
                CHECK_OK(self.source->calls->begin(self.source, &wrong, &batch, &err));
                for (int64_t j = 0; j < i % 11; j++) {
                    CHECK_OK(self.source->calls->fetch(self.source, &steps[j], out, &err));
                }
            }
            snug_sha256_init(&hash);
            run_batch(&self, &batch, i % 2 == 0 ? &wrong : NULL, &hash);
            snug_sha256_hex(&hash, digest);
            if (i < 3 && workers == 0) {
                memcpy(expected[i], digest, sizeof digest);
            }
            assert_string_equal(digest, expected[i % 3]);
        }
        sessions_end(&self);
    }
}

static void evaluation_may_come_between(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    sessions self;
    static unsigned char out[OUT_BYTES], direct[OUT_BYTES];
    sessions_begin(&self);
    const snug_timeseries_options options = options_for(2);
    sessions_open(&self, &options);
    set_schedules(&self);
    snug_sha256 hash;
    snug_sha256_init(&hash);
    const snug_source_batch train = batch_at(&self, 0, 0);
    const snug_source_batch evaluation = {.first_position = 1, .count = 5};
    const snug_source_request second = {SNUG_TIMESERIES_INPUT, 3, 2};
    run_batch(&self, &train, &evaluation, &hash);
    CHECK_OK(self.source->calls->begin(self.source, &evaluation, &train, &err));
    CHECK_OK(self.source->calls->fetch(
        self.source, &(snug_source_request){SNUG_TIMESERIES_INPUT, 0, 3}, out, &err));
    CHECK_OK(self.source->calls->fetch(
        self.source, &(snug_source_request){SNUG_TIMESERIES_TARGET, 0, 3}, out, &err));
    CHECK_OK(self.source->calls->fetch(self.source, &second, out, &err));
    run_batch(&self, &train, NULL, &hash);
    sessions_close(&self);

    snug_timeseries_options plain = options_for(0);
    sessions_open(&self, &plain);
    const int64_t bytes = session_stream_bytes(self.source, SNUG_TIMESERIES_INPUT);
    for (int64_t i = 0; i < 2; i++) {
        session_sample(&self, false, 0, 4 + i, SNUG_TIMESERIES_INPUT, direct);
        CHECK(memcmp(direct, out + i * bytes, (size_t)bytes) == 0);
    }
    sessions_end(&self);
}

static void wrong_calls_are_usage_errors(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    static unsigned char out[OUT_BYTES];
    for (int32_t workers = 0; workers < 2; workers++) {
        sessions self;
        sessions_begin(&self);
        const snug_timeseries_options options = options_for(workers);
        sessions_open(&self, &options);
        snug_source *const source = self.source;
        CHECK_FAILS(source->calls->fetch(source, &steps[0], out, &err), SNUG_CODE_USAGE);
        set_schedules(&self);
        CHECK_FAILS(source->calls->fetch(source, &steps[0], out, &err), SNUG_CODE_USAGE);
        const int64_t count = source->calls->sample_count(source, true);
        snug_source_batch batch = {.first_position = count - 2, .count = 3, .training = true};
        CHECK_FAILS(source->calls->begin(source, &batch, NULL, &err), SNUG_CODE_USAGE);
        batch = batch_at(&self, 0, 0);
        CHECK_OK(source->calls->begin(source, &batch, NULL, &err));
        CHECK_FAILS(source->calls->fetch(source, &steps[1], out, &err), SNUG_CODE_USAGE);
        CHECK_OK(source->calls->fetch(source, &steps[0], out, &err));
        const snug_source_request bad = {.stream = 9, .count = 1};
        CHECK_FAILS(source->calls->schedule(source, true, &bad, 1, &err), SNUG_CODE_USAGE);
        CHECK_FAILS(source->calls->schedule(source, true, steps, 5000, &err), SNUG_CODE_LIMIT);
        sessions_end(&self);
    }
}

static void an_error_of_a_worker_comes_with_its_request(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    char message[SNUG_ERROR_MESSAGE_BYTES] = "";
    static unsigned char out[OUT_BYTES];
    for (int32_t workers = 0; workers < 8; workers += 7) {
        sessions self;
        sessions_begin(&self);
        session_write(&self, 0, (session_spec){.rows = 100, .nan_row = -1});
        session_write(&self, 1, (session_spec){.rows = 500, .nan_row = 333});
        sessions_open(&self, &(snug_timeseries_options){
                                 .window = 10, .workers = workers, .train_fraction = 1.0});
        const snug_source_request request = {SNUG_TIMESERIES_INPUT, 0, 60};
        const snug_source_batch batch = {.count = 60, .training = true};
        snug_source *const source = self.source;
        CHECK_OK(source->calls->schedule(source, true, &request, 1, &err));
        for (int64_t i = 0; i < 3; i++) {
            CHECK_OK(source->calls->begin(source, &batch, NULL, &err));
            CHECK_FAILS(source->calls->fetch(source, &request, out, &err), SNUG_CODE_DATA);
            CHECK(strstr(err.message, "s0001.hdf5: row 333, input channel 2 is NaN") != NULL);
            /* A failed fetch ends the batch. */
            CHECK_FAILS(source->calls->fetch(source, &request, out, &err), SNUG_CODE_USAGE);
        }
        memcpy(message, err.message, sizeof message);
        sessions_end(&self);
    }
    CHECK(message[0] != '\0');
}

static void closing_at_any_time_does_not_hang(void **state)
{
    SNUG_UNUSED(state);
    static unsigned char out[OUT_BYTES];
    snug_error err = {0};
    for (int64_t i = 0; i < 24; i++) {
        sessions self;
        sessions_begin(&self);
        const snug_timeseries_options options = options_for((int32_t)(i % 2 == 0 ? 2 : 16));
        sessions_open(&self, &options);
        set_schedules(&self);
        const snug_source_batch batch = batch_at(&self, 0, 0);
        const snug_source_batch next = batch_at(&self, 0, BATCH);
        CHECK_OK(self.source->calls->begin(self.source, &batch, &next, &err));
        for (int64_t j = 0; j < i / 2; j++) {
            if (j < SNUG_COUNT(steps)) {
                CHECK_OK(self.source->calls->fetch(self.source, &steps[j], out, &err));
            }
        }
        sessions_end(&self);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_slots_and_cache_do_not_show),
        cmocka_unit_test(a_later_start_gives_the_same_bytes),
        cmocka_unit_test(a_batch_may_be_left_and_the_next_may_surprise),
        cmocka_unit_test(evaluation_may_come_between),
        cmocka_unit_test(wrong_calls_are_usage_errors),
        cmocka_unit_test(an_error_of_a_worker_comes_with_its_request),
        cmocka_unit_test(closing_at_any_time_does_not_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
