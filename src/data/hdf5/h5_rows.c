#include "data/hdf5/h5_internal.h"

#include "base/assert.h"
#include "base/checked.h"

void snug_h5_fill_rows(const snug_h5_dataset *dataset, int64_t rows_bytes, void *rows)
{
    unsigned char *out = rows;
    if (dataset->fill == NULL) {
        memset(out, 0, (size_t)rows_bytes);
        return;
    }
    int64_t done = snug_min_i64(dataset->type.bytes, rows_bytes);
    memcpy(out, dataset->fill, (size_t)done);
    while (done < rows_bytes) { /* Twice as much each time. */
        const int64_t more = snug_min_i64(done, rows_bytes - done);
        memcpy(out + done, out, (size_t)more);
        done += more;
    }
}

int64_t snug_h5_block_bytes(const snug_h5_dataset *dataset)
{
    return dataset->layout == SNUG_H5_CHUNKED ? dataset->block_rows * dataset->row_bytes : 0;
}

/* Reads and decodes one chunk into `out` (chunk_bytes); a chunk that was never written is fill. */
static snug_status load_chunk(const snug_h5_bytes *source, const snug_h5_dataset *dataset,
                              int64_t chunk, snug_h5_scratch *scratch, unsigned char *out,
                              snug_error *err)
{
    const snug_h5_chunk *entry = &dataset->chunks[chunk];
    if (entry->address == SNUG_H5_NO_ADDRESS) {
        snug_h5_fill_rows(dataset, dataset->chunk_bytes, out);
        return SNUG_OK;
    }
    const bool plain = dataset->filter_count == 0;
    unsigned char *raw = plain ? out : scratch->memory;
    SNUG_TRY(
        source->read_at(source->context, (int64_t)entry->address, entry->stored_bytes, raw, err));
    if (!plain) {
        SNUG_TRY(snug_h5_chunk_decode(dataset, chunk, raw, scratch, out, err));
    }
    return SNUG_OK;
}

/* The part of a chunk that lies inside the extent and the wanted rows, axis by axis. */
typedef struct overlap {
    int64_t from[SNUG_H5_RANK_MAX];  /* In the chunk. */
    int64_t start[SNUG_H5_RANK_MAX]; /* In the data set; along the first axis from row `first`. */
    int64_t count[SNUG_H5_RANK_MAX];
} overlap;

static bool find_overlap(const snug_h5_dataset *dataset, int64_t chunk, int64_t first,
                         int64_t count, overlap *out)
{
    int64_t left = chunk;
    for (int32_t axis = dataset->rank - 1; axis >= 0; axis--) {
        const int64_t chunk_extent = dataset->chunk_extents[axis];
        const int64_t extent = dataset->extents[axis];
        const int64_t chunks = extent / chunk_extent + (extent % chunk_extent != 0 ? 1 : 0);
        const int64_t begin = (left % chunks) * chunk_extent;
        const int64_t low = axis == 0 ? snug_max_i64(begin, first) : begin;
        const int64_t high = snug_min_i64(begin + chunk_extent, axis == 0 ? first + count : extent);
        left /= chunks;
        if (low >= high) {
            return false;
        }
        out->from[axis] = low - begin;
        out->start[axis] = axis == 0 ? low - first : low;
        out->count[axis] = high - low;
    }
    return true;
}

/* Copies the overlap, one run along the last axis at a time; without a chunk it is fill. */
static void scatter(const snug_h5_dataset *dataset, const overlap *part, const unsigned char *chunk,
                    unsigned char *rows)
{
    int64_t index[SNUG_H5_RANK_MAX] = {0};
    const int32_t last = dataset->rank - 1;
    const int64_t run = part->count[last] * dataset->type.bytes;
    while (true) {
        int64_t in = 0;
        int64_t out = 0;
        for (int32_t axis = 0; axis <= last; axis++) {
            const int64_t extent = axis == 0 ? 0 : dataset->extents[axis];
            in = in * dataset->chunk_extents[axis] + part->from[axis] + index[axis];
            out = out * extent + part->start[axis] + index[axis];
        }
        if (chunk != NULL) {
            memcpy(rows + out * dataset->type.bytes, chunk + in * dataset->type.bytes, (size_t)run);
        } else {
            snug_h5_fill_rows(dataset, run, rows + out * dataset->type.bytes);
        }
        int32_t axis = last - 1;
        while (axis >= 0) {
            index[axis]++;
            if (index[axis] < part->count[axis]) {
                break;
            }
            index[axis] = 0;
            axis--;
        }
        if (axis < 0) {
            return;
        }
    }
}

/* The rows [first, first + count) of one block; `out` is where row `first` goes. */
static snug_status read_part(const snug_h5_bytes *source, const snug_h5_dataset *dataset,
                             int64_t block, int64_t first, int64_t count, snug_h5_scratch *scratch,
                             unsigned char *out, snug_error *err)
{
    unsigned char *decoded =
        scratch->memory + snug_h5_scratch_bytes(dataset) - snug_align_up(dataset->chunk_bytes, 64);
    for (int64_t i = 0; i < dataset->block_chunks; i++) {
        const int64_t chunk = block * dataset->block_chunks + i;
        overlap part = {0};
        if (dataset->block_is_chunk && count == dataset->block_rows) {
            return load_chunk(source, dataset, chunk, scratch, out, err);
        }
        if (!find_overlap(dataset, chunk, first, count, &part)) {
            continue;
        }
        const bool missing = dataset->chunks[chunk].address == SNUG_H5_NO_ADDRESS;
        if (!missing) {
            SNUG_TRY(load_chunk(source, dataset, chunk, scratch, decoded, err));
        }
        scatter(dataset, &part, missing ? NULL : decoded, out);
    }
    return SNUG_OK;
}

static snug_status check_scratch(const snug_h5_dataset *dataset, const snug_h5_scratch *scratch,
                                 snug_error *err)
{
    if (scratch == NULL || scratch->memory == NULL ||
        scratch->memory_bytes < snug_h5_scratch_bytes(dataset)) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the chunk scratch needs %lld bytes",
                         (long long)snug_h5_scratch_bytes(dataset));
    }
    return SNUG_OK;
}

snug_status snug_h5_block_read(const snug_h5_bytes *source, const snug_h5_dataset *dataset,
                               int64_t block, snug_h5_scratch *scratch, void *rows, snug_error *err)
{
    SNUG_ASSERT(dataset->layout == SNUG_H5_CHUNKED);
    SNUG_ASSERT(block >= 0 && block < dataset->block_count);
    SNUG_TRY(check_scratch(dataset, scratch, err));
    if (dataset->row_bytes == 0) {
        return SNUG_OK;
    }
    if (dataset->block_is_chunk) {
        SNUG_TRY(load_chunk(source, dataset, block, scratch, rows, err));
        return SNUG_OK;
    }
    const int64_t first = block * dataset->block_rows;
    const int64_t count = snug_min_i64(dataset->block_rows, dataset->row_count - first);
    SNUG_TRY(read_part(source, dataset, block, first, count, scratch, rows, err));
    return SNUG_OK;
}

snug_status snug_h5_read_rows(const snug_h5_bytes *source, const snug_h5_dataset *dataset,
                              int64_t first, int64_t count, snug_h5_scratch *scratch, void *rows,
                              snug_error *err)
{
    unsigned char *out = rows;
    SNUG_ASSERT(first >= 0 && count >= 0);
    SNUG_ASSERT(first <= dataset->row_count && count <= dataset->row_count - first);
    if (count == 0 || dataset->row_bytes == 0) {
        return SNUG_OK;
    }
    if (dataset->layout != SNUG_H5_CHUNKED) {
        if (dataset->data_address == SNUG_H5_NO_ADDRESS) {
            snug_h5_fill_rows(dataset, count * dataset->row_bytes, rows);
            return SNUG_OK;
        }
        SNUG_TRY(source->read_at(source->context,
                                 (int64_t)dataset->data_address + first * dataset->row_bytes,
                                 count * dataset->row_bytes, rows, err));
        return SNUG_OK;
    }
    SNUG_TRY(check_scratch(dataset, scratch, err));
    int64_t row = first;
    while (row < first + count) {
        const int64_t block = row / dataset->block_rows;
        const int64_t block_end = (block + 1) * dataset->block_rows;
        const int64_t part = snug_min_i64(block_end, first + count) - row;
        SNUG_TRY(read_part(source, dataset, block, row, part, scratch,
                           out + (row - first) * dataset->row_bytes, err));
        row += part;
    }
    return SNUG_OK;
}
