/* Time series in HDF5 sessions: an index in memory, windows by arithmetic, rows read on demand. */
#ifndef SNUG_DATA_TIMESERIES_TIMESERIES_H
#define SNUG_DATA_TIMESERIES_TIMESERIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/status.h"
#include "data/source.h"

enum {
    SNUG_TIMESERIES_TABLES_MAX = 4,      /* Data sets that one session is read from. */
    SNUG_TIMESERIES_SPANS_MAX = 64,      /* Fields in one list of names. */
    SNUG_TIMESERIES_LAYOUTS_MAX = 4096,  /* Different row layouts in one data set. */
    SNUG_TIMESERIES_WINDOW_MAX = 1 << 24 /* Rows of a window. */
};

typedef enum snug_timeseries_part {
    SNUG_TIMESERIES_TRAIN,
    SNUG_TIMESERIES_VALIDATION,
    SNUG_TIMESERIES_TEST,
    SNUG_TIMESERIES_PART_COUNT
} snug_timeseries_part;

/** "train", "validation", "test". */
const char *snug_timeseries_part_name(snug_timeseries_part part);

typedef enum snug_normalise {
    SNUG_NORMALISE_NONE,
    SNUG_NORMALISE_SESSION, /* (x - mean) / std with the statistics of the file itself. */
    SNUG_NORMALISE_TRAIN    /* With the statistics of all files of the train part together. */
} snug_normalise;

/** The streams of this source, by their number. */
typedef enum snug_timeseries_stream {
    SNUG_TIMESERIES_INPUT,   /* f32 [window rows, C], channels last, normalised. */
    SNUG_TIMESERIES_TARGET,  /* f32 [target rows, K]. */
    SNUG_TIMESERIES_MASK,    /* u8 [target rows], 1 where the row counts. */
    SNUG_TIMESERIES_INITIAL, /* f32 [K], the first target row. */
    SNUG_TIMESERIES_STREAM_COUNT
} snug_timeseries_stream;

/**
 * What to read and how. All zeros with a path is valid and means the defaults below.
 *
 * Fields are named by comma-separated lists: "emg" is the whole member, "emg[0:8]" its elements 0
 * to 7, "OT" a scalar member. A name that is no member of the compound data set is looked up as a
 * data set of its own (rows x columns) beside it: "block0_values[0:4]". The order of members in the
 * file does not matter.
 */
typedef struct snug_timeseries_options {
    const char *path;    /**< A folder of .hdf5, .h5 files (not searched deeper), or one file. */
    const char *group;   /**< NULL: "emg2pose", else the first group that has the data set. */
    const char *dataset; /**< Compound, one dimension. NULL: "timeseries". */
    const char *inputs;  /**< NULL: "emg". */
    const char *targets; /**< NULL: "joint_angles". */

    int64_t window;            /**< Rows, >= 1. */
    int64_t stride;            /**< Rows between windows of the train part; 0: window. */
    int64_t evaluation_stride; /**< Of the other parts; 0: as in training. */
    int64_t padding_left;      /**< Rows of input before the window; zeros beyond the session. */
    int64_t padding_right;     /**< Rows after it. */
    int64_t left_context;      /**< First rows, padding included, that have no target. */
    bool jitter;               /**< Train: start moved by [0, min(stride, rows left)). */
    bool rotate_channels;      /**< Train: channels rolled by -1, 0 or 1. */
    bool use_mask;             /**< A row whose targets are all within 1e-8 of 0 does not count. */
    bool skip_invalid;         /**< Windows lie inside runs of rows that count. */
    bool check; /**< Reads everything once at the index: NaN is found before training. */
    snug_normalise normalise_inputs;
    snug_normalise normalise_targets;
    int64_t max_samples_for_normalize; /**< Rows a file; 0: 10000. */

    double train_fraction;      /**< Of the files; 0: 0.7. */
    double validation_fraction; /**< 0: 0.15. What is left is the test part. */
    uint64_t split_seed;        /**< Which files: a function of this and the number of files. */
    const char *metadata;  /**< CSV with columns filename, split; NULL: metadata.csv if there. */
    int64_t max_files;     /**< The first ones by name; 0: all. */
    const char *cache_dir; /**< Folder for rows as f32, normalised by session; NULL: none. */

    uint64_t seed;                        /**< Order, jitter and rotation. */
    snug_timeseries_part evaluation_part; /**< What `training` = false reads; TRAIN: VALIDATION. */
    bool evaluate_all;         /**< Every file is of the validation part; none is trained on. */
    int32_t workers;           /**< 0 to SNUG_WORKERS_MAX; 0: fetch does the work. */
    int32_t slots;             /**< Of the ring; 0: 2 for each worker, at least 4. */
    int64_t slot_bytes;        /**< 0: one sample of every stream, >= 256 KiB. */
    int64_t chunk_cache_bytes; /**< Decoded chunks; 0: 64 MiB; raised when too small. */
    int64_t request_count_max; /**< Of a schedule; 0: 4096. */
} snug_timeseries_options;

/** What the index knows; everything a plan or a report needs. Plain data, immutable. */
typedef struct snug_timeseries_facts {
    int64_t file_count;
    int64_t part_file_count[SNUG_TIMESERIES_PART_COUNT];
    int64_t window_count[SNUG_TIMESERIES_PART_COUNT];
    bool split_by_time; /* One file: its rows were split, in the order train, validation, test. */
    int64_t row_count;
    int64_t valid_row_count; /* row_count when nothing is masked. */
    int64_t input_count;     /* C */
    int64_t target_count;    /* K */
    int64_t window_rows;     /* With padding. */
    int64_t target_rows;     /* window_rows - left_context */
    double sample_rate;      /* Rows per second, as the files say; 0: they do not. */
    int64_t layout_count;
    int64_t index_bytes;       /* Taken from the arena by the index. */
    int64_t cached_file_count; /* Files whose rows were in cache_dir already. */
} snug_timeseries_facts;

/** Which files and rows there are. Lives in the arena of snug_timeseries_index_open. */
typedef struct snug_timeseries_index snug_timeseries_index;

/**
 * Looks at every file once: layout, rows, statistics, rows that count; closes it again.
 *
 * @param options  Copied, strings included.
 * @param arena    Keeps the index, about 200 bytes a file plus 16 a run of rows that count, a chunk
 *                 (of a chunked file), and 8 a channel; grows. As before on failure.
 * @errors  SNUG_CODE_NOT_FOUND (no files; a name, with the nearest one), DATA (NaN with file, row
 * and channel; shapes that differ; nothing to train on), FORMAT, UNSUPPORTED, USAGE, IO.
 * @threads One thread; the result may be read by any number.
 */
SNUG_MUST_CHECK snug_status snug_timeseries_index_open(const snug_timeseries_options *options,
                                                       snug_arena *arena,
                                                       snug_timeseries_index **out_index,
                                                       snug_error *err);
const snug_timeseries_facts *snug_timeseries_facts_of(const snug_timeseries_index *index);

/** Which part `training` = false reads from now on, any of the three; before the source is opened.
 */
void snug_timeseries_evaluate_part(snug_timeseries_index *index, snug_timeseries_part part);

/** Bytes that snug_timeseries_open takes from its arena, exactly. */
int64_t snug_timeseries_size(const snug_timeseries_index *index);

/**
 * A source over an index. Everything it will ever need is taken here: slots, scratch, cache,
 * threads.
 *
 * @param index  Borrowed; outlives the source.
 * @param arena  Gives snug_timeseries_size() bytes. As before on failure.
 * @mem     Stacks of the workers come from the runtime category; libdeflate takes about 11 KiB for
 *          each reader when a file is deflated.
 * @threads The calls of the source are for one thread at a time.
 */
SNUG_MUST_CHECK snug_status snug_timeseries_open(const snug_timeseries_index *index,
                                                 snug_arena *arena, snug_source **out_source,
                                                 snug_error *err);

/** Where a sample comes from. */
typedef struct snug_timeseries_place {
    const char *path;
    int64_t file;      /* In [0, file_count). */
    int64_t row_first; /* First row of the input; < 0 inside left padding. */
    int32_t rotation;  /* Of the channels. */
} snug_timeseries_place;

/** The place of a position, a function of (seed, epoch, position) and the index. */
snug_timeseries_place snug_timeseries_locate(const snug_timeseries_index *index, bool training,
                                             int64_t epoch, int64_t position);

/** Path, rows and statistics of one file, for reports and for undoing the normalisation. */
typedef struct snug_timeseries_session {
    const char *path;
    int64_t row_count;
    snug_timeseries_part part;             /* TRAIN when the rows of one file were split. */
    const float *input_mean, *input_std;   /* C each; NULL: not normalised. */
    const float *target_mean, *target_std; /* K each; NULL: not normalised. */
} snug_timeseries_session;

snug_timeseries_session snug_timeseries_session_at(const snug_timeseries_index *index,
                                                   int64_t file);

/** How the loader fared, for people; not a result. */
typedef struct snug_timeseries_times {
    int64_t busy_ns, starved_ns;
    int64_t cache_hits, cache_waits, cache_misses;
} snug_timeseries_times;

void snug_timeseries_times_read(snug_source *source, snug_timeseries_times *out);

#endif
