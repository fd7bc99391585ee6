#include "data/hdf5/h5_internal.h"

#include "base/checked.h"

static snug_status fail_chunk(int64_t linear, uint64_t address, uint64_t stored_bytes,
                              snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                     "chunk %lld (%llu bytes at %llu) is damaged or lies outside the file",
                     (long long)linear, (unsigned long long)stored_bytes,
                     (unsigned long long)address);
}

snug_status snug_h5_grid_put(snug_h5_grid *grid, int64_t linear, uint64_t address,
                             uint64_t stored_bytes, uint32_t mask, snug_error *err)
{
    snug_h5_dataset *dataset = grid->dataset;
    const uint64_t chunk_bytes = (uint64_t)dataset->chunk_bytes;
    if (address == SNUG_H5_NO_ADDRESS) {
        return SNUG_OK;
    }
    /* Filters may make a chunk a little longer, never much; without them it is stored as it is. */
    const bool plain = dataset->filter_count == 0;
    if (stored_bytes == 0 || stored_bytes > 2 * chunk_bytes + 65536 ||
        (plain && stored_bytes < chunk_bytes) ||
        !snug_h5_inside(grid->file, address, stored_bytes)) {
        return fail_chunk(linear, address, stored_bytes, err);
    }
    const uint64_t kept = plain ? chunk_bytes : stored_bytes;
    grid->chunks[linear] = (snug_h5_chunk){
        .address = grid->file->base + address, .stored_bytes = (uint32_t)kept, .filter_mask = mask};
    dataset->stored_bytes_max = snug_max_i64(dataset->stored_bytes_max, (int64_t)kept);
    return SNUG_OK;
}

static void scaled_of(const snug_h5_grid *grid, int64_t linear, int64_t scaled[SNUG_H5_RANK_MAX])
{
    for (int32_t axis = grid->dataset->rank - 1; axis >= 0; axis--) {
        scaled[axis] = linear % grid->counts[axis];
        linear /= grid->counts[axis];
    }
}

/* Whether a chunk sticks out of the extent: such chunks may be exempt from filtering. */
static bool is_edge(const snug_h5_grid *grid, int64_t linear)
{
    const snug_h5_dataset *dataset = grid->dataset;
    int64_t scaled[SNUG_H5_RANK_MAX] = {0};
    scaled_of(grid, linear, scaled);
    for (int32_t axis = 0; axis < dataset->rank; axis++) {
        if ((scaled[axis] + 1) * dataset->chunk_extents[axis] > dataset->extents[axis]) {
            return true;
        }
    }
    return false;
}

snug_status snug_h5_grid_put_element(snug_h5_grid *grid, int64_t linear,
                                     const unsigned char *element, int64_t element_bytes,
                                     bool filtered, snug_error *err)
{
    snug_h5_cursor cursor = {.at = element, .left = element_bytes};
    const uint64_t address = snug_h5_take_address(&cursor, grid->file);
    uint64_t stored_bytes = (uint64_t)grid->dataset->chunk_bytes;
    uint32_t mask = UINT32_MAX;
    if (filtered) {
        stored_bytes = snug_h5_take(&cursor, element_bytes - grid->file->offset_bytes - 4);
        mask = (uint32_t)snug_h5_take(&cursor, 4);
    }
    if (cursor.bad) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a chunk index has elements of %lld bytes",
                         (long long)element_bytes);
    }
    if (grid->layout->plain_edges && is_edge(grid, linear)) {
        stored_bytes = (uint64_t)grid->dataset->chunk_bytes;
        mask = UINT32_MAX;
    }
    return snug_h5_grid_put(grid, linear, address, stored_bytes, mask, err);
}

snug_status snug_h5_grid_number(const snug_h5_grid *grid, int64_t linear, uint64_t *out_number,
                                snug_error *err)
{
    const int32_t rank = grid->dataset->rank;
    int64_t scaled[SNUG_H5_RANK_MAX] = {0};
    int32_t first = 0;
    for (int32_t axis = 0; axis < rank; axis++) {
        first = grid->limit_counts[axis] == UINT64_MAX ? axis : first;
    }
    scaled_of(grid, linear, scaled);
    uint64_t number = (uint64_t)scaled[first];
    for (int32_t axis = 0; axis < rank; axis++) {
        if (axis == first) {
            continue;
        }
        if (__builtin_mul_overflow(number, grid->limit_counts[axis], &number) ||
            __builtin_add_overflow(number, (uint64_t)scaled[axis], &number) || number > INT64_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the largest extents of a data set are absurd");
        }
    }
    *out_number = number;
    return SNUG_OK;
}

/* The table index of a chunk by its coordinates in chunks; -1 outside the extent. */
static int64_t linear_of(const snug_h5_grid *grid, const uint64_t *scaled)
{
    int64_t linear = 0;
    for (int32_t axis = 0; axis < grid->dataset->rank; axis++) {
        if (scaled[axis] >= (uint64_t)grid->counts[axis]) {
            return -1;
        }
        linear = linear * grid->counts[axis] + (int64_t)scaled[axis];
    }
    return linear;
}

/* Version 1 B-tree: the key holds size, mask and the offset of the chunk in elements. */
static snug_status index_tree1(snug_h5_grid *grid, snug_error *err)
{
    unsigned char key[SNUG_H5_KEY_BYTES_MAX];
    snug_h5_tree1 tree;
    bool more = true;
    const int32_t rank = grid->dataset->rank;
    SNUG_TRY(
        snug_h5_tree1_open(grid->file, grid->layout->address, 1, 8 + 8 * (rank + 1), &tree, err));
    while (true) {
        uint64_t scaled[SNUG_H5_RANK_MAX] = {0};
        uint64_t child = 0;
        SNUG_TRY(snug_h5_tree1_next(&tree, key, &child, &more, err));
        if (!more) {
            return SNUG_OK;
        }
        for (int32_t axis = 0; axis < rank; axis++) {
            const uint64_t offset = snug_h5_little(key + 8 + 8 * axis, 8);
            const uint64_t extent = (uint64_t)grid->dataset->chunk_extents[axis];
            if (offset % extent != 0) {
                return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a chunk begins off the chunk grid");
            }
            scaled[axis] = offset / extent;
        }
        const int64_t linear = linear_of(grid, scaled);
        if (linear >= 0) {
            SNUG_TRY(snug_h5_grid_put(grid, linear, child, snug_h5_little(key, 4),
                                      (uint32_t)snug_h5_little(key + 4, 4), err));
        }
    }
}

static snug_status index_single(snug_h5_grid *grid, snug_error *err)
{
    const bool filtered = grid->dataset->filter_count > 0 && grid->layout->single_bytes > 0;
    if (grid->dataset->chunk_count != 1) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a single chunk should hold %lld chunks",
                         (long long)grid->dataset->chunk_count);
    }
    return snug_h5_grid_put(grid, 0, grid->layout->address,
                            filtered ? grid->layout->single_bytes
                                     : (uint64_t)grid->dataset->chunk_bytes,
                            filtered ? grid->layout->single_mask : UINT32_MAX, err);
}

/* All chunks lie behind each other, unfiltered. */
static snug_status index_implicit(snug_h5_grid *grid, snug_error *err)
{
    const uint64_t chunk_bytes = (uint64_t)grid->dataset->chunk_bytes;
    for (int64_t linear = 0; linear < grid->dataset->chunk_count; linear++) {
        uint64_t number = 0;
        uint64_t address = 0;
        SNUG_TRY(snug_h5_grid_number(grid, linear, &number, err));
        if (__builtin_mul_overflow(number, chunk_bytes, &address) ||
            __builtin_add_overflow(address, grid->layout->address, &address)) {
            return fail_chunk(linear, grid->layout->address, chunk_bytes, err);
        }
        SNUG_TRY(snug_h5_grid_put(grid, linear, address, chunk_bytes, UINT32_MAX, err));
    }
    return SNUG_OK;
}

/* Version 2 B-tree: element as in the arrays, then coordinates in chunks, eight bytes each. */
static snug_status index_tree2(snug_h5_grid *grid, snug_error *err)
{
    unsigned char record[SNUG_H5_RECORD_BYTES_MAX];
    snug_h5_tree2 tree;
    bool more = true;
    const int32_t rank = grid->dataset->rank;
    SNUG_TRY(snug_h5_tree2_open(grid->file, grid->layout->address, &tree, err));
    const int64_t element_bytes = tree.record_bytes - 8 * rank;
    if ((tree.type != 10 && tree.type != 11) || element_bytes < grid->file->offset_bytes) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a chunk index has record type %d", tree.type);
    }
    while (true) {
        uint64_t scaled[SNUG_H5_RANK_MAX] = {0};
        SNUG_TRY(snug_h5_tree2_next(&tree, record, &more, err));
        if (!more) {
            return SNUG_OK;
        }
        for (int32_t axis = 0; axis < rank; axis++) {
            scaled[axis] = snug_h5_little(record + element_bytes + 8 * axis, 8);
        }
        const int64_t linear = linear_of(grid, scaled);
        if (linear >= 0) {
            SNUG_TRY(snug_h5_grid_put_element(grid, linear, record, element_bytes, tree.type == 11,
                                              err));
        }
    }
}

snug_status snug_h5_index_read(snug_h5_grid *grid, snug_error *err)
{
    if (grid->layout->address == SNUG_H5_NO_ADDRESS || grid->dataset->chunk_count == 0) {
        return SNUG_OK;
    }
    switch (grid->layout->index) {
    case SNUG_H5_INDEX_TREE1:
        return index_tree1(grid, err);
    case SNUG_H5_INDEX_SINGLE:
        return index_single(grid, err);
    case SNUG_H5_INDEX_IMPLICIT:
        return index_implicit(grid, err);
    case SNUG_H5_INDEX_FIXED:
        return snug_h5_index_fixed(grid, err);
    case SNUG_H5_INDEX_EXTENSIBLE:
        return snug_h5_index_extensible(grid, err);
    case SNUG_H5_INDEX_TREE2:
        return index_tree2(grid, err);
    }
    return SNUG_FAIL(err, SNUG_CODE_FORMAT, "an unknown chunk index");
}
