/* What the tests of every kind of tokenizer ask: ids, refusals of one line, requests that fail. */
#ifndef SNUG_TESTS_TOKENIZER_CASE_H
#define SNUG_TESTS_TOKENIZER_CASE_H

#include "check.h"

#include "data/token/tokenizer.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { TOKENIZER_ARENA_BYTES = 4 << 20, TOKENIZER_IDS_MAX = 64 };
static _Alignas(SNUG_ALIGN) unsigned char tokenizer_block[TOKENIZER_ARENA_BYTES];
static int32_t tokenizer_ids[TOKENIZER_IDS_MAX];

static inline void tokenizer_arena(snug_arena *out)
{
    snug_arena_init(out, "test", tokenizer_block, TOKENIZER_ARENA_BYTES);
}

/** The tokenizer of a tokenizer.json, in `arena`, which lies in the one block of all of them. */
static inline snug_tokenizer *tokenizer_open_text(const char *text, snug_arena *arena)
{
    snug_error err = {0};
    snug_tokenizer *out = NULL;
    tokenizer_arena(arena);
    CHECK_OK(snug_tokenizer_open_json("x.json", text, (int64_t)strlen(text), arena, &out, &err));
    return out;
}

static inline void tokenizer_ids_are(const snug_tokenizer *tokenizer, const char *text,
                                     int64_t bytes, const int32_t *wanted, int64_t wanted_count)
{
    snug_error err = {0};
    int64_t count = -1;
    CHECK_OK(snug_tokenizer_encode(tokenizer, text, bytes, tokenizer_ids, TOKENIZER_IDS_MAX, &count,
                                   &err));
    assert_int_equal(count, wanted_count);
    CHECK(memcmp(tokenizer_ids, wanted, (size_t)count * sizeof wanted[0]) == 0);
}

/** A text that is not UTF-8, and what the message says about the place. */
typedef struct tokenizer_broken {
    const char *text;
    const char *place;
} tokenizer_broken;

static inline void tokenizer_names_bytes(const snug_tokenizer *tokenizer,
                                         const tokenizer_broken *cases, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        snug_error err = {0};
        int64_t written = -1;
        CHECK_FAILS(snug_tokenizer_encode(tokenizer, cases[i].text, (int64_t)strlen(cases[i].text),
                                          tokenizer_ids, TOKENIZER_IDS_MAX, &written, &err),
                    SNUG_CODE_FORMAT);
        CHECK(strstr(err.message, cases[i].place) != NULL && written == -1);
    }
}

/** A tokenizer.json that is refused: its code, and a part of the one line that says why. */
typedef struct tokenizer_refusal {
    const char *text;
    snug_status code;
    const char *says;
} tokenizer_refusal;

static inline void tokenizer_says(const snug_error *err, const char *says)
{
    if (strstr(err->message, says) == NULL || strchr(err->message, '\n') != NULL) {
        print_error("'%s' is not in: %s\n", says, err->message);
        fail();
    }
}

static inline void tokenizer_refuses(const tokenizer_refusal *cases, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        snug_arena arena;
        snug_error err = {0};
        snug_tokenizer *out = NULL;
        const int64_t bytes = (int64_t)strlen(cases[i].text);
        tokenizer_arena(&arena);
        CHECK_FAILS(snug_tokenizer_open_json("x.json", cases[i].text, bytes, &arena, &out, &err),
                    cases[i].code);
        tokenizer_says(&err, cases[i].says);
        CHECK(out == NULL && arena.used_bytes == 0);
    }
}

/** Every request of the opening fails once, and the arena that keeps it is of every size. */
static inline void tokenizer_survives(const char *text, int64_t arena_bytes_max)
{
    const int64_t length = (int64_t)strlen(text);
    bool failed = true;
    int64_t n = 0;
    snug_arena arena;
    snug_error err = {0};
    while (failed) {
        snug_tokenizer *out = NULL;
        snug_heap_usage before, after;
        tokenizer_arena(&arena);
        snug_heap_usage_read(&before);
        snug_heap_fail_at(++n);
        failed = snug_tokenizer_open_json("x.json", text, length, &arena, &out, &err) != SNUG_OK;
        snug_heap_fail_at(0);
        snug_heap_usage_read(&after);
        CHECK(!failed || (err.code == SNUG_CODE_MEMORY && out == NULL && arena.used_bytes == 0));
        CHECK(memcmp(before.current_bytes, after.current_bytes, sizeof before.current_bytes) == 0);
    }
    CHECK(n > 1);
    for (int64_t bytes = 0; bytes < arena_bytes_max; bytes += arena_bytes_max / 64) {
        snug_tokenizer *out = NULL;
        snug_arena_init(&arena, "test", tokenizer_block, bytes);
        if (snug_tokenizer_open_json("x.json", text, length, &arena, &out, &err) != SNUG_OK) {
            CHECK(err.code == SNUG_CODE_LIMIT && out == NULL && arena.used_bytes == 0);
        }
    }
}

static inline void tokenizer_put_file(const char *folder, const char *name, const char *text)
{
    char path[SNUG_PATH_BYTES];
    snug_error err = {0};
    CHECK_OK(snug_path_join(folder, name, path, &err));
    CHECK_OK(snug_file_write_all(path, text, (int64_t)strlen(text), &err));
}

#endif
