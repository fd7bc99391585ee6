/* The confusion of classes as an SVG picture: a row for each true class, shaded by shares. */
#ifndef SNUG_TRAIN_CONFUSION_PICTURE_H
#define SNUG_TRAIN_CONFUSION_PICTURE_H

#include "base/status.h"
#include "train/session.h"

enum { SNUG_CONFUSION_MEMORY_BYTES = 128 << 10 };

/**
 * Writes the picture of `evaluation`, whole or not at all, row by row, so that it needs no more
 * memory for more classes. Cells that are large enough show their count and its share of the row;
 * all show them when pointed at. Follows the light or dark scheme of the viewer.
 *
 * @param memory  SNUG_CONFUSION_MEMORY_BYTES of it; any content.
 * @mem     Allocates nothing.
 * @errors  SNUG_CODE_UNSUPPORTED without a confusion, SNUG_CODE_LIMIT above
 *          SNUG_CONFUSION_PICTURE_MAX classes, SNUG_CODE_IO, SNUG_CODE_FULL.
 */
SNUG_MUST_CHECK snug_status snug_confusion_picture_write(const snug_evaluation *evaluation,
                                                         const char *path, void *memory,
                                                         snug_error *err);

#endif
