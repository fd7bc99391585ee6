/* Which language messages come in: SNUG_LANG, else the usual variables of the locale. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#ifndef SNUG_LOCALEDIR
#define SNUG_LOCALEDIR "/usr/local/share/locale"
#endif

enum { PATH_BYTES = 4096 };

static const char chinese[] = "zh_CN";

static bool is_set(const char *value)
{
    return value != NULL && value[0] != '\0';
}

/* "zh_CN.UTF-8", "zh-Hans", "zh_SG:en" or "zh": simplified Chinese; "zh_TW" is not. */
static bool is_chinese(const char *value)
{
    static const char *const names[] = {"zh_CN", "zh_SG", "zh_Hans", "zh-CN", "zh-Hans", "zh"};
    const size_t length = strcspn(value, ".:@");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == length && strncasecmp(value, names[i], length) == 0) {
            return true;
        }
    }
    return false;
}

/* Our texts are UTF-8; a terminal of another charset gets English rather than rubbish. */
static bool is_utf8(const char *locale)
{
    const char *charset = strchr(locale, '.');
    return charset == NULL || strncasecmp(charset, ".UTF-8", 6) == 0 ||
           strncasecmp(charset, ".UTF8", 5) == 0;
}

/*
 * The locale need not be installed, and setlocale() is never called: numbers in JSON and CSV keep
 * their point. LANGUAGE counts when there is a locale other than C, as everywhere.
 */
static const char *wanted_language(void)
{
    const char *own = getenv("SNUG_LANG");
    if (is_set(own)) {
        return is_chinese(own) ? chinese : own;
    }
    const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    const char *locale = "C";
    for (int i = 2; i >= 0; i--) {
        const char *value = getenv(names[i]);
        locale = is_set(value) ? value : locale;
    }
    if (strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0 || !is_utf8(locale)) {
        return "en";
    }
    const char *language = getenv("LANGUAGE");
    return is_chinese(is_set(language) ? language : locale) ? chinese : "en";
}

/* Beside the program when it lies in its build folder, else where it was installed to. */
static bool use_near(const char *language)
{
    static const char *const places[] = {"locale", "../share/locale"};
    char program[PATH_BYTES];
    char folder[PATH_BYTES + 32];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) {
        return false;
    }
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        (void)snprintf(folder, sizeof folder, "%s/%s", program, places[i]);
        if (snug_language_use(folder, language, NULL) == SNUG_OK) {
            return true;
        }
    }
    return false;
}

void cli_language_init(void)
{
    const char *language = wanted_language();
    const char *folder = getenv("SNUG_LOCALEDIR");
    if (strcmp(language, "en") == 0) {
        return;
    }
    snug_error err = {0};
    if (is_set(folder)) {
        if (snug_language_use(folder, language, &err) == SNUG_OK) {
            return;
        }
    } else if (use_near(language) || snug_language_use(SNUG_LOCALEDIR, language, &err) == SNUG_OK) {
        return;
    }
    /* Asked for by a variable of ours: silence would be a riddle. A locale is only a hint. */
    if (is_set(getenv("SNUG_LANG"))) {
        cli_note("messages stay in English: %s", err.message);
    }
}

void cli_language_plain(void)
{
    const snug_status status = snug_language_use(NULL, "en", NULL);
    (void)status;
}
