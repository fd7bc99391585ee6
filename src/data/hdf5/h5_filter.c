#include "data/hdf5/h5_internal.h"

#include <libdeflate.h>

#include "base/checked.h"

/* ---- Which filters there are ---- */

static const char *filter_name(int32_t id)
{
    static const struct {
        int32_t id;
        const char *name;
    } known[] = {{4, "szip"},    {5, "n-bit"},         {6, "scale-offset"}, {305, "LZO"},
                 {307, "bzip2"}, {32001, "Blosc"},     {32004, "LZ4"},      {32008, "bitshuffle"},
                 {32013, "ZFP"}, {32015, "Zstandard"}, {32017, "SZ"},       {32026, "Blosc2"}};
    for (int64_t i = 0; i < SNUG_COUNT(known); i++) {
        if (known[i].id == id) {
            return known[i].name;
        }
    }
    return "unknown";
}

static snug_status add_filter(snug_h5_cursor *cursor, int32_t version, snug_h5_dataset *dataset,
                              snug_error *err)
{
    snug_h5_filter filter = {.id = (int32_t)snug_h5_take(cursor, 2)};
    int64_t name_bytes = 0;
    if (version == 1 || filter.id >= 256) {
        name_bytes = (int64_t)snug_h5_take(cursor, 2);
    }
    snug_h5_skip(cursor, 2);
    const int32_t values = (int32_t)snug_h5_take(cursor, 2);
    snug_h5_skip(cursor, version == 1 ? snug_align_up(name_bytes, 8) : name_bytes);
    for (int32_t i = 0; i < values; i++) {
        const uint32_t value = (uint32_t)snug_h5_take(cursor, 4);
        if (i < SNUG_H5_FILTER_VALUES_MAX) {
            filter.values[i] = value;
            filter.value_count = i + 1;
        }
    }
    snug_h5_skip(cursor, version == 1 && values % 2 != 0 ? 4 : 0);
    if (cursor->bad) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a filter pipeline message is cut short");
    }
    if (filter.id != SNUG_H5_DEFLATE && filter.id != SNUG_H5_SHUFFLE &&
        filter.id != SNUG_H5_FLETCHER32 && filter.id != SNUG_H5_LZF) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "the data is compressed with filter %d (%s); deflate, shuffle, fletcher32 "
                         "and LZF are read",
                         filter.id, filter_name(filter.id));
    }
    dataset->filters[dataset->filter_count] = filter;
    dataset->filter_count++;
    return SNUG_OK;
}

snug_status snug_h5_filters_parse(const unsigned char *data, int64_t bytes,
                                  snug_h5_dataset *dataset, snug_error *err)
{
    snug_h5_cursor cursor = {.at = data, .left = bytes};
    const int32_t version = (int32_t)snug_h5_take(&cursor, 1);
    const int32_t count = (int32_t)snug_h5_take(&cursor, 1);
    snug_h5_skip(&cursor, version == 1 ? 6 : 0);
    if (cursor.bad || version < 1 || version > 2) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a filter pipeline is damaged (version %d)",
                         version);
    }
    if (count > SNUG_H5_FILTERS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a data set has more than %d filters",
                         (int)SNUG_H5_FILTERS_MAX);
    }
    dataset->filter_count = 0;
    for (int32_t i = 0; i < count; i++) {
        SNUG_TRY(add_filter(&cursor, version, dataset, err));
    }
    return SNUG_OK;
}

/* ---- Inflating ---- */

/* The handle is libdeflate's own object; only this file knows. */
snug_status snug_h5_inflater_create(snug_h5_inflater **out, snug_error *err)
{
    struct libdeflate_decompressor *handle = libdeflate_alloc_decompressor();
    if (handle == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_MEMORY, "no memory for a decompressor");
    }
    *out = (snug_h5_inflater *)(void *)handle;
    return SNUG_OK;
}

void snug_h5_inflater_destroy(snug_h5_inflater *inflater)
{
    if (inflater != NULL) {
        libdeflate_free_decompressor((struct libdeflate_decompressor *)(void *)inflater);
    }
}

static bool inflate_bytes(snug_h5_inflater *inflater, const unsigned char *in, int64_t in_bytes,
                          unsigned char *out, int64_t out_max, int64_t *out_bytes)
{
    size_t actual = 0;
    const enum libdeflate_result result =
        libdeflate_zlib_decompress((struct libdeflate_decompressor *)(void *)inflater, in,
                                   (size_t)in_bytes, out, (size_t)out_max, &actual);
    *out_bytes = (int64_t)actual;
    return result == LIBDEFLATE_SUCCESS;
}

/* ---- LZF ---- */

/*
 * Control byte below 32: that many plus one literal bytes follow. Otherwise a copy: length in the
 * upper three bits (7: one more byte is added) plus two, distance in the lower five and a byte.
 */
static bool lzf_bytes(const unsigned char *in, int64_t in_bytes, unsigned char *out,
                      int64_t out_max, int64_t *out_bytes)
{
    int64_t from = 0;
    int64_t to = 0;
    while (from < in_bytes) {
        const int64_t control = in[from];
        from++;
        if (control < 32) {
            const int64_t run = control + 1;
            if (run > in_bytes - from || run > out_max - to) {
                return false;
            }
            memcpy(out + to, in + from, (size_t)run);
            from += run;
            to += run;
            continue;
        }
        int64_t run = control >> 5;
        if (run == 7) {
            if (from == in_bytes) {
                return false;
            }
            run += in[from];
            from++;
        }
        run += 2;
        if (from == in_bytes) {
            return false;
        }
        const int64_t distance = ((control & 31) << 8) + in[from] + 1;
        from++;
        if (distance > to || run > out_max - to) {
            return false;
        }
        for (int64_t i = 0; i < run; i++) { /* Byte by byte: source and target may overlap. */
            out[to + i] = out[to + i - distance];
        }
        to += run;
    }
    *out_bytes = to;
    return true;
}

/* ---- Shuffle ---- */

/* Transposes eight words of eight bytes: byte k of word i becomes byte i of word k. */
static void transpose8(uint64_t w[8])
{
    static const uint64_t masks[3] = {UINT64_C(0x00000000ffffffff), UINT64_C(0x0000ffff0000ffff),
                                      UINT64_C(0x00ff00ff00ff00ff)};
    for (int32_t step = 0; step < 3; step++) {
        const int32_t apart = 4 >> step;
        const int32_t shift = 8 * apart;
        for (int32_t i = 0; i < 8; i++) {
            if ((i & apart) == 0) {
                const uint64_t low = w[i];
                const uint64_t high = w[i + apart];
                w[i] = (low & masks[step]) | ((high & masks[step]) << shift);
                w[i + apart] = ((low >> shift) & masks[step]) | (high & ~masks[step]);
            }
        }
    }
}

static void unshuffle_bytes(const unsigned char *restrict in, int64_t count, int64_t element_bytes,
                            int64_t first_byte, int64_t start, int64_t stop,
                            unsigned char *restrict out)
{
    for (int64_t j = first_byte; j < element_bytes; j++) {
        for (int64_t i = start; i < stop; i++) {
            out[i * element_bytes + j] = in[j * count + i];
        }
    }
}

/*
 * Byte j of every element was stored together; whole elements only, what is left over is copied.
 * Eight elements by eight bytes at a time, the elements in tiles that stay in the cache.
 */
static void unshuffle(const unsigned char *restrict in, int64_t bytes, int64_t element_bytes,
                      unsigned char *restrict out)
{
    enum { TILE = 64 };
    const int64_t count = bytes / element_bytes;
    const int64_t whole = count * element_bytes;
    const int64_t words = element_bytes / 8 * 8;
    for (int64_t start = 0; start < count; start += TILE) {
        const int64_t stop = snug_min_i64(start + TILE, count);
        const int64_t even = start + (stop - start) / 8 * 8;
        for (int64_t j = 0; j < words; j += 8) {
            for (int64_t i = start; i < even; i += 8) {
                uint64_t w[8];
                for (int64_t k = 0; k < 8; k++) {
                    memcpy(&w[k], in + (j + k) * count + i, 8);
                }
                transpose8(w);
                for (int64_t k = 0; k < 8; k++) {
                    memcpy(out + (i + k) * element_bytes + j, &w[k], 8);
                }
            }
        }
        unshuffle_bytes(in, count, element_bytes, 0, even, stop, out);
        unshuffle_bytes(in, count, element_bytes, words, start, even, out);
    }
    memcpy(out + whole, in + whole, (size_t)(bytes - whole));
}

/* ---- Fletcher32 ---- */

/* The checksum of big-endian 16-bit words, as HDF5 computes it on every machine. */
static uint32_t fletcher32(const unsigned char *data, int64_t bytes)
{
    uint32_t low = 0;
    uint32_t high = 0;
    int64_t words = bytes / 2;
    const unsigned char *at = data;
    while (words > 0) {
        const int64_t run = snug_min_i64(words, 360); /* No 32-bit overflow before the fold. */
        for (int64_t i = 0; i < run; i++) {
            low += ((uint32_t)at[0] << 8) | at[1];
            high += low;
            at += 2;
        }
        words -= run;
        low = (low & 0xffff) + (low >> 16);
        high = (high & 0xffff) + (high >> 16);
    }
    if (bytes % 2 != 0) {
        low += (uint32_t)at[0] << 8;
        high += low;
        low = (low & 0xffff) + (low >> 16);
        high = (high & 0xffff) + (high >> 16);
    }
    low = (low & 0xffff) + (low >> 16);
    high = (high & 0xffff) + (high >> 16);
    return (high << 16) | low;
}

/* Old writers on little-endian machines swapped the bytes of both halves; that is accepted too. */
static bool fletcher_matches(const unsigned char *data, int64_t bytes)
{
    const uint32_t sum = fletcher32(data, bytes);
    const uint32_t stored = (uint32_t)snug_h5_little(data + bytes, 4);
    const uint32_t swapped = ((sum & 0x00ff00ffu) << 8) | ((sum & 0xff00ff00u) >> 8);
    return sum == stored || swapped == stored;
}

/* ---- The pipeline backwards ---- */

/* A filter may leave its output somewhat larger than the chunk (checksums, bad compression). */
static int64_t middle_bytes(const snug_h5_dataset *dataset)
{
    return snug_align_up(dataset->chunk_bytes + dataset->chunk_bytes / 8 + 1024, 64);
}

/*
 * How many buffers between the raw bytes and the output the pipeline needs: 0, 1 or 2. A checksum
 * below a transform makes that transform's output longer than the chunk, which costs one more.
 */
static int64_t middle_count(const snug_h5_dataset *dataset)
{
    int64_t steps = 0;
    bool sum_seen = false;
    bool sum_below = false;
    for (int32_t i = 0; i < dataset->filter_count; i++) {
        const bool sum = dataset->filters[i].id == SNUG_H5_FLETCHER32;
        sum_below = sum_below || (sum_seen && !sum);
        sum_seen = sum_seen || sum;
        steps += sum ? 0 : 1;
    }
    steps += sum_below ? 1 : 0;
    return steps <= 1 ? 0 : steps == 2 ? 1 : 2;
}

/* Raw chunk | middle buffers | one decoded chunk. */
int64_t snug_h5_scratch_bytes(const snug_h5_dataset *dataset)
{
    if (dataset->layout != SNUG_H5_CHUNKED) {
        return 0;
    }
    return snug_align_up(dataset->stored_bytes_max, 64) +
           middle_count(dataset) * middle_bytes(dataset) + snug_align_up(dataset->chunk_bytes, 64);
}

static snug_status fail_filter(const snug_h5_dataset *dataset, int64_t chunk, const char *what,
                               snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_FORMAT, "chunk %lld at %llu: %s", (long long)chunk,
                     (unsigned long long)dataset->chunks[chunk].address, what);
}

/* Undoes one transforming filter from `in` into `out`. */
static snug_status undo(const snug_h5_dataset *dataset, const snug_h5_filter *filter, int64_t chunk,
                        snug_h5_inflater *inflater, const unsigned char *in, int64_t in_bytes,
                        unsigned char *out, int64_t out_max, int64_t *out_bytes, snug_error *err)
{
    if (filter->id == SNUG_H5_SHUFFLE) {
        const int64_t element_bytes =
            filter->value_count > 0 ? (int64_t)filter->values[0] : dataset->type.bytes;
        if (element_bytes < 1 || in_bytes > out_max) {
            return fail_filter(dataset, chunk, "shuffled data of an impossible size", err);
        }
        unshuffle(in, in_bytes, element_bytes, out);
        *out_bytes = in_bytes;
        return SNUG_OK;
    }
    if (filter->id == SNUG_H5_LZF) {
        return lzf_bytes(in, in_bytes, out, out_max, out_bytes)
                   ? SNUG_OK
                   : fail_filter(dataset, chunk, "damaged LZF data", err);
    }
    if (inflater == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "deflated data without a decompressor");
    }
    return inflate_bytes(inflater, in, in_bytes, out, out_max, out_bytes)
               ? SNUG_OK
               : fail_filter(dataset, chunk, "damaged deflate data", err);
}

/* Whether no filter is left below this one, so that the output buffer is the place to write to. */
static bool is_last(int32_t filter, uint32_t mask)
{
    return (~mask & ((1u << filter) - 1)) == 0;
}

snug_status snug_h5_chunk_decode(const snug_h5_dataset *dataset, int64_t chunk, const void *raw,
                                 snug_h5_scratch *scratch, void *out, snug_error *err)
{
    const uint32_t mask = dataset->chunks[chunk].filter_mask;
    const unsigned char *at = raw;
    int64_t bytes = dataset->chunks[chunk].stored_bytes;
    const int64_t middle = middle_bytes(dataset);
    int64_t next_middle = 0;

    if (scratch->memory_bytes < snug_h5_scratch_bytes(dataset)) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the chunk scratch is too small");
    }
    unsigned char *middles = scratch->memory == NULL
                                 ? NULL
                                 : scratch->memory + snug_align_up(dataset->stored_bytes_max, 64);
    for (int32_t i = dataset->filter_count - 1; i >= 0; i--) {
        const snug_h5_filter *filter = &dataset->filters[i];
        if ((mask & (1u << i)) != 0) {
            continue;
        }
        if (filter->id == SNUG_H5_FLETCHER32) {
            if (bytes < 4 || !fletcher_matches(at, bytes - 4)) {
                return fail_filter(dataset, chunk, "the checksum is wrong", err);
            }
            bytes -= 4;
            continue;
        }
        const bool last = is_last(i, mask);
        unsigned char *to = last ? out : middles + next_middle * middle;
        int64_t undone = 0;
        SNUG_TRY(undo(dataset, filter, chunk, scratch->inflater, at, bytes, to,
                      last ? dataset->chunk_bytes : middle, &undone, err));
        next_middle = 1 - next_middle;
        at = to;
        bytes = undone;
    }
    if (bytes != dataset->chunk_bytes) {
        return fail_filter(dataset, chunk, "it decodes to a wrong size", err);
    }
    if (at != out) {
        memcpy(out, at, (size_t)bytes);
    }
    return SNUG_OK;
}
