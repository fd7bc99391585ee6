/* The JSON header of a safetensors file: parsed into entries, every claim checked. */
#include "data/tensor_file/safetensors_header.h"

#include <string.h>

#include "base/checked.h"
#include "base/json.h"
#include "base/sort.h"
#include "data/tensor_file/elements.h"

static snug_status read_dtype(snug_json_reader *reader, snug_file_dtype *out, snug_error *err)
{
    snug_json_event event;
    char name[16];
    SNUG_TRY(snug_json_expect(reader, SNUG_JSON_STRING, "a dtype", &event, err));
    SNUG_TRY(snug_json_unescape(&event, name, sizeof name, err));
    if (snug_file_dtype_from_name(name, out)) {
        return SNUG_OK;
    }
    return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "header byte %lld: dtype '%s' is not known here",
                     (long long)event.offset, name);
}

/** Reads an array of non-negative integers; `what` is for messages. */
static snug_status read_integers(snug_json_reader *reader, const char *what, int64_t most,
                                 int64_t *out, int32_t *out_count, snug_error *err)
{
    snug_json_event event;
    int32_t count = 0;
    SNUG_TRY(snug_json_expect(reader, SNUG_JSON_ARRAY_BEGIN, what, &event, err));
    for (;;) {
        SNUG_TRY(snug_json_next(reader, &event, err));
        if (event.kind == SNUG_JSON_ARRAY_END) {
            break;
        }
        if (event.kind != SNUG_JSON_NUMBER || count >= most) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                             "header byte %lld: %s must be at most %lld numbers",
                             (long long)event.offset, what, (long long)most);
        }
        SNUG_TRY(snug_json_to_i64(&event, &out[count], err));
        if (out[count] < 0) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "header byte %lld: %s has a negative number",
                             (long long)event.offset, what);
        }
        count++;
    }
    *out_count = count;
    return SNUG_OK;
}

static snug_status check_entry(const snug_safetensors_entry *entry, int64_t data_bytes,
                               snug_error *err)
{
    int64_t bytes = 0;
    const int64_t count = snug_shape_count(&entry->shape);
    char text[96];
    if (count < 0 || !snug_mul_i64(count, snug_file_dtype_bytes(entry->dtype), &bytes)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "tensor '%s': shape %s is impossible", entry->name,
                         snug_shape_text(&entry->shape, text));
    }
    if (entry->begin > entry->end || entry->end > data_bytes) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "tensor '%s': bytes %lld to %lld lie outside the %lld bytes of data",
                         entry->name, (long long)entry->begin, (long long)entry->end,
                         (long long)data_bytes);
    }
    if (entry->end - entry->begin != bytes) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "tensor '%s': shape %s of %s needs %lld bytes, has %lld", entry->name,
                         snug_shape_text(&entry->shape, text), snug_file_dtype_name(entry->dtype),
                         (long long)bytes, (long long)(entry->end - entry->begin));
    }
    return SNUG_OK;
}

/** One tensor's object, after its key. */
static snug_status read_entry(snug_json_reader *reader, snug_safetensors_entry *entry,
                              snug_error *err)
{
    snug_json_event event;
    bool has_dtype = false, has_shape = false, has_offsets = false;
    SNUG_TRY(snug_json_expect(reader, SNUG_JSON_OBJECT_BEGIN, "an object", &event, err));
    for (;;) {
        char key[32] = "";
        SNUG_TRY(snug_json_next(reader, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            break;
        }
        if (event.text_bytes < (int64_t)sizeof key) {
            SNUG_TRY(snug_json_unescape(&event, key, sizeof key, err));
        }
        if (strcmp(key, "dtype") == 0) {
            SNUG_TRY(read_dtype(reader, &entry->dtype, err));
            has_dtype = true;
        } else if (strcmp(key, "shape") == 0) {
            SNUG_TRY(read_integers(reader, "shape", SNUG_RANK_MAX, entry->shape.extent,
                                   &entry->shape.rank, err));
            has_shape = true;
        } else if (strcmp(key, "data_offsets") == 0) {
            int64_t range[2] = {0, 0};
            int32_t count = 0;
            SNUG_TRY(read_integers(reader, "data_offsets", 2, range, &count, err));
            has_offsets = count == 2;
            entry->begin = range[0];
            entry->end = range[1];
        } else {
            SNUG_TRY(snug_json_skip(reader, err));
        }
    }
    if (!has_dtype || !has_shape || !has_offsets) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "tensor '%s' lacks its dtype, shape or two data_offsets", entry->name);
    }
    return SNUG_OK;
}

/** Counts the keys of the top object, so that the entries can be taken from the arena at once. */
static snug_status count_tensors(const char *json, int64_t bytes, int64_t *out_count,
                                 snug_error *err)
{
    snug_json_reader reader;
    snug_json_event event;
    int64_t count = 0;
    snug_json_reader_init(&reader, json, bytes);
    SNUG_TRY(snug_json_expect(&reader, SNUG_JSON_OBJECT_BEGIN, "an object", &event, err));
    for (;;) {
        SNUG_TRY(snug_json_next(&reader, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            break;
        }
        SNUG_TRY(snug_json_skip(&reader, err));
        count++;
    }
    if (count > SNUG_SAFETENSORS_TENSORS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "%lld tensors are more than the %d that are read",
                         (long long)count, SNUG_SAFETENSORS_TENSORS_MAX);
    }
    *out_count = count;
    return SNUG_OK;
}

/* An empty tensor may stand where another begins: it comes first. */
static bool before_in_file(const void *things, int32_t a, int32_t b)
{
    const snug_safetensors_entry *entries = things;
    return entries[a].begin != entries[b].begin ? entries[a].begin < entries[b].begin
                                                : entries[a].end < entries[b].end;
}

static bool before_by_name(const void *things, int32_t a, int32_t b)
{
    const snug_safetensors_entry *entries = things;
    return strcmp(entries[a].name, entries[b].name) < 0;
}

/** No two tensors share bytes; leaves `order` by name, in which no two are equal. */
static snug_status check_together(const snug_safetensors_entry *entries, int32_t *order,
                                  int64_t count, snug_error *err)
{
    snug_sort_numbers(order, count, before_in_file, entries);
    for (int64_t i = 1; i < count; i++) {
        const snug_safetensors_entry *a = &entries[order[i - 1]];
        const snug_safetensors_entry *b = &entries[order[i]];
        if (b->begin < a->end) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "tensors '%s' and '%s' share bytes", a->name,
                             b->name);
        }
    }
    snug_sort_numbers(order, count, before_by_name, entries);
    for (int64_t i = 1; i < count; i++) {
        const char *name = entries[order[i]].name;
        if (strcmp(entries[order[i - 1]].name, name) == 0) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the header has tensor '%s' twice", name);
        }
    }
    return SNUG_OK;
}

snug_status snug_safetensors_parse(const char *json, int64_t json_bytes, int64_t data_bytes,
                                   snug_arena *arena, snug_safetensors *out, snug_error *err)
{
    snug_json_reader reader;
    snug_json_event event;
    int64_t count = 0, filled = 0;
    void *memory = NULL, *order = NULL;
    SNUG_TRY(count_tensors(json, json_bytes, &count, err));
    const int64_t room = snug_max_i64(count, 1);
    SNUG_TRY(snug_arena_array(arena, room, sizeof(snug_safetensors_entry), &memory, err));
    SNUG_TRY(snug_arena_array(arena, room, sizeof(int32_t), &order, err));
    snug_safetensors_entry *entries = memory;
    snug_json_reader_init(&reader, json, json_bytes);
    SNUG_TRY(snug_json_expect(&reader, SNUG_JSON_OBJECT_BEGIN, "an object", &event, err));
    for (int64_t i = 0; i < count; i++) {
        char name[SNUG_SAFETENSORS_NAME_BYTES];
        SNUG_TRY(snug_json_next(&reader, &event, err));
        SNUG_TRY(snug_json_unescape(&event, name, sizeof name, err));
        if (strcmp(name, "__metadata__") == 0) {
            SNUG_TRY(snug_json_skip(&reader, err));
            continue;
        }
        snug_safetensors_entry *entry = &entries[filled];
        SNUG_TRY(snug_arena_text(arena, name, &entry->name, err));
        SNUG_TRY(read_entry(&reader, entry, err));
        SNUG_TRY(check_entry(entry, data_bytes, err));
        filled++;
    }
    SNUG_TRY(snug_json_expect(&reader, SNUG_JSON_OBJECT_END, "the end of the object", &event, err));
    SNUG_TRY(snug_json_expect(&reader, SNUG_JSON_END, "nothing after the header", &event, err));
    SNUG_TRY(check_together(entries, order, filled, err));
    *out = (snug_safetensors){.entries = entries, .by_name = order, .entry_count = filled};
    return SNUG_OK;
}
