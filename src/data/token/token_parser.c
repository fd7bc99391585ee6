#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "data/token/token_parser.h"

bool snug_token_is(const snug_json_event *event, const char *text)
{
    return event->text_bytes == (int64_t)strlen(text) &&
           memcmp(event->text, text, (size_t)event->text_bytes) == 0;
}

snug_status snug_token_wrong(const snug_json_event *event, const char *key, const char *wanted,
                             snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_FORMAT, "\"%s\" should be %s at byte %lld", key, wanted,
                     (long long)event->offset);
}

snug_status snug_token_next_key(snug_token_parser *p, snug_json_event *out_key, bool *out_more,
                                snug_error *err)
{
    SNUG_TRY(snug_json_next(&p->reader, out_key, err));
    *out_more = out_key->kind == SNUG_JSON_KEY;
    return SNUG_OK;
}

snug_status snug_token_begin_object(snug_token_parser *p, const char *key, bool *out_there,
                                    snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_OBJECT_BEGIN && event.kind != SNUG_JSON_NULL) {
        return snug_token_wrong(&event, key, "an object", err);
    }
    *out_there = event.kind == SNUG_JSON_OBJECT_BEGIN;
    return SNUG_OK;
}

snug_status snug_token_read_switch(snug_token_parser *p, const char *key, snug_said *out,
                                   snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind == SNUG_JSON_TRUE || event.kind == SNUG_JSON_FALSE) {
        *out = event.kind == SNUG_JSON_TRUE ? SNUG_SAID_YES : SNUG_SAID_NO;
    } else if (event.kind == SNUG_JSON_NULL) {
        *out = SNUG_SAID_NOTHING;
    } else {
        return snug_token_wrong(&event, key, "true or false", err);
    }
    return SNUG_OK;
}

snug_status snug_token_read_bool(snug_token_parser *p, const char *key, bool *out, snug_error *err)
{
    snug_said said = SNUG_SAID_NOTHING;
    SNUG_TRY(snug_token_read_switch(p, key, &said, err));
    *out = said == SNUG_SAID_NOTHING ? *out : said == SNUG_SAID_YES;
    return SNUG_OK;
}

snug_status snug_token_keep_string(snug_token_parser *p, const snug_json_event *event,
                                   const char *key, const char **out, int64_t *out_bytes,
                                   snug_error *err)
{
    void *memory = NULL;
    if (event->kind != SNUG_JSON_STRING && event->kind != SNUG_JSON_KEY) {
        return snug_token_wrong(event, key, "a string", err);
    }
    if (memchr(event->text, '\\', (size_t)event->text_bytes) == NULL) {
        *out = event->text;
        *out_bytes = event->text_bytes;
        return SNUG_OK;
    }
    SNUG_TRY(snug_arena_alloc(p->scratch, event->text_bytes + 1, &memory, err));
    SNUG_TRY(snug_json_unescape(event, memory, event->text_bytes + 1, err));
    *out = memory;
    *out_bytes = (int64_t)strlen(*out);
    return SNUG_OK;
}

snug_status snug_token_keep_name(snug_token_parser *p, const snug_json_event *event,
                                 const char *key, const char **out, snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    if (event->kind == SNUG_JSON_NULL) {
        return SNUG_OK;
    }
    if (event->kind != SNUG_JSON_STRING) {
        return snug_token_wrong(event, key, "a string", err);
    }
    SNUG_TRY(snug_json_unescape(event, name, sizeof name, err));
    if (name[0] == '\0') {
        return snug_token_wrong(event, key, "a string that is not empty", err);
    }
    SNUG_TRY(snug_arena_text(p->scratch, name, out, err));
    return SNUG_OK;
}

snug_status snug_token_read_name(snug_token_parser *p, const char *key, const char **out,
                                 snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    SNUG_TRY(snug_token_keep_name(p, &event, key, out, err));
    return SNUG_OK;
}

/* ---- The vocabulary ---- */

snug_status snug_token_read_words(snug_token_parser *p, const snug_json_event *begin,
                                  snug_error *err)
{
    snug_tokenizer_text *const text = p->text;
    snug_json_event event;
    int64_t count = 0;
    void *memory = NULL;
    if (begin->kind == SNUG_JSON_ARRAY_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "the vocabulary is a list (Unigram); only WordPiece and BPE are read");
    }
    if (begin->kind != SNUG_JSON_OBJECT_BEGIN || text->words != NULL) {
        return snug_token_wrong(begin, "vocab", "one object", err);
    }
    SNUG_TRY(snug_json_count_pairs(&p->reader, &count, err));
    if (count > SNUG_VOCABULARY_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "there are %lld tokens; the limit is %d",
                         (long long)count, SNUG_VOCABULARY_MAX);
    }
    SNUG_TRY(snug_arena_array(p->scratch, count, sizeof *text->words, &memory, err));
    text->words = memory;
    for (int64_t i = 0; i < count; i++) {
        int64_t bytes = 0;
        int64_t id = 0;
        snug_token_word word = {0};
        SNUG_TRY(snug_json_next(&p->reader, &event, err));
        SNUG_TRY(snug_token_keep_string(p, &event, "vocab", &word.text, &bytes, err));
        SNUG_TRY(snug_json_next(&p->reader, &event, err));
        SNUG_TRY(snug_json_to_i64(&event, &id, err));
        if (id < 0 || id >= SNUG_VOCABULARY_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                             "a token at byte %lld has id %lld; ids go from 0 to %d",
                             (long long)event.offset, (long long)id, SNUG_VOCABULARY_MAX - 1);
        }
        word.bytes = (int32_t)bytes;
        word.id = (int32_t)id;
        text->words[text->word_count++] = word;
    }
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    return SNUG_OK;
}

/* ---- Added tokens ---- */

static snug_status read_added_fields(snug_token_parser *p, snug_token_entry *entry, bool *out_id,
                                     snug_error *err)
{
    const struct {
        const char *key;
        bool *out;
    } switches[] = {{"single_word", &entry->single_word},
                    {"lstrip", &entry->left_strip},
                    {"rstrip", &entry->right_strip},
                    {"normalized", &entry->normalised}};
    snug_json_event key;
    bool more = true;
    while (more) {
        int64_t number = 0;
        SNUG_TRY(snug_token_next_key(p, &key, &more, err));
        if (!more) {
            break;
        }
        if (snug_token_is(&key, "content")) {
            SNUG_TRY(snug_json_next(&p->reader, &key, err));
            SNUG_TRY(snug_token_keep_string(p, &key, "content", &entry->word.text, &number, err));
            entry->word.bytes = (int32_t)number;
        } else if (snug_token_is(&key, "id")) {
            SNUG_TRY(snug_json_next(&p->reader, &key, err));
            SNUG_TRY(snug_json_to_i64(&key, &number, err));
            entry->word.id = number < 0 || number >= SNUG_VOCABULARY_MAX ? -1 : (int32_t)number;
            *out_id = true;
        } else {
            bool read = false;
            for (int64_t i = 0; i < SNUG_COUNT(switches) && !read; i++) {
                if (snug_token_is(&key, switches[i].key)) {
                    SNUG_TRY(snug_token_read_bool(p, switches[i].key, switches[i].out, err));
                    read = true;
                }
            }
            if (!read) {
                SNUG_TRY(snug_json_skip(&p->reader, err));
            }
        }
    }
    return SNUG_OK;
}

snug_status snug_token_read_added(snug_token_parser *p, int64_t offset, int64_t id, snug_error *err)
{
    snug_tokenizer_text *const text = p->text;
    snug_token_entry entry = {.word.id = (int32_t)id};
    bool has_id = id >= 0;
    SNUG_TRY(read_added_fields(p, &entry, &has_id, err));
    if (entry.word.text == NULL || !has_id || entry.word.id < 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "an added token at byte %lld needs \"content\" and an \"id\" from 0 to %d",
                         (long long)offset, SNUG_VOCABULARY_MAX - 1);
    }
    if (entry.word.bytes == 0) {
        return SNUG_OK;
    }
    if (text->added_count == SNUG_ADDED_TOKENS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "there are more than %d added tokens",
                         SNUG_ADDED_TOKENS_MAX);
    }
    text->added[text->added_count++] = entry;
    return SNUG_OK;
}

/* ---- Whole files ---- */

snug_status snug_token_begin_file(snug_token_parser *p, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the file should be a JSON object");
    }
    return SNUG_OK;
}

snug_status snug_token_end_file(snug_token_parser *p, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    SNUG_ASSERT(event.kind == SNUG_JSON_END);
    return SNUG_OK;
}
