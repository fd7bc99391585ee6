/* One page against the public API: plan, and when it fits, train and print the result. */
#include <stdio.h>

#include <snug/snug.h>

static void print(void *context, const char *text, int64_t bytes)
{
    (void)fwrite(text, 1, (size_t)bytes, context);
}

static void show_step(void *context, const snug_step_report *report)
{
    (void)context;
    (void)printf("step %lld of %lld: loss %g\n", (long long)report->step,
                 (long long)report->step_count, report->loss);
}

static int train(snug_session *session)
{
    snug_error err = {0};
    const snug_observer observer = {.step = show_step};
    if (snug_session_train(session, &observer, NULL, &err) != SNUG_OK ||
        snug_session_summary_write(session, SNUG_FORMAT_TEXT, print, stdout, &err) != SNUG_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: train CONFIG BUDGET [KEY=VALUE ...]\n");
        return 2;
    }
    int code = 1;
    snug_error err = {0};
    snug_config *config = NULL;
    snug_session *session = NULL;
    const snug_config_options chosen = {
        .config = argv[1], .overrides = (const char *const *)&argv[3], .override_count = argc - 3};
    const snug_session_options options = {.purpose = SNUG_PURPOSE_TRAIN, .budget = argv[2]};

    if (snug_config_open(&chosen, &config, &err) != SNUG_OK ||
        snug_session_open(config, &options, &session, &err) != SNUG_OK ||
        snug_session_plan_write(session, SNUG_FORMAT_TEXT, print, stdout, &err) != SNUG_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
    } else {
        code = train(session);
    }
    snug_session_close(session);
    snug_config_close(config);
    return code;
}
