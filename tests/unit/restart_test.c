/* labels: fast */
#include "check.h"

#include "monitor/restart.h"
#include "sys/file.h"

static _Alignas(SNUG_ALIGN) unsigned char block[1 << 16];
static snug_arena arena;

static int set_up(void **state)
{
    (void)state;
    snug_arena_init(&arena, "test", block, sizeof block);
    return 0;
}

/* The words of a command of up to four texts. */
typedef struct line {
    char texts[4][64];
    char *words[5];
} line;

static char *const *make_line(line *out, const char *a, const char *b, const char *c)
{
    const char *const texts[] = {a, b, c};
    *out = (line){0};
    for (int i = 0; i < 3 && texts[i] != NULL; i++) {
        (void)snprintf(out->texts[i], sizeof out->texts[i], "%s", texts[i]);
        out->words[i] = out->texts[i];
    }
    return out->words;
}

static const char *show(const snug_restart *restart)
{
    static char data[256];
    snug_text text;
    snug_text_init(&text, data, sizeof data);
    snug_restart_show(restart, &text);
    snug_restart_show_product(restart, &text);
    return data;
}

static void a_pair_keeps_its_product(void **state)
{
    line words;
    snug_restart restart;
    snug_error err = {0};
    (void)state;
    CHECK_OK(snug_restart_read("bs=/2,min=1", "acc=*2",
                               make_line(&words, "{bs=12}", "{acc=2}", NULL), &restart, &err));
    /* 24 = 12 * 2 = 6 * 4 = 3 * 8 = 1 * 24: no step leaves it. */
    static const char *const steps[] = {"bs=6 acc=4, global 24 kept", "bs=3 acc=8, global 24 kept",
                                        "bs=1 acc=24, global 24 kept"};
    for (int i = 0; i < 3; i++) {
        CHECK(snug_restart_next(&restart));
        assert_string_equal(show(&restart), steps[i]);
    }
    CHECK(!snug_restart_next(&restart));
    assert_string_equal(show(&restart), steps[2]);
}

static void a_prime_batch_finds_its_divisors(void **state)
{
    line words;
    snug_restart restart;
    snug_error err = {0};
    (void)state;
    CHECK_OK(snug_restart_read("b=/2", "a=*2", make_line(&words, "{b=10}", "{a=1}", NULL), &restart,
                               &err));
    CHECK(snug_restart_next(&restart));
    assert_string_equal(show(&restart), "b=5 a=2, global 10 kept");
    CHECK(snug_restart_next(&restart));
    assert_string_equal(show(&restart), "b=2 a=5, global 10 kept");
    CHECK_OK(snug_restart_read("b=/2", "a=*2,max=4", make_line(&words, "{b=10}", "{a=1}", NULL),
                               &restart, &err));
    CHECK(snug_restart_next(&restart));
    CHECK(!snug_restart_next(&restart));
    assert_string_equal(show(&restart), "b=5 a=2, global 10 kept");
}

static void rules_come_one_after_the_other(void **state)
{
    line words;
    snug_restart restart;
    snug_error err = {0};
    int steps = 0;
    (void)state;
    CHECK_OK(snug_restart_read("b=/4,min=2;w=-1,min=0", NULL,
                               make_line(&words, "x{b=16}y", "--w={w=2}", "{other=3}"), &restart,
                               &err));
    static const char *const wanted[] = {"b=4 w=2", "b=2 w=2", "b=2 w=1", "b=2 w=0"};
    while (snug_restart_next(&restart)) {
        CHECK(steps < 4);
        assert_string_equal(show(&restart), wanted[steps]);
        steps++;
    }
    CHECK(steps == 4);
}

static void words_are_filled(void **state)
{
    line words;
    snug_restart restart;
    snug_error err = {0};
    char *const *filled = NULL;
    (void)state;
    CHECK_OK(snug_restart_read(
        "b=/2", NULL, make_line(&words, "{b=16}-{b}", "{c=1}{}{", "{{b=16}}"), &restart, &err));
    CHECK(snug_restart_next(&restart));
    CHECK_OK(snug_restart_fill(&restart, words.words, &arena, &filled, &err));
    assert_string_equal(filled[0], "8-8");
    assert_string_equal(filled[1], "{c=1}{}{");
    assert_string_equal(filled[2], "{8}");
    CHECK(filled[3] == NULL);
}

static void wrong_rules_leave_nothing(void **state)
{
    static const char *const wrong[] = {
        "b",        "b=",   "b=/1",   "b=/0",      "b=*2",           "=/2",        "b=/2,",
        "b=/2,min", "9=/2", "b=/2;;", "b=/2 c=/2", "b=/99999999999", "b=/2,min=-1"};
    line words;
    snug_error err = {0};
    snug_restart restart = {.value_count = -7};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_FAILS(snug_restart_read(wrong[i], NULL, make_line(&words, "{b=16}", NULL, NULL),
                                      &restart, &err),
                    SNUG_CODE_USAGE);
        CHECK(restart.value_count == -7);
    }
    CHECK_FAILS(
        snug_restart_read("b=/2", NULL, make_line(&words, "{b=1e3}", NULL, NULL), &restart, &err),
        SNUG_CODE_USAGE);
    CHECK_FAILS(
        snug_restart_read("b=/2", NULL, make_line(&words, "{b=-4}", NULL, NULL), &restart, &err),
        SNUG_CODE_USAGE);
}

static void the_state_is_kept_for_the_same_command_and_limit(void **state)
{
    static const char path[] = "restart_test.state";
    line words;
    snug_restart restart;
    snug_restart again;
    snug_error err = {0};
    bool used = false;
    (void)state;
    CHECK_OK(snug_restart_read("b=/2", NULL, make_line(&words, "train", "{b=16}", NULL), &restart,
                               &err));
    again = restart;
    const uint64_t key = snug_restart_key(&restart, words.words);
    CHECK_OK(snug_restart_load(&again, key, 100, path, &arena, &used, &err));
    CHECK(!used);
    CHECK(snug_restart_next(&restart));
    CHECK_OK(snug_restart_save(&restart, key, 100, path, &err));
    CHECK_OK(snug_restart_load(&again, key, 101, path, &arena, &used, &err));
    CHECK(!used && again.now[0] == 16);
    CHECK_OK(snug_restart_load(&again, key + 1, 100, path, &arena, &used, &err));
    CHECK(!used && again.now[0] == 16);
    CHECK_OK(snug_restart_load(&again, key, 99, path, &arena, &used, &err));
    CHECK(used && again.now[0] == 8 && again.first[0] == 16);
    CHECK_OK(snug_file_write_all(path, "[1]", 3, &err));
    CHECK_FAILS(snug_restart_load(&again, key, 99, path, &arena, &used, &err), SNUG_CODE_FORMAT);
    CHECK(again.now[0] == 8 && arena.used_bytes == 0);
    CHECK_OK(snug_file_remove(path, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_pair_keeps_its_product, set_up),
        cmocka_unit_test_setup(a_prime_batch_finds_its_divisors, set_up),
        cmocka_unit_test_setup(rules_come_one_after_the_other, set_up),
        cmocka_unit_test_setup(words_are_filled, set_up),
        cmocka_unit_test_setup(wrong_rules_leave_nothing, set_up),
        cmocka_unit_test_setup(the_state_is_kept_for_the_same_command_and_limit, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
