#include "data/hdf5/h5_internal.h"

#include "base/checked.h"

/* A read that goes to the source costs more than one answered from the window. */
enum { WORK_MISS = 16, WORK_BYTES_SHIFT = 10 };

static snug_status memory_read_at(void *context, int64_t offset, int64_t bytes, void *buffer,
                                  snug_error *err)
{
    const snug_h5_memory *memory = context;
    if (offset < 0 || bytes < 0 || offset > memory->bytes || bytes > memory->bytes - offset) {
        return SNUG_FAIL(err, SNUG_CODE_IO, "read past the end of the data");
    }
    if (bytes > 0) {
        memcpy(buffer, memory->data + offset, (size_t)bytes);
    }
    return SNUG_OK;
}

snug_h5_bytes snug_h5_bytes_from_memory(snug_h5_memory *memory)
{
    return (snug_h5_bytes){.context = memory, .size = memory->bytes, .read_at = memory_read_at};
}

static snug_status file_read_at(void *context, int64_t offset, int64_t bytes, void *buffer,
                                snug_error *err)
{
    return snug_file_read_at(context, offset, buffer, bytes, err);
}

snug_h5_bytes snug_h5_bytes_from_file(snug_file *file)
{
    return (snug_h5_bytes){.context = file, .size = file->bytes, .read_at = file_read_at};
}

uint64_t snug_h5_little(const unsigned char *at, int64_t bytes)
{
    uint64_t value = 0;
    for (int64_t i = 0; i < bytes; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

uint64_t snug_h5_take(snug_h5_cursor *cursor, int64_t bytes)
{
    if (cursor->bad || bytes > cursor->left || bytes > 8 || bytes < 0) {
        cursor->bad = true;
        return 0;
    }
    const uint64_t value = snug_h5_little(cursor->at, bytes);
    cursor->at += bytes;
    cursor->left -= bytes;
    return value;
}

void snug_h5_skip(snug_h5_cursor *cursor, int64_t bytes)
{
    if (cursor->bad || bytes < 0 || bytes > cursor->left) {
        cursor->bad = true;
        return;
    }
    cursor->at += bytes;
    cursor->left -= bytes;
}

uint64_t snug_h5_take_address(snug_h5_cursor *cursor, const snug_h5_file *file)
{
    const uint64_t value = snug_h5_take(cursor, file->offset_bytes);
    const uint64_t undefined =
        file->offset_bytes == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * file->offset_bytes)) - 1;
    return value == undefined ? SNUG_H5_NO_ADDRESS : value;
}

uint64_t snug_h5_take_length(snug_h5_cursor *cursor, const snug_h5_file *file)
{
    return snug_h5_take(cursor, file->length_bytes);
}

const char *snug_h5_take_name(snug_h5_cursor *cursor, int64_t *out_bytes)
{
    if (cursor->bad) {
        return NULL;
    }
    const unsigned char *zero = memchr(cursor->at, 0, (size_t)cursor->left);
    if (zero == NULL) {
        cursor->bad = true;
        return NULL;
    }
    const char *name = (const char *)cursor->at;
    const int64_t bytes = zero - cursor->at;
    snug_h5_skip(cursor, bytes + 1);
    *out_bytes = bytes;
    return name;
}

bool snug_h5_inside(const snug_h5_file *file, uint64_t address, uint64_t bytes)
{
    return address <= file->end && bytes <= file->end - address;
}

static snug_status charge(snug_h5_file *file, int64_t units, snug_error *err)
{
    if (file->work_left < units) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "the file's structure takes more than %d steps to follow",
                         (int)SNUG_H5_WORK_MAX);
    }
    file->work_left -= units;
    return SNUG_OK;
}

snug_status snug_h5_read(snug_h5_file *file, uint64_t address, int64_t bytes, void *buffer,
                         snug_error *err)
{
    if (bytes < 0 || !snug_h5_inside(file, address, (uint64_t)bytes)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "the structure at %llu (%lld bytes) lies outside the file: damaged or "
                         "truncated",
                         (unsigned long long)address, (long long)bytes);
    }
    const int64_t offset = (int64_t)(file->base + address);
    if (bytes > SNUG_H5_WINDOW_BYTES / 2) {
        SNUG_TRY(charge(file, WORK_MISS + (bytes >> WORK_BYTES_SHIFT), err));
        SNUG_TRY(file->source.read_at(file->source.context, offset, bytes, buffer, err));
        return SNUG_OK;
    }
    const bool hit =
        offset >= file->window_offset && offset + bytes <= file->window_offset + file->window_bytes;
    if (hit) {
        SNUG_TRY(charge(file, 1, err));
    } else {
        SNUG_TRY(charge(file, WORK_MISS, err));
        const int64_t window =
            snug_min_i64(SNUG_H5_WINDOW_BYTES, (int64_t)(file->base + file->end) - offset);
        file->window_bytes = 0;
        SNUG_TRY(file->source.read_at(file->source.context, offset, window, file->window, err));
        file->window_offset = offset;
        file->window_bytes = window;
    }
    memcpy(buffer, file->window + (offset - file->window_offset), (size_t)bytes);
    return SNUG_OK;
}

snug_status snug_h5_alloc(snug_h5_file *file, snug_arena *arena, int64_t count, int64_t item_bytes,
                          void **out, snug_error *err)
{
    int64_t bytes = 0;
    if (!snug_mul_i64(count, item_bytes, &bytes) || bytes > file->memory_left - SNUG_ALIGN) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the file asks for more than %d MiB of index memory",
                         (int)(SNUG_H5_OPEN_BYTES_MAX >> 20));
    }
    SNUG_TRY(snug_arena_alloc(arena, snug_max_i64(bytes, 1), out, err));
    file->memory_left -= snug_align_up(bytes, SNUG_ALIGN);
    return SNUG_OK;
}

/* The signature is at 0 or at a power of two from 512 on, behind a user block. */
static snug_status find_signature(const snug_h5_bytes *source, uint64_t *out_base, snug_error *err)
{
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    int64_t offset = 0;
    while (offset <= source->size - 8) {
        unsigned char found[8];
        SNUG_TRY(source->read_at(source->context, offset, 8, found, err));
        if (memcmp(found, signature, sizeof found) == 0) {
            *out_base = (uint64_t)offset;
            return SNUG_OK;
        }
        if (offset > INT64_MAX / 2) {
            break;
        }
        offset = offset == 0 ? 512 : offset * 2;
    }
    return SNUG_FAIL(err, SNUG_CODE_FORMAT, "not an HDF5 file: the signature is missing");
}

static bool width_is_usable(uint64_t bytes)
{
    return bytes == 2 || bytes == 4 || bytes == 8;
}

static snug_status check_widths(const snug_h5_file *file, snug_error *err)
{
    if (!width_is_usable((uint64_t)file->offset_bytes) ||
        !width_is_usable((uint64_t)file->length_bytes)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "the superblock claims offsets of %d and lengths of %d bytes",
                         file->offset_bytes, file->length_bytes);
    }
    return SNUG_OK;
}

/* Versions 0 and 1: fixed fields, four addresses, the root group's symbol table entry. */
static snug_status superblock_old(snug_h5_file *file, snug_h5_cursor cursor, int32_t version,
                                  uint64_t *out_end, snug_error *err)
{
    snug_h5_skip(&cursor, 4);
    file->offset_bytes = (int32_t)snug_h5_take(&cursor, 1);
    file->length_bytes = (int32_t)snug_h5_take(&cursor, 1);
    SNUG_TRY(check_widths(file, err));
    snug_h5_skip(&cursor, version == 1 ? 13 : 9);
    (void)snug_h5_take_address(&cursor, file); /* Base: where the signature is decides. */
    (void)snug_h5_take_address(&cursor, file);
    *out_end = snug_h5_take_address(&cursor, file);
    (void)snug_h5_take_address(&cursor, file);
    (void)snug_h5_take_length(&cursor, file);
    file->root = snug_h5_take_address(&cursor, file);
    if (cursor.bad) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the superblock is cut short");
    }
    return SNUG_OK;
}

static snug_status superblock_new(snug_h5_file *file, snug_h5_cursor cursor, uint64_t *out_end,
                                  snug_error *err)
{
    file->offset_bytes = (int32_t)snug_h5_take(&cursor, 1);
    file->length_bytes = (int32_t)snug_h5_take(&cursor, 1);
    SNUG_TRY(check_widths(file, err));
    snug_h5_skip(&cursor, 1);
    (void)snug_h5_take_address(&cursor, file);
    (void)snug_h5_take_address(&cursor, file);
    *out_end = snug_h5_take_address(&cursor, file);
    file->root = snug_h5_take_address(&cursor, file);
    if (cursor.bad) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the superblock is cut short");
    }
    return SNUG_OK;
}

static snug_status read_superblock(snug_h5_file *file, snug_error *err)
{
    unsigned char block[128];
    const int64_t bytes = snug_min_i64((int64_t)sizeof block, (int64_t)file->end);
    SNUG_TRY(snug_h5_read(file, 0, bytes, block, err));
    snug_h5_cursor cursor = {.at = block, .left = bytes};
    snug_h5_skip(&cursor, 8);
    const int32_t version = (int32_t)snug_h5_take(&cursor, 1);
    uint64_t end = SNUG_H5_NO_ADDRESS;
    if (cursor.bad || version > 3) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "superblock version %d (0 to 3 are read)",
                         version);
    }
    if (version <= 1) {
        SNUG_TRY(superblock_old(file, cursor, version, &end, err));
    } else {
        SNUG_TRY(superblock_new(file, cursor, &end, err));
    }
    if (end != SNUG_H5_NO_ADDRESS && end > file->base + file->end) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "the file is truncated: it has %lld bytes, its superblock says %llu",
                         (long long)file->source.size, (unsigned long long)end);
    }
    if (file->root == SNUG_H5_NO_ADDRESS) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the file has no root group");
    }
    return SNUG_OK;
}

snug_status snug_h5_open(const snug_h5_bytes *source, snug_arena *arena, snug_h5_file **out_file,
                         snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    uint64_t base = 0;
    void *memory = NULL;

    SNUG_TRY_DONE(find_signature(source, &base, err));
    SNUG_TRY_DONE(snug_arena_alloc(arena, (int64_t)sizeof(snug_h5_file), &memory, err));
    snug_h5_file *file = memory;
    file->source = *source;
    file->arena = arena;
    file->base = base;
    file->end = (uint64_t)source->size - base;
    file->memory_left = SNUG_H5_OPEN_BYTES_MAX - (int64_t)sizeof(snug_h5_file);
    file->work_left = (int64_t)SNUG_H5_WORK_MAX * WORK_MISS;
    SNUG_TRY_DONE(read_superblock(file, err));
    *out_file = file;

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}
