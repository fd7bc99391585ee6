/* Writing a Hugging Face folder whole or not at all: weights, config.json, tokenizer files. */
#ifndef SNUG_DATA_HF_HF_FOLDER_H
#define SNUG_DATA_HF_HF_FOLDER_H

#include <stdint.h>

#include "base/status.h"
#include "data/hf/hf_config.h"
#include "data/tensor_file/safetensors.h"

/** A small file that goes into the folder besides. Borrowed for the call. */
typedef struct snug_hf_extra {
    const char *name; /**< A plain file name. */
    const void *data;
    int64_t bytes;
} snug_hf_extra;

/** What a folder is made of. Borrowed for the call. */
typedef struct snug_hf_folder {
    const snug_safetensors_item *items; /**< Names as in the file, layouts, data. */
    int64_t item_count;
    const snug_hf_config *config; /**< Of the folder that the model came from. */
    snug_hf_config_changes changes;
    const char *tokenizer_folder; /**< Where its tokenizer files are; NULL: none are copied. */
    const snug_hf_extra *extras;
    int64_t extra_count;
} snug_hf_folder;

/** Bytes of buffer that snug_hf_folder_write() needs for this folder. */
int64_t snug_hf_folder_buffer_bytes(const snug_hf_folder *folder);

/**
 * Writes model.safetensors (metadata {"format": "pt"}), config.json and the tokenizer files that
 * there are (vocab.txt, vocab.json, merges.txt, tokenizer.json, tokenizer_config.json,
 * special_tokens_map.json, added_tokens.json, sentencepiece.bpe.model), unchanged, into a folder
 * beside `path`, which then takes its place at once.
 *
 * A folder that stands at `path` is replaced when it holds nothing but files of these names and of
 * the extras; else nothing is touched, since what it holds besides would be lost.
 *
 * @param path    Folders above it are made. It may be the tokenizer folder itself.
 * @param buffer  snug_hf_folder_buffer_bytes(), aligned to SNUG_ALIGN.
 * @mem     Allocates nothing.
 * @threads One thread at a time for one path.
 * @errors  SNUG_CODE_FULL when the disk is, or would be, full; SNUG_CODE_IO; SNUG_CODE_USAGE when
 *          the folder holds other things. Nothing is left behind and what stood there stays.
 */
SNUG_MUST_CHECK snug_status snug_hf_folder_write(const char *path, const snug_hf_folder *folder,
                                                 void *buffer, int64_t buffer_bytes,
                                                 snug_error *err);

/**
 * Copies the tokenizer files that are in folder `from` into folder `to`, each whole or not at all.
 * @param buffer       At least 2 bytes; 1 MiB is plenty.
 * @param[out] out_count  How many there were. May be NULL.
 */
SNUG_MUST_CHECK snug_status snug_hf_tokenizer_copy(const char *from, const char *to, void *buffer,
                                                   int64_t buffer_bytes, int64_t *out_count,
                                                   snug_error *err);

#endif
