#include "data/hf/hf_folder.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/text.h"
#include "data/hf/tensor_set.h"
#include "sys/file.h"

enum { BOUNCE_BYTES = 1 << 20, LIST_BYTES = 256 << 10, SLACK_BYTES = 64 << 10 };

static const char *const TOKENIZER_FILES[] = {"vocab.txt",
                                              "vocab.json",
                                              "merges.txt",
                                              "tokenizer.json",
                                              "tokenizer_config.json",
                                              "special_tokens_map.json",
                                              "added_tokens.json",
                                              "sentencepiece.bpe.model"};

static int64_t weights_buffer_bytes(const snug_hf_folder *folder)
{
    return snug_align_up(snug_safetensors_header_bytes(folder->items, folder->item_count),
                         SNUG_ALIGN) +
           BOUNCE_BYTES;
}

int64_t snug_hf_folder_buffer_bytes(const snug_hf_folder *folder)
{
    const int64_t config = snug_hf_config_buffer_bytes(folder->config, &folder->changes);
    return snug_max_i64(snug_max_i64(weights_buffer_bytes(folder), config), LIST_BYTES);
}

static snug_status copy_file(const char *from, const char *to, unsigned char *buffer,
                             int64_t buffer_bytes, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_file file = {0};
    snug_file_writer writer = {0};
    const int64_t half = buffer_bytes / 2;
    SNUG_TRY(snug_file_open(from, &file, err));
    SNUG_TRY_DONE(snug_file_writer_open(to, buffer, half, &writer, err));
    for (int64_t at = 0; at < file.bytes; at += half) {
        const int64_t now = snug_min_i64(half, file.bytes - at);
        SNUG_TRY_DONE(snug_file_read_at(&file, at, buffer + half, now, err));
        SNUG_TRY_DONE(snug_file_writer_add(&writer, buffer + half, now, err));
    }
    SNUG_TRY_DONE(snug_file_writer_commit(&writer, err));

done:
    snug_file_writer_abort(&writer);
    snug_file_close(&file);
    return status;
}

snug_status snug_hf_tokenizer_copy(const char *from, const char *to, void *buffer,
                                   int64_t buffer_bytes, int64_t *out_count, snug_error *err)
{
    int64_t count = 0;
    SNUG_ASSERT(buffer_bytes >= 2);
    for (int64_t i = 0; i < SNUG_COUNT(TOKENIZER_FILES); i++) {
        char source[SNUG_PATH_BYTES], target[SNUG_PATH_BYTES];
        SNUG_TRY(snug_path_join(from, TOKENIZER_FILES[i], source, err));
        if (snug_path_look(source) == SNUG_PATH_FILE) {
            SNUG_TRY(snug_path_join(to, TOKENIZER_FILES[i], target, err));
            SNUG_TRY(copy_file(source, target, buffer, buffer_bytes, err));
            count++;
        }
    }
    if (out_count != NULL) {
        *out_count = count;
    }
    return SNUG_OK;
}

/** Whether a file of this name is one that the write makes, or takes the place of. */
static bool is_ours(const snug_hf_folder *folder, const char *name)
{
    if (strcmp(name, SNUG_HF_WEIGHTS_NAME) == 0 || strcmp(name, SNUG_HF_CONFIG_NAME) == 0) {
        return true;
    }
    for (int64_t i = 0; i < SNUG_COUNT(TOKENIZER_FILES); i++) {
        if (strcmp(name, TOKENIZER_FILES[i]) == 0) {
            return true;
        }
    }
    for (int64_t i = 0; i < folder->extra_count; i++) {
        if (strcmp(name, folder->extras[i].name) == 0) {
            return true;
        }
    }
    return false;
}

/** Replacing a folder removes what it holds: only what would be written again may be lost. */
static snug_status check_replaceable(const char *path, const snug_hf_folder *folder, void *buffer,
                                     int64_t buffer_bytes, snug_error *err)
{
    snug_arena arena = {0};
    const snug_folder_entry *entries = NULL;
    int64_t count = 0;
    const snug_path_kind kind = snug_path_look(path);
    if (kind == SNUG_PATH_NONE) {
        return SNUG_OK;
    }
    if (kind != SNUG_PATH_FOLDER) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "'%s' is no folder", path);
    }
    snug_arena_init(&arena, "folder list", buffer, buffer_bytes);
    SNUG_TRY(snug_folder_list(path, &arena, &entries, &count, err));
    for (int64_t i = 0; i < count; i++) {
        if (!is_ours(folder, entries[i].name)) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE,
                             "'%.300s' holds '%.200s', which writing a model there would remove; "
                             "choose another folder",
                             path, entries[i].name);
        }
    }
    return SNUG_OK;
}

static snug_status file_bytes(const char *folder, const char *name, int64_t *out, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    snug_file file = {0};
    *out = 0;
    SNUG_TRY(snug_path_join(folder, name, path, err));
    if (snug_path_look(path) == SNUG_PATH_FILE) {
        SNUG_TRY(snug_file_open(path, &file, err));
        *out = file.bytes;
        snug_file_close(&file);
    }
    return SNUG_OK;
}

/** Says beforehand that the disk has no room; a disk that fills meanwhile is seen by the writes. */
static snug_status check_room(const char *above, const snug_hf_folder *folder, snug_error *err)
{
    char needs[SNUG_SIZE_TEXT_BYTES], has[SNUG_SIZE_TEXT_BYTES];
    int64_t free_bytes = 0;
    int64_t bytes = SLACK_BYTES + snug_safetensors_header_bytes(folder->items, folder->item_count) +
                    snug_hf_config_buffer_bytes(folder->config, &folder->changes);
    for (int64_t i = 0; i < folder->item_count; i++) {
        bytes += snug_safetensors_item_bytes(&folder->items[i]);
    }
    for (int64_t i = 0; i < folder->extra_count; i++) {
        bytes += folder->extras[i].bytes;
    }
    for (int64_t i = 0; folder->tokenizer_folder != NULL && i < SNUG_COUNT(TOKENIZER_FILES); i++) {
        int64_t more = 0;
        SNUG_TRY(file_bytes(folder->tokenizer_folder, TOKENIZER_FILES[i], &more, err));
        bytes += more;
    }
    SNUG_TRY(snug_disk_free(above, &free_bytes, err));
    if (free_bytes < bytes) {
        return SNUG_FAIL(err, SNUG_CODE_FULL,
                         "the model folder needs %s and '%s' has %s free; nothing was changed",
                         snug_size_text(bytes, needs), above, snug_size_text(free_bytes, has));
    }
    return SNUG_OK;
}

static snug_status write_files(const char *into, const snug_hf_folder *folder, void *buffer,
                               int64_t buffer_bytes, snug_error *err)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    char path[SNUG_PATH_BYTES];
    SNUG_TRY(snug_path_join(into, SNUG_HF_WEIGHTS_NAME, path, err));
    SNUG_TRY(snug_safetensors_write(path, folder->items, folder->item_count, metadata, buffer,
                                    buffer_bytes, err));
    SNUG_TRY(snug_path_join(into, SNUG_HF_CONFIG_NAME, path, err));
    SNUG_TRY(
        snug_hf_config_write(path, folder->config, &folder->changes, buffer, buffer_bytes, err));
    if (folder->tokenizer_folder != NULL) {
        SNUG_TRY(snug_hf_tokenizer_copy(folder->tokenizer_folder, into, buffer, buffer_bytes, NULL,
                                        err));
    }
    for (int64_t i = 0; i < folder->extra_count; i++) {
        const snug_hf_extra *extra = &folder->extras[i];
        SNUG_TRY(snug_path_join(into, extra->name, path, err));
        SNUG_TRY(snug_file_write_all(path, extra->data, extra->bytes, err));
    }
    return SNUG_OK;
}

/** "a/b/" becomes the folder "a", the final path "a/b" and the partial one "a/.partial-b". */
static snug_status split_path(const char *path, char above[SNUG_PATH_BYTES],
                              char final[SNUG_PATH_BYTES], char partial[SNUG_PATH_BYTES],
                              snug_error *err)
{
    static const char mark[] = ".partial-";
    SNUG_TRY(snug_path_join("", path, final, err));
    for (size_t length = strlen(final); length > 1 && final[length - 1] == '/'; length--) {
        final[length - 1] = '\0';
    }
    const char *name = snug_path_name(final);
    const size_t above_bytes = (size_t)(name - final);
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "'%s' is no name for a new folder", path);
    }
    if (strlen(final) + sizeof mark > SNUG_PATH_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the path '%.200s...' is too long", path);
    }
    memcpy(above, above_bytes > 0 ? final : "./", above_bytes > 0 ? above_bytes : 2);
    above[above_bytes > 0 ? above_bytes : 2] = '\0';
    memcpy(partial, final, above_bytes);
    memcpy(partial + above_bytes, mark, sizeof mark - 1);
    memcpy(partial + above_bytes + sizeof mark - 1, name, strlen(name) + 1);
    return SNUG_OK;
}

snug_status snug_hf_folder_write(const char *path, const snug_hf_folder *folder, void *buffer,
                                 int64_t buffer_bytes, snug_error *err)
{
    snug_status status = SNUG_OK;
    char above[SNUG_PATH_BYTES], final[SNUG_PATH_BYTES], partial[SNUG_PATH_BYTES];
    SNUG_ASSERT(buffer_bytes >= snug_hf_folder_buffer_bytes(folder));
    SNUG_ASSERT((uintptr_t)buffer % SNUG_ALIGN == 0);
    SNUG_TRY(split_path(path, above, final, partial, err));
    SNUG_TRY(check_replaceable(final, folder, buffer, buffer_bytes, err));
    SNUG_TRY(snug_folder_make(above, err));
    SNUG_TRY(check_room(above, folder, err));
    SNUG_TRY(snug_folder_remove(partial, err));
    SNUG_TRY_DONE(snug_folder_make(partial, err));
    SNUG_TRY_DONE(write_files(partial, folder, buffer, buffer_bytes, err));
    SNUG_TRY_DONE(snug_folder_replace(partial, final, err));

done:
    if (snug_failed(status)) {
        const snug_status removed = snug_folder_remove(partial, NULL);
        SNUG_UNUSED(removed); /* A leftover is removed by the next write to the same place. */
    }
    return status;
}
