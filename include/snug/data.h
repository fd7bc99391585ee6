/* Data sets: what is in a file, and how to make one. */
#ifndef SNUG_DATA_H
#define SNUG_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "snug/status.h"
#include "snug/write.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct snug_data_describe_options {
    const char *path;    /**< An HDF5 file. */
    const char *group;   /**< NULL: find it. */
    const char *dataset; /**< NULL: "timeseries". */
    const char *inputs;  /**< Members, as data.inputs of a configuration; NULL: "emg". */
    const char *targets; /**< NULL: "joint_angles". */
} snug_data_describe_options;

/**
 * Writes layout, rows, rate and statistics of a session file: for people, or schema snug.data/1.
 * Every row is read. A file that holds no such session is listed object by object, with the reason.
 * @mem     A few MiB while it runs, whatever the size of the file.
 * @errors  SNUG_CODE_FORMAT, SNUG_CODE_UNSUPPORTED, SNUG_CODE_LIMIT, SNUG_CODE_IO.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_data_describe(const snug_data_describe_options *options,
                                                        snug_format format, snug_write write,
                                                        void *context, snug_error *err);

typedef struct snug_data_convert_options {
    const char *const *paths; /**< CSV files, one session each. */
    int64_t path_count;
    const char *out;     /**< Folder; made when missing. Each file keeps its name, ending .hdf5. */
    const char *inputs;  /**< Columns: "emg1..emg8", "a,b,c" or both mixed; member "emg". */
    const char *targets; /**< The same; member "joint_angles". */
    const char *time;    /**< Column of the time in seconds; NULL: made from `rate`. */
    double rate;         /**< Rows per second; > 0. */
    const char *group;   /**< NULL: "emg2pose". */
    bool overwrite;
} snug_data_convert_options;

typedef struct snug_data_result {
    int64_t files;
    int64_t rows;
    int64_t bytes; /**< Written. */
} snug_data_result;

/**
 * Makes one HDF5 session per CSV file (group with a 1-D compound data set: time f8, targets f8,
 * inputs f4) and reads it back to check it.
 * @errors  SNUG_CODE_NOT_FOUND for a column, with the nearest; SNUG_CODE_DATA for a cell that is no
 *          number (file, line, column); SNUG_CODE_FULL, SNUG_CODE_IO. Files appear whole or not.
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_data_convert(const snug_data_convert_options *options,
                                                       snug_data_result *out_result,
                                                       snug_error *err);

typedef struct snug_data_generate_options {
    const char *out;  /**< Folder; made when missing. */
    int64_t sessions; /**< Files; 0: 8. */
    int64_t rows;     /**< Per session; 0: 60 s. */
    int64_t channels; /**< Inputs; 0: 16. */
    int64_t targets;  /**< 0: 20. */
    double rate;      /**< Rows per second; 0: 2,000. */
    uint64_t seed;
    bool overwrite;
} snug_data_generate_options;

/** Writes learnable synthetic sessions: the targets are smooth, the inputs follow from them. */
SNUG_API SNUG_MUST_CHECK snug_status snug_data_generate(const snug_data_generate_options *options,
                                                        snug_data_result *out_result,
                                                        snug_error *err);

typedef struct snug_data_generate_text_options {
    const char *out; /**< Folder; made when missing. */
    int64_t rows;    /**< Of train.csv; 0: 400. */
    uint64_t seed;
    bool overwrite;
} snug_data_generate_text_options;

/**
 * Writes learnable synthetic text: train.csv, valid.csv, test.csv, and model/ with the shape and
 * the vocabulary of a small BERT that has no weights yet (model.pretrained=false).
 */
SNUG_API SNUG_MUST_CHECK snug_status snug_data_generate_text(
    const snug_data_generate_text_options *options, snug_data_result *out_result, snug_error *err);

#ifdef __cplusplus
}
#endif
#endif
