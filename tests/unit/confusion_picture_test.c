/* labels: fast */
#include "check.h"

#include <unistd.h>

#include "base/limits.h"
#include "sys/file.h"
#include "train/confusion_picture.h"

enum { CLASSES_MAX = SNUG_CONFUSION_PICTURE_MAX + 1 };
static unsigned char memory[SNUG_CONFUSION_MEMORY_BYTES];
static char picture[8 << 20];
static int64_t counts[CLASSES_MAX * CLASSES_MAX];
static const char *names[CLASSES_MAX];
static snug_error err;

/* Draws and reads the picture; its path is the test's own. */
static void draw(const snug_evaluation *e)
{
    char path[64];
    int64_t bytes = 0;
    (void)snprintf(path, sizeof path, "confusion.%d.svg", (int)getpid());
    CHECK_OK(snug_confusion_picture_write(e, path, memory, &err));
    CHECK_OK(snug_file_read_into(path, picture, sizeof picture, &bytes, &err));
    CHECK_OK(snug_file_remove(path, &err));
    CHECK(strncmp(picture, "<svg ", 5) == 0 && strcmp(picture + bytes - 7, "</svg>\n") == 0);
}

static int64_t count_of(const char *words)
{
    int64_t count = 0;
    for (const char *at = strstr(picture, words); at != NULL; at = strstr(at + 1, words)) {
        count++;
    }
    return count;
}

static void cells_say_counts_and_shares(void **state)
{
    (void)state;
    const int64_t three[] = {3, 1, 0, 0, 0, 0, 2, 0, 8};
    const char *const words[] = {"a<b", "\xe9\x85\x92\xe5\xba\x97", "third"};
    const snug_evaluation e = {.item_count = 3, .item_names = words, .confusion = three};
    draw(&e);
    CHECK(strstr(picture, "11 of 14 right: accuracy 0.7857") != NULL);
    CHECK(strstr(picture, "3 of 4 (75.0 %) of a&lt;b taken for a&lt;b<") != NULL);
    CHECK(strstr(picture, "1 of 4 (25.0 %) of a&lt;b taken for \xe9\x85\x92\xe5\xba\x97<") != NULL);
    CHECK(strstr(picture, ">80 %</text>") != NULL && strstr(picture, ">20 %</text>") != NULL);
    CHECK(count_of("class=\"right\"") == 2 && count_of("class=\"wrong\"") == 2);
    CHECK(strstr(picture, "nan") == NULL);
}

static void nothing_counted_is_a_picture_too(void **state)
{
    (void)state;
    const int64_t none[4] = {0};
    const snug_evaluation e = {.item_count = 2, .confusion = none};
    draw(&e);
    CHECK(strstr(picture, "0 of 0 right: accuracy 0.0000") != NULL);
    CHECK(count_of("<rect class=\"right\"") == 0 && strstr(picture, "nan") == NULL);
}

static void the_largest_picture_fits_its_memory(void **state)
{
    (void)state;
    /* Names that are as long as can be: every letter of them becomes five or four bytes. */
    for (int64_t i = 0; i < CLASSES_MAX; i++) {
        names[i] = i % 2 == 0 ? "&&&&&&&&&&&&&&&&&&&&&&&&&&"
                              : "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"
                                "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"
                                "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80";
    }
    for (int64_t i = 0; i < CLASSES_MAX * CLASSES_MAX; i++) {
        counts[i] = INT64_C(1000000000000);
    }
    snug_evaluation e = {.item_names = names, .confusion = counts};
    const int64_t sizes[] = {1, 7, 14, 26, 27, 50, SNUG_CONFUSION_PICTURE_MAX};
    for (int64_t i = 0; i < SNUG_COUNT(sizes); i++) {
        e.item_count = sizes[i];
        draw(&e);
        CHECK(count_of("<g>") == sizes[i] * sizes[i] && count_of("</g>") == count_of("<g>"));
        /* Cut between characters, nine of the wide ones. */
        CHECK(sizes[i] < 2 || strstr(picture, "\xf0\x9f\x98\x80\xe2\x80\xa6</text>") != NULL);
    }
    e.item_count = CLASSES_MAX;
    CHECK_FAILS(snug_confusion_picture_write(&e, "none.svg", memory, &err), SNUG_CODE_LIMIT);
    CHECK(snug_path_look("none.svg") == SNUG_PATH_NONE);
}

static void what_has_no_classes_is_refused(void **state)
{
    (void)state;
    const snug_evaluation e = {.item_count = 3};
    CHECK_FAILS(snug_confusion_picture_write(&e, "none.svg", memory, &err), SNUG_CODE_UNSUPPORTED);
    CHECK(snug_path_look("none.svg") == SNUG_PATH_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cells_say_counts_and_shares),
                                       cmocka_unit_test(nothing_counted_is_a_picture_too),
                                       cmocka_unit_test(the_largest_picture_fits_its_memory),
                                       cmocka_unit_test(what_has_no_classes_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
