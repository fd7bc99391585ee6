#include "cli.h"

#include <string.h>

static bool read_options(const cli_line *line, snug_run_options *out)
{
    const cli_values *values = &line->values;
    snug_error err = {0};
    if (values->limit == NULL) {
        cli_error("'snug run' needs a limit: snug run --limit SIZE -- COMMAND ...");
        return false;
    }
    if (snug_size_read(values->limit, &out->limit_bytes, &err) != SNUG_OK) {
        cli_error("--limit: %s", err.message);
        return false;
    }
    if (!snug_run_enforce_find(values->enforce, &out->enforce)) {
        return false;
    }
    if (values->retry != NULL &&
        !cli_number("retry", values->retry, 0, SNUG_RUN_ATTEMPTS_MAX - 1, &out->retry_count)) {
        return false;
    }
    if (values->time_limit != NULL &&
        !cli_seconds("time-limit", values->time_limit, &out->time_limit_s)) {
        return false;
    }
    if (values->grace != NULL && !cli_seconds("grace", values->grace, &out->grace_s)) {
        return false;
    }
    if (values->interval != NULL &&
        !cli_seconds("interval", values->interval, &out->log_interval_s)) {
        return false;
    }
    out->log = values->log_file;
    out->shrink = values->shrink;
    out->grow = values->grow;
    out->state = values->state;
    out->message = cli_message;
    return true;
}

int cli_run_run(const cli_line *line)
{
    /* Too large for the stack; main.c keeps the line for the same reason. */
    static char *words[CLI_POSITIONALS_MAX + 1];
    static snug_run_result result;
    snug_error err = {0};
    snug_run_options options = {.command = words};
    for (int64_t i = 0; i < line->positional_count; i++) {
        memcpy(&words[i], &line->positionals[i], sizeof words[i]);
    }
    if (!read_options(line, &options)) {
        return CLI_EXIT_USAGE;
    }
    const snug_status status = snug_run(&options, &result, &err);
    int code = result.exit_code;
    if (status != SNUG_OK) {
        const int plain = cli_failed(status, &err);
        code = status == SNUG_CODE_USAGE ? plain : result.exit_code;
    }
    if (line->values.result != NULL && status != SNUG_CODE_USAGE &&
        snug_run_result_save(&options, &result, line->values.result, &err) != SNUG_OK) {
        cli_error("%s", err.message);
        return code == CLI_EXIT_DONE ? SNUG_RUN_EXIT_FAILED : code;
    }
    return code;
}
