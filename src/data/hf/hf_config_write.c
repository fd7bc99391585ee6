/* Writing config.json: the file that was read, with a few keys replaced in their places. */
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/json.h"
#include "base/text.h"
#include "data/hf/hf_config.h"
#include "sys/file.h"

/** The keys that may change. Those after the first five only replace, and are never appended. */
typedef enum change_key {
    CHANGE_ARCHITECTURES,
    CHANGE_ID2LABEL,
    CHANGE_LABEL2ID,
    CHANGE_PROBLEM_TYPE,
    CHANGE_TORCH_DTYPE,
    CHANGE_DTYPE,
    CHANGE_NUM_LABELS,
    CHANGE_COUNT
} change_key;

static const char *const NAMES[CHANGE_COUNT] = {
    "architectures", "id2label", "label2id", "problem_type", "torch_dtype", "dtype", "num_labels"};

static bool changes_key(const snug_hf_config_changes *changes, change_key key)
{
    switch (key) {
    case CHANGE_ARCHITECTURES:
        return changes->architecture != NULL;
    case CHANGE_PROBLEM_TYPE:
        return changes->problem_type != NULL;
    case CHANGE_TORCH_DTYPE:
    case CHANGE_DTYPE:
        return changes->dtype != NULL;
    default:
        return changes->labels != NULL;
    }
}

static void put_labels(snug_json_writer *json, const snug_hf_config_changes *changes,
                       bool by_number)
{
    snug_json_object_begin(json);
    for (int64_t i = 0; i < changes->label_count; i++) {
        if (by_number) {
            char number[32];
            snug_text text;
            snug_text_init(&text, number, sizeof number);
            snug_text_add(&text, "%lld", (long long)i);
            snug_json_put_string(json, number, changes->labels[i]);
        } else {
            snug_json_put_i64(json, changes->labels[i], i);
        }
    }
    snug_json_object_end(json);
}

static void put_change(snug_json_writer *json, const snug_hf_config_changes *changes,
                       change_key key)
{
    snug_json_key(json, NAMES[key]);
    switch (key) {
    case CHANGE_ARCHITECTURES:
        snug_json_array_begin(json);
        snug_json_string(json, changes->architecture);
        snug_json_array_end(json);
        break;
    case CHANGE_ID2LABEL:
    case CHANGE_LABEL2ID:
        put_labels(json, changes, key == CHANGE_ID2LABEL);
        break;
    case CHANGE_PROBLEM_TYPE:
        snug_json_string(json, changes->problem_type);
        break;
    case CHANGE_TORCH_DTYPE:
    case CHANGE_DTYPE:
        snug_json_string(json, changes->dtype);
        break;
    default:
        snug_json_i64(json, changes->label_count);
        break;
    }
}

static bool is_key(const snug_json_event *key, const char *name)
{
    const int64_t bytes = (int64_t)strlen(name);
    return key->text_bytes == bytes && memcmp(key->text, name, (size_t)bytes) == 0;
}

/** Which change a key of the file is; CHANGE_COUNT when none. */
static change_key find_change(const snug_json_event *key)
{
    for (int64_t i = 0; i < CHANGE_COUNT; i++) {
        if (is_key(key, NAMES[i])) {
            return (change_key)i;
        }
    }
    return CHANGE_COUNT;
}

/** The value that comes next, with its text as it stands in the file. */
static snug_status copy_value(snug_json_reader *reader, snug_json_writer *json, snug_error *err)
{
    snug_json_reader ahead = *reader;
    snug_json_event event;
    SNUG_TRY(snug_json_next(&ahead, &event, err));
    SNUG_TRY(snug_json_skip(reader, err));
    snug_json_raw(json, reader->data + event.offset, reader->position - event.offset);
    return SNUG_OK;
}

static snug_status build(const snug_hf_config *config, const snug_hf_config_changes *changes,
                         snug_text *text, snug_error *err)
{
    snug_json_reader reader;
    snug_json_event event;
    snug_json_writer json;
    bool written[CHANGE_COUNT] = {false};
    bool has_type = false;
    snug_json_reader_init(&reader, config->json, config->json_bytes);
    snug_json_writer_init(&json, text, true);
    SNUG_TRY(snug_json_expect(&reader, SNUG_JSON_OBJECT_BEGIN, "an object", &event, err));
    snug_json_object_begin(&json);
    for (;;) {
        SNUG_TRY(snug_json_next(&reader, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            break;
        }
        const change_key key = find_change(&event);
        has_type = has_type || is_key(&event, "model_type");
        if (key == CHANGE_COUNT || !changes_key(changes, key)) {
            snug_json_raw_key(&json, event.text, event.text_bytes);
            SNUG_TRY(copy_value(&reader, &json, err));
            continue;
        }
        SNUG_TRY(snug_json_skip(&reader, err));
        if (!written[key]) {
            put_change(&json, changes, key);
            written[key] = true;
        }
    }
    written[CHANGE_TORCH_DTYPE] = written[CHANGE_TORCH_DTYPE] || written[CHANGE_DTYPE];
    for (int32_t key = 0; key <= CHANGE_TORCH_DTYPE; key++) {
        if (!written[key] && changes_key(changes, (change_key)key)) {
            put_change(&json, changes, (change_key)key);
        }
    }
    if (!has_type) { /* An early file; without it nobody else can tell what the model is. */
        snug_json_put_string(&json, "model_type", config->model_type);
    }
    snug_json_object_end(&json);
    snug_text_add(text, "\n");
    return SNUG_OK;
}

int64_t snug_hf_config_buffer_bytes(const snug_hf_config *config,
                                    const snug_hf_config_changes *changes)
{
    /* A key of the file grows by a line end and three spaces, and takes four bytes at least; a
     * character of a label by its escape. */
    int64_t bytes = 2 * config->json_bytes + 4096;
    for (int64_t i = 0; changes->labels != NULL && i < changes->label_count; i++) {
        bytes += 2 * (6 * (int64_t)strlen(changes->labels[i]) + 64);
    }
    return bytes;
}

int64_t snug_hf_config_text(const snug_hf_config *config, const snug_hf_config_changes *changes,
                            char *buffer, int64_t buffer_bytes)
{
    snug_text text;
    snug_text_init(&text, buffer, buffer_bytes);
    /* The same text was read to its end before: it cannot be found wrong now. */
    const snug_status status = build(config, changes, &text, NULL);
    SNUG_ASSERT(status == SNUG_OK);
    return text.truncated ? -1 : text.length;
}

snug_status snug_hf_config_write(const char *path, const snug_hf_config *config,
                                 const snug_hf_config_changes *changes, void *buffer,
                                 int64_t buffer_bytes, snug_error *err)
{
    const int64_t bytes = snug_hf_config_text(config, changes, buffer, buffer_bytes);
    if (bytes < 0) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "'%s' takes more than the %lld bytes of its buffer",
                         path, (long long)buffer_bytes);
    }
    return snug_file_write_all(path, buffer, bytes, err);
}
