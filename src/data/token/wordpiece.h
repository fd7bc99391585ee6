/* BERT's WordPiece tokenizer: from a Hugging Face folder to ids, without allocation. */
#ifndef SNUG_DATA_TOKEN_WORDPIECE_H
#define SNUG_DATA_TOKEN_WORDPIECE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/** Immutable after the open: any number of threads may use it. */
typedef struct snug_wordpiece snug_wordpiece;

/** What is known about a tokenizer. Names live as long as its arena. */
typedef struct snug_wordpiece_facts {
    int64_t vocabulary_size; /* Largest id + 1: the rows that an embedding table must have. */
    int64_t token_count;     /* Different tokens, those added to the vocabulary included. */
    int64_t added_count;     /* Tokens that are found in the text before all others. */
    int32_t unknown_id;
    int32_t start_id; /* [CLS] */
    int32_t end_id;   /* [SEP] */
    int32_t padding_id;
    int32_t mask_id; /* -1: there is none. */
    const char *unknown;
    const char *start;
    const char *end;
    const char *padding;
    const char *mask;   /* Its name even where the vocabulary has none. */
    bool clean_text;    /* Control characters go, white space becomes a blank. */
    bool chinese_apart; /* Every Chinese character is a word. */
    bool strip_accents;
    bool lower_case;
    int64_t word_characters_max; /* A longer word is one unknown token. */
    int64_t bytes;               /* That the tokenizer takes of its arena. */
} snug_wordpiece_facts;

/**
 * Opens a tokenizer: a Hugging Face folder (tokenizer.json, else vocab.txt; in both cases
 * do_lower_case, strip_accents and tokenize_chinese_chars of a tokenizer_config.json for BERT
 * count, as they do in transformers), or one such file (".json" by its name, else a vocab.txt).
 * Equal lines of a vocab.txt: the last counts, as in transformers.
 * @param arena  Keeps the tokenizer: 0.5 MiB for bert-base-chinese, 0.6 MiB for the 30,522 pieces
 *               of the English one; as before on failure. The call takes 5 and 11 MiB of the heap
 *               and gives them back; the largest files that are not refused take some hundreds.
 * @errors  NOT_FOUND (no such file in the folder), IO, FORMAT (not JSON, not UTF-8, tokens or ids
 *          twice, no [UNK] [CLS] [SEP] or [PAD]), LIMIT (limits.h), UNSUPPORTED (BPE, Unigram,
 *          another normaliser or template; an added token that is matched after normalisation).
 */
SNUG_MUST_CHECK snug_status snug_wordpiece_open(const char *folder_or_file, snug_arena *arena,
                                                snug_wordpiece **out, snug_error *err);
/** The same from the bytes of a tokenizer.json; `name` stands in messages. */
SNUG_MUST_CHECK snug_status snug_wordpiece_open_json(const char *name, const char *data,
                                                     int64_t bytes, snug_arena *arena,
                                                     snug_wordpiece **out, snug_error *err);

const snug_wordpiece_facts *snug_wordpiece_facts_of(const snug_wordpiece *self);

/**
 * The pieces of `text`, without [CLS] and [SEP]; the same ids as BertTokenizerFast of transformers.
 * Special tokens written in the text become their ids.
 * @param text       UTF-8, `bytes` of them; need not end in a zero.
 * @param[out] ids   [capacity], >= 0; what does not fit is cut off. NULL only counts.
 * @param out_count  Ids written.
 * @errors  SNUG_CODE_FORMAT with the position of the first byte that is not UTF-8, as far as the
 *          text was read: it ends soon after `capacity` ids. `ids` may then hold some, and
 *          `out_count` is untouched.
 * @mem     Allocates nothing. @threads Reentrant.
 */
SNUG_MUST_CHECK snug_status snug_wordpiece_encode(const snug_wordpiece *self, const char *text,
                                                  int64_t bytes, int32_t *ids, int64_t capacity,
                                                  int64_t *out_count, snug_error *err);

/**
 * [CLS] text [SEP], cut on the right to `length_max` ids as transformers does with truncation=True.
 * @param[out] ids  [length_max].
 * @errors  As snug_wordpiece_encode; SNUG_CODE_USAGE when `length_max` < 2.
 */
SNUG_MUST_CHECK snug_status snug_wordpiece_single(const snug_wordpiece *self, const char *text,
                                                  int64_t bytes, int32_t *ids, int64_t length_max,
                                                  int64_t *out_count, snug_error *err);

/**
 * [CLS] first [SEP] second [SEP], the longer of the two cut first (strategy "longest_first"). An
 * empty second text is still a second text.
 * @param[out] ids        [length_max].
 * @param      out_first  Ids up to the first [SEP] included: their token type is 0, of the rest 1.
 * @param      out_count  Ids written.
 * @errors  As snug_wordpiece_encode; SNUG_CODE_USAGE when `length_max` < 3.
 */
SNUG_MUST_CHECK snug_status snug_wordpiece_pair(const snug_wordpiece *self, const char *first,
                                                int64_t first_bytes, const char *second,
                                                int64_t second_bytes, int32_t *ids,
                                                int64_t length_max, int64_t *out_first,
                                                int64_t *out_count, snug_error *err);

#endif
