#include "cli.h"

#include <stddef.h>

int cli_run_check(const cli_line *line)
{
    snug_error err = {0};
    snug_machine machine = {0};
    snug_machine_options options = {.budget = line->values.budget};
    snug_status status = SNUG_OK;
    if (line->values.require != NULL) {
        status = snug_size_read(line->values.require, &options.require_bytes, &err);
        if (status != SNUG_OK) {
            return cli_failed(status, &err);
        }
    }
    status = snug_machine_check(&options, &machine, &err);
    if (status == SNUG_OK) {
        status = snug_machine_write(&machine, line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT,
                                    cli_write, NULL, &err);
    }
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    if (!machine.meets) {
        cli_error("less than %s is free for us here", line->values.require);
        return CLI_EXIT_NO_FIT;
    }
    return CLI_EXIT_DONE;
}
