/* labels: fast */
/* Memory logs: every format, what is cut or broken, and how much of it is said to be left out. */
#include "check.h"

#include <math.h>

#include "base/attr.h"
#include "base/text.h"
#include "monitor/log_read.h"
#include "sys/file.h"

static const double MIB = 1048576.0;
static snug_log log_read;
static snug_log_reader reader;
static _Alignas(SNUG_ALIGN) unsigned char room[4 << 20];

static snug_status read_text(const char *text, int64_t piece, snug_error *err)
{
    const int64_t bytes = (int64_t)strlen(text);
    snug_log_reader_init(&reader, &log_read);
    for (int64_t at = 0; at < bytes; at += piece) {
        snug_log_reader_feed(&reader, text + at, piece < bytes - at ? piece : bytes - at);
    }
    return snug_log_reader_finish(&reader, err);
}

static snug_status read_fixture(const char *name, snug_error *err)
{
    char path[4096];
    CHECK(snug_log_read_bytes() <= (int64_t)sizeof room);
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/%s", SNUG_SOURCE_DIR, name);
    return snug_log_read(path, room, &log_read, err);
}

static double peak_of(snug_quantity quantity)
{
    return log_read.series.peaks[quantity];
}

static void our_log_is_read(void **state)
{
    snug_error err = {0};
    SNUG_UNUSED(state);
    CHECK_OK(read_fixture("monitor_log/whole.jsonl", &err));
    assert_int_equal(log_read.kind, SNUG_LOG_OURS);
    assert_int_equal(log_read.series.sample_count, 40);
    assert_int_equal(log_read.bad_lines, 0);
    assert_int_equal(log_read.note_count, 1);
    assert_string_equal(log_read.notes[0].text, "70 % of the limit 中");
    assert_string_equal(log_read.command, "python train.py --name 训练 <a&b>");
    assert_string_equal(log_read.program, "snug 0.1.0");
    assert_int_equal(log_read.series.mark_count, 1);
    assert_int_equal(log_read.ledger.samples, 1);
    CHECK(!log_read.cut);
    CHECK(fabs(peak_of(SNUG_QUANTITY_RSS) - 239 * MIB) < MIB);
    CHECK(peak_of(SNUG_QUANTITY_FILE) == 50 * MIB);
    CHECK(log_read.series.known[SNUG_QUANTITY_PSS] == 0);
}

static void compressed_is_the_same(void **state)
{
    static const char *const names[] = {"monitor_log/whole.jsonl.gz",
                                        "monitor_log/whole.jsonl.zst"};
    SNUG_UNUSED(state);
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        snug_error err = {0};
        const snug_status status = read_fixture(names[i], &err);
        if (status == SNUG_CODE_UNSUPPORTED) {
            print_message("skipped: %s\n", err.message);
            continue;
        }
        CHECK_OK(status);
        assert_int_equal(log_read.series.sample_count, 40);
        CHECK(!log_read.packed_cut);
    }
}

/* A compressed file that ends too early gives what came before the end. */
static void a_cut_compressed_file_is_used(void **state)
{
    snug_error err = {0};
    char path[4096];
    static char bytes[1 << 16];
    int64_t count = 0;
    SNUG_UNUSED(state);
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/monitor_log/whole.jsonl.gz",
                   SNUG_SOURCE_DIR);
    CHECK_OK(snug_file_read_into(path, bytes, sizeof bytes, &count, &err));
    CHECK_OK(snug_file_write_all("./log_read_test.gz", bytes, count * 3 / 4, &err));
    const snug_status status = snug_log_read("./log_read_test.gz", room, &log_read, &err);
    if (status != SNUG_CODE_UNSUPPORTED) {
        CHECK_OK(status);
        CHECK(log_read.packed_cut);
        CHECK(log_read.series.sample_count > 5 && log_read.series.sample_count < 40);
    }
    CHECK_OK(snug_file_remove("./log_read_test.gz", &err));
}

/* More than the thread that unpacks may be ahead: members behind each other are one text. */
static void a_long_compressed_file_is_read_to_its_end(void **state)
{
    enum { MEMBERS = 1500 };
    snug_error err = {0};
    char path[4096];
    static char bytes[1 << 16];
    int64_t count = 0;
    SNUG_UNUSED(state);
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/monitor_log/whole.jsonl.gz",
                   SNUG_SOURCE_DIR);
    CHECK_OK(snug_file_read_into(path, bytes, sizeof bytes, &count, &err));
    FILE *file = fopen("./log_read_test.gz", "wb");
    CHECK(file != NULL);
    for (int64_t i = 0; i < MEMBERS; i++) {
        CHECK(fwrite(bytes, 1, (size_t)count, file) == (size_t)count);
    }
    /* Behind it something that is no member: what came before is good. */
    CHECK(fwrite("no gzip", 1, 7, file) == 7 && fclose(file) == 0);
    const snug_status status = snug_log_read("./log_read_test.gz", room, &log_read, &err);
    if (status != SNUG_CODE_UNSUPPORTED) {
        CHECK_OK(status);
        assert_int_equal(log_read.runs, MEMBERS);
        assert_int_equal(log_read.series.sample_count, 40);
        CHECK(log_read.packed_cut);
    }
    CHECK_OK(snug_file_remove("./log_read_test.gz", &err));
}

static void a_cut_last_line_is_no_fault(void **state)
{
    snug_error err = {0};
    SNUG_UNUSED(state);
    CHECK_OK(read_fixture("monitor_log/cut.jsonl", &err));
    CHECK(log_read.cut);
    assert_int_equal(log_read.series.sample_count, 39);
    assert_int_equal(log_read.bad_lines, 0);
}

static void odd_lines_are_counted(void **state)
{
    snug_error err = {0};
    SNUG_UNUSED(state);
    CHECK_OK(read_fixture("monitor_log/odd.jsonl", &err));
    /* The second header begins the run that counts. */
    assert_int_equal(log_read.runs, 2);
    assert_int_equal(log_read.series.sample_count, 2);
    assert_int_equal(log_read.bad_lines, 2);
    assert_int_equal(log_read.bad_line, 5);
    assert_int_equal(log_read.back_samples, 1);
    CHECK(peak_of(SNUG_QUANTITY_RSS) == 123456789);
}

static void metrics_of_a_run_are_read(void **state)
{
    snug_error err = {0};
    SNUG_UNUSED(state);
    CHECK_OK(read_fixture("monitor_log/metrics.jsonl", &err));
    assert_int_equal(log_read.kind, SNUG_LOG_METRICS);
    assert_int_equal(log_read.series.sample_count, 30);
    assert_int_equal(log_read.series.mark_count, 2);
    CHECK(log_read.peak_kernel == 310000000);
    assert_int_equal(log_read.bad_lines, 0);
}

static void live_bytes_that_grow_are_an_exact_leak(void **state)
{
    snug_error err = {0};
    SNUG_UNUSED(state);
    CHECK_OK(read_fixture("monitor_log/ledger.jsonl", &err));
    CHECK(log_read.ledger.found);
    assert_string_equal(log_read.machine, "A Processor");
    assert_int_equal(log_read.ledger.leak.category, SNUG_CATEGORY_ACTIVATIONS);
    assert_int_equal(log_read.ledger.leak.bytes, 4 * 4096);
}

static void other_recorders_are_read(void **state)
{
    static const struct {
        const char *name;
        snug_log_kind kind;
        double seconds, peak;
        snug_quantity quantity;
    } logs[] = {
        {"other_log/psrecord.txt", SNUG_LOG_PSRECORD, 14.5, 129 * 1048576.0, SNUG_QUANTITY_RSS},
        {"other_log/psrecord.csv", SNUG_LOG_PSRECORD, 14.5, 129 * 1048576.0, SNUG_QUANTITY_RSS},
        {"other_log/mprofile.dat", SNUG_LOG_MPROF, 2.9, 149.5 * 1048576.0, SNUG_QUANTITY_RSS},
        {"other_log/prmon.txt", SNUG_LOG_PRMON, 870, 100029 * 1024.0, SNUG_QUANTITY_RSS},
        {"other_log/prmon.txt", SNUG_LOG_PRMON, 870, 90029 * 1024.0, SNUG_QUANTITY_PSS},
    };
    SNUG_UNUSED(state);
    for (int64_t i = 0; i < SNUG_COUNT(logs); i++) {
        snug_error err = {0};
        CHECK_OK(read_fixture(logs[i].name, &err));
        assert_int_equal(log_read.kind, logs[i].kind);
        assert_int_equal(log_read.series.sample_count, 30);
        assert_int_equal(log_read.bad_lines, 0);
        CHECK(fabs(snug_series_seconds(&log_read.series) - logs[i].seconds) < 1e-3);
        CHECK(fabs(peak_of(logs[i].quantity) - logs[i].peak) < 1);
    }
    snug_error err = {0};
    CHECK_OK(read_fixture("other_log/mprofile.dat", &err));
    assert_string_equal(log_read.command, "python train.py");
}

static void what_is_no_log_is_one_clear_line(void **state)
{
    static const struct {
        const char *text;
        snug_status code;
        const char *says;
    } bad[] = {
        {"", SNUG_CODE_DATA, "empty"},
        {"\n\n", SNUG_CODE_FORMAT, "no memory log"},
        {"hello\nworld\n", SNUG_CODE_FORMAT, "no memory log"},
        {"{\"a\":1}\n", SNUG_CODE_FORMAT, "no memory log"},
        {"\x7f"
         "ELF\x01\x02\xff\xfe",
         SNUG_CODE_FORMAT, "no memory log"},
        {"{\"type\":\"header\",\"schema\":\"memlog/1\"}\n", SNUG_CODE_DATA, "without a sample"},
        {"elapsed_time,nproc,cpu,mem_real,mem_virtual\n", SNUG_CODE_DATA, "without a sample"},
        {"elapsed_time,nproc,cpu\n1,2,3\n", SNUG_CODE_FORMAT, "no memory log"},
        {"MEM 1 1\nx\ny\nz\n", SNUG_CODE_FORMAT, "more lines are broken (3"},
    };
    SNUG_UNUSED(state);
    for (int64_t i = 0; i < SNUG_COUNT(bad); i++) {
        snug_error err = {0};
        CHECK_FAILS(read_text(bad[i].text, 3, &err), bad[i].code);
        if (strstr(err.message, bad[i].says) == NULL) {
            print_error("'%s' lacks '%s'\n", err.message, bad[i].says);
            fail();
        }
        CHECK(strchr(err.message, '\n') == NULL);
    }
    snug_error err = {0};
    CHECK_FAILS(snug_log_read("./there_is_no_such.log", room, &log_read, &err),
                SNUG_CODE_NOT_FOUND);
}

static void a_clock_that_goes_back_loses_those_samples(void **state)
{
    static const char text[] = "MEM 10 1000\nMEM 11 1001\nMEM 12 990\nMEM 13 991\nMEM 14 1002\n";
    snug_error err = {0};
    SNUG_UNUSED(state);
    CHECK_OK(read_text(text, 7, &err));
    assert_int_equal(log_read.series.sample_count, 3);
    assert_int_equal(log_read.back_samples, 2);
}

static void pieces_do_not_matter(void **state)
{
    char path[4096];
    static char text[1 << 16];
    int64_t bytes = 0;
    snug_error err = {0};
    SNUG_UNUSED(state);
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/monitor_log/whole.jsonl", SNUG_SOURCE_DIR);
    CHECK_OK(snug_file_read_into(path, text, sizeof text, &bytes, &err));
    CHECK_OK(read_text(text, bytes, &err));
    const double peak = peak_of(SNUG_QUANTITY_ANON);
    for (int64_t piece = 1; piece < 400; piece += 13) {
        CHECK_OK(read_text(text, piece, &err));
        assert_int_equal(log_read.series.sample_count, 40);
        CHECK(peak_of(SNUG_QUANTITY_ANON) == peak);
    }
}

static void a_very_long_line_is_left_out(void **state)
{
    static char text[3 * SNUG_LOG_LINE_BYTES_MAX];
    snug_text out;
    snug_error err = {0};
    SNUG_UNUSED(state);
    snug_text_init(&out, text, sizeof text);
    snug_text_add(&out, "{\"type\":\"sample\",\"t\":1,\"rss\":5}\n");
    for (int64_t i = 0; i < SNUG_LOG_LINE_BYTES_MAX + 10; i++) {
        snug_text_add(&out, "x");
    }
    snug_text_add(&out, "\n{\"type\":\"sample\",\"t\":2,\"rss\":6}\r\n");
    CHECK_OK(read_text(text, 1000, &err));
    assert_int_equal(log_read.series.sample_count, 2);
    assert_int_equal(log_read.bad_lines, 1);
    assert_int_equal(log_read.bad_line, 2);
}

static void numbers_are_read_as_by_the_strict_reader(void **state)
{
    static const struct {
        const char *text;
        int64_t used;
        double value;
    } cases[] = {{"0", 1, 0},         {"12.5,", 4, 12.5},
                 {"-3", 2, -3},       {"123456789012345678", 18, 123456789012345678.0},
                 {"0.1", 3, 0.1},     {"1700000000.1234", 15, 1700000000.1234},
                 {"2.5e3}", 5, 2500}, {"nan", 0, 0},
                 {"", 0, 0},          {".5", 0, 0},
                 {"1e999", 0, 0}};
    SNUG_UNUSED(state);
    for (int64_t i = 0; i < SNUG_COUNT(cases); i++) {
        double value = 0;
        assert_int_equal(snug_log_number(cases[i].text, (int64_t)strlen(cases[i].text), &value),
                         cases[i].used);
        CHECK(cases[i].used == 0 || value == cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_log_is_read),
        cmocka_unit_test(compressed_is_the_same),
        cmocka_unit_test(a_cut_compressed_file_is_used),
        cmocka_unit_test(a_long_compressed_file_is_read_to_its_end),
        cmocka_unit_test(a_cut_last_line_is_no_fault),
        cmocka_unit_test(odd_lines_are_counted),
        cmocka_unit_test(metrics_of_a_run_are_read),
        cmocka_unit_test(live_bytes_that_grow_are_an_exact_leak),
        cmocka_unit_test(other_recorders_are_read),
        cmocka_unit_test(what_is_no_log_is_one_clear_line),
        cmocka_unit_test(a_clock_that_goes_back_loses_those_samples),
        cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(a_very_long_line_is_left_out),
        cmocka_unit_test(numbers_are_read_as_by_the_strict_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
