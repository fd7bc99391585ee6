#include "data/hf/hf_labels.h"

#include <stdio.h>

#include "base/checked.h"
#include "base/limits.h"

/** The name of a label; some files have a number there. */
static snug_status read_name(const snug_json_event *event, char name[SNUG_HF_LABEL_BYTES],
                             snug_error *err)
{
    snug_json_event as_text = *event;
    if (event->kind == SNUG_JSON_NUMBER) {
        as_text.kind = SNUG_JSON_STRING; /* Digits hold no escapes. */
    }
    return snug_json_unescape(&as_text, name, SNUG_HF_LABEL_BYTES, err);
}

/** The number of a label, a JSON number or a text that is one. */
static snug_status read_number(const snug_json_event *event, int64_t *out, snug_error *err)
{
    snug_json_event as_number = *event;
    if (event->kind == SNUG_JSON_KEY && event->text_bytes > 0 && event->text[0] >= '0' &&
        event->text[0] <= '9') {
        as_number.kind = SNUG_JSON_NUMBER;
    }
    return snug_json_to_i64(&as_number, out, err);
}

static snug_status read_pair(snug_json_reader *reader, bool by_number,
                             char name[SNUG_HF_LABEL_BYTES], int64_t *out_number, snug_error *err)
{
    snug_json_event key, value;
    SNUG_TRY(snug_json_next(reader, &key, err));
    SNUG_TRY(snug_json_next(reader, &value, err));
    SNUG_TRY(read_name(by_number ? &value : &key, name, err));
    SNUG_TRY(read_number(by_number ? &key : &value, out_number, err));
    return SNUG_OK;
}

snug_status snug_hf_labels_read(snug_json_reader *reader, bool by_number, snug_arena *arena,
                                snug_hf_labels *out, snug_error *err)
{
    const char *key = by_number ? "id2label" : "label2id";
    snug_json_event event;
    int64_t count = 0;
    void *memory = NULL;
    SNUG_TRY(snug_json_next(reader, &event, err));
    if (event.kind == SNUG_JSON_NULL) {
        return SNUG_OK;
    }
    if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "\"%s\" should be an object at byte %lld", key,
                         (long long)event.offset);
    }
    SNUG_TRY(snug_json_count_pairs(reader, &count, err));
    if (count > SNUG_LABELS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "\"%s\" has %lld labels; the limit is %d", key,
                         (long long)count, SNUG_LABELS_MAX);
    }
    SNUG_TRY(snug_arena_array(arena, snug_max_i64(count, 1), sizeof(const char *), &memory, err));
    const char **names = memory;
    for (int64_t i = 0; i < count; i++) {
        char name[SNUG_HF_LABEL_BYTES];
        int64_t number = 0;
        const snug_status status = read_pair(reader, by_number, name, &number, err);
        if (snug_failed(status)) {
            return snug_error_prefix(err, "\"%s\"", key);
        }
        if (number < 0 || number >= count || names[number] != NULL) {
            return SNUG_FAIL(err, SNUG_CODE_DATA,
                             "\"%s\" has %lld labels; number %lld is out of range or there twice",
                             key, (long long)count, (long long)number);
        }
        SNUG_TRY(snug_arena_text(arena, name, &names[number], err));
    }
    SNUG_TRY(snug_json_expect(reader, SNUG_JSON_OBJECT_END, "the end of the labels", &event, err));
    *out = (snug_hf_labels){.names = names, .count = count};
    return SNUG_OK;
}

snug_status snug_hf_labels_number(int64_t count, snug_arena *arena, const char *const **out,
                                  snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, count, sizeof(const char *), &memory, err));
    const char **names = memory;
    for (int64_t i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "LABEL_%lld", (long long)i);
        SNUG_TRY(snug_arena_text(arena, name, &names[i], err));
    }
    *out = names;
    return SNUG_OK;
}
