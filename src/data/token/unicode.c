#include "data/token/unicode.h"

#include "base/assert.h"
#include "base/attr.h"
#include "data/token/unicode_tables.inc"

/* Hangul syllables decompose by arithmetic: Unicode, section 3.12. */
enum {
    SYLLABLE_FIRST = 0xac00,
    SYLLABLE_COUNT = 11172,
    LEAD_FIRST = 0x1100,
    VOWEL_FIRST = 0x1161,
    TAIL_FIRST = 0x11a7, /* One before the first: tail 0 is none. */
    VOWEL_COUNT = 21,
    TAIL_COUNT = 28
};

enum { FLAG_MASK = (1 << FLAG_SHIFT) - 1, MAP_MASK = (1 << MAP_SHIFT) - 1 };
static const uint32_t last_part = UINT32_C(1) << 31;

uint32_t snug_unicode_flags(uint32_t code)
{
    SNUG_ASSERT(code <= 0x10ffff);
    return flag_blocks[((uint32_t)flag_index[code >> FLAG_SHIFT] << FLAG_SHIFT) |
                       (code & FLAG_MASK)];
}

snug_unicode_class snug_unicode_class_of(uint32_t code)
{
    SNUG_ASSERT(code <= 0x10ffff);
    return class_blocks[((uint32_t)class_index[code >> FLAG_SHIFT] << FLAG_SHIFT) |
                        (code & FLAG_MASK)];
}

/* Copies the parts from `place` of a pool on; place 0 means that `code` stands for itself. */
static int32_t copy_parts(const uint32_t *pool, uint32_t place, uint32_t code, uint32_t *out)
{
    int32_t count = 0;
    out[0] = code;
    if (place == 0) {
        return 1;
    }
    while ((pool[place] & last_part) == 0) {
        SNUG_ASSERT(count < SNUG_UNICODE_PARTS_MAX - 1);
        out[count++] = pool[place++];
    }
    out[count++] = pool[place] & ~last_part;
    return count;
}

int32_t snug_unicode_decompose(uint32_t code, uint32_t out[SNUG_UNICODE_PARTS_MAX])
{
    const uint32_t syllable = code - SYLLABLE_FIRST;
    if (syllable < SYLLABLE_COUNT) {
        const uint32_t tail = syllable % TAIL_COUNT;
        out[0] = LEAD_FIRST + syllable / (VOWEL_COUNT * TAIL_COUNT);
        out[1] = VOWEL_FIRST + syllable / TAIL_COUNT % VOWEL_COUNT;
        out[2] = TAIL_FIRST + tail;
        return tail == 0 ? 2 : 3;
    }
    if ((int64_t)(code >> MAP_SHIFT) >= SNUG_COUNT(nfd_index)) {
        out[0] = code;
        return 1;
    }
    const uint32_t block = nfd_index[code >> MAP_SHIFT];
    return copy_parts(nfd_pool, nfd_blocks[block << MAP_SHIFT | (code & MAP_MASK)], code, out);
}

int32_t snug_unicode_lower(uint32_t code, uint32_t out[SNUG_UNICODE_PARTS_MAX])
{
    if ((int64_t)(code >> MAP_SHIFT) >= SNUG_COUNT(lower_index)) {
        out[0] = code;
        return 1;
    }
    const uint32_t block = lower_index[code >> MAP_SHIFT];
    return copy_parts(lower_pool, lower_blocks[block << MAP_SHIFT | (code & MAP_MASK)], code, out);
}

int32_t snug_unicode_order(uint32_t code)
{
    int64_t low = 0;
    int64_t high = SNUG_COUNT(late_codes) - 1;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (late_codes[middle] >> 8 < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    SNUG_ASSERT(late_codes[low] >> 8 == code);
    return (int32_t)(late_codes[low] & 0xff);
}
