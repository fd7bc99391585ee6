#include "base/assert.h"
#include "base/text.h"
#include "data/token/tokenizer_internal.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { SCRATCH_BLOCK_BYTES = 1 << 20 };

static snug_status start_text(const char *name, snug_arena *scratch, snug_tokenizer_text *out,
                              snug_error *err)
{
    void *memory = NULL;
    *out = (snug_tokenizer_text){.name = name,
                                 .wordpiece = {.clean_text = true,
                                               .chinese_apart = true,
                                               .lower_case = true,
                                               .word_characters_max = 100,
                                               .prefix = "##"},
                                 .bpe = {.use_pattern = true}};
    SNUG_TRY(snug_arena_array(scratch, SNUG_ADDED_TOKENS_MAX, sizeof *out->added, &memory, err));
    out->added = memory;
    return SNUG_OK;
}

typedef snug_status (*part_reader)(const char *data, int64_t bytes, snug_arena *scratch,
                                   snug_tokenizer_text *out, snug_error *err);

/* Reads one file into the scratch and says its path in every message. */
static snug_status read_part(const char *path, part_reader reader, snug_arena *scratch,
                             snug_tokenizer_text *text, snug_error *err)
{
    const char *data = NULL;
    int64_t bytes = 0;
    SNUG_TRY(snug_file_read_all(path, SNUG_TOKENIZER_FILE_BYTES_MAX, scratch, &data, &bytes, err));
    const snug_status status = reader(data, bytes, scratch, text, err);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "'%s'", path);
        return snug_error_pass(err, status, __FILE__, __LINE__);
    }
    return SNUG_OK;
}

static bool has_file(const char *folder, const char *name, char path[SNUG_PATH_BYTES])
{
    snug_error ignored = {0};
    return !snug_failed(snug_path_join(folder, name, path, &ignored)) &&
           snug_path_look(path) == SNUG_PATH_FILE;
}

/* vocab.json and merges.txt. */
static snug_status read_two_files(const char *folder, char path[SNUG_PATH_BYTES],
                                  snug_arena *scratch, snug_tokenizer_text *text, snug_error *err)
{
    char merges[SNUG_PATH_BYTES];
    if (!has_file(folder, "vocab.json", path) || !has_file(folder, "merges.txt", merges)) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                         "'%s' has no %s; a BPE tokenizer needs vocab.json and merges.txt", folder,
                         has_file(folder, "vocab.json", path) ? "merges.txt" : "vocab.json");
    }
    text->model = &snug_bpe_model;
    text->bare = true;
    SNUG_TRY(read_part(path, snug_tokenizer_read_vocabulary, scratch, text, err));
    return read_part(merges, snug_tokenizer_read_merges, scratch, text, err);
}

/* Reads what holds the vocabulary of the folder; its path is for messages. */
static snug_status read_folder(const char *folder, char path[SNUG_PATH_BYTES], snug_arena *scratch,
                               snug_tokenizer_text *text, snug_error *err)
{
    static const char *const others[] = {"spiece.model", "sentencepiece.bpe.model",
                                         "tokenizer.model"};
    if (has_file(folder, "tokenizer.json", path)) {
        return read_part(path, snug_tokenizer_read_json, scratch, text, err);
    }
    if (has_file(folder, "vocab.txt", path)) {
        return read_part(path, snug_tokenizer_read_lines, scratch, text, err);
    }
    if (has_file(folder, "vocab.json", path) || has_file(folder, "merges.txt", path)) {
        return read_two_files(folder, path, scratch, text, err);
    }
    for (int64_t i = 0; i < SNUG_COUNT(others); i++) {
        if (has_file(folder, others[i], path)) {
            return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                             "'%s' belongs to another kind of tokenizer than WordPiece and BPE",
                             path);
        }
    }
    return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                     "'%s' has neither a tokenizer.json nor a vocab.txt nor a vocab.json", folder);
}

static snug_status build(snug_tokenizer_text *text, const char *path, snug_arena *scratch,
                         snug_arena *arena, snug_tokenizer **out, snug_error *err)
{
    if (text->single.count == 0) { /* A vocab.txt. */
        snug_template_default(text->start, text->end, false, text);
    }
    const snug_status status = snug_tokenizer_build(text, scratch, arena, out, err);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "'%s'", path);
        return snug_error_pass(err, status, __FILE__, __LINE__);
    }
    return SNUG_OK;
}

static snug_status open_path(const char *folder_or_file, snug_arena *scratch, snug_arena *arena,
                             snug_tokenizer **out, snug_error *err)
{
    static const char no_config[] = "{}";
    char path[SNUG_PATH_BYTES];
    char config[SNUG_PATH_BYTES];
    snug_tokenizer_text text;
    const bool folder = snug_path_look(folder_or_file) == SNUG_PATH_FOLDER;
    const bool json = snug_ends_with(folder_or_file, ".json");
    SNUG_TRY(start_text(folder_or_file, scratch, &text, err));
    if (folder) {
        SNUG_TRY(read_folder(folder_or_file, path, scratch, &text, err));
    } else {
        SNUG_TRY(read_part(folder_or_file,
                           json ? snug_tokenizer_read_json : snug_tokenizer_read_lines, scratch,
                           &text, err));
    }
    if (folder && has_file(folder_or_file, "tokenizer_config.json", config)) {
        SNUG_TRY(read_part(config, snug_tokenizer_read_config, scratch, &text, err));
    } else if (text.bare) {
        SNUG_TRY(snug_tokenizer_read_config(no_config, sizeof no_config - 1, scratch, &text, err));
    }
    return build(&text, folder ? path : folder_or_file, scratch, arena, out, err);
}

snug_status snug_tokenizer_open(const char *folder_or_file, snug_arena *arena, snug_tokenizer **out,
                                snug_error *err)
{
    snug_arena scratch;
    snug_heap_arena_init(&scratch, "tokenizer", SNUG_CATEGORY_DATA, SCRATCH_BLOCK_BYTES);
    const snug_status status = open_path(folder_or_file, &scratch, arena, out, err);
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_DATA);
    return status;
}

static snug_status open_json(const char *name, const char *data, int64_t bytes, snug_arena *scratch,
                             snug_arena *arena, snug_tokenizer **out, snug_error *err)
{
    snug_tokenizer_text text;
    SNUG_TRY(start_text(name, scratch, &text, err));
    SNUG_TRY(snug_tokenizer_read_json(data, bytes, scratch, &text, err));
    return snug_tokenizer_build(&text, scratch, arena, out, err);
}

snug_status snug_tokenizer_open_json(const char *name, const char *data, int64_t bytes,
                                     snug_arena *arena, snug_tokenizer **out, snug_error *err)
{
    snug_arena scratch;
    snug_heap_arena_init(&scratch, "tokenizer", SNUG_CATEGORY_DATA, SCRATCH_BLOCK_BYTES);
    const snug_status status = open_json(name, data, bytes, &scratch, arena, out, err);
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_DATA);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "'%s'", name);
    }
    return status;
}
