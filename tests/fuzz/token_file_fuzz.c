/*
 * Any bytes as a file of tokens: refused, or every sample can be read. Hashes are put right first,
 * else nothing but the check of the hashes would be met.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "data/text/text_source.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

static snug_arena arena;
static unsigned char *memory;
static unsigned char *copy;

enum { ARENA_BYTES = 1 << 20, COPY_BYTES = 1 << 20, SAMPLES_MAX = 4096, IDS_MAX = 1 << 20 };

static void put_hashes_right(unsigned char *file, int64_t bytes)
{
    uint64_t hash = 0;
    for (int64_t at = SNUG_TOKEN_HEADER_BYTES; at < bytes;) {
        const int64_t piece =
            bytes - at < SNUG_TOKEN_BLOCK_BYTES ? bytes - at : SNUG_TOKEN_BLOCK_BYTES;
        hash = snug_hash64(file + at, piece, hash);
        at += piece;
    }
    memcpy(file + offsetof(snug_token_header, body_hash), &hash, sizeof hash);
    const int64_t place = (int64_t)offsetof(snug_token_header, header_hash);
    hash = snug_hash64(file, place, 0);
    memcpy(file + place, &hash, sizeof hash);
}

static void read_all(const snug_token_file *file)
{
    static int32_t *ids;
    snug_error err = {0};
    if (ids == NULL) {
        ids = calloc(IDS_MAX, sizeof ids[0]);
    }
    for (int64_t i = 0; i < file->header.count && i < SAMPLES_MAX; i++) {
        snug_token_entry entry;
        if (snug_failed(snug_token_file_entry(file, i, &entry, &err))) {
            continue;
        }
        if (entry.length > file->header.max_length || entry.label >= file->header.label_count) {
            abort(); /* What is let through can be true. */
        }
        if (entry.length <= IDS_MAX && !snug_failed(snug_token_file_ids(file, &entry, ids, &err))) {
            for (int32_t j = 0; j < entry.length; j++) {
                if (ids[j] < 0 || ids[j] >= file->header.id_count) {
                    abort(); /* An id is in the vocabulary. */
                }
            }
        }
    }
}

static void read_batch(const snug_token_file *file)
{
    snug_error err = {0};
    snug_source *source = NULL;
    const snug_text_source_options options = {
        .files = {NULL, file}, .evaluation_part = SNUG_TEXT_VALIDATION, .batch = 4};
    if (snug_failed(snug_text_source_open(&options, &arena, &source, &err))) {
        return;
    }
    const snug_source_batch batch = {.count = source->calls->sample_count(source, false) < 4
                                                  ? source->calls->sample_count(source, false)
                                                  : 4};
    (void)snug_failed(source->calls->begin(source, &batch, NULL, &err));
    source->calls->close(source);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    static char path[64];
    snug_error err = {0};
    snug_token_file file = {0};
    if (memory == NULL) {
        memory = aligned_alloc(SNUG_ALIGN, ARENA_BYTES);
        copy = malloc(COPY_BYTES);
        (void)snprintf(path, sizeof path, "token_file_fuzz.%ld", (long)getpid());
    }
    if (bytes > COPY_BYTES) {
        return 0;
    }
    memcpy(copy, data, bytes);
    if (bytes >= SNUG_TOKEN_HEADER_BYTES) {
        put_hashes_right(copy, (int64_t)bytes);
    }
    const int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    const bool written = fd >= 0 && write(fd, copy, bytes) == (ssize_t)bytes;
    if (fd >= 0) {
        (void)close(fd);
    }
    snug_arena_init(&arena, "fuzz", memory, ARENA_BYTES);
    if (written && !snug_failed(snug_token_file_open(path, NULL, &arena, &file, &err))) {
        read_all(&file);
        read_batch(&file);
        snug_token_file_close(&file);
    }
    (void)unlink(path);
    return 0;
}
