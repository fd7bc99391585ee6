/* The status and error record of every function that can fail because of the world. */
#ifndef SNUG_BASE_STATUS_H
#define SNUG_BASE_STATUS_H

#include <stdbool.h>

#include "base/attr.h"
#include "snug/status.h"

static inline bool snug_failed(snug_status status)
{
    return status != SNUG_OK;
}

/**
 * Writes a new error into `err` (which may be NULL) and returns `code`. The format is looked up in
 * the catalogue of messages, so it is a literal: no text from outside in it.
 */
snug_status snug_error_set(snug_error *err, snug_status code, const char *file, int line,
                           const char *format, ...) SNUG_PRINTF(5, 6);

/** Notes that the error passed here on its way up; returns `status`. */
snug_status snug_error_pass(snug_error *err, snug_status status, const char *file, int line);

/** Puts "prefix: " before the message, for a caller who knows the file; returns the code. */
snug_status snug_error_prefix(snug_error *err, const char *format, ...) SNUG_PRINTF(2, 3);

/** Fails: `return SNUG_FAIL(err, SNUG_CODE_IO, "cannot open '%s'", path);` */
#define SNUG_FAIL(err, code, ...) snug_error_set((err), (code), __FILE__, __LINE__, __VA_ARGS__)

/** Returns at once when the call failed. */
#define SNUG_TRY(call)                                                                             \
    do {                                                                                           \
        const snug_status snug_try_status = (call);                                                \
        if (SNUG_UNLIKELY(snug_failed(snug_try_status))) {                                         \
            return snug_error_pass(err, snug_try_status, __FILE__, __LINE__);                      \
        }                                                                                          \
    } while (0)

/** Goes to `done` with `status` set when the call failed. */
#define SNUG_TRY_DONE(call)                                                                        \
    do {                                                                                           \
        status = (call);                                                                           \
        if (SNUG_UNLIKELY(snug_failed(status))) {                                                  \
            (void)snug_error_pass(err, status, __FILE__, __LINE__);                                \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)

/** Sets `status` to a fresh failure and goes to `done`. */
#define SNUG_FAIL_DONE(err, code, ...)                                                             \
    do {                                                                                           \
        status = SNUG_FAIL((err), (code), __VA_ARGS__);                                            \
        goto done;                                                                                 \
    } while (0)

#endif
