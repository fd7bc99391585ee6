#include "data/hdf5/h5_internal.h"

#include "base/checked.h"

/*
 * A datatype is a tree. It is walked with a stack of frames instead of recursion: atoms become
 * leaves, a finished leaf climbs through arrays and enums until a compound takes it as a member.
 */
typedef enum frame_kind { FRAME_COMPOUND, FRAME_ARRAY, FRAME_ENUM, FRAME_VARIABLE } frame_kind;

typedef struct frame {
    frame_kind kind;
    int32_t version;
    int64_t bytes;         /* Of the type that opened the frame. */
    int64_t left;          /* Compound: members still to come. Enum: its values. */
    int64_t base_offset;   /* Compound: where it begins in the element. */
    int64_t member_offset; /* Compound: of the member being read. */
    int64_t member_count;  /* Compound, version 1: array of the member. Array: its elements. */
    int64_t name_bytes;    /* Compound: of the prefix of its members. */
    bool text;             /* Variable: a string. */
} frame;

typedef struct leaf {
    snug_h5_kind kind;
    const char *type_name;
    int64_t bytes; /* Of one element. */
    int64_t count;
    bool big_endian;
    bool space_padded;
    bool compound; /* Its members have gone out already. */
} leaf;

/* Where members go: counted only, or stored as well. */
typedef struct type_walk {
    snug_h5_file *file;
    snug_h5_cursor cursor;
    snug_h5_member *members; /* NULL in the counting pass. */
    snug_arena *arena;
    int64_t member_count;
    int64_t element_bytes;
    int32_t depth;
    int32_t hidden; /* Frames whose inner members are not visible: arrays, variable length. */
    frame frames[SNUG_H5_TYPE_DEPTH_MAX];
    char name[SNUG_NAME_BYTES];
} type_walk;

static const char *number_name(snug_h5_kind kind, int64_t bytes, bool big_endian)
{
    static const char *const names[3][4][2] = {
        {{"i1", "i1"}, {"i2", "big-endian i2"}, {"i4", "big-endian i4"}, {"i8", "big-endian i8"}},
        {{"u1", "u1"}, {"u2", "big-endian u2"}, {"u4", "big-endian u4"}, {"u8", "big-endian u8"}},
        {{"f1", "f1"}, {"f2", "big-endian f2"}, {"f4", "big-endian f4"}, {"f8", "big-endian f8"}}};
    const int kinds = kind == SNUG_H5_SIGNED ? 0 : kind == SNUG_H5_UNSIGNED ? 1 : 2;
    const int width = bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : 3;
    return names[kinds][width][big_endian ? 1 : 0];
}

static bool is_number_width(int64_t bytes)
{
    return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

static void parse_integer(type_walk *walk, uint32_t bits, leaf *out)
{
    const uint64_t bit_offset = snug_h5_take(&walk->cursor, 2);
    const uint64_t precision = snug_h5_take(&walk->cursor, 2);
    out->big_endian = (bits & 1) != 0;
    if (is_number_width(out->bytes) && bit_offset == 0 && precision == (uint64_t)out->bytes * 8) {
        out->kind = (bits & 8) != 0 ? SNUG_H5_SIGNED : SNUG_H5_UNSIGNED;
        out->type_name = number_name(out->kind, out->bytes, out->big_endian);
    }
}

/* Only the three IEEE layouts: where the exponent and the mantissa are says which. */
static void parse_float(type_walk *walk, uint32_t bits, leaf *out)
{
    const uint64_t bit_offset = snug_h5_take(&walk->cursor, 2);
    const uint64_t precision = snug_h5_take(&walk->cursor, 2);
    const uint64_t exponent_at = snug_h5_take(&walk->cursor, 1);
    const uint64_t exponent_bits = snug_h5_take(&walk->cursor, 1);
    const uint64_t mantissa_at = snug_h5_take(&walk->cursor, 1);
    const uint64_t mantissa_bits = snug_h5_take(&walk->cursor, 1);
    const uint64_t bias = snug_h5_take(&walk->cursor, 4);
    const uint64_t sign_at = (bits >> 8) & 0xff;
    const bool vax = (bits & 0x40) != 0;
    const int64_t want_mantissa = out->bytes == 2 ? 10 : out->bytes == 4 ? 23 : 52;
    const int64_t want_exponent = out->bytes == 2 ? 5 : out->bytes == 4 ? 8 : 11;
    const int64_t want_bias = (INT64_C(1) << (want_exponent - 1)) - 1;

    out->big_endian = (bits & 1) != 0;
    out->type_name = "float of an odd layout";
    if ((out->bytes == 2 || out->bytes == 4 || out->bytes == 8) && !vax && bit_offset == 0 &&
        precision == (uint64_t)out->bytes * 8 && mantissa_at == 0 &&
        mantissa_bits == (uint64_t)want_mantissa && exponent_at == (uint64_t)want_mantissa &&
        exponent_bits == (uint64_t)want_exponent && bias == (uint64_t)want_bias &&
        sign_at == precision - 1) {
        out->kind = SNUG_H5_FLOAT;
        out->type_name = number_name(out->kind, out->bytes, out->big_endian);
    }
}

static snug_status push(type_walk *walk, frame next, snug_error *err)
{
    if (walk->depth == SNUG_H5_TYPE_DEPTH_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a datatype is nested deeper than %d",
                         (int)SNUG_H5_TYPE_DEPTH_MAX);
    }
    walk->hidden += next.kind == FRAME_ARRAY || next.kind == FRAME_VARIABLE ? 1 : 0;
    walk->frames[walk->depth] = next;
    walk->depth++;
    return SNUG_OK;
}

/* Names in versions 1 and 2 are padded with zeros to a multiple of eight. */
static const char *take_padded_name(snug_h5_cursor *cursor, int32_t version, int64_t *out_bytes)
{
    const char *name = snug_h5_take_name(cursor, out_bytes);
    if (name != NULL && version < 3) {
        snug_h5_skip(cursor, snug_align_up(*out_bytes + 1, 8) - (*out_bytes + 1));
    }
    return name;
}

static int64_t bytes_needed(uint64_t value)
{
    int64_t bytes = 1;
    while (bytes < 8 && (value >> (8 * bytes)) != 0) {
        bytes++;
    }
    return bytes;
}

/* The array dimensions inside a version 1 member; the product of those in use. */
static int64_t take_old_dimensions(snug_h5_cursor *cursor)
{
    const uint64_t rank = snug_h5_take(cursor, 1);
    int64_t count = 1;
    snug_h5_skip(cursor, 3 + 4 + 4);
    for (uint64_t i = 0; i < 4; i++) {
        const int64_t dimension = (int64_t)snug_h5_take(cursor, 4);
        if (i < rank && !snug_mul_i64(count, dimension, &count)) {
            cursor->bad = true;
        }
    }
    cursor->bad = cursor->bad || rank > 4;
    return count;
}

/* Reads the head of the next member of the compound on top of the stack. */
static snug_status begin_member(type_walk *walk, snug_error *err)
{
    frame *top = &walk->frames[walk->depth - 1];
    int64_t name_bytes = 0;
    const char *name = take_padded_name(&walk->cursor, top->version, &name_bytes);
    const int64_t offset_bytes = top->version >= 3 ? bytes_needed((uint64_t)top->bytes) : 4;
    top->member_offset = (int64_t)snug_h5_take(&walk->cursor, offset_bytes);
    top->member_count = top->version == 1 ? take_old_dimensions(&walk->cursor) : 1;
    if (walk->cursor.bad || name == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a compound datatype is cut short");
    }
    if (top->name_bytes + name_bytes + 2 > SNUG_NAME_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a member name is longer than %d bytes",
                         (int)SNUG_NAME_BYTES - 2);
    }
    memcpy(walk->name + top->name_bytes, name, (size_t)name_bytes);
    walk->name[top->name_bytes + name_bytes] = '\0';
    return SNUG_OK;
}

static snug_status open_compound(type_walk *walk, int32_t version, uint32_t bits, int64_t bytes,
                                 snug_error *err)
{
    frame next = {.kind = FRAME_COMPOUND, .version = version, .bytes = bytes};
    next.left = bits & 0xffff;
    if (next.left == 0) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a compound datatype has no members");
    }
    for (int32_t i = walk->depth - 1; i >= 0; i--) {
        const frame *outer = &walk->frames[i];
        if (outer->kind == FRAME_COMPOUND) {
            next.base_offset = outer->base_offset + outer->member_offset;
            next.name_bytes = (int64_t)strlen(walk->name);
            walk->name[next.name_bytes] = '.';
            next.name_bytes++;
            break;
        }
    }
    SNUG_TRY(push(walk, next, err));
    return begin_member(walk, err);
}

static snug_status open_array(type_walk *walk, int32_t version, int64_t bytes, snug_error *err)
{
    frame next = {.kind = FRAME_ARRAY, .version = version, .bytes = bytes, .member_count = 1};
    const int64_t rank = (int64_t)snug_h5_take(&walk->cursor, 1);
    snug_h5_skip(&walk->cursor, version < 3 ? 3 : 0);
    if (rank > SNUG_H5_RANK_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "an array datatype has %lld dimensions",
                         (long long)rank);
    }
    for (int64_t i = 0; i < rank; i++) {
        const int64_t dimension = (int64_t)snug_h5_take(&walk->cursor, 4);
        if (dimension == 0 || !snug_mul_i64(next.member_count, dimension, &next.member_count)) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "an array datatype has impossible dimensions");
        }
    }
    snug_h5_skip(&walk->cursor, version < 3 ? rank * 4 : 0);
    return push(walk, next, err);
}

/* Types that hold others: a frame goes on the stack, and what follows belongs to it. */
static snug_status open_wrapper(type_walk *walk, int32_t class_number, int32_t version,
                                uint32_t bits, int64_t bytes, snug_error *err)
{
    frame next = {.version = version, .bytes = bytes};
    switch (class_number) {
    case 6:
        return open_compound(walk, version, bits, bytes, err);
    case 8:
        next.kind = FRAME_ENUM;
        next.left = bits & 0xffff;
        return push(walk, next, err);
    case 10:
        return open_array(walk, version, bytes, err);
    default: /* 9, and 11: a complex number wraps one base type as a sequence does. */
        next.kind = FRAME_VARIABLE;
        next.text = class_number == 9 && (bits & 0x0f) == 1;
        return push(walk, next, err);
    }
}

/* Types that hold no others: reads their properties; false when it is not one of them. */
static bool parse_atom(type_walk *walk, int32_t class_number, uint32_t bits, leaf *out)
{
    switch (class_number) {
    case 0:
        parse_integer(walk, bits, out);
        return true;
    case 1:
        parse_float(walk, bits, out);
        return true;
    case 2:
        snug_h5_skip(&walk->cursor, 2);
        return true;
    case 3:
        out->kind = SNUG_H5_TEXT_FIXED;
        out->space_padded = (bits & 0x0f) == 2;
        return true;
    case 4: /* A bitfield of a whole width reads as an unsigned number, as h5py does. */
        parse_integer(walk, bits & 1, out);
        return true;
    case 5:
        snug_h5_skip(&walk->cursor, (int64_t)(bits & 0xff));
        return true;
    default:
        return class_number == 7;
    }
}

/*
 * Reads one type header. Leaves set *out_done and `out`; the others push a frame, and the type that
 * follows in the message belongs to it.
 */
static snug_status parse_header(type_walk *walk, leaf *out, bool *out_done, snug_error *err)
{
    static const char *const plain_names[] = {"integer of odd width",
                                              "float",
                                              "time",
                                              "text",
                                              "bitfield",
                                              "opaque",
                                              "compound",
                                              "reference",
                                              "enum",
                                              "variable length",
                                              "array",
                                              "complex"};
    const uint32_t first = (uint32_t)snug_h5_take(&walk->cursor, 4);
    const int64_t bytes = (int64_t)snug_h5_take(&walk->cursor, 4);
    const int32_t class_number = (int32_t)(first & 0x0f);
    const int32_t version = (int32_t)((first >> 4) & 0x0f);
    const uint32_t bits = first >> 8;
    if (walk->cursor.bad || version < 1 || version > 5 || class_number > 11) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a datatype is damaged (class %d, version %d)",
                         class_number, version);
    }
    if (bytes < 1 || bytes > SNUG_H5_ELEMENT_BYTES_MAX) {
        return SNUG_FAIL(err, bytes < 1 ? SNUG_CODE_FORMAT : SNUG_CODE_LIMIT,
                         "a datatype has elements of %lld bytes", (long long)bytes);
    }
    walk->element_bytes = walk->depth == 0 ? bytes : walk->element_bytes;
    *out = (leaf){.bytes = bytes, .count = 1, .type_name = plain_names[class_number]};
    *out_done = parse_atom(walk, class_number, bits, out);
    return *out_done ? SNUG_OK : open_wrapper(walk, class_number, version, bits, bytes, err);
}

static snug_status emit(type_walk *walk, const leaf *value, int64_t offset, const char *name,
                        snug_error *err)
{
    int64_t bytes = 0;
    if (!snug_mul_i64(value->bytes, value->count, &bytes) || value->count == 0 || offset < 0 ||
        offset > walk->element_bytes || bytes > walk->element_bytes - offset) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "member '%s' does not fit its compound type of %lld bytes", name,
                         (long long)walk->element_bytes);
    }
    if (walk->member_count == SNUG_H5_MEMBERS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a compound type has more than %d members",
                         (int)SNUG_H5_MEMBERS_MAX);
    }
    if (walk->members != NULL) {
        snug_h5_member *member = &walk->members[walk->member_count];
        void *copy = NULL;
        const int64_t name_bytes = (int64_t)strlen(name) + 1;
        SNUG_TRY(snug_h5_alloc(walk->file, walk->arena, name_bytes, 1, &copy, err));
        memcpy(copy, name, (size_t)name_bytes);
        *member = (snug_h5_member){.name = copy,
                                   .type_name = value->type_name,
                                   .offset = offset,
                                   .count = value->count,
                                   .bytes = (int32_t)value->bytes,
                                   .kind = value->kind,
                                   .big_endian = value->big_endian,
                                   .space_padded = value->space_padded};
    }
    walk->member_count++;
    return SNUG_OK;
}

static void become_unsupported(leaf *value, const char *type_name, int64_t bytes)
{
    *value = (leaf){.type_name = type_name, .bytes = bytes, .count = 1};
}

static snug_status close_array(const frame *top, leaf *value, snug_error *err)
{
    int64_t total = 0;
    if (value->compound) {
        become_unsupported(value, "array of compounds", top->bytes);
        return SNUG_OK;
    }
    if (!snug_mul_i64(value->count, top->member_count, &value->count) ||
        !snug_mul_i64(value->count, value->bytes, &total) || total > top->bytes) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "an array datatype of %lld bytes holds more elements than fit",
                         (long long)top->bytes);
    }
    return SNUG_OK;
}

static snug_status close_enum(type_walk *walk, const frame *top, leaf *value, snug_error *err)
{
    for (int64_t i = 0; i < top->left; i++) {
        int64_t name_bytes = 0;
        (void)take_padded_name(&walk->cursor, top->version, &name_bytes);
    }
    snug_h5_skip(&walk->cursor, top->left * value->bytes);
    if (walk->cursor.bad || value->compound || value->count != 1) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "an enum datatype is damaged");
    }
    return SNUG_OK;
}

/* A member is complete: out it goes, unless something hides it. *out_more: another one begins. */
static snug_status close_member(type_walk *walk, frame *top, leaf *value, bool *out_more,
                                snug_error *err)
{
    if (!value->compound && walk->hidden == 0) {
        if (!snug_mul_i64(value->count, top->member_count, &value->count)) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a member array is too large");
        }
        SNUG_TRY(emit(walk, value, top->base_offset + top->member_offset, walk->name, err));
    } else if (value->compound && walk->hidden == 0 && top->member_count != 1) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "member '%s' is an array of compounds",
                         walk->name);
    }
    top->left--;
    *out_more = top->left > 0;
    if (*out_more) {
        return begin_member(walk, err);
    }
    if (top->name_bytes > 0) {
        walk->name[top->name_bytes - 1] = '\0';
    }
    *value = (leaf){.compound = true, .bytes = top->bytes, .count = 1, .type_name = "compound"};
    return SNUG_OK;
}

/* Lets a finished leaf climb; *out_done when the whole type is complete. */
static snug_status climb(type_walk *walk, leaf *value, bool *out_done, snug_error *err)
{
    while (walk->depth > 0) {
        frame *top = &walk->frames[walk->depth - 1];
        bool more = false;
        switch (top->kind) {
        case FRAME_ARRAY:
            SNUG_TRY(close_array(top, value, err));
            walk->hidden--;
            break;
        case FRAME_ENUM:
            SNUG_TRY(close_enum(walk, top, value, err));
            break;
        case FRAME_VARIABLE:
            become_unsupported(value, top->text ? "variable-length text" : "variable length",
                               top->bytes);
            if (top->text && top->bytes == 8 + walk->file->offset_bytes) {
                value->kind = SNUG_H5_TEXT_VARIABLE;
            }
            walk->hidden--;
            break;
        case FRAME_COMPOUND:
            SNUG_TRY(close_member(walk, top, value, &more, err));
            break;
        }
        if (more) {
            *out_done = false;
            return SNUG_OK;
        }
        walk->depth--;
    }
    *out_done = true;
    return SNUG_OK;
}

static snug_status walk_type(type_walk *walk, leaf *out, snug_error *err)
{
    bool done = false;
    while (!done) {
        leaf value = {0};
        bool is_leaf = false;
        SNUG_TRY(parse_header(walk, &value, &is_leaf, err));
        if (walk->cursor.bad) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a datatype message is cut short");
        }
        if (is_leaf) {
            SNUG_TRY(climb(walk, &value, &done, err));
            *out = value;
        }
    }
    return SNUG_OK;
}

snug_status snug_h5_type_parse(snug_h5_file *file, const unsigned char *data, int64_t bytes,
                               snug_arena *arena, snug_h5_type *out, snug_error *err)
{
    leaf value = {0};
    void *members = NULL;
    type_walk walk = {.file = file, .cursor = {.at = data, .left = bytes}};
    SNUG_TRY(walk_type(&walk, &value, err));
    const int64_t member_count = snug_max_i64(walk.member_count, 1);
    SNUG_TRY(
        snug_h5_alloc(file, arena, member_count, (int64_t)sizeof(snug_h5_member), &members, err));

    walk = (type_walk){
        .file = file, .cursor = {.at = data, .left = bytes}, .members = members, .arena = arena};
    SNUG_TRY(walk_type(&walk, &value, err));
    if (!value.compound) {
        SNUG_TRY(emit(&walk, &value, 0, "", err));
    }
    *out = (snug_h5_type){.bytes = walk.element_bytes,
                          .compound = value.compound,
                          .member_count = walk.member_count,
                          .members = members};
    return SNUG_OK;
}

snug_status snug_h5_type_parse_single(snug_h5_file *file, const unsigned char *data, int64_t bytes,
                                      snug_h5_member *out, int64_t *out_bytes, snug_error *err)
{
    leaf value = {0};
    type_walk walk = {.file = file, .cursor = {.at = data, .left = bytes}};
    SNUG_TRY(walk_type(&walk, &value, err));
    if (value.compound) {
        become_unsupported(&value, "compound", walk.element_bytes);
    }
    *out = (snug_h5_member){.name = "",
                            .type_name = value.type_name,
                            .count = value.count,
                            .bytes = (int32_t)value.bytes,
                            .kind = value.kind,
                            .big_endian = value.big_endian,
                            .space_padded = value.space_padded};
    *out_bytes = walk.element_bytes;
    return SNUG_OK;
}
