#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/utf8.h"
#include "data/token/tokenizer_internal.h"

const char *snug_token_shown(const char *text, int64_t bytes, char out[SNUG_NAME_BYTES])
{
    int64_t kept = 0;
    while (kept < bytes) {
        const int64_t length = snug_utf8_length(text + kept, bytes - kept);
        if (length == 0 || kept + length >= SNUG_NAME_BYTES) {
            break;
        }
        kept += length;
    }
    memcpy(out, text, (size_t)kept);
    out[kept] = '\0';
    return out;
}

int32_t snug_token_find(const snug_token_trie *trie, const char *text, int64_t bytes)
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

static const char *shown(const snug_token_word *word, char out[SNUG_NAME_BYTES])
{
    return snug_token_shown(word->text, word->bytes, out);
}

/* Every id within the limit, and no id twice unless equal words may be there. */
static snug_status check_ids(const snug_tokenizer_text *text, snug_arena *scratch,
                             snug_tokenizer_facts *facts, unsigned char **out_seen, snug_error *err)
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
snug_status snug_token_build_words(const snug_tokenizer_text *text, snug_arena *scratch,
                                   snug_arena *arena, snug_token_trie *out, snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    int64_t kept = 0;
    int64_t twin = -1;
    void *memory = NULL;
    const snug_mark mark = snug_arena_mark(scratch);
    const bool same = scratch == arena;
    SNUG_TRY(snug_arena_array(scratch, text->word_count, sizeof(snug_token_word), &memory, err));
    snug_token_word *const words = memory;
    for (int64_t i = 0; i < text->word_count; i++) {
        if (text->words[i].bytes > 0) {
            words[kept++] = text->words[i];
        }
    }
    SNUG_TRY(snug_token_trie_build(words, kept, scratch, arena, out,
                                   text->last_counts ? NULL : &twin, err));
    if (twin >= 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "token '%s' is there twice",
                         shown(&words[twin], name));
    }
    if (!same) {
        snug_arena_rewind(scratch, mark);
    }
    return SNUG_OK;
}

/* ---- Special tokens and templates ---- */

/* The names that transformers has for special tokens where no file says. */
typedef struct special_names {
    const char *unknown, *start, *end, *padding, *mask;
} special_names;

static const special_names bert_names = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};
static const special_names roberta_names = {"<unk>", "<s>", "</s>", "<pad>", "<mask>"};

void snug_tokenizer_name_specials(snug_tokenizer_text *text)
{
    const special_names *const names =
        text->model == &snug_bpe_model ? &roberta_names : &bert_names;
    const struct {
        const char **out;
        const char *name;
    } specials[] = {{&text->unknown, names->unknown},
                    {&text->start, names->start},
                    {&text->end, names->end},
                    {&text->padding, names->padding},
                    {&text->mask, names->mask}};
    for (int64_t i = 0; i < SNUG_COUNT(specials); i++) {
        *specials[i].out = *specials[i].out == NULL ? specials[i].name : *specials[i].out;
    }
}

void snug_template_default(const char *start, const char *end, bool roberta,
                           snug_tokenizer_text *text)
{
    const snug_template_item first = {'S', start, 0}, last = {'S', end, 0};
    const snug_template_item one = {'A', NULL, 0}, two = {'B', NULL, roberta ? 0 : 1};
    const snug_template_item end_two = {'S', end, roberta ? 0 : 1};
    text->single = (snug_template_text){.items = {first, one, last}, .count = 3};
    if (roberta) {
        text->pair =
            (snug_template_text){.items = {first, one, last, last, two, end_two}, .count = 6};
    } else {
        text->pair = (snug_template_text){.items = {first, one, last, two, end_two}, .count = 5};
    }
}

void snug_template_none(snug_tokenizer_text *text)
{
    const snug_template_item one = {'A', NULL, 0}, two = {'B', NULL, 1};
    text->single = (snug_template_text){.items = {one}, .count = 1};
    text->pair = (snug_template_text){.items = {one, two}, .count = 2};
}

/* The id of a token, added or of the vocabulary; -1 when it is nowhere. */
static int32_t id_of(const snug_tokenizer *self, const snug_tokenizer_text *text, const char *name)
{
    const int64_t bytes = (int64_t)strlen(name);
    for (int64_t i = 0; i < text->added_count; i++) {
        const snug_token_word *const word = &text->added[i].word;
        if (word->bytes == bytes && memcmp(word->text, name, (size_t)bytes) == 0) {
            return word->id;
        }
    }
    return self->model->find(self, name, bytes);
}

static snug_status unknown_template(const snug_tokenizer_text *text, const char *what,
                                    snug_error *err)
{
    SNUG_UNUSED(text);
    return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                     "the post_processor's template of %s is not special tokens around each text "
                     "once, with token types 0, then 1",
                     what);
}

/* Where an item of a template goes: head, middle or tail. */
static snug_template_ids *place_of(snug_token_template *t, int32_t texts, int32_t wanted)
{
    return texts == 0 ? &t->head : texts == wanted ? &t->tail : &t->middle;
}

/* A template of `wanted` texts into ids. */
static snug_status build_template(const snug_tokenizer *self, const snug_tokenizer_text *text,
                                  const snug_template_text *from, int32_t wanted,
                                  snug_token_template *out, snug_error *err)
{
    const char *const what = wanted == 1 ? "one text" : "a pair";
    int32_t texts = 0;
    bool typed = false;
    *out = (snug_token_template){0};
    for (int32_t i = 0; i < from->count; i++) {
        const snug_template_item *const item = &from->items[i];
        const bool one = item->type == 1;
        if ((!one && item->type != 0) || (typed && !one) || (one && (wanted == 1 || texts == 0))) {
            return unknown_template(text, what, err);
        }
        if (one && !typed && texts == 2 && item->kind == 'S') {
            return unknown_template(text, what, err);
        }
        if (item->kind != 'S') {
            if (texts == wanted || item->kind != (texts == 0 ? 'A' : 'B')) {
                return unknown_template(text, what, err);
            }
            out->middle_first = one && !typed ? out->middle.count : out->middle_first;
            texts++;
        } else {
            snug_template_ids *const place = place_of(out, texts, wanted);
            const int32_t id = id_of(self, text, item->name);
            if (id < 0) {
                return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                                 "the vocabulary has no '%s', the token for the %s of a text",
                                 item->name, place == &out->head ? "start" : "end");
            }
            if (place->count == SNUG_TEMPLATE_SPECIALS_MAX) {
                return unknown_template(text, what, err);
            }
            out->middle_first = one && !typed ? out->middle.count : out->middle_first;
            place->ids[place->count++] = id;
        }
        typed = typed || one;
    }
    out->second_typed = typed;
    return texts == wanted ? SNUG_OK : unknown_template(text, what, err);
}

static snug_status build_templates(const snug_tokenizer_text *text, snug_tokenizer *self,
                                   snug_error *err)
{
    snug_tokenizer_facts *const facts = &self->facts;
    snug_token_template *const one = &self->single, *const two = &self->pair;
    SNUG_TRY(build_template(self, text, &text->single, 1, one, err));
    SNUG_TRY(build_template(self, text, &text->pair, 2, two, err));
    facts->single_length_min = one->head.count + one->tail.count;
    facts->pair_length_min = two->head.count + two->middle.count + two->tail.count;
    facts->start_id = one->head.count > 0 ? one->head.ids[0] : -1;
    facts->end_id = one->tail.count > 0 ? one->tail.ids[0] : -1;
    return SNUG_OK;
}

static snug_status find_specials(const snug_tokenizer_text *text, snug_arena *arena,
                                 snug_tokenizer *self, snug_error *err)
{
    snug_tokenizer_facts *const facts = &self->facts;
    const struct {
        const char *name;
        const char *needed; /* What for; NULL: a tokenizer can be without. */
        const char **out_name;
        int32_t *out_id;
    } specials[] = {
        {text->unknown, text->model == &snug_wordpiece_model ? "unknown words" : NULL,
         &facts->unknown, &facts->unknown_id},
        {text->start, NULL, &facts->start, &facts->start_id},
        {text->end, NULL, &facts->end, &facts->end_id},
        {text->padding, text->model == &snug_wordpiece_model ? "padding" : NULL, &facts->padding,
         &facts->padding_id},
        {text->mask, NULL, &facts->mask, &facts->mask_id},
    };
    for (int64_t i = 0; i < SNUG_COUNT(specials); i++) {
        const char *const name = specials[i].name == NULL ? "" : specials[i].name;
        const int32_t id = name[0] == '\0' ? -1 : id_of(self, text, name);
        if (id < 0 && specials[i].needed != NULL) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the vocabulary has no '%s', the token for %s",
                             name, specials[i].needed);
        }
        *specials[i].out_id = id;
        SNUG_TRY(snug_arena_text(arena, name, specials[i].out_name, err));
    }
    return build_templates(text, self, err);
}

/* ---- Added tokens ---- */

/* Specials are found in the text even where no file lists them, as in transformers. */
static int64_t list_added(const snug_tokenizer *self, const snug_tokenizer_text *text,
                          snug_token_entry *entries)
{
    const snug_tokenizer_facts *const facts = &self->facts;
    const char *const names[] = {facts->unknown, facts->start, facts->end, facts->padding,
                                 facts->mask};
    int64_t count = text->added_count;
    memcpy(entries, text->added, (size_t)count * sizeof *entries);
    for (int64_t i = 0; text->adds_specials && i < SNUG_COUNT(names); i++) {
        const snug_token_word word = {names[i], (int32_t)strlen(names[i]),
                                      id_of(self, text, names[i])};
        bool there = word.id < 0 || word.bytes == 0;
        for (int64_t k = 0; k < count && !there; k++) {
            there = entries[k].word.bytes == word.bytes &&
                    memcmp(entries[k].word.text, word.text, (size_t)word.bytes) == 0;
        }
        if (!there) {
            entries[count++] = (snug_token_entry){.word = word};
        }
    }
    return count;
}

/* An added token that is in the vocabulary has its id there; a new one has an id of its own. */
static snug_status check_added(const snug_tokenizer *self, const snug_token_entry *entry,
                               unsigned char *seen, snug_tokenizer_facts *facts, snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    const snug_token_word *const word = &entry->word;
    const int32_t known = self->model->find(self, word->text, word->bytes);
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

/* The text that a token is matched as: its own, or normalised in the scratch. */
static snug_status match_text(const snug_tokenizer *self, const snug_token_entry *entry,
                              snug_arena *scratch, snug_token_word *out, snug_error *err)
{
    enum { ROOM = 4 * SNUG_NORMALISED_TOKEN_BYTES_MAX };
    char name[SNUG_NAME_BYTES];
    void *memory = NULL;
    *out = entry->word;
    if (!entry->normalised) {
        return SNUG_OK;
    }
    if (entry->word.bytes > SNUG_NORMALISED_TOKEN_BYTES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "added token '%s' has %d bytes; one that is matched in normalised text "
                         "has at most %d",
                         shown(&entry->word, name), entry->word.bytes,
                         SNUG_NORMALISED_TOKEN_BYTES_MAX);
    }
    SNUG_TRY(snug_arena_alloc(scratch, ROOM, &memory, err));
    out->text = memory;
    out->bytes =
        (int32_t)self->model->normalise(self, entry->word.text, entry->word.bytes, memory, ROOM);
    if (out->bytes == 0) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "nothing is left of added token '%s' in normalised text",
                         shown(&entry->word, name));
    }
    return SNUG_OK;
}

/* Those of the entries that are matched normalised, or those that are not. */
static snug_status build_set(const snug_tokenizer *self, const snug_token_entry *entries,
                             int64_t count, bool normalised, snug_arena *scratch, snug_arena *arena,
                             snug_added_set *out, snug_error *err)
{
    char name[SNUG_NAME_BYTES];
    void *memory = NULL;
    int64_t kept = 0;
    int64_t twin = -1;
    SNUG_TRY(snug_arena_array(scratch, count, sizeof(snug_token_word), &memory, err));
    snug_token_word *const words = memory;
    SNUG_TRY(snug_arena_array(arena, count, sizeof(snug_added_token), &memory, err));
    snug_added_token *const tokens = memory;
    *out = (snug_added_set){0};
    for (int64_t i = 0; i < count; i++) {
        const snug_token_entry *const entry = &entries[i];
        if (entry->normalised != normalised) {
            continue;
        }
        SNUG_TRY(match_text(self, entry, scratch, &words[kept], err));
        tokens[kept] = (snug_added_token){entry->word.id, entry->single_word, entry->left_strip,
                                          entry->right_strip};
        out->bytes_max = snug_max_i64(out->bytes_max, words[kept].bytes);
        out->first[(unsigned char)words[kept].text[0]] = true;
        words[kept].id = (int32_t)kept;
        kept++;
    }
    if (kept > 0) {
        SNUG_TRY(snug_token_trie_build(words, kept, scratch, arena, &out->trie, &twin, err));
    }
    if (twin >= 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "added token '%s' is there twice%s",
                         shown(&words[twin], name), normalised ? ", as normalised text" : "");
    }
    out->tokens = tokens;
    out->count = kept;
    return SNUG_OK;
}

static snug_status build_added(const snug_tokenizer_text *text, unsigned char *seen,
                               snug_arena *scratch, snug_arena *arena, snug_tokenizer *self,
                               snug_error *err)
{
    enum { SPECIALS = 5 };
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(scratch, text->added_count + SPECIALS, sizeof(snug_token_entry),
                              &memory, err));
    snug_token_entry *const entries = memory;
    const int64_t count = list_added(self, text, entries);
    for (int64_t i = 0; i < count; i++) {
        SNUG_TRY(check_added(self, &entries[i], seen, &self->facts, err));
    }
    SNUG_TRY(build_set(self, entries, count, false, scratch, arena, &self->added, err));
    SNUG_TRY(build_set(self, entries, count, true, scratch, arena, &self->normalised, err));
    self->facts.added_count = count;
    return SNUG_OK;
}

/* ---- All of it ---- */

static snug_status build_all(const snug_tokenizer_text *text, snug_arena *scratch,
                             snug_arena *arena, snug_tokenizer **out, snug_error *err)
{
    snug_tokenizer *self = NULL;
    snug_tokenizer_facts counted = {0};
    unsigned char *seen = NULL;
    const int64_t used_before = arena->used_bytes;
    SNUG_ASSERT(text->model != NULL);
    SNUG_TRY(check_ids(text, scratch, &counted, &seen, err));
    SNUG_TRY(text->model->build(text, scratch, arena, &self, err));
    self->model = text->model;
    self->facts.type = text->model->type;
    self->facts.token_count = counted.token_count;
    self->facts.vocabulary_size = counted.vocabulary_size;
    SNUG_TRY(find_specials(text, arena, self, err));
    SNUG_TRY(build_added(text, seen, scratch, arena, self, err));
    SNUG_TRY(self->model->finish(self, scratch, arena, err));
    self->facts.bytes = arena->used_bytes - used_before;
    *out = self;
    return SNUG_OK;
}

snug_status snug_tokenizer_build(const snug_tokenizer_text *text, snug_arena *scratch,
                                 snug_arena *arena, snug_tokenizer **out, snug_error *err)
{
    const snug_mark mark = snug_arena_mark(arena);
    snug_status status = build_all(text, scratch, arena, out, err);
    if (snug_failed(status)) {
        snug_arena_rewind(arena, mark);
        status = snug_error_pass(err, status, __FILE__, __LINE__);
    }
    return status;
}
