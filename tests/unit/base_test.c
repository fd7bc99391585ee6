/* labels: fast */
#include "check.h"

#include <math.h>

#include "base/arena.h"
#include "base/checked.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/philox.h"
#include "base/text.h"
#include "base/utf8.h"
#include "tensor/tensor.h"

static snug_status fails_inside(snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_IO, "cannot open '%s'\nreally", "a\nb");
}

static snug_status passes_on(snug_error *err)
{
    SNUG_TRY(fails_inside(err));
    return SNUG_OK;
}

static void an_error_carries_its_way_up(void **state)
{
    (void)state;
    snug_error err = {0};
    CHECK_FAILS(passes_on(&err), SNUG_CODE_IO);
    assert_string_equal(err.message, "cannot open 'a b' really");
    assert_int_equal(err.frame_count, 2);
    assert_true(err.frames[0].line < err.frames[1].line);
    assert_int_equal(snug_error_prefix(&err, "file %d", 7), SNUG_CODE_IO);
    assert_string_equal(err.message, "file 7: cannot open 'a b' really");
    CHECK(passes_on(NULL) == SNUG_CODE_IO);
}

static void a_long_message_is_cut(void **state)
{
    (void)state;
    snug_error err = {0};
    char word[2000];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    CHECK(SNUG_FAIL(&err, SNUG_CODE_DATA, "%s", word) == SNUG_CODE_DATA);
    assert_int_equal(strlen(err.message), SNUG_ERROR_MESSAGE_BYTES - 1);
    CHECK(snug_error_prefix(&err, "%s", word) == SNUG_CODE_DATA);
    assert_int_equal(strlen(err.message), SNUG_ERROR_MESSAGE_BYTES - 1);
    for (int i = 0; i < 20; i++) {
        (void)snug_error_pass(&err, SNUG_CODE_DATA, "somewhere", i);
    }
    assert_int_equal(err.frame_count, SNUG_ERROR_FRAMES);
}

static void every_code_has_a_name(void **state)
{
    (void)state;
    for (int i = SNUG_OK; i <= SNUG_CODE_NUMERIC; i++) {
        CHECK(snug_status_name((snug_status)i) != NULL);
        CHECK(strcmp(snug_status_name((snug_status)i), "unknown") != 0);
        for (int j = 0; j < i; j++) {
            CHECK(strcmp(snug_status_name((snug_status)i), snug_status_name((snug_status)j)) != 0);
        }
    }
    assert_string_equal(snug_status_name(SNUG_CODE_BUDGET), "budget");
    assert_string_equal(snug_status_name((snug_status)999), "unknown");
    assert_string_equal(snug_status_name((snug_status)-1), "unknown");
}

static void sizes_do_not_wrap(void **state)
{
    (void)state;
    int64_t out = 7;
    CHECK(snug_mul_i64(3, 5, &out) && out == 15);
    CHECK(!snug_mul_i64(INT64_MAX / 2 + 1, 2, &out) && out == 15);
    CHECK(!snug_mul_i64(-1, 2, &out) && out == 15);
    CHECK(snug_add_i64(INT64_MAX - 1, 1, &out) && out == INT64_MAX);
    CHECK(!snug_add_i64(INT64_MAX, 1, &out) && out == INT64_MAX);
    CHECK(!snug_add_i64(1, -1, &out) && out == INT64_MAX);
    assert_int_equal(snug_align_up(0, 64), 0);
    assert_int_equal(snug_align_up(65, 64), 128);
    assert_int_equal(snug_ceil_div(9, 4), 3);
}

static void an_arena_gives_aligned_zeroed_memory_and_takes_it_back(void **state)
{
    (void)state;
    static _Alignas(SNUG_ALIGN) unsigned char block[256];
    snug_arena arena;
    snug_error err = {0};
    void *a = NULL, *b = NULL, *c = NULL;
    memset(block, 0xaa, sizeof block);
    snug_arena_init(&arena, "test", block, sizeof block);
    CHECK_OK(snug_arena_alloc(&arena, 1, &a, &err));
    CHECK(((uintptr_t)a & (SNUG_ALIGN - 1)) == 0);
    CHECK(*(unsigned char *)a == 0);
    const snug_mark mark = snug_arena_mark(&arena);
    CHECK_OK(snug_arena_alloc(&arena, 65, &b, &err));
    assert_int_equal(arena.used_bytes, 192);
    CHECK_FAILS(snug_arena_alloc(&arena, 65, &c, &err), SNUG_CODE_LIMIT);
    CHECK(c == NULL);
    assert_int_equal(arena.used_bytes, 192);
    snug_arena_rewind(&arena, mark);
    assert_int_equal(arena.used_bytes, 64);
    assert_int_equal(arena.peak_bytes, 192);
    CHECK_OK(snug_arena_alloc(&arena, 192, &c, &err));
    CHECK(c == b);
    CHECK_FAILS(snug_arena_array(&arena, INT64_MAX / 2, 3, &b, &err), SNUG_CODE_LIMIT);
    CHECK_FAILS(snug_arena_array(&arena, -1, 3, &b, &err), SNUG_CODE_LIMIT);
    CHECK_FAILS(snug_arena_alloc(&arena, INT64_MAX, &b, &err), SNUG_CODE_LIMIT);
    CHECK_OK(snug_arena_alloc(&arena, 0, &a, &err));
    CHECK(a != NULL);
    assert_int_equal(arena.used_bytes, 256);
}

static void an_arena_without_memory_is_full(void **state)
{
    (void)state;
    snug_arena arena = {0};
    snug_error err = {0};
    void *out = NULL;
    CHECK_FAILS(snug_arena_alloc(&arena, 1, &out, &err), SNUG_CODE_LIMIT);
    CHECK(out == NULL);
    const snug_mark mark = snug_arena_mark(&arena);
    snug_arena_rewind(&arena, mark);
}

typedef struct test_grower {
    unsigned char *base;
    int64_t given;
    int64_t blocks;
    int64_t blocks_max;
} test_grower;

static snug_status give_block(void *context, int64_t bytes, void **out_block,
                              int64_t *out_block_bytes, snug_error *err)
{
    test_grower *grower = context;
    if (grower->blocks == grower->blocks_max) {
        return SNUG_FAIL(err, SNUG_CODE_MEMORY, "no more");
    }
    const int64_t block = snug_max_i64(bytes, 128);
    *out_block = grower->base + grower->given;
    *out_block_bytes = block;
    grower->given += block;
    grower->blocks++;
    return SNUG_OK;
}

static void a_growing_arena_reuses_blocks_after_a_rewind(void **state)
{
    (void)state;
    static _Alignas(SNUG_ALIGN) unsigned char memory[1024];
    test_grower grower = {.base = memory, .blocks_max = 3};
    snug_arena arena;
    snug_error err = {0};
    void *out = NULL;
    const char *text = NULL;
    snug_arena_init_growing(&arena, "growing", give_block, &grower);
    const snug_mark empty = snug_arena_mark(&arena);
    CHECK_OK(snug_arena_text(&arena, "hello", &text, &err));
    assert_string_equal(text, "hello");
    const snug_mark mark = snug_arena_mark(&arena);
    for (int round = 0; round < 3; round++) {
        CHECK_OK(snug_arena_alloc(&arena, 128, &out, &err));
        CHECK_OK(snug_arena_alloc(&arena, 256, &out, &err));
        assert_int_equal(grower.blocks, 3);
        CHECK_FAILS(snug_arena_alloc(&arena, 64, &out, &err), SNUG_CODE_MEMORY);
        assert_int_equal(arena.used_bytes, 64 + 128 + 256);
        snug_arena_rewind(&arena, mark);
        assert_int_equal(arena.used_bytes, 64);
    }
    assert_string_equal(text, "hello");
    snug_arena_rewind(&arena, empty);
    assert_int_equal(arena.used_bytes, 0);
    CHECK_OK(snug_arena_alloc(&arena, 128, &out, &err));
    CHECK(out == memory);
}

static void philox_matches_the_published_vectors(void **state)
{
    (void)state;
    static const struct {
        snug_philox_block counter;
        snug_philox_key key;
        snug_philox_block want;
    } cases[] = {
        {{{0, 0, 0, 0}}, {{0, 0}}, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
        {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
         {{0xffffffff, 0xffffffff}},
         {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
        {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
         {{0xa4093822, 0x299f31d0}},
         {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
    };
    for (int64_t i = 0; i < SNUG_COUNT(cases); i++) {
        const snug_philox_block got = snug_philox(cases[i].key, cases[i].counter);
        assert_memory_equal(&got, &cases[i].want, sizeof got);
    }
}

static void random_numbers_have_their_ranges_and_moments(void **state)
{
    (void)state;
    const snug_philox_key key = snug_philox_stream(42, 7);
    const snug_philox_key other = snug_philox_stream(7, 42);
    CHECK(key.word[0] != other.word[0] && key.word[1] != other.word[1]);
    CHECK(snug_philox_unit(UINT32_MAX) < 1.0f);
    CHECK(snug_philox_unit(0) == 0.0f);
    CHECK(snug_philox_unit(UINT32_C(1) << 31) == 0.5f);
    CHECK(snug_philox_below(UINT32_MAX, UINT32_MAX, UINT64_C(1) << 32) == UINT32_MAX);
    CHECK(snug_philox_below(UINT32_MAX, UINT32_MAX, 10) == 9);
    CHECK(snug_philox_below(0, 0, 10) == 0);
    CHECK(snug_philox_below(UINT32_C(1) << 31, 0, 10) == 5);
    double sum = 0, squares = 0;
    int64_t below[10] = {0};
    const int64_t blocks = 100000;
    for (int64_t i = 0; i < blocks; i++) {
        const snug_philox_block block = snug_philox(key, (snug_philox_block){{(uint32_t)i}});
        float normal[2];
        snug_philox_normal(block.word[0], block.word[1], normal);
        sum += (double)normal[0] + (double)normal[1];
        squares += (double)normal[0] * normal[0] + (double)normal[1] * normal[1];
        below[snug_philox_below(block.word[2], block.word[3], 10)]++;
    }
    /* Six standard errors: the stream is fixed, so this either holds for ever or is a mistake. */
    const double n = 2.0 * (double)blocks;
    CHECK(fabs(sum / n) < 6.0 / sqrt(n));
    CHECK(fabs(squares / n - 1.0) < 6.0 * sqrt(2.0 / n));
    for (int i = 0; i < 10; i++) {
        CHECK(fabs((double)below[i] - (double)blocks / 10) < 6.0 * sqrt((double)blocks * 0.09));
    }
    float extreme[2];
    snug_philox_normal(0, 0, extreme);
    CHECK(isfinite(extreme[0]) && isfinite(extreme[1]));
    snug_philox_normal(UINT32_MAX, UINT32_MAX, extreme);
    CHECK(isfinite(extreme[0]) && isfinite(extreme[1]));
}

static void check_digest(const char *text, int64_t repeat, int64_t piece, const char *want)
{
    snug_sha256 hash;
    char got[65];
    const int64_t length = (int64_t)strlen(text);
    snug_sha256_init(&hash);
    for (int64_t i = 0; i < repeat; i++) {
        for (int64_t at = 0; at < length; at += piece) {
            snug_sha256_add(&hash, text + at, snug_min_i64(piece, length - at));
        }
    }
    snug_sha256_hex(&hash, got);
    assert_string_equal(got, want);
}

static void sha256_matches_fips_180(void **state)
{
    (void)state;
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    check_digest("", 1, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_digest("abc", 1, 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_digest(two, 1, 99, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check_digest(two, 1, 1, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check_digest("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                 "aaaaaaaaaaaaaaaaaaaa",
                 10000, 100, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void a_hash_depends_on_every_byte_and_the_length(void **state)
{
    (void)state;
    unsigned char data[32] = {0};
    uint64_t seen[40];
    int64_t count = 0;
    seen[count++] = snug_hash64(data, 32, 0);
    seen[count++] = snug_hash64(data, 31, 0);
    seen[count++] = snug_hash64(data, 0, 0);
    seen[count++] = snug_hash64(data, 32, 1);
    for (int i = 0; i < 32; i++) {
        data[i] = 1;
        seen[count++] = snug_hash64(data, 32, 0);
        data[i] = 0;
    }
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j < i; j++) {
            CHECK(seen[i] != seen[j]);
        }
    }
    /* Pinned: caches on disk are keyed by it. */
    assert_true(snug_hash64("snug", 4, 1) == UINT64_C(0x3b644dbe80013f6));
}

typedef struct logged {
    int count;
    snug_log_level level;
    char text[64];
} logged;

static void keep_message(void *context, snug_log_level level, const char *message)
{
    logged *log = context;
    log->count++;
    log->level = level;
    (void)snprintf(log->text, sizeof log->text, "%s", message);
}

static void messages_go_to_the_sink(void **state)
{
    (void)state;
    logged log = {0};
    snug_log(SNUG_LOG_WARNING, "dropped");
    snug_log_set_sink(keep_message, &log);
    snug_log(SNUG_LOG_WARNING, "%d files", 3);
    snug_log_set_sink(NULL, NULL);
    snug_log(SNUG_LOG_WARNING, "dropped");
    assert_int_equal(log.count, 1);
    assert_int_equal(log.level, SNUG_LOG_WARNING);
    assert_string_equal(log.text, "3 files");
}

static void add_part(void *context, int64_t part, int32_t thread)
{
    int64_t *sums = context;
    CHECK(thread == 0);
    sums[part] += part + 1;
}

static void the_serial_runner_runs_each_part_once(void **state)
{
    (void)state;
    int64_t sums[5] = {0};
    snug_parallel_run(&snug_parallel_serial, 5, add_part, sums);
    snug_parallel_run(&snug_parallel_serial, 0, add_part, sums);
    for (int64_t i = 0; i < 5; i++) {
        assert_int_equal(sums[i], i + 1);
    }
}

static void text_is_cut_at_a_character(void **state)
{
    (void)state;
    char buffer[8];
    snug_text text;
    snug_text_init(&text, buffer, sizeof buffer);
    snug_text_add(&text, "%d-", 12);
    CHECK(!text.truncated);
    snug_text_add(&text, "ab\xe4\xb8\xad");
    CHECK(text.truncated);
    assert_string_equal(buffer, "12-ab");
    assert_int_equal(text.length, 5);
    snug_text_init(&text, buffer, sizeof buffer);
    snug_text_add(&text, "abcd\xe4\xb8\xad");
    CHECK(!text.truncated);
    assert_int_equal(text.length, 7);
}

static void check_size(int64_t bytes, const char *want)
{
    char out[SNUG_SIZE_TEXT_BYTES];
    assert_string_equal(snug_size_text(bytes, out), want);
}

static void sizes_are_written_for_people(void **state)
{
    (void)state;
    check_size(0, "0 B");
    check_size(512, "512 B");
    check_size(1023, "1023 B");
    check_size(4096, "4.0 KiB");
    check_size(INT64_C(600) << 20, "600.0 MiB");
    check_size(INT64_C(6292139214), "5.86 GiB");
    check_size((INT64_C(1) << 20) - 1, "1.0 MiB");
    check_size((INT64_C(1) << 30) - 1, "1.00 GiB");
    check_size(-4096, "-4.0 KiB");
    check_size(INT64_MAX, "8.00 EiB");
}

static void sizes_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"600MiB", INT64_C(629145600)},
                {"600M", INT64_C(629145600)},
                {"600MB", INT64_C(629145600)},
                {"600 MiB", INT64_C(629145600)},
                {"600m", INT64_C(629145600)},
                {"629145600B", INT64_C(629145600)},
                {"1.5G", INT64_C(1610612736)},
                {"64MB", INT64_C(67108864)},
                {"0.5KiB", 512},
                {"0B", 0},
                {"7EiB", INT64_C(7) << 60},
                {"2.000001T", (INT64_C(2) << 40) + 1099511}};
    static const char *const bad[] = {
        "",          "600",   "M",      "-1M",   "1.M",
        "1.5B",      "600MX", "600iB",  "600Mi", "600MiBB",
        "8EiB",      "1e3M",  "600  M", " 1M",   "99999999999999999999B",
        "1.1234567G"};
    snug_error err = {0};
    for (int64_t i = 0; i < SNUG_COUNT(good); i++) {
        int64_t bytes = -1;
        CHECK_OK(snug_size_parse(good[i].text, &bytes, &err));
        assert_int_equal(bytes, good[i].bytes);
    }
    for (int64_t i = 0; i < SNUG_COUNT(bad); i++) {
        int64_t bytes = -1;
        CHECK_FAILS(snug_size_parse(bad[i], &bytes, &err), SNUG_CODE_USAGE);
        assert_int_equal(bytes, -1);
    }
    int64_t bytes = -1;
    CHECK_FAILS(snug_size_parse("600", &bytes, &err), SNUG_CODE_USAGE);
    CHECK(strstr(err.message, "600MiB") != NULL);
}

static void the_nearest_name_is_found(void **state)
{
    (void)state;
    static const char *const names[] = {"data.window", "data.stride", "training.batch_size",
                                        "seed"};
    assert_string_equal(snug_nearest_name("data.windw", names, 4), "data.window");
    assert_string_equal(snug_nearest_name("data.wnidow", names, 4), "data.window");
    assert_string_equal(snug_nearest_name("training.Batch-Size", names, 4), "training.batch_size");
    assert_string_equal(snug_nearest_name("sed", names, 4), "seed");
    CHECK(snug_nearest_name("quite.another", names, 4) == NULL);
    CHECK(snug_nearest_name("x", names, 4) == NULL);
    CHECK(snug_nearest_name("seed", names, 0) == NULL);
    char longer[200];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    CHECK(snug_nearest_name(longer, names, 4) == NULL);
}

static void foreign_text_is_made_plain(void **state)
{
    char text[] = "a\x1b[1m\tb\x7f\xff\xc3\xa9\xc2\x9b\xe5\x86\x85\xe5\x86";
    (void)state;
    snug_utf8_clean(text);
    assert_string_equal(text, "a [1m b ?\xc3\xa9  \xe5\x86\x85??");
}

static void utf8_is_measured_and_written(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xe4\xb8",
                                      "\xff"};
    for (int64_t i = 0; i < SNUG_COUNT(bad); i++) {
        assert_int_equal(snug_utf8_length(bad[i], (int64_t)strlen(bad[i])), 0);
    }
    for (uint32_t code = 1; code <= 0x10ffff; code += 61) {
        char out[4];
        if (code >= 0xd800 && code <= 0xdfff) {
            continue;
        }
        const int64_t length = snug_utf8_write(code, out);
        assert_int_equal(snug_utf8_length(out, length), length);
        if (length > 1) {
            assert_int_equal(snug_utf8_length(out, length - 1), 0);
        }
    }
}

static void shapes_are_counted_and_compared(void **state)
{
    (void)state;
    char out[96];
    const snug_shape scalar = {0};
    const snug_shape a = snug_shape_2(125, 256);
    const snug_shape huge = snug_shape_3(INT64_MAX, 2, 1);
    const snug_shape empty = snug_shape_3(INT64_MAX, 2, 0);
    const snug_shape negative = snug_shape_2(-1, 0);
    assert_int_equal(snug_shape_count(&scalar), 1);
    assert_int_equal(snug_shape_count(&a), 32000);
    assert_int_equal(snug_shape_count(&huge), -1);
    assert_int_equal(snug_shape_count(&empty), 0);
    assert_int_equal(snug_shape_count(&negative), -1);
    assert_string_equal(snug_shape_text(&a, out), "[125, 256]");
    assert_string_equal(snug_shape_text(&scalar, out), "[]");
    const snug_shape b = snug_shape_3(125, 256, 1);
    const snug_shape c = snug_shape_2(125, 257);
    CHECK(snug_shape_equal(&a, &a));
    CHECK(!snug_shape_equal(&a, &b) && !snug_shape_equal(&a, &c));
    assert_int_equal(snug_dtype_bytes(SNUG_BF16), 2);
    assert_string_equal(snug_dtype_name(SNUG_BF16), "bf16");
    assert_int_equal(snug_dtype_bytes(SNUG_U8), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_carries_its_way_up),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(every_code_has_a_name),
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(an_arena_gives_aligned_zeroed_memory_and_takes_it_back),
        cmocka_unit_test(an_arena_without_memory_is_full),
        cmocka_unit_test(a_growing_arena_reuses_blocks_after_a_rewind),
        cmocka_unit_test(philox_matches_the_published_vectors),
        cmocka_unit_test(random_numbers_have_their_ranges_and_moments),
        cmocka_unit_test(sha256_matches_fips_180),
        cmocka_unit_test(a_hash_depends_on_every_byte_and_the_length),
        cmocka_unit_test(messages_go_to_the_sink),
        cmocka_unit_test(the_serial_runner_runs_each_part_once),
        cmocka_unit_test(text_is_cut_at_a_character),
        cmocka_unit_test(sizes_are_written_for_people),
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(the_nearest_name_is_found),
        cmocka_unit_test(foreign_text_is_made_plain),
        cmocka_unit_test(utf8_is_measured_and_written),
        cmocka_unit_test(shapes_are_counted_and_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
