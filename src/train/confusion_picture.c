#include "train/confusion_picture.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/checked.h"
#include "base/limits.h"
#include "base/svg.h"
#include "base/utf8.h"
#include "sys/file.h"

enum {
    WIDTH_OF_ALL = 640, /* Of all cells together, when their size lets it. */
    CELL_MIN = 13,
    CELL_MAX = 88,
    CELL_WITH_SHARE = 44,
    CELL_WITH_COUNT = 24,
    NAME_COLUMNS = 18, /* Of which a wide character takes two. */
    LEFT = 172,
    TOP = 96,
    BELOW = 172, /* Names of the columns. */
    CELL_UPRIGHT = 20, /* Below this the names of columns stand upright, to keep apart. */
    RIGHT = 40,
    WIDTH_MIN = 590, /* The title has room. */
    NAME_BYTES = NAME_COLUMNS * 4 + 4,
    TEXT_BYTES = 96 << 10,
    WRITE_BYTES = 32 << 10
};
_Static_assert((int)TEXT_BYTES + (int)WRITE_BYTES == (int)SNUG_CONFUSION_MEMORY_BYTES, "all of it");

static const snug_svg_colour colours[] = {{".right{fill:", "#0969da", "#58a6ff"},
                                          {".wrong{fill:", "#bc4c00", "#f0883e"},
                                          {".plain{fill:", "#24292f", "#e6edf3"},
                                          {".on{fill:", "#ffffff", "#0d1117"}};

typedef struct picture {
    const snug_evaluation *e;
    int64_t classes;
    int cell, side; /* Of one; of all. */
    snug_text text;
    snug_file_writer writer;
} picture;

/* Letters of Chinese, Japanese and Korean, and signs of their width, are about twice as wide. */
static bool is_wide(const char *at, int64_t length)
{
    const unsigned char *bytes = (const unsigned char *)at;
    return length == 4 || (length == 3 && bytes[0] >= 0xe2 &&
                           (bytes[0] > 0xe2 || bytes[1] >= 0xba) && bytes[0] != 0xef) ||
           (length == 3 && bytes[0] == 0xef && bytes[1] >= 0xa4);
}

/* The name of a class, cut between characters at NAME_COLUMNS; its number when it has none. */
static const char *name_of(const picture *p, int64_t class_number, char out[NAME_BYTES])
{
    if (p->e->item_names == NULL) {
        (void)snprintf(out, NAME_BYTES, "%" PRId64, class_number);
        return out;
    }
    const char *name = p->e->item_names[class_number];
    const int64_t bytes = (int64_t)strlen(name);
    int64_t used = 0;
    int columns = 0;
    while (used < bytes) {
        const int64_t length = snug_utf8_length(name + used, bytes - used);
        columns += length > 0 && is_wide(name + used, length) ? 2 : 1;
        if (length == 0 || columns > NAME_COLUMNS) {
            break;
        }
        used += length;
    }
    (void)snprintf(out, NAME_BYTES, "%.*s%s", (int)used, name, used < bytes ? "\u2026" : "");
    return out;
}

static snug_status flush(picture *p, snug_error *err)
{
    if (p->text.truncated) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "%s: a row of the picture is too long",
                         p->writer.path);
    }
    SNUG_TRY(snug_file_writer_add(&p->writer, p->text.data, p->text.length, err));
    snug_text_init(&p->text, p->text.data, p->text.capacity);
    return SNUG_OK;
}

static int64_t row_sum(const picture *p, int64_t row)
{
    int64_t sum = 0;
    for (int64_t column = 0; column < p->classes; column++) {
        sum += p->e->confusion[row * p->classes + column];
    }
    return sum;
}

static void add_head(picture *p)
{
    const int width = (int)snug_max_i64(LEFT + p->side + RIGHT, WIDTH_MIN);
    int64_t right = 0;
    int64_t all = 0;
    for (int64_t row = 0; row < p->classes; row++) {
        right += p->e->confusion[row * p->classes + row];
        all += row_sum(p, row);
    }
    snug_svg_begin(&p->text, width, TOP + p->side + BELOW, "confusion of classes", colours,
                   SNUG_COUNT(colours));
    snug_text_add(&p->text,
                  "<text class=\"title\" x=\"24\" y=\"32\">%" PRId64 " of %" PRId64
                  " right: accuracy %.4f</text>\n"
                  "<text x=\"24\" y=\"54\">Each row is a true class, each column what it was taken "
                  "for; shares are of the row.</text>\n"
                  "<text class=\"name end\" x=\"%d\" y=\"%d\">true class</text>\n"
                  "<text class=\"name\" x=\"%d\" y=\"%d\">taken for</text>\n",
                  right, all, all > 0 ? (double)right / (double)all : 0.0, LEFT - 10, TOP - 10,
                  LEFT, TOP + p->side + BELOW - 14);
}

/* The count, and below it the share where there is room for two lines. */
static void add_cell_words(picture *p, double x, double y, int64_t count, double share)
{
    char number[24];
    const int length = snprintf(number, sizeof number, "%" PRId64, count);
    const char *shade = share > 0.55 ? "on" : "plain";
    const double middle = x + p->cell / 2.0;
    if (p->cell < CELL_WITH_COUNT || 7.4 * length > p->cell - 4) {
        return;
    }
    const bool both = p->cell >= CELL_WITH_SHARE;
    snug_text_add(&p->text, "<text class=\"mid %s\" x=\"%.1f\" y=\"%.1f\">%s</text>", shade, middle,
                  y + p->cell / 2.0 + (both ? -2 : 4.5), number);
    if (both) {
        snug_text_add(&p->text,
                      "<text class=\"mid %s\" style=\"font-size:11px\" x=\"%.1f\" y=\"%.1f\">%.*f "
                      "%%</text>",
                      shade, middle, y + p->cell / 2.0 + 13, share > 0 && share < 0.0995 ? 1 : 0,
                      100 * share);
    }
}

static void add_row(picture *p, int64_t row)
{
    char name[NAME_BYTES];
    char other[NAME_BYTES];
    const int64_t sum = row_sum(p, row);
    const double y = TOP + (double)row * p->cell;
    (void)name_of(p, row, name);
    snug_text_add(&p->text, "<text class=\"end\" x=\"%d\" y=\"%.1f\">", LEFT - 10,
                  y + p->cell / 2.0 + 4.5);
    snug_svg_escaped(&p->text, name);
    snug_text_add(&p->text, "</text>\n");
    for (int64_t column = 0; column < p->classes; column++) {
        const int64_t count = p->e->confusion[row * p->classes + column];
        const double x = LEFT + (double)column * p->cell;
        const double share = sum > 0 ? (double)count / (double)sum : 0.0;
        if (count == 0) {
            continue; /* Paper: with many classes most of them are. */
        }
        snug_text_add(&p->text,
                      "<g><title>%" PRId64 " of %" PRId64 " (%.1f %%) of ", count, sum,
                      100 * share);
        snug_svg_escaped(&p->text, name);
        snug_text_add(&p->text, " taken for ");
        snug_svg_escaped(&p->text, name_of(p, column, other));
        snug_text_add(&p->text,
                      "</title><rect class=\"%s\" fill-opacity=\"%.3f\" x=\"%.0f\" y=\"%.0f\" "
                      "width=\"%d\" height=\"%d\"/>",
                      row == column ? "right" : "wrong", 0.1 + 0.9 * share, x, y, p->cell, p->cell);
        add_cell_words(p, x, y, count, share);
        snug_text_add(&p->text, "</g>\n");
    }
}

/* Over the cells, so that their borders are seen; names of the columns aslant below. */
static void add_lines(picture *p)
{
    const int turn = p->cell < CELL_UPRIGHT ? -90 : -45;
    for (int64_t i = 0; i <= p->classes; i++) {
        const int64_t at = i * p->cell;
        snug_text_add(&p->text,
                      "<path class=\"grid\" d=\"M%" PRId64 ",%dv%dM%d,%" PRId64 "h%d\"/>\n",
                      LEFT + at, TOP, p->side, LEFT, TOP + at, p->side);
    }
    for (int64_t i = 0; i < p->classes; i++) {
        char name[NAME_BYTES];
        const double x = LEFT + ((double)i + 0.5) * p->cell + 4;
        const int y = TOP + p->side + 14;
        snug_text_add(&p->text,
                      "<text class=\"end\" x=\"%.1f\" y=\"%d\" transform=\"rotate(%d %.1f %d)\">",
                      x, y, turn, x, y);
        snug_svg_escaped(&p->text, name_of(p, i, name));
        snug_text_add(&p->text, "</text>\n");
    }
}

snug_status snug_confusion_picture_write(const snug_evaluation *evaluation, const char *path,
                                         void *memory, snug_error *err)
{
    snug_status status = SNUG_OK;
    const int64_t classes = evaluation->item_count;
    if (evaluation->confusion == NULL) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "there is no picture of this evaluation: it has no classes");
    }
    if (classes > SNUG_CONFUSION_PICTURE_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "a picture of %" PRId64 " classes shows nothing; at most %d are drawn: "
                         "--json has all counts",
                         classes, SNUG_CONFUSION_PICTURE_MAX);
    }
    picture p = {.e = evaluation,
                 .classes = classes,
                 .cell = (int)snug_max_i64(CELL_MIN,
                                           snug_min_i64(CELL_MAX, WIDTH_OF_ALL / classes))};
    p.side = p.cell * (int)classes;
    snug_text_init(&p.text, memory, TEXT_BYTES);
    SNUG_TRY(snug_file_writer_open(path, (char *)memory + TEXT_BYTES, WRITE_BYTES, &p.writer, err));
    add_head(&p);
    SNUG_TRY_DONE(flush(&p, err));
    for (int64_t row = 0; row < classes; row++) {
        add_row(&p, row);
        SNUG_TRY_DONE(flush(&p, err));
    }
    add_lines(&p);
    snug_svg_finish(&p.text);
    SNUG_TRY_DONE(flush(&p, err));
    SNUG_TRY_DONE(snug_file_writer_commit(&p.writer, err));

done:
    snug_file_writer_abort(&p.writer);
    return status;
}
