/* Where library messages go: a sink that the program sets; the library itself prints nothing. */
#ifndef SNUG_BASE_LOG_H
#define SNUG_BASE_LOG_H

#include "base/attr.h"

typedef enum snug_log_level { SNUG_LOG_DEBUG, SNUG_LOG_INFO, SNUG_LOG_WARNING } snug_log_level;

/** One message, no newline. Called from any thread, one call at a time. */
typedef void (*snug_log_sink)(void *context, snug_log_level level, const char *message);

/** Sets the sink of the process; NULL drops all messages. Call before threads start. */
void snug_log_set_sink(snug_log_sink sink, void *context);

void snug_log(snug_log_level level, const char *format, ...) SNUG_PRINTF(2, 3);

#endif
