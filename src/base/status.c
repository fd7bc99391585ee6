#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/translate.h"

static const char *const status_names[] = {
    [SNUG_OK] = "ok",
    [SNUG_CODE_USAGE] = "usage",
    [SNUG_CODE_CONFIG] = "config",
    [SNUG_CODE_IO] = "io",
    [SNUG_CODE_FORMAT] = "format",
    [SNUG_CODE_DATA] = "data",
    [SNUG_CODE_NOT_FOUND] = "not_found",
    [SNUG_CODE_LIMIT] = "limit",
    [SNUG_CODE_MEMORY] = "memory",
    [SNUG_CODE_BUDGET] = "budget",
    [SNUG_CODE_UNSUPPORTED] = "unsupported",
    [SNUG_CODE_BUSY] = "busy",
    [SNUG_CODE_FULL] = "full",
    [SNUG_CODE_INTERRUPTED] = "interrupted",
    [SNUG_CODE_NUMERIC] = "numeric",
};

const char *snug_status_name(snug_status status)
{
    const int64_t index = (int64_t)status;
    if (index < 0 || index >= SNUG_COUNT(status_names)) {
        return "unknown";
    }
    return status_names[index];
}

/* A message is one line: what came from outside (a path, a key) must not break it. */
static void make_one_line(char *message)
{
    for (; *message != '\0'; message++) {
        if (*message == '\n' || *message == '\r') {
            *message = ' ';
        }
    }
}

static void note_frame(snug_error *err, const char *file, int line)
{
    if (err->frame_count < SNUG_ERROR_FRAMES) {
        err->frames[err->frame_count].file = file;
        err->frames[err->frame_count].line = line;
        err->frame_count++;
    }
}

snug_status snug_error_set(snug_error *err, snug_status code, const char *file, int line,
                           const char *format, ...)
{
    if (err == NULL) {
        return code;
    }
    /* An argument may be the old message itself, so the new one is made beside it. */
    char message[SNUG_ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, snug_translated_format(format), arguments);
    va_end(arguments);
    make_one_line(message);

    err->code = code;
    memcpy(err->message, message, sizeof message);
    err->frame_count = 0;
    note_frame(err, file, line);
    return code;
}

snug_status snug_error_pass(snug_error *err, snug_status status, const char *file, int line)
{
    if (err != NULL && snug_failed(status)) {
        note_frame(err, file, line);
    }
    return status;
}

snug_status snug_error_prefix(snug_error *err, const char *format, ...)
{
    if (err == NULL) {
        return SNUG_OK;
    }
    char message[SNUG_ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    const int written =
        vsnprintf(message, sizeof message, snug_translated_format(format), arguments);
    va_end(arguments);
    if (written < 0) {
        return err->code;
    }
    const size_t length = strlen(message);
    const int room = (int)(sizeof message - length) - 1;
    (void)snprintf(message + length, sizeof message - length, ": %.*s", room, err->message);
    make_one_line(message);
    memcpy(err->message, message, sizeof message);
    return err->code;
}
