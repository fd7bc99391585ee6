#include "base/translate.h"

#include <stdlib.h>
#include <string.h>

enum {
    MO_MAGIC_BYTES = 4,
    MO_HEADER_BYTES = 28,
    MO_MESSAGES_MAX = 1 << 16,
    ARGUMENTS_MAX = 32,
    KIND_BYTES = 4 /* "lld", "s", and "*" for a width that is an argument. */
};

static const snug_catalogue *in_use;

static int64_t read_u32(const unsigned char *at)
{
    return (int64_t)at[0] | (int64_t)at[1] << 8 | (int64_t)at[2] << 16 | (int64_t)at[3] << 24;
}

/* The text that entry `index` of a table describes; NULL when it is not whole and inside. */
static const char *text_at(const snug_catalogue *of, int64_t table, int64_t index)
{
    const int64_t length = read_u32(of->data + table + 8 * index);
    const int64_t offset = read_u32(of->data + table + 8 * index + 4);
    if (offset + length >= of->bytes || of->data[offset + length] != '\0') {
        return NULL;
    }
    return (const char *)of->data + offset;
}

bool snug_catalogue_open(const void *data, int64_t bytes, snug_catalogue *out)
{
    static const unsigned char magic[MO_MAGIC_BYTES] = {0xde, 0x12, 0x04, 0x95};
    snug_catalogue found = {.data = data, .bytes = bytes};
    if (bytes < MO_HEADER_BYTES || memcmp(data, magic, sizeof magic) != 0) {
        return false;
    }
    found.count = read_u32(found.data + 8);
    found.keys = read_u32(found.data + 12);
    found.values = read_u32(found.data + 16);
    const int64_t table_bytes = 8 * found.count;
    if (found.count > MO_MESSAGES_MAX || found.keys + table_bytes > bytes ||
        found.values + table_bytes > bytes) {
        return false;
    }
    const char *before = NULL;
    for (int64_t i = 0; i < found.count; i++) {
        const char *key = text_at(&found, found.keys, i);
        if (key == NULL || text_at(&found, found.values, i) == NULL ||
            (before != NULL && strcmp(before, key) >= 0)) {
            return false;
        }
        before = key;
    }
    *out = found;
    return true;
}

const char *snug_catalogue_find(const snug_catalogue *catalogue, const char *key)
{
    int64_t low = 0;
    int64_t high = catalogue->count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const int order = strcmp(key, text_at(catalogue, catalogue->keys, middle));
        if (order == 0) {
            const char *found = text_at(catalogue, catalogue->values, middle);
            return found[0] == '\0' ? NULL : found;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

void snug_translate_use(const snug_catalogue *catalogue)
{
    in_use = catalogue;
}

const char *snug_translated(const char *text)
{
    /* The empty key holds the catalogue's own header. */
    if (in_use == NULL || text[0] == '\0') {
        return text;
    }
    const char *found = snug_catalogue_find(in_use, text);
    return found == NULL ? text : found;
}

/* The kinds of a format's arguments by their place; `count` is -1 when it cannot be read. */
typedef struct arguments {
    char kinds[ARGUMENTS_MAX][KIND_BYTES];
    int64_t count;
} arguments;

static bool note_kind(arguments *out, int64_t place, const char *kind, size_t length)
{
    if (place < 0 || place >= ARGUMENTS_MAX || length >= KIND_BYTES) {
        return false;
    }
    memset(out->kinds[place], 0, KIND_BYTES);
    memcpy(out->kinds[place], kind, length);
    out->count = place + 1 > out->count ? place + 1 : out->count;
    return true;
}

/* "3$" at `*at` is place 2; without it, the next one. */
static int64_t take_place(const char **at, int64_t *next)
{
    char *end = NULL;
    const long number = **at >= '1' && **at <= '9' ? strtol(*at, &end, 10) : 0;
    if (number > 0 && *end == '$') {
        *at = end + 1;
        return number > ARGUMENTS_MAX ? -1 : (int64_t)number - 1;
    }
    return (*next)++;
}

/* A '*' at `*at` takes an argument; digits are skipped. */
static bool take_width(const char **at, int64_t *next, arguments *out)
{
    if (**at == '*') {
        (*at)++;
        return note_kind(out, take_place(at, next), "*", 1);
    }
    *at += strspn(*at, "0123456789");
    return true;
}

static void read_arguments(const char *format, arguments *out)
{
    int64_t next = 0;
    *out = (arguments){0};
    for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at, '%')) {
        at++;
        if (*at == '%') {
            at++;
            continue;
        }
        char *end = NULL;
        (void)strtol(at, &end, 10);
        const bool placed = end != at && *end == '$' && *at >= '1' && *at <= '9';
        const int64_t place = placed ? take_place(&at, &next) : -1;
        at += strspn(at, "-+ #0'");
        bool good = take_width(&at, &next, out);
        if (good && *at == '.') {
            at++;
            good = take_width(&at, &next, out);
        }
        const size_t length = strspn(at, "hljztL") + 1;
        if (!good || at[length - 1] == '\0' ||
            strchr("diouxXeEfFgGaAcsp", at[length - 1]) == NULL ||
            !note_kind(out, placed ? place : next++, at, length)) {
            out->count = -1;
            return;
        }
        at += length;
    }
}

bool snug_formats_agree(const char *format, const char *other)
{
    arguments one;
    arguments two;
    read_arguments(format, &one);
    read_arguments(other, &two);
    return one.count >= 0 && one.count == two.count &&
           memcmp(one.kinds, two.kinds, sizeof one.kinds) == 0;
}

const char *snug_translated_format(const char *format)
{
    const char *found = snug_translated(format);
    return found == format || snug_formats_agree(format, found) ? found : format;
}
