#include "base/category.h"

#include "base/assert.h"

static const char *const category_names[SNUG_CATEGORY_COUNT] = {
    "weights", "gradients", "optimizer", "activations", "workspace", "data", "runtime"};

const char *snug_category_name(snug_category category)
{
    SNUG_ASSERT((int)category >= 0 && (int)category < SNUG_CATEGORY_COUNT);
    return category_names[category];
}
