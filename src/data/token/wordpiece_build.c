#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/utf8.h"
#include "data/token/wordpiece_internal.h"

/* Most pages that differ: their number must fit a byte, and every tokenizer has far fewer. */
enum { PAGES_MAX = 255 };

static const char *shown(const snug_token_word *word, char out[SNUG_NAME_BYTES])
{
    int64_t bytes = 0;
    while (bytes < word->bytes) {
        const int64_t length = snug_utf8_length(word->text + bytes, word->bytes - bytes);
        if (length == 0 || bytes + length >= SNUG_NAME_BYTES) {
            break;
        }
        bytes += length;
    }
    memcpy(out, word->text, (size_t)bytes);
    out[bytes] = '\0';
    return out;
}

/* Walks the whole word; its number, or -1. */
static int32_t find_word(const snug_token_trie *trie, const char *text, int64_t bytes)
{
    int32_t state = SNUG_TOKEN_ROOT;
    for (int64_t i = 0; i < bytes; i++) {
        if (text[i] == '\0') {
            return -1;
        }
        state = snug_token_step(trie->units, state, (unsigned char)text[i]);
    }
    return bytes == 0 ? -1 : trie->units[state].id;
}

/* Notes an id in a field of bits; whether it was there. */
static bool see_again(unsigned char *seen, int32_t id)
{
    const unsigned char bit = (unsigned char)(1U << (id % 8));
    const bool again = (seen[id / 8] & bit) != 0;
    seen[id / 8] |= bit;
    return again;
}

/* Every id within the limit, and no id twice unless equal words may be there. */
static snug_status check_ids(const snug_wordpiece_text *text, snug_arena *scratch,
                             snug_wordpiece_facts *facts, unsigned char **out_seen, snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(scratch, SNUG_VOCABULARY_MAX / 8, 1, &memory, err));
    unsigned char *const seen = memory;
    for (int64_t i = 0; i < text->word_count; i++) {
        const snug_token_word *const word = &text->words[i];
        if (word->id < 0 || word->id >= SNUG_VOCABULARY_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "token '%s' has id %d; ids go from 0 to %d",
                             shown(word, name), word->id, SNUG_VOCABULARY_MAX - 1);
        }
        if (see_again(seen, word->id)) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "token '%s' has id %d, which another has",
                             shown(word, name), word->id);
        }
        facts->vocabulary_size = snug_max_i64(facts->vocabulary_size, (int64_t)word->id + 1);
    }
    facts->token_count = text->word_count;
    *out_seen = seen;
    return SNUG_OK;
}

/* The words of length 0 can never be met; the others become the automaton. */
static snug_status build_words(const snug_wordpiece_text *text, snug_arena *scratch,
                               snug_arena *arena, snug_wordpiece *self, snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    int64_t kept = 0;
    int64_t twin = -1;
    for (int64_t i = 0; i < text->word_count; i++) {
        if (text->words[i].bytes > 0) {
            text->words[kept++] = text->words[i];
        }
    }
    const snug_mark mark = snug_arena_mark(scratch);
    SNUG_TRY(snug_token_trie_build(text->words, kept, scratch, arena, &self->words,
                                   text->last_counts ? NULL : &twin, err));
    snug_arena_rewind(scratch, mark);
    if (twin >= 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "token '%s' is there twice",
                         shown(&text->words[twin], name));
    }
    int32_t state = SNUG_TOKEN_ROOT;
    for (const char *c = text->prefix; *c != '\0'; c++) {
        state = snug_token_step(self->words.units, state, (unsigned char)*c);
    }
    self->continuation = state;
    return SNUG_OK;
}

/* The id of a special token, of the vocabulary or added to it; -1 when it is nowhere. */
static int32_t special_id(const snug_wordpiece *self, const snug_wordpiece_text *text,
                          const char *name)
{
    const int64_t bytes = (int64_t)strlen(name);
    for (int64_t i = 0; i < text->added_count; i++) {
        const snug_token_word *const word = &text->added[i].word;
        if (word->bytes == bytes && memcmp(word->text, name, (size_t)bytes) == 0) {
            return word->id;
        }
    }
    return find_word(&self->words, name, bytes);
}

static snug_status find_specials(const snug_wordpiece_text *text, snug_arena *arena,
                                 snug_wordpiece *self, snug_error *err)
{
    snug_wordpiece_facts *const facts = &self->facts;
    const struct {
        const char *name;
        const char *what;
        const char **out_name;
        int32_t *out_id;
    } specials[] = {
        {text->unknown, "unknown words", &facts->unknown, &facts->unknown_id},
        {text->start, "the start of a text", &facts->start, &facts->start_id},
        {text->end, "the end of a text", &facts->end, &facts->end_id},
        {text->padding, "padding", &facts->padding, &facts->padding_id},
        {text->mask, "masks", &facts->mask, &facts->mask_id},
    };
    for (int64_t i = 0; i < SNUG_COUNT(specials); i++) {
        const int32_t id = special_id(self, text, specials[i].name);
        if (id < 0 && specials[i].out_id != &facts->mask_id) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the vocabulary has no '%s', the token for %s",
                             specials[i].name, specials[i].what);
        }
        *specials[i].out_id = id;
        SNUG_TRY(snug_arena_text(arena, specials[i].name, specials[i].out_name, err));
    }
    return SNUG_OK;
}

/* Specials are found in the text even where no file lists them, as in transformers. */
static int64_t list_added(const snug_wordpiece *self, const snug_wordpiece_text *text,
                          snug_token_entry *entries)
{
    const snug_wordpiece_facts *const facts = &self->facts;
    const snug_token_word specials[] = {
        {facts->unknown, (int32_t)strlen(facts->unknown), facts->unknown_id},
        {facts->start, (int32_t)strlen(facts->start), facts->start_id},
        {facts->end, (int32_t)strlen(facts->end), facts->end_id},
        {facts->padding, (int32_t)strlen(facts->padding), facts->padding_id},
        {facts->mask, (int32_t)strlen(facts->mask), facts->mask_id},
    };
    int64_t count = text->added_count;
    memcpy(entries, text->added, (size_t)count * sizeof *entries);
    for (int64_t i = 0; i < SNUG_COUNT(specials); i++) {
        bool there = specials[i].id < 0;
        for (int64_t k = 0; k < count && !there; k++) {
            there = entries[k].word.bytes == specials[i].bytes &&
                    memcmp(entries[k].word.text, specials[i].text, (size_t)specials[i].bytes) == 0;
        }
        if (!there) {
            entries[count++] = (snug_token_entry){.word = specials[i]};
        }
    }
    return count;
}

/* An added token that is in the vocabulary has its id there; a new one has an id of its own. */
static snug_status check_added(const snug_wordpiece *self, const snug_token_entry *entry,
                               unsigned char *seen, snug_wordpiece_facts *facts, snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    const snug_token_word *const word = &entry->word;
    const int32_t known = find_word(&self->words, word->text, word->bytes);
    if (word->id < 0 || word->id >= SNUG_VOCABULARY_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "added token '%s' has id %d; ids go from 0 to %d",
                         shown(word, name), word->id, SNUG_VOCABULARY_MAX - 1);
    }
    if (known >= 0 && known != word->id) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "added token '%s' has id %d, but %d in the vocabulary", shown(word, name),
                         word->id, known);
    }
    if (known < 0) {
        if (see_again(seen, word->id)) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "added token '%s' has id %d, which another has",
                             shown(word, name), word->id);
        }
        facts->token_count++;
        facts->vocabulary_size = snug_max_i64(facts->vocabulary_size, (int64_t)word->id + 1);
    }
    return SNUG_OK;
}

static snug_status build_added(const snug_wordpiece_text *text, unsigned char *seen,
                               snug_arena *scratch, snug_arena *arena, snug_wordpiece *self,
                               snug_error *err)
{
    enum { SPECIALS = 5 };
    char name[SNUG_NAME_BYTES];
    void *memory = NULL;
    int64_t twin = -1;
    SNUG_TRY(snug_arena_array(scratch, text->added_count + SPECIALS, sizeof(snug_token_entry),
                              &memory, err));
    snug_token_entry *const entries = memory;
    const int64_t count = list_added(self, text, entries);
    SNUG_TRY(snug_arena_array(scratch, count, sizeof(snug_token_word), &memory, err));
    snug_token_word *const words = memory;
    SNUG_TRY(snug_arena_array(arena, count, sizeof(snug_added_token), &memory, err));
    snug_added_token *const tokens = memory;
    for (int64_t i = 0; i < count; i++) {
        SNUG_TRY(check_added(self, &entries[i], seen, &self->facts, err));
        tokens[i] = (snug_added_token){entries[i].word.id, entries[i].single_word};
        words[i] = (snug_token_word){entries[i].word.text, entries[i].word.bytes, (int32_t)i};
    }
    SNUG_TRY(snug_token_trie_build(words, count, scratch, arena, &self->added, &twin, err));
    if (twin >= 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "added token '%s' is there twice",
                         shown(&words[twin], name));
    }
    for (int64_t i = 0; i < count; i++) {
        self->byte_kind[(unsigned char)words[i].text[0]] = SNUG_BYTE_TOKEN;
    }
    self->added_tokens = tokens;
    self->facts.added_count = count;
    return SNUG_OK;
}

static snug_status build_all(const snug_wordpiece_text *text, snug_arena *scratch,
                             snug_arena *arena, snug_wordpiece **out, snug_error *err)
{
    void *memory = NULL;
    unsigned char *seen = NULL;
    const int64_t used_before = arena->used_bytes;
    SNUG_TRY(snug_arena_alloc(arena, sizeof(snug_wordpiece), &memory, err));
    snug_wordpiece *const self = memory;
    const bool strip = text->strip_accents == SNUG_SAID_NOTHING
                           ? text->lower_case
                           : text->strip_accents == SNUG_SAID_YES;
    self->facts = (snug_wordpiece_facts){.clean_text = text->clean_text,
                                         .chinese_apart = text->chinese_apart,
                                         .strip_accents = strip,
                                         .lower_case = text->lower_case,
                                         .word_characters_max = text->word_characters_max};
    if (text->word_characters_max < 1 || text->word_characters_max > SNUG_WORD_CHARACTERS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "words of up to %lld characters are asked for; the limit is 1 to %d",
                         (long long)text->word_characters_max, SNUG_WORD_CHARACTERS_MAX);
    }
    SNUG_TRY(check_ids(text, scratch, &self->facts, &seen, err));
    SNUG_TRY(build_words(text, scratch, arena, self, err));
    SNUG_TRY(find_specials(text, arena, self, err));
    SNUG_TRY(build_added(text, seen, scratch, arena, self, err));
    SNUG_TRY(snug_wordpiece_build_pages(self, scratch, arena, err));
    self->facts.bytes = arena->used_bytes - used_before;
    *out = self;
    return SNUG_OK;
}

snug_status snug_wordpiece_build(const snug_wordpiece_text *text, snug_arena *scratch,
                                 snug_arena *arena, snug_wordpiece **out, snug_error *err)
{
    const snug_mark mark = snug_arena_mark(arena);
    snug_status status = build_all(text, scratch, arena, out, err);
    if (snug_failed(status)) {
        snug_arena_rewind(arena, mark);
        status = snug_error_pass(err, status, __FILE__, __LINE__);
    }
    return status;
}

static void fill_bytes(snug_wordpiece *self)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        static const uint8_t kinds[] = {[SNUG_CODE_IN_WORD] = SNUG_BYTE_LETTER,
                                        [SNUG_CODE_IS_WORD] = SNUG_BYTE_ALONE,
                                        [SNUG_CODE_IS_SPACE] = SNUG_BYTE_SPACE,
                                        [SNUG_CODE_IS_REMOVED] = SNUG_BYTE_REMOVED};
        uint8_t kind = byte >= 0xe0 && byte < 0xf0 ? SNUG_BYTE_THREE : SNUG_BYTE_OTHER;
        if (byte > 0 && byte < 128) {
            const bool capital = self->facts.lower_case && byte >= 'A' && byte <= 'Z';
            kind = kinds[snug_wordpiece_look(self, byte, &self->ascii_ids[byte])];
            self->ascii_lower[byte] = (uint8_t)(capital ? byte + ('a' - 'A') : byte);
        }
        self->byte_kind[byte] |= kind;
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

snug_status snug_wordpiece_build_pages(snug_wordpiece *self, snug_arena *scratch, snug_arena *arena,
                                       snug_error *err)
{
    enum { PAGE_BYTES = SNUG_PAGE_CODES * (int)sizeof(uint16_t) };
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(scratch, SNUG_PAGES + 1, PAGE_BYTES, &memory, err));
    uint16_t *const pages = memory;
    int64_t count = 1;
    memset(pages, 0xff, PAGE_BYTES);
    fill_bytes(self);
    for (uint32_t page = 0; page < SNUG_PAGES && count < PAGES_MAX; page++) {
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
