#include "cli.h"

#include <stdio.h>

int cli_run_predict(const cli_line *line)
{
    int code = CLI_EXIT_DONE;
    snug_part part = SNUG_PART_VALIDATION;
    if (line->values.part != NULL) {
        (void)cli_part(line->values.part, &part);
    }
    if (line->json && line->values.output == NULL) {
        cli_error("--json needs --output FILE: the predictions and the report cannot share stdout");
        return CLI_EXIT_USAGE;
    }
    snug_session *session = cli_open_run(line, SNUG_PURPOSE_PREDICT, &code);
    if (session == NULL) {
        return code;
    }
    snug_error err = {0};
    int64_t rows = 0;
    cli_progress progress;
    cli_progress_init(&progress, line);
    const snug_observer observer = cli_progress_observer(&progress);
    const snug_predict_options options = {.input = line->positional_count > 1 ? line->positionals[1]
                                                                              : NULL,
                                          .part = part,
                                          .output = line->values.output,
                                          .write = cli_write};
    cli_catch_signals(session);
    const snug_status status = snug_session_predict(session, &options, &observer, &rows, &err);
    cli_release_signals();
    cli_progress_end(&progress);
    if (status != SNUG_OK) {
        code = cli_failed(status, &err);
    } else if (line->json) {
        (void)printf("{\"schema\":\"snug.predict/1\",\"rows\":%lld}\n", (long long)rows);
    } else if (fflush(stdout) == 0) { /* Else main() says what is wrong. */
        cli_note("%lld rows predicted", (long long)rows);
    }
    snug_session_close(session);
    return code;
}
