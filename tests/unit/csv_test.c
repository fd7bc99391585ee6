#include "check.h"

#include <math.h>

#include "data/csv/csv.h"

enum { ARENA_BYTES = 2 << 20 };
static _Alignas(SNUG_ALIGN) unsigned char block[ARENA_BYTES];

/* Text that is handed out `step` bytes at a time, to cut the stream everywhere. */
typedef struct text_source {
    const char *text;
    int64_t bytes;
    int64_t step;
} text_source;

static snug_status read_text(void *context, int64_t offset, void *buffer, int64_t bytes,
                             int64_t *out_bytes, snug_error *err)
{
    const text_source *source = context;
    int64_t count = source->bytes - offset;
    (void)err;
    count = count > source->step ? source->step : count;
    count = count > bytes ? bytes : count;
    memcpy(buffer, source->text + offset, (size_t)count);
    *out_bytes = count;
    return SNUG_OK;
}

static snug_csv_reader open_text(text_source *source, char separator, snug_arena *arena)
{
    snug_error err = {0};
    snug_csv_reader reader = {0};
    const snug_byte_source bytes = {.context = source, .read_some = read_text};
    snug_arena_init(arena, "csv", block, ARENA_BYTES);
    CHECK_OK(
        snug_csv_open(&bytes, &(snug_csv_options){.separator = separator}, arena, &reader, &err));
    return reader;
}

static void fields_quotes_and_line_ends(void **unused)
{
    static const char text[] = "\xef\xbb\xbftime,\"a,b\",c\r\n1,\"say \"\"hi\"\"\",\n\n"
                               "2,\"two\nlines\",x\r\n3,,last";
    (void)unused;
    for (int64_t step = 1; step < 40; step++) {
        static snug_arena arena;
        snug_error err = {0};
        bool more = false;
        text_source source = {.text = text, .bytes = (int64_t)sizeof text - 1, .step = step};
        snug_csv_reader reader = open_text(&source, ',', &arena);
        CHECK_OK(snug_csv_next(&reader, &more, &err));
        CHECK(more && reader.field_count == 3 && reader.line == 1);
        CHECK(snug_csv_find(&reader, "time") == 0 && snug_csv_find(&reader, "a,b") == 1);
        CHECK(snug_csv_find(&reader, "c") == 2 && snug_csv_find(&reader, "d") == -1);
        CHECK_OK(snug_csv_next(&reader, &more, &err));
        CHECK(more && reader.field_count == 3 && reader.line == 2);
        CHECK(strcmp(reader.fields[1].text, "say \"hi\"") == 0 && reader.fields[1].quoted);
        CHECK(reader.fields[2].bytes == 0 && reader.fields[1].column == 3);
        CHECK_OK(snug_csv_next(&reader, &more, &err));
        CHECK(more && reader.line == 4 && strcmp(reader.fields[1].text, "two\nlines") == 0);
        CHECK_OK(snug_csv_next(&reader, &more, &err));
        CHECK(more && reader.line == 6 && strcmp(reader.fields[2].text, "last") == 0);
        CHECK(reader.fields[1].bytes == 0);
        CHECK_OK(snug_csv_next(&reader, &more, &err));
        CHECK(!more);
    }
}

static void numbers(void **unused)
{
    static const char text[] = "1.5;-2e3; 7 ;nan;inf;0x10;;1.5x";
    static snug_arena arena;
    snug_error err = {0};
    bool more = false;
    double value = 0.0;
    (void)unused;
    text_source source = {.text = text, .bytes = (int64_t)sizeof text - 1, .step = 1000};
    snug_csv_reader reader = open_text(&source, 0, &arena);
    CHECK(reader.separator == ';');
    CHECK_OK(snug_csv_next(&reader, &more, &err));
    CHECK(reader.field_count == 8);
    CHECK_OK(snug_csv_f64(&reader, 0, &value, &err));
    CHECK(value == 1.5);
    CHECK_OK(snug_csv_f64(&reader, 1, &value, &err));
    CHECK(value == -2000.0);
    CHECK_OK(snug_csv_f64(&reader, 2, &value, &err));
    CHECK(value == 7.0);
    CHECK_OK(snug_csv_f64(&reader, 3, &value, &err));
    CHECK(isnan(value));
    CHECK_OK(snug_csv_f64(&reader, 4, &value, &err));
    CHECK(isinf(value));
    value = 42.0;
    CHECK_FAILS(snug_csv_f64(&reader, 5, &value, &err), SNUG_CODE_FORMAT);
    CHECK_FAILS(snug_csv_f64(&reader, 6, &value, &err), SNUG_CODE_FORMAT);
    CHECK_FAILS(snug_csv_f64(&reader, 7, &value, &err), SNUG_CODE_FORMAT);
    CHECK(strstr(err.message, "line 1, column 28") != NULL);
    CHECK(value == 42.0);
}

static void damaged_text_names_its_place(void **unused)
{
    static const struct {
        const char *text;
        const char *place;
    } cases[] = {{"a,b\n1,\"x\"y\n", "line 2, column 6"},
                 {"a,b\n1,x\"y\n", "line 2, column 4"},
                 {"a\n\"open\n\n", "line 2"},
                 {"a\rb\n", "line 1, column 2"}};
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static snug_arena arena;
        snug_error err = {0};
        bool more = true;
        snug_status status = SNUG_OK;
        text_source source = {
            .text = cases[i].text, .bytes = (int64_t)strlen(cases[i].text), .step = 7};
        snug_csv_reader reader = open_text(&source, ',', &arena);
        while (status == SNUG_OK && more) {
            status = snug_csv_next(&reader, &more, &err);
        }
        CHECK(status == SNUG_CODE_FORMAT);
        if (strstr(err.message, cases[i].place) == NULL) {
            print_error("'%s' does not say '%s'\n", err.message, cases[i].place);
            fail();
        }
    }
}

static void a_line_of_more_than_a_mebibyte_is_a_limit(void **unused)
{
    static snug_arena arena;
    static char text[(1 << 20) + 100];
    snug_error err = {0};
    bool more = true;
    (void)unused;
    memset(text, 'x', sizeof text);
    text_source source = {.text = text, .bytes = (int64_t)sizeof text, .step = 1 << 20};
    snug_csv_reader reader = open_text(&source, ',', &arena);
    CHECK_FAILS(snug_csv_next(&reader, &more, &err), SNUG_CODE_LIMIT);
    memset(text, ',', sizeof text);
    reader = open_text(&source, ',', &arena);
    CHECK_FAILS(snug_csv_next(&reader, &more, &err), SNUG_CODE_LIMIT);
}

static void no_text_has_no_records(void **unused)
{
    static snug_arena arena;
    snug_error err = {0};
    bool more = true;
    (void)unused;
    text_source source = {.text = "\n\r\n\n", .bytes = 4, .step = 1};
    snug_csv_reader reader = open_text(&source, 0, &arena);
    CHECK_OK(snug_csv_next(&reader, &more, &err));
    CHECK(!more);
    source.bytes = 0;
    reader = open_text(&source, 0, &arena);
    CHECK_OK(snug_csv_next(&reader, &more, &err));
    CHECK(!more);
}

static void a_full_arena_is_left_as_it_was(void **unused)
{
    static snug_arena arena;
    snug_error err = {0};
    text_source source = {.text = "a", .bytes = 1, .step = 1};
    const snug_byte_source bytes = {.context = &source, .read_some = read_text};
    snug_csv_reader reader = {0};
    (void)unused;
    snug_arena_init(&arena, "csv", block, 1 << 20);
    CHECK_FAILS(snug_csv_open(&bytes, NULL, &arena, &reader, &err), SNUG_CODE_LIMIT);
    CHECK(arena.used_bytes == 0 && reader.record == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_quotes_and_line_ends),
        cmocka_unit_test(numbers),
        cmocka_unit_test(damaged_text_names_its_place),
        cmocka_unit_test(a_line_of_more_than_a_mebibyte_is_a_limit),
        cmocka_unit_test(no_text_has_no_records),
        cmocka_unit_test(a_full_arena_is_left_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
