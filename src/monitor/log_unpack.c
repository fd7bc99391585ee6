#include "monitor/log_unpack.h"

#include <string.h>

#include "base/attr.h"
#include "sys/library.h"

/*
 * The few declarations of zlib and libzstd that are used, written from their references. Both are
 * found at run time: linked, they would take 180 KiB of every program that never reads such a log.
 * Their binary interfaces are stable within the version that is part of the library's name.
 */
enum { Z_OK = 0, Z_STREAM_END = 1, Z_BUF_ERROR = -5, Z_NO_FLUSH = 0 };
enum { ZSTD_WINDOW_LOG_MAX = 100 }; /* The parameter of that name. */
enum { WINDOW_LOG_MAX = 23 };       /* 8 MiB: what levels up to 19 use. */

typedef struct zlib_stream {
    const unsigned char *next_in;
    unsigned avail_in;
    unsigned long total_in;
    unsigned char *next_out;
    unsigned avail_out;
    unsigned long total_out;
    const char *message;
    void *state, *allocate, *release, *opaque;
    int data_type;
    unsigned long adler, reserved;
} zlib_stream;

/* A piece of input, or of output, and how far it has been used. */
typedef struct zstd_piece {
    union {
        const void *in;
        void *out;
    } bytes;
    size_t size, used;
} zstd_piece;

snug_log_packing snug_log_packing_of(const unsigned char *front, int64_t bytes)
{
    if (bytes >= 2 && front[0] == 0x1f && front[1] == 0x8b) {
        return SNUG_LOG_GZIP;
    }
    if (bytes >= 4 && front[0] == 0x28 && front[1] == 0xb5 && front[2] == 0x2f &&
        front[3] == 0xfd) {
        return SNUG_LOG_ZSTD;
    }
    return SNUG_LOG_PLAIN;
}

static snug_status missing(const char *library, const char *program, snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                     "compressed, and %s, which unpacks it, is not here: use %s first", library,
                     program);
}

static snug_status gzip_open(snug_log_unpack *out, snug_error *err)
{
    int (*init)(zlib_stream *, int window, const char *version, int bytes) = NULL;
    const snug_library_symbol functions[] = {{"inflateInit2_", (void *)&init},
                                             {"inflate", (void *)&out->zlib_inflate},
                                             {"inflateReset", (void *)&out->zlib_reset},
                                             {"inflateEnd", (void *)&out->zlib_end}};
    _Static_assert(sizeof(zlib_stream) <= sizeof out->state.room, "room for zlib's state");
    zlib_stream *stream = (zlib_stream *)(void *)out->state.room;
    if (!snug_library_open("libz.so.1", functions, SNUG_COUNT(functions), &out->library)) {
        return missing("libz.so.1", "gunzip", err);
    }
    memset(stream, 0, sizeof *stream);
    /* 16 above the largest window: gzip and nothing else. The first digit of the version counts. */
    if (init(stream, 15 + 16, "1.2", (int)sizeof *stream) != Z_OK) {
        snug_library_close(out->library);
        return SNUG_FAIL(err, SNUG_CODE_MEMORY, "no memory for zlib");
    }
    return SNUG_OK;
}

static snug_status gzip_some(snug_log_unpack *unpack, const void *in, int64_t in_bytes,
                             int64_t *out_used, void *out, int64_t out_bytes, int64_t *out_made,
                             snug_error *err)
{
    zlib_stream *stream = (zlib_stream *)(void *)unpack->state.room;
    stream->next_in = in;
    stream->avail_in = (unsigned)in_bytes;
    stream->next_out = out;
    stream->avail_out = (unsigned)out_bytes;
    unpack->inside = unpack->inside || in_bytes > 0;
    const int answer = unpack->zlib_inflate(stream, Z_NO_FLUSH);
    *out_used = in_bytes - (int64_t)stream->avail_in;
    *out_made = out_bytes - (int64_t)stream->avail_out;
    if (answer == Z_STREAM_END) {
        unpack->inside = false;
        (void)unpack->zlib_reset(stream);
        return SNUG_OK;
    }
    if (answer != Z_OK && answer != Z_BUF_ERROR) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "damaged gzip data: %s",
                         stream->message != NULL ? stream->message : "no stream");
    }
    return SNUG_OK;
}

static snug_status zstd_open(snug_log_unpack *out, snug_error *err)
{
    void *(*create)(void) = NULL;
    size_t (*set)(void *context, int parameter, int value) = NULL;
    const snug_library_symbol functions[] = {
        {"ZSTD_createDCtx", (void *)&create},
        {"ZSTD_DCtx_setParameter", (void *)&set},
        {"ZSTD_decompressStream", (void *)&out->zstd_decompress},
        {"ZSTD_isError", (void *)&out->zstd_failed},
        {"ZSTD_getErrorName", (void *)&out->zstd_reason},
        {"ZSTD_freeDCtx", (void *)&out->zstd_release}};
    if (!snug_library_open("libzstd.so.1", functions, SNUG_COUNT(functions), &out->library)) {
        return missing("libzstd.so.1", "zstd -d", err);
    }
    void *context = create();
    if (context == NULL) {
        snug_library_close(out->library);
        return SNUG_FAIL(err, SNUG_CODE_MEMORY, "no memory for libzstd");
    }
    (void)set(context, ZSTD_WINDOW_LOG_MAX, WINDOW_LOG_MAX);
    out->state.pointer = context;
    return SNUG_OK;
}

static snug_status zstd_some(snug_log_unpack *unpack, const void *in, int64_t in_bytes,
                             int64_t *out_used, void *out, int64_t out_bytes, int64_t *out_made,
                             snug_error *err)
{
    zstd_piece from = {.bytes.in = in, .size = (size_t)in_bytes};
    zstd_piece to = {.bytes.out = out, .size = (size_t)out_bytes};
    const size_t answer = unpack->zstd_decompress(unpack->state.pointer, &to, &from);
    if (unpack->zstd_failed(answer) != 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "damaged Zstandard data: %s",
                         unpack->zstd_reason(answer));
    }
    unpack->inside = answer != 0;
    *out_used = (int64_t)from.used;
    *out_made = (int64_t)to.used;
    return SNUG_OK;
}

snug_status snug_log_unpack_open(snug_log_packing packing, snug_log_unpack *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    /* In place: zlib's state knows where its stream lies. */
    *out = (snug_log_unpack){0};
    if (packing == SNUG_LOG_GZIP) {
        SNUG_TRY_DONE(gzip_open(out, err));
    } else if (packing == SNUG_LOG_ZSTD) {
        SNUG_TRY_DONE(zstd_open(out, err));
    } else {
        SNUG_FAIL_DONE(err, SNUG_CODE_UNSUPPORTED, "not compressed");
    }
    out->packing = packing;

done:
    if (snug_failed(status)) {
        *out = (snug_log_unpack){0};
    }
    return status;
}

snug_status snug_log_unpack_some(snug_log_unpack *unpack, const void *in, int64_t in_bytes,
                                 int64_t *out_used, void *out, int64_t out_bytes, int64_t *out_made,
                                 snug_error *err)
{
    return (unpack->packing == SNUG_LOG_GZIP ? gzip_some : zstd_some)(
        unpack, in, in_bytes, out_used, out, out_bytes, out_made, err);
}

bool snug_log_unpack_whole(const snug_log_unpack *unpack)
{
    return !unpack->inside;
}

void snug_log_unpack_close(snug_log_unpack *unpack)
{
    if (unpack->packing == SNUG_LOG_GZIP) {
        (void)unpack->zlib_end((zlib_stream *)(void *)unpack->state.room);
    } else if (unpack->packing == SNUG_LOG_ZSTD) {
        (void)unpack->zstd_release(unpack->state.pointer);
    }
    snug_library_close(unpack->library);
    *unpack = (snug_log_unpack){0};
}
