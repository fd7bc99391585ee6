/* labels: data */
/* Real sets of Chinese text give the rows, labels and bytes that Python's csv module gives. */
#include "check.h"

#include "data/text/labels.h"
#include "data/text/rows.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { LABELS_MAX = 10 };

/* Counted with csv.reader(open(path, newline="", encoding="utf-8")) of Python 3.11, and for TSV
 * with str.split("\t"). */
static const struct {
    const char *path;
    const char *label_field;
    int64_t rows, text_bytes, longest_bytes;
    int64_t label_count;
    const char *labels[LABELS_MAX];
    int64_t label_rows[LABELS_MAX];
} sets[] = {
    {"chnsenticorp_htl/ChnSentiCorp_htl_all.csv",
     NULL,
     6306,
     2315392,
     5847,
     2,
     {"0", "1"},
     {1960, 4346}},
    {"waimai_10k/waimai_10k.csv", NULL, 9732, 709212, 1331, 2, {"0", "1"}, {6514, 3218}},
    {"online_shopping_10_cats/online_shopping_10_cats.csv",
     NULL,
     23497,
     4226423,
     8628,
     2,
     {"0", "1"},
     {11535, 11962}},
    {"online_shopping_10_cats/online_shopping_10_cats.csv",
     "cat",
     23497,
     4226423,
     8628,
     8,
     {"书籍", "平板", "手机", "水果", "洗发水", "热水器", "蒙牛", "酒店"},
     {1926, 5047, 1121, 5041, 4972, 293, 1012, 4085}},
    {"thucnews_titles/train.txt",
     NULL,
     33590,
     1754875,
     78,
     10,
     {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
     {3311, 3370, 3371, 3304, 3349, 3353, 3328, 3339, 3420, 3445}},
    {"thucnews_titles/dev.txt",
     NULL,
     10000,
     521313,
     76,
     10,
     {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
     {1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000}},
};

static char folder[SNUG_PATH_BYTES];
static snug_arena arena;

static void sets_are_read_as_python_reads_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        snug_error err = {0};
        char path[SNUG_PATH_BYTES];
        snug_text_reader *reader = NULL;
        snug_labels labels = {0};
        snug_text_row row;
        bool more = true;
        int64_t rows = 0;
        int64_t text_bytes = 0;
        int64_t longest_bytes = 0;
        int64_t label_rows[LABELS_MAX] = {0};
        const snug_mark mark = snug_arena_mark(&arena);
        CHECK_OK(snug_path_join(folder, sets[i].path, path, &err));
        CHECK_OK(snug_text_reader_open(&(snug_text_options){.path = path,
                                                            .label_field = sets[i].label_field,
                                                            .need_label = true},
                                       &arena, &reader, &err));
        CHECK_OK(snug_labels_collect(reader, &arena, &labels, &rows, &err));
        assert_int_equal(rows, sets[i].rows);
        assert_int_equal(labels.count, sets[i].label_count);
        CHECK_OK(snug_text_reader_rewind(reader, &err));
        for (rows = 0;; rows++) {
            int32_t label = -1;
            CHECK_OK(snug_text_reader_next(reader, &row, &more, &err));
            if (!more) {
                break;
            }
            CHECK_OK(snug_labels_of_row(&labels, reader, &row, &label, &err));
            label_rows[label]++;
            text_bytes += row.text.bytes;
            longest_bytes = row.text.bytes > longest_bytes ? row.text.bytes : longest_bytes;
        }
        assert_int_equal(rows, sets[i].rows);
        assert_int_equal(text_bytes, sets[i].text_bytes);
        assert_int_equal(longest_bytes, sets[i].longest_bytes);
        for (int64_t k = 0; k < labels.count; k++) {
            assert_string_equal(labels.names[k], sets[i].labels[k]);
            assert_int_equal(label_rows[k], sets[i].label_rows[k]);
        }
        snug_text_reader_close(reader);
        snug_arena_rewind(&arena, mark);
    }
}

/* The classes of the titles are numbers there, and names in a file of their own. */
static void names_of_a_file_stand_for_numbers(void **state)
{
    (void)state;
    snug_error err = {0};
    char path[SNUG_PATH_BYTES];
    snug_labels labels = {0};
    snug_text_reader *reader = NULL;
    snug_text_row row;
    bool more = false;
    int32_t label = -1;
    CHECK_OK(snug_path_join(folder, "thucnews_titles/class.txt", path, &err));
    CHECK_OK(snug_labels_load(path, &arena, &labels, &err));
    CHECK(labels.count == 10);
    CHECK_OK(snug_path_join(folder, "thucnews_titles/dev.txt", path, &err));
    CHECK_OK(snug_text_reader_open(&(snug_text_options){.path = path}, &arena, &reader, &err));
    CHECK_OK(snug_text_reader_next(reader, &row, &more, &err));
    CHECK_OK(snug_labels_of_row(&labels, reader, &row, &label, &err));
    assert_string_equal(labels.names[label], "game");
    snug_text_reader_close(reader);
}

int main(void)
{
    const char *data = getenv("SNUG_DATA_DIR");
    if (data != NULL && data[0] != '\0') {
        (void)snprintf(folder, sizeof folder, "%s/textcls", data);
    } else {
        (void)snprintf(folder, sizeof folder, "%s/../shared/data/textcls", SNUG_SOURCE_DIR);
    }
    if (snug_path_look(folder) != SNUG_PATH_FOLDER) {
        CHECK_SKIP_ALL("no '%s'; set SNUG_DATA_DIR", folder);
    }
    snug_heap_arena_init(&arena, "sets", SNUG_CATEGORY_DATA, 4 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_read_as_python_reads_them),
        cmocka_unit_test(names_of_a_file_stand_for_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
