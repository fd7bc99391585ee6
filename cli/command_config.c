#include "cli.h"

#include <stdio.h>

int cli_run_config_show(const cli_line *line)
{
    int code = CLI_EXIT_DONE;
    snug_config *config =
        cli_open_config(line, line->positional_count > 0 ? line->positionals[0] : NULL, &code);
    if (config == NULL) {
        return code;
    }
    snug_error err = {0};
    const snug_status status =
        snug_config_show(config, line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT,
                         line->values.origin, cli_write, NULL, &err);
    snug_config_close(config);
    return status == SNUG_OK ? CLI_EXIT_DONE : cli_failed(status, &err);
}

static void print_names(bool profile)
{
    for (int64_t i = 0; i < snug_config_name_count(); i++) {
        const snug_config_name name = snug_config_name_at(i);
        if (name.profile == profile) {
            (void)printf("  %-18s %s\n", name.name, T_(name.help));
        }
    }
}

/* Names and help texts of the library hold no quotes or control characters; tests say so. */
static void print_names_json(bool profile)
{
    const char *comma = "";
    for (int64_t i = 0; i < snug_config_name_count(); i++) {
        const snug_config_name name = snug_config_name_at(i);
        if (name.profile == profile) {
            (void)printf("%s{\"name\":\"%s\",\"help\":\"%s\"}", comma, name.name, name.help);
            comma = ",";
        }
    }
}

int cli_run_config_list(const cli_line *line)
{
    if (line->json) {
        (void)printf("{\"schema\":\"snug.configs/1\",\"configs\":[");
        print_names_json(false);
        (void)printf("],\"profiles\":[");
        print_names_json(true);
        (void)printf("]}\n");
        return CLI_EXIT_DONE;
    }
    cli_say("Configurations (snug train NAME data.path=...):\n");
    print_names(false);
    cli_say("Profiles (--profile NAME, laid over a configuration):\n");
    print_names(true);
    return CLI_EXIT_DONE;
}

int cli_run_config_keys(const cli_line *line)
{
    const char *comma = "";
    if (line->json) {
        (void)printf("{\"schema\":\"snug.keys/1\",\"keys\":[");
    }
    for (int64_t i = 0; i < snug_config_key_count(); i++) {
        const snug_config_key key = snug_config_key_at(i);
        if (line->json) {
            (void)printf("%s{\"key\":\"%s\",\"default\":\"%s\",\"unit\":\"%s\",\"choices\":\"%s\","
                         "\"help\":\"%s\"}",
                         comma, key.key, key.fallback, key.unit,
                         key.choices == NULL ? "" : key.choices, key.help);
            comma = ",";
            continue;
        }
        (void)printf("%-42s %-14s %s%s%s\n", key.key,
                     key.fallback[0] == '\0' ? "\"\"" : key.fallback, T_(key.help),
                     key.choices == NULL ? "" : ": ", key.choices == NULL ? "" : key.choices);
    }
    if (line->json) {
        (void)printf("]}\n");
    }
    return CLI_EXIT_DONE;
}
