#include "sys/raster.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/attr.h"
#include "sys/child.h"
#include "sys/file.h"
#include "sys/file_inside.h"
#include "sys/library.h"

/*
 * The few declarations of cairo that are used, written from its reference: handles are pointers,
 * 0 is success, and these numbers of formats and fonts. Its binary interface has been stable since
 * version 1.0.
 */
enum {
    CAIRO_FORMAT_RGB24 = 1,
    CAIRO_SLANT_NORMAL = 0,
    CAIRO_WEIGHT_BOLD = 1,
    CAIRO_JOIN_ROUND = 1
};
enum { PIXELS_PER_UNIT = 2 };
/* What the child says by its exit status. */
enum { CHILD_DONE, CHILD_NO_LIBRARY, CHILD_NO_FILE };

typedef struct cairo_extents {
    double x_bearing, y_bearing, width, height, x_advance, y_advance;
} cairo_extents;

/* The library, open; only in the child. */
typedef struct cairo_library {
    void *(*surface_create)(int format, int width, int height);
    int (*write_png)(void *surface, const char *path);
    void *(*create)(void *surface);
    void (*scale)(void *cr, double x, double y);
    void (*rgb)(void *cr, double red, double green, double blue);
    void (*paint)(void *cr);
    void (*move_to)(void *cr, double x, double y);
    void (*line_to)(void *cr, double x, double y);
    void (*stroke)(void *cr);
    void (*line_width)(void *cr, double width);
    void (*line_join)(void *cr, int join);
    void (*dash)(void *cr, const double *lengths, int count, double offset);
    void (*font_face)(void *cr, const char *family, int slant, int weight);
    void (*font_size)(void *cr, double size);
    void (*extents)(void *cr, const char *words, cairo_extents *out);
    void (*show)(void *cr, const char *words);
    void *cr;
} cairo_library;

static bool open_library(cairo_library *out)
{
    void *library = NULL;
    const snug_library_symbol functions[] = {
        {"cairo_image_surface_create", (void *)&out->surface_create},
        {"cairo_surface_write_to_png", (void *)&out->write_png},
        {"cairo_create", (void *)&out->create},
        {"cairo_scale", (void *)&out->scale},
        {"cairo_set_source_rgb", (void *)&out->rgb},
        {"cairo_paint", (void *)&out->paint},
        {"cairo_move_to", (void *)&out->move_to},
        {"cairo_line_to", (void *)&out->line_to},
        {"cairo_stroke", (void *)&out->stroke},
        {"cairo_set_line_width", (void *)&out->line_width},
        {"cairo_set_line_join", (void *)&out->line_join},
        {"cairo_set_dash", (void *)&out->dash},
        {"cairo_select_font_face", (void *)&out->font_face},
        {"cairo_set_font_size", (void *)&out->font_size},
        {"cairo_text_extents", (void *)&out->extents},
        {"cairo_show_text", (void *)&out->show},
    };
    /* The child ends with it. */
    return snug_library_open("libcairo.so.2", functions, SNUG_COUNT(functions), &library);
}

static void draw_line(void *context, const snug_canvas_pen *pen, const double *points,
                      int64_t count)
{
    static const double dashes[] = {6, 4};
    const cairo_library *cairo = context;
    cairo->rgb(cairo->cr, pen->red, pen->green, pen->blue);
    cairo->line_width(cairo->cr, pen->width);
    cairo->dash(cairo->cr, dashes, pen->dashed ? 2 : 0, 0);
    for (int64_t i = 0; i < count; i++) {
        (i == 0 ? cairo->move_to : cairo->line_to)(cairo->cr, points[2 * i], points[2 * i + 1]);
    }
    cairo->stroke(cairo->cr);
}

static void draw_words(void *context, const snug_canvas_pen *pen, double x, double y,
                       const char *words)
{
    const cairo_library *cairo = context;
    cairo_extents extents = {0};
    cairo->rgb(cairo->cr, pen->red, pen->green, pen->blue);
    cairo->font_face(cairo->cr, "sans-serif", CAIRO_SLANT_NORMAL,
                     pen->bold ? CAIRO_WEIGHT_BOLD : 0);
    cairo->font_size(cairo->cr, pen->font_size);
    cairo->extents(cairo->cr, words, &extents);
    cairo->move_to(cairo->cr, x - pen->anchor * extents.x_advance, y);
    cairo->show(cairo->cr, words);
}

/* What the child is to draw; no path: only whether it could. */
typedef struct order {
    const char *path;
    int width, height;
    void (*draw)(void *context, snug_canvas *canvas);
    void *context;
} order;

/* In the child: everything, then its exit status. */
static int draw_in_child(void *context)
{
    static const snug_canvas_raster raster = {draw_line, draw_words};
    static snug_canvas canvas;
    const order *wanted = context;
    cairo_library cairo = {0};
    if (!open_library(&cairo)) {
        return CHILD_NO_LIBRARY;
    }
    if (wanted->path == NULL) {
        return CHILD_DONE;
    }
    void *surface = cairo.surface_create(CAIRO_FORMAT_RGB24, PIXELS_PER_UNIT * wanted->width,
                                         PIXELS_PER_UNIT * wanted->height);
    cairo.cr = cairo.create(surface);
    cairo.scale(cairo.cr, PIXELS_PER_UNIT, PIXELS_PER_UNIT);
    cairo.rgb(cairo.cr, 1, 1, 1);
    cairo.paint(cairo.cr);
    cairo.line_join(cairo.cr, CAIRO_JOIN_ROUND);
    canvas = (snug_canvas){.raster = &raster, .context = &cairo};
    wanted->draw(wanted->context, &canvas);
    /* Also what went wrong before is told here. */
    return cairo.write_png(surface, wanted->path) == 0 ? CHILD_DONE : CHILD_NO_FILE;
}

static snug_status tell(int result, const char *path, snug_error *err)
{
    switch (result) {
    case CHILD_DONE:
        return SNUG_OK;
    case CHILD_NO_LIBRARY:
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "a PNG needs libcairo.so.2 (Debian package libcairo2), which is not here; "
                         "a name that ends in .svg needs nothing");
    case CHILD_NO_FILE:
        return SNUG_FAIL(err, SNUG_CODE_IO, "cannot draw '%s'", path);
    default: /* -1 */
        return snug_file_fail(err, "start", "the process that draws", errno);
    }
}

snug_status snug_raster_check(snug_error *err)
{
    order none = {0};
    return tell(snug_child_call(draw_in_child, &none), "", err);
}

snug_status snug_raster_draw(const char *path, int width, int height,
                             void (*draw)(void *context, snug_canvas *canvas), void *context,
                             snug_error *err)
{
    char temporary[SNUG_PATH_BYTES];
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "'%.100s...' is too long a name", path);
    }
    order wanted = {temporary, width, height, draw, context};
    SNUG_TRY(tell(snug_child_call(draw_in_child, &wanted), path, err));
    if (rename(temporary, path) != 0) {
        const int reason = errno;
        (void)unlink(temporary);
        return snug_file_fail(err, "rename", temporary, reason);
    }
    return SNUG_OK;
}
