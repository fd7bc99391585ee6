/* Programmer errors stop the program in every build: one condition each, with its place. */
#ifndef SNUG_BASE_ASSERT_H
#define SNUG_BASE_ASSERT_H

#include "base/attr.h"

SNUG_NORETURN void snug_assert_failed(const char *condition, const char *file, int line);

#define SNUG_ASSERT(condition)                                                                     \
    (SNUG_LIKELY(condition) ? (void)0 : snug_assert_failed(#condition, __FILE__, __LINE__))

#endif
