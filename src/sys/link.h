/* Symbolic links that are replaced at once: what names like "last" point to. */
#ifndef SNUG_SYS_LINK_H
#define SNUG_SYS_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/**
 * Makes `path` a symbolic link to `target`, replacing a link that is there; the folder is synced.
 * @errors  SNUG_CODE_IO, SNUG_CODE_FULL; what was at `path` stays.
 */
SNUG_MUST_CHECK snug_status snug_link_replace(const char *target, const char *path,
                                              snug_error *err);

/** Reads where a link points; false when `path` is no link or does not fit. */
bool snug_link_read(const char *path, char *out, int64_t out_bytes);

#endif
