#include "base/parallel.h"

#include <stddef.h>

#include "base/attr.h"

static void run_in_order(const snug_parallel *self, int64_t parts, snug_parallel_work work,
                         void *context)
{
    SNUG_UNUSED(self);
    for (int64_t part = 0; part < parts; part++) {
        work(context, part, 0);
    }
}

const snug_parallel snug_parallel_serial = {.threads = 1, .run = run_in_order, .pool = NULL};
