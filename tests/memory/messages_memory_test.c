/* Messages in another language: one file in memory, and no request for more when they are shown. */
#include <unistd.h>

#include "base/status.h"
#include "base/text.h"
#include "check.h"
#include "memory/count_allocations.h"
#include "snug/language.h"

static void a_message_asks_for_nothing(void **state)
{
    (void)state;
    char room[256];
    snug_text text;
    snug_error err = {0};
    snug_text_init(&text, room, sizeof room);
    count_allocations_begin();
    const snug_status used = snug_language_use(SNUG_LOCALE, "zh_CN", &err);
    snug_text_say(&text, "fits.\n");
    const snug_status status = SNUG_FAIL(&err, SNUG_CODE_IO, "there is no file '%s'", "a");
    const char *word = snug_translate("weights");
    const allocation_counts counts = count_allocations_end();
    if (count_allocations_work()) {
        assert_int_equal(counts.requests, 0);
    }
    CHECK(used == SNUG_OK);
    CHECK(status == SNUG_CODE_IO);
    assert_string_equal(room, "放得下。\n");
    assert_string_equal(err.message, "没有文件 'a'");
    assert_string_equal(word, "权重");
}

static void whatever_fails_leaves_english(void **state)
{
    (void)state;
    snug_error err = {0};
    CHECK_OK(snug_language_use(SNUG_LOCALE, "zh_CN", &err));
    CHECK_OK(snug_language_use(SNUG_LOCALE, "zh_CN", &err));
    assert_string_equal(snug_translate("weights"), "权重");
    CHECK_FAILS(snug_language_use(SNUG_LOCALE, "xx", &err), SNUG_CODE_IO);
    assert_string_equal(snug_translate("weights"), "weights");
    CHECK_FAILS(snug_language_use(SNUG_LOCALE, "../zh_CN", &err), SNUG_CODE_USAGE);
    CHECK_OK(snug_language_use(SNUG_LOCALE, "zh_CN", &err));
    CHECK_OK(snug_language_use(NULL, NULL, &err));
    assert_string_equal(snug_translate("weights"), "weights");
}

int main(void)
{
    if (access(SNUG_LOCALE "/zh_CN/LC_MESSAGES/snug.mo", R_OK) != 0) {
        print_message("skipped: built without msgfmt, there are no catalogues\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_message_asks_for_nothing),
                                       cmocka_unit_test(whatever_fails_leaves_english)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
