#include "cli.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic(snug_session *) watched;
/* Translated before: a signal handler looks nothing up. */
static const char *stop_text;

static void on_signal(int number)
{
    (void)number;
    snug_session *session = atomic_load(&watched);
    if (session != NULL) {
        snug_session_stop(session);
        const ssize_t written = write(STDERR_FILENO, stop_text, strlen(stop_text));
        (void)written;
    }
}

void cli_catch_signals(snug_session *session)
{
    stop_text = T_("\nsnug: stopping after this step and saving; once more stops at once\n");
    atomic_store(&watched, session);
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigemptyset(&action.sa_mask);
    /* The first signal takes its handler away, so that the second one ends the process. */
    action.sa_flags = (int)SA_RESETHAND;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

void cli_release_signals(void)
{
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    atomic_store(&watched, NULL);
}

static snug_config *open_config(const cli_line *line, const char *config, const char *profile,
                                int *out_code)
{
    snug_error err = {0};
    snug_config *opened = NULL;
    const snug_config_options options = {.config = config,
                                         .profile = profile,
                                         .overrides = line->overrides,
                                         .override_count = line->override_count};
    const snug_status status = snug_config_open(&options, &opened, &err);
    if (status != SNUG_OK) {
        *out_code = cli_config_failed(status, &err);
        return NULL;
    }
    for (int64_t i = 0; i < snug_config_note_count(opened); i++) {
        cli_note("%s", snug_config_note(opened, i));
    }
    return opened;
}

snug_config *cli_open_config(const cli_line *line, const char *config, int *out_code)
{
    return open_config(line, config, line->values.profile, out_code);
}

/* A word of a shell command, quoted when the shell would not take it as it is. */
static void print_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./=:,%+@";
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        (void)printf(" %s", word);
        return;
    }
    (void)printf(" '");
    for (; *word != '\0'; word++) {
        (void)printf(*word == '\'' ? "'\\''" : "%c", *word);
    }
    (void)printf("'");
}

void cli_print_next(const cli_line *line, const char *name, int64_t budget_bytes)
{
    char size[32];
    cli_say("Next      snug %s", name);
    for (int64_t i = 0; i < line->positional_count; i++) {
        print_word(line->positionals[i]);
    }
    for (int64_t i = 0; i < line->override_count; i++) {
        print_word(line->overrides[i]);
    }
    if (line->values.profile != NULL) {
        (void)printf(" --profile %s", line->values.profile);
    }
    if (budget_bytes > 0) {
        (void)snprintf(size, sizeof size, "%lldMiB", (long long)((budget_bytes + 1048575) >> 20));
        (void)printf(" --budget %s", size);
    }
    (void)printf("\n");
}

snug_session *cli_open_run(const cli_line *line, snug_purpose purpose, int *out_code)
{
    const char *run = line->positionals[0];
    char path[4096];
    char checkpoint[4096];
    int length = snprintf(path, sizeof path, "%s/config.yaml", run);
    if (length >= (int)sizeof path) {
        cli_error("the path '%.60s...' is too long", run);
        *out_code = CLI_EXIT_USAGE;
        return NULL;
    }
    if (access(path, R_OK) != 0) {
        cli_error("'%s' is no run: it has no readable config.yaml", run);
        *out_code = CLI_EXIT_USAGE;
        return NULL;
    }
    snug_config *config = open_config(line, path, NULL, out_code);
    if (config == NULL) {
        return NULL;
    }
    const char *name = line->values.checkpoint;
    length = snprintf(checkpoint, sizeof checkpoint, "%s%s%s", run,
                      name == NULL ? "" : "/checkpoints/", name == NULL ? "" : name);
    snug_session *session = NULL;
    snug_error err = {0};
    const snug_session_options options = {
        .purpose = purpose, .budget = line->values.budget, .checkpoint = checkpoint};
    const snug_status status = length >= (int)sizeof checkpoint
                                   ? SNUG_CODE_LIMIT
                                   : snug_session_open(config, &options, &session, &err);
    snug_config_close(config);
    if (status != SNUG_OK) {
        *out_code = cli_failed(status, &err);
        return NULL;
    }
    return session;
}
