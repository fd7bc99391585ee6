/* A bounded reader of HDF5 files: parse once into plain data, then read rows with only pread. */
#ifndef SNUG_DATA_HDF5_H5_H
#define SNUG_DATA_HDF5_H5_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/status.h"
#include "sys/file.h"

/*
 * Life of a file: snug_h5_open (working memory from one arena) -> snug_h5_find ->
 * snug_h5_dataset_open (the result from another arena) -> rewind the first arena. What is left,
 * snug_h5_dataset, is plain data that never changes: any number of threads may read rows through
 * it at the same time, each with a scratch of its own.
 *
 * Nothing is allocated or looped over in proportion to a number in the file before that number was
 * held against the file's size and the limits below. Source of the format: "HDF5 File Format
 * Specification Version 3.0", The HDF Group.
 */
enum {
    SNUG_H5_RANK_MAX = 32,             /* As in the format. */
    SNUG_H5_FILTERS_MAX = 8,           /* Filters of one data set. */
    SNUG_H5_FILTER_VALUES_MAX = 8,     /* Client values kept of one filter. */
    SNUG_H5_MEMBERS_MAX = 4096,        /* Members of one compound type, nested ones counted. */
    SNUG_H5_TYPE_DEPTH_MAX = 16,       /* Compound in array in compound ... */
    SNUG_H5_LINKS_DEPTH_MAX = 16,      /* Soft links followed for one path. */
    SNUG_H5_NAME_BYTES = 1024,         /* A link or attribute name with its zero. */
    SNUG_H5_CHUNKS_MAX = 1 << 20,      /* Chunks of one data set: 16 MiB of table. */
    SNUG_H5_CHUNK_BYTES_MAX = 1 << 24, /* Decoded bytes of one chunk. */
    SNUG_H5_OPEN_BYTES_MAX = 1 << 26,  /* All memory taken by one open file and its data sets. */
    SNUG_H5_WORK_MAX = 1 << 19         /* Metadata reads of one open file: ends a hostile one. */
};

/** Where the bytes come from: a file, or memory in tests and fuzzing. Borrowed, never owned. */
typedef struct snug_h5_bytes {
    void *context;
    int64_t size; /* Of the whole file. */
    /** Exactly `bytes` at `offset`, both already checked against `size`. @threads Must be safe. */
    snug_status (*read_at)(void *context, int64_t offset, int64_t bytes, void *buffer,
                           snug_error *err);
} snug_h5_bytes;

/** A file in memory as a source; `data` is borrowed. */
typedef struct snug_h5_memory {
    const unsigned char *data;
    int64_t bytes;
} snug_h5_memory;
snug_h5_bytes snug_h5_bytes_from_memory(snug_h5_memory *memory);
/** An open file as a source; `file` is borrowed and reading it is safe from many threads. */
snug_h5_bytes snug_h5_bytes_from_file(snug_file *file);

typedef enum snug_h5_kind {
    SNUG_H5_UNSUPPORTED, /* Named by `type_name`, cannot be converted. */
    SNUG_H5_SIGNED,
    SNUG_H5_UNSIGNED,
    SNUG_H5_FLOAT,        /* IEEE 754 binary16, binary32, binary64. */
    SNUG_H5_TEXT_FIXED,   /* `bytes` long; ended by a zero, or padded. */
    SNUG_H5_TEXT_VARIABLE /* A reference into the file's global heap. */
} snug_h5_kind;

/** One member of a compound row, or the only one (named "") of a plain data set. */
typedef struct snug_h5_member {
    const char *name;      /* "emg"; "a.b" in a nested compound; "" when there is no compound. */
    const char *type_name; /* For people: "f4", "big-endian i2", "reference", ... */
    int64_t offset;        /* Bytes from the start of an element. */
    int64_t count;         /* Elements of an array member, 1 for a scalar. */
    int32_t bytes;         /* Of one element, 1, 2, 4 or 8 for numbers. */
    snug_h5_kind kind;
    bool big_endian;
    bool space_padded; /* TEXT_FIXED only. */
} snug_h5_member;

typedef struct snug_h5_type {
    int64_t bytes; /* Of one element of the data set, all members and gaps together. */
    bool compound;
    int64_t member_count; /* >= 1. */
    const snug_h5_member *members;
} snug_h5_type;

typedef enum snug_h5_filter_id {
    SNUG_H5_DEFLATE = 1,
    SNUG_H5_SHUFFLE = 2,
    SNUG_H5_FLETCHER32 = 3,
    SNUG_H5_LZF = 32000
} snug_h5_filter_id;

typedef struct snug_h5_filter {
    int32_t id; /* snug_h5_filter_id: other filters are refused when the data set is opened. */
    int32_t value_count;
    uint32_t values[SNUG_H5_FILTER_VALUES_MAX];
} snug_h5_filter;

/** One chunk; 16 bytes. A chunk that was never written has address SNUG_H5_NO_ADDRESS. */
typedef struct snug_h5_chunk {
    uint64_t address; /* From the start of the file (base address and user block included). */
    uint32_t stored_bytes;
    uint32_t filter_mask; /* Bit i set: filter i was skipped for this chunk. */
} snug_h5_chunk;

#define SNUG_H5_NO_ADDRESS UINT64_MAX

typedef enum snug_h5_layout {
    SNUG_H5_COMPACT, /* Inside the object header; read exactly like CONTIGUOUS. */
    SNUG_H5_CONTIGUOUS,
    SNUG_H5_CHUNKED
} snug_h5_layout;

/**
 * Everything needed to read one data set. A row is one step of the first axis:
 * `row_bytes` = type.bytes * extents[1] * ... ; a scalar has one row. Plain data, immutable.
 *
 * Chunked: the rows are cut into `block_count` blocks of `block_rows` rows (the last may be
 * shorter). A block is `block_chunks` neighbouring entries of `chunks`. When `block_is_chunk`
 * holds, a block is one chunk whose decoded bytes are exactly block_rows whole rows.
 */
typedef struct snug_h5_dataset {
    snug_h5_type type;
    int32_t rank;
    int64_t extents[SNUG_H5_RANK_MAX];
    int64_t row_count;
    int64_t row_bytes;

    snug_h5_layout layout;
    uint64_t data_address; /* Compact, contiguous; SNUG_H5_NO_ADDRESS: never written, all fill. */

    int64_t chunk_extents[SNUG_H5_RANK_MAX];
    int64_t chunk_bytes; /* Decoded, edge chunks included: every chunk is stored whole. */
    int64_t chunk_count;
    const snug_h5_chunk *chunks; /* Row-major over the grid of chunks. */
    int64_t stored_bytes_max;    /* Largest stored chunk. */
    int64_t block_rows;
    int64_t block_count;
    int64_t block_chunks;
    bool block_is_chunk;

    int32_t filter_count;
    snug_h5_filter filters[SNUG_H5_FILTERS_MAX]; /* In writing order; undone backwards. */
    const unsigned char *fill;                   /* type.bytes long, or NULL for zeros. */
} snug_h5_dataset;

typedef struct snug_h5_file snug_h5_file; /* Private; lives in the arena given to snug_h5_open. */

typedef enum snug_h5_object_kind {
    SNUG_H5_OBJECT_GROUP,
    SNUG_H5_OBJECT_DATASET,
    SNUG_H5_OBJECT_TYPE,
    SNUG_H5_OBJECT_OTHER
} snug_h5_object_kind;

/** A group or data set: where its object header is, relative to the file's base address. */
typedef struct snug_h5_object {
    uint64_t address;
    snug_h5_object_kind kind;
} snug_h5_object;

/**
 * Finds and checks the superblock.
 *
 * @param source Copied; what it points to must outlive the file.
 * @param arena  Working memory: about 300 KiB for the file; rewind to give it back.
 * Errors: SNUG_CODE_FORMAT (no HDF5 file, truncated, damaged), UNSUPPORTED, LIMIT, IO.
 * @threads One thread at a time per file.
 */
SNUG_MUST_CHECK snug_status snug_h5_open(const snug_h5_bytes *source, snug_arena *arena,
                                         snug_h5_file **out_file, snug_error *err);

/**
 * The object at `path` ("/emg2pose/timeseries"; the leading '/' may be missing; "/" is the root
 * group). Follows hard and soft links. SNUG_CODE_NOT_FOUND names the nearest link.
 */
SNUG_MUST_CHECK snug_status snug_h5_find(snug_h5_file *file, const char *path,
                                         snug_h5_object *out_object, snug_error *err);

typedef enum snug_h5_link_kind {
    SNUG_H5_LINK_HARD,
    SNUG_H5_LINK_SOFT,
    SNUG_H5_LINK_EXTERNAL /* And user-defined ones: never followed. */
} snug_h5_link_kind;

/** One link of a group; all pointers are valid during the callback only. */
typedef struct snug_h5_link {
    const char *name;
    snug_h5_link_kind kind;
    uint64_t address;   /* HARD. */
    const char *target; /* SOFT. */
} snug_h5_link;

/** Sees one link; `*stop` ends the listing without an error. The file may not be used inside. */
typedef snug_status (*snug_h5_link_visit)(void *context, const snug_h5_link *link, bool *stop,
                                          snug_error *err);
/** Calls `visit` for every link of a group, in the file's own order. */
SNUG_MUST_CHECK snug_status snug_h5_list(snug_h5_file *file, snug_h5_object group,
                                         snug_h5_link_visit visit, void *context, snug_error *err);
/** What a hard link's address leads to. */
SNUG_MUST_CHECK snug_status snug_h5_object_at(snug_h5_file *file, uint64_t address,
                                              snug_h5_object *out_object, snug_error *err);

/**
 * Reads type, extent, layout, filters and the whole chunk index of a data set.
 *
 * @param arena        Owns everything `*out_dataset` points to. May be the file's own arena.
 * @param[out] dataset Filled on success only; independent of `file` afterwards.
 * Errors: SNUG_CODE_UNSUPPORTED names what is missing (a filter, external or virtual storage);
 * FORMAT with the place; LIMIT. Members of an unsupported kind are no error: see their kind.
 */
SNUG_MUST_CHECK snug_status snug_h5_dataset_open(snug_h5_file *file, snug_h5_object object,
                                                 snug_arena *arena, snug_h5_dataset *out_dataset,
                                                 snug_error *err);

/** The member called `name`, NULL when there is none. */
const snug_h5_member *snug_h5_member_find(const snug_h5_dataset *dataset, const char *name);

/* ---- Reading rows: no parser, no arena, nothing allocated ---- */

/** One thread's deflate decompressor. libdeflate mallocs 11 KiB for it: make it before the seal. */
typedef struct snug_h5_inflater snug_h5_inflater;
SNUG_MUST_CHECK snug_status snug_h5_inflater_create(snug_h5_inflater **out, snug_error *err);
void snug_h5_inflater_destroy(snug_h5_inflater *inflater); /* NULL is allowed. */

/**
 * What one reading thread needs. `memory` may be NULL and `memory_bytes` 0 for data sets whose
 * snug_h5_scratch_bytes() is 0; `inflater` may be NULL when no chunk is deflated.
 */
typedef struct snug_h5_scratch {
    snug_h5_inflater *inflater;
    unsigned char *memory; /* At least snug_h5_scratch_bytes(dataset), aligned to 16. */
    int64_t memory_bytes;
} snug_h5_scratch;

/** Scratch bytes for snug_h5_block_read, _chunk_decode and _read_rows; 0 unless chunked. */
int64_t snug_h5_scratch_bytes(const snug_h5_dataset *dataset);

/** Bytes of a decoded block, block_rows * row_bytes: what a cache stores. 0 unless chunked. */
int64_t snug_h5_block_bytes(const snug_h5_dataset *dataset);

/**
 * Reads, decodes and puts together one block of rows of a chunked data set.
 *
 * @param block   In [0, block_count).
 * @param[out] rows  snug_h5_block_bytes() bytes; rows beyond row_count in the last block are
 *                   unspecified. Unspecified on failure.
 * Errors: IO, FORMAT (a damaged chunk, with its number and address), UNSUPPORTED (no inflater).
 * @threads Reentrant with one scratch per thread.
 */
SNUG_MUST_CHECK snug_status snug_h5_block_read(const snug_h5_bytes *source,
                                               const snug_h5_dataset *dataset, int64_t block,
                                               snug_h5_scratch *scratch, void *rows,
                                               snug_error *err);

/**
 * Undoes the filters of one chunk that the caller has read.
 *
 * @param      chunk  Index into dataset->chunks; must have an address.
 * @param[in]  raw    The chunk's stored_bytes; not inside the scratch.
 * @param[out] out    chunk_bytes bytes.
 */
SNUG_MUST_CHECK snug_status snug_h5_chunk_decode(const snug_h5_dataset *dataset, int64_t chunk,
                                                 const void *raw, snug_h5_scratch *scratch,
                                                 void *out, snug_error *err);

/**
 * Rows [first, first + count) of any layout, the simple path without a cache.
 * A contiguous data set is one pread straight into `rows`.
 *
 * @param[out] rows count * row_bytes bytes, as in the file (byte order, gaps and all).
 */
SNUG_MUST_CHECK snug_status snug_h5_read_rows(const snug_h5_bytes *source,
                                              const snug_h5_dataset *dataset, int64_t first,
                                              int64_t count, snug_h5_scratch *scratch, void *rows,
                                              snug_error *err);

/** Fills rows with the fill value (zeros by default). */
void snug_h5_fill_rows(const snug_h5_dataset *dataset, int64_t rows_bytes, void *rows);

/** Converts `count` numbers of a member, from element `first` of its array; number kinds only. */
void snug_h5_to_f64(const snug_h5_member *member, const void *element, int64_t first, int64_t count,
                    double *out);
void snug_h5_to_f32(const snug_h5_member *member, const void *element, int64_t first, int64_t count,
                    float *out);
/** Whether the kind is a number that snug_h5_to_f64 converts. */
bool snug_h5_is_number(const snug_h5_member *member);

/* ---- Attributes and text ---- */

/** An attribute; all pointers are valid until the next call with the same file. */
typedef struct snug_h5_attribute {
    const char *name;
    snug_h5_member type; /* The only member; of kind UNSUPPORTED for compounds and the like. */
    int64_t count;       /* Elements of the attribute's own dataspace; 0 for a null space. */
    const unsigned char *data;
    int64_t data_bytes;
} snug_h5_attribute;

typedef snug_status (*snug_h5_attribute_visit)(void *context, snug_h5_file *file,
                                               const snug_h5_attribute *attribute, bool *stop,
                                               snug_error *err);
/** Calls `visit` for every attribute of a group or data set; it may call snug_h5_text_value. */
SNUG_MUST_CHECK snug_status snug_h5_attribute_list(snug_h5_file *file, snug_h5_object object,
                                                   snug_h5_attribute_visit visit, void *context,
                                                   snug_error *err);
/** The value of attribute `name`; NOT_FOUND when it is missing, DATA when it has another type. */
SNUG_MUST_CHECK snug_status snug_h5_attribute_f64(snug_h5_file *file, snug_h5_object object,
                                                  const char *name, double *out, snug_error *err);
SNUG_MUST_CHECK snug_status snug_h5_attribute_i64(snug_h5_file *file, snug_h5_object object,
                                                  const char *name, int64_t *out, snug_error *err);
/** Text without its padding, ended by a zero; LIMIT when it does not fit `out_bytes`. */
SNUG_MUST_CHECK snug_status snug_h5_attribute_text(snug_h5_file *file, snug_h5_object object,
                                                   const char *name, char *out, int64_t out_bytes,
                                                   snug_error *err);
/** The text of a TEXT_FIXED or TEXT_VARIABLE member: element `index` of its array. */
SNUG_MUST_CHECK snug_status snug_h5_text_value(snug_h5_file *file, const snug_h5_member *member,
                                               const void *element, int64_t index, char *out,
                                               int64_t out_bytes, snug_error *err);

#endif
