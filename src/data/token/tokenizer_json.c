#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "data/token/token_parser.h"

/* ---- Merges ---- */

snug_status snug_tokenizer_split_merge(const char *text, int64_t bytes, const char *what,
                                       int64_t place, snug_token_merge *out, snug_error *err)
{
    const char *const blank = memchr(text, ' ', (size_t)bytes);
    const int64_t left = blank == NULL ? 0 : blank - text;
    const int64_t right = bytes - left - 1;
    if (left <= 0 || right <= 0 || memchr(blank + 1, ' ', (size_t)right) != NULL) {
        char shown[SNUG_NAME_BYTES];
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "%s %lld, '%s', is no merge: two tokens with one blank between", what,
                         (long long)place, snug_token_shown(text, bytes, shown));
    }
    *out = (snug_token_merge){text, blank + 1, (int32_t)left, (int32_t)right};
    return SNUG_OK;
}

static snug_status count_values(snug_json_reader reader, int64_t *out_count, snug_error *err)
{
    const int32_t depth = reader.depth;
    int64_t count = 0;
    while (reader.depth >= depth) {
        snug_json_event event;
        SNUG_TRY(snug_json_next(&reader, &event, err));
        count += reader.depth == depth && event.kind != SNUG_JSON_OBJECT_END;
    }
    *out_count = count;
    return SNUG_OK;
}

/* "a b", or ["a", "b"] of later files, whose tokens may hold blanks. */
static snug_status read_merge(snug_token_parser *p, int64_t place, snug_token_merge *out,
                              snug_error *err)
{
    snug_json_event event;
    const char *sides[2] = {NULL, NULL};
    int64_t bytes[2] = {0, 0};
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_ARRAY_BEGIN) {
        SNUG_TRY(snug_token_keep_string(p, &event, "merges", &sides[0], &bytes[0], err));
        return snug_tokenizer_split_merge(sides[0], bytes[0], "merge", place, out, err);
    }
    for (int32_t i = 0; i < 2; i++) {
        SNUG_TRY(snug_json_next(&p->reader, &event, err));
        SNUG_TRY(snug_token_keep_string(p, &event, "merges", &sides[i], &bytes[i], err));
    }
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_ARRAY_END || bytes[0] == 0 || bytes[1] == 0) {
        return snug_token_wrong(&event, "merges", "a list of two tokens each", err);
    }
    *out = (snug_token_merge){sides[0], sides[1], (int32_t)bytes[0], (int32_t)bytes[1]};
    return SNUG_OK;
}

static snug_status read_merges(snug_token_parser *p, snug_error *err)
{
    snug_tokenizer_text *const text = p->text;
    snug_json_event event;
    int64_t count = 0;
    void *memory = NULL;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_ARRAY_BEGIN || text->bpe.merges != NULL) {
        return snug_token_wrong(&event, "merges", "one list", err);
    }
    SNUG_TRY(count_values(p->reader, &count, err));
    if (count > SNUG_VOCABULARY_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "there are %lld merges; the limit is %d",
                         (long long)count, SNUG_VOCABULARY_MAX);
    }
    SNUG_TRY(snug_arena_array(p->scratch, count, sizeof *text->bpe.merges, &memory, err));
    text->bpe.merges = memory;
    for (int64_t i = 0; i < count; i++) {
        SNUG_TRY(read_merge(p, i + 1, &text->bpe.merges[i], err));
    }
    text->bpe.merge_count = count;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    return SNUG_OK;
}

/* ---- The model ---- */

/* A string that may be empty or null, and is not read when it is neither. */
static snug_status read_affix(snug_token_parser *p, const char *key, snug_error *err)
{
    const bool prefix = strcmp(key, "continuing_subword_prefix") == 0;
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind == SNUG_JSON_STRING && event.text_bytes > 0) {
        p->text->bpe.affix = key;
        if (prefix) {
            return snug_token_keep_name(p, &event, key, &p->text->wordpiece.prefix, err);
        }
    } else if (event.kind == SNUG_JSON_STRING && prefix) {
        p->text->wordpiece.prefix = "";
    } else if (event.kind != SNUG_JSON_STRING && event.kind != SNUG_JSON_NULL) {
        return snug_token_wrong(&event, key, "a string", err);
    }
    return SNUG_OK;
}

static snug_status read_type(snug_token_parser *p, snug_error *err)
{
    static const snug_token_model *const models[] = {&snug_wordpiece_model, &snug_bpe_model};
    const char *type = snug_wordpiece_model.type;
    SNUG_TRY(snug_token_read_name(p, "type", &type, err));
    for (int64_t i = 0; i < SNUG_COUNT(models); i++) {
        if (strcmp(type, models[i]->type) == 0) {
            p->text->model = models[i];
            return SNUG_OK;
        }
    }
    return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                     "a tokenizer of type '%s'; only WordPiece and BPE are read", type);
}

/* Merging at random is for training only. */
static snug_status read_dropout(snug_token_parser *p, snug_error *err)
{
    snug_json_event event;
    double value = 0.0;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_NULL) {
        SNUG_TRY(snug_json_to_f64(&event, &value, err));
    }
    if (value != 0.0) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "a BPE with dropout gives other ids each time: set it to null");
    }
    return SNUG_OK;
}

static snug_status read_model_value(snug_token_parser *p, snug_json_event *key, snug_error *err)
{
    snug_tokenizer_text *const text = p->text;
    const struct {
        const char *key;
        bool *out;
    } switches[] = {{"ignore_merges", &text->bpe.ignore_merges},
                    {"fuse_unk", &text->bpe.fuse_unknown},
                    {"byte_fallback", &text->bpe.byte_fallback}};
    for (int64_t i = 0; i < SNUG_COUNT(switches); i++) {
        if (snug_token_is(key, switches[i].key)) {
            return snug_token_read_bool(p, switches[i].key, switches[i].out, err);
        }
    }
    if (snug_token_is(key, "type")) {
        return read_type(p, err);
    }
    if (snug_token_is(key, "merges")) {
        return read_merges(p, err);
    }
    if (snug_token_is(key, "vocab")) {
        SNUG_TRY(snug_json_next(&p->reader, key, err));
        return snug_token_read_words(p, key, err);
    }
    if (snug_token_is(key, "unk_token")) {
        SNUG_TRY(snug_token_read_name(p, "unk_token", &text->bpe.unknown, err));
        text->unknown = text->bpe.unknown == NULL ? text->unknown : text->bpe.unknown;
        return SNUG_OK;
    }
    if (snug_token_is(key, "continuing_subword_prefix")) {
        return read_affix(p, "continuing_subword_prefix", err);
    }
    if (snug_token_is(key, "end_of_word_suffix")) {
        return read_affix(p, "end_of_word_suffix", err);
    }
    if (snug_token_is(key, "max_input_chars_per_word")) {
        SNUG_TRY(snug_json_next(&p->reader, key, err));
        return snug_json_to_i64(key, &text->wordpiece.word_characters_max, err);
    }
    if (snug_token_is(key, "dropout")) {
        return read_dropout(p, err);
    }
    return snug_json_skip(&p->reader, err);
}

static snug_status read_model(snug_token_parser *p, snug_error *err)
{
    snug_json_event key;
    bool more = false;
    SNUG_TRY(snug_token_begin_object(p, "model", &more, err));
    while (more) {
        SNUG_TRY(snug_token_next_key(p, &key, &more, err));
        if (more) {
            SNUG_TRY(read_model_value(p, &key, err));
        }
    }
    if (p->text->model == NULL) { /* Old files do not say. */
        p->text->model = p->text->bpe.merges != NULL ? &snug_bpe_model : &snug_wordpiece_model;
    }
    return SNUG_OK;
}

/* ---- Normaliser and splitter ---- */

static snug_status read_normalizer(snug_token_parser *p, snug_error *err)
{
    snug_tokenizer_text *const text = p->text;
    snug_json_event key;
    SNUG_TRY(snug_token_begin_object(p, "normalizer", &text->wordpiece.normalizer, err));
    bool more = text->wordpiece.normalizer;
    if (!more) {
        text->wordpiece.clean_text = false;
        text->wordpiece.chinese_apart = false;
        text->wordpiece.lower_case = false;
    }
    while (more) {
        SNUG_TRY(snug_token_next_key(p, &key, &more, err));
        if (!more) {
            break;
        }
        if (snug_token_is(&key, "type")) {
            const char *type = "none";
            SNUG_TRY(snug_token_read_name(p, "type", &type, err));
            if (strcmp(type, "BertNormalizer") != 0) {
                return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                                 "a normalizer of type '%s'; only BertNormalizer, or none for BPE, "
                                 "is read",
                                 type);
            }
        } else if (snug_token_is(&key, "clean_text")) {
            SNUG_TRY(snug_token_read_bool(p, "clean_text", &text->wordpiece.clean_text, err));
        } else if (snug_token_is(&key, "handle_chinese_chars")) {
            SNUG_TRY(snug_token_read_bool(p, "handle_chinese_chars", &text->wordpiece.chinese_apart,
                                          err));
        } else if (snug_token_is(&key, "strip_accents")) {
            SNUG_TRY(
                snug_token_read_switch(p, "strip_accents", &text->wordpiece.strip_accents, err));
        } else if (snug_token_is(&key, "lowercase")) {
            SNUG_TRY(snug_token_read_bool(p, "lowercase", &text->wordpiece.lower_case, err));
        } else {
            SNUG_TRY(snug_json_skip(&p->reader, err));
        }
    }
    return SNUG_OK;
}

static snug_status read_splitter(snug_token_parser *p, snug_error *err)
{
    snug_tokenizer_text *const text = p->text;
    const char *type = "none";
    snug_json_event key;
    bool more = false;
    text->bpe.prefix_blank = true; /* What tokenizers takes a file to mean that does not say. */
    text->bpe.use_pattern = true;
    SNUG_TRY(snug_token_begin_object(p, "pre_tokenizer", &more, err));
    while (more) {
        SNUG_TRY(snug_token_next_key(p, &key, &more, err));
        if (!more) {
            break;
        }
        if (snug_token_is(&key, "type")) {
            SNUG_TRY(snug_token_read_name(p, "type", &type, err));
        } else if (snug_token_is(&key, "add_prefix_space")) {
            SNUG_TRY(snug_token_read_bool(p, "add_prefix_space", &text->bpe.prefix_blank, err));
        } else if (snug_token_is(&key, "use_regex")) {
            SNUG_TRY(snug_token_read_bool(p, "use_regex", &text->bpe.use_pattern, err));
        } else { /* "trim_offsets" too: it changes no id. */
            SNUG_TRY(snug_json_skip(&p->reader, err));
        }
    }
    text->wordpiece.splitter = strcmp(type, "BertPreTokenizer") == 0;
    text->bpe.splitter = strcmp(type, "ByteLevel") == 0;
    if (!text->wordpiece.splitter && !text->bpe.splitter) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "a pre_tokenizer of type '%s'; only BertPreTokenizer and ByteLevel are "
                         "read",
                         type);
    }
    return SNUG_OK;
}

/* ---- Templates ---- */

/* One place of a template, whose object has begun: {"SpecialToken": {"id": ..., "type_id": ...}} */
static snug_status read_template_item(snug_token_parser *p, snug_template_item *out,
                                      snug_error *err)
{
    const int32_t depth = p->reader.depth;
    snug_json_event event;
    *out = (snug_template_item){.kind = '?'};
    while (p->reader.depth >= depth) {
        SNUG_TRY(snug_json_next(&p->reader, &event, err));
        if (event.kind != SNUG_JSON_KEY) {
            continue;
        }
        if (snug_token_is(&event, "SpecialToken")) {
            out->kind = 'S';
        } else if (snug_token_is(&event, "id")) {
            SNUG_TRY(snug_token_read_name(p, "id", &out->name, err));
        } else if (snug_token_is(&event, "type_id")) {
            SNUG_TRY(snug_json_next(&p->reader, &event, err));
            SNUG_TRY(snug_json_to_i64(&event, &out->type, err));
        } else if (!snug_token_is(&event, "Sequence")) {
            SNUG_TRY(snug_json_skip(&p->reader, err));
        }
    }
    if (out->name == NULL) {
        return snug_token_wrong(&event, "post_processor", "a template of tokens and texts", err);
    }
    if (out->kind != 'S') {
        out->kind = out->name[1] == '\0' ? out->name[0] : '?';
    }
    return SNUG_OK;
}

static snug_status read_template(snug_token_parser *p, const char *key, snug_template_text *out,
                                 snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_ARRAY_BEGIN) {
        return snug_token_wrong(&event, key, "a list", err);
    }
    out->count = 0;
    for (;;) {
        SNUG_TRY(snug_json_next(&p->reader, &event, err));
        if (event.kind == SNUG_JSON_ARRAY_END) {
            return SNUG_OK;
        }
        if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
            return snug_token_wrong(&event, key, "a list of objects", err);
        }
        if (out->count == SNUG_TEMPLATE_ITEMS_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a template has more than %d places",
                             SNUG_TEMPLATE_ITEMS_MAX);
        }
        SNUG_TRY(read_template_item(p, &out->items[out->count++], err));
    }
}

/* BertProcessing and RobertaProcessing have their tokens as ["[SEP]", 102]. */
static snug_status read_listed_name(snug_token_parser *p, const char *key, const char **out,
                                    snug_error *err)
{
    snug_json_event event;
    const int32_t depth = p->reader.depth;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    while (p->reader.depth > depth) {
        SNUG_TRY(snug_json_next(&p->reader, &event, err));
        if (event.kind == SNUG_JSON_STRING) {
            SNUG_TRY(snug_token_keep_name(p, &event, key, out, err));
        }
    }
    return SNUG_OK;
}

/* What a post_processor says; nothing of it counts before its type is known. */
typedef struct processor {
    const char *type;
    snug_template_text single, pair;
    const char *start, *end;
    bool sequence; /* Its list of processors comes next in the reader. */
} processor;

/* The fields of a processor up to its end, or up to the list of a sequence. */
static snug_status read_processor_fields(snug_token_parser *p, processor *out, snug_error *err)
{
    snug_json_event key;
    bool more = true;
    while (more) {
        SNUG_TRY(snug_token_next_key(p, &key, &more, err));
        if (!more) {
            break;
        }
        if (snug_token_is(&key, "type")) {
            SNUG_TRY(snug_token_read_name(p, "type", &out->type, err));
        } else if (snug_token_is(&key, "single")) {
            SNUG_TRY(read_template(p, "single", &out->single, err));
        } else if (snug_token_is(&key, "pair")) {
            SNUG_TRY(read_template(p, "pair", &out->pair, err));
        } else if (snug_token_is(&key, "cls")) {
            SNUG_TRY(read_listed_name(p, "cls", &out->start, err));
        } else if (snug_token_is(&key, "sep")) {
            SNUG_TRY(read_listed_name(p, "sep", &out->end, err));
        } else if (snug_token_is(&key, "processors")) {
            out->sequence = true;
            return SNUG_OK;
        } else { /* "special_tokens" repeats what the vocabulary says. */
            SNUG_TRY(snug_json_skip(&p->reader, err));
        }
    }
    return SNUG_OK;
}

/* Puts a processor to work. ByteLevel only moves offsets. */
static snug_status apply_processor(snug_token_parser *p, const processor *said, snug_error *err)
{
    snug_tokenizer_text *const text = p->text;
    if (strcmp(said->type, "ByteLevel") == 0) {
        return SNUG_OK;
    }
    if (strcmp(said->type, "TemplateProcessing") == 0 && said->single.count > 0) {
        text->single = said->single;
        text->pair = said->pair;
    } else if (strcmp(said->type, "BertProcessing") == 0 ||
               strcmp(said->type, "RobertaProcessing") == 0) {
        snug_template_default(said->start, said->end, said->type[0] == 'R', text);
    } else {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "a post_processor of type '%s'; TemplateProcessing, BertProcessing, "
                         "RobertaProcessing and ByteLevel are read",
                         said->type);
    }
    return SNUG_OK;
}

static snug_status read_processor(snug_token_parser *p, snug_error *err)
{
    const snug_tokenizer_text *const text = p->text;
    const processor fresh = {.type = "TemplateProcessing",
                             .start = text->start == NULL ? "[CLS]" : text->start,
                             .end = text->end == NULL ? "[SEP]" : text->end};
    processor said = fresh;
    snug_json_event event;
    bool there = false;
    SNUG_TRY(snug_token_begin_object(p, "post_processor", &there, err));
    if (!there) {
        return SNUG_OK;
    }
    SNUG_TRY(read_processor_fields(p, &said, err));
    if (!said.sequence) {
        return apply_processor(p, &said, err);
    }
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_ARRAY_BEGIN) {
        return snug_token_wrong(&event, "processors", "a list", err);
    }
    for (;;) {
        SNUG_TRY(snug_json_next(&p->reader, &event, err));
        if (event.kind == SNUG_JSON_ARRAY_END) {
            break;
        }
        said = fresh;
        if (event.kind == SNUG_JSON_OBJECT_BEGIN) {
            SNUG_TRY(read_processor_fields(p, &said, err));
        }
        if (event.kind != SNUG_JSON_OBJECT_BEGIN || said.sequence) {
            return snug_token_wrong(&event, "processors", "a list of processors", err);
        }
        SNUG_TRY(apply_processor(p, &said, err));
    }
    said = fresh;
    return read_processor_fields(p, &said, err); /* To the end of the sequence's object. */
}

/* ---- The whole file ---- */

static snug_status read_added_list(snug_token_parser *p, snug_error *err)
{
    snug_json_event event;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_ARRAY_BEGIN) {
        return snug_token_wrong(&event, "added_tokens", "a list", err);
    }
    for (;;) {
        SNUG_TRY(snug_json_next(&p->reader, &event, err));
        if (event.kind == SNUG_JSON_ARRAY_END) {
            return SNUG_OK;
        }
        if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
            return snug_token_wrong(&event, "added_tokens", "a list of objects", err);
        }
        SNUG_TRY(snug_token_read_added(p, event.offset, -1, err));
    }
}

/* "pad_token" says which token pads; null says nothing. */
static snug_status read_padding(snug_token_parser *p, snug_error *err)
{
    snug_json_event key;
    bool more = false;
    SNUG_TRY(snug_token_begin_object(p, "padding", &more, err));
    while (more) {
        SNUG_TRY(snug_token_next_key(p, &key, &more, err));
        if (more && snug_token_is(&key, "pad_token")) {
            SNUG_TRY(snug_token_read_name(p, "pad_token", &p->text->padding, err));
        } else if (more) {
            SNUG_TRY(snug_json_skip(&p->reader, err));
        }
    }
    return SNUG_OK;
}

/* Whether normaliser, splitter and model go together; what a file leaves open. */
static snug_status check_parts(snug_tokenizer_text *text, snug_error *err)
{
    const bool bpe = text->model == &snug_bpe_model;
    const bool splits = text->wordpiece.splitter || text->bpe.splitter;
    snug_tokenizer_name_specials(text);
    text->adds_specials = !bpe;
    if (text->words == NULL || !splits) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the file has no \"%s\"; is it a tokenizer.json?",
                         splits ? "vocab" : "pre_tokenizer");
    }
    if (bpe != text->bpe.splitter || (bpe && text->wordpiece.normalizer)) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "%s with %s: WordPiece is read with BertPreTokenizer, BPE with ByteLevel "
                         "and no normalizer",
                         text->model->type,
                         bpe != text->bpe.splitter ? "another pre_tokenizer" : "a normalizer");
    }
    if (text->single.count == 0 && !bpe) {
        snug_template_default(text->start, text->end, false, text);
    } else if (text->single.count == 0) {
        snug_template_none(text);
    }
    for (int32_t i = text->single.count - 1; i >= 0; i--) {
        const snug_template_item *const item = &text->single.items[i];
        if (item->kind == 'S') {
            *(i == 0 ? &text->start : &text->end) = item->name;
        }
    }
    return SNUG_OK;
}

snug_status snug_tokenizer_read_json(const char *data, int64_t bytes, snug_arena *scratch,
                                     snug_tokenizer_text *out, snug_error *err)
{
    const struct {
        const char *key;
        snug_status (*read)(snug_token_parser *p, snug_error *err);
    } readers[] = {
        {"model", read_model},
        {"normalizer", read_normalizer},
        {"pre_tokenizer", read_splitter},
        {"post_processor", read_processor},
        {"added_tokens", read_added_list},
        {"padding", read_padding},
    };
    snug_token_parser p = {.scratch = scratch, .text = out};
    snug_json_event key;
    bool more = true;
    snug_json_reader_init(&p.reader, data, bytes);
    SNUG_TRY(snug_token_begin_file(&p, err));
    while (more) {
        SNUG_TRY(snug_token_next_key(&p, &key, &more, err));
        int64_t which = 0;
        while (more && which < SNUG_COUNT(readers) && !snug_token_is(&key, readers[which].key)) {
            which++;
        }
        if (more && which < SNUG_COUNT(readers)) {
            SNUG_TRY(readers[which].read(&p, err));
        } else if (more) {
            SNUG_TRY(snug_json_skip(&p.reader, err));
        }
    }
    SNUG_TRY(snug_token_end_file(&p, err));
    return check_parts(out, err);
}
