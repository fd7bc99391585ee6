/* What the parts of the WordPiece tokenizer share. */
#ifndef SNUG_DATA_TOKEN_WORDPIECE_INTERNAL_H
#define SNUG_DATA_TOKEN_WORDPIECE_INTERNAL_H

#include "data/token/tokenizer_internal.h"

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

/** WordPiece. */
typedef struct snug_wordpiece {
    snug_tokenizer base;
    snug_token_trie words;
    int32_t continuation; /* The state after "##". */
    uint8_t byte_kind[256];
    uint8_t ascii_lower[128];
    int32_t ascii_ids[128]; /* Of bytes that are ALONE. */
    uint8_t page_of[SNUG_PAGES];
    const uint16_t *pages; /* Page 0: all the long way. */
} snug_wordpiece;

/** For the table of functions: see snug_token_model. */
SNUG_MUST_CHECK snug_status snug_wordpiece_encode(const snug_tokenizer *self,
                                                  const unsigned char *text, int64_t bytes,
                                                  snug_id_sink *sink, snug_error *err);
int64_t snug_wordpiece_normalise(const snug_tokenizer *self, const char *text, int64_t bytes,
                                 char *out, int64_t room);

typedef enum snug_code_action {
    SNUG_CODE_IN_WORD, /* Part of a word, or nothing that the pages can say. */
    SNUG_CODE_IS_WORD, /* A word by itself. */
    SNUG_CODE_IS_SPACE,
    SNUG_CODE_IS_REMOVED
} snug_code_action;

/** What `code` by itself becomes; its one id in `out_id` when it is a word by itself. */
snug_code_action snug_wordpiece_look(const snug_wordpiece *self, uint32_t code, int32_t *out_id);

#endif
