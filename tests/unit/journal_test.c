/* labels: fast */
#include "check.h"

#include <math.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/json.h"
#include "sys/file.h"
#include "train/journal.h"

static const char PATH[] = "./journal_test.jsonl";
static char line[8192], text[65536];

static int64_t read_back(void)
{
    snug_error err = {0};
    int64_t bytes = 0;
    CHECK_OK(snug_file_read_into(PATH, text, sizeof text, &bytes, &err));
    return bytes;
}

static snug_journal open_journal(int64_t keep_bytes)
{
    snug_error err = {0};
    snug_journal journal;
    CHECK_OK(snug_journal_open(PATH, keep_bytes, line, sizeof line, &journal, &err));
    assert_int_equal(journal.bytes, keep_bytes);
    return journal;
}

static snug_step_record step_record(int64_t step)
{
    return (snug_step_record){.step = step,
                              .epoch = 1,
                              .samples = 16 * step,
                              .loss = 0.1 * (double)step,
                              .gradient_norm = 2.5,
                              .learning_rate = 1e-3,
                              .step_seconds = 0.25,
                              .seconds = 0.25 * (double)step,
                              .rss_bytes = 1 << 20,
                              .peak_rss_bytes = 1 << 21};
}

/** Finds a number of an object's top level by its key. */
static double number_of(const char *object, int64_t bytes, const char *key)
{
    snug_error err = {0};
    snug_json_reader reader;
    snug_json_event event;
    snug_json_reader_init(&reader, object, bytes);
    CHECK_OK(snug_json_next(&reader, &event, &err));
    CHECK(event.kind == SNUG_JSON_OBJECT_BEGIN);
    for (;;) {
        char name[64];
        double value = 0.0;
        CHECK_OK(snug_json_next(&reader, &event, &err));
        CHECK(event.kind != SNUG_JSON_OBJECT_END);
        CHECK_OK(snug_json_unescape(&event, name, sizeof name, &err));
        if (strcmp(name, key) != 0) {
            CHECK_OK(snug_json_skip(&reader, &err));
            continue;
        }
        CHECK_OK(snug_json_next(&reader, &event, &err));
        CHECK_OK(snug_json_to_f64(&event, &value, &err));
        return value;
    }
}

static void each_record_is_one_line_whose_numbers_come_back(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    snug_journal journal = open_journal(0);
    const snug_step_record record = step_record(3);
    CHECK_OK(snug_journal_step(&journal, &record, &err));
    const int64_t first = journal.bytes;
    CHECK_OK(snug_journal_event(&journal, "resume", "a \"quoted\"\nword", &err));
    snug_journal_close(&journal);
    assert_int_equal(read_back(), journal.bytes);
    assert_int_equal(text[first - 1], '\n');
    CHECK(memchr(text, '\n', (size_t)first - 1) == NULL);
    CHECK(number_of(text, first, "loss") == record.loss);
    CHECK(number_of(text, first, "step") == 3.0);
    CHECK(number_of(text, first, "samples") == 48.0);
    CHECK(number_of(text, first, "gradient_norm") == 2.5);
    CHECK(number_of(text, first, "learning_rate") == 1e-3);
    CHECK(number_of(text, first, "rss_bytes") == 1048576.0);
    assert_string_equal(text + first,
                        "{\"event\":\"resume\",\"message\":\"a \\\"quoted\\\"\\nword\"}\n");
    CHECK(unlink(PATH) == 0);
}

static void an_evaluation_has_all_targets_and_fits_the_line(void **state)
{
    SNUG_UNUSED(state);
    enum { TARGETS = 64 };
    snug_error err = {0};
    double values[TARGETS];
    for (int i = 0; i < TARGETS; i++) {
        values[i] = -1.2345678901234567e-300; /* As long as a number gets. */
    }
    CHECK(snug_journal_line_bytes(3 * TARGETS) <= (int64_t)sizeof line);
    snug_journal journal;
    CHECK_OK(
        snug_journal_open(PATH, 0, line, snug_journal_line_bytes(3 * TARGETS), &journal, &err));
    const snug_evaluation evaluation = {
        .step = INT64_MAX,
        .epoch = INT64_MAX,
        .samples = INT64_MAX,
        .loss = -1.2345678901234567e-300,
        .metric_count = 3,
        .metrics = {{"mse", NAN}, {"mae", INFINITY}, {"r2", -1.2345678901234567e-300}},
        .item = "target",
        .item_count = TARGETS,
        .item_metric_count = 3,
        .item_metrics = {{"mse", values}, {"mae", values}, {"r2", values}}};
    CHECK_OK(snug_journal_evaluation(&journal, &evaluation, -1.2345678901234567e-300, &err));
    snug_journal_close(&journal);
    const int64_t bytes = read_back();
    assert_int_equal(text[bytes - 1], '\n');
    int64_t commas = 0;
    for (int64_t i = 0; i < bytes; i++) {
        commas += text[i] == ',';
    }
    /* step, epoch and the evaluation; its 9 fields; 3 arrays. */
    assert_int_equal(commas, 2 + 8 + 3 * (TARGETS - 1));
    /* What is no number is null: JSON has none. */
    CHECK(strstr(text, "\"mse\":null") != NULL && strstr(text, "\"mae\":null") != NULL);
    CHECK(unlink(PATH) == 0);
}

static void a_resumed_journal_is_cut_at_its_checkpoint(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    snug_journal journal = open_journal(0);
    snug_step_record record = step_record(1);
    CHECK_OK(snug_journal_step(&journal, &record, &err));
    const int64_t kept = journal.bytes;
    record = step_record(2);
    CHECK_OK(snug_journal_step(&journal, &record, &err));
    CHECK(journal.bytes > kept);
    snug_journal_close(&journal);
    /* Half a line, as a kill leaves it. */
    const int64_t whole = read_back();
    snug_file file;
    CHECK_OK(snug_file_open_append(PATH, &file, &err));
    CHECK_OK(snug_file_append(&file, "{\"step\":3,\"lo", 13, &err));
    snug_file_close(&file);

    journal = open_journal(kept);
    CHECK_OK(snug_journal_step(&journal, &record, &err));
    snug_journal_close(&journal);
    assert_int_equal(read_back(), whole);
    CHECK(number_of(text + kept, whole - kept, "step") == 2.0);
    CHECK(unlink(PATH) == 0);
}

static void a_journal_shorter_than_its_checkpoint_is_refused(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    snug_journal journal = {.bytes = -7};
    CHECK_OK(snug_file_write_all(PATH, "{}\n", 3, &err));
    CHECK_FAILS(snug_journal_open(PATH, 4, line, sizeof line, &journal, &err), SNUG_CODE_FORMAT);
    assert_int_equal(journal.bytes, -7);
    assert_int_equal(read_back(), 3);
    CHECK(unlink(PATH) == 0);
    CHECK_FAILS(snug_journal_open("./no-folder/j", 0, line, sizeof line, &journal, &err),
                SNUG_CODE_IO);
    assert_int_equal(journal.bytes, -7);
}

static void a_full_disk_is_said(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    snug_journal journal = {.line = line, .line_bytes = sizeof line};
    if (access("/dev/full", W_OK) != 0) {
        print_message("skipped: there is no /dev/full\n");
        skip();
    }
    CHECK_OK(snug_file_open_append("/dev/full", &journal.file, &err));
    const snug_step_record record = step_record(1);
    CHECK_FAILS(snug_journal_step(&journal, &record, &err), SNUG_CODE_FULL);
    assert_int_equal(journal.bytes, 0);
    snug_journal_close(&journal);
    snug_journal_close(&journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_is_one_line_whose_numbers_come_back),
        cmocka_unit_test(an_evaluation_has_all_targets_and_fits_the_line),
        cmocka_unit_test(a_resumed_journal_is_cut_at_its_checkpoint),
        cmocka_unit_test(a_journal_shorter_than_its_checkpoint_is_refused),
        cmocka_unit_test(a_full_disk_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
