#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "data/timeseries/timeseries_internal.h"

/* Raw rows of one turn: they stay in the second-level cache while both fields are gathered. */
enum { ROWS_BYTES = 192 << 10 };

static int64_t rows_bytes_of(const snug_timeseries_index *index)
{
    return snug_align_up(snug_max_i64(ROWS_BYTES, index->row_bytes_max), SNUG_ALIGN);
}

int64_t snug_timeseries_reader_size(const snug_timeseries_index *index)
{
    return rows_bytes_of(index) + snug_align_up(index->scratch_bytes_max, SNUG_ALIGN);
}

snug_status snug_timeseries_reader_init(snug_timeseries_reader *reader,
                                        const snug_timeseries_index *index,
                                        snug_descriptors *descriptors, snug_chunk_cache *cache,
                                        snug_arena *arena, snug_error *err)
{
    void *rows = NULL;
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(arena, rows_bytes_of(index), &rows, err));
    if (index->scratch_bytes_max > 0) {
        SNUG_TRY(snug_arena_alloc(arena, index->scratch_bytes_max, &memory, err));
    }
    snug_h5_inflater *inflater = NULL;
    if (index->deflated) {
        SNUG_TRY(snug_h5_inflater_create(&inflater, err));
    }
    *reader = (snug_timeseries_reader){.index = index,
                                       .descriptors = descriptors,
                                       .cache = cache,
                                       .scratch = {.inflater = inflater,
                                                   .memory = memory,
                                                   .memory_bytes = index->scratch_bytes_max},
                                       .rows = rows,
                                       .rows_bytes = rows_bytes_of(index)};
    return SNUG_OK;
}

void snug_timeseries_reader_deinit(snug_timeseries_reader *reader)
{
    snug_h5_inflater_destroy(reader->scratch.inflater);
    *reader = (snug_timeseries_reader){0};
}

static snug_status read_at(void *context, int64_t offset, int64_t bytes, void *buffer,
                           snug_error *err)
{
    return snug_file_read_at(context, offset, buffer, bytes, err);
}

snug_h5_bytes snug_timeseries_bytes(snug_file *file)
{
    return (snug_h5_bytes){.context = file, .size = file->bytes, .read_at = read_at};
}

/* Some neighbouring rows of a table, in the reader's buffer or in a pinned block of the cache. */
typedef struct row_view {
    const unsigned char *rows;
    int64_t count;
    bool pinned;
    snug_chunk_pin pin;
} row_view;

typedef struct block_load {
    snug_timeseries_reader *reader;
    const snug_timeseries_file *file;
    int32_t table;
    int64_t block;
} block_load;

static snug_status with_file(snug_timeseries_reader *reader, const snug_timeseries_file *file,
                             const snug_file **out, snug_error *err)
{
    const int64_t id = file - reader->index->files;
    return snug_descriptors_acquire(reader->descriptors, id, file->data_path, file->data_bytes, out,
                                    err);
}

static snug_status load_block(void *context, uint64_t key, void *out, snug_error *err)
{
    const block_load *const want = context;
    snug_timeseries_reader *const reader = want->reader;
    const snug_file *file = NULL;
    snug_h5_dataset dataset;
    SNUG_UNUSED(key);
    SNUG_TRY(with_file(reader, want->file, &file, err));
    snug_timeseries_dataset(reader->index, want->file, want->table, &dataset);
    snug_file copy = *file;
    const snug_h5_bytes source = snug_timeseries_bytes(&copy);
    snug_status status =
        snug_h5_block_read(&source, &dataset, want->block, &reader->scratch, out, err);
    snug_descriptors_release(reader->descriptors, file);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "%s", want->file->path);
    }
    return status;
}

/* The block of the cache that holds row `first`. Key: file, table and block, 32 + 2 + 30 bits. */
static snug_status view_block(snug_timeseries_reader *reader, const snug_timeseries_file *file,
                              int32_t table, const snug_h5_dataset *dataset, int64_t first,
                              int64_t count, row_view *out, snug_error *err)
{
    block_load want = {
        .reader = reader, .file = file, .table = table, .block = first / dataset->block_rows};
    const uint64_t id = (uint64_t)(file - reader->index->files);
    const uint64_t key = id << 32 | (uint64_t)table << 30 | (uint64_t)want.block;
    snug_chunk_pin pin = {0};
    SNUG_TRY(snug_chunk_cache_acquire(reader->cache, key, load_block, &want, &pin, err));
    const int64_t skip = first - want.block * dataset->block_rows;
    const unsigned char *const data = pin.data;
    *out = (row_view){.rows = data + skip * dataset->row_bytes,
                      .count = snug_min_i64(count, dataset->block_rows - skip),
                      .pinned = true,
                      .pin = pin};
    return SNUG_OK;
}

static bool holds(const snug_timeseries_reader *reader, const snug_timeseries_file *file,
                  int32_t table, int64_t first)
{
    return reader->held_file == file && reader->held_table == table &&
           first >= reader->held_first && first < reader->held_first + reader->held_count;
}

/* Rows as they lie in a contiguous file, read into the buffer unless they are there. */
static snug_status view_contiguous(snug_timeseries_reader *reader, const snug_timeseries_file *file,
                                   int32_t table, const snug_h5_dataset *layout, int64_t first,
                                   int64_t count, row_view *out, snug_error *err)
{
    const int64_t row_bytes = layout->row_bytes;
    const uint64_t address = file->tables[table].data_address;
    if (!holds(reader, file, table, first)) {
        const int64_t take = snug_min_i64(count, reader->rows_bytes / row_bytes);
        reader->held_file = NULL;
        if (address == SNUG_H5_NO_ADDRESS) {
            snug_h5_fill_rows(layout, take * row_bytes, reader->rows);
        } else {
            const snug_file *open = NULL;
            SNUG_TRY(with_file(reader, file, &open, err));
            const snug_status status = snug_file_read_at(open, (int64_t)address + first * row_bytes,
                                                         reader->rows, take * row_bytes, err);
            snug_descriptors_release(reader->descriptors, open);
            SNUG_TRY(status);
        }
        reader->held_file = file;
        reader->held_table = table;
        reader->held_first = first;
        reader->held_count = take;
    }
    const int64_t skip = first - reader->held_first;
    *out = (row_view){.rows = reader->rows + skip * row_bytes,
                      .count = snug_min_i64(count, reader->held_count - skip)};
    return SNUG_OK;
}

static snug_status view_rows(snug_timeseries_reader *reader, const snug_timeseries_file *file,
                             int32_t table, int64_t first, int64_t count, row_view *out,
                             snug_error *err)
{
    const snug_h5_dataset *const dataset = &reader->index->layouts[file->layout]->tables[table];
    if (dataset->layout == SNUG_H5_CHUNKED) {
        return view_block(reader, file, table, dataset, first, count, out, err);
    }
    return view_contiguous(reader, file, table, dataset, first, count, out, err);
}

/* What one field of one window wants: rows [first, end) to `out`, whose first row is `origin`. */
typedef struct field_job {
    snug_field_kind kind;
    int64_t first, end;
    int64_t origin;
    float *out;
} field_job;

static void roll_channels(float *rows, int64_t row_count, int64_t channel_count, int32_t rotation)
{
    const size_t moved = (size_t)(channel_count - 1) * sizeof(float);
    for (int64_t i = 0; i < row_count; i++) {
        float *const row = rows + i * channel_count;
        if (rotation > 0) {
            const float last = row[channel_count - 1];
            memmove(row + 1, row, moved);
            row[0] = last;
        } else {
            const float first = row[0];
            memmove(row, row + 1, moved);
            row[channel_count - 1] = first;
        }
    }
}

/* Mean and deviation of a field as they apply to this file; both NULL when nothing is done. */
static void statistics_of(const snug_timeseries_index *index, const snug_timeseries_file *file,
                          snug_field_kind kind, const float **out_mean, const float **out_std)
{
    const snug_timeseries_options *const options = &index->options;
    const snug_normalise how =
        kind == SNUG_FIELD_INPUT ? options->normalise_inputs : options->normalise_targets;
    *out_mean = NULL;
    *out_std = NULL;
    if (how == SNUG_NORMALISE_NONE || (how == SNUG_NORMALISE_SESSION && file->cached)) {
        return;
    }
    const float *const both =
        how == SNUG_NORMALISE_TRAIN ? index->train_statistics : file->statistics;
    const int64_t skip = kind == SNUG_FIELD_INPUT ? 0 : index->facts.input_count;
    *out_mean = both + skip;
    *out_std = both + skip + index->facts.input_count + index->facts.target_count;
}

/* Gathers the part of a job that lies in the rows of a view. */
static snug_status gather_view(const snug_timeseries_reader *reader,
                               const snug_timeseries_file *file, int32_t table, int64_t first,
                               const row_view *view, const field_job *job, snug_error *err)
{
    const snug_timeseries_layout *const layout = reader->index->layouts[file->layout];
    const snug_timeseries_fields *const fields = &layout->fields[job->kind];
    const int64_t row_bytes = layout->tables[table].row_bytes;
    const int64_t begin = snug_max_i64(first, job->first);
    const int64_t end = snug_min_i64(first + view->count, job->end);
    if (begin >= end) {
        return SNUG_OK;
    }
    const float *mean = NULL;
    const float *std = NULL;
    statistics_of(reader->index, file, job->kind, &mean, &std);
    const unsigned char *const rows = view->rows + (begin - first) * row_bytes;
    float *const out = job->out + (begin - job->origin) * fields->count;
    for (int32_t i = 0; i < fields->span_count; i++) {
        const snug_timeseries_span *const span = &fields->spans[i];
        if (span->table == table && !snug_timeseries_gather(span, rows, row_bytes, end - begin,
                                                            mean, std, out, fields->count)) {
            const snug_status status =
                snug_timeseries_blame(span, job->kind, rows, row_bytes, end - begin, begin, err);
            (void)snug_error_prefix(err, "%s", file->path);
            return status;
        }
    }
    return SNUG_OK;
}

static bool field_in_table(const snug_timeseries_fields *fields, int32_t table)
{
    for (int32_t i = 0; i < fields->span_count; i++) {
        if (fields->spans[i].table == table) {
            return true;
        }
    }
    return false;
}

/* One pass over the rows of a table that any of the jobs wants. */
static snug_status read_table(snug_timeseries_reader *reader, const snug_timeseries_file *file,
                              int32_t table, const field_job *jobs, int32_t job_count,
                              snug_error *err)
{
    const snug_timeseries_layout *const layout = reader->index->layouts[file->layout];
    int64_t first = INT64_MAX;
    int64_t end = 0;
    for (int32_t i = 0; i < job_count; i++) {
        if (jobs[i].first < jobs[i].end && field_in_table(&layout->fields[jobs[i].kind], table)) {
            first = snug_min_i64(first, jobs[i].first);
            end = snug_max_i64(end, jobs[i].end);
        }
    }
    snug_status status = SNUG_OK;
    while (first < end && !snug_failed(status)) {
        row_view view = {0};
        SNUG_TRY(view_rows(reader, file, table, first, end - first, &view, err));
        for (int32_t i = 0; i < job_count && !snug_failed(status); i++) {
            status = gather_view(reader, file, table, first, &view, &jobs[i], err);
        }
        if (view.pinned) {
            snug_chunk_cache_release(reader->cache, view.pin);
        }
        first += view.count;
    }
    return status;
}

static void write_mask(const snug_timeseries_segment *segment, int64_t first, int64_t count,
                       unsigned char *mask)
{
    memset(mask, 0, (size_t)count);
    /* The first run that ends behind the window's start. */
    int32_t low = 0;
    int32_t high = segment->run_count;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        const snug_timeseries_run *const run = &segment->runs[middle];
        if ((int64_t)run->first + run->count <= first) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < segment->run_count && segment->runs[low].first < first + count; low++) {
        const snug_timeseries_run *const run = &segment->runs[low];
        const int64_t begin = snug_max_i64(run->first, first);
        const int64_t end = snug_min_i64((int64_t)run->first + run->count, first + count);
        memset(mask + (begin - first), 1, (size_t)(end - begin));
    }
}

/* A job for rows [first, first + count) of the window; what lies outside of the segment is zero. */
static field_job make_job(const snug_timeseries_segment *segment, snug_field_kind kind,
                          int64_t first, int64_t count, int64_t channel_count, float *out)
{
    const field_job job = {.kind = kind,
                           .first = snug_max_i64(first, segment->row_first),
                           .end = snug_min_i64(first + count, segment->row_end),
                           .origin = first,
                           .out = out};
    const int64_t row_bytes = channel_count * (int64_t)sizeof(float);
    if (job.first >= job.end) {
        memset(out, 0, (size_t)(count * row_bytes));
        return (field_job){.kind = kind, .origin = first, .out = out};
    }
    memset(out, 0, (size_t)((job.first - first) * row_bytes));
    memset(out + (job.end - first) * channel_count, 0,
           (size_t)((first + count - job.end) * row_bytes));
    return job;
}

snug_status snug_timeseries_read(snug_timeseries_reader *reader,
                                 const snug_timeseries_window *window,
                                 const snug_timeseries_output *output, snug_error *err)
{
    const snug_timeseries_index *const index = reader->index;
    const snug_timeseries_facts *const facts = &index->facts;
    const snug_timeseries_segment *const segment = window->segment;
    const snug_timeseries_file *const file = &index->files[segment->file];
    const int64_t target_first = window->row_first + index->options.left_context;
    field_job jobs[3];
    int32_t job_count = 0;
    if (output->input != NULL) {
        jobs[job_count++] = make_job(segment, SNUG_FIELD_INPUT, window->row_first,
                                     facts->window_rows, facts->input_count, output->input);
    }
    if (output->target != NULL) {
        jobs[job_count++] = make_job(segment, SNUG_FIELD_TARGET, target_first, facts->target_rows,
                                     facts->target_count, output->target);
    }
    if (output->initial != NULL) {
        jobs[job_count++] = make_job(segment, SNUG_FIELD_TARGET, target_first, 1,
                                     facts->target_count, output->initial);
    }
    const int32_t table_count = index->layouts[file->layout]->table_count;
    for (int32_t table = 0; table < table_count && job_count > 0; table++) {
        SNUG_TRY(read_table(reader, file, table, jobs, job_count, err));
    }
    if (output->input != NULL && window->rotation != 0) {
        roll_channels(output->input, facts->window_rows, facts->input_count, window->rotation);
    }
    if (output->mask != NULL) {
        write_mask(segment, target_first, facts->target_rows, output->mask);
    }
    return SNUG_OK;
}
