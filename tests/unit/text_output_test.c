/* labels: fast */
/* Predictions of texts as they are written: quoting, escapes, probabilities, endings, commits. */
#include "check.h"

#include <math.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/json.h"
#include "base/text.h"
#include "sys/file.h"
#include "sys/heap.h"
#include "train/text_session.h"

enum { WRITTEN_BYTES = 64 << 10 };

static char folder[64];
static char written[WRITTEN_BYTES];
static snug_arena arena;
static snug_error err;

static int set_up(void **state)
{
    (void)state;
    snug_heap_arena_init(&arena, "test", SNUG_CATEGORY_DATA, 1 << 20);
    (void)snprintf(folder, sizeof folder, "text_output_test.XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    return snug_failed(snug_folder_remove(folder, NULL));
}

static void collect(void *context, const char *data, int64_t bytes)
{
    snug_text_add(context, "%.*s", (int)bytes, data);
}

/** What two samples of these names give; `ending` NULL: to the caller's function. */
static const char *write_two(const char **names, int64_t count, const float *first,
                             const float *second, const char *ending)
{
    static char path[SNUG_PATH_BYTES];
    snug_text text;
    snug_text_output *output = NULL;
    int64_t rows = -1;
    int64_t bytes = 0;
    const char *data = NULL;
    snug_text_own own = {.labels = {.count = count, .names = names}};
    snug_text_init(&text, written, sizeof written);
    (void)snprintf(path, sizeof path, "%s/out%s", folder, ending == NULL ? "" : ending);
    const snug_predict_options options = {
        .output = ending == NULL ? NULL : path, .write = collect, .write_context = &text};
    CHECK_OK(snug_text_output_open(&options, &own, &output, &err));
    CHECK_OK(snug_text_output_add(output, 0, first, &err));
    CHECK_OK(snug_text_output_add(output, 1, second, &err));
    CHECK_OK(snug_text_output_commit(output, &rows, &err));
    snug_text_output_close(output);
    assert_int_equal(rows, 2);
    if (ending != NULL) {
        assert_int_equal(text.length, 0);
        CHECK_OK(snug_file_read_all(path, WRITTEN_BYTES, &arena, &data, &bytes, &err));
        (void)snprintf(written, sizeof written, "%.*s", (int)bytes, data);
        CHECK_OK(snug_file_remove(path, &err));
    }
    CHECK(!text.truncated);
    return written;
}

static void names_are_quoted_in_csv(void **state)
{
    (void)state;
    const char *names[] = {"plain", "a, \"b\"", "l\xc3\xa4\xc3\xa4n\ngood", "\xe5\xa5\xbd"};
    const float first[] = {0, 0, 3, 0}, second[] = {-1, 2, -1, -1};
    static const char header[] = "row,label,probability,\"plain\",\"a, \"\"b\"\"\","
                                 "\"l\xc3\xa4\xc3\xa4n\ngood\",\"\xe5\xa5\xbd\"\n";
    const char *text = write_two(names, 4, first, second, NULL);
    CHECK(snug_begins_with(text, header));
    assert_string_equal(text + strlen(header),
                        "0,\"l\xc3\xa4\xc3\xa4n\ngood\",0.870049,0.043317,0.043317,0.870049,"
                        "0.043317\n"
                        "1,\"a, \"\"b\"\"\",0.870049,0.043317,0.870049,0.043317,0.043317\n");
    static char said[WRITTEN_BYTES];
    (void)snprintf(said, sizeof said, "%s", text);
    assert_string_equal(write_two(names, 4, first, second, ".csv"), said);
}

/** Reads a line of JSON: the label, and the sum of the probabilities. */
static int64_t read_line(const char *line, int64_t bytes, char *label, double *sum)
{
    snug_json_reader reader;
    snug_json_event event;
    int64_t names = 0;
    bool inside = false, is_label = false;
    *sum = 0.0;
    snug_json_reader_init(&reader, line, bytes);
    do {
        double value = 0.0;
        CHECK_OK(snug_json_next(&reader, &event, &err));
        if (event.kind == SNUG_JSON_KEY) {
            names += inside;
            is_label = !inside && event.text_bytes == 5 && memcmp(event.text, "label", 5) == 0;
            inside = inside || (event.text_bytes == 13 && event.text[0] == 'p');
        } else if (event.kind == SNUG_JSON_STRING && is_label) {
            (void)snprintf(label, 2048, "%.*s", (int)event.text_bytes, event.text);
        } else if (event.kind == SNUG_JSON_NUMBER && inside) {
            CHECK_OK(snug_json_to_f64(&event, &value, &err));
            *sum += value;
        }
    } while (event.kind != SNUG_JSON_END);
    return names;
}

static void names_are_escaped_in_jsonl(void **state)
{
    (void)state;
    const char *names[] = {"tab\there \"quoted\"", "back\\slash", "\xe5\xa5\xbd\x01"};
    const float first[] = {5, 0, 0}, second[] = {0, 0, 1};
    const char *text = write_two(names, 3, first, second, ".jsonl");
    const char *end = strchr(text, '\n');
    CHECK(end != NULL);
    CHECK(strstr(text, "\"tab\\there \\\"quoted\\\"\"") != NULL);
    CHECK(strstr(text, "\"back\\\\slash\"") != NULL);
    CHECK(strstr(text, "\"\xe5\xa5\xbd\\u0001\"") != NULL);
    CHECK(snug_begins_with(text, "{\"row\":0,\"label\":"));
    CHECK(snug_begins_with(end + 1, "{\"row\":1,\"label\":\"\xe5\xa5\xbd\\u0001\""));
    char label[2048];
    double sum = 0.0;
    assert_int_equal(read_line(text, end - text, label, &sum), 3);
    CHECK(fabs(sum - 1.0) < 1e-12);
}

/** Each byte of a name takes six in JSON; the longest name there is must not cut its line. */
static void the_longest_names_fit(void **state)
{
    (void)state;
    static char a[SNUG_LABEL_BYTES_MAX + 1], b[SNUG_LABEL_BYTES_MAX + 1];
    memset(a, '\x02', SNUG_LABEL_BYTES_MAX);
    memset(b, '\x03', SNUG_LABEL_BYTES_MAX);
    a[0] = 'a';
    const char *names[] = {a, b};
    const float first[] = {5, 0}, second[] = {0, 1};
    char label[2048];
    double sum = 0.0;
    const char *text = write_two(names, 2, first, second, ".jsonl");
    const char *end = strchr(text, '\n');
    CHECK(end != NULL);
    assert_int_equal(read_line(text, end - text, label, &sum), 2);
    CHECK(fabs(sum - 1.0) < 1e-12);
    assert_int_equal(read_line(end + 1, (int64_t)strlen(end + 1), label, &sum), 2);
    CHECK(fabs(sum - 1.0) < 1e-12);
    text = write_two(names, 2, first, second, ".csv");
    CHECK(snug_ends_with(text, ",0.731059,0.268941,0.731059\n"));
}

static void extreme_logits_have_probabilities(void **state)
{
    (void)state;
    const char *names[] = {"x", "y", "z"};
    const float first[] = {3e38f, -3e38f, 0}, second[] = {-3e38f, -3e38f, -3e38f};
    assert_string_equal(write_two(names, 3, first, second, ".csv"),
                        "row,label,probability,\"x\",\"y\",\"z\"\n"
                        "0,\"x\",1.000000,1.000000,0.000000,0.000000\n"
                        "1,\"x\",0.333333,0.333333,0.333333,0.333333\n");
}

static void other_endings_are_refused(void **state)
{
    (void)state;
    static const char *const endings[] = {".txt", ".json", ".h5", "csv", ".csv.gz", ""};
    const char *names[] = {"x", "y"};
    const snug_text_own own = {.labels = {.count = 2, .names = names}};
    for (int64_t i = 0; i < SNUG_COUNT(endings); i++) {
        char path[SNUG_PATH_BYTES];
        snug_text_output *output = NULL;
        (void)snprintf(path, sizeof path, "%s/out%s", folder, endings[i]);
        const snug_predict_options options = {.output = path};
        CHECK_FAILS(snug_text_output_open(&options, &own, &output, &err), SNUG_CODE_USAGE);
        CHECK(output == NULL && snug_path_look(path) == SNUG_PATH_NONE);
        CHECK(strstr(err.message, path) != NULL);
    }
}

static void nothing_appears_before_the_commit(void **state)
{
    (void)state;
    const char *names[] = {"x", "y"};
    const float logits[] = {0, 1};
    const snug_text_own own = {.labels = {.count = 2, .names = names}};
    char path[SNUG_PATH_BYTES];
    snug_text_output *output = NULL;
    snug_heap_usage before, after;
    snug_heap_usage_read(&before);
    (void)snprintf(path, sizeof path, "%s/late.csv", folder);
    const snug_predict_options options = {.output = path};
    CHECK_OK(snug_text_output_open(&options, &own, &output, &err));
    CHECK_OK(snug_text_output_add(output, 0, logits, &err));
    CHECK(snug_path_look(path) == SNUG_PATH_NONE);
    snug_text_output_close(output);
    CHECK(snug_path_look(path) == SNUG_PATH_NONE);
    snug_heap_usage_read(&after);
    assert_int_equal(before.current_bytes[SNUG_CATEGORY_RUNTIME],
                     after.current_bytes[SNUG_CATEGORY_RUNTIME]);
    snug_text_output_close(NULL);
    (void)snprintf(path, sizeof path, "%s/no/such/folder.csv", folder);
    CHECK_FAILS(snug_text_output_open(&options, &own, &output, &err), SNUG_CODE_IO);
    snug_heap_usage_read(&after);
    assert_int_equal(before.current_bytes[SNUG_CATEGORY_RUNTIME],
                     after.current_bytes[SNUG_CATEGORY_RUNTIME]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_quoted_in_csv),
        cmocka_unit_test(names_are_escaped_in_jsonl),
        cmocka_unit_test(the_longest_names_fit),
        cmocka_unit_test(extreme_logits_have_probabilities),
        cmocka_unit_test(other_endings_are_refused),
        cmocka_unit_test(nothing_appears_before_the_commit),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
