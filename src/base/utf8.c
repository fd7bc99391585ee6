#include "base/utf8.h"

#include <stdbool.h>

#include "base/assert.h"

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
