#include "tokenizer_case.h"

#include <unistd.h>

#include "data/token/token_trie.h"

#define SPLITTER "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"
#define SPECIALS "\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3"
#define VOCABULARY(more) "\"model\":{\"vocab\":{" SPECIALS more "}}"
#define SMALL "{" SPLITTER "," VOCABULARY(",\"a\":4,\"##b\":5,\"##bc\":6,\"[MASK]\":7") "}"

static void facts_say_what_the_file_says(void **state)
{
    snug_arena arena;
    SNUG_UNUSED(state);
    const snug_tokenizer *tokenizer = tokenizer_open_text(SMALL, &arena);
    const snug_tokenizer_facts *facts = snug_tokenizer_facts_of(tokenizer);
    CHECK(facts->vocabulary_size == 8 && facts->token_count == 8 && facts->added_count == 5);
    CHECK(facts->padding_id == 0 && facts->unknown_id == 1 && facts->start_id == 2);
    CHECK(facts->end_id == 3 && facts->mask_id == 7 && strcmp(facts->mask, "[MASK]") == 0);
    CHECK(facts->clean_text && facts->chinese_apart && facts->lower_case && facts->strip_accents);
    CHECK(facts->word_characters_max == 100 && facts->bytes == arena.used_bytes);
    static const int32_t pieces[] = {4, 6, 4, 5, 1, 7};
    static const char text[] = "Abc \xc3\x81"
                               "b ac[MASK]";
    tokenizer_ids_are(tokenizer, text, sizeof text - 1, pieces, 6);
}

static void single_and_pair_are_cut_to_the_length(void **state)
{
    snug_arena arena;
    snug_error err = {0};
    int64_t count = 0;
    int64_t first = 0;
    SNUG_UNUSED(state);
    const snug_tokenizer *tokenizer = tokenizer_open_text(SMALL, &arena);
    for (int64_t length = 2; length < 8; length++) {
        tokenizer_ids[length] = -7;
        CHECK_OK(snug_tokenizer_single(tokenizer, "a a a", 5, tokenizer_ids, length, &count, &err));
        CHECK(count == (length < 5 ? length : 5) && tokenizer_ids[0] == 2 &&
              tokenizer_ids[count - 1] == 3);
        CHECK(tokenizer_ids[length] == -7);
    }
    CHECK_OK(snug_tokenizer_pair(tokenizer, "a a a a", 7, "ab", 2, tokenizer_ids, 7, &first, &count,
                                 &err));
    static const int32_t pair[] = {2, 4, 4, 3, 4, 5, 3};
    CHECK(count == 7 && first == 4 && memcmp(tokenizer_ids, pair, sizeof pair) == 0);
    count = -1;
    CHECK_FAILS(snug_tokenizer_single(tokenizer, "a", 1, tokenizer_ids, 1, &count, &err),
                SNUG_CODE_USAGE);
    CHECK_FAILS(
        snug_tokenizer_pair(tokenizer, "a", 1, "a", 1, tokenizer_ids, 2, &first, &count, &err),
        SNUG_CODE_USAGE);
    CHECK(count == -1);
}

static void broken_utf8_is_named_with_its_byte(void **state)
{
    static const tokenizer_broken cases[] = {{"ab\xff", "byte 2 is 0xff"},
                                             {"\xe4\xb8", "byte 0 is 0xe4"},
                                             {"a \xc0\xaf", "byte 2 is 0xc0"},
                                             {"\xed\xa0\x80", "byte 0 is 0xed"},
                                             {"\xe4\xb8\xad\xe0\x80\x80", "byte 3 is 0xe0"},
                                             {"\xf4\x90\x80\x80", "byte 0 is 0xf4"},
                                             {"[MASK]\x80", "byte 6 is 0x80"},
                                             {"\xc3", "byte 0 is 0xc3"}};
    snug_arena arena;
    SNUG_UNUSED(state);
    const snug_tokenizer *tokenizer = tokenizer_open_text(SMALL, &arena);
    tokenizer_names_bytes(tokenizer, cases, SNUG_COUNT(cases));
    /* Behind the last id that fits nothing is looked at. */
    snug_error err = {0};
    int64_t count = 0;
    CHECK_OK(snug_tokenizer_encode(tokenizer, "a a \xff", 5, tokenizer_ids, 2, &count, &err));
    CHECK(count == 2);
}

static void a_word_of_a_mebibyte_is_one_unknown(void **state)
{
    enum { BYTES = 1 << 20 };
    snug_arena arena;
    static const int32_t wanted[] = {1, 4};
    SNUG_UNUSED(state);
    const snug_tokenizer *tokenizer = tokenizer_open_text(SMALL, &arena);
    char *text = malloc(BYTES + 2);
    CHECK(text != NULL);
    memset(text, 'a', BYTES + 2);
    text[BYTES] = ' ';
    tokenizer_ids_are(tokenizer, text, BYTES + 2, wanted, 2);
    for (int64_t i = 0; i + 4 <= BYTES; i += 4) {
        memcpy(text + i, "\xf0\x9f\x98\x80", 4); /* The long way. */
    }
    tokenizer_ids_are(tokenizer, text, BYTES + 2, wanted, 2);
    for (int64_t i = 0; i + 4 <= BYTES; i += 4) {
        memcpy(text + i, "\xf0\x9d\x85\xa5", 4); /* Characters that wait for their order. */
    }
    tokenizer_ids_are(tokenizer, text, BYTES + 2, wanted, 2);
    free(text);
}

static const tokenizer_refusal refusals[] = {
    {"", SNUG_CODE_FORMAT, "x.json"},
    {"[]", SNUG_CODE_FORMAT, "JSON object"},
    {"{}", SNUG_CODE_FORMAT, "pre_tokenizer"},
    {"{" SPLITTER "}", SNUG_CODE_FORMAT, "vocab"},
    {SMALL "x", SNUG_CODE_FORMAT, "'x'"},
    {"{" SPLITTER ",\"model\":{\"type\":\"BPE\",\"vocab\":{}}}", SNUG_CODE_UNSUPPORTED, "BPE with"},
    {"{" SPLITTER ",\"model\":{\"vocab\":[[\"a\",0.5]]}}", SNUG_CODE_UNSUPPORTED, "Unigram"},
    {"{" SPLITTER ",\"model\":{\"vocab\":{},\"merges\":[]}}", SNUG_CODE_UNSUPPORTED, "BPE with"},
    {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"}," VOCABULARY("") "}", SNUG_CODE_UNSUPPORTED,
     "WordPiece with another pre_tokenizer"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\"}}", SNUG_CODE_UNSUPPORTED, "Metaspace"},
    {"{\"normalizer\":{\"type\":\"NFKC\"}}", SNUG_CODE_UNSUPPORTED, "NFKC"},
    {"{\"post_processor\":{\"type\":\"OtherProcessing\"}}", SNUG_CODE_UNSUPPORTED, "Other"},
    {"{\"post_processor\":{\"single\":[]}}", SNUG_CODE_UNSUPPORTED, "post_processor"},
    {"{" SPLITTER "," VOCABULARY(",\"a\":4,\"a\":5") "}", SNUG_CODE_FORMAT, "'a' is there twice"},
    {"{" SPLITTER "," VOCABULARY(",\"a\":3") "}", SNUG_CODE_FORMAT, "'a' has id 3"},
    {"{" SPLITTER "," VOCABULARY(",\"a\":-1") "}", SNUG_CODE_FORMAT, "id -1"},
    {"{" SPLITTER "," VOCABULARY(",\"a\":99999999") "}", SNUG_CODE_FORMAT, "id 99999999"},
    {"{" SPLITTER "," VOCABULARY(",\"a\":1e2") "}", SNUG_CODE_FORMAT, "integer"},
    {"{" SPLITTER "," VOCABULARY(",\"a\\u0000\":4") "}", SNUG_CODE_FORMAT, "no character"},
    {"{" SPLITTER ",\"model\":{\"vocab\":{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2}}}", SNUG_CODE_FORMAT,
     "no '[SEP]'"},
    {"{" SPLITTER ",\"model\":{\"max_input_chars_per_word\":100000,\"vocab\":{" SPECIALS "}}}",
     SNUG_CODE_LIMIT, "100000"},
    {"{\"added_tokens\":[{\"id\":9,\"content\":\"\u0301\",\"normalized\":true}]," SPLITTER
     "," VOCABULARY("") "}",
     SNUG_CODE_UNSUPPORTED, "in normalised text"},
    {"{\"added_tokens\":[{\"id\":9,\"content\":\"B\",\"normalized\":true},{\"id\":10,"
     "\"content\":\"b\",\"normalized\":true}]," SPLITTER "," VOCABULARY("") "}",
     SNUG_CODE_FORMAT, "as normalised text"},
    {"{\"post_processor\":{\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":1}}],"
     "\"pair\":[]}," SPLITTER "," VOCABULARY("") "}",
     SNUG_CODE_UNSUPPORTED, "one text"},
    {"{\"post_processor\":{\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
     "\"pair\":[{\"Sequence\":{\"id\":\"B\",\"type_id\":0}}]}," SPLITTER "," VOCABULARY("") "}",
     SNUG_CODE_UNSUPPORTED, "a pair"},
    {"{\"added_tokens\":[{\"content\":\"b\"}]}", SNUG_CODE_FORMAT, "\"id\""},
    {"{\"added_tokens\":[{\"id\":1,\"content\":\"b\"}]," SPLITTER "," VOCABULARY("") "}",
     SNUG_CODE_FORMAT, "added token 'b' has id 1"},
    {"{\"added_tokens\":[{\"id\":1,\"content\":\"[SEP]\"}]," SPLITTER "," VOCABULARY("") "}",
     SNUG_CODE_FORMAT, "3 in the vocabulary"},
    {"{\"added_tokens\":[{\"id\":8,\"content\":\"b\"},{\"id\":8,\"content\":\"b\"}]," SPLITTER
     "," VOCABULARY("") "}",
     SNUG_CODE_FORMAT, "added token 'b'"},
    {"{\"model\":7}", SNUG_CODE_FORMAT, "\"model\" should be an object"},
};

static void a_bad_tokenizer_json_is_one_line(void **state)
{
    SNUG_UNUSED(state);
    tokenizer_refuses(refusals, SNUG_COUNT(refusals));
}

static void a_hundred_thousand_brackets_are_refused(void **state)
{
    enum { BYTES = 100000 };
    static char text[BYTES];
    snug_arena arena;
    snug_error err = {0};
    snug_tokenizer *out = NULL;
    SNUG_UNUSED(state);
    memset(text, '[', BYTES);
    memcpy(text, "{\"x\":", 5);
    tokenizer_arena(&arena);
    CHECK_FAILS(snug_tokenizer_open_json("x.json", text, BYTES, &arena, &out, &err),
                SNUG_CODE_LIMIT);
    CHECK(strstr(err.message, "deeper") != NULL);
}

static void every_request_may_fail(void **state)
{
    SNUG_UNUSED(state);
    tokenizer_survives(SMALL, 1 << 16);
}

/* ---- Folders ---- */

typedef struct test_folder {
    char path[64];
    snug_arena arena;
} test_folder;

static void begin_folder(test_folder *self)
{
    (void)snprintf(self->path, sizeof self->path, "wordpiece_test.%ld", (long)getpid());
    tokenizer_arena(&self->arena);
    snug_error err = {0};
    CHECK_OK(snug_folder_make(self->path, &err));
}

static const snug_tokenizer_facts *open_folder(test_folder *self, snug_tokenizer **out)
{
    snug_error err = {0};
    CHECK_OK(snug_tokenizer_open(self->path, &self->arena, out, &err));
    return snug_tokenizer_facts_of(*out);
}

static void a_folder_is_read_as_transformers_reads_it(void **state)
{
    test_folder self;
    snug_error err = {0};
    snug_tokenizer *out = NULL;
    SNUG_UNUSED(state);
    begin_folder(&self);
    CHECK_FAILS(snug_tokenizer_open(self.path, &self.arena, &out, &err), SNUG_CODE_NOT_FOUND);
    tokenizer_put_file(self.path, "spiece.model", "");
    CHECK_FAILS(snug_tokenizer_open(self.path, &self.arena, &out, &err), SNUG_CODE_UNSUPPORTED);
    tokenizer_put_file(self.path, "vocab.txt", "[PAD]\r\n[UNK]\n[CLS]\n[SEP]\n\na\nA\na");
    const snug_tokenizer_facts *facts = open_folder(&self, &out);
    CHECK(facts->vocabulary_size == 8 && facts->lower_case && facts->mask_id == -1);
    static const int32_t last[] = {7, 7};
    tokenizer_ids_are(out, "a A", 3, last, 2); /* The last of equal lines counts. */
    tokenizer_put_file(
        self.path, "tokenizer_config.json",
        "{\"do_lower_case\":false,\"tokenize_chinese_chars\":false,\"mask_token\":{\"content\":"
        "\"<m>\"},\"added_tokens_decoder\":{\"9\":{\"content\":\"<m>\"}}}");
    facts = open_folder(&self, &out);
    CHECK(!facts->lower_case && !facts->strip_accents && !facts->chinese_apart);
    CHECK(facts->mask_id == 9 && facts->vocabulary_size == 10);
    static const int32_t mixed[] = {7, 6, 9};
    tokenizer_ids_are(out, "a A<m>", 6, mixed, 3);
    /* tokenizer.json goes first; its switches count unless the other names a class of BERT. */
    tokenizer_put_file(self.path, "tokenizer.json", SMALL);
    facts = open_folder(&self, &out);
    CHECK(facts->lower_case && facts->vocabulary_size == 8);
    tokenizer_put_file(self.path, "tokenizer_config.json",
                       "{\"tokenizer_class\":\"BertTokenizer\",\"do_lower_case\":false}");
    facts = open_folder(&self, &out);
    CHECK(!facts->lower_case && facts->chinese_apart);
    tokenizer_put_file(self.path, "vocab.txt", "[PAD]\n[UNK]\n\xff");
    char path[SNUG_PATH_BYTES];
    CHECK_OK(snug_path_join(self.path, "vocab.txt", path, &err));
    CHECK_FAILS(snug_tokenizer_open(path, &self.arena, &out, &err), SNUG_CODE_FORMAT);
    CHECK(strstr(err.message, "byte 12") != NULL && strstr(err.message, "vocab.txt") != NULL);
    CHECK_OK(snug_folder_remove(self.path, &err));
}

/* ---- The automaton ---- */

enum { WORDS = 3000, WORD_BYTES = 12, CROWD = 12 };
static char texts[WORDS][WORD_BYTES];
static snug_token_word words[WORDS];

/* Every byte as a child, long chains, shared beginnings: a number in base 255, then some bytes. */
static void make_chains(void)
{
    uint64_t random = 7;
    for (int32_t i = 0; i < WORDS; i++) {
        texts[i][0] = (char)(1 + i % 255);
        texts[i][1] = (char)(1 + i / 255);
        const int32_t bytes = 2 + i % (WORD_BYTES - 2);
        for (int32_t k = 2; k < bytes; k++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            texts[i][k] = (char)(1 + (random >> 40) % (i % 3 == 0 ? 255 : 3));
        }
        words[i] = (snug_token_word){texts[i], bytes, i};
    }
}

/* Crowds whose bytes lie apart, each in its own way: they fit badly into one another. */
static void make_crowds(void)
{
    static const int32_t steps[] = {1, 2, 4, 7, 8, 11, 13, 14};
    for (int32_t i = 0; i < WORDS; i++) {
        const int32_t crowd = i / CROWD;
        const int32_t step = steps[crowd % SNUG_COUNT(steps)];
        texts[i][0] = (char)(1 + crowd);
        texts[i][1] = (char)(1 + (i % CROWD * step + crowd * 7) % 255);
        words[i] = (snug_token_word){texts[i], 2, i};
    }
}

static void every_word_is_found_and_no_other(void **state)
{
    static _Alignas(SNUG_ALIGN) unsigned char scratch_block[16 << 20];
    SNUG_UNUSED(state);
    for (int32_t shape = 0; shape < 2; shape++) {
        snug_arena arena, scratch;
        snug_error err = {0};
        snug_token_trie trie = {0};
        int64_t twin = -2;
        int64_t ends = 0;
        tokenizer_arena(&arena);
        snug_arena_init(&scratch, "scratch", scratch_block, sizeof scratch_block);
        if (shape == 0) {
            make_chains();
        } else {
            make_crowds();
        }
        CHECK_OK(snug_token_trie_build(words, WORDS, &scratch, &arena, &trie, &twin, &err));
        CHECK(twin == -1);
        for (int64_t unit = 0; unit < trie.unit_count; unit++) {
            ends += trie.units[unit].id >= 0;
        }
        CHECK(ends == WORDS);
        for (int32_t i = 0; i < WORDS; i++) {
            int32_t at = SNUG_TOKEN_ROOT;
            for (int32_t k = 0; k < words[i].bytes; k++) {
                at = snug_token_step(trie.units, at, (unsigned char)texts[i][k]);
            }
            CHECK(trie.units[at].id == i);
        }
        for (int32_t byte = 1; byte < 256; byte++) {
            CHECK(snug_token_step(trie.units, SNUG_TOKEN_DEAD, (unsigned char)byte) ==
                  SNUG_TOKEN_DEAD);
        }
        words[2000] = words[10];
        CHECK_OK(snug_token_trie_build(words, WORDS, &scratch, &arena, &trie, &twin, &err));
        CHECK(twin == 2000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_say_what_the_file_says),
        cmocka_unit_test(single_and_pair_are_cut_to_the_length),
        cmocka_unit_test(broken_utf8_is_named_with_its_byte),
        cmocka_unit_test(a_word_of_a_mebibyte_is_one_unknown),
        cmocka_unit_test(a_bad_tokenizer_json_is_one_line),
        cmocka_unit_test(a_hundred_thousand_brackets_are_refused),
        cmocka_unit_test(every_request_may_fail),
        cmocka_unit_test(a_folder_is_read_as_transformers_reads_it),
        cmocka_unit_test(every_word_is_found_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
