/* model.safetensors.index.json, apart from the files it names: what a fuzzer can reach. */
#ifndef SNUG_DATA_HF_TENSOR_INDEX_H
#define SNUG_DATA_HF_TENSOR_INDEX_H

#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/status.h"

/** One tensor and its file. */
typedef struct snug_tensor_index_pair {
    const char *name;
    int32_t shard;
} snug_tensor_index_pair;

/** All in the arena of the parse. */
typedef struct snug_tensor_index {
    const char **shards; /* Plain names of .safetensors files, each once. */
    int64_t shard_count;
    snug_tensor_index_pair *pairs; /* In the order of the text. */
    int32_t *by_name;              /* Their numbers in byte order of their names; each name once. */
    int64_t pair_count;
} snug_tensor_index;

/**
 * Reads the "weight_map"; the rest is passed over. A shard is a file of the index's own folder: a
 * name that leads elsewhere is refused.
 *
 * @param json  Borrowed for the call.
 * @threads Reentrant.
 * @errors  SNUG_CODE_FORMAT, SNUG_CODE_LIMIT (SNUG_HF_SHARDS_MAX, SNUG_SAFETENSORS_TENSORS_MAX),
 *          SNUG_CODE_UNSUPPORTED for other kinds of files. `out` is untouched on failure.
 */
SNUG_MUST_CHECK snug_status snug_tensor_index_parse(const char *json, int64_t json_bytes,
                                                    snug_arena *arena, snug_tensor_index *out,
                                                    snug_error *err);

#endif
