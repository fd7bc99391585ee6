/* What the parts of the HDF5 parser share: bounded reads, cursors, headers, trees, heaps. */
#ifndef SNUG_DATA_HDF5_H5_INTERNAL_H
#define SNUG_DATA_HDF5_H5_INTERNAL_H

#include <string.h>

#include "data/hdf5/h5.h"

enum {
    SNUG_H5_MESSAGE_BYTES = 1 << 16, /* A header message's size has 16 bits. */
    SNUG_H5_WINDOW_BYTES = 1 << 14,
    SNUG_H5_BLOCKS_MAX = 256, /* Pieces of one object header. */
    SNUG_H5_TREE_DEPTH_MAX = 16,
    SNUG_H5_ELEMENT_BYTES_MAX = 1 << 24
};

/* The message buffers: each stage of a nested look-up has its own. */
typedef enum snug_h5_slot {
    SNUG_H5_SLOT_HEADER,
    SNUG_H5_SLOT_SHARED, /* A committed type met on the way. */
    SNUG_H5_SLOT_HEAP,   /* An object of a fractal heap. */
    SNUG_H5_SLOT_VALUE,  /* An attribute's value and the names that were asked for. */
    SNUG_H5_SLOT_COUNT
} snug_h5_slot;

struct snug_h5_file {
    snug_h5_bytes source;
    snug_arena *arena;
    uint64_t base; /* Where the signature is: addresses count from here. */
    uint64_t end;  /* Bytes from base to the end of the file. */
    uint64_t root;
    int32_t offset_bytes;
    int32_t length_bytes;
    int64_t memory_left;
    int64_t work_left;
    int64_t window_offset;
    int64_t window_bytes;
    unsigned char window[SNUG_H5_WINDOW_BYTES];
    unsigned char slots[SNUG_H5_SLOT_COUNT][SNUG_H5_MESSAGE_BYTES];
};

/* Little-endian reading with a sticky failure: check `bad` once, after a group of fields. */
typedef struct snug_h5_cursor {
    const unsigned char *at;
    int64_t left;
    bool bad;
} snug_h5_cursor;

uint64_t snug_h5_take(snug_h5_cursor *cursor, int64_t bytes);
void snug_h5_skip(snug_h5_cursor *cursor, int64_t bytes);
/* An address; "undefined" (all ones in the file's own width) becomes SNUG_H5_NO_ADDRESS. */
uint64_t snug_h5_take_address(snug_h5_cursor *cursor, const snug_h5_file *file);
uint64_t snug_h5_take_length(snug_h5_cursor *cursor, const snug_h5_file *file);
uint64_t snug_h5_little(const unsigned char *at, int64_t bytes);
/* A zero-ended name of at most `limit` bytes before its zero; NULL (and bad) when there is none. */
const char *snug_h5_take_name(snug_h5_cursor *cursor, int64_t *out_bytes);

/* Metadata at an address relative to the base: bounds checked, work charged. */
SNUG_MUST_CHECK snug_status snug_h5_read(snug_h5_file *file, uint64_t address, int64_t bytes,
                                         void *buffer, snug_error *err);
/* Whether [address, address + bytes) lies inside the file. */
bool snug_h5_inside(const snug_h5_file *file, uint64_t address, uint64_t bytes);
/* Zeroed items, charged to the file's memory limit. */
SNUG_MUST_CHECK snug_status snug_h5_alloc(snug_h5_file *file, snug_arena *arena, int64_t count,
                                          int64_t item_bytes, void **out, snug_error *err);

/* ---- Object headers ---- */

enum {
    SNUG_H5_MESSAGE_SPACE = 0x01,
    SNUG_H5_MESSAGE_LINK_INFO = 0x02,
    SNUG_H5_MESSAGE_TYPE = 0x03,
    SNUG_H5_MESSAGE_FILL_OLD = 0x04,
    SNUG_H5_MESSAGE_FILL = 0x05,
    SNUG_H5_MESSAGE_LINK = 0x06,
    SNUG_H5_MESSAGE_EXTERNAL = 0x07,
    SNUG_H5_MESSAGE_LAYOUT = 0x08,
    SNUG_H5_MESSAGE_GROUP_INFO = 0x0a,
    SNUG_H5_MESSAGE_PIPELINE = 0x0b,
    SNUG_H5_MESSAGE_ATTRIBUTE = 0x0c,
    SNUG_H5_MESSAGE_CONTINUATION = 0x10,
    SNUG_H5_MESSAGE_SYMBOLS = 0x11,
    SNUG_H5_MESSAGE_ATTRIBUTE_INFO = 0x15
};

typedef struct snug_h5_message {
    int32_t type;
    bool shared;
    uint64_t address; /* Of the payload, relative to the base. */
    int64_t bytes;
    const unsigned char *data; /* In the header's slot until the next message. */
} snug_h5_message;

/* A walk over the messages of one object, continuation blocks included. */
typedef struct snug_h5_header {
    snug_h5_file *file;
    snug_h5_slot slot;
    int32_t version;
    int32_t flags;
    int64_t messages_left; /* Version 1 counts them. */
    int32_t block;
    int32_t block_count;
    uint64_t position;
    uint64_t block_end;
    struct {
        uint64_t address;
        uint64_t bytes;
    } blocks[SNUG_H5_BLOCKS_MAX];
} snug_h5_header;

SNUG_MUST_CHECK snug_status snug_h5_header_open(snug_h5_file *file, uint64_t address,
                                                snug_h5_slot slot, snug_h5_header *out,
                                                snug_error *err);
/* The next message, or *out_more = false. */
SNUG_MUST_CHECK snug_status snug_h5_header_next(snug_h5_header *header, snug_h5_message *out,
                                                bool *out_more, snug_error *err);
/* Replaces a shared message by the one it stands for (in SLOT_SHARED); others stay as they are. */
SNUG_MUST_CHECK snug_status snug_h5_message_resolve(snug_h5_file *file, snug_h5_message *message,
                                                    snug_error *err);

/* ---- Trees ---- */

/* A walk over the leaf entries of a version 1 B-tree, left to right. */
typedef struct snug_h5_tree1 {
    snug_h5_file *file;
    int32_t type; /* 0 group, 1 chunks. */
    int64_t key_bytes;
    int32_t depth;
    struct {
        uint64_t address;
        int32_t level;
        int32_t entries;
        int32_t next;
    } frames[SNUG_H5_TREE_DEPTH_MAX];
} snug_h5_tree1;

enum { SNUG_H5_KEY_BYTES_MAX = 8 + 8 * (SNUG_H5_RANK_MAX + 1) };

SNUG_MUST_CHECK snug_status snug_h5_tree1_open(snug_h5_file *file, uint64_t address, int32_t type,
                                               int64_t key_bytes, snug_h5_tree1 *out,
                                               snug_error *err);
/* `key` takes key_bytes; `*out_child` is the chunk or symbol node. */
SNUG_MUST_CHECK snug_status snug_h5_tree1_next(snug_h5_tree1 *tree, unsigned char *key,
                                               uint64_t *out_child, bool *out_more,
                                               snug_error *err);

enum { SNUG_H5_RECORD_BYTES_MAX = 1024 };

/* A walk over the records of a version 2 B-tree, in order. */
typedef struct snug_h5_tree2 {
    snug_h5_file *file;
    int32_t type;
    int64_t record_bytes;
    int64_t node_bytes;
    int32_t count_bytes;                         /* Of a child's record count. */
    int32_t total_bytes[SNUG_H5_TREE_DEPTH_MAX]; /* Of a child's total, by the child's level. */
    int64_t records_max[SNUG_H5_TREE_DEPTH_MAX];
    int32_t depth;
    struct {
        uint64_t address;
        int32_t level;
        int64_t records;
        int64_t next;
    } frames[SNUG_H5_TREE_DEPTH_MAX];
} snug_h5_tree2;

SNUG_MUST_CHECK snug_status snug_h5_tree2_open(snug_h5_file *file, uint64_t address,
                                               snug_h5_tree2 *out, snug_error *err);
/* `record` takes record_bytes (<= SNUG_H5_RECORD_BYTES_MAX). */
SNUG_MUST_CHECK snug_status snug_h5_tree2_next(snug_h5_tree2 *tree, unsigned char *record,
                                               bool *out_more, snug_error *err);

/* ---- Heaps ---- */

typedef struct snug_h5_heap {
    snug_h5_file *file;
    int32_t id_bytes;
    int32_t flags;
    int64_t managed_max;
    int32_t width;
    uint64_t start_bytes;
    uint64_t direct_max_bytes;
    int32_t heap_bits;
    int32_t root_rows;
    uint64_t root;
    bool filtered;
} snug_h5_heap;

/* What a header keeps in a heap, found through a B-tree, when it is too much for messages. */
typedef enum snug_h5_dense_kind {
    SNUG_H5_DENSE_LINKS,
    SNUG_H5_DENSE_ATTRIBUTES
} snug_h5_dense_kind;

typedef struct snug_h5_dense {
    snug_h5_heap heap;
    snug_h5_tree2 tree;
    int32_t id_at; /* Where in a record of the tree the heap's id is, and its bytes. */
    int32_t id_bytes;
    bool present; /* False: nothing is kept densely. */
} snug_h5_dense;

/* From the info message of the kind. */
SNUG_MUST_CHECK snug_status snug_h5_dense_open(snug_h5_file *file, const snug_h5_message *info,
                                               snug_h5_dense_kind kind, snug_h5_dense *out,
                                               snug_error *err);
/* The next object, in SLOT_HEAP. */
SNUG_MUST_CHECK snug_status snug_h5_dense_next(snug_h5_dense *dense, const unsigned char **out,
                                               int64_t *out_bytes, bool *out_more, snug_error *err);

/* Where the data of a local heap begins and how long it is. */
SNUG_MUST_CHECK snug_status snug_h5_local_heap(snug_h5_file *file, uint64_t address,
                                               uint64_t *out_data, uint64_t *out_bytes,
                                               snug_error *err);
/* A zero-ended name in a local heap, into `out` (SNUG_H5_NAME_BYTES). */
SNUG_MUST_CHECK snug_status snug_h5_local_name(snug_h5_file *file, uint64_t data, uint64_t bytes,
                                               uint64_t offset, char *out, snug_error *err);

/* Where an object of the global heap is and how long. */
SNUG_MUST_CHECK snug_status snug_h5_global_object(snug_h5_file *file, uint64_t collection,
                                                  uint32_t index, uint64_t *out_address,
                                                  uint64_t *out_bytes, snug_error *err);

/* ---- Types, spaces, layouts ---- */

/* Parses a datatype message; members and names go to `arena`. */
SNUG_MUST_CHECK snug_status snug_h5_type_parse(snug_h5_file *file, const unsigned char *data,
                                               int64_t bytes, snug_arena *arena, snug_h5_type *out,
                                               snug_error *err);
/* The same for an attribute: one member, nothing allocated; compounds become UNSUPPORTED. */
SNUG_MUST_CHECK snug_status snug_h5_type_parse_single(snug_h5_file *file, const unsigned char *data,
                                                      int64_t bytes, snug_h5_member *out,
                                                      int64_t *out_bytes, snug_error *err);

typedef struct snug_h5_space {
    int32_t rank;
    bool null;
    uint64_t extents[SNUG_H5_RANK_MAX];
    uint64_t limits[SNUG_H5_RANK_MAX]; /* UINT64_MAX: unlimited. */
} snug_h5_space;

SNUG_MUST_CHECK snug_status snug_h5_space_parse(const snug_h5_file *file, const unsigned char *data,
                                                int64_t bytes, snug_h5_space *out, snug_error *err);

typedef enum snug_h5_index {
    SNUG_H5_INDEX_TREE1 = 0, /* Layout versions 1 to 3. */
    SNUG_H5_INDEX_SINGLE = 1,
    SNUG_H5_INDEX_IMPLICIT = 2,
    SNUG_H5_INDEX_FIXED = 3,
    SNUG_H5_INDEX_EXTENSIBLE = 4,
    SNUG_H5_INDEX_TREE2 = 5
} snug_h5_index;

/* A layout message, before it is held against type and space. */
typedef struct snug_h5_layout_message {
    bool present;
    snug_h5_layout layout;
    uint64_t address;   /* Data, or the index of the chunks. */
    uint64_t bytes;     /* Compact and contiguous: bytes stored, UINT64_MAX when not said. */
    int32_t dimensions; /* Chunked: rank + 1. */
    uint64_t chunk[SNUG_H5_RANK_MAX + 1];
    snug_h5_index index;
    bool plain_edges; /* Chunks that stick out of the extent are not filtered. */
    uint64_t single_bytes;
    uint32_t single_mask;
} snug_h5_layout_message;

SNUG_MUST_CHECK snug_status snug_h5_layout_parse(snug_h5_file *file, const snug_h5_message *message,
                                                 snug_h5_layout_message *out, snug_error *err);

/* What the builders of the chunk table see. */
typedef struct snug_h5_grid {
    snug_h5_file *file;
    const snug_h5_layout_message *layout;
    const snug_h5_space *space;
    snug_h5_dataset *dataset;
    snug_h5_chunk *chunks;
    int64_t counts[SNUG_H5_RANK_MAX];        /* Chunks along each axis now. */
    uint64_t limit_counts[SNUG_H5_RANK_MAX]; /* Along the largest extents; UINT64_MAX: unlimited. */
} snug_h5_grid;

/* Fills grid->chunks from whatever index the layout names. */
SNUG_MUST_CHECK snug_status snug_h5_index_read(snug_h5_grid *grid, snug_error *err);
SNUG_MUST_CHECK snug_status snug_h5_index_fixed(snug_h5_grid *grid, snug_error *err);
SNUG_MUST_CHECK snug_status snug_h5_index_extensible(snug_h5_grid *grid, snug_error *err);
/* Notes the chunk at `linear` of the table; addresses are relative to the base here. */
SNUG_MUST_CHECK snug_status snug_h5_grid_put(snug_h5_grid *grid, int64_t linear, uint64_t address,
                                             uint64_t stored_bytes, uint32_t mask, snug_error *err);
/* The same from an array index's element: address, and when filtered size and mask behind it. */
SNUG_MUST_CHECK snug_status snug_h5_grid_put_element(snug_h5_grid *grid, int64_t linear,
                                                     const unsigned char *element,
                                                     int64_t element_bytes, bool filtered,
                                                     snug_error *err);
/*
 * The number that an array index gives the chunk at `linear`: row-major over the largest extents,
 * with the unlimited axis first when there is one.
 */
SNUG_MUST_CHECK snug_status snug_h5_grid_number(const snug_h5_grid *grid, int64_t linear,
                                                uint64_t *out_number, snug_error *err);

/* Filters of a pipeline message, each supported or refused by name. */
SNUG_MUST_CHECK snug_status snug_h5_filters_parse(const unsigned char *data, int64_t bytes,
                                                  snug_h5_dataset *dataset, snug_error *err);

#endif
