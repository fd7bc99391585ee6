#include "base/text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/limits.h"
#include "base/translate.h"
#include "base/utf8.h"

void snug_text_init(snug_text *text, char *data, int64_t capacity)
{
    SNUG_ASSERT(capacity >= 1);
    *text = (snug_text){.data = data, .capacity = capacity};
    data[0] = '\0';
}

SNUG_PRINTF(2, 0) static void add_list(snug_text *text, const char *format, va_list arguments)
{
    const int64_t room = text->capacity - text->length;
    const int wanted = vsnprintf(text->data + text->length, (size_t)room, format, arguments);
    if (wanted < 0) {
        text->data[text->length] = '\0';
        text->truncated = true;
    } else if (wanted >= room) {
        text->length = text->capacity - 1;
        text->truncated = true;
        /* Never end in the middle of a UTF-8 character. */
        int64_t start = text->length;
        while (start > 0 && ((unsigned char)text->data[start - 1] & 0xc0) == 0x80) {
            start--;
        }
        if (start > 0 && (unsigned char)text->data[start - 1] >= 0xc0) {
            const unsigned char lead = (unsigned char)text->data[start - 1];
            const int64_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
            if (text->length - (start - 1) < need) {
                text->length = start - 1;
            }
        }
        text->data[text->length] = '\0';
    } else {
        text->length += wanted;
    }
}

void snug_text_add(snug_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_list(text, format, arguments);
    va_end(arguments);
}

void snug_text_say(snug_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_list(text, snug_translated_format(format), arguments);
    va_end(arguments);
}

void snug_text_cell(snug_text *text, int64_t columns, const char *words)
{
    const int64_t wanted = columns < 0 ? -columns : columns;
    const int64_t space = snug_max_i64(wanted - snug_utf8_columns(words), 0);
    snug_text_add(text, "%*s%s%*s", columns > 0 ? (int)space : 0, "", words,
                  columns < 0 ? (int)space : 0, "");
}

const char *snug_brief_text(const char *text, int64_t bytes, char out[SNUG_BRIEF_BYTES])
{
    static const char dots[] = "...";
    snug_text brief;
    snug_text_init(&brief, out, SNUG_BRIEF_BYTES - (int64_t)sizeof dots + 1);
    snug_text_add(&brief, "%.*s", (int)snug_min_i64(bytes, SNUG_BRIEF_BYTES), text);
    if (brief.truncated) {
        memcpy(out + brief.length, dots, sizeof dots);
    }
    return out;
}

const char *snug_size_text(int64_t bytes, char out[SNUG_SIZE_TEXT_BYTES])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    const char *sign = bytes < 0 ? "-" : "";
    const double magnitude = bytes < 0 ? -(double)bytes : (double)bytes;
    if (magnitude < 1024) {
        (void)snprintf(out, SNUG_SIZE_TEXT_BYTES, "%s%.0f B", sign, magnitude);
        return out;
    }
    double value = magnitude / 1024;
    int64_t unit = 0;
    /* 1023.95 would be printed as 1024.0: that is the next unit already. */
    while (unit + 1 < SNUG_COUNT(units) && value >= (unit >= 2 ? 1023.995 : 1023.95)) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(out, SNUG_SIZE_TEXT_BYTES, "%s%.*f %s", sign, unit >= 2 ? 2 : 1, value,
                   units[unit]);
    return out;
}

/* The factor of "K", "kb", "GiB", ...; 0 when there is no such unit. */
static int64_t unit_factor(const char *unit)
{
    static const char letters[] = "KMGTPE";
    if (unit[0] == '\0') {
        return 0;
    }
    if ((unit[0] == 'b' || unit[0] == 'B') && unit[1] == '\0') {
        return 1;
    }
    const char *letter = strchr(letters, toupper((unsigned char)unit[0]));
    if (letter == NULL) {
        return 0;
    }
    const char *rest = unit + 1;
    if (rest[0] == 'i' || rest[0] == 'I') {
        rest++;
        if (rest[0] == '\0') {
            return 0;
        }
    }
    if (rest[0] == 'b' || rest[0] == 'B') {
        rest++;
    }
    return rest[0] == '\0' ? INT64_C(1) << (10 * (letter - letters + 1)) : 0;
}

enum { SIZE_FRACTION_DIGITS_MAX = 6 };

snug_status snug_size_parse(const char *text, int64_t *out_bytes, snug_error *err)
{
    int64_t whole = 0;
    int64_t fraction = 0;
    int64_t fraction_unit = 1;
    int fraction_digits = 0;
    const char *at = text;
    if (!isdigit((unsigned char)*at)) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "'%s' is not a size; write it like 600MiB or 1.5GiB",
                         text);
    }
    for (; isdigit((unsigned char)*at); at++) {
        if (!snug_mul_i64(whole, 10, &whole) || !snug_add_i64(whole, *at - '0', &whole)) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE, "'%s' is too large for a size", text);
        }
    }
    if (*at == '.') {
        for (at++; isdigit((unsigned char)*at); at++) {
            if (++fraction_digits > SIZE_FRACTION_DIGITS_MAX) {
                return SNUG_FAIL(err, SNUG_CODE_USAGE,
                                 "'%s' has more than %d digits after the point", text,
                                 SIZE_FRACTION_DIGITS_MAX);
            }
            fraction = fraction * 10 + (*at - '0');
            fraction_unit *= 10;
        }
        if (fraction_digits == 0) {
            return SNUG_FAIL(err, SNUG_CODE_USAGE, "'%s' has no digits after the point", text);
        }
    }
    if (*at == ' ') {
        at++;
    }
    if (*at == '\0') {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "'%s' has no unit; did you mean '%sMiB' or '%sB'?",
                         text, text, text);
    }
    const int64_t factor = unit_factor(at);
    if (factor == 0 || (factor == 1 && fraction_digits > 0)) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "'%s' is not a size; write it like 600MiB, 1.5GiB or 4096B", text);
    }
    int64_t bytes = 0;
    /* The order keeps the product small: a factor is a power of two up to 2^60. */
    const double part = (double)fraction / (double)fraction_unit * (double)factor;
    if (!snug_mul_i64(whole, factor, &bytes) || !snug_add_i64(bytes, (int64_t)part, &bytes)) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE, "'%s' is too large for a size", text);
    }
    *out_bytes = bytes;
    return SNUG_OK;
}

/* Case, '-' and '_' are the usual slips; they cost nothing. */
static int fold(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

/* Edit distance with swaps of neighbours; both lengths are < SNUG_NAME_BYTES. */
static int64_t edit_distance(const char *a, int64_t a_length, const char *b, int64_t b_length)
{
    int64_t rows[3][SNUG_NAME_BYTES];
    for (int64_t j = 0; j <= b_length; j++) {
        rows[0][j] = j;
    }
    for (int64_t i = 1; i <= a_length; i++) {
        int64_t *row = rows[i % 3];
        const int64_t *above = rows[(i - 1) % 3];
        const int64_t *above_two = rows[(i + 1) % 3];
        row[0] = i;
        for (int64_t j = 1; j <= b_length; j++) {
            const int64_t cost = fold(a[i - 1]) == fold(b[j - 1]) ? 0 : 1;
            int64_t best = snug_min_i64(above[j] + 1, row[j - 1] + 1);
            best = snug_min_i64(best, above[j - 1] + cost);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1])) {
                best = snug_min_i64(best, above_two[j - 2] + 1);
            }
            row[j] = best;
        }
    }
    return rows[a_length % 3][b_length];
}

const char *snug_nearest_name(const char *name, const char *const *names, int64_t count)
{
    const int64_t length = (int64_t)strlen(name);
    if (length >= SNUG_NAME_BYTES) {
        return NULL;
    }
    /* A third of the letters may be wrong, at least one; more is another word. */
    int64_t best_distance = snug_max_i64(1, length / 3) + 1;
    const char *best = NULL;
    for (int64_t i = 0; i < count; i++) {
        const int64_t other = (int64_t)strlen(names[i]);
        if (other >= SNUG_NAME_BYTES) {
            continue;
        }
        const int64_t distance = edit_distance(name, length, names[i], other);
        if (distance < best_distance) {
            best_distance = distance;
            best = names[i];
        }
    }
    return best;
}

bool snug_begins_with(const char *text, const char *begin)
{
    return strncmp(text, begin, strlen(begin)) == 0;
}

bool snug_ends_with(const char *text, const char *end)
{
    const size_t text_bytes = strlen(text);
    const size_t end_bytes = strlen(end);
    return text_bytes >= end_bytes && strcmp(text + text_bytes - end_bytes, end) == 0;
}
