/* labels: data fast */
#include "check.h"

#include "data/text/labels.h"
#include "sys/file.h"
#include "sys/heap.h"

static snug_arena arena;
static char folder[64];
static char path[SNUG_PATH_BYTES];

static int set_up(void **state)
{
    (void)state;
    snug_heap_arena_init(&arena, "labels", SNUG_CATEGORY_DATA, 4 << 20);
    (void)snprintf(folder, sizeof folder, "text_labels_test.XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    return snug_folder_remove(folder, NULL) != SNUG_OK;
}

static const char *put(const char *name, const char *text)
{
    snug_error err = {0};
    CHECK_OK(snug_path_join(folder, name, path, &err));
    CHECK_OK(snug_file_write_all(path, text, (int64_t)strlen(text), &err));
    return path;
}

static snug_text_reader *open_text(const char *text, const char *format)
{
    snug_error err = {0};
    snug_text_reader *reader = NULL;
    CHECK_OK(snug_text_reader_open(&(snug_text_options){.memory = text,
                                                        .memory_bytes = (int64_t)strlen(text),
                                                        .format = format},
                                   &arena, &reader, &err));
    return reader;
}

static void check_names(const snug_labels *labels, const char *wanted)
{
    char names[256] = "";
    for (int64_t i = 0; i < labels->count; i++) {
        CHECK(snug_labels_find(labels, labels->names[i], (int64_t)strlen(labels->names[i])) == i);
        (void)snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
                       i > 0 ? "|" : "", labels->names[i]);
    }
    assert_string_equal(names, wanted);
}

static void names_are_sorted_and_integers_by_value(void **state)
{
    static const struct {
        const char *text, *format, *names;
    } cases[] = {
        {"text,label\na,10\nb,9\nc,-1\nd,9\ne,-20\nf,123456789012345678901\n", "csv",
         "-20|-1|9|10|123456789012345678901"},
        /* "007" is no way to write an integer: all are names, by bytes. */
        {"text,label\na,10\nb,9\nc,007\n", "csv", "007|10|9"},
        {"text,label\na,\xe4\xb9\xa6\nb,z\nc,A\nd,\nf,a b\n", "csv", "A|a b|z|\xe4\xb9\xa6"},
        {"{\"Context\":\"x\",\"Choices\":[\"joy\",\"fear\"],\"Answer\":\"anger\"}\n"
         "{\"Context\":\"y\",\"Choices\":[\"joy\"]}\n",
         "jsonl", "anger|fear|joy"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snug_error err = {0};
        snug_labels labels = {0};
        int64_t rows = 0;
        snug_text_reader *reader = open_text(cases[i].text, cases[i].format);
        CHECK_OK(snug_labels_collect(reader, &arena, &labels, &rows, &err));
        check_names(&labels, cases[i].names);
        CHECK(snug_labels_find(&labels, "nowhere", 7) == -1);
        CHECK(rows == (i == 0 ? 6 : i == 1 ? 3 : i == 2 ? 5 : 2));
    }
}

static void another_file_adds_its_labels(void **state)
{
    (void)state;
    snug_error err = {0};
    snug_labels labels = {0};
    CHECK_OK(snug_labels_collect(open_text("text,label\na,y\nb,x\n", "csv"), &arena, &labels, NULL,
                                 &err));
    check_names(&labels, "x|y");
    const uint64_t hash = snug_labels_hash(&labels);
    CHECK_OK(snug_labels_collect(open_text("text,label\na,w\nb,x\n", "csv"), &arena, &labels, NULL,
                                 &err));
    check_names(&labels, "w|x|y");
    CHECK(snug_labels_hash(&labels) != hash);
}

static void ten_thousand_labels_are_found_again_and_too_many_are_refused(void **state)
{
    static char text[1 << 20];
    (void)state;
    for (int round = 0; round < 2; round++) {
        snug_error err = {0};
        snug_labels labels = {0};
        const int count = round == 0 ? 10000 : SNUG_LABELS_MAX + 1;
        size_t at = (size_t)snprintf(text, sizeof text, "text\tlabel\n");
        for (int i = 0; i < count; i++) {
            at += (size_t)snprintf(text + at, sizeof text - at, "x\tname %d\n", i);
        }
        snug_text_reader *reader = open_text(text, "tsv");
        if (round == 1) {
            CHECK_FAILS(snug_labels_collect(reader, &arena, &labels, NULL, &err), SNUG_CODE_LIMIT);
            assert_string_equal(err.message,
                                "text: line 16386: more than 16384 different labels (is this the "
                                "column of labels?)");
            continue;
        }
        CHECK_OK(snug_labels_collect(reader, &arena, &labels, NULL, &err));
        CHECK(labels.count == count);
        for (int64_t i = 0; i < count; i++) {
            const int64_t bytes = (int64_t)strlen(labels.names[i]);
            CHECK(snug_labels_find(&labels, labels.names[i], bytes) == i);
            CHECK(i == 0 || strcmp(labels.names[i - 1], labels.names[i]) < 0);
        }
    }
}

static void files_are_written_and_read_back(void **state)
{
    static const char *const names[] = {"b", "\xe4\xb9\xa6 \"x\"\n", "a"};
    static const char wanted[] = "{\n  \"b\": 0,\n  \"\xe4\xb9\xa6 \\\"x\\\"\\n\": 1,\n  \"a\": "
                                 "2\n}\n";
    (void)state;
    snug_error err = {0};
    snug_labels labels = {0};
    snug_labels back = {0};
    const char *data = NULL;
    int64_t bytes = 0;
    CHECK_OK(snug_labels_from_names(names, 3, &arena, &labels, &err));
    CHECK_OK(snug_path_join(folder, "label2id.json", path, &err));
    const int64_t used = arena.used_bytes;
    CHECK_OK(snug_labels_write(&labels, path, &arena, &err));
    CHECK(arena.used_bytes == used);
    CHECK_OK(snug_file_read_all(path, 1000, &arena, &data, &bytes, &err));
    assert_string_equal(data, wanted);
    CHECK_OK(snug_labels_load(path, &arena, &back, &err));
    CHECK(back.count == 3 && strcmp(back.names[1], names[1]) == 0);
    CHECK(snug_labels_hash(&back) == snug_labels_hash(&labels));
    CHECK_OK(snug_labels_load(put("class.txt", "\xef\xbb\xbf"
                                               "finance\r\nrealty\nstocks"),
                              &arena, &back, &err));
    check_names(&back, "finance|realty|stocks");
}

static void bad_files_have_one_clear_line_each(void **state)
{
    static const struct {
        const char *text;
        snug_status code;
        const char *message;
    } cases[] = {
        {"", SNUG_CODE_DATA, "no labels"},
        {"{}", SNUG_CODE_DATA, "no labels"},
        {"a\nb\na\n", SNUG_CODE_DATA, "line 3: the label 'a' is there twice"},
        {"a\n\nb\n", SNUG_CODE_DATA, "line 2: an empty name"},
        {"a\n\xff\n", SNUG_CODE_FORMAT, "byte 2: 0xff is not UTF-8 text"},
        {"{\"a\":0,\"a\":1}", SNUG_CODE_DATA, "the label 'a' is there twice"},
        {"{\"a\":0,\"b\":0}", SNUG_CODE_DATA, "the labels 'a' and 'b' have the number 0"},
        {"{\"a\":1,\"b\":2}", SNUG_CODE_DATA,
         "the number of the label 'b' is not from 0 to 1, as those of 2 labels are"},
        {"{\"a\":-1}", SNUG_CODE_DATA,
         "the number of the label 'a' is not from 0 to 0, as those of 1 labels are"},
        {"{\"a\":9223372036854775807}", SNUG_CODE_DATA,
         "the number of the label 'a' is not from 0 to 0, as those of 1 labels are"},
        {"{\"a\":\"0\"}", SNUG_CODE_FORMAT, "JSON should have an integer at byte 5"},
        {"{\"a\":0} x", SNUG_CODE_FORMAT,
         "JSON has 'x' at byte 8 where the end of the document should be"},
    };
    char message[SNUG_PATH_BYTES + 256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snug_error err = {0};
        snug_labels labels = {.count = 42};
        const int64_t used = arena.used_bytes;
        const char *name = put("bad.json", cases[i].text);
        CHECK_FAILS(snug_labels_load(name, &arena, &labels, &err), cases[i].code);
        (void)snprintf(message, sizeof message, "%s: %s", name, cases[i].message);
        assert_string_equal(err.message, message);
        CHECK(labels.count == 42 && arena.used_bytes == used);
    }
}

/* The label of the one row of `text`. */
static snug_status label_of(const snug_labels *labels, const char *text, int32_t *out,
                            snug_error *err)
{
    snug_text_row row;
    bool more = false;
    snug_text_reader *reader = open_text(text, "csv");
    CHECK(snug_text_reader_next(reader, &row, &more, err) == SNUG_OK);
    CHECK(more);
    return snug_labels_of_row(labels, reader, &row, out, err);
}

static void rows_name_classes_or_say_what_is_unknown(void **state)
{
    static const char *const names[] = {"finance", "realty", "stocks"};
    static const char *const numbers[] = {"1", "0"};
    (void)state;
    snug_error err = {0};
    snug_labels labels = {0};
    int32_t found = 0;
    CHECK_OK(snug_labels_from_names(names, 3, &arena, &labels, &err));
    CHECK_OK(label_of(&labels, "text,label\nx,stocks\n", &found, &err));
    assert_int_equal(found, 2);
    CHECK_OK(label_of(&labels, "text,label\nx,1\n", &found, &err));
    assert_int_equal(found, 1);
    CHECK_OK(label_of(&labels, "text,label\nx,\n", &found, &err));
    assert_int_equal(found, -1);
    found = 42;
    CHECK_FAILS(label_of(&labels, "text,label\n\nx,3\n", &found, &err), SNUG_CODE_DATA);
    assert_string_equal(err.message, "text: line 3: the label '3' is none of the 3 that are known "
                                     "(finance, realty, stocks)");
    assert_int_equal(found, 42);
    /* Where names are integers themselves, "1" is a name. */
    CHECK_OK(snug_labels_from_names(numbers, 2, &arena, &labels, &err));
    CHECK_OK(label_of(&labels, "text,label\nx,1\n", &found, &err));
    assert_int_equal(found, 0);
    CHECK_FAILS(label_of(&labels, "text,label\nx,00\n", &found, &err), SNUG_CODE_DATA);
}

static void one_class_is_nothing_to_learn(void **state)
{
    static const char *const names[] = {"1", "2"};
    (void)state;
    snug_error err = {0};
    snug_labels labels = {0};
    CHECK_FAILS(snug_labels_check_training(&labels, "a.csv", &err), SNUG_CODE_DATA);
    assert_string_equal(err.message, "a.csv: no row has a label");
    CHECK_OK(snug_labels_from_names(names, 1, &arena, &labels, &err));
    CHECK_FAILS(snug_labels_check_training(&labels, "a.csv", &err), SNUG_CODE_DATA);
    assert_string_equal(err.message, "a.csv: every row has the label '1'; with one class there is "
                                     "nothing to learn");
    CHECK_OK(snug_labels_from_names(names, 2, &arena, &labels, &err));
    CHECK_OK(snug_labels_check_training(&labels, "a.csv", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_sorted_and_integers_by_value),
        cmocka_unit_test(another_file_adds_its_labels),
        cmocka_unit_test(ten_thousand_labels_are_found_again_and_too_many_are_refused),
        cmocka_unit_test(files_are_written_and_read_back),
        cmocka_unit_test(bad_files_have_one_clear_line_each),
        cmocka_unit_test(rows_name_classes_or_say_what_is_unknown),
        cmocka_unit_test(one_class_is_nothing_to_learn),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
