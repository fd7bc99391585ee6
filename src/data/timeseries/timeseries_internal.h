/* What the files of the time series source share: the index as it lies in memory, and its readers.
 */
#ifndef SNUG_DATA_TIMESERIES_TIMESERIES_INTERNAL_H
#define SNUG_DATA_TIMESERIES_TIMESERIES_INTERNAL_H

#include "data/chunk_cache.h"
#include "data/descriptors.h"
#include "data/hdf5/h5.h"
#include "data/order.h"
#include "data/timeseries/timeseries.h"
#include "sys/file.h"

/** How the numbers of a span lie in the file: the two usual ones have loops of their own. */
typedef enum snug_span_kind { SNUG_SPAN_F32, SNUG_SPAN_F64, SNUG_SPAN_OTHER } snug_span_kind;

/** Neighbouring numbers of a row that become neighbouring channels. */
typedef struct snug_timeseries_span {
    int32_t table;
    snug_span_kind kind;
    int64_t column;        /* First channel they become. */
    snug_h5_member member; /* Offset and count of just these numbers; names are gone. */
} snug_timeseries_span;

/** Channels of one kind: the inputs, or the targets. */
typedef struct snug_timeseries_fields {
    int64_t count; /* Channels. */
    int32_t span_count;
    snug_timeseries_span *spans;
} snug_timeseries_fields;

typedef enum snug_field_kind {
    SNUG_FIELD_INPUT,
    SNUG_FIELD_TARGET,
    SNUG_FIELD_COUNT
} snug_field_kind;

/** What the rows of a file look like. Files that look the same share one. */
typedef struct snug_timeseries_layout {
    int32_t table_count;
    snug_h5_dataset tables[SNUG_TIMESERIES_TABLES_MAX]; /* Without what differs between files. */
    snug_timeseries_fields fields[SNUG_FIELD_COUNT];
} snug_timeseries_layout;

/** What differs between the files of a layout, for one table. */
typedef struct snug_timeseries_table {
    uint64_t data_address;
    const snug_h5_chunk *chunks;
    uint32_t stored_bytes_max;
} snug_timeseries_table;

/** Rows that count, and where their windows begin in the numbering of their segment. */
typedef struct snug_timeseries_run {
    uint32_t first, count;
    uint32_t valid_before;   /* Rows that count before this run. */
    uint32_t windows_before; /* Windows before this run; only with skip_invalid. */
} snug_timeseries_run;

typedef struct snug_timeseries_file {
    const char *path;
    const char *data_path; /* What is read: `path`, or its cache file. */
    int64_t data_bytes;
    int64_t row_count;
    int32_t layout;
    snug_timeseries_part part;
    const snug_timeseries_table *tables;
    const float *statistics; /* mean [C + K], std [C + K]; NULL when nothing is normalised. */
    bool cached;             /* Rows are from the cache: session statistics are already applied. */
} snug_timeseries_file;

/** Rows of a file that belong to one part; windows lie inside. */
typedef struct snug_timeseries_segment {
    int32_t file;
    int32_t run_count;
    int64_t row_first, row_end;
    int64_t windows_before;    /* In its part. */
    snug_timeseries_run *runs; /* All rows that count, none twice, ascending. */
} snug_timeseries_segment;

typedef struct snug_timeseries_group {
    int64_t stride;
    int64_t segment_count;
    snug_timeseries_segment *segments;
    int64_t window_count;
} snug_timeseries_group;

struct snug_timeseries_index {
    snug_timeseries_options options; /* Strings in the arena, defaults filled in. */
    snug_timeseries_facts facts;
    snug_timeseries_file *files;
    snug_timeseries_layout **layouts;
    int32_t layout_count, layout_capacity;
    snug_timeseries_group parts[SNUG_TIMESERIES_PART_COUNT];
    const float *train_statistics; /* mean [C + K], std [C + K]. */
    int64_t block_bytes_max;       /* Largest decoded block over the filtered tables; 0: none. */
    int64_t block_count;           /* Blocks of all filtered tables. */
    int64_t scratch_bytes_max;     /* For decoding one block. */
    int64_t row_bytes_max;
    bool deflated;
};

/** One window, ready to be read. */
typedef struct snug_timeseries_window {
    const snug_timeseries_segment *segment;
    int64_t row_first; /* Of the input, padding included; may lie outside of the segment. */
    int32_t rotation;
} snug_timeseries_window;

/* ---- timeseries_options.c ---- */

/** Defaults filled in, strings copied into `arena`; SNUG_CODE_USAGE says what is wrong. */
SNUG_MUST_CHECK snug_status snug_timeseries_options_copy(const snug_timeseries_options *options,
                                                         snug_arena *arena,
                                                         snug_timeseries_options *out,
                                                         snug_error *err);

/* ---- timeseries_layout.c ---- */

/** A file as found: layout and tables with everything in the scratch arena. */
typedef struct snug_timeseries_found {
    int64_t row_count;
    snug_timeseries_layout layout; /* Its tables are complete data sets. */
    char group[SNUG_H5_NAME_BYTES];
} snug_timeseries_found;

/** Finds the group, the data sets and the fields of one open file. */
SNUG_MUST_CHECK snug_status snug_timeseries_find(const snug_timeseries_options *options,
                                                 snug_h5_file *file, snug_arena *scratch,
                                                 snug_timeseries_found *out, snug_error *err);
/** The number of an equal layout of the index, or a copy in `arena`. */
SNUG_MUST_CHECK snug_status snug_timeseries_intern(snug_timeseries_index *index,
                                                   const snug_timeseries_layout *layout,
                                                   snug_arena *arena, int32_t *out_number,
                                                   snug_error *err);
/** The complete data set of a table of a file again. */
void snug_timeseries_dataset(const snug_timeseries_index *index, const snug_timeseries_file *file,
                             int32_t table, snug_h5_dataset *out);

/* ---- timeseries_scan.c ---- */

/** What one pass over a file finds; arrays from the scratch arena. */
typedef struct snug_timeseries_scan {
    int64_t sample_count;          /* Rows that the statistics are from. */
    const double *mean, *variance; /* [C + K] */
    int64_t run_count;
    const snug_timeseries_run *runs; /* first and count only. */
} snug_timeseries_scan;

/**
 * Reads a file once, as far as the options need: statistics over rows [stat_first, stat_end), runs
 * of rows that count, NaN.
 */
SNUG_MUST_CHECK snug_status snug_timeseries_scan_file(
    const snug_timeseries_options *options, const snug_h5_bytes *source,
    const snug_timeseries_found *found, int64_t stat_first, int64_t stat_end,
    snug_h5_scratch *h5_scratch, snug_arena *scratch, snug_timeseries_scan *out, snug_error *err);

/* ---- timeseries_cache.c ---- */

/** A cache file that is as it should be. */
typedef struct snug_timeseries_cached {
    int64_t bytes;
    int64_t data_offset;
} snug_timeseries_cached;

/** Hash of the source's identity and of all that decides the bytes of its cache file. */
uint64_t snug_timeseries_cache_key(const snug_timeseries_options *options, const char *path,
                                   const snug_file *file, int64_t stat_end);
SNUG_MUST_CHECK snug_status snug_timeseries_cache_path(const snug_timeseries_options *options,
                                                       const char *path, uint64_t key,
                                                       char out[SNUG_PATH_BYTES], snug_error *err);
/** *out_there is false for a file that is missing, damaged or of another key: it is to be built. */
SNUG_MUST_CHECK snug_status snug_timeseries_cache_load(
    const char *path, uint64_t key, const snug_timeseries_found *found, snug_arena *scratch,
    bool *out_there, snug_timeseries_cached *out, snug_timeseries_scan *out_scan, snug_error *err);
/** @param statistics  mean [C + K], std [C + K]; may be NULL unless a field uses SESSION. */
SNUG_MUST_CHECK snug_status snug_timeseries_cache_build(
    const snug_timeseries_options *options, const char *path, uint64_t key,
    const snug_h5_bytes *source, const snug_timeseries_found *found,
    const snug_timeseries_scan *scan, const float *statistics, snug_h5_scratch *h5_scratch,
    snug_arena *scratch, snug_timeseries_cached *out, snug_error *err);
/** The layout of a cache file's rows, in the scratch arena. */
SNUG_MUST_CHECK snug_status snug_timeseries_cache_layout(const snug_timeseries_found *found,
                                                         snug_arena *scratch, int64_t data_offset,
                                                         snug_timeseries_layout **out,
                                                         snug_error *err);

/* ---- timeseries_split.c ---- */

/**
 * The part of each file, by metadata or by seed and fractions. Files that are left out disappear
 * from `paths` and lower *count. *out_by_time: there is one file, and its rows are to be split
 * instead.
 */
SNUG_MUST_CHECK snug_status snug_timeseries_split(const snug_timeseries_options *options,
                                                  const char **paths, int64_t *count,
                                                  snug_arena *scratch, snug_timeseries_part *parts,
                                                  bool *out_by_time, snug_error *err);

/* ---- timeseries_window.c ---- */

/** Numbers runs and windows of a segment; returns its number of windows. */
int64_t snug_timeseries_number(const snug_timeseries_options *options, int64_t stride,
                               snug_timeseries_segment *segment);

/** Which windows an epoch of a part shows at which position; made once a batch. */
typedef struct snug_timeseries_view {
    const snug_timeseries_index *index;
    snug_timeseries_part part;
    bool training;
    int64_t epoch;
    snug_order order;
} snug_timeseries_view;

void snug_timeseries_view_init(snug_timeseries_view *view, const snug_timeseries_index *index,
                               bool training, int64_t epoch);
snug_timeseries_window snug_timeseries_window_at(const snug_timeseries_view *view,
                                                 int64_t position);
/** Rows of a window that count among those with a target. */
int64_t snug_timeseries_valid_rows(const snug_timeseries_index *index,
                                   const snug_timeseries_window *window);
/** Rows of [first, end) that are in a run of the segment. */
int64_t snug_timeseries_valid_between(const snug_timeseries_segment *segment, int64_t first,
                                      int64_t end);

/* ---- timeseries_read.c ---- */

/** An open file as the HDF5 reader sees it; borrowed. */
snug_h5_bytes snug_timeseries_bytes(snug_file *file);

/** One thread's means to read windows. All zeros is a valid empty one. */
typedef struct snug_timeseries_reader {
    const snug_timeseries_index *index;
    snug_descriptors *descriptors; /* Shared. */
    snug_chunk_cache *cache;       /* Shared; NULL when nothing is filtered. */
    snug_h5_scratch scratch;
    unsigned char *rows; /* Raw rows as they lie in the file. */
    int64_t rows_bytes;
    const snug_timeseries_file *held_file; /* What `rows` holds; NULL: nothing. */
    int32_t held_table;
    int64_t held_first, held_count;
} snug_timeseries_reader;

/** Bytes of the arena that snug_timeseries_reader_init takes. */
int64_t snug_timeseries_reader_size(const snug_timeseries_index *index);
SNUG_MUST_CHECK snug_status snug_timeseries_reader_init(snug_timeseries_reader *reader,
                                                        const snug_timeseries_index *index,
                                                        snug_descriptors *descriptors,
                                                        snug_chunk_cache *cache, snug_arena *arena,
                                                        snug_error *err);
void snug_timeseries_reader_deinit(snug_timeseries_reader *reader);

/** Where the streams of one sample go; NULL: not wanted. */
typedef struct snug_timeseries_output {
    float *input;
    float *target;
    unsigned char *mask;
    float *initial;
} snug_timeseries_output;

SNUG_MUST_CHECK snug_status snug_timeseries_read(snug_timeseries_reader *reader,
                                                 const snug_timeseries_window *window,
                                                 const snug_timeseries_output *output,
                                                 snug_error *err);

/* ---- timeseries_gather.c ---- */

/**
 * Numbers of `rows` rows become f32 channels, normalised when mean is given.
 *
 *     out[i * out_stride + c] = (x[i, c] - mean[c]) / std[c]
 *
 * @return true when all results are finite.
 */
bool snug_timeseries_gather(const snug_timeseries_span *span, const unsigned char *rows,
                            int64_t row_bytes, int64_t row_count, const float *mean,
                            const float *std, float *out, int64_t out_stride);
/** SNUG_CODE_DATA naming the first number that is not finite; call after a gather said so. */
snug_status snug_timeseries_blame(const snug_timeseries_span *span, snug_field_kind kind,
                                  const unsigned char *rows, int64_t row_bytes, int64_t row_count,
                                  int64_t first_row, snug_error *err);

#endif
