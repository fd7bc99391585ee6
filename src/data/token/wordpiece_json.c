#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/json.h"
#include "data/token/wordpiece_internal.h"

/* A tokenizer.json or tokenizer_config.json in work. */
typedef struct parser {
    snug_json_reader reader;
    snug_arena *scratch;
    snug_wordpiece_text *text;
} parser;

static bool is_text(const snug_json_event *event, const char *text)
{
    return event->text_bytes == (int64_t)strlen(text) &&
           memcmp(event->text, text, (size_t)event->text_bytes) == 0;
}

static bool is_value(const snug_json_event *event, const char *text)
{
    return event->kind == SNUG_JSON_STRING && is_text(event, text);
}

static snug_status wrong(const snug_json_event *event, const char *key, const char *wanted,
                         snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_FORMAT, "\"%s\" should be %s at byte %lld", key, wanted,
                     (long long)event->offset);
}

/* The next key of an object; END of the object ends the loop of the caller. */
static snug_status next_key(parser *p, snug_json_event *out_key, bool *out_more, snug_error *err)
{
    SNUG_TRY(snug_json_next(&p->reader, out_key, err));
    *out_more = out_key->kind == SNUG_JSON_KEY;
    return SNUG_OK;
}

/* Begins an object; *out_there = false for null. */
static snug_status begin_object(parser *p, const char *key, bool *out_there, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_OBJECT_BEGIN && event.kind != SNUG_JSON_NULL) {
        return wrong(&event, key, "an object", err);
    }
    *out_there = event.kind == SNUG_JSON_OBJECT_BEGIN;
    return SNUG_OK;
}

static snug_status read_switch(parser *p, const char *key, snug_said *out, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind == SNUG_JSON_TRUE || event.kind == SNUG_JSON_FALSE) {
        *out = event.kind == SNUG_JSON_TRUE ? SNUG_SAID_YES : SNUG_SAID_NO;
    } else if (event.kind == SNUG_JSON_NULL) {
        *out = SNUG_SAID_NOTHING;
    } else {
        return wrong(&event, key, "true or false", err);
    }
    return SNUG_OK;
}

static snug_status read_bool(parser *p, const char *key, bool *out, snug_error *err)
{
    snug_said said = SNUG_SAID_NOTHING;
    SNUG_TRY(read_switch(p, key, &said, err));
    *out = said == SNUG_SAID_NOTHING ? *out : said == SNUG_SAID_YES;
    return SNUG_OK;
}

/* A string without its escapes: a view where there are none, else in the scratch. */
static snug_status keep_string(parser *p, const snug_json_event *event, const char *key,
                               const char **out, int64_t *out_bytes, snug_error *err)
{
    void *memory = NULL;
    if (event->kind != SNUG_JSON_STRING && event->kind != SNUG_JSON_KEY) {
        return wrong(event, key, "a string", err);
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

/* A short name, ended by a zero; null leaves *out as it is. */
static snug_status keep_name(parser *p, const snug_json_event *event, const char *key,
                             const char **out, snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    if (event->kind == SNUG_JSON_NULL) {
        return SNUG_OK;
    }
    if (event->kind != SNUG_JSON_STRING) {
        return wrong(event, key, "a string", err);
    }
    SNUG_TRY(snug_json_unescape(event, name, sizeof name, err));
    if (name[0] == '\0') {
        return wrong(event, key, "a string that is not empty", err);
    }
    SNUG_TRY(snug_arena_text(p->scratch, name, out, err));
    return SNUG_OK;
}

static snug_status read_name(parser *p, const char *key, const char **out, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    SNUG_TRY(keep_name(p, &event, key, out, err));
    return SNUG_OK;
}

/* ---- The vocabulary ---- */

static snug_status count_pairs(snug_json_reader reader, int64_t *out_count, snug_error *err)
{
    int64_t count = 0;
    for (;;) {
        snug_json_event event;
        SNUG_TRY(snug_json_next(&reader, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            break;
        }
        SNUG_TRY(snug_json_skip(&reader, err));
        count++;
    }
    *out_count = count;
    return SNUG_OK;
}

static snug_status read_vocabulary(parser *p, snug_error *err)
{
    snug_wordpiece_text *const text = p->text;
    snug_json_event event;
    int64_t count = 0;
    void *memory = NULL;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind == SNUG_JSON_ARRAY_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "the vocabulary is a list (Unigram); only WordPiece is read here");
    }
    if (event.kind != SNUG_JSON_OBJECT_BEGIN || text->words != NULL) {
        return wrong(&event, "vocab", "one object", err);
    }
    SNUG_TRY(count_pairs(p->reader, &count, err));
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
        SNUG_TRY(keep_string(p, &event, "vocab", &word.text, &bytes, err));
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

static snug_status read_model(parser *p, snug_error *err)
{
    snug_json_event key;
    bool more = false;
    SNUG_TRY(begin_object(p, "model", &more, err));
    while (more) {
        SNUG_TRY(next_key(p, &key, &more, err));
        if (!more) {
            break;
        }
        if (is_text(&key, "type")) {
            const char *type = "WordPiece";
            SNUG_TRY(read_name(p, "type", &type, err));
            if (strcmp(type, "WordPiece") != 0) {
                return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                                 "a tokenizer of type '%s'; only WordPiece is read here", type);
            }
        } else if (is_text(&key, "merges")) {
            return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                             "a tokenizer with merges (BPE); only WordPiece is read here");
        } else if (is_text(&key, "vocab")) {
            SNUG_TRY(read_vocabulary(p, err));
        } else if (is_text(&key, "unk_token")) {
            SNUG_TRY(read_name(p, "unk_token", &p->text->unknown, err));
        } else if (is_text(&key, "continuing_subword_prefix")) {
            SNUG_TRY(read_name(p, "continuing_subword_prefix", &p->text->prefix, err));
        } else if (is_text(&key, "max_input_chars_per_word")) {
            SNUG_TRY(snug_json_next(&p->reader, &key, err));
            SNUG_TRY(snug_json_to_i64(&key, &p->text->word_characters_max, err));
        } else {
            SNUG_TRY(snug_json_skip(&p->reader, err));
        }
    }
    return SNUG_OK;
}

/* ---- Normaliser, splitter, template ---- */

static snug_status read_normalizer(parser *p, snug_error *err)
{
    snug_wordpiece_text *const text = p->text;
    snug_json_event key;
    bool more = false;
    SNUG_TRY(begin_object(p, "normalizer", &more, err));
    if (!more) {
        text->clean_text = text->chinese_apart = text->lower_case = false;
    }
    while (more) {
        SNUG_TRY(next_key(p, &key, &more, err));
        if (!more) {
            break;
        }
        if (is_text(&key, "type")) {
            const char *type = "none";
            SNUG_TRY(read_name(p, "type", &type, err));
            if (strcmp(type, "BertNormalizer") != 0) {
                return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                                 "a normalizer of type '%s'; only BertNormalizer is read", type);
            }
        } else if (is_text(&key, "clean_text")) {
            SNUG_TRY(read_bool(p, "clean_text", &text->clean_text, err));
        } else if (is_text(&key, "handle_chinese_chars")) {
            SNUG_TRY(read_bool(p, "handle_chinese_chars", &text->chinese_apart, err));
        } else if (is_text(&key, "strip_accents")) {
            SNUG_TRY(read_switch(p, "strip_accents", &text->strip_accents, err));
        } else if (is_text(&key, "lowercase")) {
            SNUG_TRY(read_bool(p, "lowercase", &text->lower_case, err));
        } else {
            SNUG_TRY(snug_json_skip(&p->reader, err));
        }
    }
    return SNUG_OK;
}

static snug_status read_splitter(parser *p, snug_error *err)
{
    const char *type = "none";
    snug_json_event key;
    bool more = false;
    SNUG_TRY(begin_object(p, "pre_tokenizer", &more, err));
    while (more) {
        SNUG_TRY(next_key(p, &key, &more, err));
        if (more && is_text(&key, "type")) {
            SNUG_TRY(read_name(p, "type", &type, err));
        } else if (more) {
            SNUG_TRY(snug_json_skip(&p->reader, err));
        }
    }
    if (strcmp(type, "BertPreTokenizer") != 0) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "a pre_tokenizer of type '%s'; only BertPreTokenizer is read", type);
    }
    return SNUG_OK;
}

/*
 * The list of a template: its special tokens and texts in order as letters, "SAS" for
 * [CLS] A [SEP]; the names of the first two special tokens.
 */
static snug_status read_template(parser *p, char letters[8], const char *names[2], snug_error *err)
{
    int32_t count = 0;
    int32_t specials = 0;
    bool special = false;
    const int32_t depth = p->reader.depth;
    snug_json_event event;
    do {
        SNUG_TRY(snug_json_next(&p->reader, &event, err));
        if (event.kind == SNUG_JSON_ARRAY_BEGIN && p->reader.depth == depth + 1) {
            letters[0] = '\0';
        }
        if (event.kind != SNUG_JSON_KEY) {
            continue;
        }
        if (is_text(&event, "SpecialToken") || is_text(&event, "Sequence")) {
            special = is_text(&event, "SpecialToken");
            continue;
        }
        const bool id = is_text(&event, "id");
        SNUG_TRY(snug_json_next(&p->reader, &event, err));
        if (!id || count == 7) {
            continue;
        }
        letters[count++] = special ? 'S' : is_value(&event, "A") ? 'A' : 'B';
        letters[count] = '\0';
        if (special && specials < 2) {
            SNUG_TRY(keep_name(p, &event, "id", &names[specials++], err));
        }
    } while (p->reader.depth > depth);
    return SNUG_OK;
}

/* BertProcessing has its tokens as ["[SEP]", 102]. */
static snug_status read_listed_name(parser *p, const char *key, const char **out, snug_error *err)
{
    snug_json_event event;
    const int32_t depth = p->reader.depth;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    while (p->reader.depth > depth) {
        SNUG_TRY(snug_json_next(&p->reader, &event, err));
        if (event.kind == SNUG_JSON_STRING) {
            SNUG_TRY(keep_name(p, &event, key, out, err));
        }
    }
    return SNUG_OK;
}

static snug_status read_processor(parser *p, snug_error *err)
{
    snug_wordpiece_text *const text = p->text;
    char single[8] = "SAS";
    char pair[8] = "SASBS";
    const char *names[2] = {text->start, text->end};
    const char *unused[2];
    const char *type = "TemplateProcessing";
    snug_json_event key;
    bool more = false;
    SNUG_TRY(begin_object(p, "post_processor", &more, err));
    while (more) {
        SNUG_TRY(next_key(p, &key, &more, err));
        if (!more) {
            break;
        }
        if (is_text(&key, "type")) {
            SNUG_TRY(read_name(p, "type", &type, err));
        } else if (is_text(&key, "single")) {
            SNUG_TRY(read_template(p, single, names, err));
        } else if (is_text(&key, "pair")) {
            SNUG_TRY(read_template(p, pair, unused, err));
        } else if (is_text(&key, "cls")) {
            SNUG_TRY(read_listed_name(p, "cls", &names[0], err));
        } else if (is_text(&key, "sep")) {
            SNUG_TRY(read_listed_name(p, "sep", &names[1], err));
        } else {
            SNUG_TRY(snug_json_skip(&p->reader, err));
        }
    }
    if ((strcmp(type, "TemplateProcessing") != 0 && strcmp(type, "BertProcessing") != 0) ||
        strcmp(single, "SAS") != 0 || strcmp(pair, "SASBS") != 0) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "a post_processor that is not BERT's [CLS] A [SEP] B [SEP] (type '%s')",
                         type);
    }
    text->start = names[0];
    text->end = names[1];
    return SNUG_OK;
}

/* ---- Added tokens ---- */

typedef struct added_switches {
    bool single_word;
    bool normalized;
    bool has_id;
} added_switches;

/* The object of one token, which has begun. */
static snug_status read_added_fields(parser *p, snug_token_entry *entry, added_switches *said,
                                     snug_error *err)
{
    snug_json_event key;
    bool more = true;
    while (more) {
        int64_t number = 0;
        SNUG_TRY(next_key(p, &key, &more, err));
        if (!more) {
            break;
        }
        if (is_text(&key, "content")) {
            SNUG_TRY(snug_json_next(&p->reader, &key, err));
            SNUG_TRY(keep_string(p, &key, "content", &entry->word.text, &number, err));
            entry->word.bytes = (int32_t)number;
        } else if (is_text(&key, "id")) {
            SNUG_TRY(snug_json_next(&p->reader, &key, err));
            SNUG_TRY(snug_json_to_i64(&key, &number, err));
            entry->word.id = number < 0 || number >= SNUG_VOCABULARY_MAX ? -1 : (int32_t)number;
            said->has_id = true;
        } else if (is_text(&key, "single_word")) {
            SNUG_TRY(read_bool(p, "single_word", &said->single_word, err));
        } else if (is_text(&key, "normalized")) {
            SNUG_TRY(read_bool(p, "normalized", &said->normalized, err));
        } else {
            /* lstrip and rstrip only take white space, which no id comes from. */
            SNUG_TRY(snug_json_skip(&p->reader, err));
        }
    }
    return SNUG_OK;
}

static snug_status read_added(parser *p, int64_t offset, int64_t id, snug_error *err)
{
    snug_wordpiece_text *const text = p->text;
    snug_token_entry entry = {.word.id = (int32_t)id};
    added_switches said = {.has_id = id >= 0};
    SNUG_TRY(read_added_fields(p, &entry, &said, err));
    if (entry.word.text == NULL || !said.has_id || entry.word.id < 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "an added token at byte %lld needs \"content\" and an \"id\" from 0 to %d",
                         (long long)offset, SNUG_VOCABULARY_MAX - 1);
    }
    if (entry.word.bytes == 0) {
        return SNUG_OK;
    }
    if (said.normalized) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "the added token at byte %lld is matched in normalised text "
                         "(\"normalized\": true); only tokens matched as they stand are read",
                         (long long)offset);
    }
    if (text->added_count == SNUG_ADDED_TOKENS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "there are more than %d added tokens",
                         SNUG_ADDED_TOKENS_MAX);
    }
    entry.single_word = said.single_word;
    text->added[text->added_count++] = entry;
    return SNUG_OK;
}

/* The list of a tokenizer.json. */
static snug_status read_added_list(parser *p, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_ARRAY_BEGIN) {
        return wrong(&event, "added_tokens", "a list", err);
    }
    for (;;) {
        SNUG_TRY(snug_json_next(&p->reader, &event, err));
        if (event.kind == SNUG_JSON_ARRAY_END) {
            return SNUG_OK;
        }
        if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
            return wrong(&event, "added_tokens", "a list of objects", err);
        }
        SNUG_TRY(read_added(p, event.offset, -1, err));
    }
}

/* The object of a tokenizer_config.json: ids as keys. */
static snug_status read_added_decoder(parser *p, snug_error *err)
{
    snug_json_event key;
    bool more = false;
    SNUG_TRY(begin_object(p, "added_tokens_decoder", &more, err));
    while (more) {
        int64_t id = 0;
        bool there = false;
        SNUG_TRY(next_key(p, &key, &more, err));
        if (!more) {
            break;
        }
        for (int64_t i = 0; i < key.text_bytes && id < SNUG_VOCABULARY_MAX; i++) {
            const char c = key.text[i];
            id = c >= '0' && c <= '9' ? id * 10 + (c - '0') : SNUG_VOCABULARY_MAX;
        }
        if (key.text_bytes == 0 || id >= SNUG_VOCABULARY_MAX) {
            return wrong(&key, "added_tokens_decoder", "an object of ids", err);
        }
        SNUG_TRY(begin_object(p, "added_tokens_decoder", &there, err));
        if (there) {
            SNUG_TRY(read_added(p, key.offset, id, err));
        }
    }
    return SNUG_OK;
}

/* ---- Whole files ---- */

static snug_status begin_file(parser *p, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the file should be a JSON object");
    }
    return SNUG_OK;
}

/* Nothing but spaces may follow. */
static snug_status end_file(parser *p, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    SNUG_ASSERT(event.kind == SNUG_JSON_END);
    return SNUG_OK;
}

snug_status snug_wordpiece_read_json(const char *data, int64_t bytes, snug_arena *scratch,
                                     snug_wordpiece_text *out, snug_error *err)
{
    parser p = {.scratch = scratch, .text = out};
    snug_json_event key;
    bool more = true;
    bool splits = false;
    snug_json_reader_init(&p.reader, data, bytes);
    SNUG_TRY(begin_file(&p, err));
    while (more) {
        SNUG_TRY(next_key(&p, &key, &more, err));
        if (!more) {
            break;
        }
        if (is_text(&key, "model")) {
            SNUG_TRY(read_model(&p, err));
        } else if (is_text(&key, "normalizer")) {
            SNUG_TRY(read_normalizer(&p, err));
        } else if (is_text(&key, "pre_tokenizer")) {
            splits = true;
            SNUG_TRY(read_splitter(&p, err));
        } else if (is_text(&key, "post_processor")) {
            SNUG_TRY(read_processor(&p, err));
        } else if (is_text(&key, "added_tokens")) {
            SNUG_TRY(read_added_list(&p, err));
        } else {
            SNUG_TRY(snug_json_skip(&p.reader, err));
        }
    }
    SNUG_TRY(end_file(&p, err));
    if (out->words == NULL || !splits) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the file has no \"%s\"; is it a tokenizer.json?",
                         splits ? "vocab" : "pre_tokenizer");
    }
    return SNUG_OK;
}

/* "[CLS]" or {"content": "[CLS]", ...}. */
static snug_status read_special(parser *p, const char *key, const char **out, snug_error *err)
{
    snug_json_event event;
    bool more = true;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
        SNUG_TRY(keep_name(p, &event, key, out, err));
        return SNUG_OK;
    }
    while (more) {
        SNUG_TRY(next_key(p, &event, &more, err));
        if (more && is_text(&event, "content")) {
            SNUG_TRY(read_name(p, key, out, err));
        } else if (more) {
            SNUG_TRY(snug_json_skip(&p->reader, err));
        }
    }
    return SNUG_OK;
}

typedef struct config_switches {
    snug_said lower_case, strip_accents, chinese_apart;
    const char *tokenizer_class;
} config_switches;

/* The value of one key, whichever it is. */
static snug_status read_config_value(parser *p, const snug_json_event *key, bool bare,
                                     config_switches *said, snug_error *err)
{
    snug_wordpiece_text *const text = p->text;
    const struct {
        const char *key;
        const char **out;
    } names[] = {{"unk_token", &text->unknown},
                 {"cls_token", &text->start},
                 {"sep_token", &text->end},
                 {"pad_token", &text->padding},
                 {"mask_token", &text->mask}};
    const struct {
        const char *key;
        snug_said *out;
    } switches[] = {{"do_lower_case", &said->lower_case},
                    {"strip_accents", &said->strip_accents},
                    {"tokenize_chinese_chars", &said->chinese_apart}};
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        if (is_text(key, names[i].key)) {
            return read_special(p, names[i].key, names[i].out, err);
        }
    }
    for (int64_t i = 0; i < SNUG_COUNT(switches); i++) {
        if (is_text(key, switches[i].key)) {
            return read_switch(p, switches[i].key, switches[i].out, err);
        }
    }
    if (is_text(key, "tokenizer_class")) {
        return read_name(p, "tokenizer_class", &said->tokenizer_class, err);
    }
    if (bare && is_text(key, "added_tokens_decoder")) {
        return read_added_decoder(p, err);
    }
    return snug_json_skip(&p->reader, err);
}

snug_status snug_wordpiece_read_config(const char *data, int64_t bytes, bool bare,
                                       snug_arena *scratch, snug_wordpiece_text *out,
                                       snug_error *err)
{
    parser p = {.scratch = scratch, .text = out};
    config_switches said = {.tokenizer_class = ""};
    snug_json_event key;
    bool more = true;
    snug_json_reader_init(&p.reader, data, bytes);
    SNUG_TRY(begin_file(&p, err));
    while (more) {
        SNUG_TRY(next_key(&p, &key, &more, err));
        if (more) {
            SNUG_TRY(read_config_value(&p, &key, bare, &said, err));
        }
    }
    SNUG_TRY(end_file(&p, err));
    if (bare || strcmp(said.tokenizer_class, "BertTokenizer") == 0 ||
        strcmp(said.tokenizer_class, "BertTokenizerFast") == 0) {
        out->clean_text = true;
        out->lower_case = said.lower_case != SNUG_SAID_NO;
        out->chinese_apart = said.chinese_apart != SNUG_SAID_NO;
        out->strip_accents = said.strip_accents;
    }
    return SNUG_OK;
}
