#include "cli.h"

#include <string.h>

enum { METRICS = 4 };

static void read_metrics(const snug_evaluation *evaluation, cli_metric out[METRICS])
{
    out[0] = (cli_metric){"loss", evaluation->loss};
    out[1] = (cli_metric){"mse", evaluation->mse};
    out[2] = (cli_metric){"mae", evaluation->mae};
    out[3] = (cli_metric){"r2", evaluation->r2};
}

static int evaluate(const cli_line *line, snug_session *session, snug_part part)
{
    snug_error err = {0};
    snug_evaluation evaluation = {0};
    cli_metric metrics[METRICS];
    cli_progress progress;
    cli_progress_init(&progress, line);
    snug_observer observer = cli_progress_observer(&progress);
    observer.evaluation = NULL; /* The result goes to stdout below. */
    cli_catch_signals(session);
    snug_status status = snug_session_eval(session, part, &observer, &evaluation, &err);
    cli_release_signals();
    cli_progress_end(&progress);
    if (status == SNUG_OK) {
        status = snug_evaluation_write(
            &evaluation, line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT, cli_write, NULL, &err);
    }
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    read_metrics(&evaluation, metrics);
    return cli_fail_on_holds(line, metrics, METRICS) ? CLI_EXIT_CONDITION : CLI_EXIT_DONE;
}

int cli_run_eval(const cli_line *line)
{
    int code = CLI_EXIT_DONE;
    cli_metric metrics[METRICS];
    snug_part part = SNUG_PART_VALIDATION;
    if (line->values.part != NULL) {
        (void)cli_part(line->values.part, &part);
    }
    read_metrics(&(snug_evaluation){0}, metrics);
    if (!cli_fail_on_check(line, metrics, METRICS)) {
        return CLI_EXIT_USAGE;
    }
    snug_session *session = cli_open_run(line, SNUG_PURPOSE_EVAL, &code);
    if (session == NULL) {
        return code;
    }
    code = evaluate(line, session, part);
    snug_session_close(session);
    return code;
}
