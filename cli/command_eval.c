#include "cli.h"

#include <string.h>

enum { METRICS = SNUG_METRICS_MAX + 1 };

/** "loss" and what the family measures; answers how many. */
static int read_metrics(double loss, const snug_metric *metrics, int count, cli_metric out[METRICS])
{
    out[0] = (cli_metric){"loss", loss};
    for (int i = 0; i < count; i++) {
        out[i + 1] = (cli_metric){metrics[i].name, metrics[i].value};
    }
    return count + 1;
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
    if (status == SNUG_OK && line->values.picture != NULL) {
        status = snug_evaluation_draw(&evaluation, line->values.picture, &err);
    }
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    const int count =
        read_metrics(evaluation.loss, evaluation.metrics, evaluation.metric_count, metrics);
    return cli_fail_on_holds(line, metrics, count) ? CLI_EXIT_CONDITION : CLI_EXIT_DONE;
}

int cli_run_eval(const cli_line *line)
{
    int code = CLI_EXIT_DONE;
    cli_metric metrics[METRICS];
    snug_part part = SNUG_PART_VALIDATION;
    if (line->values.part != NULL) {
        (void)cli_part(line->values.part, &part);
    }
    snug_session *session = cli_open_run(line, SNUG_PURPOSE_EVAL, &code);
    if (session == NULL) {
        return code;
    }
    snug_metric measured[SNUG_METRICS_MAX];
    const int count = read_metrics(0.0, measured, snug_session_metrics(session, measured), metrics);
    if (line->values.picture != NULL && !snug_session_has_classes(session)) {
        cli_error("--picture draws which classes were confused; this run predicts numbers");
        code = CLI_EXIT_USAGE;
    } else if (!cli_fail_on_check(line, metrics, count)) {
        code = CLI_EXIT_USAGE;
    } else {
        code = evaluate(line, session, part);
    }
    snug_session_close(session);
    return code;
}
