/* Any bytes as CSV: every record is read or refused with its place. */
#include <stdlib.h>
#include <string.h>

#include "data/csv/csv.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

typedef struct memory_source {
    const unsigned char *data;
    int64_t bytes;
} memory_source;

static snug_status read_memory(void *context, int64_t offset, void *buffer, int64_t bytes,
                               int64_t *out_bytes, snug_error *err)
{
    const memory_source *source = context;
    int64_t count = source->bytes - offset;
    SNUG_UNUSED(err);
    count = count < bytes ? count : bytes;
    count = count < 61 ? count : 61; /* Odd portions: records are cut everywhere. */
    if (count > 0) {
        memcpy(buffer, source->data + offset, (size_t)count);
    }
    *out_bytes = count;
    return SNUG_OK;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    enum { ARENA_BYTES = 4 << 20 };
    static snug_arena arena;
    static unsigned char *memory;
    snug_error err = {0};
    snug_csv_reader reader = {0};
    bool more = true;
    if (memory == NULL) {
        memory = aligned_alloc(SNUG_ALIGN, ARENA_BYTES);
    }
    memory_source source = {.data = data, .bytes = (int64_t)bytes};
    const snug_byte_source text = {.context = &source, .read_some = read_memory};
    snug_arena_init(&arena, "fuzz", memory, ARENA_BYTES);
    if (snug_failed(snug_csv_open(&text, NULL, &arena, &reader, &err))) {
        return 0;
    }
    while (more && !snug_failed(snug_csv_next(&reader, &more, &err))) {
        for (int64_t i = 0; more && i < reader.field_count; i++) {
            double value = 0.0;
            if (reader.fields[i].text[reader.fields[i].bytes] != '\0') {
                abort(); /* Fields end in a zero. */
            }
            (void)snug_failed(snug_csv_f64(&reader, i, &value, &err));
        }
    }
    return 0;
}
