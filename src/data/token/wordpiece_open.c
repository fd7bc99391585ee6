#include <string.h>

#include "base/assert.h"
#include "base/utf8.h"
#include "data/token/wordpiece_internal.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { SCRATCH_BLOCK_BYTES = 1 << 20 };

/* What BERT has where no file says otherwise. */
static snug_status start_text(const char *name, snug_arena *scratch, snug_wordpiece_text *out,
                              snug_error *err)
{
    void *memory = NULL;
    *out = (snug_wordpiece_text){.name = name,
                                 .clean_text = true,
                                 .chinese_apart = true,
                                 .lower_case = true,
                                 .word_characters_max = 100,
                                 .prefix = "##",
                                 .unknown = "[UNK]",
                                 .start = "[CLS]",
                                 .end = "[SEP]",
                                 .padding = "[PAD]",
                                 .mask = "[MASK]"};
    SNUG_TRY(snug_arena_array(scratch, SNUG_ADDED_TOKENS_MAX, sizeof *out->added, &memory, err));
    out->added = memory;
    return SNUG_OK;
}

/* The bytes of the line that begins at `at`, its end not counted; *out_next is the next line. */
static int64_t line_bytes(const char *data, int64_t bytes, int64_t at, int64_t *out_next)
{
    const char *const end = memchr(data + at, '\n', (size_t)(bytes - at));
    int64_t length = end == NULL ? bytes - at : end - (data + at);
    *out_next = end == NULL ? bytes : at + length + 1;
    if (end != NULL && length > 0 && data[at + length - 1] == '\r') {
        length--;
    }
    return length;
}

static snug_status check_lines(const char *data, int64_t bytes, int64_t *out_lines, snug_error *err)
{
    int64_t lines = 0;
    for (int64_t at = 0; at < bytes;) {
        const int64_t length = snug_utf8_length(data + at, bytes - at);
        if (length == 0 || data[at] == '\0') {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "byte %lld is 0x%02x, which is no text",
                             (long long)at, (unsigned char)data[at]);
        }
        lines += data[at] == '\n';
        at += length;
    }
    *out_lines = lines + 1;
    return SNUG_OK;
}

snug_status snug_wordpiece_read_lines(const char *data, int64_t bytes, snug_arena *scratch,
                                      snug_wordpiece_text *out, snug_error *err)
{
    static const char mark[] = "\xef\xbb\xbf";
    int64_t lines = 0;
    int64_t at = bytes >= 3 && memcmp(data, mark, 3) == 0 ? 3 : 0;
    void *memory = NULL;
    SNUG_TRY(check_lines(data, bytes, &lines, err));
    if (lines > SNUG_VOCABULARY_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "there are more than %d tokens",
                         SNUG_VOCABULARY_MAX);
    }
    SNUG_TRY(snug_arena_array(scratch, lines, sizeof *out->words, &memory, err));
    out->words = memory;
    out->last_counts = true;
    while (at < bytes) {
        int64_t next = at;
        const int64_t length = line_bytes(data, bytes, at, &next);
        const int32_t id = (int32_t)out->word_count;
        out->words[out->word_count++] = (snug_token_word){data + at, (int32_t)length, id};
        at = next;
    }
    return SNUG_OK;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text);
    const size_t tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Reads one file into the scratch and says its path in every message. */
static snug_status read_part(const char *path, bool config, snug_arena *scratch,
                             snug_wordpiece_text *text, snug_error *err)
{
    const char *data = NULL;
    int64_t bytes = 0;
    snug_status status = SNUG_OK;
    SNUG_TRY(snug_file_read_all(path, SNUG_TOKENIZER_FILE_BYTES_MAX, scratch, &data, &bytes, err));
    if (config) {
        status = snug_wordpiece_read_config(data, bytes, text->last_counts, scratch, text, err);
    } else if (ends_with(path, ".json")) {
        status = snug_wordpiece_read_json(data, bytes, scratch, text, err);
    } else {
        status = snug_wordpiece_read_lines(data, bytes, scratch, text, err);
    }
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

/* Which file of the folder holds the vocabulary. */
static snug_status choose_file(const char *folder, char path[SNUG_PATH_BYTES], snug_error *err)
{
    static const char *const others[] = {"vocab.json", "merges.txt", "spiece.model",
                                         "sentencepiece.bpe.model", "tokenizer.model"};
    if (has_file(folder, "tokenizer.json", path) || has_file(folder, "vocab.txt", path)) {
        return SNUG_OK;
    }
    for (int64_t i = 0; i < SNUG_COUNT(others); i++) {
        if (has_file(folder, others[i], path)) {
            return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                             "'%s' belongs to another kind of tokenizer than WordPiece", path);
        }
    }
    return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "'%s' has neither a tokenizer.json nor a vocab.txt",
                     folder);
}

static snug_status open_path(const char *folder_or_file, snug_arena *scratch, snug_arena *arena,
                             snug_wordpiece **out, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    char config[SNUG_PATH_BYTES];
    snug_wordpiece_text text;
    const bool folder = snug_path_look(folder_or_file) == SNUG_PATH_FOLDER;
    const char *file = folder_or_file;
    SNUG_TRY(start_text(folder_or_file, scratch, &text, err));
    if (folder) {
        SNUG_TRY(choose_file(folder_or_file, path, err));
        file = path;
    }
    SNUG_TRY(read_part(file, false, scratch, &text, err));
    if (folder && has_file(folder_or_file, "tokenizer_config.json", config)) {
        SNUG_TRY(read_part(config, true, scratch, &text, err));
    }
    const snug_status status = snug_wordpiece_build(&text, scratch, arena, out, err);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "'%s'", file);
        return snug_error_pass(err, status, __FILE__, __LINE__);
    }
    return SNUG_OK;
}

snug_status snug_wordpiece_open(const char *folder_or_file, snug_arena *arena, snug_wordpiece **out,
                                snug_error *err)
{
    snug_arena scratch;
    snug_heap_arena_init(&scratch, "tokenizer", SNUG_CATEGORY_DATA, SCRATCH_BLOCK_BYTES);
    const snug_status status = open_path(folder_or_file, &scratch, arena, out, err);
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_DATA);
    return status;
}

static snug_status open_json(const char *name, const char *data, int64_t bytes, snug_arena *scratch,
                             snug_arena *arena, snug_wordpiece **out, snug_error *err)
{
    snug_wordpiece_text text;
    SNUG_TRY(start_text(name, scratch, &text, err));
    SNUG_TRY(snug_wordpiece_read_json(data, bytes, scratch, &text, err));
    SNUG_TRY(snug_wordpiece_build(&text, scratch, arena, out, err));
    return SNUG_OK;
}

snug_status snug_wordpiece_open_json(const char *name, const char *data, int64_t bytes,
                                     snug_arena *arena, snug_wordpiece **out, snug_error *err)
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
