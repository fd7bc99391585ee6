/* labels: fast */
#include "check.h"

#include <math.h>

#include "base/attr.h"
#include "base/json.h"

static void a_document_is_written(void **state)
{
    (void)state;
    char buffer[512];
    snug_text text;
    snug_json_writer writer;
    snug_text_init(&text, buffer, sizeof buffer);
    snug_json_writer_init(&writer, &text, false);
    snug_json_object_begin(&writer);
    snug_json_key(&writer, "a");
    snug_json_i64(&writer, INT64_MIN);
    snug_json_key(&writer, "b\"\\\n\x01");
    snug_json_array_begin(&writer);
    snug_json_f64(&writer, 0.1);
    snug_json_f32(&writer, 0.1f);
    snug_json_f64(&writer, NAN);
    snug_json_f32(&writer, -INFINITY);
    snug_json_bool(&writer, true);
    snug_json_null(&writer);
    snug_json_string(&writer, "\xe4\xb8\xad\xff!");
    snug_json_array_begin(&writer);
    snug_json_array_end(&writer);
    snug_json_object_begin(&writer);
    snug_json_object_end(&writer);
    snug_json_array_end(&writer);
    snug_json_object_end(&writer);
    assert_string_equal(buffer,
                        "{\"a\":-9223372036854775808,\"b\\\"\\\\\\n\\u0001\":[0.1,0.1,null,null,"
                        "true,null,\"\xe4\xb8\xad\xef\xbf\xbd!\",[],{}]}");
    CHECK(!text.truncated);
}

static void keys_come_with_their_values(void **state)
{
    (void)state;
    char buffer[128];
    const double values[] = {0.5, NAN};
    snug_text text;
    snug_json_writer writer;
    snug_text_init(&text, buffer, sizeof buffer);
    snug_json_writer_init(&writer, &text, false);
    snug_json_object_begin(&writer);
    snug_json_put_string(&writer, "s", "word");
    snug_json_put_i64(&writer, "i", -3);
    snug_json_put_f64(&writer, "f", 0.25);
    snug_json_put_bool(&writer, "b", false);
    snug_json_put_f64s(&writer, "many", values, 2);
    snug_json_put_f64s(&writer, "none", NULL, 2);
    snug_json_object_end(&writer);
    assert_string_equal(buffer, "{\"s\":\"word\",\"i\":-3,\"f\":0.25,\"b\":false,"
                                "\"many\":[0.5,null],\"none\":[]}");
}

static void a_pretty_document_is_indented(void **state)
{
    (void)state;
    char buffer[128];
    snug_text text;
    snug_json_writer writer;
    snug_text_init(&text, buffer, sizeof buffer);
    snug_json_writer_init(&writer, &text, true);
    snug_json_object_begin(&writer);
    snug_json_key(&writer, "a");
    snug_json_array_begin(&writer);
    snug_json_i64(&writer, 1);
    snug_json_i64(&writer, 2);
    snug_json_array_end(&writer);
    snug_json_key(&writer, "b");
    snug_json_object_begin(&writer);
    snug_json_object_end(&writer);
    snug_json_object_end(&writer);
    assert_string_equal(buffer, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
}

static void check_round_trip(double value)
{
    char buffer[64];
    snug_error err = {0};
    snug_text text;
    snug_json_writer writer;
    snug_json_reader reader;
    snug_json_event event;
    double back = 0;
    snug_text_init(&text, buffer, sizeof buffer);
    snug_json_writer_init(&writer, &text, false);
    snug_json_f64(&writer, value);
    snug_json_reader_init(&reader, buffer, text.length);
    CHECK_OK(snug_json_next(&reader, &event, &err));
    CHECK_OK(snug_json_to_f64(&event, &back, &err));
    assert_memory_equal(&back, &value, sizeof back);
}

static void floats_survive_a_round_trip(void **state)
{
    (void)state;
    static const double values[] = {0.0,
                                    -0.0,
                                    1.0,
                                    0.1,
                                    1.0 / 3.0,
                                    1e300,
                                    5e-324,
                                    -2.5e-10,
                                    123456789012345678.0,
                                    1.7976931348623157e308,
                                    2.2250738585072014e-308};
    for (int64_t i = 0; i < SNUG_COUNT(values); i++) {
        check_round_trip(values[i]);
    }
    for (uint32_t i = 1; i < 2000; i++) {
        check_round_trip((double)(float)(1.0 / i));
        check_round_trip(sqrt((double)i) * 1e-3);
    }
}

/* Reads a whole document: the codes of its events as one letter each, or the failure. */
static snug_status read_kinds(const char *data, int64_t bytes, char *out, snug_error *err)
{
    static const char letters[] = "$o}a]ksntfz";
    snug_json_reader reader;
    snug_json_event event = {.kind = SNUG_JSON_NULL};
    snug_json_reader_init(&reader, data, bytes);
    while (event.kind != SNUG_JSON_END) {
        const snug_json_reader before = reader;
        const snug_json_event event_before = event;
        const snug_status status = snug_json_next(&reader, &event, err);
        if (snug_failed(status)) {
            assert_memory_equal(&reader, &before, sizeof reader);
            assert_memory_equal(&event, &event_before, sizeof event);
            return status;
        }
        *out++ = letters[event.kind];
        *out = '\0';
    }
    return SNUG_OK;
}

static void good_documents_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *kinds;
    } cases[] = {
        {"1", "n$"},
        {" [ ] ", "a]$"},
        {"{}", "o}$"},
        {"{\"a\":1,\"b\":[true,false,null,\"x\\u00e9\\n\"]}", "oknkatfzs]}$"},
        {"[1,[2,[3,{}]],-0.5e+10]", "ananano}]]n]$"},
        {"\"\"", "s$"},
        {"[0,-0,0.0,1E5]", "annnn]$"},
    };
    snug_error err = {0};
    for (int64_t i = 0; i < SNUG_COUNT(cases); i++) {
        char kinds[64] = "";
        CHECK_OK(read_kinds(cases[i].text, (int64_t)strlen(cases[i].text), kinds, &err));
        assert_string_equal(kinds, cases[i].kinds);
    }
}

static void bad_documents_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "[1,]",
                                      "[,1]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{1:1}",
                                      "[1 2]",
                                      "01",
                                      "-",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "+1",
                                      "0x1",
                                      "nul",
                                      "truex",
                                      "\"",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\t\"",
                                      "\"\xff\"",
                                      "[1]]",
                                      "1 2",
                                      "NaN",
                                      "Infinity",
                                      "'a'",
                                      "[1}",
                                      "{\"a\":1]",
                                      "\xef\xbb\xbf 1",
                                      "\"\xed\xa0\x80\"",
                                      "\"\\u123",
                                      "[\"a\",",
                                      "/**/1",
                                      "{\"a\" 1}"};
    snug_error err = {0};
    for (int64_t i = 0; i < SNUG_COUNT(bad); i++) {
        char kinds[64] = "";
        CHECK_FAILS(read_kinds(bad[i], (int64_t)strlen(bad[i]), kinds, &err), SNUG_CODE_FORMAT);
    }
    char kinds[64] = "";
    CHECK_FAILS(read_kinds("[1\0]", 4, kinds, &err), SNUG_CODE_FORMAT);
    CHECK(strstr(err.message, "byte 2") != NULL);
}

static void depth_is_limited(void **state)
{
    (void)state;
    char text[2 * SNUG_JSON_DEPTH_MAX + 2];
    char kinds[2 * SNUG_JSON_DEPTH_MAX + 4];
    snug_error err = {0};
    memset(text, '[', SNUG_JSON_DEPTH_MAX);
    memset(text + SNUG_JSON_DEPTH_MAX, ']', SNUG_JSON_DEPTH_MAX);
    CHECK_OK(read_kinds(text, 2 * SNUG_JSON_DEPTH_MAX, kinds, &err));
    memset(text, '[', SNUG_JSON_DEPTH_MAX + 1);
    CHECK_FAILS(read_kinds(text, SNUG_JSON_DEPTH_MAX + 1, kinds, &err), SNUG_CODE_LIMIT);
}

static snug_json_event first_event(const char *text)
{
    snug_json_reader reader;
    snug_json_event event;
    snug_error err = {0};
    snug_json_reader_init(&reader, text, (int64_t)strlen(text));
    CHECK_OK(snug_json_next(&reader, &event, &err));
    return event;
}

static void escapes_are_resolved(void **state)
{
    (void)state;
    char out[32];
    snug_error err = {0};
    snug_json_event event = first_event("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u4e2d\\ud83d\\ude00\"");
    CHECK_OK(snug_json_unescape(&event, out, sizeof out, &err));
    assert_string_equal(out, "a\"\\/\b\f\n\r\t\xe4\xb8\xad\xf0\x9f\x98\x80");
    static const char *const bad[] = {"\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83dx\"", "\"\\u0000\"",
                                      "\"\\ud83d\\u0041\""};
    for (int64_t i = 0; i < SNUG_COUNT(bad); i++) {
        event = first_event(bad[i]);
        memset(out, 'q', sizeof out);
        CHECK_FAILS(snug_json_unescape(&event, out, sizeof out, &err), SNUG_CODE_FORMAT);
        CHECK(out[0] == 'q');
    }
    event = first_event("\"abc\"");
    CHECK_OK(snug_json_unescape(&event, out, 4, &err));
    assert_string_equal(out, "abc");
    out[0] = 'q';
    CHECK_FAILS(snug_json_unescape(&event, out, 3, &err), SNUG_CODE_LIMIT);
    CHECK(out[0] == 'q');
    event = first_event("1");
    CHECK_FAILS(snug_json_unescape(&event, out, 3, &err), SNUG_CODE_FORMAT);
}

static void integers_are_exact(void **state)
{
    (void)state;
    snug_error err = {0};
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN},
                {"-12", -12}};
    static const char *const bad[] = {"9223372036854775808",
                                      "-9223372036854775809",
                                      "1.0",
                                      "1e3",
                                      "99999999999999999999999",
                                      "true"};
    for (int64_t i = 0; i < SNUG_COUNT(good); i++) {
        const snug_json_event event = first_event(good[i].text);
        int64_t value = 77;
        CHECK_OK(snug_json_to_i64(&event, &value, &err));
        CHECK(value == good[i].value);
    }
    for (int64_t i = 0; i < SNUG_COUNT(bad); i++) {
        const snug_json_event event = first_event(bad[i]);
        int64_t value = 77;
        CHECK_FAILS(snug_json_to_i64(&event, &value, &err), SNUG_CODE_FORMAT);
        assert_int_equal(value, 77);
    }
    double number = 3;
    snug_json_event event = first_event("1e999");
    CHECK_FAILS(snug_json_to_f64(&event, &number, &err), SNUG_CODE_FORMAT);
    event = first_event("\"1\"");
    CHECK_FAILS(snug_json_to_f64(&event, &number, &err), SNUG_CODE_FORMAT);
    char longer[700];
    memset(longer, '1', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    event = first_event(longer);
    CHECK_FAILS(snug_json_to_f64(&event, &number, &err), SNUG_CODE_LIMIT);
    CHECK(number == 3);
}

static void values_are_skipped(void **state)
{
    (void)state;
    const char *text = "{\"skip\":{\"a\":[1,{\"b\":[]}],\"c\":2},\"keep\":7}";
    snug_json_reader reader;
    snug_json_event event;
    snug_error err = {0};
    int64_t value = 0;
    snug_json_reader_init(&reader, text, (int64_t)strlen(text));
    CHECK_OK(snug_json_next(&reader, &event, &err));
    CHECK_OK(snug_json_next(&reader, &event, &err));
    CHECK(event.kind == SNUG_JSON_KEY);
    CHECK_OK(snug_json_skip(&reader, &err));
    CHECK_OK(snug_json_next(&reader, &event, &err));
    CHECK(event.kind == SNUG_JSON_KEY && event.text_bytes == 4 && event.offset == 33);
    CHECK_OK(snug_json_next(&reader, &event, &err));
    CHECK_OK(snug_json_to_i64(&event, &value, &err));
    assert_int_equal(value, 7);
    snug_json_reader_init(&reader, "[[1,", 4);
    CHECK_FAILS(snug_json_skip(&reader, &err), SNUG_CODE_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_written),
        cmocka_unit_test(keys_come_with_their_values),
        cmocka_unit_test(a_pretty_document_is_indented),
        cmocka_unit_test(floats_survive_a_round_trip),
        cmocka_unit_test(good_documents_are_read),
        cmocka_unit_test(bad_documents_are_refused),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(escapes_are_resolved),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(values_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
