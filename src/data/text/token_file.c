#include "data/text/token_file.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/hash.h"
#include "base/text.h"

_Static_assert(sizeof(snug_token_header) == SNUG_TOKEN_HEADER_BYTES, "no gaps in the header");
_Static_assert(sizeof(snug_token_entry) == 24, "no gaps in an entry");
_Static_assert(SNUG_TOKEN_BLOCK_BYTES % 8 == 0, "blocks hold whole words");

static const char magic[8] = "snugtok";

enum {
    ENTRY_BYTES = 24,
    SMALL_VOCABULARY_MAX = 65536,
    CHECK_IDS = 512 /* The hash of a sample goes over so many ids at a time. */
};

/* ---- What the content depends on ---- */

/* A part of the text into the hash. */
static snug_status add_place(const snug_file *file, int64_t offset, int64_t bytes,
                             snug_sha256 *hash, snug_error *err)
{
    unsigned char buffer[4096];
    while (bytes > 0) {
        const int64_t piece = snug_min_i64(bytes, (int64_t)sizeof buffer);
        SNUG_TRY(snug_file_read_at(file, offset, buffer, piece, err));
        snug_sha256_add(hash, buffer, piece);
        offset += piece;
        bytes -= piece;
    }
    return SNUG_OK;
}

static snug_status add_content(const snug_file *file, snug_sha256 *hash, snug_error *err)
{
    enum { PLACES = 16, PLACE_BYTES = 1 << 16 };
    if (file->bytes <= PLACES * PLACE_BYTES) {
        return add_place(file, 0, file->bytes, hash, err);
    }
    for (int64_t i = 0; i < PLACES; i++) {
        /* From the first byte to the last, evenly. */
        const int64_t step = (file->bytes - PLACE_BYTES) / (PLACES - 1);
        const int64_t offset = i == PLACES - 1 ? file->bytes - PLACE_BYTES : i * step;
        SNUG_TRY(add_place(file, offset, PLACE_BYTES, hash, err));
    }
    return SNUG_OK;
}

snug_status snug_token_key(const snug_token_key_parts *parts, char out[SNUG_TOKEN_KEY_BYTES],
                           snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_file file = {0};
    snug_sha256 hash;
    snug_sha256_init(&hash);
    SNUG_TRY(snug_file_open(parts->path, &file, err));
    const int64_t numbers[] = {SNUG_TOKEN_VERSION,         file.bytes,
                               file.modified_ns,           (int64_t)parts->tokenizer_hash,
                               (int64_t)parts->label_hash, parts->max_length};
    snug_sha256_add(&hash, numbers, (int64_t)sizeof numbers);
    snug_sha256_add(&hash, parts->reading, (int64_t)strlen(parts->reading) + 1);
    SNUG_TRY_DONE(add_content(&file, &hash, err));
    snug_sha256_hex(&hash, out);
done:
    snug_file_close(&file);
    return status;
}

/* ---- Both ways ---- */

static int64_t body_offset_of_index(const snug_token_header *header)
{
    return snug_align_up(header->id_total * header->id_bytes, 8);
}

static uint64_t hash_header(const snug_token_header *header)
{
    return snug_hash64(header, (int64_t)offsetof(snug_token_header, header_hash), 0);
}

static uint64_t begin_check(const snug_token_entry *entry)
{
    uint64_t hash = snug_hash64_mix(0, (uint64_t)entry->first);
    hash = snug_hash64_mix(hash, (uint64_t)(uint32_t)entry->length << 32 | (uint32_t)entry->label);
    return snug_hash64_mix(hash, (uint32_t)entry->first_pair);
}

/* ---- Writing ---- */

snug_status snug_token_writer_open(const snug_token_writer_options *options, snug_arena *arena,
                                   snug_token_writer *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_text index_path;
    void *body = NULL;
    void *entries = NULL;
    SNUG_ASSERT(options->id_count >= 1 && options->id_count <= SNUG_VOCABULARY_MAX);
    SNUG_ASSERT(options->max_length >= 1 && options->label_count >= 0);
    SNUG_ASSERT(strlen(options->key) == SNUG_TOKEN_KEY_BYTES - 1);
    *out = (snug_token_writer){0};
    snug_token_header *header = &out->header;
    memcpy(header->magic, magic, sizeof magic);
    memcpy(header->key, options->key, sizeof header->key);
    header->version = SNUG_TOKEN_VERSION;
    header->id_bytes = options->id_count <= SMALL_VOCABULARY_MAX ? 2 : 4;
    header->id_count = options->id_count;
    header->max_length = options->max_length;
    header->label_count = options->label_count;
    snug_text_init(&index_path, out->index_path, sizeof out->index_path);
    snug_text_add(&index_path, "%s.index", options->path);
    if (index_path.truncated) {
        SNUG_FAIL_DONE(err, SNUG_CODE_LIMIT, "the path '%.200s...' is too long", options->path);
    }
    SNUG_TRY_DONE(snug_arena_alloc(arena, SNUG_TOKEN_BLOCK_BYTES, &body, err));
    SNUG_TRY_DONE(snug_arena_alloc(arena, SNUG_TOKEN_BLOCK_BYTES, &entries, err));
    out->body = body;
    out->entries = entries;
    /* The lock of the first file is that of the second one too. */
    SNUG_TRY_DONE(snug_file_writer_open(options->path, out->bounce, (int64_t)sizeof out->bounce,
                                        &out->file, err));
    SNUG_TRY_DONE(snug_file_open_append(out->index_path, &out->index, err));
    SNUG_TRY_DONE(snug_file_truncate(&out->index, 0, err));
    SNUG_TRY_DONE(snug_file_writer_add(&out->file, header, SNUG_TOKEN_HEADER_BYTES, err));
done:
    if (snug_failed(status)) {
        snug_token_writer_abort(out);
        snug_arena_rewind(arena, start);
    }
    return status;
}

/* The last block may be short. */
static snug_status flush_body(snug_token_writer *writer, snug_error *err)
{
    SNUG_TRY(snug_file_writer_add(&writer->file, writer->body, writer->body_bytes, err));
    writer->header.body_hash =
        snug_hash64(writer->body, writer->body_bytes, writer->header.body_hash);
    writer->body_bytes = 0;
    return SNUG_OK;
}

static snug_status add_body(snug_token_writer *writer, const void *data, int64_t bytes,
                            snug_error *err)
{
    const unsigned char *from = data;
    while (bytes > 0) {
        const int64_t room = SNUG_TOKEN_BLOCK_BYTES - writer->body_bytes;
        const int64_t piece = snug_min_i64(bytes, room);
        memcpy(writer->body + writer->body_bytes, from, (size_t)piece);
        writer->body_bytes += piece;
        from += piece;
        bytes -= piece;
        if (writer->body_bytes == SNUG_TOKEN_BLOCK_BYTES) {
            SNUG_TRY(flush_body(writer, err));
        }
    }
    return SNUG_OK;
}

static snug_status flush_entries(snug_token_writer *writer, snug_error *err)
{
    SNUG_TRY(snug_file_append(&writer->index, writer->entries, writer->entries_bytes, err));
    writer->entries_bytes = 0;
    return SNUG_OK;
}

/* The ids as they are stored, some at a time, into the hash and the file. */
static snug_status add_ids(snug_token_writer *writer, const int32_t *ids, int32_t length,
                           uint64_t *hash, snug_error *err)
{
    uint16_t small[CHECK_IDS];
    for (int32_t first = 0; first < length; first += CHECK_IDS) {
        const int32_t count = length - first < CHECK_IDS ? length - first : CHECK_IDS;
        const void *stored = ids + first;
        for (int32_t i = 0; i < count; i++) {
            const int32_t id = ids[first + i];
            SNUG_ASSERT(id >= 0 && id < writer->header.id_count);
            small[i] = (uint16_t)id;
        }
        if (writer->header.id_bytes == 2) {
            stored = small;
        }
        const int64_t bytes = (int64_t)count * writer->header.id_bytes;
        *hash = snug_hash64(stored, bytes, *hash);
        SNUG_TRY(add_body(writer, stored, bytes, err));
    }
    return SNUG_OK;
}

snug_status snug_token_writer_add(snug_token_writer *writer, const int32_t *ids, int32_t length,
                                  int32_t label, int32_t first_pair, snug_error *err)
{
    snug_token_header *header = &writer->header;
    SNUG_ASSERT(length >= 0 && length <= header->max_length);
    SNUG_ASSERT(label >= -1 && label < header->label_count);
    SNUG_ASSERT(first_pair >= 0 && first_pair <= length);
    snug_token_entry entry = {
        .first = header->id_total, .length = length, .label = label, .first_pair = first_pair};
    uint64_t hash = begin_check(&entry);
    SNUG_TRY(add_ids(writer, ids, length, &hash, err));
    entry.check = (uint32_t)hash;
    if (writer->entries_bytes > SNUG_TOKEN_BLOCK_BYTES - ENTRY_BYTES) {
        SNUG_TRY(flush_entries(writer, err));
    }
    memcpy(writer->entries + writer->entries_bytes, &entry, ENTRY_BYTES);
    writer->entries_bytes += ENTRY_BYTES;
    header->count++;
    header->labelled += label >= 0 ? 1 : 0;
    header->id_total += length;
    header->longest = length > header->longest ? length : header->longest;
    return SNUG_OK;
}

/* The index behind the ids; its own buffer carries it over. */
static snug_status add_index(snug_token_writer *writer, snug_error *err)
{
    SNUG_TRY(flush_entries(writer, err));
    for (int64_t offset = 0; offset < writer->index.bytes;) {
        const int64_t bytes = snug_min_i64(SNUG_TOKEN_BLOCK_BYTES, writer->index.bytes - offset);
        SNUG_TRY(snug_file_read_at(&writer->index, offset, writer->entries, bytes, err));
        SNUG_TRY(add_body(writer, writer->entries, bytes, err));
        offset += bytes;
    }
    return SNUG_OK;
}

snug_status snug_token_writer_commit(snug_token_writer *writer, snug_error *err)
{
    static const unsigned char zeros[8] = {0};
    snug_status status = SNUG_OK;
    snug_token_header *header = &writer->header;
    const int64_t id_bytes = header->id_total * header->id_bytes;
    SNUG_TRY_DONE(add_body(writer, zeros, body_offset_of_index(header) - id_bytes, err));
    SNUG_TRY_DONE(add_index(writer, err));
    if (writer->body_bytes > 0) {
        SNUG_TRY_DONE(flush_body(writer, err));
    }
    header->header_hash = hash_header(header);
    SNUG_TRY_DONE(snug_file_writer_patch(&writer->file, 0, header, SNUG_TOKEN_HEADER_BYTES, err));
    /* Removed under the lock that the other file's writer still holds. */
    snug_file_close(&writer->index);
    SNUG_TRY_DONE(snug_file_remove(writer->index_path, err));
    SNUG_TRY_DONE(snug_file_writer_commit(&writer->file, err));
done:
    snug_token_writer_abort(writer);
    return status;
}

void snug_token_writer_abort(snug_token_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->index.handle != 0) {
        snug_file_close(&writer->index);
        (void)snug_failed(snug_file_remove(writer->index_path, NULL));
    }
    snug_file_writer_abort(&writer->file);
}

/* ---- Reading ---- */

/* What the numbers of the header say about each other and the size of the file. */
static snug_status check_header(const snug_token_header *header, const snug_file *file,
                                snug_error *err)
{
    int64_t ids = 0;
    int64_t index = 0;
    int64_t bytes = 0;
    const bool named = memcmp(header->magic, magic, sizeof magic) == 0 &&
                       header->version == SNUG_TOKEN_VERSION &&
                       header->header_hash == hash_header(header);
    const bool fits = header->id_count >= 1 && header->id_count <= SNUG_VOCABULARY_MAX &&
                      header->id_bytes == (header->id_count <= SMALL_VOCABULARY_MAX ? 2 : 4) &&
                      header->max_length >= 1 && header->longest >= 0 &&
                      header->longest <= header->max_length && header->label_count >= 0 &&
                      header->count >= 0 && header->labelled >= 0 &&
                      header->labelled <= header->count;
    /* The size bounds the products: no sum below can pass it by more than a word. */
    const bool sized = snug_mul_i64(header->id_total, header->id_bytes, &ids) &&
                       snug_mul_i64(header->count, ENTRY_BYTES, &index) && ids <= file->bytes &&
                       index <= file->bytes &&
                       snug_add_i64(SNUG_TOKEN_HEADER_BYTES + snug_align_up(ids, 8), index, &bytes);
    if (!named || !fits || !sized || bytes != file->bytes) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "'%s' is not a whole file of tokens", file->path);
    }
    return SNUG_OK;
}

static snug_status check_body(const snug_token_header *header, const snug_file *file,
                              snug_arena *scratch, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(scratch);
    uint64_t hash = 0;
    void *block = NULL;
    SNUG_TRY_DONE(snug_arena_alloc(scratch, SNUG_TOKEN_BLOCK_BYTES, &block, err));
    for (int64_t offset = SNUG_TOKEN_HEADER_BYTES; offset < file->bytes;) {
        const int64_t bytes = snug_min_i64(SNUG_TOKEN_BLOCK_BYTES, file->bytes - offset);
        SNUG_TRY_DONE(snug_file_read_at(file, offset, block, bytes, err));
        hash = snug_hash64(block, bytes, hash);
        offset += bytes;
    }
    if (hash != header->body_hash) {
        SNUG_FAIL_DONE(err, SNUG_CODE_FORMAT, "'%s' is damaged", file->path);
    }
done:
    snug_arena_rewind(scratch, start);
    return status;
}

snug_status snug_token_file_open(const char *path, const char *key, snug_arena *scratch,
                                 snug_token_file *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_token_file self = {0};
    SNUG_TRY(snug_file_open(path, &self.file, err));
    SNUG_TRY_DONE(snug_file_read_at(&self.file, 0, &self.header, SNUG_TOKEN_HEADER_BYTES, err));
    SNUG_TRY_DONE(check_header(&self.header, &self.file, err));
    if (key != NULL && (strlen(key) != sizeof self.header.key ||
                        memcmp(key, self.header.key, sizeof self.header.key) != 0)) {
        SNUG_FAIL_DONE(err, SNUG_CODE_DATA, "'%s' was made of other data or settings", path);
    }
    SNUG_TRY_DONE(check_body(&self.header, &self.file, scratch, err));
    *out = self;
done:
    if (snug_failed(status)) {
        snug_file_close(&self.file);
    }
    return status;
}

void snug_token_file_close(snug_token_file *file)
{
    if (file != NULL) {
        snug_file_close(&file->file);
        *file = (snug_token_file){0};
    }
}

static snug_status not_whole(const snug_token_file *file, snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                     "'%s' was changed while it was read; remove it and start again",
                     file->file.path);
}

snug_status snug_token_file_entry(const snug_token_file *file, int64_t index, snug_token_entry *out,
                                  snug_error *err)
{
    const snug_token_header *header = &file->header;
    snug_token_entry entry;
    SNUG_ASSERT(index >= 0 && index < header->count);
    const int64_t offset =
        SNUG_TOKEN_HEADER_BYTES + body_offset_of_index(header) + index * ENTRY_BYTES;
    SNUG_TRY(snug_file_read_at(&file->file, offset, &entry, ENTRY_BYTES, err));
    if (entry.first < 0 || entry.length < 0 || entry.length > header->longest ||
        entry.first > header->id_total - entry.length || entry.label < -1 ||
        entry.label >= header->label_count || entry.first_pair < 0 ||
        entry.first_pair > entry.length) {
        return not_whole(file, err);
    }
    *out = entry;
    return SNUG_OK;
}

/* The ids as they are stored lie at the end of `out`; each is read before its place is written. */
static void widen(int32_t *out, int32_t length)
{
    const unsigned char *stored = (const unsigned char *)out + 2 * (int64_t)length;
    for (int32_t i = 0; i < length; i++) {
        uint16_t id = 0;
        memcpy(&id, stored + 2 * (int64_t)i, sizeof id);
        out[i] = id;
    }
}

snug_status snug_token_file_ids(const snug_token_file *file, const snug_token_entry *entry,
                                int32_t *out, snug_error *err)
{
    const snug_token_header *header = &file->header;
    const int64_t width = header->id_bytes;
    const int64_t bytes = entry->length * width;
    unsigned char *stored = (unsigned char *)out + 4 * (int64_t)entry->length - bytes;
    uint64_t hash = begin_check(entry);
    bool good = true;
    SNUG_TRY(snug_file_read_at(&file->file, SNUG_TOKEN_HEADER_BYTES + entry->first * width, stored,
                               bytes, err));
    for (int64_t at = 0; at < bytes; at += CHECK_IDS * width) {
        hash = snug_hash64(stored + at, snug_min_i64(bytes - at, CHECK_IDS * width), hash);
    }
    if (width == 2) {
        widen(out, entry->length);
    }
    for (int32_t i = 0; i < entry->length; i++) {
        good = good && out[i] >= 0 && out[i] < header->id_count;
    }
    if (!good || (uint32_t)hash != entry->check) {
        return not_whole(file, err);
    }
    return SNUG_OK;
}

uint64_t snug_token_file_hash(const snug_token_file *file)
{
    const snug_token_header *header = &file->header;
    uint64_t hash = snug_hash64_mix(header->body_hash, (uint64_t)header->count);
    hash = snug_hash64_mix(hash, (uint64_t)header->id_total);
    return snug_hash64_mix(hash, (uint64_t)header->id_count);
}
