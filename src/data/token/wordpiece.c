#include "data/token/wordpiece.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/utf8.h"
#include "data/token/unicode.h"
#include "data/token/wordpiece_internal.h"

/*
 * One pass over the text: a character is cleaned, decomposed, lowered and put to the word that is
 * being read, which walks the vocabulary on the way; at the end of the word most often its id
 * stands there. Only the word in work is kept: a longer one than the limit is unknown anyway.
 */
typedef struct encoder {
    const snug_wordpiece *self;
    int32_t *ids; /* NULL: only count. */
    int64_t capacity;
    int64_t count;
    int32_t state;      /* Where the word stands in the vocabulary. */
    int32_t bytes;      /* Of the word. */
    int64_t characters; /* Of the word; those above the limit are counted, not kept. */
    int32_t late_count;
    bool hopeless; /* The word holds U+0000, which no token does. */
    unsigned char word[4 * SNUG_WORD_CHARACTERS_MAX];
    uint32_t late[SNUG_WORD_CHARACTERS_MAX]; /* Characters that wait until their order is known. */
    uint8_t late_order[SNUG_WORD_CHARACTERS_MAX];
} encoder;

/* The arrays stay as they are: they are written before they are read. */
static void start_encoder(encoder *e, const snug_wordpiece *self, int32_t *ids, int64_t capacity)
{
    e->self = self;
    e->ids = ids;
    e->capacity = capacity;
    e->count = 0;
    e->state = SNUG_TOKEN_ROOT;
    e->bytes = 0;
    e->characters = 0;
    e->late_count = 0;
    e->hopeless = false;
}

static inline void emit(encoder *e, int32_t id)
{
    if (e->count < e->capacity) {
        if (e->ids != NULL) {
            e->ids[e->count] = id;
        }
        e->count++;
    }
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
            emit(e, e->self->facts.unknown_id);
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
    if (e->characters++ >= e->self->facts.word_characters_max) {
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

/* The waiting characters, now in order, join the word. None of them is a space or punctuation. */
static void flush_late(encoder *e)
{
    for (int32_t i = 0; i < e->late_count; i++) {
        uint32_t parts[SNUG_UNICODE_PARTS_MAX] = {e->late[i]};
        const int32_t count = e->self->facts.lower_case ? snug_unicode_lower(e->late[i], parts) : 1;
        for (int32_t k = 0; k < count; k++) {
            append_code(e, parts[k]);
        }
    }
    e->late_count = 0;
}

static inline void finish_word(encoder *e)
{
    if (SNUG_UNLIKELY(e->late_count > 0)) {
        flush_late(e);
    }
    if (e->characters == 0) {
        return;
    }
    const int32_t id = e->self->words.units[e->state].id;
    if (SNUG_UNLIKELY(e->characters > e->self->facts.word_characters_max || e->hopeless)) {
        emit(e, e->self->facts.unknown_id);
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

/* Stable by combining class; beyond the limit the word is unknown whatever the order. */
static void add_late(encoder *e, uint32_t code)
{
    if (e->late_count == SNUG_WORD_CHARACTERS_MAX) {
        e->characters = e->self->facts.word_characters_max;
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
    if (e->self->facts.lower_case && (snug_unicode_flags(code) & SNUG_UNICODE_LOWERED) != 0) {
        count = snug_unicode_lower(code, parts);
    }
    for (int32_t i = 0; i < count; i++) {
        const uint32_t flags = snug_unicode_flags(parts[i]);
        if ((flags & (SNUG_UNICODE_SPACE | SNUG_UNICODE_PUNCTUATION)) != 0) {
            finish_word(e);
        }
        if ((flags & SNUG_UNICODE_SPACE) != 0) {
            continue;
        }
        append_code(e, parts[i]);
        if ((flags & SNUG_UNICODE_PUNCTUATION) != 0) {
            finish_word(e);
        }
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

static void take_code(encoder *e, uint32_t code)
{
    const snug_wordpiece_facts *const facts = &e->self->facts;
    const uint32_t flags = snug_unicode_flags(code);
    if (facts->clean_text && (flags & SNUG_UNICODE_REMOVED) != 0) {
        return;
    }
    const bool apart = facts->chinese_apart && is_chinese(code);
    if (apart || (facts->clean_text && (flags & SNUG_UNICODE_SPACE) != 0)) {
        finish_word(e);
    }
    if (facts->strip_accents) {
        put_bare(e, code);
    } else {
        put_code(e, code);
    }
    if (apart) {
        finish_word(e);
    }
}

snug_code_action snug_wordpiece_look(const snug_wordpiece *self, uint32_t code, int32_t *out_id)
{
    encoder e;
    int32_t ids[2];
    const uint32_t flags = snug_unicode_flags(code);
    if (self->facts.clean_text && (flags & SNUG_UNICODE_REMOVED) != 0) {
        return SNUG_CODE_IS_REMOVED;
    }
    start_encoder(&e, self, ids, SNUG_COUNT(ids));
    take_code(&e, code);
    if ((flags & SNUG_UNICODE_SPACE) != 0 && e.count == 0 && e.characters == 0) {
        return SNUG_CODE_IS_SPACE;
    }
    if (e.count != 1 || e.characters > 0 || e.late_count > 0) {
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
    const int64_t room = snug_max_i64(0, self->facts.word_characters_max - e->characters);
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

static snug_status not_utf8(const unsigned char *text, int64_t at, snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the text is not UTF-8: byte %lld is 0x%02x",
                     (long long)at, text[at]);
}

/* Any character, decoded; *out_next is the byte after it. */
static snug_status take_any(encoder *e, const unsigned char *text, int64_t at, int64_t bytes,
                            int64_t *out_next, snug_error *err)
{
    const unsigned char *const c = text + at;
    const int64_t length = snug_utf8_length((const char *)c, bytes - at);
    if (length == 0) {
        return not_utf8(text, at, err);
    }
    uint32_t code = c[0];
    if (length > 1) {
        code &= 0x7fU >> length;
        for (int64_t i = 1; i < length; i++) {
            code = code << 6 | (c[i] & 0x3fU);
        }
    }
    take_code(e, code);
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

/* Whether a word character stands just before `at` (or at it); broken bytes are none. */
static bool is_word_beside(const unsigned char *text, int64_t at, int64_t bytes, bool before)
{
    int64_t first = at;
    if (before) {
        do {
            first--;
        } while (first > 0 && at - first < 4 && (text[first] & 0xc0) == 0x80);
    }
    if (first < 0 || first >= bytes) {
        return false;
    }
    const unsigned char *const c = text + first;
    const int64_t length = snug_utf8_length((const char *)c, bytes - first);
    if (length == 0 || (before && first + length != at)) {
        return false;
    }
    uint32_t code = length == 1 ? c[0] : c[0] & 0x7fU >> length;
    for (int64_t i = 1; i < length; i++) {
        code = code << 6 | (c[i] & 0x3fU);
    }
    return (snug_unicode_flags(code) & SNUG_UNICODE_WORD) != 0;
}

/*
 * The longest added token at `at`: its end, or `at` when there is none. One that must stand alone
 * and does not is no token, and none begins before its end (`*io_blocked`).
 */
static int64_t take_token(encoder *e, const unsigned char *text, int64_t at, int64_t bytes,
                          int64_t *io_blocked)
{
    const snug_token_unit *const units = e->self->added.units;
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
    if (best < 0) {
        return at;
    }
    const snug_added_token *const token = &e->self->added_tokens[best];
    if (token->single_word &&
        (is_word_beside(text, at, bytes, true) || is_word_beside(text, end, bytes, false))) {
        *io_blocked = end;
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
    while (at < bytes && e->count < e->capacity) {
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

const snug_wordpiece_facts *snug_wordpiece_facts_of(const snug_wordpiece *self)
{
    return &self->facts;
}

snug_status snug_wordpiece_encode(const snug_wordpiece *self, const char *text, int64_t bytes,
                                  int32_t *ids, int64_t capacity, int64_t *out_count,
                                  snug_error *err)
{
    encoder e;
    SNUG_ASSERT(bytes >= 0);
    SNUG_ASSERT(capacity >= 0);
    start_encoder(&e, self, ids, capacity);
    SNUG_TRY(encode(&e, (const unsigned char *)text, bytes, err));
    *out_count = e.count;
    return SNUG_OK;
}

snug_status snug_wordpiece_single(const snug_wordpiece *self, const char *text, int64_t bytes,
                                  int32_t *ids, int64_t length_max, int64_t *out_count,
                                  snug_error *err)
{
    int64_t count = 0;
    if (length_max < 2) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "a text needs a length of at least 2 tokens, not %lld",
                         (long long)length_max);
    }
    SNUG_TRY(snug_wordpiece_encode(self, text, bytes, ids + 1, length_max - 2, &count, err));
    ids[0] = self->facts.start_id;
    ids[count + 1] = self->facts.end_id;
    *out_count = count + 2;
    return SNUG_OK;
}

/*
 * How many pieces each text keeps of `room`: the shorter one all it has while the other is longer,
 * else half each, the odd one going to the longer, or to the second when they are equal.
 */
static void share_room(int64_t room, int64_t *io_first, int64_t *io_second)
{
    const bool first_longer = *io_first > *io_second;
    const int64_t shorter = snug_min_i64(*io_first, *io_second);
    if (*io_first + *io_second <= room) {
        return;
    }
    int64_t less = shorter;
    int64_t more = room - shorter;
    if (more < less) {
        less = room / 2;
        more = room - less;
    }
    *io_first = first_longer ? more : less;
    *io_second = first_longer ? less : more;
}

snug_status snug_wordpiece_pair(const snug_wordpiece *self, const char *first, int64_t first_bytes,
                                const char *second, int64_t second_bytes, int32_t *ids,
                                int64_t length_max, int64_t *out_first, int64_t *out_count,
                                snug_error *err)
{
    int64_t first_count = 0;
    int64_t second_count = 0;
    const int64_t room = length_max - 3;
    if (room < 0) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "a pair of texts needs a length of at least 3 tokens, not %lld",
                         (long long)length_max);
    }
    /* Counting ends early, except where two long texts fight for an odd piece. */
    int64_t look = room + 1;
    for (int32_t round = 0; round < 2; round++) {
        SNUG_TRY(snug_wordpiece_encode(self, first, first_bytes, NULL, look, &first_count, err));
        SNUG_TRY(snug_wordpiece_encode(self, second, second_bytes, NULL, look, &second_count, err));
        if (room % 2 == 0 || first_count <= room || second_count <= room) {
            break;
        }
        look = INT64_MAX;
    }
    share_room(room, &first_count, &second_count);
    int64_t written = 0;
    int32_t *const rest = ids + first_count + 2;
    SNUG_TRY(snug_wordpiece_encode(self, first, first_bytes, ids + 1, first_count, &written, err));
    SNUG_TRY(snug_wordpiece_encode(self, second, second_bytes, rest, second_count, &written, err));
    ids[0] = self->facts.start_id;
    ids[first_count + 1] = self->facts.end_id;
    rest[second_count] = self->facts.end_id;
    *out_first = first_count + 2;
    *out_count = first_count + second_count + 3;
    return SNUG_OK;
}
