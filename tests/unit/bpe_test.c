#include "tokenizer_case.h"

#include <unistd.h>

#define SPLITTER(more) "\"pre_tokenizer\":{\"type\":\"ByteLevel\"" more "}"
#define PLAIN SPLITTER(",\"add_prefix_space\":false")
#define MODEL(vocab, merges)                                                                       \
    "\"model\":{\"type\":\"BPE\",\"vocab\":{" vocab "},\"merges\":[" merges "]}"
#define VOCABULARY                                                                                 \
    "\"<s>\":0,\"</s>\":1,\"a\":2,\"b\":3,\"ab\":4,\"abab\":5,\"Ġ\":6,\"Ġab\":7,\"ba\":8"
#define MERGES "\"a b\",[\"ab\",\"ab\"],\"Ġ ab\""
#define ROBERTA                                                                                    \
    "\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"<s>\",0],\"sep\":[\"</s>\",1]}"
#define SMALL "{" PLAIN "," ROBERTA "," MODEL(VOCABULARY, MERGES) "}"

static void ids_are(const snug_tokenizer *tokenizer, const char *text, const int32_t *wanted,
                    int64_t wanted_count)
{
    tokenizer_ids_are(tokenizer, text, (int64_t)strlen(text), wanted, wanted_count);
}

static void merges_go_by_rank_then_from_the_left(void **state)
{
    snug_arena arena;
    SNUG_UNUSED(state);
    const snug_tokenizer *tokenizer = tokenizer_open_text(SMALL, &arena);
    const snug_tokenizer_facts *facts = snug_tokenizer_facts_of(tokenizer);
    CHECK(strcmp(facts->type, "BPE") == 0 && facts->merge_count == 3 && !facts->prefix_blank);
    CHECK(facts->vocabulary_size == 9 && facts->token_count == 9 && facts->added_count == 0);
    CHECK(facts->start_id == 0 && facts->end_id == 1 && facts->unknown_id == -1);
    CHECK(facts->padding_id == -1 && facts->bytes == arena.used_bytes);
    CHECK(facts->single_length_min == 2 && facts->pair_length_min == 4);
    static const int32_t odd[] = {5, 4};         /* abab ab: the first two of three */
    static const int32_t words[] = {2, 7, 6, 5}; /* a | Ġab | Ġ abab: ab ab goes first */
    static const int32_t none[] = {3, 2, 2, 3};  /* "ba" has no merge; x and digits vanish. */
    ids_are(tokenizer, "ababab", odd, 2);
    ids_are(tokenizer, "a ab abab", words, 4);
    ids_are(tokenizer, "baxa1b", none, 4);
    /* A token of the vocabulary that merges do not make is no word. */
    static const int32_t both[] = {3, 2};
    ids_are(tokenizer, "ba", both, 2);
    ids_are(tokenizer, "", none, 0);
}

static void unknown_bytes_become_one_token_or_many(void **state)
{
    static const char *const files[] = {
        "{" PLAIN ",\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":1},"
        "\"merges\":[]}}",
        "{" PLAIN ",\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"fuse_unk\":true,\"vocab\":{"
        "\"?\":0,\"a\":1},\"merges\":[]}}"};
    static const int32_t each[] = {1, 0, 0, 1}, fused[] = {1, 0, 1};
    snug_arena arena;
    SNUG_UNUSED(state);
    ids_are(tokenizer_open_text(files[0], &arena), "axya", each, 4);
    ids_are(tokenizer_open_text(files[1], &arena), "axya", fused, 3);
}

static void a_prefix_blank_stands_before_every_part(void **state)
{
    static const int32_t wanted[] = {7, 9, 7, 9, 7};
    snug_arena arena;
    SNUG_UNUSED(state);
    const snug_tokenizer *tokenizer = tokenizer_open_text(
        "{\"added_tokens\":[{\"id\":9,\"content\":\"<m>\",\"lstrip\":true}]," SPLITTER(
            "") "," MODEL(VOCABULARY, MERGES) "}",
        &arena);
    CHECK(snug_tokenizer_facts_of(tokenizer)->prefix_blank);
    CHECK(snug_tokenizer_facts_of(tokenizer)->start_id == -1);
    ids_are(tokenizer, "ab \t<m> ab\xe3\x80\x80<m>ab", wanted, 5);
}

static void broken_utf8_is_named_with_its_byte(void **state)
{
    static const tokenizer_broken cases[] = {{"ab\xff", "byte 2 is 0xff"},
                                             {"\xe4\xb8", "byte 0 is 0xe4"},
                                             {"a \xc0\xaf", "byte 2 is 0xc0"},
                                             {"  \x80", "byte 2 is 0x80"},
                                             {"ab\xed\xa0\x80", "byte 2 is 0xed"}};
    snug_arena arena;
    SNUG_UNUSED(state);
    tokenizer_names_bytes(tokenizer_open_text(SMALL, &arena), cases, SNUG_COUNT(cases));
}

static void a_bad_file_is_one_line(void **state)
{
    static const tokenizer_refusal cases[] = {
        {"{" PLAIN "," MODEL("\"a\":0", "\"a b\"") "}", SNUG_CODE_FORMAT,
         "merge 1 needs token 'b'"},
        {"{" PLAIN "," MODEL("\"a\":0,\"b\":1", "\"a b\"") "}", SNUG_CODE_FORMAT,
         "merge 1 needs token 'ab'"},
        {"{" PLAIN "," MODEL("\"a\":0,\"b\":1,\"ab\":2", "\"a b\",\"ab\"") "}", SNUG_CODE_FORMAT,
         "merge 2, 'ab', is no merge"},
        {"{" PLAIN "," MODEL("\"a\":0", "\"a b c\"") "}", SNUG_CODE_FORMAT, "is no merge"},
        {"{" PLAIN "," MODEL("\"a\":0", "\" a\"") "}", SNUG_CODE_FORMAT, "is no merge"},
        {"{" PLAIN "," MODEL("\"a\":0", "[\"a\"]") "}", SNUG_CODE_FORMAT, "should be a string"},
        {"{" PLAIN "," MODEL("\"a\":0", "[\"a\",\"\"]") "}", SNUG_CODE_FORMAT, "two tokens each"},
        {"{" PLAIN "," MODEL("\"a\":0", "7") "}", SNUG_CODE_FORMAT, "should be a string"},
        {"{" PLAIN "," MODEL("\"a\":0,\"a\":1", "") "}", SNUG_CODE_FORMAT, "'a' is there twice"},
        {"{" PLAIN "," MODEL("\"a\":0,\"b\":0", "") "}", SNUG_CODE_FORMAT, "'b' has id 0"},
        {"{" PLAIN "," MODEL("\"a\":4294967296", "") "}", SNUG_CODE_FORMAT, "id 4294967296"},
        {"{" PLAIN ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", SNUG_CODE_FORMAT,
         "\"merges\""},
        {"{" PLAIN ",\"model\":{\"type\":\"BPE\",\"merges\":[]}}", SNUG_CODE_FORMAT, "vocab"},
        {"{" PLAIN ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}"
         "}",
         SNUG_CODE_UNSUPPORTED, "dropout"},
        {"{" PLAIN ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],"
         "\"end_of_word_suffix\":\"</w>\"}}",
         SNUG_CODE_UNSUPPORTED, "end_of_word_suffix"},
        {"{" PLAIN ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],"
         "\"byte_fallback\":true}}",
         SNUG_CODE_UNSUPPORTED, "byte_fallback"},
        {"{" PLAIN ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],"
         "\"unk_token\":\"?\"}}",
         SNUG_CODE_FORMAT, "no '?', the token for unknown bytes"},
        {"{" PLAIN ",\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", SNUG_CODE_UNSUPPORTED,
         "Unigram"},
        {"{\"normalizer\":{\"type\":\"NFC\"}," PLAIN "," MODEL("\"a\":0", "") "}",
         SNUG_CODE_UNSUPPORTED, "NFC"},
        {"{\"normalizer\":{\"type\":\"BertNormalizer\"}," PLAIN "," MODEL("\"a\":0", "") "}",
         SNUG_CODE_UNSUPPORTED, "no normalizer"},
        {"{" PLAIN "," ROBERTA "," MODEL("\"a\":0", "") "}", SNUG_CODE_FORMAT, "no '<s>'"},
        {"{\"added_tokens\":[{\"id\":7,\"content\":\"a\"}]," PLAIN "," MODEL("\"a\":0", "") "}",
         SNUG_CODE_FORMAT, "but 0 in the vocabulary"},
        {"{\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"Sequence\","
         "\"processors\":[]}]}}",
         SNUG_CODE_FORMAT, "list of processors"},
    };
    SNUG_UNUSED(state);
    tokenizer_refuses(cases, SNUG_COUNT(cases));
}

static void of_equal_merges_the_last_counts(void **state)
{
    static const int32_t wanted[] = {2, 5};
    snug_arena arena;
    SNUG_UNUSED(state);
    ids_are(tokenizer_open_text("{" PLAIN "," MODEL("\"x\":1,\"a\":2,\"b\":3,\"ab\":4,\"bb\":5",
                                                    "\"a b\",\"b b\",\"a b\"") "}",
                                &arena),
            "abb", wanted, 2);
}

static void every_request_may_fail(void **state)
{
    SNUG_UNUSED(state);
    tokenizer_survives(SMALL, 1 << 14);
}

/* ---- Folders ---- */

static void refused(const char *folder, snug_status code, const char *says)
{
    snug_arena arena;
    snug_error err = {0};
    snug_tokenizer *out = NULL;
    tokenizer_arena(&arena);
    CHECK_FAILS(snug_tokenizer_open(folder, &arena, &out, &err), code);
    tokenizer_says(&err, says);
    CHECK(out == NULL && arena.used_bytes == 0);
}

static void two_files_are_a_tokenizer(void **state)
{
    char folder[64], path[SNUG_PATH_BYTES];
    snug_arena arena;
    snug_error err = {0};
    snug_tokenizer *out = NULL;
    SNUG_UNUSED(state);
    (void)snprintf(folder, sizeof folder, "bpe_test.%ld", (long)getpid());
    CHECK_OK(snug_folder_make(folder, &err));
    tokenizer_put_file(folder, "vocab.json", "{" VOCABULARY ",\"<pad>\":9}");
    refused(folder, SNUG_CODE_NOT_FOUND, "no merges.txt");
    tokenizer_put_file(folder, "merges.txt", "#version: 0.2\na b\r\nab ab\n\xc4\xa0 ab\n");
    tokenizer_arena(&arena);
    CHECK_OK(snug_tokenizer_open(folder, &arena, &out, &err));
    const snug_tokenizer_facts *facts = snug_tokenizer_facts_of(out);
    CHECK(facts->start_id == 0 && facts->end_id == 1 && facts->padding_id == 9);
    CHECK(facts->merge_count == 3 && !facts->prefix_blank && facts->added_count == 3);
    static const int32_t wanted[] = {9, 5, 0};
    ids_are(out, "<pad>abab<s>", wanted, 3);
    tokenizer_put_file(folder, "tokenizer_config.json",
                       "{\"add_prefix_space\":true,\"pad_token\":\"ba\"}");
    tokenizer_arena(&arena);
    CHECK_OK(snug_tokenizer_open(folder, &arena, &out, &err));
    facts = snug_tokenizer_facts_of(out);
    CHECK(facts->prefix_blank && facts->padding_id == 8);
    tokenizer_put_file(folder, "merges.txt", "a b\n\nab ab\n");
    refused(folder, SNUG_CODE_FORMAT, "line 2, '', is no merge");
    tokenizer_put_file(folder, "merges.txt", "a q\n");
    refused(folder, SNUG_CODE_FORMAT, "merge 1 needs token 'q'");
    tokenizer_put_file(folder, "vocab.json", "[]");
    refused(folder, SNUG_CODE_UNSUPPORTED, "vocab.json");
    tokenizer_put_file(folder, "vocab.json", "7");
    refused(folder, SNUG_CODE_FORMAT, "one object");
    /* 100 MB of nothing, by its size; 50 MB of rubbish, by its first byte. */
    tokenizer_put_file(folder, "tokenizer.json", "\x01");
    CHECK_OK(snug_path_join(folder, "tokenizer.json", path, &err));
    CHECK(truncate(path, 100 * 1000 * 1000) == 0);
    refused(folder, SNUG_CODE_LIMIT, "tokenizer.json");
    CHECK(truncate(path, 50 * 1000 * 1000) == 0);
    refused(folder, SNUG_CODE_FORMAT, "tokenizer.json");
    CHECK_OK(snug_folder_remove(folder, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_go_by_rank_then_from_the_left),
        cmocka_unit_test(unknown_bytes_become_one_token_or_many),
        cmocka_unit_test(a_prefix_blank_stands_before_every_part),
        cmocka_unit_test(broken_utf8_is_named_with_its_byte),
        cmocka_unit_test(a_bad_file_is_one_line),
        cmocka_unit_test(of_equal_merges_the_last_counts),
        cmocka_unit_test(every_request_may_fail),
        cmocka_unit_test(two_files_are_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
