/* labels: fast */
/* Event files, byte for byte as TensorBoard's own package writes them. */
#include "check.h"

#include <math.h>

#include "base/attr.h"
#include "sys/file.h"
#include "train/tensorboard.h"

static const char FOLDER[] = "./tensorboard_test.run";
static const double WALL = 1700000000.5;
static snug_tensorboard board;
static char ours[1 << 16], theirs[1 << 16];

static int set_up(void **state)
{
    snug_error err = {0};
    SNUG_UNUSED(state);
    CHECK_OK(snug_folder_remove(FOLDER, &err));
    return 0;
}

static void bytes_are_those_of_the_package(void **state)
{
    static const struct {
        const char *tag;
        int64_t step;
        double value;
    } scalars[] = {{"loss/train", 1, 0.5},
                   {"loss/train", 2, 0.25},
                   {"memory/rss", 300, 123456789.0},
                   {"精度/val", 70000, -1.5}};
    char path[4096];
    int64_t our_bytes = 0;
    int64_t their_bytes = 0;
    snug_error err = {0};
    SNUG_UNUSED(state);
    CHECK_OK(snug_tensorboard_open(FOLDER, WALL, &board, &err));
    (void)snprintf(path, sizeof path, "%s", board.path);
    for (int64_t i = 0; i < SNUG_COUNT(scalars); i++) {
        CHECK_OK(snug_tensorboard_scalar(&board, scalars[i].tag, scalars[i].step,
                                         WALL + (double)scalars[i].step, scalars[i].value, &err));
    }
    snug_tensorboard_close(&board);
    CHECK(strstr(path, "/events.out.tfevents.1700000000.snug") != NULL);
    CHECK_OK(snug_file_read_into(path, ours, sizeof ours, &our_bytes, &err));
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/tensorboard/scalars.bin", SNUG_SOURCE_DIR);
    CHECK_OK(snug_file_read_into(path, theirs, sizeof theirs, &their_bytes, &err));
    assert_int_equal(our_bytes, their_bytes);
    assert_memory_equal(ours, theirs, (size_t)our_bytes);
}

static void many_events_pass_through_a_small_buffer(void **state)
{
    char path[4096];
    int64_t bytes = 0;
    snug_error err = {0};
    SNUG_UNUSED(state);
    CHECK_OK(snug_tensorboard_open(FOLDER, WALL, &board, &err));
    (void)snprintf(path, sizeof path, "%s", board.path);
    CHECK_OK(snug_tensorboard_flush(&board, &err));
    CHECK_OK(snug_file_read_into(path, ours, sizeof ours, &bytes, &err));
    const int64_t first = bytes;
    for (int64_t i = 0; i < 500; i++) {
        CHECK_OK(snug_tensorboard_scalar(&board, "a", 1, WALL, NAN, &err));
        CHECK(board.buffered <= SNUG_TENSORBOARD_BUFFER_BYTES);
    }
    snug_tensorboard_close(&board);
    snug_tensorboard_close(&board);
    snug_tensorboard_close(NULL);
    CHECK_OK(snug_file_read_into(path, ours, sizeof ours, &bytes, &err));
    CHECK(bytes > first);
    assert_int_equal((bytes - first) % 500, 0);
}

static void a_second_file_gets_its_own_name(void **state)
{
    static snug_tensorboard other;
    snug_error err = {0};
    SNUG_UNUSED(state);
    CHECK_OK(snug_tensorboard_open(FOLDER, WALL, &board, &err));
    CHECK_OK(snug_tensorboard_open(FOLDER, WALL, &other, &err));
    assert_string_not_equal(board.path, other.path);
    snug_tensorboard_close(&board);
    snug_tensorboard_close(&other);
}

static void a_long_tag_is_refused(void **state)
{
    char tag[SNUG_TENSORBOARD_TAG_BYTES + 1];
    snug_error err = {0};
    SNUG_UNUSED(state);
    memset(tag, 'x', sizeof tag);
    tag[SNUG_TENSORBOARD_TAG_BYTES] = '\0';
    CHECK_OK(snug_tensorboard_open(FOLDER, WALL, &board, &err));
    const int64_t before = board.buffered;
    CHECK_FAILS(snug_tensorboard_scalar(&board, tag, 1, WALL, 1, &err), SNUG_CODE_LIMIT);
    assert_int_equal(board.buffered, before);
    tag[SNUG_TENSORBOARD_TAG_BYTES - 1] = '\0';
    CHECK_OK(snug_tensorboard_scalar(&board, tag, INT64_MIN, WALL, 1, &err));
    snug_tensorboard_close(&board);
    CHECK_FAILS(snug_tensorboard_open("/dev/null/run", WALL, &board, &err), SNUG_CODE_IO);
    CHECK(board.file.handle == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bytes_are_those_of_the_package, set_up),
        cmocka_unit_test_setup(many_events_pass_through_a_small_buffer, set_up),
        cmocka_unit_test_setup(a_second_file_gets_its_own_name, set_up),
        cmocka_unit_test_setup(a_long_tag_is_refused, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
