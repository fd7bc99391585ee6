#include "cli.h"

#include <stdio.h>
#include <string.h>

enum { NAME_COLUMN = 40 };

static void print_option(const cli_option *option)
{
    char left[96];
    (void)snprintf(left, sizeof left, "%s%c%s--%s%s%s", option->letter != 0 ? "-" : "  ",
                   option->letter != 0 ? option->letter : ' ', option->letter != 0 ? ", " : " ",
                   option->name, option->argument != NULL ? " " : "",
                   option->argument != NULL ? option->argument : "");
    (void)printf("  %-*s %s\n", NAME_COLUMN - 3, left, T_(option->help));
}

void cli_help_command(const cli_command *command)
{
    cli_say("Examples:\n%s\n", T_(command->examples));
    cli_say("Usage: snug %s%s%s\n", command->name, command->usage[0] == '\0' ? "" : " ",
            command->usage);
    cli_say("       %s\n\nOptions:\n", T_(command->summary));
    for (const cli_option *const *group = command->groups; *group != NULL; group++) {
        for (const cli_option *option = *group; option->name != NULL; option++) {
            print_option(option);
        }
    }
    if (command->overrides) {
        cli_say("\nKEY=VALUE changes one setting; 'snug config keys' lists them all.\n");
    }
}

void cli_help_all(void)
{
    cli_say("snug trains neural networks in the memory you have.\n\nExamples:\n"
            "  snug demo\n"
            "  snug check\n"
            "  snug plan timeseries data.path=sessions --budget 600MiB\n"
            "  snug train timeseries data.path=sessions --budget 600MiB --out runs/first\n"
            "\nUsage: snug COMMAND ...\n\nCommands:\n");
    for (int64_t i = 0; i < cli_command_count(); i++) {
        const cli_command *command = cli_command_at(i);
        (void)printf("  %-16s %s\n", command->name, T_(command->summary));
    }
    cli_say("\nExit codes: 0 done, 1 failed, 2 usage or configuration, 3 does not fit,\n"
            "4 a --fail-on condition, 5 some experiments failed, 130 interrupted and saved.\n"
            "'snug COMMAND --help' shows the options of a command.\n");
}

/* "snug help data" shows all commands that begin with the word. */
static bool help_on_family(const char *word)
{
    const size_t length = strlen(word);
    bool found = false;
    for (int64_t i = 0; i < cli_command_count(); i++) {
        const cli_command *command = cli_command_at(i);
        if (strncmp(command->name, word, length) == 0 && command->name[length] == ' ') {
            cli_say("%s  snug %-16s %s\n", found ? "" : T_("Commands:\n"), command->name,
                    T_(command->summary));
            found = true;
        }
    }
    return found;
}

int cli_run_help(const cli_line *line)
{
    if (line->positional_count == 0) {
        cli_help_all();
        return CLI_EXIT_DONE;
    }
    int64_t words = 0;
    const cli_command *command =
        cli_command_find(line->positionals, line->positional_count, &words);
    if (command != NULL && words == line->positional_count) {
        cli_help_command(command);
        return CLI_EXIT_DONE;
    }
    if (line->positional_count == 1 && help_on_family(line->positionals[0])) {
        return CLI_EXIT_DONE;
    }
    cli_error("there is no command '%s%s%s'; 'snug help' lists them", line->positionals[0],
              line->positional_count > 1 ? " " : "",
              line->positional_count > 1 ? line->positionals[1] : "");
    return CLI_EXIT_USAGE;
}
