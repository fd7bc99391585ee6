/* What is in an HDF5 file, for people: every object with its shape, storage and attributes. */
#ifndef SNUG_DATA_HDF5_H5_DESCRIBE_H
#define SNUG_DATA_HDF5_H5_DESCRIBE_H

#include "data/hdf5/h5.h"

enum {
    SNUG_H5_ENTRIES_MAX = 4096,   /* Objects of one walk. */
    SNUG_H5_ATTRIBUTES_MAX = 256, /* Attributes described of one object. */
    SNUG_H5_VALUE_BYTES = 160     /* An attribute's value as text, cut beyond. */
};

/** One object met on a walk. Paths live in the walk's arena. */
typedef struct snug_h5_entry {
    const char *path; /* "/" for the root group. */
    snug_h5_object object;
    const snug_error *problem; /* NULL, or why the object cannot be read; `kind` is OTHER then. */
} snug_h5_entry;

/** The file may be used inside the visit; a failure ends the walk. */
typedef snug_status (*snug_h5_entry_visit)(void *context, snug_h5_file *file,
                                           const snug_h5_entry *entry, bool *stop, snug_error *err);

/**
 * Visits every object that hard links reach from the root group, each once, groups before what is
 * in them. Soft and external links are passed over. A damaged object is visited with its problem,
 * the rest of the file is still walked.
 *
 * @param arena  About 100 KiB for the list of objects, and their paths.
 * Errors: SNUG_CODE_LIMIT beyond SNUG_H5_ENTRIES_MAX objects; whatever `visit` returns.
 */
SNUG_MUST_CHECK snug_status snug_h5_walk(snug_h5_file *file, snug_arena *arena,
                                         snug_h5_entry_visit visit, void *context, snug_error *err);

typedef struct snug_h5_attribute_note {
    const char *name;
    const char *type_name; /* "f8", "text", ... */
    int64_t count;
    char value[SNUG_H5_VALUE_BYTES]; /* "2000", "right", "[1, 2, ...]". */
} snug_h5_attribute_note;

/** One object described; all pointers live in the arena given to snug_h5_describe. */
typedef struct snug_h5_description {
    const char *path;
    snug_h5_object_kind kind;
    const char *problem; /* NULL, or the one line that says why the object cannot be read. */
    const snug_h5_dataset *dataset; /* NULL unless a data set that can be read. */
    int64_t stored_bytes;           /* Data bytes on disk of the data set; 0 otherwise. */
    int64_t missing_chunks;         /* Chunks that were never written. */
    int64_t attribute_count;
    const snug_h5_attribute_note *attributes;
} snug_h5_description;

/** Describes every object of a file, in the order of snug_h5_walk. */
SNUG_MUST_CHECK snug_status snug_h5_describe(snug_h5_file *file, snug_arena *arena,
                                             const snug_h5_description **out, int64_t *out_count,
                                             snug_error *err);

/** "deflate", "shuffle", "fletcher32", "LZF"; never NULL. */
const char *snug_h5_filter_name(int32_t id);
/** "compact", "contiguous", "chunked"; never NULL. */
const char *snug_h5_layout_name(snug_h5_layout layout);

#endif
