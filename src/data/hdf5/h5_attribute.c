#include "data/hdf5/h5_internal.h"

#include "base/checked.h"

/* The parts of an attribute message, still in the buffer it was read into. */
typedef struct raw_attribute {
    const char *name;
    snug_h5_message type;
    snug_h5_message space;
    const unsigned char *data;
    int64_t data_bytes;
} raw_attribute;

/* Cuts `bytes` from the cursor; version 1 pads every part to eight bytes. */
static const unsigned char *cut(snug_h5_cursor *cursor, int64_t bytes, bool padded)
{
    const unsigned char *at = cursor->at;
    const int64_t whole = padded ? snug_align_up(bytes, 8) : bytes;
    snug_h5_skip(cursor, snug_min_i64(whole, snug_max_i64(bytes, cursor->left)));
    return at;
}

static snug_status split(const unsigned char *message, int64_t message_bytes, raw_attribute *out,
                         snug_error *err)
{
    snug_h5_cursor cursor = {.at = message, .left = message_bytes};
    const int32_t version = (int32_t)snug_h5_take(&cursor, 1);
    const uint64_t flags = snug_h5_take(&cursor, 1);
    const int64_t name_bytes = (int64_t)snug_h5_take(&cursor, 2);
    const int64_t type_bytes = (int64_t)snug_h5_take(&cursor, 2);
    const int64_t space_bytes = (int64_t)snug_h5_take(&cursor, 2);
    snug_h5_skip(&cursor, version == 3 ? 1 : 0);
    const unsigned char *name = cut(&cursor, name_bytes, version == 1);
    out->type = (snug_h5_message){.type = SNUG_H5_MESSAGE_TYPE,
                                  .shared = version >= 2 && (flags & 1) != 0,
                                  .bytes = type_bytes};
    out->type.data = cut(&cursor, type_bytes, version == 1);
    out->space = (snug_h5_message){.type = SNUG_H5_MESSAGE_SPACE,
                                   .shared = version >= 2 && (flags & 2) != 0,
                                   .bytes = space_bytes};
    out->space.data = cut(&cursor, space_bytes, version == 1);
    if (cursor.bad || version < 1 || version > 3 || name_bytes < 1 ||
        memchr(name, 0, (size_t)name_bytes) == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "an attribute message is damaged (version %d)",
                         version);
    }
    out->name = (const char *)name;
    out->data = cursor.at;
    out->data_bytes = cursor.left;
    return SNUG_OK;
}

static snug_status space_elements(const snug_h5_space *space, int64_t *out, snug_error *err)
{
    int64_t count = space->null ? 0 : 1;
    for (int32_t axis = 0; axis < space->rank; axis++) {
        if (space->extents[axis] > INT64_MAX ||
            !snug_mul_i64(count, (int64_t)space->extents[axis], &count)) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "an attribute has an impossible size");
        }
    }
    *out = count;
    return SNUG_OK;
}

/*
 * Makes the public attribute. The message is copied to SLOT_VALUE first: what the caller does with
 * the attribute (text in the global heap) may use the other buffers.
 */
static snug_status parse(snug_h5_file *file, const unsigned char *message, int64_t bytes,
                         snug_h5_attribute *out, snug_error *err)
{
    raw_attribute raw = {0};
    snug_h5_space space = {0};
    int64_t element_bytes = 0;
    int64_t needed = 0;
    unsigned char *copy = file->slots[SNUG_H5_SLOT_VALUE];
    memcpy(copy, message, (size_t)bytes);
    SNUG_TRY(split(copy, bytes, &raw, err));
    SNUG_TRY(snug_h5_message_resolve(file, &raw.type, err));
    SNUG_TRY(snug_h5_type_parse_single(file, raw.type.data, raw.type.bytes, &out->type,
                                       &element_bytes, err));
    SNUG_TRY(snug_h5_message_resolve(file, &raw.space, err));
    SNUG_TRY(snug_h5_space_parse(file, raw.space.data, raw.space.bytes, &space, err));
    SNUG_TRY(space_elements(&space, &out->count, err));
    if (!snug_mul_i64(out->count, element_bytes, &needed) || needed > raw.data_bytes) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "attribute '%s' is cut short", raw.name);
    }
    out->name = raw.name;
    out->data = raw.data;
    out->data_bytes = needed;
    return SNUG_OK;
}

static snug_status visit_raw(snug_h5_file *file, const unsigned char *data, int64_t bytes,
                             snug_h5_attribute_visit visit, void *context, bool *stop,
                             snug_error *err)
{
    snug_h5_attribute attribute = {0};
    SNUG_TRY(parse(file, data, bytes, &attribute, err));
    return visit(context, file, &attribute, stop, err);
}

static snug_status list_dense(snug_h5_file *file, const snug_h5_message *message,
                              snug_h5_attribute_visit visit, void *context, bool *stop,
                              snug_error *err)
{
    snug_h5_dense dense;
    SNUG_TRY(snug_h5_dense_open(file, message, SNUG_H5_DENSE_ATTRIBUTES, &dense, err));
    while (!*stop) {
        const unsigned char *data = NULL;
        int64_t bytes = 0;
        bool more = false;
        SNUG_TRY(snug_h5_dense_next(&dense, &data, &bytes, &more, err));
        if (!more) {
            break;
        }
        SNUG_TRY(visit_raw(file, data, bytes, visit, context, stop, err));
    }
    return SNUG_OK;
}

snug_status snug_h5_attribute_list(snug_h5_file *file, snug_h5_object object,
                                   snug_h5_attribute_visit visit, void *context, snug_error *err)
{
    snug_h5_header header;
    bool more = true;
    bool stop = false;
    SNUG_TRY(snug_h5_header_open(file, object.address, SNUG_H5_SLOT_HEADER, &header, err));
    while (!stop) {
        snug_h5_message message = {0};
        SNUG_TRY(snug_h5_header_next(&header, &message, &more, err));
        if (!more) {
            break;
        }
        if (message.type == SNUG_H5_MESSAGE_ATTRIBUTE && message.shared) {
            return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "shared attributes are not read");
        }
        if (message.type == SNUG_H5_MESSAGE_ATTRIBUTE) {
            SNUG_TRY(visit_raw(file, message.data, message.bytes, visit, context, &stop, err));
        } else if (message.type == SNUG_H5_MESSAGE_ATTRIBUTE_INFO) {
            SNUG_TRY(list_dense(file, &message, visit, context, &stop, err));
        }
    }
    return SNUG_OK;
}

/* ---- One value by name ---- */

typedef enum value_kind { VALUE_F64, VALUE_I64, VALUE_TEXT } value_kind;

typedef struct wanted {
    const char *name;
    value_kind kind;
    bool found;
    double f64;
    int64_t i64;
    char *text;
    int64_t text_bytes;
} wanted;

static snug_status fail_kind(const snug_h5_attribute *attribute, const char *expected,
                             snug_error *err)
{
    return SNUG_FAIL(err, SNUG_CODE_DATA, "attribute '%s' is of type %s (%lld values), not %s",
                     attribute->name, attribute->type.type_name, (long long)attribute->count,
                     expected);
}

/* 64-bit integers do not pass through a double. */
static int64_t integer_value(const snug_h5_attribute *attribute)
{
    const snug_h5_member *type = &attribute->type;
    uint64_t bits = 0;
    for (int32_t i = 0; i < type->bytes; i++) {
        const int32_t from = type->big_endian ? i : type->bytes - 1 - i;
        bits = (bits << 8) | attribute->data[from];
    }
    const int32_t unused = 64 - 8 * type->bytes;
    return type->kind == SNUG_H5_SIGNED ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
}

static snug_status take_value(void *context, snug_h5_file *file, const snug_h5_attribute *attribute,
                              bool *stop, snug_error *err)
{
    wanted *want = context;
    if (strcmp(attribute->name, want->name) != 0) {
        return SNUG_OK;
    }
    *stop = true;
    const snug_h5_member *type = &attribute->type;
    const bool single = attribute->count == 1 && type->count == 1;
    const bool text = type->kind == SNUG_H5_TEXT_FIXED || type->kind == SNUG_H5_TEXT_VARIABLE;
    const bool integer = type->kind == SNUG_H5_SIGNED || type->kind == SNUG_H5_UNSIGNED;
    switch (want->kind) {
    case VALUE_F64:
        if (!single || !snug_h5_is_number(type)) {
            return fail_kind(attribute, "a number", err);
        }
        snug_h5_to_f64(type, attribute->data, 0, 1, &want->f64);
        break;
    case VALUE_I64:
        if (!single || !integer) {
            return fail_kind(attribute, "an integer", err);
        }
        want->i64 = integer_value(attribute);
        break;
    case VALUE_TEXT:
        if (!single || !text) {
            return fail_kind(attribute, "text", err);
        }
        SNUG_TRY(
            snug_h5_text_value(file, type, attribute->data, 0, want->text, want->text_bytes, err));
        break;
    }
    want->found = true;
    return SNUG_OK;
}

static snug_status find_value(snug_h5_file *file, snug_h5_object object, wanted *want,
                              snug_error *err)
{
    SNUG_TRY(snug_h5_attribute_list(file, object, take_value, want, err));
    if (!want->found) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "no attribute '%s'", want->name);
    }
    return SNUG_OK;
}

snug_status snug_h5_attribute_f64(snug_h5_file *file, snug_h5_object object, const char *name,
                                  double *out, snug_error *err)
{
    wanted want = {.name = name, .kind = VALUE_F64};
    SNUG_TRY(find_value(file, object, &want, err));
    *out = want.f64;
    return SNUG_OK;
}

snug_status snug_h5_attribute_i64(snug_h5_file *file, snug_h5_object object, const char *name,
                                  int64_t *out, snug_error *err)
{
    wanted want = {.name = name, .kind = VALUE_I64};
    SNUG_TRY(find_value(file, object, &want, err));
    *out = want.i64;
    return SNUG_OK;
}

snug_status snug_h5_attribute_text(snug_h5_file *file, snug_h5_object object, const char *name,
                                   char *out, int64_t out_bytes, snug_error *err)
{
    wanted want = {.name = name, .kind = VALUE_TEXT, .text = out, .text_bytes = out_bytes};
    return find_value(file, object, &want, err);
}
