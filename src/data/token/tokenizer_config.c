/* The files beside a tokenizer.json, and those in its place. */
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/utf8.h"
#include "data/token/token_parser.h"

/* ---- tokenizer_config.json ---- */

/* The object of added tokens: ids as keys. */
static snug_status read_added_decoder(snug_token_parser *p, snug_error *err)
{
    snug_json_event key;
    bool more = false;
    SNUG_TRY(snug_token_begin_object(p, "added_tokens_decoder", &more, err));
    while (more) {
        int64_t id = 0;
        bool there = false;
        SNUG_TRY(snug_token_next_key(p, &key, &more, err));
        if (!more) {
            break;
        }
        for (int64_t i = 0; i < key.text_bytes && id < SNUG_VOCABULARY_MAX; i++) {
            const char c = key.text[i];
            id = c >= '0' && c <= '9' ? id * 10 + (c - '0') : SNUG_VOCABULARY_MAX;
        }
        if (key.text_bytes == 0 || id >= SNUG_VOCABULARY_MAX) {
            return snug_token_wrong(&key, "added_tokens_decoder", "an object of ids", err);
        }
        SNUG_TRY(snug_token_begin_object(p, "added_tokens_decoder", &there, err));
        if (there) {
            SNUG_TRY(snug_token_read_added(p, key.offset, id, err));
        }
    }
    return SNUG_OK;
}

/* "[CLS]" or {"content": "[CLS]", ...}. */
static snug_status read_special(snug_token_parser *p, const char *key, const char **out,
                                snug_error *err)
{
    snug_json_event event;
    bool more = true;
    SNUG_TRY(snug_json_next(&p->reader, &event, err));
    if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
        SNUG_TRY(snug_token_keep_name(p, &event, key, out, err));
        return SNUG_OK;
    }
    while (more) {
        SNUG_TRY(snug_token_next_key(p, &event, &more, err));
        if (more && snug_token_is(&event, "content")) {
            SNUG_TRY(snug_token_read_name(p, key, out, err));
        } else if (more) {
            SNUG_TRY(snug_json_skip(&p->reader, err));
        }
    }
    return SNUG_OK;
}

typedef struct config_switches {
    snug_said lower_case, strip_accents, chinese_apart, prefix_blank;
    const char *tokenizer_class;
} config_switches;

/* The value of one key, whichever it is. */
static snug_status read_config_value(snug_token_parser *p, const snug_json_event *key,
                                     config_switches *said, snug_error *err)
{
    snug_tokenizer_text *const text = p->text;
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
                    {"tokenize_chinese_chars", &said->chinese_apart},
                    {"add_prefix_space", &said->prefix_blank}};
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        if (snug_token_is(key, names[i].key)) {
            return read_special(p, names[i].key, names[i].out, err);
        }
    }
    for (int64_t i = 0; i < SNUG_COUNT(switches); i++) {
        if (snug_token_is(key, switches[i].key)) {
            return snug_token_read_switch(p, switches[i].key, switches[i].out, err);
        }
    }
    if (snug_token_is(key, "tokenizer_class")) {
        return snug_token_read_name(p, "tokenizer_class", &said->tokenizer_class, err);
    }
    if (text->bare && snug_token_is(key, "added_tokens_decoder")) {
        return read_added_decoder(p, err);
    }
    return snug_json_skip(&p->reader, err);
}

/* NAME or NAMEFast. */
static bool is_class(const config_switches *said, const char *name)
{
    const size_t bytes = strlen(name);
    return strncmp(said->tokenizer_class, name, bytes) == 0 &&
           (said->tokenizer_class[bytes] == '\0' ||
            strcmp(said->tokenizer_class + bytes, "Fast") == 0);
}

/* BertTokenizer makes its normaliser anew; what the file leaves out is BERT's. */
static void apply_bert(const config_switches *said, snug_tokenizer_text *out)
{
    if (out->bare || is_class(said, "BertTokenizer")) {
        out->wordpiece.clean_text = true;
        out->wordpiece.lower_case = said->lower_case != SNUG_SAID_NO;
        out->wordpiece.chinese_apart = said->chinese_apart != SNUG_SAID_NO;
        out->wordpiece.strip_accents = said->strip_accents;
    }
}

/* RobertaTokenizer and GPT2Tokenizer make all but vocabulary, merges and added tokens anew. */
static void apply_byte_level(const config_switches *said, snug_tokenizer_text *out)
{
    const bool gpt = is_class(said, "GPT2Tokenizer");
    if (!gpt && !is_class(said, "RobertaTokenizer") && !out->bare) {
        return;
    }
    out->bpe.prefix_blank = said->prefix_blank == SNUG_SAID_YES;
    out->bpe.use_pattern = true;
    out->bpe.ignore_merges = false;
    out->bpe.unknown = NULL;
    if (!gpt) {
        snug_template_default(out->start, out->end, true, out);
    } else if (out->bare) {
        out->start = out->end = NULL;
        snug_template_none(out);
    }
}

snug_status snug_tokenizer_read_config(const char *data, int64_t bytes, snug_arena *scratch,
                                       snug_tokenizer_text *out, snug_error *err)
{
    snug_token_parser p = {.scratch = scratch, .text = out};
    config_switches said = {.tokenizer_class = ""};
    snug_tokenizer_name_specials(out);
    out->adds_specials = true;
    snug_json_event key;
    bool more = true;
    snug_json_reader_init(&p.reader, data, bytes);
    SNUG_TRY(snug_token_begin_file(&p, err));
    while (more) {
        SNUG_TRY(snug_token_next_key(&p, &key, &more, err));
        if (more) {
            SNUG_TRY(read_config_value(&p, &key, &said, err));
        }
    }
    SNUG_TRY(snug_token_end_file(&p, err));
    if (out->model == &snug_bpe_model) {
        apply_byte_level(&said, out);
    } else {
        apply_bert(&said, out);
    }
    return SNUG_OK;
}

/* ---- vocab.txt, vocab.json, merges.txt ---- */

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
    if (*out_lines > SNUG_VOCABULARY_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "there are more than %d tokens",
                         SNUG_VOCABULARY_MAX);
    }
    return SNUG_OK;
}

snug_status snug_tokenizer_read_lines(const char *data, int64_t bytes, snug_arena *scratch,
                                      snug_tokenizer_text *out, snug_error *err)
{
    static const char mark[] = "\xef\xbb\xbf";
    int64_t lines = 0;
    int64_t at = bytes >= 3 && memcmp(data, mark, 3) == 0 ? 3 : 0;
    void *memory = NULL;
    SNUG_TRY(check_lines(data, bytes, &lines, err));
    SNUG_TRY(snug_arena_array(scratch, lines, sizeof *out->words, &memory, err));
    out->words = memory;
    out->last_counts = true;
    out->bare = true;
    out->model = &snug_wordpiece_model;
    while (at < bytes) {
        int64_t next = at;
        const int64_t length = line_bytes(data, bytes, at, &next);
        const int32_t id = (int32_t)out->word_count;
        out->words[out->word_count++] = (snug_token_word){data + at, (int32_t)length, id};
        at = next;
    }
    return SNUG_OK;
}

snug_status snug_tokenizer_read_vocabulary(const char *data, int64_t bytes, snug_arena *scratch,
                                           snug_tokenizer_text *out, snug_error *err)
{
    snug_token_parser p = {.scratch = scratch, .text = out};
    snug_json_event event;
    snug_json_reader_init(&p.reader, data, bytes);
    SNUG_TRY(snug_json_next(&p.reader, &event, err));
    SNUG_TRY(snug_token_read_words(&p, &event, err));
    return snug_token_end_file(&p, err);
}

snug_status snug_tokenizer_read_merges(const char *data, int64_t bytes, snug_arena *scratch,
                                       snug_tokenizer_text *out, snug_error *err)
{
    static const char version[] = "#version";
    enum { VERSION_BYTES = sizeof version - 1 };
    int64_t lines = 0;
    int64_t line = 0;
    void *memory = NULL;
    SNUG_TRY(check_lines(data, bytes, &lines, err));
    SNUG_TRY(snug_arena_array(scratch, lines, sizeof *out->bpe.merges, &memory, err));
    out->bpe.merges = memory;
    for (int64_t at = 0; at < bytes;) {
        int64_t next = at;
        const int64_t length = line_bytes(data, bytes, at, &next);
        line++;
        if (length < VERSION_BYTES || memcmp(data + at, version, VERSION_BYTES) != 0) {
            SNUG_TRY(snug_tokenizer_split_merge(data + at, length, "line", line,
                                                &out->bpe.merges[out->bpe.merge_count], err));
            out->bpe.merge_count++;
        }
        at = next;
    }
    return SNUG_OK;
}
