#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

enum { LOG_MESSAGE_BYTES = 1024 };

static snug_log_sink log_sink;
static void *log_context;
/* Messages are rare and short, and base knows no threads library: a flag is lock enough. */
static atomic_flag log_busy = ATOMIC_FLAG_INIT;

void snug_log_set_sink(snug_log_sink sink, void *context)
{
    log_sink = sink;
    log_context = context;
}

void snug_log(snug_log_level level, const char *format, ...)
{
    if (log_sink == NULL) {
        return;
    }
    char message[LOG_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    while (atomic_flag_test_and_set_explicit(&log_busy, memory_order_acquire)) {
    }
    log_sink(log_context, level, message);
    atomic_flag_clear_explicit(&log_busy, memory_order_release);
}
