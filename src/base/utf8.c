#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
#include "base/attr.h"

int64_t snug_utf8_length(const char *text, int64_t bytes)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char lead = at[0];
    if (lead < 0x80) {
        return 1;
    }
    const int64_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || bytes < length) {
        return 0;
    }
    for (int64_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* The second byte decides about overlong forms, surrogates and the end of Unicode. */
    const bool overlong = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xf0 && at[1] < 0x90);
    const bool surrogate = lead == 0xed && at[1] >= 0xa0;
    const bool beyond = lead == 0xf4 && at[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

void snug_utf8_clean(char *text)
{
    const int64_t bytes = (int64_t)strlen(text);
    for (int64_t at = 0; at < bytes;) {
        const unsigned char *here = (const unsigned char *)text + at;
        const int64_t length = snug_utf8_length(text + at, bytes - at);
        if (length == 0) {
            text[at] = '?';
        } else if (length == 1 && (here[0] < ' ' || here[0] == 0x7f)) {
            text[at] = ' ';
        } else if (length == 2 && here[0] == 0xc2 && here[1] < 0xa0) {
            /* U+0080 to U+009F: control characters of terminals, too. */
            text[at] = text[at + 1] = ' ';
        }
        at += length > 0 ? length : 1;
    }
}

int64_t snug_utf8_write(uint32_t code, char out[4])
{
    SNUG_ASSERT(code <= 0x10ffff);
    SNUG_ASSERT(code < 0xd800 || code > 0xdfff);
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

typedef struct code_range {
    uint32_t first, last;
} code_range;

static bool is_among(uint32_t code, const code_range *ranges, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* The value of a whole character of `length` bytes. */
static uint32_t decode(const char *text, int64_t length)
{
    static const unsigned char lead_masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)text[0] & lead_masks[length];
    for (int64_t i = 1; i < length; i++) {
        code = code << 6 | ((unsigned char)text[i] & 0x3f);
    }
    return code;
}

static int64_t columns_of(uint32_t code)
{
    static const code_range wide[] = {
        {0x1100, 0x115f},   {0x2e80, 0x303e}, {0x3041, 0x4dbf},   {0x4e00, 0xa4cf},
        {0xa960, 0xa97f},   {0xac00, 0xd7a3}, {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
        {0xff01, 0xff60},   {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff},
        {0x20000, 0x3fffd},
    };
    static const code_range narrow[] = {
        {0x0300, 0x036f}, {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}};
    if (code < 0x300) {
        return 1;
    }
    if (is_among(code, narrow, SNUG_COUNT(narrow))) {
        return 0;
    }
    return is_among(code, wide, SNUG_COUNT(wide)) ? 2 : 1;
}

/* Bytes of the first characters that fit into `limit` columns, and the columns they fill. */
static int64_t measure(const char *text, int64_t limit, int64_t *out_columns)
{
    const int64_t bytes = (int64_t)strlen(text);
    int64_t at = 0;
    int64_t columns = 0;
    while (at < bytes) {
        const int64_t length = snug_utf8_length(text + at, bytes - at);
        const int64_t width = length > 0 ? columns_of(decode(text + at, length)) : 1;
        if (columns + width > limit) {
            break;
        }
        columns += width;
        at += length > 0 ? length : 1;
    }
    *out_columns = columns;
    return at;
}

int64_t snug_utf8_columns(const char *text)
{
    int64_t columns = 0;
    (void)measure(text, INT64_MAX, &columns);
    return columns;
}

int64_t snug_utf8_fit(const char *text, int64_t columns)
{
    int64_t used = 0;
    return measure(text, columns, &used);
}
