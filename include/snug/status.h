/* What a call of libsnug answers: a status code, and an error record that says what went wrong. */
#ifndef SNUG_STATUS_H
#define SNUG_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SNUG_API __attribute__((visibility("default")))
#define SNUG_MUST_CHECK __attribute__((warn_unused_result))
#else
#define SNUG_API
#define SNUG_MUST_CHECK
#endif

/** Why a call failed. The numbers are stable; new ones are appended. */
typedef enum snug_status {
    SNUG_OK = 0,
    SNUG_CODE_USAGE = 1,       /**< An argument or option is wrong. */
    SNUG_CODE_CONFIG = 2,      /**< A configuration file or key=value is wrong. */
    SNUG_CODE_IO = 3,          /**< The operating system refused: open, read, write, sync. */
    SNUG_CODE_FORMAT = 4,      /**< Bytes from outside are not what they claim to be. */
    SNUG_CODE_DATA = 5,        /**< Well-formed data that cannot be used: NaN, wrong shape. */
    SNUG_CODE_NOT_FOUND = 6,   /**< A name that should exist does not. */
    SNUG_CODE_LIMIT = 7,       /**< A stated limit was reached, the seal included. */
    SNUG_CODE_MEMORY = 8,      /**< The system gave no memory. */
    SNUG_CODE_BUDGET = 9,      /**< The plan does not fit the budget. */
    SNUG_CODE_UNSUPPORTED = 10,/**< Understood, but not done by this build or machine. */
    SNUG_CODE_BUSY = 11,       /**< Somebody else uses it: a run folder, a file. */
    SNUG_CODE_FULL = 12,       /**< The disk is full. */
    SNUG_CODE_INTERRUPTED = 13,/**< Stopped by the user; what was promised to be saved is saved. */
    SNUG_CODE_NUMERIC = 14     /**< A NaN or infinity where training cannot go on. */
} snug_status;

enum { SNUG_ERROR_MESSAGE_BYTES = 1024, SNUG_ERROR_FRAMES = 8 };

/**
 * What went wrong, for people: one line, and where it passed on its way up.
 * All zeros is a valid empty record. Owned by the caller, never by the library.
 */
typedef struct snug_error {
    snug_status code;                       /**< SNUG_OK while nothing failed. */
    char message[SNUG_ERROR_MESSAGE_BYTES]; /**< What, where, what to do; no newline. */
    int frame_count;                        /**< Valid entries of `frames`. */
    struct {
        const char *file; /**< Static string. */
        int line;
    } frames[SNUG_ERROR_FRAMES]; /**< Innermost first. */
} snug_error;

/** The name of a code, "budget" for SNUG_CODE_BUDGET; never NULL. @threads Reentrant. */
SNUG_API const char *snug_status_name(snug_status status);

#ifdef __cplusplus
}
#endif
#endif
