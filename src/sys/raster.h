/* Pictures as PNG by cairo, a library that is found at run time; a process of its own draws. */
#ifndef SNUG_SYS_RASTER_H
#define SNUG_SYS_RASTER_H

#include "base/canvas.h"
#include "base/status.h"

/*
 * cairo brings a dozen libraries and some 10 MiB with it: they are loaded by a short-lived child,
 * so that this process stays as small as it is and is not linked to them.
 */

/**
 * Whether a PNG can be drawn here. Takes some 20 ms.
 * @errors  SNUG_CODE_USAGE when libcairo.so.2 is not there: what to do instead.
 */
SNUG_MUST_CHECK snug_status snug_raster_check(snug_error *err);

/**
 * Draws a picture of width x height units, two pixels each, into a PNG file, which appears whole.
 *
 * @param draw  Called once in the child, with memory as it is now.
 * @mem     Allocates nothing in this process.
 * @threads This process may have others: they do not exist in the child.
 * @errors  As snug_raster_check(); SNUG_CODE_IO when the file or the child cannot be made.
 */
SNUG_MUST_CHECK snug_status snug_raster_draw(const char *path, int width, int height,
                                             void (*draw)(void *context, snug_canvas *canvas),
                                             void *context, snug_error *err);

#endif
