#include "cli.h"

#include <stdio.h>
#include <string.h>

/* Too large for the stack of a function that calls the library. */
static cli_line line;

static int unknown_command(int argc, char **argv)
{
    const char *names[64];
    char first_words[64][32];
    int64_t count = 0;
    bool family = false;
    for (int64_t i = 0; i < cli_command_count() && count < 62; i++) {
        const cli_command *command = cli_command_at(i);
        const int length = (int)strcspn(command->name, " ");
        (void)snprintf(first_words[count], sizeof first_words[count], "%.*s", length,
                       command->name);
        family = family || (strcmp(first_words[count], argv[1]) == 0 && command->name[length] != 0);
        names[count] = first_words[count];
        count++;
    }
    if (family) {
        /* "snug data" or "snug data convrt": the second word is what is missing or wrong. */
        const char *second[64];
        int64_t second_count = 0;
        char list[256] = "";
        for (int64_t i = 0; i < cli_command_count(); i++) {
            const cli_command *command = cli_command_at(i);
            const size_t length = strlen(argv[1]);
            if (strncmp(command->name, argv[1], length) == 0 && command->name[length] == ' ') {
                second[second_count++] = command->name + length + 1;
                (void)snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s",
                               list[0] == '\0' ? "" : ", ", command->name + length + 1);
            }
        }
        const char *near = argc > 2 ? snug_name_nearest(argv[2], second, second_count) : NULL;
        if (near != NULL) {
            cli_error("there is no command '%s %s'; did you mean '%s %s'?", argv[1], argv[2],
                      argv[1], near);
        } else {
            cli_error("'snug %s' needs one of these words: %s", argv[1], list);
        }
        return CLI_EXIT_USAGE;
    }
    const char *near = snug_name_nearest(argv[1], names, count);
    if (near != NULL) {
        cli_error("there is no command '%s'; did you mean '%s'?", argv[1], near);
    } else {
        cli_error("there is no command '%s'; 'snug help' lists them", argv[1]);
    }
    return CLI_EXIT_USAGE;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        cli_help_all();
        return CLI_EXIT_DONE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cli_help_all();
        return CLI_EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("snug %s\n", snug_version());
        return CLI_EXIT_DONE;
    }
    const char *const words[2] = {argv[1], argc > 2 ? argv[2] : ""};
    int64_t used = 0;
    const cli_command *command = cli_command_find(words, argc > 2 ? 2 : 1, &used);
    if (command == NULL) {
        if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
            line.positionals[0] = argv[1];
            line.positional_count = 1;
            return cli_run_help(&line);
        }
        return unknown_command(argc, argv);
    }
    if (!cli_parse(command, argc, argv, 1 + (int)used, &line)) {
        return CLI_EXIT_USAGE;
    }
    cli_output_init(line.quiet, line.color);
    if (line.json || line.values.result != NULL) {
        cli_language_plain();
    }
    if (line.help) {
        cli_help_command(command);
        return CLI_EXIT_DONE;
    }
    return command->run(&line);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "monitor") == 0) {
        /* Before anything else has brought in pages of its own. */
        snug_monitor_prepare();
    }
    cli_output_init(false, cli_wants_color("auto", 2));
    cli_language_init();
    int code = run(argc, argv);
    /* A result that did not reach its reader is a failure, whatever the command thought. */
    if ((fflush(stdout) != 0 || ferror(stdout) != 0) && code == CLI_EXIT_DONE) {
        cli_error("cannot write the result to standard output");
        code = CLI_EXIT_FAILED;
    }
    return code;
}
