/* Tokenizers of Hugging Face folders, WordPiece and byte-level BPE: text to ids, no allocation. */
#ifndef SNUG_DATA_TOKEN_TOKENIZER_H
#define SNUG_DATA_TOKEN_TOKENIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/** Immutable after the open: any number of threads may use it. */
typedef struct snug_tokenizer snug_tokenizer;

/** What is known about a tokenizer. Names live as long as its arena. */
typedef struct snug_tokenizer_facts {
    const char *type;        /* "WordPiece", "BPE". */
    int64_t vocabulary_size; /* Largest id + 1: the rows that an embedding table must have. */
    int64_t token_count;     /* Different tokens, those added to the vocabulary included. */
    int64_t added_count;     /* Tokens that are found in the text before all others. */
    int32_t unknown_id;      /* -1, here and below: there is none. */
    int32_t start_id;        /* The first id of every text, [CLS] or <s>. */
    int32_t end_id;          /* The first id behind every text, [SEP] or </s>. */
    int32_t padding_id;
    int32_t mask_id;
    const char *unknown;
    const char *start;
    const char *end;
    const char *padding;
    const char *mask;            /* Its name even where the vocabulary has none. */
    int64_t single_length_min;   /* Special ids of a single text: no cut is shorter. */
    int64_t pair_length_min;     /* The same of a pair. */
    bool clean_text;             /* WordPiece: control characters go, white space is a blank. */
    bool chinese_apart;          /* WordPiece: every Chinese character is a word. */
    bool strip_accents;          /* WordPiece. */
    bool lower_case;             /* WordPiece. */
    int64_t word_characters_max; /* WordPiece: a longer word is one unknown token. */
    bool prefix_blank;           /* BPE: a text begins with a blank where it has none. */
    int64_t merge_count;         /* BPE. */
    int64_t bytes;               /* That the tokenizer takes of its arena. */
} snug_tokenizer_facts;

/**
 * Opens a tokenizer: a Hugging Face folder (tokenizer.json, else vocab.txt, else vocab.json with
 * merges.txt), or one such file (".json" by its name, else a vocab.txt). Of a tokenizer_config.json
 * beside it what its class takes from there in transformers counts: of BertTokenizer do_lower_case,
 * strip_accents, tokenize_chinese_chars; of RobertaTokenizer and GPT2Tokenizer add_prefix_space and
 * the template; the names of special tokens.
 * Equal lines of a vocab.txt, equal merges: the last counts, as in transformers.
 * @param arena  Keeps the tokenizer: 0.5 MiB for bert-base-chinese, 0.6 MiB for the 30,522 pieces
 *               of the English one, 2.4 MiB for a BPE of 30,000 tokens; as before on failure. The
 *               call takes 5, 11 and 42 MiB of the heap and gives them back; the largest files that
 *               are not refused take some hundreds.
 * @errors  NOT_FOUND (no such file in the folder), IO, FORMAT (not JSON, not UTF-8, tokens or ids
 *          twice, a special token or a token of a merge that is not there), LIMIT (limits.h),
 *          UNSUPPORTED (Unigram, another normaliser, splitter or template).
 */
SNUG_MUST_CHECK snug_status snug_tokenizer_open(const char *folder_or_file, snug_arena *arena,
                                                snug_tokenizer **out, snug_error *err);
/** The same from the bytes of a tokenizer.json; `name` stands in messages. */
SNUG_MUST_CHECK snug_status snug_tokenizer_open_json(const char *name, const char *data,
                                                     int64_t bytes, snug_arena *arena,
                                                     snug_tokenizer **out, snug_error *err);

const snug_tokenizer_facts *snug_tokenizer_facts_of(const snug_tokenizer *self);

/**
 * The pieces of `text` without the special ids around it; the same ids as the fast tokenizer of
 * transformers. Added tokens written in the text become their ids.
 * @param text       UTF-8, `bytes` of them; need not end in a zero.
 * @param[out] ids   [capacity], >= 0; what does not fit is cut off. NULL only counts.
 * @param out_count  Ids written.
 * @errors  SNUG_CODE_FORMAT with the position of the first byte that is not UTF-8, as far as the
 *          text was read: it ends soon after `capacity` ids. `ids` may then hold some, and
 *          `out_count` is untouched.
 * @mem     Allocates nothing; up to 160 KiB of the stack. @threads Reentrant.
 */
SNUG_MUST_CHECK snug_status snug_tokenizer_encode(const snug_tokenizer *self, const char *text,
                                                  int64_t bytes, int32_t *ids, int64_t capacity,
                                                  int64_t *out_count, snug_error *err);

/**
 * [CLS] text [SEP], <s> text </s> or whatever the tokenizer puts around a text, which is cut on the
 * right to `length_max` ids as transformers does with truncation=True.
 * @param[out] ids  [length_max].
 * @errors  As snug_tokenizer_encode; SNUG_CODE_USAGE when `length_max` < single_length_min.
 */
SNUG_MUST_CHECK snug_status snug_tokenizer_single(const snug_tokenizer *self, const char *text,
                                                  int64_t bytes, int32_t *ids, int64_t length_max,
                                                  int64_t *out_count, snug_error *err);

/**
 * [CLS] first [SEP] second [SEP], <s> first </s></s> second </s>, the longer of the two cut first
 * (strategy "longest_first"). An empty second text is still a second text.
 * @param[out] ids        [length_max].
 * @param      out_first  Ids whose token type is 0, of the rest it is 1: BERT's up to the first
 *                        [SEP] included, all of RoBERTa's.
 * @param      out_count  Ids written.
 * @errors  As snug_tokenizer_encode; SNUG_CODE_USAGE when `length_max` < pair_length_min.
 */
SNUG_MUST_CHECK snug_status snug_tokenizer_pair(const snug_tokenizer *self, const char *first,
                                                int64_t first_bytes, const char *second,
                                                int64_t second_bytes, int32_t *ids,
                                                int64_t length_max, int64_t *out_first,
                                                int64_t *out_count, snug_error *err);

#endif
