#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void snug_assert_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: this should never happen: not (%s)\n", file, line, condition);
    (void)fflush(stderr);
    abort();
}
