/* The header of a safetensors file, apart from the file: what a fuzzer can reach. */
#ifndef SNUG_DATA_TENSOR_FILE_SAFETENSORS_HEADER_H
#define SNUG_DATA_TENSOR_FILE_SAFETENSORS_HEADER_H

#include "data/tensor_file/safetensors.h"

/**
 * Parses the JSON header into entries sorted by their first byte; `begin` and `end` count from the
 * start of the data.
 *
 * @param json        Not ended by a zero; borrowed for the call.
 * @param data_bytes  Bytes of the file after the header.
 * @mem     The entries and their names, from `arena`.
 * @threads Reentrant.
 * @errors  As snug_safetensors_open(). Outputs are untouched on failure.
 * @source  Hugging Face safetensors format, version of 2023: 8 bytes length, JSON, data.
 */
SNUG_MUST_CHECK snug_status snug_safetensors_parse(const char *json, int64_t json_bytes,
                                                   int64_t data_bytes, snug_arena *arena,
                                                   snug_safetensors_entry **out_entries,
                                                   int64_t *out_count, snug_error *err);

#endif
