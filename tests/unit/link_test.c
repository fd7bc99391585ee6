/* labels: fast */
#include "check.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/limits.h"
#include "sys/file.h"
#include "sys/link.h"

static char folder[] = "./link-test-XXXXXX";

static int make_folder(void **state)
{
    SNUG_UNUSED(state);
    CHECK(mkdtemp(folder) != NULL);
    CHECK(chdir(folder) == 0);
    return 0;
}

static int remove_folder(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    CHECK(chdir("..") == 0);
    CHECK_OK(snug_folder_remove(folder, &err));
    return 0;
}

static void a_link_is_made_and_replaced(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    char target[64] = "";
    CHECK_OK(snug_link_replace("step-1", "last", &err));
    CHECK(snug_link_read("last", target, sizeof target));
    assert_string_equal(target, "step-1");
    CHECK_OK(snug_link_replace("step-20", "./last", &err));
    CHECK(snug_link_read("last", target, sizeof target));
    assert_string_equal(target, "step-20");
    /* Nothing but the link is there. */
    struct stat facts;
    CHECK(lstat("last.partial", &facts) != 0);
    CHECK(unlink("last") == 0);
}

static void a_leftover_of_a_killed_process_is_no_obstacle(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    char target[64] = "";
    CHECK(symlink("elsewhere", "last.partial") == 0);
    CHECK_OK(snug_link_replace("step-3", "last", &err));
    CHECK(snug_link_read("last", target, sizeof target));
    assert_string_equal(target, "step-3");
    CHECK(unlink("last") == 0);
}

static void what_stands_there_stays_when_it_cannot_be_replaced(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    struct stat facts;
    CHECK(mkdir("last", 0700) == 0);
    CHECK_FAILS(snug_link_replace("step-3", "last", &err), SNUG_CODE_IO);
    CHECK(strstr(err.message, "last") != NULL);
    CHECK(lstat("last", &facts) == 0 && S_ISDIR(facts.st_mode));
    CHECK(lstat("last.partial", &facts) != 0);
    CHECK(rmdir("last") == 0);
    CHECK_FAILS(snug_link_replace("step-3", "no-folder/last", &err), SNUG_CODE_IO);
}

static void a_path_that_is_too_long(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    char path[SNUG_PATH_BYTES];
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = '\0';
    CHECK_FAILS(snug_link_replace("step-3", path, &err), SNUG_CODE_LIMIT);
}

static void what_is_no_link_is_not_read(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    char target[8] = "kept";
    CHECK(!snug_link_read("nothing", target, sizeof target));
    CHECK(!snug_link_read(".", target, sizeof target));
    CHECK_OK(snug_link_replace("1234567", "last", &err));
    CHECK(!snug_link_read("last", target, sizeof target)); /* Might have been cut. */
    CHECK_OK(snug_link_replace("123456", "last", &err));
    CHECK(snug_link_read("last", target, sizeof target));
    assert_string_equal(target, "123456");
    CHECK(unlink("last") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_is_made_and_replaced),
        cmocka_unit_test(a_leftover_of_a_killed_process_is_no_obstacle),
        cmocka_unit_test(what_stands_there_stays_when_it_cannot_be_replaced),
        cmocka_unit_test(a_path_that_is_too_long),
        cmocka_unit_test(what_is_no_link_is_not_read),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
