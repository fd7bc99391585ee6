#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OWN_METRICS = 6, METRICS = OWN_METRICS + SNUG_METRICS_MAX, RUNS_MAX = 10000 };

/** The run's own figures, then "validation_..." of the family; answers how many. */
static int read_metrics(const snug_run_summary *summary, char names[SNUG_METRICS_MAX][64],
                        cli_metric out[METRICS])
{
    out[0] = (cli_metric){"peak", (double)summary->peak_rss_bytes};
    out[1] = (cli_metric){"loss", summary->loss};
    out[2] = (cli_metric){"validation_loss", summary->validation_loss};
    out[3] = (cli_metric){"step_seconds_median", summary->step_seconds_median};
    out[4] = (cli_metric){"allocations_after_seal", (double)summary->allocations_after_seal};
    out[5] = (cli_metric){"seconds", summary->seconds};
    for (int i = 0; i < summary->validation_metric_count; i++) {
        (void)snprintf(names[i], sizeof names[i], "validation_%s",
                       summary->validation_metrics[i].name);
        out[OWN_METRICS + i] = (cli_metric){names[i], summary->validation_metrics[i].value};
    }
    return OWN_METRICS + summary->validation_metric_count;
}

/** False after a message: --fail-on names what this run will not measure. */
static bool conditions_are_known(const cli_line *line, const snug_config *config)
{
    snug_run_summary none = {0};
    char names[SNUG_METRICS_MAX][64];
    cli_metric metrics[METRICS];
    none.validation_metric_count = snug_config_metrics(config, none.validation_metrics);
    return cli_fail_on_check(line, metrics, read_metrics(&none, names, metrics));
}

/* runs/NAME-1, runs/NAME-2, ...: the first that is not there. */
static bool choose_run(const char *config, char out[4096])
{
    const char *slash = strrchr(config, '/');
    const char *name = slash == NULL ? config : slash + 1;
    const int length = (int)strcspn(name, ".");
    for (int i = 1; i < RUNS_MAX; i++) {
        if (snprintf(out, 4096, "runs/%.*s-%d", length, name, i) >= 4096) {
            break;
        }
        if (access(out, F_OK) != 0) {
            return true;
        }
    }
    cli_error("no free name under runs/; give one with --out");
    return false;
}

int cli_train(const cli_line *line, snug_session *session, snug_run_summary *out_summary)
{
    snug_error err = {0};
    cli_progress progress;
    cli_progress_init(&progress, line);
    const snug_observer observer = cli_progress_observer(&progress);
    cli_catch_signals(session);
    const snug_status status = snug_session_train(session, &observer, out_summary, &err);
    cli_release_signals();
    cli_progress_end(&progress);
    if (status == SNUG_CODE_INTERRUPTED) {
        cli_note("stopped after step %lld and saved; --resume goes on from here",
                 (long long)out_summary->steps);
        return CLI_EXIT_INTERRUPTED;
    }
    return status == SNUG_OK ? CLI_EXIT_DONE : cli_failed(status, &err);
}

static int plan_only(const cli_line *line, snug_session *session)
{
    snug_error err = {0};
    snug_plan_summary plan = {0};
    snug_session_plan(session, &plan);
    const snug_status status = snug_session_plan_write(
        session, line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT, cli_write, NULL, &err);
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    return plan.fits ? CLI_EXIT_DONE : CLI_EXIT_NO_FIT;
}

static int train_and_report(const cli_line *line, snug_session *session, const char *out)
{
    snug_run_summary summary = {0};
    snug_error err = {0};
    char names[SNUG_METRICS_MAX][64];
    cli_metric metrics[METRICS];
    cli_note("run folder: %s", out);
    const int code = cli_train(line, session, &summary);
    if (code != CLI_EXIT_DONE && code != CLI_EXIT_INTERRUPTED) {
        return code;
    }
    const snug_status status = snug_session_summary_write(
        session, line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT, cli_write, NULL, &err);
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    if (!line->json && code == CLI_EXIT_DONE) {
        cli_say("Next      snug eval %s --part test\n", out);
    }
    const int count = read_metrics(&summary, names, metrics);
    if (code == CLI_EXIT_DONE && cli_fail_on_holds(line, metrics, count)) {
        return CLI_EXIT_CONDITION;
    }
    return code;
}

/* "RUN", "RUN/latest_model" and "RUN/checkpoints/last" are all RUN when it is a run of ours. */
static bool find_run(const char *path, char out[4096])
{
    char probe[4200];
    if (snprintf(out, 4096, "%s", path) >= 4096) {
        return false;
    }
    for (int up = 0; up < 3; up++) {
        (void)snprintf(probe, sizeof probe, "%s/config.yaml", out);
        if (access(probe, R_OK) == 0) {
            return true;
        }
        char *slash = strrchr(out, '/');
        if (slash == NULL || slash == out) {
            return false;
        }
        *slash = '\0';
    }
    return false;
}

/*
 * --resume-from-checkpoint in the words of scripts that only knew weights: a run of ours goes on
 * exactly where it was, any other folder is a model to start from.
 */
static bool take_resume_from(cli_line *line, char run[4096], char model[4096])
{
    const char *from = line->values.resume_from;
    if (from == NULL) {
        return true;
    }
    if (find_run(from, run)) {
        line->values.out = line->values.out == NULL ? run : line->values.out;
        line->values.resume = true;
        return true;
    }
    if (snprintf(model, 4096, "model.path=%s", from) >= 4096 ||
        line->override_count == CLI_OVERRIDES_MAX) {
        cli_error("--resume-from-checkpoint: the path is too long");
        return false;
    }
    line->overrides[line->override_count++] = model;
    return true;
}

int cli_run_train(const cli_line *given)
{
    int code = CLI_EXIT_DONE;
    char chosen[4096], run[4096], model[4096];
    cli_line copy = *given;
    const cli_line *line = &copy;
    if (!take_resume_from(&copy, run, model)) {
        return CLI_EXIT_USAGE;
    }
    const char *out = line->values.out;
    if (line->values.resume && out == NULL) {
        cli_error("--resume needs the folder of the run: --out RUN");
        return CLI_EXIT_USAGE;
    }
    snug_config *config = cli_open_config(line, line->positionals[0], &code);
    if (config == NULL) {
        return code;
    }
    if (!conditions_are_known(line, config)) {
        snug_config_close(config);
        return CLI_EXIT_USAGE;
    }
    if (out == NULL && !line->values.dry_run) {
        if (!choose_run(line->positionals[0], chosen)) {
            snug_config_close(config);
            return CLI_EXIT_USAGE;
        }
        out = chosen;
    }
    snug_error err = {0};
    snug_session *session = NULL;
    const snug_session_options options = {.purpose = line->values.dry_run ? SNUG_PURPOSE_PLAN
                                                                          : SNUG_PURPOSE_TRAIN,
                                          .budget = line->values.budget,
                                          .out = line->values.dry_run ? NULL : out,
                                          .resume = line->values.resume};
    const snug_status status = snug_session_open(config, &options, &session, &err);
    snug_config_close(config);
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    code = line->values.dry_run ? plan_only(line, session) : train_and_report(line, session, out);
    snug_session_close(session);
    return code;
}
