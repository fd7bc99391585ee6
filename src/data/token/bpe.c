#include "base/assert.h"
#include "base/checked.h"
#include "base/utf8.h"
#include "data/token/bpe_internal.h"
#include "data/token/unicode.h"

/*
 * Added tokens first, then what is between them in words by GPT-2's pattern
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * and each word, its bytes, by merges. Most words are one token, which one walk over them finds.
 */
typedef struct encoder {
    const snug_bpe *self;
    snug_id_sink *sink;
    const unsigned char *whole; /* The text, of which parts are in work; for positions. */
    snug_bpe_merger merger;
} encoder;

/* A part of the text, and how far it is read. */
typedef struct part {
    const unsigned char *text;
    int64_t bytes;
    int64_t at;
} part;

/* The class of the character at `at` and its bytes; 0 bytes where there is no UTF-8. */
static inline snug_unicode_class look(const snug_bpe *self, const part *p, int64_t at,
                                      int64_t *out_bytes)
{
    const unsigned char *const c = p->text + at;
    if (c[0] < 0x80) {
        *out_bytes = 1;
        return self->class_of[c[0]];
    }
    if ((c[0] & 0xf0) == 0xe0 && p->bytes - at >= 3 && (c[1] & 0xc0) == 0x80 &&
        (c[2] & 0xc0) == 0x80) {
        const uint8_t class = self->block_class[(c[0] & 15) << 6 | (c[1] & 63)];
        if (class != SNUG_BPE_MIXED) {
            *out_bytes = 3;
            return class;
        }
    }
    *out_bytes = snug_utf8_length((const char *)c, p->bytes - at);
    return *out_bytes == 0 ? SNUG_UNICODE_OTHER
                           : snug_unicode_class_of(snug_token_code(c, *out_bytes));
}

/* Behind the run of characters of one class that begins at `at`; before the first broken byte. */
static int64_t run_end(const snug_bpe *self, const part *p, int64_t at, snug_unicode_class wanted)
{
    while (at < p->bytes) {
        int64_t bytes = 0;
        const snug_unicode_class class = look(self, p, at, &bytes);
        if (bytes == 0 || class != wanted) {
            break;
        }
        at += bytes;
    }
    return at;
}

/* Bytes of 's, 't, 're, 've, 'm, 'll or 'd at an apostrophe; 0. */
static int64_t contraction(const part *p, int64_t at)
{
    const unsigned char one = p->bytes - at > 1 ? p->text[at + 1] : 0;
    const unsigned char two = p->bytes - at > 2 ? p->text[at + 2] : 0;
    if (one == 's' || one == 't' || one == 'm' || one == 'd') {
        return 2;
    }
    return (one == 'r' && two == 'e') || (one == 'v' && two == 'e') || (one == 'l' && two == 'l')
               ? 3
               : 0;
}

/* Where the last character before `end` begins; the text is UTF-8 up to there. */
static int64_t last_begin(const part *p, int64_t end)
{
    do {
        end--;
    } while ((p->text[end] & 0xc0) == 0x80);
    return end;
}

/*
 * The end of a word of white space that begins at `at`: all there is at the end of the text, else
 * all but its last character, which may belong to the next word. With `blank` one stands before it.
 */
static int64_t blank_end(const snug_bpe *self, const part *p, int64_t at, bool blank)
{
    const int64_t end = run_end(self, p, at, SNUG_UNICODE_BLANK);
    if (end == p->bytes) {
        return end;
    }
    const int64_t last = last_begin(p, end);
    return last > at || blank ? last : end;
}

/* The end of the word at `p->at`; *out_bytes = 0 where there is no UTF-8 in its place. */
static int64_t word_end(const snug_bpe *self, const part *p, bool blank, int64_t *out_bytes)
{
    int64_t at = p->at;
    snug_unicode_class class = look(self, p, at, out_bytes);
    if (*out_bytes == 0) {
        return at;
    }
    if (!blank && p->text[at] == '\'') {
        const int64_t bytes = contraction(p, at);
        if (bytes > 0) {
            return at + bytes;
        }
    }
    if (!blank && p->text[at] == ' ' && at + 1 < p->bytes) {
        int64_t bytes = 0;
        const snug_unicode_class next = look(self, p, at + 1, &bytes);
        if (bytes > 0 && next != SNUG_UNICODE_BLANK) {
            at++;
            class = next;
        }
    }
    return class == SNUG_UNICODE_BLANK ? blank_end(self, p, at, blank)
                                       : run_end(self, p, at, class);
}

static bool is_full(const encoder *e)
{
    return e->sink->count == e->sink->capacity;
}

/* A part that is not cut into words: its UTF-8 is looked at beforehand. */
static snug_status take_uncut(encoder *e, const part *p, bool blank, snug_error *err)
{
    int64_t bytes = 0;
    for (int64_t at = 0; at < p->bytes; at += bytes) {
        bytes = snug_utf8_length((const char *)p->text + at, p->bytes - at);
        if (bytes == 0) {
            return snug_token_not_utf8(e->whole, p->text + at - e->whole, err);
        }
    }
    snug_bpe_cut(e->self, &e->merger, &(snug_bpe_word){p->text, p->bytes, blank}, e->sink);
    return SNUG_OK;
}

/* Text in which no token is looked for any more. */
static snug_status take_plain(encoder *e, const unsigned char *text, int64_t bytes, snug_error *err)
{
    const snug_bpe *const self = e->self;
    part p = {.text = text, .bytes = bytes};
    bool blank = self->prefix_blank && text[0] != ' ';
    if (!self->use_pattern) {
        return take_uncut(e, &p, blank, err);
    }
    while (p.at < p.bytes && !is_full(e)) {
        int64_t valid = 0;
        const int64_t end = word_end(self, &p, blank, &valid);
        if (valid == 0) {
            return snug_token_not_utf8(e->whole, p.text + p.at - e->whole, err);
        }
        const snug_bpe_word word = {p.text + p.at, end - p.at, blank};
        snug_bpe_cut(self, &e->merger, &word, e->sink);
        p.at = end;
        blank = false;
    }
    return SNUG_OK;
}

/* Text between tokens that are matched as they stand; it has no normaliser to go through. */
static snug_status take_part(encoder *e, const unsigned char *text, int64_t bytes, snug_error *err)
{
    snug_added_cursor cursor = {.set = &e->self->base.normalised, .text = text, .bytes = bytes};
    snug_added_part found;
    if (cursor.set->count == 0) {
        return take_plain(e, text, bytes, err);
    }
    while (!is_full(e) && snug_added_next(&cursor, &found)) {
        if (found.token != NULL) {
            snug_id_put(e->sink, found.token->id);
        } else {
            SNUG_TRY(take_plain(e, text + found.begin, found.end - found.begin, err));
        }
    }
    return SNUG_OK;
}

snug_status snug_bpe_encode(const snug_tokenizer *self, const unsigned char *text, int64_t bytes,
                            snug_id_sink *sink, snug_error *err)
{
    encoder e; /* The room to merge in is written before it is read. */
    snug_added_cursor cursor = {.set = &self->added, .text = text, .bytes = bytes};
    snug_added_part found;
    e.self = (const snug_bpe *)self;
    e.sink = sink;
    e.whole = text;
    while (!is_full(&e) && snug_added_next(&cursor, &found)) {
        if (found.token != NULL) {
            snug_id_put(sink, found.token->id);
        } else {
            SNUG_TRY(take_part(&e, text + found.begin, found.end - found.begin, err));
        }
    }
    return SNUG_OK;
}
