#include "data/hdf5/h5_internal.h"

/* Elements are at most an address, a size and a mask. */
enum { ELEMENT_BYTES_MAX = 32, PREFIX_BYTES = 6, CHECKSUM_BYTES = 4 };

static snug_status check_signature(snug_h5_file *file, uint64_t address, const char *signature,
                                   snug_error *err)
{
    unsigned char found[4];
    if (address == SNUG_H5_NO_ADDRESS) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a chunk index leads nowhere");
    }
    SNUG_TRY(snug_h5_read(file, address, (int64_t)sizeof found, found, err));
    if (memcmp(found, signature, sizeof found) != 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "no chunk index block '%s' at %llu", signature,
                         (unsigned long long)address);
    }
    return SNUG_OK;
}

static snug_status read_address(snug_h5_file *file, uint64_t at, uint64_t *out, snug_error *err)
{
    unsigned char data[8];
    SNUG_TRY(snug_h5_read(file, at, file->offset_bytes, data, err));
    snug_h5_cursor cursor = {.at = data, .left = file->offset_bytes};
    *out = snug_h5_take_address(&cursor, file);
    return SNUG_OK;
}

static snug_status put_from(snug_h5_grid *grid, int64_t linear, uint64_t at, int64_t element_bytes,
                            bool filtered, snug_error *err)
{
    unsigned char element[ELEMENT_BYTES_MAX];
    SNUG_TRY(snug_h5_read(grid->file, at, element_bytes, element, err));
    return snug_h5_grid_put_element(grid, linear, element, element_bytes, filtered, err);
}

/* Bit `number` of a page bitmap; the highest bit of a byte comes first. */
static snug_status read_bit(snug_h5_file *file, uint64_t bitmap, uint64_t number, bool *out,
                            snug_error *err)
{
    unsigned char byte = 0;
    SNUG_TRY(snug_h5_read(file, bitmap + number / 8, 1, &byte, err));
    *out = (byte & (0x80u >> (number % 8))) != 0;
    return SNUG_OK;
}

static bool element_is_usable(const snug_h5_file *file, int64_t element_bytes, bool filtered)
{
    const int64_t least = file->offset_bytes + (filtered ? 5 : 0);
    return element_bytes >= least && element_bytes <= ELEMENT_BYTES_MAX;
}

/* ---- Fixed array ---- */

snug_status snug_h5_index_fixed(snug_h5_grid *grid, snug_error *err)
{
    unsigned char head[8 + 8 + 8];
    snug_h5_file *file = grid->file;
    const uint64_t offsets = (uint64_t)file->offset_bytes;
    const int64_t head_bytes = 8 + file->length_bytes + file->offset_bytes;
    SNUG_TRY(check_signature(file, grid->layout->address, "FAHD", err));
    SNUG_TRY(snug_h5_read(file, grid->layout->address, head_bytes, head, err));
    const bool filtered = head[5] == 1;
    const int64_t element_bytes = head[6];
    const uint32_t page_bits = head[7];
    snug_h5_cursor cursor = {.at = head + 8, .left = head_bytes - 8};
    const uint64_t count = snug_h5_take_length(&cursor, file);
    const uint64_t block = snug_h5_take_address(&cursor, file);
    if (page_bits > 32 || !element_is_usable(file, element_bytes, filtered)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a fixed array chunk index is damaged");
    }
    if (block == SNUG_H5_NO_ADDRESS) {
        return SNUG_OK;
    }
    SNUG_TRY(check_signature(file, block, "FADB", err));
    const uint64_t page_elements = UINT64_C(1) << page_bits;
    const bool paged = count > page_elements;
    const uint64_t bitmap = block + PREFIX_BYTES + offsets;
    const uint64_t pages = count / page_elements + (count % page_elements != 0 ? 1 : 0);
    const uint64_t first = paged ? bitmap + (pages + 7) / 8 + CHECKSUM_BYTES : bitmap;
    if (!snug_h5_inside(file, block, paged ? pages / 8 : count)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "a fixed array of %llu chunks lies outside the file",
                         (unsigned long long)count);
    }
    for (int64_t linear = 0; linear < grid->dataset->chunk_count; linear++) {
        uint64_t number = 0;
        bool present = true;
        SNUG_TRY(snug_h5_grid_number(grid, linear, &number, err));
        if (number >= count) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a fixed array chunk index is too short");
        }
        const uint64_t page = paged ? number / page_elements : 0;
        if (paged) {
            SNUG_TRY(read_bit(file, bitmap, page, &present, err));
        }
        if (present) {
            const uint64_t at =
                first + number * (uint64_t)element_bytes + page * (paged ? CHECKSUM_BYTES : 0);
            SNUG_TRY(put_from(grid, linear, at, element_bytes, filtered, err));
        }
    }
    return SNUG_OK;
}

/* ---- Extensible array ---- */

/*
 * Super block s holds 2^(s/2) data blocks of 2^((s+1)/2) * least elements each, so it starts at
 * element (2^s - 1) * least. The first super blocks are spelled out in the index block.
 */
typedef struct extensible {
    snug_h5_file *file;
    bool filtered;
    int64_t element_bytes;
    uint64_t index_elements;
    uint64_t least_elements;
    uint64_t page_elements;
    uint64_t offset_bytes; /* Of a block's own offset field. */
    int32_t inner_supers;  /* Super blocks whose data blocks the index block lists. */
    uint64_t inner_blocks; /* Data block addresses in the index block. */
    uint64_t index_block;
    /* The data block that was looked up last. */
    uint64_t from;
    uint64_t to;
    uint64_t block; /* NO_ADDRESS: none of its chunks exists. */
    bool paged;
    uint64_t bitmap; /* Of the super block; 0: none. */
    uint64_t first_page;
} extensible;

static int32_t log2_of(uint64_t value)
{
    return 63 - __builtin_clzll(value);
}

static bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static snug_status open_extensible(snug_h5_grid *grid, extensible *out, snug_error *err)
{
    unsigned char head[12 + 6 * 8 + 8];
    snug_h5_file *file = grid->file;
    const int64_t head_bytes = 12 + 6 * file->length_bytes + file->offset_bytes;
    SNUG_TRY(check_signature(file, grid->layout->address, "EAHD", err));
    SNUG_TRY(snug_h5_read(file, grid->layout->address, head_bytes, head, err));
    const uint64_t least_pointers = head[10];
    snug_h5_cursor cursor = {.at = head + 12 + 6 * file->length_bytes, .left = file->offset_bytes};
    *out = (extensible){.file = file,
                        .filtered = head[5] == 1,
                        .element_bytes = head[6],
                        .index_elements = head[8],
                        .least_elements = head[9],
                        .offset_bytes = ((uint64_t)head[7] + 7) / 8,
                        .index_block = snug_h5_take_address(&cursor, file)};
    if (head[7] < 1 || head[7] > 64 || head[11] > 32 || !is_power_of_two(out->least_elements) ||
        !is_power_of_two(least_pointers) ||
        !element_is_usable(file, out->element_bytes, out->filtered)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "an extensible array chunk index is damaged");
    }
    out->page_elements = UINT64_C(1) << head[11];
    out->inner_supers = 2 * log2_of(least_pointers);
    out->inner_blocks = 2 * (least_pointers - 1);
    return SNUG_OK;
}

/* Finds the data block of element `number` (>= index_elements) and remembers it. */
static snug_status find_block(extensible *array, uint64_t number, snug_error *err)
{
    snug_h5_file *file = array->file;
    const uint64_t offsets = (uint64_t)file->offset_bytes;
    const uint64_t beyond = number - array->index_elements;
    const int32_t super = log2_of(beyond / array->least_elements + 1);
    if (super > 40) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "an extensible array chunk index is too large");
    }
    const uint64_t blocks = UINT64_C(1) << (super / 2);
    const uint64_t block_elements = array->least_elements << ((super + 1) / 2);
    const uint64_t super_start = ((UINT64_C(1) << super) - 1) * array->least_elements;
    const uint64_t in_super = (beyond - super_start) / block_elements;
    const uint64_t tables = array->index_block + PREFIX_BYTES + offsets +
                            array->index_elements * (uint64_t)array->element_bytes;
    uint64_t slot = 0;

    array->from = array->index_elements + super_start + in_super * block_elements;
    array->to = array->from + block_elements;
    array->paged = block_elements > array->page_elements;
    array->bitmap = 0;
    array->block = SNUG_H5_NO_ADDRESS;
    if (super < array->inner_supers) {
        uint64_t before = 0;
        for (int32_t i = 0; i < super; i++) {
            before += UINT64_C(1) << (i / 2);
        }
        slot = tables + (before + in_super) * offsets;
    } else {
        uint64_t super_block = 0;
        SNUG_TRY(read_address(
            file,
            tables + (array->inner_blocks + (uint64_t)(super - array->inner_supers)) * offsets,
            &super_block, err));
        if (super_block == SNUG_H5_NO_ADDRESS) {
            return SNUG_OK;
        }
        SNUG_TRY(check_signature(file, super_block, "EASB", err));
        slot = super_block + PREFIX_BYTES + offsets + array->offset_bytes;
        if (array->paged) {
            const uint64_t pages = block_elements / array->page_elements;
            array->bitmap = slot;
            array->first_page = in_super * pages;
            slot += blocks * ((pages + 7) / 8);
        }
        slot += in_super * offsets;
    }
    SNUG_TRY(read_address(file, slot, &array->block, err));
    if (array->block == SNUG_H5_NO_ADDRESS) {
        return SNUG_OK;
    }
    return check_signature(file, array->block, "EADB", err);
}

static snug_status put_extensible(snug_h5_grid *grid, extensible *array, int64_t linear,
                                  uint64_t number, snug_error *err)
{
    const uint64_t offsets = (uint64_t)array->file->offset_bytes;
    if (number < array->index_elements) {
        const uint64_t at =
            array->index_block + PREFIX_BYTES + offsets + number * (uint64_t)array->element_bytes;
        return put_from(grid, linear, at, array->element_bytes, array->filtered, err);
    }
    if (number < array->from || number >= array->to) {
        SNUG_TRY(find_block(array, number, err));
    }
    if (array->block == SNUG_H5_NO_ADDRESS) {
        return SNUG_OK;
    }
    const uint64_t in_block = number - array->from;
    uint64_t at = array->block + PREFIX_BYTES + offsets + array->offset_bytes +
                  in_block * (uint64_t)array->element_bytes;
    if (array->paged) {
        const uint64_t page = in_block / array->page_elements;
        bool present = true;
        if (array->bitmap != 0) {
            SNUG_TRY(read_bit(array->file, array->bitmap, array->first_page + page, &present, err));
        }
        if (!present) {
            return SNUG_OK;
        }
        at += CHECKSUM_BYTES * (page + 1);
    }
    return put_from(grid, linear, at, array->element_bytes, array->filtered, err);
}

snug_status snug_h5_index_extensible(snug_h5_grid *grid, snug_error *err)
{
    extensible array = {0};
    SNUG_TRY(open_extensible(grid, &array, err));
    if (array.index_block == SNUG_H5_NO_ADDRESS) {
        return SNUG_OK;
    }
    SNUG_TRY(check_signature(grid->file, array.index_block, "EAIB", err));
    for (int64_t linear = 0; linear < grid->dataset->chunk_count; linear++) {
        uint64_t number = 0;
        SNUG_TRY(snug_h5_grid_number(grid, linear, &number, err));
        SNUG_TRY(put_extensible(grid, &array, linear, number, err));
    }
    return SNUG_OK;
}
