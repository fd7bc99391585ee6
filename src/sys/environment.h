/* The environment of this process, copied with changes for a child. */
#ifndef SNUG_SYS_ENVIRONMENT_H
#define SNUG_SYS_ENVIRONMENT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/** "NAME=value" texts. All zeros: none. */
typedef struct snug_environment {
    char **entries; /* NULL-ended; in the arena, the texts of others ours. */
    int64_t count, capacity;
} snug_environment;

/** Copies the list, with room for `more` new names. @mem From `arena`. */
SNUG_MUST_CHECK snug_status snug_environment_copy(snug_arena *arena, int64_t more,
                                                  snug_environment *out, snug_error *err);
/** Sets "NAME=value", which is copied. @errors SNUG_CODE_LIMIT for one name too many. */
SNUG_MUST_CHECK snug_status snug_environment_set(snug_environment *environment, const char *text,
                                                 snug_arena *arena, snug_error *err);

#endif
