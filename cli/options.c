#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAMES_MAX = 64 };

static bool same_name(const char *a, const char *b, size_t b_length)
{
    for (size_t i = 0; i < b_length; i++) {
        const char c = b[i] == '_' ? '-' : b[i];
        if (a[i] == '\0' || a[i] != c) {
            return false;
        }
    }
    return a[b_length] == '\0';
}

static const cli_option *find_long(const cli_command *command, const char *name, size_t length)
{
    for (const cli_option *const *group = command->groups; *group != NULL; group++) {
        for (const cli_option *option = *group; option->name != NULL; option++) {
            if (same_name(option->name, name, length)) {
                return option;
            }
        }
    }
    return NULL;
}

const cli_option *cli_option_find(const cli_command *command, const char *name)
{
    return find_long(command, name, strlen(name));
}

static const cli_option *find_letter(const cli_command *command, char letter)
{
    for (const cli_option *const *group = command->groups; *group != NULL; group++) {
        for (const cli_option *option = *group; option->name != NULL; option++) {
            if (option->letter == letter) {
                return option;
            }
        }
    }
    return NULL;
}

static void unknown_option(const cli_command *command, const char *name, size_t length)
{
    const char *names[NAMES_MAX];
    int64_t count = 0;
    char given[128];
    (void)snprintf(given, sizeof given, "%.*s", (int)length, name);
    for (const cli_option *const *group = command->groups; *group != NULL; group++) {
        for (const cli_option *option = *group; option->name != NULL; option++) {
            if (count < NAMES_MAX) {
                names[count++] = option->name;
            }
        }
    }
    const char *near = snug_name_nearest(given, names, count);
    if (near != NULL) {
        cli_error("unknown option '--%s' of 'snug %s'; did you mean '--%s'?", given, command->name,
                  near);
    } else {
        cli_error("unknown option '--%s' of 'snug %s'; see 'snug %s --help'", given, command->name,
                  command->name);
    }
}

static bool is_choice(const char *choices, const char *value)
{
    const size_t length = strlen(value);
    for (const char *at = choices;;) {
        const size_t word = strcspn(at, "|");
        if (word == length && strncmp(at, value, length) == 0) {
            return true;
        }
        if (at[word] == '\0') {
            return false;
        }
        at += word + 1;
    }
}

static bool add_override(cli_line *line, const char *text)
{
    if (line->override_count == CLI_OVERRIDES_MAX) {
        cli_error("more than %d settings on the command line; put them into a file",
                  CLI_OVERRIDES_MAX);
        return false;
    }
    line->overrides[line->override_count++] = text;
    return true;
}

static bool add_setting(cli_line *line, const cli_option *option, const char *value)
{
    char *text = line->made[line->override_count < CLI_OVERRIDES_MAX ? line->override_count : 0];
    /* An option without a value switches its setting on. */
    const int length = snprintf(text, CLI_OVERRIDE_BYTES, "%s=%s", option->key,
                                value != NULL ? value : "true");
    if (length >= CLI_OVERRIDE_BYTES) {
        cli_error("the value of --%s is too long", option->name);
        return false;
    }
    return add_override(line, text);
}

/* The budget in the words of other programs; kept in a buffer that lives as long as the line. */
static bool take_budget(cli_line *line, const cli_option *option, const char *value)
{
    static char text[64];
    double number = 0;
    if (!cli_real(option->name, value, &number)) {
        return false;
    }
    if (option->kind == CLI_OPTION_RATIO) {
        if (!(number > 0 && number <= 1)) {
            cli_error("--%s must be above 0 and at most 1, not %s", option->name, value);
            return false;
        }
        (void)snprintf(text, sizeof text, "%.6g%%", number * 100);
    } else if (number == 0) {
        (void)snprintf(text, sizeof text, "auto");
    } else if (number >= 1 && number <= 1e9 && number == floor(number)) {
        (void)snprintf(text, sizeof text, "%.0fMiB", number);
    } else {
        cli_error("--%s must be a whole number of MiB, not %s", option->name, value);
        return false;
    }
    line->values.budget = text;
    return true;
}

static bool apply(cli_line *line, const cli_option *option, const char *value)
{
    char *field = (char *)&line->values + option->offset;
    switch (option->kind) {
    case CLI_OPTION_HELP:
        line->help = true;
        break;
    case CLI_OPTION_JSON:
        line->json = true;
        break;
    case CLI_OPTION_QUIET:
        line->quiet = true;
        break;
    case CLI_OPTION_COLOR:
        line->color = cli_wants_color(value, STDERR_FILENO);
        line->color_stdout = cli_wants_color(value, STDOUT_FILENO);
        break;
    case CLI_OPTION_TEXT:
        memcpy(field, &value, sizeof value);
        break;
    case CLI_OPTION_FLAG:
        *field = true;
        break;
    case CLI_OPTION_SETTING:
        return add_setting(line, option, value);
    case CLI_OPTION_RATIO:
    case CLI_OPTION_MEBIBYTES:
        return take_budget(line, option, value);
    case CLI_OPTION_FAIL_ON:
        if (line->fail_on_count == CLI_FAIL_ON_MAX) {
            cli_error("more than %d --fail-on conditions", CLI_FAIL_ON_MAX);
            return false;
        }
        line->fail_on[line->fail_on_count++] = value;
        break;
    }
    return true;
}

/* `*at` is the number of the word; it moves on when the value is a word of its own. */
static bool take_option(cli_line *line, const cli_option *option, const char *attached, int argc,
                        char **argv, int *at)
{
    if (option->argument == NULL) {
        if (attached != NULL) {
            cli_error("--%s takes no value", option->name);
            return false;
        }
        return apply(line, option, NULL);
    }
    const char *value = attached;
    if (value == NULL) {
        if (*at + 1 >= argc) {
            cli_error("--%s needs a value: --%s %s", option->name, option->name, option->argument);
            return false;
        }
        value = argv[++*at];
    }
    if (option->choices != NULL && !is_choice(option->choices, value)) {
        cli_error("--%s must be one of %s, not '%s'", option->name, option->choices, value);
        return false;
    }
    return apply(line, option, value);
}

static bool take_dashed(cli_line *line, int argc, char **argv, int *at)
{
    const cli_command *command = line->command;
    const char *word = argv[*at];
    if (word[1] != '-') {
        const cli_option *option = find_letter(command, word[1]);
        if (option == NULL) {
            cli_error("unknown option '-%c' of 'snug %s'; see 'snug %s --help'", word[1],
                      command->name, command->name);
            return false;
        }
        return take_option(line, option, word[2] == '\0' ? NULL : word + 2, argc, argv, at);
    }
    const size_t length = strcspn(word + 2, "=");
    const cli_option *option = find_long(command, word + 2, length);
    if (option == NULL) {
        unknown_option(command, word + 2, length);
        return false;
    }
    return take_option(line, option, word[2 + length] == '=' ? word + 3 + length : NULL, argc, argv,
                       at);
}

static bool take_word(cli_line *line, const char *word)
{
    if (line->command->overrides && strchr(word, '=') != NULL) {
        return add_override(line, word);
    }
    if (line->positional_count == line->command->positionals_max) {
        cli_error("'%s' is one word too many for 'snug %s'; see 'snug %s --help'", word,
                  line->command->name, line->command->name);
        return false;
    }
    line->positionals[line->positional_count++] = word;
    return true;
}

bool cli_parse(const cli_command *command, int argc, char **argv, int first, cli_line *out)
{
    memset(out, 0, offsetof(cli_line, made));
    out->command = command;
    out->color = cli_wants_color("auto", STDERR_FILENO);
    out->color_stdout = cli_wants_color("auto", STDOUT_FILENO);
    bool options = true;
    for (int at = first; at < argc; at++) {
        const char *word = argv[at];
        bool good = true;
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && word[0] == '-' && word[1] != '\0') {
            good = take_dashed(out, argc, argv, &at);
        } else {
            good = take_word(out, word);
        }
        if (!good) {
            return false;
        }
    }
    if (!out->help && out->positional_count < command->positionals_min) {
        cli_error("'snug %s' needs more: snug %s %s", command->name, command->name, command->usage);
        return false;
    }
    return true;
}

bool cli_number(const char *option, const char *text, int64_t low, int64_t high, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    const long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < low || number > high) {
        cli_error("--%s must be a whole number from %" PRId64 " to %" PRId64 ", not '%s'", option,
                  low, high, text);
        return false;
    }
    *out = number;
    return true;
}

bool cli_real(const char *option, const char *text, double *out)
{
    char *end = NULL;
    const double number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(number)) {
        cli_error("--%s must be a number, not '%s'", option, text);
        return false;
    }
    *out = number;
    return true;
}

bool cli_seconds(const char *option, const char *text, double *out)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"", 1}};
    char number[32];
    const size_t digits = strspn(text, "0123456789.eE+-");
    double factor = 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        factor = strcmp(text + digits, units[i].unit) == 0 ? units[i].seconds : factor;
    }
    (void)snprintf(number, sizeof number, "%.*s", (int)digits, text);
    if (factor == 0 || digits == 0 || !(strtod(number, NULL) > 0)) {
        cli_error("--%s must be a time above 0 like 500ms, 90s, 15m or 2h, not '%s'", option, text);
        return false;
    }
    if (!cli_real(option, number, out)) {
        return false;
    }
    *out *= factor;
    return true;
}

bool cli_part(const char *text, snug_part *out)
{
    static const char *const names[] = {"train", "validation", "test", "all"};
    static const snug_part parts[] = {SNUG_PART_TRAIN, SNUG_PART_VALIDATION, SNUG_PART_TEST,
                                      SNUG_PART_ALL};
    for (int i = 0; i < 4; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = parts[i];
            return true;
        }
    }
    return false;
}
