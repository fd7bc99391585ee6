/* What the parts of the tokenizers share: the tokenizer itself, its kinds, and what files say. */
#ifndef SNUG_DATA_TOKEN_TOKENIZER_INTERNAL_H
#define SNUG_DATA_TOKEN_TOKENIZER_INTERNAL_H

#include "data/token/added_tokens.h"
#include "data/token/token_trie.h"
#include "data/token/tokenizer.h"

/* ---- The tokenizer ---- */

typedef struct snug_tokenizer_text snug_tokenizer_text;

/** Where ids go: `ids` NULL only counts. */
typedef struct snug_id_sink {
    int32_t *ids;
    int64_t capacity;
    int64_t count;
} snug_id_sink;

static inline void snug_id_put(snug_id_sink *sink, int32_t id)
{
    if (sink->count < sink->capacity) {
        if (sink->ids != NULL) {
            sink->ids[sink->count] = id;
        }
        sink->count++;
    }
}

/** A kind of tokenizer. Everything else is the same for all. */
typedef struct snug_token_model {
    const char *type; /* As tokenizer.json has it. */
    /** Makes the tokenizer of what the files say: zeros but for what is its own. */
    snug_status (*build)(const snug_tokenizer_text *text, snug_arena *scratch, snug_arena *arena,
                         snug_tokenizer **out, snug_error *err);
    /** What is left to do when the added tokens are known. */
    snug_status (*finish)(snug_tokenizer *self, snug_arena *scratch, snug_arena *arena,
                          snug_error *err);
    /** The number of a token of the vocabulary; -1. */
    int32_t (*find)(const snug_tokenizer *self, const char *text, int64_t bytes);
    /** A text as tokens with "normalized": true meet it. Writes up to `room` bytes. */
    int64_t (*normalise)(const snug_tokenizer *self, const char *text, int64_t bytes, char *out,
                         int64_t room);
    snug_status (*encode)(const snug_tokenizer *self, const unsigned char *text, int64_t bytes,
                          snug_id_sink *sink, snug_error *err);
} snug_token_model;

extern const snug_token_model snug_wordpiece_model;
extern const snug_token_model snug_bpe_model;

enum { SNUG_TEMPLATE_SPECIALS_MAX = 8, SNUG_TEMPLATE_ITEMS_MAX = 20 };

/** Ids at one place of a template. */
typedef struct snug_template_ids {
    int32_t ids[SNUG_TEMPLATE_SPECIALS_MAX];
    int32_t count;
} snug_template_ids;

/** head A tail; head A middle B tail. */
typedef struct snug_token_template {
    snug_template_ids head, middle, tail;
    bool second_typed;    /* B and the tail have token type 1, and of the middle those */
    int32_t middle_first; /* from here on. */
} snug_token_template;

/** The first member of each kind's own structure. */
struct snug_tokenizer {
    const snug_token_model *model;
    snug_tokenizer_facts facts;
    snug_token_template single, pair;
    snug_added_set added;      /* Found in the text as it stands. */
    snug_added_set normalised; /* Found between those, in the normalised text. */
};

/* ---- What the files say, in scratch memory, before anything is built or checked ---- */

/** A token that files say is found before all others. */
typedef struct snug_token_entry {
    snug_token_word word;
    bool single_word, left_strip, right_strip, normalised;
} snug_token_entry;

/** Two tokens that become one. */
typedef struct snug_token_merge {
    const char *left, *right;
    int32_t left_bytes, right_bytes;
} snug_token_merge;

/** A switch of a file that may be left open. */
typedef enum snug_said { SNUG_SAID_NOTHING, SNUG_SAID_NO, SNUG_SAID_YES } snug_said;

/** One place of a template: 'S' a special token, 'A' and 'B' the texts. */
typedef struct snug_template_item {
    char kind;
    const char *name; /* Of 'S'. */
    int64_t type;     /* Token type. */
} snug_template_item;

typedef struct snug_template_text {
    snug_template_item items[SNUG_TEMPLATE_ITEMS_MAX];
    int32_t count;
} snug_template_text;

struct snug_tokenizer_text {
    const char *name;              /* Of the file, for messages. */
    const snug_token_model *model; /* NULL: the file has not said. */
    snug_token_word *words;
    int64_t word_count;
    bool last_counts;        /* Equal words are allowed: a vocab.txt. */
    bool bare;               /* There is no tokenizer.json: a tokenizer_config.json says more. */
    snug_token_entry *added; /* [SNUG_ADDED_TOKENS_MAX] */
    int64_t added_count;
    snug_template_text single, pair;
    const char *unknown, *start, *end, *padding, *mask; /* NULL: no file named it. */
    bool adds_specials; /* They are found in texts even where no list has them. */
    struct {
        bool normalizer; /* The file has one of BERT's. */
        bool splitter;
        bool clean_text, chinese_apart, lower_case;
        snug_said strip_accents;
        int64_t word_characters_max;
        const char *prefix; /* "##" */
    } wordpiece;
    struct {
        bool splitter;
        bool prefix_blank, use_pattern;
        bool ignore_merges, fuse_unknown, byte_fallback;
        const char *unknown; /* For bytes that the vocabulary lacks; NULL: they vanish. */
        const char *affix;   /* A prefix or suffix that is not empty: not read. */
        snug_token_merge *merges;
        int64_t merge_count;
    } bpe;
};

/** What is in every text where no file says otherwise. */
void snug_template_default(const char *start, const char *end, bool roberta,
                           snug_tokenizer_text *text);

/** No special tokens around texts. */
void snug_template_none(snug_tokenizer_text *text);

/** Gives special tokens that no file named the names that transformers has for them. */
void snug_tokenizer_name_specials(snug_tokenizer_text *text);

/** Reads a tokenizer.json into `out`, whose fields hold the defaults. Views into `data`. */
SNUG_MUST_CHECK snug_status snug_tokenizer_read_json(const char *data, int64_t bytes,
                                                     snug_arena *scratch, snug_tokenizer_text *out,
                                                     snug_error *err);
/**
 * Reads a tokenizer_config.json over what was read before: what the class that it names takes from
 * it in transformers, whatever the tokenizer.json says. With `bare` its added tokens count as well.
 */
SNUG_MUST_CHECK snug_status snug_tokenizer_read_config(const char *data, int64_t bytes,
                                                       snug_arena *scratch,
                                                       snug_tokenizer_text *out, snug_error *err);
/** Reads a vocab.txt. */
SNUG_MUST_CHECK snug_status snug_tokenizer_read_lines(const char *data, int64_t bytes,
                                                      snug_arena *scratch, snug_tokenizer_text *out,
                                                      snug_error *err);
/** Reads a vocab.json. */
SNUG_MUST_CHECK snug_status snug_tokenizer_read_vocabulary(const char *data, int64_t bytes,
                                                           snug_arena *scratch,
                                                           snug_tokenizer_text *out,
                                                           snug_error *err);
/** Reads a merges.txt. */
SNUG_MUST_CHECK snug_status snug_tokenizer_read_merges(const char *data, int64_t bytes,
                                                       snug_arena *scratch,
                                                       snug_tokenizer_text *out, snug_error *err);
/** "a b" into its two sides; FORMAT unless there are two. `place` stands in the message. */
SNUG_MUST_CHECK snug_status snug_tokenizer_split_merge(const char *text, int64_t bytes,
                                                       const char *what, int64_t place,
                                                       snug_token_merge *out, snug_error *err);

/** Checks what the files say and builds the tokenizer. */
SNUG_MUST_CHECK snug_status snug_tokenizer_build(const snug_tokenizer_text *text,
                                                 snug_arena *scratch, snug_arena *arena,
                                                 snug_tokenizer **out, snug_error *err);
/** The name of a token, cut to fit a message. */
const char *snug_token_shown(const char *text, int64_t bytes, char out[SNUG_NAME_BYTES]);
/** Walks the whole word; its number, or -1. */
int32_t snug_token_find(const snug_token_trie *trie, const char *text, int64_t bytes);
/** The automaton of all words that are not empty. */
SNUG_MUST_CHECK snug_status snug_token_build_words(const snug_tokenizer_text *text,
                                                   snug_arena *scratch, snug_arena *arena,
                                                   snug_token_trie *out, snug_error *err);
SNUG_MUST_CHECK snug_status snug_token_not_utf8(const unsigned char *text, int64_t at,
                                                snug_error *err);

#endif
