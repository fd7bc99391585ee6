/* How libsnug hands out text: pieces to a function of the caller; and the forms of a report. */
#ifndef SNUG_WRITE_H
#define SNUG_WRITE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Takes `bytes` of UTF-8, not ended by a zero; valid during the call only. */
typedef void (*snug_write)(void *context, const char *text, int64_t bytes);

/** The form of a report. */
typedef enum snug_format {
    SNUG_FORMAT_TEXT, /**< For people: lines of at most 100 columns. */
    SNUG_FORMAT_JSON  /**< One document with a "schema" field; fields are only ever added. */
} snug_format;

#ifdef __cplusplus
}
#endif
#endif
