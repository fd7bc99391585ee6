#include "data/token/added_tokens.h"

#include "base/checked.h"
#include "base/utf8.h"
#include "data/token/unicode.h"

enum { UTF8_BYTES_MAX = 4 };

/* Where the character that ends at `at` begins; `at` when there is none, or broken bytes. */
static int64_t begin_before(const unsigned char *text, int64_t at)
{
    int64_t first = at;
    if (at == 0) {
        return at;
    }
    do {
        first--;
    } while (first > 0 && at - first < UTF8_BYTES_MAX && (text[first] & 0xc0) == 0x80);
    return first + snug_utf8_length((const char *)text + first, at - first) == at ? first : at;
}

/* Flags of the character in [begin, end), broken bytes and nothing have none. */
static uint32_t flags_at(const unsigned char *text, int64_t begin, int64_t bytes,
                         int64_t *out_length)
{
    *out_length = begin < bytes ? snug_utf8_length((const char *)text + begin, bytes - begin) : 0;
    return *out_length == 0 ? 0 : snug_unicode_flags(snug_token_code(text + begin, *out_length));
}

static bool is_word_before(const unsigned char *text, int64_t at)
{
    int64_t length = 0;
    const int64_t begin = begin_before(text, at);
    return begin < at && (flags_at(text, begin, at, &length) & SNUG_UNICODE_WORD) != 0;
}

static bool is_word_behind(const unsigned char *text, int64_t at, int64_t bytes)
{
    int64_t length = 0;
    return (flags_at(text, at, bytes, &length) & SNUG_UNICODE_WORD) != 0;
}

/* Over the white space before `at`, not beyond `floor`. */
static int64_t strip_left(const unsigned char *text, int64_t at, int64_t floor)
{
    int64_t length = 0;
    while (at > floor) {
        const int64_t begin = begin_before(text, at);
        if (begin == at || (flags_at(text, begin, at, &length) & SNUG_UNICODE_SPACE) == 0) {
            break;
        }
        at = begin;
    }
    return snug_max_i64(at, floor);
}

static int64_t strip_right(const unsigned char *text, int64_t at, int64_t bytes)
{
    int64_t length = 0;
    while ((flags_at(text, at, bytes, &length) & SNUG_UNICODE_SPACE) != 0) {
        at += length;
    }
    return at;
}

int64_t snug_added_at(const snug_added_set *set, const unsigned char *text, int64_t bytes,
                      int64_t at, const snug_added_token **out)
{
    const snug_token_unit *const units = set->trie.units;
    int32_t state = SNUG_TOKEN_ROOT;
    int32_t best = -1;
    int64_t end = at;
    for (int64_t i = at; i < bytes && text[i] != 0 && state != SNUG_TOKEN_DEAD; i++) {
        state = snug_token_step(units, state, text[i]);
        if (units[state].id >= 0) {
            best = units[state].id;
            end = i + 1;
        }
    }
    *out = best < 0 ? NULL : &set->tokens[best];
    if (best >= 0 && set->tokens[best].single_word &&
        (is_word_before(text, at) || is_word_behind(text, end, bytes))) {
        *out = NULL;
    }
    return end;
}

/* The next token from `from` on; its white space goes along. */
static bool find(snug_added_cursor *c, int64_t *out_begin)
{
    int64_t at = c->from;
    while (c->set->count > 0 && at < c->bytes) {
        if (!c->set->first[c->text[at]]) {
            at++;
            continue;
        }
        const snug_added_token *token = NULL;
        const int64_t end = snug_added_at(c->set, c->text, c->bytes, at, &token);
        if (token != NULL) {
            c->pending = token;
            c->pending_end = token->right_strip ? strip_right(c->text, end, c->bytes) : end;
            c->from = end;
            *out_begin = token->left_strip ? strip_left(c->text, at, c->done) : at;
            return true;
        }
        at = end > at ? end : at + 1;
    }
    c->from = c->bytes;
    *out_begin = c->bytes;
    return false;
}

bool snug_added_next(snug_added_cursor *c, snug_added_part *out)
{
    if (c->pending == NULL) {
        int64_t begin = 0;
        const bool found = find(c, &begin);
        if (begin > c->done) {
            *out = (snug_added_part){.begin = c->done, .end = begin};
            c->done = begin;
            return true;
        }
        if (!found) {
            return false;
        }
    }
    *out = (snug_added_part){.token = c->pending, .begin = c->done, .end = c->pending_end};
    /* It may lie before the end of the last one, if that took the white space this is made of. */
    c->done = c->pending_end;
    c->pending = NULL;
    return true;
}
