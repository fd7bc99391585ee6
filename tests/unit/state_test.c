/* labels: fast */
#include "check.h"

#include <unistd.h>

#include "base/attr.h"
#include "sys/file.h"
#include "train/state.h"

static const char PATH[] = "./state_test.json";

static snug_train_state example(void)
{
    snug_train_state state = {.step = 12345678901,
                              .epoch = 3,
                              .position = 77,
                              .samples = INT64_C(9007199254740993), /* No double holds it. */
                              .allocations = 1,
                              .best_step = 12000,
                              .best_value = 0.1, /* Has no short binary form. */
                              .loss = -0x1.fffffffffffffp-1022,
                              .bad_evaluations = 2,
                              .journal_bytes = 1 << 20,
                              .seconds = 1e300,
                              .seed = UINT64_MAX,
                              .result_hash = UINT64_C(0x8000000000000001),
                              .data_hash = 7};
    snug_sha256_init(&state.loss_hash);
    snug_sha256_add(&state.loss_hash, "part of a block", 15);
    return state;
}

static void write_text(const char *text)
{
    snug_error err = {0};
    CHECK_OK(snug_file_write_all(PATH, text, (int64_t)strlen(text), &err));
}

static void what_is_written_is_read_back(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    const snug_train_state written = example();
    snug_train_state read = {.step = -1};
    CHECK_OK(snug_state_write(PATH, &written, &err));
    CHECK_OK(snug_state_read(PATH, &read, &err));
    assert_memory_equal(&read, &written, sizeof read);

    const snug_train_state zero = {0};
    CHECK_OK(snug_state_write(PATH, &zero, &err));
    CHECK_OK(snug_state_read(PATH, &read, &err));
    assert_memory_equal(&read, &zero, sizeof read);
    CHECK(unlink(PATH) == 0);
}

static void a_hash_goes_on_where_it_was(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    char whole[65], resumed[65];
    snug_sha256 hash;
    snug_sha256_init(&hash);
    for (int i = 0; i < 300; i += 18) {
        snug_train_state kept = {.loss_hash = hash};
        CHECK_OK(snug_state_write(PATH, &kept, &err));
        CHECK_OK(snug_state_read(PATH, &kept, &err));
        hash = kept.loss_hash;
        snug_sha256_add(&hash, &i, sizeof i);
    }
    snug_sha256_hex(&hash, resumed);
    snug_sha256_init(&hash);
    for (int i = 0; i < 300; i += 18) {
        snug_sha256_add(&hash, &i, sizeof i);
    }
    snug_sha256_hex(&hash, whole);
    assert_string_equal(resumed, whole);
    CHECK(unlink(PATH) == 0);
}

static void every_cut_of_a_state_is_refused(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    char text[SNUG_STATE_TEXT_BYTES];
    int64_t bytes = 0;
    const snug_train_state written = example();
    CHECK_OK(snug_state_write(PATH, &written, &err));
    CHECK_OK(snug_file_read_into(PATH, text, sizeof text, &bytes, &err));
    /* The last byte is a newline after the object: without it the state is still whole. */
    for (int64_t keep = 0; keep < bytes - 1; keep++) {
        snug_train_state read = {.step = -1};
        CHECK_OK(snug_file_write_all(PATH, text, keep, &err));
        CHECK_FAILS(snug_state_read(PATH, &read, &err), SNUG_CODE_FORMAT);
        CHECK(strncmp(err.message, PATH, strlen(PATH)) == 0);
        assert_int_equal(read.step, -1);
    }
    CHECK(unlink(PATH) == 0);
}

static void what_is_no_state_is_refused(void **state)
{
    SNUG_UNUSED(state);
    static const char *const texts[] = {
        "[]",
        "null",
        "{}",
        "{\"schema\": \"snug.state/2\"}",
        "{\"schema\": 1}",
        "{\"step\": 1.5}",
        "{\"step\": \"1\"}",
        "{\"seed\": \"12\"}",
        "{\"seed\": \"00000000000000zz\"}",
        "{\"seed\": 5}",
        "{\"best_value\": []}",
        "{\"loss_hash\": \"00\"}",
    };
    for (int64_t i = 0; i < SNUG_COUNT(texts); i++) {
        snug_error err = {0};
        snug_train_state read = {.step = -1};
        write_text(texts[i]);
        CHECK_FAILS(snug_state_read(PATH, &read, &err), SNUG_CODE_FORMAT);
        assert_int_equal(read.step, -1);
    }
    CHECK(unlink(PATH) == 0);
}

static void a_damaged_hash_is_refused(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    char text[SNUG_STATE_TEXT_BYTES];
    int64_t bytes = 0;
    snug_train_state written = example(), read = {.step = -1};
    /* A count of buffered bytes beyond the block would read past it. */
    written.loss_hash.block_bytes = (int32_t)sizeof written.loss_hash.block;
    CHECK_OK(snug_state_write(PATH, &written, &err));
    CHECK_FAILS(snug_state_read(PATH, &read, &err), SNUG_CODE_FORMAT);
    CHECK(strstr(err.message, "loss_hash") != NULL);
    written.loss_hash.block_bytes = -1;
    CHECK_OK(snug_state_write(PATH, &written, &err));
    CHECK_FAILS(snug_state_read(PATH, &read, &err), SNUG_CODE_FORMAT);

    written = example();
    CHECK_OK(snug_state_write(PATH, &written, &err));
    CHECK_OK(snug_file_read_into(PATH, text, sizeof text, &bytes, &err));
    char *const digits = strstr(text, "\"loss_hash\": \"");
    CHECK(digits != NULL);
    digits[strlen("\"loss_hash\": \"")] = 'x';
    write_text(text);
    CHECK_FAILS(snug_state_read(PATH, &read, &err), SNUG_CODE_FORMAT);
    assert_int_equal(read.step, -1);
    CHECK(unlink(PATH) == 0);
}

static void fields_of_later_versions_are_skipped(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    char text[SNUG_STATE_TEXT_BYTES], more[SNUG_STATE_TEXT_BYTES + 64];
    int64_t bytes = 0;
    const snug_train_state written = example();
    snug_train_state read = {0};
    CHECK_OK(snug_state_write(PATH, &written, &err));
    CHECK_OK(snug_file_read_into(PATH, text, sizeof text, &bytes, &err));
    (void)snprintf(more, sizeof more, "{\"later\": {\"a\": [1, {}]},%s", text + 1);
    write_text(more);
    CHECK_OK(snug_state_read(PATH, &read, &err));
    assert_memory_equal(&read, &written, sizeof read);
    CHECK(unlink(PATH) == 0);
}

static void files_that_cannot_be_used(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    snug_train_state read = {.step = -1};
    CHECK_FAILS(snug_state_read("./no-such-state.json", &read, &err), SNUG_CODE_IO);
    CHECK_FAILS(snug_state_read(".", &read, &err), SNUG_CODE_IO);
    CHECK_FAILS(snug_state_write("./no-such-folder/state.json", &read, &err), SNUG_CODE_IO);
    char *const large = calloc(1, 2 * SNUG_STATE_TEXT_BYTES);
    CHECK(large != NULL);
    CHECK_OK(snug_file_write_all(PATH, large, 2 * SNUG_STATE_TEXT_BYTES, &err));
    CHECK_FAILS(snug_state_read(PATH, &read, &err), SNUG_CODE_LIMIT);
    assert_int_equal(read.step, -1);
    free(large);
    CHECK(unlink(PATH) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_hash_goes_on_where_it_was),
        cmocka_unit_test(every_cut_of_a_state_is_refused),
        cmocka_unit_test(what_is_no_state_is_refused),
        cmocka_unit_test(a_damaged_hash_is_refused),
        cmocka_unit_test(fields_of_later_versions_are_skipped),
        cmocka_unit_test(files_that_cannot_be_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
