#include "data/hdf5/h5_internal.h"

#include "base/checked.h"

/* What the object header says, gathered before any of it is combined. */
typedef struct parts {
    bool has_type;
    bool has_space;
    snug_h5_space space;
    snug_h5_layout_message layout;
    uint64_t fill_address;
    uint64_t fill_bytes; /* 0: no fill value. */
} parts;

/* Finds the bytes of a fill value message; they are read once the type is known. */
static snug_status parse_fill(const snug_h5_message *message, parts *out, snug_error *err)
{
    snug_h5_cursor cursor = {.at = message->data, .left = message->bytes};
    uint64_t bytes = 0;
    if (message->type == SNUG_H5_MESSAGE_FILL_OLD) {
        bytes = snug_h5_take(&cursor, 4);
    } else {
        const uint64_t version = snug_h5_take(&cursor, 1);
        bool present = false;
        if (version <= 2) {
            snug_h5_skip(&cursor, 2);
            present = snug_h5_take(&cursor, 1) != 0 || version == 1;
        } else {
            present = (snug_h5_take(&cursor, 1) & 0x20) != 0;
        }
        bytes = present ? snug_h5_take(&cursor, 4) : 0;
    }
    if (cursor.bad || bytes > (uint64_t)cursor.left) {
        /* A size of all ones is how old files say "undefined". */
        if (!cursor.bad && bytes == UINT32_MAX) {
            return SNUG_OK;
        }
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a fill value message is cut short");
    }
    if (bytes > 0) {
        out->fill_address = message->address + (uint64_t)(cursor.at - message->data);
        out->fill_bytes = bytes;
    }
    return SNUG_OK;
}

static snug_status take_message(snug_h5_file *file, snug_h5_message *message, snug_arena *arena,
                                parts *out, snug_h5_dataset *dataset, snug_error *err)
{
    switch (message->type) {
    case SNUG_H5_MESSAGE_TYPE:
        SNUG_TRY(snug_h5_message_resolve(file, message, err));
        if (!out->has_type) {
            SNUG_TRY(snug_h5_type_parse(file, message->data, message->bytes, arena, &dataset->type,
                                        err));
        }
        out->has_type = true;
        return SNUG_OK;
    case SNUG_H5_MESSAGE_SPACE:
        SNUG_TRY(snug_h5_message_resolve(file, message, err));
        out->has_space = true;
        return snug_h5_space_parse(file, message->data, message->bytes, &out->space, err);
    case SNUG_H5_MESSAGE_FILL_OLD:
    case SNUG_H5_MESSAGE_FILL:
        SNUG_TRY(snug_h5_message_resolve(file, message, err));
        return parse_fill(message, out, err);
    case SNUG_H5_MESSAGE_LAYOUT:
        return snug_h5_layout_parse(file, message, &out->layout, err);
    case SNUG_H5_MESSAGE_PIPELINE:
        SNUG_TRY(snug_h5_message_resolve(file, message, err));
        return snug_h5_filters_parse(message->data, message->bytes, dataset, err);
    case SNUG_H5_MESSAGE_EXTERNAL:
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "the data lies in other files; external storage is not read");
    default:
        return SNUG_OK;
    }
}

static snug_status gather(snug_h5_file *file, uint64_t address, snug_arena *arena, parts *out,
                          snug_h5_dataset *dataset, snug_error *err)
{
    snug_h5_header header;
    bool more = true;
    SNUG_TRY(snug_h5_header_open(file, address, SNUG_H5_SLOT_HEADER, &header, err));
    while (true) {
        snug_h5_message message = {0};
        SNUG_TRY(snug_h5_header_next(&header, &message, &more, err));
        if (!more) {
            break;
        }
        SNUG_TRY(take_message(file, &message, arena, out, dataset, err));
    }
    if (!out->has_type || !out->has_space || !out->layout.present) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the object at %llu is not a data set",
                         (unsigned long long)address);
    }
    return SNUG_OK;
}

static snug_status set_extents(const snug_h5_space *space, snug_h5_dataset *dataset,
                               snug_error *err)
{
    int64_t total = 0;
    dataset->rank = space->rank;
    dataset->row_count = space->null ? 0 : 1;
    dataset->row_bytes = dataset->type.bytes;
    for (int32_t axis = 0; axis < space->rank; axis++) {
        if (space->extents[axis] > INT64_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "axis %d has more than 2^63 entries", axis);
        }
        dataset->extents[axis] = (int64_t)space->extents[axis];
        if (axis == 0) {
            dataset->row_count = dataset->extents[0];
        } else if (!snug_mul_i64(dataset->row_bytes, dataset->extents[axis], &dataset->row_bytes)) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a row has more than 2^63 bytes");
        }
    }
    if (!snug_mul_i64(dataset->row_bytes, dataset->row_count, &total)) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the data set has more than 2^63 bytes");
    }
    return SNUG_OK;
}

static snug_status read_fill(snug_h5_file *file, const parts *from, snug_arena *arena,
                             snug_h5_dataset *dataset, snug_error *err)
{
    void *fill = NULL;
    if (from->fill_bytes == 0 || from->fill_bytes != (uint64_t)dataset->type.bytes) {
        return SNUG_OK;
    }
    SNUG_TRY(snug_h5_alloc(file, arena, dataset->type.bytes, 1, &fill, err));
    SNUG_TRY(snug_h5_read(file, from->fill_address, dataset->type.bytes, fill, err));
    dataset->fill = fill;
    return SNUG_OK;
}

static snug_status open_plain(const snug_h5_file *file, const snug_h5_layout_message *layout,
                              snug_h5_dataset *dataset, snug_error *err)
{
    const uint64_t bytes = (uint64_t)(dataset->row_count * dataset->row_bytes);
    dataset->data_address = SNUG_H5_NO_ADDRESS;
    if (dataset->filter_count > 0 && layout->layout == SNUG_H5_CONTIGUOUS) {
        dataset->filter_count = 0; /* Filters apply to chunks only. */
    }
    if (layout->address == SNUG_H5_NO_ADDRESS || bytes == 0) {
        return SNUG_OK;
    }
    if (bytes > layout->bytes || !snug_h5_inside(file, layout->address, bytes)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "the data (%llu bytes at %llu) does not fit its place: truncated or "
                         "damaged",
                         (unsigned long long)bytes, (unsigned long long)layout->address);
    }
    dataset->data_address = file->base + layout->address;
    return SNUG_OK;
}

/* Holds the chunk extents against type and space, and counts the chunks. */
static snug_status measure_chunks(const snug_h5_layout_message *layout, const snug_h5_space *space,
                                  snug_h5_grid *grid, snug_error *err)
{
    snug_h5_dataset *dataset = grid->dataset;
    dataset->chunk_bytes = dataset->type.bytes;
    dataset->chunk_count = dataset->row_count > 0 ? 1 : 0;
    if (dataset->rank < 1 || layout->dimensions != dataset->rank + 1) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "chunks of %d dimensions in a data set of %d",
                         layout->dimensions - 1, dataset->rank);
    }
    for (int32_t axis = 0; axis < dataset->rank; axis++) {
        const uint64_t extent = layout->chunk[axis];
        const uint64_t limit = space->limits[axis];
        if (extent == 0 || extent > UINT32_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a chunk has %llu entries along axis %d",
                             (unsigned long long)extent, axis);
        }
        dataset->chunk_extents[axis] = (int64_t)extent;
        grid->counts[axis] = dataset->extents[axis] / (int64_t)extent +
                             (dataset->extents[axis] % (int64_t)extent != 0 ? 1 : 0);
        grid->limit_counts[axis] =
            limit == UINT64_MAX ? limit : limit / extent + (limit % extent != 0 ? 1 : 0);
        if (!snug_mul_i64(dataset->chunk_bytes, (int64_t)extent, &dataset->chunk_bytes) ||
            dataset->chunk_bytes > SNUG_H5_CHUNK_BYTES_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a chunk is larger than %d MiB",
                             (int)(SNUG_H5_CHUNK_BYTES_MAX >> 20));
        }
        if (!snug_mul_i64(dataset->chunk_count, grid->counts[axis], &dataset->chunk_count) ||
            dataset->chunk_count > SNUG_H5_CHUNKS_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the data set has more than %d chunks",
                             (int)SNUG_H5_CHUNKS_MAX);
        }
    }
    if (layout->chunk[dataset->rank] != (uint64_t)dataset->type.bytes) {
        return SNUG_FAIL(
            err, SNUG_CODE_FORMAT, "chunks hold elements of %llu bytes, the data type has %lld",
            (unsigned long long)layout->chunk[dataset->rank], (long long)dataset->type.bytes);
    }
    return SNUG_OK;
}

static void measure_blocks(const snug_h5_grid *grid)
{
    snug_h5_dataset *dataset = grid->dataset;
    dataset->block_rows = dataset->chunk_extents[0];
    dataset->block_count = dataset->chunk_count > 0 ? grid->counts[0] : 0;
    dataset->block_chunks =
        dataset->block_count > 0 ? dataset->chunk_count / dataset->block_count : 0;
    dataset->block_is_chunk = dataset->block_chunks == 1;
    for (int32_t axis = 1; axis < dataset->rank; axis++) {
        dataset->block_is_chunk =
            dataset->block_is_chunk && dataset->chunk_extents[axis] == dataset->extents[axis];
    }
}

static snug_status open_chunked(snug_h5_file *file, const parts *from, snug_arena *arena,
                                snug_h5_dataset *dataset, snug_error *err)
{
    void *chunks = NULL;
    snug_h5_grid grid = {
        .file = file, .layout = &from->layout, .space = &from->space, .dataset = dataset};
    SNUG_TRY(measure_chunks(&from->layout, &from->space, &grid, err));
    SNUG_TRY(snug_h5_alloc(file, arena, dataset->chunk_count, (int64_t)sizeof(snug_h5_chunk),
                           &chunks, err));
    grid.chunks = chunks;
    for (int64_t i = 0; i < dataset->chunk_count; i++) {
        grid.chunks[i].address = SNUG_H5_NO_ADDRESS;
    }
    SNUG_TRY(snug_h5_index_read(&grid, err));
    dataset->chunks = chunks;
    dataset->data_address = SNUG_H5_NO_ADDRESS;
    measure_blocks(&grid);
    return SNUG_OK;
}

snug_status snug_h5_dataset_open(snug_h5_file *file, snug_h5_object object, snug_arena *arena,
                                 snug_h5_dataset *out_dataset, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    const int64_t memory_left = file->memory_left;
    snug_h5_dataset dataset = {0};
    parts from = {0};

    SNUG_TRY_DONE(gather(file, object.address, arena, &from, &dataset, err));
    SNUG_TRY_DONE(set_extents(&from.space, &dataset, err));
    SNUG_TRY_DONE(read_fill(file, &from, arena, &dataset, err));
    dataset.layout = from.layout.layout;
    if (dataset.layout == SNUG_H5_CHUNKED) {
        SNUG_TRY_DONE(open_chunked(file, &from, arena, &dataset, err));
    } else {
        SNUG_TRY_DONE(open_plain(file, &from.layout, &dataset, err));
    }
    *out_dataset = dataset;

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
        file->memory_left = memory_left;
    }
    return status;
}

const snug_h5_member *snug_h5_member_find(const snug_h5_dataset *dataset, const char *name)
{
    for (int64_t i = 0; i < dataset->type.member_count; i++) {
        if (strcmp(dataset->type.members[i].name, name) == 0) {
            return &dataset->type.members[i];
        }
    }
    return NULL;
}
