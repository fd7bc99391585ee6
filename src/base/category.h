/* What memory is for: the categories that a plan predicts and the heap counts. */
#ifndef SNUG_BASE_CATEGORY_H
#define SNUG_BASE_CATEGORY_H

typedef enum snug_category {
    SNUG_CATEGORY_WEIGHTS,
    SNUG_CATEGORY_GRADIENTS,
    SNUG_CATEGORY_OPTIMIZER,
    SNUG_CATEGORY_ACTIVATIONS,
    SNUG_CATEGORY_WORKSPACE,
    SNUG_CATEGORY_DATA,
    SNUG_CATEGORY_RUNTIME,
    SNUG_CATEGORY_COUNT
} snug_category;

/** "weights", "gradients", ... as in the plan's JSON. @threads Reentrant. */
const char *snug_category_name(snug_category category);

#endif
