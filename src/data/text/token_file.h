/* Prepared samples of tokens on disk: written once in flat memory, read one by one by position. */
#ifndef SNUG_DATA_TEXT_TOKEN_FILE_H
#define SNUG_DATA_TEXT_TOKEN_FILE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "sys/file.h"

/*
 * The file is a cache of the machine that made it: numbers lie in it as in memory.
 *
 *     header  SNUG_TOKEN_HEADER_BYTES, below
 *     ids     of all samples one after the other, u16 when id_count <= 65536, else i32; padded to 8
 *     index   one snug_token_entry for each sample
 *
 * `body_hash` is a chain of snug_hash64 over the ids and the index, SNUG_TOKEN_BLOCK_BYTES at a
 * time; `header_hash` that of the header's bytes before it. The file appears under its name when it
 * is whole.
 */
enum {
    SNUG_TOKEN_VERSION = 1,
    SNUG_TOKEN_HEADER_BYTES = 192,
    SNUG_TOKEN_BLOCK_BYTES = 1 << 16,
    SNUG_TOKEN_KEY_BYTES = 65 /* SHA-256 as text, with its zero. */
};

typedef struct snug_token_header {
    char magic[8]; /* "snugtok" and a zero. */
    uint32_t version;
    int32_t id_bytes;     /* 2 or 4. */
    int64_t count;        /* Samples. */
    int64_t labelled;     /* Those with a label. */
    int64_t id_total;     /* Ids of all samples. */
    int64_t id_count;     /* Of the vocabulary: ids are below it. */
    int32_t max_length;   /* No sample is longer. */
    int32_t longest;      /* The longest there is. */
    int32_t label_count;  /* Labels are below it. */
    int32_t unused;       /* 0 */
    char key[64];         /* What the content was made of; without a final zero. */
    uint64_t reserved[6]; /* 0 */
    uint64_t body_hash;
    uint64_t header_hash;
} snug_token_header;

/** Where a sample lies and what it is. */
typedef struct snug_token_entry {
    int64_t first;      /* Its first id, counted over the whole file. */
    int32_t length;     /* Ids. */
    int32_t label;      /* -1: none. */
    int32_t first_pair; /* Where the second segment begins; `length` when there is none. */
    uint32_t check;     /* Low half of a hash of the above and the ids. */
} snug_token_entry;

/* ---- What the content depends on ---- */

typedef struct snug_token_key_parts {
    const char *path;        /**< The text. Its size, time and, in samples, content count. */
    const char *reading;     /**< How rows are read: snug_text_reader_describe, options. */
    uint64_t tokenizer_hash; /**< Of everything that changes ids. */
    uint64_t label_hash;     /**< snug_labels_hash */
    int64_t max_length;
} snug_token_key_parts;

/**
 * One text for all that the samples of a file depend on. Of the text 16 places of 64 KiB are read;
 * a file below 1 MiB whole.
 */
SNUG_MUST_CHECK snug_status snug_token_key(const snug_token_key_parts *parts,
                                           char out[SNUG_TOKEN_KEY_BYTES], snug_error *err);

/* ---- Writing ---- */

typedef struct snug_token_writer_options {
    const char *path; /**< Borrowed until the commit. PATH.index holds the index meanwhile. */
    const char *key;  /**< Of snug_token_key. */
    int64_t id_count; /**< Size of the vocabulary, 1 to SNUG_VOCABULARY_MAX. */
    int32_t max_length;
    int32_t label_count;
} snug_token_writer_options;

/** One owner at a time; not to be copied while open; all zeros is closed. */
typedef struct snug_token_writer {
    snug_token_header header;
    snug_file_writer file;
    snug_file index;
    char index_path[SNUG_PATH_BYTES];
    unsigned char bounce[8];
    unsigned char *body; /* The block of the body being filled. */
    int64_t body_bytes;
    unsigned char *entries; /* The end of the index, not written yet. */
    int64_t entries_bytes;
} snug_token_writer;

/**
 * @param arena   Two blocks of 64 KiB until the commit or abort, whatever the number of samples.
 * @errors  BUSY when another process writes the same file, IO, FULL, LIMIT.
 */
SNUG_MUST_CHECK snug_status snug_token_writer_open(const snug_token_writer_options *options,
                                                   snug_arena *arena, snug_token_writer *out,
                                                   snug_error *err);
/**
 * Adds a sample.
 *
 * @param ids         [length] in [0, id_count).
 * @param length      0 to max_length.
 * @param label       -1 (none) to label_count - 1.
 * @param first_pair  0 to length; `length` when there is one segment only.
 */
SNUG_MUST_CHECK snug_status snug_token_writer_add(snug_token_writer *writer, const int32_t *ids,
                                                  int32_t length, int32_t label, int32_t first_pair,
                                                  snug_error *err);
/** Makes the file real and closes the writer; nothing is left when it fails. */
SNUG_MUST_CHECK snug_status snug_token_writer_commit(snug_token_writer *writer, snug_error *err);
/** Gives up: nothing is left. NULL, closed and committed writers are allowed. */
void snug_token_writer_abort(snug_token_writer *writer);

/* ---- Reading ---- */

/** An open file; any number of threads may read. All zeros is closed. */
typedef struct snug_token_file {
    snug_token_header header;
    snug_file file;
} snug_token_file;

/**
 * Opens and reads the whole file once to see that it is whole.
 *
 * @param path     Borrowed until the close.
 * @param key      What the content has to be made of; NULL takes any.
 * @param scratch  One block of 64 KiB, given back.
 * @errors  IO (no such file), DATA (made of something else), FORMAT (damaged): after each of them
 *          the file can be made anew.
 */
SNUG_MUST_CHECK snug_status snug_token_file_open(const char *path, const char *key,
                                                 snug_arena *scratch, snug_token_file *out,
                                                 snug_error *err);
/** Closes; NULL and closed are allowed. */
void snug_token_file_close(snug_token_file *file);

/** Sample `index`. @errors  FORMAT when the entry cannot be true, IO. */
SNUG_MUST_CHECK snug_status snug_token_file_entry(const snug_token_file *file, int64_t index,
                                                  snug_token_entry *out, snug_error *err);
/**
 * The ids of a sample.
 * @param[out] out  Room for entry->length; untouched only when reading fails at once.
 * @errors  FORMAT when they are not those that were written, IO.
 */
SNUG_MUST_CHECK snug_status snug_token_file_ids(const snug_token_file *file,
                                                const snug_token_entry *entry, int32_t *out,
                                                snug_error *err);

/** A hash of all samples in their order, whatever file, time and options they came from. */
uint64_t snug_token_file_hash(const snug_token_file *file);

#endif
