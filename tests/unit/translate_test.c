/* Catalogues of messages: what is looked up, what is refused, and which formats may be swapped. */
#include "base/text.h"
#include "base/translate.h"
#include "base/utf8.h"
#include "check.h"

enum { MO_BYTES = 512 };

static void put_u32(unsigned char *at, size_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

/* A .mo file of these pairs, which are in the order of their keys. */
static int64_t make_mo(const char *const pairs[][2], size_t count, unsigned char out[MO_BYTES])
{
    static const unsigned char magic[] = {0xde, 0x12, 0x04, 0x95};
    size_t at = 28 + 16 * count;
    memset(out, 0, MO_BYTES);
    memcpy(out, magic, sizeof magic);
    put_u32(out + 8, count);
    put_u32(out + 12, 28);
    put_u32(out + 16, 28 + 8 * count);
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < count; i++) {
            const size_t length = strlen(pairs[i][side]);
            assert_true(at + length < MO_BYTES);
            put_u32(out + 28 + 8 * (side * count + i), length);
            put_u32(out + 28 + 8 * (side * count + i) + 4, at);
            memcpy(out + at, pairs[i][side], length + 1);
            at += length + 1;
        }
    }
    return (int64_t)at;
}

static const char *const pairs[][2] = {
    {"", "Content-Type: text/plain; charset=UTF-8\n"},
    {"%d of '%s'", "'%2$s' 中有 %1$d 个"},
    {"%s is lost", "丢失 %d"},
    {"memory", "内存"},
    {"nothing yet", ""}};

static void texts_are_found(void **state)
{
    (void)state;
    unsigned char data[MO_BYTES];
    char room[128];
    snug_catalogue catalogue = {0};
    snug_text text;
    snug_error err = {0};
    CHECK(snug_catalogue_open(data, make_mo(pairs, 5, data), &catalogue));
    assert_string_equal(snug_translated("memory"), "memory");
    snug_translate_use(&catalogue);
    assert_string_equal(snug_translated("memory"), "内存");
    assert_string_equal(snug_translated("memorx"), "memorx");
    assert_string_equal(snug_translated("nothing yet"), "nothing yet");
    assert_string_equal(snug_translated(""), "");
    /* Another order of the same arguments is a translation, other arguments are a mistake. */
    snug_text_init(&text, room, sizeof room);
    snug_text_say(&text, "%d of '%s'", 3, "a");
    assert_string_equal(room, "'a' 中有 3 个");
    assert_string_equal(snug_translated_format("%s is lost"), "%s is lost");
    CHECK(SNUG_FAIL(&err, SNUG_CODE_IO, "%d of '%s'", 7, "b") == SNUG_CODE_IO);
    assert_string_equal(err.message, "'b' 中有 7 个");
    snug_translate_use(NULL);
    assert_string_equal(snug_translated("memory"), "memory");
}

static void formats_agree_by_their_arguments(void **state)
{
    (void)state;
    static const struct {
        const char *one, *other;
        bool agree;
    } cases[] = {
        {"plain", "text", true},
        {"%d %s", "%d：%s", true},
        {"%d %s", "%2$s：%1$d", true},
        {"%d %s", "%s %d", false},
        {"%d %s", "%2$s", false},
        {"%lld", "%ld", false},
        {"%5.1f %%", "%5.1f％", true},
        {"%.3f%%", "%.1f%%", true},
        {"%*s", "%s", false},
        {"%-*s|%.*s", "%-*s%.*s", true},
        {"%s", "%s %s", false},
        {"%s", "%n", false},
        {"%s", "%", false},
        {"%s", "%99$s", false},
        {"%s", "%0$s", false},
        {"100 %", "100 %", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (snug_formats_agree(cases[i].one, cases[i].other) != cases[i].agree) {
            fail_msg("'%s' and '%s'", cases[i].one, cases[i].other);
        }
    }
}

static void damage_is_refused(void **state)
{
    (void)state;
    static const char *const turned[][2] = {{"b", "1"}, {"a", "2"}};
    unsigned char data[MO_BYTES];
    snug_catalogue catalogue = {0};
    const int64_t bytes = make_mo(pairs, 5, data);
    for (int64_t cut = 0; cut < bytes; cut++) {
        CHECK(!snug_catalogue_open(data, cut, &catalogue));
    }
    CHECK(catalogue.count == 0);
    for (int64_t at = 0; at < 28 + 80; at++) {
        const unsigned char before = data[at];
        data[at] = (unsigned char)(before ^ 0xff);
        /* Whatever it says, what it lets pass can be searched. */
        if (snug_catalogue_open(data, bytes, &catalogue)) {
            (void)snug_catalogue_find(&catalogue, "memory");
            (void)snug_catalogue_find(&catalogue, "zzz");
        }
        data[at] = before;
    }
    CHECK(!snug_catalogue_open(data, make_mo(turned, 2, data), &catalogue));
}

static void columns_are_counted(void **state)
{
    (void)state;
    char room[64];
    snug_text text;
    assert_int_equal(snug_utf8_columns("memory"), 6);
    assert_int_equal(snug_utf8_columns("内存"), 4);
    assert_int_equal(snug_utf8_columns("内存 a：é"), 9);
    assert_int_equal(snug_utf8_columns("e\xcc\x81"), 1);
    assert_int_equal(snug_utf8_columns("\xff\xe5"), 2);
    assert_int_equal(snug_utf8_fit("内存", 3), 3);
    assert_int_equal(snug_utf8_fit("a内存", 3), 4);
    assert_int_equal(snug_utf8_fit("abc", 10), 3);
    snug_text_init(&text, room, sizeof room);
    snug_text_cell(&text, -6, "内存");
    snug_text_cell(&text, 6, "内存");
    snug_text_cell(&text, 2, "内存");
    assert_string_equal(room, "内存    内存内存");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_found), cmocka_unit_test(formats_agree_by_their_arguments),
        cmocka_unit_test(damage_is_refused), cmocka_unit_test(columns_are_counted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
