#include "cli.h"

#include <stddef.h>

static int run_all(const cli_line *line, snug_experiment_set *set)
{
    snug_error err = {0};
    int64_t failed = 0;
    const snug_status ran = snug_experiments_run(set, &failed, &err);
    if (ran != SNUG_OK && ran != SNUG_CODE_INTERRUPTED) {
        return cli_failed(ran, &err);
    }
    const int code = ran == SNUG_CODE_INTERRUPTED ? cli_failed(ran, &err) : CLI_EXIT_DONE;
    const snug_status status = snug_experiments_write(
        set, line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT, cli_write, NULL, &err);
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    if (failed > 0 && code == CLI_EXIT_DONE) {
        cli_error("%lld %s failed; the output is in %s/logs", (long long)failed,
                  failed == 1 ? "experiment" : "experiments", snug_experiments_folder(set));
        return CLI_EXIT_SOME_FAILED;
    }
    return code;
}

int cli_run_experiments(const cli_line *line)
{
    snug_error err = {0};
    snug_experiment_set *set = NULL;
    const snug_experiment_options options = {.file = line->positionals[0],
                                             .out = line->values.out,
                                             .budget = line->values.budget,
                                             .only = line->values.only,
                                             .resume = line->values.resume,
                                             .keep_going = line->values.keep_going,
                                             .message = cli_message};
    snug_status status = snug_experiments_open(&options, &set, &err);
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    int code = CLI_EXIT_DONE;
    if (line->values.dry_run) {
        status = snug_experiments_list(set, line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT,
                                       cli_write, NULL, &err);
        code = status == SNUG_OK ? CLI_EXIT_DONE : cli_failed(status, &err);
    } else {
        code = run_all(line, set);
    }
    snug_experiments_close(set);
    return code;
}
