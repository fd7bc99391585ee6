#include "data/hdf5/h5_internal.h"

#include "base/checked.h"

/* ---- Local heap: names of old-style groups ---- */

snug_status snug_h5_local_heap(snug_h5_file *file, uint64_t address, uint64_t *out_data,
                               uint64_t *out_bytes, snug_error *err)
{
    unsigned char head[8 + 8 + 8 + 8];
    const int64_t bytes = 8 + 2 * file->length_bytes + file->offset_bytes;
    SNUG_TRY(snug_h5_read(file, address, bytes, head, err));
    snug_h5_cursor cursor = {.at = head + 8, .left = bytes - 8};
    const uint64_t data_bytes = snug_h5_take_length(&cursor, file);
    (void)snug_h5_take_length(&cursor, file);
    const uint64_t data = snug_h5_take_address(&cursor, file);
    if (memcmp(head, "HEAP", 4) != 0 || cursor.bad || data == SNUG_H5_NO_ADDRESS ||
        !snug_h5_inside(file, data, data_bytes)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the local heap at %llu is damaged",
                         (unsigned long long)address);
    }
    *out_data = data;
    *out_bytes = data_bytes;
    return SNUG_OK;
}

snug_status snug_h5_local_name(snug_h5_file *file, uint64_t data, uint64_t bytes, uint64_t offset,
                               char *out, snug_error *err)
{
    if (offset >= bytes) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a link name lies outside its heap");
    }
    const uint64_t left = bytes - offset;
    const int64_t take = left < SNUG_H5_NAME_BYTES ? (int64_t)left : SNUG_H5_NAME_BYTES;
    SNUG_TRY(snug_h5_read(file, data + offset, take, out, err));
    if (memchr(out, 0, (size_t)take) == NULL) {
        return SNUG_FAIL(err, take == SNUG_H5_NAME_BYTES ? SNUG_CODE_LIMIT : SNUG_CODE_FORMAT,
                         "a link name of %d or more bytes has no end", (int)take);
    }
    return SNUG_OK;
}

/* ---- Global heap: variable-length values ---- */

snug_status snug_h5_global_object(snug_h5_file *file, uint64_t collection, uint32_t index,
                                  uint64_t *out_address, uint64_t *out_bytes, snug_error *err)
{
    unsigned char head[16];
    const int64_t head_bytes = 8 + file->length_bytes;
    SNUG_TRY(snug_h5_read(file, collection, head_bytes, head, err));
    const uint64_t total = snug_h5_little(head + 8, file->length_bytes);
    if (memcmp(head, "GCOL", 4) != 0 || !snug_h5_inside(file, collection, total)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the global heap at %llu is damaged",
                         (unsigned long long)collection);
    }
    uint64_t position = (uint64_t)head_bytes;
    while (position + (uint64_t)head_bytes <= total) {
        SNUG_TRY(snug_h5_read(file, collection + position, head_bytes, head, err));
        const uint64_t found = snug_h5_little(head, 2);
        const uint64_t bytes = snug_h5_little(head + 8, file->length_bytes);
        if (found == 0) {
            break; /* Free space ends the collection. */
        }
        if (bytes > total - position - (uint64_t)head_bytes) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the global heap at %llu is damaged",
                             (unsigned long long)collection);
        }
        if (found == index) {
            *out_address = collection + position + (uint64_t)head_bytes;
            *out_bytes = bytes;
            return SNUG_OK;
        }
        position += (uint64_t)head_bytes + ((bytes + 7) & ~UINT64_C(7));
    }
    return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the global heap at %llu has no object %u",
                     (unsigned long long)collection, index);
}

/* ---- Fractal heap: links and attributes of large new-style objects ---- */

static bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static int32_t log2_of(uint64_t value)
{
    return 63 - __builtin_clzll(value);
}

static snug_status heap_open(snug_h5_file *file, uint64_t address, snug_h5_heap *out,
                             snug_error *err)
{
    unsigned char head[256];
    const int32_t lengths = file->length_bytes;
    const int32_t offsets = file->offset_bytes;
    const int64_t bytes = 14 + 12 * lengths + 3 * offsets + 8;
    SNUG_TRY(snug_h5_read(file, address, bytes, head, err));
    snug_h5_cursor cursor = {.at = head + 5, .left = bytes - 5};
    *out = (snug_h5_heap){.file = file};
    out->id_bytes = (int32_t)snug_h5_take(&cursor, 2);
    out->filtered = snug_h5_take(&cursor, 2) != 0;
    out->flags = (int32_t)snug_h5_take(&cursor, 1);
    out->managed_max = (int64_t)snug_h5_take(&cursor, 4);
    snug_h5_skip(&cursor, 2 * lengths + 2 * offsets + 8 * lengths);
    out->width = (int32_t)snug_h5_take(&cursor, 2);
    out->start_bytes = snug_h5_take_length(&cursor, file);
    out->direct_max_bytes = snug_h5_take_length(&cursor, file);
    out->heap_bits = (int32_t)snug_h5_take(&cursor, 2);
    snug_h5_skip(&cursor, 2);
    out->root = snug_h5_take_address(&cursor, file);
    out->root_rows = (int32_t)snug_h5_take(&cursor, 2);
    if (memcmp(head, "FRHP", 4) != 0 || cursor.bad || !is_power_of_two((uint64_t)out->width) ||
        !is_power_of_two(out->start_bytes) || !is_power_of_two(out->direct_max_bytes) ||
        out->start_bytes > out->direct_max_bytes || out->direct_max_bytes > UINT32_MAX ||
        out->heap_bits < 1 || out->heap_bits > 64) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the fractal heap at %llu is damaged",
                         (unsigned long long)address);
    }
    if (out->filtered) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "a filtered fractal heap");
    }
    return SNUG_OK;
}

/* Reads entry `number` of the indirect block at `block`. */
static snug_status read_child(const snug_h5_heap *heap, uint64_t block, uint64_t number,
                              uint64_t *out_child, snug_error *err)
{
    unsigned char data[8];
    snug_h5_file *file = heap->file;
    const uint64_t prefix = 5 + (uint64_t)file->offset_bytes + (uint64_t)(heap->heap_bits + 7) / 8;
    SNUG_TRY(snug_h5_read(file, block, 4, data, err));
    if (memcmp(data, "FHIB", 4) != 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "no fractal heap block at %llu",
                         (unsigned long long)block);
    }
    SNUG_TRY(snug_h5_read(file, block + prefix + number * (uint64_t)file->offset_bytes,
                          file->offset_bytes, data, err));
    snug_h5_cursor cursor = {.at = data, .left = file->offset_bytes};
    *out_child = snug_h5_take_address(&cursor, file);
    if (*out_child == SNUG_H5_NO_ADDRESS) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a fractal heap has a hole where data should be");
    }
    return SNUG_OK;
}

/*
 * Follows the doubling table: row 0 and 1 hold blocks of the starting size, every later row doubles
 * it; rows beyond the largest direct size hold indirect blocks, whose own table starts again.
 */
static snug_status find_direct(const snug_h5_heap *heap, uint64_t offset, uint64_t *out_block,
                               uint64_t *out_start, uint64_t *out_bytes, snug_error *err)
{
    uint64_t block = heap->root;
    uint64_t start = 0;
    const uint64_t row_zero = (uint64_t)heap->width * heap->start_bytes;
    const int32_t direct_rows = log2_of(heap->direct_max_bytes) - log2_of(heap->start_bytes) + 2;
    if (heap->root_rows == 0) {
        *out_block = block;
        *out_start = 0;
        *out_bytes = heap->start_bytes;
        return SNUG_OK;
    }
    int32_t rows = heap->root_rows;
    for (int32_t depth = 0; depth < SNUG_H5_TREE_DEPTH_MAX; depth++) {
        const uint64_t local = offset - start;
        const int32_t row = local < row_zero ? 0 : log2_of(local / row_zero) + 1;
        const uint64_t row_start = row == 0 ? 0 : row_zero << (row - 1);
        const uint64_t block_bytes = row <= 1 ? heap->start_bytes : heap->start_bytes << (row - 1);
        const uint64_t column = (local - row_start) / block_bytes;
        uint64_t child = 0;
        if (row >= rows || row > 48) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a fractal heap object lies outside its heap");
        }
        SNUG_TRY(
            read_child(heap, block, (uint64_t)row * (uint64_t)heap->width + column, &child, err));
        start += row_start + column * block_bytes;
        block = child;
        if (row < direct_rows) {
            *out_block = block;
            *out_start = start;
            *out_bytes = block_bytes;
            return SNUG_OK;
        }
        rows = log2_of(block_bytes) - log2_of(row_zero) + 1;
    }
    return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a fractal heap is nested deeper than %d",
                     (int)SNUG_H5_TREE_DEPTH_MAX);
}

static snug_status managed_object(snug_h5_heap *heap, snug_h5_cursor cursor, uint64_t *out_address,
                                  int64_t *out_bytes, snug_error *err)
{
    /* The narrower of what a direct block and a managed object can need. */
    const int64_t length_bytes =
        snug_min_i64((log2_of(heap->direct_max_bytes) + 7) / 8,
                     heap->managed_max > 0 ? log2_of((uint64_t)heap->managed_max) / 8 + 1 : 1);
    const uint64_t offset = snug_h5_take(&cursor, (heap->heap_bits + 7) / 8);
    const uint64_t bytes = snug_h5_take(&cursor, length_bytes);
    uint64_t block = 0;
    uint64_t start = 0;
    uint64_t block_bytes = 0;
    if (cursor.bad || offset > (UINT64_MAX >> 8)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a fractal heap id is damaged");
    }
    SNUG_TRY(find_direct(heap, offset, &block, &start, &block_bytes, err));
    unsigned char signature[4];
    SNUG_TRY(snug_h5_read(heap->file, block, 4, signature, err));
    const uint64_t inside = offset - start;
    if (memcmp(signature, "FHDB", 4) != 0 || (heap->root_rows > 0 && inside > block_bytes) ||
        bytes > SNUG_H5_MESSAGE_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a fractal heap object at %llu is damaged",
                         (unsigned long long)block);
    }
    *out_address = block + inside;
    *out_bytes = (int64_t)bytes;
    return SNUG_OK;
}

/* The object with this id, into SLOT_HEAP. */
static snug_status heap_object(snug_h5_heap *heap, const unsigned char *id, int64_t id_bytes,
                               const unsigned char **out, int64_t *out_bytes, snug_error *err)
{
    unsigned char *slot = heap->file->slots[SNUG_H5_SLOT_HEAP];
    int64_t bytes = 0;
    const int32_t kind = id_bytes > 0 ? (id[0] >> 4) & 3 : 3;
    if (kind == 0) {
        const snug_h5_cursor cursor = {.at = id + 1, .left = id_bytes - 1};
        uint64_t address = SNUG_H5_NO_ADDRESS;
        SNUG_TRY(managed_object(heap, cursor, &address, &bytes, err));
        SNUG_TRY(snug_h5_read(heap->file, address, bytes, slot, err));
    } else if (kind == 2 && (id[0] & 0x0f) + 1 <= id_bytes - 1) {
        bytes = (id[0] & 0x0f) + 1;
        memcpy(slot, id + 1, (size_t)bytes);
    } else {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "a huge object in a fractal heap");
    }
    *out = slot;
    *out_bytes = bytes;
    return SNUG_OK;
}

snug_status snug_h5_dense_open(snug_h5_file *file, const snug_h5_message *info,
                               snug_h5_dense_kind kind, snug_h5_dense *out, snug_error *err)
{
    const bool links = kind == SNUG_H5_DENSE_LINKS;
    const char *what = links ? "link" : "attribute";
    snug_h5_cursor cursor = {.at = info->data, .left = info->bytes};
    snug_h5_skip(&cursor, 1);
    const uint64_t flags = snug_h5_take(&cursor, 1);
    /* The largest creation index so far. */
    snug_h5_skip(&cursor, (flags & 1) == 0 ? 0 : links ? 8 : 2);
    const uint64_t heap_address = snug_h5_take_address(&cursor, file);
    const uint64_t tree_address = snug_h5_take_address(&cursor, file);
    if (cursor.bad) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the %s info message is cut short", what);
    }
    out->present = heap_address != SNUG_H5_NO_ADDRESS && tree_address != SNUG_H5_NO_ADDRESS;
    if (!out->present) {
        return SNUG_OK;
    }
    SNUG_TRY(heap_open(file, heap_address, &out->heap, err));
    SNUG_TRY(snug_h5_tree2_open(file, tree_address, &out->tree, err));
    /* A link's record is a hash and the id; an attribute's the id, flags, an index and a hash. */
    const int32_t type = links ? 5 : 8;
    const int64_t least = links ? 4 + 1 : 8 + 1 + 4;
    if (out->tree.type != type || out->tree.record_bytes < least) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the %s index has record type %d", what,
                         out->tree.type);
    }
    out->id_at = links ? 4 : 0;
    out->id_bytes = links ? (int32_t)out->tree.record_bytes - 4 : 8;
    return SNUG_OK;
}

snug_status snug_h5_dense_next(snug_h5_dense *dense, const unsigned char **out, int64_t *out_bytes,
                               bool *out_more, snug_error *err)
{
    unsigned char record[SNUG_H5_RECORD_BYTES_MAX];
    *out_more = false;
    if (dense->present) {
        SNUG_TRY(snug_h5_tree2_next(&dense->tree, record, out_more, err));
    }
    return *out_more ? heap_object(&dense->heap, record + dense->id_at, dense->id_bytes, out,
                                   out_bytes, err)
                     : SNUG_OK;
}
