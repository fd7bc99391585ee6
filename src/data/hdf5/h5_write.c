#include "data/hdf5/h5_write.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "data/hdf5/h5_checksum.h"

/*
 * The file is: superblock (version 2) | root group | group | data set | global heap | rows. Objects
 * have version 2 headers with their links inside, so there is no tree and no local heap. The head
 * is built twice with the same code: at the open, to learn where the rows begin, and at the commit,
 * with their number.
 */
enum { SUPERBLOCK_BYTES = 48, HEAP_BYTES_MIN = 4096, BUFFER_BYTES_DEFAULT = 256 << 10 };

/* Bytes going into the head; `full` sticks when it does not hold them. */
typedef struct pen {
    unsigned char *data;
    int64_t at;
    bool full;
} pen;

static void put(pen *to, const void *data, int64_t bytes)
{
    if (to->full || bytes > SNUG_H5_WRITE_HEAD_BYTES - to->at) {
        to->full = true;
        return;
    }
    if (bytes > 0) {
        memcpy(to->data + to->at, data, (size_t)bytes);
    }
    to->at += bytes;
}

static void put_number(pen *to, uint64_t value, int64_t bytes)
{
    unsigned char little[8];
    for (int64_t i = 0; i < bytes; i++) {
        little[i] = (unsigned char)(value >> (8 * i));
    }
    put(to, little, bytes);
}

static void put_zeros(pen *to, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i++) {
        put_number(to, 0, 1);
    }
}

/* Overwrites bytes that were put before. */
static void set_number(pen *to, int64_t at, uint64_t value, int64_t bytes)
{
    if (!to->full) {
        pen back = {.data = to->data, .at = at};
        put_number(&back, value, bytes);
    }
}

/* ---- Object headers ---- */

static int64_t begin_object(pen *to)
{
    put_zeros(to, snug_align_up(to->at, 8) - to->at);
    const int64_t start = to->at;
    put(to, "OHDR", 4);
    put_number(to, 2, 1);
    put_number(to, 2, 1); /* The size of the first piece takes four bytes. */
    put_number(to, 0, 4);
    return start;
}

static void end_object(pen *to, int64_t start)
{
    set_number(to, start + 6, (uint64_t)(to->at - start - 10), 4);
    put_number(to, to->full ? 0 : snug_h5_checksum(to->data + start, to->at - start), 4);
}

static int64_t begin_message(pen *to, int32_t type, int32_t flags)
{
    put_number(to, (uint64_t)type, 1);
    put_number(to, 0, 2);
    put_number(to, (uint64_t)flags, 1);
    return to->at;
}

static void end_message(pen *to, int64_t start)
{
    const int64_t bytes = to->at - start;
    if (bytes > UINT16_MAX) {
        to->full = true;
        return;
    }
    set_number(to, start - 3, (uint64_t)bytes, 2);
}

/* ---- Messages ---- */

static void put_group_messages(pen *to, const char *name, int64_t child)
{
    int64_t start = begin_message(to, 0x02, 0); /* Link info: no dense links. */
    put_number(to, 0, 2);
    put_number(to, UINT64_MAX, 8);
    put_number(to, UINT64_MAX, 8);
    end_message(to, start);
    start = begin_message(to, 0x0a, 0);
    put_number(to, 0, 2);
    end_message(to, start);
    start = begin_message(to, 0x06, 0);
    put_number(to, 1, 1);
    put_number(to, 0x11, 1); /* UTF-8 name, its length in two bytes. */
    put_number(to, 1, 1);
    put_number(to, strlen(name), 2);
    put(to, name, (int64_t)strlen(name));
    put_number(to, (uint64_t)child, 8);
    end_message(to, start);
}

static void put_number_type(pen *to, snug_h5_kind kind, int32_t bytes)
{
    const uint64_t bits = (uint64_t)bytes * 8;
    if (kind != SNUG_H5_FLOAT) {
        put_number(to, 0x10, 1);
        put_number(to, kind == SNUG_H5_SIGNED ? 0x08 : 0, 3);
        put_number(to, (uint64_t)bytes, 4);
        put_number(to, 0, 2);
        put_number(to, bits, 2);
        return;
    }
    put_number(to, 0x11, 1);
    put_number(to, 0x20, 1); /* The mantissa's first bit is implied. */
    put_number(to, bits - 1, 2);
    put_number(to, (uint64_t)bytes, 4);
    put_number(to, 0, 2);
    put_number(to, bits, 2);
    put_number(to, bytes == 8 ? 52 : 23, 1);
    put_number(to, bytes == 8 ? 11 : 8, 1);
    put_number(to, 0, 1);
    put_number(to, bytes == 8 ? 52 : 23, 1);
    put_number(to, bytes == 8 ? 1023 : 127, 4);
}

static void put_text_type(pen *to, bool variable, int64_t bytes)
{
    if (variable) {
        put_number(to, 0x19, 1);
        put_number(to, 0x0101, 3); /* A string, UTF-8. */
        put_number(to, 16, 4);
        put_number_type(to, SNUG_H5_UNSIGNED, 1);
        return;
    }
    put_number(to, 0x13, 1);
    put_number(to, 0x11, 3); /* UTF-8, padded with zeros. */
    put_number(to, (uint64_t)bytes, 4);
}

static void put_compound_type(pen *to, const snug_h5_write_options *options, int64_t row_bytes)
{
    int64_t offset = 0;
    put_number(to, 0x26, 1);
    put_number(to, (uint64_t)options->member_count, 3);
    put_number(to, (uint64_t)row_bytes, 4);
    for (int64_t i = 0; i < options->member_count; i++) {
        const snug_h5_write_member *member = &options->members[i];
        const int64_t name_bytes = (int64_t)strlen(member->name);
        put(to, member->name, name_bytes);
        put_zeros(to, snug_align_up(name_bytes + 1, 8) - name_bytes);
        put_number(to, (uint64_t)offset, 4);
        if (member->count > 1) {
            put_number(to, 0x2a, 4); /* An array of one dimension. */
            put_number(to, (uint64_t)(member->count * member->bytes), 4);
            put_number(to, 1, 4);
            put_number(to, (uint64_t)member->count, 4);
            put_number(to, 0, 4);
        }
        put_number_type(to, member->kind, member->bytes);
        offset += member->count * member->bytes;
    }
}

/* `heap` is where the texts will be, `index` the number of the next one. */
static void put_attribute(pen *to, const snug_h5_write_attribute *attribute, int64_t heap,
                          int64_t *index)
{
    const int64_t start = begin_message(to, 0x0c, 0);
    const int64_t name_bytes = (int64_t)strlen(attribute->name) + 1;
    const int64_t text_bytes = attribute->text == NULL ? 0 : (int64_t)strlen(attribute->text);
    put_number(to, 3, 2);
    put_number(to, (uint64_t)name_bytes, 2);
    const int64_t sizes = to->at;
    put_number(to, 0, 4);
    put_number(to, 1, 1);
    put(to, attribute->name, name_bytes);
    const int64_t type = to->at;
    switch (attribute->kind) {
    case SNUG_H5_WRITE_F64:
        put_number_type(to, SNUG_H5_FLOAT, 8);
        break;
    case SNUG_H5_WRITE_I64:
        put_number_type(to, SNUG_H5_SIGNED, 8);
        break;
    case SNUG_H5_WRITE_TEXT:
        put_text_type(to, true, 0);
        break;
    case SNUG_H5_WRITE_TEXT_FIXED:
        put_text_type(to, false, snug_max_i64(text_bytes, 1));
        break;
    }
    set_number(to, sizes, (uint64_t)(to->at - type), 2);
    set_number(to, sizes + 2, 4, 2);
    put_number(to, 2, 4); /* A scalar dataspace, version 2. */
    if (attribute->kind == SNUG_H5_WRITE_F64) {
        uint64_t bits = 0;
        memcpy(&bits, &attribute->f64, sizeof bits);
        put_number(to, bits, 8);
    } else if (attribute->kind == SNUG_H5_WRITE_I64) {
        put_number(to, (uint64_t)attribute->i64, 8);
    } else if (attribute->kind == SNUG_H5_WRITE_TEXT) {
        (*index)++;
        put_number(to, (uint64_t)text_bytes, 4);
        put_number(to, (uint64_t)heap, 8);
        put_number(to, (uint64_t)*index, 4);
    } else {
        put(to, attribute->text, text_bytes);
        put_zeros(to, text_bytes == 0 ? 1 : 0);
    }
    end_message(to, start);
}

static void put_dataset_messages(pen *to, const snug_h5_writer *writer, int64_t rows_at)
{
    const bool empty = writer->row_count == 0;
    int64_t start = begin_message(to, 0x01, 0);
    put_number(to, 2, 1);
    put_number(to, 1, 1);
    put_number(to, 0, 1);
    put_number(to, 1, 1);
    put_number(to, (uint64_t)writer->row_count, 8);
    end_message(to, start);
    start = begin_message(to, 0x03, 1);
    put_compound_type(to, &writer->options, writer->row_bytes);
    end_message(to, start);
    start = begin_message(to, 0x05, 1); /* Fill value: none, written only if set. */
    put_number(to, 3, 1);
    put_number(to, 0x0a, 1);
    end_message(to, start);
    start = begin_message(to, 0x08, 0);
    put_number(to, 3, 1);
    put_number(to, 1, 1);
    put_number(to, empty ? UINT64_MAX : (uint64_t)rows_at, 8);
    put_number(to, (uint64_t)(writer->row_count * writer->row_bytes), 8);
    end_message(to, start);
}

/* One collection with every variable-length text; libhdf5 wants at least 4 KiB. */
static void put_heap(pen *to, const snug_h5_write_options *options)
{
    const int64_t start = to->at;
    uint64_t index = 0;
    put(to, "GCOL", 4);
    put_number(to, 1, 4);
    put_number(to, 0, 8);
    for (int64_t i = 0; i < options->attribute_count; i++) {
        const snug_h5_write_attribute *attribute = &options->attributes[i];
        if (attribute->kind != SNUG_H5_WRITE_TEXT) {
            continue;
        }
        const int64_t bytes = (int64_t)strlen(attribute->text);
        index++;
        put_number(to, index, 2);
        put_number(to, 1, 2);
        put_number(to, 0, 4);
        put_number(to, (uint64_t)bytes, 8);
        put(to, attribute->text, bytes);
        put_zeros(to, snug_align_up(bytes, 8) - bytes);
    }
    /* What is left over is object 0, whose size counts its own 16 bytes. */
    const int64_t used = to->at - start;
    const int64_t total = snug_max_i64(HEAP_BYTES_MIN, snug_align_up(used + 16, 8));
    put_number(to, 0, 8);
    put_number(to, (uint64_t)(total - used), 8);
    put_zeros(to, total - used - 16);
    set_number(to, start + 8, (uint64_t)total, 8);
}

/* ---- The head ---- */

static void put_superblock(pen *to, int64_t root, int64_t file_bytes)
{
    to->at = 0;
    put(to, "\x89HDF\r\n\x1a\n", 8);
    put_number(to, 2, 1);
    put_number(to, 8, 1);
    put_number(to, 8, 1);
    put_number(to, 0, 1);
    put_number(to, 0, 8);
    put_number(to, UINT64_MAX, 8);
    put_number(to, (uint64_t)file_bytes, 8);
    put_number(to, (uint64_t)root, 8);
    put_number(to, snug_h5_checksum(to->data, 44), 4);
}

typedef struct places {
    int64_t root;
    int64_t group;
    int64_t dataset;
    int64_t heap;
    int64_t rows;
} places;

/* Puts every object once; addresses come from the round before. */
static void put_objects(pen *to, const snug_h5_writer *writer, places *at)
{
    const snug_h5_write_options *options = &writer->options;
    int64_t texts = 0;
    int64_t index = 0;
    to->at = SUPERBLOCK_BYTES;
    const int64_t root = begin_object(to);
    put_group_messages(to, options->group, at->group);
    end_object(to, root);
    const int64_t group = begin_object(to);
    put_group_messages(to, options->dataset, at->dataset);
    for (int64_t i = 0; i < options->attribute_count; i++) {
        texts += options->attributes[i].kind == SNUG_H5_WRITE_TEXT ? 1 : 0;
        put_attribute(to, &options->attributes[i], at->heap, &index);
    }
    end_object(to, group);
    const int64_t dataset = begin_object(to);
    put_dataset_messages(to, writer, at->rows);
    end_object(to, dataset);
    put_zeros(to, snug_align_up(to->at, 8) - to->at);
    const int64_t heap = to->at;
    if (texts > 0) {
        put_heap(to, options);
    }
    put_zeros(to, snug_align_up(to->at, SNUG_ALIGN) - to->at);
    *at = (places){.root = root, .group = group, .dataset = dataset, .heap = heap, .rows = to->at};
}

static snug_status build_head(snug_h5_writer *writer, snug_error *err)
{
    places at = {0};
    pen to = {.data = writer->head};
    put_objects(&to, writer, &at); /* Sizes do not depend on addresses, so two rounds settle it. */
    put_objects(&to, writer, &at);
    if (to.full) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "members and attributes take more than %d KiB of HDF5 head",
                         (int)(SNUG_H5_WRITE_HEAD_BYTES >> 10));
    }
    put_superblock(&to, at.root, at.rows + writer->row_count * writer->row_bytes);
    writer->head_bytes = at.rows;
    return SNUG_OK;
}

/* ---- The writer ---- */

static bool name_is_usable(const char *name)
{
    return name != NULL && name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
           strlen(name) < SNUG_NAME_BYTES;
}

static snug_status check_options(const snug_h5_write_options *options, int64_t *out_row_bytes,
                                 snug_error *err)
{
    int64_t row_bytes = 0;
    if (!name_is_usable(options->group) || !name_is_usable(options->dataset) ||
        options->member_count < 1 || options->member_count > SNUG_H5_WRITE_MEMBERS_MAX ||
        options->attribute_count > SNUG_H5_WRITE_ATTRIBUTES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "an HDF5 file needs a group, a data set and 1 to %d members",
                         (int)SNUG_H5_WRITE_MEMBERS_MAX);
    }
    for (int64_t i = 0; i < options->member_count; i++) {
        const snug_h5_write_member *member = &options->members[i];
        const bool wide = member->bytes == 4 || member->bytes == 8;
        const bool integer = member->kind == SNUG_H5_SIGNED || member->kind == SNUG_H5_UNSIGNED;
        int64_t bytes = 0;
        if (!name_is_usable(member->name) || member->count < 1 ||
            !(integer || (member->kind == SNUG_H5_FLOAT && wide)) ||
            !(wide || member->bytes == 1 || member->bytes == 2) ||
            !snug_mul_i64(member->count, member->bytes, &bytes) ||
            !snug_add_i64(row_bytes, bytes, &row_bytes) || row_bytes > SNUG_H5_CHUNK_BYTES_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE, "member %lld cannot be written to HDF5",
                             (long long)i);
        }
    }
    for (int64_t i = 0; i < options->attribute_count; i++) {
        const snug_h5_write_attribute *attribute = &options->attributes[i];
        const bool text =
            attribute->kind == SNUG_H5_WRITE_TEXT || attribute->kind == SNUG_H5_WRITE_TEXT_FIXED;
        if (!name_is_usable(attribute->name) || (text && attribute->text == NULL)) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE, "attribute %lld cannot be written to HDF5",
                             (long long)i);
        }
    }
    *out_row_bytes = row_bytes;
    return SNUG_OK;
}

snug_status snug_h5_writer_open(const snug_h5_write_options *options, snug_arena *arena,
                                snug_h5_writer *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_h5_writer writer = {.options = *options};
    void *head = NULL;
    void *buffer = NULL;
    const int64_t buffer_bytes =
        options->buffer_bytes > 0 ? options->buffer_bytes : BUFFER_BYTES_DEFAULT;

    SNUG_TRY_DONE(check_options(options, &writer.row_bytes, err));
    SNUG_TRY_DONE(snug_arena_alloc(arena, SNUG_H5_WRITE_HEAD_BYTES, &head, err));
    SNUG_TRY_DONE(snug_arena_alloc(arena, buffer_bytes, &buffer, err));
    writer.head = head;
    SNUG_TRY_DONE(build_head(&writer, err));
    SNUG_TRY_DONE(snug_file_writer_open(options->path, buffer, buffer_bytes, &writer.file, err));
    SNUG_TRY_DONE(snug_file_writer_add(&writer.file, writer.head, writer.head_bytes, err));
    writer.open = true;
    *out = writer;

done:
    if (snug_failed(status)) {
        snug_file_writer_abort(&writer.file);
        snug_arena_rewind(arena, start);
    }
    return status;
}

snug_status snug_h5_writer_rows(snug_h5_writer *writer, const void *rows, int64_t count,
                                snug_error *err)
{
    int64_t bytes = 0;
    SNUG_ASSERT(writer->open);
    if (!snug_mul_i64(count, writer->row_bytes, &bytes)) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "%lld rows at once", (long long)count);
    }
    SNUG_TRY(snug_file_writer_add(&writer->file, rows, bytes, err));
    writer->row_count += count;
    return SNUG_OK;
}

snug_status snug_h5_writer_commit(snug_h5_writer *writer, snug_error *err)
{
    snug_status status = SNUG_OK;
    SNUG_ASSERT(writer->open);
    SNUG_TRY_DONE(build_head(writer, err));
    SNUG_TRY_DONE(snug_file_writer_patch(&writer->file, 0, writer->head, writer->head_bytes, err));
    SNUG_TRY_DONE(snug_file_writer_commit(&writer->file, err));

done:
    if (snug_failed(status)) {
        snug_file_writer_abort(&writer->file);
    }
    writer->open = false;
    return status;
}

void snug_h5_writer_abort(snug_h5_writer *writer)
{
    if (writer != NULL && writer->open) {
        snug_file_writer_abort(&writer->file);
        writer->open = false;
    }
}
