/* Making and describing time series sessions: synthetic ones, ones from CSV, what a file holds. */
#ifndef SNUG_DATA_TIMESERIES_TIMESERIES_FILES_H
#define SNUG_DATA_TIMESERIES_TIMESERIES_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "data/timeseries/timeseries.h"

/** All zeros with a folder is valid and means the defaults. */
typedef struct snug_timeseries_generate_options {
    const char *folder;      /**< Made when it is missing; files of the same names are replaced. */
    int64_t file_count;      /**< 0: 8. */
    int64_t row_count;       /**< A file; 0: 60 s of the rate. */
    int64_t input_count;     /**< C; 0: 16. */
    int64_t target_count;    /**< K; 0: 20. */
    double rate;             /**< Rows a second; 0: 2000. */
    double invalid_fraction; /**< Of the rows, whose targets are all zero, in runs; 0 to 0.9. */
    uint64_t seed;
} snug_timeseries_generate_options;

/** How far it is; return false to stop with SNUG_CODE_INTERRUPTED. */
typedef bool (*snug_timeseries_progress)(void *context, int64_t done, int64_t count);

/**
 * Writes session files in the emg2pose layout that a model can learn from: a few smooth random
 * motions are the targets (mixed and bounded) and drive the amplitude of the noise that is the
 * inputs. The mixing is the same in all files of a seed, the motions are not.
 *
 * The numbers are a function of (seed, file, row, channel).
 * @mem     About 0.5 MiB of the data category while it runs.
 */
SNUG_MUST_CHECK snug_status
snug_timeseries_generate(const snug_timeseries_generate_options *options,
                         snug_timeseries_progress progress, void *context, snug_error *err);

typedef struct snug_timeseries_convert_options {
    const char *input;          /**< A CSV file with a header line. */
    const char *output;         /**< The HDF5 file to make. */
    const char *inputs;         /**< Column names, "emg1..emg8" for a range, separated by commas. */
    const char *targets;        /**< The same. */
    const char *time;           /**< Column of seconds; NULL: row / rate. */
    double rate;                /**< Rows a second; > 0. */
    const char *group;          /**< NULL: "emg2pose". */
    const char *inputs_member;  /**< NULL: "emg". */
    const char *targets_member; /**< NULL: "joint_angles". */
    const char *user, *side, *stage; /**< Attributes; NULL: "". */
} snug_timeseries_convert_options;

typedef struct snug_timeseries_converted {
    int64_t row_count, input_count, target_count;
    int64_t zero_rows; /* Rows whose targets are all 0: they do not count when a mask is used. */
} snug_timeseries_converted;

/**
 * Writes one session from a CSV file and reads it back to compare every number.
 *
 * @errors  NOT_FOUND names the column and the nearest one; FORMAT and DATA name line and column.
 */
SNUG_MUST_CHECK snug_status snug_timeseries_convert(const snug_timeseries_convert_options *options,
                                                    snug_timeseries_converted *out,
                                                    snug_error *err);

enum { SNUG_DESCRIBE_CHANNELS_MAX = 256 };

typedef struct snug_timeseries_channel {
    char name[SNUG_NAME_BYTES]; /* "emg #3". */
    double mean, std, minimum, maximum;
    int64_t bad_count; /* NaN and infinities; not in the figures beside. */
} snug_timeseries_channel;

/** What one session file holds, for printing. */
typedef struct snug_timeseries_description {
    char group[SNUG_NAME_BYTES];
    char dataset[SNUG_NAME_BYTES];
    char layout[64];   /* "contiguous", "chunked 1000 rows, shuffle + deflate". */
    char members[512]; /* "time f8, joint_angles f8[20], emg f4[16]". */
    int64_t file_bytes;
    int64_t row_count, row_bytes;
    double rate; /* 0: unknown. */
    int64_t input_count, target_count;
    int64_t valid_rows;                /* Rows with a target away from 0. */
    int64_t channel_count;             /* Inputs first; cut at SNUG_DESCRIBE_CHANNELS_MAX. */
    snug_timeseries_channel *channels; /* In the arena. */
} snug_timeseries_description;

/** Reads a file once. Group, data set and fields as in `options`, whose path is not used. */
SNUG_MUST_CHECK snug_status snug_timeseries_describe(const char *path,
                                                     const snug_timeseries_options *options,
                                                     snug_arena *arena,
                                                     snug_timeseries_description *out,
                                                     snug_error *err);

#endif
