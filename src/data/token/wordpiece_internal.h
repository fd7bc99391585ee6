/* What the parts of the WordPiece tokenizer share: the tokenizer itself, and what files say. */
#ifndef SNUG_DATA_TOKEN_WORDPIECE_INTERNAL_H
#define SNUG_DATA_TOKEN_WORDPIECE_INTERNAL_H

#include "data/token/token_trie.h"
#include "data/token/wordpiece.h"

/* What a byte at the start of a character means; TOKEN is a bit on top. */
enum {
    SNUG_BYTE_LETTER, /* ASCII that belongs to a word. */
    SNUG_BYTE_ALONE,  /* ASCII punctuation: a word of its own. */
    SNUG_BYTE_SPACE,
    SNUG_BYTE_REMOVED,
    SNUG_BYTE_THREE,      /* Leads three bytes: look at the pages. */
    SNUG_BYTE_OTHER,      /* The long way. */
    SNUG_BYTE_TOKEN = 128 /* An added token may begin here. */
};
/* What stands in a page instead of the id of a character that is a word by itself. */
enum {
    SNUG_PAGE_LONG_WAY = 0xffff,
    SNUG_PAGE_REMOVED = 0xfffe,
    SNUG_PAGE_SPACE = 0xfffd,
    SNUG_PAGE_ID_MAX = 0xff00,
    SNUG_PAGE_CODES = 256,
    SNUG_PAGES = 256 /* Of the basic plane. */
};

typedef struct snug_added_token {
    int32_t id;
    bool single_word; /* Only where no word character stands beside it. */
} snug_added_token;

struct snug_wordpiece {
    snug_wordpiece_facts facts;
    snug_token_trie words;
    snug_token_trie added; /* Its numbers are places in added_tokens. */
    const snug_added_token *added_tokens;
    int32_t continuation; /* The state after "##". */
    uint8_t byte_kind[256];
    uint8_t ascii_lower[128];
    int32_t ascii_ids[128]; /* Of bytes that are ALONE. */
    uint8_t page_of[SNUG_PAGES];
    const uint16_t *pages; /* Page 0: all the long way. */
};

/** A token that files say is found before all others. */
typedef struct snug_token_entry {
    snug_token_word word;
    bool single_word;
} snug_token_entry;

/** A switch of a file that may be left open. */
typedef enum snug_said { SNUG_SAID_NOTHING, SNUG_SAID_NO, SNUG_SAID_YES } snug_said;

/** What the files say, in scratch memory, before anything is built or checked. */
typedef struct snug_wordpiece_text {
    const char *name; /* Of the file, for messages. */
    snug_token_word *words;
    int64_t word_count;
    bool last_counts;        /* Equal words are allowed. */
    snug_token_entry *added; /* [SNUG_ADDED_TOKENS_MAX] */
    int64_t added_count;
    bool clean_text, chinese_apart, lower_case;
    snug_said strip_accents;
    int64_t word_characters_max;
    const char *prefix; /* "##" */
    const char *unknown, *start, *end, *padding, *mask;
} snug_wordpiece_text;

/** Reads a tokenizer.json into `out`, whose fields hold the defaults. Views into `data`. */
SNUG_MUST_CHECK snug_status snug_wordpiece_read_json(const char *data, int64_t bytes,
                                                     snug_arena *scratch, snug_wordpiece_text *out,
                                                     snug_error *err);
/**
 * Reads a tokenizer_config.json over what was read before. `bare`: there is a vocab.txt only, so
 * its added tokens count as well. Else its switches count if it names a tokenizer of BERT, and
 * those that it leaves out are BERT's, whatever the tokenizer.json says: transformers does so.
 */
SNUG_MUST_CHECK snug_status snug_wordpiece_read_config(const char *data, int64_t bytes, bool bare,
                                                       snug_arena *scratch,
                                                       snug_wordpiece_text *out, snug_error *err);
/** Reads a vocab.txt. */
SNUG_MUST_CHECK snug_status snug_wordpiece_read_lines(const char *data, int64_t bytes,
                                                      snug_arena *scratch, snug_wordpiece_text *out,
                                                      snug_error *err);
/** Checks what the files say and builds the tokenizer. */
SNUG_MUST_CHECK snug_status snug_wordpiece_build(const snug_wordpiece_text *text,
                                                 snug_arena *scratch, snug_arena *arena,
                                                 snug_wordpiece **out, snug_error *err);
/** Fills byte_kind, ascii_*, page_of and pages, once all else is there. */
SNUG_MUST_CHECK snug_status snug_wordpiece_build_pages(snug_wordpiece *self, snug_arena *scratch,
                                                       snug_arena *arena, snug_error *err);

typedef enum snug_code_action {
    SNUG_CODE_IN_WORD, /* Part of a word, or nothing that the pages can say. */
    SNUG_CODE_IS_WORD, /* A word by itself. */
    SNUG_CODE_IS_SPACE,
    SNUG_CODE_IS_REMOVED
} snug_code_action;

/** What `code` by itself becomes; its one id in `out_id` when it is a word by itself. */
snug_code_action snug_wordpiece_look(const snug_wordpiece *self, uint32_t code, int32_t *out_id);

#endif
