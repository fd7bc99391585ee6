#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/text.h"
#include "data/timeseries/timeseries_internal.h"

enum { NEAREST_MAX = 256, GROUPS_MAX = 256 };

/* One entry of a list of fields: NAME, NAME[a] or NAME[a:b]. */
typedef struct field_name {
    char name[SNUG_H5_NAME_BYTES];
    int64_t first;
    int64_t end; /* -1: to the last one. */
} field_name;

/* What is known while the fields of a file are looked for. */
typedef struct finder {
    const snug_timeseries_options *options;
    snug_h5_file *file;
    snug_arena *scratch;
    snug_timeseries_found *found;
    bool compound; /* Table 0 is the compound data set of the options. */
    char table_names[SNUG_TIMESERIES_TABLES_MAX][SNUG_H5_NAME_BYTES];
} finder;

static snug_status bad_field(const char *list, snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_USAGE,
                     "'%s' is no list of fields; write NAME, NAME[a] or NAME[a:b], separated by "
                     "commas",
                     list);
}

/* Reads "[a]" or "[a:b]" behind a name. */
static snug_status parse_slice(const char *list, const char *text, field_name *out, snug_error *err)
{
    char *end = NULL;
    if (!isdigit((unsigned char)text[1])) {
        return bad_field(list, err);
    }
    out->first = strtoll(text + 1, &end, 10);
    out->end = out->first + 1;
    if (*end == ':') {
        const char *const second = end + 1;
        if (!isdigit((unsigned char)second[0])) {
            return bad_field(list, err);
        }
        out->end = strtoll(second, &end, 10);
    }
    if (end[0] != ']' || end[1] != '\0' || out->end <= out->first || out->end > SNUG_CHANNELS_MAX) {
        return bad_field(list, err);
    }
    return SNUG_OK;
}

/* Takes the next field off `*cursor`; the list ends when it points to a zero. */
static snug_status next_field(const char *list, const char **cursor, field_name *out,
                              snug_error *err)
{
    const char *start = *cursor;
    while (*start == ' ') {
        start++;
    }
    const char *end = strchr(start, ',');
    *cursor = end != NULL ? end + 1 : start + strlen(start);
    int64_t length = (end != NULL ? end : *cursor) - start;
    while (length > 0 && start[length - 1] == ' ') {
        length--;
    }
    if (length == 0 || length >= SNUG_H5_NAME_BYTES) {
        return bad_field(list, err);
    }
    *out = (field_name){.end = -1};
    memcpy(out->name, start, (size_t)length);
    char *const bracket = strchr(out->name, '[');
    if (bracket != NULL) {
        SNUG_TRY(parse_slice(list, bracket, out, err));
        *bracket = '\0';
    }
    return out->name[0] != '\0' ? SNUG_OK : bad_field(list, err);
}

static snug_status join_path(const char *group, const char *name, char out[SNUG_H5_NAME_BYTES],
                             snug_error *err)
{
    snug_text text;
    snug_text_init(&text, out, SNUG_H5_NAME_BYTES);
    if (name[0] == '/' || group[0] == '\0') {
        snug_text_add(&text, "%s", name);
    } else {
        snug_text_add(&text, "%s/%s", group, name);
    }
    return text.truncated
               ? SNUG_FAIL(err, SNUG_CODE_LIMIT, "'%s/%s' is too long a name", group, name)
               : SNUG_OK;
}

/* Whether group/name is a data set; anything but "not there" is an error. */
static snug_status is_dataset(finder *find, const char *group, const char *name, bool *out,
                              snug_h5_object *out_object, snug_error *err)
{
    char path[SNUG_H5_NAME_BYTES];
    snug_error missing = {0};
    SNUG_TRY(join_path(group, name, path, err));
    const snug_status status = snug_h5_find(find->file, path, out_object, &missing);
    if (status == SNUG_CODE_NOT_FOUND) {
        *out = false;
        return SNUG_OK;
    }
    if (snug_failed(status)) {
        if (err != NULL) {
            *err = missing;
        }
        return snug_error_pass(err, status, __FILE__, __LINE__);
    }
    *out = out_object->kind == SNUG_H5_OBJECT_DATASET;
    return SNUG_OK;
}

typedef struct group_list {
    snug_arena *arena;
    const char *names[GROUPS_MAX];
    int64_t count;
} group_list;

static snug_status note_link(void *context, const snug_h5_link *link, bool *stop, snug_error *err)
{
    group_list *const list = context;
    if (list->count == GROUPS_MAX) {
        *stop = true;
        return SNUG_OK;
    }
    SNUG_TRY(snug_arena_text(list->arena, link->name, &list->names[list->count], err));
    list->count++;
    return SNUG_OK;
}

/* The first field of the inputs: what a group must have when it has no compound data set. */
static snug_status first_input(const finder *find, field_name *out, snug_error *err)
{
    const char *cursor = find->options->inputs;
    return next_field(find->options->inputs, &cursor, out, err);
}

/* A group fits when it has the compound data set, or a data set named like the first input. */
static snug_status group_fits(finder *find, const char *group, bool *out, snug_error *err)
{
    snug_h5_object object = {0};
    SNUG_TRY(is_dataset(find, group, find->options->dataset, out, &object, err));
    if (!*out) {
        field_name field;
        SNUG_TRY(first_input(find, &field, err));
        SNUG_TRY(is_dataset(find, group, field.name, out, &object, err));
    }
    return SNUG_OK;
}

/* Which group of the file is meant, when the options do not say: the first that fits. */
static snug_status find_group(finder *find, snug_error *err)
{
    char *const group = find->found->group;
    snug_text text;
    snug_text_init(&text, group, SNUG_H5_NAME_BYTES);
    if (find->options->group != NULL) {
        snug_h5_object object = {0};
        SNUG_TRY(snug_h5_find(find->file, find->options->group, &object, err));
        snug_text_add(&text, "%s", find->options->group);
        return SNUG_OK;
    }
    group_list *list = NULL;
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(find->scratch, (int64_t)sizeof *list, &memory, err));
    list = memory;
    list->arena = find->scratch;
    list->names[list->count++] = "emg2pose";
    list->names[list->count++] = "";
    snug_h5_object root = {0};
    SNUG_TRY(snug_h5_find(find->file, "/", &root, err));
    SNUG_TRY(snug_h5_list(find->file, root, note_link, list, err));
    for (int64_t i = 0; i < list->count; i++) {
        bool fits = false;
        SNUG_TRY(group_fits(find, list->names[i], &fits, err));
        if (fits) {
            snug_text_add(&text, "%s", list->names[i]);
            return SNUG_OK;
        }
    }
    return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                     "no group has a data set '%s' (set the group and data set, or name plain data "
                     "sets as inputs)",
                     find->options->dataset);
}

/* Opens a data set as the next table of the file. */
static snug_status add_table(finder *find, const char *path, snug_h5_object object,
                             int32_t *out_table, snug_error *err)
{
    snug_timeseries_layout *const layout = &find->found->layout;
    for (int32_t i = 0; i < layout->table_count; i++) {
        if (strcmp(find->table_names[i], path) == 0) {
            *out_table = i;
            return SNUG_OK;
        }
    }
    if (layout->table_count == SNUG_TIMESERIES_TABLES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "fields from more than %d data sets",
                         SNUG_TIMESERIES_TABLES_MAX);
    }
    snug_h5_dataset *const dataset = &layout->tables[layout->table_count];
    SNUG_TRY(snug_h5_dataset_open(find->file, object, find->scratch, dataset, err));
    if (dataset->rank < 1 || dataset->rank > 2 || (dataset->type.compound && dataset->rank != 1)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "data set '%s' has %d axes; a compound one has 1, a plain one 1 or 2",
                         path, dataset->rank);
    }
    if (layout->table_count == 0) {
        find->found->row_count = dataset->row_count;
    } else if (dataset->row_count != find->found->row_count) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "'%s' has %" PRId64 " rows, '%s' has %" PRId64, path,
                         dataset->row_count, find->table_names[0], find->found->row_count);
    }
    memcpy(find->table_names[layout->table_count], path, strlen(path) + 1);
    *out_table = layout->table_count++;
    return SNUG_OK;
}

static snug_status missing_field(finder *find, const char *name, snug_error *err)
{
    const char *names[NEAREST_MAX];
    int64_t count = 0;
    char members[512];
    snug_text text;
    snug_text_init(&text, members, sizeof members);
    if (!find->compound) {
        char path[SNUG_H5_NAME_BYTES];
        snug_h5_object object = {0};
        SNUG_TRY(join_path(find->found->group, name, path, err));
        /* Fails, and names the nearest link; what is there is no data set. */
        SNUG_TRY(snug_h5_find(find->file, path, &object, err));
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "'%s' is no data set", path);
    }
    const snug_h5_type *const type = &find->found->layout.tables[0].type;
    for (int64_t i = 0; i < type->member_count && count < NEAREST_MAX; i++) {
        names[count++] = type->members[i].name;
        snug_text_add(&text, "%s%s", i > 0 ? ", " : "", type->members[i].name);
    }
    const char *const nearest = snug_nearest_name(name, names, count);
    if (nearest != NULL) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                         "data set '%s' has no member '%s'; did you mean '%s'? (it has %s)",
                         find->table_names[0], name, nearest, members);
    }
    return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "data set '%s' has no member '%s' (it has %s)",
                     find->table_names[0], name, members);
}

/* The numbers of one field as a span of a table: a member, or the columns of a plain data set. */
static snug_status make_span(const snug_h5_dataset *dataset, const snug_h5_member *member,
                             int32_t table, const field_name *field, snug_timeseries_span *out,
                             snug_error *err)
{
    if (!snug_h5_is_number(member)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "field '%s' is no number but '%s'", field->name,
                         member->type_name);
    }
    int64_t count = member->count;
    if (dataset->rank == 2) {
        if (member->count != 1 || dataset->type.bytes != member->bytes) {
            return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                             "'%s' is a table of arrays; its columns must be plain numbers",
                             field->name);
        }
        count = dataset->extents[1];
    }
    const int64_t end = field->end < 0 ? count : field->end;
    if (end > count || count < 1) {
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "field '%s' has %" PRId64 " numbers a row, but %" PRId64 " to %" PRId64
                         " are asked for",
                         field->name, count, field->first, end - 1);
    }
    *out = (snug_timeseries_span){.table = table, .kind = SNUG_SPAN_OTHER, .member = *member};
    out->member.name = "";
    out->member.type_name = "";
    out->member.offset += field->first * member->bytes;
    out->member.count = end - field->first;
    if (member->kind == SNUG_H5_FLOAT && !member->big_endian) {
        out->kind = member->bytes == 4   ? SNUG_SPAN_F32
                    : member->bytes == 8 ? SNUG_SPAN_F64
                                         : SNUG_SPAN_OTHER;
    }
    return SNUG_OK;
}

static snug_status find_field(finder *find, const field_name *field, snug_timeseries_span *out,
                              snug_error *err)
{
    snug_timeseries_layout *const layout = &find->found->layout;
    if (find->compound) {
        const snug_h5_member *const member = snug_h5_member_find(&layout->tables[0], field->name);
        if (member != NULL) {
            return make_span(&layout->tables[0], member, 0, field, out, err);
        }
    }
    bool there = false;
    snug_h5_object object = {0};
    char path[SNUG_H5_NAME_BYTES];
    int32_t table = 0;
    SNUG_TRY(is_dataset(find, find->found->group, field->name, &there, &object, err));
    if (!there) {
        return missing_field(find, field->name, err);
    }
    SNUG_TRY(join_path(find->found->group, field->name, path, err));
    SNUG_TRY(add_table(find, path, object, &table, err));
    const snug_h5_dataset *const dataset = &layout->tables[table];
    if (dataset->type.compound) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "'%s' is a compound data set; name its members",
                         path);
    }
    return make_span(dataset, &dataset->type.members[0], table, field, out, err);
}

static snug_status find_fields(finder *find, const char *list, snug_timeseries_fields *out,
                               snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_arena_array(find->scratch, SNUG_TIMESERIES_SPANS_MAX,
                              (int64_t)sizeof(snug_timeseries_span), &memory, err));
    *out = (snug_timeseries_fields){.spans = memory};
    const char *cursor = list;
    while (*cursor != '\0') {
        field_name field;
        if (out->span_count == SNUG_TIMESERIES_SPANS_MAX) {
            return SNUG_FAIL(err, SNUG_CODE_LIMIT, "more than %d fields in '%s'",
                             SNUG_TIMESERIES_SPANS_MAX, list);
        }
        SNUG_TRY(next_field(list, &cursor, &field, err));
        snug_timeseries_span *const span = &out->spans[out->span_count];
        SNUG_TRY(find_field(find, &field, span, err));
        span->column = out->count;
        out->count += span->member.count;
        out->span_count++;
    }
    if (out->count > SNUG_CHANNELS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "%" PRId64 " channels in '%s'; at most %d are read",
                         out->count, list, SNUG_CHANNELS_MAX);
    }
    return SNUG_OK;
}

snug_status snug_timeseries_find(const snug_timeseries_options *options, snug_h5_file *file,
                                 snug_arena *scratch, snug_timeseries_found *out, snug_error *err)
{
    finder *find = NULL;
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(scratch, (int64_t)sizeof *find, &memory, err));
    find = memory;
    *find = (finder){.options = options, .file = file, .scratch = scratch, .found = out};
    *out = (snug_timeseries_found){0};
    SNUG_TRY(find_group(find, err));

    bool there = false;
    snug_h5_object object = {0};
    SNUG_TRY(is_dataset(find, out->group, options->dataset, &there, &object, err));
    if (there) {
        char path[SNUG_H5_NAME_BYTES];
        int32_t table = 0;
        SNUG_TRY(join_path(out->group, options->dataset, path, err));
        SNUG_TRY(add_table(find, path, object, &table, err));
        find->compound = out->layout.tables[0].type.compound;
        if (!find->compound) {
            out->layout.table_count = 0;
        }
    }
    SNUG_TRY(find_fields(find, options->inputs, &out->layout.fields[SNUG_FIELD_INPUT], err));
    SNUG_TRY(find_fields(find, options->targets, &out->layout.fields[SNUG_FIELD_TARGET], err));
    if (out->row_count < 1 || out->row_count > UINT32_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%" PRId64 " rows; 1 to %u can be read",
                         out->row_count, UINT32_MAX);
    }
    return SNUG_OK;
}

static bool filters_equal(const snug_h5_dataset *a, const snug_h5_dataset *b)
{
    if (a->filter_count != b->filter_count) {
        return false;
    }
    for (int32_t i = 0; i < a->filter_count; i++) {
        const snug_h5_filter *const x = &a->filters[i];
        const snug_h5_filter *const y = &b->filters[i];
        if (x->id != y->id || x->value_count != y->value_count ||
            memcmp(x->values, y->values, sizeof x->values) != 0) {
            return false;
        }
    }
    return true;
}

static bool fills_equal(const snug_h5_dataset *a, const snug_h5_dataset *b)
{
    if (a->fill == NULL || b->fill == NULL) {
        return a->fill == b->fill;
    }
    return memcmp(a->fill, b->fill, (size_t)a->type.bytes) == 0;
}

static bool tables_equal(const snug_h5_dataset *a, const snug_h5_dataset *b)
{
    return a->type.bytes == b->type.bytes && a->type.compound == b->type.compound &&
           a->rank == b->rank && a->row_bytes == b->row_bytes && a->layout == b->layout &&
           a->chunk_bytes == b->chunk_bytes && a->block_rows == b->block_rows &&
           a->block_chunks == b->block_chunks && a->block_is_chunk == b->block_is_chunk &&
           memcmp(a->extents + 1, b->extents + 1, sizeof a->extents - sizeof a->extents[0]) == 0 &&
           memcmp(a->chunk_extents, b->chunk_extents, sizeof a->chunk_extents) == 0 &&
           filters_equal(a, b) && fills_equal(a, b);
}

static bool spans_equal(const snug_timeseries_span *a, const snug_timeseries_span *b)
{
    return a->table == b->table && a->kind == b->kind && a->column == b->column &&
           a->member.offset == b->member.offset && a->member.count == b->member.count &&
           a->member.bytes == b->member.bytes && a->member.kind == b->member.kind &&
           a->member.big_endian == b->member.big_endian;
}

static bool layouts_equal(const snug_timeseries_layout *a, const snug_timeseries_layout *b)
{
    if (a->table_count != b->table_count) {
        return false;
    }
    for (int32_t i = 0; i < a->table_count; i++) {
        if (!tables_equal(&a->tables[i], &b->tables[i])) {
            return false;
        }
    }
    for (int32_t kind = 0; kind < SNUG_FIELD_COUNT; kind++) {
        const snug_timeseries_fields *const x = &a->fields[kind];
        const snug_timeseries_fields *const y = &b->fields[kind];
        if (x->span_count != y->span_count) {
            return false;
        }
        for (int32_t i = 0; i < x->span_count; i++) {
            if (!spans_equal(&x->spans[i], &y->spans[i])) {
                return false;
            }
        }
    }
    return true;
}

/* A table without what belongs to one file: its rows, its address, its chunks, its names. */
static snug_status copy_table(const snug_h5_dataset *from, snug_arena *arena, snug_h5_dataset *out,
                              snug_error *err)
{
    snug_h5_dataset table = *from;
    table.type.members = NULL;
    table.type.member_count = 0;
    table.extents[0] = 0;
    table.row_count = 0;
    table.data_address = SNUG_H5_NO_ADDRESS;
    table.chunks = NULL;
    table.chunk_count = 0;
    table.block_count = 0;
    table.stored_bytes_max = 0;
    if (from->fill != NULL) {
        void *fill = NULL;
        SNUG_TRY(snug_arena_alloc(arena, from->type.bytes, &fill, err));
        memcpy(fill, from->fill, (size_t)from->type.bytes);
        table.fill = fill;
    }
    *out = table;
    return SNUG_OK;
}

snug_status snug_timeseries_intern(snug_timeseries_index *index,
                                   const snug_timeseries_layout *layout, snug_arena *arena,
                                   int32_t *out_number, snug_error *err)
{
    for (int32_t i = 0; i < index->layout_count; i++) {
        if (layouts_equal(index->layouts[i], layout)) {
            *out_number = i;
            return SNUG_OK;
        }
    }
    if (index->layout_count == index->layout_capacity) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the files have more than %d different row layouts",
                         index->layout_capacity);
    }
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(arena, (int64_t)sizeof *layout, &memory, err));
    snug_timeseries_layout *const copy = memory;
    *copy = *layout;
    for (int32_t i = 0; i < layout->table_count; i++) {
        SNUG_TRY(copy_table(&layout->tables[i], arena, &copy->tables[i], err));
    }
    for (int32_t kind = 0; kind < SNUG_FIELD_COUNT; kind++) {
        const int64_t count = layout->fields[kind].span_count;
        const int64_t bytes = count * (int64_t)sizeof(snug_timeseries_span);
        SNUG_TRY(snug_arena_alloc(arena, bytes, &memory, err));
        memcpy(memory, layout->fields[kind].spans, (size_t)bytes);
        copy->fields[kind].spans = memory;
    }
    index->layouts[index->layout_count] = copy;
    *out_number = index->layout_count++;
    return SNUG_OK;
}

void snug_timeseries_dataset(const snug_timeseries_index *index, const snug_timeseries_file *file,
                             int32_t table, snug_h5_dataset *out)
{
    *out = index->layouts[file->layout]->tables[table];
    const snug_timeseries_table *const mine = &file->tables[table];
    out->extents[0] = file->row_count;
    out->row_count = file->row_count;
    out->data_address = mine->data_address;
    out->chunks = mine->chunks;
    out->stored_bytes_max = mine->stored_bytes_max;
    if (out->layout == SNUG_H5_CHUNKED) {
        out->block_count = snug_ceil_div(file->row_count, out->block_rows);
        out->chunk_count = out->block_count * out->block_chunks;
    }
}
