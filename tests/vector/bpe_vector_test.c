#include "check.h"
#include "token_vectors.h"

#include "base/hash.h"

/* Files of tools/vectors/make_bpe_vectors.py, which says how they are laid out. */
static void every_text_gives_the_ids_of_transformers(void **state)
{
    static const struct {
        const char *folder;
        int64_t lines_min;
    } folders[] = {{"bpe/roberta", 240},
                   {"bpe/files", 120},
                   {"bpe/gpt2", 190},
                   {"bpe/uncut", 90},
                   {"bpe/bert", 40}};
    SNUG_UNUSED(state);
    for (int64_t i = 0; i < SNUG_COUNT(folders); i++) {
        CHECK(vectors_check_cases(folders[i].folder) >= folders[i].lines_min);
    }
}

static void pairs_are_cut_as_in_transformers(void **state)
{
    SNUG_UNUSED(state);
    CHECK(vectors_check_pairs("bpe/roberta") == 60);
    CHECK(vectors_check_pairs("bpe/files") == 60);
}

static void singles_are_cut_as_in_transformers(void **state)
{
    static snug_arena arena;
    snug_error err = {0};
    snug_tokenizer *tokenizer = NULL;
    int64_t lines = 0;
    SNUG_UNUSED(state);
    const char *at = vectors_open("bpe/roberta", "singles.txt", &arena, &tokenizer);
    while (*at != '\0') {
        int64_t bytes = 0;
        int64_t count = 0;
        char *end = NULL;
        char *const text = vectors_read_text(&at, &bytes);
        const int64_t limit = strtol(at, &end, 10);
        at = end + 1;
        const int64_t wanted_count = vectors_read_ids(&at);
        vectors_ids[limit] = -7;
        CHECK_OK(snug_tokenizer_single(tokenizer, text, bytes, vectors_ids, limit, &count, &err));
        CHECK(vectors_equal(count, wanted_count, ++lines, "singles"));
        CHECK(vectors_ids[limit] == -7);
        free(text);
    }
    CHECK(lines == 30);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
}

/* "UNIT*COUNT+UNIT*COUNT", units in hexadecimal, a tab. */
static int64_t read_repeated(const char **io_at, char *text, int64_t room)
{
    int64_t bytes = 0;
    while (**io_at != '\t') {
        char unit[64];
        char *end = NULL;
        int64_t length = 0;
        for (; **io_at != '*'; *io_at += 2) {
            const char pair[3] = {(*io_at)[0], (*io_at)[1], '\0'};
            unit[length++] = (char)strtol(pair, NULL, 16);
        }
        const int64_t count = strtol(*io_at + 1, &end, 10);
        CHECK(bytes + count * length <= room);
        for (int64_t i = 0; i < count; i++, bytes += length) {
            memcpy(text + bytes, unit, (size_t)length);
        }
        *io_at = *end == '+' ? end + 1 : end;
    }
    ++*io_at;
    return bytes;
}

/* Longer than the window that is merged at once. */
static void words_of_many_thousand_bytes_give_the_same(const char *folder)
{
    enum { TEXT_BYTES = 1 << 16 };
    static snug_arena arena;
    snug_error err = {0};
    snug_tokenizer *tokenizer = NULL;
    int64_t lines = 0;
    char *const text = malloc(TEXT_BYTES);
    CHECK(text != NULL);
    const char *at = vectors_open(folder, "long.txt", &arena, &tokenizer);
    for (; *at != '\0'; lines++) {
        int64_t count = 0;
        char digest[80];
        char *end = NULL;
        snug_sha256 hash;
        const int64_t bytes = read_repeated(&at, text, TEXT_BYTES);
        const int64_t wanted = strtol(at, &end, 10);
        CHECK_OK(snug_tokenizer_encode(tokenizer, text, bytes, vectors_ids, VECTORS_IDS_MAX, &count,
                                       &err));
        snug_sha256_init(&hash);
        for (int64_t i = 0; i < count; i++) {
            unsigned char out[4];
            for (int32_t k = 0; k < 4; k++) {
                out[k] = (unsigned char)((uint32_t)vectors_ids[i] >> (8 * k));
            }
            snug_sha256_add(&hash, out, sizeof out);
        }
        snug_sha256_hex(&hash, digest);
        assert_int_equal(count, wanted);
        CHECK(strncmp(end + 1, digest, 64) == 0);
        at = strchr(end, '\n') + 1;
    }
    CHECK(lines >= 12);
    free(text);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
}

static void long_words_give_the_same(void **state)
{
    SNUG_UNUSED(state);
    words_of_many_thousand_bytes_give_the_same("bpe/roberta");
    words_of_many_thousand_bytes_give_the_same("bpe/uncut");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_gives_the_ids_of_transformers),
        cmocka_unit_test(pairs_are_cut_as_in_transformers),
        cmocka_unit_test(singles_are_cut_as_in_transformers),
        cmocka_unit_test(long_words_give_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
