#include "data/byte_stream.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/utf8.h"

/* ---- Sources ---- */

static snug_status read_file(void *context, int64_t offset, void *buffer, int64_t bytes,
                             int64_t *out_bytes, snug_error *err)
{
    return snug_file_read_some(context, offset, buffer, bytes, out_bytes, err);
}

static snug_status read_stream(void *context, int64_t offset, void *buffer, int64_t bytes,
                               int64_t *out_bytes, snug_error *err)
{
    SNUG_UNUSED(offset);
    return snug_file_read_next(context, buffer, bytes, out_bytes, err);
}

static snug_status read_span(void *context, int64_t offset, void *buffer, int64_t bytes,
                             int64_t *out_bytes, snug_error *err)
{
    const snug_byte_span *span = context;
    const int64_t count = snug_min_i64(span->bytes - offset, bytes);
    SNUG_UNUSED(err);
    if (count > 0) {
        memcpy(buffer, span->data + offset, (size_t)count);
    }
    *out_bytes = count;
    return SNUG_OK;
}

snug_byte_source snug_byte_source_of_file(snug_file *file)
{
    return (snug_byte_source){.context = file, .read_some = read_file};
}

snug_byte_source snug_byte_source_of_stream(snug_file *file)
{
    return (snug_byte_source){.context = file, .read_some = read_stream};
}

snug_byte_source snug_byte_source_of_span(snug_byte_span *span)
{
    return (snug_byte_source){.context = span, .read_some = read_span};
}

/* ---- Bytes that are text ---- */

/* Eight bytes that are ASCII and none of them zero, the common case of markup and English. */
static bool plain_word(const char *text)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    uint64_t word = 0;
    memcpy(&word, text, sizeof word);
    return (word & high) == 0 && ((word + UINT64_C(0x7f7f7f7f7f7f7f7f)) & high) == high;
}

/* How many of `bytes` are whole characters of UTF-8 without zeros. */
static int64_t good_prefix(const char *text, int64_t bytes)
{
    int64_t at = 0;
    while (at < bytes) {
        if (bytes - at >= 8 && plain_word(text + at)) {
            at += 8;
            continue;
        }
        const int64_t length = text[at] == '\0' ? 0 : snug_utf8_length(text + at, bytes - at);
        if (length == 0) {
            break;
        }
        at += length;
    }
    return at;
}

/* Looks at the bytes held behind `buffered` and lets through those that are good. */
static void admit(snug_byte_stream *stream)
{
    const int64_t good =
        stream->check ? good_prefix(stream->buffer + stream->buffered, stream->held) : stream->held;
    stream->buffered += good;
    stream->held -= good;
}

/* The next byte is none that text may have. */
static snug_status refuse(const snug_byte_stream *stream, snug_error *err)
{
    const unsigned char *bad = (const unsigned char *)stream->buffer + stream->buffered;
    const int64_t offset = stream->offset + stream->buffered;
    const long long place = (long long)(offset - stream->line_start + 1);
    const long long line = (long long)stream->line;
    const bool wide = offset < 2 && stream->held >= 2 &&
                      ((bad[0] == 0xff && bad[1] == 0xfe) || (bad[0] == 0xfe && bad[1] == 0xff));
    if (wide) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the text is UTF-16; write it as UTF-8");
    }
    if (bad[0] == 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "line %lld, byte %lld: a zero byte (byte %lld of the file); this is no "
                         "text",
                         line, place, (long long)offset);
    }
    return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                     "line %lld, byte %lld: 0x%02x is not UTF-8 (byte %lld of the file); a text "
                     "in another encoding can be converted: iconv -f GB18030 -t UTF-8",
                     line, place, bad[0], (long long)offset);
}

/* ---- The stream ---- */

/* One portion more behind what is held; sets `over` when there is none. */
static snug_status read_more(snug_byte_stream *stream, snug_error *err)
{
    const int64_t end = stream->buffered + stream->held;
    int64_t bytes = 0;
    SNUG_TRY(stream->source.read_some(stream->source.context, stream->offset + end,
                                      stream->buffer + end, stream->capacity - end, &bytes, err));
    stream->held += bytes;
    stream->over = bytes == 0;
    admit(stream);
    return SNUG_OK;
}

snug_status snug_byte_stream_open(const snug_byte_source *source, bool check, void *buffer,
                                  int64_t capacity, snug_byte_stream *out, snug_error *err)
{
    SNUG_ASSERT(capacity >= SNUG_BYTE_STREAM_BYTES_MIN);
    snug_byte_stream stream = {
        .buffer = buffer, .source = *source, .capacity = capacity, .check = check, .line = 1};
    /* The first three bytes are needed at once: they may be a mark, which is no text. */
    while (stream.buffered + stream.held < 3 && !stream.over) {
        SNUG_TRY(read_more(&stream, err));
    }
    if (stream.buffered >= 3 && memcmp(stream.buffer, "\xef\xbb\xbf", 3) == 0) {
        stream.at = 3;
        stream.line_start = 3;
    }
    *out = stream;
    return SNUG_OK;
}

snug_status snug_byte_stream_fill(snug_byte_stream *stream, bool *out_more, snug_error *err)
{
    while (stream->at == stream->buffered && !stream->over) {
        memmove(stream->buffer, stream->buffer + stream->buffered, (size_t)stream->held);
        stream->offset += stream->buffered;
        stream->at = 0;
        stream->buffered = 0;
        /* A character has four bytes at most: what is held and longer will not become one. */
        if (stream->held >= 4) {
            break;
        }
        SNUG_TRY(read_more(stream, err));
    }
    if (stream->at == stream->buffered && stream->held > 0) {
        return refuse(stream, err);
    }
    *out_more = stream->at < stream->buffered;
    return SNUG_OK;
}

snug_status snug_byte_stream_peek_line(snug_byte_stream *stream, const char **out,
                                       int64_t *out_bytes, snug_error *err)
{
    int64_t looked = stream->at;
    const char *end = NULL;
    for (;;) {
        end = memchr(stream->buffer + looked, '\n', (size_t)(stream->buffered - looked));
        looked = stream->buffered;
        if (end != NULL || stream->over || stream->held >= 4 ||
            stream->buffered + stream->held == stream->capacity) {
            break;
        }
        SNUG_TRY(read_more(stream, err));
    }
    int64_t bytes = (end != NULL ? end - stream->buffer : looked) - stream->at;
    if (end != NULL && bytes > 0 && end[-1] == '\r') {
        bytes--;
    }
    *out = stream->buffer + stream->at;
    *out_bytes = bytes;
    return SNUG_OK;
}

snug_status snug_byte_stream_rewind(snug_byte_stream *stream, snug_error *err)
{
    return snug_byte_stream_open(&stream->source, stream->check, stream->buffer, stream->capacity,
                                 stream, err);
}
