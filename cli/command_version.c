#include "cli.h"

#include <stdio.h>

int cli_run_version(const cli_line *line)
{
    if (line->json) {
        (void)printf("{\"schema\":\"snug.version/1\",\"version\":\"%s\"}\n", snug_version());
    } else {
        (void)printf("snug %s\n", snug_version());
    }
    return CLI_EXIT_DONE;
}
