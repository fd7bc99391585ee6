#include "monitor/log_unpack.h"

#include <string.h>

#include "base/attr.h"
#ifdef SNUG_HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef SNUG_HAVE_ZSTD
#include <zstd.h>
#endif

#ifdef SNUG_HAVE_ZSTD
enum { WINDOW_LOG_MAX = 23 }; /* 8 MiB: what levels up to 19 use. */
#endif

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

#ifdef SNUG_HAVE_ZLIB
static snug_status gzip_open(snug_log_unpack *out, snug_error *err)
{
    _Static_assert(sizeof(z_stream) <= sizeof out->state.room, "room for zlib's state");
    z_stream *stream = (z_stream *)(void *)out->state.room;
    memset(stream, 0, sizeof *stream);
    /* 16 above the largest window: gzip and nothing else. */
    if (inflateInit2(stream, 15 + 16) != Z_OK) {
        return SNUG_FAIL(err, SNUG_CODE_MEMORY, "no memory for zlib");
    }
    return SNUG_OK;
}

static snug_status gzip_some(snug_log_unpack *unpack, const void *in, int64_t in_bytes,
                             int64_t *out_used, void *out, int64_t out_bytes, int64_t *out_made,
                             snug_error *err)
{
    z_stream *stream = (z_stream *)(void *)unpack->state.room;
    /* zlib does not write through it; its type is older than const. */
    union {
        const void *given;
        unsigned char *taken;
    } source = {.given = in};
    stream->next_in = source.taken;
    stream->avail_in = (uInt)in_bytes;
    stream->next_out = out;
    stream->avail_out = (uInt)out_bytes;
    unpack->inside = unpack->inside || in_bytes > 0;
    const int answer = inflate(stream, Z_NO_FLUSH);
    *out_used = in_bytes - (int64_t)stream->avail_in;
    *out_made = out_bytes - (int64_t)stream->avail_out;
    if (answer == Z_STREAM_END) {
        unpack->inside = false;
        (void)inflateReset(stream);
        return SNUG_OK;
    }
    if (answer != Z_OK && answer != Z_BUF_ERROR) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "damaged gzip data: %s",
                         stream->msg != NULL ? stream->msg : "no stream");
    }
    return SNUG_OK;
}
#endif

#ifdef SNUG_HAVE_ZSTD
static snug_status zstd_open(snug_log_unpack *out, snug_error *err)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_MEMORY, "no memory for libzstd");
    }
    (void)ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    out->state.pointer = context;
    return SNUG_OK;
}

static snug_status zstd_some(snug_log_unpack *unpack, const void *in, int64_t in_bytes,
                             int64_t *out_used, void *out, int64_t out_bytes, int64_t *out_made,
                             snug_error *err)
{
    ZSTD_inBuffer from = {.src = in, .size = (size_t)in_bytes};
    ZSTD_outBuffer to = {.dst = out, .size = (size_t)out_bytes};
    const size_t answer = ZSTD_decompressStream(unpack->state.pointer, &to, &from);
    if (ZSTD_isError(answer)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "damaged Zstandard data: %s",
                         ZSTD_getErrorName(answer));
    }
    unpack->inside = answer != 0;
    *out_used = (int64_t)from.pos;
    *out_made = (int64_t)to.pos;
    return SNUG_OK;
}
#endif

snug_status snug_log_unpack_open(snug_log_packing packing, snug_log_unpack *out, snug_error *err)
{
    snug_log_unpack opened = {.packing = packing};
    switch (packing) {
#ifdef SNUG_HAVE_ZLIB
    case SNUG_LOG_GZIP:
        SNUG_TRY(gzip_open(out, err));
        opened.state = out->state;
        break;
#endif
#ifdef SNUG_HAVE_ZSTD
    case SNUG_LOG_ZSTD:
        SNUG_TRY(zstd_open(&opened, err));
        break;
#endif
    default:
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "compressed, and this build cannot unpack it: use %s first",
                         packing == SNUG_LOG_GZIP ? "gunzip" : "zstd -d");
    }
    *out = opened;
    return SNUG_OK;
}

snug_status snug_log_unpack_some(snug_log_unpack *unpack, const void *in, int64_t in_bytes,
                                 int64_t *out_used, void *out, int64_t out_bytes, int64_t *out_made,
                                 snug_error *err)
{
    switch (unpack->packing) {
#ifdef SNUG_HAVE_ZLIB
    case SNUG_LOG_GZIP:
        return gzip_some(unpack, in, in_bytes, out_used, out, out_bytes, out_made, err);
#endif
#ifdef SNUG_HAVE_ZSTD
    case SNUG_LOG_ZSTD:
        return zstd_some(unpack, in, in_bytes, out_used, out, out_bytes, out_made, err);
#endif
    default:
        SNUG_UNUSED(in);
        SNUG_UNUSED(in_bytes);
        SNUG_UNUSED(out_used);
        SNUG_UNUSED(out);
        SNUG_UNUSED(out_bytes);
        SNUG_UNUSED(out_made);
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "no such compression in this build");
    }
}

bool snug_log_unpack_whole(const snug_log_unpack *unpack)
{
    return !unpack->inside;
}

void snug_log_unpack_close(snug_log_unpack *unpack)
{
#ifdef SNUG_HAVE_ZLIB
    if (unpack->packing == SNUG_LOG_GZIP) {
        (void)inflateEnd((z_stream *)(void *)unpack->state.room);
    }
#endif
#ifdef SNUG_HAVE_ZSTD
    if (unpack->packing == SNUG_LOG_ZSTD) {
        (void)ZSTD_freeDCtx(unpack->state.pointer);
    }
#endif
    *unpack = (snug_log_unpack){0};
}
