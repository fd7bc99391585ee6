/* Any bytes as a tokenizer.json: refused with a line and the arena as before, or a tokenizer. */
#include <stdlib.h>

#include "base/assert.h"
#include "data/token/tokenizer.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    enum { ARENA_BYTES = 8 << 20, IDS_MAX = 256 };
    static const char text[] = "[CLS] Hello, w\xc3\xb6rld! \xe4\xb8\xad\xe6\x96\x87 [SEP] aaab";
    static unsigned char *memory;
    static int32_t ids[IDS_MAX];
    snug_arena arena;
    snug_error err = {0};
    snug_tokenizer *tokenizer = NULL;
    int64_t count = 0;
    if (memory == NULL) {
        memory = aligned_alloc(SNUG_ALIGN, ARENA_BYTES);
    }
    snug_arena_init(&arena, "fuzz", memory, ARENA_BYTES);
    const snug_status status = snug_tokenizer_open_json("fuzz", (const char *)data, (int64_t)bytes,
                                                        &arena, &tokenizer, &err);
    if (status != SNUG_OK) {
        SNUG_ASSERT(tokenizer == NULL && arena.used_bytes == 0 && err.message[0] != '\0');
        return 0;
    }
    const snug_tokenizer_facts *const facts = snug_tokenizer_facts_of(tokenizer);
    SNUG_ASSERT(facts->bytes == arena.used_bytes);
    SNUG_ASSERT(facts->vocabulary_size >= facts->token_count);
    SNUG_ASSERT(snug_tokenizer_single(tokenizer, text, sizeof text - 1, ids, IDS_MAX, &count,
                                      &err) == SNUG_OK);
    SNUG_ASSERT(count >= facts->single_length_min);
    SNUG_ASSERT(facts->start_id < 0 || ids[0] == facts->start_id);
    for (int64_t i = 0; i < count; i++) {
        SNUG_ASSERT(ids[i] >= 0 && ids[i] < facts->vocabulary_size);
    }
    return 0;
}
