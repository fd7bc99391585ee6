/* Any bytes as text for the tokenizer: refused with a place inside, or ids that agree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "data/token/tokenizer.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

enum { ARENA_BYTES = 1 << 20, TOKENIZERS = 4, IDS_MAX = 1 << 20, GUARD = -7 };

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
        snug_error err = {0};
        snug_arena_init(&arenas[number], "fuzz", aligned_alloc(SNUG_ALIGN, ARENA_BYTES),
                        ARENA_BYTES);
        const int length = snprintf(text, sizeof text, "%s%s", head, tails[number]);
        SNUG_ASSERT(length > 0 && length < (int)sizeof text);
        SNUG_ASSERT(snug_tokenizer_open_json("fuzz", text, length, &arenas[number], &made[number],
                                             &err) == SNUG_OK);
    }
    return made[number];
}

/* The first ids are the same whatever the capacity; nothing is written behind it. */
static void check_cuts(const snug_tokenizer *tokenizer, const char *text, int64_t bytes,
                       const int32_t *ids, int64_t count, int64_t capacity)
{
    static int32_t some[300];
    snug_error err = {0};
    int64_t written = 0;
    int64_t first = 0;
    some[capacity] = GUARD;
    SNUG_ASSERT(snug_tokenizer_encode(tokenizer, text, bytes, some, capacity, &written, &err) ==
                SNUG_OK);
    SNUG_ASSERT(written == (count < capacity ? count : capacity) && some[capacity] == GUARD);
    SNUG_ASSERT(memcmp(some, ids, (size_t)written * sizeof ids[0]) == 0);
    if (capacity < 3) {
        return;
    }
    const int64_t half = bytes / 2;
    const snug_status status = snug_tokenizer_pair(tokenizer, text, half, text + half, bytes - half,
                                                   some, capacity, &first, &written, &err);
    SNUG_ASSERT(some[capacity] == GUARD);
    if (status == SNUG_OK) {
        SNUG_ASSERT(first >= 2 && first < written && written <= capacity);
        SNUG_ASSERT(some[0] == 2 && some[first - 1] == 3 && some[written - 1] == 3);
    }
}

/* A blank ends every word: two texts with one between are the ids of one, then of the other. */
static void check_blank(const snug_tokenizer *tokenizer, const char *text, int64_t bytes,
                        const int32_t *ids, int64_t count)
{
    static int32_t both[IDS_MAX];
    snug_error err = {0};
    int64_t written = 0;
    char *const twice = malloc((size_t)(2 * bytes + 1));
    SNUG_ASSERT(twice != NULL);
    memcpy(twice, text, (size_t)bytes);
    twice[bytes] = ' ';
    memcpy(twice + bytes + 1, text, (size_t)bytes);
    SNUG_ASSERT(snug_tokenizer_encode(tokenizer, twice, 2 * bytes + 1, both, IDS_MAX, &written,
                                      &err) == SNUG_OK);
    SNUG_ASSERT(written == 2 * count);
    SNUG_ASSERT(memcmp(both, ids, (size_t)count * sizeof ids[0]) == 0);
    SNUG_ASSERT(memcmp(both + count, ids, (size_t)count * sizeof ids[0]) == 0);
    free(twice);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    static int32_t ids[IDS_MAX];
    snug_error err = {0};
    int64_t count = -1;
    if (bytes < 2 || bytes > IDS_MAX / 16) {
        return 0;
    }
    const snug_tokenizer *const tokenizer = tokenizer_of(data[0] % TOKENIZERS);
    const char *const text = (const char *)data + 2;
    const int64_t length = (int64_t)bytes - 2;
    if (snug_tokenizer_encode(tokenizer, text, length, ids, IDS_MAX, &count, &err) != SNUG_OK) {
        SNUG_ASSERT(err.code == SNUG_CODE_FORMAT && count == -1);
        return 0;
    }
    for (int64_t i = 0; i < count; i++) {
        SNUG_ASSERT(ids[i] >= 0 && ids[i] < snug_tokenizer_facts_of(tokenizer)->vocabulary_size);
    }
    check_cuts(tokenizer, text, length, ids, count, data[1]);
    check_blank(tokenizer, text, length, ids, count);
    return 0;
}
