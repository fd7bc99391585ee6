/* The JSON reader on arbitrary bytes: it ends, stays inside the document and inside its limits. */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const snug_json_event *event, const char *start, int64_t bytes)
{
    char text[256];
    int64_t integer = 0;
    double number = 0;
    SNUG_ASSERT(event->offset >= 0 && event->offset <= bytes);
    SNUG_ASSERT(event->text >= start && event->text_bytes >= 0);
    SNUG_ASSERT(event->text + event->text_bytes <= start + bytes);
    (void)!snug_json_unescape(event, text, sizeof text, NULL);
    (void)!snug_json_to_i64(event, &integer, NULL);
    (void)!snug_json_to_f64(event, &number, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *start = (const char *)data;
    const int64_t bytes = (int64_t)size;
    snug_json_reader reader;
    snug_json_event event = {.kind = SNUG_JSON_NULL};
    snug_error err = {0};
    int64_t events = 0;
    snug_json_reader_init(&reader, start, bytes);
    while (event.kind != SNUG_JSON_END && snug_json_next(&reader, &event, &err) == SNUG_OK) {
        SNUG_ASSERT(reader.depth >= 0 && reader.depth <= SNUG_JSON_DEPTH_MAX);
        SNUG_ASSERT(++events <= bytes + 1);
        look_at(&event, start, bytes);
    }
    /* Skipping the whole document says the same about it as reading it. */
    const bool good = event.kind == SNUG_JSON_END;
    snug_json_reader_init(&reader, start, bytes);
    bool skipped = snug_json_skip(&reader, &err) == SNUG_OK;
    skipped = skipped && snug_json_next(&reader, &event, &err) == SNUG_OK;
    SNUG_ASSERT(good == (skipped && event.kind == SNUG_JSON_END));
    return 0;
}
