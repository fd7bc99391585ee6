/* Any bytes as text for a byte-level BPE: refused with a place inside, or ids that agree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "data/token/tokenizer.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

enum { ARENA_BYTES = 1 << 20, TOKENIZERS = 4, IDS_MAX = 1 << 20, GUARD = -7, FILE_BYTES = 1 << 15 };

static const char *const splitters[TOKENIZERS] = {
    "\"add_prefix_space\":false}", "\"add_prefix_space\":true}",
    "\"add_prefix_space\":false,\"use_regex\":false}", "\"add_prefix_space\":true}"};
static const char merges[] =
    "\"a b\",\"b a\",\"ab ab\",\"\\u0120 a\",\"a a\",\"aa a\",\"\\u00e4 \\u00b8\","
    "\"\\u00e4\\u00b8 \\u0143\",\"\\u0120 \\u0120\",\"\\u0120\\u0120 \\u0120\\u0120\",\"aa b\"";
static const char made[] =
    "\"ab\":300,\"ba\":301,\"abab\":302,\"\\u0120a\":303,\"aa\":304,\"aaa\":305,\"\\u00e4\\u00b8\":"
    "306,\"\\u00e4\\u00b8\\u0143\":307,\"\\u0120\\u0120\":308,\"\\u0120\\u0120\\u0120\\u0120\":309,"
    "\"aab\":310,\"<s>\":311,\"?\":312";
static const char added[] =
    "{\"id\":313,\"content\":\"<m>\",\"lstrip\":true,\"rstrip\":true},"
    "{\"id\":314,\"content\":\" b\",\"normalized\":true},"
    "{\"id\":315,\"content\":\"WW\",\"single_word\":true},"
    "{\"id\":316,\"content\":\"\\u00e9!\",\"normalized\":true,\"lstrip\":true}";

/* All bytes of the alphabet but some for the last tokenizer, which says '?' for those. */
static int64_t write_file(int32_t number, char *out)
{
    int length = snprintf(out, FILE_BYTES,
                          "{\"added_tokens\":[%s],\"pre_tokenizer\":{\"type\":\"ByteLevel\",%s,"
                          "\"model\":{\"type\":\"BPE\",\"fuse_unk\":%s,\"unk_token\":\"?\","
                          "\"merges\":[%s],\"vocab\":{%s",
                          number == 0 ? "" : added, splitters[number],
                          number == 3 ? "true" : "false", merges, made);
    uint32_t next = 256;
    for (uint32_t byte = 0; byte < 256; byte++) {
        const bool seen = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
        const uint32_t code = seen ? byte : next++;
        const bool left_out = number == 3 && byte >= 'c' && byte <= 'f';
        if (byte != '?' && !left_out) {
            length += snprintf(out + length, (size_t)(FILE_BYTES - length), ",\"\\u%04x\":%u", code,
                               byte);
        }
    }
    length += snprintf(out + length, (size_t)(FILE_BYTES - length), "}}}");
    SNUG_ASSERT(length < FILE_BYTES);
    return length;
}

static const snug_tokenizer *tokenizer_of(int32_t number)
{
    static snug_tokenizer *opened[TOKENIZERS];
    static snug_arena arenas[TOKENIZERS];
    static char text[FILE_BYTES];
    if (opened[number] == NULL) {
        snug_error err = {0};
        snug_arena_init(&arenas[number], "fuzz", aligned_alloc(SNUG_ALIGN, ARENA_BYTES),
                        ARENA_BYTES);
        const int64_t bytes = write_file(number, text);
        if (snug_tokenizer_open_json("fuzz", text, bytes, &arenas[number], &opened[number], &err) !=
            SNUG_OK) {
            (void)fprintf(stderr, "%s\n", err.message);
            abort();
        }
    }
    return opened[number];
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
    const int64_t half = bytes / 2;
    const snug_status status = snug_tokenizer_pair(tokenizer, text, half, text + half, bytes - half,
                                                   some, capacity, &first, &written, &err);
    SNUG_ASSERT(some[capacity] == GUARD);
    SNUG_ASSERT(status != SNUG_OK || (first <= written && written <= capacity));
}

/* The plain tokenizer takes every byte somewhere: lengths of its tokens add up to the text's. */
static void check_bytes(const int32_t *ids, int64_t count, int64_t bytes)
{
    static const int32_t lengths[] = {2, 2, 4, 2, 2, 3, 2, 3, 2, 4, 3, 3, 1};
    int64_t total = 0;
    for (int64_t i = 0; i < count; i++) {
        total += ids[i] < 256 ? 1 : lengths[ids[i] - 300];
    }
    SNUG_ASSERT(total == bytes);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    static int32_t ids[IDS_MAX];
    snug_error err = {0};
    int64_t count = -1;
    if (bytes < 2 || bytes > IDS_MAX / 16) {
        return 0;
    }
    const int32_t number = data[0] % TOKENIZERS;
    const snug_tokenizer *const tokenizer = tokenizer_of(number);
    const char *const text = (const char *)data + 2;
    const int64_t length = (int64_t)bytes - 2;
    if (snug_tokenizer_encode(tokenizer, text, length, ids, IDS_MAX, &count, &err) != SNUG_OK) {
        SNUG_ASSERT(err.code == SNUG_CODE_FORMAT && count == -1);
        return 0;
    }
    for (int64_t i = 0; i < count; i++) {
        SNUG_ASSERT(ids[i] >= 0 && ids[i] < snug_tokenizer_facts_of(tokenizer)->vocabulary_size);
    }
    if (number == 0) {
        check_bytes(ids, count, length);
    }
    check_cuts(tokenizer, text, length, ids, count, data[1]);
    return 0;
}
