/* Fuzz target: the JSON header of a safetensors file, the data length taken from the first bytes.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "data/tensor_file/safetensors_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(SNUG_ALIGN) unsigned char block[1 << 20];
    snug_arena arena = {0};
    snug_safetensors_entry *entries = NULL;
    int64_t count = 0;
    uint32_t data_bytes = 0;
    snug_error err = {0};
    if (size < 4) {
        return 0;
    }
    memcpy(&data_bytes, data, 4);
    snug_arena_init(&arena, "fuzz", block, sizeof block);
    const snug_status status = snug_safetensors_parse((const char *)data + 4, (int64_t)size - 4,
                                                      data_bytes, &arena, &entries, &count, &err);
    if (status == SNUG_OK) {
        for (int64_t i = 0; i < count; i++) {
            if (entries[i].begin < 0 || entries[i].end > (int64_t)data_bytes) {
                __builtin_trap();
            }
        }
    } else if (err.message[0] == '\0') {
        __builtin_trap();
    }
    return 0;
}
