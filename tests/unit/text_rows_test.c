/* labels: data fast */
#include "check.h"

#include <fcntl.h>
#include <unistd.h>

#include "data/text/rows.h"
#include "sys/file.h"

enum { ARENA_BYTES = 5 << 20 };
static _Alignas(SNUG_ALIGN) unsigned char block[ARENA_BYTES];
static snug_arena arena;
static snug_text_reader *reader;
static char folder[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "text_rows_test.XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    return snug_folder_remove(folder, NULL) != SNUG_OK;
}

/* Opens the rows of a text in memory. */
static snug_status open_bytes(const char *text, int64_t bytes, snug_text_options options,
                              snug_error *err)
{
    options.memory = text;
    options.memory_bytes = bytes;
    snug_arena_init(&arena, "rows", block, ARENA_BYTES);
    reader = NULL;
    return snug_text_reader_open(&options, &arena, &reader, err);
}

static snug_status open_text(const char *text, snug_text_options options, snug_error *err)
{
    return open_bytes(text, (int64_t)strlen(text), options, err);
}

static const char csv[] = "csv";
static const char tsv[] = "tsv";
static const char jsonl[] = "jsonl";

/* The next row is these texts; NULL: none. */
static void check_row(int64_t line, const char *text, const char *pair, const char *label)
{
    snug_error err = {0};
    snug_text_row row = {0};
    bool more = false;
    CHECK_OK(snug_text_reader_next(reader, &row, &more, &err));
    CHECK(more);
    assert_int_equal(row.line, line);
    const char *const wanted[] = {text, pair, label};
    const snug_text_piece found[] = {row.text, row.pair, row.label};
    for (size_t i = 0; i < 3; i++) {
        CHECK((wanted[i] == NULL) == (found[i].text == NULL));
        if (wanted[i] != NULL) {
            assert_string_equal(found[i].text, wanted[i]);
            assert_int_equal(found[i].bytes, strlen(wanted[i]));
        }
    }
}

static void check_end(void)
{
    snug_error err = {0};
    snug_text_row row = {.line = 42};
    bool more = true;
    CHECK_OK(snug_text_reader_next(reader, &row, &more, &err));
    CHECK(!more && row.line == 42);
}

static void check_description(const char *wanted)
{
    char out[SNUG_TEXT_DESCRIPTION_BYTES];
    assert_string_equal(snug_text_reader_describe(reader, out), wanted);
}

/* Reading from the open to the end fails with this code and message, and the arena is as before
 * when it is the open that fails. */
static void check_failure(const char *text, int64_t bytes, snug_text_options options,
                          snug_status code, const char *message)
{
    snug_error err = {0};
    snug_text_row row;
    bool more = true;
    snug_status status = open_bytes(text, bytes, options, &err);
    if (status != SNUG_OK) {
        CHECK(arena.used_bytes == 0 && reader == NULL);
    }
    while (status == SNUG_OK && more) {
        status = snug_text_reader_next(reader, &row, &more, &err);
    }
    assert_string_equal(err.message, message);
    assert_int_equal(status, code);
    assert_int_equal(err.code, code);
}

static void rfc_4180_in_all_its_corners(void **state)
{
    (void)state;
    snug_error err = {0};
    CHECK_OK(open_text("\xef\xbb\xbflabel,review,id\r\n"
                       "1,\"say \"\"hi\"\", twice\",a\r\n"
                       "0,\"two\r\nlines, \"\"\"\"\n\nand three\",b\n"
                       "1,,c\n"
                       "\n\r\n"
                       "0,\"\",d\n"
                       "1, \"as it is\" ,e\n"
                       "0,a\"b\"\"c,f\n"
                       "1,\"\"\"\",g\n"
                       "0,\xf0\x9f\x98\x80 \xef\xbb\xbf,h",
                       (snug_text_options){.format = csv}, &err));
    check_description("csv with header, text in column 1, label in column 0");
    check_row(2, "say \"hi\", twice", NULL, "1");
    check_row(3, "two\r\nlines, \"\"\n\nand three", NULL, "0");
    check_row(7, "", NULL, "1");
    check_row(10, "", NULL, "0");
    check_row(11, " \"as it is\" ", NULL, "1");
    check_row(12, "a\"b\"\"c", NULL, "0");
    check_row(13, "\"", NULL, "1");
    check_row(14, "\xf0\x9f\x98\x80 \xef\xbb\xbf", NULL, "0");
    check_end();
    CHECK_OK(snug_text_reader_rewind(reader, &err));
    check_row(2, "say \"hi\", twice", NULL, "1");
}

static const struct guess {
    const char *text;
    snug_text_options options;
    const char *description;
} guesses[] = {
    {"cat,label,review\na,1,x\n",
     {.format = csv},
     "csv with header, text in column 2, label "
     "in column 1"},
    {"cat,label,review\na,1,x\n",
     {.format = csv, .label_field = "cat"},
     "csv with header, text in column 2, label in column 0"},
    {"Text,Target\nx,1\n",
     {.format = csv},
     "csv with header, text in column 0, label in "
     "column 1"},
    {"review,stars\nx,1\n",
     {.format = csv},
     "csv with header, text in column 0, label in "
     "column 1"},
    {"sms,label\nx,1\n",
     {.format = csv},
     "csv with header, text in column 0, label in "
     "column 1"},
    {"sms,kind,no\nx,1,2\n",
     {.format = csv, .text_field = "sms", .label_field = "kind"},
     "csv with header, text in column 0, label in column 1"},
    {"sentence1\tsentence2\tlabel\nx\ty\t1\n",
     {.format = tsv},
     "tsv with header, text in column 0, second text in column 1, label in column 2"},
    {"1,2,x\n",
     {.format = csv, .text_field = "2", .label_field = "0"},
     "csv without header, text in column 2, label in column 0"},
    {"good\t1\n", {.format = tsv}, "tsv without header, text in column 0, label in column 1"},
    {"1\tgood\n", {.format = tsv}, "tsv without header, text in column 1, label in column 0"},
    {"label\tx\n",
     {.format = tsv, .header = "no", .text_field = "0"},
     "tsv without header, text in column 0, label in column 1"},
    {"a,b\nx,1\n",
     {.format = csv, .header = "yes", .text_field = "a"},
     "csv with header, text in column 0, label in column 1"},
    {"text\nx\n", {.format = csv}, "csv with header, text in column 0"},
    {"label,review\n1,x\n",
     {.text_field = ""},
     "csv with header, text in column 1, label in "
     "column 0"},
    {"a plain line, with a comma\n",
     {.format = NULL},
     "lines without header, text in column "
     "0"},
    {"a plain line\t3\n",
     {.format = "auto"},
     "tsv without header, text in column 0, label in "
     "column 1"},
    {"{\"text\":\"x\",\"label\":1}\n", {.format = NULL}, "jsonl, text 'text', label 'label'"},
    {"{\"id\":1,\"Context\":\"x\"}\n", {.format = jsonl}, "jsonl, text 'Context'"},
    {"{\"premise\":\"x\",\"hypothesis\":\"y\",\"label\":0}\n",
     {.format = jsonl},
     "jsonl, text 'premise', second text 'hypothesis', label 'label'"},
    {"{\"Context\":\"x\",\"Choices\":[],\"Answer\":\"y\"}\n",
     {.format = jsonl},
     "jsonl, text from Subject, Context and Choices, label 'Answer'"},
    {"{\"Context\":\"x\",\"Choices\":[]}\n",
     {.format = jsonl, .text_field = "Context"},
     "jsonl, text 'Context'"},
};

static void columns_are_guessed_by_name_and_by_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof guesses / sizeof guesses[0]; i++) {
        snug_error err = {0};
        CHECK_OK(open_text(guesses[i].text, guesses[i].options, &err));
        check_description(guesses[i].description);
    }
}

static void tsv_and_lines_take_quotes_as_text(void **state)
{
    (void)state;
    snug_error err = {0};
    CHECK_OK(
        open_text("he said \"no\"\t1\n\"never\"\t0\n", (snug_text_options){.format = tsv}, &err));
    check_row(1, "he said \"no\"", NULL, "1");
    check_row(2, "\"never\"", NULL, "0");
    check_end();
    CHECK_OK(open_text("\"a\tb\"\t1\n", (snug_text_options){.format = tsv, .quotes = "yes"}, &err));
    check_row(1, "a\tb", NULL, "1");
    CHECK_OK(
        open_text("one, \"two\"\r\n\nthree\tfour", (snug_text_options){.format = "lines"}, &err));
    check_row(1, "one, \"two\"", NULL, NULL);
    check_row(3, "three\tfour", NULL, NULL);
    check_end();
}

static void jsonl_resolves_escapes_and_joins_the_long_form(void **state)
{
    (void)state;
    snug_error err = {0};
    CHECK_OK(open_text("\xef\xbb\xbf{\"label\": 3, \"x\": [1, {\"text\": 2}], \"text\": "
                       "\"\\u4f60\\n\\ud83d\\ude00\"}\r\n"
                       "  \n"
                       "{\"text\": 12.50, \"label\": \"a\", \"label\": true, \"te\\u0078t\": "
                       "\"last\"}\n"
                       "{\"text\": \"\", \"label\": null}",
                       (snug_text_options){.format = jsonl}, &err));
    check_row(1, "\xe4\xbd\xa0\n\xf0\x9f\x98\x80", NULL, "3");
    check_row(3, "last", NULL, "true");
    check_row(4, "", NULL, NULL);
    check_end();

    snug_text_row row;
    bool more = false;
    CHECK_OK(open_text("{\"id\": 1, \"Context\": \"C\", \"Subject\": \"S\", \"Choices\": "
                       "[\"joy\", \"a, b\"], \"Answer\": \"joy\"}\n"
                       "{\"Choices\": [], \"Context\": \"D\"}\n{\"Context\": \"E\"}\n",
                       (snug_text_options){.format = NULL}, &err));
    CHECK_OK(snug_text_reader_next(reader, &row, &more, &err));
    assert_string_equal(row.text.text, "Subject: S. Context: C. Choices: joy, a, b");
    assert_string_equal(row.label.text, "joy");
    assert_int_equal(row.choice_count, 2);
    assert_string_equal(row.choices[1].text, "a, b");
    check_row(2, "Subject: unknown. Context: D. Choices: ", NULL, NULL);
    check_row(3, "Subject: unknown. Context: E. Choices: ", NULL, NULL);
    check_end();
}

typedef struct failure {
    const char *text;
    snug_text_options options;
    snug_status code;
    const char *message;
} failure;

static void check_failures(const failure *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_failure(cases[i].text, (int64_t)strlen(cases[i].text), cases[i].options,
                      cases[i].code, cases[i].message);
    }
}

static const failure table_failures[] = {
    {"", {.format = csv}, SNUG_CODE_DATA, "text: the file is empty"},
    {"\n\r\n", {.format = tsv}, SNUG_CODE_DATA, "text: the file is empty"},
    {"", {.format = NULL}, SNUG_CODE_DATA, "text: the file is empty"},
    {"label,review\n\n", {.format = csv}, SNUG_CODE_DATA, "text: there is a header but no row"},
    {"label,review\n1,x\n1,x,y\n",
     {.format = csv},
     SNUG_CODE_DATA,
     "text: line 3 has 3 fields; the first row has 2"},
    {"label,review\n1,x\n\n1\n",
     {.format = csv},
     SNUG_CODE_DATA,
     "text: line 4 has 1 field; the first row has 2"},
    {"\"a\tb\"\t1\n\"c\"\t2\n",
     {.format = tsv, .text_field = "0", .label_field = "2"},
     SNUG_CODE_DATA,
     "text: line 2 has 2 fields; the first row has 3 (quotes are text in tsv unless quotes is "
     "yes)"},
    {"label,review\n1,x\n",
     {.format = csv, .text_field = "reviews"},
     SNUG_CODE_NOT_FOUND,
     "text: no column 'reviews'; did you mean 'review'? There are 'label', 'review'"},
    {"label,review\n1,x\n",
     {.format = csv, .label_field = "zzzzzzzz", .need_label = true},
     SNUG_CODE_NOT_FOUND,
     "text: no column 'zzzzzzzz'; there are 'label', 'review'"},
    {"good\t1\n",
     {.format = tsv, .text_field = "text"},
     SNUG_CODE_NOT_FOUND,
     "text: no column 'text': the file seems to have no header, its first row is 'good', '1'; "
     "name columns by number, from 0"},
    {"label,review\n1,x\n",
     {.format = csv, .text_field = "2"},
     SNUG_CODE_NOT_FOUND,
     "text: no column number 2: there are 2, the first is number 0"},
    {"a,b,c\nx,y,z\n",
     {.format = csv},
     SNUG_CODE_DATA,
     "text: cannot tell which column is the text: there are 'a', 'b', 'c'; say it with "
     "text_field"},
    {"text,b,c\nx,y,z\n",
     {.format = csv, .need_label = true},
     SNUG_CODE_DATA,
     "text: cannot tell which column is the label: there are 'text', 'b', 'c'; say it with "
     "label_field"},
    {"text\nx\n",
     {.format = csv, .need_label = true},
     SNUG_CODE_DATA,
     "text: cannot tell which column is the label: there are 'text'; say it with label_field"},
    {"label,review\n1,x\n",
     {.format = csv, .text_field = "label", .label_field = "label"},
     SNUG_CODE_USAGE,
     "text: column 'label' cannot be the text and the label"},
    {"label,review\n1,x\n,y\n",
     {.format = csv, .need_label = true},
     SNUG_CODE_DATA,
     "text: line 3: the label is empty"},
    {"label,review\n1,\"x\"y\n",
     {.format = csv},
     SNUG_CODE_FORMAT,
     "text: line 2, column 6: text behind a closing quote"},
    {"label,review\n1,x\n2,\"x\n\n",
     {.format = csv},
     SNUG_CODE_FORMAT,
     "text: line 3: a quote that does not end"},
    {"label,review\n1,x\rz\n",
     {.format = csv},
     SNUG_CODE_FORMAT,
     "text: line 2, column 4: a carriage return in the middle of a line"},
    {"x",
     {.format = "xml"},
     SNUG_CODE_USAGE,
     "text: format is 'xml'; it should be auto, csv, tsv, lines or jsonl"},
    {"x",
     {.format = csv, .header = "maybe"},
     SNUG_CODE_USAGE,
     "text: header is 'maybe'; it should be auto, yes or no"},
    {"x",
     {.format = csv, .quotes = "2"},
     SNUG_CODE_USAGE,
     "text: quotes is '2'; it should be auto, yes or no"},
};

static void bad_tables_have_one_clear_line_each(void **state)
{
    (void)state;
    check_failures(table_failures, sizeof table_failures / sizeof table_failures[0]);
}

static const failure object_failures[] = {
    {"  \n", {.format = jsonl}, SNUG_CODE_DATA, "text: the file is empty"},
    {"[{\"text\":1}]\n",
     {.format = jsonl},
     SNUG_CODE_FORMAT,
     "text: line 1: a JSON array; each line should be one object (jq -c '.[]' makes them)"},
    {"3\n",
     {.format = jsonl},
     SNUG_CODE_FORMAT,
     "text: line 1: JSON that is no object; each line should be one"},
    {"{\"text\":\"x\"}\n{\"text\":\"x\",}\n",
     {.format = jsonl},
     SNUG_CODE_FORMAT,
     "text: line 2: JSON has '}' at byte 12 where a key should be"},
    {"{\"text\":\"x\"}\n\n{\"text\":\"x\"} {}\n",
     {.format = jsonl},
     SNUG_CODE_FORMAT,
     "text: line 3: JSON has '{' at byte 13 where the end of the document should be"},
    {"{\"text\":\"x\"}\n{\"text\":\"x\n",
     {.format = jsonl},
     SNUG_CODE_FORMAT,
     "text: line 2: JSON ends at byte 10 where the end of a string should be"},
    {"{\"text\":\"x\"}\n{\"txt\":\"x\"}\n",
     {.format = jsonl},
     SNUG_CODE_DATA,
     "text: line 2: no field 'text'"},
    {"{\"text\":\"x\"}\n{\"text\":null}\n",
     {.format = jsonl},
     SNUG_CODE_DATA,
     "text: line 2: field 'text' at byte 8 should be a string or a number"},
    {"{\"text\":\"x\",\"label\":1}\n{\"text\":\"y\"}\n",
     {.format = jsonl, .need_label = true},
     SNUG_CODE_DATA,
     "text: line 2: no field 'label'"},
    {"{\"text\":\"x\",\"label\":[1]}\n",
     {.format = jsonl},
     SNUG_CODE_DATA,
     "text: line 1: field 'label' at byte 20 should be a string or a number"},
    {"{\"Context\":\"x\",\"Choices\":\"a\"}\n",
     {.format = jsonl},
     SNUG_CODE_DATA,
     "text: line 1: field 'Choices' at byte 25 should be an array of strings"},
    {"{\"Context\":\"x\",\"Choices\":[{}]}\n",
     {.format = jsonl},
     SNUG_CODE_DATA,
     "text: line 1: field 'Choices' should hold strings; at byte 26 it does not"},
    {"{\"Context\":\"x\",\"Choices\":[]}\n{\"Choices\":[]}\n",
     {.format = jsonl},
     SNUG_CODE_DATA,
     "text: line 2: no field 'Context'"},
    {"{\"text\":\"\\u0000\"}\n",
     {.format = jsonl},
     SNUG_CODE_FORMAT,
     "text: line 1: JSON has an escape at byte 9 that is no character"},
    {"{\"a\":1,\"b\":2}\n",
     {.format = jsonl},
     SNUG_CODE_DATA,
     "text: cannot tell which field is the text: there are 'a', 'b'; say it with text_field"},
    {"{\"text\":1,\"b\":2}\n",
     {.format = jsonl, .need_label = true},
     SNUG_CODE_DATA,
     "text: cannot tell which field is the label: there are 'text', 'b'; say it with "
     "label_field"},
    {"{\"text\":1,\"labl\":2}\n",
     {.format = jsonl, .need_label = true, .label_field = "label"},
     SNUG_CODE_NOT_FOUND,
     "text: no field 'label'; did you mean 'labl'? There are 'text', "
     "'labl'"},
};

static void bad_objects_have_one_clear_line_each(void **state)
{
    (void)state;
    check_failures(object_failures, sizeof object_failures / sizeof object_failures[0]);
}

static void the_first_bad_byte_is_named(void **state)
{
    static const char wide[] = "\xff\xfeh\0i\0";
    static const char zero[] = "label,review\n1,\"a\nb\0c\"\n";
    static const char later[] = "\xef\xbb\xbflabel,review\n1,x\n2,\xe4\xbd\xa0\xe4\xbd\n";
    static const char convert[] =
        "; a text in another encoding can be converted: iconv -f GB18030 -t UTF-8";
    char message[256];
    (void)state;
    check_failure(wide, sizeof wide - 1, (snug_text_options){.format = csv}, SNUG_CODE_FORMAT,
                  "text: the text is UTF-16; write it as UTF-8");
    check_failure(zero, sizeof zero - 1, (snug_text_options){.format = csv}, SNUG_CODE_FORMAT,
                  "text: line 3, byte 2: a zero byte (byte 19 of the file); this is no text");
    (void)snprintf(message, sizeof message,
                   "text: line 3, byte 6: 0xe4 is not UTF-8 (byte 25 of the file)%s", convert);
    check_failure(later, sizeof later - 1, (snug_text_options){.format = csv}, SNUG_CODE_FORMAT,
                  message);
    /* The bad byte of a later line does not disturb the ones before it. */
    snug_error err = {0};
    CHECK_OK(open_bytes(later, sizeof later - 1, (snug_text_options){.format = csv}, &err));
    check_row(2, "x", NULL, "1");
    (void)snprintf(message, sizeof message,
                   "text: line 2, byte 10: 0xc3 is not UTF-8 (byte 20 of the file)%s", convert);
    check_failure("{\"text\":1}\n{\"text\":\"\xc3\"}", 23, (snug_text_options){.format = jsonl},
                  SNUG_CODE_FORMAT, message);
}

/* A row of the largest size is read, one byte more is not; also over the edges of the buffer. */
static void rows_have_a_limit(void **state)
{
    static char text[SNUG_ROW_BYTES_MAX + 64];
    char message[128];
    (void)state;
    for (int over = 0; over < 2; over++) {
        snug_error err = {0};
        snug_text_row row;
        bool more = false;
        const int64_t bytes = SNUG_ROW_BYTES_MAX - 2 + over;
        memset(text, 'x', sizeof text);
        text[bytes] = '\n';
        (void)snprintf(message, sizeof message, "text: line 1 is longer than %d bytes",
                       SNUG_ROW_BYTES_MAX);
        if (over != 0) {
            check_failure(text, bytes + 1, (snug_text_options){.format = "lines"}, SNUG_CODE_LIMIT,
                          message);
            continue;
        }
        CHECK_OK(open_bytes(text, bytes + 1, (snug_text_options){.format = "lines"}, &err));
        CHECK_OK(snug_text_reader_next(reader, &row, &more, &err));
        assert_int_equal(row.text.bytes, bytes);
    }
    memset(text, ' ', sizeof text);
    memcpy(text, "{\"text\":\"x\"", 11);
    check_failure(text, sizeof text, (snug_text_options){.format = jsonl}, SNUG_CODE_LIMIT,
                  message);
    memset(text, '[', 100000);
    memcpy(text, "{\"text\":", 8);
    check_failure(text, 100000, (snug_text_options){.format = jsonl}, SNUG_CODE_LIMIT,
                  "text: line 1: JSON is nested deeper than 64 at byte 71");
}

static void the_ending_names_the_format_and_messages_the_path(void **state)
{
    static const struct {
        const char *name, *text, *description;
    } cases[] = {{"a.csv", "x,1\n", "csv without header, text in column 0, label in column 1"},
                 {"a.tsv", "x,1\t2\n", "tsv without header, text in column 0, label in column 1"},
                 {"a.txt", "x,1\t2\n", "tsv without header, text in column 0, label in column 1"},
                 {"b.txt", "{x}\n", "lines without header, text in column 0"},
                 {"a.jsonl", " {\"text\":1}\n", "jsonl, text 'text'"},
                 {"a.json", "{\"text\":1}", "jsonl, text 'text'"},
                 {"rows", "{\"text\":1}", "jsonl, text 'text'"}};
    char path[128];
    char message[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snug_error err = {0};
        (void)snprintf(path, sizeof path, "%s/%s", folder, cases[i].name);
        CHECK_OK(snug_file_write_all(path, cases[i].text, (int64_t)strlen(cases[i].text), &err));
        CHECK_OK(open_text("", (snug_text_options){.path = path}, &err));
        check_description(cases[i].description);
        assert_string_equal(snug_text_reader_name(reader), path);
        snug_text_reader_close(reader);
    }
    snug_error err = {0};
    (void)snprintf(path, sizeof path, "%s/empty.csv", folder);
    CHECK_OK(snug_file_write_all(path, "", 0, &err));
    (void)snprintf(message, sizeof message, "%s: the file is empty", path);
    CHECK_FAILS(open_text("", (snug_text_options){.path = path}, &err), SNUG_CODE_DATA);
    assert_string_equal(err.message, message);
    (void)snprintf(path, sizeof path, "%s/none.csv", folder);
    (void)snprintf(message, sizeof message, "cannot open '%s': No such file or directory", path);
    CHECK_FAILS(open_text("", (snug_text_options){.path = path}, &err), SNUG_CODE_IO);
    assert_string_equal(err.message, message);
}

/* Names in messages are cut between characters. */
static void long_names_are_cut(void **state)
{
#define TEN "你你你你你你你你你你"
    (void)state;
    static const char text[] = TEN TEN TEN ",b\n1,2\n";
    check_failure(text, (int64_t)strlen(text), (snug_text_options){.format = csv}, SNUG_CODE_DATA,
                  "text: cannot tell which column is the text: there are '" TEN TEN
                  "...', 'b'; say it with "
                  "text_field");
#undef TEN
}

/* Standard input as a pipe whose writer pauses in the middle of everything. */
static void a_pipe_is_read_once_and_forward(void **state)
{
    static const char text[] = "label,review\n1,\xe4\xbd\xa0\n0,x\n";
    int ends[2];
    (void)state;
    CHECK(pipe(ends) == 0);
    const int saved = dup(STDIN_FILENO);
    CHECK(saved >= 0 && dup2(ends[0], STDIN_FILENO) >= 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        for (size_t i = 0; i < sizeof text - 1; i++) {
            if (write(ends[1], text + i, 1) != 1) {
                _exit(1);
            }
            (void)usleep(500);
        }
        _exit(0);
    }
    (void)close(ends[1]);
    (void)close(ends[0]);
    snug_error err = {0};
    CHECK_OK(open_text("", (snug_text_options){.path = "-"}, &err));
    check_description("csv with header, text in column 1, label in column 0");
    check_row(2, "\xe4\xbd\xa0", NULL, "1");
    check_row(3, "x", NULL, "0");
    check_end();
    CHECK_FAILS(snug_text_reader_rewind(reader, &err), SNUG_CODE_USAGE);
    assert_string_equal(err.message, "standard input: a pipe can be read once only");
    snug_text_reader_close(reader);
    CHECK(dup2(saved, STDIN_FILENO) >= 0);
    (void)close(saved);
}

static void a_full_arena_is_left_as_it_was(void **state)
{
    static const char *const texts[] = {"a,b\n1,2\n", "{\"text\":1}\n"};
    (void)state;
    for (int64_t i = 0; i < 2; i++) {
        for (int64_t bytes = 1 << 10; bytes < 2 << 20; bytes *= 4) {
            snug_error err = {0};
            const snug_text_options options = {.memory = texts[i],
                                               .memory_bytes = (int64_t)strlen(texts[i]),
                                               .format = i == 0 ? csv : jsonl,
                                               .text_field = i == 0 ? "0" : NULL};
            reader = NULL;
            snug_arena_init(&arena, "rows", block, bytes);
            CHECK_FAILS(snug_text_reader_open(&options, &arena, &reader, &err), SNUG_CODE_LIMIT);
            CHECK(arena.used_bytes == 0 && reader == NULL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_4180_in_all_its_corners),
        cmocka_unit_test(columns_are_guessed_by_name_and_by_number),
        cmocka_unit_test(tsv_and_lines_take_quotes_as_text),
        cmocka_unit_test(jsonl_resolves_escapes_and_joins_the_long_form),
        cmocka_unit_test(bad_tables_have_one_clear_line_each),
        cmocka_unit_test(bad_objects_have_one_clear_line_each),
        cmocka_unit_test(the_first_bad_byte_is_named),
        cmocka_unit_test(rows_have_a_limit),
        cmocka_unit_test(the_ending_names_the_format_and_messages_the_path),
        cmocka_unit_test(long_names_are_cut),
        cmocka_unit_test(a_pipe_is_read_once_and_forward),
        cmocka_unit_test(a_full_arena_is_left_as_it_was),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
