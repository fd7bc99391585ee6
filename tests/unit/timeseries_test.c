#include <math.h>

#include "check.h"
#include "session_files.h"

static const char fixtures[] = SNUG_SOURCE_DIR "/tests/fixtures/timeseries";

static void write_files(const sessions *self, int64_t count, int64_t rows)
{
    for (int64_t i = 0; i < count; i++) {
        session_write(self, i, (session_spec){.rows = rows, .nan_row = -1});
    }
}

static int64_t file_number(const char *path)
{
    return strtol(strrchr(path, '/') + 2, NULL, 10);
}

static void windows_are_counted_by_arithmetic(void **state)
{
    SNUG_UNUSED(state);
    const struct {
        int64_t rows, window, stride, expected;
    } cases[] = {{100, 10, 10, 10}, {99, 10, 10, 9}, {100, 100, 1, 1}, {100, 10, 1, 91},
                 {100, 10, 7, 13},  {100, 30, 0, 3}, {101, 10, 13, 8}};
    for (int64_t i = 0; i < SNUG_COUNT(cases); i++) {
        sessions self;
        sessions_begin(&self);
        write_files(&self, 3, cases[i].rows);
        sessions_open(&self, &(snug_timeseries_options){.window = cases[i].window,
                                                        .stride = cases[i].stride,
                                                        .train_fraction = 0.67,
                                                        .validation_fraction = 0.33});
        const snug_timeseries_facts *const facts = snug_timeseries_facts_of(self.index);
        CHECK(facts->part_file_count[SNUG_TIMESERIES_TRAIN] == 2);
        CHECK(facts->part_file_count[SNUG_TIMESERIES_VALIDATION] == 1);
        CHECK(facts->window_count[SNUG_TIMESERIES_TRAIN] == 2 * cases[i].expected);
        CHECK(facts->window_count[SNUG_TIMESERIES_VALIDATION] == cases[i].expected);
        CHECK(self.source->calls->sample_count(self.source, true) == 2 * cases[i].expected);
        CHECK(self.source->calls->sample_count(self.source, false) == cases[i].expected);
        CHECK(facts->row_count == 3 * cases[i].rows);
        CHECK(facts->layout_count == 1);
        sessions_end(&self);
    }
}

static void a_window_has_the_rows_it_says(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    sessions_begin(&self);
    write_files(&self, 4, 103);
    sessions_open(&self, &(snug_timeseries_options){.window = 10, .stride = 9, .left_context = 3});
    float input[10][SESSION_INPUTS];
    float target[7][SESSION_TARGETS];
    float initial[SESSION_TARGETS];
    unsigned char mask[7];
    for (int32_t training = 0; training < 2; training++) {
        const int64_t count = self.source->calls->sample_count(self.source, training);
        CHECK(count == (training ? 3 : 1) * 11);
        for (int64_t p = 0; p < count; p++) {
            const snug_timeseries_place place = snug_timeseries_locate(self.index, training, 5, p);
            const int64_t file = file_number(place.path);
            CHECK(training || place.row_first == p * 9);
            session_sample(&self, training, 5, p, SNUG_TIMESERIES_INPUT, input);
            session_sample(&self, training, 5, p, SNUG_TIMESERIES_TARGET, target);
            session_sample(&self, training, 5, p, SNUG_TIMESERIES_INITIAL, initial);
            session_sample(&self, training, 5, p, SNUG_TIMESERIES_MASK, mask);
            for (int64_t i = 0; i < 10; i++) {
                for (int64_t c = 0; c < SESSION_INPUTS; c++) {
                    CHECK(input[i][c] == session_input(file, place.row_first + i, c));
                }
            }
            for (int64_t i = 0; i < 7; i++) {
                for (int64_t k = 0; k < SESSION_TARGETS; k++) {
                    CHECK(target[i][k] == session_target(file, place.row_first + 3 + i, k));
                }
                CHECK(mask[i] == 1);
            }
            CHECK(memcmp(initial, target[0], sizeof initial) == 0);
            CHECK(self.source->calls->normaliser(self.source) == 14.0);
        }
    }
    sessions_end(&self);
}

static void padding_is_zero_outside_of_the_session(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    sessions_begin(&self);
    write_files(&self, 2, 25);
    sessions_open(&self,
                  &(snug_timeseries_options){.window = 10, .padding_left = 4, .padding_right = 8});
    CHECK(self.source->streams[SNUG_TIMESERIES_INPUT].shape.extent[0] == 22);
    float input[22][SESSION_INPUTS];
    unsigned char mask[22];
    for (int64_t p = 0; p < 2; p++) {
        const snug_timeseries_place place = snug_timeseries_locate(self.index, false, 0, p);
        CHECK(place.row_first == p * 10 - 4);
        session_sample(&self, false, 0, p, SNUG_TIMESERIES_INPUT, input);
        session_sample(&self, false, 0, p, SNUG_TIMESERIES_MASK, mask);
        for (int64_t i = 0; i < 22; i++) {
            const int64_t row = place.row_first + i;
            const bool inside = row >= 0 && row < 25;
            CHECK(mask[i] == inside);
            CHECK(input[i][1] == (inside ? session_input(file_number(place.path), row, 1) : 0.0f));
        }
        CHECK(self.source->calls->normaliser(self.source) == (p == 0 ? 18.0 : 19.0) * 2.0);
    }
    sessions_end(&self);
}

static void an_epoch_shows_every_window_once(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    sessions_begin(&self);
    write_files(&self, 5, 97);
    sessions_open(&self, &(snug_timeseries_options){.window = 8, .stride = 3, .seed = 11});
    const int64_t count = self.source->calls->sample_count(self.source, true);
    CHECK(count == 4 * 30);
    int64_t moved = 0;
    for (int64_t epoch = 0; epoch < 2; epoch++) {
        bool seen[5][97] = {{false}};
        for (int64_t p = 0; p < count; p++) {
            const snug_timeseries_place place = snug_timeseries_locate(self.index, true, epoch, p);
            const snug_timeseries_place other = snug_timeseries_locate(self.index, true, 1, p);
            CHECK(place.row_first % 3 == 0);
            CHECK(!seen[place.file][place.row_first]);
            seen[place.file][place.row_first] = true;
            moved += place.file != other.file || place.row_first != other.row_first;
        }
    }
    CHECK(moved > count / 2);
    sessions_end(&self);
}

static void jitter_stays_below_the_stride_and_inside(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    sessions_begin(&self);
    write_files(&self, 3, 107);
    const snug_timeseries_options options = {
        .window = 10, .stride = 10, .jitter = true, .rotate_channels = true, .seed = 3};
    sessions_open(&self, &options);
    const int64_t count = self.source->calls->sample_count(self.source, true);
    CHECK(count == 2 * 10);
    int64_t offsets[10] = {0};
    int64_t rotations[3] = {0};
    for (int64_t epoch = 0; epoch < 200; epoch++) {
        int64_t windows[10] = {0};
        for (int64_t p = 0; p < count; p++) {
            const snug_timeseries_place place = snug_timeseries_locate(self.index, true, epoch, p);
            const int64_t window = place.row_first / 10;
            const int64_t offset = place.row_first % 10;
            CHECK(place.row_first >= 0);
            CHECK(place.row_first + 10 < 107); /* The last window has 7 rows left: 0 to 6. */
            windows[window]++;
            offsets[offset]++;
            rotations[place.rotation + 1]++;
        }
        for (int64_t i = 0; i < 10; i++) {
            CHECK(windows[i] == 2);
        }
    }
    for (int64_t i = 0; i < 10; i++) {
        CHECK(offsets[i] > 300);
        CHECK(offsets[i] < 500);
    }
    for (int64_t i = 0; i < 3; i++) {
        CHECK(rotations[i] > 1200);
        CHECK(rotations[i] < 1466);
    }
    CHECK(snug_timeseries_locate(self.index, false, 0, 3).row_first == 30);
    sessions_end(&self);
}

static void rotation_rolls_the_channels(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    sessions_begin(&self);
    write_files(&self, 2, 60);
    sessions_open(&self, &(snug_timeseries_options){.window = 5, .rotate_channels = true});
    bool seen[3] = {false};
    float input[5][SESSION_INPUTS];
    for (int64_t p = 0; p < 12; p++) {
        const snug_timeseries_place place = snug_timeseries_locate(self.index, true, 0, p);
        seen[place.rotation + 1] = true;
        session_sample(&self, true, 0, p, SNUG_TIMESERIES_INPUT, input);
        for (int64_t i = 0; i < 5; i++) {
            for (int64_t c = 0; c < SESSION_INPUTS; c++) {
                /* numpy.roll(x, r)[c] = x[c - r] */
                const int64_t from = (c - place.rotation + SESSION_INPUTS) % SESSION_INPUTS;
                CHECK(input[i][c] ==
                      session_input(file_number(place.path), place.row_first + i, from));
            }
        }
    }
    CHECK(seen[0] && seen[1] && seen[2]);
    sessions_end(&self);
}

static void rows_of_zero_targets_do_not_count(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    sessions_begin(&self);
    for (int64_t i = 0; i < 2; i++) {
        session_write(&self, i,
                      (session_spec){.rows = 100, .zero_first = 33, .zero_end = 47, .nan_row = -1});
    }
    sessions_open(&self, &(snug_timeseries_options){.window = 20, .use_mask = true});
    const snug_timeseries_facts *const facts = snug_timeseries_facts_of(self.index);
    CHECK(facts->valid_row_count == 2 * 86);
    CHECK(facts->window_count[SNUG_TIMESERIES_VALIDATION] == 5);
    const double valid[] = {20, 13, 13, 20, 20};
    unsigned char mask[20];
    for (int64_t p = 0; p < 5; p++) {
        session_sample(&self, false, 0, p, SNUG_TIMESERIES_MASK, mask);
        CHECK(self.source->calls->normaliser(self.source) == valid[p] * SESSION_TARGETS);
        for (int64_t i = 0; i < 20; i++) {
            const int64_t row = p * 20 + i;
            CHECK(mask[i] == (row < 33 || row >= 47));
        }
    }
    const snug_source_batch all = {.count = 5};
    snug_error err = {0};
    CHECK_OK(self.source->calls->begin(self.source, &all, NULL, &err));
    CHECK(self.source->calls->normaliser(self.source) == 86.0 * SESSION_TARGETS);
    sessions_close(&self);

    /* Without the mask the same rows count. */
    sessions_open(&self, &(snug_timeseries_options){.window = 20});
    CHECK(snug_timeseries_facts_of(self.index)->valid_row_count == 200);
    sessions_end(&self);
}

static void windows_skip_rows_that_do_not_count(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    sessions_begin(&self);
    for (int64_t i = 0; i < 2; i++) {
        session_write(&self, i,
                      (session_spec){.rows = 100, .zero_first = 33, .zero_end = 47, .nan_row = -1});
    }
    sessions_open(&self, &(snug_timeseries_options){
                             .window = 10, .stride = 4, .skip_invalid = true, .jitter = true});
    /* Runs of 33 and 53 rows: 6 and 11 windows. */
    const snug_timeseries_facts *const facts = snug_timeseries_facts_of(self.index);
    CHECK(facts->window_count[SNUG_TIMESERIES_VALIDATION] == 17);
    CHECK(facts->window_count[SNUG_TIMESERIES_TRAIN] == 17);
    for (int64_t p = 0; p < 17; p++) {
        const int64_t expected = p < 6 ? p * 4 : 47 + (p - 6) * 4;
        CHECK(snug_timeseries_locate(self.index, false, 0, p).row_first == expected);
        for (int64_t epoch = 0; epoch < 50; epoch++) {
            const int64_t row = snug_timeseries_locate(self.index, true, epoch, p).row_first;
            CHECK(row + 10 <= 33 || row >= 47);
            CHECK(row + 10 <= 100);
        }
    }
    sessions_end(&self);
}

/* One session of 37 rows whose inputs are those of the numpy lines beside the expected numbers. */
static void write_statistics_file(const sessions *self)
{
    static _Alignas(SNUG_ALIGN) unsigned char block[512 << 10];
    snug_error err = {0};
    snug_arena arena;
    snug_h5_writer writer = {0};
    char path[SNUG_PATH_BYTES];
    session_path(self, 0, path);
    snug_arena_init(&arena, "writer", block, sizeof block);
    const snug_h5_write_member members[] = {{"joint_angles", SNUG_H5_FLOAT, 4, 1},
                                            {"emg", SNUG_H5_FLOAT, 4, 3}};
    const snug_h5_write_options options = {.path = path,
                                           .group = "emg2pose",
                                           .dataset = "timeseries",
                                           .members = members,
                                           .member_count = 2};
    CHECK_OK(snug_h5_writer_open(&options, &arena, &writer, &err));
    for (int64_t row = 0; row < 37; row++) {
        const float values[4] = {1.0f, (float)(sin((double)row * 0.7) * 3.0 + 100.0),
                                 (float)(row * row) * 0.5f, -2.5f};
        CHECK_OK(snug_h5_writer_rows(&writer, values, 1, &err));
    }
    CHECK_OK(snug_h5_writer_commit(&writer, &err));
}

static void check_near(const float *values, const double *expected)
{
    for (int64_t c = 0; c < 3; c++) {
        /* Ours are summed in double, numpy's in f32: a few units in the last place. */
        CHECK(fabs((double)values[c] - expected[c]) <= 4e-6 * fabs(expected[c]));
    }
}

static void statistics_are_those_of_numpy(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    sessions_begin(&self);
    write_statistics_file(&self);
    /* x = stack([sin(arange(37) * 0.7) * 3 + 100, arange(37)**2 * 0.5, full(37, -2.5)], 1), f4 */
    const double all_mean[] = {100.00298309326172, 219.0, -2.5};
    const double all_std[] = {2.0902726650238037, 198.8202667236328, 9.99999993922529e-09};
    /* x[linspace(0, 36, 10, dtype=int)] */
    const double ten_mean[] = {100.01013946533203, 228.0, -2.5};
    const double ten_std[] = {2.0339138507843018, 214.81898498535156, 9.99999993922529e-09};
    for (int32_t check = 0; check < 2; check++) {
        const snug_timeseries_options all = {.window = 5,
                                             .train_fraction = 1.0,
                                             .check = check,
                                             .normalise_inputs = SNUG_NORMALISE_SESSION};
        sessions_open(&self, &all);
        snug_timeseries_session session = snug_timeseries_session_at(self.index, 0);
        check_near(session.input_mean, all_mean);
        check_near(session.input_std, all_std);
        CHECK(session.target_mean == NULL);
        float input[5][3];
        session_sample(&self, true, 0, 0, SNUG_TIMESERIES_INPUT, input);
        const int64_t row = snug_timeseries_locate(self.index, true, 0, 0).row_first;
        const float x = (float)(row * row) * 0.5f;
        CHECK(input[0][1] == (x - session.input_mean[1]) / session.input_std[1]);
        sessions_close(&self);

        snug_timeseries_options ten = all;
        ten.max_samples_for_normalize = 10;
        ten.normalise_inputs = SNUG_NORMALISE_TRAIN;
        sessions_open(&self, &ten);
        session = snug_timeseries_session_at(self.index, 0);
        check_near(session.input_mean, ten_mean);
        check_near(session.input_std, ten_std);
        sessions_close(&self);
    }
    sessions_end(&self);
}

static void train_statistics_leave_the_other_parts_out(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    sessions_begin(&self);
    write_files(&self, 4, 50);
    sessions_open(&self, &(snug_timeseries_options){.window = 5,
                                                    .normalise_inputs = SNUG_NORMALISE_TRAIN,
                                                    .normalise_targets = SNUG_NORMALISE_TRAIN});
    double sum = 0.0;
    double square = 0.0;
    int64_t count = 0;
    for (int64_t i = 0; i < 4; i++) {
        const snug_timeseries_session session = snug_timeseries_session_at(self.index, i);
        for (int64_t row = 0; session.part == SNUG_TIMESERIES_TRAIN && row < 50; row++) {
            const double x = (double)session_input(i, row, 1);
            sum += x;
            square += x * x;
            count++;
        }
    }
    CHECK(count == 150);
    const double mean = sum / (double)count;
    const double std = sqrt(square / (double)count - mean * mean);
    const snug_timeseries_session session = snug_timeseries_session_at(self.index, 0);
    CHECK(fabs((double)session.input_mean[1] - mean) < 1e-3);
    CHECK(fabs((double)session.input_std[1] / std - 1.0) < 1e-6);
    CHECK(session.target_mean != NULL);
    sessions_end(&self);
}

static void one_file_is_split_by_time(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    sessions_begin(&self);
    write_files(&self, 1, 200);
    sessions_open(&self, &(snug_timeseries_options){.window = 10});
    const snug_timeseries_facts *const facts = snug_timeseries_facts_of(self.index);
    CHECK(facts->split_by_time);
    CHECK(facts->window_count[SNUG_TIMESERIES_TRAIN] == 14);
    CHECK(facts->window_count[SNUG_TIMESERIES_VALIDATION] == 3);
    CHECK(facts->window_count[SNUG_TIMESERIES_TEST] == 3);
    for (int64_t p = 0; p < 14; p++) {
        CHECK(snug_timeseries_locate(self.index, true, 0, p).row_first + 10 <= 140);
    }
    CHECK(snug_timeseries_locate(self.index, false, 0, 0).row_first == 140);
    sessions_end(&self);
}

static void files_are_split_by_seed_or_metadata(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    snug_error err = {0};
    sessions_begin(&self);
    write_files(&self, 20, 20);
    int64_t same = 0;
    snug_timeseries_part first[20];
    for (uint64_t seed = 42; seed < 44; seed++) {
        sessions_open(&self, &(snug_timeseries_options){.window = 10, .split_seed = seed});
        const snug_timeseries_facts *const facts = snug_timeseries_facts_of(self.index);
        CHECK(facts->part_file_count[SNUG_TIMESERIES_TRAIN] == 14);
        CHECK(facts->part_file_count[SNUG_TIMESERIES_VALIDATION] == 3);
        CHECK(facts->part_file_count[SNUG_TIMESERIES_TEST] == 3);
        for (int64_t i = 0; i < 20; i++) {
            const snug_timeseries_part part = snug_timeseries_session_at(self.index, i).part;
            same += seed == 43 && part == first[i];
            first[i] = part;
        }
        sessions_close(&self);
    }
    CHECK(same < 20);

    char path[SNUG_PATH_BYTES];
    static const char text[] =
        "user,filename,split\na,s0003,val\nb,s0005.hdf5,test\nc,s0001,train\n"
        "d,s0002,train\n";
    CHECK_OK(snug_path_join(self.folder, "metadata.csv", path, &err));
    CHECK_OK(snug_file_write_all(path, text, sizeof text - 1, &err));
    sessions_open(&self, &(snug_timeseries_options){.window = 10});
    const snug_timeseries_facts *const facts = snug_timeseries_facts_of(self.index);
    CHECK(facts->file_count == 4);
    CHECK(facts->part_file_count[SNUG_TIMESERIES_TRAIN] == 2);
    CHECK(strstr(snug_timeseries_locate(self.index, false, 0, 0).path, "s0003") != NULL);
    sessions_end(&self);
}

/* Every window of both folders, byte by byte: filters, byte order and member order do not show. */
static void packed_files_give_the_bytes_of_plain_ones(void **state)
{
    SNUG_UNUSED(state);
    sessions plain, packed;
    char path[2][SNUG_PATH_BYTES];
    sessions_begin(&plain);
    sessions_begin(&packed);
    (void)snprintf(path[0], sizeof path[0], "%s/plain", fixtures);
    (void)snprintf(path[1], sizeof path[1], "%s/packed", fixtures);
    snug_timeseries_options options = {.path = path[0],
                                       .window = 90,
                                       .stride = 31,
                                       .left_context = 10,
                                       .jitter = true,
                                       .rotate_channels = true,
                                       .use_mask = true,
                                       .normalise_inputs = SNUG_NORMALISE_SESSION,
                                       .normalise_targets = SNUG_NORMALISE_TRAIN,
                                       .chunk_cache_bytes = 1};
    sessions_open(&plain, &options);
    options.path = path[1];
    sessions_open(&packed, &options);
    CHECK(snug_timeseries_facts_of(plain.index)->layout_count == 1);
    CHECK(snug_timeseries_facts_of(packed.index)->layout_count == 6);
    CHECK(snug_timeseries_facts_of(packed.index)->valid_row_count == 2400 - (20 * 6 + 15));
    for (int32_t stream = 0; stream < SNUG_TIMESERIES_STREAM_COUNT; stream++) {
        static unsigned char a[4096], b[4096];
        const int64_t bytes = session_stream_bytes(plain.source, stream);
        CHECK(bytes <= (int64_t)sizeof a);
        CHECK(bytes == session_stream_bytes(packed.source, stream));
        for (int64_t p = 0; p < plain.source->calls->sample_count(plain.source, true); p++) {
            session_sample(&plain, true, 1, p, stream, a);
            session_sample(&packed, true, 1, p, stream, b);
            CHECK(memcmp(a, b, (size_t)bytes) == 0);
        }
    }
    sessions_end(&plain);
    sessions_end(&packed);
}

static int64_t file_bytes(const char *path)
{
    snug_error err = {0};
    snug_file file = {0};
    CHECK_OK(snug_file_open(path, &file, &err));
    const int64_t bytes = file.bytes;
    snug_file_close(&file);
    return bytes;
}

static void compare_sources(sessions *a, sessions *b)
{
    for (int32_t stream = 0; stream < SNUG_TIMESERIES_STREAM_COUNT; stream++) {
        static unsigned char x[4096], y[4096];
        const int64_t bytes = session_stream_bytes(a->source, stream);
        for (int64_t p = 0; p < a->source->calls->sample_count(a->source, true); p++) {
            session_sample(a, true, 1, p, stream, x);
            session_sample(b, true, 1, p, stream, y);
            CHECK(memcmp(x, y, (size_t)bytes) == 0);
        }
    }
}

/* Cached rows give the same bytes; a damaged, cut or outdated cache file is made again. */
static void the_cache_does_not_show(void **state)
{
    SNUG_UNUSED(state);
    const snug_normalise hows[] = {SNUG_NORMALISE_NONE, SNUG_NORMALISE_SESSION,
                                   SNUG_NORMALISE_TRAIN};
    for (int64_t i = 0; i < 9; i++) {
        sessions direct, cached;
        snug_error err = {0};
        char path[SNUG_PATH_BYTES];
        sessions_begin(&direct);
        sessions_begin(&cached);
        (void)snprintf(path, sizeof path, "%s/packed", fixtures);
        snug_timeseries_options options = {.path = path,
                                           .window = 90,
                                           .stride = 31,
                                           .use_mask = true,
                                           .rotate_channels = true,
                                           .normalise_inputs = hows[i % 3],
                                           .normalise_targets = hows[i / 3]};
        sessions_open(&direct, &options);
        options.cache_dir = cached.folder;
        for (int64_t round = 0; round < 4; round++) {
            sessions_open(&cached, &options);
            const snug_timeseries_facts *const facts = snug_timeseries_facts_of(cached.index);
            CHECK(facts->cached_file_count == (round == 0 ? 0 : round == 1 ? 6 : 5));
            CHECK(facts->valid_row_count ==
                  snug_timeseries_facts_of(direct.index)->valid_row_count);
            CHECK(facts->layout_count == 1);
            compare_sources(&direct, &cached);
            const snug_folder_entry *entries = NULL;
            int64_t count = 0;
            CHECK_OK(snug_folder_list(cached.folder, &cached.arena, &entries, &count, &err));
            CHECK(count == 6);
            char file[SNUG_PATH_BYTES];
            CHECK_OK(snug_path_join(cached.folder, entries[round].name, file, &err));
            if (round == 1) {
                CHECK(truncate(file, file_bytes(file) - 1) == 0);
            } else if (round == 2) {
                /* One bit of the statistics. */
                FILE *const stream = fopen(file, "r+b");
                CHECK(stream != NULL);
                CHECK(fseek(stream, 70, SEEK_SET) == 0);
                const int byte = fgetc(stream);
                CHECK(fseek(stream, 70, SEEK_SET) == 0);
                CHECK(fputc(byte ^ 1, stream) != EOF);
                CHECK(fclose(stream) == 0);
            }
            sessions_close(&cached);
        }
        sessions_end(&direct);
        sessions_end(&cached);
    }
}

static void plain_data_sets_are_mapped_by_name(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    char path[SNUG_PATH_BYTES];
    sessions_begin(&self);
    (void)snprintf(path, sizeof path, "%s/columns.h5", fixtures);
    sessions_open(&self, &(snug_timeseries_options){.path = path,
                                                    .window = 60,
                                                    .inputs = "block0_values[0:3]",
                                                    .targets = "label, block0_values[4]"});
    float input[60][3];
    float target[60][2];
    session_sample(&self, false, 0, 0, SNUG_TIMESERIES_INPUT, input);
    session_sample(&self, false, 0, 0, SNUG_TIMESERIES_TARGET, target);
    CHECK(snug_timeseries_locate(self.index, false, 0, 0).row_first == 280);
    for (int64_t i = 0; i < 60; i++) {
        CHECK(target[i][0] == (float)(280 + i));
        CHECK(input[i][0] * 128.0f == floorf(input[i][0] * 128.0f));
        CHECK(target[i][1] * 64.0f == floorf(target[i][1] * 64.0f));
    }
    sessions_end(&self);
}

static void expect_failure(const snug_timeseries_options *options, snug_status code,
                           const char *part)
{
    snug_error err = {0};
    snug_arena arena;
    snug_timeseries_index *index = NULL;
    snug_heap_arena_init(&arena, "data", SNUG_CATEGORY_DATA, 64 << 10);
    CHECK_FAILS(snug_timeseries_index_open(options, &arena, &index, &err), code);
    if (strstr(err.message, part) == NULL) {
        fail_msg("'%s' does not say '%s'", err.message, part);
    }
    CHECK(strchr(err.message, '\n') == NULL);
    CHECK(index == NULL);
    CHECK(arena.used_bytes == 0);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
}

static void names_that_are_not_there_are_named(void **state)
{
    SNUG_UNUSED(state);
    char plain[SNUG_PATH_BYTES];
    char columns[SNUG_PATH_BYTES];
    (void)snprintf(plain, sizeof plain, "%s/plain", fixtures);
    (void)snprintf(columns, sizeof columns, "%s/columns.h5", fixtures);
    snug_timeseries_options options = {.path = plain, .window = 10, .inputs = "emgs"};
    expect_failure(&options, SNUG_CODE_NOT_FOUND, "did you mean 'emg'?");
    options.inputs = NULL;
    options.targets = "joint_angels";
    expect_failure(&options, SNUG_CODE_NOT_FOUND, "did you mean 'joint_angles'?");
    options.targets = NULL;
    options.group = "emg2pos";
    expect_failure(&options, SNUG_CODE_NOT_FOUND, "emg2pose");
    options.group = NULL;
    options.inputs = "emg[1:9]";
    expect_failure(&options, SNUG_CODE_DATA, "3 numbers a row");
    options.inputs = "emg[1:";
    expect_failure(&options, SNUG_CODE_USAGE, "no list of fields");
    options.path = "./no-such-folder";
    expect_failure(&options, SNUG_CODE_NOT_FOUND, "no-such-folder");
    options.path = fixtures;
    options.inputs = NULL;
    options.dataset = "samples";
    expect_failure(&options, SNUG_CODE_NOT_FOUND, "no group has a data set 'samples'");
    options = (snug_timeseries_options){
        .path = columns, .window = 10, .inputs = "block0_values", .targets = "short"};
    expect_failure(&options, SNUG_CODE_DATA, "399");
    options.targets = "words";
    expect_failure(&options, SNUG_CODE_DATA, "no number");
}

static void bad_options_are_usage_errors(void **state)
{
    SNUG_UNUSED(state);
    expect_failure(&(snug_timeseries_options){.window = 5}, SNUG_CODE_USAGE, "path");
    expect_failure(&(snug_timeseries_options){.path = "."}, SNUG_CODE_USAGE, "at least one row");
    expect_failure(&(snug_timeseries_options){.path = ".", .window = 5, .stride = -1},
                   SNUG_CODE_USAGE, "-1");
    expect_failure(&(snug_timeseries_options){.path = ".", .window = 5, .left_context = 5},
                   SNUG_CODE_USAGE, "leaves no target");
    expect_failure(&(snug_timeseries_options){.path = ".", .window = 5, .workers = 17},
                   SNUG_CODE_USAGE, "17");
    expect_failure(&(snug_timeseries_options){.path = ".", .window = 5, .train_fraction = 1.5},
                   SNUG_CODE_USAGE, "1.5");
}

static void nan_is_found_with_its_place(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    snug_error err = {0};
    sessions_begin(&self);
    session_write(&self, 0, (session_spec){.rows = 100, .nan_row = -1});
    session_write(&self, 1, (session_spec){.rows = 100, .nan_row = 41});
    snug_timeseries_options options = {.path = self.folder, .window = 10, .check = true};
    expect_failure(&options, SNUG_CODE_DATA, "s0001.hdf5: row 41, input channel 2 is NaN");

    /* Not looked for at the index, it is found when its window is read. */
    options.check = false;
    sessions_open(&self, &options);
    float out[10][SESSION_INPUTS];
    int64_t failures = 0;
    for (int32_t training = 0; training < 2; training++) {
        for (int64_t p = 0; p < 10; p++) {
            const snug_source_batch batch = {.first_position = p, .count = 1, .training = training};
            const snug_source_request request = {.stream = 0, .count = 1};
            CHECK_OK(self.source->calls->begin(self.source, &batch, NULL, &err));
            const snug_status status = self.source->calls->fetch(self.source, &request, out, &err);
            if (snug_failed(status)) {
                CHECK(status == SNUG_CODE_DATA);
                CHECK(strstr(err.message, "s0001.hdf5: row 41, input channel 2 is NaN") != NULL);
                failures++;
            }
        }
    }
    CHECK(failures == 1);
    sessions_end(&self);
}

static void cut_and_changed_files_are_errors(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    snug_error err = {0};
    char path[SNUG_PATH_BYTES];
    sessions_begin(&self);
    write_files(&self, 2, 300);
    session_path(&self, 1, path);
    CHECK(truncate(path, 9000) == 0);
    snug_timeseries_options options = {.path = self.folder, .window = 10, .check = true};
    expect_failure(&options, SNUG_CODE_FORMAT, "s0001.hdf5");

    write_files(&self, 2, 300);
    sessions_open(&self, &options);
    CHECK(truncate(path, 12000) == 0);
    session_path(&self, 0, path);
    CHECK(truncate(path, 12000) == 0);
    float out[10][SESSION_INPUTS];
    const snug_source_batch batch = {.count = 1};
    const snug_source_request request = {.stream = 0, .count = 1};
    CHECK_OK(self.source->calls->begin(self.source, &batch, NULL, &err));
    CHECK_FAILS(self.source->calls->fetch(self.source, &request, out, &err), SNUG_CODE_DATA);
    CHECK(strstr(err.message, "changed since it was indexed") != NULL);
    sessions_end(&self);
}

static void files_must_have_the_same_channels(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    char from[SNUG_PATH_BYTES];
    char to[SNUG_PATH_BYTES];
    snug_error err = {0};
    sessions_begin(&self);
    write_files(&self, 1, 100);
    (void)snprintf(from, sizeof from, "%s/plain/session_0.hdf5", fixtures);
    session_path(&self, 1, to);
    const char *data = NULL;
    int64_t bytes = 0;
    CHECK_OK(snug_file_read_all(from, 1 << 20, &self.arena, &data, &bytes, &err));
    CHECK_OK(snug_file_write_all(to, data, bytes, &err));
    const snug_timeseries_options options = {.path = self.folder, .window = 10};
    expect_failure(&options, SNUG_CODE_DATA, "3 input channels and 2 targets");
    sessions_end(&self);
}

static void too_few_rows_train_nothing(void **state)
{
    SNUG_UNUSED(state);
    sessions self;
    sessions_begin(&self);
    write_files(&self, 3, 20);
    const snug_timeseries_options options = {.path = self.folder, .window = 21};
    expect_failure(&options, SNUG_CODE_DATA, "nothing to train on");
    sessions_end(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_counted_by_arithmetic),
        cmocka_unit_test(a_window_has_the_rows_it_says),
        cmocka_unit_test(padding_is_zero_outside_of_the_session),
        cmocka_unit_test(an_epoch_shows_every_window_once),
        cmocka_unit_test(jitter_stays_below_the_stride_and_inside),
        cmocka_unit_test(rotation_rolls_the_channels),
        cmocka_unit_test(rows_of_zero_targets_do_not_count),
        cmocka_unit_test(windows_skip_rows_that_do_not_count),
        cmocka_unit_test(statistics_are_those_of_numpy),
        cmocka_unit_test(train_statistics_leave_the_other_parts_out),
        cmocka_unit_test(one_file_is_split_by_time),
        cmocka_unit_test(files_are_split_by_seed_or_metadata),
        cmocka_unit_test(packed_files_give_the_bytes_of_plain_ones),
        cmocka_unit_test(the_cache_does_not_show),
        cmocka_unit_test(plain_data_sets_are_mapped_by_name),
        cmocka_unit_test(names_that_are_not_there_are_named),
        cmocka_unit_test(bad_options_are_usage_errors),
        cmocka_unit_test(nan_is_found_with_its_place),
        cmocka_unit_test(cut_and_changed_files_are_errors),
        cmocka_unit_test(files_must_have_the_same_channels),
        cmocka_unit_test(too_few_rows_train_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
