#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool be_quiet;
static bool use_color;

void cli_output_init(bool quiet, bool color)
{
    be_quiet = quiet;
    use_color = color;
}

bool cli_wants_color(const char *choice, int stream)
{
    if (strcmp(choice, "always") == 0) {
        return true;
    }
    if (strcmp(choice, "never") == 0) {
        return false;
    }
    const char *no_color = getenv("NO_COLOR");
    const char *force = getenv("FORCE_COLOR");
    const char *cli_force = getenv("CLICOLOR_FORCE");
    const char *cli_color = getenv("CLICOLOR");
    const char *term = getenv("TERM");
    if (no_color != NULL && no_color[0] != '\0') {
        return false;
    }
    if ((force != NULL && force[0] != '\0' && strcmp(force, "0") != 0) ||
        (cli_force != NULL && cli_force[0] != '\0' && strcmp(cli_force, "0") != 0)) {
        return true;
    }
    if (cli_color != NULL && strcmp(cli_color, "0") == 0) {
        return false;
    }
    return isatty(stream) != 0 && term != NULL && strcmp(term, "dumb") != 0;
}

__attribute__((format(printf, 2, 0))) static void
print_prefixed(const char *color, const char *format, va_list arguments)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "%ssnug:%s ", use_color ? color : "", use_color ? "\033[0m" : "");
    (void)vfprintf(stderr, snug_translate_format(format), arguments);
    (void)fputc('\n', stderr);
}

void cli_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vprintf(snug_translate_format(format), arguments);
    va_end(arguments);
}

void cli_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_prefixed("\033[1;31m", format, arguments);
    va_end(arguments);
}

void cli_note(const char *format, ...)
{
    if (be_quiet) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    print_prefixed("\033[1m", format, arguments);
    va_end(arguments);
}

void cli_message(void *context, bool important, const char *text)
{
    (void)context;
    if (important) {
        cli_error("%s", text);
    } else {
        cli_note("%s", text);
    }
}

void cli_write(void *context, const char *text, int64_t bytes)
{
    (void)context;
    (void)fwrite(text, 1, (size_t)bytes, stdout);
}

/* With SNUG_DEBUG in the environment an error also says where in the source it passed. */
static void print_frames(const snug_error *err)
{
    const char *debug = getenv("SNUG_DEBUG");
    if (debug == NULL || debug[0] == '\0') {
        return;
    }
    for (int i = 0; i < err->frame_count; i++) {
        (void)fprintf(stderr, "  at %s:%d\n", err->frames[i].file, err->frames[i].line);
    }
}

int cli_failed(snug_status status, const snug_error *err)
{
    cli_error("%s", err->message[0] != '\0' ? err->message : snug_status_name(status));
    print_frames(err);
    switch (status) {
    case SNUG_CODE_USAGE:
    case SNUG_CODE_CONFIG:
        return CLI_EXIT_USAGE;
    case SNUG_CODE_BUDGET:
        return CLI_EXIT_NO_FIT;
    case SNUG_CODE_INTERRUPTED:
        return CLI_EXIT_INTERRUPTED;
    default:
        return CLI_EXIT_FAILED;
    }
}

int cli_config_failed(snug_status status, const snug_error *err)
{
    (void)cli_failed(status, err);
    return status == SNUG_CODE_MEMORY ? CLI_EXIT_FAILED : CLI_EXIT_USAGE;
}
