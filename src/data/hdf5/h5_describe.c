#include "data/hdf5/h5_describe.h"

#include "base/checked.h"
#include "base/text.h"
#include "data/hdf5/h5_internal.h"

/* ---- The walk ---- */

typedef struct queue_item {
    const char *path;
    uint64_t address;
} queue_item;

typedef struct queue {
    snug_h5_file *file;
    snug_arena *arena;
    const char *group_path;
    queue_item *items;
    int64_t count;
} queue;

static snug_status join(queue *list, const char *name, const char **out, snug_error *err)
{
    void *path = NULL;
    const int64_t group_bytes = (int64_t)strlen(list->group_path);
    const int64_t name_bytes = (int64_t)strlen(name);
    const int64_t slash = list->group_path[group_bytes - 1] == '/' ? 0 : 1;
    if (group_bytes + name_bytes + 2 > SNUG_PATH_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a path is longer than %d bytes",
                         (int)SNUG_PATH_BYTES - 1);
    }
    SNUG_TRY(snug_h5_alloc(list->file, list->arena, group_bytes + slash + name_bytes + 1, 1, &path,
                           err));
    char *text = path;
    memcpy(text, list->group_path, (size_t)group_bytes);
    text[group_bytes] = '/';
    memcpy(text + group_bytes + slash, name, (size_t)name_bytes + 1);
    *out = text;
    return SNUG_OK;
}

static snug_status enqueue(void *context, const snug_h5_link *link, bool *stop, snug_error *err)
{
    queue *list = context;
    SNUG_UNUSED(stop);
    if (link->kind != SNUG_H5_LINK_HARD) {
        return SNUG_OK;
    }
    for (int64_t i = 0; i < list->count; i++) {
        if (list->items[i].address == link->address) {
            return SNUG_OK; /* Linked twice, or a cycle. */
        }
    }
    if (list->count == SNUG_H5_ENTRIES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the file has more than %d objects",
                         (int)SNUG_H5_ENTRIES_MAX);
    }
    queue_item *item = &list->items[list->count];
    SNUG_TRY(join(list, link->name, &item->path, err));
    item->address = link->address;
    list->count++;
    return SNUG_OK;
}

snug_status snug_h5_walk(snug_h5_file *file, snug_arena *arena, snug_h5_entry_visit visit,
                         void *context, snug_error *err)
{
    void *items = NULL;
    bool stop = false;
    SNUG_TRY(
        snug_h5_alloc(file, arena, SNUG_H5_ENTRIES_MAX, (int64_t)sizeof(queue_item), &items, err));
    queue list = {.file = file, .arena = arena, .items = items, .count = 1};
    list.items[0] = (queue_item){.path = "/", .address = file->root};
    for (int64_t i = 0; i < list.count && !stop; i++) {
        snug_error problem = {0};
        snug_h5_entry entry = {.path = list.items[i].path};
        entry.object =
            (snug_h5_object){.address = list.items[i].address, .kind = SNUG_H5_OBJECT_OTHER};
        list.group_path = entry.path;
        snug_status status = snug_h5_object_at(file, entry.object.address, &entry.object, &problem);
        if (!snug_failed(status) && entry.object.kind == SNUG_H5_OBJECT_GROUP) {
            status = snug_h5_list(file, entry.object, enqueue, &list, &problem);
        }
        if (snug_failed(status)) {
            entry.object.kind = SNUG_H5_OBJECT_OTHER;
            entry.problem = &problem;
        }
        SNUG_TRY(visit(context, file, &entry, &stop, err));
    }
    return SNUG_OK;
}

/* ---- The description ---- */

const char *snug_h5_filter_name(int32_t id)
{
    switch (id) {
    case SNUG_H5_DEFLATE:
        return "deflate";
    case SNUG_H5_SHUFFLE:
        return "shuffle";
    case SNUG_H5_FLETCHER32:
        return "fletcher32";
    case SNUG_H5_LZF:
        return "LZF";
    default:
        return "unknown filter";
    }
}

const char *snug_h5_layout_name(snug_h5_layout layout)
{
    static const char *const names[] = {"compact", "contiguous", "chunked"};
    return names[layout];
}

typedef struct describing {
    snug_arena *arena;
    snug_h5_description *items;
    int64_t count;
    snug_h5_attribute_note *attributes; /* Of the object at hand. */
    int64_t attribute_count;
} describing;

static void print_number(snug_text *text, const snug_h5_attribute *attribute, int64_t index)
{
    double value = 0.0;
    const unsigned char *at = attribute->data + index * attribute->type.bytes;
    snug_h5_member one = attribute->type;
    one.count = 1;
    snug_h5_to_f64(&one, at, 0, 1, &value);
    snug_text_add(text, "%.9g", value);
}

static snug_status print_value(snug_h5_file *file, const snug_h5_attribute *attribute,
                               snug_text *text, snug_error *err)
{
    enum { SHOWN_MAX = 8 };
    char word[SNUG_H5_NAME_BYTES];
    const snug_h5_member *type = &attribute->type;
    int64_t total = 0;
    if (type->kind == SNUG_H5_UNSUPPORTED || !snug_mul_i64(attribute->count, type->count, &total)) {
        snug_text_add(text, "(%s)", type->type_name);
        return SNUG_OK;
    }
    snug_text_add(text, "%s", total == 1 ? "" : "[");
    for (int64_t i = 0; i < snug_min_i64(total, SHOWN_MAX); i++) {
        snug_text_add(text, "%s", i == 0 ? "" : ", ");
        if (snug_h5_is_number(type)) {
            print_number(text, attribute, i);
            continue;
        }
        snug_h5_member one = *type;
        one.count = 1;
        const snug_status status = snug_h5_text_value(file, &one, attribute->data + i * type->bytes,
                                                      0, word, (int64_t)sizeof word, err);
        if (status == SNUG_CODE_LIMIT) {
            snug_text_add(text, "(long text)");
            continue;
        }
        SNUG_TRY(status);
        snug_text_add(text, "%s", word);
    }
    snug_text_add(text, "%s%s", total > SHOWN_MAX ? ", ..." : "", total == 1 ? "" : "]");
    return SNUG_OK;
}

static snug_status describe_attribute(void *context, snug_h5_file *file,
                                      const snug_h5_attribute *attribute, bool *stop,
                                      snug_error *err)
{
    describing *state = context;
    void *name = NULL;
    snug_text text;
    snug_error problem = {0};
    if (state->attribute_count == SNUG_H5_ATTRIBUTES_MAX) {
        *stop = true;
        return SNUG_OK;
    }
    const int64_t name_bytes = (int64_t)strlen(attribute->name) + 1;
    SNUG_TRY(snug_h5_alloc(file, state->arena, name_bytes, 1, &name, err));
    memcpy(name, attribute->name, (size_t)name_bytes);
    snug_h5_attribute_note *out = &state->attributes[state->attribute_count];
    *out = (snug_h5_attribute_note){
        .name = name, .type_name = attribute->type.type_name, .count = attribute->count};
    snug_text_init(&text, out->value, (int64_t)sizeof out->value);
    if (snug_failed(print_value(file, attribute, &text, &problem))) {
        snug_text_init(&text, out->value, (int64_t)sizeof out->value);
        snug_text_add(&text, "(%s)", problem.message);
    }
    state->attribute_count++;
    return SNUG_OK;
}

static void count_stored(snug_h5_description *item)
{
    const snug_h5_dataset *dataset = item->dataset;
    if (dataset->layout != SNUG_H5_CHUNKED) {
        item->stored_bytes = dataset->data_address == SNUG_H5_NO_ADDRESS
                                 ? 0
                                 : dataset->row_count * dataset->row_bytes;
        return;
    }
    for (int64_t i = 0; i < dataset->chunk_count; i++) {
        const bool missing = dataset->chunks[i].address == SNUG_H5_NO_ADDRESS;
        item->stored_bytes += missing ? 0 : dataset->chunks[i].stored_bytes;
        item->missing_chunks += missing ? 1 : 0;
    }
}

static snug_status keep_problem(describing *state, snug_h5_file *file, snug_h5_description *item,
                                const snug_error *problem, snug_error *err)
{
    void *text = NULL;
    const int64_t bytes = (int64_t)strlen(problem->message) + 1;
    SNUG_TRY(snug_h5_alloc(file, state->arena, bytes, 1, &text, err));
    memcpy(text, problem->message, (size_t)bytes);
    item->problem = text;
    return SNUG_OK;
}

static snug_status describe_dataset(describing *state, snug_h5_file *file,
                                    const snug_h5_entry *entry, snug_h5_description *item,
                                    snug_error *err)
{
    void *memory = NULL;
    snug_error problem = {0};
    SNUG_TRY(snug_h5_alloc(file, state->arena, 1, (int64_t)sizeof(snug_h5_dataset), &memory, err));
    snug_h5_dataset *dataset = memory;
    if (snug_failed(snug_h5_dataset_open(file, entry->object, state->arena, dataset, &problem))) {
        return keep_problem(state, file, item, &problem, err);
    }
    item->dataset = dataset;
    count_stored(item);
    return SNUG_OK;
}

static snug_status describe_attributes(describing *state, snug_h5_file *file,
                                       const snug_h5_entry *entry, snug_h5_description *item,
                                       snug_error *err)
{
    void *kept = NULL;
    snug_error problem = {0};
    state->attribute_count = 0;
    const snug_status status =
        snug_h5_attribute_list(file, entry->object, describe_attribute, state, &problem);
    if (snug_failed(status) && item->problem == NULL) {
        SNUG_TRY(keep_problem(state, file, item, &problem, err));
    }
    SNUG_TRY(snug_h5_alloc(file, state->arena, state->attribute_count,
                           (int64_t)sizeof(snug_h5_attribute_note), &kept, err));
    memcpy(kept, state->attributes,
           (size_t)state->attribute_count * sizeof(snug_h5_attribute_note));
    item->attributes = kept;
    item->attribute_count = state->attribute_count;
    return SNUG_OK;
}

static snug_status describe_entry(void *context, snug_h5_file *file, const snug_h5_entry *entry,
                                  bool *stop, snug_error *err)
{
    describing *state = context;
    snug_h5_description *item = &state->items[state->count];
    SNUG_UNUSED(stop);
    *item = (snug_h5_description){.path = entry->path, .kind = entry->object.kind};
    state->count++;
    if (entry->problem != NULL) {
        return keep_problem(state, file, item, entry->problem, err);
    }
    if (entry->object.kind == SNUG_H5_OBJECT_DATASET) {
        SNUG_TRY(describe_dataset(state, file, entry, item, err));
    }
    return describe_attributes(state, file, entry, item, err);
}

snug_status snug_h5_describe(snug_h5_file *file, snug_arena *arena, const snug_h5_description **out,
                             int64_t *out_count, snug_error *err)
{
    void *items = NULL;
    void *attributes = NULL;
    SNUG_TRY(snug_h5_alloc(file, arena, SNUG_H5_ENTRIES_MAX, (int64_t)sizeof(snug_h5_description),
                           &items, err));
    SNUG_TRY(snug_h5_alloc(file, arena, SNUG_H5_ATTRIBUTES_MAX,
                           (int64_t)sizeof(snug_h5_attribute_note), &attributes, err));
    describing state = {.arena = arena, .items = items, .attributes = attributes};
    SNUG_TRY(snug_h5_walk(file, arena, describe_entry, &state, err));
    *out = items;
    *out_count = state.count;
    return SNUG_OK;
}
