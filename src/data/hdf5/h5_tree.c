#include "data/hdf5/h5_internal.h"

enum { TREE1_PREFIX = 8, TREE2_PREFIX = 6, TREE2_OVERHEAD = 10 };

/* ---- Version 1 ---- */

static snug_status push1(snug_h5_tree1 *tree, uint64_t address, int32_t level_wanted,
                         snug_error *err)
{
    unsigned char prefix[TREE1_PREFIX];
    SNUG_TRY(snug_h5_read(tree->file, address, (int64_t)sizeof prefix, prefix, err));
    const int32_t level = prefix[5];
    if (memcmp(prefix, "TREE", 4) != 0 || prefix[4] != tree->type ||
        (level_wanted >= 0 && level != level_wanted) || level >= SNUG_H5_TREE_DEPTH_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the B-tree node at %llu is damaged",
                         (unsigned long long)address);
    }
    tree->frames[tree->depth].address = address;
    tree->frames[tree->depth].level = level;
    tree->frames[tree->depth].entries = (int32_t)snug_h5_little(prefix + 6, 2);
    tree->frames[tree->depth].next = 0;
    tree->depth++;
    return SNUG_OK;
}

snug_status snug_h5_tree1_open(snug_h5_file *file, uint64_t address, int32_t type,
                               int64_t key_bytes, snug_h5_tree1 *out, snug_error *err)
{
    *out = (snug_h5_tree1){.file = file, .type = type, .key_bytes = key_bytes};
    return push1(out, address, -1, err);
}

snug_status snug_h5_tree1_next(snug_h5_tree1 *tree, unsigned char *key, uint64_t *out_child,
                               bool *out_more, snug_error *err)
{
    const int64_t offset_bytes = tree->file->offset_bytes;
    while (tree->depth > 0) {
        const int32_t top = tree->depth - 1;
        if (tree->frames[top].next == tree->frames[top].entries) {
            tree->depth--;
            continue;
        }
        unsigned char address[8];
        const uint64_t entry =
            tree->frames[top].address + TREE1_PREFIX + 2 * (uint64_t)offset_bytes +
            (uint64_t)tree->frames[top].next * (uint64_t)(tree->key_bytes + offset_bytes);
        tree->frames[top].next++;
        SNUG_TRY(snug_h5_read(tree->file, entry + (uint64_t)tree->key_bytes, offset_bytes, address,
                              err));
        snug_h5_cursor cursor = {.at = address, .left = offset_bytes};
        const uint64_t child = snug_h5_take_address(&cursor, tree->file);
        if (tree->frames[top].level > 0) {
            SNUG_TRY(push1(tree, child, tree->frames[top].level - 1, err));
            continue;
        }
        SNUG_TRY(snug_h5_read(tree->file, entry, tree->key_bytes, key, err));
        *out_child = child;
        *out_more = true;
        return SNUG_OK;
    }
    *out_more = false;
    return SNUG_OK;
}

/* ---- Version 2 ---- */

static int32_t bytes_for(uint64_t value)
{
    int32_t bytes = 1;
    while (bytes < 8 && (value >> (8 * bytes)) != 0) {
        bytes++;
    }
    return bytes;
}

static snug_status push2(snug_h5_tree2 *tree, uint64_t address, int32_t level, uint64_t records,
                         snug_error *err)
{
    unsigned char prefix[TREE2_PREFIX];
    if (address == SNUG_H5_NO_ADDRESS || records > (uint64_t)tree->records_max[level]) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a B-tree points at a node of %llu records",
                         (unsigned long long)records);
    }
    SNUG_TRY(snug_h5_read(tree->file, address, (int64_t)sizeof prefix, prefix, err));
    if (memcmp(prefix, level > 0 ? "BTIN" : "BTLF", 4) != 0 || prefix[5] != tree->type) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the B-tree node at %llu is damaged",
                         (unsigned long long)address);
    }
    tree->frames[tree->depth].address = address;
    tree->frames[tree->depth].level = level;
    tree->frames[tree->depth].records = (int64_t)records;
    tree->frames[tree->depth].next = 0;
    tree->depth++;
    return SNUG_OK;
}

/* How wide the pointers of each level are follows from how many records fit below it. */
static snug_status measure_levels(snug_h5_tree2 *tree, int32_t depth, snug_error *err)
{
    uint64_t below = 0;
    for (int32_t level = 0; level <= depth; level++) {
        const int64_t pointer = tree->file->offset_bytes + tree->count_bytes +
                                (level > 1 ? tree->total_bytes[level - 1] : 0);
        int64_t room = tree->node_bytes - TREE2_OVERHEAD;
        int64_t unit = tree->record_bytes;
        if (level > 0) {
            room -= pointer;
            unit += pointer;
        }
        const int64_t records = room > 0 ? room / unit : 0;
        if (records < 1) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a B-tree's nodes are too small");
        }
        tree->records_max[level] = records;
        if (level == 0) {
            tree->count_bytes = bytes_for((uint64_t)records);
            below = (uint64_t)records;
        } else if (__builtin_mul_overflow(below, (uint64_t)records + 1, &below) ||
                   __builtin_add_overflow(below, (uint64_t)records, &below)) {
            below = UINT64_MAX;
        }
        tree->total_bytes[level] = bytes_for(below);
    }
    return SNUG_OK;
}

snug_status snug_h5_tree2_open(snug_h5_file *file, uint64_t address, snug_h5_tree2 *out,
                               snug_error *err)
{
    unsigned char head[16 + 8 + 2];
    const int64_t bytes = 16 + file->offset_bytes + 2;
    SNUG_TRY(snug_h5_read(file, address, bytes, head, err));
    snug_h5_cursor cursor = {.at = head + 5, .left = bytes - 5};
    *out = (snug_h5_tree2){.file = file};
    out->type = (int32_t)snug_h5_take(&cursor, 1);
    out->node_bytes = (int64_t)snug_h5_take(&cursor, 4);
    out->record_bytes = (int64_t)snug_h5_take(&cursor, 2);
    const int32_t depth = (int32_t)snug_h5_take(&cursor, 2);
    snug_h5_skip(&cursor, 2);
    const uint64_t root = snug_h5_take_address(&cursor, file);
    const uint64_t records = snug_h5_take(&cursor, 2);
    if (memcmp(head, "BTHD", 4) != 0 || cursor.bad || out->record_bytes < 1) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the B-tree header at %llu is damaged",
                         (unsigned long long)address);
    }
    if (depth >= SNUG_H5_TREE_DEPTH_MAX || out->record_bytes > SNUG_H5_RECORD_BYTES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a B-tree of depth %d with records of %lld bytes",
                         depth, (long long)out->record_bytes);
    }
    SNUG_TRY(measure_levels(out, depth, err));
    if (root == SNUG_H5_NO_ADDRESS) {
        return SNUG_OK;
    }
    return push2(out, root, depth, records, err);
}

/* Descends into child `number` of the node on top. */
static snug_status descend(snug_h5_tree2 *tree, int64_t number, snug_error *err)
{
    const int32_t top = tree->depth - 1;
    const int32_t level = tree->frames[top].level;
    const int64_t total_bytes = level > 1 ? tree->total_bytes[level - 1] : 0;
    const int64_t pointer = tree->file->offset_bytes + tree->count_bytes + total_bytes;
    unsigned char data[24];
    const uint64_t at = tree->frames[top].address + TREE2_PREFIX +
                        (uint64_t)(tree->frames[top].records * tree->record_bytes) +
                        (uint64_t)(number * pointer);
    SNUG_TRY(snug_h5_read(tree->file, at, pointer, data, err));
    snug_h5_cursor cursor = {.at = data, .left = pointer};
    const uint64_t child = snug_h5_take_address(&cursor, tree->file);
    const uint64_t records = snug_h5_take(&cursor, tree->count_bytes);
    return push2(tree, child, level - 1, records, err);
}

snug_status snug_h5_tree2_next(snug_h5_tree2 *tree, unsigned char *record, bool *out_more,
                               snug_error *err)
{
    while (tree->depth > 0) {
        const int32_t top = tree->depth - 1;
        const bool leaf = tree->frames[top].level == 0;
        const int64_t next = tree->frames[top].next;
        const int64_t steps = leaf ? tree->frames[top].records : 2 * tree->frames[top].records + 1;
        if (next == steps) {
            tree->depth--;
            continue;
        }
        tree->frames[top].next++;
        if (!leaf && next % 2 == 0) {
            SNUG_TRY(descend(tree, next / 2, err));
            continue;
        }
        const int64_t number = leaf ? next : next / 2;
        const uint64_t at =
            tree->frames[top].address + TREE2_PREFIX + (uint64_t)(number * tree->record_bytes);
        SNUG_TRY(snug_h5_read(tree->file, at, tree->record_bytes, record, err));
        *out_more = true;
        return SNUG_OK;
    }
    *out_more = false;
    return SNUG_OK;
}
