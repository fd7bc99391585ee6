/* labels: data fast */
/* Generated text: rows and words as promised, the same for a seed, and a model that knows them. */
#include "check.h"

#include <unistd.h>

#include "base/checked.h"
#include "data/hf/hf_config.h"
#include "data/text/labels.h"
#include "data/text/rows.h"
#include "data/text/text_generate.h"
#include "data/token/tokenizer.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { ROWS = 101, LENGTH_MAX = 128 };

static char folder[64];
static snug_arena arena;
static snug_error err;

static int set_up(void **state)
{
    (void)state;
    snug_heap_arena_init(&arena, "test", SNUG_CATEGORY_DATA, 1 << 20);
    (void)snprintf(folder, sizeof folder, "text_generate_test.XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    return snug_failed(snug_folder_remove(folder, NULL));
}

static const char *place(const char *name, char out[SNUG_PATH_BYTES])
{
    CHECK_OK(snug_path_join(folder, name, out, &err));
    return out;
}

static snug_text_generated generate(const char *name, uint64_t seed)
{
    char path[SNUG_PATH_BYTES];
    snug_text_generated made = {0};
    const int64_t used = arena.used_bytes;
    const snug_text_generate_options options = {
        .folder = place(name, path), .row_count = ROWS, .seed = seed};
    CHECK_OK(snug_text_generate(&options, &arena, &made, &err));
    assert_int_equal(arena.used_bytes, used); /* The scratch was given back. */
    return made;
}

static void read_file(const char *name, const char **out, int64_t *out_bytes)
{
    char path[SNUG_PATH_BYTES];
    CHECK_OK(snug_file_read_all(place(name, path), 1 << 20, &arena, out, out_bytes, &err));
}

static void check_same(const char *a, const char *b, bool same)
{
    const char *x = NULL, *y = NULL;
    int64_t x_bytes = 0, y_bytes = 0;
    read_file(a, &x, &x_bytes);
    read_file(b, &y, &y_bytes);
    CHECK((x_bytes == y_bytes && memcmp(x, y, (size_t)x_bytes) == 0) == same);
}

static void a_seed_is_a_text(void **state)
{
    (void)state;
    const char *data = NULL;
    int64_t bytes = 0, sum = 0;
    static const char *const names[] = {"a/train.csv", "a/valid.csv", "a/test.csv"};
    const snug_text_generated made = generate("a", 7);
    (void)generate("b", 7);
    (void)generate("c", 8);
    assert_int_equal(made.files, 3);
    assert_int_equal(made.rows, ROWS + 2 * ((ROWS + 3) / 4));
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        read_file(names[i], &data, &bytes);
        sum += bytes;
    }
    assert_int_equal(made.bytes, sum);
    check_same("a/train.csv", "b/train.csv", true);
    check_same("a/test.csv", "b/test.csv", true);
    check_same("a/model/vocab.txt", "c/model/vocab.txt", true);
    check_same("a/train.csv", "c/train.csv", false);
    /* Written over, not appended to. */
    (void)generate("c", 7);
    check_same("a/train.csv", "c/train.csv", true);
}

/** Reads a file of rows with the tokenizer of the model beside it; answers the rows. */
static int64_t check_rows(const char *name, const snug_tokenizer *tokenizer, int64_t *classes)
{
    char path[SNUG_PATH_BYTES];
    snug_text_reader *reader = NULL;
    snug_text_row row;
    bool more = true;
    int64_t count = 0;
    const snug_tokenizer_facts *facts = snug_tokenizer_facts_of(tokenizer);
    const snug_text_options options = {.path = place(name, path), .need_label = true};
    CHECK_OK(snug_text_reader_open(&options, &arena, &reader, &err));
    for (;;) {
        int32_t ids[LENGTH_MAX];
        int64_t length = 0;
        CHECK_OK(snug_text_reader_next(reader, &row, &more, &err));
        if (!more) {
            break;
        }
        CHECK_OK(snug_tokenizer_single(tokenizer, row.text.text, row.text.bytes, ids, LENGTH_MAX,
                                       &length, &err));
        CHECK(length >= 4 + 2 && length <= 40 + 2);
        for (int64_t i = 0; i < length; i++) {
            CHECK(ids[i] != facts->unknown_id);
        }
        classes[row.label.text[0] == 'b' ? 0 : row.label.text[0] == 'f' ? 1 : 2]++;
        count++;
    }
    snug_text_reader_close(reader);
    return count;
}

static void every_word_is_in_the_vocabulary(void **state)
{
    (void)state;
    char model[SNUG_PATH_BYTES];
    snug_tokenizer *tokenizer = NULL;
    snug_hf_config config;
    int64_t classes[3] = {0};
    (void)generate("d", 1);
    CHECK_OK(snug_tokenizer_open(place("d/model", model), &arena, &tokenizer, &err));
    CHECK_OK(snug_hf_config_read(model, &arena, &config, &err));
    CHECK(snug_tokenizer_facts_of(tokenizer)->vocabulary_size <= config.vocab_size);
    assert_int_equal(config.family, SNUG_HF_BERT);
    assert_int_equal(check_rows("d/train.csv", tokenizer, classes), ROWS);
    CHECK(classes[0] > ROWS / 6 && classes[1] > ROWS / 6 && classes[2] > ROWS / 6);
    assert_int_equal(check_rows("d/valid.csv", tokenizer, classes), (ROWS + 3) / 4);
    assert_int_equal(check_rows("d/test.csv", tokenizer, classes), (ROWS + 3) / 4);
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    char path[SNUG_PATH_BYTES];
    snug_text_generated made = {.rows = -7};
    CHECK_OK(snug_file_write_all(place("file", path), "x", 1, &err));
    const snug_text_generate_options options = {
        .folder = place("file/inside", path), .row_count = 1, .seed = 1};
    CHECK_FAILS(snug_text_generate(&options, &arena, &made, &err), SNUG_CODE_IO);
    assert_int_equal(made.rows, -7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_is_a_text),
        cmocka_unit_test(every_word_is_in_the_vocabulary),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
