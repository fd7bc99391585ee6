#include "data/token/wordpiece_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/utf8.h"
#include "data/token/unicode.h"

enum { WINDOW_BYTES = 4 * SNUG_NORMALISED_TOKEN_BYTES_MAX, UTF8_BYTES_MAX = 4 };

/*
 * Normalised text on its way to the words, where tokens are looked for in it. A token and what
 * stands beside it are in here before its first character leaves.
 */
typedef struct window {
    unsigned char text[WINDOW_BYTES];
    int64_t bytes;
    int64_t at;      /* What is before it has left; its last character is kept. */
    int64_t blocked; /* No token begins before this byte. */
} window;

/*
 * One pass over the text: a character is cleaned, decomposed, lowered and put to the word that is
 * being read, which walks the vocabulary on the way; at the end of the word most often its id
 * stands there. Only the word in work is kept: a longer one than the limit is unknown anyway.
 */
typedef struct encoder {
    const snug_wordpiece *self;
    snug_id_sink sink;
    int32_t state;      /* Where the word stands in the vocabulary. */
    int32_t bytes;      /* Of the word. */
    int64_t characters; /* Of the word; those above the limit are counted, not kept. */
    int32_t late_count;
    bool hopeless; /* The word holds U+0000, which no token does. */
    unsigned char word[4 * SNUG_WORD_CHARACTERS_MAX];
    uint32_t late[SNUG_WORD_CHARACTERS_MAX]; /* Characters that wait until their order is known. */
    uint8_t late_order[SNUG_WORD_CHARACTERS_MAX];
    bool windowed; /* Characters pass through the window. */
    bool kept;     /* And stay in it: only the normalised text is wanted. */
    window window;
} encoder;

/* The arrays stay as they are: they are written before they are read. */
static void start_encoder(encoder *e, const snug_wordpiece *self, const snug_id_sink *sink)
{
    e->self = self;
    e->sink = *sink;
    e->state = SNUG_TOKEN_ROOT;
    e->bytes = 0;
    e->characters = 0;
    e->late_count = 0;
    e->hopeless = false;
    e->windowed = self->base.normalised.count > 0;
    e->kept = false;
    e->window.bytes = 0;
    e->window.at = 0;
    e->window.blocked = 0;
}

static inline void emit(encoder *e, int32_t id)
{
    snug_id_put(&e->sink, id);
}

/* Greedy longest match from the left; a rest that nothing matches makes the whole word unknown. */
static void emit_pieces(encoder *e)
{
    const snug_token_unit *const units = e->self->words.units;
    int32_t pieces[SNUG_WORD_CHARACTERS_MAX]; /* A piece is a character or more. */
    int64_t count = 0;
    int32_t at = 0;
    while (at < e->bytes) {
        int32_t state = at == 0 ? SNUG_TOKEN_ROOT : e->self->continuation;
        int32_t best = -1;
        int32_t best_end = at;
        for (int32_t i = at; i < e->bytes && state != SNUG_TOKEN_DEAD; i++) {
            state = snug_token_step(units, state, e->word[i]);
            if (units[state].id >= 0) {
                best = units[state].id;
                best_end = i + 1;
            }
        }
        if (best < 0) {
            emit(e, e->self->base.facts.unknown_id);
            return;
        }
        SNUG_ASSERT(count < SNUG_WORD_CHARACTERS_MAX);
        pieces[count++] = best;
        at = best_end;
    }
    for (int64_t i = 0; i < count; i++) {
        emit(e, pieces[i]);
    }
}

static void append_code(encoder *e, uint32_t code)
{
    if (e->characters++ >= e->self->base.facts.word_characters_max) {
        return;
    }
    if (code == 0) {
        e->hopeless = true;
        return;
    }
    char text[4];
    const int64_t bytes = snug_utf8_write(code, text);
    for (int64_t i = 0; i < bytes; i++) {
        const unsigned char byte = (unsigned char)text[i];
        e->word[e->bytes++] = byte;
        e->state = snug_token_step(e->self->words.units, e->state, byte);
    }
}

/* The word is over: its id, or its pieces. */
static inline void close_word(encoder *e)
{
    if (e->characters == 0) {
        return;
    }
    const int32_t id = e->self->words.units[e->state].id;
    if (SNUG_UNLIKELY(e->characters > e->self->base.facts.word_characters_max || e->hopeless)) {
        emit(e, e->self->base.facts.unknown_id);
    } else if (SNUG_LIKELY(id >= 0)) {
        emit(e, id);
    } else {
        emit_pieces(e);
    }
    e->state = SNUG_TOKEN_ROOT;
    e->bytes = 0;
    e->characters = 0;
    e->hopeless = false;
}

/* A character of the normalised text. */
static void take_normal(encoder *e, uint32_t code)
{
    const uint32_t flags = snug_unicode_flags(code);
    if ((flags & (SNUG_UNICODE_SPACE | SNUG_UNICODE_PUNCTUATION)) != 0) {
        close_word(e);
    }
    if ((flags & SNUG_UNICODE_SPACE) != 0) {
        return;
    }
    append_code(e, code);
    if ((flags & SNUG_UNICODE_PUNCTUATION) != 0) {
        close_word(e);
    }
}

/* The characters of the window go on; without `all` those stay whose token may not be whole. */
static void drain_window(encoder *e, bool all)
{
    const snug_added_set *const set = &e->self->base.normalised;
    window *const w = &e->window;
    const int64_t margin = set->bytes_max + UTF8_BYTES_MAX;
    while (w->at < w->bytes && (all || w->bytes - w->at > margin)) {
        if (w->at >= w->blocked && set->first[w->text[w->at]]) {
            const snug_added_token *token = NULL;
            const int64_t end = snug_added_at(set, w->text, w->bytes, w->at, &token);
            if (token != NULL) {
                close_word(e);
                emit(e, token->id);
                w->at = end;
                continue;
            }
            w->blocked = end;
        }
        const int64_t length = snug_utf8_length((const char *)w->text + w->at, w->bytes - w->at);
        take_normal(e, snug_token_code(w->text + w->at, length));
        w->at += length;
    }
    const int64_t gone = all ? w->at : snug_max_i64(0, w->at - UTF8_BYTES_MAX);
    memmove(w->text, w->text + gone, (size_t)(w->bytes - gone));
    w->bytes -= gone;
    w->at -= gone;
    w->blocked = snug_max_i64(0, w->blocked - gone);
}

static inline void push_normal(encoder *e, uint32_t code)
{
    window *const w = &e->window;
    if (SNUG_LIKELY(!e->windowed)) {
        take_normal(e, code);
        return;
    }
    if (w->bytes + UTF8_BYTES_MAX > WINDOW_BYTES) {
        SNUG_ASSERT(!e->kept);
        drain_window(e, false);
    }
    w->bytes += snug_utf8_write(code, (char *)w->text + w->bytes);
}

/* The waiting characters, now in order, join the text. None of them is a space or punctuation. */
static void flush_late(encoder *e)
{
    for (int32_t i = 0; i < e->late_count; i++) {
        uint32_t parts[SNUG_UNICODE_PARTS_MAX] = {e->late[i]};
        const int32_t count =
            e->self->base.facts.lower_case ? snug_unicode_lower(e->late[i], parts) : 1;
        for (int32_t k = 0; k < count; k++) {
            push_normal(e, parts[k]);
        }
    }
    e->late_count = 0;
}

/* Nothing that follows belongs to what was read. */
static inline void finish_word(encoder *e)
{
    if (SNUG_UNLIKELY(e->late_count > 0)) {
        flush_late(e);
    }
    if (SNUG_UNLIKELY(e->windowed)) {
        drain_window(e, true);
    }
    close_word(e);
}

/* Stable by combining class; beyond the limit the word is unknown whatever the order. */
static void add_late(encoder *e, uint32_t code)
{
    if (e->late_count == SNUG_WORD_CHARACTERS_MAX) {
        e->characters = e->self->base.facts.word_characters_max;
        flush_late(e);
    }
    const uint8_t order = (uint8_t)snug_unicode_order(code);
    int32_t at = e->late_count++;
    while (at > 0 && e->late_order[at - 1] > order) {
        e->late[at] = e->late[at - 1];
        e->late_order[at] = e->late_order[at - 1];
        at--;
    }
    e->late[at] = code;
    e->late_order[at] = order;
}

/* A character that is neither cleaned nor decomposed any more. */
static void put_code(encoder *e, uint32_t code)
{
    uint32_t parts[SNUG_UNICODE_PARTS_MAX] = {code};
    int32_t count = 1;
    if (e->self->base.facts.lower_case && (snug_unicode_flags(code) & SNUG_UNICODE_LOWERED) != 0) {
        count = snug_unicode_lower(code, parts);
    }
    for (int32_t i = 0; i < count; i++) {
        push_normal(e, parts[i]);
    }
}

/*
 * NFD, then no marks. Characters that are ordered among marks (class above 0) wait for the next
 * that is not; those of them that are marks themselves vanish without a trace.
 */
static void put_bare(encoder *e, uint32_t code)
{
    uint32_t parts[SNUG_UNICODE_PARTS_MAX];
    const int32_t count = snug_unicode_decompose(code, parts);
    for (int32_t i = 0; i < count; i++) {
        const uint32_t flags = snug_unicode_flags(parts[i]);
        const bool mark = (flags & SNUG_UNICODE_MARK) != 0;
        if ((flags & SNUG_UNICODE_LATER) != 0) {
            if (!mark) {
                add_late(e, parts[i]);
            }
            continue;
        }
        if (SNUG_UNLIKELY(e->late_count > 0)) {
            flush_late(e);
        }
        if (!mark) {
            put_code(e, parts[i]);
        }
    }
}

/* The blocks that the fast tokenizer sets apart; it begins extension E at 2B920, not at 2B820. */
static bool is_chinese(uint32_t code)
{
    return (code >= 0x4e00 && code <= 0x9fff) || (code >= 0x3400 && code <= 0x4dbf) ||
           (code >= 0x20000 && code <= 0x2a6df) || (code >= 0x2a700 && code <= 0x2b81f) ||
           (code >= 0x2b920 && code <= 0x2ceaf) || (code >= 0xf900 && code <= 0xfaff) ||
           (code >= 0x2f800 && code <= 0x2fa1f);
}

/* A character that is not cleaned away. */
static inline void put_any(encoder *e, uint32_t code)
{
    if (e->self->base.facts.strip_accents) {
        put_bare(e, code);
    } else {
        put_code(e, code);
    }
}

static void take_code(encoder *e, uint32_t code)
{
    const snug_tokenizer_facts *const facts = &e->self->base.facts;
    const uint32_t flags = snug_unicode_flags(code);
    if (facts->clean_text && (flags & SNUG_UNICODE_REMOVED) != 0) {
        return;
    }
    const bool apart = facts->chinese_apart && is_chinese(code);
    if (apart) {
        put_any(e, ' ');
    }
    put_any(e, facts->clean_text && (flags & SNUG_UNICODE_SPACE) != 0 ? ' ' : code);
    if (apart) {
        put_any(e, ' ');
    }
}

snug_code_action snug_wordpiece_look(const snug_wordpiece *self, uint32_t code, int32_t *out_id)
{
    encoder e;
    int32_t ids[2];
    const uint32_t flags = snug_unicode_flags(code);
    if (self->base.facts.clean_text && (flags & SNUG_UNICODE_REMOVED) != 0) {
        return SNUG_CODE_IS_REMOVED;
    }
    start_encoder(&e, self, &(snug_id_sink){.ids = ids, .capacity = SNUG_COUNT(ids)});
    take_code(&e, code);
    if ((flags & SNUG_UNICODE_SPACE) != 0 && e.sink.count == 0 && e.characters == 0) {
        return SNUG_CODE_IS_SPACE;
    }
    if (e.sink.count != 1 || e.characters > 0 || e.late_count > 0) {
        return SNUG_CODE_IN_WORD;
    }
    *out_id = ids[0];
    return SNUG_CODE_IS_WORD;
}

/* A run of ASCII letters and digits, the way most words go. The first byte is one of them. */
static int64_t take_letters(encoder *e, const unsigned char *text, int64_t at, int64_t bytes)
{
    const snug_wordpiece *const self = e->self;
    const snug_token_unit *const units = self->words.units;
    if (SNUG_UNLIKELY(e->late_count > 0)) {
        flush_late(e);
    }
    const int64_t room = snug_max_i64(0, self->base.facts.word_characters_max - e->characters);
    const int64_t start = at;
    const int64_t end = snug_min_i64(bytes, start + room);
    int32_t state = e->state;
    unsigned char *word = e->word + e->bytes;
    while (at < end && (self->byte_kind[text[at]] == SNUG_BYTE_LETTER || at == start)) {
        const unsigned char byte = self->ascii_lower[text[at++]];
        *word++ = byte;
        state = snug_token_step(units, state, byte);
    }
    e->bytes += (int32_t)(at - start);
    while (at < bytes && (self->byte_kind[text[at]] == SNUG_BYTE_LETTER || at == start)) {
        at++; /* Only where there was no room. */
    }
    e->characters += at - start;
    e->state = state;
    return at;
}

/* Any character, decoded; *out_next is the byte after it. */
static snug_status take_any(encoder *e, const unsigned char *text, int64_t at, int64_t bytes,
                            int64_t *out_next, snug_error *err)
{
    const unsigned char *const c = text + at;
    const int64_t length = snug_utf8_length((const char *)c, bytes - at);
    if (length == 0) {
        return snug_token_not_utf8(text, at, err);
    }
    take_code(e, snug_token_code(c, length));
    *out_next = at + length;
    return SNUG_OK;
}

/* A character of three bytes: a Chinese one is a look-up. */
static inline snug_status take_three(encoder *e, const unsigned char *text, int64_t at,
                                     int64_t bytes, int64_t *out_next, snug_error *err)
{
    const unsigned char *const c = text + at;
    if (SNUG_LIKELY(bytes - at >= 3 && (c[1] & 0xc0) == 0x80 && (c[2] & 0xc0) == 0x80)) {
        const uint32_t code = (c[0] & 0x0fU) << 12 | (c[1] & 0x3fU) << 6 | (c[2] & 0x3fU);
        const int64_t page = e->self->page_of[code >> 8];
        const uint16_t said = e->self->pages[page * SNUG_PAGE_CODES + (code & 0xff)];
        *out_next = at + 3;
        if (SNUG_LIKELY(said < SNUG_PAGE_ID_MAX)) {
            finish_word(e);
            emit(e, said);
            return SNUG_OK;
        }
        if (said == SNUG_PAGE_SPACE) {
            finish_word(e);
            return SNUG_OK;
        }
        if (said == SNUG_PAGE_REMOVED) {
            return SNUG_OK;
        }
    }
    return take_any(e, text, at, bytes, out_next, err);
}

/*
 * The longest added token at `at`: its end, or `at` when there is none. One that must stand alone
 * and does not is no token, and none begins before its end (`*io_blocked`). That a token takes the
 * white space around it along makes no difference here: no id comes from white space.
 */
static int64_t take_token(encoder *e, const unsigned char *text, int64_t at, int64_t bytes,
                          int64_t *io_blocked)
{
    const snug_added_token *token = NULL;
    const int64_t end = snug_added_at(&e->self->base.added, text, bytes, at, &token);
    if (token == NULL) {
        *io_blocked = snug_max_i64(*io_blocked, end);
        return at;
    }
    finish_word(e);
    emit(e, token->id);
    return end;
}

static snug_status encode(encoder *e, const unsigned char *text, int64_t bytes, snug_error *err)
{
    const snug_wordpiece *const self = e->self;
    int64_t at = 0;
    int64_t blocked = 0; /* No added token begins before this byte. */
    while (at < bytes && e->sink.count < e->sink.capacity) {
        const unsigned char byte = text[at];
        uint8_t kind = self->byte_kind[byte];
        if (SNUG_UNLIKELY((kind & SNUG_BYTE_TOKEN) != 0)) {
            kind = (uint8_t)(kind & ~SNUG_BYTE_TOKEN);
            const int64_t end = at < blocked ? at : take_token(e, text, at, bytes, &blocked);
            if (end > at) {
                at = end;
                continue;
            }
        }
        switch (kind) {
        case SNUG_BYTE_LETTER:
            at = take_letters(e, text, at, bytes);
            break;
        case SNUG_BYTE_ALONE:
            finish_word(e);
            emit(e, self->ascii_ids[byte]);
            at++;
            break;
        case SNUG_BYTE_SPACE:
            finish_word(e);
            at++;
            break;
        case SNUG_BYTE_REMOVED:
            at++;
            break;
        case SNUG_BYTE_THREE:
            SNUG_TRY(take_three(e, text, at, bytes, &at, err));
            break;
        default:
            SNUG_TRY(take_any(e, text, at, bytes, &at, err));
            break;
        }
    }
    finish_word(e);
    return SNUG_OK;
}

snug_status snug_wordpiece_encode(const snug_tokenizer *self, const unsigned char *text,
                                  int64_t bytes, snug_id_sink *sink, snug_error *err)
{
    encoder e;
    start_encoder(&e, (const snug_wordpiece *)self, sink);
    SNUG_TRY(encode(&e, text, bytes, err));
    sink->count = e.sink.count;
    return SNUG_OK;
}

int64_t snug_wordpiece_normalise(const snug_tokenizer *self, const char *text, int64_t bytes,
                                 char *out, int64_t room)
{
    encoder e;
    int64_t next = 0;
    SNUG_ASSERT(bytes <= SNUG_NORMALISED_TOKEN_BYTES_MAX);
    start_encoder(&e, (const snug_wordpiece *)self, &(snug_id_sink){0});
    e.windowed = true;
    e.kept = true;
    for (int64_t at = 0; at < bytes; at = next) {
        const int64_t length = snug_utf8_length(text + at, bytes - at);
        SNUG_ASSERT(length > 0); /* JSON is UTF-8. */
        take_code(&e, snug_token_code((const unsigned char *)text + at, length));
        next = at + length;
    }
    flush_late(&e);
    SNUG_ASSERT(e.window.bytes <= room);
    memcpy(out, e.window.text, (size_t)e.window.bytes);
    return e.window.bytes;
}
