/* The weights of a Hugging Face folder as one set: a single safetensors file, or shards with an
 * index; names and shapes matched against a model's. */
#ifndef SNUG_DATA_HF_TENSOR_SET_H
#define SNUG_DATA_HF_TENSOR_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"
#include "data/tensor_file/safetensors.h"

#define SNUG_HF_WEIGHTS_NAME "model.safetensors"
#define SNUG_HF_INDEX_NAME "model.safetensors.index.json"

/** One tensor of a set. */
typedef struct snug_tensor_set_entry {
    const snug_safetensors_entry *tensor;
    int32_t shard; /* Which file it stands in. */
} snug_tensor_set_entry;

/** An open set, immutable but for the close. All zeros is a closed one. */
typedef struct snug_tensor_set {
    snug_safetensors *shards;
    int64_t shard_count;
    snug_tensor_set_entry *entries;
    int32_t *by_name; /* Their numbers in byte order of their names; each name once. */
    int64_t entry_count;
} snug_tensor_set;

/**
 * Opens FOLDER/model.safetensors, else the shards of FOLDER/model.safetensors.index.json. `path`
 * may also name a safetensors file, or an index, itself.
 *
 * @param path    Borrowed for the call only.
 * @mem     Headers and entries from `arena`, which is as before on failure. Every shard stays open.
 * @threads One thread at a time opens; any number may read.
 * @errors  SNUG_CODE_NOT_FOUND when there are no weights, or a file or tensor that the index names
 *          is missing; SNUG_CODE_UNSUPPORTED for weights in PyTorch's own format only, with a
 *          command that converts them; SNUG_CODE_FORMAT for an index that is none, or that names a
 *          file outside its folder; those of snug_safetensors_open(). `out` is untouched.
 * @source  The index: keys "metadata" and "weight_map" {tensor: file}, as transformers 4 and 5
 *          write it.
 */
SNUG_MUST_CHECK snug_status snug_tensor_set_open(const char *path, snug_arena *arena,
                                                 snug_tensor_set *out, snug_error *err);
/** Closes the files; NULL and a closed set are allowed. */
void snug_tensor_set_close(snug_tensor_set *set);

/** The number of the entry of that name, or -1. */
int64_t snug_tensor_set_find(const snug_tensor_set *set, const char *name);

enum { SNUG_TENSOR_PREFIX_BYTES = 64 };

/** What a model wants of a set, beyond its items. */
typedef struct snug_tensor_match_options {
    /** What stands before our own names, as "bert."; it is left out. NULL: nothing. */
    const char *prefix;
    /** Beginnings of our names, the prefix left out, NULL-ended, that need not be in the file:
     * newly initialised. NULL: every tensor is needed. */
    const char *const *new_parts;
    /** A tensor of those parts with another shape counts as missing instead of failing. */
    bool new_when_shape_differs;
} snug_tensor_match_options;

/** What was found. */
typedef struct snug_tensor_match {
    char prefix[SNUG_TENSOR_PREFIX_BYTES]; /* What stands before our names in the file. */
    int64_t found;
    int64_t fresh;   /* Of ours, not in the file: newly initialised. */
    int64_t unused;  /* Of the file, and nothing here knows them. */
    int64_t ignored; /* Of the file, known and not needed: heads of pre-training, position ids. */
} snug_tensor_match;

/**
 * Finds our tensors in the file. The file may have any prefix ("bert.", "roberta.", "model.bert."),
 * or none, whatever ours is: it is where most of our names are. A name that is not under it may
 * stand before its last part ("classifier."), and a norm's "weight" and "bias" may be its old
 * "gamma" and "beta".
 *
 * @param items     Names and layouts; the data is not touched.
 * @param[out] out_entries  `count` numbers of entries, -1 for newly initialised ones.
 * @param report    Appended: one line that says how many were loaded, which are new, which of the
 *                  file were not used. May be NULL.
 * @mem     `arena` temporarily: one byte for each entry; rewound.
 * @errors  SNUG_CODE_NOT_FOUND with the first names that are missing; SNUG_CODE_DATA with both
 *          shapes, or a type that is not floating point. Outputs are untouched on failure.
 */
SNUG_MUST_CHECK snug_status snug_tensor_set_match(const snug_tensor_set *set,
                                                  const snug_safetensors_item *items, int64_t count,
                                                  const snug_tensor_match_options *options,
                                                  snug_arena *arena, int64_t *out_entries,
                                                  snug_tensor_match *out, snug_text *report,
                                                  snug_error *err);

/**
 * Reads one entry to its place; as snug_safetensors_read().
 * @param item  Where to: layout and memory type; its data is written in spite of the const.
 */
SNUG_MUST_CHECK snug_status snug_tensor_set_read(const snug_tensor_set *set, int64_t entry,
                                                 const snug_safetensors_item *item, void *buffer,
                                                 int64_t buffer_bytes, snug_error *err);

#endif
