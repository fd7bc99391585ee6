#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "data/token/wordpiece_internal.h"

/* Most pages that differ: their number must fit a byte, and every tokenizer has far fewer. */
enum { PAGES_MAX = 255 };

static snug_status build(const snug_tokenizer_text *text, snug_arena *scratch, snug_arena *arena,
                         snug_tokenizer **out, snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(arena, sizeof(snug_wordpiece), &memory, err));
    snug_wordpiece *const self = memory;
    const bool strip = text->wordpiece.strip_accents == SNUG_SAID_NOTHING
                           ? text->wordpiece.lower_case
                           : text->wordpiece.strip_accents == SNUG_SAID_YES;
    self->base.facts =
        (snug_tokenizer_facts){.clean_text = text->wordpiece.clean_text,
                               .chinese_apart = text->wordpiece.chinese_apart,
                               .strip_accents = strip,
                               .lower_case = text->wordpiece.lower_case,
                               .word_characters_max = text->wordpiece.word_characters_max};
    if (text->wordpiece.word_characters_max < 1 ||
        text->wordpiece.word_characters_max > SNUG_WORD_CHARACTERS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "words of up to %lld characters are asked for; the limit is 1 to %d",
                         (long long)text->wordpiece.word_characters_max, SNUG_WORD_CHARACTERS_MAX);
    }
    SNUG_TRY(snug_token_build_words(text, scratch, arena, &self->words, err));
    int32_t state = SNUG_TOKEN_ROOT;
    for (const char *c = text->wordpiece.prefix; *c != '\0'; c++) {
        state = snug_token_step(self->words.units, state, (unsigned char)*c);
    }
    self->continuation = state;
    *out = &self->base;
    return SNUG_OK;
}

static int32_t find(const snug_tokenizer *self, const char *text, int64_t bytes)
{
    return snug_token_find(&((const snug_wordpiece *)self)->words, text, bytes);
}

static void fill_bytes(snug_wordpiece *self)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        static const uint8_t kinds[] = {[SNUG_CODE_IN_WORD] = SNUG_BYTE_LETTER,
                                        [SNUG_CODE_IS_WORD] = SNUG_BYTE_ALONE,
                                        [SNUG_CODE_IS_SPACE] = SNUG_BYTE_SPACE,
                                        [SNUG_CODE_IS_REMOVED] = SNUG_BYTE_REMOVED};
        uint8_t kind = byte >= 0xe0 && byte < 0xf0 ? SNUG_BYTE_THREE : SNUG_BYTE_OTHER;
        if (self->base.normalised.count > 0) {
            kind = SNUG_BYTE_OTHER; /* Tokens are looked for in all of the normalised text. */
        } else if (byte > 0 && byte < 128) {
            const bool capital = self->base.facts.lower_case && byte >= 'A' && byte <= 'Z';
            kind = kinds[snug_wordpiece_look(self, byte, &self->ascii_ids[byte])];
            self->ascii_lower[byte] = (uint8_t)(capital ? byte + ('a' - 'A') : byte);
        }
        self->byte_kind[byte] =
            self->base.added.first[byte] ? (uint8_t)(kind | SNUG_BYTE_TOKEN) : kind;
    }
}

/* One page of the basic plane; true when it says anything. */
static bool fill_page(const snug_wordpiece *self, uint32_t page, uint16_t *out)
{
    bool says = false;
    for (uint32_t i = 0; i < SNUG_PAGE_CODES; i++) {
        const uint32_t code = page << 8 | i;
        int32_t id = 0;
        out[i] = SNUG_PAGE_LONG_WAY;
        if (code < 0x800 || (code >= 0xd800 && code <= 0xdfff)) {
            continue; /* Two bytes, or none: broken text must go the long way. */
        }
        const snug_code_action action = snug_wordpiece_look(self, code, &id);
        if (action == SNUG_CODE_IS_REMOVED) {
            out[i] = SNUG_PAGE_REMOVED;
        } else if (action == SNUG_CODE_IS_SPACE) {
            out[i] = SNUG_PAGE_SPACE;
        } else if (action == SNUG_CODE_IS_WORD && id < SNUG_PAGE_ID_MAX) {
            out[i] = (uint16_t)id;
        }
        says = says || out[i] != SNUG_PAGE_LONG_WAY;
    }
    return says;
}

/* Fills byte_kind, ascii_*, page_of and pages, once all else is there. */
static snug_status finish(snug_tokenizer *base, snug_arena *scratch, snug_arena *arena,
                          snug_error *err)
{
    snug_wordpiece *const self = (snug_wordpiece *)base;
    enum { PAGE_BYTES = SNUG_PAGE_CODES * (int)sizeof(uint16_t) };
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(scratch, SNUG_PAGES + 1, PAGE_BYTES, &memory, err));
    uint16_t *const pages = memory;
    int64_t count = 1;
    memset(pages, 0xff, PAGE_BYTES);
    fill_bytes(self);
    const uint32_t page_count = base->normalised.count > 0 ? 0 : SNUG_PAGES;
    for (uint32_t page = 0; page < page_count && count < PAGES_MAX; page++) {
        uint16_t *const fresh = pages + count * SNUG_PAGE_CODES;
        int64_t same = 0;
        if (!fill_page(self, page, fresh)) {
            continue;
        }
        while (memcmp(pages + same * SNUG_PAGE_CODES, fresh, PAGE_BYTES) != 0) {
            same++;
        }
        self->page_of[page] = (uint8_t)same;
        count = snug_max_i64(count, same + 1);
    }
    SNUG_TRY(snug_arena_array(arena, count, PAGE_BYTES, &memory, err));
    memcpy(memory, pages, (size_t)(count * PAGE_BYTES));
    self->pages = memory;
    return SNUG_OK;
}

const snug_token_model snug_wordpiece_model = {.type = "WordPiece",
                                               .build = build,
                                               .finish = finish,
                                               .find = find,
                                               .normalise = snug_wordpiece_normalise,
                                               .encode = snug_wordpiece_encode};
