/* Opening a set of weights: one file, or an index and its shards. */
#include "data/hf/tensor_set.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "data/hf/tensor_index.h"

static snug_status make_room(snug_tensor_set *set, int64_t shards, snug_arena *arena,
                             snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(
        snug_arena_array(arena, snug_max_i64(shards, 1), sizeof(snug_safetensors), &memory, err));
    set->shards = memory;
    return SNUG_OK;
}

static snug_status make_entries(snug_tensor_set *set, int64_t count, snug_arena *arena,
                                snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(arena, snug_max_i64(count, 1), sizeof(snug_tensor_set_entry), &memory,
                              err));
    set->entries = memory;
    set->entry_count = count;
    return SNUG_OK;
}

static snug_status open_single(const char *path, snug_arena *arena, snug_tensor_set *set,
                               snug_error *err)
{
    const char *kept = NULL;
    SNUG_TRY(snug_arena_text(arena, path, &kept, err));
    SNUG_TRY(make_room(set, 1, arena, err));
    SNUG_TRY(snug_safetensors_open(kept, arena, &set->shards[0], err));
    set->shard_count = 1;
    const snug_safetensors *file = &set->shards[0];
    SNUG_TRY(make_entries(set, file->entry_count, arena, err));
    for (int64_t i = 0; i < file->entry_count; i++) {
        set->entries[i].tensor = &file->entries[i];
    }
    set->by_name = file->by_name;
    return SNUG_OK;
}

static snug_status open_shards(const char *folder, const snug_tensor_index *index,
                               snug_arena *arena, snug_tensor_set *set, snug_error *err)
{
    SNUG_TRY(make_room(set, index->shard_count, arena, err));
    for (int64_t i = 0; i < index->shard_count; i++) {
        char path[SNUG_PATH_BYTES];
        const char *kept = NULL;
        SNUG_TRY(snug_path_join(folder, index->shards[i], path, err));
        if (snug_path_look(path) == SNUG_PATH_NONE) {
            return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "'%s', which the index names, is missing",
                             index->shards[i]);
        }
        SNUG_TRY(snug_arena_text(arena, path, &kept, err));
        SNUG_TRY(snug_safetensors_open(kept, arena, &set->shards[i], err));
        set->shard_count++;
    }
    return SNUG_OK;
}

static snug_status open_index(const char *path, snug_arena *arena, snug_tensor_set *set,
                              snug_error *err)
{
    char folder[SNUG_PATH_BYTES];
    const char *json = NULL;
    int64_t bytes = 0;
    snug_tensor_index index = {0};
    SNUG_TRY(snug_file_read_all(path, SNUG_HF_INDEX_BYTES_MAX, arena, &json, &bytes, err));
    SNUG_TRY(snug_tensor_index_parse(json, bytes, arena, &index, err));
    const size_t folder_bytes = (size_t)(snug_path_name(path) - path);
    SNUG_ASSERT(folder_bytes < sizeof folder);
    memcpy(folder, path, folder_bytes);
    folder[folder_bytes] = '\0';
    SNUG_TRY(open_shards(folder[0] == '\0' ? "." : folder, &index, arena, set, err));
    SNUG_TRY(make_entries(set, index.pair_count, arena, err));
    for (int64_t i = 0; i < index.pair_count; i++) {
        const snug_tensor_index_pair *pair = &index.pairs[i];
        const snug_safetensors_entry *tensor =
            snug_safetensors_find(&set->shards[pair->shard], pair->name);
        if (tensor == NULL) {
            return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                             "tensor '%s' should be in '%s' and is not there", pair->name,
                             index.shards[pair->shard]);
        }
        set->entries[i] = (snug_tensor_set_entry){.tensor = tensor, .shard = pair->shard};
    }
    set->by_name = index.by_name;
    return SNUG_OK;
}

static snug_status no_weights(const char *folder, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    if (snug_path_look(folder) != SNUG_PATH_FOLDER) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "there is no folder or file '%s'", folder);
    }
    SNUG_TRY(snug_path_join(folder, "pytorch_model.bin", path, err));
    if (snug_path_look(path) == SNUG_PATH_FILE) {
        return SNUG_FAIL(
            err, SNUG_CODE_UNSUPPORTED,
            "'%.200s' has its weights in PyTorch's own format only; convert them once, in that "
            "folder: python3 -c \"import torch; from safetensors.torch import save_file; "
            "save_file({k: v.clone().contiguous() for k, v in torch.load('pytorch_model.bin', "
            "map_location='cpu', weights_only=True).items()}, 'model.safetensors', "
            "{'format': 'pt'})\"",
            folder);
    }
    return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                     "'%s' holds neither " SNUG_HF_WEIGHTS_NAME " nor " SNUG_HF_INDEX_NAME, folder);
}

/** Which file of a folder to open; `path` itself when it is a file. */
static snug_status choose(const char *path, char out[SNUG_PATH_BYTES], bool *out_index,
                          snug_error *err)
{
    if (snug_path_look(path) == SNUG_PATH_FILE) {
        *out_index = snug_ends_with(path, ".json");
        SNUG_TRY(snug_path_join("", path, out, err));
        return SNUG_OK;
    }
    SNUG_TRY(snug_path_join(path, SNUG_HF_WEIGHTS_NAME, out, err));
    *out_index = false;
    if (snug_path_look(out) != SNUG_PATH_FILE) {
        SNUG_TRY(snug_path_join(path, SNUG_HF_INDEX_NAME, out, err));
        *out_index = true;
        if (snug_path_look(out) != SNUG_PATH_FILE) {
            return no_weights(path, err);
        }
    }
    return SNUG_OK;
}

snug_status snug_tensor_set_open(const char *path, snug_arena *arena, snug_tensor_set *out,
                                 snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_tensor_set set = {0};
    char chosen[SNUG_PATH_BYTES];
    bool index = false;
    SNUG_TRY(choose(path, chosen, &index, err));
    if (index) {
        SNUG_TRY_DONE(open_index(chosen, arena, &set, err));
    } else {
        SNUG_TRY_DONE(open_single(chosen, arena, &set, err));
    }
    *out = set;

done:
    if (snug_failed(status)) {
        snug_tensor_set_close(&set);
        snug_arena_rewind(arena, start);
        if (index && status != SNUG_CODE_IO) {
            (void)snug_error_prefix(err, "%s", chosen);
        }
    }
    return status;
}

void snug_tensor_set_close(snug_tensor_set *set)
{
    if (set != NULL) {
        for (int64_t i = 0; i < set->shard_count; i++) {
            snug_safetensors_close(&set->shards[i]);
        }
        *set = (snug_tensor_set){0};
    }
}

int64_t snug_tensor_set_find(const snug_tensor_set *set, const char *name)
{
    int64_t low = 0;
    int64_t high = set->entry_count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const int order = strcmp(name, set->entries[set->by_name[middle]].tensor->name);
        if (order == 0) {
            return set->by_name[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return -1;
}

snug_status snug_tensor_set_read(const snug_tensor_set *set, int64_t entry,
                                 const snug_safetensors_item *item, void *buffer,
                                 int64_t buffer_bytes, snug_error *err)
{
    SNUG_ASSERT(entry >= 0 && entry < set->entry_count);
    const snug_tensor_set_entry *from = &set->entries[entry];
    /* Items are written through const pointers; reading is where they are filled. */
    return snug_safetensors_read(&set->shards[from->shard], from->tensor, &item->layout,
                                 item->memory, (void *)(uintptr_t)item->data, buffer, buffer_bytes,
                                 err);
}
