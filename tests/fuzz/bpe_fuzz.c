/* Any bytes as text for a byte-level BPE: refused with a place inside, or ids that agree. */
#include <stdio.h>

#include "fuzz/token_check.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

enum { TOKENIZERS = 4, FILE_BYTES = 1 << 15 };

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
        opened[number] = token_open(text, write_file(number, text), &arenas[number]);
    }
    return opened[number];
}

/* The plain tokenizer takes every byte somewhere: lengths of its tokens add up to the text's. */
static void check_bytes(const token_case *x)
{
    static const int32_t lengths[] = {2, 2, 4, 2, 2, 3, 2, 3, 2, 4, 3, 3, 1};
    int64_t total = 0;
    for (int64_t i = 0; i < x->count; i++) {
        total += x->ids[i] < 256 ? 1 : lengths[x->ids[i] - 300];
    }
    SNUG_ASSERT(total == x->bytes);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    if (bytes < 2 || bytes > TOKEN_IDS_MAX / 16) {
        return 0;
    }
    const int32_t number = data[0] % TOKENIZERS;
    const int32_t *pair = NULL;
    int64_t first = 0;
    int64_t count = 0;
    token_case x = {.tokenizer = tokenizer_of(number),
                    .text = (const char *)data + 2,
                    .bytes = (int64_t)bytes - 2,
                    .capacity = data[1]};
    if (!token_encode(&x)) {
        return 0;
    }
    if (number == 0) {
        check_bytes(&x);
    }
    token_check_cut(&x);
    (void)token_check_pair(&x, &pair, &first, &count);
    return 0;
}
