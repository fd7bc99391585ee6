#include "check.h"

#include "data/token/wordpiece.h"
#include "sys/file.h"
#include "sys/heap.h"

/* Files of tools/vectors/make_wordpiece_vectors.py, which says how they are laid out. */
enum { FILE_BYTES_MAX = 1 << 20, TEXT_BYTES_MAX = 1 << 16, IDS_MAX = 1 << 14 };

static int32_t ids[IDS_MAX], wanted[IDS_MAX];

static const char *open_fixture(const char *folder, const char *file, snug_arena *arena,
                                snug_wordpiece **out)
{
    char path[SNUG_PATH_BYTES];
    snug_error err = {0};
    const char *data = NULL;
    int64_t bytes = 0;
    snug_heap_arena_init(arena, "vectors", SNUG_CATEGORY_DATA, 1 << 20);
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/wordpiece/%s", SNUG_SOURCE_DIR, folder);
    CHECK_OK(snug_wordpiece_open(path, arena, out, &err));
    (void)snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", file);
    CHECK_OK(snug_file_read_all(path, FILE_BYTES_MAX, arena, &data, &bytes, &err));
    return data;
}

/* Hexadecimal bytes up to the tab into memory of exactly their size, so that a sanitizer sees a
 * byte read too far. */
static char *read_text(const char **io_at, int64_t *out_bytes)
{
    char *const text = malloc(TEXT_BYTES_MAX);
    int64_t bytes = 0;
    CHECK(text != NULL);
    while (**io_at != '\t') {
        const char pair[3] = {(*io_at)[0], (*io_at)[1], '\0'};
        CHECK(bytes < TEXT_BYTES_MAX);
        text[bytes++] = (char)strtol(pair, NULL, 16);
        *io_at += 2;
    }
    ++*io_at;
    *out_bytes = bytes;
    return realloc(text, bytes > 0 ? (size_t)bytes : 1);
}

static int64_t read_ids(const char **io_at)
{
    int64_t count = 0;
    while (**io_at != '\n') {
        char *end = NULL;
        CHECK(count < IDS_MAX);
        wanted[count++] = (int32_t)strtol(*io_at, &end, 10);
        CHECK(end > *io_at);
        *io_at = *end == ' ' ? end + 1 : end;
    }
    ++*io_at;
    return count;
}

static bool ids_equal(int64_t count, int64_t wanted_count, int64_t line, const char *folder)
{
    const bool same =
        count == wanted_count && memcmp(ids, wanted, (size_t)count * sizeof ids[0]) == 0;
    if (!same) {
        print_error("%s, line %lld: %lld ids, %lld wanted\n", folder, (long long)line,
                    (long long)count, (long long)wanted_count);
    }
    return same;
}

/* Every capacity gives the beginning of the same ids. */
static void check_prefixes(const snug_wordpiece *tokenizer, const char *text, int64_t bytes,
                           int64_t count)
{
    snug_error err = {0};
    for (int64_t capacity = 0; capacity <= count && capacity < 40; capacity++) {
        int64_t written = -1;
        ids[capacity] = -7;
        CHECK_OK(snug_wordpiece_encode(tokenizer, text, bytes, ids, capacity, &written, &err));
        CHECK(written == capacity && ids[capacity] == -7);
        CHECK(memcmp(ids, wanted, (size_t)written * sizeof ids[0]) == 0);
    }
}

static int64_t check_cases(const char *folder)
{
    static snug_arena arena;
    snug_error err = {0};
    snug_wordpiece *tokenizer = NULL;
    int64_t lines = 0;
    int64_t wrong = 0;
    const char *at = open_fixture(folder, "cases.txt", &arena, &tokenizer);
    while (*at != '\0') {
        int64_t bytes = 0;
        int64_t count = 0;
        char *const text = read_text(&at, &bytes);
        const int64_t wanted_count = read_ids(&at);
        lines++;
        CHECK_OK(snug_wordpiece_encode(tokenizer, text, bytes, ids, IDS_MAX, &count, &err));
        wrong += !ids_equal(count, wanted_count, lines, folder);
        CHECK_OK(snug_wordpiece_encode(tokenizer, text, bytes, NULL, IDS_MAX, &count, &err));
        CHECK(count == wanted_count);
        check_prefixes(tokenizer, text, bytes, count);
        free(text);
    }
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    CHECK(wrong == 0);
    return lines;
}

static void every_text_gives_the_ids_of_transformers(void **state)
{
    static const char *const folders[] = {"uncased", "cased", "accents", "bare"};
    (void)state;
    for (int64_t i = 0; i < SNUG_COUNT(folders); i++) {
        CHECK(check_cases(folders[i]) > 300);
    }
}

static void pairs_are_cut_as_in_transformers(void **state)
{
    static snug_arena arena;
    snug_error err = {0};
    snug_wordpiece *tokenizer = NULL;
    int64_t lines = 0;
    (void)state;
    const char *at = open_fixture("uncased", "pairs.txt", &arena, &tokenizer);
    while (*at != '\0') {
        int64_t bytes[2];
        int64_t counts[2] = {0};
        char *end = NULL;
        char *const first = read_text(&at, &bytes[0]);
        char *const second = read_text(&at, &bytes[1]);
        const int64_t limit = strtol(at, &end, 10);
        const int64_t wanted_first = strtol(end, &end, 10);
        at = end + 1;
        const int64_t wanted_count = read_ids(&at);
        lines++;
        ids[limit] = -7;
        CHECK_OK(snug_wordpiece_pair(tokenizer, first, bytes[0], second, bytes[1], ids, limit,
                                     &counts[0], &counts[1], &err));
        CHECK(ids_equal(counts[1], wanted_count, lines, "pairs"));
        CHECK(counts[0] == wanted_first && ids[limit] == -7);
        free(first);
        free(second);
    }
    CHECK(lines == 100);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_gives_the_ids_of_transformers),
        cmocka_unit_test(pairs_are_cut_as_in_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
