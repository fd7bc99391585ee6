#include "data/hdf5/h5_internal.h"

snug_status snug_h5_space_parse(const snug_h5_file *file, const unsigned char *data, int64_t bytes,
                                snug_h5_space *out, snug_error *err)
{
    snug_h5_cursor cursor = {.at = data, .left = bytes};
    snug_h5_space space = {0};
    const int32_t version = (int32_t)snug_h5_take(&cursor, 1);
    space.rank = (int32_t)snug_h5_take(&cursor, 1);
    const uint64_t flags = snug_h5_take(&cursor, 1);
    const uint64_t kind = snug_h5_take(&cursor, 1);
    snug_h5_skip(&cursor, version == 1 ? 4 : 0);
    if (cursor.bad || version < 1 || version > 2 || space.rank > SNUG_H5_RANK_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a dataspace is damaged (version %d, rank %d)",
                         version, space.rank);
    }
    space.null = version == 2 && kind == 2;
    for (int32_t i = 0; i < space.rank; i++) {
        space.extents[i] = snug_h5_take_length(&cursor, file);
        space.limits[i] = space.extents[i];
    }
    const uint64_t unlimited =
        file->length_bytes == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * file->length_bytes)) - 1;
    for (int32_t i = 0; i < space.rank && (flags & 1) != 0; i++) {
        const uint64_t limit = snug_h5_take_length(&cursor, file);
        space.limits[i] = limit == unlimited ? UINT64_MAX : limit;
    }
    if (cursor.bad) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a dataspace is cut short");
    }
    *out = space;
    return SNUG_OK;
}

/* The version 4 description of how chunks are found; the cursor stands behind the chunk extents. */
static void parse_index(const snug_h5_file *file, snug_h5_cursor *cursor, uint64_t flags,
                        snug_h5_layout_message *out)
{
    const uint64_t index = snug_h5_take(cursor, 1);
    out->plain_edges = (flags & 1) != 0;
    switch (index) {
    case SNUG_H5_INDEX_SINGLE:
        if ((flags & 2) != 0) {
            out->single_bytes = snug_h5_take_length(cursor, file);
            out->single_mask = (uint32_t)snug_h5_take(cursor, 4);
        }
        break;
    case SNUG_H5_INDEX_IMPLICIT:
        break;
    case SNUG_H5_INDEX_FIXED:
        snug_h5_skip(cursor, 1);
        break;
    case SNUG_H5_INDEX_EXTENSIBLE:
        snug_h5_skip(cursor, 5);
        break;
    case SNUG_H5_INDEX_TREE2:
        snug_h5_skip(cursor, 6);
        break;
    default:
        cursor->bad = true;
    }
    out->index = (snug_h5_index)index;
    out->address = snug_h5_take_address(cursor, file);
}

static void parse_chunked(const snug_h5_file *file, snug_h5_cursor *cursor, int32_t version,
                          snug_h5_layout_message *out)
{
    const uint64_t flags = version >= 4 ? snug_h5_take(cursor, 1) : 0;
    int64_t width = 4;
    out->dimensions = (int32_t)snug_h5_take(cursor, 1);
    if (version >= 4) {
        width = (int64_t)snug_h5_take(cursor, 1);
    } else {
        out->address = snug_h5_take_address(cursor, file);
    }
    if (out->dimensions < 1 || out->dimensions > SNUG_H5_RANK_MAX + 1 || width < 1 || width > 8) {
        cursor->bad = true;
        return;
    }
    for (int32_t i = 0; i < out->dimensions; i++) {
        out->chunk[i] = snug_h5_take(cursor, width);
    }
    if (version >= 4) {
        parse_index(file, cursor, flags, out);
    }
}

/* Versions 1 and 2 put the rank and the class in front of everything. */
static void parse_old(const snug_h5_file *file, snug_h5_cursor *cursor, uint64_t message_address,
                      const unsigned char *message, uint64_t *out_class,
                      snug_h5_layout_message *out)
{
    const int32_t rank = (int32_t)snug_h5_take(cursor, 1);
    *out_class = snug_h5_take(cursor, 1);
    snug_h5_skip(cursor, 5);
    out->address = *out_class != 0 ? snug_h5_take_address(cursor, file) : SNUG_H5_NO_ADDRESS;
    if (rank < 0 || rank > SNUG_H5_RANK_MAX + 1) {
        cursor->bad = true;
        return;
    }
    out->dimensions = rank;
    for (int32_t i = 0; i < rank; i++) {
        out->chunk[i] = snug_h5_take(cursor, 4);
    }
    out->bytes = UINT64_MAX;
    if (*out_class == 0) {
        out->bytes = snug_h5_take(cursor, 4);
        out->address = message_address + (uint64_t)(cursor->at - message);
    }
}

snug_status snug_h5_layout_parse(snug_h5_file *file, const snug_h5_message *message,
                                 snug_h5_layout_message *out, snug_error *err)
{
    snug_h5_cursor cursor = {.at = message->data, .left = message->bytes};
    snug_h5_layout_message layout = {.present = true, .address = SNUG_H5_NO_ADDRESS};
    const int32_t version = (int32_t)snug_h5_take(&cursor, 1);
    uint64_t class_number = 0;
    if (version < 1 || version > 5) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "data layout version %d", version);
    }
    if (version < 3) {
        parse_old(file, &cursor, message->address, message->data, &class_number, &layout);
    } else {
        class_number = snug_h5_take(&cursor, 1);
        if (class_number == 0) {
            layout.bytes = snug_h5_take(&cursor, 2);
            layout.address = message->address + 4;
        } else if (class_number == 1) {
            layout.address = snug_h5_take_address(&cursor, file);
            layout.bytes = snug_h5_take_length(&cursor, file);
        } else if (class_number == 2) {
            parse_chunked(file, &cursor, version, &layout);
        }
    }
    if (class_number == 3) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "virtual data sets are not read");
    }
    if (cursor.bad || class_number > 2) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a data layout message is damaged");
    }
    layout.layout = class_number == 0   ? SNUG_H5_COMPACT
                    : class_number == 1 ? SNUG_H5_CONTIGUOUS
                                        : SNUG_H5_CHUNKED;
    *out = layout;
    return SNUG_OK;
}
