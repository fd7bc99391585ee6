/* Fuzz target: a whole safetensors file is opened, and every tensor in it is read where it fits. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/tensor_file/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 64 << 10 };

static _Alignas(SNUG_ALIGN) unsigned char block[2 << 20];
static _Alignas(SNUG_ALIGN) float values[ROOM];
static unsigned char buffer[SNUG_SAFETENSORS_BUFFER_BYTES_MIN];

/* As a plain tensor and, where it is a matrix, turned round. */
static void read_both_ways(const snug_safetensors *file, const snug_safetensors_entry *entry)
{
    snug_error err = {0};
    snug_tensor_layout layout = snug_tensor_layout_plain(&entry->shape);
    for (int way = 0; way < 2; way++) {
        const snug_status status =
            snug_safetensors_read_f32(file, entry, &layout, values, buffer, sizeof buffer, &err);
        if (snug_failed(status) && err.message[0] == '\0') {
            __builtin_trap();
        }
        if (layout.rank == 2) {
            layout.stride[0] = 1;
            layout.stride[1] = layout.extent[0];
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    snug_error err = {0};
    snug_arena arena = {0};
    snug_safetensors file = {0};
    const int handle = memfd_create("fuzz", 0);
    if (handle < 0 || write(handle, data, size) != (ssize_t)size) {
        __builtin_trap();
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", handle);
    snug_arena_init(&arena, "fuzz", block, sizeof block);
    if (snug_safetensors_open(path, &arena, &file, &err) == SNUG_OK) {
        for (int64_t i = 0; i < file.entry_count; i++) {
            const snug_safetensors_entry *entry = &file.entries[i];
            if (entry->begin < 8 || entry->end > (int64_t)size ||
                snug_safetensors_find(&file, entry->name) != entry) {
                __builtin_trap();
            }
            if (snug_shape_count(&entry->shape) <= ROOM) {
                read_both_ways(&file, entry);
            }
        }
        snug_safetensors_close(&file);
    } else if (err.message[0] == '\0' || arena.used_bytes != 0) {
        __builtin_trap();
    }
    (void)close(handle);
    return 0;
}
