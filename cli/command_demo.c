#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* Some seconds on two cores; the budget is about half of what keeping everything would take. */
static const char demo_budget[] = "28MiB";
static const snug_data_generate_options demo_data = {
    .sessions = 8, .rows = 16000, .channels = 8, .targets = 4, .rate = 1000, .seed = 42};
static const char *const demo_settings[] = {
    "data.window=2000",
    "data.stride=250",
    "data.num_workers=1",
    "data.chunk_cache_size=1MiB",
    "training.batch_size=64",
    "training.max_steps=200",
    "training.eval_every_steps=50",
    "training.checkpoint_every_steps=100",
    "training.log_every_steps=1",
    "optimizer.lr=0.003",
};

/* A folder that the demo may fill: --out, or a new one among the temporary files. */
static bool choose_folder(const cli_line *line, char out[PATH_BYTES])
{
    if (line->values.out != NULL) {
        return snprintf(out, PATH_BYTES, "%s", line->values.out) < PATH_BYTES;
    }
    const char *base = getenv("TMPDIR");
    if (base == NULL || base[0] == '\0') {
        base = "/tmp";
    }
    return snprintf(out, PATH_BYTES, "%s/snug-demo-XXXXXX", base) < PATH_BYTES &&
           mkdtemp(out) != NULL;
}

static int make_data(const cli_line *line, const char *folder)
{
    snug_error err = {0};
    snug_data_result result = {0};
    snug_data_generate_options options = demo_data;
    char size[32];
    options.out = folder;
    options.overwrite = true;
    const snug_status status = snug_data_generate(&options, &result, &err);
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    if (!line->json) {
        cli_say("1. Data: %lld sessions of %lld channels and %lld targets, %lld rows, %s, "
                "in %s\n\n",
                (long long)result.files, (long long)options.channels, (long long)options.targets,
                (long long)result.rows, snug_size_show(result.bytes, size), folder);
    }
    return CLI_EXIT_DONE;
}

static snug_config *open_config(const char *data, int *out_code)
{
    enum { SETTINGS = sizeof demo_settings / sizeof demo_settings[0] };
    char path[PATH_BYTES + 16];
    const char *overrides[SETTINGS + 1];
    snug_error err = {0};
    snug_config *config = NULL;
    memcpy(overrides, demo_settings, sizeof demo_settings);
    (void)snprintf(path, sizeof path, "data.path=%s", data);
    overrides[SETTINGS] = path;
    const snug_config_options options = {.config = "timeseries_small",
                                         .profile = "quick_demo",
                                         .overrides = overrides,
                                         .override_count = SETTINGS + 1};
    const snug_status status = snug_config_open(&options, &config, &err);
    if (status != SNUG_OK) {
        *out_code = cli_config_failed(status, &err);
    }
    return config;
}

static int show_plan(const cli_line *line, snug_session *session)
{
    snug_error err = {0};
    snug_plan_summary plan = {0};
    snug_session_plan(session, &plan);
    if (!line->json) {
        cli_say("2. Plan, before anything large is taken:\n");
        const snug_status status =
            snug_session_plan_write(session, SNUG_FORMAT_TEXT, cli_write, NULL, &err);
        if (status != SNUG_OK) {
            return cli_failed(status, &err);
        }
        (void)printf("\n");
        (void)fflush(stdout);
    }
    return plan.fits ? CLI_EXIT_DONE : CLI_EXIT_NO_FIT;
}

static int train(const cli_line *line, snug_session *session, const char *run)
{
    snug_error err = {0};
    snug_run_summary summary = {0};
    if (!line->json) {
        cli_say("3. Training (progress on stderr):\n");
        (void)fflush(stdout);
    }
    const int code = cli_train(line, session, &summary);
    if (code != CLI_EXIT_DONE) {
        return code;
    }
    const snug_status status = snug_session_summary_write(
        session, line->json ? SNUG_FORMAT_JSON : SNUG_FORMAT_TEXT, cli_write, NULL, &err);
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    if (!line->json) {
        cli_say("\nThe picture of loss and memory is %s/report.svg\n"
                "Next      snug eval %s --part test\n"
                "          snug check\n",
                run, run);
    }
    return CLI_EXIT_DONE;
}

int cli_run_demo(const cli_line *line)
{
    char folder[PATH_BYTES];
    char data[PATH_BYTES];
    char run[PATH_BYTES];
    int code = CLI_EXIT_DONE;
    snug_error err = {0};
    snug_session *session = NULL;
    if (!choose_folder(line, folder) ||
        snprintf(data, sizeof data, "%s/data", folder) >= PATH_BYTES ||
        snprintf(run, sizeof run, "%s/run", folder) >= PATH_BYTES) {
        cli_error("cannot make a folder for the demo; give one with --out");
        return CLI_EXIT_FAILED;
    }
    code = make_data(line, data);
    if (code != CLI_EXIT_DONE) {
        return code;
    }
    snug_config *config = open_config(data, &code);
    if (config == NULL) {
        return code;
    }
    const snug_session_options options = {
        .purpose = SNUG_PURPOSE_TRAIN,
        .budget = line->values.budget == NULL ? demo_budget : line->values.budget,
        .out = run};
    const snug_status status = snug_session_open(config, &options, &session, &err);
    snug_config_close(config);
    if (status != SNUG_OK) {
        return cli_failed(status, &err);
    }
    code = show_plan(line, session);
    if (code == CLI_EXIT_DONE) {
        code = train(line, session, run);
    }
    snug_session_close(session);
    return code;
}
