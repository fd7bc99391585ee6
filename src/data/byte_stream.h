/* Text from anywhere, read forward through one fixed buffer: places for messages, UTF-8 checked. */
#ifndef SNUG_DATA_BYTE_STREAM_H
#define SNUG_DATA_BYTE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "sys/file.h"

/** Where bytes come from: 1 to `bytes` of them from `offset`; 0 only at the end of the text. */
typedef struct snug_byte_source {
    void *context;
    snug_status (*read_some)(void *context, int64_t offset, void *buffer, int64_t bytes,
                             int64_t *out_bytes, snug_error *err);
} snug_byte_source;

/** An open file as a source; borrowed. It may be read again from its beginning. */
snug_byte_source snug_byte_source_of_file(snug_file *file);
/** A file of snug_file_open_stream as a source; borrowed. It is read once, whatever the offset. */
snug_byte_source snug_byte_source_of_stream(snug_file *file);

/** A text in memory. */
typedef struct snug_byte_span {
    const char *data; /* Borrowed. */
    int64_t bytes;
} snug_byte_span;

/** A text in memory as a source; borrowed. */
snug_byte_source snug_byte_source_of_span(snug_byte_span *span);

/**
 * The bytes `buffer[at .. buffered)` may be read; `at` is moved by whoever reads them, who also
 * calls snug_byte_stream_newline behind each line end. A byte order mark at the beginning is passed
 * over. One thread at a time.
 */
typedef struct snug_byte_stream {
    char *buffer; /* Borrowed. */
    int64_t at;
    int64_t buffered;
    int64_t line; /* Number of the line of the next byte, from 1. */

    /* Private. */
    snug_byte_source source;
    int64_t capacity;
    int64_t held;       /* Bytes behind `buffered`: not looked at yet, or refused. */
    int64_t offset;     /* Of buffer[0] in the text. */
    int64_t line_start; /* Offset of the first byte of `line`. */
    bool check;
    bool over; /* The source has no more. */
} snug_byte_stream;

enum { SNUG_BYTE_STREAM_BYTES_MIN = 16 };

/**
 * @param check   Bytes that are not UTF-8, and zeros, are FORMAT, named by line, byte and offset
 *                when the reading comes to them, not before.
 * @param buffer  `capacity` >= SNUG_BYTE_STREAM_BYTES_MIN bytes for the stream's life.
 * @errors  Those of the source, which is read for the first time.
 */
SNUG_MUST_CHECK snug_status snug_byte_stream_open(const snug_byte_source *source, bool check,
                                                  void *buffer, int64_t capacity,
                                                  snug_byte_stream *out, snug_error *err);

/** Makes sure that a byte is at hand (at < buffered); *out_more = false at the end of the text. */
SNUG_MUST_CHECK snug_status snug_byte_stream_fill(snug_byte_stream *stream, bool *out_more,
                                                  snug_error *err);

/**
 * The rest of the line at hand without its line end, as far as the buffer can hold it; nothing is
 * passed over. Bytes that would be refused end it.
 */
SNUG_MUST_CHECK snug_status snug_byte_stream_peek_line(snug_byte_stream *stream, const char **out,
                                                       int64_t *out_bytes, snug_error *err);

/** The byte before `at` was a line end. */
static inline void snug_byte_stream_newline(snug_byte_stream *stream)
{
    stream->line++;
    stream->line_start = stream->offset + stream->at;
}

/** Back to the beginning; only for sources that may be read again. */
SNUG_MUST_CHECK snug_status snug_byte_stream_rewind(snug_byte_stream *stream, snug_error *err);

#endif
