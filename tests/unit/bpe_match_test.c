#include "tokenizer_case.h"

/*
 * Words are cut without their merges: made-up vocabularies, in order and out of it, against merging
 * as it is defined, the lowest rank first and of equal ones the leftmost.
 */
enum {
    LETTERS = 3,
    TOKENS_MAX = 40,
    TOKEN_BYTES = 17,
    MERGES_MAX = 48,
    VOCABULARIES = 400,
    TEXTS = 60,
    TEXT_BYTES_MAX = 60,
    FILE_BYTES = 8192
};

typedef struct merge {
    int32_t left, right, made;
} merge;

typedef struct vocabulary {
    char tokens[TOKENS_MAX][TOKEN_BYTES];
    int32_t token_count;
    merge merges[MERGES_MAX];
    int32_t merge_count;
} vocabulary;

static uint64_t seed = 11;

static int32_t below(int32_t count)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int32_t)((seed >> 33) % (uint64_t)count);
}

static int32_t find_token(const vocabulary *v, const char *text)
{
    int32_t id = 0;
    while (id < v->token_count && strcmp(v->tokens[id], text) != 0) {
        id++;
    }
    return id;
}

static void add_merge(vocabulary *v, int32_t left, int32_t right)
{
    char both[2 * TOKEN_BYTES];
    (void)snprintf(both, sizeof both, "%s%s", v->tokens[left], v->tokens[right]);
    const int32_t id = find_token(v, both);
    if (strlen(both) >= TOKEN_BYTES || id == TOKENS_MAX) {
        return;
    }
    if (id == v->token_count) {
        (void)snprintf(v->tokens[v->token_count++], TOKEN_BYTES, "%s", both);
    }
    v->merges[v->merge_count++] = (merge){left, right, id};
}

static void make_vocabulary(vocabulary *v)
{
    *v = (vocabulary){.token_count = LETTERS};
    for (int32_t i = 0; i < LETTERS; i++) {
        v->tokens[i][0] = (char)('a' + i);
    }
    for (int32_t i = 4 + below(MERGES_MAX - 4); i > 0 && v->merge_count < MERGES_MAX; i--) {
        add_merge(v, below(v->token_count), below(v->token_count));
    }
    /* Half of them out of order: a token may be needed by a merge before the one that makes it. */
    for (int32_t i = below(2) == 0 ? 0 : below(6); i > 0 && v->merge_count > 0; i--) {
        merge *const one = &v->merges[below(v->merge_count)];
        merge *const other = &v->merges[below(v->merge_count)];
        const merge kept = *one;
        *one = *other;
        *other = kept;
    }
}

static void write_file(const vocabulary *v, bool ignore_merges, char out[FILE_BYTES])
{
    int length = snprintf(out, FILE_BYTES,
                          "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
                          "\"model\":{\"type\":\"BPE\",\"ignore_merges\":%s,\"vocab\":{",
                          ignore_merges ? "true" : "false");
    for (int32_t i = 0; i < v->token_count; i++) {
        length += snprintf(out + length, (size_t)(FILE_BYTES - length), "%s\"%s\":%d",
                           i == 0 ? "" : ",", v->tokens[i], i);
    }
    length += snprintf(out + length, (size_t)(FILE_BYTES - length), "},\"merges\":[");
    for (int32_t i = 0; i < v->merge_count; i++) {
        length +=
            snprintf(out + length, (size_t)(FILE_BYTES - length), "%s\"%s %s\"", i == 0 ? "" : ",",
                     v->tokens[v->merges[i].left], v->tokens[v->merges[i].right]);
    }
    length += snprintf(out + length, (size_t)(FILE_BYTES - length), "]}}");
    CHECK(length < FILE_BYTES);
}

/* The last of equal merges counts. */
static int32_t rank_of(const vocabulary *v, int32_t left, int32_t right)
{
    int32_t rank = v->merge_count - 1;
    while (rank >= 0 && (v->merges[rank].left != left || v->merges[rank].right != right)) {
        rank--;
    }
    return rank;
}

static int64_t merge_by_definition(const vocabulary *v, const char *text, int32_t *out)
{
    int64_t count = (int64_t)strlen(text);
    for (int64_t i = 0; i < count; i++) {
        out[i] = text[i] - 'a';
    }
    for (;;) {
        int32_t lowest = -1;
        int64_t at = 0;
        for (int64_t i = 0; i + 1 < count; i++) {
            const int32_t rank = rank_of(v, out[i], out[i + 1]);
            if (rank >= 0 && (lowest < 0 || rank < lowest)) {
                lowest = rank;
                at = i;
            }
        }
        if (lowest < 0) {
            return count;
        }
        out[at] = v->merges[lowest].made;
        memmove(out + at + 1, out + at + 2, (size_t)(count - at - 2) * sizeof out[0]);
        count--;
    }
}

static void words_are_cut_as_merges_would(void **state)
{
    static char file[FILE_BYTES];
    static vocabulary v;
    int32_t wanted[TEXT_BYTES_MAX];
    SNUG_UNUSED(state);
    for (int32_t round = 0; round < VOCABULARIES; round++) {
        snug_arena arena;
        const bool ignore_merges = round % 4 == 3;
        make_vocabulary(&v);
        write_file(&v, ignore_merges, file);
        const snug_tokenizer *const tokenizer = tokenizer_open_text(file, &arena);
        for (int32_t i = 0; i < TEXTS; i++) {
            char text[TEXT_BYTES_MAX + 1] = {0};
            const int32_t bytes = 1 + below(TEXT_BYTES_MAX);
            for (int32_t k = 0; k < bytes; k++) {
                text[k] = (char)('a' + below(LETTERS));
            }
            int64_t count = merge_by_definition(&v, text, wanted);
            const int32_t whole = find_token(&v, text);
            if (ignore_merges && whole < v.token_count) {
                wanted[0] = whole;
                count = 1;
            }
            tokenizer_ids_are(tokenizer, text, bytes, wanted, count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_cut_as_merges_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
