/* The texts of a session: which file is which part, their labels, and their tokens on disk. */
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "sys/heap.h"
#include "sys/kept.h"
#include "train/text_session.h"

enum { BLOCK_BYTES = 256 << 10, TOKENIZER_FILES = 5 };

/** What preparing takes for a while; all of it is given back. */
typedef struct text_work {
    snug_arena arena;
    snug_tokenizer *tokenizer;
    const char *reading; /* The settings that decide how rows are read. */
} text_work;

static snug_text_options options_of(const snug_settings *s, const char *path)
{
    return (snug_text_options){.path = path,
                               .format = s->data_format,
                               .text_field = s->data_text_field,
                               .text_pair_field = s->data_pair_field,
                               .label_field = s->data_label_field};
}

/** The first of NAME.csv, NAME.tsv, ... that there is in the folder; "" when there is none. */
static snug_status look_for(const char *folder, const char *const *names, char out[SNUG_PATH_BYTES],
                            snug_error *err)
{
    static const char *const endings[] = {"csv", "tsv", "jsonl", "json", "txt"};
    out[0] = '\0';
    for (int64_t i = 0; names[i] != NULL; i++) {
        for (int64_t k = 0; k < SNUG_COUNT(endings); k++) {
            char name[64], path[SNUG_PATH_BYTES];
            (void)snprintf(name, sizeof name, "%s.%s", names[i], endings[k]);
            SNUG_TRY(snug_path_join(folder, name, path, err));
            if (snug_path_look(path) == SNUG_PATH_FILE) {
                memcpy(out, path, sizeof path);
                return SNUG_OK;
            }
        }
    }
    return SNUG_OK;
}

static snug_status set_path(snug_text_set *set, const char *path, snug_error *err)
{
    const size_t bytes = strlen(path);
    if (bytes >= sizeof set->path) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the path '%s' is too long", path);
    }
    memcpy(set->path, path, bytes + 1);
    return SNUG_OK;
}

/** Fills the paths of the parts. */
static snug_status find_texts(const snug_session *session, snug_text_own *own, snug_error *err)
{
    static const char *const train[] = {"train", "training", NULL};
    static const char *const valid[] = {"validation", "valid", "val", "dev", NULL};
    static const char *const test[] = {"test", NULL};
    const snug_settings *s = &session->settings;
    snug_text_set *sets = own->sets;
    if (s->data_path[0] == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "data.path is not set: add data.path=FILE (CSV, TSV or JSONL), or a "
                         "folder with train.csv");
    }
    const bool folder = snug_path_look(s->data_path) == SNUG_PATH_FOLDER;
    if (session->evaluate_all && !folder) {
        return set_path(&sets[SNUG_TEXT_VALIDATION], s->data_path, err);
    }
    own->together = session->evaluate_all;
    if (folder) {
        SNUG_TRY(look_for(s->data_path, train, sets[SNUG_TEXT_TRAIN].path, err));
        SNUG_TRY(look_for(s->data_path, valid, sets[SNUG_TEXT_VALIDATION].path, err));
        SNUG_TRY(look_for(s->data_path, test, sets[SNUG_TEXT_TEST].path, err));
        if (sets[SNUG_TEXT_TRAIN].path[0] == '\0' &&
            (!own->together || (sets[SNUG_TEXT_VALIDATION].path[0] == '\0' &&
                                sets[SNUG_TEXT_TEST].path[0] == '\0'))) {
            return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                             "'%s' holds no train.csv, train.tsv, train.jsonl or train.txt",
                             s->data_path);
        }
    } else {
        SNUG_TRY(set_path(&sets[SNUG_TEXT_TRAIN], s->data_path, err));
    }
    if (s->data_valid_path[0] != '\0') {
        SNUG_TRY(set_path(&sets[SNUG_TEXT_VALIDATION], s->data_valid_path, err));
    }
    if (s->data_test_path[0] != '\0') {
        SNUG_TRY(set_path(&sets[SNUG_TEXT_TEST], s->data_test_path, err));
    }
    return SNUG_OK;
}

/** Every label of `from` is one of `in`. */
static bool has_all(const snug_labels *in, const snug_labels *from)
{
    bool all = true;
    for (int64_t i = 0; i < from->count; i++) {
        all = all && snug_labels_find(in, from->names[i], (int64_t)strlen(from->names[i])) >= 0;
    }
    return all;
}

/** Labels of the training texts, in the order of the model's own where it knows the same names. */
static snug_status collect_labels(snug_session *session, snug_text_own *own, snug_arena *work,
                                  snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_text_reader *reader = NULL;
    snug_text_options options = options_of(&session->settings, own->sets[SNUG_TEXT_TRAIN].path);
    snug_labels named = {0};
    options.need_label = true;
    SNUG_TRY(snug_text_reader_open(&options, work, &reader, err));
    SNUG_TRY_DONE(snug_labels_collect(reader, &session->index_arena, &own->labels, NULL, err));
    if (own->config.labels_are_named && own->config.num_labels == own->labels.count) {
        SNUG_TRY_DONE(snug_labels_from_names(own->config.labels, own->config.num_labels,
                                             &session->index_arena, &named, err));
        own->labels = has_all(&named, &own->labels) ? named : own->labels;
    }

done:
    snug_text_reader_close(reader);
    return status;
}

static snug_status choose_labels(snug_session *session, snug_text_own *own, snug_arena *work,
                                 snug_error *err)
{
    const snug_settings *s = &session->settings;
    own->labels = (snug_labels){0};
    if (session->checkpoint[0] != '\0') {
        return snug_labels_from_names(own->config.labels, own->config.num_labels,
                                      &session->index_arena, &own->labels, err);
    }
    if (s->data_label_map[0] != '\0') {
        SNUG_TRY(snug_labels_load(s->data_label_map, &session->index_arena, &own->labels, err));
    } else {
        SNUG_TRY(collect_labels(session, own, work, err));
    }
    return snug_labels_check_training(&own->labels, own->sets[SNUG_TEXT_TRAIN].path, err);
}

/** One number for all that decides the ids. */
static snug_status hash_tokenizer(const char *folder, snug_arena *arena, uint64_t *out,
                                  snug_error *err)
{
    static const char *const names[TOKENIZER_FILES] = {
        "tokenizer.json", "vocab.txt", "tokenizer_config.json", "vocab.json", "merges.txt"};
    uint64_t hash = 0;
    for (int64_t i = 0; i < TOKENIZER_FILES; i++) {
        char path[SNUG_PATH_BYTES];
        const char *data = NULL;
        int64_t bytes = 0;
        const snug_mark start = snug_arena_mark(arena);
        SNUG_TRY(snug_path_join(folder, names[i], path, err));
        if (snug_path_look(path) == SNUG_PATH_FILE) {
            SNUG_TRY(
                snug_file_read_all(path, SNUG_TOKENIZER_FILE_BYTES_MAX, arena, &data, &bytes, err));
            hash = snug_hash64(data, bytes, hash + (uint64_t)i + 1);
        }
        snug_arena_rewind(arena, start);
    }
    *out = hash;
    return SNUG_OK;
}

static snug_status open_tokenizer(snug_text_own *own, text_work *work, snug_error *err)
{
    SNUG_TRY(hash_tokenizer(own->folder, &work->arena, &own->tokenizer_hash, err));
    SNUG_TRY(snug_tokenizer_open(own->folder, &work->arena, &work->tokenizer, err));
    own->tokenizer = *snug_tokenizer_facts_of(work->tokenizer);
    if (own->tokenizer.vocabulary_size > own->config.vocab_size) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "the vocabulary in '%s' has ids up to %lld, its config.json vocab_size "
                         "%lld: they are not of one model",
                         own->folder, (long long)own->tokenizer.vocabulary_size - 1,
                         (long long)own->config.vocab_size);
    }
    return SNUG_OK;
}

/** Adds one row's sample. */
static snug_status add_row(const snug_text_own *own, const text_work *work,
                           const snug_text_reader *reader, const snug_text_row *row, int32_t *ids,
                           int64_t max_length, snug_token_writer *writer, snug_error *err)
{
    int64_t count = 0, first = 0;
    int32_t label = -1;
    snug_status status = snug_labels_of_row(&own->labels, reader, row, &label, err);
    if (snug_failed(status)) {
        return status;
    }
    if (row->pair.text != NULL) {
        status =
            snug_tokenizer_pair(work->tokenizer, row->text.text, row->text.bytes, row->pair.text,
                                row->pair.bytes, ids, max_length, &first, &count, err);
    } else {
        status = snug_tokenizer_single(work->tokenizer, row->text.text, row->text.bytes, ids,
                                       max_length, &count, err);
        first = count;
    }
    if (snug_failed(status)) {
        return snug_error_prefix(err, "%s:%lld: ", snug_text_reader_name(reader),
                                 (long long)row->line);
    }
    return snug_token_writer_add(writer, ids, (int32_t)count, label, (int32_t)first, err);
}

/** Reads a text from its beginning to its end and writes its tokens. `ids` has the longest. */
static snug_status add_rows(snug_session *session, const snug_text_own *own, text_work *work,
                            const char *path, bool need_label, int32_t *ids,
                            snug_token_writer *writer, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(&work->arena);
    snug_text_options options = options_of(&session->settings, path);
    snug_text_reader *reader = NULL;
    bool more = true;
    options.need_label = need_label;
    SNUG_TRY_DONE(snug_text_reader_open(&options, &work->arena, &reader, err));
    while (more) {
        snug_text_row row;
        SNUG_TRY_DONE(snug_text_reader_next(reader, &row, &more, err));
        if (more) {
            SNUG_TRY_DONE(add_row(own, work, reader, &row, ids, session->settings.data_max_length,
                                  writer, err));
        }
    }

done:
    snug_text_reader_close(reader);
    snug_arena_rewind(&work->arena, start);
    return status;
}

/** The tokens of a set's text, or of all texts one after the other when they go together. */
static snug_status tokenise(snug_session *session, const snug_text_own *own, text_work *work,
                            const snug_text_set *set, const char *key, bool need_label,
                            snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(&work->arena);
    const int64_t max_length = session->settings.data_max_length;
    snug_token_writer writer = {0};
    void *memory = NULL;
    const snug_token_writer_options target = {.path = set->tokens,
                                              .key = key,
                                              .id_count = own->config.vocab_size,
                                              .max_length = (int32_t)max_length,
                                              .label_count = (int32_t)own->labels.count};
    SNUG_TRY_DONE(snug_arena_array(&work->arena, max_length, sizeof(int32_t), &memory, err));
    SNUG_TRY_DONE(snug_token_writer_open(&target, &work->arena, &writer, err));
    for (int32_t part = 0; part < SNUG_TEXT_PART_COUNT; part++) {
        const snug_text_set *const from = &own->sets[part];
        if (from->path[0] != '\0' && (own->together || from == set)) {
            SNUG_TRY_DONE(
                add_rows(session, own, work, from->path, need_label, memory, &writer, err));
        }
    }
    SNUG_TRY_DONE(snug_token_writer_commit(&writer, err));

done:
    snug_token_writer_abort(&writer);
    snug_arena_rewind(&work->arena, start);
    return status;
}

/** Where the tokens of a text are kept: data.cache_dir, the user's cache, else the run's folder. */
static snug_status choose_place(const snug_session *session, snug_text_set *set, const char *key,
                                snug_error *err)
{
    char name[96], folder[SNUG_PATH_BYTES];
    const char *own = session->settings.data_cache_dir;
    if (set->temporary) {
        (void)snprintf(name, sizeof name, "%.24s-%ld.tokens", key, (long)snug_process_id());
    } else {
        (void)snprintf(name, sizeof name, "%.24s.tokens", key);
    }
    if (own[0] != '\0') {
        memcpy(folder, own, strlen(own) + 1);
    } else if (!snug_cache_path("tokens", folder)) {
        return SNUG_FAIL(err, SNUG_CODE_CONFIG,
                         "there is no place for the tokens of '%s': set data.cache_dir=FOLDER",
                         set->path);
    }
    SNUG_TRY(snug_folder_make(folder, err));
    return snug_path_join(folder, name, set->tokens, err);
}

/** A text's tokens: those of an earlier run, else made now. */
static snug_status prepare(snug_session *session, snug_text_own *own, text_work *work,
                           snug_text_set *set, bool need_label, snug_error *err)
{
    char key[SNUG_TOKEN_KEY_BYTES];
    snug_error ignored = {0};
    const snug_token_key_parts parts = {.path = set->path,
                                        .reading = work->reading,
                                        .tokenizer_hash = own->tokenizer_hash,
                                        .label_hash = snug_labels_hash(&own->labels),
                                        .max_length = session->settings.data_max_length};
    set->temporary = own->together || strcmp(set->path, "-") == 0;
    if (set->temporary) { /* A pipe has nothing to be known by, and nobody asks again. */
        memset(key, '0', sizeof key - 1);
        key[sizeof key - 1] = '\0';
    } else {
        SNUG_TRY(snug_token_key(&parts, key, err));
    }
    SNUG_TRY(choose_place(session, set, key, err));
    if (!set->temporary &&
        snug_token_file_open(set->tokens, key, &work->arena, &set->file, &ignored) == SNUG_OK) {
        /* Made once for training without labels it would not know that one is missing. */
        if (!need_label || set->file.header.labelled == set->file.header.count) {
            return SNUG_OK;
        }
        snug_token_file_close(&set->file);
    }
    SNUG_TRY(tokenise(session, own, work, set, key, need_label, err));
    return snug_token_file_open(set->tokens, key, &work->arena, &set->file, err);
}

snug_status snug_text_data_open(snug_session *session, snug_text_own *own, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_settings *s = &session->settings;
    char reading[4 * SNUG_SETTING_TEXT_BYTES];
    text_work work = {.reading = reading};
    snug_text_data_close(own);
    SNUG_TRY(find_texts(session, own, err));
    (void)snprintf(reading, sizeof reading, "%s|%s|%s|%s", s->data_format, s->data_text_field,
                   s->data_pair_field, s->data_label_field);
    snug_heap_arena_init(&work.arena, "text", SNUG_CATEGORY_RUNTIME, BLOCK_BYTES);
    SNUG_TRY_DONE(open_tokenizer(own, &work, err));
    SNUG_TRY_DONE(choose_labels(session, own, &work.arena, err));
    if (own->together) {
        SNUG_TRY_DONE(prepare(session, own, &work, &own->sets[SNUG_TEXT_VALIDATION],
                              session->purpose != SNUG_PURPOSE_PREDICT, err));
        own->sets[SNUG_TEXT_TRAIN].path[0] = '\0';
        own->sets[SNUG_TEXT_TEST].path[0] = '\0';
        SNUG_TRY_DONE(set_path(&own->sets[SNUG_TEXT_VALIDATION], s->data_path, err));
    }
    for (int32_t part = 0; part < SNUG_TEXT_PART_COUNT && !own->together; part++) {
        if (own->sets[part].path[0] != '\0') {
            /* To predict no label is needed, to train and to judge every row has one. */
            SNUG_TRY_DONE(prepare(session, own, &work, &own->sets[part],
                                  session->purpose != SNUG_PURPOSE_PREDICT, err));
        }
    }

done:
    snug_heap_arena_deinit(&work.arena, SNUG_CATEGORY_RUNTIME);
    return status;
}

void snug_text_data_close(snug_text_own *own)
{
    for (int32_t part = 0; part < SNUG_TEXT_PART_COUNT; part++) {
        snug_text_set *set = &own->sets[part];
        snug_token_file_close(&set->file);
        if (set->temporary && set->tokens[0] != '\0') {
            const snug_status removed = snug_file_remove(set->tokens, NULL);
            SNUG_UNUSED(removed);
        }
        *set = (snug_text_set){0};
    }
}
