/* Writes an HDF5 file of one kind: a group with attributes and one compound data set of rows. */
#ifndef SNUG_DATA_HDF5_H5_WRITE_H
#define SNUG_DATA_HDF5_H5_WRITE_H

#include "data/hdf5/h5.h"
#include "sys/file.h"

enum {
    SNUG_H5_WRITE_MEMBERS_MAX = 256,
    SNUG_H5_WRITE_ATTRIBUTES_MAX = 256,
    SNUG_H5_WRITE_HEAD_BYTES = 1 << 16 /* All of the file but its rows. */
};

/** One member of a row; members lie behind each other without gaps, little-endian. */
typedef struct snug_h5_write_member {
    const char *name;
    snug_h5_kind kind; /* SIGNED, UNSIGNED or FLOAT. */
    int32_t bytes;     /* 1, 2, 4, 8; floats 4, 8. */
    int64_t count;     /* 1 writes a scalar, more an array member. */
} snug_h5_write_member;

typedef enum snug_h5_write_kind {
    SNUG_H5_WRITE_F64,
    SNUG_H5_WRITE_I64,
    SNUG_H5_WRITE_TEXT,      /* Variable length UTF-8, as h5py writes str. */
    SNUG_H5_WRITE_TEXT_FIXED /* Fixed length UTF-8. */
} snug_h5_write_kind;

typedef struct snug_h5_write_attribute {
    const char *name;
    snug_h5_write_kind kind;
    double f64;
    int64_t i64;
    const char *text;
} snug_h5_write_attribute;

/** Everything is borrowed until the commit or abort. */
typedef struct snug_h5_write_options {
    const char *path;
    const char *group;   /* "emg2pose": one name. */
    const char *dataset; /* "timeseries". */
    const snug_h5_write_member *members;
    int64_t member_count;
    const snug_h5_write_attribute *attributes; /* Of the group. */
    int64_t attribute_count;
    int64_t buffer_bytes; /* Bounce buffer; 0 picks 256 KiB. */
} snug_h5_write_options;

/** One file being written. All zeros is a closed writer. One thread at a time. */
typedef struct snug_h5_writer {
    snug_h5_write_options options;
    snug_file_writer file;
    unsigned char *head; /* SNUG_H5_WRITE_HEAD_BYTES. */
    int64_t head_bytes;
    int64_t row_bytes;
    int64_t row_count;
    bool open;
} snug_h5_writer;

/**
 * Begins "PATH.partial"; the file appears under its name at the commit.
 *
 * @param arena  Owns the head and the bounce buffer until commit or abort: 64 KiB + buffer_bytes.
 * Errors: USAGE (names, kinds), LIMIT (a head of more than 64 KiB), IO, FULL, BUSY.
 */
SNUG_MUST_CHECK snug_status snug_h5_writer_open(const snug_h5_write_options *options,
                                                snug_arena *arena, snug_h5_writer *out,
                                                snug_error *err);
/** Appends `count` rows of row_bytes each. */
SNUG_MUST_CHECK snug_status snug_h5_writer_rows(snug_h5_writer *writer, const void *rows,
                                                int64_t count, snug_error *err);
/** Writes the number of rows into the head and makes the file real. */
SNUG_MUST_CHECK snug_status snug_h5_writer_commit(snug_h5_writer *writer, snug_error *err);
/** Gives up and removes the partial file; NULL, closed and committed writers are allowed. */
void snug_h5_writer_abort(snug_h5_writer *writer);

#endif
