/* Any bytes as text for the tokenizer: refused with a place inside, or ids that agree. */
#include <stdio.h>

#include "fuzz/token_check.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

enum { TOKENIZERS = 4 };

static const char head[] =
    "{\"added_tokens\":[{\"id\":60,\"content\":\"<one>\",\"single_word\":true,\"normalized\":false}"
    ","
    "{\"id\":61,\"content\":\"\\u00e9!\",\"normalized\":false}],"
    "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"model\":{\"vocab\":{\"[PAD]\":0,\"[UNK]\":"
    "1,"
    "\"[CLS]\":2,\"[SEP]\":3,\"[MASK]\":4,\"a\":5,\"##a\":6,\"aa\":7,\"##aaa\":8,\"b\":9,\"##b\":"
    "10,"
    "\"ab\":11,\"##abc\":12,\"\\u4e2d\":13,\"##\\u4e2d\":14,\"\\u0301\":15,\"e\":16,\"##e\":17,"
    "\"##\\u302e\":18,\"##\\u1161\":19,\"\\u1100\":20,\"!\":21,\"\\u0307\":22,\"##\\u0307\":23,"
    "\"\\ud83d\\ude00\":24,\"i\":25,\"##\\ud834\\udd65\":26}},\"normalizer\":{\"type\":"
    "\"BertNormalizer\",";
static const char *const tails[TOKENIZERS] = {
    "\"lowercase\":true}}", "\"lowercase\":false,\"strip_accents\":true}}",
    "\"lowercase\":true,\"strip_accents\":false,\"handle_chinese_chars\":false}}",
    "\"lowercase\":false,\"clean_text\":false}}"};

static const snug_tokenizer *tokenizer_of(int32_t number)
{
    static snug_tokenizer *made[TOKENIZERS];
    static snug_arena arenas[TOKENIZERS];
    if (made[number] == NULL) {
        char text[2048];
        const int length = snprintf(text, sizeof text, "%s%s", head, tails[number]);
        SNUG_ASSERT(length > 0 && length < (int)sizeof text);
        made[number] = token_open(text, length, &arenas[number]);
    }
    return made[number];
}

/* A pair has its special ids where they belong. */
static void check_pair(const token_case *x)
{
    const int32_t *ids = NULL;
    int64_t first = 0;
    int64_t count = 0;
    if (x->capacity >= 3 && token_check_pair(x, &ids, &first, &count)) {
        SNUG_ASSERT(first >= 2 && first < count);
        SNUG_ASSERT(ids[0] == 2 && ids[first - 1] == 3 && ids[count - 1] == 3);
    }
}

/* A blank ends every word: two texts with one between are the ids of one, then of the other. */
static void check_blank(const token_case *x)
{
    static int32_t both[TOKEN_IDS_MAX];
    snug_error err = {0};
    int64_t written = 0;
    char *const twice = malloc((size_t)(2 * x->bytes + 1));
    SNUG_ASSERT(twice != NULL);
    memcpy(twice, x->text, (size_t)x->bytes);
    twice[x->bytes] = ' ';
    memcpy(twice + x->bytes + 1, x->text, (size_t)x->bytes);
    SNUG_ASSERT(snug_tokenizer_encode(x->tokenizer, twice, 2 * x->bytes + 1, both, TOKEN_IDS_MAX,
                                      &written, &err) == SNUG_OK);
    SNUG_ASSERT(written == 2 * x->count);
    SNUG_ASSERT(memcmp(both, x->ids, (size_t)x->count * sizeof both[0]) == 0);
    SNUG_ASSERT(memcmp(both + x->count, x->ids, (size_t)x->count * sizeof both[0]) == 0);
    free(twice);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    if (bytes < 2 || bytes > TOKEN_IDS_MAX / 16) {
        return 0;
    }
    token_case x = {.tokenizer = tokenizer_of(data[0] % TOKENIZERS),
                    .text = (const char *)data + 2,
                    .bytes = (int64_t)bytes - 2,
                    .capacity = data[1]};
    if (token_encode(&x)) {
        token_check_cut(&x);
        check_pair(&x);
        check_blank(&x);
    }
    return 0;
}
