#include <math.h>

#include "check.h"
#include "data/timeseries/timeseries_files.h"
#include "session_files.h"

static void convert_error(const snug_timeseries_convert_options *options, snug_status code,
                          const char *part)
{
    snug_error err = {0};
    snug_timeseries_converted out = {.row_count = -7};
    CHECK_FAILS(snug_timeseries_convert(options, &out, &err), code);
    if (strstr(err.message, part) == NULL) {
        fail_msg("'%s' does not say '%s'", err.message, part);
    }
    CHECK(out.row_count == -7);
    CHECK(snug_path_look(options->output) == SNUG_PATH_NONE);
}

static void write_text(const char *path, const char *text)
{
    snug_error err = {0};
    CHECK_OK(snug_file_write_all(path, text, (int64_t)strlen(text), &err));
}

static void csv_becomes_a_session(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    sessions self;
    char csv[SNUG_PATH_BYTES], hdf5[SNUG_PATH_BYTES];
    sessions_begin(&self);
    CHECK_OK(snug_path_join(self.folder, "a.csv", csv, &err));
    CHECK_OK(snug_path_join(self.folder, "a.hdf5", hdf5, &err));
    write_text(csv, "t,emg1,emg2,emg3,force\n0,1,2,3,0\n0.5,-1.5,0.25,4e1,7\n1,5,6,7,0\n");
    snug_timeseries_convert_options options = {
        .input = csv, .output = hdf5, .inputs = "emg1..emg3", .targets = "force", .rate = 2.0};
    snug_timeseries_converted made;
    CHECK_OK(snug_timeseries_convert(&options, &made, &err));
    CHECK(made.row_count == 3);
    CHECK(made.input_count == 3);
    CHECK(made.target_count == 1);
    CHECK(made.zero_rows == 2);

    sessions_open(&self, &(snug_timeseries_options){
                             .path = hdf5, .window = 3, .train_fraction = 1.0, .use_mask = true});
    float input[3][3];
    float target[3];
    session_sample(&self, true, 0, 0, SNUG_TIMESERIES_INPUT, input);
    session_sample(&self, true, 0, 0, SNUG_TIMESERIES_TARGET, target);
    const float expected[3][3] = {{1, 2, 3}, {-1.5f, 0.25f, 40}, {5, 6, 7}};
    CHECK(memcmp(input, expected, sizeof input) == 0);
    CHECK(target[0] == 0.0f && target[1] == 7.0f && target[2] == 0.0f);
    CHECK(snug_timeseries_facts_of(self.index)->valid_row_count == 1);

    snug_timeseries_description about;
    const snug_timeseries_options plain = {0};
    CHECK_OK(snug_timeseries_describe(hdf5, &plain, &self.arena, &about, &err));
    CHECK(about.row_count == 3);
    CHECK(about.rate == 2.0);
    CHECK(about.valid_rows == 1);
    CHECK(about.channel_count == 4);
    assert_string_equal(about.group, "emg2pose");
    assert_string_equal(about.dataset, "timeseries");
    assert_string_equal(about.layout, "contiguous");
    assert_string_equal(about.members, "time f8, joint_angles f8, emg f4[3]");
    CHECK(about.channels[0].minimum == -1.5 && about.channels[0].maximum == 5.0);
    CHECK(fabs(about.channels[3].mean - 7.0 / 3.0) < 1e-12);
    CHECK(fabs(about.channels[3].std - sqrt(98.0) / 3.0) < 1e-12);
    sessions_end(&self);
}

static void bad_csv_is_named_with_its_line(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    sessions self;
    char csv[SNUG_PATH_BYTES], hdf5[SNUG_PATH_BYTES];
    sessions_begin(&self);
    CHECK_OK(snug_path_join(self.folder, "a.csv", csv, &err));
    CHECK_OK(snug_path_join(self.folder, "a.hdf5", hdf5, &err));
    snug_timeseries_convert_options options = {
        .input = csv, .output = hdf5, .inputs = "emg1", .targets = "force", .rate = 2.0};
    convert_error(&options, SNUG_CODE_IO, "a.csv");
    write_text(csv, "");
    convert_error(&options, SNUG_CODE_FORMAT, "empty");
    write_text(csv, "emg1,force\n");
    convert_error(&options, SNUG_CODE_DATA, "no rows");
    write_text(csv, "emg1,force\n1,2\n3,x\n");
    convert_error(&options, SNUG_CODE_FORMAT, "3");
    write_text(csv, "emg1,force\n1,2\n3,nan\n");
    convert_error(&options, SNUG_CODE_DATA, "line 3, column 2 is 'nan'");
    write_text(csv, "emg1,force\n1,2\n3\n");
    convert_error(&options, SNUG_CODE_FORMAT, "line 3");
    options.targets = "farce";
    convert_error(&options, SNUG_CODE_NOT_FOUND, "did you mean 'force'?");
    options.targets = "force";
    options.inputs = "emg1..emg4";
    convert_error(&options, SNUG_CODE_NOT_FOUND, "no column 'emg2'");
    options.inputs = "emg..force";
    convert_error(&options, SNUG_CODE_USAGE, "no range");
    options.inputs = "emg1";
    options.rate = 0.0;
    convert_error(&options, SNUG_CODE_USAGE, "rate");
    sessions_end(&self);
}

static bool stop_after_two(void *context, int64_t done, int64_t count)
{
    int64_t *const calls = context;
    (*calls)++;
    CHECK(count == 5);
    CHECK(done == *calls);
    return done < 2;
}

static void generated_sessions_are_learnable_and_the_same_again(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    sessions a, b;
    sessions_begin(&a);
    sessions_begin(&b);
    snug_timeseries_generate_options make = {.folder = a.folder,
                                             .file_count = 3,
                                             .row_count = 4000,
                                             .input_count = 7,
                                             .target_count = 3,
                                             .rate = 200.0,
                                             .invalid_fraction = 0.25,
                                             .seed = 9};
    CHECK_OK(snug_timeseries_generate(&make, NULL, NULL, &err));
    make.folder = b.folder;
    CHECK_OK(snug_timeseries_generate(&make, NULL, NULL, &err));
    const snug_timeseries_options options = {.window = 1000, .use_mask = true};
    sessions_open(&a, &options);
    sessions_open(&b, &options);
    const snug_timeseries_facts *const facts = snug_timeseries_facts_of(a.index);
    CHECK(facts->file_count == 3 && facts->row_count == 12000);
    CHECK(facts->input_count == 7 && facts->target_count == 3);
    CHECK(facts->valid_row_count > 12000 * 0.6 && facts->valid_row_count < 12000 * 0.9);
    static float input[1000][7], target[1000][3], again[1000][7];
    session_sample(&a, true, 0, 0, SNUG_TIMESERIES_INPUT, input);
    session_sample(&a, true, 0, 0, SNUG_TIMESERIES_TARGET, target);
    session_sample(&b, true, 0, 0, SNUG_TIMESERIES_INPUT, again);
    CHECK(memcmp(input, again, sizeof input) == 0);
    for (int64_t i = 1; i < 1000; i++) {
        for (int64_t k = 0; k < 3; k++) {
            /* Smooth at 200 rows a second, and bounded. */
            const bool edge = target[i][k] == 0.0f || target[i - 1][k] == 0.0f;
            CHECK(edge || fabsf(target[i][k] - target[i - 1][k]) < 0.2f);
            CHECK(fabsf(target[i][k]) < 1.0f);
        }
    }
    sessions_close(&a);
    int64_t calls = 0;
    make.file_count = 5;
    CHECK_FAILS(snug_timeseries_generate(&make, stop_after_two, &calls, &err),
                SNUG_CODE_INTERRUPTED);
    CHECK(calls == 2);
    make.invalid_fraction = 1.5;
    CHECK_FAILS(snug_timeseries_generate(&make, NULL, NULL, &err), SNUG_CODE_USAGE);
    sessions_end(&a);
    sessions_end(&b);
}

static void columns_of_a_plain_data_set_are_described(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    sessions self;
    sessions_begin(&self);
    snug_timeseries_description about;
    const snug_timeseries_options options = {.inputs = "block0_values[0:3]", .targets = "label"};
    CHECK_OK(snug_timeseries_describe(SNUG_SOURCE_DIR "/tests/fixtures/timeseries/columns.h5",
                                      &options, &self.arena, &about, &err));
    CHECK(about.row_count == 400);
    CHECK(about.input_count == 3 && about.target_count == 1);
    CHECK(about.rate == 0.0);
    assert_string_equal(about.group, "recording");
    assert_string_equal(about.layout, "chunked 50 rows, deflate");
    CHECK(about.channels[3].maximum == 399.0);
    CHECK(about.valid_rows == 399);
    CHECK_FAILS(snug_timeseries_describe("./nothing.h5", &options, &self.arena, &about, &err),
                SNUG_CODE_IO);
    sessions_end(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_becomes_a_session),
        cmocka_unit_test(bad_csv_is_named_with_its_line),
        cmocka_unit_test(generated_sessions_are_learnable_and_the_same_again),
        cmocka_unit_test(columns_of_a_plain_data_set_are_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
