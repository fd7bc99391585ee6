/*
 * Any bytes as a log of JSON lines: read or refused, whole and in pieces, and the fast road for
 * samples says what the strict one says (a space behind the brace sends a line there).
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "monitor/verdict.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

/* Judging is arithmetic on what was read and takes much longer: only some inputs are judged. */
enum { BYTES_MAX = 32 << 10, JUDGED_OF = 64 };

static snug_log fast, strict;
static snug_log_reader reader;
static snug_verdict verdict;

static void begin(snug_log *log)
{
    static const char header[] = "{\"type\":\"header\",\"schema\":\"memlog/1\"}\n";
    snug_log_reader_init(&reader, log);
    snug_log_reader_feed(&reader, header, sizeof header - 1);
}

/* The same lines, each with a space that the fast road does not know. */
static void feed_spaced(const char *text, int64_t bytes)
{
    int64_t at = 0;
    while (at < bytes) {
        const char *end = memchr(text + at, '\n', (size_t)(bytes - at));
        const int64_t length = end != NULL ? end - (text + at) + 1 : bytes - at;
        if (text[at] == '{') {
            snug_log_reader_feed(&reader, "{ ", 2);
            snug_log_reader_feed(&reader, text + at + 1, length - 1);
        } else {
            snug_log_reader_feed(&reader, text + at, length);
        }
        at += length;
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    const char *text = (const char *)data;
    snug_error err = {0};
    if (bytes > BYTES_MAX) {
        return 0;
    }
    begin(&fast);
    for (size_t at = 0; at < bytes; at += 61) {
        snug_log_reader_feed(&reader, text + at, (int64_t)(bytes - at < 61 ? bytes - at : 61));
    }
    const snug_status first = snug_log_reader_finish(&reader, &err);
    begin(&strict);
    feed_spaced(text, (int64_t)bytes);
    const snug_status second = snug_log_reader_finish(&reader, &err);
    if (first != second || fast.series.sample_count != strict.series.sample_count ||
        fast.bad_lines != strict.bad_lines || fast.back_samples != strict.back_samples ||
        memcmp(&fast.series, &strict.series, sizeof fast.series) != 0) {
        abort();
    }
    if (first == SNUG_OK && snug_hash64(data, (int64_t)bytes, 0) % JUDGED_OF == 0) {
        snug_verdict_find(&fast, 0, &verdict);
    }
    /* And with whatever stands first in the file. */
    snug_log_reader_init(&reader, &fast);
    snug_log_reader_feed(&reader, text, (int64_t)bytes);
    err = (snug_error){0};
    if (snug_log_reader_finish(&reader, &err) != SNUG_OK && err.message[0] == '\0') {
        abort();
    }
    return 0;
}
