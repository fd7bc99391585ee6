#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "data/timeseries/timeseries_internal.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { SCRATCH_BLOCK_BYTES = 2 << 20 };

void snug_timeseries_evaluate_part(snug_timeseries_index *index, snug_timeseries_part part)
{
    index->options.evaluation_part = part;
}

/* Sums over the files of the train part: count, mean and sum of squares about it, per channel. */
typedef struct pool {
    double count;
    double *mean, *square;
} pool;

typedef struct builder {
    snug_timeseries_index *index;
    snug_arena *arena;   /* Keeps. */
    snug_arena *scratch; /* Rewound after each file. */
    snug_h5_inflater *inflater;
    pool pool;
} builder;

const snug_timeseries_facts *snug_timeseries_facts_of(const snug_timeseries_index *index)
{
    return &index->facts;
}

static bool is_session_name(const char *name)
{
    static const char *const endings[] = {".hdf5", ".h5", ".hdf"};
    const size_t length = strlen(name);
    for (int64_t i = 0; i < SNUG_COUNT(endings); i++) {
        const size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

static snug_status set_files(builder *build, const char *const *paths, int64_t count,
                             snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(
        snug_arena_array(build->arena, count, (int64_t)sizeof(snug_timeseries_file), &memory, err));
    build->index->files = memory;
    build->index->facts.file_count = count;
    for (int64_t i = 0; i < count; i++) {
        SNUG_TRY(snug_arena_text(build->arena, paths[i], &build->index->files[i].path, err));
    }
    return SNUG_OK;
}

/* The files of a folder in byte order of their names, or the one file. */
static snug_status list_files(builder *build, const char ***out_paths, int64_t *out_count,
                              snug_error *err)
{
    const snug_timeseries_options *const options = &build->index->options;
    const snug_path_kind kind = snug_path_look(options->path);
    const snug_folder_entry *entries = NULL;
    int64_t entry_count = 0;
    void *memory = NULL;
    if (kind == SNUG_PATH_FILE) {
        SNUG_TRY(snug_arena_array(build->scratch, 1, (int64_t)sizeof(char *), &memory, err));
        const char **const paths = memory;
        paths[0] = options->path;
        *out_paths = paths;
        *out_count = 1;
        return SNUG_OK;
    }
    if (kind != SNUG_PATH_FOLDER) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "no data at '%s'", options->path);
    }
    SNUG_TRY(snug_folder_list(options->path, build->scratch, &entries, &entry_count, err));
    SNUG_TRY(
        snug_arena_array(build->scratch, entry_count + 1, (int64_t)sizeof(char *), &memory, err));
    const char **const paths = memory;
    int64_t count = 0;
    for (int64_t i = 0; i < entry_count; i++) {
        if (entries[i].kind == SNUG_PATH_FILE && is_session_name(entries[i].name)) {
            char path[SNUG_PATH_BYTES];
            SNUG_TRY(snug_path_join(options->path, entries[i].name, path, err));
            SNUG_TRY(snug_arena_text(build->scratch, path, &paths[count], err));
            count++;
        }
    }
    if (count == 0) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                         "no .hdf5 or .h5 files in '%s' (folders inside are not searched)",
                         options->path);
    }
    *out_paths = paths;
    *out_count = count;
    return SNUG_OK;
}

static bool is_deflated(const snug_h5_dataset *dataset)
{
    for (int32_t i = 0; i < dataset->filter_count; i++) {
        if (dataset->filters[i].id == SNUG_H5_DEFLATE) {
            return true;
        }
    }
    return false;
}

/* Tables of a file, with their chunks, kept in the index. */
static snug_status keep_tables(builder *build, const snug_timeseries_layout *layout,
                               snug_timeseries_file *file, snug_error *err)
{
    snug_timeseries_index *const index = build->index;
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(build->arena, layout->table_count,
                              (int64_t)sizeof(snug_timeseries_table), &memory, err));
    snug_timeseries_table *const tables = memory;
    for (int32_t i = 0; i < layout->table_count; i++) {
        const snug_h5_dataset *const from = &layout->tables[i];
        tables[i] = (snug_timeseries_table){.data_address = from->data_address,
                                            .stored_bytes_max = (uint32_t)from->stored_bytes_max};
        index->row_bytes_max = snug_max_i64(index->row_bytes_max, from->row_bytes);
        if (from->layout == SNUG_H5_CHUNKED) {
            SNUG_TRY(snug_arena_array(build->arena, snug_max_i64(from->chunk_count, 1),
                                      (int64_t)sizeof(snug_h5_chunk), &memory, err));
            memcpy(memory, from->chunks, (size_t)from->chunk_count * sizeof(snug_h5_chunk));
            tables[i].chunks = memory;
            index->block_bytes_max =
                snug_max_i64(index->block_bytes_max, snug_h5_block_bytes(from));
            index->scratch_bytes_max =
                snug_max_i64(index->scratch_bytes_max, snug_h5_scratch_bytes(from));
            index->block_count += from->block_count;
        }
        index->deflated = index->deflated || is_deflated(from);
    }
    file->tables = tables;
    return SNUG_OK;
}

static snug_status check_channels(builder *build, const snug_timeseries_layout *layout,
                                  snug_error *err)
{
    snug_timeseries_facts *const facts = &build->index->facts;
    const int64_t input_count = layout->fields[SNUG_FIELD_INPUT].count;
    const int64_t target_count = layout->fields[SNUG_FIELD_TARGET].count;
    if (facts->input_count == 0) {
        facts->input_count = input_count;
        facts->target_count = target_count;
    }
    if (input_count != facts->input_count || target_count != facts->target_count) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "%" PRId64 " input channels and %" PRId64
                         " targets, but the files before have %" PRId64 " and %" PRId64,
                         input_count, target_count, facts->input_count, facts->target_count);
    }
    return SNUG_OK;
}

/* Scratch and, when a chunk is deflated, the inflater, made once for all files. */
static snug_status h5_scratch_for(builder *build, const snug_timeseries_layout *layout,
                                  snug_h5_scratch *out, snug_error *err)
{
    int64_t bytes = 0;
    bool deflated = false;
    for (int32_t i = 0; i < layout->table_count; i++) {
        bytes = snug_max_i64(bytes, snug_h5_scratch_bytes(&layout->tables[i]));
        deflated = deflated || is_deflated(&layout->tables[i]);
    }
    void *memory = NULL;
    if (bytes > 0) {
        SNUG_TRY(snug_arena_alloc(build->scratch, bytes, &memory, err));
    }
    if (deflated && build->inflater == NULL) {
        SNUG_TRY(snug_h5_inflater_create(&build->inflater, err));
    }
    *out = (snug_h5_scratch){.inflater = build->inflater, .memory = memory, .memory_bytes = bytes};
    return SNUG_OK;
}

/* Chan's rule for joining two sets of samples. */
static void pool_add(pool *all, const snug_timeseries_scan *scan, int64_t channels)
{
    const double count = (double)scan->sample_count;
    if (count == 0.0) {
        return;
    }
    const double total = all->count + count;
    for (int64_t c = 0; c < channels; c++) {
        const double delta = scan->mean[c] - all->mean[c];
        all->mean[c] += delta * count / total;
        all->square[c] += scan->variance[c] * count + delta * delta * all->count * count / total;
    }
    all->count = total;
}

static snug_status keep_statistics(builder *build, const double *mean, const double *variance,
                                   double divisor, const float **out, snug_error *err)
{
    const int64_t channels = build->index->facts.input_count + build->index->facts.target_count;
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(build->arena, 2 * channels, (int64_t)sizeof(float), &memory, err));
    float *const values = memory;
    for (int64_t c = 0; c < channels; c++) {
        values[c] = (float)mean[c];
        values[channels + c] = (float)sqrt(variance[c] / divisor) + 1e-8f;
    }
    *out = values;
    return SNUG_OK;
}

static bool any_is(const snug_timeseries_options *options, snug_normalise how)
{
    return options->normalise_inputs == how || options->normalise_targets == how;
}

/* One segment: rows [first, end) of a file, with its own copy of the runs inside. */
static snug_status add_segment(builder *build, snug_timeseries_part part, int32_t file,
                               int64_t first, int64_t end, const snug_timeseries_scan *scan,
                               snug_error *err)
{
    snug_timeseries_index *const index = build->index;
    snug_timeseries_group *const group = &index->parts[part];
    void *memory = NULL;
    int64_t count = 0;
    for (int64_t i = 0; i < scan->run_count; i++) {
        const int64_t run_end = (int64_t)scan->runs[i].first + scan->runs[i].count;
        count += scan->runs[i].first < end && run_end > first;
    }
    SNUG_TRY(snug_arena_array(build->arena, snug_max_i64(count, 1),
                              (int64_t)sizeof(snug_timeseries_run), &memory, err));
    snug_timeseries_run *const runs = memory;
    int64_t made = 0;
    for (int64_t i = 0; i < scan->run_count; i++) {
        const int64_t run_end = (int64_t)scan->runs[i].first + scan->runs[i].count;
        const int64_t begin = snug_max_i64(scan->runs[i].first, first);
        const int64_t stop = snug_min_i64(run_end, end);
        if (begin < stop) {
            runs[made++] =
                (snug_timeseries_run){.first = (uint32_t)begin, .count = (uint32_t)(stop - begin)};
            index->facts.valid_row_count += stop - begin;
        }
    }
    snug_timeseries_segment *const segment = &group->segments[group->segment_count++];
    *segment = (snug_timeseries_segment){.file = file,
                                         .run_count = (int32_t)count,
                                         .row_first = first,
                                         .row_end = end,
                                         .windows_before = group->window_count,
                                         .runs = runs};
    group->window_count += snug_timeseries_number(&index->options, group->stride, segment);
    index->facts.window_count[part] = group->window_count;
    return SNUG_OK;
}

/* Where the rows of the only file are cut: train, validation, test. */
static void cut_rows(const snug_timeseries_options *options, int64_t row_count,
                     int64_t cuts[SNUG_TIMESERIES_PART_COUNT + 1])
{
    const double train = options->train_fraction;
    cuts[0] = 0;
    cuts[1] = (int64_t)((double)row_count * train);
    cuts[2] = (int64_t)((double)row_count * (train + options->validation_fraction));
    cuts[3] = row_count;
}

static snug_status add_segments(builder *build, int32_t number, const snug_timeseries_scan *scan,
                                snug_error *err)
{
    const snug_timeseries_file *const file = &build->index->files[number];
    if (!build->index->facts.split_by_time) {
        return add_segment(build, file->part, number, 0, file->row_count, scan, err);
    }
    int64_t cuts[SNUG_TIMESERIES_PART_COUNT + 1];
    cut_rows(&build->index->options, file->row_count, cuts);
    for (int32_t part = 0; part < SNUG_TIMESERIES_PART_COUNT; part++) {
        SNUG_TRY(add_segment(build, (snug_timeseries_part)part, number, cuts[part], cuts[part + 1],
                             scan, err));
    }
    return SNUG_OK;
}

/* The attribute sample_rate of the group, or of the data set: of the first file that has one. */
static void note_sample_rate(snug_timeseries_facts *facts, snug_h5_file *h5,
                             const snug_timeseries_found *found)
{
    snug_h5_object object;
    snug_error ignored = {0};
    double rate = 0.0;
    if (facts->sample_rate > 0.0 ||
        snug_failed(
            snug_h5_find(h5, found->group[0] != '\0' ? found->group : "/", &object, &ignored)) ||
        snug_failed(snug_h5_attribute_f64(h5, object, "sample_rate", &rate, &ignored))) {
        return;
    }
    facts->sample_rate = rate > 0.0 ? rate : 0.0;
}

/* An open file on its way into the index. */
typedef struct opened {
    snug_h5_bytes source;
    const snug_timeseries_found *found;
    snug_h5_scratch h5_scratch;
    int64_t stat_end; /* Rows [0, stat_end) make the statistics. */
    snug_timeseries_scan scan;
} opened;

static snug_status scan_opened(builder *build, opened *self, snug_error *err)
{
    return snug_timeseries_scan_file(&build->index->options, &self->source, self->found, 0,
                                     self->stat_end, &self->h5_scratch, build->scratch, &self->scan,
                                     err);
}

static snug_status keep_session_statistics(builder *build, snug_timeseries_file *file,
                                           const snug_timeseries_scan *scan, snug_error *err)
{
    if (any_is(&build->index->options, SNUG_NORMALISE_SESSION)) {
        SNUG_TRY(keep_statistics(build, scan->mean, scan->variance, 1.0, &file->statistics, err));
    }
    return SNUG_OK;
}

/* Layout and tables that the rows of a file are read by. */
static snug_status keep_layout(builder *build, snug_timeseries_file *file,
                               const snug_timeseries_layout *layout, snug_error *err)
{
    SNUG_TRY(snug_timeseries_intern(build->index, layout, build->arena, &file->layout, err));
    return keep_tables(build, layout, file, err);
}

/* The rows come from the file itself. */
static snug_status index_direct(builder *build, snug_timeseries_file *file, opened *self,
                                snug_error *err)
{
    SNUG_TRY(scan_opened(build, self, err));
    SNUG_TRY(keep_session_statistics(build, file, &self->scan, err));
    SNUG_TRY(keep_layout(build, file, &self->found->layout, err));
    file->data_path = file->path;
    file->data_bytes = self->source.size;
    return SNUG_OK;
}

/* The rows come from a cache file, which is made when it is not there. */
static snug_status index_cached(builder *build, snug_timeseries_file *file, opened *self,
                                snug_error *err)
{
    const snug_timeseries_options *const options = &build->index->options;
    char path[SNUG_PATH_BYTES];
    bool there = false;
    snug_timeseries_cached cached = {0};
    snug_timeseries_layout *layout = NULL;
    const uint64_t key =
        snug_timeseries_cache_key(options, file->path, self->source.context, self->stat_end);
    SNUG_TRY(snug_timeseries_cache_path(options, file->path, key, path, err));
    SNUG_TRY(snug_timeseries_cache_load(path, key, self->found, build->scratch, &there, &cached,
                                        &self->scan, err));
    if (!there) {
        SNUG_TRY(scan_opened(build, self, err));
    }
    SNUG_TRY(keep_session_statistics(build, file, &self->scan, err));
    if (!there) {
        SNUG_TRY(snug_timeseries_cache_build(options, path, key, &self->source, self->found,
                                             &self->scan, file->statistics, &self->h5_scratch,
                                             build->scratch, &cached, err));
    }
    SNUG_TRY(snug_timeseries_cache_layout(self->found, build->scratch, cached.data_offset, &layout,
                                          err));
    SNUG_TRY(keep_layout(build, file, layout, err));
    SNUG_TRY(snug_arena_text(build->arena, path, &file->data_path, err));
    file->data_bytes = cached.bytes;
    file->cached = true;
    build->index->facts.cached_file_count += there;
    return SNUG_OK;
}

/* Everything about one file whose descriptor is open; nothing of it stays open. */
static snug_status index_open_file(builder *build, int32_t number, snug_file *open, snug_error *err)
{
    snug_timeseries_index *const index = build->index;
    snug_timeseries_file *const file = &index->files[number];
    opened self = {.source = snug_timeseries_bytes(open)};
    snug_h5_file *h5 = NULL;
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(build->scratch, (int64_t)sizeof *self.found, &memory, err));
    snug_timeseries_found *const found = memory;
    self.found = found;
    SNUG_TRY(snug_h5_open(&self.source, build->scratch, &h5, err));
    SNUG_TRY(snug_timeseries_find(&index->options, h5, build->scratch, found, err));
    note_sample_rate(&index->facts, h5, found);
    SNUG_TRY(check_channels(build, &found->layout, err));
    SNUG_TRY(h5_scratch_for(build, &found->layout, &self.h5_scratch, err));
    file->row_count = found->row_count;
    int64_t cuts[SNUG_TIMESERIES_PART_COUNT + 1] = {0, file->row_count};
    if (index->facts.split_by_time) {
        cut_rows(&index->options, file->row_count, cuts);
    }
    self.stat_end = snug_max_i64(cuts[1], 1);
    SNUG_TRY(index->options.cache_dir != NULL ? index_cached(build, file, &self, err)
                                              : index_direct(build, file, &self, err));
    if (file->part == SNUG_TIMESERIES_TRAIN) {
        pool_add(&build->pool, &self.scan, index->facts.input_count + index->facts.target_count);
    }
    index->facts.row_count += file->row_count;
    return add_segments(build, number, &self.scan, err);
}

static snug_status index_file(builder *build, int32_t number, snug_error *err)
{
    snug_timeseries_file *const file = &build->index->files[number];
    const snug_mark mark = snug_arena_mark(build->scratch);
    snug_file open = {0};
    SNUG_TRY(snug_file_open(file->path, &open, err));
    snug_status status = index_open_file(build, number, &open, err);
    snug_file_close(&open);
    snug_arena_rewind(build->scratch, mark);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "%s", file->path);
    }
    return status;
}

/* Room for the segments of each part. */
static snug_status make_groups(builder *build, const snug_timeseries_part *parts, snug_error *err)
{
    snug_timeseries_index *const index = build->index;
    snug_timeseries_facts *const facts = &index->facts;
    void *memory = NULL;
    for (int64_t i = 0; i < facts->file_count; i++) {
        index->files[i].part = parts[i];
        facts->part_file_count[parts[i]]++;
    }
    for (int32_t part = 0; part < SNUG_TIMESERIES_PART_COUNT; part++) {
        if (facts->split_by_time) {
            facts->part_file_count[part] = 1;
        }
        SNUG_TRY(snug_arena_array(build->arena, snug_max_i64(facts->part_file_count[part], 1),
                                  (int64_t)sizeof(snug_timeseries_segment), &memory, err));
        index->parts[part].segments = memory;
        index->parts[part].stride = part == SNUG_TIMESERIES_TRAIN
                                        ? index->options.stride
                                        : index->options.evaluation_stride;
    }
    return SNUG_OK;
}

static snug_status prepare(builder *build, snug_error *err)
{
    snug_timeseries_index *const index = build->index;
    const char **paths = NULL;
    int64_t count = 0;
    void *memory = NULL;
    SNUG_TRY(list_files(build, &paths, &count, err));
    SNUG_TRY(snug_arena_array(build->scratch, count, (int64_t)sizeof(snug_timeseries_part), &memory,
                              err));
    snug_timeseries_part *const parts = memory;
    SNUG_TRY(snug_timeseries_split(&index->options, paths, &count, build->scratch, parts,
                                   &index->facts.split_by_time, err));
    if (index->options.evaluate_all) {
        index->facts.split_by_time = false;
        for (int64_t i = 0; i < count; i++) {
            parts[i] = SNUG_TIMESERIES_VALIDATION;
        }
    }
    SNUG_TRY(set_files(build, paths, count, err));
    SNUG_TRY(make_groups(build, parts, err));
    index->layout_capacity = (int32_t)snug_min_i64(count, SNUG_TIMESERIES_LAYOUTS_MAX);
    SNUG_TRY(snug_arena_array(build->arena, index->layout_capacity, (int64_t)sizeof(void *),
                              &memory, err));
    index->layouts = memory;
    SNUG_TRY(snug_arena_array(build->scratch, (int64_t)2 * 2 * SNUG_CHANNELS_MAX,
                              (int64_t)sizeof(double), &memory, err));
    build->pool.mean = memory;
    build->pool.square = build->pool.mean + (int64_t)2 * SNUG_CHANNELS_MAX;
    index->facts.window_rows =
        index->options.padding_left + index->options.window + index->options.padding_right;
    index->facts.target_rows = index->facts.window_rows - index->options.left_context;
    return SNUG_OK;
}

static snug_status finish(builder *build, snug_error *err)
{
    snug_timeseries_index *const index = build->index;
    index->facts.layout_count = index->layout_count;
    if (index->options.evaluate_all) {
        return any_is(&index->options, SNUG_NORMALISE_TRAIN)
                   ? SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                               "statistics of the train part are not known when all files are "
                               "evaluated: normalise with 'session', or name a part")
                   : SNUG_OK;
    }
    if (index->facts.window_count[SNUG_TIMESERIES_TRAIN] == 0) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "'%s' has nothing to train on: no window of %" PRId64
                         " rows in the %" PRId64 " train files",
                         index->options.path, index->options.window,
                         index->facts.part_file_count[SNUG_TIMESERIES_TRAIN]);
    }
    if (any_is(&index->options, SNUG_NORMALISE_TRAIN)) {
        SNUG_TRY(keep_statistics(build, build->pool.mean, build->pool.square, build->pool.count,
                                 &index->train_statistics, err));
    }
    return SNUG_OK;
}

snug_status snug_timeseries_index_open(const snug_timeseries_options *options, snug_arena *arena,
                                       snug_timeseries_index **out_index, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_arena scratch;
    void *memory = NULL;
    builder build = {.arena = arena, .scratch = &scratch};
    snug_heap_arena_init(&scratch, "data index", SNUG_CATEGORY_DATA, SCRATCH_BLOCK_BYTES);
    SNUG_TRY_DONE(snug_arena_alloc(arena, (int64_t)sizeof(snug_timeseries_index), &memory, err));
    build.index = memory;
    SNUG_TRY_DONE(snug_timeseries_options_copy(options, arena, &build.index->options, err));
    SNUG_TRY_DONE(prepare(&build, err));
    for (int64_t i = 0; i < build.index->facts.file_count; i++) {
        SNUG_TRY_DONE(index_file(&build, (int32_t)i, err));
    }
    SNUG_TRY_DONE(finish(&build, err));
    build.index->facts.index_bytes = arena->used_bytes - start.used_bytes;
    *out_index = build.index;

done:
    snug_h5_inflater_destroy(build.inflater);
    snug_heap_arena_deinit(&scratch, SNUG_CATEGORY_DATA);
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
    }
    return status;
}

snug_timeseries_session snug_timeseries_session_at(const snug_timeseries_index *index, int64_t file)
{
    SNUG_ASSERT(file >= 0);
    SNUG_ASSERT(file < index->facts.file_count);
    const snug_timeseries_file *const from = &index->files[file];
    const snug_timeseries_options *const options = &index->options;
    const int64_t channels = index->facts.input_count + index->facts.target_count;
    snug_timeseries_session session = {
        .path = from->path, .row_count = from->row_count, .part = from->part};
    if (options->normalise_inputs != SNUG_NORMALISE_NONE) {
        session.input_mean = options->normalise_inputs == SNUG_NORMALISE_TRAIN
                                 ? index->train_statistics
                                 : from->statistics;
        session.input_std = session.input_mean + channels;
    }
    if (options->normalise_targets != SNUG_NORMALISE_NONE) {
        session.target_mean =
            (options->normalise_targets == SNUG_NORMALISE_TRAIN ? index->train_statistics
                                                                : from->statistics) +
            index->facts.input_count;
        session.target_std = session.target_mean + channels;
    }
    return session;
}
