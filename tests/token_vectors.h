/* Reads and checks what the generators of tools/vectors wrote about tokenizers. */
#ifndef SNUG_TESTS_TOKEN_VECTORS_H
#define SNUG_TESTS_TOKEN_VECTORS_H

#include "check.h"

#include "data/token/tokenizer.h"
#include "sys/file.h"
#include "sys/heap.h"

enum {
    VECTORS_FILE_BYTES_MAX = 1 << 20,
    VECTORS_TEXT_BYTES_MAX = 1 << 16,
    VECTORS_IDS_MAX = 1 << 16
};

static int32_t vectors_ids[VECTORS_IDS_MAX], vectors_wanted[VECTORS_IDS_MAX];

static inline const char *vectors_open(const char *folder, const char *file, snug_arena *arena,
                                       snug_tokenizer **out)
{
    char path[SNUG_PATH_BYTES];
    snug_error err = {0};
    const char *data = NULL;
    int64_t bytes = 0;
    snug_heap_arena_init(arena, "vectors", SNUG_CATEGORY_DATA, 1 << 20);
    (void)snprintf(path, sizeof path, "%s/tests/fixtures/%s", SNUG_SOURCE_DIR, folder);
    CHECK_OK(snug_tokenizer_open(path, arena, out, &err));
    (void)snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", file);
    CHECK_OK(snug_file_read_all(path, VECTORS_FILE_BYTES_MAX, arena, &data, &bytes, &err));
    return data;
}

/* Hexadecimal bytes up to the tab into memory of exactly their size, so that a sanitizer sees a
 * byte read too far. */
static inline char *vectors_read_text(const char **io_at, int64_t *out_bytes)
{
    char *const text = malloc(VECTORS_TEXT_BYTES_MAX);
    int64_t bytes = 0;
    CHECK(text != NULL);
    while (**io_at != '\t') {
        const char pair[3] = {(*io_at)[0], (*io_at)[1], '\0'};
        CHECK(bytes < VECTORS_TEXT_BYTES_MAX);
        text[bytes++] = (char)strtol(pair, NULL, 16);
        *io_at += 2;
    }
    ++*io_at;
    *out_bytes = bytes;
    return realloc(text, bytes > 0 ? (size_t)bytes : 1);
}

static inline int64_t vectors_read_ids(const char **io_at)
{
    int64_t count = 0;
    while (**io_at != '\n') {
        char *end = NULL;
        CHECK(count < VECTORS_IDS_MAX);
        vectors_wanted[count++] = (int32_t)strtol(*io_at, &end, 10);
        CHECK(end > *io_at);
        *io_at = *end == ' ' ? end + 1 : end;
    }
    ++*io_at;
    return count;
}

static inline bool vectors_equal(int64_t count, int64_t wanted_count, int64_t line,
                                 const char *folder)
{
    const bool same = count == wanted_count && memcmp(vectors_ids, vectors_wanted,
                                                      (size_t)count * sizeof vectors_ids[0]) == 0;
    if (!same) {
        print_error("%s, line %lld: %lld ids, %lld wanted\n", folder, (long long)line,
                    (long long)count, (long long)wanted_count);
    }
    return same;
}

/* Every capacity gives the beginning of the same ids. */
static inline void vectors_check_prefixes(const snug_tokenizer *tokenizer, const char *text,
                                          int64_t bytes, int64_t count)
{
    snug_error err = {0};
    for (int64_t capacity = 0; capacity <= count && capacity < 40; capacity++) {
        int64_t written = -1;
        vectors_ids[capacity] = -7;
        CHECK_OK(
            snug_tokenizer_encode(tokenizer, text, bytes, vectors_ids, capacity, &written, &err));
        CHECK(written == capacity && vectors_ids[capacity] == -7);
        CHECK(memcmp(vectors_ids, vectors_wanted, (size_t)written * sizeof vectors_ids[0]) == 0);
    }
}

static inline int64_t vectors_check_cases(const char *folder)
{
    static snug_arena arena;
    snug_error err = {0};
    snug_tokenizer *tokenizer = NULL;
    int64_t lines = 0;
    int64_t wrong = 0;
    const char *at = vectors_open(folder, "cases.txt", &arena, &tokenizer);
    while (*at != '\0') {
        int64_t bytes = 0;
        int64_t count = 0;
        char *const text = vectors_read_text(&at, &bytes);
        const int64_t wanted_count = vectors_read_ids(&at);
        lines++;
        CHECK_OK(snug_tokenizer_encode(tokenizer, text, bytes, vectors_ids, VECTORS_IDS_MAX, &count,
                                       &err));
        wrong += !vectors_equal(count, wanted_count, lines, folder);
        CHECK_OK(
            snug_tokenizer_encode(tokenizer, text, bytes, NULL, VECTORS_IDS_MAX, &count, &err));
        CHECK(count == wanted_count);
        vectors_check_prefixes(tokenizer, text, bytes, count);
        free(text);
    }
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    CHECK(wrong == 0);
    return lines;
}

static inline int64_t vectors_check_pairs(const char *folder)
{
    static snug_arena arena;
    snug_error err = {0};
    snug_tokenizer *tokenizer = NULL;
    int64_t lines = 0;
    const char *at = vectors_open(folder, "pairs.txt", &arena, &tokenizer);
    while (*at != '\0') {
        int64_t bytes[2];
        int64_t counts[2] = {0};
        char *end = NULL;
        char *const first = vectors_read_text(&at, &bytes[0]);
        char *const second = vectors_read_text(&at, &bytes[1]);
        const int64_t limit = strtol(at, &end, 10);
        const int64_t wanted_first = strtol(end, &end, 10);
        at = end + 1;
        const int64_t wanted_count = vectors_read_ids(&at);
        lines++;
        vectors_ids[limit] = -7;
        CHECK_OK(snug_tokenizer_pair(tokenizer, first, bytes[0], second, bytes[1], vectors_ids,
                                     limit, &counts[0], &counts[1], &err));
        CHECK(vectors_equal(counts[1], wanted_count, lines, "pairs"));
        CHECK(counts[0] == wanted_first && vectors_ids[limit] == -7);
        free(first);
        free(second);
    }
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    return lines;
}

#endif
