#include "data/hf/tensor_index.h"

#include <string.h>

#include "base/checked.h"
#include "base/json.h"
#include "base/sort.h"
#include "base/text.h"
#include "data/tensor_file/safetensors.h"

/** A shard is a file of the same folder: whatever leads elsewhere is refused. */
static snug_status check_shard_name(const char *name, snug_error *err)
{
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL ||
        strchr(name, '\\') != NULL) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "the index names '%.200s', which is no plain file name in its own folder",
                         name);
    }
    if (!snug_ends_with(name, ".safetensors")) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "the index names '%.200s', which is no .safetensors file", name);
    }
    return SNUG_OK;
}

/** The number of the shard of this name, added when it is new. */
static snug_status shard_number(snug_tensor_index *index, const char *name, snug_arena *arena,
                                int32_t *out_number, snug_error *err)
{
    /* Neighbours in an index mostly share their file, and it is the newest one. */
    for (int64_t i = index->shard_count - 1; i >= 0; i--) {
        if (strcmp(index->shards[i], name) == 0) {
            *out_number = (int32_t)i;
            return SNUG_OK;
        }
    }
    SNUG_TRY(check_shard_name(name, err));
    if (index->shard_count == SNUG_HF_SHARDS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the index names more than %d files",
                         SNUG_HF_SHARDS_MAX);
    }
    SNUG_TRY(snug_arena_text(arena, name, &index->shards[index->shard_count], err));
    *out_number = (int32_t)index->shard_count++;
    return SNUG_OK;
}

/** Puts the reader just inside the weight map. */
static snug_status enter_map(snug_json_reader *reader, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_expect(reader, SNUG_JSON_OBJECT_BEGIN, "an object", &event, err));
    for (;;) {
        char key[32] = "";
        SNUG_TRY(snug_json_next(reader, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "it has no \"weight_map\"");
        }
        if (event.text_bytes < (int64_t)sizeof key) {
            SNUG_TRY(snug_json_unescape(&event, key, sizeof key, err));
        }
        if (strcmp(key, "weight_map") == 0) {
            SNUG_TRY(snug_json_expect(reader, SNUG_JSON_OBJECT_BEGIN, "an object", &event, err));
            return SNUG_OK;
        }
        SNUG_TRY(snug_json_skip(reader, err));
    }
}

static snug_status make_room(snug_tensor_index *index, snug_arena *arena, snug_error *err)
{
    if (index->pair_count > SNUG_SAFETENSORS_TENSORS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "%lld tensors are more than the %d that are read",
                         (long long)index->pair_count, SNUG_SAFETENSORS_TENSORS_MAX);
    }
    const int64_t room = snug_max_i64(index->pair_count, 1);
    void *shards = NULL, *pairs = NULL, *numbers = NULL;
    SNUG_TRY(snug_arena_array(arena, SNUG_HF_SHARDS_MAX, sizeof(char *), &shards, err));
    SNUG_TRY(snug_arena_array(arena, room, sizeof(snug_tensor_index_pair), &pairs, err));
    SNUG_TRY(snug_arena_array(arena, room, sizeof(int32_t), &numbers, err));
    index->shards = shards;
    index->pairs = pairs;
    index->by_name = numbers;
    return SNUG_OK;
}

static bool before_by_name(const void *things, int32_t a, int32_t b)
{
    const snug_tensor_index_pair *pairs = things;
    return strcmp(pairs[a].name, pairs[b].name) < 0;
}

/** Orders the pairs by name and refuses a name that stands twice. */
static snug_status order_pairs(snug_tensor_index *index, snug_error *err)
{
    snug_sort_numbers(index->by_name, index->pair_count, before_by_name, index->pairs);
    for (int64_t i = 1; i < index->pair_count; i++) {
        const char *name = index->pairs[index->by_name[i]].name;
        if (strcmp(index->pairs[index->by_name[i - 1]].name, name) == 0) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the index has tensor '%s' twice", name);
        }
    }
    return SNUG_OK;
}

static snug_status read_pairs(snug_json_reader *reader, snug_tensor_index *index, snug_arena *arena,
                              snug_error *err)
{
    char name[SNUG_SAFETENSORS_NAME_BYTES], shard[SNUG_SAFETENSORS_NAME_BYTES];
    for (int64_t i = 0; i < index->pair_count; i++) {
        snug_json_event event;
        snug_tensor_index_pair *pair = &index->pairs[i];
        SNUG_TRY(snug_json_next(reader, &event, err));
        SNUG_TRY(snug_json_unescape(&event, name, sizeof name, err));
        SNUG_TRY(snug_json_expect(reader, SNUG_JSON_STRING, "a file name", &event, err));
        SNUG_TRY(snug_json_unescape(&event, shard, sizeof shard, err));
        SNUG_TRY(snug_arena_text(arena, name, &pair->name, err));
        SNUG_TRY(shard_number(index, shard, arena, &pair->shard, err));
    }
    return SNUG_OK;
}

snug_status snug_tensor_index_parse(const char *json, int64_t json_bytes, snug_arena *arena,
                                    snug_tensor_index *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_tensor_index index = {0};
    snug_json_reader reader;
    snug_json_reader_init(&reader, json, json_bytes);
    SNUG_TRY_DONE(enter_map(&reader, err));
    SNUG_TRY_DONE(snug_json_count_pairs(&reader, &index.pair_count, err));
    SNUG_TRY_DONE(make_room(&index, arena, err));
    SNUG_TRY_DONE(read_pairs(&reader, &index, arena, err));
    SNUG_TRY_DONE(order_pairs(&index, err));
    *out = index;

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}
