#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/hash.h"
#include "base/text.h"
#include "data/timeseries/timeseries_internal.h"
#include "sys/file.h"

/*
 * One cache file a session, little-endian:
 *
 *     header | mean f64[C + K] | variance f64[C + K] | runs {u32 first, u32 count} | zeros to 64
 *     rows: f32[C + K], inputs first, normalised where the session's own statistics are used
 *
 * The name holds the key, a hash of the source's identity and of every option that changes a bit;
 * files of other keys are left alone.
 */
enum { VERSION = 1, RAW_BYTES = 256 << 10, BOUNCE_BYTES = 256 << 10 };

typedef struct cache_header {
    char magic[8]; /* "snugrows" */
    uint64_t key;
    int64_t row_count, channel_count;
    int64_t sample_count, run_count;
    int64_t data_offset;
    uint64_t check; /* Of the header with `check` 0, and of everything before the rows. */
} cache_header;

uint64_t snug_timeseries_cache_key(const snug_timeseries_options *options, const char *path,
                                   const snug_file *file, int64_t stat_end)
{
    char words[SNUG_PATH_BYTES + 4096];
    snug_text text;
    snug_text_init(&text, words, sizeof words);
    snug_text_add(&text, "%d|%s|%" PRId64 "|%" PRId64 "|%" PRId64 "|%d%d%d%d%d|%" PRId64, VERSION,
                  path, file->bytes, file->modified_ns, options->max_samples_for_normalize,
                  (int)options->normalise_inputs, (int)options->normalise_targets,
                  options->use_mask, options->skip_invalid, options->check, stat_end);
    uint64_t key = snug_hash64(words, text.length, 0);
    const char *const names[] = {options->group, options->dataset, options->inputs,
                                 options->targets};
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        const char *const name = names[i] != NULL ? names[i] : "";
        key = snug_hash64(name, (int64_t)strlen(name), key);
    }
    return key;
}

snug_status snug_timeseries_cache_path(const snug_timeseries_options *options, const char *path,
                                       uint64_t key, char out[SNUG_PATH_BYTES], snug_error *err)
{
    char name[SNUG_PATH_BYTES];
    snug_text text;
    snug_text_init(&text, name, sizeof name);
    snug_text_add(&text, "%s-%016" PRIx64 ".snugrows", snug_path_name(path), key);
    if (text.truncated) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "'%s' is too long a path", path);
    }
    return snug_path_join(options->cache_dir, name, out, err);
}

static int64_t channels_of(const snug_timeseries_layout *layout)
{
    return layout->fields[SNUG_FIELD_INPUT].count + layout->fields[SNUG_FIELD_TARGET].count;
}

/* Bytes between the header and the rows, without the padding. */
static int64_t facts_bytes(int64_t channel_count, int64_t run_count)
{
    return 2 * channel_count * (int64_t)sizeof(double) + run_count * 2 * (int64_t)sizeof(uint32_t);
}

static uint64_t check_of(const cache_header *header, const void *facts)
{
    cache_header plain = *header;
    plain.check = 0;
    return snug_hash64(facts, facts_bytes(header->channel_count, header->run_count),
                       snug_hash64(&plain, (int64_t)sizeof plain, 1));
}

/* The facts behind a header as they lie in the file, in one block of the scratch arena. */
static snug_status pack_facts(const snug_timeseries_scan *scan, int64_t channel_count,
                              snug_arena *scratch, unsigned char **out, snug_error *err)
{
    void *memory = NULL;
    const int64_t half = channel_count * (int64_t)sizeof(double);
    SNUG_TRY(snug_arena_alloc(scratch, facts_bytes(channel_count, scan->run_count) + SNUG_ALIGN,
                              &memory, err));
    unsigned char *const bytes = memory;
    memcpy(bytes, scan->mean, (size_t)half);
    memcpy(bytes + half, scan->variance, (size_t)half);
    for (int64_t i = 0; i < scan->run_count; i++) {
        const uint32_t run[2] = {scan->runs[i].first, scan->runs[i].count};
        memcpy(bytes + 2 * half + i * (int64_t)sizeof run, run, sizeof run);
    }
    *out = bytes;
    return SNUG_OK;
}

static snug_status unpack_facts(const cache_header *header, const unsigned char *bytes,
                                snug_arena *scratch, snug_timeseries_scan *out, snug_error *err)
{
    void *memory = NULL;
    const int64_t half = header->channel_count * (int64_t)sizeof(double);
    SNUG_TRY(snug_arena_alloc(scratch, 2 * half, &memory, err));
    memcpy(memory, bytes, (size_t)(2 * half));
    const double *const numbers = memory;
    SNUG_TRY(snug_arena_array(scratch, snug_max_i64(header->run_count, 1),
                              (int64_t)sizeof(snug_timeseries_run), &memory, err));
    snug_timeseries_run *const runs = memory;
    for (int64_t i = 0; i < header->run_count; i++) {
        uint32_t run[2];
        memcpy(run, bytes + 2 * half + i * (int64_t)sizeof run, sizeof run);
        runs[i] = (snug_timeseries_run){.first = run[0], .count = run[1]};
    }
    *out = (snug_timeseries_scan){.sample_count = header->sample_count,
                                  .mean = numbers,
                                  .variance = numbers + header->channel_count,
                                  .run_count = header->run_count,
                                  .runs = runs};
    return SNUG_OK;
}

/* What a header must say to be believed; the rest is a damaged or foreign file. */
static bool header_fits(const cache_header *header, uint64_t key, int64_t row_count,
                        int64_t channel_count, int64_t file_bytes)
{
    if (memcmp(header->magic, "snugrows", sizeof header->magic) != 0 || header->key != key ||
        header->row_count != row_count || header->channel_count != channel_count ||
        header->run_count < 0 || header->run_count > row_count) {
        return false;
    }
    const int64_t offset = snug_align_up(
        (int64_t)sizeof *header + facts_bytes(channel_count, header->run_count), SNUG_ALIGN);
    return header->data_offset == offset &&
           file_bytes == offset + row_count * channel_count * (int64_t)sizeof(float);
}

snug_status snug_timeseries_cache_load(const char *path, uint64_t key,
                                       const snug_timeseries_found *found, snug_arena *scratch,
                                       bool *out_there, snug_timeseries_cached *out,
                                       snug_timeseries_scan *out_scan, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_file file = {0};
    cache_header header;
    void *memory = NULL;
    *out_there = false;
    if (snug_path_look(path) != SNUG_PATH_FILE) {
        return SNUG_OK;
    }
    SNUG_TRY(snug_file_open(path, &file, err));
    const int64_t channel_count = channels_of(&found->layout);
    if (file.bytes >= (int64_t)sizeof header) {
        SNUG_TRY_DONE(snug_file_read_at(&file, 0, &header, (int64_t)sizeof header, err));
        if (header_fits(&header, key, found->row_count, channel_count, file.bytes)) {
            const int64_t bytes = facts_bytes(channel_count, header.run_count);
            SNUG_TRY_DONE(snug_arena_alloc(scratch, bytes, &memory, err));
            SNUG_TRY_DONE(snug_file_read_at(&file, (int64_t)sizeof header, memory, bytes, err));
            if (check_of(&header, memory) == header.check) {
                SNUG_TRY_DONE(unpack_facts(&header, memory, scratch, out_scan, err));
                *out = (snug_timeseries_cached){.bytes = file.bytes,
                                                .data_offset = header.data_offset};
                *out_there = true;
            }
        }
    }

done:
    snug_file_close(&file);
    return status;
}

/* Rows [first, first + count) of all fields as f32 rows of the cache. */
static snug_status convert_rows(const snug_timeseries_options *options, const snug_h5_bytes *source,
                                const snug_timeseries_found *found, const float *statistics,
                                int64_t first, int64_t count, snug_h5_scratch *h5_scratch,
                                unsigned char *raw, float *out, snug_error *err)
{
    const snug_timeseries_layout *const layout = &found->layout;
    const int64_t channel_count = channels_of(layout);
    for (int32_t table = 0; table < layout->table_count; table++) {
        const int64_t row_bytes = layout->tables[table].row_bytes;
        SNUG_TRY(
            snug_h5_read_rows(source, &layout->tables[table], first, count, h5_scratch, raw, err));
        for (int32_t kind = 0; kind < SNUG_FIELD_COUNT; kind++) {
            const snug_timeseries_fields *const fields = &layout->fields[kind];
            const int64_t skip =
                kind == SNUG_FIELD_INPUT ? 0 : layout->fields[SNUG_FIELD_INPUT].count;
            const snug_normalise how =
                kind == SNUG_FIELD_INPUT ? options->normalise_inputs : options->normalise_targets;
            const float *const mean = how == SNUG_NORMALISE_SESSION ? statistics + skip : NULL;
            const float *const std = mean != NULL ? mean + channel_count : NULL;
            for (int32_t i = 0; i < fields->span_count; i++) {
                const snug_timeseries_span *const span = &fields->spans[i];
                if (span->table == table &&
                    !snug_timeseries_gather(span, raw, row_bytes, count, mean, std, out + skip,
                                            channel_count)) {
                    return snug_timeseries_blame(span, (snug_field_kind)kind, raw, row_bytes, count,
                                                 first, err);
                }
            }
        }
    }
    return SNUG_OK;
}

/* Rows converted at once: whole blocks of the first table. */
static int64_t rows_at_once(const snug_timeseries_layout *layout)
{
    int64_t row_bytes = 1;
    for (int32_t i = 0; i < layout->table_count; i++) {
        row_bytes = snug_max_i64(row_bytes, layout->tables[i].row_bytes);
    }
    const int64_t unit =
        layout->tables[0].layout == SNUG_H5_CHUNKED ? layout->tables[0].block_rows : 1;
    return unit * snug_max_i64(1, RAW_BYTES / (unit * row_bytes));
}

static snug_status write_rows(const snug_timeseries_options *options, const snug_h5_bytes *source,
                              const snug_timeseries_found *found, const float *statistics,
                              snug_h5_scratch *h5_scratch, snug_arena *scratch,
                              snug_file_writer *writer, snug_error *err)
{
    const snug_timeseries_layout *const layout = &found->layout;
    const int64_t channel_count = channels_of(layout);
    const int64_t take = snug_min_i64(rows_at_once(layout), found->row_count);
    int64_t row_bytes = 1;
    void *raw = NULL;
    void *out = NULL;
    for (int32_t i = 0; i < layout->table_count; i++) {
        row_bytes = snug_max_i64(row_bytes, layout->tables[i].row_bytes);
    }
    SNUG_TRY(snug_arena_array(scratch, take, row_bytes, &raw, err));
    SNUG_TRY(snug_arena_array(scratch, take, channel_count * (int64_t)sizeof(float), &out, err));
    for (int64_t row = 0; row < found->row_count; row += take) {
        const int64_t count = snug_min_i64(take, found->row_count - row);
        SNUG_TRY(convert_rows(options, source, found, statistics, row, count, h5_scratch, raw, out,
                              err));
        SNUG_TRY(
            snug_file_writer_add(writer, out, count * channel_count * (int64_t)sizeof(float), err));
    }
    return SNUG_OK;
}

snug_status snug_timeseries_cache_build(const snug_timeseries_options *options, const char *path,
                                        uint64_t key, const snug_h5_bytes *source,
                                        const snug_timeseries_found *found,
                                        const snug_timeseries_scan *scan, const float *statistics,
                                        snug_h5_scratch *h5_scratch, snug_arena *scratch,
                                        snug_timeseries_cached *out, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_file_writer writer = {0};
    const int64_t channel_count = channels_of(&found->layout);
    const int64_t bytes = facts_bytes(channel_count, scan->run_count);
    unsigned char *facts = NULL;
    void *bounce = NULL;
    cache_header header = {.magic = {'s', 'n', 'u', 'g', 'r', 'o', 'w', 's'},
                           .key = key,
                           .row_count = found->row_count,
                           .channel_count = channel_count,
                           .sample_count = scan->sample_count,
                           .run_count = scan->run_count,
                           .data_offset =
                               snug_align_up((int64_t)sizeof header + bytes, SNUG_ALIGN)};
    SNUG_TRY(pack_facts(scan, channel_count, scratch, &facts, err));
    header.check = check_of(&header, facts);
    SNUG_TRY(snug_arena_alloc(scratch, BOUNCE_BYTES, &bounce, err));
    SNUG_TRY(snug_folder_make(options->cache_dir, err));
    SNUG_TRY(snug_file_writer_open(path, bounce, BOUNCE_BYTES, &writer, err));
    SNUG_TRY_DONE(snug_file_writer_add(&writer, &header, (int64_t)sizeof header, err));
    /* The block of facts has zeros behind it for the padding. */
    SNUG_TRY_DONE(
        snug_file_writer_add(&writer, facts, header.data_offset - (int64_t)sizeof header, err));
    SNUG_TRY_DONE(
        write_rows(options, source, found, statistics, h5_scratch, scratch, &writer, err));
    SNUG_TRY_DONE(snug_file_writer_commit(&writer, err));
    *out = (snug_timeseries_cached){.bytes = header.data_offset + found->row_count * channel_count *
                                                                      (int64_t)sizeof(float),
                                    .data_offset = header.data_offset};

done:
    snug_file_writer_abort(&writer);
    return status;
}

snug_status snug_timeseries_cache_layout(const snug_timeseries_found *found, snug_arena *scratch,
                                         int64_t data_offset, snug_timeseries_layout **out,
                                         snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(scratch, (int64_t)sizeof **out, &memory, err));
    snug_timeseries_layout *const layout = memory;
    const int64_t row_bytes = channels_of(&found->layout) * (int64_t)sizeof(float);
    layout->table_count = 1;
    layout->tables[0] = (snug_h5_dataset){.type = {.bytes = row_bytes, .compound = true},
                                          .rank = 1,
                                          .extents = {found->row_count},
                                          .row_count = found->row_count,
                                          .row_bytes = row_bytes,
                                          .layout = SNUG_H5_CONTIGUOUS,
                                          .data_address = (uint64_t)data_offset};
    int64_t offset = 0;
    for (int32_t kind = 0; kind < SNUG_FIELD_COUNT; kind++) {
        const int64_t count = found->layout.fields[kind].count;
        SNUG_TRY(snug_arena_alloc(scratch, (int64_t)sizeof(snug_timeseries_span), &memory, err));
        snug_timeseries_span *const span = memory;
        *span = (snug_timeseries_span){.kind = SNUG_SPAN_F32,
                                       .member = {.name = "",
                                                  .type_name = "",
                                                  .offset = offset,
                                                  .count = count,
                                                  .bytes = (int32_t)sizeof(float),
                                                  .kind = SNUG_H5_FLOAT}};
        layout->fields[kind] =
            (snug_timeseries_fields){.count = count, .span_count = 1, .spans = span};
        offset += count * (int64_t)sizeof(float);
    }
    *out = layout;
    return SNUG_OK;
}
