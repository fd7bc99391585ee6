#include "cli.h"

#include <stdio.h>

enum { METRICS = 3, STEPS_MAX = 1000000 };

static void read_metrics(const snug_plan_summary *plan, cli_metric out[METRICS])
{
    out[0] = (cli_metric){"peak", (double)plan->predicted_peak_bytes};
    out[1] = (cli_metric){"minimum", (double)plan->minimum_budget_bytes};
    out[2] = (cli_metric){"time_ratio", plan->time_ratio};
}

/* Files that were asked for; the certificate is checked before another is written. */
static snug_status write_files(const cli_line *line, snug_session *session, snug_error *err)
{
    const cli_values *values = &line->values;
    snug_status status = SNUG_OK;
    if (values->verify_certificate != NULL) {
        status = snug_session_certificate_check(session, values->verify_certificate, err);
        if (status == SNUG_OK) {
            cli_note("%s: right", values->verify_certificate);
        }
    }
    if (status == SNUG_OK && values->certificate != NULL) {
        status = snug_session_certificate_save(session, values->certificate, err);
    }
    if (status == SNUG_OK && values->picture != NULL) {
        status = snug_session_picture(session, values->picture, err);
    }
    if (status == SNUG_OK && values->curve_picture != NULL) {
        status = snug_session_curve_draw(session, values->curve_picture, err);
    }
    return status;
}

static int report(const cli_line *line, snug_session *session)
{
    snug_plan_summary plan = {0};
    snug_error err = {0};
    cli_metric metrics[METRICS];
    snug_session_plan(session, &plan);
    snug_status status = write_files(line, session, &err);
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    const bool verifies = line->values.verify != NULL && plan.fits;
    if (line->json && verifies) {
        status = SNUG_OK; /* One document: what was predicted is in that of the comparison. */
    } else if (line->values.curve) {
        status = snug_session_curve_write(session, line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT,
                                          cli_write, NULL, &err);
        if (status != SNUG_OK) {
            return cli_failed(status, &err);
        }
    } else if (line->values.explain != NULL) {
        status = snug_session_explain(session, line->values.explain, cli_write, NULL, &err);
        if (status != SNUG_OK) {
            (void)cli_failed(status, &err);
            return status == SNUG_CODE_NOT_FOUND ? CLI_EXIT_USAGE : CLI_EXIT_FAILED;
        }
    } else {
        status = snug_session_plan_write(session, line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT,
                                         cli_write, NULL, &err);
        if (status != SNUG_OK) {
            return cli_failed(status, &err);
        }
        if (!line->json && !verifies) {
            cli_print_next(line, plan.fits ? "train" : "plan",
                           plan.fits ? plan.budget_bytes : plan.minimum_budget_bytes);
        }
    }
    if (!plan.fits) {
        return CLI_EXIT_NO_FIT;
    }
    read_metrics(&plan, metrics);
    return cli_fail_on_holds(line, metrics, METRICS) ? CLI_EXIT_CONDITION : CLI_EXIT_DONE;
}

/* Trains the steps that were asked for and prints the plan against what the kernel says. */
static int verify(const cli_line *line, snug_session *session)
{
    bool kept = false;
    snug_error err = {0};
    snug_plan_summary plan = {0};
    snug_status status = snug_session_train(session, NULL, NULL, &err);
    if (status == SNUG_OK) {
        const snug_format format = line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT;
        status = snug_session_verify_write(session, format, cli_write, NULL, &kept, &err);
    }
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    if (!line->json) {
        snug_session_plan(session, &plan);
        cli_print_next(line, "train", plan.budget_bytes);
    }
    return kept ? CLI_EXIT_DONE : CLI_EXIT_FAILED;
}

int cli_run_plan(const cli_line *line)
{
    int code = CLI_EXIT_DONE;
    int64_t steps = 0;
    cli_metric metrics[METRICS];
    const char *steps_text = line->values.verify;
    if (steps_text != NULL && !cli_number("verify", steps_text, 1, STEPS_MAX, &steps)) {
        return CLI_EXIT_USAGE;
    }
    read_metrics(&(snug_plan_summary){0}, metrics);
    if (!cli_fail_on_check(line, metrics, METRICS)) {
        return CLI_EXIT_USAGE;
    }
    snug_config *config = cli_open_config(line, line->positionals[0], &code);
    if (config == NULL) {
        return code;
    }
    snug_error err = {0};
    snug_session *session = NULL;
    const snug_session_options options = {.purpose =
                                              steps > 0 ? SNUG_PURPOSE_TRAIN : SNUG_PURPOSE_PLAN,
                                          .budget = line->values.budget,
                                          .recalibrate = line->values.recalibrate,
                                          .steps = steps};
    const snug_status status = snug_session_open(config, &options, &session, &err);
    snug_config_close(config);
    code = status == SNUG_OK ? report(line, session) : cli_failed(status, &err);
    if (code == CLI_EXIT_DONE && steps > 0) {
        code = verify(line, session);
    }
    snug_session_close(session);
    return code;
}
