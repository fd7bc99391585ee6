#include "data/hdf5/h5_internal.h"

#include "base/assert.h"

bool snug_h5_is_number(const snug_h5_member *member)
{
    return member->kind == SNUG_H5_SIGNED || member->kind == SNUG_H5_UNSIGNED ||
           member->kind == SNUG_H5_FLOAT;
}

static uint64_t load(const unsigned char *at, int32_t bytes, bool big_endian)
{
    uint64_t value = 0;
    if (!big_endian) {
        return snug_h5_little(at, bytes);
    }
    for (int32_t i = 0; i < bytes; i++) {
        value = (value << 8) | at[i];
    }
    return value;
}

/* binary16 by its fields: every value fits a double exactly. */
static double half_value(uint32_t bits)
{
    const uint64_t sign = (uint64_t)(bits >> 15) << 63;
    const uint32_t exponent = (bits >> 10) & 0x1f;
    const uint64_t mantissa = bits & 0x3ff;
    double value = 0.0;
    if (exponent == 0) {
        value = (double)mantissa * 0x1p-24;
        return sign != 0 ? -value : value;
    }
    const uint64_t wide = exponent == 31 ? 2047 : (uint64_t)exponent - 15 + 1023;
    const uint64_t word = sign | (wide << 52) | (mantissa << 42);
    memcpy(&value, &word, sizeof value);
    return value;
}

static double number(const snug_h5_member *member, const unsigned char *at)
{
    const uint64_t bits = load(at, member->bytes, member->big_endian);
    if (member->kind == SNUG_H5_UNSIGNED) {
        return (double)bits;
    }
    if (member->kind == SNUG_H5_SIGNED) {
        const int32_t unused = 64 - 8 * member->bytes;
        return (double)((int64_t)(bits << unused) >> unused);
    }
    if (member->bytes == 8) {
        double value = 0.0;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    if (member->bytes == 4) {
        const uint32_t word = (uint32_t)bits;
        float value = 0.0f;
        memcpy(&value, &word, sizeof value);
        return (double)value;
    }
    return half_value((uint32_t)bits);
}

void snug_h5_to_f64(const snug_h5_member *member, const void *element, int64_t first, int64_t count,
                    double *out)
{
    const unsigned char *at = element;
    SNUG_ASSERT(snug_h5_is_number(member));
    SNUG_ASSERT(first >= 0 && count >= 0 && first + count <= member->count);
    at += member->offset + first * member->bytes;
    for (int64_t i = 0; i < count; i++) {
        out[i] = number(member, at + i * member->bytes);
    }
}

void snug_h5_to_f32(const snug_h5_member *member, const void *element, int64_t first, int64_t count,
                    float *out)
{
    const unsigned char *at = element;
    SNUG_ASSERT(snug_h5_is_number(member));
    SNUG_ASSERT(first >= 0 && count >= 0 && first + count <= member->count);
    at += member->offset + first * member->bytes;
    if (member->kind == SNUG_H5_FLOAT && member->bytes == 4 && !member->big_endian) {
        memcpy(out, at, (size_t)count * sizeof(float));
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        out[i] = (float)number(member, at + i * member->bytes);
    }
}

/* Fixed text ends at its first zero, or at its padding of blanks. */
static int64_t fixed_length(const snug_h5_member *member, const unsigned char *at)
{
    int64_t length = 0;
    while (length < member->bytes && at[length] != 0) {
        length++;
    }
    while (member->space_padded && length > 0 && at[length - 1] == ' ') {
        length--;
    }
    return length;
}

static snug_status check_room(int64_t length, int64_t out_bytes, snug_error *err)
{
    if (length >= out_bytes) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "a text of %lld bytes is longer than %lld",
                         (long long)length, (long long)out_bytes - 1);
    }
    return SNUG_OK;
}

static snug_status variable_text(snug_h5_file *file, const unsigned char *at, char *out,
                                 int64_t out_bytes, snug_error *err)
{
    snug_h5_cursor cursor = {.at = at, .left = 8 + file->offset_bytes};
    uint64_t address = 0;
    uint64_t bytes = 0;
    const uint64_t length = snug_h5_take(&cursor, 4);
    const uint64_t collection = snug_h5_take_address(&cursor, file);
    const uint32_t index = (uint32_t)snug_h5_take(&cursor, 4);
    if (length == 0 || collection == 0 || collection == SNUG_H5_NO_ADDRESS) {
        SNUG_TRY(check_room(0, out_bytes, err));
        out[0] = '\0';
        return SNUG_OK;
    }
    SNUG_TRY(snug_h5_global_object(file, collection, index, &address, &bytes, err));
    const uint64_t take = length < bytes ? length : bytes;
    SNUG_TRY(check_room((int64_t)take, out_bytes, err));
    SNUG_TRY(snug_h5_read(file, address, (int64_t)take, out, err));
    out[take] = '\0';
    return SNUG_OK;
}

snug_status snug_h5_text_value(snug_h5_file *file, const snug_h5_member *member,
                               const void *element, int64_t index, char *out, int64_t out_bytes,
                               snug_error *err)
{
    const unsigned char *at = element;
    SNUG_ASSERT(index >= 0 && index < member->count);
    at += member->offset + index * member->bytes;
    if (member->kind == SNUG_H5_TEXT_VARIABLE) {
        return variable_text(file, at, out, out_bytes, err);
    }
    if (member->kind != SNUG_H5_TEXT_FIXED) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "'%s' holds values of type '%s', not text",
                         member->name, member->type_name);
    }
    const int64_t length = fixed_length(member, at);
    SNUG_TRY(check_room(length, out_bytes, err));
    memcpy(out, at, (size_t)length);
    out[length] = '\0';
    return SNUG_OK;
}
