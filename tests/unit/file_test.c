/* labels: fast */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "sys/file.h"

static char folder[64];
static char path[SNUG_PATH_BYTES];
static _Alignas(SNUG_ALIGN) unsigned char block[1 << 16];
static snug_arena arena;

static const char *at(const char *name)
{
    CHECK(snug_path_join(folder, name, path, NULL) == SNUG_OK);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    snug_arena_init(&arena, "test", block, sizeof block);
    (void)snprintf(folder, sizeof folder, "file_test.XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    return snug_folder_remove(folder, NULL) != SNUG_OK;
}

static void put(const char *name, const char *text)
{
    snug_error err = {0};
    CHECK_OK(snug_file_write_all(at(name), text, (int64_t)strlen(text), &err));
}

static void check_content(const char *name, const char *want)
{
    snug_error err = {0};
    const char *data = NULL;
    int64_t bytes = 0;
    CHECK_OK(snug_file_read_all(at(name), 1 << 15, &arena, &data, &bytes, &err));
    assert_int_equal(bytes, strlen(want));
    assert_string_equal(data, want);
}

static void reads_are_exact_or_say_where_the_file_ends(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_file file = {0};
    char out[8] = "-------";
    int64_t got = 0;
    put("a", "0123456789");
    CHECK_OK(snug_file_open(at("a"), &file, &err));
    assert_int_equal(file.bytes, 10);
    CHECK_OK(snug_file_read_at(&file, 3, out, 4, &err));
    assert_memory_equal(out, "3456---", 7);
    CHECK_FAILS(snug_file_read_at(&file, 8, out, 4, &err), SNUG_CODE_FORMAT);
    CHECK(strstr(err.message, "ends at byte 10") != NULL && strstr(err.message, "/a'") != NULL);
    CHECK_OK(snug_file_read_some(&file, 8, out, 4, &got, &err));
    assert_int_equal(got, 2);
    CHECK_OK(snug_file_read_at(&file, 99, out, 0, &err));
    snug_file_drop_cache(&file, 0, 0);
    snug_file_close(&file);
    snug_file_close(&file);
    snug_file_close(NULL);
}

static void what_is_not_a_file_is_refused(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_file file = {0};
    CHECK_FAILS(snug_file_open(at("nothing"), &file, &err), SNUG_CODE_IO);
    CHECK(strstr(err.message, "nothing") != NULL && strstr(err.message, "No such file") != NULL);
    CHECK_FAILS(snug_file_open(folder, &file, &err), SNUG_CODE_IO);
    CHECK(strstr(err.message, "a folder") != NULL);
    CHECK(mkfifo(at("pipe"), 0600) == 0);
    CHECK_FAILS(snug_file_open(at("pipe"), &file, &err), SNUG_CODE_IO);
    CHECK(file.handle == 0);
}

static void a_small_file_is_read_whole(void **state)
{
    (void)state;
    snug_error err = {0};
    const char *data = NULL;
    int64_t bytes = -1;
    char small[5];
    put("b", "hello");
    check_content("b", "hello");
    const int64_t used = arena.used_bytes;
    CHECK_FAILS(snug_file_read_all(at("b"), 4, &arena, &data, &bytes, &err), SNUG_CODE_LIMIT);
    CHECK(data == NULL && bytes == -1 && arena.used_bytes == used);
    CHECK_FAILS(snug_file_read_into(at("b"), small, sizeof small, &bytes, &err), SNUG_CODE_LIMIT);
    assert_int_equal(bytes, -1);
    char fits[6];
    CHECK_OK(snug_file_read_into(at("b"), fits, sizeof fits, &bytes, &err));
    assert_string_equal(fits, "hello");
    put("empty", "");
    check_content("empty", "");
}

static void a_writer_makes_the_file_appear_whole(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_file_writer writer = {0};
    unsigned char buffer[16];
    char name[SNUG_PATH_BYTES];
    char expected[400] = "";
    put("c", "old");
    (void)snprintf(name, sizeof name, "%s/c", folder);
    CHECK_OK(snug_file_writer_open(name, buffer, sizeof buffer, &writer, &err));
    for (int i = 0; i < 30; i++) {
        char piece[40];
        const int length =
            snprintf(piece, sizeof piece, "%d:%.*s|", i, i % 20, "aaaaaaaaaaaaaaaaaaaaaaaa");
        (void)snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%.*s",
                       length, piece);
        CHECK_OK(snug_file_writer_add(&writer, piece, length, &err));
        assert_int_equal(snug_file_writer_position(&writer), strlen(expected));
        if (i == 20) {
            CHECK_OK(snug_file_writer_patch(&writer, 1, "X", 1, &err));
            expected[1] = 'X';
        }
    }
    check_content("c", "old");
    CHECK(snug_path_look(at("c.partial")) == SNUG_PATH_FILE);
    CHECK_OK(snug_file_writer_commit(&writer, &err));
    CHECK(snug_path_look(at("c.partial")) == SNUG_PATH_NONE);
    check_content("c", expected);
    snug_file_writer_abort(&writer);
    check_content("c", expected);
}

static void an_abort_leaves_the_old_file(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_file_writer writer = {0};
    unsigned char buffer[4];
    char name[SNUG_PATH_BYTES];
    put("d", "old");
    (void)snprintf(name, sizeof name, "%s/d", folder);
    CHECK_OK(snug_file_writer_open(name, buffer, sizeof buffer, &writer, &err));
    CHECK_OK(snug_file_writer_add(&writer, "newer", 5, &err));
    snug_file_writer second = {0};
    CHECK_FAILS(snug_file_writer_open(name, buffer, sizeof buffer, &second, &err), SNUG_CODE_BUSY);
    CHECK(second.handle == 0);
    snug_file_writer_abort(&writer);
    snug_file_writer_abort(&writer);
    snug_file_writer_abort(NULL);
    CHECK(snug_path_look(at("d.partial")) == SNUG_PATH_NONE);
    check_content("d", "old");
    /* What a killed run leaves behind is taken over. */
    CHECK(creat(at("d.partial"), 0666) >= 0);
    put("d", "new");
    check_content("d", "new");
    CHECK_FAILS(snug_file_write_all(at("no/such/folder"), "x", 1, &err), SNUG_CODE_IO);
}

static void a_full_disk_is_its_own_code(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_file file = {0};
    /* The kernel's always full device stands for the disk. */
    if (access("/dev/full", W_OK) != 0) {
        print_message("skipped here: there is no /dev/full\n");
        return;
    }
    CHECK_OK(snug_file_open_append("/dev/full", &file, &err));
    CHECK_FAILS(snug_file_append(&file, "x", 1, &err), SNUG_CODE_FULL);
    CHECK(strstr(err.message, "/dev/full") != NULL);
    snug_file_close(&file);
}

/* RLIMIT_FSIZE makes the kernel refuse in the middle of a file, as a full disk does. */
static void a_write_that_stops_half_way_leaves_nothing(void **state)
{
    (void)state;
    snug_error err = {0};
    static char large[100000];
    put("e", "old");
    struct rlimit before;
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct rlimit tight = {.rlim_cur = 50000, .rlim_max = before.rlim_max};
    CHECK(setrlimit(RLIMIT_FSIZE, &tight) == 0);
    const snug_status status = snug_file_write_all(at("e"), large, sizeof large, &err);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    assert_int_equal(status, SNUG_CODE_IO);
    CHECK(snug_path_look(at("e.partial")) == SNUG_PATH_NONE);
    check_content("e", "old");
}

static void a_log_is_appended_and_cut(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_file file = {0};
    char name[SNUG_PATH_BYTES];
    (void)snprintf(name, sizeof name, "%s/log", folder);
    CHECK_OK(snug_file_open_append(name, &file, &err));
    CHECK_OK(snug_file_append(&file, "one\n", 4, &err));
    CHECK_OK(snug_file_append(&file, "two\n", 4, &err));
    assert_int_equal(file.bytes, 8);
    CHECK_OK(snug_file_sync(&file, &err));
    CHECK_OK(snug_file_truncate(&file, 4, &err));
    CHECK_OK(snug_file_append(&file, "three\n", 6, &err));
    snug_file_close(&file);
    check_content("log", "one\nthree\n");
    CHECK_OK(snug_file_open_append(name, &file, &err));
    assert_int_equal(file.bytes, 10);
    snug_file_close(&file);
}

static void a_large_file_goes_through_a_small_buffer(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_file_writer writer = {0};
    static unsigned char buffer[1 << 16];
    static unsigned char piece[300000];
    char name[SNUG_PATH_BYTES];
    (void)snprintf(name, sizeof name, "%s/large", folder);
    CHECK_OK(snug_file_writer_open(name, buffer, sizeof buffer, &writer, &err));
    for (int i = 0; i < 100; i++) {
        memset(piece, i, sizeof piece);
        CHECK_OK(
            snug_file_writer_add(&writer, piece, i % 2 == 0 ? (int64_t)sizeof piece : 1000, &err));
    }
    CHECK(writer.dropped_bytes > 0);
    CHECK_OK(snug_file_writer_commit(&writer, &err));
    snug_file file = {0};
    CHECK_OK(snug_file_open(name, &file, &err));
    assert_int_equal(file.bytes, 50 * 300000 + 50 * 1000);
    unsigned char sample[2];
    CHECK_OK(snug_file_read_at(&file, 49 * 301000 + 299999, sample, 2, &err));
    CHECK(sample[0] == 98 && sample[1] == 99);
    snug_file_close(&file);
}

static void folders_are_made_listed_and_removed(void **state)
{
    (void)state;
    snug_error err = {0};
    const snug_folder_entry *entries = NULL;
    int64_t count = 0;
    char name[SNUG_PATH_BYTES];
    (void)snprintf(name, sizeof name, "%s/x/y//z/", folder);
    CHECK_OK(snug_folder_make(name, &err));
    CHECK_OK(snug_folder_make(name, &err));
    put("x/b10", "1");
    put("x/b2", "1");
    put("x/a", "1");
    put("x/y/z/deep", "1");
    CHECK(symlink("..", at("x/link")) == 0);
    CHECK(symlink("nowhere", at("x/dangling")) == 0);
    CHECK_OK(snug_folder_list(at("x"), &arena, &entries, &count, &err));
    static const char *const want[] = {"a", "b10", "b2", "dangling", "link", "y"};
    assert_int_equal(count, SNUG_COUNT(want));
    for (int64_t i = 0; i < count; i++) {
        assert_string_equal(entries[i].name, want[i]);
    }
    CHECK(entries[0].kind == SNUG_PATH_FILE && entries[5].kind == SNUG_PATH_FOLDER);
    CHECK(entries[4].kind == SNUG_PATH_FOLDER && entries[3].kind == SNUG_PATH_OTHER);
    CHECK_FAILS(snug_folder_make(at("x/a/b"), &err), SNUG_CODE_IO);
    CHECK_FAILS(snug_folder_make("", &err), SNUG_CODE_IO);
    const int64_t used = arena.used_bytes;
    CHECK_FAILS(snug_folder_list(at("x/a"), &arena, &entries, &count, &err), SNUG_CODE_IO);
    CHECK(arena.used_bytes == used);
    put("outside", "stays");
    CHECK_OK(snug_folder_remove(at("x/"), &err));
    CHECK(snug_path_look(at("x")) == SNUG_PATH_NONE);
    check_content("outside", "stays");
    CHECK_OK(snug_folder_remove(at("x"), &err));
    CHECK_OK(snug_folder_remove(at("outside"), &err));
    CHECK(snug_path_look(at("outside")) == SNUG_PATH_NONE);
}

static void many_entries_come_sorted(void **state)
{
    (void)state;
    snug_error err = {0};
    const snug_folder_entry *entries = NULL;
    int64_t count = 0;
    CHECK_OK(snug_folder_make(at("many"), &err));
    for (int i = 0; i < 500; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "many/%d", i * 7919 % 500);
        const int fd = creat(at(name), 0666);
        CHECK(fd >= 0);
        CHECK(close(fd) == 0);
    }
    CHECK_OK(snug_folder_list(at("many"), &arena, &entries, &count, &err));
    assert_int_equal(count, 500);
    for (int64_t i = 1; i < count; i++) {
        CHECK(strcmp(entries[i - 1].name, entries[i].name) < 0);
    }
}

static void a_folder_takes_the_place_of_another(void **state)
{
    (void)state;
    snug_error err = {0};
    char from[SNUG_PATH_BYTES];
    char to[SNUG_PATH_BYTES];
    (void)snprintf(from, sizeof from, "%s/last.new", folder);
    (void)snprintf(to, sizeof to, "%s/last", folder);
    for (int round = 0; round < 2; round++) {
        CHECK_OK(snug_folder_make(from, &err));
        put("last.new/f", round == 0 ? "first" : "second");
        CHECK_OK(snug_folder_replace(from, to, &err));
        CHECK(snug_path_look(from) == SNUG_PATH_NONE);
        check_content("last/f", round == 0 ? "first" : "second");
    }
    CHECK_FAILS(snug_folder_replace(at("none"), at("other"), &err), SNUG_CODE_IO);
}

static void a_lock_keeps_the_second_out(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_lock first = {0};
    snug_lock second = {0};
    CHECK_OK(snug_lock_acquire(at("lock"), &first, &err));
    CHECK_FAILS(snug_lock_acquire(at("lock"), &second, &err), SNUG_CODE_BUSY);
    CHECK(second.handle == 0);
    char pid[32];
    (void)snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    CHECK(strstr(err.message, pid) != NULL);
    snug_lock_release(&first);
    snug_lock_release(&first);
    CHECK_OK(snug_lock_acquire(at("lock"), &second, &err));
    snug_lock_release(&second);
    CHECK_FAILS(snug_lock_acquire(at("no/lock"), &second, &err), SNUG_CODE_IO);
}

static void the_kernel_releases_the_lock_of_a_dead_process(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_lock lock = {0};
    char name[SNUG_PATH_BYTES];
    (void)snprintf(name, sizeof name, "%s/dead", folder);
    const pid_t child = fork();
    if (child == 0) {
        snug_lock mine = {0};
        if (snug_lock_acquire(name, &mine, NULL) != SNUG_OK) {
            _exit(1);
        }
        (void)raise(SIGKILL);
    }
    int result = 0;
    CHECK(waitpid(child, &result, 0) == child);
    CHECK(WIFSIGNALED(result));
    CHECK_OK(snug_lock_acquire(name, &lock, &err));
    snug_lock_release(&lock);
}

static void paths_are_joined_within_their_limit(void **state)
{
    (void)state;
    snug_error err = {0};
    char out[SNUG_PATH_BYTES];
    static char longer[SNUG_PATH_BYTES];
    CHECK_OK(snug_path_join("a", "b", out, &err));
    assert_string_equal(out, "a/b");
    CHECK_OK(snug_path_join("a/", "b", out, &err));
    assert_string_equal(out, "a/b");
    CHECK_OK(snug_path_join("", "b", out, &err));
    assert_string_equal(out, "b");
    CHECK_OK(snug_path_join(out, "c", out, &err));
    assert_string_equal(out, "b/c");
    memset(longer, 'x', sizeof longer - 1);
    CHECK_FAILS(snug_path_join("a", longer, out, &err), SNUG_CODE_LIMIT);
    assert_string_equal(out, "b/c");
    assert_string_equal(snug_path_name("a/b/c"), "c");
    assert_string_equal(snug_path_name("c"), "c");
    snug_file_writer writer = {0};
    CHECK_FAILS(snug_file_writer_open(longer, out, 1, &writer, &err), SNUG_CODE_LIMIT);
}

static void free_space_is_known(void **state)
{
    (void)state;
    snug_error err = {0};
    int64_t bytes = -1;
    CHECK_OK(snug_disk_free(folder, &bytes, &err));
    CHECK(bytes >= 0);
    bytes = -1;
    CHECK_FAILS(snug_disk_free(at("nothing"), &bytes, &err), SNUG_CODE_IO);
    assert_int_equal(bytes, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_are_exact_or_say_where_the_file_ends, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_a_file_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_small_file_is_read_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_writer_makes_the_file_appear_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_abort_leaves_the_old_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_is_its_own_code, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_write_that_stops_half_way_leaves_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_log_is_appended_and_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_file_goes_through_a_small_buffer, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(folders_are_made_listed_and_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_entries_come_sorted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_takes_the_place_of_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lock_keeps_the_second_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_kernel_releases_the_lock_of_a_dead_process, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(paths_are_joined_within_their_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(free_space_is_known, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
