/* Compressed logs unpacked piece by piece: gzip by zlib, Zstandard by libzstd, where they are. */
#ifndef SNUG_MONITOR_LOG_UNPACK_H
#define SNUG_MONITOR_LOG_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum snug_log_packing { SNUG_LOG_PLAIN, SNUG_LOG_GZIP, SNUG_LOG_ZSTD } snug_log_packing;

/** Known by the first bytes of a file. */
snug_log_packing snug_log_packing_of(const unsigned char *front, int64_t bytes);

struct zlib_stream;
struct zstd_piece;

/** A stream being unpacked. All zeros is closed. One owner at a time. */
typedef struct snug_log_unpack {
    snug_log_packing packing;
    bool inside; /* In the middle of a member or frame. */
    union {
        unsigned char room[128]; /* The state of zlib. */
        void *pointer;           /* That of libzstd. */
        int64_t align;
    } state;
    void *library; /* The one of the two that this stream needs, and its functions. */
    int (*zlib_inflate)(struct zlib_stream *stream, int flush);
    int (*zlib_reset)(struct zlib_stream *stream);
    int (*zlib_end)(struct zlib_stream *stream);
    size_t (*zstd_decompress)(void *context, struct zstd_piece *out, struct zstd_piece *in);
    unsigned (*zstd_failed)(size_t answer);
    const char *(*zstd_reason)(size_t answer);
    size_t (*zstd_release)(void *context);
} snug_log_unpack;

/**
 * @mem     The decompressor takes its window from the C library: 32 KiB for gzip, up to 8 MiB for
 *          Zstandard, until the close.
 * @errors  SNUG_CODE_UNSUPPORTED where the library is not installed; SNUG_CODE_MEMORY.
 */
SNUG_MUST_CHECK snug_status snug_log_unpack_open(snug_log_packing packing, snug_log_unpack *out,
                                                 snug_error *err);
/**
 * Unpacks some of `in` into `out`; members behind each other are one text.
 * @param[out] out_used  Bytes of `in` that were taken; less than `in_bytes` when `out` is full.
 * @errors  SNUG_CODE_FORMAT for damaged bytes, SNUG_CODE_LIMIT for a window above 8 MiB.
 */
SNUG_MUST_CHECK snug_status snug_log_unpack_some(snug_log_unpack *unpack, const void *in,
                                                 int64_t in_bytes, int64_t *out_used, void *out,
                                                 int64_t out_bytes, int64_t *out_made,
                                                 snug_error *err);
/** Whether the stream may end here. */
bool snug_log_unpack_whole(const snug_log_unpack *unpack);
/** Closes; a closed one is allowed. */
void snug_log_unpack_close(snug_log_unpack *unpack);

#endif
