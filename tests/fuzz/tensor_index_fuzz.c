/* Fuzz target: the index of a sharded model; no name that leaves its folder comes through. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "data/hf/tensor_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(SNUG_ALIGN) unsigned char block[4 << 20];
    snug_arena arena = {0};
    snug_tensor_index index = {0};
    snug_error err = {0};
    snug_arena_init(&arena, "fuzz", block, sizeof block);
    if (snug_tensor_index_parse((const char *)data, (int64_t)size, &arena, &index, &err) !=
        SNUG_OK) {
        if (err.message[0] == '\0' || arena.used_bytes != 0) {
            __builtin_trap();
        }
        return 0;
    }
    for (int64_t i = 0; i < index.shard_count; i++) {
        if (strchr(index.shards[i], '/') != NULL || index.shards[i][0] == '.') {
            __builtin_trap();
        }
    }
    for (int64_t i = 1; i < index.pair_count; i++) {
        const snug_tensor_index_pair *a = &index.pairs[index.by_name[i - 1]];
        const snug_tensor_index_pair *b = &index.pairs[index.by_name[i]];
        if (strcmp(a->name, b->name) >= 0 || b->shard >= index.shard_count) {
            __builtin_trap();
        }
    }
    return 0;
}
