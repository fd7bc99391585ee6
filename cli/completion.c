#include "cli.h"

#include <stdio.h>
#include <string.h>

/* Scripts for three shells from the one table of commands and options. */

static void print_first_words(const char *separator)
{
    char last[32] = "";
    const char *between = "";
    for (int64_t i = 0; i < cli_command_count(); i++) {
        const cli_command *command = cli_command_at(i);
        const int length = (int)strcspn(command->name, " ");
        if ((int)strlen(last) == length && strncmp(last, command->name, (size_t)length) == 0) {
            continue;
        }
        (void)snprintf(last, sizeof last, "%.*s", length, command->name);
        (void)printf("%s%s", between, last);
        between = separator;
    }
}

static void print_second_words(const char *family, const char *separator)
{
    const size_t length = strlen(family);
    const char *between = "";
    for (int64_t i = 0; i < cli_command_count(); i++) {
        const cli_command *command = cli_command_at(i);
        if (strncmp(command->name, family, length) == 0 && command->name[length] == ' ') {
            (void)printf("%s%s", between, command->name + length + 1);
            between = separator;
        }
    }
}

static void print_configs(void)
{
    const char *between = "";
    for (int64_t i = 0; i < snug_config_name_count(); i++) {
        const snug_config_name name = snug_config_name_at(i);
        if (!name.profile) {
            (void)printf("%s%s", between, name.name);
            between = " ";
        }
    }
}

static void print_keys(void)
{
    const char *between = "";
    for (int64_t i = 0; i < snug_config_key_count(); i++) {
        (void)printf("%s%s=", between, snug_config_key_at(i).key);
        between = " ";
    }
}

/* The key of a case label: "data convert" is the first two words joined. */
static void print_bash_options(const cli_command *command)
{
    (void)printf("    '%s') words='", command->name);
    for (const cli_option *const *group = command->groups; *group != NULL; group++) {
        for (const cli_option *option = *group; option->name != NULL; option++) {
            (void)printf("--%s ", option->name);
        }
    }
    (void)printf("';;\n");
}

static void print_bash_values(void)
{
    static const char *const seen_names[] = {"color", "profile", "part"};
    for (size_t n = 0; n < sizeof seen_names / sizeof seen_names[0]; n++) {
        const cli_option *option = NULL;
        for (int64_t i = 0; i < cli_command_count() && option == NULL; i++) {
            option = cli_option_find(cli_command_at(i), seen_names[n]);
        }
        if (option == NULL) {
            continue;
        }
        (void)printf("    --%s) choices='", option->name);
        for (const char *at = option->choices; *at != '\0'; at++) {
            (void)putchar(*at == '|' ? ' ' : *at);
        }
        (void)printf("';;\n");
    }
}

static void print_bash(void)
{
    (void)printf(
        "# bash completion for snug; made by 'snug completion bash'\n"
        "_snug() {\n"
        "  local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
        "  local name=\"${COMP_WORDS[1]}\" words='' choices=''\n"
        "  COMPREPLY=()\n"
        "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W '");
    print_first_words(" ");
    (void)printf("' -- \"$word\"))\n    return\n  fi\n  case \"$name\" in\n    data|config)\n"
                 "      if [ \"$COMP_CWORD\" -eq 2 ]; then\n"
                 "        case \"$name\" in\n          data) words='");
    print_second_words("data", " ");
    (void)printf("';;\n          config) words='");
    print_second_words("config", " ");
    (void)printf("';;\n        esac\n        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                 "        return\n      fi\n      name=\"$name ${COMP_WORDS[2]}\";;\n  esac\n"
                 "  case \"$before\" in\n");
    print_bash_values();
    (void)printf("  esac\n  if [ -n \"$choices\" ]; then\n"
                 "    COMPREPLY=($(compgen -W \"$choices\" -- \"$word\"))\n    return\n  fi\n"
                 "  case \"$name\" in\n");
    for (int64_t i = 0; i < cli_command_count(); i++) {
        print_bash_options(cli_command_at(i));
    }
    (void)printf("  esac\n  case \"$word\" in\n    -*) COMPREPLY=($(compgen -W \"$words\" -- "
                 "\"$word\")); return;;\n  esac\n  case \"$name\" in\n"
                 "    plan|train|'config show') COMPREPLY=($(compgen -W '");
    print_configs();
    (void)printf(" ");
    print_keys();
    (void)printf("' -- \"$word\"))\n      [ \"${COMPREPLY[0]: -1}\" = = ] && compopt -o nospace;;\n"
                 "    completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\"));;\n"
                 "    'data generate') COMPREPLY=($(compgen -W 'timeseries' -- \"$word\"));;\n"
                 "    help) COMPREPLY=($(compgen -W '");
    print_first_words(" ");
    (void)printf("' -- \"$word\"));;\n  esac\n}\ncomplete -o default -F _snug snug\n");
}

/* In single quotes of zsh and fish; brackets and colons mean something to zsh's _arguments. */
static void print_quoted(const char *text, bool zsh)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            (void)printf("'\\''");
        } else if (zsh && (*text == '[' || *text == ']' || *text == ':' || *text == '\\')) {
            (void)printf("\\%c", *text);
        } else {
            (void)putchar(*text);
        }
    }
}

static void print_zsh_option(const cli_option *option)
{
    if (option->letter != 0) {
        (void)printf("        '(-%c --%s)'{-%c,--%s}'[", option->letter, option->name,
                     option->letter, option->name);
    } else {
        (void)printf("        '--%s[", option->name);
    }
    print_quoted(option->help, true);
    (void)printf("]");
    if (option->argument != NULL) {
        (void)printf(":%s:", option->argument);
        if (option->choices != NULL) {
            (void)printf("(");
            for (const char *at = option->choices; *at != '\0'; at++) {
                (void)putchar(*at == '|' ? ' ' : *at);
            }
            (void)printf(")");
        } else {
            (void)printf("_files");
        }
    }
    (void)printf("' \\\n");
}

static void print_zsh(void)
{
    (void)printf("#compdef snug\n# zsh completion for snug; made by 'snug completion zsh'\n"
                 "_snug() {\n  local name=\"${words[2]}\"\n"
                 "  if (( CURRENT == 2 )); then\n    compadd -- ");
    print_first_words(" ");
    (void)printf("\n    return\n  fi\n  case \"$name\" in\n    data)\n"
                 "      if (( CURRENT == 3 )); then compadd -- ");
    print_second_words("data", " ");
    (void)printf("; return; fi\n      name=\"$name ${words[3]}\";;\n    config)\n"
                 "      if (( CURRENT == 3 )); then compadd -- ");
    print_second_words("config", " ");
    (void)printf("; return; fi\n      name=\"$name ${words[3]}\";;\n  esac\n  case \"$name\" in\n");
    for (int64_t i = 0; i < cli_command_count(); i++) {
        const cli_command *command = cli_command_at(i);
        (void)printf("    '%s')\n      _arguments -s -S \\\n", command->name);
        for (const cli_option *const *group = command->groups; *group != NULL; group++) {
            for (const cli_option *option = *group; option->name != NULL; option++) {
                print_zsh_option(option);
            }
        }
        (void)printf("        '*:word:_snug_words';;\n");
    }
    (void)printf("  esac\n}\n_snug_words() {\n  compadd -- ");
    print_configs();
    (void)printf("\n  compadd -S '' -- ");
    print_keys();
    (void)printf("\n  _files\n}\n_snug \"$@\"\n");
}

static void print_fish_condition(const char *name)
{
    const char *space = strchr(name, ' ');
    if (space == NULL) {
        (void)printf("'__fish_seen_subcommand_from %s'", name);
    } else {
        (void)printf("'__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s'",
                     (int)(space - name), name, space + 1);
    }
}

static void print_fish(void)
{
    (void)printf("# fish completion for snug; made by 'snug completion fish'\n");
    char last[32] = "";
    for (int64_t i = 0; i < cli_command_count(); i++) {
        const cli_command *command = cli_command_at(i);
        const char *space = strchr(command->name, ' ');
        const int length = (int)strcspn(command->name, " ");
        const bool first =
            (int)strlen(last) != length || strncmp(last, command->name, (size_t)length) != 0;
        if (first) {
            (void)printf("complete -c snug -n __fish_use_subcommand -f -a %.*s -d '", length,
                         command->name);
            print_quoted(space == NULL ? command->summary : "several commands", false);
            (void)printf("'\n");
        }
        (void)snprintf(last, sizeof last, "%.*s", length, command->name);
        if (space != NULL) {
            (void)printf("complete -c snug -n '__fish_seen_subcommand_from %s' -f -a %s -d '", last,
                         space + 1);
            print_quoted(command->summary, false);
            (void)printf("'\n");
        }
        for (const cli_option *const *group = command->groups; *group != NULL; group++) {
            for (const cli_option *option = *group; option->name != NULL; option++) {
                (void)printf("complete -c snug -n ");
                print_fish_condition(command->name);
                if (option->letter != 0) {
                    (void)printf(" -s %c", option->letter);
                }
                (void)printf(" -l %s%s", option->name, option->argument != NULL ? " -r" : "");
                if (option->choices != NULL) {
                    (void)printf(" -f -a '");
                    for (const char *at = option->choices; *at != '\0'; at++) {
                        (void)putchar(*at == '|' ? ' ' : *at);
                    }
                    (void)printf("'");
                }
                (void)printf(" -d '");
                print_quoted(option->help, false);
                (void)printf("'\n");
            }
        }
    }
    (void)printf("complete -c snug -n '__fish_seen_subcommand_from plan train show' -f -a '");
    print_configs();
    (void)printf(" ");
    print_keys();
    (void)printf("'\n");
}

bool cli_completion_print(const char *shell)
{
    if (strcmp(shell, "bash") == 0) {
        print_bash();
    } else if (strcmp(shell, "zsh") == 0) {
        print_zsh();
    } else if (strcmp(shell, "fish") == 0) {
        print_fish();
    } else {
        return false;
    }
    return true;
}

int cli_run_completion(const cli_line *line)
{
    if (!cli_completion_print(line->positionals[0])) {
        cli_error("there is no completion for '%s'; there is one for bash, zsh and fish",
                  line->positionals[0]);
        return CLI_EXIT_USAGE;
    }
    return CLI_EXIT_DONE;
}
