/* The names of classes and their numbers: found in rows, read from a file, written as label2id. */
#ifndef SNUG_DATA_TEXT_LABELS_H
#define SNUG_DATA_TEXT_LABELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/status.h"
#include "data/text/rows.h"

enum {
    SNUG_LABEL_BYTES_MAX = 1023,         /* Of one name. */
    SNUG_LABEL_FILE_BYTES_MAX = 32 << 20 /* label2id.json, or names by line. */
};

/**
 * Class i has the name names[i]. Names are UTF-8 without zeros. All zeros is a map without labels.
 * Plain data over an arena: the map may be copied, the copy is a view. Finding is for any number of
 * threads, adding for one.
 */
typedef struct snug_labels {
    int64_t count;
    const char **names;

    /* Private. */
    bool by_number; /* Rows may name a class by its number: the map is of a file. */
    int64_t capacity;
    int64_t slot_count; /* Of a table by hash, a power of two, at most half full. */
    int32_t *slots;     /* 1 + class; 0: free. */
    snug_arena *arena;
} snug_labels;

/**
 * The labels of all rows (those that a joined row could choose from as well), sorted: by value when
 * every name is an integer, else by bytes, which is the order of code points. Reads to the end.
 *
 * @param[in,out] labels     New ones are added to those of an earlier call; sorted again.
 * @param         arena      Keeps the names; O(labels), the same for every call.
 * @param[out]    out_rows   Rows read; NULL is allowed.
 * @errors  LIMIT above SNUG_LABELS_MAX different labels (is it a column of labels?), or a name that
 *          is too long; those of the reader. `labels` is then good for nothing.
 */
SNUG_MUST_CHECK snug_status snug_labels_collect(snug_text_reader *reader, snug_arena *arena,
                                                snug_labels *labels, int64_t *out_rows,
                                                snug_error *err);

/**
 * From a file: an object of names and numbers ({"name": 0, ...}, each number from 0 once), or one
 * name a line in the order of their numbers (the last line may lack its end). With such a map a row
 * may also name a class by its number, where no class has an integer for a name.
 *
 * @errors  FORMAT, DATA (a name or number twice, a number missing), LIMIT, IO; with the path.
 */
SNUG_MUST_CHECK snug_status snug_labels_load(const char *path, snug_arena *arena, snug_labels *out,
                                             snug_error *err);

/** From names in the order of their numbers, as a checkpoint knows them; the names are copied. */
SNUG_MUST_CHECK snug_status snug_labels_from_names(const char *const *names, int64_t count,
                                                   snug_arena *arena, snug_labels *out,
                                                   snug_error *err);

/** The number of a name, or -1. */
int64_t snug_labels_find(const snug_labels *labels, const char *name, int64_t bytes);

/**
 * The number of a row's label; -1 for a row that has none.
 * @errors  DATA with path, line, the label and the nearest one that there is.
 */
SNUG_MUST_CHECK snug_status snug_labels_of_row(const snug_labels *labels,
                                               const snug_text_reader *reader,
                                               const snug_text_row *row, int32_t *out,
                                               snug_error *err);

/** DATA when there is nothing to tell apart: fewer than two classes. `where` begins the message. */
SNUG_MUST_CHECK snug_status snug_labels_check_training(const snug_labels *labels, const char *where,
                                                       snug_error *err);

/** {"name": number, ...} by numbers; the file appears whole or not at all. `scratch` is rewound. */
SNUG_MUST_CHECK snug_status snug_labels_write(const snug_labels *labels, const char *path,
                                              snug_arena *scratch, snug_error *err);

/** A hash of all names in their order. */
uint64_t snug_labels_hash(const snug_labels *labels);

#endif
