/* The header of a safetensors file, apart from the file: what a fuzzer can reach. */
#ifndef SNUG_DATA_TENSOR_FILE_SAFETENSORS_HEADER_H
#define SNUG_DATA_TENSOR_FILE_SAFETENSORS_HEADER_H

#include "data/tensor_file/safetensors.h"

/**
 * Parses the JSON header into entries and their order by name; `begin` and `end` count from the
 * start of the data.
 *
 * @param json        Not ended by a zero; borrowed for the call.
 * @param data_bytes  Bytes of the file after the header.
 * @param[out] out    The index; its file is left closed.
 * @mem     The entries, their order and their names, from `arena`.
 * @threads Reentrant.
 * @errors  As snug_safetensors_open(). `out` is untouched on failure.
 * @source  Hugging Face safetensors format, version of 2023: 8 bytes length, JSON, data.
 */
SNUG_MUST_CHECK snug_status snug_safetensors_parse(const char *json, int64_t json_bytes,
                                                   int64_t data_bytes, snug_arena *arena,
                                                   snug_safetensors *out, snug_error *err);

#endif
