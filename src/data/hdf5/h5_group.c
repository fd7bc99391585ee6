#include "data/hdf5/h5_internal.h"

#include "base/checked.h"
#include "base/text.h"

enum { NEAREST_NAMES = 48 };

typedef struct listing {
    snug_h5_file *file;
    snug_h5_link_visit visit;
    void *context;
    bool stop;
    char name[SNUG_H5_NAME_BYTES];
    char target[SNUG_H5_NAME_BYTES];
} listing;

static snug_status visit_link(listing *list, snug_h5_link_kind kind, uint64_t address,
                              snug_error *err)
{
    const snug_h5_link link = {
        .name = list->name, .kind = kind, .address = address, .target = list->target};
    return list->visit(list->context, &link, &list->stop, err);
}

/* ---- Old style: a B-tree of symbol nodes, names in a local heap ---- */

static snug_status visit_symbol(listing *list, uint64_t at, uint64_t heap, uint64_t heap_bytes,
                                snug_error *err)
{
    unsigned char entry[8 + 8 + 8 + 16];
    snug_h5_file *file = list->file;
    const int64_t bytes = 2 * file->offset_bytes + 24;
    SNUG_TRY(snug_h5_read(file, at, bytes, entry, err));
    snug_h5_cursor cursor = {.at = entry, .left = bytes};
    const uint64_t name = snug_h5_take(&cursor, file->offset_bytes);
    const uint64_t address = snug_h5_take_address(&cursor, file);
    const uint64_t kind = snug_h5_take(&cursor, 4);
    snug_h5_skip(&cursor, 4);
    const uint64_t target = snug_h5_take(&cursor, 4);
    SNUG_TRY(snug_h5_local_name(file, heap, heap_bytes, name, list->name, err));
    list->target[0] = '\0';
    if (kind == 2) {
        SNUG_TRY(snug_h5_local_name(file, heap, heap_bytes, target, list->target, err));
        return visit_link(list, SNUG_H5_LINK_SOFT, SNUG_H5_NO_ADDRESS, err);
    }
    return visit_link(list, SNUG_H5_LINK_HARD, address, err);
}

static snug_status list_symbols(listing *list, const snug_h5_message *message, snug_error *err)
{
    snug_h5_file *file = list->file;
    snug_h5_cursor cursor = {.at = message->data, .left = message->bytes};
    const uint64_t tree_address = snug_h5_take_address(&cursor, file);
    const uint64_t heap_address = snug_h5_take_address(&cursor, file);
    uint64_t heap = 0;
    uint64_t heap_bytes = 0;
    snug_h5_tree1 tree;
    bool more = true;
    if (cursor.bad) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a symbol table message is cut short");
    }
    SNUG_TRY(snug_h5_local_heap(file, heap_address, &heap, &heap_bytes, err));
    SNUG_TRY(snug_h5_tree1_open(file, tree_address, 0, file->length_bytes, &tree, err));
    while (!list->stop) {
        unsigned char key[8];
        unsigned char head[8];
        uint64_t node = 0;
        SNUG_TRY(snug_h5_tree1_next(&tree, key, &node, &more, err));
        if (!more) {
            break;
        }
        SNUG_TRY(snug_h5_read(file, node, (int64_t)sizeof head, head, err));
        const int64_t count = (int64_t)snug_h5_little(head + 6, 2);
        if (memcmp(head, "SNOD", 4) != 0) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "the symbol table node at %llu is damaged",
                             (unsigned long long)node);
        }
        const uint64_t entry_bytes = 2 * (uint64_t)file->offset_bytes + 24;
        for (int64_t i = 0; i < count && !list->stop; i++) {
            SNUG_TRY(
                visit_symbol(list, node + 8 + (uint64_t)i * entry_bytes, heap, heap_bytes, err));
        }
    }
    return SNUG_OK;
}

/* ---- New style: link messages, in the header or in a fractal heap ---- */

static snug_status copy_text(snug_h5_cursor *cursor, uint64_t bytes, char out[SNUG_H5_NAME_BYTES],
                             snug_error *err)
{
    if (bytes > (uint64_t)cursor->left || cursor->bad) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a link is cut short");
    }
    if (bytes >= SNUG_H5_NAME_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a link name is longer than %d bytes",
                         (int)SNUG_H5_NAME_BYTES - 1);
    }
    memcpy(out, cursor->at, (size_t)bytes);
    out[bytes] = '\0';
    snug_h5_skip(cursor, (int64_t)bytes);
    return SNUG_OK;
}

static snug_status visit_message(listing *list, const unsigned char *data, int64_t bytes,
                                 snug_error *err)
{
    snug_h5_cursor cursor = {.at = data, .left = bytes};
    const uint64_t version = snug_h5_take(&cursor, 1);
    const uint64_t flags = snug_h5_take(&cursor, 1);
    const uint64_t kind = (flags & 0x08) != 0 ? snug_h5_take(&cursor, 1) : 0;
    snug_h5_skip(&cursor, (flags & 0x04) != 0 ? 8 : 0);
    snug_h5_skip(&cursor, (flags & 0x10) != 0 ? 1 : 0);
    const uint64_t name_bytes = snug_h5_take(&cursor, INT64_C(1) << (flags & 3));
    if (version != 1 || cursor.bad) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a link message is damaged (version %d)",
                         (int)version);
    }
    SNUG_TRY(copy_text(&cursor, name_bytes, list->name, err));
    list->target[0] = '\0';
    if (kind == 0) {
        const uint64_t address = snug_h5_take_address(&cursor, list->file);
        if (cursor.bad) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "link '%s' is cut short", list->name);
        }
        return visit_link(list, SNUG_H5_LINK_HARD, address, err);
    }
    if (kind == 1) {
        const uint64_t target_bytes = snug_h5_take(&cursor, 2);
        SNUG_TRY(copy_text(&cursor, target_bytes, list->target, err));
        return visit_link(list, SNUG_H5_LINK_SOFT, SNUG_H5_NO_ADDRESS, err);
    }
    return visit_link(list, SNUG_H5_LINK_EXTERNAL, SNUG_H5_NO_ADDRESS, err);
}

static snug_status list_dense(listing *list, const snug_h5_message *message, snug_error *err)
{
    snug_h5_dense dense;
    SNUG_TRY(snug_h5_dense_open(list->file, message, SNUG_H5_DENSE_LINKS, &dense, err));
    while (!list->stop) {
        const unsigned char *data = NULL;
        int64_t bytes = 0;
        bool more = false;
        SNUG_TRY(snug_h5_dense_next(&dense, &data, &bytes, &more, err));
        if (!more) {
            break;
        }
        SNUG_TRY(visit_message(list, data, bytes, err));
    }
    return SNUG_OK;
}

snug_status snug_h5_list(snug_h5_file *file, snug_h5_object group, snug_h5_link_visit visit,
                         void *context, snug_error *err)
{
    listing list = {.file = file, .visit = visit, .context = context};
    snug_h5_header header;
    bool more = true;
    SNUG_TRY(snug_h5_header_open(file, group.address, SNUG_H5_SLOT_HEADER, &header, err));
    while (!list.stop) {
        snug_h5_message message = {0};
        SNUG_TRY(snug_h5_header_next(&header, &message, &more, err));
        if (!more) {
            break;
        }
        if (message.type == SNUG_H5_MESSAGE_SYMBOLS) {
            SNUG_TRY(list_symbols(&list, &message, err));
        } else if (message.type == SNUG_H5_MESSAGE_LINK) {
            SNUG_TRY(visit_message(&list, message.data, message.bytes, err));
        } else if (message.type == SNUG_H5_MESSAGE_LINK_INFO) {
            SNUG_TRY(list_dense(&list, &message, err));
        }
    }
    return SNUG_OK;
}

snug_status snug_h5_object_at(snug_h5_file *file, uint64_t address, snug_h5_object *out_object,
                              snug_error *err)
{
    snug_h5_header header;
    bool more = true;
    bool type = false;
    bool space = false;
    bool layout = false;
    bool group = false;
    SNUG_TRY(snug_h5_header_open(file, address, SNUG_H5_SLOT_HEADER, &header, err));
    while (true) {
        snug_h5_message message = {0};
        SNUG_TRY(snug_h5_header_next(&header, &message, &more, err));
        if (!more) {
            break;
        }
        type = type || message.type == SNUG_H5_MESSAGE_TYPE;
        space = space || message.type == SNUG_H5_MESSAGE_SPACE;
        layout = layout || message.type == SNUG_H5_MESSAGE_LAYOUT;
        group = group || message.type == SNUG_H5_MESSAGE_SYMBOLS ||
                message.type == SNUG_H5_MESSAGE_LINK_INFO ||
                message.type == SNUG_H5_MESSAGE_GROUP_INFO || message.type == SNUG_H5_MESSAGE_LINK;
    }
    out_object->address = address;
    out_object->kind = type && space && layout ? SNUG_H5_OBJECT_DATASET
                       : group                 ? SNUG_H5_OBJECT_GROUP
                       : type                  ? SNUG_H5_OBJECT_TYPE
                                               : SNUG_H5_OBJECT_OTHER;
    return SNUG_OK;
}

/* ---- Paths ---- */

typedef struct search {
    const char *wanted;
    int64_t wanted_bytes;
    bool found;
    snug_h5_link_kind kind;
    uint64_t address;
    char target[SNUG_H5_NAME_BYTES];
    int64_t name_count;
    char names[NEAREST_NAMES][SNUG_NAME_BYTES];
} search;

static snug_status match_link(void *context, const snug_h5_link *link, bool *stop, snug_error *err)
{
    search *find = context;
    SNUG_UNUSED(err);
    const int64_t bytes = (int64_t)strlen(link->name);
    if (bytes == find->wanted_bytes && memcmp(link->name, find->wanted, (size_t)bytes) == 0) {
        find->found = true;
        find->kind = link->kind;
        find->address = link->address;
        memcpy(find->target, link->target, strlen(link->target) + 1);
        *stop = true;
    } else if (find->name_count < NEAREST_NAMES && bytes < SNUG_NAME_BYTES) {
        memcpy(find->names[find->name_count], link->name, (size_t)bytes + 1);
        find->name_count++;
    }
    return SNUG_OK;
}

static snug_status not_found(const search *find, const char *path, snug_error *err)
{
    const char *names[NEAREST_NAMES];
    char wanted[SNUG_NAME_BYTES] = "";
    for (int64_t i = 0; i < find->name_count; i++) {
        names[i] = find->names[i];
    }
    memcpy(wanted, find->wanted, (size_t)snug_min_i64(find->wanted_bytes, SNUG_NAME_BYTES - 1));
    const char *nearest = snug_nearest_name(wanted, names, find->name_count);
    if (nearest != NULL) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "no '%s' on the path '%s'; there is '%s'",
                         wanted, path, nearest);
    }
    return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "no '%s' on the path '%s'", wanted, path);
}

/* Puts the target of a soft link in front of what is left of the path. */
static snug_status splice(char path[SNUG_PATH_BYTES], const char *target, const char *rest,
                          snug_error *err)
{
    char joined[SNUG_PATH_BYTES];
    snug_text text;
    snug_text_init(&text, joined, (int64_t)sizeof joined);
    snug_text_add(&text, "%s/%s", target, rest);
    if (text.truncated) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a path is longer than %d bytes",
                         (int)SNUG_PATH_BYTES - 1);
    }
    memcpy(path, joined, (size_t)text.length + 1);
    return SNUG_OK;
}

snug_status snug_h5_find(snug_h5_file *file, const char *path, snug_h5_object *out_object,
                         snug_error *err)
{
    char left[SNUG_PATH_BYTES];
    search find;
    snug_h5_object object = {.address = file->root, .kind = SNUG_H5_OBJECT_GROUP};
    int32_t soft_links = 0;
    const int64_t path_bytes = (int64_t)strlen(path);
    if (path_bytes >= SNUG_PATH_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a path is longer than %d bytes",
                         (int)SNUG_PATH_BYTES - 1);
    }
    memcpy(left, path, (size_t)path_bytes + 1);
    const char *at = left;
    while (true) {
        at += strspn(at, "/");
        if (*at == '\0') {
            break;
        }
        find.wanted = at;
        find.wanted_bytes = (int64_t)strcspn(at, "/");
        find.found = false;
        find.name_count = 0;
        at += find.wanted_bytes;
        if (find.wanted_bytes == 1 && find.wanted[0] == '.') {
            continue;
        }
        SNUG_TRY(snug_h5_list(file, object, match_link, &find, err));
        if (!find.found) {
            return not_found(&find, path, err);
        }
        if (find.kind == SNUG_H5_LINK_EXTERNAL) {
            return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                             "'%s' leads to another file; external links are not followed", path);
        }
        if (find.kind == SNUG_H5_LINK_SOFT) {
            soft_links++;
            if (soft_links > SNUG_H5_LINKS_DEPTH_MAX) {
                return SNUG_FAIL(err, SNUG_CODE_LIMIT, "'%s' goes through more than %d soft links",
                                 path, (int)SNUG_H5_LINKS_DEPTH_MAX);
            }
            if (find.target[0] == '/') {
                object = (snug_h5_object){.address = file->root, .kind = SNUG_H5_OBJECT_GROUP};
            }
            SNUG_TRY(splice(left, find.target, at, err));
            at = left;
            continue;
        }
        SNUG_TRY(snug_h5_object_at(file, find.address, &object, err));
    }
    *out_object = object;
    return SNUG_OK;
}
